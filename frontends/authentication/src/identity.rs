//! Identities in the form of RFC 9562, and those drawn at random (version 4).

use strongroom_engine::{Engine, EngineError};

/// A new identity: 36 characters, 122 random bits.
///
/// # Errors
/// [`EngineError::Internal`] when there is no randomness.
pub fn random_id(engine: &Engine) -> Result<String, EngineError> {
    engine.identifier().map(uuid)
}

/// The identity of a request, for its answer and its record. Without randomness all are alike, and nothing else works.
#[must_use]
pub fn request_id(engine: &Engine) -> Box<str> {
    random_id(engine).unwrap_or_else(|_| uuid([0; 16])).into()
}

/// Random bytes as a UUID of version 4 (RFC 9562 section 5.4).
#[must_use]
pub fn uuid(mut bytes: [u8; 16]) -> String {
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    hyphenated(&bytes)
}

/// An identity in the form of RFC 9562: 36 characters.
#[must_use]
pub fn hyphenated(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, digit) in hexadecimal(bytes).into_iter().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(char::from(digit));
    }
    text
}

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (digit(byte >> 4), digit(byte & 0x0f));
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_the_form_of_a_random_uuid() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(&hexadecimal(b"0123456789abcdef"), b"30313233343536373839616263646566");
    }
}
