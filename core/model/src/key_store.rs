//! The port to a key store: what makes keys inside itself and uses them there, so that they never leave.
//!
//! A key is known to its store by an object id. What a store can do with keys is a trait for each family; a store that
//! lacks a family says so by not having it, and one whose hardware lacks a mechanism says so when it is asked for it.
//! Absent on purpose: states, names and policies, and any way to get material out.

use std::sync::Arc;
use std::time::Duration;

use strongroom_secret::SecretBytes;

use crate::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MessageKind, SigningAlgorithm};
use crate::id::ObjectId;
use crate::limits::KEY_STORE_NAME_BYTES;
use crate::spec::KeySpec;
use crate::usage::Usage;

/// How rows and configuration refer to a key store: 1 to 64 bytes of `a-z`, `0-9` and `-`, chosen by the operator once
/// and kept. Two stores of an installation never share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyStoreName(Arc<str>);

impl KeyStoreName {
    /// Takes a name; `None` for one that is not of the form.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = (1..=KEY_STORE_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits);
        sound.then(|| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyStoreName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<C> minicbor::Encode<C> for KeyStoreName {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for KeyStoreName {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(decoder.str()?).ok_or_else(|| minicbor::decode::Error::message("no name of a key store"))
    }
}

/// What a key store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStoreDescription {
    /// Its name.
    pub name: KeyStoreName,
    /// What it is, for instance `pkcs11`.
    pub kind: &'static str,
    /// How long a use of a key may take, waiting included.
    pub deadline: Duration,
    /// How many calls it can do at once.
    pub parallel: usize,
    /// How many calls may wait for that.
    pub queue: usize,
}

/// How one of a key store's tokens is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHealth {
    /// Which, for people: a label and serial number, once known.
    pub location: String,
    /// What it is, for people: manufacturer, model, versions of hardware and firmware; once known.
    pub product: Option<String>,
    /// Whether calls succeed.
    pub state: MemberState,
    /// For how long it has been so.
    pub lasting: Duration,
    /// The last failure, past ones included. Holds no secret.
    pub last_error: Option<String>,
}

/// Whether calls to a token succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberState {
    /// They do.
    Up,
    /// The last one failed, or it is being started again.
    Degraded,
    /// They are refused at once.
    Down,
}

impl std::fmt::Display for MemberState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        })
    }
}

/// Why a key store could not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyStoreError {
    /// No free place in its queue.
    #[error("the key store's queue is full")]
    Busy,
    /// No answer within the deadline; the outcome is unknown.
    #[error("the key store did not answer within {0:?}")]
    Timeout(Duration),
    /// None of its tokens can be reached.
    #[error("the key store is unavailable: {cause}")]
    Unavailable {
        /// What happened, for the operator; holds no secret.
        cause: String,
    },
    /// It refused the PIN; it is not asked again before a restart, lest the token lock itself.
    #[error("the key store refused its PIN")]
    WrongCredential,
    /// The ciphertext or wrapped key was not made under this key like this, or was changed since.
    #[error("the key store could not open what it was given")]
    Refused,
    /// It has no such object, or one that could leave it, or that is for something else.
    #[error("the key store has no fitting object {0:?}")]
    NoObject(ObjectId),
    /// Its hardware lacks what is needed.
    #[error("the key store does not support {mechanism}")]
    Unsupported {
        /// The mechanism that is missing.
        mechanism: String,
    },
    /// More bytes than one call takes.
    #[error("the key store takes at most {limit} bytes in one call")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// What [`ResidentAead::seal`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentSealed {
    /// As long as the plaintext.
    pub ciphertext: Vec<u8>,
    /// The IV that was used, which may be the store's own choice.
    pub iv: [u8; 12],
    /// The tag.
    pub tag: [u8; 16],
}

