//! Making keys, and every change to a key's own row.

use std::sync::Arc;
use std::time::Duration;

use strongroom_audit::hash::Hash;
use strongroom_crypto::ciphertext::AcceptedFormats;
use strongroom_crypto::detached::MaterialNumber;
use strongroom_crypto::wrapped::WrappingKey;
use strongroom_crypto::{KeyMaterial, Random, random};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{KeyId, LineageId, MaterialId, TenantId};
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::name::Name;
use strongroom_model::purpose::{KeyState, Purpose, VersionState};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Precondition, Row, Table};
use strongroom_model::usage::{Usage, UsageProfile};
use strongroom_policy::{Document, Kind};

use super::import::complete;
use super::lineage::{others, require_primary, share_rotation};
use crate::call::Call;
use crate::catalog::KeyEntry;
use crate::decide::Subject;
use crate::error::{self, EngineError, InputFault, InternalFault, Quota};
use crate::named::Written;
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, BindingRow, Due, KeyRow, Meant, MultiRegion, RotationCause, RotationRow, Serves, VersionRow};
use crate::{keys, limits, named};

/// A day, by which destruction and rotation are counted.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a key with the front end's own name for it, and with its first version unless its material is to be imported.
pub struct CreateKey {
    /// Whose.
    pub tenant: TenantId,
    /// The name that its front end knows the key itself by.
    pub name: Name,
    /// Kind of material.
    pub spec: KeySpec,
    /// What it may be used for.
    pub usages: Vec<Usage>,
    /// Where its material comes from. Without a version and in pre-activation until it is imported, where it is to be.
    pub origin: Origin,
    /// Whether it can have replicas in other regions; then it is their primary.
    pub multi_region: bool,
    /// Words for people.
    pub description: String,
    /// The key policy.
    pub policy: String,
    /// Whether a policy is taken that its maker could not change again.
    pub bypass_lockout: bool,
    /// Tags.
    pub tags: Vec<(String, String)>,
}

impl Operation for CreateKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(self.tenant);
        let mut demands = vec![Demand { action: Action::CreateKey, target: target.clone(), purpose: Purpose::Inspect }];
        if !self.tags.is_empty() {
            demands.push(Demand { action: Action::TagKey, target, purpose: Purpose::Inspect });
        }
        Ok(demands)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        self.make(authorized, None)
    }
}

