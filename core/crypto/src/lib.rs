//! Algorithms, key derivation, and the formats of what is sealed: ciphertext, wrapped material, backups, shares.
//!
//! Every primitive comes from AWS-LC (docs/adr/lower-layer.md says which calls go beneath its safe crate); here are only their fixed combinations, each with one layout that never changes
//! (docs/formats/). Absent on purpose: key lookup, state, policy, IO other than the streams handed in, and any choice
//! of algorithm, nonce or parameter left to a caller who could choose badly.

mod agreement;
pub mod backup;
mod capability;
mod checkpoint;
pub mod ciphertext;
mod context;
mod derive;
pub mod detached;
mod error;
mod import;
mod kem;
mod key_wrap;
pub mod limits;
mod lower;
mod mac;
mod material;
mod oaep;
mod public;
pub mod random;
mod sealed;
pub mod shares;
mod signature;
pub mod wrapped;

pub use capability::{Capability, Module, capabilities, module};
pub use checkpoint::{CheckpointSigner, verify_checkpoint};
pub use context::EncryptionContext;
pub use error::CryptoError;
pub use import::MaterialDigest;
pub use kem::Encapsulated;
pub use material::{DataKeyPair, KeyMaterial};
pub use public::PublicKey;
pub use random::{Random, SystemRandom};
