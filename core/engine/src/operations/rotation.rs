//! Rotation: a new version takes over originator usage; the former keeps recipient usage.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::purpose::{Forbidden, KeyState, Purpose, VersionState};
use strongroom_model::spec::Origin;
use strongroom_model::store::{Batch, Table};

use super::import::schedule_expiries;
use super::key::{DAY, check_rotatable, new_version, unchanged};
use super::lineage::{follow_destruction, held_by_all, others, share_rotation};
use crate::catalog::KeyEntry;
use crate::error::{EngineError, Quota};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, BindingRow, Due, GrantRow, ImportRow, KeyRow, RotationCause, RotationRow, VersionRow};
use crate::{keys, limits, loose};

/// Rotates a key now.
pub struct RotateKey {
    /// Which key.
    pub key: KeyReference,
    /// On demand of a caller, or because it is due.
    pub cause: RotationCause,
}

impl Operation for RotateKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let action = match self.cause {
            RotationCause::OnDemand => Action::RotateKeyOnDemand,
            RotationCause::Automatic | RotationCause::Creation => Action::Scheduled,
        };
        Ok(vec![Demand { action, target: Target::Key(self.key.clone()), purpose: Purpose::Rotate }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let handle = authorized.key(0)?;
        let entry = Arc::clone(handle.entry());
        Ok(match rotate(authorized, handle, self.cause)? {
            Some(batch) => Outcome::Change(batch, entry),
            None => Outcome::Answer(entry),
        })
    }
}

/// Rotates a key whose time has come, and tells whether it had.
pub(crate) struct RotateDue {
    /// Which key.
    pub(crate) key: KeyReference,
}

impl Operation for RotateDue {
    type Output = bool;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled(&self.key, Purpose::Rotate))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<bool>, Halt> {
        let rotated = rotate(authorized, authorized.key(0)?, RotationCause::Automatic)?;
        Ok(rotated.map_or(Outcome::Answer(false), |batch| Outcome::Change(batch, true)))
    }
}

/// What an act of the scheduler on a key demands.
pub(super) fn scheduled(key: &KeyReference, purpose: Purpose) -> Vec<Demand> {
    vec![Demand { action: Action::Scheduled, target: Target::Key(key.clone()), purpose }]
}

/// The changes that rotate a key; `None` when it was to be rotated at its time and that has not come.
fn rotate(authorized: &Authorized<'_>, handle: &KeyHandle, cause: RotationCause) -> Result<Option<Batch>, Halt> {
    let entry = handle.entry();
    let mut row = entry.row.clone();
    let by_caller = cause == RotationCause::OnDemand;
    check_rotatable(handle, if by_caller { &[Origin::Generated, Origin::Imported] } else { &[Origin::Generated] })?;
    let mut batch = Batch::default();
    match (cause, row.rotation) {
        (RotationCause::OnDemand, _) => {
            if row.on_demand_rotations >= limits::ON_DEMAND_ROTATIONS {
                let resource = Arc::clone(handle.resource());
                return Err(EngineError::LimitExceeded(Quota::OnDemandRotations { resource }).into());
            }
            row.on_demand_rotations += 1;
        }
        (_, Some(due)) if due.next <= authorized.now() => {
            batch.delete(Table::Schedule, keys::schedule(due.next, Due::Rotation, row.id));
            let next = authorized.now().after(DAY * due.period_days);
            row.rotation = Some(RotationRow { next, ..due });
            batch.put(Table::Schedule, keys::schedule(next, Due::Rotation, row.id), Vec::new());
        }
        // Another node was first, or rotation was turned off: nothing is due any more.
        _ => return Ok(None),
    }
    row.current += 1;
    let others = others(authorized.engine().catalog(), &row)?;
    match row.origin {
        Origin::Imported => begin_pending(authorized, handle, &others, &mut batch)?,
        Origin::Generated | Origin::Resident | Origin::Doubled => {
            let lineage: Vec<&KeyRow> = [&row].into_iter().chain(others.iter().map(|other| &other.row)).collect();
            new_version(authorized, &lineage, &entry.versions, row.current, cause, &mut batch)?;
        }
    }
    for key in others.iter().chain([&**entry]) {
        for version in key.versions.iter().filter(|version| version.state == VersionState::Active) {
            let former = VersionRow { state: VersionState::Deactivated, ..version.clone() };
            batch.put(Table::KeyVersion, keys::version(key.row.id, former.ordinal), rows::encode(&former));
        }
        let (rotation, current, on_demand_rotations) = (row.rotation, row.current, row.on_demand_rotations);
        let rotated = KeyRow { rotation, current, on_demand_rotations, ..key.row.clone() };
        batch.replace(Table::Key, &key.as_read(), rows::encode(&rotated));
    }
    Ok(Some(batch))
}

/// Makes current the imported material that waits for it, once the whole lineage has it. A replica that is about to be
/// destroyed is not waited for; should it be kept, the material must be brought to it.
fn begin_pending(
    authorized: &Authorized<'_>,
    handle: &KeyHandle,
    others: &[KeyEntry],
    batch: &mut Batch,
) -> Result<(), EngineError> {
    let (entry, resource) = (handle.entry(), handle.resource());
    let pending = entry.versions.iter().find(|version| version.ordinal > entry.row.current);
    let lineage = || others.iter().chain([&**entry]);
    let pending = pending.filter(|pending| held_by_all(lineage(), pending.material));
    let pending = pending.ok_or_else(|| EngineError::NothingPending { resource: Arc::clone(resource) })?;
    for key in lineage() {
        let Some(version) = key.version(pending.material) else { continue };
        if version.state != VersionState::Pending {
            let forbidden = Forbidden::VersionSuspended;
            return Err(EngineError::StateForbids { resource: Arc::clone(resource), forbidden });
        }
        let state = if version.lacks_material() { VersionState::Absent } else { VersionState::Active };
        let mut begun = VersionRow { state, ..version.clone() };
        if let Some(imported) = &mut begun.imported {
            imported.rotated = Some(authorized.now());
        }
        batch.put(Table::KeyVersion, keys::version(key.row.id, begun.ordinal), rows::encode(&begun));
    }
    Ok(())
}

