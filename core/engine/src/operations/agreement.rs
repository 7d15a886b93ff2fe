//! Key agreement.

use std::sync::Arc;

use strongroom_crypto::PublicKey;
use strongroom_model::action::Action;
use strongroom_model::algorithm::AgreementAlgorithm;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

use super::encrypt::{crypto_error, demand};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{Algorithm, EngineError, InputFault};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::workers::Ground;

/// Agrees on a secret with the holder of another key.
pub struct DeriveSharedSecret {
    /// With which key.
    pub key: KeyReference,
    /// The other's public key, SubjectPublicKeyInfo (RFC 5280) in DER, on the same curve.
    pub peer: Vec<u8>,
    /// How.
    pub algorithm: AgreementAlgorithm,
}

/// What [`DeriveSharedSecret`] answers.
pub struct SharedSecret {
    /// The secret, bare: [`AgreementAlgorithm::secret_bytes`] bytes.
    pub secret: SecretBytes,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for DeriveSharedSecret {
    type Output = SharedSecret;

    fn algorithm(&self) -> &'static str {
        algorithm::agreement(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::DeriveSharedSecret, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<SharedSecret>, Halt> {
        let handle = authorized.key(0)?;
        handle.require(Usage::KeyAgreement)?;
        let spec = handle.entry().row.spec;
        if !self.algorithm.fits(spec) {
            let (resource, algorithm) = (Arc::clone(handle.resource()), Algorithm::Agreement(self.algorithm));
            return Err(EngineError::AlgorithmUnfit { resource, algorithm, spec }.into());
        }
        let peer = PublicKey::parse(spec, &self.peer).map_err(|_| InputFault::PeerUnfit { spec })?;
        let (_, material) = authorized.current(0)?;
        let secret = material.agree(self.algorithm, &peer).map_err(|error| crypto_error(handle, error))?;
        Ok(Outcome::Answer(SharedSecret { secret, key: Arc::clone(handle.entry()) }))
    }
}
