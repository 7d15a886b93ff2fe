//! A store that was put back to an older state: noticed by the log, and not served unless an operator accepts it.
//!
//! What is applied again is what takes use away: suspensions of keys, versions, tenants, principals and credentials,
//! destructions, and the removal of grants, credentials, principals and identity policies. Absent on purpose: making again
//! what was made since, for which the log has not enough; and giving back what was suspended.

use std::collections::{HashMap, HashSet};

use strongroom_audit::record::Outcome as Told;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{KeyId, RecordId, TenantId};
use strongroom_model::purpose::{KeyState, Purpose, VersionState};
use strongroom_model::store::{Batch, Snapshot, Table};

use crate::Engine;
use crate::call::{Call, Dialect, Mode};
use crate::changes::{self, StateChange};
use crate::error::EngineError;
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::outbox::unreadable;
use crate::rows::{self, CredentialRow, Due, GrantRow, KeyRow, PrincipalRow, TenantRow, VersionRow};

/// Changes that the log tells of and the store does not have.
#[derive(Default)]
pub(crate) struct LostChanges {
    /// How many records tell of such changes.
    pub(crate) count: u64,
    keys: HashMap<KeyId, KeyState>,
    versions: HashMap<(KeyId, u32), VersionState>,
    tenants: HashMap<TenantId, bool>,
    rows: HashMap<(Table, Vec<u8>), Fate>,
}

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Suspended,
    Removed,
}

/// What came of accepting an older store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledBack {
    /// Changes that the store had lost.
    pub lost: u64,
    /// Suspensions, destructions and removals that were applied again.
    pub reapplied: u64,
}

impl Engine {
    /// Reads the log from where the store is known to have everything.
    pub(crate) fn lost_changes(&self) -> Result<LostChanges, EngineError> {
        let held: HashSet<RecordId> = self.held_records()?.into_iter().collect();
        let mut lost = LostChanges::default();
        for stored in self.records_since(self.known_changes()?)? {
            let stored = stored.map_err(|error| unreadable(&error))?;
            if held.contains(&stored.record.id()) {
                continue;
            }
            let Ok(record) = stored.record.record() else { continue };
            if record.outcome == Told::Done && !record.changes.is_empty() {
                lost.count += 1;
                record
                    .changes
                    .iter()
                    .filter_map(|told| changes::parse(told.as_full()?))
                    .for_each(|told| lost.note(told));
            }
        }
        Ok(lost)
    }

    /// Takes the store as it is, but for what was to be unusable.
    pub(crate) fn accept(&self, lost: LostChanges, dialect: &'static dyn Dialect) -> Result<RolledBack, EngineError> {
        if lost.count == 0 {
            return Ok(RolledBack::default());
        }
        tracing::warn!(
            changes = lost.count,
            "an older store is accepted; suspensions and destructions are applied again"
        );
        let call = Call::internal("rollback", "AcceptRollback", dialect);
        self.perform_blocking(call, AcceptRollback { lost }, Mode::Run)
    }
}

impl LostChanges {
    /// The last word on each thing is what counts.
    fn note(&mut self, told: StateChange) {
        match told {
            StateChange::Key(key, state) => {
                self.keys.insert(key, state);
            }
            StateChange::Version(key, ordinal, state) => {
                self.versions.insert((key, ordinal), state);
            }
            StateChange::Tenant(tenant, suspended) => {
                self.tenants.insert(tenant, suspended);
            }
            StateChange::Row(table, key, suspended) => {
                self.rows.insert((table, key), if suspended { Fate::Suspended } else { Fate::Kept });
            }
            StateChange::Written(table, key) => {
                self.rows.insert((table, key), Fate::Kept);
            }
            StateChange::Removed(table, key) => {
                self.rows.insert((table, key), Fate::Removed);
            }
        }
    }
}

/// Applies again what was lost, in one commit.
struct AcceptRollback {
    lost: LostChanges,
}

