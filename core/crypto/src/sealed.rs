//! The one authenticated construction that everything sealed under a symmetric key uses.
//!
//! `header || salt (32) || commitment (32) || IV (12) || ciphertext || tag (16)`, where
//! - key (32) || commitment (32) = KBKDF(wrapping key or material, label, header || salt), see [`crate::derive`];
//! - AES-256-GCM (SP 800-38D) runs under that key with a random IV drawn inside the cryptographic module;
//! - additional data = header || salt || commitment || what the caller binds, whose encoding must be injective.
//!
//! The IV is not part of the additional data, because the module draws it while sealing; GCM's tag covers it by
//! itself. AES-GCM commits to no key, hence the commitment: it is compared, in constant time, before GCM runs.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, RandomizedNonceKey, UnboundKey};
use strongroom_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::derive::{Label, derive};
use crate::error::CryptoError;
use crate::random::{self, Random};

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const SALT_BYTES: usize = 32;
pub(crate) const COMMITMENT_BYTES: usize = 32;
pub(crate) const IV_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
/// What sealing adds to a header and a plaintext.
pub(crate) const OVERHEAD_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES + IV_BYTES + TAG_BYTES;

/// Additional data behind the header: its encoding is canonical, and no two values share one.
pub(crate) trait Bound {
    /// Bytes that [`Bound::append_to`] writes.
    fn encoded_bytes(&self) -> usize;
    /// Writes the encoding.
    fn append_to(&self, buffer: &mut Vec<u8>);
}

impl Bound for [u8] {
    fn encoded_bytes(&self) -> usize {
        self.len()
    }

    fn append_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self);
    }
}

/// Seals `plaintext`; the result begins with `header`.
pub(crate) fn seal(
    label: Label,
    key: &[u8],
    header: &[u8],
    bound: &(impl Bound + ?Sized),
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, CryptoError> {
    const FAILED: CryptoError = CryptoError::Module("encrypt");
    let front = header.len() + SALT_BYTES + COMMITMENT_BYTES;
    let total = header.len() + OVERHEAD_BYTES + plaintext.len();
    // One buffer: the result, and behind it, cut off at the end, the additional data.
    let mut buffer = Zeroizing::new(Vec::with_capacity(total + front + bound.encoded_bytes()));
    buffer.extend_from_slice(header);
    buffer.extend_from_slice(&random::bytes::<SALT_BYTES>(random)?);
    let derived = Derived::new(label, key, &buffer)?;
    buffer.extend_from_slice(derived.commitment());
    buffer.extend_from_slice(&[0; IV_BYTES]);
    buffer.extend_from_slice(plaintext);
    buffer.extend_from_slice(&[0; TAG_BYTES]);
    buffer.extend_from_within(..front);
    bound.append_to(&mut buffer);
    {
        let (sealed, additional) = buffer.split_at_mut(total);
        let (_, rest) = sealed.split_at_mut(front);
        let (iv, rest) = rest.split_at_mut(IV_BYTES);
        let (text, tag) = rest.split_at_mut(plaintext.len());
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, derived.key()).map_err(|_| FAILED)?;
        let (drawn, made) = cipher.seal_in_place_separate_tag(Aad::from(&*additional), text).map_err(|_| FAILED)?;
        iv.copy_from_slice(drawn.as_ref());
        tag.copy_from_slice(made.as_ref());
    }
    buffer.truncate(total);
    Ok(std::mem::take(&mut *buffer))
}

/// Opens what [`seal`] made with the same label, key and bound data; `None` for every fault alike.
pub(crate) fn open(
    label: Label,
    key: &[u8],
    header_bytes: usize,
    bound: &(impl Bound + ?Sized),
    sealed: &[u8],
) -> Option<SecretBytes> {
    let (salted, rest) = sealed.split_at_checked(header_bytes + SALT_BYTES)?;
    let (commitment, rest) = rest.split_at_checked(COMMITMENT_BYTES)?;
    let (iv, rest) = rest.split_first_chunk::<IV_BYTES>()?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let derived = Derived::new(label, key, salted).ok()?;
    aws_lc_rs::constant_time::verify_slices_are_equal(derived.commitment(), commitment).ok()?;

    let front = salted.len() + COMMITMENT_BYTES;
    let mut buffer = Zeroizing::new(Vec::with_capacity(text.len() + front + bound.encoded_bytes()));
    buffer.resize(text.len(), 0);
    buffer.extend_from_slice(salted);
    buffer.extend_from_slice(commitment);
    bound.append_to(&mut buffer);
    let (plaintext, additional) = buffer.split_at_mut(text.len());
    gcm_open(derived.key(), iv, additional, text, tag, plaintext)?;
    buffer.truncate(text.len());
    Some(SecretBytes::take(std::mem::take(&mut *buffer)))
}

/// AES-256-GCM with a 96-bit IV and a 128-bit tag. `plaintext` is as long as `ciphertext`.
pub(crate) fn gcm_open(
    key: &[u8],
    iv: &[u8; IV_BYTES],
    additional: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
    plaintext: &mut [u8],
) -> Option<()> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let iv = Nonce::assume_unique_for_key(*iv);
    cipher.open_separate_gather(iv, Aad::from(additional), ciphertext, tag, plaintext).ok()
}

/// A derived key and its commitment.
struct Derived(Zeroizing<[u8; KEY_BYTES + COMMITMENT_BYTES]>);

impl Derived {
    fn new(label: Label, key: &[u8], context: &[u8]) -> Result<Self, CryptoError> {
        let mut derived = Self(Zeroizing::new([0; KEY_BYTES + COMMITMENT_BYTES]));
        derive(key, label, context, derived.0.as_mut_slice())?;
        Ok(derived)
    }

    fn key(&self) -> &[u8] {
        self.0.split_at(KEY_BYTES).0
    }

    fn commitment(&self) -> &[u8] {
        self.0.split_at(KEY_BYTES).1
    }
}

#[cfg(test)]
mod tests;
