use std::io::ErrorKind;
use std::sync::Arc;

use strongroom_audit::port::{AuditLog, LogUnavailable, Position, RecordClass};
use strongroom_audit::verify::Finding;
use strongroom_audit_log::DiskOperation;

use crate::helper::*;

/// Asks for a place until the log has healed; every refusal has it tried again.
fn healed(log: &dyn AuditLog) {
    while log.reserve(RecordClass::Authenticated, 1).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn after_a_failed_write_or_sync_the_same_records_stand_once_in_the_next_segment() {
    for operation in [DiskOperation::Write, DiskOperation::Sync] {
        let directory = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let log = open_with(directory.path(), &faults);
        append_all(&log, 0..5);
        faults.fail(operation, 0, 1, ErrorKind::Other);
        append_all(&log, 5..10);
        assert_eq!(segments(directory.path()).len(), 2);
        let check = |log: &_| {
            assert_eq!(ids(log, 0), (0..10).map(id).collect::<Vec<_>>());
            let report = verify(log);
            assert!(report.is_sound(), "{:?}", report.findings);
            let given_up = report.findings.iter().any(|finding| matches!(finding, Finding::GivenUp { segment: 0, .. }));
            assert_eq!(given_up, operation == DiskOperation::Sync);
        };
        check(&log);
        let head = log.head();
        drop(log);
        check(&try_open(directory.path(), Some(&head)).unwrap().0);
    }
}

#[test]
fn a_disk_that_fails_at_any_operation_loses_nothing_that_was_answered() {
    for operation in [DiskOperation::Create, DiskOperation::Write, DiskOperation::Sync, DiskOperation::Name] {
        for after in 0..6 {
            let directory = tempfile::tempdir().unwrap();
            let faults = Arc::new(Faults::default());
            let log = open_with(directory.path(), &faults);
            faults.fail(operation, after, 3, ErrorKind::Other);
            let mut answered = Vec::new();
            for number in 0..400 {
                let Ok(permit) = log.reserve(RecordClass::Authenticated, 1) else { continue };
                if log.append(permit, vec![record(number)]).wait().is_ok() {
                    answered.push(id(number));
                }
            }
            let head = log.head();
            let report = verify(&log);
            assert!(report.is_sound(), "{operation:?} after {after}: {:?}", report.findings);
            drop(log);
            let log = try_open(directory.path(), Some(&head)).unwrap().0;
            let kept = ids(&log, 0);
            assert!(answered.iter().all(|id| kept.contains(id)), "{operation:?} after {after}");
            assert!(verify(&log).is_sound());
        }
    }
}

#[test]
fn a_full_disk_refuses_with_a_clear_error_and_heals_when_space_returns() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open_with(directory.path(), &faults);
    faults.fail(DiskOperation::Create, 0, u64::MAX, ErrorKind::StorageFull);
    faults.fail(DiskOperation::FreeSpace, 0, u64::MAX, ErrorKind::StorageFull);
    let mut answered = 0;
    let refused = loop {
        match log.reserve(RecordClass::Authenticated, 1) {
            Ok(permit) => match log.append(permit, vec![record(answered)]).wait() {
                Ok(position) => {
                    assert_eq!(position, Position(answered));
                    answered += 1;
                }
                Err(refused) => break refused,
            },
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, LogUnavailable::Full);
    assert!(answered > 50 && answered < 200, "{answered}");
    assert_eq!(log.reserve(RecordClass::Authenticated, 1).unwrap_err(), LogUnavailable::Full);
    faults.heal();
    healed(&log);
    append_all(&log, answered..answered + 10);
    assert!(verify(&log).is_sound());
}

#[test]
fn a_place_that_was_reserved_is_there_when_the_disk_fills_up() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open_with(directory.path(), &faults);
    faults.fail(DiskOperation::Create, 0, u64::MAX, ErrorKind::StorageFull);
    faults.fail(DiskOperation::FreeSpace, 0, u64::MAX, ErrorKind::StorageFull);
    let mut permits = Vec::new();
    while let Ok(permit) = log.reserve(RecordClass::Authenticated, 1) {
        permits.push(permit);
    }
    assert!(!permits.is_empty());
    for (number, permit) in (0..).zip(permits) {
        assert_eq!(log.append(permit, vec![record(number)]).wait(), Ok(Position(number)));
    }
}

#[test]
fn a_dead_disk_refuses_says_why_and_heals_on_demand() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open_with(directory.path(), &faults);
    append_all(&log, 0..3);
    faults.fail(DiskOperation::Sync, 0, u64::MAX, ErrorKind::NetworkDown);
    let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
    let refused = log.append(permit, vec![record(3)]).wait().unwrap_err();
    assert!(matches!(&refused, LogUnavailable::Failed { cause } if cause.contains("network")), "{refused}");
    assert_eq!(log.reserve(RecordClass::Authenticated, 1).unwrap_err(), refused);
    assert_eq!(log.head().size, 3);
    faults.heal();
    healed(&log);
    append_all(&log, 3..6);
    assert_eq!(ids(&log, 0), (0..6).map(id).collect::<Vec<_>>());
    assert!(verify(&log).is_sound());
}
