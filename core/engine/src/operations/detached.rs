//! Authenticated encryption whose parts travel apart, with associated data bound literally (docs/formats/detached.md).

use std::sync::Arc;

use strongroom_crypto::detached::{self, Detached, MaterialNumber, Metadata, Parts, Subject};
use strongroom_model::action::Action;
use strongroom_model::id::MaterialId;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

use super::encrypt::{crypto_error, demand};
use crate::algorithm;
use crate::catalog::KeyEntry;
use crate::error::{EngineError, InternalFault};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome};
use crate::resident::Usable;
use crate::rows::VersionRow;
use crate::workers::Ground;

/// Encrypts, and gives the ciphertext out in parts.
pub struct SealDetached {
    /// Under which key.
    pub key: KeyReference,
    /// At most [`crate::limits::MESSAGE_BYTES`] bytes.
    pub plaintext: SecretBytes,
    /// Bound to the ciphertext; at most 65,535 bytes. Absent counts as empty.
    pub associated: Option<Vec<u8>>,
    /// Whether the ciphertext is opened again before it is given out, and a value given with it that tells damage on the
    /// way.
    pub integrity: bool,
}

/// What [`SealDetached`] answers.
pub struct SealedDetached {
    /// Ciphertext, IV, tag and metadata.
    pub parts: Detached,
    /// SHA-256 over associated data, metadata, IV, ciphertext and tag, if asked.
    pub integrity: Option<[u8; 32]>,
    /// The key.
    pub key: Arc<KeyEntry>,
}

impl Operation for SealDetached {
    type Output = SealedDetached;

    fn algorithm(&self) -> &'static str {
        algorithm::DETACHED
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::SealDetached, self.key.clone(), Purpose::ApplyProtection)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<SealedDetached>, Halt> {
        let handle = authorized.key(0)?;
        handle.require(Usage::DerivedAead)?;
        if self.integrity {
            handle.require_served(Purpose::ProcessProtected)?;
        }
        let (version, key) = authorized.current_key(0)?;
        let associated = self.associated.as_deref().unwrap_or_default();
        let parts = match &key {
            Usable::Material(material) => {
                let (subject, random) = (subject(handle, version), authorized.engine().random());
                detached::seal(material, &subject, associated, self.plaintext.expose(), random)
                    .map_err(|error| crypto_error(handle, error))?
            }
            Usable::Resident(resident) => resident.seal_detached(associated, &self.plaintext)?,
            Usable::Doubled(_) => return Err(Usable::DOUBLED_ONLY_WHOLE.into()),
        };
        // The value is computed before the check, so that it is of the very bytes that were found to open.
        let integrity = self.integrity.then(|| detached::integrity_value(associated, &parts.parts()));
        if integrity.is_some() {
            match open(handle, version, &key, associated, &parts.parts()) {
                Ok(opened) => check(opened.equals(self.plaintext.expose()))?,
                Err(Halt::Fail(EngineError::InvalidCiphertext)) => check(false)?,
                Err(halt) => return Err(halt),
            }
        }
        Ok(Outcome::Answer(SealedDetached { parts, integrity, key: Arc::clone(handle.entry()) }))
    }
}

/// Decrypts what [`SealDetached`] made, or what was made elsewhere under imported material.
pub struct OpenDetached {
    /// Under which key.
    pub key: KeyReference,
    /// As long as the plaintext.
    pub ciphertext: Vec<u8>,
    /// The IV.
    pub iv: Vec<u8>,
    /// The tag.
    pub tag: Vec<u8>,
    /// The metadata.
    pub metadata: Vec<u8>,
    /// As when it was encrypted.
    pub associated: Option<Vec<u8>>,
    /// Whether a key for bare AES-GCM may open what was made elsewhere with a digest of its associated data. Under other keys
    /// this changes nothing.
    pub reads_hashed: bool,
}

/// What [`OpenDetached`] answers.
pub struct OpenedDetached {
    /// The plaintext.
    pub plaintext: SecretBytes,
    /// The key.
    pub key: Arc<KeyEntry>,
    /// The version that it was encrypted under.
    pub material: MaterialId,
}

impl Operation for OpenDetached {
    type Output = OpenedDetached;

    fn algorithm(&self) -> &'static str {
        algorithm::DETACHED
    }

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::OpenDetached, self.key.clone(), Purpose::ProcessProtected)])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<OpenedDetached>, Halt> {
        let handle = authorized.key(0)?;
        let parts = Parts { ciphertext: &self.ciphertext, iv: &self.iv, tag: &self.tag, metadata: &self.metadata };
        let (plaintext, version) = match self.reads_hashed && handle.entry().profile.contains(Usage::RawGcm) {
            true => {
                let (version, material) = authorized.current(0)?;
                let opened = detached::open_bare(&material, self.associated.as_deref(), &parts);
                (opened.map_err(|error| crypto_error(handle, error))?, version)
            }
            false => {
                handle.require(Usage::DerivedAead)?;
                let (version, key) = authorized.version_key(0, named(handle, &self.metadata)?)?;
                let associated = self.associated.as_deref().unwrap_or_default();
                (open(handle, version, &key, associated, &parts)?, version)
            }
        };
        let key = Arc::clone(handle.entry());
        Ok(Outcome::Answer(OpenedDetached { plaintext, key, material: version.material }))
    }
}

fn open(
    handle: &KeyHandle,
    version: &VersionRow,
    key: &Usable<'_>,
    associated: &[u8],
    parts: &Parts<'_>,
) -> Result<SecretBytes, Halt> {
    match key {
        Usable::Material(material) => detached::open(material, &subject(handle, version), associated, parts)
            .map_err(|error| crypto_error(handle, error).into()),
        Usable::Resident(resident) => resident.open_detached(associated, parts),
        Usable::Doubled(_) => Err(Usable::DOUBLED_ONLY_WHOLE.into()),
    }
}

/// The material of the key that metadata names.
fn named(handle: &KeyHandle, metadata: &[u8]) -> Result<MaterialId, EngineError> {
    let number = Metadata::parse(metadata).map_err(|error| crypto_error(handle, error))?.number();
    let mut versions = handle.entry().versions.iter();
    let version = versions.find(|version| MaterialNumber::of(version.material) == number);
    version.map(|version| version.material).ok_or(EngineError::InvalidCiphertext)
}

fn subject(handle: &KeyHandle, version: &VersionRow) -> Subject {
    Subject { lineage: handle.entry().row.lineage, material: version.material }
}

fn check(opens: bool) -> Result<(), EngineError> {
    match opens {
        true => Ok(()),
        false => Err(EngineError::Internal(InternalFault::Crypto("what was just sealed does not open"))),
    }
}
