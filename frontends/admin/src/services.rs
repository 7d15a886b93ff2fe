//! What the key stores of all clouds share: each is a service of a tenant, with keys that are bound to it.
//!
//! What names look like is the front end's that serves them; here they are made of what it says. Absent on purpose: how a
//! cloud's key store is shown, and what proves it.

use std::sync::Arc;

use serde::Serialize;
use strongroom_admin_api::{Page, PageQuery};
use strongroom_engine::operations::credential::{ChangeCredential, Fate, ListCredentials};
use strongroom_engine::operations::key::{CreateKey, Edit, EditKey};
use strongroom_engine::operations::name::DeleteBinding;
use strongroom_engine::operations::principal::{FindPrincipal, ListPrincipals, PrincipalKind, SuspendPrincipal};
use strongroom_engine::operations::service::{DeleteService, ListServiceKeys};
use strongroom_engine::{
    BindingRow, Dialect, EngineError, KeyEntry, KeyReference, NewKey, Noun, PrincipalRow, ServiceNames, ServiceRow,
    service_reference,
};
use strongroom_model::id::TenantId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::limits;
use strongroom_model::name::Name;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;

use crate::bindings::bounded;
use crate::context::Context;
use crate::error::AdminError;
use crate::keys::state;
use crate::reply::Reply;
use crate::tenants::Empty;

/// Days after which a removed key store's test key is destroyed: the fewest there are.
const TEST_KEY_DAYS: u32 = 7;

/// What services are spoken of in.
pub(crate) type Language = (&'static dyn Dialect, &'static dyn ServiceNames);

/// The language of a front end for services, which this server has where it serves any.
pub(crate) fn language_of(context: &Context<'_>, front_end: &str) -> Result<Language, AdminError> {
    let mut dialects = context.admin.dialects.iter().copied().filter(|dialect| dialect.front_end() == front_end);
    dialects.find_map(|dialect| Some((dialect, dialect.services()?))).ok_or(AdminError::UnknownPath)
}

/// A key of this kind, for this use alone.
pub(crate) fn new_key(
    context: &Context<'_>,
    owner: &'static dyn Dialect,
    name: Name,
    description: String,
    (spec, usage): (KeySpec, Usage),
) -> Result<CreateKey, AdminError> {
    let not_offered = || AdminError::KeyNotOffered(owner.front_end().to_owned());
    let NewKey { policy, .. } = owner.new_key([0; 16], context.segment("account")).ok_or_else(not_offered)?;
    Ok(CreateKey {
        tenant: name.tenant,
        name,
        spec,
        usages: vec![usage],
        origin: Origin::Generated,
        multi_region: false,
        description,
        policy,
        bypass_lockout: true,
        tags: Vec::new(),
    })
}

/// A key store of the server's configuration.
pub(crate) fn key_store(name: &str) -> Result<KeyStoreName, AdminError> {
    let problem = "must be 1 to 64 of a-z, 0-9 and -";
    KeyStoreName::new(name).ok_or(AdminError::Value { field: "key_store", problem })
}

/// A new key, to be made inside a key store if one is named.
pub(crate) fn inside(key: CreateKey, store: Option<&KeyStoreName>) -> CreateKey {
    CreateKey { origin: if store.is_some() { Origin::Resident } else { key.origin }, ..key }
}

/// The key that the health of a new key store is found out with.
pub(crate) fn test_key(
    context: &Context<'_>,
    (owner, names): Language,
    tenant: TenantId,
    (store, region): (&str, &str),
    usage: Usage,
) -> Result<CreateKey, AdminError> {
    let text = names.test_key(store, context.admin.engine.identifier()?);
    let name = bounded(tenant, region.to_owned(), names.kind(), text)?;
    new_key(context, owner, name, format!("finds out the health of key store {store}"), (KeySpec::Aes256, usage))
}

/// The key stores of a language.
pub(crate) async fn list<T: Serialize>(
    context: &Context<'_>,
    (_, names): Language,
    shown: impl Fn(&PrincipalRow) -> Result<T, AdminError>,
) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.tenant().await?;
    let list = ListPrincipals { tenant, kind: PrincipalKind::Service, after, limit: limit.items() };
    let page = context.perform(list).await?;
    let next = page.items.last().filter(|_| page.more).map(|row| row.name.clone());
    let rows = page.items.iter().filter(|row| is_of(row, names));
    let items = rows.map(shown).collect::<Result<Vec<_>, _>>()?;
    Reply::ok(&Page { items, next })
}

/// Removes a key store without keys, and its test key in time.
pub(crate) async fn delete(context: &Context<'_>, (_, names): Language) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, names).await?;
    let delete = DeleteService { tenant, name: row.name, kind: names.kind() };
    let key = KeyReference::Id(context.perform(delete).await?);
    let edit = Edit::ScheduleDestruction { days: TEST_KEY_DAYS };
    context.perform(EditKey { key, edit }).await?;
    Ok(Reply::done())
}

/// Blocks a key store, or ends that.
pub(crate) async fn block(
    context: &Context<'_>,
    (_, names): Language,
    suspended: bool,
) -> Result<PrincipalRow, AdminError> {
    let Empty {} = context.body()?;
    let (tenant, row) = find(context, names).await?;
    context.perform(SuspendPrincipal { tenant, name: row.reference(), suspended }).await
}

