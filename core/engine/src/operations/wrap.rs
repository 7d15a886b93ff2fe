//! Key wrap: other keys under a key that is for nothing else.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::algorithm::KeyWrapAlgorithm;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

use super::encrypt::{crypto_error, demand};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::EngineError;
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::resident::Usable;
use crate::workers::Ground;

/// Wraps a key.
pub struct WrapKey {
    /// Under which key.
    pub key: KeyReference,
    /// What is wrapped: of a length that the algorithm takes, at most 8 KiB.
    pub plaintext: SecretBytes,
    /// How.
    pub algorithm: KeyWrapAlgorithm,
}

/// What [`WrapKey`] answers.
pub struct Wrapped {
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// The key that it is wrapped under.
    pub key: Arc<KeyEntry>,
}

impl Operation for WrapKey {
    type Output = Wrapped;

    fn algorithm(&self) -> &'static str {
        algorithm::key_wrap(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::WrapKey, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Wrapped>, Halt> {
        let handle = authorized.key(0)?;
        handle.require(Usage::KeyWrap)?;
        let (_, key) = authorized.current_key(0)?;
        let wrapped = match &key {
            Usable::Material(material) => material
                .wrap_key(self.algorithm, self.plaintext.expose())
                .map_err(|error| crypto_error(handle, error))?,
            Usable::Resident(resident) => resident.wrap(self.algorithm, &self.plaintext)?,
            Usable::Doubled(_) => return Err(Usable::DOUBLED_ONLY_WHOLE.into()),
        };
        Ok(Outcome::Answer(Wrapped { wrapped, key: Arc::clone(handle.entry()) }))
    }
}

/// Unwraps what [`WrapKey`] wrapped by the same algorithm.
pub struct UnwrapKey {
    /// Under which key.
    pub key: KeyReference,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// How it was wrapped.
    pub algorithm: KeyWrapAlgorithm,
}

/// What [`UnwrapKey`] answers.
pub struct Unwrapped {
    /// What was wrapped.
    pub plaintext: SecretBytes,
    /// The key that it was wrapped under.
    pub key: Arc<KeyEntry>,
}

impl Operation for UnwrapKey {
    type Output = Unwrapped;

    fn algorithm(&self) -> &'static str {
        algorithm::key_wrap(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::UnwrapKey, self.key.clone(), Purpose::ProcessProtected)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Unwrapped>, Halt> {
        let handle = authorized.key(0)?;
        handle.require(Usage::KeyWrap)?;
        let (_, key) = authorized.current_key(0)?;
        let plaintext = match &key {
            Usable::Material(material) => {
                material.unwrap_key(self.algorithm, &self.wrapped).map_err(|error| crypto_error(handle, error))?
            }
            Usable::Resident(resident) => resident.unwrap(self.algorithm, &self.wrapped)?,
            Usable::Doubled(_) => return Err(Usable::DOUBLED_ONLY_WHOLE.into()),
        };
        Ok(Outcome::Answer(Unwrapped { plaintext, key: Arc::clone(handle.entry()) }))
    }
}
