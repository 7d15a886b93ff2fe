//! Encrypt, decrypt, and decrypt to encrypt again.

use std::sync::Arc;

use strongroom_crypto::ciphertext::{self, AcceptedFormats, Header, Subject};
use strongroom_crypto::{CryptoError, EncryptionContext, PublicKey};
use strongroom_model::action::Action;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::id::MaterialId;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;
use strongroom_policy::Attributes;
use strongroom_secret::SecretBytes;

use super::ContextPairs;
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{Algorithm, EngineError, InputFault};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::resident::Usable;
use crate::rows::VersionRow;
use crate::workers::Ground;

/// Encrypts a small plaintext.
pub struct Encrypt {
    /// Under which key.
    pub key: KeyReference,
    /// At most [`crate::limits::MESSAGE_BYTES`] bytes.
    pub plaintext: SecretBytes,
    /// Bound to the ciphertext; empty where the algorithm can't bind one.
    pub context: ContextPairs,
    /// How.
    pub algorithm: EncryptionAlgorithm,
}

/// What [`Encrypt`] answers.
pub struct Encrypted {
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for Encrypt {
    type Output = Encrypted;

    fn algorithm(&self) -> &'static str {
        algorithm::encryption(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::Encrypt, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Encrypted>, Halt> {
        let ciphertext = seal(authorized, 0, self.algorithm, &self.context, self.plaintext.expose())?;
        Ok(Outcome::Answer(Encrypted { ciphertext, key: Arc::clone(authorized.key(0)?.entry()) }))
    }
}

/// Decrypts what [`Encrypt`] or a data key operation made, or what a holder of the public key made.
pub struct Decrypt {
    /// Under which key; for symmetric ciphertexts it may be left to the ciphertext.
    pub key: Option<KeyReference>,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// As when it was encrypted.
    pub context: ContextPairs,
    /// How it was encrypted.
    pub algorithm: EncryptionAlgorithm,
}

/// What [`Decrypt`] answers.
pub struct Decrypted {
    /// The plaintext.
    pub plaintext: SecretBytes,
    /// The key.
    pub key: Arc<KeyEntry>,
    /// The version that it was encrypted under.
    pub material: MaterialId,
}

impl Operation for Decrypt {
    type Output = Decrypted;

    fn algorithm(&self) -> &'static str {
        algorithm::encryption(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let key = reference(self.key.as_ref(), self.algorithm, &self.ciphertext)?;
        Ok(vec![demand(Action::Decrypt, key, Purpose::ProcessProtected)])
    }

    fn ground(&self, keys: &[KeyHandle]) -> Ground {
        private_key_ground(keys)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Decrypted>, Halt> {
        let (plaintext, material) = open(authorized, 0, self.algorithm, &self.context, &self.ciphertext)?;
        Ok(Outcome::Answer(Decrypted { plaintext, key: Arc::clone(authorized.key(0)?.entry()), material }))
    }
}

/// Decrypts and encrypts again, so that the plaintext never leaves.
pub struct ReEncrypt {
    /// What to decrypt, and how.
    pub source: Decrypt,
    /// Under which key to encrypt.
    pub destination: KeyReference,
    /// Bound to the new ciphertext.
    pub context: ContextPairs,
    /// How to encrypt.
    pub algorithm: EncryptionAlgorithm,
    /// What the request carries for decrypting; what it carries as a whole is for encrypting.
    pub source_attributes: Arc<dyn Attributes + Send + Sync>,
}

/// What [`ReEncrypt`] answers.
pub struct ReEncrypted {
    /// The new ciphertext.
    pub ciphertext: Vec<u8>,
    /// The key that it was encrypted under before.
    pub source: Arc<KeyEntry>,
    /// The version of it.
    pub source_material: MaterialId,
    /// The key that it is encrypted under now.
    pub destination: Arc<KeyEntry>,
}

impl Operation for ReEncrypt {
    type Output = ReEncrypted;

    fn algorithm(&self) -> &'static str {
        algorithm::encryption(self.algorithm)
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let source = reference(self.source.key.as_ref(), self.source.algorithm, &self.source.ciphertext)?;
        Ok(vec![
            demand(Action::ReEncryptFrom, source, Purpose::ProcessProtected),
            demand(Action::ReEncryptTo, self.destination.clone(), Purpose::ApplyProtection),
        ])
    }

    fn attributes(&self, index: usize) -> Option<&(dyn Attributes + Send + Sync)> {
        (index == 0).then_some(&*self.source_attributes)
    }

    fn ground(&self, keys: &[KeyHandle]) -> Ground {
        private_key_ground(keys)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<ReEncrypted>, Halt> {
        let source = &self.source;
        let (plaintext, source_material) = open(authorized, 0, source.algorithm, &source.context, &source.ciphertext)?;
        let ciphertext = seal(authorized, 1, self.algorithm, &self.context, plaintext.expose())?;
        Ok(Outcome::Answer(ReEncrypted {
            ciphertext,
            source: Arc::clone(authorized.key(0)?.entry()),
            source_material,
            destination: Arc::clone(authorized.key(1)?.entry()),
        }))
    }
}

pub(super) fn demand(action: Action, key: KeyReference, purpose: Purpose) -> Demand {
    Demand { action, target: Target::Key(key), purpose }
}

/// Private keys of RSA take long enough to be kept off the thread that asked, unless they are used elsewhere.
pub(super) fn private_key_ground(keys: &[KeyHandle]) -> Ground {
    let elsewhere = |key: &KeyHandle| key.entry().row.store.is_some() && key.is_used_in_store();
    match keys.iter().any(|key| key.entry().row.spec.is_rsa() && !elsewhere(key)) {
        true => Ground::Worker,
        false => Ground::Here,
    }
}

pub(super) fn context(pairs: &ContextPairs) -> Result<EncryptionContext<'_>, EngineError> {
    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    EncryptionContext::new(pairs).map_err(|error| match error {
        CryptoError::ContextDuplicate => {
            InputFault::Form { what: "the encryption context", problem: "has a key twice" }.into()
        }
        _ => InputFault::Form { what: "the encryption context", problem: "is too large" }.into(),
    })
}

/// Encrypts under the newest version of the key at `index`.
pub(super) fn seal(
    authorized: &Authorized<'_>,
    index: usize,
    algorithm: EncryptionAlgorithm,
    pairs: &ContextPairs,
    plaintext: &[u8],
) -> Result<Vec<u8>, Halt> {
    let handle = authorized.key(index)?;
    require(handle, algorithm)?;
    let (version, key) = authorized.current_key(index)?;
    let made = match (algorithm, &key) {
        (EncryptionAlgorithm::DerivedAes256Gcm, Usable::Material(material)) => {
            let subject = subject(handle, version);
            ciphertext::seal(material, &subject, &context(pairs)?, plaintext, authorized.engine().random())
        }
        (EncryptionAlgorithm::DerivedAes256Gcm, Usable::Resident(resident)) => {
            return resident.seal_whole(&subject(handle, version), &context(pairs)?, plaintext);
        }
        (EncryptionAlgorithm::DerivedAes256Gcm, Usable::Doubled(doubled)) => {
            return Ok(doubled.seal_whole(&subject(handle, version), &context(pairs)?, plaintext)?);
        }
        (EncryptionAlgorithm::RsaOaepSha1 | EncryptionAlgorithm::RsaOaepSha256, key) => {
            no_context(pairs)?;
            if let Usable::Resident(resident) = key {
                let public = PublicKey::parse(handle.entry().row.spec, &version.public);
                resident.require_decrypts(algorithm, &public.map_err(|error| crypto_error(handle, error))?)?;
            }
            with_public(handle, version, key, |public| public.encrypt(algorithm, plaintext))
        }
    };
    Ok(made.map_err(|error| crypto_error(handle, error))?)
}

/// Decrypts under the version of the key at `index` that the ciphertext names.
fn open(
    authorized: &Authorized<'_>,
    index: usize,
    algorithm: EncryptionAlgorithm,
    pairs: &ContextPairs,
    sealed: &[u8],
) -> Result<(SecretBytes, MaterialId), Halt> {
    let handle = authorized.key(index)?;
    require(handle, algorithm)?;
    let (plaintext, material) = match algorithm {
        EncryptionAlgorithm::DerivedAes256Gcm => {
            let Header { format, subject: claimed } =
                Header::parse(sealed).map_err(|error| crypto_error(handle, error))?;
            if claimed.lineage != handle.entry().row.lineage {
                return Err(EngineError::IncorrectKey.into());
            }
            let accepted = AcceptedFormats::from_bits(handle.entry().row.accepted_formats);
            if !accepted.contains(format) {
                return Err(EngineError::InvalidCiphertext.into());
            }
            let (version, key) = authorized.version_key(index, claimed.material)?;
            let subject = subject(handle, version);
            let opened = match &key {
                Usable::Material(material) => ciphertext::open(material, &subject, accepted, &context(pairs)?, sealed),
                Usable::Resident(resident) => Ok(resident.open_whole(&subject, &context(pairs)?, sealed)?),
                Usable::Doubled(doubled) => Ok(doubled.open_whole(&subject, &context(pairs)?, sealed)?),
            };
            (opened, version.material)
        }
        EncryptionAlgorithm::RsaOaepSha1 | EncryptionAlgorithm::RsaOaepSha256 => {
            no_context(pairs)?;
            let (version, key) = authorized.current_key(index)?;
            let opened = match &key {
                Usable::Material(material) => material.decrypt(algorithm, sealed),
                Usable::Resident(resident) => Ok(resident.decrypt(algorithm, sealed)?),
                Usable::Doubled(_) => return Err(Usable::DOUBLED_ONLY_WHOLE.into()),
            };
            (opened, version.material)
        }
    };
    Ok((plaintext.map_err(|error| crypto_error(handle, error))?, material))
}

/// Does something with the public half of a key pair.
pub(super) fn with_public<T>(
    handle: &KeyHandle,
    version: &VersionRow,
    key: &Usable<'_>,
    work: impl FnOnce(&PublicKey) -> Result<T, CryptoError>,
) -> Result<T, CryptoError> {
    match key {
        Usable::Material(material) => work(material.public_key()?),
        Usable::Resident(_) | Usable::Doubled(_) => work(&PublicKey::parse(handle.entry().row.spec, &version.public)?),
    }
}

fn subject(handle: &KeyHandle, version: &VersionRow) -> Subject {
    let lineage = handle.entry().row.lineage;
    Subject { purpose: ciphertext::Purpose::Data, lineage, material: version.material }
}

fn reference(
    given: Option<&KeyReference>,
    algorithm: EncryptionAlgorithm,
    sealed: &[u8],
) -> Result<KeyReference, EngineError> {
    match (given, algorithm) {
        (Some(given), _) => Ok(given.clone()),
        (None, EncryptionAlgorithm::DerivedAes256Gcm) => {
            let claimed = Header::parse(sealed).map_err(|_| EngineError::InvalidCiphertext)?.subject;
            Ok(KeyReference::Ciphertext { lineage: claimed.lineage, material: claimed.material })
        }
        (None, _) => Err(EngineError::InvalidCiphertext),
    }
}

fn require(handle: &KeyHandle, algorithm: EncryptionAlgorithm) -> Result<(), EngineError> {
    let spec = handle.entry().row.spec;
    handle.require(if spec.is_rsa() { Usage::RsaOaep } else { Usage::DerivedAead })?;
    match algorithm.fits(spec) {
        true => Ok(()),
        false => Err(EngineError::AlgorithmUnfit {
            resource: Arc::clone(handle.resource()),
            algorithm: Algorithm::Encryption(algorithm),
            spec,
        }),
    }
}

fn no_context(pairs: &ContextPairs) -> Result<(), EngineError> {
    match pairs.is_empty() {
        true => Ok(()),
        false => Err(InputFault::ContextUnsupported.into()),
    }
}

/// What the cryptographic room refuses, in the engine's words.
pub(crate) fn crypto_error(handle: &KeyHandle, error: CryptoError) -> EngineError {
    let spec = handle.entry().row.spec;
    let unfit = |algorithm| EngineError::AlgorithmUnfit { resource: Arc::clone(handle.resource()), algorithm, spec };
    match error {
        CryptoError::InvalidCiphertext => EngineError::InvalidCiphertext,
        CryptoError::InvalidSignature => EngineError::InvalidSignature,
        CryptoError::InvalidMac => EngineError::InvalidMac,
        CryptoError::UnfitSigning(algorithm, _) => unfit(Algorithm::Signing(algorithm)),
        CryptoError::UnfitEncryption(algorithm, _) => unfit(Algorithm::Encryption(algorithm)),
        CryptoError::UnfitMac(algorithm, _) => unfit(Algorithm::Mac(algorithm)),
        CryptoError::UnfitAgreement(algorithm, _) => unfit(Algorithm::Agreement(algorithm)),
        CryptoError::UnfitKem(algorithm, _) => unfit(Algorithm::Kem(algorithm)),
        CryptoError::AssociatedDataTooLong { .. } => {
            InputFault::Form { what: "the associated data", problem: "is longer than 65535 bytes" }.into()
        }
        CryptoError::WrapLength(_) => {
            InputFault::Form { what: "the key", problem: "has a length that this algorithm does not wrap" }.into()
        }
        CryptoError::PlaintextTooLong { limit, .. } if spec.is_rsa() => {
            InputFault::PlaintextTooLong { spec, maximum: limit }.into()
        }
        CryptoError::PlaintextTooLong { .. } => {
            InputFault::Form { what: "the plaintext", problem: "is too long" }.into()
        }
        other => crate::error::crypto(other),
    }
}
