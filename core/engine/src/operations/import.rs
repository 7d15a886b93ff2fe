//! Imported material: what is needed to bring it, its coming, and its going by a caller's wish or by its time.
//!
//! docs/adr/imported-material.md says why, and docs/adr/multi-region-keys.md what it means for a lineage. Absent on purpose:
//! any row for an import token.

use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_crypto::wrapped::WrappingKey;
use strongroom_crypto::{KeyMaterial, MaterialDigest};
use strongroom_model::action::Action;
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::KeyId;
use strongroom_model::purpose::{KeyState, Purpose, VersionState};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Table};
use strongroom_secret::SecretBytes;

use super::key::{insert_version, present_domain_key, wrapped_version};
use super::lineage::{others, require_no_replica};
use super::rotation::scheduled;
use crate::catalog::{Catalog, KeyEntry};
use crate::error::{self, EngineError, InputFault};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, Due, ImportRow, KeyRow, MultiRegion, RotationCause, VersionRow};
use crate::vault::Vault;
use crate::{keys, limits};

/// Gives out what is needed to bring material for a key: a public key to wrap it to, and a token that brings its private
/// half back. Nothing is stored.
pub struct GetImportParameters {
    /// Which key.
    pub key: KeyReference,
    /// How the material will be wrapped.
    pub wrapping: ImportWrapping,
    /// The RSA key to wrap it to.
    pub wrapping_spec: KeySpec,
}

/// What [`GetImportParameters`] gives out.
pub struct ImportParameters {
    /// The key.
    pub key: Arc<KeyEntry>,
    /// The token: opaque, a few thousand bytes.
    pub token: Vec<u8>,
    /// The public key: `SubjectPublicKeyInfo` in DER (RFC 5280).
    pub public: Vec<u8>,
    /// Until when both may be used.
    pub valid_to: Timestamp,
}

impl Operation for GetImportParameters {
    type Output = ImportParameters;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::GetParametersForImport, target, purpose: Purpose::Import }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<ImportParameters>, Halt> {
        let handle = authorized.key(0)?;
        require_imported(handle)?;
        if !self.wrapping_spec.is_rsa() {
            return Err(EngineError::Unsupported("this kind of key to wrap with").into());
        }
        let (engine, row) = (authorized.engine(), &handle.entry().row);
        let make = || engine.vault.generate_import_pair(self.wrapping_spec);
        let pair = engine.pairs.take(self.wrapping_spec, authorized.ground, make)?;
        let public = pair.public_key().map_err(error::crypto)?.der().to_vec();
        let valid_to = authorized.now().after(limits::IMPORT_TOKEN_TIME);
        let token = Token { wrapping: self.wrapping, spec: self.wrapping_spec, valid_to, pair };
        let (tenant, _) = engine.catalog().load_tenant(row.tenant)?;
        let domain_key = engine.vault.domain_key(row.tenant, tenant.domain_key, authorized.ground)?;
        let token = engine.vault.seal_import_token(&domain_key, row, &token.encode()?)?;
        Ok(Outcome::Answer(ImportParameters { key: Arc::clone(handle.entry()), token, public, valid_to }))
    }
}

/// What an import token holds (docs/formats/wrapped-material.md).
struct Token {
    wrapping: ImportWrapping,
    spec: KeySpec,
    valid_to: Timestamp,
    pair: KeyMaterial,
}

impl Token {
    const HEAD: usize = 10;

    fn encode(&self) -> Result<SecretBytes, EngineError> {
        let pair = self.pair.encode().map_err(error::crypto)?;
        let head = [self.wrapping.code(), self.spec.code()];
        Ok(SecretBytes::take([&head, self.valid_to.0.to_be_bytes().as_slice(), pair.expose()].concat()))
    }

    fn decode(bytes: &SecretBytes) -> Option<Self> {
        let (head, pair) = bytes.expose().split_first_chunk::<{ Self::HEAD }>()?;
        let ([wrapping, spec], time) = head.split_first_chunk::<2>()?;
        let (wrapping, spec) = (ImportWrapping::from_code(*wrapping)?, KeySpec::from_code(*spec)?);
        let valid_to = Timestamp(u64::from_be_bytes(time.try_into().ok()?));
        Some(Self { wrapping, spec, valid_to, pair: KeyMaterial::parse(spec, pair, None).ok()? })
    }
}

/// Which material an import brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// Material that the key never had.
    New,
    /// Material that the key has or had.
    Existing,
}

