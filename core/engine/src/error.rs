//! What can go wrong in the engine. Exhaustive on purpose: a front end answers every variant in its own words, so a new
//! one does not compile until all of them do.

mod request;

use std::sync::Arc;
use std::time::Duration;

use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, KemAlgorithm, KeyWrapAlgorithm, MacAlgorithm, SigningAlgorithm,
};
use strongroom_model::external::ExternalError;
use strongroom_model::key_store::{KeyStoreError, KeyStoreName};
use strongroom_model::purpose::Forbidden;
use strongroom_model::root::RootError;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::StoreError;
use strongroom_model::usage::{Usage, UsageProfile};
use strongroom_policy::PolicyError;

pub use self::request::{Denial, InputFault, LinkFault, Quota, SessionLimit};

/// Why an operation was not done. Display is for the outside; causes that only operators may see are in the payloads
/// of [`EngineError::Unavailable`] and [`EngineError::Internal`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// No such thing, or none that this caller may know of.
    #[error("{0} does not exist")]
    NotFound(Noun),
    /// There is one already.
    #[error("{0} already exists")]
    AlreadyExists(Noun),
    /// The caller may not do this.
    #[error("{} is not authorized to perform {} on {}", .0.principal, .0.action, .0.resource)]
    Denied(Box<Denial>),
    /// The key's state, or its version's, forbids it.
    #[error("{resource} is {forbidden:?}")]
    StateForbids {
        /// The key, as the front end names it.
        resource: Arc<str>,
        /// Why.
        forbidden: Forbidden,
    },
    /// The tenant's use is suspended, or that of the whole installation.
    #[error("the tenant is suspended")]
    TenantSuspended,
    /// The caller's own use is suspended: a principal, or a service's kill switch.
    #[error("the principal is suspended")]
    PrincipalSuspended,
    /// The key was not made for this usage.
    #[error("{resource} is not for {wanted:?}")]
    UsageForbids {
        /// The key, as the front end names it.
        resource: Arc<str>,
        /// What it was made for.
        profile: UsageProfile,
        /// What was asked for.
        wanted: Usage,
    },
    /// The algorithm does not belong to this kind of key.
    #[error("{algorithm} does not fit a {spec:?} key")]
    AlgorithmUnfit {
        /// The key, as the front end names it.
        resource: Arc<str>,
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// The key's specification.
        spec: KeySpec,
    },
    /// The ciphertext can't be opened: damaged, of another key, or under another context. One variant for all.
    #[error("the ciphertext cannot be opened")]
    InvalidCiphertext,
    /// The key that the request names is not the one that the ciphertext names.
    #[error("the ciphertext belongs to another key")]
    IncorrectKey,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    InvalidSignature,
    /// The message authentication code does not verify.
    #[error("the message authentication code does not verify")]
    InvalidMac,
    /// A value in the request is out of bounds.
    #[error("{0}")]
    InvalidInput(InputFault),
    /// The policy document can't be taken.
    #[error("the policy cannot be taken: {0}")]
    InvalidPolicy(PolicyError),
    /// The policy would leave the caller unable to change it again.
    #[error("the new policy would not let the caller change it again")]
    Lockout,
    /// Too many others changed the same thing at the same time.
    #[error("the resource is being changed by someone else; try again")]
    Conflict,
    /// A quota is reached.
    #[error("{0}")]
    LimitExceeded(Quota),
    /// This build, tenant or kind of key does not offer it.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// What the hardware of a key store has not all it takes for: a key to be made, or the use of one.
    #[error("key store {store} does not support {lack}")]
    StoreLacks {
        /// Which; not for callers who use keys and make none ([`EngineError::without_store`]).
        store: KeyStoreName,
        /// What is missing.
        lack: Lack,
    },
    /// A key store that the operators do not offer to this tenant.
    #[error("key store {store} is not offered to tenant {account}")]
    StoreNotOffered {
        /// The key store.
        store: KeyStoreName,
        /// The tenant, by account.
        account: Box<str>,
    },
    /// A grant token that was not made here, or has been tampered with.
    #[error("the grant token is not valid")]
    InvalidGrantToken,
    /// The key's material comes from where this operation cannot have it from.
    #[error("{resource} has {origin:?} material, which this is not for")]
    OriginForbids {
        /// The key, as the front end names it.
        resource: Arc<str>,
        /// Where its material comes from.
        origin: Origin,
    },
    /// An import token that was not made here for this key.
    #[error("the import token is not valid for this key")]
    InvalidImportToken,
    /// An import token whose time is up.
    #[error("the import token has expired; ask for new import parameters")]
    ExpiredImportToken,
    /// Material that is not what the key had before, or is where new material was to come.
    #[error("the key material is not the one that is expected")]
    IncorrectMaterial,
    /// New material while other new material still waits for its rotation.
    #[error("other material already waits for the rotation of {resource}")]
    RotationPending {
        /// The key, as the front end names it.
        resource: Arc<str>,
        /// The identity of what waits, as front ends publish it.
        published: [u8; 32],
    },
    /// A rotation of imported material with nothing to rotate to.
    #[error("no material waits for the rotation of {resource}")]
    NothingPending {
        /// The key, as the front end names it.
        resource: Arc<str>,
    },
    /// What is done with the primary of a multi-Region key only.
    #[error("{resource} is not the primary of a multi-Region key")]
    NotPrimary {
        /// The key, as the front end names it.
        resource: Arc<str>,
    },
    /// A link to a key store does not allow it.
    #[error("{0}")]
    StoreLink(LinkFault),
    /// The external key manager behind a link did not serve.
    #[error("{0}")]
    External(ExternalError),
    /// A page cursor that was not made here for this listing.
    #[error("the page cursor is not valid")]
    InvalidCursor,
    /// Everything would have succeeded; nothing was done, as asked.
    #[error("the request would have succeeded, but it was a dry run")]
    DryRun,
    /// The session's time is over.
    #[error("the session has expired")]
    SessionExpired,
    /// Something that the answer depends on cannot serve now.
    #[error("{0}")]
    Unavailable(Unavailable),
    /// A fault of ours.
    #[error("internal error")]
    Internal(InternalFault),
}

