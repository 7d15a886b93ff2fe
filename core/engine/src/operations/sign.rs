//! Sign, verify, and give out the public key.

use std::sync::Arc;

use strongroom_crypto::Capability;
use strongroom_model::action::Action;
use strongroom_model::algorithm::{MessageKind, MessageLength, SigningAlgorithm};
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;

use super::encrypt::{crypto_error, demand, private_key_ground, with_public};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{Algorithm, EngineError, InputFault};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::resident::Usable;
use crate::workers::Ground;

/// Signs a message or what stands for it.
pub struct Sign {
    /// With which key.
    pub key: KeyReference,
    /// At most [`crate::limits::MESSAGE_BYTES`] bytes.
    pub message: Vec<u8>,
    /// What that is.
    pub kind: MessageKind,
    /// How.
    pub algorithm: SigningAlgorithm,
}

/// What [`Sign`] answers.
pub struct Signed {
    /// The signature; ECDSA in DER.
    pub signature: Vec<u8>,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for Sign {
    type Output = Signed;

    fn algorithm(&self) -> &'static str {
        algorithm::signing(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::Sign, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, keys: &[KeyHandle]) -> Ground {
        private_key_ground(keys)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Signed>, Halt> {
        let handle = authorized.key(0)?;
        require(handle, self.algorithm, self.kind, &self.message)?;
        let (_, key) = authorized.current_key(0)?;
        let signature = match &key {
            Usable::Material(material) => {
                material.sign(self.algorithm, self.kind, &self.message).map_err(|error| crypto_error(handle, error))?
            }
            Usable::Resident(resident) => resident.sign(self.algorithm, self.kind, &self.message)?,
            Usable::Doubled(_) => return Err(Usable::DOUBLED_ONLY_WHOLE.into()),
        };
        Ok(Outcome::Answer(Signed { signature, key: Arc::clone(handle.entry()) }))
    }
}

/// Verifies a signature.
pub struct Verify {
    /// Of which key.
    pub key: KeyReference,
    /// At most [`crate::limits::MESSAGE_BYTES`] bytes.
    pub message: Vec<u8>,
    /// What that is.
    pub kind: MessageKind,
    /// How it was signed.
    pub algorithm: SigningAlgorithm,
    /// The signature; ECDSA in DER.
    pub signature: Vec<u8>,
}

impl Operation for Verify {
    type Output = Arc<KeyEntry>;

    fn algorithm(&self) -> &'static str {
        algorithm::signing(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::Verify, self.key.clone(), Purpose::ProcessProtected)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let handle = authorized.key(0)?;
        require(handle, self.algorithm, self.kind, &self.message)?;
        let (version, key) = authorized.current_key(0)?;
        let verified = with_public(handle, version, &key, |public| {
            public.verify(self.algorithm, self.kind, &self.message, &self.signature)
        });
        verified.map_err(|error| crypto_error(handle, error))?;
        Ok(Outcome::Answer(Arc::clone(handle.entry())))
    }
}

/// Gives out the public half of a key pair: in the answer's newest version.
pub struct GetPublicKey {
    /// Of which key.
    pub key: KeyReference,
}

impl Operation for GetPublicKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::GetPublicKey, self.key.clone(), Purpose::Publish)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let entry = authorized.key(0)?.entry();
        if entry.row.spec.is_symmetric() {
            return Err(EngineError::Unsupported("a public key of symmetric material").into());
        }
        Ok(Outcome::Answer(Arc::clone(entry)))
    }
}

fn require(
    handle: &KeyHandle,
    algorithm: SigningAlgorithm,
    kind: MessageKind,
    message: &[u8],
) -> Result<(), EngineError> {
    handle.require(Usage::Sign)?;
    let spec = handle.entry().row.spec;
    if !algorithm.fits(spec) {
        let algorithm = Algorithm::Signing(algorithm);
        return Err(EngineError::AlgorithmUnfit { resource: Arc::clone(handle.resource()), algorithm, spec });
    }
    if !Capability::Signing(algorithm).is_present() {
        return Err(EngineError::Unsupported("this signing algorithm"));
    }
    match algorithm.message_length(kind) {
        Some(MessageLength::Any) => Ok(()),
        Some(MessageLength::Exactly(bytes)) if message.len() == bytes => Ok(()),
        Some(MessageLength::Exactly(_)) => Err(InputFault::DigestLength { algorithm }.into()),
        None => Err(InputFault::MessageUnfit { algorithm, kind }.into()),
    }
}