/// Brings material for a key: its first, the same again, or for symmetric encryption keys new material, which waits until
/// a rotation makes it current. What is new comes to the primary of a lineage first; then each replica can be brought the same.
pub struct ImportMaterial {
    /// Which key.
    pub key: KeyReference,
    /// The token of the parameters that it was wrapped by.
    pub token: Vec<u8>,
    /// The material as it was wrapped.
    pub wrapped: Vec<u8>,
    /// Which material it is; new for a key that never had any, else the same again. For symmetric encryption keys only.
    pub kind: Option<ImportKind>,
    /// The identity, as front ends publish it, that the material must have. For symmetric encryption keys only.
    pub material: Option<[u8; 32]>,
    /// When it is to be taken away.
    pub expires: Option<Timestamp>,
    /// Words for people; what was said before, if absent. For symmetric encryption keys only.
    pub description: Option<String>,
}

impl Operation for ImportMaterial {
    /// The key, and the version that has the material now.
    type Output = (Arc<KeyEntry>, VersionRow);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::ImportKeyMaterial, target, purpose: Purpose::Import }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let handle = authorized.key(0)?;
        require_imported(handle)?;
        let (engine, entry) = (authorized.engine(), handle.entry());
        self.check(entry.row.spec, authorized.now())?;
        let material = self.unwrap(authorized, &entry.row)?;
        let digest = material.digest(entry.row.lineage).map_err(error::crypto)?;
        let mut batch = Batch::default();
        let domain_key = present_domain_key(authorized, entry.row.tenant, &mut batch)?;
        let version = match self.former(authorized, handle, &digest)? {
            Some(former) => {
                let wrapped = engine.vault.wrap(&domain_key, &entry.row, former.material, &material)?;
                let state = brought_again(&entry.row, former);
                let version = VersionRow { wrapped, state, ..former.clone() };
                let place = keys::version(entry.row.id, version.ordinal);
                let version = self.told(version, None);
                batch.put(Table::KeyVersion, place, rows::encode(&version));
                version
            }
            None => {
                let first = entry.versions.is_empty();
                let cause = if first { RotationCause::Creation } else { RotationCause::OnDemand };
                let ordinal = entry.row.current + 1;
                let version =
                    wrapped_version(authorized, &domain_key, &entry.row, &entry.versions, ordinal, cause, &material)?;
                let sealed = engine.vault.seal_digest(&domain_key, &entry.row, version.material, &digest)?;
                let state = if first { VersionState::Active } else { VersionState::Pending };
                let version = self.told(VersionRow { state, ..version }, Some(sealed));
                insert_version(&entry.row, &version, &mut batch);
                for replica in others(engine.catalog(), &entry.row)? {
                    let copy = awaited(&engine.vault, &domain_key, &replica.row, &version, Some(&digest))?;
                    insert_version(&replica.row, &copy, &mut batch);
                    let current = replica.row.current.max(1);
                    let known = KeyRow { current, ..replica.row.clone() };
                    batch.replace(Table::Key, &replica.as_read(), rows::encode(&known));
                }
                version
            }
        };
        let mut after: Vec<VersionRow> =
            entry.versions.iter().filter(|other| other.ordinal != version.ordinal).cloned().collect();
        after.push(version.clone());
        schedule_expiries(entry.row.id, &entry.versions, &after, &mut batch);
        let mut row = entry.row.clone();
        row.current = row.current.max(1);
        if row.state == KeyState::PreActivation && complete(row.current, &after) {
            row.state = KeyState::Active;
        }
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
        Ok(Outcome::Change(batch, (Arc::clone(entry), version)))
    }
}

impl ImportMaterial {
    fn check(&self, spec: KeySpec, now: Timestamp) -> Result<(), EngineError> {
        let form = |what, problem| Err(InputFault::Form { what, problem }.into());
        let asks_more = self.kind.is_some() || self.material.is_some() || self.description.is_some();
        if asks_more && spec != KeySpec::Aes256 {
            let what = "which material it is, its id and its description";
            return form(what, "can be given for symmetric encryption keys only");
        }
        if self.kind == Some(ImportKind::New) && self.material.is_some() {
            return form("the id of the material", "cannot be given for new material");
        }
        if self.expires.is_some_and(|at| at <= now || at > now.after(limits::IMPORTED_TIME)) {
            return form("the time of expiry", "must lie in the future, within 365 days");
        }
        let description = self.description.as_deref().unwrap_or_default();
        if description.chars().count() > limits::MATERIAL_DESCRIPTION_CHARACTERS {
            return form("the description of the material", "must have at most 256 characters");
        }
        Ok(())
    }

    fn unwrap(&self, authorized: &Authorized<'_>, row: &KeyRow) -> Result<KeyMaterial, Halt> {
        let vault = &authorized.engine().vault;
        let token = vault.open_import_token(row, &self.token, authorized.ground)?;
        let token = Token::decode(&token).ok_or(EngineError::InvalidImportToken)?;
        if token.valid_to <= authorized.now() {
            return Err(EngineError::ExpiredImportToken.into());
        }
        Ok(vault.import(&token.pair, token.wrapping, &self.wrapped, row)?)
    }

