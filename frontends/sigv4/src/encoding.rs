//! Hexadecimal digits and percent-encoding.

use crate::scratch::Scratch;

/// 32 bytes as 64 lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [hex_digit(byte >> 4, b'a'), hex_digit(byte & 15, b'a')];
    }
    text
}

/// 64 lower-case hexadecimal digits as 32 bytes; `None` for anything else.
pub(crate) fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.try_into().ok()?;
    let mut bytes = [0; 32];
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        let (high, low) = (lower_case_value(*high), lower_case_value(*low));
        seen |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (seen < 16).then_some(bytes)
}

fn hex_digit(value: u8, ten: u8) -> u8 {
    if value < 10 { b'0' + value } else { ten + (value - 10) }
}

/// The value of a lower-case digit; 16 for what is none. Without a branch, since the digits are not predictable.
fn lower_case_value(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    let letter = if letter < 6 { letter + 10 } else { 16 };
    if number < 10 { number } else { letter }
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
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Percent-encodes what `keep` does not keep, with upper-case digits.
pub(crate) fn push_encoded<const N: usize>(out: &mut Scratch<N>, mut bytes: &[u8], keep: impl Fn(u8) -> bool) {
    while let Some(stop) = bytes.iter().position(|byte| !keep(*byte)) {
        let (kept, rest) = bytes.split_at(stop);
        out.push(kept);
        let Some((byte, rest)) = rest.split_first() else { return };
        out.push(&[b'%', hex_digit(byte >> 4, b'A'), hex_digit(byte & 15, b'A')]);
        bytes = rest;
    }
    out.push(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_lower_case_digits_are_a_signature() {
        let bytes = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex(&hex(&bytes).to_ascii_uppercase()), None);
        assert_eq!(unhex(b"00"), None);
        for wrong in [b'g', b'/', b':', b'`', b'A', b' ', 0, 255] {
            let mut text = hex(&bytes);
            text[63] = wrong;
            assert_eq!(unhex(&text), None, "{wrong}");
        }
    }
}
