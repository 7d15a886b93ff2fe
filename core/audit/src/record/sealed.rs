//! A record that is finished: its bytes, and the hash that the log is made of.

use strongroom_model::id::RecordId;

use super::{DecodeError, Record};
use crate::hash::Hash;
use crate::limits;

/// Room for most records, so that one allocation does.
const USUAL_BYTES: usize = 640;

/// A finished record. Its maker pays for encoding and hashing, so that the thread that writes the log doesn't.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRecord {
    id: RecordId,
    bytes: Vec<u8>,
    leaf: Hash,
}

impl SealedRecord {
    /// Takes bytes that were read back, e.g. from an outbox row.
    ///
    /// # Errors
    /// When they are not the bytes of one record of a version known here.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let id = Record::decode(&bytes)?.id;
        Ok(Self { id, leaf: Hash::leaf(&bytes), bytes })
    }

    /// Takes bytes whose `leaf` was computed while their frame was read: the frame's hash has shown that they are the
    /// bytes that were written, so they are not looked through again. `None` when they are no record of any version.
    #[must_use]
    pub fn from_frame(bytes: &[u8], leaf: Hash) -> Option<Self> {
        Some(Self { id: peek_id(bytes)?, leaf, bytes: bytes.to_vec() })
    }

    /// The record's identity.
    #[must_use]
    pub const fn id(&self) -> RecordId {
        self.id
    }

    /// The record's bytes, at most [`limits::RECORD_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `SHA-256(0x00 || bytes)`: the leaf of the log's tree.
    #[must_use]
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    /// What the record says.
    ///
    /// # Errors
    /// For a record of a newer program, read from a log. That its form is the canonical one was seen to when it was
    /// made or taken in.
    pub fn record(&self) -> Result<Record<'_>, DecodeError> {
        Record::read(&self.bytes)
    }
}

impl Record<'_> {
    /// Finishes the record.
    #[must_use]
    pub fn seal(&self) -> SealedRecord {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        self.encode_into(&mut bytes);
        SealedRecord { id: self.id, leaf: Hash::leaf(&bytes), bytes }
    }
}

/// Reads a record's id without reading the record: it stands at the same place in every version.
#[must_use]
pub fn peek_id(record: &[u8]) -> Option<RecordId> {
    match record {
        [_, 0, _, 1, 0x50, rest @ ..] if record.len() <= limits::RECORD_BYTES => {
            rest.first_chunk().map(|id| RecordId::from_bytes(*id))
        }
        _ => None,
    }
}

impl std::fmt::Debug for SealedRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SealedRecord").field("id", &self.id).field("bytes", &self.bytes.len()).finish()
    }
}
