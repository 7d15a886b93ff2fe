use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use strongroom_audit::port::{AuditLog, LogUnavailable, Position, RecordClass};
use strongroom_audit_log::{BeforeOperation, DiskOperation, FileLog, Options, limits};

use crate::helper::*;

#[test]
fn records_are_numbered_without_gaps_across_segments_and_verify() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..500);
    let known = checkpoint(&log);
    append_all(&log, 500..600);
    assert!(segments(directory.path()).len() > 2);
    assert_eq!(log.head().size, 600);
    let report = log.verify(vec![signer().1], Some(known)).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.records, report.checkpoints, report.head), (600, 1, Some(log.head())));
}

#[test]
fn what_arrives_together_is_told_its_own_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for round in 0..50 {
                    let number = thread * 1000 + round;
                    let permit = log.reserve(RecordClass::Authenticated, 3).unwrap();
                    let records = vec![record(number), record(number + 1), record(number + 2)];
                    let Position(at) = log.append(permit, records).wait().unwrap();
                    let stored: Vec<_> = log.records(Position(at)).unwrap().take(3).map(Result::unwrap).collect();
                    let found: Vec<_> = stored.iter().map(|stored| stored.record.id()).collect();
                    assert_eq!(found, [id(number), id(number + 1), id(number + 2)]);
                }
            });
        }
    });
    assert_eq!(log.head().size, 1200);
    assert!(verify(&log).is_sound());
}

/// What a log does to its disk: how often it has synced, and a gate that keeps it from that while someone holds it.
#[derive(Default)]
struct Syncs {
    count: AtomicU64,
    gate: Mutex<()>,
}

/// A log, and its syncs.
fn counted(directory: &std::path::Path) -> (Arc<FileLog>, Arc<Syncs>) {
    let syncs = Arc::new(Syncs::default());
    let counts = Arc::clone(&syncs);
    let before: BeforeOperation = Arc::new(move |operation| {
        if operation == DiskOperation::Sync {
            drop(counts.gate.lock().unwrap());
            counts.count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let options = Options { before: Some(before), ..options() };
    let log = FileLog::open(directory, options, Arc::new(HandClock::default()), None).unwrap().0;
    (Arc::new(log), syncs)
}

#[test]
fn records_of_tasks_that_are_ready_together_share_a_sync() {
    let directory = tempfile::tempdir().unwrap();
    let (log, syncs) = counted(directory.path());
    let before = syncs.count.load(Ordering::SeqCst);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let task = |number| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
                log.append(permit, vec![record(number)]).await.unwrap()
            })
        };
        let tasks: Vec<_> = (0..20).map(task).collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Position(number as u64));
        }
    });
    // A second one if the writer happened to look by itself meanwhile, which it does ten times a second.
    let syncs = syncs.count.load(Ordering::SeqCst) - before;
    assert!((1..=2).contains(&syncs), "{syncs}");
}

#[test]
fn a_record_is_written_whoever_of_those_that_share_its_sync_still_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (log, syncs) = counted(directory.path());
    let append = |number| {
        let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
        log.append(permit, vec![record(number)])
    };
    // Nobody does.
    drop(append(0));
    while log.head().size < 1 {
        std::thread::yield_now();
    }
    // One that was looked at before it was given up; then the other alone; then both, the later one first.
    for (given_up, number) in [(true, 1), (false, 3)] {
        // The writer may look by itself at any moment, and is not done before this.
        let held = syncs.gate.lock().unwrap();
        let mut first = append(number);
        let second = append(number + 1);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut first).poll(&mut context).is_pending());
        drop(held);
        if given_up {
            drop(first);
            assert_eq!(second.wait(), Ok(Position(number + 1)));
        } else {
            assert_eq!((second.wait(), first.wait()), (Ok(Position(number + 1)), Ok(Position(number))));
        }
    }
    assert_eq!(log.head().size, 5);
}

#[test]
fn records_are_written_although_whoever_promised_to_ask_for_it_gets_no_turn() {
    let directory = tempfile::tempdir().unwrap();
    let (log, syncs) = counted(directory.path());
    let append = |number| {
        let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
        log.append(permit, vec![record(number)])
    };
    // The writer may look by itself at any moment, and is not done before this.
    let held = syncs.gate.lock().unwrap();
    let (mut promised, mut relieved) = (append(0), append(1));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut promised).poll(&mut context).is_pending());
    assert!(Pin::new(&mut relieved).poll(&mut context).is_pending());
    drop(held);
    while log.head().size < 2 {
        std::thread::yield_now();
    }
    // The batch after one that was taken without its promise being kept is promised anew.
    let held = syncs.gate.lock().unwrap();
    let mut next = append(2);
    assert!(Pin::new(&mut next).poll(&mut context).is_pending());
    drop(next);
    drop(held);
    assert_eq!((promised.wait(), relieved.wait()), (Ok(Position(0)), Ok(Position(1))));
    while log.head().size < 3 {
        std::thread::yield_now();
    }
}