/// One use of a key that there is, with everything that goes into it: what a store's families of uses take, in one shape.
pub enum KeyUse {
    /// [`ResidentAead::seal`].
    Seal {
        /// Bound to the ciphertext.
        additional: Vec<u8>,
        /// What is encrypted.
        plaintext: SecretBytes,
    },
    /// [`ResidentAead::open`].
    Open {
        /// As when it was sealed.
        additional: Vec<u8>,
        /// What is decrypted.
        sealed: ResidentSealed,
    },
    /// [`ResidentKeyWrapping::wrap`].
    Wrap {
        /// How.
        algorithm: KeyWrapAlgorithm,
        /// What is wrapped.
        key: SecretBytes,
    },
    /// [`ResidentKeyWrapping::unwrap`].
    Unwrap {
        /// How it was wrapped.
        algorithm: KeyWrapAlgorithm,
        /// What is unwrapped.
        wrapped: Vec<u8>,
    },
    /// [`ResidentDecryption::decrypt`].
    Decrypt {
        /// How it was encrypted.
        algorithm: EncryptionAlgorithm,
        /// What is decrypted.
        ciphertext: Vec<u8>,
    },
    /// [`ResidentSigning::sign`].
    Sign {
        /// How.
        algorithm: SigningAlgorithm,
        /// What the message is.
        kind: MessageKind,
        /// What is signed.
        message: Vec<u8>,
    },
}

impl KeyUse {
    /// Whether both are the same use of the same input. Secrets are compared in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Seal { additional, plaintext }, Self::Seal { additional: others, plaintext: theirs }) => {
                additional == others && plaintext.equals(theirs.expose())
            }
            (Self::Open { additional, sealed }, Self::Open { additional: others, sealed: theirs }) => {
                additional == others && sealed == theirs
            }
            (Self::Wrap { algorithm, key }, Self::Wrap { algorithm: others, key: theirs }) => {
                algorithm == others && key.equals(theirs.expose())
            }
            (Self::Unwrap { algorithm, wrapped }, Self::Unwrap { algorithm: others, wrapped: theirs }) => {
                algorithm == others && wrapped == theirs
            }
            (Self::Decrypt { algorithm, ciphertext }, Self::Decrypt { algorithm: others, ciphertext: theirs }) => {
                algorithm == others && ciphertext == theirs
            }
            (
                Self::Sign { algorithm, kind, message },
                Self::Sign { algorithm: others, kind: kinds, message: theirs },
            ) => algorithm == others && kind == kinds && message == theirs,
            _ => false,
        }
    }
}

/// What came of a [`KeyUse`].
pub enum KeyUsed {
    /// Of [`KeyUse::Seal`].
    Sealed(ResidentSealed),
    /// Of [`KeyUse::Open`], [`KeyUse::Unwrap`] and [`KeyUse::Decrypt`].
    Opened(SecretBytes),
    /// Of [`KeyUse::Wrap`] and [`KeyUse::Sign`].
    Made(Vec<u8>),
}

/// What is done once a use that was begun has ended ([`KeyStore::begin`]).
pub type AfterUse = Box<dyn FnOnce(Option<Result<KeyUsed, KeyStoreError>>) + Send>;

/// A key store. Calls block but where it is said that they don't, so they belong on threads of the store's own; every one
/// ends within the time given, waiting included.
pub trait KeyStore: Send + Sync {
    /// Who this store is. Never blocks.
    fn describe(&self) -> KeyStoreDescription;

    /// How its tokens are doing, in the order in which they are asked; never empty. Never blocks.
    fn health(&self) -> Vec<MemberHealth>;

    /// Makes a key that never leaves, as `object`, for one usage; returns the public half of a pair,
    /// `SubjectPublicKeyInfo` in DER (RFC 5280), else nothing. Done again for the same object it makes no second one.
    ///
    /// One token is asked, and no other after it, since the first may have made the object though it failed: after
    /// [`KeyStoreError::Unavailable`] a store of several tokens is asked again for another object. `asked` has the places,
    /// in the order of [`KeyStore::health`], of the tokens that are not to be asked for the same key again, empty at first;
    /// that of the one which is asked is added.
    ///
    /// # Errors
    /// When the store cannot serve, or has no such keys.
    fn generate(
        &self,
        object: ObjectId,
        spec: KeySpec,
        usage: Usage,
        within: Duration,
        asked: &mut Vec<usize>,
    ) -> Result<Vec<u8>, KeyStoreError>;

