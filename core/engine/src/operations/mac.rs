//! Message authentication codes.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::algorithm::MacAlgorithm;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;

use super::encrypt::{crypto_error, demand};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{Algorithm, EngineError};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::workers::Ground;

/// Computes a code.
pub struct GenerateMac {
    /// With which key.
    pub key: KeyReference,
    /// At most [`crate::limits::MESSAGE_BYTES`] bytes.
    pub message: Vec<u8>,
    /// How.
    pub algorithm: MacAlgorithm,
}

/// What [`GenerateMac`] answers.
pub struct MacGenerated {
    /// The code, whole.
    pub mac: Vec<u8>,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for GenerateMac {
    type Output = MacGenerated;

    fn algorithm(&self) -> &'static str {
        algorithm::mac(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::GenerateMac, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<MacGenerated>, Halt> {
        let handle = authorized.key(0)?;
        require(handle, self.algorithm)?;
        let (_, material) = authorized.current(0)?;
        let mac = material.generate_mac(self.algorithm, &self.message).map_err(|error| crypto_error(handle, error))?;
        Ok(Outcome::Answer(MacGenerated { mac, key: Arc::clone(handle.entry()) }))
    }
}

/// Verifies a code.
pub struct VerifyMac {
    /// With which key.
    pub key: KeyReference,
    /// At most [`crate::limits::MESSAGE_BYTES`] bytes.
    pub message: Vec<u8>,
    /// How it was computed.
    pub algorithm: MacAlgorithm,
    /// The code.
    pub mac: Vec<u8>,
}

impl Operation for VerifyMac {
    type Output = Arc<KeyEntry>;

    fn algorithm(&self) -> &'static str {
        algorithm::mac(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::VerifyMac, self.key.clone(), Purpose::ProcessProtected)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let handle = authorized.key(0)?;
        require(handle, self.algorithm)?;
        let (_, material) = authorized.current(0)?;
        let verified = material.verify_mac(self.algorithm, &self.message, &self.mac);
        verified.map_err(|error| crypto_error(handle, error))?;
        Ok(Outcome::Answer(Arc::clone(handle.entry())))
    }
}

fn require(handle: &KeyHandle, algorithm: MacAlgorithm) -> Result<(), EngineError> {
    handle.require(Usage::Mac)?;
    let spec = handle.entry().row.spec;
    match algorithm.fits(spec) {
        true => Ok(()),
        false => Err(EngineError::AlgorithmUnfit {
            resource: Arc::clone(handle.resource()),
            algorithm: Algorithm::Mac(algorithm),
            spec,
        }),
    }
}
