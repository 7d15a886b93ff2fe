//! Key stores of AWS accounts: services elsewhere, with their credentials and the keys that are bound to them.
//!
//! What names look like is the front end's that serves them; here they are made of what it says.

use strongroom_admin_api::{
    BindXksKey, CreateXksCredential, CreateXksStore, Page, PageQuery, State, UpdateXksStore, XksKey, XksStore,
};
use strongroom_authentication::mint;
use strongroom_engine::operations::key::{CreateKey, Edit, EditKey};
use strongroom_engine::operations::name::DeleteBinding;
use strongroom_engine::operations::principal::{
    ChangeCredential, Fate, FindPrincipal, ListCredentials, ListPrincipals, PrincipalKind, SuspendPrincipal,
};
use strongroom_engine::operations::service::{
    BindToService, CreateService, CreateServiceKey, DeleteService, ListServiceKeys, UpdateService,
};
use strongroom_engine::{
    BindingRow, Dialect, EngineError, KeyEntry, KeyReference, NewKey, Noun, PrincipalRow, Serves, ServiceNames,
    ServiceRow, service_reference,
};
use strongroom_model::id::{KeyId, TenantId};
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::limits;
use strongroom_model::name::Name;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;

use crate::access_keys;
use crate::bindings::bounded;
use crate::context::{Context, key_id};
use crate::error::AdminError;
use crate::keys::state;
use crate::reply::Reply;
use crate::tenants::Empty;

/// Days after which a removed key store's test key is destroyed: the fewest there are.
const TEST_KEY_DAYS: u32 = 7;

/// What services are spoken of in.
pub(crate) type Language = (&'static dyn Dialect, &'static dyn ServiceNames);

/// The language of key stores of AWS accounts.
fn language(context: &Context<'_>) -> Result<Language, AdminError> {
    language_of(context, "aws-xks")
}

/// The language of a front end for services, which this server has where it serves any.
pub(crate) fn language_of(context: &Context<'_>, front_end: &str) -> Result<Language, AdminError> {
    let mut dialects = context.admin.dialects.iter().copied().filter(|dialect| dialect.front_end() == front_end);
    dialects.find_map(|dialect| Some((dialect, dialect.services()?))).ok_or(AdminError::UnknownPath)
}

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let asked: CreateXksStore = context.body()?;
    let (owner, names) = language(context)?;
    let account = context.segment("account");
    let tenant = context.tenant().await?;
    let engine = &context.admin.engine;
    let test_key_name = names.test_key(&asked.name, engine.identifier()?);
    let mut detail = vec![("store", asked.name.clone()), ("region", asked.region.clone())];
    detail.extend(asked.policy.iter().map(|policy| ("policy", policy.clone())));
    let store = asked.key_store.as_deref().map(key_store).transpose()?;
    detail.extend(asked.key_store.map(|store| ("key_store", store)));
    let description = format!("finds out the health of key store {}", asked.name);
    let key_name = bounded(tenant, asked.region.clone(), names.kind(), test_key_name)?;
    let test_key = new_key(context, owner, key_name, description, store.as_ref())?;
    let (policy, first) = names.first_policy();
    let service = ServiceRow {
        prefix: asked.prefix.unwrap_or_else(|| format!("{account}/{}", asked.name)),
        regions: match asked.signing_regions.is_empty() {
            true => vec![asked.region.clone()],
            false => asked.signing_regions,
        },
        home: asked.region,
        policies_tried_out: asked.dry_run,
        opens_digested_data: asked.reads_sample_proxy,
        // Known once it is made, in the same commit.
        test_key: KeyId::from_bytes([0; 16]),
        kind: None,
    };
    let create = CreateService {
        tenant,
        policy_name: names.policy_name(account, &asked.name),
        name: asked.name,
        unique_id: mint::unique(engine, "AIDX")?,
        service,
        policy: (policy.to_owned(), asked.policy.unwrap_or_else(|| first.to_owned())),
        test_key,
        store,
    };
    let row = context.perform_telling(create, detail).await?;
    Reply::created(&shown(context, names, &row)?)
}

/// A key store of the server's configuration.
fn key_store(name: &str) -> Result<KeyStoreName, AdminError> {
    let problem = "must be 1 to 64 of a-z, 0-9 and -";
    KeyStoreName::new(name).ok_or(AdminError::Value { field: "key_store", problem })
}

/// An AES-256 key for authenticated encryption, to be made inside a key store if one is named.
fn new_key(
    context: &Context<'_>,
    owner: &'static dyn Dialect,
    name: Name,
    description: String,
    store: Option<&KeyStoreName>,
) -> Result<CreateKey, AdminError> {
    let key = new_key_of(context, owner, name, description, (KeySpec::Aes256, Usage::DerivedAead))?;
    Ok(CreateKey { origin: if store.is_some() { Origin::Resident } else { key.origin }, ..key })
}