    /// The version whose material it is; `None` for new material that may come.
    fn former<'e>(
        &self,
        authorized: &Authorized<'_>,
        handle: &'e KeyHandle,
        digest: &MaterialDigest,
    ) -> Result<Option<&'e VersionRow>, Halt> {
        let entry: &'e KeyEntry = handle.entry();
        let mut same = None;
        for version in &entry.versions {
            let known = authorized.engine().vault.digest(&entry.row, version, authorized.ground)?;
            if known.is_some_and(|known| known.equals(digest)) {
                same = Some(version);
            }
        }
        let first = entry.versions.is_empty();
        let kind = self.kind.unwrap_or(if first { ImportKind::New } else { ImportKind::Existing });
        if kind == ImportKind::New {
            require_no_replica(handle)?;
        }
        let pending = entry.versions.iter().find(|version| version.ordinal > entry.row.current);
        match (kind, same) {
            (ImportKind::Existing, Some(same)) if self.material.is_none_or(|id| id == same.published) => Ok(Some(same)),
            (ImportKind::New, None) if first && self.material.is_none() => Ok(None),
            (ImportKind::New, _) if let Some(pending) = pending => {
                let (resource, published) = (Arc::clone(handle.resource()), pending.published);
                Err(EngineError::RotationPending { resource, published }.into())
            }
            (ImportKind::New, None) if !first => Ok(None),
            _ => Err(EngineError::IncorrectMaterial.into()),
        }
    }

    /// A version with what this import tells of it.
    fn told(&self, version: VersionRow, digest: Option<Vec<u8>>) -> VersionRow {
        let before = version.imported.unwrap_or(ImportRow {
            digest: Vec::new(),
            expires: None,
            description: String::new(),
            rotated: None,
        });
        let imported = ImportRow {
            digest: digest.unwrap_or(before.digest),
            expires: self.expires,
            description: self.description.clone().unwrap_or(before.description),
            rotated: before.rotated,
        };
        VersionRow { imported: Some(imported), ..version }
    }
}

/// A version as another key of its lineage has it to which the material has not been brought yet. `digest` is the
/// material's; none where the version never had one.
pub(crate) fn awaited(
    vault: &Vault,
    domain_key: &WrappingKey,
    key: &KeyRow,
    version: &VersionRow,
    digest: Option<&MaterialDigest>,
) -> Result<VersionRow, EngineError> {
    let sealed = digest.map(|digest| vault.seal_digest(domain_key, key, version.material, digest)).transpose()?;
    let imported = version.imported.clone().map(|imported| ImportRow {
        digest: sealed.unwrap_or_default(),
        expires: None,
        ..imported
    });
    Ok(VersionRow { key: key.id, state: lacking(version.state), wrapped: Vec::new(), imported, ..version.clone() })
}

/// The state of a version once its material is away.
const fn lacking(state: VersionState) -> VersionState {
    match state {
        VersionState::Active | VersionState::Deactivated => VersionState::Absent,
        other => other,
    }
}

/// Whether all material is there that makes a key whole; what waits for a rotation is no part of it yet.
pub(crate) fn complete(current: u32, versions: &[VersionRow]) -> bool {
    !versions.iter().any(|version| version.ordinal <= current && version.lacks_material())
}

/// The state of a version whose material came again: what it was before that was taken away.
fn brought_again(key: &KeyRow, version: &VersionRow) -> VersionState {
    match version.state {
        VersionState::Absent if version.ordinal == key.current => VersionState::Active,
        VersionState::Absent => VersionState::Deactivated,
        other => other,
    }
}

/// Takes imported material away. It may be brought again; until then the key is in pre-activation as a whole. What was
/// waiting for a rotation goes altogether, and from every key of its lineage, but from a replica alone.
pub struct DeleteMaterial {
    /// Which key.
    pub key: KeyReference,
    /// Which material, by the identity that front ends publish; the current one if absent.
    pub material: Option<[u8; 32]>,
}

impl Operation for DeleteMaterial {
    /// The key as it was, and the version that lacks its material now; none for a key that never had any.
    type Output = (Arc<KeyEntry>, Option<VersionRow>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::DeleteImportedKeyMaterial, target, purpose: Purpose::RemoveMaterial }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let handle = authorized.key(0)?;
        require_imported(handle)?;
        let entry = handle.entry();
        let version = match self.material {
            None => entry.current(),
            Some(asked) => {
                let asked = entry.versions.iter().find(|version| version.published == asked);
                Some(asked.ok_or(EngineError::IncorrectMaterial)?)
            }
        };
        let answer = (Arc::clone(entry), version.cloned());
        let goes = |other: &VersionRow| version.is_some_and(|version| version.ordinal == other.ordinal);
        Ok(match take_away(authorized.engine().catalog(), entry, goes)? {
            Some(batch) => Outcome::Change(batch, answer),
            None => Outcome::Answer(answer),
        })
    }
}

