//! The outbox: finished records that were committed with their changes and that the log may lack.
//!
//! A record leaves the outbox only after the log has it; it goes with the next commit, or with the next tick of the
//! scheduler. After a crash, or a log that failed between commit and append, what the log lacks is written again, under
//! the same record id, before anything else is answered.
//!
//! With the records that leave, the store notes a position of the log: every record of a change before it is of a change
//! that the store has. A change that the log tells of from there on, and the outbox does not hold, is one that the store
//! has lost.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use strongroom_audit::port::{Head, Position, ReadError, RecordClass, StoredRecords};
use strongroom_audit::record::SealedRecord;
use strongroom_model::id::RecordId;
use strongroom_model::store::{Batch, StoreError, Table};

use crate::error::{EngineError, InternalFault, Unavailable};
use crate::operation::Halt;
use crate::perform::log_error;
use crate::rows::{self, OutboxRow, PositionRow};
use crate::workers::Ground;
use crate::{Engine, limits};

/// Most rows of the outbox that are read at a time.
const READ_AT_ONCE: usize = 256;
/// Most rows that one commit removes from the outbox.
const REMOVED_AT_ONCE: usize = 1_000;

/// What this node knows of its outbox.
#[derive(Default)]
pub(crate) struct Outbox {
    rows: Mutex<Rows>,
    /// Whether the outbox holds records that the log lacks.
    owes: AtomicBool,
    /// Held while such records are written, so that each is written once.
    replaying: Mutex<()>,
}

#[derive(Default)]
struct Rows {
    /// Records committed, or about to be, that the log was not yet seen to have; each with a position not behind its own.
    under_way: HashMap<RecordId, Position>,
    /// Those of them that nobody is writing any more.
    owed: HashSet<RecordId>,
    /// Records that the log has, where, and that the outbox still holds.
    settled: Vec<(RecordId, Position)>,
    /// The position of the log that the store was told last to have every change before.
    noted: Position,
    /// Whether a commit that notes such a position is under way: one at a time, so that positions only grow.
    removing: bool,
}

impl Outbox {
    /// How many records the log has and the outbox still holds.
    pub(crate) fn settled(&self) -> usize {
        self.rows.lock().settled.len()
    }

    /// Whether the log lacks records that the outbox holds.
    pub(crate) fn owes(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    fn settle(&self, id: RecordId, position: Position) {
        let mut rows = self.rows.lock();
        rows.under_way.remove(&id);
        rows.owed.remove(&id);
        rows.settled.push((id, position));
    }

    fn owe(&self, id: RecordId) {
        self.rows.lock().owed.insert(id);
        self.owes.store(true, Ordering::Release);
    }

    /// A commit with these removals is over.
    fn removed(&self, removed: Removed, committed: bool) {
        let mut rows = self.rows.lock();
        let Removed { records, noted: Some(noted) } = removed else { return };
        rows.removing = false;
        match committed {
            true => rows.noted = noted,
            false => rows.settled.extend(records),
        }
    }
}

/// Rows that a batch removes from the outbox, to be put back if it is not committed.
#[must_use]
#[derive(Default)]
pub(crate) struct Removed {
    records: Vec<(RecordId, Position)>,
    /// The position that the batch notes, if it notes one.
    noted: Option<Position>,
}

impl Engine {
    /// Adds a change's record to its batch, and the removal of records that are settled.
    pub(crate) fn enclose(&self, batch: &mut Batch, record: &SealedRecord) -> Removed {
        let mut rows = self.outbox.rows.lock();
        // Read while nobody else can note a position: one that is noted later must not be behind this record's.
        let head = self.log.head();
        rows.under_way.insert(record.id(), Position(head.size));
        let removed = remove_settled(&mut rows, batch, &head);
        drop(rows);
        let row = OutboxRow { record: record.bytes().to_vec(), origin: head.origin };
        batch.put(Table::Outbox, record.id().as_bytes().to_vec(), rows::encode(&row));
        removed
    }