/// Removes a credential of a key store by its public half.
pub(crate) async fn delete_credential(
    context: &Context<'_>,
    tenant: TenantId,
    row: &PrincipalRow,
    shown: &str,
) -> Result<Reply, AdminError> {
    let of_store = ListCredentials { tenant, principal: Some(row.reference()) };
    if !context.perform(of_store).await?.iter().any(|(credential, _)| credential.shown == shown) {
        return Err(EngineError::from(Noun::Credential(shown.into())).into());
    }
    context.perform(ChangeCredential { tenant, shown: shown.to_owned(), fate: Fate::Deleted }).await?;
    Ok(Reply::done())
}

/// The binding that a new key was made with.
pub(crate) fn first_binding(entry: &KeyEntry, called: &str) -> Result<BindingRow, AdminError> {
    Ok(entry.names.first().cloned().ok_or_else(|| EngineError::from(Noun::Name(called.into())))?)
}

/// The keys in a key store.
pub(crate) async fn list_keys<T: Serialize>(
    context: &Context<'_>,
    (owner, names): Language,
    shown: impl Fn(&str, &BindingRow, &KeyEntry) -> T,
) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let (tenant, _) = find(context, names).await?;
    let store = context.segment("store");
    let list = ListServiceKeys { tenant, service: store.to_owned(), kind: names.kind(), after, limit: limit.items() };
    let (keys, more) = context.perform(list).await?;
    let next = keys.last().filter(|_| more).map(|(binding, _)| called(store, binding).to_owned());
    // The test key has a name that no key of the key store can have.
    let is_key = |binding: &BindingRow| owner.kinds().iter().any(|kind| (kind.is_name)(&binding.text));
    let keys = keys.iter().filter(|(binding, _)| is_key(binding));
    let items = keys.map(|(binding, entry)| shown(store, binding, entry)).collect();
    Reply::ok(&Page { items, next })
}

/// Takes a key's name in a key store away.
pub(crate) async fn unbind_key(context: &Context<'_>, (owner, names): Language) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, names).await?;
    let name = name(names, tenant, &row, context.segment("external_key_id"))?;
    context.perform(DeleteBinding { name, owner }).await?;
    Ok(Reply::done())
}

/// A key that was blocked in a key store, or unblocked.
pub(crate) struct Blocked {
    pub(crate) store: String,
    pub(crate) binding: BindingRow,
    /// As it was before.
    pub(crate) entry: Arc<KeyEntry>,
    pub(crate) state: &'static str,
}

/// Blocks a key, or ends that.
pub(crate) async fn block_key(
    context: &Context<'_>,
    (_, names): Language,
    suspended: bool,
) -> Result<Blocked, AdminError> {
    let Empty {} = context.body()?;
    let (tenant, row) = find(context, names).await?;
    let name = name(names, tenant, &row, context.segment("external_key_id"))?;
    let is = |bound: &&BindingRow| bound.kind == name.kind && *bound.text == *name.text;
    let edit = if suspended { Edit::Suspend } else { Edit::Resume };
    let (entry, now) = context.perform(EditKey { key: KeyReference::Name(name.clone()), edit }).await?;
    let missing = || EngineError::from(Noun::Name(name.text.clone()));
    let binding = entry.names.iter().find(is).cloned().ok_or_else(missing)?;
    Ok(Blocked { store: row.name, binding, entry, state: state(now.state) })
}

/// The key store that the path names.
pub(crate) async fn find(
    context: &Context<'_>,
    names: &dyn ServiceNames,
) -> Result<(TenantId, PrincipalRow), AdminError> {
    let tenant = context.tenant().await?;
    let name = service_reference(context.segment("store"));
    let (row, _) = context.perform(FindPrincipal { tenant, name: name.clone() }).await?;
    match is_of(&row, names) {
        true => Ok((tenant, row)),
        false => Err(EngineError::from(Noun::Principal(name.into())).into()),
    }
}

/// Whether a key store is one of a language's.
fn is_of(row: &PrincipalRow, names: &dyn ServiceNames) -> bool {
    row.service.as_ref().is_some_and(|service| service.kind() == names.kind())
}

pub(crate) fn service(row: &PrincipalRow) -> Result<&ServiceRow, AdminError> {
    let missing = || EngineError::from(Noun::Principal(row.name.as_str().into()));
    Ok(row.service.as_ref().ok_or_else(missing)?)
}

/// The name that binds a key to a key store.
pub(crate) fn name(
    names: &dyn ServiceNames,
    tenant: TenantId,
    row: &PrincipalRow,
    called: &str,
) -> Result<Name, AdminError> {
    if let Some(problem) = names.misnamed(called) {
        return Err(AdminError::Value { field: "external_key_id", problem });
    }
    let text = names.key(&row.name, called);
    if text.len() > limits::NAME_BYTES {
        return Err(AdminError::Value { field: "external_key_id", problem: "must have 1 to 128 bytes" });
    }
    bounded(tenant, service(row)?.home.clone(), names.kind(), text)
}

/// What the cloud calls a key that is bound to one of its key stores.
pub(crate) fn called<'a>(store: &str, binding: &'a BindingRow) -> &'a str {
    let called = binding.text.strip_prefix(store).and_then(|rest| rest.strip_prefix('/'));
    called.unwrap_or(&binding.text)
}
