//! What a request asks that may not be: refusals, values out of bounds, limits, and links that forbid what is asked.
//!
//! Absent on purpose: what is wrong on our side ([`super::Unavailable`], [`super::InternalFault`]).

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::algorithm::{MessageKind, SigningAlgorithm};
use strongroom_model::clock::Timestamp;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_policy::Outcome;

use crate::rows::LinkState;

/// What is wrong with a link to a key store, or with what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// There is none of that identity.
    #[error("there is no link {id} to a key store")]
    Missing {
        /// As the request had it.
        id: Box<str>,
    },
    /// Another link of the tenant in this region has the name.
    #[error("another link to a key store has this name")]
    NameTaken,
    /// Another link of the tenant in this region leads to the key store.
    #[error("another link leads to this key store")]
    StoreTaken,
    /// No such key store is configured, or not for this tenant.
    #[error("there is no such key store")]
    NoStore,
    /// Another link of the tenant in this region leads to this address of an external key manager.
    #[error("another link leads to this address")]
    AddressTaken,
    /// Another link of the tenant in this region leads to this server in another way.
    #[error("another link leads to this server in another way")]
    EndpointTaken,
    /// Another link of the tenant in this region goes through this private service.
    #[error("another link goes through this private service")]
    ServiceTaken,
    /// Another key was made through the link with the same external key.
    #[error("another key is doubled by this external key")]
    KeyTaken,
    /// It leads to the other kind of key store than what is asked of it.
    #[error("the link leads to another kind of key store")]
    OtherKind,
    /// A link always leads to the key store that it was made for.
    #[error("the link leads to another key store")]
    OtherStore,
    /// Keys were made through it.
    #[error("the link to the key store has keys")]
    HasKeys,
    /// Its state forbids it.
    #[error("the link {id} to a key store is {state:?}")]
    State {
        /// Which.
        id: Box<str>,
        /// Its state.
        state: LinkState,
    },
}

/// A refusal, with what the caller may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Who asked, as policies name them.
    pub principal: Box<str>,
    /// What for, as the front end names it.
    pub action: &'static str,
    /// On what, as the front end names it.
    pub resource: Arc<str>,
    /// What was missing, or what forbade it.
    pub outcome: Outcome,
    /// Whether the key belongs to another tenant, whose callers are told less.
    pub cross_account: bool,
}

