//! Commits whose end the store has not told: they may have happened, may still happen, or may never.
//!
//! Until the store tells, nothing is kept in the caches, and what they held of rows that such a commit touches is
//! forgotten: those rows are read from the store each time, and all that is cached besides is served as ever. A commit
//! that is answered later tells that those before it have ended ([`Store::commit`]); whether one of them happened is told
//! by its record in the outbox. One that did becomes visible then, and the log gets its record.
//!
//! [`Store::commit`]: strongroom_model::store::Store::commit

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use strongroom_model::id::RecordId;
use strongroom_model::store::{Batch, Change, StoreError, Table};

use crate::error::EngineError;
use crate::{Engine, limits};

/// The commits in doubt.
#[derive(Default)]
pub(crate) struct Doubts {
    open: AtomicUsize,
    list: Mutex<List>,
    /// Held while they are settled, so that each is settled once.
    settling: Mutex<()>,
}

#[derive(Default)]
struct List {
    next: u64,
    /// Records of the commits, and the places that they touch, in the order in which they came into doubt.
    doubts: BTreeMap<u64, (RecordId, Batch)>,
}

/// A moment: whatever came into doubt before it has ended once a commit that was called for after it is answered.
#[derive(Clone, Copy)]
pub(crate) struct Moment(u64);

impl Doubts {
    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Now, before a commit is called for.
    ///
    /// # Errors
    /// When so many are in doubt that the store must answer first.
    pub(crate) fn now(&self) -> Result<Moment, StoreError> {
        let list = self.list.lock();
        if list.doubts.len() >= limits::DOUBTFUL_COMMITS { Err(StoreError::Busy) } else { Ok(Moment(list.next)) }
    }

    fn add(&self, record: RecordId, touched: Batch) {
        let mut list = self.list.lock();
        let number = list.next;
        list.next += 1;
        list.doubts.insert(number, (record, touched));
        self.open.store(list.doubts.len(), Ordering::SeqCst);
    }

    fn before(&self, moment: Moment) -> Vec<(u64, RecordId, Batch)> {
        let list = self.list.lock();
        let earlier = list.doubts.range(..moment.0);
        earlier.map(|(number, (record, touched))| (*number, *record, touched.clone())).collect()
    }

    fn remove(&self, number: u64) {
        let mut list = self.list.lock();
        list.doubts.remove(&number);
        self.open.store(list.doubts.len(), Ordering::SeqCst);
    }
}

/// The places that a batch touches and what it relied on, without the values.
pub(crate) fn places(batch: &Batch) -> Batch {
    let place = |change: &Change| match change {
        Change::Put(table, key, _) => Change::Put(*table, key.clone(), Vec::new()),
        Change::Delete(table, key) => Change::Delete(*table, key.clone()),
    };
    let changes = batch.changes.iter().map(place).collect();
    Batch { preconditions: batch.preconditions.clone(), changes, touched: batch.touched.clone() }
}

impl Engine {
    /// A commit of `record` came to no answer.
    pub(crate) fn doubt(&self, record: RecordId, touched: &Batch) {
        tracing::warn!(%record, "the store has not told whether a change happened; what it touches is read past the caches until then");
        // First nothing is kept any more, then what was kept goes.
        self.catalog.doubts.add(record, touched.clone());
        self.catalog.forget(touched);
    }

    /// A commit that was called for after `moment` was answered: those that came into doubt before it are settled.
    ///
    /// # Errors
    /// When the store can't be read; they stay in doubt.
    pub(crate) fn settle_doubts(&self, moment: Moment) -> Result<(), EngineError> {
        if self.catalog.doubts.open() == 0 {
            return Ok(());
        }
        let _settling = self.catalog.doubts.settling.lock();
        for (number, record, touched) in self.catalog.doubts.before(moment) {
            if self.catalog.snapshot()?.get(Table::Outbox, record.as_bytes())?.is_some() {
                tracing::warn!(%record, "a change that the store had not told of has happened");
                self.logged(record, None);
                self.make_visible(&touched);
            } else {
                self.never_committed(record);
            }
            self.catalog.doubts.remove(number);
        }
        Ok(())
    }

    /// Has the store tell how every commit in doubt has ended.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn end_doubts(&self) -> Result<(), EngineError> {
        if self.catalog.doubts.open() == 0 {
            return Ok(());
        }
        let moment = Moment(self.catalog.doubts.list.lock().next);
        self.catalog.store().commit(Batch::default())?;
        self.settle_doubts(moment)
    }
}
