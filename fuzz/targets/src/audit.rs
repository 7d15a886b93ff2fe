//! The audit log: records, segments with their frames, and what is signed about them.

use strongroom_audit::checkpoint::Statement;
use strongroom_audit::frame::{
    self, FRAME_OVERHEAD, Frame, FrameKind, Frames, HEAD_BYTES, ITEM_OVERHEAD, SegmentHeader,
};
use strongroom_audit::hash::Hash;
use strongroom_audit::note::{SignedNote, VerifierKey};
use strongroom_audit::record::{Record, SealedRecord, peek_id};
use strongroom_audit::verify::Verifier;

use crate::fixture;

const SEGMENT_MAGIC: &[u8] = b"SRA\x01";
const HASH_BYTES: usize = 32;
/// Where in a segment's header its first record's number stands, and the chain hash before it.
const HEADER_FIRST: usize = 16;
const HEADER_CHAIN: usize = 48;
const HEADER_FIXED: usize = 80;

/// One record: what is taken is written again as the same bytes, and shown as one line of JSON without control characters.
pub fn audit_record(data: &[u8]) {
    let Ok(record) = Record::decode(data) else { return };
    let mut again = Vec::new();
    record.encode_into(&mut again);
    assert_eq!(again, data);
    assert_eq!(peek_id(data), Some(record.id));
    let sealed = SealedRecord::from_bytes(data.to_vec()).unwrap();
    assert_eq!((sealed.id(), sealed.leaf()), (record.id, Hash::leaf(data)));
    assert_eq!(sealed.record().unwrap(), record);
    for shown in [strongroom_render::cloudtrail(&record), strongroom_render::plain(&record)] {
        let line = strongroom_render::line(&shown);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), shown);
    }
}

/// The segments of a log, one behind the other: as they came, and with their hashes made to fit, so that changed bytes
/// are read on.
pub fn audit_log(data: &[u8]) {
    let segments = segments(data);
    let mut chain = Hash::ZERO;
    let repaired: Vec<Vec<u8>> = segments.iter().map(|segment| repaired(segment, &mut chain)).collect();
    verify(segments.iter().copied());
    verify(repaired.iter().map(Vec::as_slice));
    segments.iter().copied().chain(repaired.iter().map(Vec::as_slice)).for_each(read_and_write_again);
}

/// A signed note and what it says.
pub fn signed_note(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(note) = text.parse::<SignedNote>() else { return };
    assert_eq!(note.to_string(), text);
    let verified = note.verify(&keys());
    match Statement::of(&note) {
        Ok(Statement::Checkpoint(checkpoint)) => assert_eq!(checkpoint.text(), note.text()),
        Ok(Statement::KeyIntroduction(introduction)) => assert_eq!(introduction.text(), note.text()),
        Err(_) => return,
    }
    if verified.is_ok() {
        let other: SignedNote = format!("x{text}").parse().unwrap();
        assert!(other.verify(&keys()).is_err(), "verifies though its text was changed");
    }
}

/// The text form of a key that verifies notes.
pub fn verifier_key(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(key) = text.parse::<VerifierKey>() else { return };
    assert_eq!(key.to_string(), text);
}

/// The key that the corpus was signed with.
fn keys() -> Vec<VerifierKey> {
    vec![fixture::verifier_key()]
}

fn segments(data: &[u8]) -> Vec<&[u8]> {
    let starts = data.windows(SEGMENT_MAGIC.len()).enumerate().skip(1);
    let mut starts: Vec<usize> = starts.filter(|(_, window)| *window == SEGMENT_MAGIC).map(|(at, _)| at).collect();
    starts.insert(0, 0);
    starts.push(data.len());
    starts.windows(2).map(|pair| &data[pair[0]..pair[1]]).collect()
}

