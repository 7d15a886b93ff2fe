//! An audit log in a directory: preallocated segment files, one thread that writes them, recovery, reading, pruning.
//!
//! What the bytes mean is strongroom-audit's. Absent on purpose: signing, which is a root of trust's; deciding what is
//! recorded or how long it is kept, which is the caller's; any timer: a write begins when the one before is on disk.

mod disk;
mod error;
pub mod limits;
mod log;
mod queue;
mod read;
mod recover;
mod shared;
mod writer;

pub use disk::{BeforeOperation, DiskOperation};
pub use error::{OpenError, PruneError};
pub use log::{FileLog, Options, Pruned};
pub use recover::{Recovery, Torn};
