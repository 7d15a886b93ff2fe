//! Reading records while the writer goes on: frame by frame, up to where the log stood on disk when reading began.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use strongroom_audit::frame::{Frame, FrameError, FrameKind, HEAD_BYTES, LONGEST_HEADER, SegmentHeader};
use strongroom_audit::hash::Hash;
use strongroom_audit::limits::FRAME_BYTES;
use strongroom_audit::port::{Position, ReadError, StoredRecord};
use strongroom_audit::record::SealedRecord;

use crate::disk::Disk;

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
    let numbers = disk.segments().map_err(|error| unreadable(&error))?;
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

/// The records from one position to another.
pub(crate) struct Records {
    disk: Disk,
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
    buffer: Vec<u8>,
}

impl Records {
    pub(crate) fn new(disk: Disk, from: Position, until: Position) -> Result<Self, ReadError> {
        let mut segments: VecDeque<_> =
            headers(&disk)?.into_iter().map(|header| (header.number, header.first)).collect();
        let first = segments.front().map_or(until, |(_, first)| *first);
        if from < first {
            return Err(ReadError::Pruned { first });
        }
        while segments.get(1).is_some_and(|(_, first)| *first <= from) {
            segments.pop_front();
        }
        Ok(Self { disk, segments, current: None, ready: VecDeque::new(), from, until, failed: false })
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
                self.current = Some(Reading::open(&self.disk, number, end)?);
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

impl Reading {
    fn open(disk: &Disk, number: u64, end: Position) -> Result<Self, ReadError> {
        let opened = open_segment(disk, number).map_err(|error| read_error(number, error))?;
        Ok(Self {
            number,
            file: opened.file,
            offset: opened.header_length as u64,
            next: opened.header.first,
            end,
            chain: Some(opened.header_hash),
            buffer: Vec::new(),
        })
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
