//! Key stores of AWS accounts whose KMS calls for every use of a key (external key stores), and the keys in them.

use serde::{Deserialize, Serialize};

use crate::{State, Time};

/// Makes a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateXksStore {
    /// Name among the tenant's key stores: 1 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// What stands before `/kms/xks/v1` in its path; the tenant's account and the name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The region that its keys are in, here.
    pub region: String,
    /// The AWS regions whose KMS may call; the key store's own if empty.
    #[serde(default)]
    pub signing_regions: Vec<String>,
    /// Its policy as JSON; everything that its KMS asks for is permitted if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether its policies are tried out: what they refuse is done, and told in the record.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether it decrypts what AWS's sample proxy encrypted with keys imported from its token.
    #[serde(default)]
    pub reads_sample_proxy: bool,
    /// The key store of the server's configuration that the key is made in by which its health is found out; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
}

/// Changes a key store; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateXksStore {
    /// The AWS regions whose KMS may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_regions: Option<Vec<String>>,
    /// Whether its policies are tried out only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Whether it decrypts what AWS's sample proxy encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_sample_proxy: Option<bool>,
}

/// A key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XksStore {
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
    /// The path that AWS is told (`XksProxyUriPath`).
    pub uri_path: String,
    /// The region that its keys are in.
    pub region: String,
    /// The AWS regions whose KMS may call.
    pub signing_regions: Vec<String>,
    /// Whether its policies are tried out only.
    pub dry_run: bool,
    /// Whether it decrypts what AWS's sample proxy encrypted.
    pub reads_sample_proxy: bool,
    /// The internal identity of the key that its health is found out with.
    pub test_key: String,
}

/// Makes a credential of a key store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateXksCredential {
    /// Seconds after which it lapses; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
}

/// Binds a key to a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindXksKey {
    /// What AWS calls the key: 1 to 128 letters, digits and `._-`.
    pub external_key_id: String,
    /// The key's internal identity; a new AES-256 key is made if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What alone the key may be used for: `encrypt`, `decrypt` or `nothing`; both directions if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The key store of the server's configuration that a new key is made in, which it never leaves; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
    /// Whether a new key's material is to be brought: that of a key of AWS's sample proxy. It is for decrypting what that
    /// encrypted and for nothing else, once its material has come (docs/operations/xks.md).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// A key in a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XksKey {
    /// What AWS calls it.
    pub external_key_id: String,
    /// Its internal identity.
    pub key: String,
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
