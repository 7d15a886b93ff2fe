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
    }
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
        }
    }

    /// Bytes of the digest that is signed.
    #[must_use]
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 | Self::EcdsaSha256 => 32,
            Self::RsaPssSha384 | Self::RsaPkcs1Sha384 | Self::EcdsaSha384 => 48,
            Self::RsaPssSha512 | Self::RsaPkcs1Sha512 | Self::EcdsaSha512 => 64,
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
    fn every_kind_of_material_has_an_algorithm_and_only_of_one_family() {
        for spec in KeySpec::ALL {
            let families = [
                SigningAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
                EncryptionAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
                MacAlgorithm::ALL.iter().any(|algorithm| algorithm.fits(*spec)),
            ];
            let expected = if spec.is_rsa() { 2 } else { 1 };
            assert_eq!(families.iter().filter(|fits| **fits).count(), expected, "{spec:?}");
        }
    }
}
