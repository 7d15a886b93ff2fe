//! PKCS#11: a token as root of trust, whose wrapping key and checkpoint key were made in it and never leave it; and a token,
//! or a group of them, as key store.
//!
//! The module's code is not ours: it blocks, hangs and crashes. It runs in a child process; here, callers wait no
//! longer than their deadline, and a child that fails is replaced. Absent on purpose: where the PIN comes from (the
//! server's matter), and carrying keys from one token of a group to the others (its vendor's).

mod asking;
mod blob;
mod breaker;
mod child;
mod client;
mod der;
mod error;
mod health;
mod keys;
mod launcher;
pub mod limits;
mod link;
mod objects;
mod packets;
mod protocol;
mod reader;
mod renewal;
mod root;
mod store;
mod supervisor;
mod token;
mod uses;
mod wrapping;

pub use child::child_main;
pub use error::Pkcs11Error;
pub use health::{HealthState, RootHealth};
pub use launcher::Launcher;
pub use protocol::{TokenSelector, Wrapping};
pub use root::{Config, Pkcs11Root};
pub use store::{Pkcs11KeyStore, StoreConfig};