fn verify<'a>(segments: impl Iterator<Item = &'a [u8]>) {
    let mut verifier = Verifier::new(keys(), None);
    segments.for_each(|segment| verifier.segment(segment));
    let report = verifier.finish();
    report.findings.iter().for_each(|finding| assert!(!finding.to_string().is_empty()));
}

/// What could be read of a segment is written again as the same bytes.
fn read_and_write_again(segment: &[u8]) {
    let Ok((header, length, hash)) = SegmentHeader::decode(segment) else { return };
    assert_eq!(header.encode(), (segment[..length].to_vec(), hash));
    let mut frames = Frames::new(segment, &header, length, hash);
    loop {
        let offset = frames.offset();
        let Some(Ok(frame)) = frames.next() else { return };
        let mut again = Vec::new();
        let Some(chain) = write(&mut again, &frame) else { continue };
        assert_eq!((again.as_slice(), chain), (&segment[offset..offset + frame.length], frame.chain));
    }
}

/// `None` for a frame that holds what nobody writes: items that are no records, or a note that is no text.
fn write(out: &mut Vec<u8>, frame: &Frame<'_>) -> Option<Hash> {
    match frame.kind {
        FrameKind::Records => {
            let records = frame.items.iter().map(|item| SealedRecord::from_bytes(item.to_vec()).ok());
            let records: Vec<SealedRecord> = records.collect::<Option<_>>()?;
            let records: Vec<&SealedRecord> = records.iter().collect();
            Some(frame::write_records(out, frame.first, &frame.previous, &records))
        }
        FrameKind::Note => {
            let note = str::from_utf8(frame.items.first()?).ok()?;
            Some(frame::write_note(out, frame.first, &frame.previous, note))
        }
    }
}

/// The segment with counts, numbers and hashes as its other bytes make them, following `chain`, as far as its lengths
/// can be followed.
fn repaired(segment: &[u8], chain: &mut Hash) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    let Some(length) = number(&bytes).filter(|length| (HEADER_FIXED + HASH_BYTES..=bytes.len()).contains(length))
    else {
        return bytes;
    };
    let (header, mut rest) = bytes.split_at_mut(length);
    header[HEADER_CHAIN..HEADER_FIXED].copy_from_slice(chain.as_bytes());
    let (front, stated) = header.split_at_mut(length - HASH_BYTES);
    *chain = Hash::of([&*front]);
    stated.copy_from_slice(chain.as_bytes());
    let mut next = u64::from_be_bytes(front[HEADER_FIRST..HEADER_FIRST + 8].try_into().unwrap());
    while let Some(length) = number(rest).filter(|length| (FRAME_OVERHEAD..=rest.len()).contains(length)) {
        let (frame, following) = rest.split_at_mut(length);
        let Some(leaves) = leaves(&frame[HEAD_BYTES..length - HASH_BYTES]) else { break };
        frame[12..16].copy_from_slice(&u32::try_from(leaves.len()).unwrap().to_be_bytes());
        frame[16..24].copy_from_slice(&next.to_be_bytes());
        frame[24..HEAD_BYTES].copy_from_slice(chain.as_bytes());
        let head = std::iter::once(&frame[..HEAD_BYTES]);
        *chain = Hash::of(head.chain(leaves.iter().map(|leaf| leaf.as_bytes().as_slice())));
        if frame[8] == 1 {
            next = next.wrapping_add(leaves.len() as u64);
        }
        frame[length - HASH_BYTES..].copy_from_slice(chain.as_bytes());
        rest = following;
    }
    bytes
}

/// The length that stands behind the magic of segments and frames.
fn number(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(4..8)?;
    Some(u32::from_be_bytes(length.try_into().unwrap()) as usize)
}

fn leaves(mut items: &[u8]) -> Option<Vec<Hash>> {
    let mut leaves = Vec::new();
    while !items.is_empty() {
        let (length, rest) = items.split_first_chunk::<ITEM_OVERHEAD>()?;
        let (item, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        leaves.push(Hash::leaf(item));
        items = rest;
    }
    Some(leaves)
}
