//! The command that makes a key for AWS KMS, in AWS's words.
//!
//! The admin API has words of its own for what keys are; here stands which of AWS's mean which. Absent on purpose: SM2, which
//! the server does not have, and multi-Region and imported keys, which AWS's clients make.

use strongroom_admin_api::{CreateKey, Endpoint, Key, Tag, spec as spec_named, usages as usages_named};

use crate::arguments::{CreateKeyOptions, TenantOf};
use crate::client::Client;
use crate::error::CliError;
use crate::policies;

/// The kind of an alias, whose front end owns the key.
const ALIAS: &str = "aws-kms-alias";

/// AWS's specs, and what the admin API calls them.
const SPECS: &[(&str, &str)] = &[
    ("SYMMETRIC_DEFAULT", "Aes256"),
    ("RSA_2048", "Rsa2048"),
    ("RSA_3072", "Rsa3072"),
    ("RSA_4096", "Rsa4096"),
    ("ECC_NIST_P256", "EcP256"),
    ("ECC_NIST_P384", "EcP384"),
    ("ECC_NIST_P521", "EcP521"),
    ("ECC_SECG_P256K1", "EcSecp256k1"),
    ("ECC_NIST_EDWARDS25519", "Ed25519"),
    ("HMAC_224", "Hmac224"),
    ("HMAC_256", "Hmac256"),
    ("HMAC_384", "Hmac384"),
    ("HMAC_512", "Hmac512"),
    ("ML_DSA_44", "MlDsa44"),
    ("ML_DSA_65", "MlDsa65"),
    ("ML_DSA_87", "MlDsa87"),
    ("ML_KEM_512", "MlKem512"),
    ("ML_KEM_768", "MlKem768"),
    ("ML_KEM_1024", "MlKem1024"),
];

/// AWS's usages, and what the admin API calls them; one of them depends on the spec.
const USAGES: &[(&str, &[&str])] = &[
    ("ENCRYPT_DECRYPT", &["DerivedAead", "RsaOaep"]),
    ("SIGN_VERIFY", &["Sign"]),
    ("GENERATE_VERIFY_MAC", &["Mac"]),
    ("KEY_AGREEMENT", &["KeyAgreement"]),
    ("ENCAPSULATE_DECAPSULATE", &["Kem"]),
];

pub(crate) fn spec_words() -> Vec<&'static str> {
    SPECS.iter().map(|(word, _)| *word).collect()
}

pub(crate) fn usage_words() -> Vec<&'static str> {
    USAGES.iter().map(|(word, _)| *word).collect()
}

pub(crate) fn create(client: &Client<'_>, options: CreateKeyOptions) -> Result<Key, CliError> {
    let CreateKeyOptions {
        of: TenantOf { tenant },
        key_store,
        spec,
        usage,
        alias,
        description,
        tag: tags,
        policy,
        region,
    } = options;
    let (spec, usage) = meant(&spec, usage.as_deref())?;
    let tag = |text: &String| {
        let (name, value) =
            text.split_once('=').ok_or_else(|| CliError::Usage(format!("{text:?} is no NAME=VALUE")))?;
        Ok(Tag { name: name.to_owned(), value: value.to_owned() })
    };
    let make = CreateKey {
        region,
        kind: ALIAS.to_owned(),
        names: alias,
        spec: spec.to_owned(),
        usages: vec![usage.to_owned()],
        description,
        policy: policy.as_deref().map(policies::read).transpose()?,
        tags: tags.iter().map(tag).collect::<Result<_, CliError>>()?,
        rotation_period_days: None,
        bypass_lockout: false,
        key_store,
    };
    client.tell(Endpoint::CreateKey, &[&tenant], &make)
}

/// The admin API's words for a spec and a usage.
fn meant(spec: &str, usage: Option<&str>) -> Result<(&'static str, &'static str), CliError> {
    let strange = || CliError::Usage(format!("{spec:?} is no key spec"));
    let (_, named) = SPECS.iter().find(|(word, _)| *word == spec).ok_or_else(strange)?;
    let fits =
        |meant: &&&'static str| spec_named(named).is_ok_and(|spec| usages_named(&[(**meant).to_owned()], spec).is_ok());
    let fitting: Vec<_> = USAGES.iter().filter_map(|(word, all)| Some((*word, *all.iter().find(fits)?))).collect();
    let asked = fitting.iter().find(|(word, _)| Some(*word) == usage);
    match (asked, usage, fitting.as_slice()) {
        (Some((_, meant)), ..) | (None, None, [(_, meant)]) => Ok((named, meant)),
        _ => Err(CliError::UnfitUsage {
            asked: usage.map(str::to_owned),
            spec: spec.to_owned(),
            fitting: fitting.iter().map(|(word, _)| *word).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spec_has_a_meaning_and_a_usage() {
        for (word, named) in SPECS {
            assert!(spec_named(named).is_ok(), "{word}");
            let refused = meant(word, Some("NONSENSE")).err();
            assert!(matches!(refused, Some(CliError::UnfitUsage { fitting, .. }) if !fitting.is_empty()), "{word}");
        }
    }

    #[test]
    fn a_usage_is_asked_for_where_there_are_several_and_must_fit() {
        assert_eq!(meant("SYMMETRIC_DEFAULT", None).unwrap(), ("Aes256", "DerivedAead"));
        assert_eq!(meant("RSA_3072", Some("ENCRYPT_DECRYPT")).unwrap(), ("Rsa3072", "RsaOaep"));
        assert_eq!(meant("ECC_NIST_P256", Some("SIGN_VERIFY")).unwrap(), ("EcP256", "Sign"));
        assert_eq!(meant("ML_KEM_768", None).unwrap(), ("MlKem768", "Kem"));
        let told = |spec, usage| meant(spec, usage).unwrap_err().to_string();
        assert_eq!(told("SYMMETRIC_DEFAULT", Some("SIGN_VERIFY")), "SYMMETRIC_DEFAULT keys are not for SIGN_VERIFY");
        assert_eq!(told("ECC_SECG_P256K1", Some("KEY_AGREEMENT")), "ECC_SECG_P256K1 keys are not for KEY_AGREEMENT");
        assert_eq!(told("RSA_2048", None), "RSA_2048 keys may be for several things");
    }
}