/// A key whose material is brought from AWS's sample proxy: its ciphertexts are those of bare AES-GCM.
fn moved_key(
    context: &Context<'_>,
    owner: &'static dyn Dialect,
    name: Name,
    description: String,
) -> Result<CreateKey, AdminError> {
    let key = new_key_of(context, owner, name, description, (KeySpec::Aes256, Usage::RawGcm))?;
    Ok(CreateKey { origin: Origin::Imported, ..key })
}

/// A key of this kind, for this use alone.
pub(crate) fn new_key_of(
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

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.tenant().await?;
    let list = ListPrincipals { tenant, kind: PrincipalKind::Service, after, limit: limit.items() };
    let page = context.perform(list).await?;
    let next = page.items.last().filter(|_| page.more).map(|row| row.name.clone());
    let rows = page.items.iter().filter(|row| is_of(row, names));
    let items = rows.map(|row| shown(context, names, row)).collect::<Result<Vec<_>, _>>()?;
    Reply::ok(&Page { items, next })
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let (_, row) = find(context, names).await?;
    Reply::ok(&shown(context, names, &row)?)
}

pub(crate) async fn update(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let UpdateXksStore { signing_regions, dry_run, reads_sample_proxy } = context.body()?;
    let tenant = context.tenant().await?;
    let detail = [
        ("signing_regions", signing_regions.as_ref().map(|regions| regions.join(" "))),
        ("dry_run", dry_run.map(|on| on.to_string())),
        ("reads_sample_proxy", reads_sample_proxy.map(|on| on.to_string())),
    ];
    let detail = detail.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let update = UpdateService {
        tenant,
        name: context.segment("store").to_owned(),
        regions: signing_regions,
        policies_tried_out: dry_run,
        opens_digested_data: reads_sample_proxy,
    };
    Reply::ok(&shown(context, names, &context.perform_telling(update, detail).await?)?)
}

pub(crate) async fn delete(context: &Context<'_>) -> Result<Reply, AdminError> {
    delete_in(context, language(context)?).await
}

pub(crate) async fn delete_in(context: &Context<'_>, (_, names): Language) -> Result<Reply, AdminError> {
    let tenant = context.tenant().await?;
    let delete = DeleteService { tenant, name: context.segment("store").to_owned(), kind: names.kind() };
    let key = KeyReference::Id(context.perform(delete).await?);
    let edit = Edit::ScheduleDestruction { days: TEST_KEY_DAYS };
    context.perform(EditKey { key, edit }).await?;
    Ok(Reply::done())
}

pub(crate) async fn block(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let (_, names) = language(context)?;
    let tenant = context.tenant().await?;
    let name = service_reference(context.segment("store"));
    let row = context.perform(SuspendPrincipal { tenant, name, suspended }).await?;
    Reply::ok(&shown(context, names, &row)?)
}

pub(crate) async fn create_credential(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateXksCredential { lifetime_seconds } = context.body()?;
    let secret = mint::service_secret(&context.admin.engine)?;
    let principal = Some(service_reference(context.segment("store")));
    access_keys::make(context, principal, lifetime_seconds, secret).await
}

pub(crate) async fn credentials(context: &Context<'_>) -> Result<Reply, AdminError> {
    let tenant = context.tenant().await?;
    let principal = Some(service_reference(context.segment("store")));
    let rows = context.perform(ListCredentials { tenant, principal: principal.clone() }).await?;
    let items = rows.iter().map(|(row, used)| access_keys::shown(context, row, *used, principal.clone())).collect();
    Reply::ok(&Page { items, next: None })
}

pub(crate) async fn delete_credential(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, language(context)?.1).await?;
    delete_shown(context, tenant, &row, context.segment("access_key_id")).await
}

/// Removes a credential of a key store by its public half.
pub(crate) async fn delete_shown(
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

pub(crate) async fn bind_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    let BindXksKey { external_key_id, key, only, key_store: place, imported } = context.body()?;
    let (owner, names) = language(context)?;
    let serves = only.as_deref().map(serves).transpose()?;
    let (tenant, row) = find(context, names).await?;
    let mut detail = vec![("external_key_id", external_key_id.clone())];
    detail.extend(place.iter().map(|place| ("key_store", place.clone())));
    detail.extend(imported.then(|| ("imported", "true".to_owned())));
    let place = place.as_deref().map(key_store).transpose()?;
    let store = row.name.clone();
    let name = name(names, tenant, &row, &external_key_id)?;
    let (binding, entry) = match key {
        _ if imported && (key.is_some() || place.is_some()) => {
            let problem = "is for a new key outside every key store: leave key and key_store out";
            return Err(AdminError::Value { field: "imported", problem });
        }
        Some(_) if place.is_some() => {
            return Err(AdminError::Value { field: "key_store", problem: "is for a new key: leave key out" });
        }
        Some(key) => {
            let bind = BindToService { service: store, name, key: key_id(&key)?, serves, owner };
            context.perform_telling(bind, detail).await?
        }
        None if serves.is_some() => {
            return Err(AdminError::Value { field: "only", problem: "is for a key that there is: name it as key" });
        }
        None => {
            let description = format!("{external_key_id} of key store {store}");
            let (key, serves) = match imported {
                true => (moved_key(context, owner, name, description)?, Some(Serves::Processing)),
                false => (new_key(context, owner, name, description, place.as_ref())?, None),
            };
            let create = CreateServiceKey { service: store, key, serves, store: place, owner };
            let entry = context.perform_telling(create, detail).await?;
            let missing = || EngineError::from(Noun::Name(external_key_id.as_str().into()));
            (entry.names.first().cloned().ok_or_else(missing)?, entry)
        }
    };
    Reply::created(&key_shown(&row.name, &binding, &entry))
}