impl CreateKey {
    /// Makes it inside no key store, its name serving for a part of what the key is for if one is named.
    pub(super) fn make(
        &self,
        authorized: &Authorized<'_>,
        serves: Option<Serves>,
    ) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let mut batch = Batch::default();
        let (row, versions) = match self.origin {
            Origin::Generated => {
                let row = self.row(authorized, None, &mut batch)?;
                let version = new_version(authorized, &[&row], &[], 1, RotationCause::Creation, &mut batch)?;
                (row, vec![version])
            }
            Origin::Imported => (self.row(authorized, None, &mut batch)?, Vec::new()),
            Origin::Resident => return Err(EngineError::Unsupported("material inside no key store").into()),
            Origin::Doubled => return Err(EngineError::Unsupported("a key doubled by no external key").into()),
        };
        self.finish(authorized, row, versions, serves, batch)
    }

    /// The key's row, once it is sure that it may be made while what the batch presupposes holds.
    pub(super) fn row(
        &self,
        authorized: &Authorized<'_>,
        store: Option<&KeyStoreName>,
        batch: &mut Batch,
    ) -> Result<KeyRow, Halt> {
        let engine = authorized.engine();
        let profile = UsageProfile::new(&self.usages, self.spec).map_err(InputFault::Profile)?;
        check_description(&self.description)?;
        check_tags(&self.tags)?;
        let (state, current) = match self.origin {
            Origin::Generated | Origin::Resident | Origin::Doubled => (KeyState::Active, 1),
            Origin::Imported => (KeyState::PreActivation, 0),
        };
        engine.quotas.take_key(engine.catalog(), engine.clock.since_boot(), &self.name, authorized.mode)?;
        let draw = || random::bytes::<16>(engine.random()).map_err(error::crypto);
        let accepted = match self.origin {
            Origin::Generated | Origin::Imported => AcceptedFormats::NEWEST,
            Origin::Resident => AcceptedFormats::RESIDENT,
            Origin::Doubled => AcceptedFormats::DOUBLED,
        };
        let mut row = KeyRow {
            id: KeyId::from_bytes(draw()?),
            tenant: self.tenant,
            lineage: LineageId::from_bytes(draw()?),
            spec: self.spec,
            profile: profile.bits(),
            exportable: false,
            origin: self.origin,
            state,
            created: authorized.now(),
            description: self.description.clone(),
            policy: self.policy.clone(),
            tags: self.tags.clone(),
            rotation: None,
            current,
            on_demand_rotations: 0,
            region: self.name.region.to_string(),
            accepted_formats: accepted.bits(),
            multi_region: self.multi_region.then_some(MultiRegion::Primary),
            store: store.cloned(),
            link: None,
            external: None,
            meant: None,
        };
        row.meant = check_policy(authorized, None, self.tenant, &self.policy, self.bypass_lockout, batch)?;
        Ok(row)
    }

    /// Adds the key with its versions to a batch, under its name.
    pub(super) fn finish(
        &self,
        authorized: &Authorized<'_>,
        row: KeyRow,
        versions: Vec<VersionRow>,
        serves: Option<Serves>,
        mut batch: Batch,
    ) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        batch.insert(Table::Key, row.id.as_bytes().to_vec(), rows::encode(&row));
        if self.multi_region {
            batch.put(Table::KeyByLineage, keys::key_by_lineage(row.lineage, row.id), Vec::new());
        }
        let binding = bind_serving(&mut batch, &self.name, row.id, authorized.now(), serves);
        let tenant = authorized.engine().catalog().load_tenant(self.tenant)?.0;
        let entry = KeyEntry::made(row, versions, vec![binding], tenant)?;
        Ok(Outcome::Change(batch, Arc::new(entry)))
    }
}

/// Adds a fresh version to a batch, with the same material for all `keys` of one lineage, whose versions so far are
/// `taken`; the first's is returned.
pub(crate) fn new_version(
    authorized: &Authorized<'_>,
    keys: &[&KeyRow],
    taken: &[VersionRow],
    ordinal: u32,
    cause: RotationCause,
    batch: &mut Batch,
) -> Result<VersionRow, Halt> {
    let vault = &authorized.engine().vault;
    let none = || EngineError::Internal(InternalFault::Material { key: String::new(), cause: "no such key" });
    let (key, others) = keys.split_first().ok_or_else(none)?;
    let domain_key = present_domain_key(authorized, key.tenant, batch)?;
    let material = authorized.engine().pairs.take(key.spec, authorized.ground, || vault.generate(key))?;
    let version = wrapped_version(authorized, &domain_key, key, taken, ordinal, cause, &material)?;
    insert_version(key, &version, batch);
    for other in others {
        let wrapped = vault.wrap(&domain_key, other, version.material, &material)?;
        insert_version(other, &VersionRow { key: other.id, wrapped, ..version.clone() }, batch);
    }
    Ok(version)
}

/// The domain key that wraps what is new, for a batch that is committed only while it still does: nothing more is wrapped
/// under a domain key once its successor has been named.
pub(crate) fn present_domain_key(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    batch: &mut Batch,
) -> Result<Arc<WrappingKey>, Halt> {
    let engine = authorized.engine();
    let (row, read) = engine.catalog().load_tenant(tenant)?;
    batch.preconditions.push(unchanged(Table::Tenant, &read));
    engine.vault.domain_key(tenant, row.domain_key, authorized.ground)
}

/// An identity for material, with another number than the versions that the key has.
fn fresh_material_id(random: &dyn Random, taken: &[VersionRow]) -> Result<MaterialId, EngineError> {
    loop {
        let id = MaterialId::from_bytes(random::bytes(random).map_err(error::crypto)?);
        if taken.iter().all(|version| MaterialNumber::of(version.material) != MaterialNumber::of(id)) {
            return Ok(id);
        }
    }
}

