//! The commands on external key stores.

use serde::Serialize;
use serde_json::{Value, json};
use strongroom_admin_api::{
    AccessKey, BindXksKey, CreateXksCredential, CreateXksStore, Endpoint, NewAccessKey, Page, Time, UpdateXksStore,
    XksKey, XksStore,
};

use crate::arguments::{
    Format, Only, TenantOf, Wrapping, XksCommand, XksCredentialCommand, XksKeyCommand, XksStoreCommand, XksStoreOf,
};
use crate::client::Client;
use crate::error::CliError;
use crate::import::Import;
use crate::output::Output;
use crate::{Environment, policies};

pub(crate) fn xks(
    client: &Client<'_>,
    output: &mut Output<'_>,
    command: XksCommand,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    match command {
        XksCommand::Store(command) => store(client, output, command),
        XksCommand::Credential(command) => credential(client, output, command),
        XksCommand::Key(command) => key(client, output, command, environment),
        // Asks no server of ours; done before there is a client.
        XksCommand::Preflight(_) => Ok(()),
    }
}

fn store(client: &Client<'_>, output: &mut Output<'_>, command: XksStoreCommand) -> Result<(), CliError> {
    let store: XksStore = match command {
        XksStoreCommand::Create {
            of,
            name,
            region,
            aws_regions,
            prefix,
            policy,
            dry_run,
            reads_sample_proxy,
            key_store,
        } => {
            let policy = policy.as_deref().map(policies::read).transpose()?;
            let make = CreateXksStore {
                name,
                prefix,
                region,
                signing_regions: aws_regions,
                policy,
                dry_run,
                reads_sample_proxy,
                key_store,
            };
            client.tell(Endpoint::CreateXksStore, &[&of.tenant], &make)?
        }
        XksStoreCommand::List(TenantOf { tenant }) => {
            let stores: Vec<XksStore> = client.all(Endpoint::ListXksStores, &[&tenant])?;
            return output.list(&stores, &["NAME", "STATE", "REGION", "AWS REGIONS", "PATH"], |store| {
                let (name, state, region) = (store.name.clone(), store.state.to_string(), store.region.clone());
                vec![name, state, region, store.signing_regions.join(" "), store.uri_path.clone()]
            });
        }
        XksStoreCommand::Show { of, name } => client.ask(Endpoint::GetXksStore, &[&of.tenant, &name])?,
        XksStoreCommand::Set { of, name, aws_regions, dry_run, reads_sample_proxy } => {
            let signing_regions = Some(aws_regions).filter(|regions| !regions.is_empty());
            let update = UpdateXksStore { signing_regions, dry_run, reads_sample_proxy };
            client.tell(Endpoint::UpdateXksStore, &[&of.tenant, &name], &update)?
        }
        XksStoreCommand::Block { of, name } => client.ask(Endpoint::BlockXksStore, &[&of.tenant, &name])?,
        XksStoreCommand::Unblock { of, name } => client.ask(Endpoint::UnblockXksStore, &[&of.tenant, &name])?,
        XksStoreCommand::Delete { of, name } => {
            let () = client.ask(Endpoint::DeleteXksStore, &[&of.tenant, &name])?;
            return output.outcome(
                &format!("deleted {name} with its credentials; remove it in AWS, too"),
                &json!({ "deleted": name }),
            );
        }
    };
    let switch = |on: bool, yes: &str| if on { yes.to_owned() } else { String::new() };
    let fields = [
        ("Name", store.name.clone()),
        ("Arn", store.arn.clone()),
        ("State", store.state.to_string()),
        ("Created", store.created.to_string()),
        ("Path", store.uri_path.clone()),
        ("Region", store.region.clone()),
        ("AWS regions", store.signing_regions.join(" ")),
        ("Policies of", store.principal.clone()),
        ("Policies", switch(store.dry_run, "tried out, not enforced")),
        ("Sample proxy", switch(store.reads_sample_proxy, "its ciphertexts are decrypted")),
        ("Test key", store.test_key.clone()),
    ];
    output.one(&store, &fields)
}

/// A new credential with what AWS is told of it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    credential: &'a NewAccessKey<'a>,
    console: Value,
    aws_command: String,
}

fn credential(client: &Client<'_>, output: &mut Output<'_>, command: XksCredentialCommand) -> Result<(), CliError> {
    match command {
        XksCredentialCommand::Create { of: XksStoreOf { of, store }, expires, host, custom_key_store_id } => {
            let make = CreateXksCredential { lifetime_seconds: expires.map(|span| span.0.as_secs()) };
            let about: XksStore = client.ask(Endpoint::GetXksStore, &[&of.tenant, &store])?;
            let made: NewAccessKey<'_> = client.tell(Endpoint::CreateXksCredential, &[&of.tenant, &store], &make)?;
            let (id, secret) = (&made.access_key.access_key_id, &made.secret_access_key);
            let console = json!({
                "XksProxyUriPath": about.uri_path,
                "XksProxyAuthenticationCredential": {"AccessKeyId": id, "RawSecretAccessKey": secret},
            });
            let aws_command = aws_command(&about, &made, &host, custom_key_store_id.as_deref());
            if output.format() != Format::Table {
                return output.json(&Told { credential: &made, console, aws_command });
            }
            let fields = [
                ("Access key id", id.clone()),
                ("Secret access key", secret.to_string()),
                ("Expires", made.access_key.expires.as_ref().map_or_else(|| "never".to_owned(), Time::to_string)),
            ];
            output.one(&made, &fields)?;
            output.text("\nFor the AWS console, as a file:\n")?;
            output.text(&console.to_string())?;
            output.text("\nOr with the AWS command line:\n")?;
            output.text(&aws_command)?;
            output.text("\nThe secret is shown this once and cannot be shown again.")
        }
        XksCredentialCommand::List(XksStoreOf { of, store }) => {
            let keys: Page<AccessKey> = client.ask(Endpoint::ListXksCredentials, &[&of.tenant, &store])?;
            output.list(&keys.items, &["ACCESS KEY ID", "STATE", "CREATED", "EXPIRES", "LAST USED"], |key| {
                let or_never = |time: &Option<Time>| time.as_ref().map_or_else(|| "never".to_owned(), Time::to_string);
                let (id, state, created) = (key.access_key_id.clone(), key.state.to_string(), key.created.to_string());
                vec![id, state, created, or_never(&key.expires), or_never(&key.last_used)]
            })
        }
        XksCredentialCommand::Delete { of: XksStoreOf { of, store }, id } => {
            let () = client.ask(Endpoint::DeleteXksCredential, &[&of.tenant, &store, &id])?;
            output.outcome(&format!("deleted {id}"), &json!({ "deleted": id }))
        }
    }
}

