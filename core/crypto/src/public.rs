//! Public keys: what anybody may do without the private half.

use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING,
    ED25519, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use strongroom_model::spec::KeySpec;

use crate::error::CryptoError;
use crate::lower::LatticeKey;

/// Bytes of the `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410, section 4), of which the last 32 are the key.
const EDWARDS_DER_BYTES: usize = 44;

/// The public half of a key pair, parsed.
pub struct PublicKey {
    spec: KeySpec,
    der: Vec<u8>,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    Rsa(OaepPublicEncryptingKey),
    Elliptic(ParsedPublicKey),
    /// As the module wants it, and the 32 bytes of the key (RFC 8032, section 5.1.2).
    Edwards(ParsedPublicKey, [u8; 32]),
    Lattice(LatticeKey),
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in DER (RFC 5280; RFC 8410, 9881 and 9935 for Ed25519, ML-DSA and ML-KEM), checking
    /// that it is a key of `spec`: algorithm, modulus size, curve and that the point lies on it, parameter set.
    ///
    /// # Errors
    /// [`CryptoError::MaterialRejected`]; [`CryptoError::NoPublicKey`] for symmetric specs.
    pub fn parse(spec: KeySpec, der: &[u8]) -> Result<Self, CryptoError> {
        let rejected = CryptoError::MaterialRejected(spec);
        if spec.is_symmetric() {
            return Err(CryptoError::NoPublicKey(spec));
        }
        let info = sequence(der).ok_or(rejected)?;
        let form = match (modulus_bits(spec), ecdsa_verification(spec)) {
            (Some(bits), _) => {
                let key = PublicEncryptingKey::from_der(der).map_err(|_| rejected)?;
                let key = OaepPublicEncryptingKey::new(key).map_err(|_| rejected)?;
                if key.key_size_bits() != bits {
                    return Err(rejected);
                }
                Form::Rsa(key)
            }
            // The module would take a curve spelled out in numbers too, which RFC 5480 forbids.
            (None, Some(algorithm)) if info.starts_with(named_curve(spec)) => {
                Form::Elliptic(ParsedPublicKey::new(algorithm, der).map_err(|_| rejected)?)
            }
            (None, Some(_)) => return Err(rejected),
            (None, None) if spec == KeySpec::Ed25519 => match der.last_chunk() {
                Some(raw) if der.len() == EDWARDS_DER_BYTES => {
                    Form::Edwards(ParsedPublicKey::new(&ED25519, der).map_err(|_| rejected)?, *raw)
                }
                _ => return Err(rejected),
            },
            (None, None) => Form::Lattice(LatticeKey::parse_public(spec, der).map_err(|_| rejected)?),
        };
        Ok(Self { spec, der: der.to_vec(), form })
    }

    /// Kind and size.
    #[must_use]
    pub const fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The `SubjectPublicKeyInfo` in DER (RFC 5280).
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// The content of what is one SEQUENCE to its last byte (X.690, section 8.1). The module would take a bare point for a key
/// too, and ignore what stands behind one.
pub(crate) fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (length, content) = match der {
        [0x30, length @ 0..=0x7f, content @ ..] => (usize::from(*length), content),
        [0x30, 0x81, length, content @ ..] => (usize::from(*length), content),
        [0x30, 0x82, high, low, content @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), content),
        _ => return None,
    };
    Some(content).filter(|content| content.len() == length)
}

/// The `AlgorithmIdentifier` of a named curve in DER (RFC 5480, section 2.1.1).
const fn named_curve(spec: KeySpec) -> &'static [u8] {
    match spec {
        KeySpec::EcP256 => b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        KeySpec::EcP384 => b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22",
        KeySpec::EcP521 => b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23",
        _ => b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a",
    }
}

const fn modulus_bits(spec: KeySpec) -> Option<usize> {
    match spec {
        KeySpec::Rsa2048 => Some(2048),
        KeySpec::Rsa3072 => Some(3072),
        KeySpec::Rsa4096 => Some(4096),
        _ => None,
    }
}

/// ECDSA with the hash that matches the curve; signatures are DER.
const fn ecdsa_verification(spec: KeySpec) -> Option<&'static EcdsaVerificationAlgorithm> {
    match spec {
        KeySpec::EcP256 => Some(&ECDSA_P256_SHA256_ASN1),
        KeySpec::EcP384 => Some(&ECDSA_P384_SHA384_ASN1),
        KeySpec::EcP521 => Some(&ECDSA_P521_SHA512_ASN1),
        KeySpec::EcSecp256k1 => Some(&ECDSA_P256K1_SHA256_ASN1),
        _ => None,
    }
}

/// As [`ecdsa_verification`], for signing.
pub(crate) const fn ecdsa_signing(spec: KeySpec) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        KeySpec::EcP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeySpec::EcP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeySpec::EcP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeySpec::EcSecp256k1 => Some(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => None,
    }
}
