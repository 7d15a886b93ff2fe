//! Segments and frames: how records lie in a file, each frame chained to the one before.
//!
//! All numbers are big-endian. A frame's chain hash covers its head and the hashes of its items, so the thread that
//! writes the log hashes 32 bytes a record; the head holds the chain hash before, so one hash stands for all before it.

use strongroom_model::clock::Timestamp;

use crate::hash::Hash;
use crate::limits;
use crate::port::Position;
use crate::record::SealedRecord;
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// The version of the segments and frames that this program writes.
pub const VERSION: u8 = 1;
/// Bytes of a frame before its items.
pub const HEAD_BYTES: usize = 56;
/// Bytes of a frame besides its items.
pub const FRAME_OVERHEAD: usize = HEAD_BYTES + HASH_BYTES;
/// Bytes of an item besides itself.
pub const ITEM_OVERHEAD: usize = 4;
/// No segment header is longer: 64 subtree roots and the longest origin.
pub const LONGEST_HEADER: usize = FIXED_HEADER + limits::ORIGIN_BYTES + 64 * HASH_BYTES + HASH_BYTES;

const SEGMENT_MAGIC: [u8; 4] = [b'S', b'R', b'A', VERSION];
const FRAME_MAGIC: [u8; 4] = [b'S', b'R', b'F', VERSION];
const HASH_BYTES: usize = 32;
const FILE_SUFFIX: &str = ".sra";
const FIXED_HEADER: usize = 80;
const AFTER_FAILURE: u8 = 1;
/// No log gets so far; reading a larger number, nothing may overflow.
const LAST_POSITION: u64 = 1 << 56;

/// What a segment begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The segment's number, counted from zero without gaps.
    pub number: u64,
    /// The number of its first record.
    pub first: Position,
    /// When it was begun.
    pub created: Timestamp,
    /// Length of its file, in bytes; what is not written yet is zero.
    pub capacity: u64,
    /// Whether the segment before was given up after a failed write or sync, so that one frame at its end, which
    /// nobody was told of, doesn't count.
    pub after_failure: bool,
    /// The log's name, 1 to [`limits::ORIGIN_BYTES`] bytes.
    pub origin: String,
    /// The chain hash of the last frame that counts before it; zero for the first segment.
    pub chain: Hash,
    /// The tree over all records before it.
    pub tree: Tree,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Records.
    Records,
    /// One signed note.
    Note,
}

/// A frame, read and checked against its own hash.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: FrameKind,
    /// The number of its first record; for a note, that of the next record.
    pub first: Position,
    /// The chain hash before it.
    pub previous: Hash,
    /// The chain hash after it.
    pub chain: Hash,
    /// Its length, in bytes.
    pub length: usize,
    /// Its items, in order: records or one note.
    pub items: Vec<&'a [u8]>,
    /// Their hashes; those of records are leaves of the tree.
    pub leaves: Vec<Hash>,
}

/// Why bytes are not a segment header or a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Nothing was written here.
    #[error("nothing is written here")]
    End,
    /// It does not begin as it should.
    #[error("not a segment or frame of an audit log")]
    Magic,
    /// Made by a newer program.
    #[error("made by a newer program: version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// Its lengths or numbers cannot be right.
    #[error("its lengths or numbers cannot be right")]
    Malformed,
    /// The bytes are not those that were hashed.
    #[error("its bytes are not those that were hashed")]
    Hash,
    /// It does not follow the frame before.
    #[error("it does not follow what is before it")]
    Chain,
}