#[test]
fn a_log_that_is_closed_writes_what_was_promised() {
    let directory = tempfile::tempdir().unwrap();
    let (log, syncs) = counted(directory.path());
    let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
    let held = syncs.gate.lock().unwrap();
    let mut promised = log.append(permit, vec![record(0)]);
    assert!(Pin::new(&mut promised).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(held);
    drop(log);
    assert_eq!(promised.wait(), Ok(Position(0)));
}

#[test]
fn so_many_records_that_more_would_save_nothing_are_written_without_being_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = counted(directory.path());
    let append = |number| {
        let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
        log.append(permit, vec![record(number)])
    };
    let waiting: Vec<_> = (0..32).map(append).collect();
    while log.head().size < 32 {
        std::thread::yield_now();
    }
    drop(waiting);
}

#[test]
fn an_append_larger_than_a_segment_is_written_whole() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let permit = log.reserve(RecordClass::Authenticated, 700).unwrap();
    let first = log.append(permit, (0..700).map(record).collect()).wait().unwrap();
    assert_eq!((first, log.head().size), (Position(0), 700));
    assert_eq!(ids(&log, 0), (0..700).map(id).collect::<Vec<_>>());
    assert!(verify(&log).is_sound());
}

#[test]
fn what_was_answered_is_there_after_the_log_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..10);
    let head = log.head();
    drop(log);
    let (log, recovery) = try_open(directory.path(), Some(&head)).unwrap();
    assert_eq!((recovery.head, recovery.torn), (head, None));
    append_all(&log, 10..20);
    assert_eq!(ids(&log, 0).len(), 20);
    assert!(verify(&log).is_sound());
}

#[test]
fn closing_writes_what_was_appended_and_takes_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let waiting: Vec<_> = (0..100)
        .map(|number| log.append(log.reserve(RecordClass::Authenticated, 1).unwrap(), vec![record(number)]))
        .collect();
    let late = log.reserve(RecordClass::Authenticated, 1).unwrap();
    log.close();
    for (number, durable) in (0..).zip(waiting) {
        assert_eq!(durable.wait(), Ok(Position(number)));
    }
    assert_eq!(log.append(late, vec![record(100)]).wait(), Err(LogUnavailable::Closed));
}

#[test]
fn two_processes_cannot_hold_one_log() {
    let directory = tempfile::tempdir().unwrap();
    let _log = open(directory.path());
    assert!(matches!(try_open(directory.path(), None), Err(strongroom_audit_log::OpenError::Locked(_))));
}

#[test]
fn no_more_is_reserved_than_the_queue_holds_and_no_more_appended_than_reserved() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let many = limits::APPEND_RECORDS + 1;
    let refused = log.reserve(RecordClass::Authenticated, many).unwrap_err();
    assert_eq!(refused, LogUnavailable::TooMany { records: many, limit: limits::APPEND_RECORDS });
    let held: Vec<_> = (0..limits::QUEUE_RECORDS / limits::APPEND_RECORDS)
        .map(|_| log.reserve(RecordClass::Authenticated, limits::APPEND_RECORDS).unwrap())
        .collect();
    assert_eq!(log.reserve(RecordClass::Authenticated, 1).unwrap_err(), LogUnavailable::Busy);
    drop(held);
    let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
    let refused = log.append(permit, vec![record(0), record(1)]).wait();
    assert_eq!(refused, Err(LogUnavailable::TooMany { records: 2, limit: 1 }));
}

#[test]
fn room_is_kept_for_authenticated_requests() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { reserved_bytes: u64::MAX, ..options() };
    let log = FileLog::open(directory.path(), options, Arc::new(HandClock::default()), None).unwrap().0;
    let stranger = log.reserve(RecordClass::FailedAuthentication, 1).unwrap_err();
    assert_eq!(stranger, LogUnavailable::Reserved);
    append(&log, 0);
}

#[test]
fn names_and_lengths_out_of_bounds_are_refused() {
    use strongroom_audit_log::OpenError;
    let directory = tempfile::tempdir().unwrap();
    let open = |options| FileLog::open(directory.path(), options, Arc::new(HandClock::default()), None).map(drop);
    let name = Options { origin: "a name".to_owned(), ..options() };
    assert!(matches!(open(name), Err(OpenError::Origin(_))));
    let length = Options { segment_bytes: limits::SHORTEST_SEGMENT - 1, ..options() };
    assert!(matches!(open(length), Err(OpenError::SegmentBytes(_))));
    open(options()).unwrap();
    let other = Options { origin: "other".to_owned(), ..options() };
    assert!(matches!(open(other), Err(OpenError::OtherOrigin { .. })));
}
