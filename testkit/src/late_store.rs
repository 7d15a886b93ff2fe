//! A store that does not tell how commits end: they are kept, in the order in which they came, until the test decides.
#![expect(clippy::unwrap_used, reason = "a test's set-up")]

use std::sync::{Arc, Mutex};

use strongroom_model::store::{Batch, Revision, Snapshot, Store, StoreError};

/// A store over another.
pub struct LateStore {
    inner: Arc<dyn Store>,
    /// Commits that were called for and that nobody was told the end of; `None` while commits are answered.
    held: Mutex<Option<Vec<Batch>>>,
    /// How many commits are answered before they are held.
    left: Mutex<Option<usize>>,
}

impl LateStore {
    /// Over a store; answers.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, held: Mutex::new(None), left: Mutex::new(None) }
    }

    /// From now on commits are kept and their callers told that they are too late.
    pub fn hold(&self) {
        self.held.lock().unwrap().get_or_insert_default();
    }

    /// As [`LateStore::hold`], after so many further commits.
    pub fn hold_after(&self, commits: usize) {
        *self.left.lock().unwrap() = Some(commits);
    }

    /// Commits what is kept, and tells nobody but the test.
    pub fn land(&self) -> Vec<Result<Revision, StoreError>> {
        let mut held = self.held.lock().unwrap();
        let kept = held.iter_mut().flat_map(std::mem::take);
        kept.map(|batch| self.inner.commit(batch)).collect()
    }

    /// Commits what is kept, and answers from now on.
    pub fn release(&self) {
        self.land();
        *self.held.lock().unwrap() = None;
    }

    /// Forgets what is kept, as if the store had died before, and answers from now on.
    pub fn lose(&self) {
        *self.held.lock().unwrap() = None;
    }
}

impl Store for LateStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        match &mut *self.left.lock().unwrap() {
            Some(0) => self.hold(),
            Some(left) => *left -= 1,
            None => {}
        }
        if let Some(held) = &mut *self.held.lock().unwrap() {
            held.push(batch);
            return Err(StoreError::Unavailable { cause: "no answer in time, by the test".to_owned() });
        }
        self.inner.commit(batch)
    }
}