/// The call that makes the key store in AWS, or brings it a new credential.
fn aws_command(store: &XksStore, made: &NewAccessKey<'_>, host: &str, id: Option<&str>) -> String {
    let region = store.signing_regions.first().map_or("", String::as_str);
    let (access_key, secret) = (&made.access_key.access_key_id, &made.secret_access_key);
    let credential =
        format!("--xks-proxy-authentication-credential 'AccessKeyId={access_key},RawSecretAccessKey={secret}'");
    match id {
        Some(id) => {
            format!("aws kms update-custom-key-store --region {region} --custom-key-store-id {id} \\\n  {credential}")
        }
        None => format!(
            "aws kms create-custom-key-store --region {region} --custom-key-store-name {} \\\n  \
             --custom-key-store-type EXTERNAL_KEY_STORE --xks-proxy-connectivity PUBLIC_ENDPOINT \\\n  \
             --xks-proxy-uri-endpoint https://{host} --xks-proxy-uri-path {} \\\n  {credential}",
            store.name, store.uri_path
        ),
    }
}

fn key(
    client: &Client<'_>,
    output: &mut Output<'_>,
    command: XksKeyCommand,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let key: XksKey = match command {
        XksKeyCommand::Create { of: XksStoreOf { of, store }, id, key_store } => {
            let bind = BindXksKey { external_key_id: id, key: None, only: None, key_store, imported: false };
            client.tell(Endpoint::BindXksKey, &[&of.tenant, &store], &bind)?
        }
        XksKeyCommand::Import { of, id, parameters, wrapped, material, wrapping, wrapping_key } => {
            // The binary has one wrapping of its own.
            let wrapping = if material.is_some() { Wrapping::RsaOaepSha256 } else { wrapping };
            let import = Import { of: &of, id: &id, wrapping, wrapping_key };
            return match (parameters, wrapped, material) {
                (_, _, Some(material)) => import.carry(client, output, environment, &material),
                (Some(parameters), Some(wrapped), None) => import.bring(client, output, &parameters, &wrapped),
                (Some(parameters), None, None) => import.prepare(client, output, &parameters),
                // Refused where the line is read.
                (None, _, None) => Err(CliError::Usage("name --parameters or --material".to_owned())),
            };
        }
        XksKeyCommand::Bind { of: XksStoreOf { of, store }, id, key, only } => {
            let only = only.map(|only| match only {
                Only::Encrypt => "encrypt".to_owned(),
                Only::Decrypt => "decrypt".to_owned(),
                Only::Nothing => "nothing".to_owned(),
            });
            let bind = BindXksKey { external_key_id: id, key: Some(key), only, key_store: None, imported: false };
            client.tell(Endpoint::BindXksKey, &[&of.tenant, &store], &bind)?
        }
        XksKeyCommand::List(XksStoreOf { of, store }) => {
            let keys: Vec<XksKey> = client.all(Endpoint::ListXksKeys, &[&of.tenant, &store])?;
            return output.list(&keys, &["EXTERNAL KEY ID", "STATE", "ONLY", "KEY", "KEY STORE", "BOUND"], |key| {
                let XksKey { external_key_id, key, state, only, key_store, created } = key.clone();
                let (only, key_store) = (only.unwrap_or_default(), key_store.unwrap_or_default());
                vec![external_key_id, state, only, key, key_store, created.to_string()]
            });
        }
        XksKeyCommand::Block { of: XksStoreOf { of, store }, id } => {
            client.ask(Endpoint::BlockXksKey, &[&of.tenant, &store, &id])?
        }
        XksKeyCommand::Unblock { of: XksStoreOf { of, store }, id } => {
            client.ask(Endpoint::UnblockXksKey, &[&of.tenant, &store, &id])?
        }
        XksKeyCommand::Unbind { of: XksStoreOf { of, store }, id } => {
            let () = client.ask(Endpoint::UnbindXksKey, &[&of.tenant, &store, &id])?;
            return output.outcome(
                &format!("{id} is no key of {store} any more; the key stays"),
                &json!({ "unbound": id, "store": store }),
            );
        }
    };
    show_key(output, &key)
}

pub(crate) fn show_key(output: &mut Output<'_>, key: &XksKey) -> Result<(), CliError> {
    let fields = [
        ("External key id", key.external_key_id.clone()),
        ("Key", key.key.clone()),
        ("State", key.state.clone()),
        ("Only", key.only.clone().unwrap_or_default()),
        ("Key store", key.key_store.clone().unwrap_or_default()),
        ("Bound", key.created.to_string()),
    ];
    output.one(key, &fields)
}
