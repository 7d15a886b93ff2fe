//! The command that makes a key for AWS KMS, in AWS's words.
//!
//! The admin API has words of its own for what keys are; here stands which of AWS's mean which. Absent on purpose: SM2, which
//! the server does not have, and multi-Region and imported keys, which AWS's clients make.

use strongroom_admin_api::{CreateKey, DryRun, Endpoint, Key, Tag, spec as spec_named, usages as usages_named};

use crate::arguments::{CreateKeyOptions, KeyOf, TenantOf};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;
use crate::policies;
use crate::reference::id_of;

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

/// AWS's usages that no key inside a key store is made for.
const NOT_IN_STORES: &[&str] = &["GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"];

pub(crate) fn spec_words() -> Vec<&'static str> {
    SPECS.iter().map(|(word, _)| *word).collect()
}

pub(crate) fn usage_words() -> Vec<&'static str> {
    USAGES.iter().map(|(word, _)| *word).collect()
}

/// Makes a key, or says that it could be.
pub(crate) fn create(
    client: &Client<'_>,
    output: &mut Output<'_>,
    options: CreateKeyOptions,
) -> Result<Option<Key>, CliError> {
    let CreateKeyOptions {
        of: TenantOf { tenant },
        key_store,
        spec,
        usage,
        alias,
        description,
        tag: tags,
        policy,
        bypass_lockout,
        region,
        dry_run,
    } = options;
    let (spec, usage) = meant(&spec, usage.as_deref(), key_store.is_some())?;
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
        bypass_lockout,
        key_store,
    };
    let asked = match dry_run {
        true => client.rehearse(Endpoint::CreateKey, &[&tenant], &make, DryRun::Whole).map(|()| None),
        false => client.tell(Endpoint::CreateKey, &[&tenant], &make).map(Some),
    };
    let made = asked.map_err(|error| explained(client, &tenant, &make, error))?;
    if made.is_none() {
        let told = match &make.key_store {
            Some(store) => format!("nothing was made; the key would be, if the hardware of {store} can have it"),
            None => "nothing was made; the key would be".to_owned(),
        };
        output.done(&told)?;
    }
    Ok(made)
}

/// What went wrong, as far as it may be that the key was made all the same: now, or by the same command before.
fn explained(client: &Client<'_>, tenant: &str, make: &CreateKey, error: CliError) -> CliError {
    match error {
        // A dry run changes nothing, so that no key comes of one.
        CliError::Unanswered { place, cause, changing: true } => {
            CliError::PerhapsMade { place, cause, tenant: tenant.to_owned(), alias: make.names.first().cloned() }
        }
        CliError::Refused { status, code, message, remedy, last_use, request_id } if code == "AlreadyExists" => {
            let leads = |alias: &String| {
                let region = make.region.clone();
                let of = KeyOf { key: alias.clone(), tenant: Some(tenant.to_owned()), region };
                let Key { id, created, .. } = client.ask(Endpoint::GetKey, &[&id_of(client, &of).ok()?]).ok()?;
                let message = format!("{alias} leads to the key {id} already, made at {created}; no other was made");
                let seen = "if it is what the same command made before, all is done";
                let remedy = format!("see what it is: strongroom key show {id}; {seen}; else take another alias");
                Some((message, Some(remedy)))
            };
            let (message, remedy) = make.names.iter().find_map(leads).unwrap_or((message, remedy));
            CliError::Refused { status, code, message, remedy, last_use, request_id }
        }
        other => other,
    }
}

/// The admin API's words for a spec and a usage. What a key store has keys for is for its hardware to say; that none has them
/// for some usages is known, and those are not offered.
fn meant(spec: &str, usage: Option<&str>, in_store: bool) -> Result<(&'static str, &'static str), CliError> {
    let strange = || CliError::Usage(format!("{spec:?} is no key spec"));
    let (_, named) = SPECS.iter().find(|(word, _)| *word == spec).ok_or_else(strange)?;
    let fits =
        |meant: &&&'static str| spec_named(named).is_ok_and(|spec| usages_named(&[(**meant).to_owned()], spec).is_ok());
    let fitting: Vec<_> = USAGES.iter().filter_map(|(word, all)| Some((*word, *all.iter().find(fits)?))).collect();
    let asked = fitting.iter().find(|(word, _)| Some(*word) == usage);
    let mut offered = fitting.clone();
    offered.retain(|(word, _)| !in_store || !NOT_IN_STORES.contains(word));
    // A spec that no key store has is for the server to refuse, which names what is missing.
    let offered = if offered.is_empty() { fitting.clone() } else { offered };
    match (asked, usage, offered.as_slice()) {
        (Some((_, meant)), ..) | (None, None, [(_, meant)]) => Ok((named, meant)),
        _ => Err(CliError::UnfitUsage {
            asked: usage.map(str::to_owned),
            spec: spec.to_owned(),
            fitting: offered.iter().map(|(word, _)| *word).collect(),
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
            let refused = meant(word, Some("NONSENSE"), false).err();
            assert!(matches!(refused, Some(CliError::UnfitUsage { fitting, .. }) if !fitting.is_empty()), "{word}");
        }
    }

    #[test]
    fn a_usage_is_asked_for_where_there_are_several_and_must_fit() {
        assert_eq!(meant("SYMMETRIC_DEFAULT", None, false).unwrap(), ("Aes256", "DerivedAead"));
        assert_eq!(meant("RSA_3072", Some("ENCRYPT_DECRYPT"), false).unwrap(), ("Rsa3072", "RsaOaep"));
        assert_eq!(meant("ECC_NIST_P256", Some("SIGN_VERIFY"), false).unwrap(), ("EcP256", "Sign"));
        assert_eq!(meant("ML_KEM_768", None, false).unwrap(), ("MlKem768", "Kem"));
        let told = |spec, usage| meant(spec, usage, false).unwrap_err().to_string();
        assert_eq!(told("SYMMETRIC_DEFAULT", Some("SIGN_VERIFY")), "SYMMETRIC_DEFAULT keys are not for SIGN_VERIFY");
        assert_eq!(told("ECC_SECG_P256K1", Some("KEY_AGREEMENT")), "ECC_SECG_P256K1 keys are not for KEY_AGREEMENT");
        assert_eq!(told("RSA_2048", None), "RSA_2048 keys may be for several things");
    }

    #[test]
    fn what_no_key_store_has_keys_for_is_not_offered_for_one() {
        assert_eq!(meant("ECC_NIST_P256", None, true).unwrap(), ("EcP256", "Sign"));
        let refused = meant("RSA_2048", None, true).err();
        assert!(
            matches!(&refused, Some(CliError::UnfitUsage { fitting, .. }) if *fitting == ["ENCRYPT_DECRYPT", "SIGN_VERIFY"]),
            "{refused:?}"
        );
        // What is asked for all the same is for the server to refuse.
        assert_eq!(meant("HMAC_256", None, true).unwrap(), ("Hmac256", "Mac"));
        assert_eq!(meant("ECC_NIST_P256", Some("KEY_AGREEMENT"), true).unwrap(), ("EcP256", "KeyAgreement"));
    }
}
