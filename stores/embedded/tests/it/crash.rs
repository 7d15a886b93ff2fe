//! Sudden death: a child process commits and is killed; what it was answered must be there, and nothing by halves.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use strongroom_model::store::{Batch, Revision, Row, Snapshot, Store, Table};
use strongroom_store_embedded::{EmbeddedStore, Moment, OpenError, Options};

const HOME: &str = "STORE_CRASH_HOME";
const ABORT: &str = "STORE_CRASH_ABORT";
const ROUNDS: usize = 20;
/// Threads of a child that is killed, so that batches share transactions.
const THREADS: u64 = 4;
/// Transactions that a child commits before it aborts.
const BEFORE_ABORT: u64 = 5;
/// Tables to which each batch adds a row: the first, the last and some between.
const TABLES: [Table; 4] = [Table::Installation, Table::Key, Table::Grant, Table::CredentialByPrincipal];

/// A numbered batch: a row in every table; a newest row in the outbox, in place of the thread's one before; the
/// thread's count rewritten.
fn batch(number: u64, threads: u64) -> Batch {
    let mut batch = Batch::default();
    let (key, before) = (number.to_be_bytes().to_vec(), (number - threads).to_be_bytes().to_vec());
    for table in TABLES {
        batch.insert(table, key.clone(), vec![key[7]; 700]);
    }
    batch.insert(Table::Outbox, key.clone(), Vec::new());
    batch.delete(Table::Outbox, before);
    batch.put(Table::Usage, vec![(number % threads) as u8], key);
    batch
}

/// The child: no test unless it is told where. It commits until it dies.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let (mut left, threads) = match std::env::var(ABORT).as_deref() {
        Ok("before") => (Some((Moment::BeforeCommit, BEFORE_ABORT)), 1),
        Ok("after") => (Some((Moment::AfterCommit, BEFORE_ABORT)), 1),
        _ => (None, THREADS),
    };
    let fault = move |moment| {
        if let Some((at, count)) = &mut left
            && *at == moment
        {
            match count.checked_sub(1) {
                Some(less) => *count = less,
                None => std::process::abort(),
            }
        }
        Ok(())
    };
    let options = Options { fault: Some(Box::new(fault)), ..Options::default() };
    let store = EmbeddedStore::open(Path::new(&home), options).unwrap();
    // Far above every number of the children before, of which none committed more than the store has counted.
    let start = 1000 * (1 + store.snapshot().unwrap().revision().0);
    thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || {
                for number in (start + thread..).step_by(threads as usize) {
                    let revision = store.commit(batch(number, threads)).unwrap();
                    // One write, so that a line is whole or absent.
                    let line = format!("\nanswered {number} {}\n", revision.0);
                    if std::io::stdout().write_all(line.as_bytes()).is_err() {
                        // The parent is gone, and nobody else would end this.
                        return;
                    }
                }
            });
        }
    });
}

fn spawn(home: &Path, abort: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash::child", "--nocapture"])
        .env(HOME, home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(moment) = abort {
        command.env(ABORT, moment);
    }
    command.spawn().unwrap()
}

/// Lets the child run until it has given `answers` answers or died, kills it, and tells all that it answered.
fn watch(mut child: Child, answers: usize) -> (Vec<(u64, Revision)>, ExitStatus) {
    let mut answered = Vec::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for line in lines {
        if let Some((number, revision)) = line.strip_prefix("answered ").and_then(|line| line.split_once(' ')) {
            answered.push((number.parse().unwrap(), Revision(revision.parse().unwrap())));
            if answered.len() == answers {
                child.kill().unwrap();
            }
        }
    }
    (answered, child.wait().unwrap())
}

fn rows(snapshot: &dyn Snapshot, table: Table) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = snapshot.scan(table, b"", rows.last().map(|row| row.key.as_slice()), 1000).unwrap();
        let last = page.len() < 1000;
        rows.extend(page);
        if last {
            return rows;
        }
    }
}

/// Checks that every answered batch is there at the revision answered, and that every batch is whole. Tells how many.
fn check(store: &EmbeddedStore, answered: &[(u64, Revision)], threads: u64) -> usize {
    let snapshot = store.snapshot().unwrap();
    let [first, others @ ..] = TABLES.map(|table| rows(&*snapshot, table));
    for other in others {
        assert_eq!(first, other, "half a batch");
    }
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    let found: BTreeMap<u64, Revision> = first.iter().map(|row| (number(&row.key), row.revision)).collect();
    for (number, revision) in answered {
        assert_eq!(found.get(number), Some(revision), "batch {number} was answered");
    }
    assert!(first.iter().all(|row| row.value == vec![row.key[7]; 700]));
    assert_eq!(found.values().collect::<BTreeSet<_>>().len(), found.len(), "two batches share a revision");
    assert_eq!(found.values().max().copied().unwrap_or_default(), snapshot.revision());
    let newest: Vec<u64> = found.keys().copied().filter(|number| !found.contains_key(&(number + threads))).collect();
    let outbox: Vec<u64> = rows(&*snapshot, Table::Outbox).iter().map(|row| number(&row.key)).collect();
    assert_eq!(outbox, newest);
    for row in rows(&*snapshot, Table::Usage) {
        let of_thread = found.keys().filter(|number| *number % threads == u64::from(row.key[0]));
        assert_eq!(of_thread.max(), Some(&number(&row.value)));
    }
    assert_eq!(store.verify(), Ok(()));
    found.len()
}

fn opened(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, Options::default()).unwrap()
}

#[test]
fn what_was_answered_survives_a_kill_at_any_moment_and_nothing_is_half_there() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    drop(EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap());
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        let answers = 1 + RandomState::new().hash_one(round) % 300;
        let (more, status) = watch(spawn(&path, None), answers as usize);
        assert_eq!(status.signal(), Some(9), "round {round}: the child failed by itself");
        answered.extend(more);
        check(&opened(&path), &answered, THREADS);
    }
    assert!(answered.len() >= ROUNDS);
}

#[test]
fn death_right_before_a_commit_leaves_nothing_of_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    drop(EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap());
    let (answered, status) = watch(spawn(&path, Some("before")), usize::MAX);
    assert_eq!((status.signal(), answered.len() as u64), (Some(6), BEFORE_ABORT));
    assert_eq!(check(&opened(&path), &answered, 1), answered.len());
}

#[test]
fn death_right_after_a_commit_leaves_all_of_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    drop(EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap());
    let (answered, status) = watch(spawn(&path, Some("after")), usize::MAX);
    assert_eq!((status.signal(), answered.len() as u64), (Some(6), BEFORE_ABORT));
    assert_eq!(check(&opened(&path), &answered, 1), answered.len() + 1);
}

#[test]
fn another_process_is_refused_and_told_who_holds_the_store() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    drop(EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap());
    let mut child = spawn(&path, None);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("answered")));
    let refused = EmbeddedStore::open(&path, Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { holder: Some(pid), .. } if pid == child.id()), "{refused}");
    assert!(refused.to_string().contains(&child.id().to_string()));
    child.kill().unwrap();
    child.wait().unwrap();
    drop(opened(&path));
}
