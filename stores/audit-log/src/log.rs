//! The log: opening, appending, reading, pruning, closing.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use strongroom_audit::checkpoint::Checkpoint;
use strongroom_audit::durable::{self, Durable};
use strongroom_audit::frame::is_origin;
use strongroom_audit::gate::Permit;
use strongroom_audit::hash::Hash;
use strongroom_audit::limits::NOTE_BYTES;
use strongroom_audit::note::VerifierKey;
use strongroom_audit::port::{AuditLog, Head, LogUnavailable, Position, ReadError, RecordClass, StoredRecords};
use strongroom_audit::record::SealedRecord;
use strongroom_audit::tree::Tree;
use strongroom_audit::verify::{Report, Verifier};
use strongroom_model::clock::{Clock, Timestamp};

use crate::disk::{BeforeOperation, Disk};
use crate::error::{OpenError, PruneError};
use crate::limits;
use crate::queue::Item;
use crate::read::{self, Records};
use crate::recover::{Recovery, recover};
use crate::shared::{Shared, Standing};
use crate::writer::Writer;

/// How a log is to be.
#[derive(Clone)]
pub struct Options {
    /// Its name, 1 to 128 bytes without spaces or plus signs; by custom a host name and a path, unique in the world.
    pub origin: String,
    /// Length of the segments that are made from now on, in bytes.
    pub segment_bytes: u64,
    /// Room kept for records of authenticated requests, in bytes: what is left in files, and free space on the disk.
    pub reserved_bytes: u64,
    /// Called before every operation on a file, for tests; `None` in the product.
    pub before: Option<BeforeOperation>,
}

impl Options {
    /// The usual log of this name.
    #[must_use]
    pub const fn new(origin: String) -> Self {
        let (segment_bytes, reserved_bytes) = (limits::SEGMENT_BYTES, limits::RESERVED_BYTES);
        Self { origin, segment_bytes, reserved_bytes, before: None }
    }
}

/// A log in a directory of its own, held by this process alone. Dropping it writes what was appended, and closes it.
pub struct FileLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Released when the log is dropped, after the writer has ended.
    _lock: File,
}

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// How many segments.
    pub segments: u64,
    /// The first record that is kept.
    pub first: Position,
}

