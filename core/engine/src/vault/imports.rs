//! What importing needs of the hierarchy: tokens, material from outside, and its digests.

use strongroom_crypto::wrapped::{self, Kind, WrappingKey};
use strongroom_crypto::{CryptoError, KeyMaterial, MaterialDigest};
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::id::{DomainKeyId, MaterialId};
use strongroom_model::spec::KeySpec;
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;

use super::{Vault, binding};
use crate::error::{self, EngineError, InternalFault};
use crate::keys;
use crate::operation::Halt;
use crate::rows::{KeyRow, VersionRow};
use crate::workers::Ground;

impl Vault {
    /// Makes the RSA pair that one import is wrapped to.
    pub(crate) fn generate_import_pair(&self, spec: KeySpec) -> Result<KeyMaterial, EngineError> {
        KeyMaterial::generate(spec, &*self.random, None).map_err(error::crypto)
    }

    /// Seals an import token for a key.
    pub(crate) fn seal_import_token(
        &self,
        domain_key: &WrappingKey,
        key: &KeyRow,
        token: &SecretBytes,
    ) -> Result<Vec<u8>, EngineError> {
        domain_key.seal(Kind::ImportToken, &token_binding(key), token.expose(), &*self.random).map_err(error::crypto)
    }

    /// Opens an import token that was sealed for this key, whichever of its tenant's domain keys sealed it, as long as that
    /// is there.
    pub(crate) fn open_import_token(&self, key: &KeyRow, token: &[u8], ground: Ground) -> Result<SecretBytes, Halt> {
        let id = wrapped::domain_key_id(Kind::ImportToken, token).ok_or(EngineError::InvalidImportToken)?;
        // Nobody has vouched for the name in it.
        let place = keys::domain_key(key.tenant, id);
        if self.store.snapshot().map_err(EngineError::from)?.get(Table::DomainKey, &place)?.is_none() {
            return Err(EngineError::InvalidImportToken.into());
        }
        let opened = self.domain_key(key.tenant, id, ground)?.open(Kind::ImportToken, &token_binding(key), token);
        opened.map_err(|_| EngineError::InvalidImportToken.into())
    }

    /// Takes in material for a key that was wrapped to the public half of `pair`.
    pub(crate) fn import(
        &self,
        pair: &KeyMaterial,
        wrapping: ImportWrapping,
        wrapped: &[u8],
        key: &KeyRow,
    ) -> Result<KeyMaterial, EngineError> {
        pair.import(wrapping, wrapped, key.spec, self.arena.as_ref()).map_err(|fault| match fault {
            CryptoError::ImportRejected => EngineError::InvalidCiphertext,
            other => error::crypto(other),
        })
    }

    /// Seals the digest of a version's material.
    pub(crate) fn seal_digest(
        &self,
        domain_key: &WrappingKey,
        key: &KeyRow,
        material: MaterialId,
        digest: &MaterialDigest,
    ) -> Result<Vec<u8>, EngineError> {
        domain_key.seal_digest(&binding(key, material)?, digest, &*self.random).map_err(error::crypto)
    }

    /// The digest of a version's material; `None` where it has none.
    pub(crate) fn digest(
        &self,
        key: &KeyRow,
        version: &VersionRow,
        ground: Ground,
    ) -> Result<Option<MaterialDigest>, Halt> {
        let Some(imported) = &version.imported else { return Ok(None) };
        let fault = |cause| EngineError::Internal(InternalFault::Material { key: key.id.to_string(), cause });
        let id = wrapped::domain_key_id(Kind::MaterialDigest, &imported.digest);
        let domain_key = self.domain_key(key.tenant, id.ok_or_else(|| fault("its digest's format"))?, ground)?;
        let digest = domain_key.open_digest(&binding(key, version.material)?, &imported.digest);
        Ok(Some(digest.map_err(|_| fault("its digest's sealing"))?))
    }

    /// Seals the digest of a version's material anew; `None` when `current` has sealed it already, or there is none.
    pub(crate) fn reseal_digest(
        &self,
        key: &KeyRow,
        version: &VersionRow,
        current: DomainKeyId,
    ) -> Result<Option<Vec<u8>>, Halt> {
        let sealed = version.imported.as_ref().map_or(&[][..], |imported| &imported.digest);
        if wrapped::domain_key_id(Kind::MaterialDigest, sealed).is_none_or(|id| id == current) {
            return Ok(None);
        }
        let Some(digest) = self.digest(key, version, Ground::Worker)? else { return Ok(None) };
        let domain_key = self.domain_key(key.tenant, current, Ground::Worker)?;
        Ok(Some(self.seal_digest(&domain_key, key, version.material, &digest)?))
    }
}

/// What an import token is bound to: it opens for no other key.
fn token_binding(key: &KeyRow) -> Vec<u8> {
    [key.tenant.as_bytes().as_slice(), key.id.as_bytes()].concat()
}
