//! Key stores of AWS accounts: services elsewhere, with their credentials and the keys that are bound to them.
//!
//! What names look like is the front end's that serves them; here they are made of what it says.

use strongroom_admin_api::{
    BindXksKey, CreateXksCredential, CreateXksStore, Page, State, UpdateXksStore, XksKey, XksStore,
};
use strongroom_authentication::mint;
use strongroom_engine::operations::credential::ListCredentials;
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::operations::service::{BindToService, CreateService, CreateServiceKey, UpdateService};
use strongroom_engine::{BindingRow, KeyEntry, PrincipalRow, Serves, ServiceNames, ServiceRow};
use strongroom_model::id::KeyId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;

use crate::access_keys;
use crate::context::{Context, key_id};
use crate::error::AdminError;
use crate::keys::state;
use crate::reply::Reply;
use crate::services::{self, Blocked, Language, called, find, first_binding, name, service};

/// The language of key stores of AWS accounts.
fn language(context: &Context<'_>) -> Result<Language, AdminError> {
    services::language_of(context, "aws-xks")
}

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let asked: CreateXksStore = context.body()?;
    let (owner, names) = language(context)?;
    served(context, std::iter::once(&asked.region).chain(&asked.signing_regions))?;
    let account = context.segment("account");
    let tenant = context.tenant().await?;
    let engine = &context.admin.engine;
    let mut detail = vec![("store", asked.name.clone()), ("region", asked.region.clone())];
    detail.extend(asked.policy.iter().map(|policy| ("policy", policy.clone())));
    let store = asked.key_store.as_deref().map(services::key_store).transpose()?;
    detail.extend(asked.key_store.map(|store| ("key_store", store)));
    let place = (asked.name.as_str(), asked.region.as_str());
    let test_key = services::test_key(context, (owner, names), tenant, place, Usage::DerivedAead)?;
    let test_key = services::inside(test_key, store.as_ref());
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
        unique_id: mint::unique_id(engine, "AIDX")?,
        service,
        policy: (policy.to_owned(), asked.policy.unwrap_or_else(|| first.to_owned())),
        test_key,
        store,
    };
    let row = context.perform_telling(create, detail).await?;
    Reply::created(&shown(context, names, &row)?)
}

/// Refuses regions that no listener serves: AWS KMS signs for its own, and a listener answers for those that it is said to.
pub(crate) fn served<'r>(context: &Context<'_>, asked: impl IntoIterator<Item = &'r String>) -> Result<(), AdminError> {
    let served = &context.admin.regions;
    let strange = |region: &&String| !served.is_empty() && !served.iter().any(|known| **known == ***region);
    match asked.into_iter().find(strange) {
        Some(region) => Err(AdminError::RegionNotServed { region: region.clone(), served: served.join(", ") }),
        None => Ok(()),
    }
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let language = language(context)?;
    services::list(context, language, |row| shown(context, language.1, row)).await
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let (_, row) = find(context, names).await?;
    Reply::ok(&shown(context, names, &row)?)
}

pub(crate) async fn update(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, names) = language(context)?;
    let UpdateXksStore { signing_regions, dry_run, reads_sample_proxy } = context.body()?;
    served(context, signing_regions.iter().flatten())?;
    let (tenant, _) = find(context, names).await?;
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
    services::delete(context, language(context)?).await
}

pub(crate) async fn block(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let language = language(context)?;
    Reply::ok(&shown(context, language.1, &services::block(context, language, suspended).await?)?)
}

pub(crate) async fn create_credential(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateXksCredential { lifetime_seconds } = context.body()?;
    let (_, row) = find(context, language(context)?.1).await?;
    let secret = mint::service_secret(&context.admin.engine)?;
    access_keys::make(context, Some(row.reference()), lifetime_seconds, secret).await
}

pub(crate) async fn credentials(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, language(context)?.1).await?;
    let principal = Some(row.reference());
    let rows = context.perform(ListCredentials { tenant, principal: principal.clone() }).await?;
    let items = rows.iter().map(|(row, used)| access_keys::shown(context, row, *used, principal.clone())).collect();
    Reply::ok(&Page { items, next: None })
}

pub(crate) async fn delete_credential(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (tenant, row) = find(context, language(context)?.1).await?;
    services::delete_credential(context, tenant, &row, context.segment("access_key_id")).await
}

pub(crate) async fn bind_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    let BindXksKey { external_key_id, key, only, key_store: place, imported } = context.body()?;
    let (owner, names) = language(context)?;
    let serves = only.as_deref().map(serves).transpose()?;
    let (tenant, row) = find(context, names).await?;
    let mut detail = vec![("external_key_id", external_key_id.clone())];
    detail.extend(place.iter().map(|place| ("key_store", place.clone())));
    detail.extend(imported.then(|| ("imported", "true".to_owned())));
    let place = place.as_deref().map(services::key_store).transpose()?;
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
                // Its material is brought from AWS's sample proxy, whose ciphertexts are those of bare AES-GCM.
                true => {
                    let key = services::new_key(context, owner, name, description, (KeySpec::Aes256, Usage::RawGcm))?;
                    (CreateKey { origin: Origin::Imported, ..key }, Some(Serves::Processing))
                }
                false => {
                    let kind = (KeySpec::Aes256, Usage::DerivedAead);
                    let key = services::new_key(context, owner, name, description, kind)?;
                    (services::inside(key, place.as_ref()), None)
                }
            };
            let create = CreateServiceKey { service: store, key, serves, store: place, owner };
            let entry = context.perform_telling(create, detail).await?;
            (first_binding(&entry, &external_key_id)?, entry)
        }
    };
    Reply::created(&key_shown(&row.name, &binding, &entry))
}

pub(crate) async fn list_keys(context: &Context<'_>) -> Result<Reply, AdminError> {
    services::list_keys(context, language(context)?, key_shown).await
}

pub(crate) async fn unbind_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    services::unbind_key(context, language(context)?).await
}

pub(crate) async fn block_key(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Blocked { store, binding, entry, state } = services::block_key(context, language(context)?, suspended).await?;
    Reply::ok(&XksKey { state: state.to_owned(), ..key_shown(&store, &binding, &entry) })
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
    let only = binding.serves.map(|serves| match serves {
        Serves::Applying => "encrypt",
        Serves::Processing => "decrypt",
        Serves::Nothing => "nothing",
    });
    XksKey {
        external_key_id: called(store, binding).to_owned(),
        key: binding.key.to_string(),
        state: state(entry.row.state).to_owned(),
        only: only.map(str::to_owned),
        key_store: entry.row.store.as_ref().map(KeyStoreName::to_string),
        created: binding.created.into(),
    }
}
