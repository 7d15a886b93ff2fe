//! Policies of principals, and why a request would be allowed or denied.

use serde::{Deserialize, Serialize};

/// Attaches a policy, replacing the one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPolicy {
    /// The document: as text, which is kept as it came.
    pub document: String,
}

/// That a policy is attached, and what in it nothing here has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedPolicy {
    /// Actions and condition keys that are unknown, each with what follows from it.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A policy attached to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name within the principal.
    pub name: String,
    /// The document as it came.
    pub document: String,
}

/// Asks what would decide a request, without making it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// Whose request: a principal of the tenant; its root if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The action as policies name it, e.g. `kms:Decrypt`.
    pub action: String,
    /// The key that it is about, by internal id; about the tenant as a whole if neither a key nor a principal is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The name by which it calls the key, e.g. `alias/app`, in the place of the internal id: of the action's front end, in
    /// `region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The grant on the key that it would retire, by id: for `kms:RetireGrant`, which each grant has a say in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The principal that it is about, by name: for what is decided on principals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_principal: Option<String>,
    /// The region that the request would be signed for; the key's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The condition keys that the request would carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The encryption context that the request would carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encryption_context: Vec<Condition>,
}

/// A named value: of a condition key, or of an encryption context. A name that comes more than once has several values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The name, e.g. `kms:ViaService`.
    pub name: String,
    /// The value.
    pub value: String,
}

/// What would be decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether the request would be allowed by policy.
    pub allowed: bool,
    /// Why, in words.
    pub reason: String,
    /// Who would ask, as policies name them.
    pub principal: String,
    /// For what.
    pub action: String,
    /// On what, as policies name it.
    pub resource: String,
    /// Every statement that was looked at, in the order in which they count.
    pub statements: Vec<ExplainedStatement>,
}

/// How one statement met the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStatement {
    /// Where it stands, e.g. `key policy` or `identity policy admin`.
    pub policy: String,
    /// Its position there, counted from 0.
    pub index: usize,
    /// Its `Sid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Whether it matched.
    pub matched: bool,
    /// Whether it was among those that decided.
    pub decided: bool,
    /// Which part of it did not match; empty where it matched.
    pub because: String,
}
