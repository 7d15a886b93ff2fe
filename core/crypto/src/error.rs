//! What can go wrong in the cryptographic room.

use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, ImportWrapping, KemAlgorithm, KeyWrapAlgorithm, MacAlgorithm, MessageKind,
    SigningAlgorithm,
};
use strongroom_model::spec::KeySpec;

/// Why a cryptographic operation was refused or failed. Holds no secret and no byte of what was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The random number generator gave nothing. Nothing was made; try again once the machine has entropy.
    #[error("the random number generator failed")]
    Random,
    /// The cryptographic module refused an operation that should succeed.
    #[error("the cryptographic module failed to {0}")]
    Module(&'static str),
    /// The ciphertext cannot be opened: malformed, damaged, of a format that is not accepted, sealed under other
    /// material or under another encryption context. One variant on purpose: telling these apart is an oracle.
    #[error("the ciphertext is not valid for this key and encryption context")]
    InvalidCiphertext,
    /// Something sealed under a wrapping key cannot be opened: damaged, or bound to something else.
    #[error("what was sealed under the wrapping key is damaged, or belongs elsewhere")]
    Unwrap,
    /// Material brought from outside cannot be taken in: not wrapped to this key in this way, or no material of the
    /// spec. One variant on purpose: telling these apart is an oracle.
    #[error("the wrapped material cannot be opened, or is no material of this kind of key")]
    ImportRejected,
    /// The signature does not belong to this message and key.
    #[error("the signature is not valid for this message and key")]
    InvalidSignature,
    /// The message authentication code does not belong to this message and key.
    #[error("the message authentication code is not valid for this message and key")]
    InvalidMac,
    /// Key material in an encoding that this specification does not have, or failing its checks.
    #[error("the bytes are not the material of a {0:?} key")]
    MaterialRejected(KeySpec),
    /// The specification has no public half.
    #[error("a {0:?} key has no public half")]
    NoPublicKey(KeySpec),
    /// A signing algorithm that this material cannot serve.
    #[error("{0:?} is not an algorithm of a {1:?} key")]
    UnfitSigning(SigningAlgorithm, KeySpec),
    /// A message handed in as something that the signing algorithm does not take.
    #[error("{0:?} signs no message of the kind {1:?}")]
    UnfitMessage(SigningAlgorithm, MessageKind),
    /// A key agreement algorithm that this material cannot serve.
    #[error("{0:?} is not an algorithm of a {1:?} key")]
    UnfitAgreement(AgreementAlgorithm, KeySpec),
    /// A key encapsulation algorithm that this material cannot serve.
    #[error("{0:?} is not an algorithm of a {1:?} key")]
    UnfitKem(KemAlgorithm, KeySpec),
    /// A way of wrapping that material of this kind cannot undo.
    #[error("{0:?} is not undone by a {1:?} key")]
    UnfitImport(ImportWrapping, KeySpec),
    /// An encryption algorithm that this material cannot serve.
    #[error("{0:?} is not an algorithm of a {1:?} key")]
    UnfitEncryption(EncryptionAlgorithm, KeySpec),
    /// A MAC algorithm that this material cannot serve.
    #[error("{0:?} is not an algorithm of a {1:?} key")]
    UnfitMac(MacAlgorithm, KeySpec),
    /// More plaintext than the algorithm or format takes.
    #[error("a plaintext of {actual} bytes is over the limit of {limit}")]
    PlaintextTooLong {
        /// The limit, in bytes.
        limit: usize,
        /// What was handed in, in bytes.
        actual: usize,
    },
    /// More associated data than the format takes.
    #[error("associated data of {actual} bytes is over the limit of {limit}")]
    AssociatedDataTooLong {
        /// The limit, in bytes.
        limit: usize,
        /// What was handed in, in bytes.
        actual: usize,
    },
    /// A key of a length that this algorithm does not wrap.
    #[error("{0:?} wraps no key of this length")]
    WrapLength(KeyWrapAlgorithm),
    /// A digest of another length than the algorithm's hash makes.
    #[error("a digest of {actual} bytes; the algorithm signs {expected}")]
    DigestLength {
        /// What the hash makes, in bytes.
        expected: usize,
        /// What was handed in, in bytes.
        actual: usize,
    },
    /// A key stands in the encryption context twice.
    #[error("the encryption context has a key twice")]
    ContextDuplicate,
    /// The encryption context is over [`crate::limits::CONTEXT_PAIRS`] or [`crate::limits::CONTEXT_BYTES`].
    #[error("the encryption context is too large: at most {pairs} pairs and {bytes} bytes", pairs = crate::limits::CONTEXT_PAIRS, bytes = crate::limits::CONTEXT_BYTES)]
    ContextTooLarge,
}
