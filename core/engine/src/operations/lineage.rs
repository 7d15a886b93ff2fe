//! Multi-Region keys: keys of one lineage, each whole by itself.
//!
//! docs/adr/multi-region-keys.md says why. Absent on purpose: replicas in another installation.

use std::sync::Arc;

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::id::{KeyId, MaterialId};
use strongroom_model::name::Name;
use strongroom_model::purpose::{KeyState, Purpose};
use strongroom_model::spec::Origin;
use strongroom_model::store::{Batch, Table};

use super::import::{awaited, complete};
use super::inspect::check_rotates;
use super::key::{DAY, bind, check_description, check_policy, check_tags, insert_version, present_domain_key};
use crate::catalog::{Catalog, KeyEntry};
use crate::error::{self, EngineError, InputFault, Noun};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, Due, KeyRow, MultiRegion, RotationRow, VersionRow};
use crate::workers::Ground;
use crate::{keys, limits};

/// Reads a key, the others of its lineage, and whether it can be reached.
pub struct InspectLineage {
    /// Which key.
    pub key: KeyReference,
    /// Which reading of it must be permitted.
    pub action: Action,
}

impl Operation for InspectLineage {
    /// The key; the others, none for a key of one region; and whether it was made through a link to a key store that is not
    /// connected.
    type Output = (Arc<KeyEntry>, Vec<KeyEntry>, bool);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: self.action, target, purpose: Purpose::Inspect }])
    }

    fn ground(&self, keys: &[KeyHandle]) -> Ground {
        let alone = keys.iter().all(|handle| handle.entry().row.multi_region.is_none());
        if alone { Ground::Here } else { Ground::Worker }
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let entry = authorized.key(0)?.entry();
        check_rotates(self.action, entry)?;
        let catalog = authorized.engine().catalog();
        let reachable = catalog.is_connected(&entry.row, authorized.ground)?;
        Ok(Outcome::Answer((Arc::clone(entry), others(catalog, &entry.row)?, !reachable)))
    }
}

/// Makes a replica of a multi-Region primary in another region. Imported material is not copied: the replica is in
/// pre-activation until the same has been brought to it.
pub struct ReplicateKey {
    /// The primary.
    pub key: KeyReference,
    /// The name that its front end knows the replica by, in the replica's region.
    pub name: Name,
    /// Words for people.
    pub description: String,
    /// The replica's policy.
    pub policy: String,
    /// Whether a policy is taken that its maker could not change again.
    pub bypass_lockout: bool,
    /// The replica's tags.
    pub tags: Vec<(String, String)>,
}

