//! Key encapsulation: ML-KEM (FIPS 203).
//!
//! Absent on purpose: any sign of whether a ciphertext was made for this key. One that was not yields another secret, which
//! depends on the key and the ciphertext alone (implicit rejection, FIPS 203, section 6.3).

use strongroom_model::algorithm::KemAlgorithm;
use strongroom_secret::Secret;

use crate::error::CryptoError;
use crate::material::{self, KeyMaterial};
use crate::public::{self, PublicKey};

/// A fresh secret, open and encapsulated.
pub struct Encapsulated {
    /// The secret.
    pub secret: Secret<{ KemAlgorithm::SECRET_BYTES }>,
    /// What yields the secret to the holder of the private half: [`KemAlgorithm::ciphertext_bytes`] bytes.
    pub ciphertext: Vec<u8>,
}

impl PublicKey {
    /// Draws a secret and encapsulates it (FIPS 203, algorithm 20); the randomness comes from the module.
    ///
    /// # Errors
    /// [`CryptoError::UnfitKem`]; [`CryptoError::Module`], also for a key whose coefficients are out of range (FIPS 203,
    /// section 7.2).
    pub fn encapsulate(&self, algorithm: KemAlgorithm) -> Result<Encapsulated, CryptoError> {
        match &self.form {
            public::Form::Lattice(key) if algorithm.fits(self.spec()) => {
                let (secret, ciphertext) = key.encapsulate().map_err(|_| CryptoError::Module("encapsulate"))?;
                Ok(Encapsulated { secret, ciphertext })
            }
            _ => Err(CryptoError::UnfitKem(algorithm, self.spec())),
        }
    }
}

impl KeyMaterial {
    /// Decapsulates (FIPS 203, algorithm 21). A ciphertext of the right length always yields a secret.
    ///
    /// # Errors
    /// [`CryptoError::InvalidCiphertext`] for another length; [`CryptoError::UnfitKem`]; [`CryptoError::Module`].
    pub fn decapsulate(
        &self,
        algorithm: KemAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Secret<{ KemAlgorithm::SECRET_BYTES }>, CryptoError> {
        match (&self.form, algorithm.ciphertext_bytes(self.spec())) {
            (material::Form::Lattice(key), Some(bytes)) if ciphertext.len() == bytes => {
                key.pair.decapsulate(ciphertext).map_err(|_| CryptoError::Module("decapsulate"))
            }
            (material::Form::Lattice(_), Some(_)) => Err(CryptoError::InvalidCiphertext),
            _ => Err(CryptoError::UnfitKem(algorithm, self.spec())),
        }
    }
}