    /// Destroys an object, both halves of a pair. It is no error when there is none.
    ///
    /// # Errors
    /// When the store cannot serve: the object may be there still.
    fn destroy(&self, object: ObjectId, within: Duration) -> Result<(), KeyStoreError>;

    /// Whether there is such an object, fit for use.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn holds(&self, object: ObjectId, within: Duration) -> Result<bool, KeyStoreError>;

    /// Fills `bytes` from the store's own random number generator.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn random(&self, bytes: &mut [u8], within: Duration) -> Result<(), KeyStoreError>;

    /// Begins a use of a key without waiting for it. `after` is called once, within the time given, on whichever thread finds
    /// that the use has ended, this one included, and must not block it. It is told what came of it; or nothing where it
    /// can't be begun without waiting, or was cut short in a way that another try may get over: that is for whoever
    /// wants it to make, on a thread that may wait. Never blocks. What was begun is bounded as what waits is, and refused
    /// with [`KeyStoreError::Busy`] beyond.
    fn begin(&self, object: ObjectId, wanted: &KeyUse, within: Duration, after: AfterUse);

    /// Whether the store's real path works just now: with a key that is in the token for that, encrypts and decrypts.
    ///
    /// # Errors
    /// When it does not.
    fn probe(&self, within: Duration) -> Result<(), KeyStoreError>;

    /// The same for each of its tokens by itself, all at the same time; told in the order of [`KeyStore::health`], which
    /// shows from then on what was found.
    fn probe_each(&self, within: Duration) -> Vec<Result<Duration, KeyStoreError>>;

    /// Whether each of its tokens by itself works with a key made for authenticated encryption, and how long that took:
    /// encrypts and decrypts. All are tried at the same time; told in the order of [`KeyStore::health`].
    fn try_each(&self, object: ObjectId, within: Duration) -> Vec<Result<Duration, KeyStoreError>>;

    /// Authenticated encryption, if the store has it.
    fn aead(&self) -> Option<&dyn ResidentAead>;

    /// Key wrap, if the store has it.
    fn key_wrapping(&self) -> Option<&dyn ResidentKeyWrapping>;

    /// Decryption with private keys, if the store has it.
    fn decryption(&self) -> Option<&dyn ResidentDecryption>;

    /// Signing, if the store has it.
    fn signing(&self) -> Option<&dyn ResidentSigning>;
}

/// AES-256-GCM (SP 800-38D) directly under a resident key, with IVs of 12 bytes and tags of 16.
pub trait ResidentAead {
    /// Encrypts, with an IV that the store draws.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn seal(
        &self,
        object: ObjectId,
        additional: &[u8],
        plaintext: &SecretBytes,
        within: Duration,
    ) -> Result<ResidentSealed, KeyStoreError>;

    /// Decrypts.
    ///
    /// # Errors
    /// [`KeyStoreError::Refused`] for anything not made by [`ResidentAead::seal`] with the same object and additional data.
    fn open(
        &self,
        object: ObjectId,
        additional: &[u8],
        sealed: &ResidentSealed,
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError>;
}

/// AES key wrap (RFC 3394, RFC 5649) under a resident key.
pub trait ResidentKeyWrapping {
    /// Wraps a key of a length that the algorithm takes.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn wrap(
        &self,
        object: ObjectId,
        algorithm: KeyWrapAlgorithm,
        key: &SecretBytes,
        within: Duration,
    ) -> Result<Vec<u8>, KeyStoreError>;

    /// Unwraps a key.
    ///
    /// # Errors
    /// [`KeyStoreError::Refused`] for what was not wrapped under this object by this algorithm.
    fn unwrap(
        &self,
        object: ObjectId,
        algorithm: KeyWrapAlgorithm,
        wrapped: &[u8],
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError>;
}

