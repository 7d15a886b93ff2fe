//! Why a sealed file could not be made, read, opened or changed.

use std::path::PathBuf;

use strongroom_model::root::RootError;

use crate::slot::{SlotKind, SlotNumber};

/// What went wrong with a sealed file. Holds paths and numbers, never a secret.
#[derive(Debug, thiserror::Error)]
pub enum SoftwareRootError {
    /// The operating system refused.
    #[error("cannot {act} the root file {}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read, write or run it.
    #[error("the root file {} has mode {mode:04o}, so others may reach it; run chmod 600 on it", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A root already lies there; none is ever overwritten.
    #[error("there is already a file at {}; a root is never overwritten", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// It does not begin with the magic.
    #[error("this is not a root file")]
    NotARoot,
    /// A version of the format that this build does not know.
    #[error("the root file has format version {0}, which this build does not read; use a newer one")]
    Version(u8),
    /// The bytes break the format, or the seal over the whole file does not hold.
    #[error("the root file is damaged: {0}; restore it from a copy")]
    Damaged(&'static str),
    /// The credential opens no slot.
    #[error("no {0} slot of the root file opens with this credential")]
    WrongCredential(SlotKind),
    /// There is no slot that the credential could open.
    #[error("the root file has no {0} slot")]
    NoSlotOfKind(SlotKind),
    /// There is no such slot.
    #[error("the root file has no slot {0}")]
    NoSlot(SlotNumber),
    /// All slots are taken, or none or too many were asked for.
    #[error("a root file has 1 to {} slots", crate::limits::SLOTS)]
    SlotCount,
    /// Removing it would lock everybody out.
    #[error("slot {0} is the last one; add another before removing it")]
    LastSlot(SlotNumber),
    /// An empty or overlong passphrase.
    #[error("a passphrase has 1 to {} bytes", crate::limits::PASSPHRASE_BYTES)]
    PassphraseLength,
    /// Not k of n with 1 < k <= n.
    #[error("recovery needs a threshold of at least 2 and no more than the number of shares")]
    Threshold,
    /// The memory that Argon2id needs is not there.
    #[error("not enough memory for the passphrase slot: {kib} KiB are needed")]
    Memory {
        /// How much, in KiB.
        kib: u32,
    },
    /// The cryptographic library failed, its random number generator for instance.
    #[error("the cryptographic module failed to {0}")]
    Module(&'static str),
}

impl From<SoftwareRootError> for RootError {
    fn from(error: SoftwareRootError) -> Self {
        match error {
            SoftwareRootError::WrongCredential(_) => Self::WrongCredential,
            other => Self::Unavailable { cause: other.to_string() },
        }
    }
}
