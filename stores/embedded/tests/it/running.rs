//! Bounds, faults and upkeep of a store at work.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use strongroom_model::limits::ROW_VALUE_BYTES;
use strongroom_model::store::{Batch, Revision, Store, StoreError, Table};
use strongroom_store_embedded::{EmbeddedStore, Moment, Options, limits};

fn put(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.put(Table::Key, key.to_vec(), value.to_vec());
    batch
}

fn insert(key: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.insert(Table::Key, key.to_vec(), Vec::new());
    batch
}

fn create(home: &Path, options: Options) -> Arc<EmbeddedStore> {
    Arc::new(EmbeddedStore::create(&home.join("store"), Revision(0), options).unwrap())
}

fn has(store: &EmbeddedStore, key: &[u8]) -> bool {
    store.snapshot().unwrap().get(Table::Key, key).unwrap().is_some()
}

fn unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable { .. }))
}

/// Waits for what other threads bring about.
fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        thread::yield_now();
    }
}

/// A store whose writer stops before each commit until it is told the outcome.
struct Gated {
    store: Arc<EmbeddedStore>,
    reached: Receiver<Moment>,
    go: Sender<Result<(), StoreError>>,
}

impl Gated {
    fn create(home: &Path, at: Moment, mut options: Options) -> Self {
        let ((reach, reached), (go, told)) = (mpsc::channel(), mpsc::channel());
        let fault = move |moment| {
            if moment != at {
                return Ok(());
            }
            // With the test gone there is nothing to wait for.
            let _ = reach.send(moment);
            told.recv().unwrap_or(Ok(()))
        };
        options.fault = Some(Box::new(fault));
        Self { store: create(home, options), reached, go }
    }

    fn commit(&self, batch: Batch) -> JoinHandle<Result<Revision, StoreError>> {
        let store = Arc::clone(&self.store);
        thread::spawn(move || store.commit(batch))
    }

    /// Starts one commit and, while it is held, others that become one group; lets the first go.
    fn group(&self, batches: Vec<Batch>) -> Vec<JoinHandle<Result<Revision, StoreError>>> {
        let first = self.commit(put(b"first", b""));
        self.reached.recv().unwrap();
        let mut group = Vec::new();
        for batch in batches {
            group.push(self.commit(batch));
            // One after the other, so that their order is known.
            until(|| self.store.size().unwrap().queued == group.len());
        }
        self.go.send(Ok(())).unwrap();
        first.join().unwrap().unwrap();
        group
    }
}

fn joined(group: Vec<JoinHandle<Result<Revision, StoreError>>>) -> Vec<Result<Revision, StoreError>> {
    group.into_iter().map(|commit| commit.join().unwrap()).collect()
}

#[test]
fn what_waits_is_committed_as_one_and_answered_each_for_itself() {
    let home = tempfile::tempdir().unwrap();
    let gated = Gated::create(home.path(), Moment::BeforeCommit, Options::default());
    let group = gated.group(vec![insert(b"a"), insert(b"a"), insert(b"first"), insert(b"b")]);
    gated.reached.recv().unwrap();
    assert!(!has(&gated.store, b"a"), "seen before it was committed");
    gated.go.send(Ok(())).unwrap();
    let conflict = Err(StoreError::Conflict { table: Table::Key });
    assert_eq!(joined(group), [Ok(Revision(2)), conflict.clone(), conflict, Ok(Revision(3))]);
    assert!(gated.reached.try_recv().is_err(), "one transaction was enough");
}

#[test]
fn a_group_that_fails_at_its_commit_is_undone_and_the_next_succeeds() {
    let home = tempfile::tempdir().unwrap();
    let gated = Gated::create(home.path(), Moment::BeforeCommit, Options::default());
    let group = gated.group(vec![insert(b"a"), insert(b"b")]);
    gated.reached.recv().unwrap();
    gated.go.send(Err(StoreError::Unavailable { cause: "made to fail".to_owned() })).unwrap();
    assert!(joined(group).iter().all(unavailable));
    assert!(!has(&gated.store, b"a") && !has(&gated.store, b"b"));
    let next = gated.commit(insert(b"a"));
    gated.go.send(Ok(())).unwrap();
    assert_eq!(next.join().unwrap(), Ok(Revision(2)));
}

#[test]
fn an_unavailable_answer_after_the_commit_leaves_it_committed() {
    let home = tempfile::tempdir().unwrap();
    let gated = Gated::create(home.path(), Moment::AfterCommit, Options::default());
    let commit = gated.commit(insert(b"a"));
    gated.go.send(Err(StoreError::Unavailable { cause: "made to fail".to_owned() })).unwrap();
    assert!(unavailable(&commit.join().unwrap()));
    assert!(has(&gated.store, b"a"));
}

