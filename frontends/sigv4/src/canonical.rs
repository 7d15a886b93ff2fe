//! The canonical form of a request and the string to sign, as "Create a signed AWS API request" in the IAM User Guide
//! defines them for every service but S3: the path as sent is normalised and encoded once more.
//!
//! Written into scratch space on the stack, hashed in one call; only a request whose canonical form is larger than
//! [`SCRATCH_BYTES`], that has a query string, or whose path has dot segments costs an allocation.

use aws_lc_rs::digest;
use smallvec::SmallVec;

use crate::error::{Part, SigV4Error};
use crate::key::{Scope, Signature, SigningKey, TERMINATOR};
use crate::limits;
use crate::request::{Headers, Request};
use crate::signing_time::SigningTime;

/// The one algorithm: HMAC-SHA256 over a chain of derived keys.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Size of the scratch space for a canonical request; those of SDKs without a session token take 300 to 600 bytes.
const SCRATCH_BYTES: usize = 1024;

/// Room for a string to sign of ordinary size.
const STRING_TO_SIGN_BYTES: usize = 256;

/// Most signed headers that fit without an allocation.
const INLINE_HEADERS: usize = 16;

/// Bytes that are written piece by piece and hashed at once.
pub(crate) type Scratch<const N: usize> = SmallVec<[u8; N]>;

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// 32 bytes as 64 lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[hex_digit(byte >> 4, b'a'), hex_digit(byte & 15, b'a')]);
    }
    text
}

/// 64 lower-case hexadecimal digits as 32 bytes; `None` for anything else.
pub(crate) fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = hex_value(high)? << 4 | hex_value(low)?;
    }
    Some(bytes)
}

fn hex_digit(value: u8, ten: u8) -> u8 {
    if value < 10 { b'0' + value } else { ten + (value - 10) }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Percent-encodes what `keep` does not keep, with upper-case digits.
fn push_encoded<const N: usize>(out: &mut Scratch<N>, mut bytes: &[u8], keep: impl Fn(u8) -> bool) {
    while let Some(stop) = bytes.iter().position(|byte| !keep(*byte)) {
        let (kept, rest) = bytes.split_at(stop);
        out.extend_from_slice(kept);
        let Some((byte, rest)) = rest.split_first() else { return };
        out.extend_from_slice(&[b'%', hex_digit(byte >> 4, b'A'), hex_digit(byte & 15, b'A')]);
        bytes = rest;
    }
    out.extend_from_slice(bytes);
}

/// Undoes percent-encoding, and `+` for a space as in forms; `None` when an escape is broken.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_value(bytes.next()?)? << 4 | hex_value(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    Some(decoded)
}

/// The parameters of a query string as sent, (name, value); empty ones are skipped.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The canonical query string: each name and value decoded and encoded again, sorted by name, then value. A parameter
/// whose name as sent is `omitted` is left out.
///
/// `+` is read as a space, as the front ends' form parsers and the AWS SDKs' signers read it; what is signed and what is
/// acted on must not differ.
pub(crate) fn canonical_query(query: &str, omitted: Option<&str>) -> Result<Vec<u8>, SigV4Error> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let recode = |text: &str| -> Result<Scratch<32>, SigV4Error> {
        let decoded = decode(text).ok_or(SigV4Error::Malformed { part: Part::Query })?;
        let mut encoded = Scratch::new();
        push_encoded(&mut encoded, &decoded, is_unreserved);
        Ok(encoded)
    };
    let mut pairs = Vec::new();
    for (name, value) in parameters(query).filter(|(name, _)| Some(*name) != omitted) {
        if pairs.len() == limits::MAX_QUERY_PARAMETERS {
            return Err(SigV4Error::TooMany { part: Part::Query, limit: limits::MAX_QUERY_PARAMETERS });
        }
        pairs.push((recode(name)?, recode(value)?));
    }
    pairs.sort_unstable();
    let mut canonical = Vec::with_capacity(query.len() + pairs.len());
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            canonical.push(b'&');
        }
        canonical.extend_from_slice(name);
        canonical.push(b'=');
        canonical.extend_from_slice(value);
    }
    Ok(canonical)
}

