//! What a token does with AES keys, and how it wraps a domain key with that: with its AES-GCM, or where it lacks that with AES key wrap with padding.
//!
//! What the wrapped key is bound to is additional data to the one; the other wraps its SHA-256 along with the key.

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use strongroom_secret::SecretBytes;
use zeroize::{Zeroize, Zeroizing};

use crate::keys::Keys;
use crate::protocol::{Fault, Wrapping};
use crate::token::{Trouble, code};

/// Bytes of an IV for GCM.
pub(crate) const IV_BYTES: usize = 12;
/// Bytes of a domain key.
pub(crate) const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
/// What RFC 5649 adds to a multiple of eight bytes.
const KEY_WRAP_OVERHEAD: usize = 8;

impl Wrapping {
    /// Lengths of IV and ciphertext.
    pub(crate) const fn lengths(self) -> (usize, usize) {
        match self {
            Self::AesGcm => (IV_BYTES, KEY_BYTES + TAG_BYTES),
            Self::KeyWrapPad => (0, KEY_BYTES + DIGEST_BYTES + KEY_WRAP_OVERHEAD),
        }
    }
}

/// IV and ciphertext of `key`, bound to `bound`.
pub(crate) fn wrap(
    session: &Session,
    keys: &Keys,
    bound: &[u8],
    key: &SecretBytes,
) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
    let (iv, text) = match keys.mechanism {
        Wrapping::AesGcm => gcm_seal(session, keys.wrapping, bound, key)?,
        Wrapping::KeyWrapPad => (Vec::new(), wrap_with_digest(session, keys, bound, key)?),
    };
    if (iv.len(), text.len()) != keys.mechanism.lengths() {
        return Err(Fault::Unsupported("a token whose ciphertext has an unusual length".into()).into());
    }
    Ok((iv, text))
}

/// The key within; [`Fault::Refused`] when it was not wrapped by this key for `bound`.
pub(crate) fn unwrap(
    session: &Session,
    keys: &Keys,
    bound: &[u8],
    iv: &[u8],
    text: &[u8],
) -> Result<SecretBytes, Trouble> {
    match open(session, keys, bound, iv, text) {
        // Tokens disagree on the code for a wrong tag, and some give one that also means a broken token. If it still
        // opens what it has just wrapped, but this not even again, the blob is at fault.
        Err(Trouble::Doubtful(_)) => {
            prove(session, keys)?;
            open(session, keys, bound, iv, text).map_err(|trouble| match trouble {
                Trouble::Doubtful(_) => Fault::Refused.into(),
                other => other,
            })
        }
        other => other,
    }
}

fn open(session: &Session, keys: &Keys, bound: &[u8], iv: &[u8], text: &[u8]) -> Result<SecretBytes, Trouble> {
    match keys.mechanism {
        Wrapping::AesGcm => sized(gcm_open(session, keys.wrapping, bound, iv, text)?, KEY_BYTES),
        Wrapping::KeyWrapPad => unwrap_with_digest(session, keys, bound, text),
    }
}

/// Wraps and opens a key that protects nothing, to see that the token does both.
pub(crate) fn prove(session: &Session, keys: &Keys) -> Result<(), Trouble> {
    let probe = SecretBytes::take(vec![0x5a; KEY_BYTES]);
    let (iv, text) = wrap(session, keys, b"probe", &probe)?;
    let opened = open(session, keys, b"probe", &iv, &text)?;
    if opened.equals(probe.expose()) {
        Ok(())
    } else {
        Err(Fault::Failed("the token does not open what it wraps".into()).into())
    }
}

/// AES-GCM with an IV of the token's; IV, and ciphertext with its tag.
pub(crate) fn gcm_seal(
    session: &Session,
    key: ObjectHandle,
    additional: &[u8],
    text: &SecretBytes,
) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
    // Some tokens take the IV given, others put their own in its place: the buffer holds the one used, either way.
    let mut iv = vec![0; IV_BYTES];
    session.generate_random_slice(&mut iv)?;
    let parameters = GcmParams::new(&mut iv, additional, 128.into())?;
    let sealed = session.encrypt(&Mechanism::AesGcm(parameters), key, text.expose())?;
    Ok((iv, sealed))
}

