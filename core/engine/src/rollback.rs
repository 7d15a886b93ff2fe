//! A store that was put back to an older state: noticed by the log, and not served unless an operator accepts it.
//!
//! What is applied again is what takes use away: suspensions of keys, versions, tenants, principals and credentials,
//! destructions, and the removal of grants, credentials, principals and identity policies. Absent on purpose: making again
//! what was made since, for which the log has not enough; and giving back what was suspended.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use strongroom_audit::record::Outcome as Told;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{KeyId, RecordId, TenantId};
use strongroom_model::purpose::{KeyState, Purpose, VersionState};
use strongroom_model::store::{Batch, Snapshot, Table};

use crate::call::{Call, Dialect, Mode};
use crate::changes::{self, StateChange};
use crate::error::EngineError;
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::outbox::unreadable;
use crate::rows::{
    self, CredentialRow, Due, GrantRow, KeyRow, LinkState, PrincipalRow, StoreLinksRow, TenantRow, VersionRow,
};
use crate::{Engine, limits};

/// Changes that the log tells of and the store does not have. Kept of them is what took a use away and was not undone.
#[derive(Default)]
pub(crate) struct LostChanges {
    /// How many records tell of such changes.
    pub(crate) count: u64,
    keys: BTreeMap<KeyId, KeyState>,
    versions: BTreeMap<(KeyId, u32), VersionState>,
    tenants: BTreeSet<TenantId>,
    rows: BTreeMap<(Table, Vec<u8>), Fate>,
}

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Suspended,
    Removed,
}

/// One thing that is to be unusable again.
#[derive(Clone)]
enum Lost {
    Tenant(TenantId),
    Version(KeyId, u32, VersionState),
    Key(KeyId, KeyState),
    Row(Table, Vec<u8>, Fate),
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
        // What the log tells of until now is not noted as known before all of it is applied: if this ends half way, the
        // next start finds the same again.
        let _unnoted = self.note_nothing();
        let mut rolled_back = RolledBack { lost: lost.count, reapplied: 0 };
        let mut rest = lost.into_list();
        loop {
            let stretch: Vec<Lost> = rest.by_ref().take(limits::REAPPLIED_AT_ONCE).collect();
            let last = stretch.len() < limits::REAPPLIED_AT_ONCE;
            let call = Call::internal("rollback", "AcceptRollback", dialect);
            rolled_back.reapplied += self.perform_blocking(call, AcceptRollback { lost: stretch, last }, Mode::Run)?;
            if last {
                return Ok(rolled_back);
            }
        }
    }
}

impl LostChanges {
    /// The last word on each thing is what counts.
    fn note(&mut self, told: StateChange) {
        match told {
            StateChange::Key(key, KeyState::Active) => {
                self.keys.remove(&key);
            }
            StateChange::Key(key, state) => {
                self.keys.insert(key, state);
            }
            StateChange::Version(key, ordinal, state @ (VersionState::Suspended | VersionState::Absent)) => {
                self.versions.insert((key, ordinal), state);
            }
            StateChange::Version(key, ordinal, _) => {
                self.versions.remove(&(key, ordinal));
            }
            StateChange::Tenant(tenant, true) => {
                self.tenants.insert(tenant);
            }
            StateChange::Tenant(tenant, false) => {
                self.tenants.remove(&tenant);
            }
            // What is told of links is not which of them were let go: all of them are, until they are connected again.
            StateChange::Written(table @ Table::StoreLink, key) | StateChange::Row(table, key, true) => {
                self.rows.insert((table, key), Fate::Suspended);
            }
            StateChange::Row(table, key, false) | StateChange::Written(table, key) => {
                self.rows.remove(&(table, key));
            }
            StateChange::Removed(table, key) => {
                self.rows.insert((table, key), Fate::Removed);
            }
        }
    }

    fn into_list(self) -> impl Iterator<Item = Lost> {
        let tenants = self.tenants.into_iter().map(Lost::Tenant);
        let versions = self.versions.into_iter().map(|((key, ordinal), state)| Lost::Version(key, ordinal, state));
        let keys = self.keys.into_iter().map(|(key, state)| Lost::Key(key, state));
        let rows = self.rows.into_iter().map(|((table, place), fate)| Lost::Row(table, place, fate));
        tenants.chain(versions).chain(keys).chain(rows)
    }
}

/// Applies again a stretch of what was lost.
struct AcceptRollback {
    lost: Vec<Lost>,
    /// Whether nothing is left after it.
    last: bool,
}

