use proptest::prelude::*;
use strongroom_model::action::Action;
use strongroom_model::id::RecordId;

use super::*;
use crate::record::Record;

fn sealed(number: u8) -> SealedRecord {
    Record::new(RecordId::from_bytes([number; 16]), Timestamp(u64::from(number)), Action::Encrypt).seal()
}

fn header() -> SegmentHeader {
    let mut tree = Tree::default();
    tree.extend((0..5).map(|number| Hash::leaf(&[number])));
    SegmentHeader {
        number: 3,
        first: Position(5),
        created: Timestamp(1_700_000_000_000),
        capacity: 65_536,
        after_failure: true,
        origin: "kms.example/node-1".to_owned(),
        chain: Hash::leaf(b"before"),
        tree,
    }
}

fn segment() -> Vec<u8> {
    let (mut bytes, chain) = header().encode();
    let (one, two, three) = (sealed(1), sealed(2), sealed(3));
    let chain = write_records(&mut bytes, Position(5), &chain, &[&one, &two]);
    let chain = write_note(&mut bytes, Position(7), &chain, "a note\n");
    write_records(&mut bytes, Position(7), &chain, &[&three]);
    bytes.resize(bytes.len() + 100, 0);
    bytes
}

fn frames(bytes: &[u8]) -> Result<Vec<Result<Frame<'_>, FrameError>>, FrameError> {
    let (header, length, hash) = SegmentHeader::decode(bytes)?;
    Ok(Frames::new(bytes, &header, length, hash).collect())
}

#[test]
fn a_segment_reads_back_as_it_was_written() {
    let bytes = segment();
    assert_eq!(SegmentHeader::decode(&bytes).unwrap().0, header());
    let frames = frames(&bytes).unwrap();
    let [Ok(pair), Ok(note), Ok(single), Err(FrameError::End)] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!(
        (pair.first, pair.next(), note.next(), single.next()),
        (Position(5), Position(7), Position(7), Position(8))
    );
    assert_eq!(pair.items, [sealed(1).bytes(), sealed(2).bytes()]);
    assert_eq!(pair.leaves, [sealed(1).leaf(), sealed(2).leaf()]);
    assert_eq!(note.items, [b"a note\n"]);
}

#[test]
fn a_segment_ends_well_however_few_bytes_are_left_of_its_file() {
    let whole = segment();
    for left in 0..8 {
        let bytes = &whole[..whole.len() - 100 + left];
        assert!(matches!(frames(bytes).unwrap().as_slice(), [Ok(_), Ok(_), Ok(_), Err(FrameError::End)]), "{left}");
    }
}

#[test]
fn no_bit_of_a_segment_can_be_changed_unnoticed() {
    let whole = segment();
    let written = whole.len() - 100;
    for at in 0..written {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let sound = frames(&bytes).is_ok_and(|frames| frames.iter().filter(|frame| frame.is_ok()).count() == 3);
        assert!(!sound, "a change of byte {at} went unnoticed");
    }
}

#[test]
fn frames_cannot_change_places() {
    let (mut bytes, start) = header().encode();
    let first = bytes.len();
    let chain = write_records(&mut bytes, Position(5), &start, &[&sealed(1)]);
    let second = bytes.len();
    write_records(&mut bytes, Position(6), &chain, &[&sealed(2)]);
    let (one, two) = (bytes[first..second].to_vec(), bytes[second..].to_vec());
    bytes.truncate(first);
    bytes.extend(two);
    bytes.extend(one);
    assert!(matches!(frames(&bytes).unwrap().as_slice(), [Err(FrameError::Chain)]));
}

#[test]
fn what_a_newer_program_wrote_is_told_from_what_is_damaged() {
    let mut bytes = segment();
    bytes[3] = 2;
    assert_eq!(SegmentHeader::decode(&bytes), Err(FrameError::Version(2)));
    assert!(matches!(Frame::decode(b"SRF\x02"), Err(FrameError::Version(2))));
    assert!(matches!(Frame::decode(b"SQL\x01"), Err(FrameError::Magic)));
}

#[test]
fn a_segments_file_name_sorts_as_its_number_and_no_other_file_is_taken_for_one() {
    assert_eq!(segment_number(&file_name(42)), Some(42));
    assert!(file_name(9) < file_name(10) && file_name(10) < file_name(u64::MAX));
    assert_eq!(
        [segment_number("42.sra"), segment_number("+0000000000000000042.sra"), segment_number("lock")],
        [None; 3]
    );
}

#[test]
fn a_name_of_a_log_can_stand_in_a_signed_note() {
    assert!(is_origin("kms.example/node-1"));
    assert!(!is_origin("") && !is_origin("a b") && !is_origin("a+b") && !is_origin("a\n"));
    assert!(!is_origin(&"x".repeat(limits::ORIGIN_BYTES + 1)));
}

#[test]
fn no_header_is_longer_than_is_said_and_no_number_larger_than_can_be_counted_on() {
    let tree = Tree::from_peaks(u64::MAX, vec![Hash::ZERO; 64]).unwrap();
    let origin = "x".repeat(limits::ORIGIN_BYTES);
    let header = SegmentHeader { first: Position(u64::MAX), origin, tree, ..header() };
    let (bytes, _) = header.encode();
    assert_eq!(bytes.len(), LONGEST_HEADER);
    assert_eq!(SegmentHeader::decode(&bytes), Err(FrameError::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = frames(&bytes);
        let _ = Frame::decode(&[b"SRF\x01".as_slice(), &bytes].concat());
        let _ = SegmentHeader::decode(&[b"SRA\x01".as_slice(), &bytes].concat());
    }
}
