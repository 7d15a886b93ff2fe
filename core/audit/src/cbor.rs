//! Deterministic CBOR as records use it (RFC 8949, section 4.2): shortest heads, definite lengths, ascending keys.
//!
//! Writing only, into a buffer that grows, so that it cannot fail. Reading is minicbor's; that what was read is
//! deterministic is shown by writing it again.

use crate::hash::Hash;
use crate::record::{Text, TextDigest};

const UNSIGNED: u8 = 0 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// The longest texts that are written whole; longer ones are written as their digest.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// For what the caller or a client chose.
    pub(crate) claimed: usize,
    /// For what the product itself named.
    pub(crate) proved: usize,
}

/// Writes items behind one another.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    cut: Cut,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>, cut: Cut) -> Self {
        Self { out, cut }
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn array(&mut self, items: usize) {
        self.head(ARRAY, items as u64);
    }

    /// A text that the product named.
    pub(crate) fn text(&mut self, text: &Text<'_>) {
        self.cut_text(text, self.cut.proved);
    }

    /// A text that the caller or a client chose.
    pub(crate) fn claimed(&mut self, text: &Text<'_>) {
        self.cut_text(text, self.cut.claimed);
    }

    /// Begins a map whose keys are 0 to 22, to be written in ascending order.
    pub(crate) fn begin(&mut self) -> Map {
        self.out.push(MAP);
        Map { at: self.out.len() - 1, count: 0 }
    }

    /// Writes the key of the next field; its value comes next.
    pub(crate) fn key(&mut self, map: &mut Map, key: u8) {
        map.count += 1;
        self.head(UNSIGNED, u64::from(key));
    }

    /// Ends a map: its count of fields goes to where it began.
    pub(crate) fn end(&mut self, map: &Map) {
        if let Some(head) = self.out.get_mut(map.at) {
            *head |= map.count;
        }
    }

    fn cut_text(&mut self, text: &Text<'_>, longest: usize) {
        match text {
            Text::Full(full) if full.len() <= longest => {
                self.head(TEXT, full.len() as u64);
                self.out.extend_from_slice(full.as_bytes());
            }
            Text::Full(full) => {
                self.digest(TextDigest { bytes: full.len() as u64, sha256: Hash::of([full.as_bytes()]) })
            }
            Text::Digest(digest) => self.digest(*digest),
        }
    }

    fn digest(&mut self, digest: TextDigest) {
        self.array(2);
        self.unsigned(digest.bytes);
        self.bytes(digest.sha256.as_bytes());
    }

    fn head(&mut self, major: u8, value: u64) {
        let bytes = value.to_be_bytes();
        let (information, tail) = match value {
            0..=23 => (bytes.last().copied().unwrap_or(0), 8),
            24..=0xff => (24, 7),
            0x100..=0xffff => (25, 6),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 0),
        };
        self.out.push(major | information);
        self.out.extend_from_slice(bytes.get(tail..).unwrap_or_default());
    }
}

/// A map being written.
pub(crate) struct Map {
    at: usize,
    count: u8,
}