/// A version of `key` with this material, which gets an identity of its own beside those `taken`.
pub(crate) fn wrapped_version(
    authorized: &Authorized<'_>,
    domain_key: &WrappingKey,
    key: &KeyRow,
    taken: &[VersionRow],
    ordinal: u32,
    cause: RotationCause,
    material: &KeyMaterial,
) -> Result<VersionRow, EngineError> {
    let mut version = version_row(authorized, key, taken, ordinal, cause)?;
    if !key.spec.is_symmetric() {
        version.public = material.public_key().map_err(error::crypto)?.der().to_vec();
    }
    version.wrapped = authorized.engine().vault.wrap(domain_key, key, version.material, material)?;
    Ok(version)
}

/// A version of `key` without its material, with an identity of its own beside those `taken`.
pub(super) fn version_row(
    authorized: &Authorized<'_>,
    key: &KeyRow,
    taken: &[VersionRow],
    ordinal: u32,
    cause: RotationCause,
) -> Result<VersionRow, EngineError> {
    let id = fresh_material_id(authorized.engine().random(), taken)?;
    Ok(VersionRow {
        key: key.id,
        ordinal,
        material: id,
        published: *Hash::of([b"strongroom material".as_slice(), id.as_bytes()]).as_bytes(),
        state: VersionState::Active,
        created: authorized.now(),
        wrapped: Vec::new(),
        public: Vec::new(),
        cause,
        imported: None,
        object: None,
    })
}

/// Adds a version that is new to a batch, with its index.
pub(crate) fn insert_version(key: &KeyRow, version: &VersionRow, batch: &mut Batch) {
    batch.insert(Table::KeyVersion, keys::version(key.id, version.ordinal), rows::encode(version));
    batch.put(Table::VersionByMaterial, keys::version_by_material(key.lineage, version.material, key.id), Vec::new());
}

/// That a row is still as it was read.
pub(crate) fn unchanged(table: Table, read: &Row) -> Precondition {
    Precondition::Unchanged(table, read.key.clone(), read.revision)
}

/// Binds a name that must be free.
pub(crate) fn bind(batch: &mut Batch, name: &Name, key: KeyId, now: Timestamp) -> BindingRow {
    bind_serving(batch, name, key, now, None)
}

/// Binds a free name to a key for a part of what the key is for.
pub(super) fn bind_serving(
    batch: &mut Batch,
    name: &Name,
    key: KeyId,
    now: Timestamp,
    serves: Option<Serves>,
) -> BindingRow {
    let row = BindingRow {
        key,
        kind: name.kind,
        region: name.region.to_string(),
        text: name.text.to_string(),
        created: now,
        updated: now,
        serves,
    };
    let value = rows::encode(&row);
    batch.insert(Table::Binding, keys::binding(name.tenant, &name.region, name.kind, &name.text), value.clone());
    batch.put(Table::BindingByKey, keys::binding_by_key(key, &name.region, name.kind, &name.text), value);
    row
}

/// One change to a key's row.
pub enum Edit {
    /// Resumes its use.
    Resume,
    /// Suspends its use.
    Suspend,
    /// Destroys its material after so many days, which for a primary with replicas run from when the last of them is gone.
    ScheduleDestruction {
        /// Days to wait.
        days: u32,
    },
    /// Calls its destruction off; it stays suspended, or in pre-activation where material is missing.
    CancelDestruction,
    /// Replaces its description.
    Describe(String),
    /// Adds or replaces tags.
    Tag(Vec<(String, String)>),
    /// Removes tags by key; those that are not there are passed over.
    Untag(Vec<String>),
    /// Replaces its policy.
    ReplacePolicy {
        /// The new policy.
        document: String,
        /// Whether a policy is taken that the caller could not change again.
        bypass_lockout: bool,
    },
    /// Rotates it at intervals.
    EnableRotation {
        /// Days between rotations.
        period_days: u32,
    },
    /// Stops rotating it at intervals.
    DisableRotation,
}

