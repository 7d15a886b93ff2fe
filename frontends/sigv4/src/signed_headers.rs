//! The headers that a signature covers, in canonical form.

use smallvec::SmallVec;

use crate::error::{Part, SigV4Error, quoted};
use crate::limits;
use crate::request::{Headers, Request};
use crate::scratch::Scratch;

/// Most signed headers that fit without an allocation.
const INLINE_HEADERS: usize = 12;

// The set of headers still absent is one machine word.
const _: () = assert!(limits::MAX_SIGNED_HEADERS <= 64);

/// The signed headers of a request: names in the order of the list, and the values that the request has for them.
pub(crate) struct SignedHeaders<'a> {
    list: &'a str,
    names: SmallVec<[&'a [u8]; INLINE_HEADERS]>,
    /// (index of the name, value), equal names in the order of the wire.
    values: SmallVec<[(usize, &'a [u8]); INLINE_HEADERS]>,
}

impl<'a> SignedHeaders<'a> {
    /// Reads a list of names: lower-case tokens, sorted, unique, joined by `;`.
    pub(crate) fn parse(list: &'a str) -> Result<Self, SigV4Error> {
        let malformed = SigV4Error::Malformed { part: Part::SignedHeaders };
        let mut names = SmallVec::new();
        let mut previous: &[u8] = b"";
        for name in list.as_bytes().split(|byte| *byte == b';') {
            if name <= previous || !name.iter().copied().all(is_lower_case_token) {
                return Err(malformed);
            }
            if names.len() == limits::MAX_SIGNED_HEADERS {
                return Err(SigV4Error::TooMany { part: Part::SignedHeaders, limit: limits::MAX_SIGNED_HEADERS });
            }
            names.push(name);
            previous = name;
        }
        Ok(Self { list, names, values: SmallVec::new() })
    }

    /// Whether the list has this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.position(name.as_bytes()).is_some()
    }

    /// Collects the values that the request has for the names; `host` takes the authority.
    ///
    /// # Errors
    /// A name without a value, an `x-amz-` header that is not in the list, a `Host` that contradicts the authority.
    pub(crate) fn collect<'r: 'a>(&mut self, request: &Request<'r, impl Headers<'r>>) -> Result<(), SigV4Error> {
        let mut hosts = 0;
        let mut absent = u64::MAX.checked_shr(u64::BITS - self.names.len() as u32).unwrap_or(0);
        for (name, value) in request.headers.clone() {
            if name.eq_ignore_ascii_case("host") {
                hosts += 1;
                if hosts > 1 || value.trim_ascii() != request.authority.as_bytes() {
                    return Err(SigV4Error::AuthorityConflict);
                }
            } else if let Some(index) = self.position(name.as_bytes()) {
                absent &= !(1 << index);
                self.add(index, value)?;
            } else if name.as_bytes().get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"x-amz-")) {
                return Err(SigV4Error::HeaderNotSigned { name: quoted(&name.to_ascii_lowercase()) });
            }
        }
        if let Some(index) = self.position(b"host") {
            absent &= !(1 << index);
            self.add(index, request.authority.as_bytes())?;
        }
        match self.names.get(absent.trailing_zeros() as usize) {
            Some(name) => Err(SigV4Error::SignedHeaderAbsent { name: quoted(&String::from_utf8_lossy(name)) }),
            None => Ok(()),
        }
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|signed| signed.eq_ignore_ascii_case(name))
    }

    fn add(&mut self, index: usize, value: &'a [u8]) -> Result<(), SigV4Error> {
        if self.values.len() == limits::MAX_SIGNED_HEADERS {
            return Err(SigV4Error::TooMany { part: Part::SignedHeaders, limit: limits::MAX_SIGNED_HEADERS });
        }
        self.values.push((index, value));
        Ok(())
    }

    /// Writes the canonical headers and, after an empty line, the list of their names.
    pub(crate) fn push<const N: usize>(&self, out: &mut Scratch<N>) {
        for (index, name) in self.names.iter().enumerate() {
            out.push(name);
            let mut separator: &[u8] = b":";
            for (_, value) in self.values.iter().filter(|(of, _)| *of == index) {
                out.push(separator);
                push_value(out, value);
                separator = b",";
            }
            out.push(b"\n");
        }
        out.push(b"\n");
        out.push(self.list.as_bytes());
    }
}

/// RFC 9110, section 5.6.2, without upper case.
fn is_lower_case_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Spaces at both ends removed, inner runs of spaces made one.
fn push_value<const N: usize>(out: &mut Scratch<N>, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.contains(&b' ') {
        out.push(value);
        return;
    }
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b" ");
        }
        out.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str) -> String {
        let mut out = Scratch::<64>::new();
        push_value(&mut out, value.as_bytes());
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    #[test]
    fn spaces_in_a_value_are_trimmed_and_folded() {
        assert_eq!(value("  a   b c  "), "a b c");
        assert_eq!(value("\"a  b\""), "\"a b\"");
        assert_eq!(value("   "), "");
    }
}
