use std::fs;
use std::path::Path;

use strongroom_audit::frame::{Frames, SegmentHeader};
use strongroom_audit::port::{AuditLog, Head, RecordClass};
use strongroom_audit_log::OpenError;

use crate::helper::*;

/// A log of ten records in one segment whose last frame holds three; returns where that frame lies.
fn ten_records(directory: &Path) -> (Head, usize, usize) {
    let log = open(directory);
    append_all(&log, 0..7);
    let head = log.head();
    let permit = log.reserve(RecordClass::Authenticated, 3).unwrap();
    log.append(permit, (7..10).map(record).collect()).wait().unwrap();
    drop(log);
    let bytes = fs::read(&segments(directory)[0]).unwrap();
    let (header, length, hash) = SegmentHeader::decode(&bytes).unwrap();
    let mut frames = Frames::new(&bytes, &header, length, hash);
    let mut start = 0;
    while frames.next_position().0 < 10 {
        start = frames.offset();
        frames.next().unwrap().unwrap();
    }
    (head, start, frames.offset())
}

#[test]
fn a_last_frame_torn_at_any_byte_is_taken_back_whole_and_nothing_else() {
    let original = tempfile::tempdir().unwrap();
    let (head, start, end) = ten_records(original.path());
    let path = segments(original.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for written in start..end {
        let mut torn = bytes.clone();
        torn[written..end].fill(0);
        fs::write(&path, &torn).unwrap();
        let (log, recovery) = try_open(original.path(), Some(&head)).unwrap();
        assert_eq!(recovery.head, head, "torn at byte {written}");
        assert_eq!(recovery.torn.is_some(), torn[start..end].iter().any(|byte| *byte != 0));
        drop(log);
        let repaired = fs::read(&path).unwrap();
        assert_eq!(repaired[..start], bytes[..start]);
        assert!(repaired[start..].iter().all(|byte| *byte == 0));
    }
    let (log, _) = try_open(original.path(), Some(&head)).unwrap();
    append_all(&log, 7..12);
    assert!(verify(&log).is_sound());
}

#[test]
fn a_last_frame_of_which_the_disk_wrote_any_part_only_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let (head, start, end) = ten_records(directory.path());
    let path = segments(directory.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for missing in (start..end).step_by(97) {
        let mut torn = bytes.clone();
        torn[missing..(missing + 97).min(end)].fill(0);
        fs::write(&path, &torn).unwrap();
        let (log, recovery) = try_open(directory.path(), Some(&head)).unwrap();
        assert_eq!((recovery.head.size, recovery.torn.is_some()), (7, true));
        drop(log);
    }
}

#[test]
fn repair_takes_back_nothing_that_was_followed_by_another_write() {
    let directory = tempfile::tempdir().unwrap();
    let (_, start, end) = ten_records(directory.path());
    append_all(&open(directory.path()), 10..12);
    let path = segments(directory.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for at in (start..end).step_by(41) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let refused = try_open(directory.path(), None).map(drop);
        assert!(matches!(refused, Err(OpenError::Damaged { segment: 0, .. })), "byte {at}: {refused:?}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "nothing was changed");
    }
}

#[test]
fn records_fewer_than_the_saved_head_are_an_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..10);
    let saved = log.head();
    drop(log);
    let path = segments(directory.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let refused = try_open(directory.path(), Some(&saved)).map(drop);
    assert!(matches!(refused, Err(OpenError::Behind { saved: 10, found: 9 })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "nothing was changed");
    fs::remove_file(&path).unwrap();
    let refused = try_open(directory.path(), Some(&saved)).map(drop);
    assert!(matches!(refused, Err(OpenError::Behind { saved: 10, found: 0 })), "{refused:?}");
}

#[test]
fn other_records_than_those_of_the_saved_head_are_an_alarm() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(one.path());
    append_all(&log, 0..10);
    let other = open(two.path());
    for number in 100..400 {
        append(&other, number);
    }
    drop(other);
    let refused = try_open(two.path(), Some(&log.head())).map(drop);
    assert!(matches!(refused, Err(OpenError::Differs { saved: 10 })), "{refused:?}");
}

#[test]
fn a_saved_head_of_any_age_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut heads = vec![log.head()];
    for number in 0..600 {
        append(&log, number);
        heads.push(log.head());
    }
    checkpoint(&log);
    heads.push(log.head());
    drop(log);
    assert!(segments(directory.path()).len() >= 4);
    for head in heads.iter().step_by(29).chain(heads.last()) {
        try_open(directory.path(), Some(head)).unwrap();
    }
}

#[test]
fn missing_shortened_and_replaced_files_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append_all(&log, 0..600);
    drop(log);
    let paths = segments(directory.path());
    let (middle, last) = (&paths[1], paths.last().unwrap());
    let refused = || try_open(directory.path(), None).map(drop);

    let whole = fs::read(middle).unwrap();
    fs::remove_file(middle).unwrap();
    assert!(matches!(refused(), Err(OpenError::Missing { after: 0, found: 2 })), "{:?}", refused());
    fs::write(middle, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(refused(), Err(OpenError::Shortened { segment: 1, .. })), "{:?}", refused());
    fs::copy(&paths[0], middle).unwrap();
    assert!(matches!(refused(), Err(OpenError::Unlinked { segment: 1 })), "{:?}", refused());
    fs::write(middle, &whole).unwrap();

    let newest = fs::read(last).unwrap();
    let other = tempfile::tempdir().unwrap();
    let forged = open(other.path());
    for number in 1000..1600 {
        append(&forged, number);
    }
    drop(forged);
    fs::copy(&segments(other.path())[paths.len() - 1], last).unwrap();
    assert!(matches!(refused(), Err(OpenError::Unlinked { .. })), "{:?}", refused());
    fs::write(last, &newest).unwrap();
    refused().unwrap();
}

#[test]
fn what_a_crash_left_of_a_file_being_prepared_is_cleared_away() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    fs::write(directory.path().join("spare"), b"half made").unwrap();
    append_all(&open(directory.path()), 0..3);
    assert!(!directory.path().join("spare").exists());
}
