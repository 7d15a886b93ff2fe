//! Digital signatures: RSASSA-PSS, RSASSA-PKCS1-v1_5 (RFC 8017), ECDSA, Ed25519, Ed25519ph (FIPS 186-5) and ML-DSA
//! (FIPS 204).
//!
//! RSA private-key operations are blinded and the others run in constant time, as AWS-LC does both. Absent on purpose:
//! deterministic ECDSA and ML-DSA, HashML-DSA, contexts, salts of other lengths than the digest, hashes other than the
//! curve's.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaParameters, RsaSignatureEncoding, UnparsedPublicKey,
};
use strongroom_model::algorithm::{MessageKind, MessageLength, SigningAlgorithm};

use crate::error::CryptoError;
use crate::lower;
use crate::material::{self, KeyMaterial};
use crate::public::{self, PublicKey};

impl KeyMaterial {
    /// Signs a message or what stands for it. RSA signatures are as long as the modulus; ECDSA signatures are DER
    /// (`Ecdsa-Sig-Value`, RFC 5480); Ed25519's have 64 bytes; ML-DSA's 2420, 3309 or 4627.
    ///
    /// # Errors
    /// [`CryptoError::UnfitSigning`]; [`CryptoError::UnfitMessage`]; [`CryptoError::DigestLength`];
    /// [`CryptoError::Module`].
    pub fn sign(&self, algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("sign");
        let unfit = CryptoError::UnfitSigning(algorithm, self.spec());
        if !algorithm.fits(self.spec()) {
            return Err(unfit);
        }
        require(algorithm, kind, message)?;
        let digest = digest_of(algorithm, kind, message)?;
        match (&self.form, rsa(algorithm)) {
            (material::Form::Rsa(rsa), Some((encoding, _))) => {
                let mut signature = vec![0; rsa.signer.public_modulus_len()];
                match digest {
                    None => rsa.signer.sign(encoding, &SystemRandom::new(), message, &mut signature),
                    Some(digest) => rsa.signer.sign_digest(encoding, &digest, &mut signature),
                }
                .map_err(|_| FAILED)?;
                Ok(signature)
            }
            (material::Form::Elliptic(ec), None) => {
                let signature = match digest {
                    None => ec.signer.sign(&SystemRandom::new(), message),
                    Some(digest) => ec.signer.sign_digest(&digest),
                };
                Ok(signature.map_err(|_| FAILED)?.as_ref().to_vec())
            }
            (material::Form::Edwards(key), None) => match algorithm {
                SigningAlgorithm::Ed25519Ph => {
                    let digest = prehash(kind, message)?;
                    Ok(lower::ed25519ph_sign(&key.private, &digest).map_err(|_| FAILED)?.to_vec())
                }
                _ => Ok(key.signer.try_sign(message).map_err(|_| FAILED)?.as_ref().to_vec()),
            },
            (material::Form::Lattice(key), None) => match representative(kind, message) {
                Some(mu) => key.pair.sign_representative(mu),
                None => key.pair.sign_message(message),
            }
            .map_err(|_| FAILED),
            _ => Err(unfit),
        }
    }
}

impl PublicKey {
    /// Verifies a signature over a message or what stands for it.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSignature`]; [`CryptoError::UnfitSigning`]; [`CryptoError::UnfitMessage`];
    /// [`CryptoError::DigestLength`].
    pub fn verify(
        &self,
        algorithm: SigningAlgorithm,
        kind: MessageKind,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let unfit = CryptoError::UnfitSigning(algorithm, self.spec());
        if !algorithm.fits(self.spec()) {
            return Err(unfit);
        }
        require(algorithm, kind, message)?;
        let digest = digest_of(algorithm, kind, message)?;
        let verified = match (&self.form, rsa(algorithm)) {
            (public::Form::Rsa(_), Some((_, parameters))) => {
                let key = UnparsedPublicKey::new(parameters, self.der());
                match digest {
                    None => key.verify(message, signature),
                    Some(digest) => key.verify_digest(&digest, signature),
                }
            }
            (public::Form::Elliptic(key), None) => match digest {
                None => key.verify_sig(message, signature),
                Some(digest) => key.verify_digest_sig(&digest, signature),
            },
            (public::Form::Edwards(key, raw), None) => match (algorithm, signature.try_into()) {
                (SigningAlgorithm::Ed25519Ph, Ok(signature)) => {
                    lower::ed25519ph_verify(raw, &prehash(kind, message)?, signature).map_err(|_| Unspecified)
                }
                (SigningAlgorithm::Ed25519Ph, Err(_)) => Err(Unspecified),
                _ => key.verify_sig(message, signature),
            },
            (public::Form::Lattice(key), None) => match representative(kind, message) {
                Some(mu) => key.verify_representative(mu, signature),
                None => key.verify_message(message, signature),
            }
            .map_err(|_| Unspecified),
            _ => return Err(unfit),
        };
        verified.map_err(|_| CryptoError::InvalidSignature)
    }
}

/// Checks that the algorithm takes messages of this kind and length.
const fn require(algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<(), CryptoError> {
    match algorithm.message_length(kind) {
        Some(MessageLength::Any) => Ok(()),
        Some(MessageLength::Exactly(expected)) if expected == message.len() => Ok(()),
        Some(MessageLength::Exactly(expected)) => Err(CryptoError::DigestLength { expected, actual: message.len() }),
        None => Err(CryptoError::UnfitMessage(algorithm, kind)),
    }
}

/// The digest, if that is what was handed in.
fn digest_of(algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<Option<Digest>, CryptoError> {
    let hash = match algorithm.digest_bytes() {
        Some(32) => &digest::SHA256,
        Some(48) => &digest::SHA384,
        Some(_) => &digest::SHA512,
        None => return Ok(None),
    };
    match kind {
        MessageKind::Digest => {
            Digest::import_less_safe(message, hash).map(Some).map_err(|_| CryptoError::Module("take in a digest"))
        }
        MessageKind::Raw | MessageKind::ExternalMu => Ok(None),
    }
}

/// What Ed25519ph signs: the message's SHA-512.
fn prehash(kind: MessageKind, message: &[u8]) -> Result<[u8; 64], CryptoError> {
    let hashed = digest::digest(&digest::SHA512, message);
    let digest = if kind == MessageKind::Digest { message } else { hashed.as_ref() };
    digest.try_into().map_err(|_| CryptoError::Module("take in a digest"))
}

/// The message representative, if that is what was handed in.
fn representative(kind: MessageKind, message: &[u8]) -> Option<&[u8; 64]> {
    message.try_into().ok().filter(|_| kind == MessageKind::ExternalMu)
}

const fn rsa(algorithm: SigningAlgorithm) -> Option<(&'static RsaSignatureEncoding, &'static RsaParameters)> {
    use SigningAlgorithm as A;
    match algorithm {
        A::RsaPssSha256 => Some((&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256)),
        A::RsaPssSha384 => Some((&RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384)),
        A::RsaPssSha512 => Some((&RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512)),
        A::RsaPkcs1Sha256 => Some((&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256)),
        A::RsaPkcs1Sha384 => Some((&RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384)),
        A::RsaPkcs1Sha512 => Some((&RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512)),
        A::EcdsaSha256 | A::EcdsaSha384 | A::EcdsaSha512 | A::Ed25519 | A::Ed25519Ph | A::MlDsa => None,
    }
}
