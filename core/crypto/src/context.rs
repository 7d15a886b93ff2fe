//! The encryption context: pairs that are not encrypted, and without which a ciphertext does not open.

use crate::error::CryptoError;
use crate::limits::{CONTEXT_BYTES, CONTEXT_PAIRS};
use crate::sealed::Bound;

/// Pairs of key and value, borrowed from the request, in order of the keys' bytes and without duplicates.
///
/// Encoded as: number of pairs (u32), then for each pair its key's length (u32), key, value's length (u32), value; all
/// numbers big-endian. The empty context is encoded as the number zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptionContext<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    encoded_bytes: usize,
}

impl<'a> EncryptionContext<'a> {
    /// Takes pairs in any order. Nothing is allocated for none.
    ///
    /// # Errors
    /// [`CryptoError::ContextDuplicate`] when a key comes twice; [`CryptoError::ContextTooLarge`] over
    /// [`CONTEXT_PAIRS`] or [`CONTEXT_BYTES`].
    pub fn new(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, CryptoError> {
        let mut bytes = 0usize;
        let mut sorted = Vec::new();
        for (key, value) in pairs {
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            if bytes > CONTEXT_BYTES || sorted.len() == CONTEXT_PAIRS {
                return Err(CryptoError::ContextTooLarge);
            }
            sorted.push((key, value));
        }
        sorted.sort_unstable();
        if sorted.windows(2).any(|two| matches!(two, [(one, _), (other, _)] if one == other)) {
            return Err(CryptoError::ContextDuplicate);
        }
        let encoded_bytes = 4 + 8 * sorted.len() + bytes;
        Ok(Self { pairs: sorted, encoded_bytes })
    }

    /// The pairs, in order of their keys' bytes.
    #[must_use]
    pub fn pairs(&self) -> &[(&'a str, &'a str)] {
        &self.pairs
    }
}

impl Bound for EncryptionContext<'_> {
    fn encoded_bytes(&self) -> usize {
        self.encoded_bytes.max(4)
    }

    fn append_to(&self, buffer: &mut Vec<u8>) {
        // Lengths are within CONTEXT_PAIRS and CONTEXT_BYTES, far below 2^32.
        let mut number = |count: usize, text: &str| {
            buffer.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
            buffer.extend_from_slice(text.as_bytes());
        };
        number(self.pairs.len(), "");
        for (key, value) in &self.pairs {
            number(key.len(), key);
            number(value.len(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(context: &EncryptionContext<'_>) -> Vec<u8> {
        let mut buffer = Vec::new();
        context.append_to(&mut buffer);
        assert_eq!(buffer.len(), context.encoded_bytes());
        buffer
    }

    #[test]
    fn the_encoding_is_counted_sorted_and_length_prefixed() {
        let context = EncryptionContext::new([("b", "2"), ("a", ""), ("Z", "é")]).unwrap();
        assert_eq!(
            encoded(&context),
            b"\0\0\0\x03\0\0\0\x01Z\0\0\0\x02\xc3\xa9\0\0\0\x01a\0\0\0\0\0\0\0\x01b\0\0\0\x012"
        );
        assert_eq!(encoded(&EncryptionContext::default()), [0; 4]);
        assert_eq!(encoded(&EncryptionContext::new([]).unwrap()), [0; 4]);
    }

    #[test]
    fn a_key_that_comes_twice_is_refused_even_with_the_same_value() {
        assert_eq!(EncryptionContext::new([("a", "1"), ("b", ""), ("a", "1")]), Err(CryptoError::ContextDuplicate));
    }

    #[test]
    fn a_context_over_its_limits_is_refused() {
        let long = "x".repeat(CONTEXT_BYTES);
        assert!(EncryptionContext::new([("", long.as_str())]).is_ok());
        assert_eq!(EncryptionContext::new([("a", long.as_str())]), Err(CryptoError::ContextTooLarge));
        let keys: Vec<_> = (0..=CONTEXT_PAIRS).map(|number| number.to_string()).collect();
        assert_eq!(
            EncryptionContext::new(keys.iter().map(|key| (key.as_str(), ""))),
            Err(CryptoError::ContextTooLarge)
        );
    }
}
