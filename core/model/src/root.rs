//! The port to a root of trust: what holds the keys above the domain keys.

use std::time::Duration;

use strongroom_secret::Secret;

use crate::id::RootId;

/// What a root says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootDescription {
    /// Identity, made with the root and kept by it.
    pub id: RootId,
    /// `software` or `pkcs11`.
    pub kind: &'static str,
    /// Where it is, for people: a token's label and serial number, or a file name.
    pub location: String,
    /// How it wraps, for people, e.g. `AES-256-GCM in the token`.
    pub wrapping: String,
}

/// The signature algorithm of a root's checkpoint key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointAlgorithm {
    /// Ed25519 (RFC 8032); signatures have 64 bytes.
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5); signatures are `r || s`, 64 bytes.
    EcdsaP256,
}

/// A root's public checkpoint key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointKey {
    /// How it signs.
    pub algorithm: CheckpointAlgorithm,
    /// Ed25519: the 32 bytes of RFC 8032. P-256: the uncompressed point, 65 bytes (SEC 1).
    pub public: Vec<u8>,
}

/// Why a root could not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Its passphrase, shares or PIN have not been given yet.
    #[error("the root is sealed; unseal it first")]
    Sealed,
    /// No free place in its queue.
    #[error("the root's queue is full")]
    Busy,
    /// No answer within the deadline; the outcome is unknown.
    #[error("the root did not answer within {0:?}")]
    Timeout(Duration),
    /// It cannot be reached: token gone, module crashed, breaker open.
    #[error("the root is unavailable: {cause}")]
    Unavailable {
        /// What happened, for the operator; holds no secret.
        cause: String,
    },
    /// The blob was not wrapped by this root under this context, or was changed since.
    #[error("the root refused the wrapped key: it is damaged, or belongs to another root or context")]
    Refused,
    /// The passphrase, PIN or shares are wrong.
    #[error("the root refused the credential")]
    WrongCredential,
    /// The token lacks what is needed.
    #[error("the root does not support {mechanism}")]
    Unsupported {
        /// The mechanism that is missing.
        mechanism: String,
    },
}

/// A root of trust. Calls block, so they belong on worker threads; every one ends within the root's own deadline.
pub trait RootOfTrust: Send + Sync {
    /// Who this root is. Never blocks.
    fn describe(&self) -> RootDescription;

    /// Wraps a domain key, bound to `context`; returns at most [`crate::limits::ROOT_WRAPPED_BYTES`] bytes.
    ///
    /// # Errors
    /// When the root cannot serve.
    fn wrap(&self, context: &[u8], key: &Secret<32>) -> Result<Vec<u8>, RootError>;

    /// Opens what [`RootOfTrust::wrap`] returned for the same context.
    ///
    /// # Errors
    /// [`RootError::Refused`] for anything else; other variants when the root cannot serve.
    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Secret<32>, RootError>;

    /// The public half of the checkpoint key.
    ///
    /// # Errors
    /// When the root cannot serve.
    fn checkpoint_key(&self) -> Result<CheckpointKey, RootError>;

    /// Signs a checkpoint of the audit log with the checkpoint key. The signature holds no bytes of any other key.
    ///
    /// # Errors
    /// When the root cannot serve.
    fn sign_checkpoint(&self, message: &[u8]) -> Result<[u8; 64], RootError>;

    /// Fills `bytes` from the root's own random number generator.
    ///
    /// # Errors
    /// When the root cannot serve.
    fn random(&self, bytes: &mut [u8]) -> Result<(), RootError>;
}
