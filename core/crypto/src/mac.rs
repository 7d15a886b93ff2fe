//! HMAC (FIPS 198-1), not truncated. The raw key stays where it is kept; the module's own copy lives for one call.

use aws_lc_rs::hmac;
use strongroom_model::algorithm::MacAlgorithm;

use crate::error::CryptoError;
use crate::material::KeyMaterial;

impl KeyMaterial {
    /// Computes the code of a message: as many bytes as the hash has.
    ///
    /// # Errors
    /// [`CryptoError::UnfitMac`].
    pub fn generate_mac(&self, algorithm: MacAlgorithm, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(hmac::sign(&self.hmac(algorithm)?, message).as_ref().to_vec())
    }

    /// Verifies the code of a message, in constant time.
    ///
    /// # Errors
    /// [`CryptoError::InvalidMac`]; [`CryptoError::UnfitMac`].
    pub fn verify_mac(&self, algorithm: MacAlgorithm, message: &[u8], mac: &[u8]) -> Result<(), CryptoError> {
        hmac::verify(&self.hmac(algorithm)?, message, mac).map_err(|_| CryptoError::InvalidMac)
    }

    fn hmac(&self, algorithm: MacAlgorithm) -> Result<hmac::Key, CryptoError> {
        let unfit = CryptoError::UnfitMac(algorithm, self.spec());
        let key = self.symmetric().filter(|_| algorithm.fits(self.spec())).ok_or(unfit)?;
        let hash = match algorithm {
            MacAlgorithm::HmacSha224 => hmac::HMAC_SHA224,
            MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
            MacAlgorithm::HmacSha384 => hmac::HMAC_SHA384,
            MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
        };
        Ok(hmac::Key::new(hash, key))
    }
}
