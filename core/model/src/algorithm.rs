//! The algorithms that key material is used with, and the one table that says which fits which kind of material.
//!
//! The numbers stand in audit records and in the usage ledger. Absent on purpose: any front end's names for them.

use crate::spec::{KeySpec, coded};

coded! {
    /// How a digital signature is made.
    SigningAlgorithm {
        /// RSASSA-PSS (RFC 8017, section 8.1) with SHA-256, MGF1 with the same hash, a salt as long as the digest.
        RsaPssSha256 = 1,
        /// RSASSA-PSS with SHA-384.
        RsaPssSha384 = 2,
        /// RSASSA-PSS with SHA-512.
        RsaPssSha512 = 3,
        /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2) with SHA-256.
        RsaPkcs1Sha256 = 4,
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        RsaPkcs1Sha384 = 5,
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        RsaPkcs1Sha512 = 6,
        /// ECDSA (FIPS 186-5, section 6) with SHA-256, on P-256 or secp256k1; signatures are DER.
        EcdsaSha256 = 16,
        /// ECDSA with SHA-384, on P-384.
        EcdsaSha384 = 17,
        /// ECDSA with SHA-512, on P-521.
        EcdsaSha512 = 18,
        /// Ed25519 (RFC 8032, section 5.1; FIPS 186-5, section 7.6).
        Ed25519 = 32,
        /// Ed25519ph: the message's SHA-512 is what is signed, with an empty context (RFC 8032, section 5.1).
        Ed25519Ph = 33,
        /// ML-DSA (FIPS 204), hedged, with an empty context; the parameter set is the key's.
        MlDsa = 48,
    }
}

coded! {
    /// How something is encrypted.
    EncryptionAlgorithm {
        /// AES-256-GCM with commitment under a key derived afresh for each ciphertext (docs/formats/ciphertext.md).
        DerivedAes256Gcm = 1,
        /// RSAES-OAEP (RFC 8017, section 7.1) with SHA-1, MGF1 with the same hash, an empty label.
        RsaOaepSha1 = 16,
        /// RSAES-OAEP with SHA-256.
        RsaOaepSha256 = 17,
    }
}

coded! {
    /// How a message authentication code is computed: HMAC (FIPS 198-1), not truncated.
    MacAlgorithm {
        /// HMAC with SHA-224.
        HmacSha224 = 1,
        /// HMAC with SHA-256.
        HmacSha256 = 2,
        /// HMAC with SHA-384.
        HmacSha384 = 3,
        /// HMAC with SHA-512.
        HmacSha512 = 4,
    }
}

coded! {
    /// What is handed in to be signed or verified.
    MessageKind {
        /// The message; it is hashed here.
        Raw = 1,
        /// The message's digest under the algorithm's hash.
        Digest = 2,
        /// The message representative of ML-DSA, computed elsewhere from the public key, context and message (FIPS 204,
        /// algorithm 7, line 6; "external mu" in RFC 9881).
        ExternalMu = 3,
    }
}

coded! {
    /// How two parties agree on a secret.
    AgreementAlgorithm {
        /// ECC CDH: cofactor Diffie-Hellman (SP 800-56A revision 3, section 5.7.1.2). The secret is the shared point's x
        /// coordinate, as long as the field, without any derivation.
        Ecdh = 1,
    }
}

coded! {
    /// How a secret is encapsulated.
    KemAlgorithm {
        /// ML-KEM (FIPS 203); the parameter set is the key's.
        MlKem = 1,
    }
}

coded! {
    /// How key material is wrapped, to an RSA key made for the purpose, by who brings it.
    ImportWrapping {
        /// RSAES-PKCS1-v1_5 (RFC 8017, section 7.2), which has an inherent oracle.
        RsaPkcs1 = 1,
        /// RSAES-OAEP (RFC 8017, section 7.1) with SHA-1, MGF1 with the same hash, an empty label.
        RsaOaepSha1 = 2,
        /// RSAES-OAEP with SHA-256.
        RsaOaepSha256 = 3,
        /// RSA AES key wrap (PKCS#11 3.0, CKM_RSA_AES_KEY_WRAP): a passing AES-256 key under RSAES-OAEP with SHA-1, then
        /// the material under that key by AES key wrap with padding (RFC 5649).
        RsaAesSha1 = 4,
        /// RSA AES key wrap, the passing key under RSAES-OAEP with SHA-256.
        RsaAesSha256 = 5,
    }
}

coded! {
    /// How a key is wrapped by AES-256 (SP 800-38F).
    KeyWrapAlgorithm {
        /// AES key wrap (RFC 3394): keys of 16 bytes or more, a multiple of 8.
        Aes256Kw = 1,
        /// AES key wrap with padding (RFC 5649): keys of any length but none.
        Aes256Kwp = 2,
    }
}

impl KeyWrapAlgorithm {
    /// Whether it wraps a key of so many bytes.
    #[must_use]
    pub const fn takes(self, bytes: usize) -> bool {
        match self {
            Self::Aes256Kw => bytes >= 16 && bytes.is_multiple_of(8),
            Self::Aes256Kwp => bytes > 0,
        }
    }
}

/// How many bytes a message of some [`MessageKind`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageLength {
    /// Any number.
    Any,
    /// This many.
    Exactly(usize),
}

impl SigningAlgorithm {
    /// Whether material of `spec` can be used with this algorithm.
    #[must_use]
    pub const fn fits(self, spec: KeySpec) -> bool {
        match self {
            Self::RsaPssSha256 | Self::RsaPssSha384 | Self::RsaPssSha512 => spec.is_rsa(),
            Self::RsaPkcs1Sha256 | Self::RsaPkcs1Sha384 | Self::RsaPkcs1Sha512 => spec.is_rsa(),
            Self::EcdsaSha256 => matches!(spec, KeySpec::EcP256 | KeySpec::EcSecp256k1),
            Self::EcdsaSha384 => matches!(spec, KeySpec::EcP384),
            Self::EcdsaSha512 => matches!(spec, KeySpec::EcP521),
            Self::Ed25519 | Self::Ed25519Ph => matches!(spec, KeySpec::Ed25519),
            Self::MlDsa => spec.is_ml_dsa(),
        }
    }