#[test]
fn a_commit_beyond_the_queue_is_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { queue: NonZeroUsize::new(2).unwrap(), ..Options::default() };
    let gated = Gated::create(home.path(), Moment::BeforeCommit, options);
    let first = gated.commit(put(b"1", b""));
    gated.reached.recv().unwrap();
    let waiting = [gated.commit(put(b"2", b"")), gated.commit(put(b"3", b""))];
    until(|| gated.store.size().unwrap().queued == 2);
    assert_eq!(gated.store.commit(put(b"4", b"")), Err(StoreError::Busy));
    for _ in 0..2 {
        gated.go.send(Ok(())).unwrap();
    }
    assert!(joined(vec![first]).iter().chain(&joined(waiting.into())).all(Result::is_ok));
    assert!(!has(&gated.store, b"4"));
}

#[test]
fn a_commit_that_is_not_answered_in_time_is_unavailable() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { commit_wait: Duration::from_millis(50), ..Options::default() };
    let gated = Gated::create(home.path(), Moment::BeforeCommit, options);
    assert!(unavailable(&gated.store.commit(put(b"slow", b""))));
    gated.go.send(Ok(())).unwrap();
    until(|| has(&gated.store, b"slow"));
}

#[test]
fn dropping_the_store_finishes_what_waits() {
    let home = tempfile::tempdir().unwrap();
    let gated = Gated::create(home.path(), Moment::BeforeCommit, Options::default());
    let group = gated.group(vec![insert(b"a"), insert(b"b")]);
    let Gated { store, go, .. } = gated;
    drop((store, go));
    assert!(joined(group).iter().all(Result::is_ok));
    let store = EmbeddedStore::open(&home.path().join("store"), Options::default()).unwrap();
    assert!(has(&store, b"a") && has(&store, b"b"));
}

#[test]
fn snapshots_beyond_the_readers_wait_and_are_then_refused() {
    let home = tempfile::tempdir().unwrap();
    let wait = Duration::from_millis(50);
    let store = create(
        home.path(),
        Options { readers: NonZeroUsize::new(2).unwrap(), snapshot_wait: wait, ..Options::default() },
    );
    let held = [store.snapshot().unwrap(), store.snapshot().unwrap()];
    let start = Instant::now();
    assert!(matches!(store.snapshot(), Err(StoreError::Busy)));
    assert!(start.elapsed() >= wait);
    // Reading is no part of writing.
    store.commit(put(b"a", b"")).unwrap();
    drop(held);
    assert_eq!(store.size().unwrap().idle_readers, 2);
    assert!(has(&store, b"a"));
}

#[test]
fn a_snapshot_that_waits_gets_the_place_that_comes_free() {
    let home = tempfile::tempdir().unwrap();
    let store = create(
        home.path(),
        Options {
            readers: NonZeroUsize::new(1).unwrap(),
            snapshot_wait: Duration::from_secs(60),
            ..Options::default()
        },
    );
    let held = store.snapshot().unwrap();
    let waiting = {
        let store = Arc::clone(&store);
        thread::spawn(move || store.snapshot().map(|snapshot| snapshot.revision()))
    };
    store.commit(put(b"a", b"")).unwrap();
    drop(held);
    assert_eq!(waiting.join().unwrap(), Ok(Revision(1)));
}

#[test]
fn a_full_database_refuses_what_does_not_fit_and_takes_the_rest() {
    let home = tempfile::tempdir().unwrap();
    let gated =
        Gated::create(home.path(), Moment::BeforeCommit, Options { database_bytes: 4 << 20, ..Options::default() });
    let large = |keys: std::ops::Range<u8>| {
        let mut batch = Batch::default();
        keys.for_each(|key| batch.put(Table::Outbox, vec![key], vec![0; ROW_VALUE_BYTES]));
        batch
    };
    let group = gated.group(vec![insert(b"a"), large(0..32), insert(b"b")]);
    for _ in 0..9 {
        gated.go.send(Ok(())).unwrap();
    }
    assert_eq!(joined(group), [Ok(Revision(2)), Err(StoreError::Full), Ok(Revision(3))]);
    let outbox = |from: u8| gated.store.snapshot().unwrap().get(Table::Outbox, &[from]).unwrap();
    assert_eq!(outbox(0), None);
    // Filled up to the brim, it serves again as soon as something goes.
    gated.store.commit(large(0..12)).unwrap();
    assert_eq!(gated.store.commit(large(12..24)), Err(StoreError::Full));
    let mut clear = Batch::default();
    (0..12).for_each(|key| clear.delete(Table::Outbox, vec![key]));
    gated.store.commit(clear).unwrap();
    gated.store.commit(large(12..24)).unwrap();
    assert!(outbox(12).is_some() && outbox(0).is_none());
    assert_eq!(gated.store.verify(), Ok(()));
}

/// A file system of two megabytes, for as long as this lives.
struct TinyDisk(PathBuf);