impl Edit {
    const fn demand(&self) -> (Action, Purpose) {
        match self {
            Self::Resume => (Action::EnableKey, Purpose::Suspend),
            Self::Suspend => (Action::DisableKey, Purpose::Suspend),
            Self::ScheduleDestruction { .. } => (Action::ScheduleKeyDestruction, Purpose::ScheduleDestruction),
            Self::CancelDestruction => (Action::CancelKeyDestruction, Purpose::CancelDestruction),
            Self::Describe(_) => (Action::UpdateKeyDescription, Purpose::Describe),
            Self::Tag(_) => (Action::TagKey, Purpose::Describe),
            Self::Untag(_) => (Action::UntagKey, Purpose::Describe),
            Self::ReplacePolicy { .. } => (Action::PutKeyPolicy, Purpose::Govern),
            Self::EnableRotation { .. } => (Action::EnableKeyRotation, Purpose::Rotate),
            Self::DisableRotation => (Action::DisableKeyRotation, Purpose::Rotate),
        }
    }
}

/// Changes a key.
pub struct EditKey {
    /// Which key.
    pub key: KeyReference,
    /// How.
    pub edit: Edit,
}

impl Operation for EditKey {
    /// The key's row as it is now.
    type Output = (Arc<KeyEntry>, KeyRow);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, purpose) = self.edit.demand();
        Ok(vec![Demand { action, target: Target::Key(self.key.clone()), purpose }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let handle = authorized.key(0)?;
        let entry = handle.entry();
        let mut row = entry.row.clone();
        let mut batch = Batch::default();
        match &self.edit {
            Edit::Resume => row.state = KeyState::Active,
            Edit::Suspend => row.state = KeyState::Suspended,
            Edit::ScheduleDestruction { days } => {
                check_days("the waiting period", *days, &limits::DESTRUCTION_DAYS)?;
                let others = others(authorized.engine().catalog(), &row)?;
                if row.multi_region == Some(MultiRegion::Primary) && !others.is_empty() {
                    row.state = KeyState::DestructionAwaitsReplicas { days: *days };
                    batch.preconditions.extend(others.iter().map(KeyEntry::unchanged));
                } else {
                    let at = authorized.now().after(DAY * *days);
                    row.state = KeyState::DestructionScheduled { at };
                    batch.put(Table::Schedule, keys::schedule(at, Due::Destruction, row.id), Vec::new());
                }
            }
            Edit::CancelDestruction => {
                if entry.names.is_empty() {
                    return Err(EngineError::from(InputFault::Nameless).into());
                }
                if let KeyState::DestructionScheduled { at } = row.state {
                    batch.delete(Table::Schedule, keys::schedule(at, Due::Destruction, row.id));
                }
                let whole = entry.current().is_some() && complete(row.current, &entry.versions);
                row.state = if whole { KeyState::Suspended } else { KeyState::PreActivation };
            }
            Edit::Describe(description) => {
                check_description(description)?;
                row.description.clone_from(description);
            }
            Edit::Tag(tags) => {
                row.tags.retain(|(key, _)| !tags.iter().any(|(new, _)| new == key));
                check_tags(tags)?;
                row.tags.extend(tags.iter().cloned());
                check_tags(&row.tags)?;
            }
            Edit::Untag(tags) => row.tags.retain(|(key, _)| !tags.contains(key)),
            Edit::ReplacePolicy { document, bypass_lockout } => {
                row.meant = check_policy(authorized, Some(handle), row.tenant, document, *bypass_lockout, &mut batch)?;
                row.policy.clone_from(document);
            }
            Edit::EnableRotation { period_days } => {
                check_days("the rotation period", *period_days, &limits::ROTATION_DAYS)?;
                check_rotatable(handle, &[Origin::Generated])?;
                unschedule_rotation(&row, &mut batch);
                let next = authorized.now().after(DAY * *period_days);
                row.rotation = Some(RotationRow { period_days: *period_days, next });
                share_rotation(&others(authorized.engine().catalog(), &row)?, row.rotation, &mut batch);
                batch.put(Table::Schedule, keys::schedule(next, Due::Rotation, row.id), Vec::new());
            }
            Edit::DisableRotation => {
                check_rotatable(handle, &[Origin::Generated])?;
                unschedule_rotation(&row, &mut batch);
                row.rotation = None;
                share_rotation(&others(authorized.engine().catalog(), &row)?, None, &mut batch);
            }
        }
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&row));
        Ok(Outcome::Change(batch, (Arc::clone(entry), row)))
    }
}

