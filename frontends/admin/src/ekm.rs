//! Key stores of Azure Managed HSMs: services elsewhere, with the names of their certificates and the keys that are bound to
//! them.

use std::time::Duration;

use strongroom_admin_api::{
    BindEkmKey, CreateEkmCertificate, CreateEkmStore, EkmCertificate, EkmKey, EkmStore, Page, State, Time,
    UpdateEkmStore, limits, spec,
};
use strongroom_authentication::mint;
use strongroom_engine::operations::credential::{CreateCredential, ListCredentials};
use strongroom_engine::operations::service::{BindToService, CreateService, CreateServiceKey, UpdateService};
use strongroom_engine::{
    BindingRow, CredentialRow, KeyEntry, PrincipalRow, Serves, ServiceRow, certificate_credential, certificate_name,
    is_certificate_name,
};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::KeyId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;

use crate::context::{Context, key_id};
use crate::error::AdminError;
use crate::keys::state;
use crate::reply::Reply;
use crate::services::{self, Blocked, Language, called, find, first_binding, inside, key_store, name, service};

fn language(context: &Context<'_>) -> Result<Language, AdminError> {
    services::language_of(context, "azure-ekm")
}

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let asked: CreateEkmStore = context.body()?;
    let (owner, names) = language(context)?;
    let account = context.segment("account");
    let tenant = context.tenant().await?;
    let engine = &context.admin.engine;
    let prefix = asked.prefix.unwrap_or_else(|| format!("{account}/{}", asked.name));
    if !names.is_prefix(&prefix) {
        let problem = "must be at most 64 letters, digits and hyphens in parts between single slashes";
        return Err(AdminError::Value { field: "prefix", problem });
    }
    let mut detail = vec![("store", asked.name.clone()), ("region", asked.region.clone())];
    detail.extend(asked.policy.iter().map(|policy| ("policy", policy.clone())));
    let store = asked.key_store.as_deref().map(key_store).transpose()?;
    detail.extend(asked.key_store.map(|store| ("key_store", store)));
    let place = (asked.name.as_str(), asked.region.as_str());
    let test_key = services::test_key(context, (owner, names), tenant, place, Usage::KeyWrap)?;
    let test_key = inside(test_key, store.as_ref());
    let (policy, first) = names.first_policy();
    let service = ServiceRow {
        prefix,
        regions: vec![asked.region.clone()],
        home: asked.region,
        policies_tried_out: asked.dry_run,
        opens_digested_data: false,
        // Known once it is made, in the same commit.
        test_key: KeyId::from_bytes([0; 16]),
        kind: Some(names.kind()),
    };
    let create = CreateService {
        tenant,
        policy_name: names.policy_name(account, &asked.name),
        name: asked.name,
        unique_id: mint::unique_id(engine, "AIDE")?,
        service,
        policy: (policy.to_owned(), asked.policy.unwrap_or_else(|| first.to_owned())),
        test_key,
        store,
    };
    let row = context.perform_telling(create, detail).await?;
    Reply::created(&shown(context, &row)?)
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    services::list(context, language(context)?, |row| shown(context, row)).await
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let (_, row) = find(context, names).await?;
    Reply::ok(&shown(context, &row)?)
}

pub(crate) async fn update(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let UpdateEkmStore { dry_run } = context.body()?;
    let (tenant, _) = find(context, names).await?;
    let detail = dry_run.map(|on| ("dry_run", on.to_string())).into_iter().collect();
    let update = UpdateService {
        tenant,
        name: context.segment("store").to_owned(),
        regions: None,
        policies_tried_out: dry_run,
        opens_digested_data: None,
    };
    Reply::ok(&shown(context, &context.perform_telling(update, detail).await?)?)
}

pub(crate) async fn delete(context: &Context<'_>) -> Result<Reply, AdminError> {
    services::delete(context, language(context)?).await
}

pub(crate) async fn block(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let language = language(context)?;
    Reply::ok(&shown(context, &services::block(context, language, suspended).await?)?)
}

pub(crate) async fn create_certificate(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateEkmCertificate { name, lifetime_seconds } = context.body()?;
    let within = |seconds: &u64| (1..=limits::ACCESS_KEY_SECONDS).contains(seconds);
    if !lifetime_seconds.as_ref().is_none_or(within) {
        return Err(AdminError::Value { field: "lifetime_seconds", problem: "must be from 1 to ten years" });
    }
    let (_, names) = language(context)?;
    if !is_certificate_name(&name) {
        let problem = "must be 1 to 253 letters, digits, dots, hyphens, underscores and spaces";
        return Err(AdminError::Value { field: "name", problem });
    }
    let (tenant, row) = find(context, names).await?;
    let engine = &context.admin.engine;
    let shown = certificate_credential(&service(&row)?.prefix, &name);
    let detail = vec![("certificate", name), ("principal", row.reference())];
    let expires = lifetime_seconds.map(|seconds| engine.clock().now().after(Duration::from_secs(seconds)));
    // A certificate has no secret; what stands in its place is known to nobody.
    let secret = mint::service_secret(engine)?;
    let make = CreateCredential { tenant, principal: Some(row.reference()), shown, secret, expires };
    let made = context.perform_telling(make, detail).await?;
    Reply::created(&certificate(context, &made, None))
}

