//! Rows of who may ask: principals, their policies and credentials, and the issuers of tokens that prove them.

use minicbor::{Decode, Encode};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, KeyId, PrincipalId, TenantId};
use strongroom_model::name::NameKind;

use super::Meant;

/// A user of a tenant, or a role.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PrincipalRow {
    /// Identity.
    #[n(0)]
    pub id: PrincipalId,
    /// Whose.
    #[n(1)]
    pub tenant: TenantId,
    /// Name within the tenant.
    #[n(2)]
    pub name: String,
    /// The name that policies know it by.
    #[n(3)]
    pub policy_name: String,
    /// When it was made.
    #[n(4)]
    pub created: Timestamp,
    /// Whether it may do nothing at all.
    #[n(5)]
    pub suspended: bool,
    /// Identity as policies and answers show it.
    #[n(6)]
    pub unique_id: String,
    /// What makes it a role; absent for a user.
    #[n(7)]
    pub role: Option<RoleRow>,
    /// What makes it a service; absent for a user and a role.
    #[n(8)]
    pub service: Option<ServiceRow>,
}

impl PrincipalRow {
    /// The name by which requests refer to it within the tenant: a user's own, a role's behind `role/`, a service's behind
    /// `service/`.
    #[must_use]
    pub fn reference(&self) -> String {
        match (&self.role, &self.service) {
            (Some(_), _) => role_reference(&self.name),
            (None, Some(_)) => service_reference(&self.name),
            (None, None) => self.name.clone(),
        }
    }
}

/// The name by which requests refer to a role within its tenant.
#[must_use]
pub fn role_reference(name: &str) -> String {
    format!("{ROLES}{name}")
}

/// What stands before the names of roles where users have names, too: no user's name holds a slash.
pub(crate) const ROLES: &str = "role/";

/// The name by which requests refer to a service within its tenant.
#[must_use]
pub fn service_reference(name: &str) -> String {
    format!("{SERVICES}{name}")
}

/// What stands before the names of services where users have names, too.
pub(crate) const SERVICES: &str = "service/";

/// What a service has besides what a user has: a service elsewhere that asks for the keys bound to it, and for nothing else,
/// such as a cloud's key store.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ServiceRow {
    /// Where its front end serves it; no two services of the installation have the same.
    #[n(0)]
    pub prefix: String,
    /// The region that its keys are in.
    #[n(1)]
    pub home: String,
    /// The regions that it may sign for.
    #[n(2)]
    pub regions: Vec<String>,
    /// Whether what its policies refuse is done and told in the record.
    #[n(3)]
    pub policies_tried_out: bool,
    /// Whether it opens ciphertexts that bind a digest of the associated data in place of the data.
    #[n(4)]
    pub opens_digested_data: bool,
    /// The key that its health is found out with.
    #[n(5)]
    pub test_key: KeyId,
    /// The kind of name that binds keys to it, and thus the front end that it asks through; absent for
    /// [`ServiceRow::FIRST_KIND`].
    #[n(6)]
    pub kind: Option<NameKind>,
}

impl ServiceRow {
    /// The kind of name of services whose rows don't tell (docs/formats/registry.md).
    pub const FIRST_KIND: NameKind = NameKind(3);

    /// The kind of name that binds keys to it.
    #[must_use]
    pub fn kind(&self) -> NameKind {
        self.kind.unwrap_or(Self::FIRST_KIND)
    }
}

/// What a role has besides what a user has.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RoleRow {
    /// Who may assume it, as the document came.
    #[n(0)]
    pub trust_policy: String,
    /// Seconds that a session may last at most.
    #[n(1)]
    pub session_seconds: u32,
    /// Whom the names in the trust policy mean; absent as in [`KeyRow::meant`](super::KeyRow::meant).
    #[n(2)]
    pub meant: Option<Meant>,
}

impl RoleRow {
    /// A role as it is asked for: whom its trust policy means is found out when it is made.
    #[must_use]
    pub const fn new(trust_policy: String, session_seconds: u32) -> Self {
        Self { trust_policy, session_seconds, meant: None }
    }
}

/// An issuer of tokens that prove callers to a tenant (OpenID Connect Core 1.0).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenIssuerRow {
    /// The issuer as tokens name it: an https URL.
    #[n(0)]
    pub issuer: String,
    /// The audiences of which a token must name one.
    #[n(1)]
    pub audiences: Vec<String>,
    /// Its keys (RFC 7517, a JSON document), where they are given and not fetched.
    #[n(2)]
    pub keys: Option<String>,
    /// The certificates, in PEM, that its server's must hang from, where those of the machine don't do.
    #[n(3)]
    pub authorities: Option<String>,
    /// When it was added.
    #[n(4)]
    pub created: Timestamp,
}

/// A credential that proves a principal or a tenant's root.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub struct CredentialRow {
    /// Identity.
    #[n(0)]
    pub id: CredentialId,
    /// Whose.
    #[n(1)]
    pub tenant: TenantId,
    /// The principal; absent for the tenant's root.
    #[n(2)]
    pub principal: Option<PrincipalId>,
    /// The public half.
    #[n(3)]
    pub shown: String,
    /// The secret half, sealed under the tenant's domain key.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// When it was made.
    #[n(5)]
    pub created: Timestamp,
    /// When it lapses.
    #[n(6)]
    pub expires: Option<Timestamp>,
    /// Whether it is refused for now.
    #[n(7)]
    pub suspended: bool,
}

/// A policy attached to a principal.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct IdentityPolicyRow {
    /// Name within the principal.
    #[n(0)]
    pub name: String,
    /// The document as it came.
    #[n(1)]
    pub document: String,
}
