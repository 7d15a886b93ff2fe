//! Who asks: what a front end has proved, apart from what a request claims.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::{CredentialId, PrincipalId, TenantId};

/// A caller as proved by a front end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the caller belongs to; [`TenantId::INSTALLATION`] for operators and for the product itself.
    pub tenant: TenantId,
    /// The tenant's account number, as policies name it; empty for the installation.
    pub account: Arc<str>,
    /// The name that policies know the caller by, e.g. an ARN.
    pub policy_name: Arc<str>,
    /// Who.
    pub principal: Principal,
    /// The credential that proved it, if one did.
    pub credential: Option<CredentialRef>,
}

/// A credential as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRef {
    /// Identity.
    pub id: CredentialId,
    /// The public half, e.g. an access key id.
    pub shown: Arc<str>,
    /// When it lapses, if it does.
    pub expires: Option<Timestamp>,
}

/// Who a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Whoever owns the tenant: may do everything in it that its guardrails allow.
    TenantRoot,
    /// A user of the tenant.
    User {
        /// Identity.
        id: PrincipalId,
        /// Identity as policies and answers show it.
        unique_id: Arc<str>,
        /// The name within the tenant.
        name: Arc<str>,
    },
    /// A session of a role of the tenant; [`Caller::policy_name`] is the session's own.
    Session(Box<Session>),
    /// Whoever a verified token is about. It may begin a session of a role of the tenant, and nothing else;
    /// [`Caller::policy_name`] is the name of the token's issuer.
    WebIdentity {
        /// Whom the token is about.
        subject: Arc<str>,
    },
    /// An operator of the installation, proved by the operating system.
    Operator {
        /// User id at the far end of the Unix socket.
        uid: u32,
    },
    /// A service of this installation that asks for itself, by the name that [`Caller::policy_name`] gives: what it may do is
    /// for key policies and grants to say. It is of no tenant but [`TenantId::INSTALLATION`], whose principals are all services.
    Service {
        /// Identity.
        id: PrincipalId,
        /// For which resource it asks, if it says so: it is believed as far as it is itself.
        on_behalf: Option<Box<OnBehalf>>,
    },
    /// A part of the product acting by itself.
    Internal {
        /// Which part, e.g. `scheduler`.
        service: &'static str,
    },
}

/// What a service asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnBehalf {
    /// The resource, as policies name it.
    pub resource: Arc<str>,
    /// The account that the resource is of, if the service says so.
    pub account: Option<Arc<str>>,
}

/// What was proved of a session of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The role.
    pub role: PrincipalId,
    /// The role's name within the tenant.
    pub role_name: Arc<str>,
    /// The name that policies know the role by.
    pub role_policy_name: Arc<str>,
    /// Identity as policies and answers show it: the role's, a colon, and the session's name.
    pub unique_id: Arc<str>,
    /// When its credentials were given out.
    pub issued: Timestamp,
    /// The tags that it was begun with, then the role's own others.
    pub tags: Vec<(String, String)>,
    /// Keys of those tags that sessions begun from this one keep.
    pub transitive_tag_keys: Vec<String>,
    /// The identity provider that it was begun with, as policies name it.
    pub federated_provider: Option<Arc<str>>,
    /// The source identity that it was begun with.
    pub source_identity: Option<Arc<str>>,
    /// The policies that it was begun with, as they came: each was found sound then. Where there are any, one must allow
    /// what it does.
    pub policies: Vec<Arc<str>>,
}

/// Where a request came from, for the record. Proved by the listener, never taken from the request's own words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Source {
    /// True peer behind PROXY protocol or trusted proxies; `None` for a Unix socket or the product itself.
    pub address: Option<SocketAddr>,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Version of TLS and cipher suite, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty without TLS.
    pub tls: Arc<str>,
}
