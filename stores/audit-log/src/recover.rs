//! Opening a log: finding out where it stands, repairing a write that was never finished, and nothing else.
//!
//! Read whole are the last two segments and the one that the saved head lies in; of the others, the header and the
//! length. Everything is read by a verification, which may run at any time.

use std::fs::File;
use std::io;

use strongroom_audit::frame::{FRAME_OVERHEAD, Frame, FrameError, Frames, SegmentHeader};
use strongroom_audit::hash::Hash;
use strongroom_audit::limits::FRAME_BYTES;
use strongroom_audit::port::{Head, Position};
use strongroom_audit::tree::Tree;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::read::{OpenSegmentError, open_segment};
use crate::shared::Standing;
use crate::writer::Current;

/// What opening a log found and did. The caller has it recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Where the log stands.
    pub head: Head,
    /// The first record that is kept.
    pub first: Position,
    /// The write that was never finished and was taken back, if there was one. Nobody was told that it was on disk.
    pub torn: Option<Torn>,
}

/// A write that was never finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub segment: u64,
    /// Where in it.
    pub offset: u64,
    /// How many bytes were taken back.
    pub bytes: u64,
}

/// A log as found: its last segment, ready to be written on.
pub(crate) struct Recovered {
    pub(crate) current: Current,
    pub(crate) standing: Standing,
    pub(crate) recovery: Recovery,
}

/// Reads what there is; `None` when there is no log yet.
pub(crate) fn recover(disk: &Disk, origin: &str, saved: Option<&Head>) -> Result<Option<Recovered>, OpenError> {
    let numbers = disk.segments().map_err(|source| OpenError::Io { doing: "listing its segments", source })?;
    let headers = headers(disk, &numbers, origin)?;
    let Some((last, before)) = headers.split_last() else {
        return match saved {
            Some(saved) if saved.size > 0 => Err(OpenError::Behind { saved: saved.size, found: 0 }),
            _ => Ok(None),
        };
    };
    let mut sought = Sought { saved, found: false };
    if let Some(previous) = before.last() {
        check_link(disk, previous, last, &mut sought)?;
    }
    let bytes = read(disk, last.number)?;
    let scanned = scan(&bytes, last.number, &mut |at| sought.look(at))?;
    let torn = torn(&bytes, last.number, &scanned)?;
    sought.settle(disk, &headers, scanned.tree.size())?;

    let file = disk
        .open_for_writing(last.number)
        .map_err(|source| OpenError::Io { doing: "opening its last segment", source })?;
    settle_on_disk(disk, &file, &bytes, &scanned, torn)
        .map_err(|source| OpenError::Io { doing: "repairing its last segment", source })?;
    let standing =
        Standing { segment: last.number, offset: scanned.end as u64, chain: scanned.chain, tree: scanned.tree };
    let head = Head {
        origin: origin.to_owned(),
        size: standing.tree.size(),
        chain: standing.chain,
        root: standing.tree.root(),
    };
    let first = headers.first().map_or(Position(0), |header| header.first);
    let current = Current { file, offset: standing.offset, capacity: last.capacity };
    Ok(Some(Recovered { current, standing, recovery: Recovery { head, first, torn } }))
}

/// Checks what the headers alone show: that no segment is missing, short, or another log's.
fn headers(disk: &Disk, numbers: &[u64], origin: &str) -> Result<Vec<SegmentHeader>, OpenError> {
    let mut headers: Vec<SegmentHeader> = Vec::with_capacity(numbers.len());
    for &segment in numbers {
        let opened = open_segment(disk, segment).map_err(|error| match error {
            OpenSegmentError::Io(source) => OpenError::Io { doing: "reading a segment's header", source },
            OpenSegmentError::Header(cause) => OpenError::Damaged { segment, offset: 0, cause },
        })?;
        let header = opened.header;
        let length =
            opened.file.metadata().map_err(|source| OpenError::Io { doing: "reading a segment", source })?.len();
        if header.origin != origin {
            return Err(OpenError::OtherOrigin { found: header.origin, wanted: origin.to_owned() });
        }
        if length < header.capacity {
            return Err(OpenError::Shortened { segment, bytes: length, capacity: header.capacity });
        }
        if let Some(previous) = headers.last() {
            if segment != previous.number + 1 {
                return Err(OpenError::Missing { after: previous.number, found: segment });
            }
            if header.first < previous.first {
                return Err(OpenError::Unlinked { segment });
            }
        }
        if header.number != segment {
            return Err(OpenError::Unlinked { segment });
        }
        headers.push(header);
    }
    Ok(headers)
}

/// Checks that the last segment follows the one before, and looks for the saved head on the way.
fn check_link(
    disk: &Disk,
    previous: &SegmentHeader,
    last: &SegmentHeader,
    sought: &mut Sought<'_>,
) -> Result<(), OpenError> {
    let mut linked = false;
    let scanned = scan(&read(disk, previous.number)?, previous.number, &mut |at| {
        sought.look(at);
        linked |= at.chain == last.chain && at.tree == &last.tree;
    })?;
    match scanned.fault {
        // Before the place that the last segment follows, nothing may be wrong; behind it stands what was given up.
        _ if linked && (last.after_failure || scanned.chain == last.chain) => Ok(()),
        Some(cause) if !last.after_failure => {
            Err(OpenError::Damaged { segment: previous.number, offset: scanned.end as u64, cause })
        }
        _ => Err(OpenError::Unlinked { segment: last.number }),
    }
}

/// A place between frames.
struct Boundary<'a> {
    chain: Hash,
    tree: &'a Tree,
}

