//! Keys as an administrator sees them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use strongroom_admin_api::{Key, KeyVersion, Page, PageQuery, Time};
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::listing::ListKeys;
use strongroom_engine::operations::suspend::SuspendVersion;
use strongroom_engine::{EngineError, KeyEntry, KeyReference, VersionRow};
use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::purpose::KeyState;

use crate::Admin;
use crate::bindings;
use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;
use crate::tenants::Empty;

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.tenant().await?;
    let after = open(context, tenant, after.as_deref())?;
    let (keys, next) = context.perform(ListKeys { tenant, after, limit: limit.items() }).await?;
    let items: Vec<Key> = keys.iter().map(|entry| shown(context.admin, entry, entry.row.state)).collect();
    Reply::ok(&Page { items, next: seal(context, tenant, next.as_deref())? })
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let key = KeyReference::Id(context.key()?);
    let entry = context.perform(InspectKey { key, action: Action::DescribeKey }).await?;
    Reply::ok(&shown(context.admin, &entry, entry.row.state))
}

pub(crate) async fn suspend(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let key = KeyReference::Id(context.key()?);
    let edit = if suspended { Edit::Suspend } else { Edit::Resume };
    let (entry, row) = context.perform(EditKey { key, edit }).await?;
    Reply::ok(&shown(context.admin, &entry, row.state))
}

pub(crate) async fn suspend_version(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let key = KeyReference::Id(context.key()?);
    let ordinal = context.segment("version").parse().map_err(|_| AdminError::Ordinal)?;
    let row = context.perform(SuspendVersion { key, ordinal, suspended }).await?;
    // Which one is the newest is not told by the version's own row; the key's listing says it.
    Reply::ok(&version(&row, None))
}

/// What an `after` of a listing of names points to.
pub(crate) fn open(
    context: &Context<'_>,
    tenant: TenantId,
    after: Option<&str>,
) -> Result<Option<Vec<u8>>, AdminError> {
    let Some(after) = after else { return Ok(None) };
    let cursor = URL_SAFE_NO_PAD.decode(after).map_err(|_| EngineError::InvalidCursor)?;
    Ok(Some(context.admin.engine.open_cursor(&listing(tenant), &cursor)?))
}

pub(crate) fn seal(context: &Context<'_>, tenant: TenantId, next: Option<&[u8]>) -> Result<Option<String>, AdminError> {
    let Some(next) = next else { return Ok(None) };
    Ok(Some(URL_SAFE_NO_PAD.encode(context.admin.engine.seal_cursor(&listing(tenant), next)?)))
}

fn listing(tenant: TenantId) -> Vec<u8> {
    [b"admin names ".as_slice(), tenant.as_bytes()].concat()
}

/// A key in a state that may be newer than what was read of it.
pub(crate) fn shown(admin: &Admin, entry: &KeyEntry, now: KeyState) -> Key {
    let row = &entry.row;
    Key {
        id: row.id.to_string(),
        account: entry.tenant.account.clone(),
        region: row.region.clone(),
        spec: format!("{:?}", row.spec),
        usages: entry.profile.usages().map(|usage| format!("{usage:?}")).collect(),
        origin: format!("{:?}", row.origin),
        key_store: row.store.as_ref().map(ToString::to_string),
        state: state(now).to_owned(),
        destruction: match now {
            KeyState::DestructionScheduled { at } => Some(Time(at)),
            _ => None,
        },
        created: row.created.into(),
        description: row.description.clone(),
        rotation_period_days: row.rotation.map(|rotation| rotation.period_days),
        next_rotation: row.rotation.map(|rotation| rotation.next.into()),
        versions: entry.versions.iter().map(|row| version(row, Some(entry.row.current))).collect(),
        bindings: entry.names.iter().map(|row| bindings::shown(admin, row)).collect(),
    }
}

pub(crate) const fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::PreActivation => "PreActivation",
        KeyState::Active => "Active",
        KeyState::Suspended => "Suspended",
        KeyState::DestructionScheduled { .. } => "DestructionScheduled",
        KeyState::Destroyed => "Destroyed",
        KeyState::DestructionAwaitsReplicas { .. } => "DestructionAwaitsReplicas",
    }
}

pub(crate) fn version(row: &VersionRow, current: Option<u32>) -> KeyVersion {
    KeyVersion {
        ordinal: row.ordinal,
        current: current.map(|current| current == row.ordinal),
        state: format!("{:?}", row.state),
        created: row.created.into(),
        cause: format!("{:?}", row.cause),
        object: row.object.as_ref().map(ToString::to_string),
    }
}
