//! The headers that a signature covers, in canonical form.

use smallvec::SmallVec;

use crate::error::{Part, SigV4Error, quoted};
use crate::limits;
use crate::request::{Headers, Request};
use crate::scratch::Scratch;

/// The name of the authority in HTTP/2 (RFC 9113, section 8.3.1), which may be signed by it: then that is signed as well as by
/// `host`.
pub(crate) const PSEUDO_AUTHORITY: &str = ":authority";
/// Most signed headers that fit without an allocation.
const INLINE_HEADERS: usize = 10;

/// The signed headers of a request, in the order of the list, with the values that the request has for them.
pub(crate) struct SignedHeaders<'a> {
    list: &'a str,
    lines: SmallVec<[Line<'a>; INLINE_HEADERS]>,
    /// Further values of names that occur more than once, (index of the line, value), in the order of the wire.
    further: Vec<(usize, &'a [u8])>,
}

struct Line<'a> {
    name: &'a [u8],
    /// `None` until it is found.
    value: Option<&'a [u8]>,
}

impl<'a> SignedHeaders<'a> {
    /// Reads a list of names: lower-case tokens, or [`PSEUDO_AUTHORITY`], sorted, unique, joined by `;`.
    pub(crate) fn parse(list: &'a str) -> Result<Self, SigV4Error> {
        let mut lines = SmallVec::new();
        let mut previous: &[u8] = b"";
        let mut rest = Some(list.as_bytes());
        while let Some(names) = rest {
            // A colon comes before all letters, so it can only be the first name's.
            let pseudo = usize::from(previous.is_empty() && names.starts_with(PSEUDO_AUTHORITY.as_bytes()));
            let token = names.iter().skip(pseudo).position(|byte| !is_lower_case_token(*byte));
            let end = token.map_or(names.len(), |end| end + pseudo);
            let (name, after) = names.split_at_checked(end).unwrap_or((names, b""));
            rest = match after {
                [] => None,
                [b';', others @ ..] => Some(others),
                _ => return Err(SigV4Error::Malformed { part: Part::SignedHeaders }),
            };
            if name <= previous {
                return Err(SigV4Error::Malformed { part: Part::SignedHeaders });
            }
            if lines.len() == limits::MAX_SIGNED_HEADERS {
                return Err(SigV4Error::TooMany { part: Part::SignedHeaders, limit: limits::MAX_SIGNED_HEADERS });
            }
            lines.push(Line { name, value: None });
            previous = name;
        }
        Ok(Self { list, lines, further: Vec::new() })
    }

    /// Whether the list has this name, given in lower case.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.name == name.as_bytes())
    }

    /// Collects the values that the request has for the names; `host` and [`PSEUDO_AUTHORITY`] take the authority.
    ///
    /// # Errors
    /// A name without a value, an `x-amz-` header that is not in the list, a `Host` that contradicts the authority.
    pub(crate) fn collect<'r: 'a>(&mut self, request: &Request<'r, impl Headers<'r>>) -> Result<(), SigV4Error> {
        let mut hosts = 0;
        for (name, value) in request.headers.clone() {
            if name.eq_ignore_ascii_case("host") {
                hosts += 1;
                if hosts > 1 || value.trim_ascii() != request.authority.as_bytes() {
                    return Err(SigV4Error::AuthorityConflict);
                }
            } else if !self.add(name.as_bytes(), value)?
                && name.as_bytes().get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"x-amz-"))
            {
                return Err(SigV4Error::HeaderNotSigned { name: quoted(&name.to_ascii_lowercase()) });
            }
        }
        self.add(b"host", request.authority.as_bytes())?;
        self.add(PSEUDO_AUTHORITY.as_bytes(), request.authority.as_bytes())?;
        match self.lines.iter().find(|line| line.value.is_none()) {
            Some(line) => Err(SigV4Error::SignedHeaderAbsent { name: quoted(&String::from_utf8_lossy(line.name)) }),
            None => Ok(()),
        }
    }

    /// Takes a value if its name is in the list; says whether it is.
    fn add(&mut self, name: &[u8], value: &'a [u8]) -> Result<bool, SigV4Error> {
        let mut lines = self.lines.iter_mut().enumerate();
        // Names are compared by their length first: few are of the same.
        let same = |line: &Line<'_>| line.name.len() == name.len() && line.name.eq_ignore_ascii_case(name);
        let Some((index, line)) = lines.find(|(_, line)| same(line)) else { return Ok(false) };
        if line.value.is_none() {
            line.value = Some(value);
        } else if self.lines.len() + self.further.len() < limits::MAX_SIGNED_HEADERS {
            self.further.push((index, value));
        } else {
            return Err(SigV4Error::TooMany { part: Part::SignedHeaders, limit: limits::MAX_SIGNED_HEADERS });
        }
        Ok(true)
    }

    /// Writes the canonical headers and, after an empty line, the list of their names.
    pub(crate) fn push<const N: usize>(&self, out: &mut Scratch<N>) {
        for (index, line) in self.lines.iter().enumerate() {
            out.push(line.name);
            out.push(b":");
            push_value(out, line.value.unwrap_or_default());
            for (_, value) in self.further.iter().filter(|(of, _)| *of == index) {
                out.push(b",");
                push_value(out, value);
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
