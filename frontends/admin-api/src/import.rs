//! Material for keys that were made to have it brought.

use serde::{Deserialize, Serialize};
use strongroom_model::algorithm::ImportWrapping;

use crate::Time;

/// Asks for what is needed to bring a key's material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetImportParameters {
    /// How the material will be wrapped; see [`import_wrapping`].
    pub wrapping: String,
    /// The RSA key to wrap it to: `Rsa2048`, `Rsa3072` or `Rsa4096`.
    pub wrapping_spec: String,
}

/// What is needed to bring a key's material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportParameters {
    /// The key's internal identity.
    pub key: String,
    /// How the material is to be wrapped.
    pub wrapping: String,
    /// The kind of the public key.
    pub wrapping_spec: String,
    /// The public key to wrap it to: `SubjectPublicKeyInfo` in DER (RFC 5280) in base64.
    pub public_key: String,
    /// What brings the private half back: opaque, in base64. No secret.
    pub token: String,
    /// Until when both may be used.
    pub valid_to: Time,
}

/// Brings a key's material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportKeyMaterial {
    /// The token of the parameters that it was wrapped by, in base64.
    pub token: String,
    /// The material as it was wrapped, in base64.
    pub wrapped: String,
}

/// How material may be wrapped, by its name here: RSAES-OAEP (RFC 8017) alone, or RSA AES key wrap (`CKM_RSA_AES_KEY_WRAP` of
/// PKCS#11 3.0), each with SHA-1 or SHA-256. RSAES-PKCS1-v1_5 is not offered.
const WRAPPINGS: [(&str, ImportWrapping); 4] = [
    ("RsaAesSha256", ImportWrapping::RsaAesSha256),
    ("RsaOaepSha256", ImportWrapping::RsaOaepSha256),
    ("RsaAesSha1", ImportWrapping::RsaAesSha1),
    ("RsaOaepSha1", ImportWrapping::RsaOaepSha1),
];

/// The wrapping of this name.
///
/// # Errors
/// A sentence, where there is none.
pub fn import_wrapping(name: &str) -> Result<ImportWrapping, String> {
    let found = WRAPPINGS.iter().find(|(known, _)| *known == name).map(|(_, wrapping)| *wrapping);
    found.ok_or_else(|| format!("wrapping must be one of {}", WRAPPINGS.map(|(name, _)| name).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrapping_without_an_oracle_is_offered_by_the_name_that_the_model_has_for_it() {
        for (name, wrapping) in WRAPPINGS {
            assert_eq!((import_wrapping(name), format!("{wrapping:?}").as_str()), (Ok(wrapping), name));
        }
        let refused = import_wrapping("RsaPkcs1").unwrap_err();
        assert_eq!(refused, "wrapping must be one of RsaAesSha256, RsaOaepSha256, RsaAesSha1, RsaOaepSha1");
    }
}
