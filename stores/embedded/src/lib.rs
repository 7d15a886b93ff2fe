//! The embedded store: SQLite in one directory, for one process, without a server.
//!
//! One thread writes and gathers what waits into one synced transaction; a few connections read consistent snapshots.
//! The files are described in docs/formats/embedded-store.md. Absent on purpose: anything that knows what the rows
//! mean, encryption of its own (values arrive sealed), a second process, and network file systems, on which SQLite's
//! write-ahead log does not work.

mod connection;
mod directory;
mod error;
pub mod limits;
mod reader;
mod store;
mod writer;

pub use error::OpenError;
pub use store::{EmbeddedStore, Options, Size};
pub use writer::{Fault, Moment};
