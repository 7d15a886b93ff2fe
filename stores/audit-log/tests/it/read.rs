use strongroom_audit::port::{AuditLog, Position, ReadError};
use strongroom_audit_log::FileLog;
use strongroom_model::clock::Timestamp;

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
        let Position(at) = log.position_at(Timestamp(number * hour)).unwrap();
        assert!(at <= number && number - at < 200, "{number}: {at}");
    }
}

#[test]
fn reading_on_in_stretches_finds_what_reading_at_once_finds_while_the_log_grows_and_is_pruned() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let (mut next, mut found) = (Position(0), Vec::new());
    // Stretches that end within frames, at their ends, and beyond the segment in which they began.
    for (round, stretch) in [1usize, 2, 3, 40, 7, 300, 1, 150, 90].into_iter().cycle().take(40).enumerate() {
        let from = round as u64 * 30;
        append_all(&log, from..from + 30);
        // Somebody who reads elsewhere in between.
        log.records(Position(next.0 / 2)).unwrap().take(round % 5).for_each(|stored| drop(stored.unwrap()));
        for stored in log.records(next).unwrap().take(stretch) {
            let stored = stored.unwrap();
            assert_eq!(stored.position, next);
            next = Position(next.0 + 1);
            found.push(stored.record.id());
        }
    }
    found.extend(ids(&log, next.0));
    assert_eq!(found, (0..1200).map(id).collect::<Vec<_>>());
    let kept = log.prune(Timestamp(u64::MAX), Position(600)).unwrap().first;
    assert!(matches!(log.records(Position(kept.0 - 1)), Err(ReadError::Pruned { first }) if first == kept));
    assert_eq!(ids(&log, kept.0), (kept.0..1200).map(id).collect::<Vec<_>>());
}

#[test]
fn reading_on_where_a_reader_stopped_does_not_walk_what_lies_before() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    (0..40).for_each(|number| {
        append(&log, number);
    });
    assert_eq!(log.records(Position(0)).unwrap().take(20).filter(Result::is_ok).count(), 20);
    let path = segments(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    // The head of the first frame, over which whoever begins at the segment's beginning stumbles.
    let head = bytes.windows(4).position(|window| window == b"SRF\x01").unwrap();
    bytes[head] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(log.records(Position(5)).unwrap().next(), Some(Err(ReadError::Damaged { .. }))));
    assert_eq!(ids(&log, 20), (20..40).map(id).collect::<Vec<_>>());
}
