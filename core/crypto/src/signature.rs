//! Digital signatures: RSASSA-PSS, RSASSA-PKCS1-v1_5 (RFC 8017) and ECDSA (FIPS 186-5).
//!
//! RSA private-key operations are blinded and ECDSA's run in constant time, as AWS-LC does both. Absent on purpose:
//! deterministic ECDSA, salts of other lengths than the digest, hashes other than the curve's.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaParameters, RsaSignatureEncoding, UnparsedPublicKey,
};
use strongroom_model::algorithm::{MessageKind, SigningAlgorithm};

use crate::error::CryptoError;
use crate::material::{self, KeyMaterial};
use crate::public::{self, PublicKey};

impl KeyMaterial {
    /// Signs a message or its digest. RSA signatures are as long as the modulus; ECDSA signatures are DER
    /// (`Ecdsa-Sig-Value`, RFC 5480).
    ///
    /// # Errors
    /// [`CryptoError::UnfitSigning`]; [`CryptoError::DigestLength`]; [`CryptoError::Module`].
    pub fn sign(&self, algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("sign");
        let unfit = CryptoError::UnfitSigning(algorithm, self.spec());
        if !algorithm.fits(self.spec()) {
            return Err(unfit);
        }
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
            _ => Err(unfit),
        }
    }
}

impl PublicKey {
    /// Verifies a signature over a message or its digest.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSignature`]; [`CryptoError::UnfitSigning`]; [`CryptoError::DigestLength`].
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
            _ => return Err(unfit),
        };
        verified.map_err(|_| CryptoError::InvalidSignature)
    }
}

/// The digest, if that is what was handed in.
fn digest_of(algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<Option<Digest>, CryptoError> {
    let (expected, actual) = (algorithm.digest_bytes().unwrap_or_default(), message.len());
    let hash = match expected {
        32 => &digest::SHA256,
        48 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    match kind {
        MessageKind::Raw => Ok(None),
        MessageKind::Digest => Digest::import_less_safe(message, hash)
            .map(Some)
            .map_err(|_| CryptoError::DigestLength { expected, actual }),
        MessageKind::ExternalMu => Err(CryptoError::DigestLength { expected, actual }),
    }
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
