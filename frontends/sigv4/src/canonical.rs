//! The canonical form of a request and the string to sign, as "Create a signed AWS API request" in the IAM User Guide
//! defines them for every service but S3: the path as sent is normalised and encoded once more.
//!
//! Only a request whose canonical form is larger than [`SCRATCH_BYTES`], that has a query string, or whose path has dot
//! segments costs an allocation.

use aws_lc_rs::digest;

use crate::encoding::{decode, hex, is_unreserved, parameters, push_encoded};
use crate::error::{Part, SigV4Error};
use crate::key::{Scope, Signature, SigningKey, TERMINATOR};
use crate::limits;
use crate::scratch::Scratch;
use crate::signed_headers::SignedHeaders;

/// The one algorithm: HMAC-SHA256 over a chain of derived keys.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Room for a canonical request; those of SDKs without a session token take 300 to 600 bytes.
const SCRATCH_BYTES: usize = 768;

/// Room for a string to sign; longer ones have a region or service name at its limit.
const STRING_TO_SIGN_BYTES: usize = 192;

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    hash
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
    let recode = |text: &str| -> Result<Vec<u8>, SigV4Error> {
        let decoded = Part::Query.formed(decode(text))?;
        let mut encoded = Scratch::<64>::new();
        push_encoded(&mut encoded, &decoded, is_unreserved);
        Ok(encoded.as_slice().to_vec())
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
    Part::Path.formed((path.is_empty() || path.starts_with('/')).then_some(()))
}

/// Dot segments removed as in RFC 3986, section 5.2.4, and empty segments too; then encoded, `/` kept.
fn push_path<const N: usize>(out: &mut Scratch<N>, path: &str) {
    let keep = |byte: u8| is_unreserved(byte) || byte == b'/';
    let normal = |path: &str| !path.contains("//") && !path.split('/').any(|segment| matches!(segment, "." | ".."));
    if path.is_empty() || path == "/" {
        out.push(b"/");
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
            out.push(b"/");
            push_encoded(out, segment.as_bytes(), keep);
        }
        let is_folder = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
        if is_folder || segments.is_empty() {
            out.push(b"/");
        }
    }
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
    /// The request's signature; `payload` is the last line of the canonical
    /// request, `time` is in ISO basic format.
    pub(crate) fn signature(&self, payload: &[u8], time: &[u8; 16], scope: &Scope<'_>, key: &SigningKey) -> Signature {
        let mut canonical = Scratch::<SCRATCH_BYTES>::new();
        canonical.push(self.method.as_bytes());
        canonical.push(b"\n");
        push_path(&mut canonical, self.path);
        canonical.push(b"\n");
        canonical.push(&self.query);
        canonical.push(b"\n");
        self.headers.push(&mut canonical);
        canonical.push(b"\n");
        canonical.push(payload);

        let mut string_to_sign = Scratch::<STRING_TO_SIGN_BYTES>::new();
        string_to_sign.push(ALGORITHM.as_bytes());
        string_to_sign.push(b"\n");
        string_to_sign.push(time);
        string_to_sign.push(b"\n");
        string_to_sign.push(scope.date.as_bytes());
        for part in [scope.region, scope.service, TERMINATOR] {
            string_to_sign.push(b"/");
            string_to_sign.push(part.as_bytes());
        }
        string_to_sign.push(b"\n");
        string_to_sign.push(&hex(&sha256(canonical.as_slice())));
        key.sign(string_to_sign.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> String {
        let mut out = Scratch::<64>::new();
        push_path(&mut out, path);
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    fn query(query: &str) -> String {
        String::from_utf8(canonical_query(query, None).unwrap()).unwrap()
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
}