/// RSAES-OAEP (RFC 8017) with a resident private key.
pub trait ResidentDecryption {
    /// Decrypts what was encrypted to the public half.
    ///
    /// # Errors
    /// [`KeyStoreError::Refused`] for every fault of the ciphertext.
    fn decrypt(
        &self,
        object: ObjectId,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError>;
}

/// Digital signatures with a resident private key.
pub trait ResidentSigning {
    /// Signs; ECDSA signatures are DER. The message is of a length that the algorithm takes in this kind.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn sign(
        &self,
        object: ObjectId,
        algorithm: SigningAlgorithm,
        kind: MessageKind,
        message: &[u8],
        within: Duration,
    ) -> Result<Vec<u8>, KeyStoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_the_same_only_with_all_that_goes_into_them() {
        let secret = |bytes: &[u8]| SecretBytes::copy_from(bytes);
        let sealed = |text: &[u8]| ResidentSealed { ciphertext: text.to_vec(), iv: [1; 12], tag: [2; 16] };
        let (pad, bare) = (KeyWrapAlgorithm::Aes256Kwp, KeyWrapAlgorithm::Aes256Kw);
        let (one, two) = (EncryptionAlgorithm::RsaOaepSha1, EncryptionAlgorithm::RsaOaepSha256);
        let (first, second) = (SigningAlgorithm::EcdsaSha256, SigningAlgorithm::EcdsaSha384);
        let sign = |algorithm, kind, text: &[u8]| KeyUse::Sign { algorithm, kind, message: text.to_vec() };
        let all = || {
            [
                KeyUse::Seal { additional: b"a".to_vec(), plaintext: secret(b"x") },
                KeyUse::Seal { additional: b"b".to_vec(), plaintext: secret(b"x") },
                KeyUse::Seal { additional: b"a".to_vec(), plaintext: secret(b"y") },
                KeyUse::Open { additional: b"a".to_vec(), sealed: sealed(b"x") },
                KeyUse::Open { additional: b"b".to_vec(), sealed: sealed(b"x") },
                KeyUse::Open { additional: b"a".to_vec(), sealed: sealed(b"y") },
                KeyUse::Wrap { algorithm: pad, key: secret(b"x") },
                KeyUse::Wrap { algorithm: bare, key: secret(b"x") },
                KeyUse::Wrap { algorithm: pad, key: secret(b"y") },
                KeyUse::Unwrap { algorithm: pad, wrapped: b"x".to_vec() },
                KeyUse::Unwrap { algorithm: bare, wrapped: b"x".to_vec() },
                KeyUse::Unwrap { algorithm: pad, wrapped: b"y".to_vec() },
                KeyUse::Decrypt { algorithm: one, ciphertext: b"x".to_vec() },
                KeyUse::Decrypt { algorithm: two, ciphertext: b"x".to_vec() },
                KeyUse::Decrypt { algorithm: one, ciphertext: b"y".to_vec() },
                sign(first, MessageKind::Raw, b"x"),
                sign(second, MessageKind::Raw, b"x"),
                sign(first, MessageKind::Digest, b"x"),
                sign(first, MessageKind::Raw, b"y"),
            ]
        };
        for (index, this) in all().iter().enumerate() {
            for (other, that) in all().iter().enumerate() {
                assert_eq!(this.is(that), index == other, "{index} and {other}");
            }
        }
    }

    #[test]
    fn names_are_short_plain_words() {
        for name in ["a", "hsm-1", "x".repeat(64).as_str()] {
            assert_eq!(KeyStoreName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "HSM", "a b", "a/b", "x".repeat(65).as_str(), "é"] {
            assert_eq!(KeyStoreName::new(name), None, "{name}");
        }
    }
}
