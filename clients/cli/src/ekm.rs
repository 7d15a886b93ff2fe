//! The commands on key stores of Azure Managed HSMs.

use serde_json::json;
use strongroom_admin_api::{
    BindEkmKey, CreateEkmCertificate, CreateEkmStore, EkmCertificate, EkmKey, EkmStore, Endpoint, Page, Time,
    UpdateEkmStore,
};

use crate::arguments::{
    EkmCertificateCommand, EkmCommand, EkmKeyCommand, EkmStoreCommand, EkmStoreOf, OnlyWrap, TenantOf,
};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;
use crate::policies;

pub(crate) fn ekm(client: &Client<'_>, output: &mut Output<'_>, command: EkmCommand) -> Result<(), CliError> {
    match command {
        EkmCommand::Store(command) => store(client, output, command),
        EkmCommand::Certificate(command) => certificate(client, output, command),
        EkmCommand::Key(command) => key(client, output, command),
    }
}

fn store(client: &Client<'_>, output: &mut Output<'_>, command: EkmStoreCommand) -> Result<(), CliError> {
    let store: EkmStore = match command {
        EkmStoreCommand::Create { of, name, region, prefix, policy, dry_run, key_store } => {
            let policy = policy.as_deref().map(policies::read).transpose()?;
            let make = CreateEkmStore { name, prefix, region, policy, dry_run, key_store };
            client.tell(Endpoint::CreateEkmStore, &[&of.tenant], &make)?
        }
        EkmStoreCommand::List(TenantOf { tenant }) => {
            let stores: Vec<EkmStore> = client.all(Endpoint::ListEkmStores, &[&tenant])?;
            return output.list(&stores, &["NAME", "STATE", "REGION", "PATH PREFIX"], |store| {
                let (name, state, region) = (store.name.clone(), store.state.to_string(), store.region.clone());
                vec![name, state, region, store.path_prefix.clone()]
            });
        }
        EkmStoreCommand::Show { of, name } => client.ask(Endpoint::GetEkmStore, &[&of.tenant, &name])?,
        EkmStoreCommand::Set { of, name, dry_run } => {
            client.tell(Endpoint::UpdateEkmStore, &[&of.tenant, &name], &UpdateEkmStore { dry_run })?
        }
        EkmStoreCommand::Block { of, name } => client.ask(Endpoint::BlockEkmStore, &[&of.tenant, &name])?,
        EkmStoreCommand::Unblock { of, name } => client.ask(Endpoint::UnblockEkmStore, &[&of.tenant, &name])?,
        EkmStoreCommand::Delete { of, name } => {
            let () = client.ask(Endpoint::DeleteEkmStore, &[&of.tenant, &name])?;
            return output.outcome(
                &format!("deleted {name} with its certificates' names; remove it in Azure, too"),
                &json!({ "deleted": name }),
            );
        }
    };
    let fields = [
        ("Name", store.name.clone()),
        ("Arn", store.arn.clone()),
        ("State", store.state.to_string()),
        ("Created", store.created.to_string()),
        ("Path prefix", store.path_prefix.clone()),
        ("Region", store.region.clone()),
        ("Policies of", store.principal.clone()),
        ("Policies", if store.dry_run { "tried out, not enforced".to_owned() } else { String::new() }),
        ("Test key", store.test_key.clone()),
    ];
    output.one(&store, &fields)
}

