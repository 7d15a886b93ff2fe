//! A store that holds one call back until the test lets it go on, so that races come out the same every time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, RwLock, RwLockWriteGuard};
use std::time::Duration;

use strongroom_engine::{Engine, Parts};
use strongroom_model::store::{Batch, Change, Revision, Row, Snapshot, Store, StoreError, Table};
use strongroom_testkit::engine::{TestEngine, options};

/// The call that is held back: the next of its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Reading a row, or rows, of a table, from a view of the store that was taken before.
    Read(Table),
    /// Committing a change of a table.
    Commit(Table),
}

/// A store with a gate in it.
pub(crate) struct GatedStore {
    inner: Arc<dyn Store>,
    gate: Mutex<Option<Closed>>,
    failing: Mutex<Option<Point>>,
    /// Held by the test for as long as no credential may be read.
    credentials: RwLock<()>,
    /// How many have come to read one.
    readers: AtomicUsize,
    /// How many commits have happened.
    landed: AtomicUsize,
}

/// The store's side of a closed gate.
struct Closed {
    point: Point,
    at_gate: Sender<()>,
    opened: Receiver<()>,
}

/// The test's side of a closed gate.
pub(crate) struct Gate {
    reached: Receiver<()>,
    open: Sender<()>,
}

impl Gate {
    /// Waits until a call is held back.
    pub(crate) fn reached(&self) {
        self.reached.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    /// Lets it go on.
    pub(crate) fn open(self) {
        self.open.send(()).unwrap();
    }
}

impl GatedStore {
    /// Another engine over the test's store, with a gate between.
    pub(crate) fn engine(test: &TestEngine) -> (Arc<Engine>, Arc<Self>) {
        let parts = test.parts();
        let store = Arc::new(Self {
            inner: Arc::clone(&parts.store),
            gate: Mutex::new(None),
            failing: Mutex::new(None),
            credentials: RwLock::new(()),
            readers: AtomicUsize::new(0),
            landed: AtomicUsize::new(0),
        });
        let parts = Parts { store: Arc::<Self>::clone(&store), ..parts };
        (Engine::start(parts, &options()).unwrap(), store)
    }

    /// Holds back the next such call.
    pub(crate) fn hold(&self, point: Point) -> Gate {
        let ((at_gate, reached), (open, opened)) = (channel(), channel());
        *self.gate.lock().unwrap() = Some(Closed { point, at_gate, opened });
        Gate { reached, open }
    }

    /// Refuses the next such commit.
    pub(crate) fn fail(&self, point: Point) {
        *self.failing.lock().unwrap() = Some(point);
    }

    /// Holds back every reading of a credential until the guard is dropped.
    pub(crate) fn hold_credentials(&self) -> RwLockWriteGuard<'_, ()> {
        self.credentials.write().unwrap()
    }

    /// Waits until so many have come to read a credential, held back or not.
    pub(crate) fn wait_for_readers(&self, readers: usize) {
        while self.readers.load(Ordering::SeqCst) < readers {
            std::thread::yield_now();
        }
    }

    /// How many commits have happened.
    pub(crate) fn landed(&self) -> usize {
        self.landed.load(Ordering::SeqCst)
    }

    fn pass(&self, is: impl Fn(Point) -> bool) {
        let held = self.gate.lock().unwrap().take_if(|closed| is(closed.point));
        if let Some(Closed { at_gate, opened, .. }) = held {
            at_gate.send(()).unwrap();
            opened.recv().unwrap();
        }
    }
}

impl Store for GatedStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(GatedSnapshot { inner: self.inner.snapshot()?, store: self }))
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        let is = |point: Point| {
            batch.changes.iter().any(|change| {
                let (Change::Put(table, ..) | Change::Delete(table, _)) = change;
                point == Point::Commit(*table)
            })
        };
        self.pass(is);
        if self.failing.lock().unwrap().take_if(|point| is(*point)).is_some() {
            return Err(StoreError::Full);
        }
        let committed = self.inner.commit(batch)?;
        self.landed.fetch_add(1, Ordering::SeqCst);
        Ok(committed)
    }
}

struct GatedSnapshot<'a> {
    inner: Box<dyn Snapshot + 'a>,
    store: &'a GatedStore,
}

impl Snapshot for GatedSnapshot<'_> {
    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.store.pass(|point| point == Point::Read(table));
        let _open = (table == Table::Credential).then(|| {
            self.store.readers.fetch_add(1, Ordering::SeqCst);
            self.store.credentials.read()
        });
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.store.pass(|point| point == Point::Read(table));
        self.inner.scan(table, prefix, after, limit)
    }
}
