//! The port to a log: room first, then the record, then the proof that it is on disk.
//!
//! A log is written by one thread of its own; whoever asks for a record to be written waits for a [`Durable`], which
//! needs no runtime. What a log is made of on disk is its own affair; what its bytes are is docs/formats/audit-log.md.

use std::collections::HashSet;

use strongroom_model::id::RecordId;

use crate::checkpoint::Checkpoint;
use crate::durable::Durable;
use crate::gate::Permit;
use crate::hash::Hash;
use crate::record::SealedRecord;

/// The number of a record in its log, counted from zero without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Position(#[n(0)] pub u64);

/// Whose record it is: strangers' records leave room for those of proved callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordClass {
    /// Of a caller that was proved, or of the product itself.
    Authenticated,
    /// Of a request whose authentication failed.
    FailedAuthentication,
}

/// Where a log stands: what is kept elsewhere, so that a log that lost records is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log's name.
    pub origin: String,
    /// How many records it has had since it began, pruned ones included.
    pub size: u64,
    /// The chain hash of its last frame.
    pub chain: Hash,
    /// The root of the tree over all its records.
    pub root: Hash,
}

/// A record as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its number.
    pub position: Position,
    /// The record.
    pub record: SealedRecord,
}

/// Records of a log, in order.
pub type StoredRecords<'a> = Box<dyn Iterator<Item = Result<StoredRecord, ReadError>> + Send + 'a>;

/// Why a record can't be written now. Requests are refused with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogUnavailable {
    /// No free place in its queue.
    #[error("the audit log's queue is full")]
    Busy,
    /// More records at once than it takes.
    #[error("{records} records at once are over the audit log's limit of {limit}")]
    TooMany {
        /// How many were to be written.
        records: usize,
        /// How many it takes.
        limit: usize,
    },
    /// The room that is left is kept for proved callers.
    #[error("the audit log's disk is nearly full; what is left is kept for authenticated requests; make room on it")]
    Reserved,
    /// No room at all. Tried again with every request.
    #[error("the audit log's disk is full; make room on it")]
    Full,
    /// Writing or syncing failed. Tried again with every request.
    #[error("the audit log can't be written: {cause}")]
    Failed {
        /// What happened, for the operator.
        cause: String,
    },
    /// The log is being closed.
    #[error("the audit log is closed")]
    Closed,
}

/// Why records can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The record is no longer kept.
    #[error("records before {first} have been pruned", first = first.0)]
    Pruned {
        /// The first record that is kept.
        first: Position,
    },
    /// A file can't be read.
    #[error("a segment of the audit log can't be read: {cause}")]
    Unreadable {
        /// What happened, for the operator.
        cause: String,
    },
    /// What is stored is not what was written.
    #[error("segment {segment} of the audit log is damaged at byte {offset}; verify the log")]
    Damaged {
        /// The segment's number.
        segment: u64,
        /// Where in it.
        offset: u64,
    },
}

/// A log. No call blocks for a disk unless it says so.
pub trait AuditLog: Send + Sync {
    /// Takes a place for `records` records, before the work that they will tell of. Dropping the permit gives it back.
    ///
    /// # Errors
    /// When the records could not be written; the request is to be refused.
    fn reserve(&self, class: RecordClass, records: usize) -> Result<Permit, LogUnavailable>;

    /// Appends records, one after the other, in the place that was taken. The result resolves to the number of the
    /// first, once all are on disk; dropping it doesn't take them back. It is to be awaited or dropped at once: once it
    /// was polled, others' records may wait for a moment until it is polled again. Fewer records than places are fine.
    fn append(&self, permit: Permit, records: Vec<SealedRecord>) -> Durable;

    /// Where the log stands on disk.
    fn head(&self) -> Head;

    /// What a checkpoint of the log as it stands on disk says, for a root of trust to sign.
    fn checkpoint(&self) -> Checkpoint {
        let Head { origin, size, root, .. } = self.head();
        Checkpoint { origin, size, root }
    }

    /// Appends a signed note: a checkpoint, or the introduction of a checkpoint key. It takes no number; the result
    /// resolves to that of the next record.
    fn append_note(&self, note: String) -> Durable;

    /// The records from `from` to where the log stands on disk now. Blocks.
    ///
    /// # Errors
    /// When the first of them can't be read.
    fn records(&self, from: Position) -> Result<StoredRecords<'_>, ReadError>;

    /// Those of `ids` that no record from `since` on has. Blocks.
    ///
    /// # Errors
    /// When a record can't be read.
    fn lacking(&self, since: Position, ids: &[RecordId]) -> Result<Vec<RecordId>, ReadError> {
        let mut lacking: HashSet<RecordId> = ids.iter().copied().collect();
        if lacking.is_empty() {
            return Ok(Vec::new());
        }
        for stored in self.records(since)? {
            lacking.remove(&stored?.record.id());
        }
        Ok(ids.iter().copied().filter(|id| lacking.contains(id)).collect())
    }
}
