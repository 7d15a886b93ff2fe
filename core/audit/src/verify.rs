//! Verifying a log from its segments' bytes, with nothing but public keys. What is wrong is found and named, and the
//! verification goes on where it can.
//!
//! Absent on purpose: repair, and any trust in what a log says of itself beyond what its hashes and signatures show.

use std::collections::VecDeque;

use crate::checkpoint::{Checkpoint, Statement};
use crate::frame::{Frame, FrameError, FrameKind, Frames, SegmentHeader};
use crate::hash::Hash;
use crate::limits;
use crate::note::{NoteError, SignedNote, VerifierKey};
use crate::port::{Head, Position};
use crate::record::{DecodeError, Record};
use crate::tree::Tree;

mod finding;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Severity};

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Segments that were read.
    pub segments: u64,
    /// The first record that is kept.
    pub first: Position,
    /// Records that were read.
    pub records: u64,
    /// Where the log stands; `None` when no segment could be read.
    pub head: Option<Head>,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// The last of them: records after it are shown by no signature.
    pub last_checkpoint: Option<Checkpoint>,
    /// What there is to say, in the order of the log; at most [`limits::FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub further: u64,
}

impl Report {
    /// Whether the log is as it was written: nothing was found that must not be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.further == 0 && self.findings.iter().all(|finding| finding.severity() == Severity::Notice)
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < limits::FINDINGS {
            self.findings.push(finding);
        } else {
            self.further += 1;
        }
    }
}

/// Verifies a log, segment by segment.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<VerifierKey>,
    since: Option<Checkpoint>,
    since_seen: bool,
    log: Option<Log>,
    report: Report,
}

/// What is known of the log so far.
#[derive(Debug)]
struct Log {
    origin: String,
    segment: u64,
    chain: Hash,
    tree: Tree,
    /// The tree as it was at the last checkpoint, and the leaves since: a checkpoint is written after it was made.
    base: Tree,
    window: VecDeque<Hash>,
    /// The last frame of the segment, which counts only if the next segment follows it.
    held: Option<Held>,
    /// Why the segment ended where it did, when not because nothing more was written.
    fault: Option<(usize, FrameError)>,
}

#[derive(Debug)]
struct Held {
    offset: usize,
    previous: Hash,
    chain: Hash,
    leaves: Vec<Hash>,
    malformed: Vec<(Position, DecodeError)>,
    note: Option<String>,
}

impl Verifier {
    /// A verification with the checkpoint keys that are trusted, and a checkpoint that was kept elsewhere, if there is
    /// one: the log must contain it.
    #[must_use]
    pub fn new(keys: Vec<VerifierKey>, since: Option<Checkpoint>) -> Self {
        Self { keys, since, since_seen: false, log: None, report: Report::default() }
    }

    /// Takes the next segment: all of its file's bytes, in the order of the segments' numbers.
    pub fn segment(&mut self, bytes: &[u8]) {
        let (header, length, hash) = match SegmentHeader::decode(bytes) {
            Ok(decoded) => decoded,
            Err(cause) => {
                return self.report.find(Finding::Header { after: self.log.as_ref().map(|log| log.segment), cause });
            }
        };
        self.report.segments += 1;
        if (bytes.len() as u64) < header.capacity {
            self.report.find(Finding::Shortened { segment: header.number, bytes: bytes.len() as u64 });
        }
        self.begin(&header, hash);
        let mut frames = Frames::new(bytes, &header, length, hash);
        loop {
            let offset = frames.offset();
            match frames.next() {
                Some(Ok(frame)) => {
                    let held = Held::of(&frame, offset);
                    let before = self.log.as_mut().and_then(|log| log.held.replace(held));
                    self.apply(before);
                }
                Some(Err(FrameError::End)) | None => {
                    let rest = bytes.get(offset..).unwrap_or_default();
                    if rest.iter().any(|byte| *byte != 0) {
                        self.fault(offset, FrameError::Malformed);
                    }
                    return;
                }
                Some(Err(cause)) => return self.fault(offset, cause),
            }
        }
    }

