//! Principals of a tenant and the access keys that prove them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{State, Time};

/// Makes a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    /// Name within the tenant: 1 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
}

/// A principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The tenant's account number.
    pub account: String,
    /// Name within the tenant.
    pub name: String,
    /// The name that policies know it by.
    pub arn: String,
    /// Identity as policies show it (`aws:userid`): 21 characters; the first that were made have 20.
    pub unique_id: String,
    /// Whether it may do anything.
    pub state: State,
    /// When it was made.
    pub created: Time,
}

/// A principal with what is attached to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalDetail {
    /// The principal.
    #[serde(flatten)]
    pub principal: Principal,
    /// Names of its policies, in order.
    pub policies: Vec<String>,
}

/// Makes an access key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAccessKey {
    /// The principal that it proves; the tenant's root if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Seconds after which it lapses; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
}

/// Whose access keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyQuery {
    /// The principal; the tenant's root if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// An access key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// The public half: `AKIA` and 16 letters and digits.
    pub access_key_id: String,
    /// The tenant's account number.
    pub account: String,
    /// The principal that it proves; absent for the tenant's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Whether it is taken.
    pub state: State,
    /// When it was made.
    pub created: Time,
    /// When it lapses; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// When it last proved someone, whatever came of the request; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,
}

/// A new access key. Its secret is shown this once; the server keeps it sealed and has no way to show it again.
/// Not `Debug` and not `Clone`, so that the secret goes nowhere by accident.
#[derive(Serialize, Deserialize)]
pub struct NewAccessKey<'a> {
    /// The access key.
    #[serde(flatten)]
    pub access_key: AccessKey,
    /// The secret half: 40 characters of base64.
    pub secret_access_key: Cow<'a, str>,
}

/// Who the server takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    /// The name that policies know the caller by.
    pub arn: String,
    /// `operator`, `root` or `user`.
    pub kind: String,
    /// The tenant's account number; absent for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The access key that proved it; absent over a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
}