/// What the hardware of a key store lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// A kind of key, or a mechanism, in the words of the key store.
    #[error("{0}")]
    Mechanism(String),
    /// An algorithm to use a key by.
    #[error("{0}")]
    Algorithm(Algorithm),
}

/// An algorithm of any family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Algorithm {
    /// Of digital signatures.
    #[error("{0:?}")]
    Signing(SigningAlgorithm),
    /// Of encryption.
    #[error("{0:?}")]
    Encryption(EncryptionAlgorithm),
    /// Of message authentication codes.
    #[error("{0:?}")]
    Mac(MacAlgorithm),
    /// Of key agreement.
    #[error("{0:?}")]
    Agreement(AgreementAlgorithm),
    /// Of key encapsulation.
    #[error("{0:?}")]
    Kem(KemAlgorithm),
    /// Of key wrap.
    #[error("{0:?}")]
    KeyWrap(KeyWrapAlgorithm),
}

/// What is missing or already there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Noun {
    /// A key, by what the request called it.
    #[error("key {0}")]
    Key(Box<str>),
    /// A name bound to a key.
    #[error("name {0}")]
    Name(Box<str>),
    /// A grant.
    #[error("the grant")]
    Grant,
    /// A policy, by name.
    #[error("policy {0}")]
    Policy(Box<str>),
    /// A tenant, by account.
    #[error("tenant {0}")]
    Tenant(Box<str>),
    /// A principal, by name.
    #[error("principal {0}")]
    Principal(Box<str>),
    /// A credential, by its public half.
    #[error("credential {0}")]
    Credential(Box<str>),
    /// A token issuer, by its URL.
    #[error("token issuer {0}")]
    TokenIssuer(Box<str>),
    /// A root of trust.
    #[error("root {0}")]
    Root(Box<str>),
    /// A key version.
    #[error("version {0}")]
    Version(u32),
    /// A key store in the server's configuration, by name.
    #[error("key store {0}")]
    KeyStore(KeyStoreName),
}

