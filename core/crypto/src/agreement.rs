//! Key agreement: ECC CDH, cofactor Diffie-Hellman (SP 800-56A revision 3, section 5.7.1.2) on the curves P-256, P-384 and
//! P-521, whose cofactor is 1.
//!
//! Absent on purpose: key derivation. The secret is the bare x coordinate; whoever uses it derives keys from it.

use aws_lc_rs::agreement::{self, Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, UnparsedPublicKey};
use strongroom_model::algorithm::AgreementAlgorithm;
use strongroom_model::spec::KeySpec;
use strongroom_secret::SecretBytes;

use crate::error::CryptoError;
use crate::material::{self, KeyMaterial};
use crate::public::PublicKey;

impl KeyMaterial {
    /// Agrees with the holder of `peer`'s private half. The secret has [`AgreementAlgorithm::secret_bytes`] bytes.
    ///
    /// # Errors
    /// [`CryptoError::UnfitAgreement`], with the peer's spec where only the peer's key does not fit: it is on another curve;
    /// [`CryptoError::Module`].
    pub fn agree(&self, algorithm: AgreementAlgorithm, peer: &PublicKey) -> Result<SecretBytes, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("agree on a secret");
        let (material::Form::Elliptic(own), Some(ecdh)) = (&self.form, curve(algorithm, self.spec())) else {
            return Err(CryptoError::UnfitAgreement(algorithm, self.spec()));
        };
        if peer.spec() != self.spec() {
            return Err(CryptoError::UnfitAgreement(algorithm, peer.spec()));
        }
        let peer = UnparsedPublicKey::new(ecdh, peer.der());
        agreement::agree(own.agreer(ecdh)?, peer, FAILED, |secret| Ok(SecretBytes::copy_from(secret)))
    }
}

const fn curve(algorithm: AgreementAlgorithm, spec: KeySpec) -> Option<&'static Algorithm> {
    match (algorithm, spec) {
        (AgreementAlgorithm::Ecdh, KeySpec::EcP256) => Some(&ECDH_P256),
        (AgreementAlgorithm::Ecdh, KeySpec::EcP384) => Some(&ECDH_P384),
        (AgreementAlgorithm::Ecdh, KeySpec::EcP521) => Some(&ECDH_P521),
        _ => None,
    }
}
