use strongroom_audit::port::{AuditLog, Position, ReadError};
use strongroom_audit_log::FileLog;

use crate::helper::*;

#[test]
fn reading_begins_anywhere_and_sees_what_was_answered_before_it_began() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..300);
    checkpoint(&log);
    append_all(&log, 300..400);
    for from in (0..=401).step_by(13) {
        assert_eq!(ids(&log, from), (from..400).map(id).collect::<Vec<_>>());
    }
    let begun = log.records(Position(390)).unwrap();
    append_all(&log, 400..600);
    assert_eq!(begun.count(), 10);
    assert_eq!(log.records(Position(10)).unwrap().next().unwrap().unwrap().position, Position(10));
}

#[test]
fn what_the_log_lacks_is_told_by_record_id() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..200);
    assert_eq!(log.lacking(Position(0), &[id(5), id(199), id(200)]).unwrap(), [id(200)]);
    assert_eq!(log.lacking(Position(100), &[id(5), id(150)]).unwrap(), [id(5)]);
    assert_eq!(log.lacking(Position(0), &[]).unwrap(), []);
}

#[test]
fn damage_is_told_from_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..10);
    let path = segments(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1500] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let read: Vec<_> = log.records(Position(0)).unwrap().collect();
    assert!(matches!(read.last(), Some(Err(ReadError::Damaged { segment: 0, .. }))));
}

#[test]
fn a_time_leads_to_a_position_before_all_records_of_that_time() {
    let directory = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(HandClock::default());
    let log = FileLog::open(directory.path(), options(), clock.clone(), None).unwrap().0;
    let hour = 3_600_000;
    for number in 0..400 {
        clock.set(number * hour);
        append(&log, number);
    }
    for number in [0, 1, 150, 399] {
        let Position(at) = log.position_at(strongroom_model::clock::Timestamp(number * hour)).unwrap();
        assert!(at <= number && number - at < 200, "{number}: {at}");
    }
}