fn unschedule_rotation(row: &KeyRow, batch: &mut Batch) {
    if let Some(rotation) = row.rotation {
        batch.delete(Table::Schedule, keys::schedule(rotation.next, Due::Rotation, row.id));
    }
}

/// Only symmetric encryption keys are rotated: whoever holds a public key can't be told of a new one. At intervals, only
/// those whose material is made here.
pub(crate) fn check_rotatable(handle: &KeyHandle, origins: &[Origin]) -> Result<(), EngineError> {
    let row = &handle.entry().row;
    if row.multi_region.is_some() {
        require_primary(handle)?;
    }
    // What is made under the others does not name its version.
    if !handle.entry().profile.contains(Usage::DerivedAead) {
        return Err(EngineError::Unsupported("rotation of this kind of key"));
    }
    match origins.contains(&row.origin) {
        true => Ok(()),
        false => Err(EngineError::OriginForbids { resource: Arc::clone(handle.resource()), origin: row.origin }),
    }
}

fn check_days(what: &'static str, days: u32, allowed: &std::ops::RangeInclusive<u32>) -> Result<(), EngineError> {
    match allowed.contains(&days) {
        true => Ok(()),
        false => Err(InputFault::Days { what, minimum: *allowed.start(), maximum: *allowed.end() }.into()),
    }
}

pub(crate) fn check_description(description: &str) -> Result<(), EngineError> {
    match description.chars().count() <= limits::DESCRIPTION_CHARACTERS {
        true => Ok(()),
        false => Err(InputFault::Form { what: "the description", problem: "must have at most 8192 characters" }.into()),
    }
}

pub(crate) fn check_tags(tags: &[(String, String)]) -> Result<(), EngineError> {
    if tags.len() > limits::TAGS_PER_KEY {
        return Err(EngineError::LimitExceeded(Quota::Tags));
    }
    let mut names: Vec<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).any(|two| matches!(two, [one, other] if one == other)) {
        true => Err(InputFault::DuplicateTags.into()),
        false => Ok(()),
    }
}

/// A policy must parse, name nobody who is not there, and leave its maker able to change it again unless that is waived.
/// Answers whom it means, as long as what the batch presupposes holds.
pub(crate) fn check_policy(
    authorized: &Authorized<'_>,
    handle: Option<&KeyHandle>,
    tenant: TenantId,
    document: &str,
    bypass_lockout: bool,
    batch: &mut Batch,
) -> Result<Option<Meant>, Halt> {
    let Written { document, meant, present } =
        named::write(authorized.engine().catalog(), tenant, document, Kind::Resource)?;
    batch.preconditions.extend(present);
    if bypass_lockout {
        return Ok(meant);
    }
    let call = authorized.call();
    let (resource, account): (&str, &str) = match handle {
        Some(handle) => (handle.resource(), &handle.entry().tenant.account),
        None => ("*", &call.caller.account),
    };
    check_lockout(authorized, call, handle.map(|handle| &**handle.entry()), (resource, account), document)?;
    Ok(meant)
}

/// That whoever makes `call` could replace a policy once it holds.
pub(crate) fn check_lockout(
    authorized: &Authorized<'_>,
    call: &Call,
    key: Option<&KeyEntry>,
    (resource, account): (&str, &str),
    policy: Document,
) -> Result<(), Halt> {
    let action = Action::PutKeyPolicy;
    let (role, asked, attributes, retired) = (None, None, None, None);
    let subject = Subject { action, resource, account, key, role, asked, keys: &[], attributes, retired };
    let now = i64::try_from(authorized.now().0).unwrap_or(i64::MAX);
    match authorized.engine().could_still_govern(call, &subject, &policy.compile(), now)? {
        true => Ok(()),
        false => Err(EngineError::Lockout.into()),
    }
}