impl FileLog {
    /// Opens the log in `directory`, and makes one where there is none. Blocks.
    ///
    /// `saved` is the last head that was kept elsewhere: a log that has fewer or other records is refused.
    ///
    /// # Errors
    /// When the directory holds no sound log of this name, or the disk fails.
    pub fn open(
        directory: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        saved: Option<&Head>,
    ) -> Result<(Self, Recovery), OpenError> {
        let Options { origin, segment_bytes, reserved_bytes, before } = options;
        if !is_origin(&origin) {
            return Err(OpenError::Origin(origin));
        }
        if !(limits::SHORTEST_SEGMENT..=limits::LONGEST_SEGMENT).contains(&segment_bytes) {
            return Err(OpenError::SegmentBytes(segment_bytes));
        }
        if let Some(saved) = saved.filter(|saved| saved.origin != origin) {
            return Err(OpenError::OtherOrigin { found: origin, wanted: saved.origin.clone() });
        }
        let failed = |doing| move |source| OpenError::Io { doing, source };
        let disk = Disk::new(directory, before);
        let lock = disk
            .lock()
            .map_err(failed("locking its directory"))?
            .ok_or_else(|| OpenError::Locked(PathBuf::from(directory)))?;
        let (writer, shared, recovery) = match recover(&disk, &origin, saved)? {
            Some(recovered) => {
                let next = recovered.standing.segment + 1;
                let shared = Arc::new(Shared::new(disk, origin, segment_bytes, reserved_bytes, recovered.standing));
                let writer = Writer::new(Arc::clone(&shared), clock, Some(recovered.current), next);
                (writer, shared, recovered.recovery)
            }
            None => {
                let standing = Standing { segment: 0, offset: 0, chain: Hash::ZERO, tree: Tree::default() };
                let shared = Arc::new(Shared::new(disk, origin, segment_bytes, reserved_bytes, standing));
                let mut writer = Writer::new(Arc::clone(&shared), clock, None, 0);
                writer.begin().map_err(failed("making its first segment"))?;
                let recovery = Recovery { head: shared.head(), first: Position(0), torn: None };
                (writer, shared, recovery)
            }
        };
        let writer = std::thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || writer.run())
            .map_err(failed("starting its thread"))?;
        Ok((Self { shared, writer: Mutex::new(Some(writer)), _lock: lock }, recovery))
    }

    /// Writes what was appended, and takes nothing more. Blocks.
    pub fn close(&self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            drop(writer.join());
        }
    }

    /// Why requests are refused now, for those who watch over it. Like every request that is refused, asking has a failed
    /// disk tried again. A queue that is full is none: it has places again in a moment.
    #[must_use]
    pub fn refusal(&self) -> Option<LogUnavailable> {
        self.shared.reserve(RecordClass::Authenticated, 1).err().filter(|cause| *cause != LogUnavailable::Busy)
    }

    /// The first record that may have been under way at `time` or later, going by when segments were begun.
    ///
    /// # Errors
    /// When segments can't be read.
    pub fn position_at(&self, time: Timestamp) -> Result<Position, ReadError> {
        let begun_by = Timestamp(time.0.saturating_sub(limits::LONGEST_REQUEST_MILLIS));
        let headers = read::headers(&self.shared.disk)?;
        let first = headers.first().map_or(Position(0), |header| header.first);
        Ok(headers.iter().rev().find(|header| header.created <= begun_by).map_or(first, |header| header.first))
    }

    /// What [`FileLog::prune`] would remove: the first record, and the first that would be kept. Blocks.
    ///
    /// # Errors
    /// When segments can't be read.
    pub fn prunable(&self, before: Timestamp, keep: Position) -> Result<Option<Range<Position>>, ReadError> {
        let headers = read::headers(&self.shared.disk)?;
        let ends = headers.iter().skip(1).take_while(|next| next.created <= before && next.first <= keep);
        let end = ends.last().map(|next| next.first);
        Ok(end.zip(headers.first()).map(|(end, first)| first.first..end))
    }

    /// Removes the segments, from the first on, that hold only records written before `before` and numbered below
    /// `keep`. The segment being written always stays. Blocks. The caller has it recorded.
    ///
    /// # Errors
    /// When segments can't be read or removed; those removed until then are gone.
    pub fn prune(&self, before: Timestamp, keep: Position) -> Result<Pruned, PruneError> {
        let headers = read::headers(&self.shared.disk)?;
        let mut pruned = Pruned { segments: 0, first: headers.first().map_or(Position(0), |header| header.first) };
        for pair in headers.windows(2) {
            let [segment, next] = pair else { break };
            if next.created > before || next.first > keep {
                break;
            }
            let failed = |source| PruneError::Remove { segment: segment.number, source };
            self.shared.disk.remove(segment.number).map_err(failed)?;
            self.shared.disk.sync_directory().map_err(failed)?;
            pruned = Pruned { segments: pruned.segments + 1, first: next.first };
        }
        Ok(pruned)
    }

    /// Verifies all that is on disk, reading every byte. Blocks, for long.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn verify(&self, keys: Vec<VerifierKey>, since: Option<Checkpoint>) -> Result<Report, ReadError> {
        let Standing { segment: last, offset, .. } = self.shared.standing.lock().clone();
        let mut verifier = Verifier::new(keys, since);
        let segments = self.shared.disk.segments().map_err(|error| read::unreadable(&error))?;
        for segment in segments.into_iter().filter(|segment| *segment <= last) {
            let mut bytes = std::fs::read(self.shared.disk.path(segment)).map_err(|error| read::unreadable(&error))?;
            if segment == last {
                // What is being written at this moment is not on disk yet.
                let written = usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.iter_mut().skip(written).for_each(|byte| *byte = 0);
            }
            verifier.segment(&bytes);
        }
        Ok(verifier.finish())
    }

    fn push(&self, permit: Permit, items: impl IntoIterator<Item = Item>) -> Durable {
        let (completer, durable) = durable::pair();
        match self.shared.queue.push(items, permit, completer) {
            Ok(batch) => durable.in_batch(Arc::<Shared>::clone(&self.shared), batch),
            // A completer that comes back says, when it is dropped, that the log is closed.
            Err(_) => durable,
        }
    }
}

impl AuditLog for FileLog {
    fn reserve(&self, class: RecordClass, records: usize) -> Result<Permit, LogUnavailable> {
        self.shared.reserve(class, records)
    }

    fn append(&self, permit: Permit, records: Vec<SealedRecord>) -> Durable {
        if records.len() > permit.places() {
            let (records, limit) = (records.len(), permit.places());
            return Durable::finished(Err(LogUnavailable::TooMany { records, limit }));
        }
        if records.is_empty() {
            return Durable::finished(Ok(Position(self.head().size)));
        }
        self.push(permit, records.into_iter().map(Item::Record))
    }

    fn head(&self) -> Head {
        self.shared.head()
    }

    fn append_note(&self, note: String) -> Durable {
        if note.len() > NOTE_BYTES {
            let cause = format!("a note of {} bytes is over the limit of {NOTE_BYTES}", note.len());
            return Durable::finished(Err(LogUnavailable::Failed { cause }));
        }
        match self.shared.reserve(RecordClass::Authenticated, 1) {
            Ok(permit) => self.push(permit, [Item::Note(note)]),
            Err(unavailable) => Durable::finished(Err(unavailable)),
        }
    }

    fn records(&self, from: Position) -> Result<StoredRecords<'_>, ReadError> {
        let until = Position(self.shared.standing.lock().tree.size());
        Ok(Box::new(Records::new(Arc::clone(&self.shared), from, until)?))
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.close();
    }
}
