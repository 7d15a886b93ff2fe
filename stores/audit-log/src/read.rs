//! Reading records while the writer goes on: frame by frame, up to where the log stood on disk when reading began.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use strongroom_audit::frame::{Frame, FrameError, FrameKind, HEAD_BYTES, LONGEST_HEADER, SegmentHeader};
use strongroom_audit::hash::Hash;
use strongroom_audit::limits::FRAME_BYTES;
use strongroom_audit::port::{Position, ReadError, StoredRecord};
use strongroom_audit::record::SealedRecord;

use crate::disk::Disk;
use crate::limits::MARKS;
use crate::shared::Shared;

/// A segment's file and its header.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) header: SegmentHeader,
    header_length: usize,
    header_hash: Hash,
}

/// Why a segment could not be opened.
pub(crate) enum OpenSegmentError {
    Io(io::Error),
    Header(FrameError),
}

/// Opens a segment for reading.
pub(crate) fn open_segment(disk: &Disk, number: u64) -> Result<Opened, OpenSegmentError> {
    let file = File::open(disk.path(number)).map_err(OpenSegmentError::Io)?;
    let length = usize::try_from(file.metadata().map_err(OpenSegmentError::Io)?.len()).unwrap_or(usize::MAX);
    let mut bytes = vec![0; LONGEST_HEADER.min(length)];
    file.read_exact_at(&mut bytes, 0).map_err(OpenSegmentError::Io)?;
    let (header, header_length, header_hash) = SegmentHeader::decode(&bytes).map_err(OpenSegmentError::Header)?;
    Ok(Opened { file, header, header_length, header_hash })
}

/// The headers of all segments that there are, in order.
pub(crate) fn headers(disk: &Disk) -> Result<Vec<SegmentHeader>, ReadError> {
    headers_of(disk, disk.segments().map_err(|error| unreadable(&error))?)
}

fn headers_of(disk: &Disk, numbers: Vec<u64>) -> Result<Vec<SegmentHeader>, ReadError> {
    let mut headers = Vec::with_capacity(numbers.len());
    for number in numbers {
        match open_segment(disk, number) {
            Ok(opened) => headers.push(opened.header),
            // Pruned since the directory was read.
            Err(OpenSegmentError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(read_error(number, error)),
        }
    }
    Ok(headers)
}

/// The beginning of a frame that someone read up to, so that whoever reads on there needs not look for it.
#[derive(Clone)]
pub(crate) struct Mark {
    segment: u64,
    offset: u64,
    first: Position,
    chain: Option<Hash>,
}

/// Where readers stopped lately, the last one at the end.
#[derive(Default)]
pub(crate) struct Marks(VecDeque<Mark>);

impl Marks {
    fn keep(&mut self, mark: Mark) {
        self.0.retain(|other| other.first != mark.first);
        if self.0.len() == MARKS {
            self.0.pop_front();
        }
        self.0.push_back(mark);
    }

    /// The last mark that is not behind `from`.
    fn before(&self, from: Position) -> Option<Mark> {
        self.0.iter().filter(|mark| mark.first <= from).max_by_key(|mark| mark.first).cloned()
    }
}

/// The records from one position to another.
pub(crate) struct Records {
    shared: Arc<Shared>,
    mark: Option<Mark>,
    /// Segments still to be read: number and first record, in order.
    segments: VecDeque<(u64, Position)>,
    current: Option<Reading>,
    ready: VecDeque<StoredRecord>,
    from: Position,
    until: Position,
    failed: bool,
}

/// The segment being read.
struct Reading {
    number: u64,
    file: File,
    offset: u64,
    /// The next record, and the one that the next segment begins with: a frame there was given up.
    next: Position,
    end: Position,
    chain: Option<Hash>,
    /// The frame that was read last.
    last: Option<Mark>,
    buffer: Vec<u8>,
}

impl Records {
    pub(crate) fn new(shared: Arc<Shared>, from: Position, until: Position) -> Result<Self, ReadError> {
        let mut numbers = shared.disk.segments().map_err(|error| unreadable(&error))?;
        // A marked segment that is gone was pruned.
        let mark = shared.marks.lock().before(from).filter(|mark| numbers.binary_search(&mark.segment).is_ok());
        if let Some(mark) = &mark {
            numbers.retain(|number| *number >= mark.segment);
        }
        let headers = headers_of(&shared.disk, numbers)?.into_iter();
        let mut segments: VecDeque<_> = headers.map(|header| (header.number, header.first)).collect();
        let first = segments.front().map_or(until, |(_, first)| *first);
        if from < first {
            return Err(ReadError::Pruned { first });
        }
        while segments.get(1).is_some_and(|(_, first)| *first <= from) {
            segments.pop_front();
        }
        Ok(Self { shared, mark, segments, current: None, ready: VecDeque::new(), from, until, failed: false })
    }

    fn advance(&mut self) -> Result<Option<StoredRecord>, ReadError> {
        loop {
            if let Some(stored) = self.ready.pop_front() {
                return Ok(Some(stored));
            }
            if self.current.as_ref().is_none_or(|current| current.next >= current.end) {
                let Some((number, first)) = self.segments.pop_front() else { return Ok(None) };
                let end = self.segments.front().map_or(self.until, |(_, first)| (*first).min(self.until));
                if first >= self.until {
                    return Ok(None);
                }
                let mark = self.mark.take().filter(|mark| mark.segment == number);
                self.current = Some(Reading::open(&self.shared.disk, number, end, mark)?);
                continue;
            }
            if let Some(current) = &mut self.current {
                current.frame(self.from, &mut self.ready)?;
            }
        }
    }
}

impl Iterator for Records {
    type Item = Result<StoredRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let stored = self.advance().transpose();
        self.failed = matches!(stored, Some(Err(_)));
        stored
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        let Some(current) = self.current.take().filter(|_| !self.failed) else { return };
        // What was read and not asked for yet is read again.
        let mark = if self.ready.is_empty() { Some(current.mark()) } else { current.last };
        if let Some(mark) = mark {
            self.shared.marks.lock().keep(mark);
        }
    }
}