pub(crate) async fn certificates(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, language(context)?.1).await?;
    let principal = Some(row.reference());
    let rows = context.perform(ListCredentials { tenant, principal }).await?;
    let items = rows.iter().filter(|(row, _)| certificate_name(&row.shown).is_some());
    let items = items.map(|(row, used)| certificate(context, row, *used)).collect();
    Reply::ok(&Page { items, next: None })
}

pub(crate) async fn delete_certificate(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let (tenant, row) = find(context, names).await?;
    let shown = certificate_credential(&service(&row)?.prefix, context.segment("certificate"));
    services::delete_credential(context, tenant, &row, &shown).await
}

pub(crate) async fn bind_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    let BindEkmKey { external_key_id, key, spec: wanted, only, key_store: place } = context.body()?;
    let (owner, names) = language(context)?;
    let serves = only.as_deref().map(serves).transpose()?;
    let kind = kind_of(wanted.as_deref())?;
    let (tenant, row) = find(context, names).await?;
    let mut detail = vec![("external_key_id", external_key_id.clone())];
    detail.extend(place.iter().map(|place| ("key_store", place.clone())));
    let place = place.as_deref().map(key_store).transpose()?;
    let store = row.name.clone();
    let name = name(names, tenant, &row, &external_key_id)?;
    let (binding, entry) = match key {
        Some(_) if wanted.is_some() => {
            return Err(AdminError::Value { field: "spec", problem: "is for a key that is to be made" });
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
            let key = services::new_key(context, owner, name, description, kind)?;
            let key = inside(key, place.as_ref());
            let create = CreateServiceKey { service: store, key, serves: None, store: place, owner };
            let entry = context.perform_telling(create, detail).await?;
            (first_binding(&entry, &external_key_id)?, entry)
        }
    };
    Reply::created(&key_shown(&row.name, &binding, &entry))
}

/// The kind of a new key, with what it is for.
fn kind_of(wanted: Option<&str>) -> Result<(KeySpec, Usage), AdminError> {
    let problem = "must be Aes256, Rsa2048, Rsa3072 or Rsa4096";
    match wanted.map_or(Ok(KeySpec::Aes256), spec) {
        Ok(KeySpec::Aes256) => Ok((KeySpec::Aes256, Usage::KeyWrap)),
        Ok(spec) if spec.is_rsa() => Ok((spec, Usage::RsaOaep)),
        _ => Err(AdminError::Value { field: "spec", problem }),
    }
}

pub(crate) async fn list_keys(context: &Context<'_>) -> Result<Reply, AdminError> {
    services::list_keys(context, language(context)?, key_shown).await
}

pub(crate) async fn unbind_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    services::unbind_key(context, language(context)?).await
}

pub(crate) async fn block_key(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Blocked { store, binding, entry, state } = services::block_key(context, language(context)?, suspended).await?;
    Reply::ok(&EkmKey { state: state.to_owned(), ..key_shown(&store, &binding, &entry) })
}

fn serves(only: &str) -> Result<Serves, AdminError> {
    match only {
        "wrap" => Ok(Serves::Applying),
        "unwrap" => Ok(Serves::Processing),
        "nothing" => Ok(Serves::Nothing),
        _ => Err(AdminError::Value { field: "only", problem: "must be wrap, unwrap or nothing" }),
    }
}

fn shown(context: &Context<'_>, row: &PrincipalRow) -> Result<EkmStore, AdminError> {
    let service = service(row)?;
    Ok(EkmStore {
        account: context.segment("account").to_owned(),
        name: row.name.clone(),
        arn: row.policy_name.clone(),
        principal: row.reference(),
        state: State::suspended(row.suspended),
        created: row.created.into(),
        path_prefix: service.prefix.clone(),
        region: service.home.clone(),
        dry_run: service.policies_tried_out,
        test_key: service.test_key.to_string(),
    })
}

fn certificate(context: &Context<'_>, row: &CredentialRow, used: Option<Timestamp>) -> EkmCertificate {
    let lapsed = row.expires.is_some_and(|expires| expires <= context.admin.engine.clock().now());
    EkmCertificate {
        name: certificate_name(&row.shown).unwrap_or(&row.shown).to_owned(),
        state: if lapsed { State::Expired } else { State::suspended(row.suspended) },
        created: row.created.into(),
        expires: row.expires.map(Time::from),
        last_used: used.map(Time::from),
    }
}

fn key_shown(store: &str, binding: &BindingRow, entry: &KeyEntry) -> EkmKey {
    let only = binding.serves.map(|serves| match serves {
        Serves::Applying => "wrap",
        Serves::Processing => "unwrap",
        Serves::Nothing => "nothing",
    });
    EkmKey {
        external_key_id: called(store, binding).to_owned(),
        key: binding.key.to_string(),
        spec: format!("{:?}", entry.row.spec),
        state: state(entry.row.state).to_owned(),
        only: only.map(str::to_owned),
        key_store: entry.row.store.as_ref().map(KeyStoreName::to_string),
        created: binding.created.into(),
    }
}
