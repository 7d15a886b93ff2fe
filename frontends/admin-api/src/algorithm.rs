//! What a key is used by, and how strong that is. The words of [`Algorithm`] are those of CycloneDX 1.6 (ECMA-424) for
//! cryptographic assets.

use serde::{Deserialize, Serialize};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;

/// A cryptographic algorithm with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Algorithm {
    /// Its name, e.g. `AES-256-GCM`.
    pub name: String,
    /// `ae`, `block-cipher`, `pke`, `signature`, `mac`, `key-agree` or `kem`.
    pub primitive: String,
    /// The parameter set, e.g. `256`.
    pub parameters: String,
    /// The curve, e.g. `nist/P-256`; for algorithms on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<String>,
    /// The mode, e.g. `gcm`; for block ciphers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The padding, e.g. `oaep`; where the key fixes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<String>,
    /// What it does, e.g. `encrypt`.
    pub functions: Vec<String>,
    /// Security strength against classical computers, in bits (SP 800-57 part 1, section 5.6.1), 256 at most.
    pub classical_security_bits: u32,
    /// NIST's security category, 1 to 5, against quantum computers; 0 for none.
    pub nist_quantum_security_level: u8,
}

/// Bits of a key as its standard counts them: of the secret, the modulus, the curve's field, or the private key as it is
/// encoded.
#[must_use]
pub const fn key_bits(spec: KeySpec) -> u32 {
    match spec {
        KeySpec::Aes256 | KeySpec::Hmac256 | KeySpec::EcP256 | KeySpec::EcSecp256k1 | KeySpec::Ed25519 => 256,
        KeySpec::Hmac224 => 224,
        KeySpec::Hmac384 | KeySpec::EcP384 => 384,
        KeySpec::Hmac512 => 512,
        KeySpec::EcP521 => 521,
        KeySpec::Rsa2048 => 2048,
        KeySpec::Rsa3072 => 3072,
        KeySpec::Rsa4096 => 4096,
        // FIPS 204, table 2, and FIPS 203, table 3.
        KeySpec::MlDsa44 => 8 * 2560,
        KeySpec::MlDsa65 => 8 * 4032,
        KeySpec::MlDsa87 => 8 * 4896,
        KeySpec::MlKem512 => 8 * 1632,
        KeySpec::MlKem768 => 8 * 2400,
        KeySpec::MlKem1024 => 8 * 3168,
    }
}

/// Security strength in bits (SP 800-57 part 1, tables 2 and 3) and NIST's security category. Between the table's rows
/// the lower one holds: RSA of 4096 bits counts as 128. A secret of 256 bits is what category 5 is measured by, one of 192
/// what category 3 is.
const fn strength(spec: KeySpec) -> (u32, u8) {
    match spec {
        KeySpec::Aes256 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512 => (256, 5),
        KeySpec::Hmac224 => (224, 3),
        KeySpec::Rsa2048 => (112, 0),
        KeySpec::Rsa3072 | KeySpec::Rsa4096 => (128, 0),
        KeySpec::EcP256 | KeySpec::EcSecp256k1 | KeySpec::Ed25519 => (128, 0),
        KeySpec::EcP384 => (192, 0),
        KeySpec::EcP521 => (256, 0),
        KeySpec::MlDsa44 => (128, 2),
        KeySpec::MlDsa65 | KeySpec::MlKem768 => (192, 3),
        KeySpec::MlDsa87 | KeySpec::MlKem1024 => (256, 5),
        KeySpec::MlKem512 => (128, 1),
    }
}

/// Parameter set as algorithms' names have it, and the curve as the Standard Curve Database names it.
const fn parameters(spec: KeySpec) -> (&'static str, Option<&'static str>) {
    match spec {
        KeySpec::Aes256 => ("256", None),
        KeySpec::Hmac224 => ("SHA-224", None),
        KeySpec::Hmac256 => ("SHA-256", None),
        KeySpec::Hmac384 => ("SHA-384", None),
        KeySpec::Hmac512 => ("SHA-512", None),
        KeySpec::Rsa2048 => ("2048", None),
        KeySpec::Rsa3072 => ("3072", None),
        KeySpec::Rsa4096 => ("4096", None),
        KeySpec::EcP256 => ("P-256", Some("nist/P-256")),
        KeySpec::EcP384 => ("P-384", Some("nist/P-384")),
        KeySpec::EcP521 => ("P-521", Some("nist/P-521")),
        KeySpec::EcSecp256k1 => ("secp256k1", Some("secg/secp256k1")),
        KeySpec::Ed25519 => ("Ed25519", Some("other/Ed25519")),
        KeySpec::MlDsa44 => ("44", None),
        KeySpec::MlDsa65 => ("65", None),
        KeySpec::MlDsa87 => ("87", None),
        KeySpec::MlKem512 => ("512", None),
        KeySpec::MlKem768 => ("768", None),
        KeySpec::MlKem1024 => ("1024", None),
    }
}