/// Whether a path is one that can be signed: absolute, or empty.
pub(crate) fn check_path(path: &str) -> Result<(), SigV4Error> {
    if path.is_empty() || path.starts_with('/') { Ok(()) } else { Err(SigV4Error::Malformed { part: Part::Path }) }
}

/// Dot segments removed as in RFC 3986, section 5.2.4, and empty segments too; then encoded, `/` kept.
fn push_path<const N: usize>(out: &mut Scratch<N>, path: &str) {
    let keep = |byte: u8| is_unreserved(byte) || byte == b'/';
    let normal = |path: &str| !path.contains("//") && !path.split('/').any(|segment| matches!(segment, "." | ".."));
    if path.is_empty() || path == "/" {
        out.push(b'/');
    } else if normal(path) {
        push_encoded(out, path.as_bytes(), keep);
    } else {
        let mut segments = Vec::new();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                named => segments.push(named),
            }
        }
        for segment in &segments {
            out.push(b'/');
            push_encoded(out, segment.as_bytes(), keep);
        }
        let is_folder = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
        if is_folder || segments.is_empty() {
            out.push(b'/');
        }
    }
}

/// Spaces at both ends removed, inner runs of spaces made one.
fn push_value<const N: usize>(out: &mut Scratch<N>, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.contains(&b' ') {
        out.extend_from_slice(value);
        return;
    }
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// The signed headers of a request: names in the order of the list, and the values that the request has for them.
pub(crate) struct SignedHeaders<'a> {
    list: &'a str,
    names: SmallVec<[&'a str; INLINE_HEADERS]>,
    /// (index of the name, value), equal names in the order of the wire.
    values: SmallVec<[(usize, &'a [u8]); INLINE_HEADERS]>,
}

impl<'a> SignedHeaders<'a> {
    /// Reads a list of names: lower-case tokens, sorted, unique, joined by `;`.
    pub(crate) fn parse(list: &'a str) -> Result<Self, SigV4Error> {
        let malformed = SigV4Error::Malformed { part: Part::SignedHeaders };
        let mut names = SmallVec::new();
        let mut previous = "";
        for name in list.split(';') {
            if name <= previous || !name.bytes().all(is_lower_case_token) {
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
        self.names.iter().any(|signed| signed.eq_ignore_ascii_case(name))
    }

    /// Collects the values that the request has for the names; `host` takes the authority.
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
            } else if let Some(index) = self.names.iter().position(|signed| signed.eq_ignore_ascii_case(name)) {
                if self.values.len() == limits::MAX_SIGNED_HEADERS {
                    return Err(SigV4Error::TooMany { part: Part::SignedHeaders, limit: limits::MAX_SIGNED_HEADERS });
                }
                self.values.push((index, value));
            } else if name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-")) {
                return Err(SigV4Error::HeaderNotSigned { name: name.to_ascii_lowercase() });
            }
        }
        if let Some(index) = self.names.iter().position(|name| *name == "host") {
            self.values.push((index, request.authority.as_bytes()));
        }
        let absent = (0..self.names.len()).find(|index| self.values.iter().all(|(of, _)| of != index));
        match absent.and_then(|index| self.names.get(index)) {
            Some(name) => Err(SigV4Error::SignedHeaderAbsent { name: crate::error::quoted(name) }),
            None => Ok(()),
        }
    }

    fn push<const N: usize>(&self, out: &mut Scratch<N>) {
        for (index, name) in self.names.iter().enumerate() {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            let mut first = true;
            for (_, value) in self.values.iter().filter(|(of, _)| *of == index) {
                if !first {
                    out.push(b',');
                }
                first = false;
                push_value(out, value);
            }
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(self.list.as_bytes());
    }
}

/// RFC 9110, section 5.6.2, without upper case.
fn is_lower_case_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// A request in canonical form, but for its payload hash.
pub(crate) struct CanonicalRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// As [`canonical_query`] gives it.
    pub(crate) query: Vec<u8>,
    pub(crate) headers: SignedHeaders<'a>,
}

impl CanonicalRequest<'_> {
    /// The request's signature; `payload` is the last line of the canonical request.
    pub(crate) fn signature(
        &self,
        payload: &[u8],
        time: SigningTime,
        scope: &Scope<'_>,
        key: &SigningKey,
    ) -> Signature {
        let mut canonical = Scratch::<SCRATCH_BYTES>::new();
        canonical.extend_from_slice(self.method.as_bytes());
        canonical.push(b'\n');
        push_path(&mut canonical, self.path);
        canonical.push(b'\n');
        canonical.extend_from_slice(&self.query);
        canonical.push(b'\n');
        self.headers.push(&mut canonical);
        canonical.push(b'\n');
        canonical.extend_from_slice(payload);

        let mut string_to_sign = Scratch::<STRING_TO_SIGN_BYTES>::new();
        string_to_sign.extend_from_slice(ALGORITHM.as_bytes());
        string_to_sign.push(b'\n');
        string_to_sign.extend_from_slice(&time.iso_basic());
        string_to_sign.push(b'\n');
        string_to_sign.extend_from_slice(scope.date.as_bytes());
        for part in [scope.region, scope.service, TERMINATOR] {
            string_to_sign.push(b'/');
            string_to_sign.extend_from_slice(part.as_bytes());
        }
        string_to_sign.push(b'\n');
        string_to_sign.extend_from_slice(&hex(&sha256(&canonical)));
        key.sign(&string_to_sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> String {
        let mut out = Scratch::<64>::new();
        push_path(&mut out, path);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn query(query: &str) -> String {
        String::from_utf8(canonical_query(query, None).unwrap()).unwrap()
    }

    fn value(value: &str) -> String {
        let mut out = Scratch::<64>::new();
        push_value(&mut out, value.as_bytes());
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn dot_segments_and_repeated_slashes_vanish_from_a_path() {
        for (sent, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../a", "/a"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a//b/", "/a/b/"),
            ("/a/..", "/"),
            ("/a.b/..c", "/a.b/..c"),
        ] {
            assert_eq!(path(sent), canonical, "{sent}");
        }
    }

    #[test]
    fn a_path_is_encoded_once_more() {
        assert_eq!(path("/a%20b/c d"), "/a%2520b/c%20d");
        assert_eq!(path("/a:b/é~"), "/a%3Ab/%C3%A9~");
        assert_eq!(path("/%2e%2e/a"), "/%252e%252e/a");
    }

    #[test]
    fn a_query_is_sorted_by_name_and_then_by_value() {
        assert_eq!(query("b=2&a=2&a=1&a-b=0&A"), "A=&a=1&a=2&a-b=0&b=2");
        assert_eq!(query("&&a&"), "a=");
    }

    #[test]
    fn a_query_is_decoded_and_encoded_again() {
        assert_eq!(query("a=%7e%2f+%20/"), "a=~%2F%20%20%2F");
        assert_eq!(query("a==b"), "a=%3Db");
        for broken in ["%", "a=%2", "a=%zz", "%é"] {
            assert_eq!(canonical_query(broken, None), Err(SigV4Error::Malformed { part: Part::Query }), "{broken}");
        }
    }

    #[test]
    fn spaces_in_a_value_are_trimmed_and_folded() {
        assert_eq!(value("  a   b c  "), "a b c");
        assert_eq!(value("\"a  b\""), "\"a b\"");
        assert_eq!(value("   "), "");
    }

    #[test]
    fn only_lower_case_digits_are_a_signature() {
        let bytes = sha256(b"");
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex(&hex(&bytes).to_ascii_uppercase()), None);
        assert_eq!(unhex(b"00"), None);
        assert_eq!(unhex(&[b'g'; 64]), None);
    }
}
