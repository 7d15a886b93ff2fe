//! Bytes that must not be seen: zeroized on drop, compared in constant time, impossible to print, clone or serialise.
//!
//! Reading them is one greppable word, [`SecretBytes::expose`]. Absent on purpose: `Debug`, `Clone`, `Serialize`,
//! `PartialEq`, `Deref`, and any conversion that would copy a secret without saying so.

mod arena;
mod bytes;

pub use arena::{Arena, ArenaError, ArenaSecret, SLOT_BYTES};
pub use bytes::{Secret, SecretBytes};
