//! JSON as the front ends read and write it: texts borrowed from bodies, replies written by hand.
//!
//! Absent on purpose: a tree of JSON values, and any member's name.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use strongroom_model::clock::Timestamp;
use strongroom_secret::SecretBytes;

/// A text of a request, borrowed where it needs no unescaping.
#[derive(Clone, Debug)]
pub struct Text<'a>(Cow<'a, str>);

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

/// A JSON object being written. Reserve enough for what is secret: a buffer that grows leaves a copy behind.
pub struct Json {
    out: Vec<u8>,
    fresh: bool,
}

impl Default for Json {
    fn default() -> Self {
        Self::new()
    }
}

impl Json {
    /// Begins an object, with room for this many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        Self { out, fresh: true }
    }

    /// Begins an object of ordinary size.
    #[must_use]
    pub fn new() -> Self {
        Self::with_room(512)
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

    /// A member that is a text.
    pub fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        self.quoted(value);
        self
    }

    /// A member that is a text, if there is one.
    pub fn text_if(&mut self, name: &'static str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// A member that is bytes, in base64 (RFC 4648, section 4).
    pub fn blob(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        self.base64(name, value, &STANDARD)
    }

    /// A member that is bytes, in base64 for URLs without padding (RFC 4648, section 5).
    pub fn blob_for_urls(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        self.base64(name, value, &URL_SAFE_NO_PAD)
    }

    fn base64(&mut self, name: &'static str, value: &[u8], alphabet: &GeneralPurpose) -> &mut Self {
        self.name(name);
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + encoded_length(value.len()), 0);
        let written = self.out.get_mut(start..).and_then(|rest| alphabet.encode_slice(value, rest).ok());
        self.out.truncate(start + written.unwrap_or(0));
        self.out.push(b'"');
        self
    }

    /// A member that is 32 bytes in hexadecimal.
    pub fn digest(&mut self, name: &'static str, value: &[u8; 32]) -> &mut Self {
        self.name(name);
        self.out.push(b'"');
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        for byte in value {
            self.out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
        }
        self.out.push(b'"');
        self
    }

    /// A member that is true or false.
    pub fn flag(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A member that is a whole number.
    pub fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// A member that is a time: seconds since 1970, to the millisecond.
    pub fn time(&mut self, name: &'static str, value: Timestamp) -> &mut Self {
        self.number(name, value.seconds());
        let millis = value.0 % 1000;
        if millis != 0 {
            self.out.push(b'.');
            for place in [100, 10, 1] {
                self.out.push(b'0' + u8::try_from(millis / place % 10).unwrap_or(0));
            }
        }
        self
    }

    /// A member that is an object.
    pub fn object(&mut self, name: &'static str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.name(name);
        self.enclose(b'{', b'}', fill);
        self
    }

    /// A member that is a list; `item` writes each.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.name(name);
        self.enclose(b'[', b']', |list| items.into_iter().for_each(|each| item(list, each)));
        self
    }

    /// A member that is a list of texts.
    pub fn texts<'t>(&mut self, name: &'static str, items: impl IntoIterator<Item = &'t str>) -> &mut Self {
        self.list(name, items, |list, text| {
            list.separate();
            list.quoted(text);
        })
    }

    /// A member that is a map of texts to texts.
    pub fn pairs(&mut self, name: &'static str, pairs: &[(String, String)]) -> &mut Self {
        self.object(name, |map| {
            for (key, value) in pairs {
                map.separate();
                map.quoted(key);
                map.out.push(b':');
                map.quoted(value);
            }
        })
    }

    /// An object as an item of a list.
    pub fn item(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.enclose(b'{', b'}', fill);
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
                0..0x20 => {
                    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                    self.out.extend_from_slice(b"\\u00");
                    self.out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
                }
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    /// The finished object.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        self.out.push(b'}');
        Bytes::from(self.out)
    }

    /// The finished object, erased once it has been sent.
    #[must_use]
    pub fn finish_secret(mut self) -> Bytes {
        self.out.push(b'}');
        Bytes::from_owner(Erased(SecretBytes::take(self.out)))
    }
}

/// Characters of so many bytes in base64, at most.
#[must_use]
pub const fn encoded_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
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
        let mut json = Json::new();
        json.text("Text", "a \"quoted\"\\\n\u{1} ü")
            .blob("Blob", b"\0\xff?")
            .blob_for_urls("Urls", b"\xfb\xff")
            .flag("Flag", true)
            .number("Number", 7);
        json.time("Whole", Timestamp(1_700_000_000_000)).time("Part", Timestamp(1_700_000_000_042));
        json.object("Empty", |_| ()).texts("Texts", ["a", "b"]).pairs("Pairs", &[("k".into(), "v".into())]);
        json.list("List", [1, 2], |list, number| list.item(|item| _ = item.number("N", number)));
        json.digest("Digest", &[0xa5; 32]);
        let read: serde_json::Value = serde_json::from_slice(&json.finish()).unwrap();
        let expected = serde_json::json!({
            "Text": "a \"quoted\"\\\n\u{1} ü", "Blob": "AP8/", "Urls": "-_8", "Flag": true, "Number": 7,
            "Whole": 1_700_000_000, "Part": 1_700_000_000.042, "Empty": {}, "Texts": ["a", "b"],
            "Pairs": {"k": "v"}, "List": [{"N": 1}, {"N": 2}], "Digest": "a5".repeat(32),
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn a_reply_with_a_secret_is_written_without_growing_when_room_was_reserved() {
        let mut json = Json::with_room(64);
        let before = json.out.as_ptr();
        json.blob("Plaintext", &[7; 24]);
        assert_eq!(json.out.as_ptr(), before);
        assert_eq!(json.finish_secret().as_ref(), b"{\"Plaintext\":\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\"}");
    }

    #[test]
    fn a_text_is_borrowed_unless_it_is_escaped() {
        let plain: Text<'_> = serde_json::from_str("\"plain\"").unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("plain")));
        let escaped: Text<'_> = serde_json::from_str("\"a\\u0062\"").unwrap();
        assert_eq!(&*escaped, "ab");
    }
}