impl TinyDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"]).arg(at);
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_refuses_commits_and_the_store_heals_when_space_returns() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::mount(home.path()) else {
        eprintln!("SKIPPED: no file system can be mounted here, so the disk can't be filled");
        return;
    };
    let store = create(&disk.0, Options::default());
    store.commit(put(b"before", b"1")).unwrap();
    let filler = disk.0.join("filler");
    // Ends with an error: that is its purpose.
    let _ = fs::write(&filler, vec![0; 4 << 20]);
    let mut taken = 0;
    let refused = loop {
        match store.commit(put(format!("row {taken}").as_bytes(), &[7; 3000])) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, StoreError::Full);
    // Reading goes on, nothing is half there.
    assert!(has(&store, b"before") && !has(&store, format!("row {taken}").as_bytes()));
    assert_eq!(store.snapshot().unwrap().revision(), Revision(1 + taken));
    fs::remove_file(&filler).unwrap();
    store.commit(put(b"after", b"1")).unwrap();
    drop(store);
    let store = EmbeddedStore::open(&disk.0.join("store"), Options::default()).unwrap();
    assert!(has(&store, b"before") && has(&store, b"after"));
    assert_eq!(store.snapshot().unwrap().revision(), Revision(2 + taken));
    assert_eq!(store.verify(), Ok(()));
}

#[test]
fn the_write_ahead_log_stays_bounded_and_goes_when_idle() {
    let home = tempfile::tempdir().unwrap();
    let store = create(home.path(), Options::default());
    let value = vec![7; ROW_VALUE_BYTES];
    let mut largest = 0;
    for number in 0..256u64 {
        store.commit(put(&number.to_be_bytes(), &value)).unwrap();
        largest = largest.max(store.size().unwrap().wal_bytes);
    }
    assert!(largest > limits::WAL_BYTES / 2, "{largest}: the test doesn't reach the limit");
    assert!(largest < limits::WAL_BYTES + (2 << 20), "{largest}");
    // A snapshot that stays makes it grow, and is not waited for.
    let snapshot = store.snapshot().unwrap();
    for number in 0..128u64 {
        store.commit(put(&number.to_be_bytes(), &value)).unwrap();
    }
    assert!(store.size().unwrap().wal_bytes > limits::WAL_BYTES + (2 << 20));
    drop(snapshot);
    until(|| store.size().unwrap().wal_bytes == 0);
    store.commit(put(b"a", b"")).unwrap();
}

#[test]
fn a_deleted_value_leaves_no_bytes_behind() {
    let home = tempfile::tempdir().unwrap();
    let store = create(home.path(), Options::default());
    let secret = b"wrapped material that was destroyed";
    let everywhere = || {
        let files = fs::read_dir(home.path().join("store")).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect::<Vec<u8>>()
    };
    let is_there = || everywhere().windows(secret.len()).any(|window| window == secret);
    store.commit(put(b"a", secret)).unwrap();
    assert!(is_there());
    let mut batch = Batch::default();
    batch.delete(Table::Key, b"a".to_vec());
    store.commit(batch).unwrap();
    until(|| store.size().unwrap().wal_bytes == 0);
    assert!(!is_there());
}

#[test]
fn damage_is_found() {
    let home = tempfile::tempdir().unwrap();
    let store = create(home.path(), Options::default());
    for number in 0..200u8 {
        store.commit(put(&[number], &[number; 1000])).unwrap();
    }
    assert_eq!(store.verify(), Ok(()));
    drop(store);
    let path = home.path().join("store/store.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let store = EmbeddedStore::open(&home.path().join("store"), Options::default()).unwrap();
    let found = store.verify();
    assert!(matches!(&found, Err(StoreError::Corrupt { cause }) if !cause.is_empty()), "{found:?}");
}

#[test]
fn a_row_from_a_commit_that_never_was_is_found() {
    let home = tempfile::tempdir().unwrap();
    let store = create(home.path(), Options::default());
    store.commit(put(b"a", b"")).unwrap();
    drop(store);
    let path = home.path().join("store");
    Connection::open(path.join("store.db")).unwrap().execute("UPDATE row SET revision = 2", []).unwrap();
    let found = EmbeddedStore::open(&path, Options::default()).unwrap().verify();
    assert_eq!(found, Err(StoreError::Corrupt { cause: "1 rows have a revision that was never given".to_owned() }));
}

#[test]
fn a_commit_that_is_answered_tells_that_one_which_was_not_has_ended() {
    let home = tempfile::tempdir().unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let mut first = true;
    let fault = move |moment| {
        if moment == Moment::BeforeCommit && std::mem::take(&mut first) {
            // The disk hangs until the test lets it go on.
            let _ = stopped.recv();
        }
        Ok(())
    };
    let options =
        Options { commit_wait: Duration::from_millis(50), fault: Some(Box::new(fault)), ..Options::default() };
    let store = create(home.path(), options);
    assert!(unavailable(&store.commit(put(b"late", b""))));
    assert!(!has(&store, b"late"));
    stop.send(()).unwrap();
    while store.commit(Batch::default()).is_err() {}
    assert!(has(&store, b"late"));
}