/// Takes away the imported material of a key whose time has come.
pub(crate) struct ExpireMaterial {
    /// Which key.
    pub(crate) key: KeyReference,
    /// When it was due.
    pub(crate) due: Timestamp,
    /// The time by a clock that was found not to have jumped; nothing that is due later is taken.
    pub(crate) now: Timestamp,
}

impl Operation for ExpireMaterial {
    /// Whether any was taken away.
    type Output = bool;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled(&self.key, Purpose::Inspect))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<bool>, Halt> {
        let entry = authorized.key(0)?.entry();
        let now = self.now.min(authorized.now());
        let due = |version: &VersionRow| expiry(version).is_some_and(|at| at <= now);
        let taken = take_away(authorized.engine().catalog(), entry, due)?;
        let expired = taken.is_some();
        let mut batch = taken.unwrap_or_default();
        let stays = entry.versions.iter().any(|version| expiry(version) == Some(self.due) && self.due > now);
        if !stays {
            batch.delete(Table::Schedule, keys::schedule(self.due, Due::Expiry, entry.row.id));
        }
        Ok(if batch.changes.is_empty() { Outcome::Answer(false) } else { Outcome::Change(batch, expired) })
    }
}

/// The changes that take away the material that goes; `None` when there is none of it.
fn take_away(
    catalog: &Catalog,
    entry: &KeyEntry,
    goes: impl Fn(&VersionRow) -> bool,
) -> Result<Option<Batch>, EngineError> {
    let mut row = entry.row.clone();
    let (mut batch, mut after) = (Batch::default(), Vec::with_capacity(entry.versions.len()));
    let mut taken = false;
    for version in &entry.versions {
        let waits = version.ordinal > row.current;
        let forgotten = waits && row.multi_region != Some(MultiRegion::Replica);
        if !goes(version) || (version.wrapped.is_empty() && !forgotten) {
            after.push(version.clone());
            continue;
        }
        taken = true;
        if forgotten {
            remove_version(&row, version, &mut batch);
            others(catalog, &row)?.iter().for_each(|replica| forget_pending(replica, version, &mut batch));
            continue;
        }
        let imported = version.imported.clone().map(|imported| ImportRow { expires: None, ..imported });
        let state = lacking(version.state);
        let lacking = VersionRow { state, wrapped: Vec::new(), imported, ..version.clone() };
        batch.put(Table::KeyVersion, keys::version(row.id, version.ordinal), rows::encode(&lacking));
        after.push(lacking);
        if !waits && matches!(row.state, KeyState::Active | KeyState::Suspended) {
            row.state = KeyState::PreActivation;
        }
    }
    schedule_expiries(row.id, &entry.versions, &after, &mut batch);
    batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
    Ok(taken.then_some(batch))
}

/// Takes from a replica what waited for a rotation and was taken from its primary.
fn forget_pending(replica: &KeyEntry, pending: &VersionRow, batch: &mut Batch) {
    let (same, after): (Vec<VersionRow>, Vec<VersionRow>) =
        replica.versions.iter().cloned().partition(|version| version.material == pending.material);
    same.iter().for_each(|version| remove_version(&replica.row, version, batch));
    schedule_expiries(replica.row.id, &replica.versions, &after, batch);
    batch.replace(Table::Key, &replica.as_read(), rows::encode(&replica.row));
}

fn remove_version(key: &KeyRow, version: &VersionRow, batch: &mut Batch) {
    batch.delete(Table::VersionByMaterial, keys::version_by_material(key.lineage, version.material, key.id));
    batch.delete(Table::KeyVersion, keys::version(key.id, version.ordinal));
}

/// When a version's material is taken away.
fn expiry(version: &VersionRow) -> Option<Timestamp> {
    version.imported.as_ref().filter(|_| !version.wrapped.is_empty())?.expires
}

/// Brings the schedule from a key's versions as they were to what they are. Several may expire at the same time.
pub(crate) fn schedule_expiries(key: KeyId, before: &[VersionRow], after: &[VersionRow], batch: &mut Batch) {
    let times = |versions: &[VersionRow]| versions.iter().filter_map(expiry).collect::<BTreeSet<_>>();
    let (before, after) = (times(before), times(after));
    for at in before.difference(&after) {
        batch.delete(Table::Schedule, keys::schedule(*at, Due::Expiry, key));
    }
    for at in after.difference(&before) {
        batch.put(Table::Schedule, keys::schedule(*at, Due::Expiry, key), Vec::new());
    }
}

fn require_imported(handle: &KeyHandle) -> Result<(), EngineError> {
    match handle.entry().row.origin {
        Origin::Imported => Ok(()),
        origin => Err(EngineError::OriginForbids { resource: Arc::clone(handle.resource()), origin }),
    }
}
