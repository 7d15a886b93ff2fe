//! AES key wrap: other keys, as bytes, under AES material (SP 800-38F; RFC 3394 and 5649).
//!
//! Deterministic, and bound to nothing. Absent on purpose: any other initial value than the standards', and material
//! that does something else besides.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap, KeyWrapPadded};
use strongroom_model::algorithm::KeyWrapAlgorithm;
use strongroom_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::limits::KEY_WRAP_BYTES;
use crate::material::KeyMaterial;

/// What wrapping adds at most: one block of 8 bytes, and with padding up to 7 more.
const OVERHEAD_BYTES: usize = 15;

impl KeyMaterial {
    /// Wraps a key.
    ///
    /// # Errors
    /// [`CryptoError::WrapLength`] for a length that the algorithm does not take, or over [`KEY_WRAP_BYTES`];
    /// [`CryptoError::UnfitEncryption`] for material other than AES; [`CryptoError::Module`].
    pub fn wrap_key(&self, algorithm: KeyWrapAlgorithm, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if !algorithm.takes(key.len()) || key.len() > KEY_WRAP_BYTES {
            return Err(CryptoError::WrapLength(algorithm));
        }
        let kek = self.kek()?;
        let mut room = vec![0; key.len() + OVERHEAD_BYTES];
        let wrapped = match algorithm {
            KeyWrapAlgorithm::Aes256Kw => kek.wrap(key, &mut room),
            KeyWrapAlgorithm::Aes256Kwp => kek.wrap_with_padding(key, &mut room),
        };
        let length = wrapped.map_err(|_| CryptoError::Module("wrap a key"))?.len();
        room.truncate(length);
        Ok(room)
    }

    /// Opens what [`KeyMaterial::wrap_key`] made by the same algorithm.
    ///
    /// # Errors
    /// [`CryptoError::InvalidCiphertext`] for every fault of what was wrapped; [`CryptoError::UnfitEncryption`].
    pub fn unwrap_key(&self, algorithm: KeyWrapAlgorithm, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        if wrapped.len() > KEY_WRAP_BYTES + OVERHEAD_BYTES {
            return Err(CryptoError::InvalidCiphertext);
        }
        let kek = self.kek()?;
        let mut room = Zeroizing::new(vec![0; wrapped.len()]);
        let opened = match algorithm {
            KeyWrapAlgorithm::Aes256Kw => kek.unwrap(wrapped, &mut room),
            KeyWrapAlgorithm::Aes256Kwp => kek.unwrap_with_padding(wrapped, &mut room),
        };
        let length = opened.map_err(|_| CryptoError::InvalidCiphertext)?.len();
        let mut opened = SecretBytes::take(std::mem::take(&mut *room));
        opened.truncate(length);
        Ok(opened)
    }

    fn kek(&self) -> Result<AesKek, CryptoError> {
        AesKek::new(&AES_256, self.aes()?).map_err(|_| CryptoError::Module("wrap keys"))
    }
}
