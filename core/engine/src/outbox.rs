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
    /// Adds the removal of settled records to a commit.
    pub(crate) fn settle_outbox(&self, batch: &mut Batch) {
        for id in self.settled.lock().drain(..) {
            batch.delete(Table::Outbox, id.as_bytes().to_vec());
        }
    }

    /// Removes settled records, if there are any.
    pub(crate) fn clear_outbox(&self) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        self.settle_outbox(&mut batch);
        if !batch.changes.is_empty() {
            self.catalog.store().commit(batch)?;
        }
        Ok(())
    }

    /// Before anything new is done, the log gets what it is owed.
    pub(crate) fn settle_debts(&self, ground: Ground) -> Result<(), Halt> {
        if !self.owes_records.load(Ordering::Acquire) {
            return Ok(());
        }
        if ground == Ground::Here {
            return Err(Halt::Move(Ground::Worker));
        }
        self.replay_outbox(Position(0))?;
        Ok(())
    }

    /// Writes what the outbox holds and the log lacks; `since` is a position that the log had before the oldest of them.
    /// Returns how many were written.
    pub(crate) fn replay_outbox(&self, since: Position) -> Result<usize, EngineError> {
        let rows = self.catalog.scan_all(Table::Outbox, &[], REPLAY)?;
        let ids: Vec<RecordId> = rows.iter().filter_map(|row| RecordId::from_slice(&row.key)).collect();
        let unreadable = |cause: String| EngineError::Unavailable(Unavailable::Log { cause: cause.into() });
        let first = since.max(self.first_kept());
        let lacking = self.log.lacking(first, &ids).map_err(|error| unreadable(error.to_string()))?;
        let mut written = 0;
        for row in rows {
            let fault = |cause: String| EngineError::Internal(InternalFault::Row { table: "outbox", cause });
            let record = SealedRecord::from_bytes(row.value).map_err(|error| fault(error.to_string()))?;
            let id = record.id();
            if lacking.contains(&id) {
                let permit = self.log.reserve(RecordClass::Authenticated, 1).map_err(|cause| log_error(&cause))?;
                self.log.append(permit, vec![record]).wait().map_err(|cause| log_error(&cause))?;
                written += 1;
            }
            self.settled.lock().push(id);
        }
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
