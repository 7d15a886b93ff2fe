//! The few DER encodings (X.690) between what tokens give and what the world reads: public keys and ECDSA signatures.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// `rsaEncryption` with its NULL parameters (RFC 3279).
const RSA_ENCRYPTION: [u8; 13] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
/// `id-ecPublicKey` (RFC 5480).
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

/// `SubjectPublicKeyInfo` of an RSA key.
pub(crate) fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    public(&RSA_ENCRYPTION, &key)
}

/// `SubjectPublicKeyInfo` of a key on the curve with these parameters.
pub(crate) fn ec_public(parameters: &[u8], point: &[u8]) -> Vec<u8> {
    public(&[EC_PUBLIC_KEY.as_slice(), parameters].concat(), point)
}

/// `Ecdsa-Sig-Value` of `r || s`; `None` for an odd or no number of bytes.
pub(crate) fn ecdsa_signature(fixed: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(fixed.len() / 2).filter(|(r, s)| r.len() == s.len() && !r.is_empty())?;
    Some(element(SEQUENCE, &[integer(r), integer(s)].concat()))
}

/// What is in an OCTET STRING that is the whole of `bytes`.
pub(crate) fn octets(bytes: &[u8]) -> Option<&[u8]> {
    let (&[OCTET_STRING, length], rest) = bytes.split_first_chunk()? else { return None };
    let (length, contents) = match length {
        0x81 => rest.split_first()?,
        _ => (&length, rest),
    };
    (contents.len() == usize::from(*length)).then_some(contents)
}

fn public(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = element(BIT_STRING, &[&[0], key].concat());
    element(SEQUENCE, &[element(SEQUENCE, algorithm), bits].concat())
}

/// An unsigned number, big-endian.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeroes = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeroes..).unwrap_or_default();
    let signed = digits.first().is_none_or(|first| first & 0x80 != 0);
    element(INTEGER, &[if signed { &[0][..] } else { &[] }, digits].concat())
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [.., high, low] = contents.len().to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..0x80) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, contents].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_what_openssl_writes() {
        let rsa = include_bytes!("../../../vectors/key-material/rsa-2048.spki");
        // Modulus and exponent stand behind fixed bytes.
        assert_eq!(rsa_public(&rsa[32..289], &[1, 0, 1]), rsa);
        let p256 = include_bytes!("../../../vectors/key-material/p-256.spki");
        assert_eq!(ec_public(&p256[13..23], &p256[26..]), p256);
        let p521 = include_bytes!("../../../vectors/key-material/p-521.spki");
        assert_eq!(ec_public(&p521[14..21], &p521[25..]), p521);
    }

    #[test]
    fn signatures_are_two_positive_numbers_without_needless_zeroes() {
        assert_eq!(ecdsa_signature(&[0x80, 0, 0, 1]).unwrap(), [0x30, 8, 2, 3, 0, 0x80, 0, 2, 1, 1]);
        assert_eq!(ecdsa_signature(&[0, 0, 0x7f, 0]).unwrap(), [0x30, 7, 2, 1, 0, 2, 2, 0x7f, 0]);
        assert_eq!(ecdsa_signature(&[1, 2, 3]), None);
        assert_eq!(ecdsa_signature(&[]), None);
    }

    #[test]
    fn octet_strings_are_read_whole_or_not_at_all() {
        let long = [&[4, 0x81, 133][..], &[7; 133]].concat();
        assert_eq!(octets(&[4, 2, 1, 2]), Some(&[1, 2][..]));
        assert_eq!(octets(&long), Some(&[7; 133][..]));
        for other in [&[][..], &[4], &[4, 2, 1], &[4, 1, 1, 2], &[5, 1, 1], &long[..100]] {
            assert_eq!(octets(other), None);
        }
    }
}