impl Operation for AcceptRollback {
    /// How much of it was to be applied.
    type Output = u64;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::Installation, Target::Installation);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<u64>, Halt> {
        let engine = authorized.engine();
        let snapshot = engine.catalog().snapshot()?;
        let mut batch = Batch::default();
        let mut reapplied: u64 = 0;
        for lost in &self.lost {
            reapplied += u64::from(match lost {
                Lost::Tenant(tenant) => suspend_tenant(&*snapshot, *tenant, &mut batch)?,
                Lost::Version(key, ordinal, state) => end_version(&*snapshot, *key, *ordinal, *state, &mut batch)?,
                Lost::Key(key, state) => restrict_key(&*snapshot, *key, *state, authorized.now(), &mut batch)?,
                Lost::Row(table, place, fate) => end_row(&*snapshot, *table, place, *fate, &mut batch)?,
            });
        }
        if self.last {
            // From here on the store has all that it will ever have of what the log tells until now.
            engine.note_known_changes(&mut batch);
        }
        Ok(match batch.changes.is_empty() {
            true => Outcome::Answer(reapplied),
            false => Outcome::Change(batch, reapplied),
        })
    }
}

fn suspend_tenant(snapshot: &dyn Snapshot, tenant: TenantId, batch: &mut Batch) -> Result<bool, EngineError> {
    let Some(read) = snapshot.get(Table::Tenant, tenant.as_bytes())? else { return Ok(false) };
    let row: TenantRow = rows::decode("tenants", &read.value)?;
    let due = !row.suspended;
    if due {
        batch.replace(Table::Tenant, &read, rows::encode(&TenantRow { suspended: true, ..row }));
    }
    Ok(due)
}

/// Suspends a version again, or takes its imported material away again.
fn end_version(
    snapshot: &dyn Snapshot,
    key: KeyId,
    ordinal: u32,
    told: VersionState,
    batch: &mut Batch,
) -> Result<bool, EngineError> {
    let Some(read) = snapshot.get(Table::KeyVersion, &keys::version(key, ordinal))? else { return Ok(false) };
    let row: VersionRow = rows::decode("key versions", &read.value)?;
    let row = match (row.state, told) {
        (VersionState::Active | VersionState::Deactivated, VersionState::Absent) if row.imported.is_some() => {
            VersionRow { state: told, wrapped: Vec::new(), ..row }
        }
        (VersionState::Active | VersionState::Deactivated, VersionState::Suspended) => {
            VersionRow { state: told, ..row }
        }
        _ => return Ok(false),
    };
    batch.replace(Table::KeyVersion, &read, rows::encode(&row));
    Ok(true)
}

fn restrict_key(
    snapshot: &dyn Snapshot,
    key: KeyId,
    told: KeyState,
    now: Timestamp,
    batch: &mut Batch,
) -> Result<bool, EngineError> {
    let Some(read) = snapshot.get(Table::Key, key.as_bytes())? else { return Ok(false) };
    let row: KeyRow = rows::decode("keys", &read.value)?;
    let Some(state) = stricter(row.state, told, now) else { return Ok(false) };
    if let KeyState::DestructionScheduled { at } = row.state {
        batch.delete(Table::Schedule, keys::schedule(at, Due::Destruction, key));
    }
    if let KeyState::DestructionScheduled { at } = state {
        batch.put(Table::Schedule, keys::schedule(at, Due::Destruction, key), Vec::new());
    }
    batch.replace(Table::Key, &read, rows::encode(&KeyRow { state, ..row }));
    Ok(true)
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
        | (KeyState::Active, KeyState::Suspended)
        | (KeyState::Active | KeyState::Suspended, KeyState::PreActivation) => Some(told),
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
        (Table::StoreLink, Fate::Suspended) => {
            let mut row: StoreLinksRow = rows::decode("store links", &read.value)?;
            row.links.iter_mut().for_each(|link| link.state = LinkState::Disconnected);
            batch.replace(table, &read, rows::encode(&row));
        }
        (Table::Principal, Fate::Removed) => {
            let row: PrincipalRow = rows::decode("principals", &read.value)?;
            batch.delete(Table::PrincipalByName, keys::principal_by_name(row.tenant, &row.reference()));
            if let Some(service) = &row.service {
                batch.delete(Table::PrincipalByName, keys::service_by_prefix(&service.prefix));
            }
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
        (Table::IdentityPolicy | Table::TokenIssuer, Fate::Removed) => batch.delete(table, read.key),
        _ => return Ok(false),
    }
    Ok(true)
}