pub(crate) async fn list_keys(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (owner, names) = language(context)?;
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.tenant().await?;
    let service = context.segment("store").to_owned();
    let list = ListServiceKeys { tenant, service, kind: names.kind(), after, limit: limit.items() };
    let (keys, more) = context.perform(list).await?;
    let store = context.segment("store");
    let last = keys.last().filter(|_| more).map(|(binding, entry)| key_shown(store, binding, entry).external_key_id);
    // The test key has a name that no key of the key store can have.
    let is_key = |binding: &BindingRow| owner.kinds().iter().any(|kind| (kind.is_name)(&binding.text));
    let keys = keys.iter().filter(|(binding, _)| is_key(binding));
    let items = keys.map(|(binding, entry)| key_shown(store, binding, entry)).collect();
    Reply::ok(&Page { items, next: last })
}

pub(crate) async fn unbind_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    unbind_key_in(context, language(context)?).await
}

pub(crate) async fn unbind_key_in(context: &Context<'_>, (owner, names): Language) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, names).await?;
    let name = name(names, tenant, &row, context.segment("external_key_id"))?;
    context.perform(DeleteBinding { name, owner }).await?;
    Ok(Reply::done())
}

pub(crate) async fn block_key(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let (_, names) = language(context)?;
    let (tenant, row) = find(context, names).await?;
    let name = name(names, tenant, &row, context.segment("external_key_id"))?;
    let is = |bound: &&BindingRow| bound.kind == name.kind && *bound.text == *name.text;
    let edit = if suspended { Edit::Suspend } else { Edit::Resume };
    let (entry, now) = context.perform(EditKey { key: KeyReference::Name(name.clone()), edit }).await?;
    let missing = || EngineError::from(Noun::Name(name.text.clone()));
    let binding = entry.names.iter().find(is).ok_or_else(missing)?;
    let shown = XksKey { state: state(now.state).to_owned(), ..key_shown(&row.name, binding, &entry) };
    Reply::ok(&shown)
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
pub(crate) fn is_of(row: &PrincipalRow, names: &dyn ServiceNames) -> bool {
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
    let text = names.key(&row.name, called);
    if text.len() > limits::NAME_BYTES {
        return Err(AdminError::Value { field: "external_key_id", problem: "must have 1 to 128 bytes" });
    }
    bounded(tenant, service(row)?.home.clone(), names.kind(), text)
}

fn serves(only: &str) -> Result<Serves, AdminError> {
    match only {
        "encrypt" => Ok(Serves::Applying),
        "decrypt" => Ok(Serves::Processing),
        "nothing" => Ok(Serves::Nothing),
        _ => Err(AdminError::Value { field: "only", problem: "must be encrypt, decrypt or nothing" }),
    }
}

fn shown(context: &Context<'_>, names: &dyn ServiceNames, row: &PrincipalRow) -> Result<XksStore, AdminError> {
    let service = service(row)?;
    Ok(XksStore {
        account: context.segment("account").to_owned(),
        name: row.name.clone(),
        arn: row.policy_name.clone(),
        principal: row.reference(),
        state: State::suspended(row.suspended),
        created: row.created.into(),
        uri_path: names.path(&service.prefix),
        region: service.home.clone(),
        signing_regions: service.regions.clone(),
        dry_run: service.policies_tried_out,
        reads_sample_proxy: service.opens_digested_data,
        test_key: service.test_key.to_string(),
    })
}

fn key_shown(store: &str, binding: &BindingRow, entry: &KeyEntry) -> XksKey {
    let called = binding.text.strip_prefix(store).and_then(|rest| rest.strip_prefix('/'));
    let only = binding.serves.map(|serves| match serves {
        Serves::Applying => "encrypt",
        Serves::Processing => "decrypt",
        Serves::Nothing => "nothing",
    });
    XksKey {
        external_key_id: called.unwrap_or(&binding.text).to_owned(),
        key: binding.key.to_string(),
        state: state(entry.row.state).to_owned(),
        only: only.map(str::to_owned),
        key_store: entry.row.store.as_ref().map(KeyStoreName::to_string),
        created: binding.created.into(),
    }
}