struct Scanned {
    /// Where the last frame that is whole begins and ends. Without one, both are the header's end.
    last: usize,
    end: usize,
    chain: Hash,
    tree: Tree,
    /// Why there is no further frame, when not because nothing more was written.
    fault: Option<FrameError>,
}

fn scan(bytes: &[u8], segment: u64, look: &mut dyn FnMut(&Boundary<'_>)) -> Result<Scanned, OpenError> {
    let (header, length, hash) =
        SegmentHeader::decode(bytes).map_err(|cause| OpenError::Damaged { segment, offset: 0, cause })?;
    let mut scanned = Scanned { last: length, end: length, chain: hash, tree: header.tree.clone(), fault: None };
    look(&Boundary { chain: hash, tree: &scanned.tree });
    for frame in Frames::new(bytes, &header, length, hash) {
        match frame {
            Ok(frame) => {
                scanned.last = scanned.end;
                scanned.end += frame.length;
                scanned.chain = frame.chain;
                if frame.records() > 0 {
                    scanned.tree.extend(frame.leaves);
                }
                look(&Boundary { chain: scanned.chain, tree: &scanned.tree });
            }
            Err(FrameError::End) => {
                let rest = bytes.get(scanned.end..).unwrap_or_default();
                scanned.fault = rest.iter().any(|byte| *byte != 0).then_some(FrameError::Malformed);
            }
            Err(cause) => scanned.fault = Some(cause),
        }
    }
    Ok(scanned)
}

/// What was half written at the end. One frame at most is ever on its way to the disk; anything else is damage.
fn torn(bytes: &[u8], segment: u64, scanned: &Scanned) -> Result<Option<Torn>, OpenError> {
    let Some(cause) = scanned.fault else { return Ok(None) };
    let damaged = OpenError::Damaged { segment, offset: scanned.end as u64, cause };
    let rest = bytes.get(scanned.end..).unwrap_or_default();
    let extent = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let written = rest.get(..extent).unwrap_or_default();
    // What follows badly or is of a newer version was written whole.
    if matches!(cause, FrameError::Chain | FrameError::Version(_)) || extent > longest_torn(written) {
        return Err(damaged);
    }
    // A whole frame further on was written after this one was on disk.
    let starts = (1..written.len()).filter(|at| written.get(*at..).is_some_and(|tail| tail.starts_with(b"SRF\x01")));
    let followed = |at: usize| {
        let frame = rest.get(at..).ok_or(FrameError::End).and_then(Frame::decode);
        frame.is_ok_and(|frame| frame.first.0 >= scanned.tree.size())
    };
    if starts.into_iter().any(followed) {
        return Err(damaged);
    }
    Ok(Some(Torn { segment, offset: scanned.end as u64, bytes: extent as u64 }))
}

/// How long a torn frame can be: as long as its head says, if that reached the disk.
fn longest_torn(written: &[u8]) -> usize {
    let length =
        written.strip_prefix(b"SRF\x01").and_then(|rest| rest.first_chunk()).map(|length| u32::from_be_bytes(*length));
    let length = length.and_then(|length| usize::try_from(length).ok());
    length.filter(|length| (FRAME_OVERHEAD..=FRAME_BYTES).contains(length)).unwrap_or(FRAME_BYTES)
}

/// Takes back what was torn, and has the last frame on disk: after a failed sync and a restart it may have been read
/// from memory alone. Every frame before it was synced before it was written.
fn settle_on_disk(disk: &Disk, file: &File, bytes: &[u8], scanned: &Scanned, torn: Option<Torn>) -> io::Result<()> {
    let last = bytes.get(scanned.last..scanned.end).unwrap_or_default();
    disk.write(file, last, scanned.last as u64)?;
    if let Some(Torn { offset, bytes, .. }) = torn {
        disk.write(file, &vec![0; usize::try_from(bytes).unwrap_or(0)], offset)?;
    }
    disk.sync(file)
}

/// The saved head, being looked for.
struct Sought<'a> {
    saved: Option<&'a Head>,
    found: bool,
}

impl Sought<'_> {
    fn look(&mut self, at: &Boundary<'_>) {
        if let Some(saved) = self.saved {
            self.found |= saved.size == at.tree.size() && saved.chain == at.chain && saved.root == at.tree.root();
        }
    }

    /// Looks in the segment that it should lie in, if it was not found on the way.
    fn settle(mut self, disk: &Disk, headers: &[SegmentHeader], size: u64) -> Result<(), OpenError> {
        let Some(saved) = self.saved.filter(|_| !self.found) else { return Ok(()) };
        if saved.size > size {
            return Err(OpenError::Behind { saved: saved.size, found: size });
        }
        let first = headers.first().map_or(0, |header| header.first.0);
        if saved.size < first {
            return Err(OpenError::HeadPruned { saved: saved.size, first });
        }
        // Several segments may begin with the same record; the head lies in one of those, or in the one before.
        let begins_late = |header: &&SegmentHeader| header.first.0 > saved.size;
        let end = headers.iter().position(|header| begins_late(&header)).unwrap_or(headers.len());
        for header in headers.get(..end).unwrap_or_default().iter().rev() {
            scan(&read(disk, header.number)?, header.number, &mut |at| self.look(at))?;
            if self.found {
                return Ok(());
            }
            if header.first.0 < saved.size {
                break;
            }
        }
        Err(OpenError::Differs { saved: saved.size })
    }
}

fn read(disk: &Disk, segment: u64) -> Result<Vec<u8>, OpenError> {
    std::fs::read(disk.path(segment)).map_err(|source| OpenError::Io { doing: "reading a segment", source })
}