impl SegmentHeader {
    /// The header's bytes and the chain hash that its first frame follows.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, Hash) {
        let peaks = self.tree.peaks();
        let length = FIXED_HEADER + self.origin.len() + (peaks.len() + 1) * HASH_BYTES;
        let mut out = Vec::with_capacity(length);
        out.extend(SEGMENT_MAGIC);
        out.extend(short(length));
        out.extend(self.number.to_be_bytes());
        out.extend(self.first.0.to_be_bytes());
        out.extend(self.created.0.to_be_bytes());
        out.extend(self.capacity.to_be_bytes());
        out.push(if self.after_failure { AFTER_FAILURE } else { 0 });
        out.push(u8::try_from(self.origin.len()).unwrap_or(u8::MAX));
        out.push(u8::try_from(peaks.len()).unwrap_or(u8::MAX));
        out.extend([0; 5]);
        out.extend(self.chain.as_bytes());
        out.extend(self.origin.as_bytes());
        peaks.iter().for_each(|peak| out.extend(peak.as_bytes()));
        let hash = Hash::of([out.as_slice()]);
        out.extend(hash.as_bytes());
        (out, hash)
    }

    /// Reads the header that `segment` begins with, its length in bytes, and the chain hash that its first frame
    /// follows.
    ///
    /// # Errors
    /// When there is none of a version known here, or it was changed.
    pub fn decode(segment: &[u8]) -> Result<(Self, usize, Hash), FrameError> {
        let mut cursor = Cursor(segment);
        check_magic(cursor.array()?, SEGMENT_MAGIC)?;
        let length = cursor.length()?;
        let number = cursor.number()?;
        let first = Position(cursor.number()?);
        let created = Timestamp(cursor.number()?);
        let capacity = cursor.number()?;
        let [opening, origin_length, peak_count, zeros @ ..] = cursor.array::<8>()?;
        let chain = cursor.hash()?;
        let origin = cursor.take(usize::from(origin_length))?;
        let origin = String::from_utf8(origin.to_vec()).map_err(|_| FrameError::Malformed)?;
        let peaks = (0..peak_count).map(|_| cursor.hash()).collect::<Result<Vec<_>, _>>()?;
        let tree = Tree::from_peaks(first.0, peaks).ok_or(FrameError::Malformed)?;
        let stated = cursor.hash()?;
        let whole = FIXED_HEADER + usize::from(origin_length) + (usize::from(peak_count) + 1) * HASH_BYTES;
        let sane = first.0 <= LAST_POSITION && opening <= AFTER_FAILURE && zeros == [0; 5];
        if length != whole || !sane || !is_origin(&origin) {
            return Err(FrameError::Malformed);
        }
        let hash = Hash::of(segment.get(..length - HASH_BYTES));
        let after_failure = opening == AFTER_FAILURE;
        let header = Self { number, first, created, capacity, after_failure, origin, chain, tree };
        if hash == stated { Ok((header, length, hash)) } else { Err(FrameError::Hash) }
    }
}

/// Whether a text can be the name of a log: 1 to [`limits::ORIGIN_BYTES`] bytes, no space, control character or plus
/// sign (C2SP signed-note: what a key name may be).
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let fits = !text.is_empty() && text.len() <= limits::ORIGIN_BYTES;
    fits && !text.contains(|character: char| character.is_whitespace() || character.is_control() || character == '+')
}

/// The name of a segment's file: its number in 20 digits, and `.sra`.
#[must_use]
pub fn file_name(segment: u64) -> String {
    format!("{segment:020}{FILE_SUFFIX}")
}

/// The number of the segment whose file has this name; `None` for other files.
#[must_use]
pub fn segment_number(file_name: &str) -> Option<u64> {
    let number = file_name.strip_suffix(FILE_SUFFIX)?.parse().ok()?;
    (self::file_name(number) == file_name).then_some(number)
}

/// Appends a frame of records to `out` and returns the chain hash after it. The caller keeps the frame within
/// [`limits::FRAME_BYTES`].
pub fn write_records(out: &mut Vec<u8>, first: Position, previous: &Hash, records: &[&SealedRecord]) -> Hash {
    let items = records.iter().map(|record| (record.bytes(), record.leaf()));
    write_frame(out, FrameKind::Records, first, previous, items)
}

/// Appends a frame of one signed note to `out` and returns the chain hash after it.
pub fn write_note(out: &mut Vec<u8>, next: Position, previous: &Hash, note: &str) -> Hash {
    let item = (note.as_bytes(), Hash::leaf(note.as_bytes()));
    write_frame(out, FrameKind::Note, next, previous, std::iter::once(item))
}

fn write_frame<'a>(
    out: &mut Vec<u8>,
    kind: FrameKind,
    first: Position,
    previous: &Hash,
    items: impl ExactSizeIterator<Item = (&'a [u8], Hash)> + Clone,
) -> Hash {
    let length: usize = items.clone().map(|(item, _)| ITEM_OVERHEAD + item.len()).sum();
    let mut head = [0; HEAD_BYTES];
    let parts = [
        FRAME_MAGIC.as_slice(),
        &short(FRAME_OVERHEAD + length),
        &[kind.code(), 0, 0, 0],
        &short(items.len()),
        &first.0.to_be_bytes(),
        previous.as_bytes(),
    ];
    head.iter_mut().zip(parts.into_iter().flatten()).for_each(|(place, byte)| *place = *byte);
    out.extend(head);
    let mut leaves = Vec::with_capacity(items.len() * HASH_BYTES);
    for (item, leaf) in items {
        out.extend(short(item.len()));
        out.extend(item);
        leaves.extend(leaf.as_bytes());
    }
    let chain = Hash::of([head.as_slice(), &leaves]);
    out.extend(chain.as_bytes());
    chain
}

impl FrameKind {
    const fn code(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Note => 2,
        }
    }
}

