//! The PKCS#11 root: a wrapping key and a checkpoint key that were made in a token and never leave it.
//!
//! The module's code is not ours: it blocks, hangs and crashes. It runs in a child process; here, callers wait no
//! longer than their deadline, and a child that fails is replaced. Absent on purpose: where the PIN comes from (the
//! server's matter), and groups of tokens.

mod blob;
mod breaker;
mod child;
mod error;
mod frames;
mod health;
mod keys;
mod launcher;
pub mod limits;
mod link;
mod protocol;
mod root;
mod supervisor;
mod token;
mod wrapping;

pub use child::child_main;
pub use error::Pkcs11Error;
pub use health::{HealthState, RootHealth};
pub use launcher::Launcher;
pub use protocol::{TokenSelector, Wrapping};
pub use root::{Config, Pkcs11Root};