    /// Until this is dropped no commit notes by itself what the store has of what the log tells.
    pub(crate) fn note_nothing(&self) -> impl Drop + '_ {
        struct Unnoted<'a>(&'a Outbox);
        impl Drop for Unnoted<'_> {
            fn drop(&mut self) {
                self.0.rows.lock().removing = false;
            }
        }
        self.outbox.rows.lock().removing = true;
        Unnoted(&self.outbox)
    }

    /// Notes that the store has every change that the log tells of until now.
    pub(crate) fn note_known_changes(&self, batch: &mut Batch) {
        let head = self.log.head();
        let row = PositionRow { position: Position(head.size) };
        batch.put(Table::Installation, changes_key(&head.origin), rows::encode(&row));
    }

    /// Tells what became of a batch that had `record` in it.
    pub(crate) fn enclosed(&self, record: RecordId, removed: Removed, committed: Result<(), &StoreError>) {
        self.outbox.removed(removed, committed.is_ok());
        match committed {
            // It may be there after all: that is told when the doubt ends.
            Ok(()) | Err(StoreError::Unavailable { .. }) => {}
            Err(_) => self.never_committed(record),
        }
    }

    /// A batch that had `record` in it was not committed, and will not be.
    pub(crate) fn never_committed(&self, record: RecordId) {
        self.outbox.rows.lock().under_way.remove(&record);
    }

    /// Tells whether the log has the record of a change that was committed.
    pub(crate) fn logged(&self, record: RecordId, position: Option<Position>) {
        match position {
            Some(position) => self.outbox.settle(record, position),
            None => self.outbox.owe(record),
        }
    }

    /// Removes settled records, if there are any.
    pub(crate) fn clear_outbox(&self) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        let mut rows = self.outbox.rows.lock();
        let removed = remove_settled(&mut rows, &mut batch, &self.log.head());
        drop(rows);
        if batch.changes.is_empty() {
            return Ok(());
        }
        let committed = self.catalog.store().commit(batch);
        self.outbox.removed(removed, committed.is_ok());
        Ok(committed.map(|_| ())?)
    }

    /// Before anything new is done, the log gets what it is owed.
    pub(crate) fn settle_debts(&self, ground: Ground) -> Result<(), Halt> {
        if !self.outbox.owes() {
            return Ok(());
        }
        if ground == Ground::Here {
            return Err(Halt::Move(Ground::Worker));
        }
        let _replaying = self.outbox.replaying.lock();
        if self.outbox.owes() {
            let owed: HashSet<RecordId> = self.outbox.rows.lock().owed.clone();
            let mut held = self.held_records()?;
            held.retain(|id| owed.contains(id));
            self.replay(&held)?;
            let mut rows = self.outbox.rows.lock();
            rows.owed.retain(|id| !owed.contains(id));
            self.outbox.owes.store(!rows.owed.is_empty(), Ordering::Release);
        }
        Ok(())
    }

    /// At the start, when nothing is under way: writes what a crash kept from the log.
    pub(crate) fn replay_outbox(&self) -> Result<(), EngineError> {
        self.replay(&self.held_records()?)
    }

    /// Writes those of some records in the outbox that the log lacks.
    fn replay(&self, held: &[RecordId]) -> Result<(), EngineError> {
        let since = self.known_changes()?.max(self.first_kept()?);
        let lacking = self.log.lacking(since, held).map_err(|error| unreadable(&error))?;
        for id in held {
            let position = match lacking.contains(id) {
                true => {
                    let record = self.held_record(*id)?;
                    let permit = self.log.reserve(RecordClass::Authenticated, 1).map_err(|cause| log_error(&cause))?;
                    self.log.append(permit, vec![record]).wait().map_err(|cause| log_error(&cause))?
                }
                // Somewhere before the end.
                false => Position(self.log.head().size.saturating_sub(1)),
            };
            self.outbox.settle(*id, position);
        }
        Ok(())
    }

    fn held_record(&self, id: RecordId) -> Result<SealedRecord, EngineError> {
        let fault = |cause: String| EngineError::Internal(InternalFault::Row { table: "outbox", cause });
        let row = self.catalog.snapshot()?.get(Table::Outbox, id.as_bytes())?;
        let row = row.ok_or_else(|| fault(format!("{id} is gone")))?;
        let row: OutboxRow = rows::decode("outbox", &row.value)?;
        SealedRecord::from_bytes(row.record).map_err(|error| fault(error.to_string()))
    }

    /// The records of this node that the outbox holds, all of them, in the order of their commits.
    pub(crate) fn held_records(&self) -> Result<Vec<RecordId>, EngineError> {
        let origin = self.log.head().origin;
        let snapshot = self.catalog.snapshot()?;
        let mut held = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            // The records themselves may be large: only so many of them are in memory at a time.
            let page = snapshot.scan(Table::Outbox, &[], after.as_deref(), READ_AT_ONCE)?;
            let full = page.len() == READ_AT_ONCE;
            after = page.last().map(|row| row.key.clone());
            for row in page {
                let stored: OutboxRow = rows::decode("outbox", &row.value)?;
                if let Some(id) = RecordId::from_slice(&row.key).filter(|_| stored.origin == origin) {
                    held.push((row.revision, id));
                }
            }
            if !full {
                break;
            }
        }
        held.sort_unstable_by_key(|(revision, _)| *revision);
        Ok(held.into_iter().map(|(_, id)| id).collect())
    }

    /// The position before which every change that the log tells of is in the store.
    pub(crate) fn known_changes(&self) -> Result<Position, EngineError> {
        let key = changes_key(&self.log.head().origin);
        let row = self.catalog.snapshot()?.get(Table::Installation, &key)?;
        let row: Option<PositionRow> = row.map(|row| rows::decode("the log's changes", &row.value)).transpose()?;
        Ok(row.map_or(Position(0), |row| row.position))
    }

    /// The oldest record of the log that the engine still has to read: those before may be pruned.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn log_needed_from(&self) -> Result<Position, EngineError> {
        Ok(self.known_changes()?.min(self.counted_until()?))
    }

    /// The oldest record that the log still has.
    pub(crate) fn first_kept(&self) -> Result<Position, EngineError> {
        match self.log.records(Position(0)) {
            Ok(_) => Ok(Position(0)),
            Err(ReadError::Pruned { first }) => Ok(first),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// The log's records from `from` on, or from the first that is kept.
    pub(crate) fn records_since(&self, from: Position) -> Result<StoredRecords<'_>, EngineError> {
        let records = match self.log.records(from) {
            Err(ReadError::Pruned { first }) => self.log.records(first),
            records => records,
        };
        records.map_err(|error| unreadable(&error))
    }
}

