//! The sealed file, format `SRR` version 1: bytes to values and back, without any IO.
//!
//! The body's seal covers every byte before it, so that no slot can be added, removed or swapped without a credential.
//! Described byte by byte in docs/formats/software-root.md.

use strongroom_model::id::RootId;
use strongroom_secret::{Secret, SecretBytes};

use crate::error::SoftwareRootError;
use crate::limits;
use crate::primitives::{self, SEAL_OVERHEAD};
use crate::slot::{Credential, SLOT_BYTES, Slot};

/// How every file of this version begins.
pub(crate) const MAGIC_AND_VERSION: [u8; 4] = *b"SRR\x01";
/// Longest file, in bytes.
pub(crate) const FILE_BYTES_MOST: usize = 21 + limits::SLOTS * SLOT_BYTES + BODY_BYTES;
const BODY_BYTES: usize = 64 + SEAL_OVERHEAD;

/// What the file protects.
pub(crate) struct Keys {
    /// Wraps domain keys, through a derivation.
    pub(crate) wrapping: Secret<32>,
    /// The seed of the Ed25519 checkpoint key (RFC 8032).
    pub(crate) checkpoint_seed: Secret<32>,
}

/// A file as read: who it is, and its slots and body still sealed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SealedFile {
    pub(crate) root: RootId,
    pub(crate) slots: Vec<Slot>,
    body: [u8; BODY_BYTES],
}

impl SealedFile {
    /// Seals `keys` under `file_key`, binding the slots.
    pub(crate) fn seal(
        root: RootId,
        slots: Vec<Slot>,
        file_key: &Secret<32>,
        keys: &Keys,
    ) -> Result<Self, SoftwareRootError> {
        if slots.is_empty() || slots.len() > limits::SLOTS {
            return Err(SoftwareRootError::SlotCount);
        }
        let plaintext = SecretBytes::take([keys.wrapping.expose().as_slice(), keys.checkpoint_seed.expose()].concat());
        let body = primitives::seal(file_key, &head(root, &slots), plaintext.expose())?;
        Ok(Self { root, slots, body: body.try_into().map_err(|_| SoftwareRootError::Module("seal"))? })
    }

    /// The file key, by trying every slot of the credential's kind.
    pub(crate) fn file_key(&self, credential: &Credential<'_>) -> Result<Secret<32>, SoftwareRootError> {
        let kind = credential.kind();
        let mut slots = self.slots.iter().filter(|slot| slot.parameters.kind() == kind).peekable();
        if slots.peek().is_none() {
            return Err(SoftwareRootError::NoSlotOfKind(kind));
        }
        for slot in slots {
            if let Some(file_key) = slot.open(self.root, credential)? {
                return Ok(file_key);
            }
        }
        Err(SoftwareRootError::WrongCredential(kind))
    }

    /// The keys within; this also proves every byte of the file.
    pub(crate) fn open(&self, file_key: &Secret<32>) -> Result<Keys, SoftwareRootError> {
        let damaged = || SoftwareRootError::Damaged("its seal does not hold");
        let plaintext = primitives::open(file_key, &head(self.root, &self.slots), &self.body).ok_or_else(damaged)?;
        let (wrapping, seed) = plaintext.expose().split_at_checked(32).ok_or_else(damaged)?;
        Ok(Keys {
            wrapping: Secret::copy_from(wrapping).ok_or_else(damaged)?,
            checkpoint_seed: Secret::copy_from(seed).ok_or_else(damaged)?,
        })
    }

    /// The bytes of the file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = head(self.root, &self.slots);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads the bytes of a file.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, SoftwareRootError> {
        let cut = || SoftwareRootError::Damaged("its length does not fit its slots");
        let rest = bytes.strip_prefix(b"SRR").ok_or(SoftwareRootError::NotARoot)?;
        let (version, rest) = rest.split_first().ok_or_else(cut)?;
        if *version != 1 {
            return Err(SoftwareRootError::Version(*version));
        }
        let (root, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (count, rest) = rest.split_first().ok_or_else(cut)?;
        if !(1..=limits::SLOTS).contains(&usize::from(*count)) {
            return Err(SoftwareRootError::Damaged("its number of slots is out of bounds"));
        }
        let (slots, body) = rest.split_at_checked(usize::from(*count) * SLOT_BYTES).ok_or_else(cut)?;
        let body = body.try_into().map_err(|_| cut())?;
        let slots = slots.as_chunks().0.iter().map(Slot::from_bytes).collect::<Result<Vec<_>, _>>()?;
        if !slots.is_sorted_by(|one, next| one.number < next.number) {
            return Err(SoftwareRootError::Damaged("its slots are out of order"));
        }
        Ok(Self { root: RootId::from_bytes(*root), slots, body })
    }
}

/// Everything before the body: what its seal binds.
fn head(root: RootId, slots: &[Slot]) -> Vec<u8> {
    let count = u8::try_from(slots.len()).unwrap_or(u8::MAX);
    let mut bytes = [MAGIC_AND_VERSION.as_slice(), root.as_bytes(), &[count]].concat();
    slots.iter().for_each(|slot| bytes.extend(slot.to_bytes()));
    bytes
}
