//! The software root: a wrapping key and a checkpoint key in a sealed file, opened by a passphrase, a key file or
//! recovery shares, any of which may have a slot in it.
//!
//! For machines without an HSM, and beside one for recovery. Absent on purpose: where secrets come from (prompt,
//! environment, credential directory: the server's matter), splitting and combining shares (the crypto room's).

mod disk;
mod error;
mod file;
pub mod limits;
mod primitives;
mod root;
mod slot;

pub use error::SoftwareRootError;
pub use root::{Sealed, SoftwareRoot};
pub use slot::{Argon2Cost, Credential, SlotKind, SlotNumber, SlotParameters, Unlocker};

#[cfg(test)]
mod tests;