/// Adds the removal of settled records to a batch, and the position that is known by it.
fn remove_settled(rows: &mut Rows, batch: &mut Batch, head: &Head) -> Removed {
    if rows.removing {
        return Removed::default();
    }
    let known = rows.under_way.values().copied().min().unwrap_or(Position(head.size)).min(Position(head.size));
    let removed: Vec<_> =
        rows.settled.extract_if(.., |(_, position)| *position < known).take(REMOVED_AT_ONCE).collect();
    // Those that stay are looked for in the log from this position on.
    let known = rows.settled.iter().map(|(_, position)| *position).fold(known, Position::min);
    // Noted now and then even when nothing changes: a start reads the log from there.
    rows.removing = !removed.is_empty() || known.0.saturating_sub(rows.noted.0) >= limits::KNOWN_RECORDS;
    if rows.removing {
        batch.put(Table::Installation, changes_key(&head.origin), rows::encode(&PositionRow { position: known }));
    }
    for (id, _) in &removed {
        batch.delete(Table::Outbox, id.as_bytes().to_vec());
    }
    Removed { records: removed, noted: rows.removing.then_some(known) }
}

pub(crate) fn unreadable(error: &ReadError) -> EngineError {
    EngineError::Unavailable(Unavailable::Log { cause: error.to_string().into() })
}

pub(crate) fn changes_key(origin: &str) -> Vec<u8> {
    [b"changes/".as_slice(), origin.as_bytes()].concat()
}
