//! The commands on keys and the names that lead to them.

use strongroom_admin_api::{Binding, CreateBinding, Endpoint, Key, KeyVersion, ScheduleKeyDeletion, Time};

use crate::arguments::{BindingCommand, KeyCommand, KeyOf, NameOf, TenantOf};
use crate::client::Client;
use crate::environment::Environment;
use crate::error::CliError;
use crate::output::Output;
use crate::reference::id_of;
use crate::{inventory, making, usage};

pub(crate) fn key(
    client: &Client<'_>,
    output: &mut Output<'_>,
    command: KeyCommand,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let key: Key = match command {
        KeyCommand::List(TenantOf { tenant }) => {
            let keys: Vec<Key> = client.all(Endpoint::ListKeys, &[&tenant])?;
            return output.list(&keys, &["ID", "SPEC", "STATE", "REGION", "CREATED", "KEY STORE", "NAMES"], |key| {
                let names = key.bindings.iter().map(|binding| binding.name.as_str()).collect::<Vec<_>>().join(" ");
                let (id, spec, state) = (key.id.clone(), key.spec.clone(), key.state.clone());
                let store = key.key_store.clone().unwrap_or_default();
                vec![id, spec, state, key.region.clone(), key.created.to_string(), store, names]
            });
        }
        KeyCommand::Create(options) => match making::create(client, output, options)? {
            Some(key) => key,
            None => return Ok(()),
        },
        KeyCommand::Show { of } => client.ask(Endpoint::GetKey, &[&id_of(client, &of)?])?,
        KeyCommand::Suspend { of, version_number: None } => {
            client.ask(Endpoint::SuspendKey, &[&id_of(client, &of)?])?
        }
        KeyCommand::Resume { of, version_number: None } => client.ask(Endpoint::ResumeKey, &[&id_of(client, &of)?])?,
        KeyCommand::Suspend { of, version_number: Some(number) } => {
            return version(client, output, Endpoint::SuspendKeyVersion, &id_of(client, &of)?, number);
        }
        KeyCommand::Resume { of, version_number: Some(number) } => {
            return version(client, output, Endpoint::ResumeKeyVersion, &id_of(client, &of)?, number);
        }
        KeyCommand::ScheduleDeletion { of, days, yes } => {
            schedule_deletion(client, environment, &id_of(client, &of)?, days, yes)?
        }
        KeyCommand::CancelDeletion { of } => client.ask(Endpoint::CancelKeyDeletion, &[&id_of(client, &of)?])?,
        KeyCommand::Usage { key: Some(key), tenant, region } => {
            return usage::of_key(client, output, &id_of(client, &KeyOf { key, tenant, region })?);
        }
        KeyCommand::Usage { key: None, tenant, .. } => {
            return usage::of_tenant(client, output, &tenant.unwrap_or_default(), None);
        }
        KeyCommand::Unused { of, days } => return usage::of_tenant(client, output, &of.tenant, Some(days)),
        KeyCommand::Inventory(options) => return inventory::inventory(client, output, &options, environment),
    };
    let version = |version: &KeyVersion| {
        let mark = if version.current == Some(true) { " (current)" } else { "" };
        format!("{} {}{mark} since {}", version.ordinal, version.state, version.created)
    };
    let fields = [
        ("Id", key.id.clone()),
        ("Tenant", key.account.clone()),
        ("Region", key.region.clone()),
        ("Spec", key.spec.clone()),
        ("Usages", key.usages.join(", ")),
        ("Origin", key.origin.clone()),
        ("Key store", key.key_store.clone().unwrap_or_default()),
        (
            "Object in it",
            key.versions.iter().filter_map(|version| version.object.clone()).collect::<Vec<_>>().join(", "),
        ),
        ("State", key.state.clone()),
        ("Destruction", key.destruction.as_ref().map(Time::to_string).unwrap_or_default()),
        ("Created", key.created.to_string()),
        ("Description", key.description.clone()),
        ("Next rotation", key.next_rotation.as_ref().map(Time::to_string).unwrap_or_default()),
        ("Versions", key.versions.iter().map(version).collect::<Vec<_>>().join("; ")),
        ("Names", key.bindings.iter().map(|binding| binding.name.as_str()).collect::<Vec<_>>().join(", ")),
    ];
    output.one(&key, &fields)
}

fn version(
    client: &Client<'_>,
    output: &mut Output<'_>,
    endpoint: Endpoint,
    id: &str,
    number: u32,
) -> Result<(), CliError> {
    let version: KeyVersion = client.ask(endpoint, &[id, &number.to_string()])?;
    let fields = [
        ("Version", version.ordinal.to_string()),
        ("State", version.state.clone()),
        ("Created", version.created.to_string()),
        ("Cause", version.cause.clone()),
    ];
    output.one(&version, &fields)
}

/// Schedules a key's deletion. The server refuses that for a key in use, and says when it was last used; whoever knows that
/// and goes on is on record with it.
fn schedule_deletion(
    client: &Client<'_>,
    environment: Environment<'_>,
    id: &str,
    days: u32,
    yes: bool,
) -> Result<Key, CliError> {
    let mut schedule = ScheduleKeyDeletion { days, acknowledged_last_use: None };
    let last_use = match client.tell(Endpoint::ScheduleKeyDeletion, &[id], &schedule) {
        Err(CliError::Refused { last_use: Some(last_use), .. }) => last_use,
        answered => return answered,
    };
    let question = format!("{id} is in use: it was last used at {last_use}. Schedule its deletion all the same?");
    if !yes {
        match (environment.confirm)(&question) {
            Some(true) => {}
            Some(false) => return Err(CliError::Declined),
            None => return Err(CliError::InUse { id: id.to_owned(), last_use }),
        }
    }
    schedule.acknowledged_last_use = Some(last_use);
    client.tell(Endpoint::ScheduleKeyDeletion, &[id], &schedule)
}

pub(crate) fn binding(client: &Client<'_>, output: &mut Output<'_>, command: BindingCommand) -> Result<(), CliError> {
    match command {
        BindingCommand::List(TenantOf { tenant }) => {
            let bindings: Vec<Binding> = client.all(Endpoint::ListBindings, &[&tenant])?;
            output.list(&bindings, &["NAME", "KIND", "REGION", "KEY", "UPDATED"], |binding| {
                let Binding { name, kind, region, key, updated, .. } = binding;
                vec![name.clone(), kind.clone(), region.clone(), key.clone(), updated.to_string()]
            })
        }
        BindingCommand::Create { of: NameOf { name, of, kind, region }, key } => {
            let called = KeyOf { key, tenant: Some(of.tenant.clone()), region: Some(region.clone()) };
            let create = CreateBinding { kind, region, name, key: id_of(client, &called)? };
            let made: Binding = client.tell(Endpoint::CreateBinding, &[&of.tenant], &create)?;
            let fields = [
                ("Name", made.name.clone()),
                ("Kind", made.kind.clone()),
                ("Region", made.region.clone()),
                ("Key", made.key.clone()),
            ];
            output.one(&made, &fields)
        }
        BindingCommand::Delete(NameOf { name, of, kind, region }) => {
            let () = client.ask(Endpoint::DeleteBinding, &[&of.tenant, &kind, &region, &name])?;
            output.done(&format!("removed {name}; its key stays"))
        }
    }
}
