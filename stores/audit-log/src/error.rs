//! Why a log can't be opened or pruned.

use std::io;
use std::path::PathBuf;

use strongroom_audit::frame::FrameError;
use strongroom_audit::port::ReadError;

use crate::limits;

/// Why a log can't be opened. Nothing was changed, save that a directory may have been made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name can't be that of a log.
    #[error("`{0}` can't be the name of an audit log: it needs 1 to 128 bytes without spaces or plus signs")]
    Origin(String),
    /// The length of segments is out of bounds.
    #[error("segments of {0} bytes are out of bounds: {shortest} to {longest}", shortest = limits::SHORTEST_SEGMENT, longest = limits::LONGEST_SEGMENT)]
    SegmentBytes(u64),
    /// Another process has it open.
    #[error("the audit log in {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The disk failed.
    #[error("the audit log can't be opened: {doing} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What happened.
        source: io::Error,
    },
    /// The directory holds another log.
    #[error("the directory holds the audit log `{found}`, not `{wanted}`")]
    OtherOrigin {
        /// The log that is there.
        found: String,
        /// The log that should be.
        wanted: String,
    },
    /// A file is gone.
    #[error("the audit log lacks segments: {after} is followed by {found}; bring the missing files back")]
    Missing {
        /// The last segment before.
        after: u64,
        /// The next one that is there.
        found: u64,
    },
    /// A file is shorter than it was made.
    #[error("segment {segment} of the audit log was cut short: {bytes} of {capacity} bytes; bring the whole file back")]
    Shortened {
        /// The segment.
        segment: u64,
        /// Its length now.
        bytes: u64,
        /// The length that it was made with.
        capacity: u64,
    },
    /// A file is not the one that belongs there.
    #[error("segment {segment} of the audit log does not follow the one before; bring the right files back")]
    Unlinked {
        /// The segment.
        segment: u64,
    },
    /// What is stored is not what was written, and not a write that was never finished.
    #[error("segment {segment} of the audit log is damaged at byte {offset}: {cause}; bring the right file back")]
    Damaged {
        /// The segment.
        segment: u64,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        cause: FrameError,
    },
    /// Records are gone.
    #[error("the audit log has {found} records but had {saved}: records were lost or removed; bring its files back")]
    Behind {
        /// How many it is known to have had.
        saved: u64,
        /// How many it has.
        found: u64,
    },
    /// Records are others.
    #[error("the first {saved} records of the audit log are not those that it had; bring its files back")]
    Differs {
        /// How many it is known to have had.
        saved: u64,
    },
    /// The saved head is older than what is kept, so it shows nothing: the store is older than the log.
    #[error("the saved head of {saved} records can't be compared: the audit log begins with record {first}")]
    HeadPruned {
        /// How many records it is of.
        saved: u64,
        /// The first record that is kept.
        first: u64,
    },
}

/// Why segments can't be removed.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Segments can't be read.
    #[error("the audit log can't be pruned")]
    Read(#[from] ReadError),
    /// A file can't be removed.
    #[error("segment {segment} of the audit log can't be removed")]
    Remove {
        /// The segment.
        segment: u64,
        /// What happened.
        source: io::Error,
    },
}
