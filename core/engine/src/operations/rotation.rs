//! Rotation: a new version takes over originator usage; the former keeps recipient usage.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::purpose::{Purpose, VersionState};
use strongroom_model::store::{Batch, Table};

use super::key::{DAY, check_rotatable, new_version, unchanged};
use crate::catalog::KeyEntry;
use crate::error::{EngineError, Quota};
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, BindingRow, Due, RotationCause, RotationRow};
use crate::{keys, limits};

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
        let entry = authorized.key(0)?.entry();
        let mut row = entry.row.clone();
        check_rotatable(&row)?;
        let mut batch = Batch::default();
        match (self.cause, row.rotation) {
            (RotationCause::OnDemand, _) => {
                if row.on_demand_rotations >= limits::ON_DEMAND_ROTATIONS {
                    return Err(EngineError::LimitExceeded(Quota::OnDemandRotations).into());
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
            _ => return Ok(Outcome::Answer(Arc::clone(entry))),
        }
        row.current += 1;
        new_version(authorized, &row, row.current, self.cause, &mut batch)?;
        for version in entry.versions.iter().filter(|version| version.state == VersionState::Active) {
            let mut former = version.clone();
            former.state = VersionState::Deactivated;
            batch.put(Table::KeyVersion, keys::version(row.id, former.ordinal), rows::encode(&former));
        }
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
        Ok(Outcome::Change(batch, Arc::clone(entry)))
    }
}

/// Destroys a key's material once its time has come. The metadata stays, so that the log remains readable; the names go.
pub struct DestroyKey {
    /// Which key.
    pub key: KeyReference,
}

impl Operation for DestroyKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::Scheduled, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let entry = authorized.key(0)?.entry();
        let mut row = entry.row.clone();
        let strongroom_model::purpose::KeyState::DestructionScheduled { at } = row.state else {
            return Ok(Outcome::Answer(Arc::clone(entry)));
        };
        if at > authorized.now() {
            return Ok(Outcome::Answer(Arc::clone(entry)));
        }
        let mut batch = Batch::default();
        row.state = strongroom_model::purpose::KeyState::Destroyed;
        batch.delete(Table::Schedule, keys::schedule(at, Due::Destruction, row.id));
        if let Some(rotation) = row.rotation.take() {
            batch.delete(Table::Schedule, keys::schedule(rotation.next, Due::Rotation, row.id));
        }
        for version in &entry.versions {
            let mut gone = version.clone();
            gone.state = VersionState::Destroyed;
            gone.wrapped = Vec::new();
            batch.put(Table::KeyVersion, keys::version(row.id, gone.ordinal), rows::encode(&gone));
            batch.delete(Table::VersionByMaterial, keys::version_by_material(row.lineage, gone.material, row.id));
        }
        let catalog = authorized.engine().catalog();
        let snapshot = catalog.snapshot()?;
        for name in &entry.names {
            let bound =
                snapshot.get(Table::Binding, &keys::binding(row.tenant, &name.region, name.kind, &name.text))?;
            // A name that was moved meanwhile is another key's.
            if let Some(bound) = bound
                && rows::decode::<BindingRow>("bindings", &bound.value)?.key == row.id
            {
                batch.preconditions.push(unchanged(Table::Binding, &bound));
                batch.delete(Table::Binding, bound.key);
            }
            batch.delete(Table::BindingByKey, keys::binding_by_key(row.id, &name.region, name.kind, &name.text));
        }
        drop(snapshot);
        let grants = catalog.grants(row.id, authorized.ground)?;
        for grant in &grants.rows {
            batch.delete(Table::Grant, keys::grant(row.id, grant.id));
            if let Some(retiring) = &grant.retiring {
                batch.delete(Table::GrantByRetiring, keys::grant_by_retiring(row.tenant, retiring, row.id, grant.id));
            }
        }
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
        Ok(Outcome::Change(batch, Arc::clone(entry)))
    }
}
