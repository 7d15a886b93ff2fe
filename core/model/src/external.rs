//! The port to external key managers: keys in somebody else's hands, asked for one encryption or decryption at a time.
//!
//! A key of ours may be doubled by one there: what it encrypts is encrypted once more by a key that can be taken away
//! without asking us. Absent on purpose: how a manager is spoken to, and what becomes of a key whose manager is gone.

use std::sync::Arc;

use strongroom_secret::SecretBytes;

use crate::id::TenantId;

/// Where an external key manager is, in the words of whoever named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalAddress {
    /// The server: `https://` and a domain name.
    pub endpoint: String,
    /// The path of its interface there.
    pub path: String,
    /// The private service that it is reached through; absent for one that the world can reach.
    pub service: Option<String>,
}

/// What requests to a manager are signed with. The manager made it.
pub struct ExternalCredential {
    /// The public half.
    pub shown: String,
    /// The secret half.
    pub secret: SecretBytes,
}

/// What a manager is told of the request that it is asked for, so that it can decide and record.
#[derive(Clone, Copy, Debug)]
pub struct ExternalRequest<'a> {
    /// Who asks, as policies name them.
    pub principal: &'a str,
    /// The operation, as its front end names it.
    pub operation: &'a str,
    /// The request, as its answer names it.
    pub request_id: &'a str,
    /// The key of ours, as its front end names it; absent where there is none yet.
    pub resource: Option<&'a str>,
}

/// What a manager made of a plaintext. All of it is needed to get the plaintext back, and none of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSealed {
    /// As long as the plaintext.
    pub ciphertext: Vec<u8>,
    /// 12 or 16 bytes.
    pub iv: Vec<u8>,
    /// The tag.
    pub tag: [u8; 16],
    /// At most 20 bytes, which mean something to the manager alone.
    pub metadata: Vec<u8>,
}

/// Why a manager did not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// As many calls as one manager, or the managers of one tenant, are asked at once are under way.
    #[error("too many calls to external key managers at once; try again")]
    Busy,
    /// It did not answer in time.
    #[error("the external key manager did not answer in time")]
    Late,
    /// No connection, or none that lasted until an answer came.
    #[error("the external key manager is unreachable: {cause}")]
    Unreachable {
        /// What happened, for the operator.
        cause: String,
    },
    /// No TLS: an authority that is not trusted, a name that does not match, nothing in common.
    #[error("TLS with the external key manager failed: {cause}")]
    Tls {
        /// What happened, for the operator.
        cause: String,
    },
    /// The private service that it is to be reached through is not known here.
    #[error("the private service of the external key manager is not known here")]
    NoService,
    /// An answer that is none by the interface's rules.
    #[error("the answer of the external key manager is invalid: {cause}")]
    InvalidAnswer {
        /// What is wrong with it, for the operator.
        cause: String,
    },
    /// It refused.
    #[error("the external key manager refused: {0:?}")]
    Refused(ExternalRefusal),
    /// Nothing of it works, by its own account.
    #[error("the external key manager says that nothing of it works")]
    Unhealthy,
    /// The key there is not one of AES with 256 bits that encrypts, decrypts and is enabled.
    #[error("the external key cannot serve: it must be AES of 256 bits, enabled, for encryption and decryption")]
    KeyUnfit,
    /// Address, credential or key id is not of its form. Nothing was asked.
    #[error("{0}")]
    Malformed(&'static str),
    /// More bytes than every manager is bound to take. Nothing was asked.
    #[error("more than an external key manager takes in one call")]
    TooLong,
}

/// Why a manager refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExternalRefusal {
    /// It found fault with the request.
    Request,
    /// The key or what it belongs to is disabled or blocked.
    State,
    /// The ciphertext or what belongs to it is not the key's.
    Ciphertext,
    /// The key is not for this.
    Usage,
    /// It does not know who asks.
    Unauthenticated,
    /// Its rules forbid it.
    Denied,
    /// It has no such key.
    NoKey,
    /// It has nothing at this path.
    NoPath,
    /// More than it can do, or more than it grants.
    Throttled,
    /// It does not do this.
    Unsupported,
    /// What it depends on was late.
    Late,
    /// Anything else.
    Internal,
}

/// An external key manager, as one tenant asks it. Calls block, so they belong on threads of their own; every one ends
/// within the time that its maker gave it.
pub trait ExternalManager: Send + Sync {
    /// Encrypts under a key of its own.
    ///
    /// # Errors
    /// [`ExternalError`].
    fn seal(
        &self,
        key: &str,
        request: &ExternalRequest<'_>,
        associated: &[u8],
        plaintext: &SecretBytes,
    ) -> Result<ExternalSealed, ExternalError>;

    /// Decrypts what [`ExternalManager::seal`] made with the same key and associated data.
    ///
    /// # Errors
    /// [`ExternalError`]; [`ExternalRefusal::Ciphertext`] for anything else.
    fn open(
        &self,
        key: &str,
        request: &ExternalRequest<'_>,
        associated: &[u8],
        sealed: &ExternalSealed,
    ) -> Result<SecretBytes, ExternalError>;

    /// Whether there is such a key, fit to double one of ours.
    ///
    /// # Errors
    /// [`ExternalError::KeyUnfit`], [`ExternalRefusal::NoKey`], and every other.
    fn inspect(&self, key: &str, request: &ExternalRequest<'_>) -> Result<(), ExternalError>;

    /// Whether it works, by its own account.
    ///
    /// # Errors
    /// [`ExternalError::Unhealthy`], and every other.
    fn health(&self, request: &ExternalRequest<'_>) -> Result<(), ExternalError>;
}

/// Where external key managers are asked from.
pub trait ExternalManagers: Send + Sync {
    /// A manager, as `region` asks it on behalf of a tenant, which has its share of what all tenants have together. Nothing
    /// is asked yet, and nothing blocks.
    ///
    /// # Errors
    /// [`ExternalError::Malformed`], [`ExternalError::NoService`].
    fn manager(
        &self,
        tenant: TenantId,
        address: &ExternalAddress,
        credential: ExternalCredential,
        region: &str,
    ) -> Result<Arc<dyn ExternalManager>, ExternalError>;
}