/// Opens what [`gcm_seal`] made.
pub(crate) fn gcm_open(
    session: &Session,
    key: ObjectHandle,
    additional: &[u8],
    iv: &[u8],
    text: &[u8],
) -> Result<SecretBytes, Trouble> {
    let mut iv = iv.to_vec();
    let parameters = GcmParams::new(&mut iv, additional, 128.into())?;
    session.decrypt(&Mechanism::AesGcm(parameters), key, text).map(SecretBytes::take).map_err(refused_or)
}

/// Wraps bytes, by way of an object that lasts as long as that takes.
pub(crate) fn wrap_bytes(
    session: &Session,
    key: ObjectHandle,
    mechanism: &Mechanism<'_>,
    content: &[u8],
) -> Result<Vec<u8>, Trouble> {
    let mut template = transport_template();
    template.push(Attribute::Value(content.to_vec()));
    let object = session.create_object(&template);
    if let Some(Attribute::Value(copy)) = template.last_mut() {
        copy.zeroize();
    }
    let object = object?;
    let text = session.wrap_key(mechanism, key, object);
    session.destroy_object(object)?;
    Ok(text?)
}

/// Opens what [`wrap_bytes`] made.
pub(crate) fn unwrap_bytes(
    session: &Session,
    key: ObjectHandle,
    mechanism: &Mechanism<'_>,
    text: &[u8],
) -> Result<SecretBytes, Trouble> {
    let object = session.unwrap_key(mechanism, key, text, &transport_template()).map_err(refused_or)?;
    let content = session.get_attributes(object, &[AttributeType::Value]);
    session.destroy_object(object)?;
    let content = content?.into_iter().find_map(|attribute| match attribute {
        Attribute::Value(bytes) => Some(SecretBytes::take(bytes)),
        _ => None,
    });
    Ok(content.ok_or_else(|| Fault::Unsupported("reading an unwrapped key".into()))?)
}

fn wrap_with_digest(session: &Session, keys: &Keys, bound: &[u8], key: &SecretBytes) -> Result<Vec<u8>, Trouble> {
    let content = Zeroizing::new([key.expose(), digest(&SHA256, bound).as_ref()].concat());
    wrap_bytes(session, keys.wrapping, &Mechanism::AesKeyWrapPad, &content)
}

fn unwrap_with_digest(session: &Session, keys: &Keys, bound: &[u8], text: &[u8]) -> Result<SecretBytes, Trouble> {
    let content = unwrap_bytes(session, keys.wrapping, &Mechanism::AesKeyWrapPad, text)?;
    let mut content = sized(content, KEY_BYTES + DIGEST_BYTES)?;
    let stored = SecretBytes::copy_from(content.expose().get(KEY_BYTES..).unwrap_or_default());
    content.truncate(KEY_BYTES);
    if stored.equals(digest(&SHA256, bound).as_ref()) { Ok(content) } else { Err(Fault::Refused.into()) }
}

/// A key on its way into or out of a wrapping: gone with the session, and readable, since it is ours to read.
fn transport_template() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

fn sized(secret: SecretBytes, length: usize) -> Result<SecretBytes, Trouble> {
    if secret.len() == length { Ok(secret) } else { Err(Fault::Refused.into()) }
}

/// Tells the codes that can only mean a wrong blob from those that may mean one, and from the rest.
fn refused_or(error: Error) -> Trouble {
    match code(&error) {
        Some(
            RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::WrappedKeyInvalid
            | RvError::WrappedKeyLenRange
            | RvError::SignatureInvalid,
        ) => Fault::Refused.into(),
        Some(RvError::GeneralError | RvError::FunctionFailed | RvError::ArgumentsBad | RvError::DataInvalid) => {
            Trouble::Doubtful(error.to_string())
        }
        _ => error.into(),
    }
}