    /// Ends the verification.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.settle(None);
        if let Some((offset, cause)) = self.log.as_ref().and_then(|log| log.fault) {
            let segment = self.log.as_ref().map_or(0, |log| log.segment);
            self.report.find(Finding::Tail { segment, offset, cause });
        }
        let size = self.log.as_ref().map_or(0, |log| log.tree.size());
        if let Some(since) = self.since.take().filter(|_| !self.since_seen) {
            self.report.find(match since.size > size {
                true => Finding::ShorterThanKnown { known: since.size, size },
                false => Finding::KnownPruned { known: since.size, first: self.report.first },
            });
        }
        self.report.head = self.log.map(|log| Head {
            origin: log.origin,
            size: log.tree.size(),
            chain: log.chain,
            root: log.tree.root(),
        });
        self.report
    }

    /// Connects a segment to what was read before it.
    fn begin(&mut self, header: &SegmentHeader, hash: Hash) {
        self.settle(Some(header));
        let segment = header.number;
        match &self.log {
            None => {
                self.report.first = header.first;
                let origin = self.since.as_ref().map(|since| &since.origin);
                if origin.is_some_and(|origin| *origin != header.origin) {
                    self.report.find(Finding::Origin { segment, origin: header.origin.clone() });
                }
                if segment > 0 {
                    self.report.find(Finding::Pruned { segment, first: header.first });
                } else if header.chain != Hash::ZERO || header.first != Position(0) {
                    self.report.find(Finding::Chain { segment });
                }
            }
            Some(log) => {
                if log.origin != header.origin {
                    self.report.find(Finding::Origin { segment, origin: header.origin.clone() });
                }
                if segment != log.segment.saturating_add(1) {
                    self.report.find(Finding::SegmentsMissing { after: log.segment, found: segment });
                } else {
                    if let Some((offset, cause)) = log.fault.filter(|_| !header.after_failure) {
                        self.report.find(Finding::Damaged { segment: log.segment, offset, cause });
                    }
                    if header.chain != log.chain {
                        self.report.find(Finding::Chain { segment });
                    }
                }
                if header.first.0 != log.tree.size() {
                    let expected = Position(log.tree.size());
                    self.report.find(Finding::Gap { segment, expected, found: header.first });
                } else if header.tree != log.tree {
                    self.report.find(Finding::Tree { segment });
                }
            }
        }
        // Goes on from what the header says, so that each break is found once.
        let continued = self.log.take().filter(|log| log.tree == header.tree);
        let (base, window) =
            continued.map_or_else(|| (header.tree.clone(), VecDeque::new()), |log| (log.base, log.window));
        self.log = Some(Log {
            origin: header.origin.clone(),
            segment,
            chain: hash,
            tree: header.tree.clone(),
            base,
            window,
            held: None,
            fault: None,
        });
        self.check_since();
    }

    /// Decides whether the last frame of a segment counts: it does, unless the next segment says that it was given up.
    fn settle(&mut self, next: Option<&SegmentHeader>) {
        let Some(log) = &mut self.log else { return };
        let Some(held) = log.held.take() else { return };
        let given_up = next.is_some_and(|next| next.after_failure && next.chain == held.previous);
        if given_up {
            let finding = Finding::GivenUp { segment: log.segment, offset: held.offset };
            self.report.find(finding);
        } else {
            self.apply(Some(held));
        }
    }

    fn fault(&mut self, offset: usize, cause: FrameError) {
        if let Some(log) = &mut self.log {
            log.fault = Some((offset, cause));
        }
    }

    fn apply(&mut self, held: Option<Held>) {
        let Some(held) = held else { return };
        for (position, cause) in held.malformed {
            self.report.find(Finding::Record { position, cause });
        }
        for leaf in held.leaves {
            if let Some(log) = &mut self.log {
                log.push(leaf);
            }
            self.report.records += 1;
            self.check_since();
        }
        if let Some(log) = &mut self.log {
            log.chain = held.chain;
        }
        if let Some(note) = held.note {
            self.note(&note);
        }
    }

    fn check_since(&mut self) {
        let (Some(since), Some(log)) = (&self.since, &self.log) else { return };
        if !self.since_seen && since.size == log.tree.size() {
            self.since_seen = true;
            if since.root != log.tree.root() {
                self.report.find(Finding::KnownDiffers { known: since.size });
            }
        }
    }

    fn note(&mut self, note: &str) {
        let Some(log) = &mut self.log else { return };
        let at = Position(log.tree.size());
        let read = note.parse::<SignedNote>().and_then(|note| {
            note.verify(&self.keys)?;
            Statement::of(&note)
        });
        match read {
            Ok(statement) if *statement.origin() != log.origin => {
                self.report.find(Finding::Note { at, cause: NoteError::Malformed });
            }
            Ok(Statement::KeyIntroduction(introduction)) if introduction.size > log.tree.size() => {
                self.report.find(Finding::Note { at, cause: NoteError::Malformed });
            }
            Ok(Statement::KeyIntroduction(introduction)) => {
                self.report.find(Finding::KeyIntroduced { at, key: introduction.key.to_string() });
                self.keys.push(introduction.key);
            }
            Ok(Statement::Checkpoint(checkpoint)) => match log.root_at(checkpoint.size) {
                Some(root) if root == checkpoint.root => {
                    self.report.checkpoints += 1;
                    self.report.last_checkpoint = Some(checkpoint);
                }
                Some(_) => self.report.find(Finding::CheckpointDiffers { at, size: checkpoint.size }),
                None => self.report.find(Finding::CheckpointElsewhere { at, size: checkpoint.size }),
            },
            Err(cause) => self.report.find(Finding::Note { at, cause }),
        }
    }
}

impl Log {
    fn push(&mut self, leaf: Hash) {
        self.tree.push(leaf);
        self.window.push_back(leaf);
        if self.window.len() > limits::VERIFY_WINDOW_LEAVES {
            self.base.extend(self.window.pop_front());
        }
    }

    /// The root at a size since the last checkpoint; forgets what is before it. `None` for any other size.
    fn root_at(&mut self, size: u64) -> Option<Hash> {
        if size > self.tree.size() {
            return None;
        }
        let since = usize::try_from(size.checked_sub(self.base.size())?).ok()?;
        self.base.extend(self.window.drain(..since));
        Some(self.base.root())
    }
}

impl Held {
    fn of(frame: &Frame<'_>, offset: usize) -> Self {
        let mut held = Self {
            offset,
            previous: frame.previous,
            chain: frame.chain,
            leaves: Vec::new(),
            malformed: Vec::new(),
            note: None,
        };
        match frame.kind {
            FrameKind::Records => {
                held.leaves.clone_from(&frame.leaves);
                let numbers = (frame.first.0..).map(Position);
                let faults =
                    numbers.zip(&frame.items).filter_map(|(at, record)| Some((at, Record::decode(record).err()?)));
                held.malformed.extend(faults);
            }
            FrameKind::Note => {
                held.note = frame.items.first().map(|note| String::from_utf8_lossy(note).into_owned());
            }
        }
        held
    }
}
