//! The commit of a change with its record, and when what it takes away is gone for everyone.
//!
//! Absent on purpose: what a change is; that is its operation's.

use std::sync::atomic::Ordering;

use strongroom_audit::durable::Durable;
use strongroom_audit::gate::Permit;
use strongroom_audit::record::SealedRecord;
use strongroom_model::store::{Batch, Change, Precondition, StoreError, Table};

use crate::doubt::places;
use crate::error::{EngineError, Unavailable};
use crate::passage::Passing;
use crate::{Engine, limits};

impl Engine {
    /// Commits a change together with its record, waits until the log has the record, and makes the change visible. What
    /// is answered besides is why what was permitted before may not have ended: the change is made all the same.
    pub(crate) fn commit(
        &self,
        mut batch: Batch,
        record: SealedRecord,
        permit: Permit,
        passing: Option<Passing<'_>>,
    ) -> Result<(Durable, Result<(), EngineError>), EngineError> {
        let id = record.id();
        let touched = places(&batch);
        let moment = self.catalog.doubts.now()?;
        let removed = self.enclose(&mut batch, &record);
        let committed = self.catalog.store().commit(batch);
        self.enclosed(id, removed, committed.as_ref().map(|_| ()));
        if let Err(error) = committed {
            if matches!(error, StoreError::Unavailable { .. }) {
                self.doubt(id, &touched);
            }
            // Somebody else may have changed what was read from the caches: read it afresh.
            self.catalog.forget_read(&touched);
            return Err(error.into());
        }
        drop(passing);
        let written = self.log.append(permit, vec![record]).wait();
        self.logged(id, written.as_ref().ok().copied());
        self.make_visible(&touched);
        if let Err(error) = self.settle_doubts(moment) {
            tracing::warn!(%error, "commits in doubt could not be settled; the next tick tries again");
        }
        let settled = if changes_use(&touched) { self.await_permitted() } else { Ok(()) };
        Ok((Durable::finished(written), settled))
    }

    /// Waits until every change that may have been permitted before now is committed or refused.
    fn await_permitted(&self) -> Result<(), EngineError> {
        match self.passage.await_earlier() {
            true => self.end_doubts(),
            false => Err(EngineError::Unavailable(Unavailable::Unsettled(limits::PASSAGE_WAIT))),
        }
    }

    /// Forgets what a committed batch has changed, so that everyone sees it.
    pub(crate) fn make_visible(&self, batch: &Batch) {
        self.catalog.forget(batch);
        self.vault.follow(batch);
        self.follow_sweeps(batch);
        if changes_use(batch) {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Whether a batch may have taken a use away, so that running operations must look again. A row that is new or only touched
/// takes nothing from anyone, unless it is a policy.
pub(crate) fn changes_use(batch: &Batch) -> bool {
    let tables = [
        Table::Key,
        Table::KeyVersion,
        Table::Tenant,
        Table::Principal,
        Table::Credential,
        Table::IdentityPolicy,
        Table::Grant,
        Table::StoreLink,
    ];
    let is_new = |table: Table, place: &[u8]| {
        let absent = |condition: &Precondition| matches!(condition, Precondition::Absent(other, key) if *other == table && key == place);
        table != Table::IdentityPolicy && batch.preconditions.iter().any(absent)
    };
    batch.changes.iter().any(|change| {
        let (Change::Put(table, place, _) | Change::Delete(table, place)) = change;
        tables.contains(table) && !is_new(*table, place) && !batch.touches(*table, place)
    })
}
