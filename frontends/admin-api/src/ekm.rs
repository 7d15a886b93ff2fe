//! Key stores of Azure Managed HSMs that call for every use of a key (external key management), and the keys in them.

use serde::{Deserialize, Serialize};

use crate::{State, Time};

/// Makes a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateEkmStore {
    /// Name among the tenant's key stores: 1 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// Its path prefix: at most 64 letters, digits, hyphens and slashes; the tenant's account and the name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The region that its keys are in, here.
    pub region: String,
    /// Its policy as JSON; every call is permitted if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether its policies are tried out: what they refuse is done, and told in the record.
    #[serde(default)]
    pub dry_run: bool,
    /// The key store of the server's configuration that the key is made in by which its health is found out; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
}

/// Changes a key store; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateEkmStore {
    /// Whether its policies are tried out only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EkmStore {
    /// The tenant's account number.
    pub account: String,
    /// Its name.
    pub name: String,
    /// The name that policies and records know it by.
    pub arn: String,
    /// Its name where principals are named, as for its policies.
    pub principal: String,
    /// Whether it is blocked.
    pub state: State,
    /// When it was made.
    pub created: Time,
    /// The path prefix that Managed HSM is told.
    pub path_prefix: String,
    /// The region that its keys are in.
    pub region: String,
    /// Whether its policies are tried out only.
    pub dry_run: bool,
    /// The internal identity of the key that its health is found out with.
    pub test_key: String,
}

/// Has certificates of a name prove a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateEkmCertificate {
    /// The common name or a DNS name: 1 to 253 letters, digits, dots, hyphens, underscores and spaces; case says nothing.
    pub name: String,
    /// Seconds after which it lapses here; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
}

/// A name whose certificates prove a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EkmCertificate {
    /// The name.
    pub name: String,
    /// Whether it proves anything now.
    pub state: State,
    /// When it was put here.
    pub created: Time,
    /// When it lapses here; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// When it last proved the key store, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,
}

/// Binds a key to a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindEkmKey {
    /// What Managed HSM calls the key: 1 to 64 letters, digits and hyphens.
    pub external_key_id: String,
    /// The key's internal identity; a new key is made if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The kind of a new key: `Aes256`, `Rsa2048`, `Rsa3072` or `Rsa4096`; `Aes256` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// What alone the key may be used for: `wrap`, `unwrap` or `nothing`; both directions if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The key store of the server's configuration that a new key is made in, which it never leaves; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
}

/// A key in a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EkmKey {
    /// What Managed HSM calls it.
    pub external_key_id: String,
    /// Its internal identity.
    pub key: String,
    /// Its kind, e.g. `Rsa3072`.
    pub spec: String,
    /// Its state: `Active`, `Suspended`, ...
    pub state: String,
    /// What alone it may be used for here, where that is not both directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The key store of the server's configuration that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
    /// When it was bound.
    pub created: Time,
}