impl Operation for AcceptRollback {
    type Output = RolledBack;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::Installation, Target::Installation);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<RolledBack>, Halt> {
        let engine = authorized.engine();
        let snapshot = engine.catalog().snapshot()?;
        let mut batch = Batch::default();
        let mut reapplied: u64 = 0;
        for (tenant, _) in self.lost.tenants.iter().filter(|(_, suspended)| **suspended) {
            let Some(read) = snapshot.get(Table::Tenant, tenant.as_bytes())? else { continue };
            let row: TenantRow = rows::decode("tenants", &read.value)?;
            if !row.suspended {
                batch.replace(Table::Tenant, &read, rows::encode(&TenantRow { suspended: true, ..row }));
                reapplied += 1;
            }
        }
        for ((key, ordinal), _) in self.lost.versions.iter().filter(|(_, state)| **state == VersionState::Suspended) {
            let Some(read) = snapshot.get(Table::KeyVersion, &keys::version(*key, *ordinal))? else { continue };
            let row: VersionRow = rows::decode("key versions", &read.value)?;
            if matches!(row.state, VersionState::Active | VersionState::Deactivated) {
                let row = VersionRow { state: VersionState::Suspended, ..row };
                batch.replace(Table::KeyVersion, &read, rows::encode(&row));
                reapplied += 1;
            }
        }
        for (key, state) in &self.lost.keys {
            let Some(read) = snapshot.get(Table::Key, key.as_bytes())? else { continue };
            let row: KeyRow = rows::decode("keys", &read.value)?;
            let Some(state) = stricter(row.state, *state, authorized.now()) else { continue };
            if let KeyState::DestructionScheduled { at } = row.state {
                batch.delete(Table::Schedule, keys::schedule(at, Due::Destruction, *key));
            }
            if let KeyState::DestructionScheduled { at } = state {
                batch.put(Table::Schedule, keys::schedule(at, Due::Destruction, *key), Vec::new());
            }
            batch.replace(Table::Key, &read, rows::encode(&KeyRow { state, ..row }));
            reapplied += 1;
        }
        for ((table, place), fate) in &self.lost.rows {
            reapplied += u64::from(end_row(&*snapshot, *table, place, *fate, &mut batch)?);
        }
        // From here on the store has all that it will ever have of what the log tells until now.
        engine.note_known_changes(&mut batch);
        Ok(Outcome::Change(batch, RolledBack { lost: self.lost.count, reapplied }))
    }
}

/// The state that a key must have instead of `now`, when the log says that it had come to `told`. What was destroyed is
/// due for destruction at once.
fn stricter(now: KeyState, told: KeyState, time: Timestamp) -> Option<KeyState> {
    let destroyed = KeyState::DestructionScheduled { at: time };
    match (now, told) {
        (KeyState::Destroyed, _) => None,
        (_, KeyState::Destroyed) => Some(destroyed),
        (
            KeyState::Active
            | KeyState::Suspended
            | KeyState::PreActivation
            | KeyState::DestructionAwaitsReplicas { .. },
            KeyState::DestructionScheduled { .. },
        )
        | (
            KeyState::Active | KeyState::Suspended | KeyState::PreActivation,
            KeyState::DestructionAwaitsReplicas { .. },
        )
        | (KeyState::Active, KeyState::Suspended) => Some(told),
        _ => None,
    }
}

/// Suspends or removes a row again, with its indexes; tells whether there was anything to do.
fn end_row(
    snapshot: &dyn Snapshot,
    table: Table,
    place: &[u8],
    fate: Fate,
    batch: &mut Batch,
) -> Result<bool, EngineError> {
    let Some(read) = snapshot.get(table, place)? else { return Ok(false) };
    match (table, fate) {
        (Table::Principal, Fate::Suspended) => {
            let row: PrincipalRow = rows::decode("principals", &read.value)?;
            batch.replace(table, &read, rows::encode(&PrincipalRow { suspended: true, ..row }));
        }
        (Table::Credential, Fate::Suspended) => {
            let row: CredentialRow = rows::decode("credentials", &read.value)?;
            batch.replace(table, &read, rows::encode(&CredentialRow { suspended: true, ..row }));
        }
        (Table::Principal, Fate::Removed) => {
            let row: PrincipalRow = rows::decode("principals", &read.value)?;
            batch.delete(Table::PrincipalByName, keys::principal_by_name(row.tenant, &row.name));
            batch.delete(table, read.key);
        }
        (Table::Credential, Fate::Removed) => {
            let row: CredentialRow = rows::decode("credentials", &read.value)?;
            let index = keys::credential_by_principal(row.tenant, row.principal, &row.shown);
            batch.delete(Table::CredentialByPrincipal, index);
            batch.delete(table, read.key);
        }
        (Table::Grant, Fate::Removed) => {
            let row: GrantRow = rows::decode("grants", &read.value)?;
            let key = snapshot.get(Table::Key, row.key.as_bytes())?;
            let key: Option<KeyRow> = key.map(|key| rows::decode("keys", &key.value)).transpose()?;
            if let (Some(key), Some(retiring)) = (key, &row.retiring) {
                let index = keys::grant_by_retiring(key.tenant, retiring, row.key, row.id);
                batch.delete(Table::GrantByRetiring, index);
            }
            batch.delete(table, read.key);
        }
        (Table::IdentityPolicy, Fate::Removed) => batch.delete(table, read.key),
        _ => return Ok(false),
    }
    Ok(true)
}
