//! Requests borrowed from their bodies, and replies written by hand.
//!
//! Unknown members are passed over: the specification announces more of them. A member that stands twice is refused.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// What the asking KMS says of its own caller: claims, trusted as the credential that brought them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestMetadata<'a> {
    #[serde(borrow)]
    pub(crate) aws_principal_arn: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_operation: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_request_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_key_arn: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_via_service: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) aws_source_vpc: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) aws_source_vpce: Option<Text<'a>>,
}

/// The body of any of the four calls.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body<'a> {
    #[serde(borrow)]
    pub(crate) request_metadata: Option<RequestMetadata<'a>>,
    #[serde(borrow)]
    pub(crate) encryption_algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) additional_authenticated_data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ciphertext_data_integrity_value_algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ciphertext_metadata: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) initialization_vector: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) authentication_tag: Option<Text<'a>>,
}

/// Bytes of a request; `None` when the text is not base64 (RFC 4648, section 4).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Characters of so many bytes in base64.
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

    /// A member that is bytes.
    pub(crate) fn blob(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        self.name(name);
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + encoded_length(value.len()), 0);
        let written = self.out.get_mut(start..).and_then(|rest| STANDARD.encode_slice(value, rest).ok());
        self.out.truncate(start + written.unwrap_or(0));
        self.out.push(b'"');
        self
    }

    /// A member that is one.
    pub(crate) fn one(&mut self, name: &'static str) -> &mut Self {
        self.name(name);
        self.out.push(b'1');
        self
    }

    /// A member that is a list of texts.
    pub(crate) fn texts(&mut self, name: &'static str, items: &[&str]) -> &mut Self {
        self.name(name);
        self.enclose(b'[', b']', |list| {
            for item in items {
                list.separate();
                list.quoted(item);
            }
        });
        self
    }

    /// A member that is a list of objects.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.name(name);
        self.enclose(b'[', b']', |list| {
            for item in items {
                list.separate();
                list.enclose(b'{', b'}', |object| fill(object, item));
            }
        });
        self
    }

    fn enclose(&mut self, open: u8, close: u8, fill: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.fresh = true;
        fill(self);
        self.fresh = false;
        self.out.push(close);
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
        json.text("text", "a \"b\"\\").blob("blob", b"\0\xff?").one("one").texts("texts", &["a", "b"]);
        json.objects("objects", ["x"], |object, item| _ = object.text("id", item));
        let read: serde_json::Value = serde_json::from_slice(&json.finish()).unwrap();
        let expected = serde_json::json!({
            "text": "a \"b\"\\", "blob": "AP8/", "one": 1, "texts": ["a", "b"], "objects": [{"id": "x"}],
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn unknown_members_are_passed_over_and_a_member_that_stands_twice_is_refused() {
        let body =
            r#"{"requestMetadata":{"kmsOperation":"New","tags":{"a":[1]}},"attestation":{"x":null},"plaintext":null}"#;
        let read: Body<'_> = serde_json::from_str(body).unwrap();
        assert_eq!(read.request_metadata.unwrap().kms_operation.as_deref(), Some("New"));
        assert!(read.plaintext.is_none());
        assert!(serde_json::from_str::<Body<'_>>(r#"{"plaintext":"YQ==","plaintext":"Yg=="}"#).is_err());
    }
}
