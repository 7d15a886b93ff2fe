//! Bindings: the names by which front ends know keys, of all their kinds.

use strongroom_admin_api::{Binding, BindingQuery, CreateBinding, Page};
use strongroom_engine::operations::listing::{FindBindings, ListBindings};
use strongroom_engine::operations::name;
use strongroom_engine::{BindingRow, Dialect};
use strongroom_model::id::TenantId;
use strongroom_model::limits;
use strongroom_model::name::{Name, NameKind};

use crate::Admin;
use crate::context::{Context, key_id};
use crate::error::AdminError;
use crate::keys::{open, seal};
use crate::reply::Reply;

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let BindingQuery { limit, after, name, region } = context.query()?;
    let tenant = context.tenant().await?;
    if let Some(name) = name {
        return called(context, tenant, &name, region).await;
    }
    if region.is_some() {
        return Err(AdminError::Value { field: "region", problem: "must stand beside a name" });
    }
    let after = open(context, tenant, after.as_deref())?;
    let (names, next) = context.perform(ListBindings { tenant, after, limit: limit.items() }).await?;
    let items: Vec<Binding> = names.iter().map(|row| shown(context.admin, row)).collect();
    Reply::ok(&Page { items, next: seal(context, tenant, next.as_deref())? })
}

/// The bindings of a name, of every kind that it is of.
async fn called(
    context: &Context<'_>,
    tenant: TenantId,
    name: &str,
    region: Option<String>,
) -> Result<Reply, AdminError> {
    let served = || context.admin.regions.iter().map(ToString::to_string).collect();
    let regions: Vec<String> = region.map_or_else(served, |region| vec![region]);
    let kinds = context.admin.dialects.iter().flat_map(|dialect| dialect.kinds());
    let kinds: Vec<NameKind> = kinds.filter(|owned| (owned.is_name)(name)).map(|owned| owned.kind).collect();
    let places = regions.iter().flat_map(|region| kinds.iter().map(move |kind| (region.clone(), *kind)));
    let names = places.map(|(region, kind)| bounded(tenant, region, kind, name.to_owned()));
    let found = context.perform(FindBindings { tenant, names: names.collect::<Result<_, _>>()? }).await?;
    let items: Vec<Binding> = found.iter().map(|row| shown(context.admin, row)).collect();
    Reply::ok(&Page { items, next: None })
}

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateBinding { kind, region, name, key } = context.body()?;
    let key = key_id(&key)?;
    let (owner, number) = find(context.admin, &kind)?;
    let detail = vec![("kind", kind), ("region", region.clone()), ("name", name.clone())];
    let name = bounded(context.tenant().await?, region, number, name)?;
    let row = context.perform_telling(name::CreateBinding { name, owner, key }, detail).await?;
    Reply::created(&shown(context.admin, &row))
}

pub(crate) async fn delete(context: &Context<'_>) -> Result<Reply, AdminError> {
    let segment = |name| context.segment(name).to_owned();
    let (owner, kind) = find(context.admin, context.segment("kind"))?;
    let name = bounded(context.tenant().await?, segment("region"), kind, segment("name"))?;
    context.perform(name::DeleteBinding { name, owner }).await?;
    Ok(Reply::done())
}

pub(crate) fn shown(admin: &Admin, row: &BindingRow) -> Binding {
    Binding {
        kind: kind_name(admin, row.kind),
        region: row.region.clone(),
        name: row.text.clone(),
        key: row.key.to_string(),
        created: row.created.into(),
        updated: row.updated.into(),
    }
}

/// What a kind is called; its number where no front end of this server owns it.
fn kind_name(admin: &Admin, kind: NameKind) -> String {
    let mut kinds = admin.dialects.iter().flat_map(|dialect| dialect.kinds());
    kinds.find(|owned| owned.kind == kind).map_or_else(|| kind.0.to_string(), |owned| owned.name.to_owned())
}

/// The kind that is called so, and the front end that owns it.
pub(crate) fn find(admin: &Admin, name: &str) -> Result<(&'static dyn Dialect, NameKind), AdminError> {
    let kinds = || admin.dialects.iter().flat_map(|dialect| dialect.kinds().iter().map(|kind| (*dialect, kind)));
    let found = kinds().find(|(_, kind)| kind.name == name).map(|(dialect, kind)| (dialect, kind.kind));
    found.ok_or_else(|| AdminError::UnknownKind {
        asked: name.chars().take(64).collect(),
        known: kinds().map(|(_, kind)| kind.name).collect::<Vec<_>>().join(", "),
    })
}

pub(crate) fn bounded(tenant: TenantId, region: String, kind: NameKind, text: String) -> Result<Name, AdminError> {
    if region.len() > limits::REGION_BYTES {
        return Err(AdminError::Value { field: "region", problem: "must have at most 64 bytes" });
    }
    if text.is_empty() || text.len() > limits::NAME_BYTES {
        return Err(AdminError::Value { field: "name", problem: "must have 1 to 512 bytes" });
    }
    Ok(Name { tenant, region: region.into(), kind, text: text.into() })
}
