//! RSAES-OAEP (RFC 8017, section 7.1): empty label, MGF1 with the same hash as the encoding.
//!
//! AWS-LC blinds the private-key operation and takes the padding off in constant time; every fault of a ciphertext is
//! one error here. Absent on purpose: labels, mixed hashes, RSAES-PKCS1-v1_5.

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::material::{self, KeyMaterial};
use crate::public::{self, PublicKey};

impl PublicKey {
    /// Longest plaintext that [`PublicKey::encrypt`] takes, in bytes: modulus - 2 * hash - 2.
    ///
    /// # Errors
    /// [`CryptoError::UnfitEncryption`].
    pub fn plaintext_limit(&self, algorithm: EncryptionAlgorithm) -> Result<usize, CryptoError> {
        match (&self.form, oaep(algorithm)) {
            (public::Form::Rsa(key), Some(oaep)) => Ok(key.max_plaintext_size(oaep)),
            _ => Err(CryptoError::UnfitEncryption(algorithm, self.spec())),
        }
    }

    /// Encrypts to the holder of the private half. The ciphertext is as long as the modulus.
    ///
    /// # Errors
    /// [`CryptoError::PlaintextTooLong`]; [`CryptoError::UnfitEncryption`]; [`CryptoError::Module`].
    pub fn encrypt(&self, algorithm: EncryptionAlgorithm, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (public::Form::Rsa(key), Some(oaep)) = (&self.form, oaep(algorithm)) else {
            return Err(CryptoError::UnfitEncryption(algorithm, self.spec()));
        };
        let limit = key.max_plaintext_size(oaep);
        if plaintext.len() > limit {
            return Err(CryptoError::PlaintextTooLong { limit, actual: plaintext.len() });
        }
        let mut ciphertext = vec![0; key.ciphertext_size()];
        let length = key
            .encrypt(oaep, plaintext, &mut ciphertext, None)
            .map_err(|_| CryptoError::Module("encrypt with RSA"))?
            .len();
        ciphertext.truncate(length);
        Ok(ciphertext)
    }
}

impl KeyMaterial {
    /// Decrypts what was encrypted to the public half.
    ///
    /// # Errors
    /// [`CryptoError::InvalidCiphertext`] for every fault of the ciphertext; [`CryptoError::UnfitEncryption`];
    /// [`CryptoError::Module`].
    pub fn decrypt(&self, algorithm: EncryptionAlgorithm, ciphertext: &[u8]) -> Result<SecretBytes, CryptoError> {
        let (material::Form::Rsa(rsa), Some(oaep)) = (&self.form, oaep(algorithm)) else {
            return Err(CryptoError::UnfitEncryption(algorithm, self.spec()));
        };
        let key = rsa.decrypter()?;
        if ciphertext.len() != key.key_size_bytes() {
            return Err(CryptoError::InvalidCiphertext);
        }
        let mut plaintext = Zeroizing::new(vec![0; key.min_output_size()]);
        let length =
            key.decrypt(oaep, ciphertext, &mut plaintext, None).map_err(|_| CryptoError::InvalidCiphertext)?.len();
        let mut plaintext = SecretBytes::take(std::mem::take(&mut *plaintext));
        plaintext.truncate(length);
        Ok(plaintext)
    }
}

const fn oaep(algorithm: EncryptionAlgorithm) -> Option<&'static OaepAlgorithm> {
    match algorithm {
        EncryptionAlgorithm::RsaOaepSha1 => Some(&OAEP_SHA1_MGF1SHA1),
        EncryptionAlgorithm::RsaOaepSha256 => Some(&OAEP_SHA256_MGF1SHA256),
        EncryptionAlgorithm::DerivedAes256Gcm => None,
    }
}