impl Reading {
    fn open(disk: &Disk, number: u64, end: Position, mark: Option<Mark>) -> Result<Self, ReadError> {
        let opened = open_segment(disk, number).map_err(|error| read_error(number, error))?;
        let first = || Mark {
            segment: number,
            offset: opened.header_length as u64,
            first: opened.header.first,
            chain: Some(opened.header_hash),
        };
        let Mark { segment: _, offset, first: next, chain } = mark.unwrap_or_else(first);
        Ok(Self { number, file: opened.file, offset, next, end, chain, last: None, buffer: Vec::new() })
    }

    /// The frame that comes next.
    const fn mark(&self) -> Mark {
        Mark { segment: self.number, offset: self.offset, first: self.next, chain: self.chain }
    }

    /// Reads one frame and adds its records from `from` on. Frames before that are stepped over by their heads.
    fn frame(&mut self, from: Position, ready: &mut VecDeque<StoredRecord>) -> Result<(), ReadError> {
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut head, self.offset).map_err(|error| unreadable(&error))?;
        let (length, next) = frame_extent(&head).ok_or_else(|| self.damaged())?;
        if next <= from {
            self.offset += length as u64;
            self.next = next;
            self.chain = None;
            return Ok(());
        }
        self.buffer.resize(length, 0);
        self.file.read_exact_at(&mut self.buffer, self.offset).map_err(|error| unreadable(&error))?;
        let frame = Frame::decode(&self.buffer).map_err(|_| self.damaged())?;
        if frame.first != self.next || self.chain.is_some_and(|chain| chain != frame.previous) {
            return Err(self.damaged());
        }
        if frame.kind == FrameKind::Records {
            let items = frame.items.iter().zip(&frame.leaves);
            for (position, (item, leaf)) in (frame.first.0..).map(Position).zip(items) {
                if position >= from && position < self.end {
                    let record = SealedRecord::from_frame(item, *leaf).ok_or_else(|| self.damaged())?;
                    ready.push_back(StoredRecord { position, record });
                }
            }
        }
        let (length, next, chain) = (frame.length as u64, frame.next(), frame.chain);
        self.last = Some(self.mark());
        self.offset += length;
        self.next = next;
        self.chain = Some(chain);
        Ok(())
    }

    const fn damaged(&self) -> ReadError {
        ReadError::Damaged { segment: self.number, offset: self.offset }
    }
}

/// A frame's length, and the number of the record after it, from its head alone.
fn frame_extent(head: &[u8; HEAD_BYTES]) -> Option<(usize, Position)> {
    let (magic, rest) = head.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk()?;
    let (first, _) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let records = if kind.first() == Some(&2) { 0 } else { u64::from(u32::from_be_bytes(*count)) };
    let plausible = magic == b"SRF\x01" && (HEAD_BYTES..=FRAME_BYTES).contains(&length);
    plausible.then_some((length, Position(u64::from_be_bytes(*first).checked_add(records)?)))
}

pub(crate) fn unreadable(error: &io::Error) -> ReadError {
    ReadError::Unreadable { cause: error.to_string() }
}

fn read_error(segment: u64, error: OpenSegmentError) -> ReadError {
    match error {
        OpenSegmentError::Io(error) => unreadable(&error),
        OpenSegmentError::Header(_) => ReadError::Damaged { segment, offset: 0 },
    }
}