fn certificate(client: &Client<'_>, output: &mut Output<'_>, command: EkmCertificateCommand) -> Result<(), CliError> {
    let or_never = |time: &Option<Time>| time.as_ref().map_or_else(|| "never".to_owned(), Time::to_string);
    match command {
        EkmCertificateCommand::Create { of: EkmStoreOf { of, store }, name, expires } => {
            let make = CreateEkmCertificate { name, lifetime_seconds: expires.map(|span| span.0.as_secs()) };
            let made: EkmCertificate = client.tell(Endpoint::CreateEkmCertificate, &[&of.tenant, &store], &make)?;
            output.one(&made, &[("Name", made.name.clone()), ("Expires", or_never(&made.expires))])
        }
        EkmCertificateCommand::List(EkmStoreOf { of, store }) => {
            let all: Page<EkmCertificate> = client.ask(Endpoint::ListEkmCertificates, &[&of.tenant, &store])?;
            output.list(&all.items, &["NAME", "STATE", "CREATED", "EXPIRES", "LAST USED"], |one| {
                let (name, state, created) = (one.name.clone(), one.state.to_string(), one.created.to_string());
                vec![name, state, created, or_never(&one.expires), or_never(&one.last_used)]
            })
        }
        EkmCertificateCommand::Delete { of: EkmStoreOf { of, store }, name } => {
            let () = client.ask(Endpoint::DeleteEkmCertificate, &[&of.tenant, &store, &name])?;
            output.outcome(
                &format!("certificates of {name} prove {store} no more"),
                &json!({ "deleted": name, "store": store }),
            )
        }
    }
}

fn key(client: &Client<'_>, output: &mut Output<'_>, command: EkmKeyCommand) -> Result<(), CliError> {
    let key: EkmKey = match command {
        EkmKeyCommand::Create { of: EkmStoreOf { of, store }, id, spec, key_store } => {
            let bind = BindEkmKey { external_key_id: id, key: None, spec: Some(spec), only: None, key_store };
            client.tell(Endpoint::BindEkmKey, &[&of.tenant, &store], &bind)?
        }
        EkmKeyCommand::Bind { of: EkmStoreOf { of, store }, id, key, only } => {
            let only = only.map(|only| match only {
                OnlyWrap::Wrap => "wrap".to_owned(),
                OnlyWrap::Unwrap => "unwrap".to_owned(),
                OnlyWrap::Nothing => "nothing".to_owned(),
            });
            let bind = BindEkmKey { external_key_id: id, key: Some(key), spec: None, only, key_store: None };
            client.tell(Endpoint::BindEkmKey, &[&of.tenant, &store], &bind)?
        }
        EkmKeyCommand::List(EkmStoreOf { of, store }) => {
            let keys: Vec<EkmKey> = client.all(Endpoint::ListEkmKeys, &[&of.tenant, &store])?;
            let columns = ["EXTERNAL KEY ID", "KIND", "STATE", "ONLY", "KEY", "KEY STORE", "BOUND"];
            return output.list(&keys, &columns, |key| {
                let EkmKey { external_key_id, key, spec, state, only, key_store, created } = key.clone();
                let (only, key_store) = (only.unwrap_or_default(), key_store.unwrap_or_default());
                vec![external_key_id, spec, state, only, key, key_store, created.to_string()]
            });
        }
        EkmKeyCommand::Block { of: EkmStoreOf { of, store }, id } => {
            client.ask(Endpoint::BlockEkmKey, &[&of.tenant, &store, &id])?
        }
        EkmKeyCommand::Unblock { of: EkmStoreOf { of, store }, id } => {
            client.ask(Endpoint::UnblockEkmKey, &[&of.tenant, &store, &id])?
        }
        EkmKeyCommand::Unbind { of: EkmStoreOf { of, store }, id } => {
            let () = client.ask(Endpoint::UnbindEkmKey, &[&of.tenant, &store, &id])?;
            return output.outcome(
                &format!("{id} is no key of {store} any more; the key stays"),
                &json!({ "unbound": id, "store": store }),
            );
        }
    };
    let fields = [
        ("External key id", key.external_key_id.clone()),
        ("Key", key.key.clone()),
        ("Kind", key.spec.clone()),
        ("State", key.state.clone()),
        ("Only", key.only.clone().unwrap_or_default()),
        ("Key store", key.key_store.clone().unwrap_or_default()),
        ("Bound", key.created.to_string()),
    ];
    output.one(&key, &fields)
}