/// Something that the answer depends on and that cannot serve now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// No free worker; refused early.
    #[error("the server is busy; try again")]
    Busy,
    /// The audit log can't be written, so nothing may be answered.
    #[error("the audit log cannot be written")]
    Log {
        /// For the operator.
        cause: Arc<str>,
    },
    /// The store.
    #[error("the store cannot serve")]
    Store(#[source] StoreError),
    /// The key store that the key is in.
    #[error("key store {store} cannot serve")]
    KeyStore {
        /// Which; not for callers who use keys and make none ([`Unavailable::without_store`]).
        store: KeyStoreName,
        /// Why; not for the outside.
        #[source]
        cause: KeyStoreError,
    },
    /// No root of trust could open the tenant's domain key.
    #[error("no root of trust can serve")]
    Root(#[source] RootError),
    /// Every root is sealed.
    #[error("the server is sealed")]
    Sealed,
    /// Too late.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The change is committed and recorded as done; what was permitted before it has not ended in all this time.
    #[error("the change is made, but what was permitted before it has not ended within {0:?}; look again what holds")]
    Unsettled(Duration),
    /// The clock jumped; destruction waits for an operator.
    #[error("the clock jumped; an operator must confirm the time")]
    ClockJumped,
}

/// A fault of ours: a row that cannot be read, an invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InternalFault {
    /// A row that does not decode.
    #[error("a row of {table} cannot be read: {cause}")]
    Row {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Key material that its wrapping did not let out.
    #[error("key material of {key} cannot be opened: {cause}")]
    Material {
        /// The key.
        key: String,
        /// What was refused.
        cause: &'static str,
    },
    /// The cryptographic module refused.
    #[error("the cryptographic module failed: {0}")]
    Crypto(&'static str),
    /// The log tells of changes that the store does not have: the store was put back to an older state.
    #[error(
        "the log tells of {changes} changes that the store does not have; restore a newer store, or accept this one"
    )]
    StoreOlderThanLog {
        /// How many.
        changes: u64,
    },
    /// Work that was started and lost its thread.
    #[error("a worker ended before its work")]
    WorkerLost,
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict,
            StoreError::Busy => Self::Unavailable(Unavailable::Busy),
            other => Self::Unavailable(Unavailable::Store(other)),
        }
    }
}

impl EngineError {
    /// Whether what is stored is at fault, so that trying again is of no use.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Internal(InternalFault::Row { .. } | InternalFault::Material { .. })
                | Self::Unavailable(Unavailable::Root(RootError::Refused))
        )
    }
}

impl From<RootError> for EngineError {
    fn from(error: RootError) -> Self {
        match error {
            RootError::Sealed => Self::Unavailable(Unavailable::Sealed),
            RootError::Busy => Self::Unavailable(Unavailable::Busy),
            other => Self::Unavailable(Unavailable::Root(other)),
        }
    }
}

/// What a key store's failure cannot say of itself is which store that is, so there is no `From`.
impl EngineError {
    /// A failure of a key store.
    #[must_use]
    pub fn of_store(store: &KeyStoreName, error: KeyStoreError) -> Self {
        match error {
            KeyStoreError::Busy => Self::Unavailable(Unavailable::Busy),
            KeyStoreError::Timeout(allowed) => Self::Unavailable(Unavailable::Deadline(allowed)),
            KeyStoreError::Refused => Self::InvalidCiphertext,
            KeyStoreError::Unsupported { mechanism } => {
                Self::StoreLacks { store: store.clone(), lack: Lack::Mechanism(mechanism) }
            }
            KeyStoreError::TooLong { .. } => {
                InputFault::Form { what: "the data", problem: "is more than a key store takes in one call" }.into()
            }
            cause => Self::Unavailable(Unavailable::KeyStore { store: store.clone(), cause }),
        }
    }

    /// What it says, but for the name of a key store: a key's users need not know where it is kept, and the cloud that asks
    /// for them neither.
    #[must_use]
    pub fn without_store(&self) -> String {
        match self {
            Self::StoreLacks { lack, .. } => format!("the key store does not support {lack}"),
            Self::StoreNotOffered { .. } => "the key store is not offered to this tenant".to_owned(),
            Self::Unavailable(cause) => cause.without_store(),
            other => other.to_string(),
        }
    }
}

impl Unavailable {
    /// What it says, but for the name of a key store ([`EngineError::without_store`]).
    #[must_use]
    pub fn without_store(&self) -> String {
        match self {
            Self::KeyStore { .. } => "the key store cannot serve".to_owned(),
            other => other.to_string(),
        }
    }
}

impl From<InputFault> for EngineError {
    fn from(fault: InputFault) -> Self {
        Self::InvalidInput(fault)
    }
}

impl From<Noun> for EngineError {
    fn from(noun: Noun) -> Self {
        Self::NotFound(noun)
    }
}

/// A refusal of the cryptographic room that no request can be blamed for.
pub(crate) fn crypto(error: strongroom_crypto::CryptoError) -> EngineError {
    use strongroom_crypto::CryptoError;
    EngineError::Internal(InternalFault::Crypto(match error {
        CryptoError::Random => "no randomness",
        CryptoError::Module(what) => what,
        CryptoError::Unwrap => "what was sealed does not open",
        CryptoError::MaterialRejected(_) => "key material was rejected",
        _ => "an unexpected refusal",
    }))
}
