//! The three primitives of this room, as the cryptographic library has them: AES-256-GCM (SP 800-38D) with an IV that
//! the library draws, KBKDF in counter mode with HMAC-SHA-256 (SP 800-108), and random bytes.
//!
//! Absent on purpose: a seal with a caller's IV.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use strongroom_secret::{Secret, SecretBytes};

use crate::error::SoftwareRootError;

/// Bytes that sealing adds: the IV before the ciphertext (12) and the tag after it (16).
pub(crate) const SEAL_OVERHEAD: usize = NONCE_LEN + 16;

/// IV, ciphertext and tag of `plaintext`, bound to `aad`.
pub(crate) fn seal(key: &Secret<32>, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SoftwareRootError> {
    let failed = |_| SoftwareRootError::Module("seal");
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(failed)?;
    // Room for the tag from the start: growing would leave a copy of the plaintext behind.
    let mut text = Vec::with_capacity(plaintext.len() + 16);
    text.extend_from_slice(plaintext);
    let iv = key.seal_in_place_append_tag(Aad::from(aad), &mut text).map_err(failed)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + text.len());
    sealed.extend_from_slice(iv.as_ref());
    sealed.append(&mut text);
    Ok(sealed)
}

/// The plaintext of what [`seal`] made under the same key and `aad`; `None` for anything else.
pub(crate) fn open(key: &Secret<32>, aad: &[u8], sealed: &[u8]) -> Option<SecretBytes> {
    let (iv, text) = sealed.split_at_checked(NONCE_LEN)?;
    let iv = Nonce::try_assume_unique_for_key(iv).ok()?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).ok()?;
    let mut text = text.to_vec();
    let length = key.open_in_place(iv, Aad::from(aad), &mut text).ok()?.len();
    let mut plaintext = SecretBytes::take(text);
    plaintext.truncate(length);
    Some(plaintext)
}

/// A 256-bit key from `secret`; the fixed input is `label || 0x00 || context || 0x00000100` (SP 800-108 section 4).
pub(crate) fn derive(secret: &[u8], label: &str, context: &[&[u8]]) -> Result<Secret<32>, SoftwareRootError> {
    let failed = SoftwareRootError::Module("derive a key");
    let Some(algorithm) = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256) else { return Err(failed) };
    let fixed = [label.as_bytes(), &[0], &context.concat(), &256_u32.to_be_bytes()].concat();
    Secret::try_init_with(|key| kbkdf_ctr_hmac(algorithm, secret, &fixed, key)).map_err(|_| failed)
}

/// Fills `bytes` at random.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), SoftwareRootError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| SoftwareRootError::Module("draw random bytes"))
}

/// `N` random bytes that are no secret.
pub(crate) fn random_array<const N: usize>() -> Result<[u8; N], SoftwareRootError> {
    let mut bytes = [0; N];
    random(&mut bytes)?;
    Ok(bytes)
}

/// A random key.
pub(crate) fn random_key() -> Result<Secret<32>, SoftwareRootError> {
    Secret::try_init_with(|key| random(key))
}