    /// The one table of what each algorithm takes: how long a message of `kind` is, `None` where the algorithm has no
    /// such kind. Ed25519 reads its message twice, so it has no digest; ML-DSA's digest is the representative.
    #[must_use]
    pub const fn message_length(self, kind: MessageKind) -> Option<MessageLength> {
        match (kind, self.digest_bytes(), self) {
            (MessageKind::Raw, _, _) => Some(MessageLength::Any),
            (MessageKind::Digest, Some(bytes), _) => Some(MessageLength::Exactly(bytes)),
            (MessageKind::ExternalMu, _, Self::MlDsa) => Some(MessageLength::Exactly(64)),
            (MessageKind::Digest, None, _) | (MessageKind::ExternalMu, _, _) => None,
        }
    }

    /// Bytes of the digest that is signed; `None` for algorithms that sign the message itself.
    #[must_use]
    pub const fn digest_bytes(self) -> Option<usize> {
        match self {
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 | Self::EcdsaSha256 => Some(32),
            Self::RsaPssSha384 | Self::RsaPkcs1Sha384 | Self::EcdsaSha384 => Some(48),
            Self::RsaPssSha512 | Self::RsaPkcs1Sha512 | Self::EcdsaSha512 | Self::Ed25519Ph => Some(64),
            Self::Ed25519 | Self::MlDsa => None,
        }
    }
}

impl AgreementAlgorithm {
    /// Whether material of `spec` can be used with this algorithm.
    #[must_use]
    pub const fn fits(self, spec: KeySpec) -> bool {
        self.secret_bytes(spec).is_some()
    }

    /// Bytes of the shared secret; `None` where the material does not fit.
    #[must_use]
    pub const fn secret_bytes(self, spec: KeySpec) -> Option<usize> {
        match (self, spec) {
            (Self::Ecdh, KeySpec::EcP256) => Some(32),
            (Self::Ecdh, KeySpec::EcP384) => Some(48),
            (Self::Ecdh, KeySpec::EcP521) => Some(66),
            _ => None,
        }
    }
}

impl KemAlgorithm {
    /// Bytes of the encapsulated secret.
    pub const SECRET_BYTES: usize = 32;

    /// Whether material of `spec` can be used with this algorithm.
    #[must_use]
    pub const fn fits(self, spec: KeySpec) -> bool {
        self.ciphertext_bytes(spec).is_some()
    }

    /// Bytes of the ciphertext (FIPS 203, table 3); `None` where the material does not fit.
    #[must_use]
    pub const fn ciphertext_bytes(self, spec: KeySpec) -> Option<usize> {
        match (self, spec) {
            (Self::MlKem, KeySpec::MlKem512) => Some(768),
            (Self::MlKem, KeySpec::MlKem768) => Some(1088),
            (Self::MlKem, KeySpec::MlKem1024) => Some(1568),
            _ => None,
        }
    }
}

impl EncryptionAlgorithm {
    /// Whether material of `spec` can be used with this algorithm.
    #[must_use]
    pub const fn fits(self, spec: KeySpec) -> bool {
        match self {
            Self::DerivedAes256Gcm => matches!(spec, KeySpec::Aes256),
            Self::RsaOaepSha1 | Self::RsaOaepSha256 => spec.is_rsa(),
        }
    }
}

impl MacAlgorithm {
    /// Whether material of `spec` can be used with this algorithm.
    #[must_use]
    pub const fn fits(self, spec: KeySpec) -> bool {
        matches!(
            (self, spec),
            (Self::HmacSha224, KeySpec::Hmac224)
                | (Self::HmacSha256, KeySpec::Hmac256)
                | (Self::HmacSha384, KeySpec::Hmac384)
                | (Self::HmacSha512, KeySpec::Hmac512)
        )
    }

    /// Bytes of the code.
    #[must_use]
    pub const fn mac_bytes(self) -> usize {
        match self {
            Self::HmacSha224 => 28,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_material_has_the_algorithms_of_its_family() {
        for spec in KeySpec::ALL {
            let families = [
                SigningAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
                EncryptionAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
                MacAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
                AgreementAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
                KemAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
            ];
            let agrees = matches!(spec, KeySpec::EcP256 | KeySpec::EcP384 | KeySpec::EcP521);
            let expected = if spec.is_rsa() || agrees { 2 } else { 1 };
            assert_eq!(families.iter().filter(|fits| **fits).count(), expected, "{spec:?}");
        }
    }

    #[test]
    fn only_ml_dsa_takes_a_representative_and_only_algorithms_that_hash_once_take_a_digest() {
        use MessageLength::Exactly;
        let table = |kind| SigningAlgorithm::ALL.iter().filter_map(move |algorithm| algorithm.message_length(kind));
        assert_eq!(table(MessageKind::Raw).count(), SigningAlgorithm::ALL.len());
        assert_eq!(table(MessageKind::ExternalMu).collect::<Vec<_>>(), [Exactly(64)]);
        assert_eq!(SigningAlgorithm::Ed25519Ph.message_length(MessageKind::Digest), Some(Exactly(64)));
        assert_eq!(SigningAlgorithm::Ed25519.message_length(MessageKind::Digest), None);
        assert_eq!(SigningAlgorithm::MlDsa.message_length(MessageKind::Digest), None);
    }
}
