use std::sync::Arc;

use strongroom_audit::port::{AuditLog, Position, ReadError};
use strongroom_audit::verify::Finding;
use strongroom_audit_log::{FileLog, OpenError};
use strongroom_model::clock::Timestamp;

use crate::helper::*;

/// A log whose record `n` was written at time `n`.
fn aged(directory: &std::path::Path) -> (FileLog, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let log = FileLog::open(directory, options(), clock.clone(), None).unwrap().0;
    for number in 0..600 {
        clock.set(number);
        append(&log, number);
    }
    (log, clock)
}

#[test]
fn pruning_removes_whole_old_segments_and_what_is_left_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _clock) = aged(directory.path());
    let known = checkpoint(&log);
    let before = segments(directory.path()).len() as u64;
    let pruned = log.prune(Timestamp(400), Position(u64::MAX)).unwrap();
    assert!(pruned.segments > 0 && pruned.first <= Position(400));
    assert_eq!(segments(directory.path()).len() as u64, before - pruned.segments);
    let report = log.verify(vec![signer().1], Some(known)).unwrap();
    assert_eq!(report.findings, [Finding::Pruned { segment: pruned.segments, first: pruned.first }]);
    assert!(report.is_sound());
    assert_eq!(ids(&log, pruned.first.0).len() as u64, 600 - pruned.first.0);
    assert_eq!(log.records(Position(0)).err(), Some(ReadError::Pruned { first: pruned.first }));

    let head = log.head();
    drop(log);
    let (log, recovery) = try_open(directory.path(), Some(&head)).unwrap();
    assert_eq!(recovery.first, pruned.first);
    append(&log, 600);
    assert!(verify(&log).is_sound());
}

#[test]
fn pruning_keeps_what_is_young_what_is_wanted_and_what_is_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _clock) = aged(directory.path());
    assert_eq!(log.prune(Timestamp(50), Position(u64::MAX)).unwrap().segments, 0);
    assert_eq!(log.prune(Timestamp(u64::MAX), Position(10)).unwrap().segments, 0);
    let all = log.prune(Timestamp(u64::MAX), Position(u64::MAX)).unwrap();
    assert_eq!(segments(directory.path()).len(), 1);
    assert!(all.first < Position(600));
}

#[test]
fn a_head_older_than_what_is_kept_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..10);
    let head = log.head();
    append_all(&log, 10..500);
    log.prune(Timestamp(u64::MAX), Position(u64::MAX)).unwrap();
    drop(log);
    let refused = try_open(directory.path(), Some(&head)).map(drop);
    assert!(matches!(refused, Err(OpenError::HeadPruned { saved: 10, .. })), "{refused:?}");
}
