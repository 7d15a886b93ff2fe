use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::RecordId;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};

use super::*;
use crate::checkpoint::KeyIntroduction;
use crate::frame::{write_note, write_records};
use crate::record::SealedRecord;

const ORIGIN: &str = "kms.example/node-1";
const CAPACITY: usize = 8192;

fn signer(seed: u8) -> (Ed25519KeyPair, VerifierKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let key = VerifierKey::new(ORIGIN, CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public }).unwrap();
    (pair, key)
}

fn sign(seed: u8, text: String) -> String {
    let (pair, key) = signer(seed);
    let signature = pair.sign(text.as_bytes()).as_ref().try_into().unwrap();
    SignedNote::new(text, vec![key.signature(&signature)]).to_string()
}

fn record(number: u8) -> SealedRecord {
    Record::new(RecordId::from_bytes([number; 16]), Timestamp(u64::from(number)), Action::Encrypt).seal()
}

/// Writes a log as a writer would, in memory.
#[derive(Clone)]
struct Writing {
    segments: Vec<Vec<u8>>,
    chain: Hash,
    tree: Tree,
}

impl Writing {
    fn new() -> Self {
        let mut writing = Self { segments: Vec::new(), chain: Hash::ZERO, tree: Tree::default() };
        writing.segment(false);
        writing
    }

    fn segment(&mut self, after_failure: bool) {
        let header = SegmentHeader {
            number: self.segments.len() as u64,
            first: Position(self.tree.size()),
            created: Timestamp(0),
            capacity: CAPACITY as u64,
            after_failure,
            origin: ORIGIN.to_owned(),
            chain: self.chain,
            tree: self.tree.clone(),
        };
        let (bytes, chain) = header.encode();
        self.segments.push(bytes);
        self.chain = chain;
    }

    fn last(&mut self) -> &mut Vec<u8> {
        self.segments.last_mut().unwrap()
    }

    fn records(&mut self, numbers: std::ops::Range<u8>) {
        let records: Vec<_> = numbers.map(record).collect();
        let (first, chain) = (Position(self.tree.size()), self.chain);
        self.chain = write_records(self.last(), first, &chain, &records.iter().collect::<Vec<_>>());
        self.tree.extend(records.iter().map(SealedRecord::leaf));
    }

    fn note(&mut self, note: &str) {
        let (next, chain) = (Position(self.tree.size()), self.chain);
        self.chain = write_note(self.last(), next, &chain, note);
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: ORIGIN.to_owned(), size: self.tree.size(), root: self.tree.root() }
    }

    fn verify_with(&self, seeds: &[u8], since: Option<Checkpoint>) -> Report {
        let keys = seeds.iter().map(|seed| signer(*seed).1).collect();
        let mut verifier = Verifier::new(keys, since);
        for segment in &self.segments {
            let mut bytes = segment.clone();
            bytes.resize(bytes.len().max(CAPACITY), 0);
            verifier.segment(&bytes);
        }
        verifier.finish()
    }

    fn findings(&self) -> Vec<Finding> {
        self.verify_with(&[1], None).findings
    }
}

/// Three segments with checkpoints, one of them written later than it was made.
fn log() -> Writing {
    let mut log = Writing::new();
    log.records(0..3);
    let checkpoint = log.checkpoint();
    log.records(3..5);
    log.note(&sign(1, checkpoint.text()));
    log.segment(false);
    log.records(5..9);
    log.note(&sign(1, log.checkpoint().text()));
    log.segment(false);
    log.records(9..10);
    log
}

#[test]
fn a_log_as_written_is_sound_and_says_where_it_stands() {
    let log = log();
    let report = log.verify_with(&[1], None);
    assert_eq!(report.findings, []);
    assert!(report.is_sound());
    assert_eq!((report.segments, report.records, report.checkpoints), (3, 10, 2));
    assert_eq!(report.last_checkpoint.unwrap().size, 9);
    let head = report.head.unwrap();
    assert_eq!((head.size, head.chain, head.root), (10, log.chain, log.tree.root()));
}

#[test]
fn a_record_that_was_changed_is_found() {
    let mut log = log();
    let middle = log.segments[1].len() / 2;
    log.segments[1][middle] ^= 1;
    assert!(matches!(log.findings().as_slice(), [Finding::Damaged { segment: 1, .. }, ..]));
}

#[test]
fn a_segment_that_is_gone_swapped_or_cut_is_found() {
    let mut gone = log();
    gone.segments.remove(1);
    assert!(gone.findings().contains(&Finding::SegmentsMissing { after: 0, found: 2 }));
    let mut cut = log();
    let mut verifier = Verifier::new(vec![signer(1).1], None);
    cut.last().resize(CAPACITY - 1, 0);
    cut.segments.iter().for_each(|segment| verifier.segment(segment));
    assert!(verifier.finish().findings.contains(&Finding::Shortened { segment: 2, bytes: CAPACITY as u64 - 1 }));
    let mut other = log();
    other.segments[1] = {
        let mut forged = Writing::new();
        forged.records(20..25);
        forged.segment(false);
        forged.records(25..29);
        forged.segments.remove(1)
    };
    let findings = other.findings();
    assert!(findings.contains(&Finding::Chain { segment: 1 }) && findings.contains(&Finding::Chain { segment: 2 }));
}

