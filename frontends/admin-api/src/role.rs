//! Roles that can be assumed, and the issuers whose tokens may prove who assumes them.

use serde::{Deserialize, Serialize};

use crate::{Principal, Time};

/// Makes a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRole {
    /// Name among the tenant's roles: 1 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// Who may begin a session of it: a trust policy.
    pub trust_policy: String,
    /// Seconds that a session may last, 3600 to 43200; 3600 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seconds: Option<u32>,
}

/// Changes a role; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateRole {
    /// Who may begin a session of it: a trust policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<String>,
    /// Seconds that a session may last, 3600 to 43200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seconds: Option<u32>,
}

/// A role: the principal `role/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumableRole {
    /// The principal.
    #[serde(flatten)]
    pub principal: Principal,
    /// Seconds that a session may last.
    pub session_seconds: u32,
    /// Who may begin a session of it.
    pub trust_policy: String,
}

/// Adds a token issuer, or replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutIssuer {
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// Its keys (RFC 7517); fetched from the issuer if absent, where the server's configuration allows its origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// The certificates in PEM that its server's must hang from; the machine's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

/// A token issuer that a tenant trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIssuer {
    /// Its URL, as tokens name it.
    pub issuer: String,
    /// The name by which trust policies know it.
    pub arn: String,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// Whether its keys are fetched, as opposed to given.
    pub fetched: bool,
    /// Whether its keys would have to be fetched from where the server's configuration lets it fetch nothing: no token of it is
    /// taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_reach: bool,
    /// When it was added.
    pub created: Time,
}