impl<'a> Frame<'a> {
    /// Reads the frame that `bytes` begins with.
    ///
    /// # Errors
    /// [`FrameError::End`] where nothing was written; otherwise when there is no whole frame of a version known here.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        // A file may end before a frame's head would.
        if bytes.iter().take(FRAME_MAGIC.len()).all(|byte| *byte == 0) {
            return Err(FrameError::End);
        }
        let mut cursor = Cursor(bytes);
        check_magic(cursor.array()?, FRAME_MAGIC)?;
        let length = cursor.length()?;
        if !(FRAME_OVERHEAD..=limits::FRAME_BYTES.min(bytes.len())).contains(&length) {
            return Err(FrameError::Malformed);
        }
        let kind = match cursor.array()? {
            [1, 0, 0, 0] => FrameKind::Records,
            [2, 0, 0, 0] => FrameKind::Note,
            _ => return Err(FrameError::Malformed),
        };
        let count = cursor.length()?;
        let first = Position(cursor.number()?);
        let previous = cursor.hash()?;
        let (body, stated) = bytes
            .get(HEAD_BYTES..length)
            .and_then(|rest| rest.split_last_chunk::<HASH_BYTES>())
            .ok_or(FrameError::Malformed)?;
        let mut cursor = Cursor(body);
        let mut items = Vec::new();
        while !cursor.0.is_empty() {
            let item = cursor.length()?;
            items.push(cursor.take(item)?);
        }
        if items.len() != count || count == 0 || (kind == FrameKind::Note && count != 1) {
            return Err(FrameError::Malformed);
        }
        let leaves: Vec<Hash> = items.iter().map(|item| Hash::leaf(item)).collect();
        let head = bytes.get(..HEAD_BYTES).unwrap_or_default();
        let parts = std::iter::once(head).chain(leaves.iter().map(|leaf| leaf.as_bytes().as_slice()));
        let chain = Hash::of(parts);
        if chain.as_bytes() != stated {
            return Err(FrameError::Hash);
        }
        Ok(Self { kind, first, previous, chain, length, items, leaves })
    }

    /// How many records it holds.
    #[must_use]
    pub const fn records(&self) -> u64 {
        match self.kind {
            FrameKind::Records => self.items.len() as u64,
            FrameKind::Note => 0,
        }
    }

    /// The number that the next frame begins with.
    #[must_use]
    pub const fn next(&self) -> Position {
        Position(self.first.0.saturating_add(self.records()))
    }
}

/// The frames of a segment, one after the other, each checked to follow the one before. Ends with an error, which says
/// why there is no further frame; [`FrameError::End`] is the good one.
#[derive(Debug)]
pub struct Frames<'a> {
    segment: &'a [u8],
    offset: usize,
    next: Position,
    chain: Hash,
    ended: bool,
}

impl<'a> Frames<'a> {
    /// The frames of `segment`, whose header was read by [`SegmentHeader::decode`].
    #[must_use]
    pub const fn new(segment: &'a [u8], header: &SegmentHeader, header_length: usize, header_hash: Hash) -> Self {
        Self { segment, offset: header_length, next: header.first, chain: header_hash, ended: false }
    }

    /// Where the next frame begins, or where the last one should have.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The number of the next record.
    #[must_use]
    pub const fn next_position(&self) -> Position {
        self.next
    }

    /// The chain hash after the last frame.
    #[must_use]
    pub const fn chain(&self) -> Hash {
        self.chain
    }

    fn read(&mut self) -> Result<Frame<'a>, FrameError> {
        let rest = self.segment.get(self.offset..).unwrap_or_default();
        let frame = Frame::decode(rest)?;
        if frame.previous != self.chain || frame.first != self.next {
            return Err(FrameError::Chain);
        }
        self.offset += frame.length;
        self.next = frame.next();
        self.chain = frame.chain;
        Ok(frame)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let frame = self.read();
        self.ended = frame.is_err();
        Some(frame)
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(FrameError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        self.take(N)?.try_into().map_err(|_| FrameError::Malformed)
    }

    fn hash(&mut self) -> Result<Hash, FrameError> {
        self.array().map(Hash::from_bytes)
    }

    fn number(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_be_bytes)
    }

    fn length(&mut self) -> Result<usize, FrameError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| FrameError::Malformed)
    }
}

fn check_magic(found: [u8; 4], wanted: [u8; 4]) -> Result<(), FrameError> {
    let ([a, b, c, version], [x, y, z, _]) = (found, wanted);
    match [a, b, c] == [x, y, z] {
        true if found == wanted => Ok(()),
        true if version > VERSION => Err(FrameError::Version(version)),
        _ => Err(FrameError::Magic),
    }
}

/// A length as it stands in the format. Frames and records are far below what it can hold.
fn short(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