impl Operation for ReplicateKey {
    /// The replica, and the others of its lineage.
    type Output = (Arc<KeyEntry>, Vec<KeyEntry>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (key, tenant) = (Target::Key(self.key.clone()), Target::Tenant(self.name.tenant));
        let demand = |action, target, purpose| Demand { action, target, purpose };
        let mut demands = vec![
            demand(Action::ReplicateKey, key, Purpose::Rotate),
            demand(Action::CreateKey, tenant.clone(), Purpose::Inspect),
        ];
        if !self.tags.is_empty() {
            demands.push(demand(Action::TagKey, tenant, Purpose::Inspect));
        }
        Ok(demands)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (engine, handle) = (authorized.engine(), authorized.key(0)?);
        let primary = handle.entry();
        require_primary(handle)?;
        check_description(&self.description)?;
        check_tags(&self.tags)?;
        let mut lineage = others(engine.catalog(), &primary.row)?;
        let in_region = |row: &KeyRow| *row.region == *self.name.region;
        if in_region(&primary.row) || lineage.iter().any(|other| in_region(&other.row)) {
            return Err(EngineError::AlreadyExists(Noun::Key(self.name.text.clone())).into());
        }
        let mut batch = Batch::default();
        let tenant = self.name.tenant;
        let meant = check_policy(authorized, None, tenant, &self.policy, self.bypass_lockout, &mut batch)?;
        engine.quotas.take_key(engine.catalog(), engine.clock.since_boot(), &self.name, authorized.mode)?;
        let mut row = KeyRow {
            id: KeyId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?),
            state: KeyState::Active,
            created: authorized.now(),
            description: self.description.clone(),
            policy: self.policy.clone(),
            meant,
            tags: self.tags.clone(),
            region: self.name.region.to_string(),
            multi_region: Some(MultiRegion::Replica),
            ..primary.row.clone()
        };
        let domain_key = present_domain_key(authorized, row.tenant, &mut batch)?;
        let mut versions = Vec::with_capacity(primary.versions.len());
        for version in &primary.versions {
            let copy = match row.origin {
                Origin::Imported => {
                    let digest = engine.vault.digest(&primary.row, version, authorized.ground)?;
                    awaited(&engine.vault, &domain_key, &row, version, digest.as_ref())?
                }
                Origin::Generated | Origin::Resident | Origin::Doubled => {
                    let material = engine.vault.material(primary, version, authorized.ground)?;
                    let wrapped = engine.vault.wrap(&domain_key, &row, version.material, &material)?;
                    VersionRow { key: row.id, wrapped, ..version.clone() }
                }
            };
            insert_version(&row, &copy, &mut batch);
            versions.push(copy);
        }
        if !complete(row.current, &versions) {
            row.state = KeyState::PreActivation;
        }
        batch.insert(Table::Key, row.id.as_bytes().to_vec(), rows::encode(&row));
        batch.put(Table::KeyByLineage, keys::key_by_lineage(row.lineage, row.id), Vec::new());
        // Whoever changes the lineage writes its primary, so that two who do don't miss each other.
        batch.replace(Table::Key, &primary.as_read(), rows::encode(&primary.row));
        let binding = bind(&mut batch, &self.name, row.id, authorized.now());
        let replica = KeyEntry::made(row, versions, vec![binding], Arc::clone(&primary.tenant))?;
        lineage.push(engine.catalog().load_key(primary.row.id)?);
        Ok(Outcome::Change(batch, (Arc::new(replica), lineage)))
    }
}

/// Makes a replica the primary, and the primary a replica.
pub struct MovePrimary {
    /// The primary.
    pub key: KeyReference,
    /// The replica.
    pub replica: KeyReference,
}

