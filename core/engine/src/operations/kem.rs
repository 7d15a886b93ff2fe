//! Key encapsulation.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::algorithm::KemAlgorithm;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;
use strongroom_secret::Secret;

use super::encrypt::{crypto_error, demand};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{Algorithm, EngineError};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::workers::Ground;

/// Draws a secret and encapsulates it.
pub struct Encapsulate {
    /// To which key.
    pub key: KeyReference,
    /// How.
    pub algorithm: KemAlgorithm,
}

/// What [`Encapsulate`] answers.
pub struct Encapsulated {
    /// The secret.
    pub secret: Secret<{ KemAlgorithm::SECRET_BYTES }>,
    /// What yields it to whoever may decapsulate with the key.
    pub ciphertext: Vec<u8>,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for Encapsulate {
    type Output = Encapsulated;

    fn algorithm(&self) -> &'static str {
        algorithm::kem(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::Encapsulate, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Encapsulated>, Halt> {
        let handle = authorized.key(0)?;
        require(handle, self.algorithm)?;
        let (_, material) = authorized.current(0)?;
        let made = material.public_key().and_then(|public| public.encapsulate(self.algorithm));
        let made = made.map_err(|error| crypto_error(handle, error))?;
        let key = Arc::clone(handle.entry());
        Ok(Outcome::Answer(Encapsulated { secret: made.secret, ciphertext: made.ciphertext, key }))
    }
}

/// Recovers a secret that was encapsulated. A ciphertext of the right length always yields one, and nothing tells whether
/// it was made for this key (implicit rejection, FIPS 203, section 6.3).
pub struct Decapsulate {
    /// With which key.
    pub key: KeyReference,
    /// [`KemAlgorithm::ciphertext_bytes`] bytes.
    pub ciphertext: Vec<u8>,
    /// How.
    pub algorithm: KemAlgorithm,
}

/// What [`Decapsulate`] answers.
pub struct Decapsulated {
    /// The secret.
    pub secret: Secret<{ KemAlgorithm::SECRET_BYTES }>,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for Decapsulate {
    type Output = Decapsulated;

    fn algorithm(&self) -> &'static str {
        algorithm::kem(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::Decapsulate, self.key.clone(), Purpose::ProcessProtected)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Decapsulated>, Halt> {
        let handle = authorized.key(0)?;
        require(handle, self.algorithm)?;
        let (_, material) = authorized.current(0)?;
        let secret = material.decapsulate(self.algorithm, &self.ciphertext);
        let secret = secret.map_err(|error| crypto_error(handle, error))?;
        Ok(Outcome::Answer(Decapsulated { secret, key: Arc::clone(handle.entry()) }))
    }
}

fn require(handle: &KeyHandle, algorithm: KemAlgorithm) -> Result<(), EngineError> {
    handle.require(Usage::Kem)?;
    let spec = handle.entry().row.spec;
    match algorithm.fits(spec) {
        true => Ok(()),
        false => Err(EngineError::AlgorithmUnfit {
            resource: Arc::clone(handle.resource()),
            algorithm: Algorithm::Kem(algorithm),
            spec,
        }),
    }
}
