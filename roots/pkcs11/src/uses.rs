//! Uses of keys as calls to a child, and its replies as what came of them.

use aws_lc_rs::digest::{self, Algorithm, SHA256, SHA384, SHA512};
use strongroom_model::algorithm::{MessageKind, SigningAlgorithm};
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{KeyStoreError, KeyUse, KeyUsed, ResidentSealed};
use strongroom_secret::SecretBytes;

use crate::der;
use crate::limits::DATA_BYTES;
use crate::protocol::{Act, Call, Reply, SecretField};

/// What the reply to a use must be.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Ciphertext of so many bytes, with its IV and tag.
    Sealed(usize),
    /// A secret, of so many bytes where that is known.
    Opened(Option<usize>),
    Made,
    /// `r || s`, which is given out in DER.
    Ecdsa,
}

/// The call that a use is, and what its reply must be.
///
/// # Errors
/// When no token could do it.
pub(crate) fn call(object: ObjectId, wanted: &KeyUse) -> Result<(Call, Shape), KeyStoreError> {
    let (act, shape, bytes) = match wanted {
        KeyUse::Seal { additional, plaintext } => {
            let act = Act::Seal { additional: additional.clone().into(), text: copied(plaintext) };
            (act, Shape::Sealed(plaintext.len()), additional.len() + plaintext.len())
        }
        KeyUse::Open { additional, sealed } => {
            let text = [sealed.ciphertext.as_slice(), &sealed.tag].concat();
            let (additional, bytes) = (additional.clone(), additional.len() + sealed.ciphertext.len());
            let act = Act::Open { additional: additional.into(), iv: sealed.iv.to_vec().into(), text: text.into() };
            (act, Shape::Opened(Some(sealed.ciphertext.len())), bytes)
        }
        KeyUse::Wrap { algorithm, key } => {
            (Act::WrapKey { algorithm: *algorithm, key: copied(key) }, Shape::Made, key.len())
        }
        KeyUse::Unwrap { algorithm, wrapped } => {
            let act = Act::UnwrapKey { algorithm: *algorithm, text: wrapped.clone().into() };
            (act, Shape::Opened(None), wrapped.len())
        }
        KeyUse::Decrypt { algorithm, ciphertext } => {
            let act = Act::Decrypt { algorithm: *algorithm, text: ciphertext.clone().into() };
            (act, Shape::Opened(None), ciphertext.len())
        }
        KeyUse::Sign { algorithm, kind, message } => {
            let unsupported = || KeyStoreError::Unsupported { mechanism: format!("{algorithm:?}") };
            let hash = hash(*algorithm).ok_or_else(unsupported)?;
            let digest = match kind {
                MessageKind::Raw => digest::digest(hash, message).as_ref().to_vec(),
                MessageKind::Digest | MessageKind::ExternalMu => message.clone(),
            };
            let shape = match algorithm {
                SigningAlgorithm::EcdsaSha256 | SigningAlgorithm::EcdsaSha384 | SigningAlgorithm::EcdsaSha512 => {
                    Shape::Ecdsa
                }
                _ => Shape::Made,
            };
            let bytes = digest.len();
            (Act::Sign { algorithm: *algorithm, digest: digest.into() }, shape, bytes)
        }
    };
    match bytes <= DATA_BYTES {
        true => Ok((Call::Object { object, act }, shape)),
        false => Err(KeyStoreError::TooLong { limit: DATA_BYTES }),
    }
}

impl Shape {
    /// What came of a use, by its reply.
    ///
    /// # Errors
    /// When that is something else.
    pub(crate) fn used(self, reply: Reply) -> Result<KeyUsed, KeyStoreError> {
        match (self, reply) {
            (Self::Sealed(length), Reply::Wrapped { iv, text }) => {
                let (text, tag) = text.split_last_chunk().ok_or_else(senseless)?;
                let iv = iv.as_slice().try_into().map_err(|_| senseless())?;
                match text.len() == length {
                    true => Ok(KeyUsed::Sealed(ResidentSealed { ciphertext: text.to_vec(), iv, tag: *tag })),
                    false => Err(senseless()),
                }
            }
            (Self::Opened(length), Reply::Secret(secret)) => match length.is_none_or(|length| secret.0.len() == length)
            {
                true => Ok(KeyUsed::Opened(secret.0)),
                false => Err(senseless()),
            },
            (Self::Made, Reply::Public(bytes)) => Ok(KeyUsed::Made(bytes.into())),
            (Self::Ecdsa, Reply::Public(bytes)) => {
                der::ecdsa_signature(&bytes).map(KeyUsed::Made).ok_or_else(senseless)
            }
            _ => Err(senseless()),
        }
    }
}

pub(crate) fn senseless() -> KeyStoreError {
    KeyStoreError::Unavailable { cause: "the child process answered something else".into() }
}

fn copied(secret: &SecretBytes) -> SecretField {
    SecretField(SecretBytes::copy_from(secret.expose()))
}

const fn hash(algorithm: SigningAlgorithm) -> Option<&'static Algorithm> {
    match algorithm.digest_bytes() {
        Some(32) => Some(&SHA256),
        Some(48) => Some(&SHA384),
        Some(64) if !matches!(algorithm, SigningAlgorithm::Ed25519Ph) => Some(&SHA512),
        _ => None,
    }
}
