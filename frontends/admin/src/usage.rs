//! How keys are used, the inventory of them, and the end of those that are not.

use std::time::Duration;

use strongroom_admin_api::{
    Days, InventoryKey, KeyUsage, KeyUsagePage, LastUse, Page, PageQuery, ScheduleKeyDeletion, Time, UsageCount,
    UsageQuery, algorithm, key_bits, limits,
};
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::usage::{self, KeyUse, ListUse, ReadUsage};
use strongroom_engine::{KeyReference, UsageRow};
use strongroom_model::clock::Timestamp;

use crate::context::Context;
use crate::error::AdminError;
use crate::keys::{self, open, seal};
use crate::reply::Reply;
use crate::tenants::Empty;

pub(crate) async fn of_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let fault = AdminError::Value { field: "after", problem: "must be the next of a page before" };
    let skip = after.as_deref().map(str::parse).transpose().map_err(|_| fault)?.unwrap_or(0);
    let key = KeyReference::Id(context.key()?);
    let (last, page) = context.perform(ReadUsage { key, skip, limit: limit.items() }).await?;
    let items: Vec<UsageCount> = page.items.into_iter().map(count).collect();
    let next = page.more.then(|| (skip + items.len()).to_string());
    Reply::ok(&KeyUsagePage { uses: uses(last.as_ref()), last_use: last.map(last_use), items, next })
}

pub(crate) async fn of_tenant(context: &Context<'_>) -> Result<Reply, AdminError> {
    let UsageQuery { limit, after, unused_days } = context.query()?;
    let unused_since = unused_days.map(|Days(days)| ago(context, days));
    let tenant = context.tenant().await?;
    let after = open(context, tenant, after.as_deref())?;
    let list = ListUse { tenant, after, limit: limit.items(), unused_since, in_full: false };
    let (found, next) = context.perform(list).await?;
    let items: Vec<KeyUsage> = found.into_iter().map(summary).collect();
    Reply::ok(&Page { items, next: seal(context, tenant, next.as_deref())? })
}

pub(crate) async fn inventory(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.tenant().await?;
    let after = open(context, tenant, after.as_deref())?;
    let list = ListUse { tenant, after, limit: limit.items(), unused_since: None, in_full: true };
    let (found, next) = context.perform(list).await?;
    let items = found.into_iter().map(|KeyUse { key, last, rows }| InventoryKey {
        key_bits: key_bits(key.row.spec),
        algorithms: key.profile.usages().map(|usage| algorithm(key.row.spec, usage)).collect(),
        uses: uses(last.as_ref()),
        last_use: last.map(last_use),
        usage: rows.into_iter().map(count).collect(),
        key: keys::shown(context.admin, &key, key.row.state),
    });
    Reply::ok(&Page { items: items.collect(), next: seal(context, tenant, next.as_deref())? })
}

pub(crate) async fn schedule_deletion(context: &Context<'_>) -> Result<Reply, AdminError> {
    let ScheduleKeyDeletion { days, acknowledged_last_use } = context.body()?;
    let key = KeyReference::Id(context.key()?);
    let mut detail = vec![("days", days.to_string())];
    // The record says that whoever asked had been told of the use.
    detail.extend(acknowledged_last_use.map(|known| ("acknowledged_last_use", known.to_string())));
    let recent_since = ago(context, limits::RECENT_USE_DAYS);
    let acknowledged = acknowledged_last_use.map(|Time(known)| known);
    let schedule = usage::ScheduleDestruction { key, days, recent_since, acknowledged };
    let (entry, row) = context.perform_telling(schedule, detail).await?;
    Reply::ok(&keys::shown(context.admin, &entry, row.state))
}

pub(crate) async fn cancel_deletion(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let key = KeyReference::Id(context.key()?);
    let (entry, row) = context.perform(EditKey { key, edit: Edit::CancelDestruction }).await?;
    Reply::ok(&keys::shown(context.admin, &entry, row.state))
}

fn ago(context: &Context<'_>, days: u32) -> Timestamp {
    let span = Duration::from_secs(24 * 60 * 60) * days;
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Timestamp(context.admin.engine.clock().now().0.saturating_sub(span))
}

fn summary(KeyUse { key, last, .. }: KeyUse) -> KeyUsage {
    KeyUsage {
        key: key.row.id.to_string(),
        name: key.names.iter().map(|name| &name.text).min().cloned(),
        region: key.row.region.clone(),
        spec: format!("{:?}", key.row.spec),
        state: keys::state(key.row.state).to_owned(),
        created: key.row.created.into(),
        uses: uses(last.as_ref()),
        last_use: last.map(last_use),
    }
}

fn uses(last: Option<&strongroom_engine::LastUse>) -> u64 {
    last.map_or(0, |last| last.count)
}

fn last_use(last: strongroom_engine::LastUse) -> LastUse {
    LastUse {
        at: last.at.into(),
        action: format!("{:?}", last.action),
        version: last.ordinal,
        request_id: last.request_id,
    }
}

fn count(row: UsageRow) -> UsageCount {
    UsageCount {
        version: row.ordinal,
        action: format!("{:?}", row.action),
        algorithm: Some(row.algorithm).filter(|algorithm| !algorithm.is_empty()),
        caller: row.caller,
        uses: row.count,
        first: row.first.into(),
        last: row.last.into(),
    }
}
