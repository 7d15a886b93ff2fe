//! What can be found in a log.

use crate::frame::FrameError;
use crate::note::NoteError;
use crate::port::Position;
use crate::record::DecodeError;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing, and as it should be.
    Notice,
    /// The log is not as it was written, or can't be shown to be.
    Alarm,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A segment's beginning can't be read.
    #[error("the segment after {} has no readable header: {cause}", after.map_or_else(|| "the beginning".to_owned(), |number| number.to_string()))]
    Header {
        /// The segment before it; `None` for the first.
        after: Option<u64>,
        /// What is wrong with it.
        cause: FrameError,
    },
    /// The log begins later than it once did.
    #[error("the log begins with segment {segment}, record {}; what was before has been pruned", first.0)]
    Pruned {
        /// The first segment that is kept.
        segment: u64,
        /// Its first record.
        first: Position,
    },
    /// A segment belongs to another log.
    #[error("segment {segment} belongs to the log {origin}")]
    Origin {
        /// The segment.
        segment: u64,
        /// The log that it names.
        origin: String,
    },
    /// Segments are gone.
    #[error("segment {after} is followed by segment {found}")]
    SegmentsMissing {
        /// The last segment before.
        after: u64,
        /// The next one that is there.
        found: u64,
    },
    /// A file is shorter than it was made.
    #[error("segment {segment} was cut short to {bytes} bytes")]
    Shortened {
        /// The segment.
        segment: u64,
        /// Its length now.
        bytes: u64,
    },
    /// A segment does not follow the one before.
    #[error("segment {segment} does not follow what is before it")]
    Chain {
        /// The segment.
        segment: u64,
    },
    /// Numbers are missing or come twice.
    #[error("segment {segment} begins with record {} where {} should follow", found.0, expected.0)]
    Gap {
        /// The segment.
        segment: u64,
        /// The number that should follow.
        expected: Position,
        /// The number that follows.
        found: Position,
    },
    /// A segment tells another tree of the records before it.
    #[error("segment {segment} does not have the tree of the records before it")]
    Tree {
        /// The segment.
        segment: u64,
    },
    /// A segment that others follow can't be read to its end.
    #[error("segment {segment} is damaged at byte {offset}: {cause}")]
    Damaged {
        /// The segment.
        segment: u64,
        /// Where in it.
        offset: usize,
        /// What is wrong.
        cause: FrameError,
    },
    /// The last segment can't be read to its end: a write that was never finished, or damage.
    #[error(
        "the last segment, {segment}, can't be read from byte {offset} on: {cause}; opening the log repairs an unfinished write"
    )]
    Tail {
        /// The segment.
        segment: u64,
        /// Where in it.
        offset: usize,
        /// What is wrong.
        cause: FrameError,
    },
    /// The last frame of a segment was given up after a failed sync; its records stand in the next segment.
    #[error("the frame at byte {offset} of segment {segment} was given up after a failed write")]
    GivenUp {
        /// The segment.
        segment: u64,
        /// Where in it.
        offset: usize,
    },
    /// A record can't be read, though it is as it was written.
    #[error("record {} can't be read: {cause}", position.0)]
    Record {
        /// Its number.
        position: Position,
        /// What is wrong.
        cause: DecodeError,
    },
    /// A signed note does not hold.
    #[error("the note before record {} does not hold: {cause}", at.0)]
    Note {
        /// The number of the next record.
        at: Position,
        /// What is wrong.
        cause: NoteError,
    },
    /// A checkpoint key was introduced under a known one's signature.
    #[error("before record {}, a known key introduced the checkpoint key {key}", at.0)]
    KeyIntroduced {
        /// The number of the next record.
        at: Position,
        /// The new key, as text.
        key: String,
    },
    /// A checkpoint says another root than the records have.
    #[error("the checkpoint of {size} records, before record {}, does not have their root", at.0)]
    CheckpointDiffers {
        /// The number of the next record.
        at: Position,
        /// The size that it is of.
        size: u64,
    },
    /// A checkpoint is of a size that it can't be of where it stands.
    #[error("the checkpoint of {size} records can't be checked where it stands, before record {}", at.0)]
    CheckpointElsewhere {
        /// The number of the next record.
        at: Position,
        /// The size that it is of.
        size: u64,
    },
    /// The log is shorter than it is known to have been.
    #[error("the log has {size} records, but is known to have had {known}")]
    ShorterThanKnown {
        /// The size in the known checkpoint.
        known: u64,
        /// The size now.
        size: u64,
    },
    /// The log is another than the known one.
    #[error("the first {known} records are not those of the known checkpoint")]
    KnownDiffers {
        /// The size in the known checkpoint.
        known: u64,
    },
    /// The known checkpoint can't be compared any more.
    #[error("the known checkpoint of {known} records can't be compared: the log begins with record {}", first.0)]
    KnownPruned {
        /// The size in the known checkpoint.
        known: u64,
        /// The first record that is kept.
        first: Position,
    },
}

impl Finding {
    /// How much it weighs.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Pruned { .. } | Self::GivenUp { .. } | Self::KeyIntroduced { .. } => Severity::Notice,
            _ => Severity::Alarm,
        }
    }
}