/// What a key of `spec` is used by for `usage`.
#[must_use]
pub fn algorithm(spec: KeySpec, usage: Usage) -> Algorithm {
    let (set, curve) = parameters(spec);
    let (name, primitive, mode, padding, functions): (_, _, _, _, &[&str]) = match usage {
        Usage::DerivedAead | Usage::RawGcm => {
            (format!("AES-{set}-GCM"), "ae", Some("gcm"), None, &["encrypt", "decrypt"])
        }
        Usage::RawCbc => (format!("AES-{set}-CBC"), "block-cipher", Some("cbc"), None, &["encrypt", "decrypt"]),
        Usage::KeyWrap => (format!("AES-{set}-KW"), "block-cipher", Some("other"), None, &["encrypt", "decrypt"]),
        Usage::RsaOaep => (format!("RSAES-OAEP-{set}"), "pke", None, Some("oaep"), &["encrypt", "decrypt"]),
        Usage::RsaPkcs1 => (format!("RSAES-PKCS1-{set}"), "pke", None, Some("pkcs1v15"), &["encrypt", "decrypt"]),
        Usage::Sign => (signature(spec, set), "signature", None, None, &["sign", "verify"]),
        Usage::Mac => (format!("HMAC-{set}"), "mac", None, None, &["tag", "verify"]),
        Usage::KeyAccess if spec.is_rsa() => return algorithm(spec, Usage::RsaOaep),
        Usage::KeyAgreement | Usage::KeyAccess => (format!("ECDH-{set}"), "key-agree", None, None, &["keyderive"]),
        Usage::Kem => (format!("ML-KEM-{set}"), "kem", None, None, &["encapsulate", "decapsulate"]),
    };
    let (classical_security_bits, nist_quantum_security_level) = strength(spec);
    Algorithm {
        name,
        primitive: primitive.to_owned(),
        parameters: set.to_owned(),
        curve: curve.map(str::to_owned),
        mode: mode.map(str::to_owned),
        padding: padding.map(str::to_owned),
        functions: functions.iter().map(|function| (*function).to_owned()).collect(),
        classical_security_bits,
        nist_quantum_security_level,
    }
}

fn signature(spec: KeySpec, set: &str) -> String {
    match spec {
        KeySpec::Ed25519 => set.to_owned(),
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => format!("ML-DSA-{set}"),
        _ if spec.is_rsa() => format!("RSASSA-{set}"),
        _ => format!("ECDSA-{set}"),
    }
}

#[cfg(test)]
mod tests {
    use strongroom_model::usage::UsageProfile;

    use super::*;

    #[test]
    fn every_kind_of_key_has_its_algorithms_sizes_and_strengths_as_published() {
        let mut lines = Vec::new();
        for spec in KeySpec::ALL {
            for usage in Usage::ALL.iter().filter(|usage| UsageProfile::new(&[**usage], *spec).is_ok()) {
                let Algorithm { name, primitive, curve, classical_security_bits, nist_quantum_security_level, .. } =
                    algorithm(*spec, *usage);
                let (bits, curve) = (key_bits(*spec), curve.unwrap_or_default());
                let strength = format!("{classical_security_bits} {nist_quantum_security_level}");
                lines.push(
                    format!("{spec:?} {usage:?}: {name} {primitive} {bits} {strength} {curve}").trim().to_owned(),
                );
            }
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_shor_s_algorithm_breaks_has_no_quantum_security() {
        for spec in KeySpec::ALL {
            let broken = spec.is_rsa() || parameters(*spec).1.is_some();
            assert_eq!(strength(*spec).1 == 0, broken, "{spec:?}");
        }
    }
}
