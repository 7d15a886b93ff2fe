//! Requests borrowed from their bodies, and replies written by hand.
//!
//! Unknown members are passed over: the API is a preview. A member that stands twice is refused.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use strongroom_engine::SecretBytes;

/// A text of a request, borrowed where it needs no unescaping.
#[derive(Debug)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Cow<'de, str>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Read).map(Text)
    }
}

/// What the asking pool says of its request: claims, trusted as the certificate that brought them.
#[derive(Debug, Deserialize)]
pub(crate) struct RequestContext<'a> {
    #[serde(borrow)]
    pub(crate) request_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) correlation_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) pool_name: Option<Text<'a>>,
}

/// The body of any of the four calls.
#[derive(Debug, Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(borrow)]
    pub(crate) request_context: Option<RequestContext<'a>>,
    #[serde(borrow)]
    pub(crate) alg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
}

/// Bytes of a request; `None` when the text is not base64 for URLs (RFC 4648, section 5). Padding may stand there.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let bare = match text.len() % 4 {
        0 => text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text),
        _ => text,
    };
    URL_SAFE_NO_PAD.decode(bare).ok()
}

/// Characters of so many bytes in base64, at most.
pub(crate) const fn encoded_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// A JSON object being written. Reserve enough for what is secret: a buffer that grows leaves a copy behind.
pub(crate) struct Json {
    out: Vec<u8>,
    fresh: bool,
}

impl Json {
    /// Begins an object, with room for this many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        Self { out, fresh: true }
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.fresh) {
            self.out.push(b',');
        }
    }

    fn name(&mut self, name: &'static str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A member that is a text of printable ASCII.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        self.quoted(value);
        self
    }

    /// A member that is a number.
    pub(crate) fn number(&mut self, name: &'static str, value: u32) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// A member that is bytes.
    pub(crate) fn blob(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        self.name(name);
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + encoded_length(value.len()), 0);
        let written = self.out.get_mut(start..).and_then(|rest| URL_SAFE_NO_PAD.encode_slice(value, rest).ok());
        self.out.truncate(start + written.unwrap_or(0));
        self.out.push(b'"');
        self
    }

    /// A member that is a list of texts.
    pub(crate) fn texts(&mut self, name: &'static str, items: &[&str]) -> &mut Self {
        self.name(name);
        self.out.push(b'[');
        self.fresh = true;
        for item in items {
            self.separate();
            self.quoted(item);
        }
        self.fresh = false;
        self.out.push(b']');
        self
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                0..0x20 => self.out.push(b'?'),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    /// The finished object.
    pub(crate) fn finish(mut self) -> Bytes {
        self.out.push(b'}');
        Bytes::from(self.out)
    }

    /// The finished object, erased once it has been sent.
    pub(crate) fn finish_secret(mut self) -> Bytes {
        self.out.push(b'}');
        Bytes::from_owner(Erased(SecretBytes::take(self.out)))
    }
}

/// A body that is erased when the last of it is dropped.
struct Erased(SecretBytes);

impl AsRef<[u8]> for Erased {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut json = Json::with_room(256);
        json.text("text", "a \"b\"\\").blob("blob", b"\xfb\xff?").number("number", 256).texts("texts", &["a", "b"]);
        let read: serde_json::Value = serde_json::from_slice(&json.finish()).unwrap();
        let expected = serde_json::json!({"text": "a \"b\"\\", "blob": "-_8_", "number": 256, "texts": ["a", "b"]});
        assert_eq!(read, expected);
    }

    #[test]
    fn base64_is_that_for_urls_with_its_padding_or_without() {
        for text in ["-_8", "-_8="] {
            assert_eq!(decode(text).unwrap(), b"\xfb\xff");
        }
        for text in ["+/8", "-_8==", "-_8=x", "=", "-", "-_9"] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    #[test]
    fn unknown_members_are_passed_over_and_a_member_that_stands_twice_is_refused() {
        let body = r#"{"request_context":{"pool_name":"p","tags":{"a":[1]}},"attestation":{"x":null},"value":null}"#;
        let read: Body<'_> = serde_json::from_str(body).unwrap();
        assert_eq!(read.request_context.unwrap().pool_name.as_deref(), Some("p"));
        assert!(read.value.is_none());
        assert!(serde_json::from_str::<Body<'_>>(r#"{"value":"YQ==","value":"Yg=="}"#).is_err());
    }
}
