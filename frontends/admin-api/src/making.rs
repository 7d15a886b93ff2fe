//! Making keys, and setting what of them can change.

use serde::{Deserialize, Serialize};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::{Usage, UsageProfile};

/// Makes a key with its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// The region; the only one that the server serves if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The kind of its names, e.g. `aws-kms-alias`: the front end that owns it names the key itself besides.
    pub kind: String,
    /// Its names, if any besides the front end's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Kind of material, e.g. `Aes256`.
    pub spec: String,
    /// What it may be used for, e.g. `DerivedAead`.
    pub usages: Vec<String>,
    /// Words for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The key policy; the front end's own for new keys if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Days between automatic rotations; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_period_days: Option<u32>,
    /// Whether a policy is taken that nobody could change again through the front end of the names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass_lockout: bool,
    /// A key store of the server's configuration that the key is made in and never leaves; in none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A key's tags: all of them when read, those to add or replace when written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tags {
    /// The tags.
    pub tags: Vec<Tag>,
}

/// A key's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPolicy {
    /// The document, as text, which is kept as it came.
    pub document: String,
}

/// Replaces a key's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutKeyPolicy {
    /// The document, as text, which is kept as it came.
    pub document: String,
    /// Whether a policy is taken that nobody could change again through the front end of the key's names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass_lockout: bool,
}

/// A key's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDescription {
    /// Words for people.
    pub description: String,
}

/// A key's automatic rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// Days between rotations; off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_days: Option<u32>,
}

/// The kind of material of this name, e.g. `Aes256`.
///
/// # Errors
/// What is wrong with it, and what there is.
pub fn spec(name: &str) -> Result<KeySpec, String> {
    named(name, "kind of key", KeySpec::ALL)
}

/// The usages of these names, e.g. `DerivedAead`, for a key of this kind: of none, the one that such a key can only have.
///
/// # Errors
/// What is wrong with them.
pub fn usages(names: &[String], spec: KeySpec) -> Result<Vec<Usage>, String> {
    let usages = match names {
        [] => vec![only_usage(spec).ok_or_else(|| format!("say what a {spec:?} key is for, such as \"Sign\""))?],
        names => names.iter().map(|name| named(name, "usage", Usage::ALL)).collect::<Result<_, _>>()?,
    };
    UsageProfile::new(&usages, spec).map(|_| usages).map_err(|error| error.to_string())
}

fn only_usage(spec: KeySpec) -> Option<Usage> {
    match spec {
        KeySpec::Aes256 => Some(Usage::DerivedAead),
        KeySpec::Hmac224 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512 => Some(Usage::Mac),
        KeySpec::Ed25519 => Some(Usage::Sign),
        spec if spec.is_ml_dsa() => Some(Usage::Sign),
        spec if spec.is_ml_kem() => Some(Usage::Kem),
        _ => None,
    }
}

fn named<T: Copy + std::fmt::Debug>(name: &str, what: &str, all: &[T]) -> Result<T, String> {
    let known = || all.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|one| format!("{one:?}") == name).copied();
    found.ok_or_else(|| format!("{:?} is no {what}; there are {}", name.chars().take(64).collect::<String>(), known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_is_taken_as_said_where_a_key_could_have_several_and_must_fit() {
        assert_eq!(usages(&[], KeySpec::Aes256), Ok(vec![Usage::DerivedAead]));
        assert_eq!(usages(&["Sign".to_owned()], spec("EcP256").unwrap()), Ok(vec![Usage::Sign]));
        assert!(usages(&[], KeySpec::EcP256).is_err());
        assert!(usages(&["Sign".to_owned()], KeySpec::Aes256).is_err());
        assert!(usages(&["Nonsense".to_owned()], KeySpec::Aes256).unwrap_err().contains("DerivedAead"));
        assert!(spec("AES").unwrap_err().contains("Aes256"));
    }
}