/// A value in a request that is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputFault {
    /// The plaintext is longer than the algorithm can take.
    #[error("a {spec:?} key takes at most {maximum} bytes by this algorithm")]
    PlaintextTooLong {
        /// The key's specification.
        spec: KeySpec,
        /// The most bytes it takes.
        maximum: usize,
    },
    /// The digest has not the length that the algorithm's hash gives.
    #[error("the digest has the wrong length for {algorithm:?}")]
    DigestLength {
        /// The algorithm.
        algorithm: SigningAlgorithm,
    },
    /// A message handed in as something that the algorithm does not take.
    #[error("{algorithm:?} takes no message of the kind {kind:?}")]
    MessageUnfit {
        /// The algorithm.
        algorithm: SigningAlgorithm,
        /// What it was handed in as.
        kind: MessageKind,
    },
    /// A public key to agree with that is none of the key's own kind: malformed, on another curve, or no point of it.
    #[error("the public key is not one of a {spec:?} key")]
    PeerUnfit {
        /// The key's specification.
        spec: KeySpec,
    },
    /// An encryption context where the algorithm cannot bind one.
    #[error("an encryption context cannot be bound by this algorithm")]
    ContextUnsupported,
    /// A tag key given twice.
    #[error("duplicate tag keys")]
    DuplicateTags,
    /// A time span outside what is allowed.
    #[error("{what} must lie between {minimum} and {maximum} days")]
    Days {
        /// Which span.
        what: &'static str,
        /// Least days.
        minimum: u32,
        /// Most days.
        maximum: u32,
    },
    /// A usage profile that cannot be formed for this kind of key.
    #[error("{0}")]
    Profile(#[from] strongroom_model::usage::ProfileError),
    /// A link to an external key manager whose private service comes or goes, and whose server stays.
    #[error("the server must change where a private service comes or goes")]
    ServerUnchanged,
    /// A value that is too long, too short or not of its form.
    #[error("{what} {problem}")]
    Form {
        /// Which value.
        what: &'static str,
        /// What is wrong with it, and what would be right.
        problem: &'static str,
    },
    /// A grant of what this kind of key cannot do.
    #[error("{action:?} is not for this kind of key")]
    ActionUnfit {
        /// What was to be granted.
        action: Action,
    },
    /// A name of a kind that does not serve what the key is for.
    #[error("names of kind {kind} do not serve keys for {usage:?}")]
    NameUnfit {
        /// What the kind is called.
        kind: &'static str,
        /// What the key is for.
        usage: Usage,
    },
    /// The removal of a key's last name.
    #[error("it is the key's last name: without one, no listing would show the key and nobody could find it again")]
    LastName,
    /// Other names of a front end would lead to a key, and not the one by which it knows the key itself.
    #[error("a front end's other names of a key need the one by which it knows the key itself")]
    NameNeeded,
    /// The calling off of the destruction of a key that no name leads to.
    #[error("the key has no name left: no listing would show it, and nobody could find it again")]
    Nameless,
    /// The scheduling of a key's destruction that was used lately, by someone who has not said to know that.
    #[error("the key is in use: {count} times so far, the last time for {action:?}")]
    RecentlyUsed {
        /// When it was used last.
        last: Timestamp,
        /// What for.
        action: Action,
        /// How often it was used so far.
        count: u64,
    },
    /// A session of a role that is asked to last longer than it may.
    #[error("{0}")]
    SessionTooLong(SessionLimit),
    /// A grant to somebody, or to be given up by somebody, who does not exist.
    #[error("the principal {name} does not exist")]
    UnknownPrincipal {
        /// As policies would name it.
        name: Box<str>,
    },
    /// Constraints on a grant that this kind of key cannot check.
    #[error("encryption context constraints are for keys that can bind a context")]
    ConstraintsUnsupported,
}

/// What says how long a session may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionLimit {
    /// The role.
    #[error("the session would last longer than sessions of this role may")]
    Role,
    /// That it is begun by another session.
    #[error("a session begun by another one lasts an hour at most")]
    Chained,
}

/// A quota that is reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Quota {
    /// Keys of a tenant in a region.
    #[error("the tenant has {has} keys in this region, of {most} that it may have")]
    Keys {
        /// How many there may be.
        most: usize,
        /// How many there are, as far as they are counted.
        has: usize,
    },
    /// Names of a key.
    #[error("the key has {has} names of this kind, of {most} that it may have")]
    Names {
        /// How many there may be.
        most: usize,
        /// How many there are.
        has: usize,
    },
    /// Grants on a key.
    #[error("the key has {has} grants, of {most} that it may have")]
    Grants {
        /// How many there may be.
        most: usize,
        /// How many there are.
        has: usize,
    },
    /// Tags on a key.
    #[error("too many tags")]
    Tags,
    /// On-demand rotations of a key.
    #[error("{resource} was rotated on demand as often as it may be")]
    OnDemandRotations {
        /// The key, as the front end names it.
        resource: Arc<str>,
    },
    /// Credentials of a principal.
    #[error("the principal has as many credentials as it may")]
    Credentials,
    /// Identity policies of a principal.
    #[error("the principal has as many policies as it may")]
    Policies,
    /// Token issuers of a tenant.
    #[error("the tenant has as many token issuers as it may")]
    TokenIssuers,
    /// Links to key stores of a tenant in a region.
    #[error("the tenant has {has} links to key stores in this region, of {most} that it may have")]
    StoreLinks {
        /// How many there may be.
        most: usize,
        /// How many there are.
        has: usize,
    },
    /// Policies and tags of a session: what its token holds.
    #[error("the policies and tags are more than the token of a session holds")]
    SessionToken,
    /// Encryptions by one version of a key inside a key store.
    #[error("the key has encrypted as often as it may")]
    KeyUses,
    /// Requests at one time.
    #[error("too many requests at one time")]
    Requests,
}