impl Operation for MovePrimary {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let demand = |key: &KeyReference| {
            let target = Target::Key(key.clone());
            Demand { action: Action::UpdatePrimaryRegion, target, purpose: Purpose::Rotate }
        };
        Ok(vec![demand(&self.key), demand(&self.replica)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let (former, next) = (authorized.key(0)?, authorized.key(1)?);
        require_primary(former)?;
        let (former, next) = (former.entry(), next.entry());
        if former.row.id == next.row.id || former.row.lineage != next.row.lineage {
            let (what, problem) = ("the new primary region", "must be the region of a replica");
            return Err(InputFault::Form { what, problem }.into());
        }
        let mut batch = Batch::default();
        if let Some(rotation) = former.row.rotation {
            batch.delete(Table::Schedule, keys::schedule(rotation.next, Due::Rotation, former.row.id));
            batch.put(Table::Schedule, keys::schedule(rotation.next, Due::Rotation, next.row.id), Vec::new());
        }
        let rotation = former.row.rotation;
        let replica = KeyRow { multi_region: Some(MultiRegion::Replica), ..former.row.clone() };
        let primary = KeyRow { multi_region: Some(MultiRegion::Primary), rotation, ..next.row.clone() };
        batch.replace(Table::Key, &former.as_read(), rows::encode(&replica));
        batch.replace(Table::Key, &next.as_read(), rows::encode(&primary));
        Ok(Outcome::Change(batch, ()))
    }
}

/// The other keys of a key's lineage, as they are now; those that are destroyed don't count.
pub(crate) fn others(catalog: &Catalog, key: &KeyRow) -> Result<Vec<KeyEntry>, EngineError> {
    if key.multi_region.is_none() {
        return Ok(Vec::new());
    }
    let found = catalog.scan_all(Table::KeyByLineage, key.lineage.as_bytes(), limits::KEYS_OF_LINEAGE)?;
    let ids = found.iter().filter_map(|row| KeyId::from_slice(row.key.get(16..)?));
    let others = ids.filter(|id| *id != key.id).map(|id| catalog.load_key(id));
    others.filter(|entry| !entry.as_ref().is_ok_and(|entry| entry.row.state == KeyState::Destroyed)).collect()
}

/// What is done with the lineage as a whole is done with its primary.
pub(crate) fn require_primary(handle: &KeyHandle) -> Result<(), EngineError> {
    match handle.entry().row.multi_region {
        Some(MultiRegion::Primary) => Ok(()),
        _ => Err(EngineError::NotPrimary { resource: Arc::clone(handle.resource()) }),
    }
}

/// What is new comes to a lineage by its primary.
pub(crate) fn require_no_replica(handle: &KeyHandle) -> Result<(), EngineError> {
    match handle.entry().row.multi_region {
        Some(MultiRegion::Replica) => Err(EngineError::NotPrimary { resource: Arc::clone(handle.resource()) }),
        Some(MultiRegion::Primary) | None => Ok(()),
    }
}

/// Whether all of these keys of a lineage have this material, but those that are about to be destroyed.
#[must_use]
pub fn held_by_all<'k>(mut keys: impl Iterator<Item = &'k KeyEntry>, material: MaterialId) -> bool {
    keys.all(|key| {
        let held = key.version(material).is_some_and(|version| !version.lacks_material());
        held || matches!(key.row.state, KeyState::DestructionScheduled { .. } | KeyState::Destroyed)
    })
}

/// Gives the other keys of a lineage the rotation that its primary has. Only the primary's stands in the schedule.
pub(crate) fn share_rotation(others: &[KeyEntry], rotation: Option<RotationRow>, batch: &mut Batch) {
    for other in others {
        batch.replace(Table::Key, &other.as_read(), rows::encode(&KeyRow { rotation, ..other.row.clone() }));
    }
}

/// What the destruction of a key means for the link that it was made through, and for the others of its lineage: with the last replica, the primary's wait begins.
pub(crate) fn follow_destruction(
    authorized: &Authorized<'_>,
    key: &KeyRow,
    batch: &mut Batch,
) -> Result<(), EngineError> {
    if let Some(link) = &key.link {
        let place = match &key.external {
            Some(external) => keys::external_key_of_link(key.tenant, &key.region, link, external),
            None => keys::key_of_link(key.tenant, &key.region, link, key.id),
        };
        batch.delete(Table::KeyByStoreLink, place);
    }
    if key.multi_region.is_none() {
        return Ok(());
    }
    batch.delete(Table::KeyByLineage, keys::key_by_lineage(key.lineage, key.id));
    let others = others(authorized.engine().catalog(), key)?;
    let is_primary = |entry: &&KeyEntry| entry.row.multi_region == Some(MultiRegion::Primary);
    let Some(primary) = others.iter().find(is_primary) else { return Ok(()) };
    let mut row = primary.row.clone();
    if let (KeyState::DestructionAwaitsReplicas { days }, 1) = (row.state, others.len()) {
        let at = authorized.now().after(DAY * days);
        row.state = KeyState::DestructionScheduled { at };
        batch.put(Table::Schedule, keys::schedule(at, Due::Destruction, row.id), Vec::new());
    }
    // Written even where nothing changes: two replicas that go at once must not both take the other for alive.
    batch.replace(Table::Key, &primary.as_read(), rows::encode(&row));
    Ok(())
}