#[test]
fn a_log_that_was_written_anew_fails_at_its_checkpoints() {
    let honest = log();
    let mut forged = Writing::new();
    forged.records(20..25);
    forged.note(&sign(1, Checkpoint { size: 5, ..honest.checkpoint() }.text()));
    assert_eq!(forged.findings(), [Finding::CheckpointDiffers { at: Position(5), size: 5 }]);
    let mut stranger = Writing::new();
    stranger.records(20..25);
    stranger.note(&sign(2, stranger.checkpoint().text()));
    assert_eq!(stranger.findings(), [Finding::Note { at: Position(5), cause: NoteError::UnknownKey }]);
}

#[test]
fn a_checkpoint_of_more_records_than_there_are_is_found() {
    let mut log = Writing::new();
    log.records(0..1);
    log.note(&sign(1, Checkpoint { size: 2, ..log.checkpoint() }.text()));
    assert_eq!(log.findings(), [Finding::CheckpointElsewhere { at: Position(1), size: 2 }]);
}

#[test]
fn a_checkpoint_kept_elsewhere_shows_a_log_that_lost_or_changed_records() {
    let (whole, mut short) = (log(), log());
    let known = whole.checkpoint();
    assert!(whole.verify_with(&[1], Some(known.clone())).is_sound());
    short.segments.pop();
    let report = short.verify_with(&[1], Some(known.clone()));
    assert_eq!(report.findings, [Finding::ShorterThanKnown { known: 10, size: 9 }]);
    let other = Checkpoint { root: Hash::ZERO, ..known };
    assert_eq!(whole.verify_with(&[1], Some(other)).findings, [Finding::KnownDiffers { known: 10 }]);
}

#[test]
fn a_pruned_log_verifies_and_says_what_is_gone() {
    let mut pruned = log();
    pruned.segments.remove(0);
    let report = pruned.verify_with(&[1], Some(log().checkpoint()));
    assert_eq!(report.findings, [Finding::Pruned { segment: 1, first: Position(5) }]);
    assert!(report.is_sound());
    let before = Checkpoint { size: 2, ..log().checkpoint() };
    let report = pruned.verify_with(&[1], Some(before));
    assert!(report.findings.contains(&Finding::KnownPruned { known: 2, first: Position(5) }));
    assert!(!report.is_sound());
}

#[test]
fn a_frame_given_up_after_a_failed_sync_is_no_gap_but_nothing_else_can_be_given_up() {
    let mut log = log();
    let before = log.clone();
    log.records(10..12);
    (log.chain, log.tree) = (before.chain, before.tree.clone());
    log.segment(true);
    log.records(10..12);
    let report = log.verify_with(&[1], None);
    assert!(matches!(report.findings.as_slice(), [Finding::GivenUp { segment: 2, .. }]));
    assert_eq!((report.is_sound(), report.records), (true, 12));

    let mut silent = before.clone();
    silent.records(10..12);
    (silent.chain, silent.tree) = (before.chain, before.tree);
    silent.segment(false);
    assert!(!silent.verify_with(&[1], None).is_sound());
}

#[test]
fn what_was_half_written_before_a_segment_was_given_up_does_not_matter() {
    let mut log = log();
    log.last().extend(b"SRF\x01 half a frame");
    log.segment(true);
    log.records(10..11);
    assert_eq!(log.findings(), []);
}

#[test]
fn an_unfinished_write_at_the_end_is_found() {
    let mut log = log();
    log.last().extend(b"SRF\x01 half a frame");
    assert!(matches!(log.findings().as_slice(), [Finding::Tail { segment: 2, .. }]));
    let mut stray = self::log();
    stray.last().extend([0, 0, 0, 0, 1]);
    assert!(matches!(stray.findings().as_slice(), [Finding::Tail { segment: 2, .. }]));
}

#[test]
fn a_new_key_is_believed_only_when_a_known_one_introduces_it() {
    let introduction = |size| KeyIntroduction { origin: ORIGIN.to_owned(), size, key: signer(2).1 };
    let mut log = log();
    log.note(&sign(1, introduction(10).text()));
    log.records(10..12);
    log.note(&sign(2, log.checkpoint().text()));
    let report = log.verify_with(&[1], None);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.last_checkpoint.unwrap().size, 12);

    let mut forged = self::log();
    forged.note(&sign(2, introduction(10).text()));
    assert_eq!(forged.findings(), [Finding::Note { at: Position(10), cause: NoteError::UnknownKey }]);
}

#[test]
fn a_note_about_another_log_does_not_count() {
    let mut log = log();
    log.note(&sign(1, Checkpoint { origin: "other.example/log".to_owned(), ..log.checkpoint() }.text()));
    assert_eq!(log.findings(), [Finding::Note { at: Position(10), cause: NoteError::Malformed }]);
}

#[test]
fn a_damaged_log_of_any_kind_is_read_without_a_panic_and_never_sound() {
    let whole = log();
    for segment in 0..whole.segments.len() {
        for at in (0..whole.segments[segment].len()).step_by(3) {
            let mut log = whole.clone();
            log.segments[segment][at] ^= 0x40;
            let report = log.verify_with(&[1], Some(whole.checkpoint()));
            assert!(!report.is_sound(), "byte {at} of segment {segment}");
        }
    }
}
