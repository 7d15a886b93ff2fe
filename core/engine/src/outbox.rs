//! The outbox: finished records that were committed with their changes and that the log may lack.
//!
//! A record leaves the outbox only after the log has it; it goes with the next commit, or with the next tick of the
//! scheduler. After a crash, or a log that failed between commit and append, what the log lacks is written again, under
//! the same record id, before anything else is answered.

use std::sync::atomic::Ordering;

use strongroom_audit::port::{Position, RecordClass};
use strongroom_audit::record::SealedRecord;
use strongroom_model::id::RecordId;
use strongroom_model::store::{Batch, Table};

use crate::Engine;
use crate::error::{EngineError, InternalFault, Unavailable};
use crate::operation::Halt;
use crate::perform::log_error;
use crate::workers::Ground;

/// Most records that one replay takes from the outbox.
const REPLAY: usize = 10_000;

impl Engine {
    /// Adds the removal of settled records to a commit. If that fails, they are given back to [`Engine::unsettled`].
    pub(crate) fn settle_outbox(&self, batch: &mut Batch) -> Vec<RecordId> {
        let settled = std::mem::take(&mut *self.settled.lock());
        for id in &settled {
            batch.delete(Table::Outbox, id.as_bytes().to_vec());
        }
        settled
    }

    /// The commit that was to remove these did not happen.
    pub(crate) fn unsettled(&self, settled: Vec<RecordId>) {
        self.settled.lock().extend(settled);
    }

    /// An outbox row's value: where the log stood before the record could have been appended, and the record.
    pub(crate) fn outbox_value(&self, record: &SealedRecord) -> Vec<u8> {
        [self.log.head().size.to_be_bytes().as_slice(), record.bytes()].concat()
    }

    /// Removes settled records, if there are any.
    pub(crate) fn clear_outbox(&self) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        let settled = self.settle_outbox(&mut batch);
        if batch.changes.is_empty() {
            return Ok(());
        }
        self.catalog.store().commit(batch).map(|_| ()).map_err(|error| {
            self.unsettled(settled);
            error.into()
        })
    }

    /// Before anything new is done, the log gets what it is owed.
    pub(crate) fn settle_debts(&self, ground: Ground) -> Result<(), Halt> {
        if !self.owes_records.load(Ordering::Acquire) {
            return Ok(());
        }
        if ground == Ground::Here {
            return Err(Halt::Move(Ground::Worker));
        }
        self.replay_outbox()?;
        Ok(())
    }

    /// Writes what the outbox holds and the log lacks. Returns how many records that were.
    pub(crate) fn replay_outbox(&self) -> Result<usize, EngineError> {
        let fault = |cause: String| EngineError::Internal(InternalFault::Row { table: "outbox", cause });
        let mut owed = Vec::new();
        let mut since = Position(u64::MAX);
        for row in self.catalog.scan_all(Table::Outbox, &[], REPLAY)? {
            let (position, bytes) = row.value.split_first_chunk::<8>().ok_or_else(|| fault("too short".to_owned()))?;
            since = since.min(Position(u64::from_be_bytes(*position)));
            owed.push(SealedRecord::from_bytes(bytes.to_vec()).map_err(|error| fault(error.to_string()))?);
        }
        let ids: Vec<RecordId> = owed.iter().map(SealedRecord::id).collect();
        let unreadable = |cause: String| EngineError::Unavailable(Unavailable::Log { cause: cause.into() });
        let lacking = match owed.is_empty() {
            true => Vec::new(),
            false => {
                let since = since.max(self.first_kept());
                self.log.lacking(since, &ids).map_err(|error| unreadable(error.to_string()))?
            }
        };
        let mut written = 0;
        for record in owed.into_iter().filter(|record| lacking.contains(&record.id())) {
            let permit = self.log.reserve(RecordClass::Authenticated, 1).map_err(|cause| log_error(&cause))?;
            self.log.append(permit, vec![record]).wait().map_err(|cause| log_error(&cause))?;
            written += 1;
        }
        self.settled.lock().extend(ids);
        self.owes_records.store(false, Ordering::Release);
        Ok(written)
    }

    /// The oldest record that the log still has.
    fn first_kept(&self) -> Position {
        match self.log.records(Position(0)) {
            Err(strongroom_audit::port::ReadError::Pruned { first }) => first,
            _ => Position(0),
        }
    }
}