/// Lets a rotation that is due pass without an act, by one period: the key's state, or its tenant's, forbids it.
pub(crate) struct SkipRotation {
    /// Which key.
    pub(crate) key: KeyReference,
}

impl Operation for SkipRotation {
    /// Whether it was due.
    type Output = bool;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled(&self.key, Purpose::Inspect))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<bool>, Halt> {
        let entry = authorized.key(0)?.entry();
        let mut row = entry.row.clone();
        let Some(due) = row.rotation.filter(|due| due.next <= authorized.now()) else {
            return Ok(Outcome::Answer(false));
        };
        let next = due.next.after(DAY * due.period_days);
        row.rotation = Some(RotationRow { next, ..due });
        let mut batch = Batch::default();
        share_rotation(&others(authorized.engine().catalog(), &row)?, row.rotation, &mut batch);
        batch.delete(Table::Schedule, keys::schedule(due.next, Due::Rotation, row.id));
        batch.put(Table::Schedule, keys::schedule(next, Due::Rotation, row.id), Vec::new());
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
        Ok(Outcome::Change(batch, true))
    }
}

/// Destroys a key's material once its time has come. The metadata stays, so that the log remains readable; the names go,
/// and the grants, as many as one commit takes. It stays due until the last of them is gone.
pub struct DestroyKey {
    /// Which key.
    pub key: KeyReference,
    /// When it was due.
    pub due: Timestamp,
    /// The time by a clock that was found not to have jumped; nothing that is due later is destroyed.
    pub now: Timestamp,
}

/// What [`DestroyKey`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destruction {
    /// The key was destroyed by this act.
    pub destroyed: bool,
    /// There are grants left to remove.
    pub more: bool,
}

impl Operation for DestroyKey {
    type Output = Destruction;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled(&self.key, Purpose::Inspect))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Destruction>, Halt> {
        let entry = authorized.key(0)?.entry();
        let (mut batch, mut destroyed) = (Batch::default(), false);
        let due = match entry.row.state {
            KeyState::DestructionScheduled { at } if at <= self.now.min(authorized.now()) => {
                destroy(authorized, entry, &mut batch)?;
                destroyed = true;
                at
            }
            KeyState::Destroyed => self.due,
            _ => return Ok(Outcome::Answer(Destruction::default())),
        };
        let id = entry.row.id;
        let catalog = authorized.engine().catalog();
        let grants = catalog.scan_all(Table::Grant, id.as_bytes(), limits::DESTROYED_GRANTS + 1)?;
        for read in grants.iter().take(limits::DESTROYED_GRANTS) {
            let grant: GrantRow = rows::decode("grants", &read.value)?;
            batch.delete(Table::Grant, read.key.clone());
            if let Some(retiring) = &grant.retiring {
                batch.delete(Table::GrantByRetiring, keys::grant_by_retiring(entry.row.tenant, retiring, id, grant.id));
            }
        }
        let more = grants.len() > limits::DESTROYED_GRANTS;
        if !more {
            batch.delete(Table::Schedule, keys::schedule(due, Due::Destruction, id));
        }
        Ok(Outcome::Change(batch, Destruction { destroyed, more }))
    }
}

/// Destroys the key's versions, and takes its names.
fn destroy(authorized: &Authorized<'_>, entry: &KeyEntry, batch: &mut Batch) -> Result<(), EngineError> {
    let mut row = entry.row.clone();
    row.state = KeyState::Destroyed;
    if let Some(rotation) = row.rotation.take() {
        batch.delete(Table::Schedule, keys::schedule(rotation.next, Due::Rotation, row.id));
    }
    batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
    follow_destruction(authorized, &row, batch)?;
    schedule_expiries(row.id, &entry.versions, &[], batch);
    for version in &entry.versions {
        let mut gone = version.clone();
        gone.state = VersionState::Destroyed;
        gone.wrapped = Vec::new();
        loose::give_up(row.store.as_ref(), version, batch);
        gone.object = None;
        gone.imported = gone.imported.map(|imported| ImportRow { digest: Vec::new(), expires: None, ..imported });
        batch.put(Table::KeyVersion, keys::version(row.id, gone.ordinal), rows::encode(&gone));
        batch.delete(Table::VersionByMaterial, keys::version_by_material(row.lineage, gone.material, row.id));
    }
    let snapshot = authorized.engine().catalog().snapshot()?;
    for name in &entry.names {
        let place = keys::binding(row.tenant, &name.region, name.kind, &name.text);
        // A name that was moved meanwhile is another key's.
        if let Some(bound) = snapshot.get(Table::Binding, &place)?
            && rows::decode::<BindingRow>("bindings", &bound.value)?.key == row.id
        {
            batch.preconditions.push(unchanged(Table::Binding, &bound));
            batch.delete(Table::Binding, bound.key);
        }
        batch.delete(Table::BindingByKey, keys::binding_by_key(row.id, &name.region, name.kind, &name.text));
    }
    Ok(())
}
