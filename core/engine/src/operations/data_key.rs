//! Data keys and data key pairs: made here, given out encrypted under a key, and in the clear if asked.

use std::sync::Arc;

use strongroom_crypto::KeyMaterial;
use strongroom_model::action::Action;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::purpose::Purpose;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_secret::SecretBytes;

use super::ContextPairs;
use super::encrypt::{demand, seal};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{self, EngineError, InputFault};
use crate::limits;
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::workers::Ground;

/// Makes a data key.
pub struct GenerateDataKey {
    /// Under which key it is encrypted.
    pub key: KeyReference,
    /// 1 to [`limits::RANDOM_BYTES`].
    pub bytes: usize,
    /// Bound to the encrypted data key.
    pub context: ContextPairs,
    /// Whether it is given out in the clear too.
    pub in_the_clear: bool,
}

/// What [`GenerateDataKey`] answers.
pub struct DataKey {
    /// Encrypted.
    pub ciphertext: Vec<u8>,
    /// In the clear, if asked.
    pub plaintext: Option<SecretBytes>,
    /// The key that it is encrypted under.
    pub key: Arc<KeyEntry>,
}

impl Operation for GenerateDataKey {
    type Output = DataKey;

    fn algorithm(&self) -> &'static str {
        algorithm::encryption(EncryptionAlgorithm::DerivedAes256Gcm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let action = match self.in_the_clear {
            true => Action::GenerateDataKey,
            false => Action::GenerateDataKeyWithoutPlaintext,
        };
        Ok(vec![demand(action, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<DataKey>, Halt> {
        let draw = || random(authorized, self.bytes);
        let plaintext = match authorized.key(0)?.entry().row.store {
            Some(_) => authorized.asked.drawn(draw)?,
            None => draw()?,
        };
        let algorithm = EncryptionAlgorithm::DerivedAes256Gcm;
        let ciphertext = seal(authorized, 0, algorithm, &self.context, plaintext.expose())?;
        let plaintext = self.in_the_clear.then_some(plaintext);
        Ok(Outcome::Answer(DataKey { ciphertext, plaintext, key: Arc::clone(authorized.key(0)?.entry()) }))
    }
}

/// Makes a data key pair, for keys whose material is here and nowhere else.
pub struct GenerateDataKeyPair {
    /// Under which key its private half is encrypted.
    pub key: KeyReference,
    /// What kind of pair.
    pub spec: KeySpec,
    /// Bound to the encrypted private half.
    pub context: ContextPairs,
    /// Whether the private half is given out in the clear too.
    pub in_the_clear: bool,
}

/// What [`GenerateDataKeyPair`] answers.
pub struct DataKeyPair {
    /// The private half, PKCS#8 (RFC 5958), encrypted.
    pub ciphertext: Vec<u8>,
    /// The private half in the clear, if asked.
    pub private: Option<SecretBytes>,
    /// The public half, SubjectPublicKeyInfo (RFC 5280).
    pub public: Vec<u8>,
    /// The key that the private half is encrypted under.
    pub key: Arc<KeyEntry>,
}

impl Operation for GenerateDataKeyPair {
    type Output = DataKeyPair;

    fn algorithm(&self) -> &'static str {
        algorithm::encryption(EncryptionAlgorithm::DerivedAes256Gcm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let action = match self.in_the_clear {
            true => Action::GenerateDataKeyPair,
            false => Action::GenerateDataKeyPairWithoutPlaintext,
        };
        Ok(vec![demand(action, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<DataKeyPair>, Halt> {
        let engine = authorized.engine();
        let handle = authorized.key(0)?;
        let origin = handle.entry().row.origin;
        // A key elsewhere takes so many bytes at once, and the private half of some pairs is more than that.
        if matches!(origin, Origin::Resident | Origin::Doubled) {
            return Err(EngineError::OriginForbids { resource: Arc::clone(handle.resource()), origin }.into());
        }
        let make = || KeyMaterial::generate(self.spec, engine.random(), None).map_err(error::crypto);
        let material = engine.pairs.take(self.spec, authorized.ground, make)?;
        let pair = strongroom_crypto::DataKeyPair::of(&material).map_err(error::crypto)?;
        let algorithm = EncryptionAlgorithm::DerivedAes256Gcm;
        let ciphertext = seal(authorized, 0, algorithm, &self.context, pair.private.expose())?;
        Ok(Outcome::Answer(DataKeyPair {
            ciphertext,
            private: self.in_the_clear.then_some(pair.private),
            public: pair.public,
            key: Arc::clone(authorized.key(0)?.entry()),
        }))
    }
}

/// Gives out random bytes of the cryptographic module.
pub struct GenerateRandom {
    /// The tenant that asks.
    pub tenant: strongroom_model::id::TenantId,
    /// 1 to [`limits::RANDOM_BYTES`].
    pub bytes: usize,
}

impl Operation for GenerateRandom {
    type Output = SecretBytes;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = crate::operation::Target::Tenant(self.tenant);
        Ok(vec![Demand { action: Action::GenerateRandom, target, purpose: Purpose::Inspect }])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<SecretBytes>, Halt> {
        Ok(Outcome::Answer(random(authorized, self.bytes)?))
    }
}

fn random(authorized: &Authorized<'_>, bytes: usize) -> Result<SecretBytes, EngineError> {
    if bytes == 0 || bytes > limits::RANDOM_BYTES {
        return Err(InputFault::Form { what: "the number of bytes", problem: "must lie between 1 and 1024" }.into());
    }
    let mut drawn = vec![0; bytes];
    authorized.engine().random().fill(&mut drawn).map_err(error::crypto)?;
    Ok(SecretBytes::take(drawn))
}
