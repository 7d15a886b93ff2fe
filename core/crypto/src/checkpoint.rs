//! Signatures over checkpoints of the audit log: made by a root of trust, verified by anybody.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};
use strongroom_secret::Secret;

use crate::error::CryptoError;
use crate::random::Random;

/// Bytes of the uncompressed form of a point on P-256 (SEC 1, section 2.3.3).
const P256_POINT_BYTES: usize = 65;
const ED25519_PUBLIC_BYTES: usize = 32;

/// Verifies a checkpoint's signature: Ed25519 (RFC 8032), or ECDSA on P-256 with SHA-256 (FIPS 186-5) as `r || s`.
///
/// # Errors
/// [`CryptoError::InvalidSignature`], also for a public key that is none.
pub fn verify_checkpoint(key: &CheckpointKey, message: &[u8], signature: &[u8; 64]) -> Result<(), CryptoError> {
    let verified = match (key.algorithm, key.public.len()) {
        (CheckpointAlgorithm::Ed25519, ED25519_PUBLIC_BYTES) => {
            UnparsedPublicKey::new(&ED25519, &key.public).verify(message, signature)
        }
        (CheckpointAlgorithm::EcdsaP256, P256_POINT_BYTES) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public).verify(message, signature)
        }
        _ => return Err(CryptoError::InvalidSignature),
    };
    verified.map_err(|_| CryptoError::InvalidSignature)
}

/// The checkpoint key of a root that lives in software: Ed25519, kept as its 32-byte seed (RFC 8032, section 5.1.5).
pub struct CheckpointSigner(Ed25519KeyPair);

impl CheckpointSigner {
    /// Makes a seed, to be sealed by the root.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn generate_seed(random: &dyn Random) -> Result<Secret<32>, CryptoError> {
        Secret::try_init_with(|seed| random.fill(seed))
    }

    /// Takes up a seed.
    ///
    /// # Errors
    /// [`CryptoError::Module`].
    pub fn from_seed(seed: &Secret<32>) -> Result<Self, CryptoError> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        key.map(Self).map_err(|_| CryptoError::Module("prepare a checkpoint key"))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> CheckpointKey {
        CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public: self.0.public_key().as_ref().to_vec() }
    }

    /// Signs a checkpoint.
    ///
    /// # Errors
    /// [`CryptoError::Module`].
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("sign a checkpoint");
        let signature = self.0.try_sign(message).map_err(|_| FAILED)?;
        signature.as_ref().try_into().map_err(|_| FAILED)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

    use super::*;

    #[test]
    fn a_software_root_signs_what_its_public_key_verifies_and_nothing_else() {
        let seed = CheckpointSigner::generate_seed(&crate::random::SystemRandom).unwrap();
        let signer = CheckpointSigner::from_seed(&seed).unwrap();
        let signature = signer.sign(b"checkpoint").unwrap();
        assert_eq!(verify_checkpoint(&signer.public(), b"checkpoint", &signature), Ok(()));
        assert_eq!(verify_checkpoint(&signer.public(), b"other", &signature), Err(CryptoError::InvalidSignature));
        assert_eq!(CheckpointSigner::from_seed(&seed).unwrap().public(), signer.public());
    }

    #[test]
    fn a_token_s_signature_on_p256_verifies_as_r_and_s_and_not_as_another_algorithm() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let signature: [u8; 64] = pair.sign(&SystemRandom::new(), b"checkpoint").unwrap().as_ref().try_into().unwrap();
        let key =
            CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public: pair.public_key().as_ref().to_vec() };
        assert_eq!(verify_checkpoint(&key, b"checkpoint", &signature), Ok(()));
        assert_eq!(verify_checkpoint(&key, b"other", &signature), Err(CryptoError::InvalidSignature));
        let key = CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public: key.public };
        assert_eq!(verify_checkpoint(&key, b"checkpoint", &signature), Err(CryptoError::InvalidSignature));
    }
}
