//! The commands on tenants, principals and access keys.

use strongroom_admin_api::{
    AccessKey, AccessKeyQuery, AttachedPolicy, CreateAccessKey, CreatePrincipal, CreateTenant, Endpoint, Health,
    KeyStoreHealth, NewAccessKey, Page, Principal, PrincipalDetail, PutPolicy, RotatedDomainKey, Tenant, Time,
    TokenHealth, WhoAmI, roles,
};

use crate::arguments::{AccessKeyCommand, PrincipalCommand, TenantCommand, TenantOf};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

pub(crate) fn who_am_i(client: &Client<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    let me: WhoAmI = client.ask(Endpoint::GetCallerIdentity, &[])?;
    let fields = [
        ("Name", me.arn.clone()),
        ("Kind", me.kind.clone()),
        ("Tenant", me.account.clone().unwrap_or_default()),
        ("Access key", me.access_key_id.clone().unwrap_or_default()),
    ];
    output.one(&me, &fields)
}

/// How the installation is, or is from now on: `asked` reads or changes that.
pub(crate) fn health(client: &Client<'_>, output: &mut Output<'_>, asked: Endpoint) -> Result<(), CliError> {
    let health: Health = client.ask(asked, &[])?;
    let mut fields = vec![
        ("Status", health.status.clone()),
        ("Version", health.version.clone()),
        ("Installation", health.installation.clone()),
        ("Time", health.time.to_string()),
    ];
    for store in health.key_stores.iter().flatten() {
        fields.push(("Key store", format!("{}: {}", store.name, serves(store))));
        fields.extend(store.tokens.iter().map(|token| ("Token", format!("{}: {}", token.token, told(token)))));
    }
    output.one(&health, &fields)
}

const fn serves(store: &KeyStoreHealth) -> &'static str {
    if store.serves { "serves" } else { "does not serve" }
}

/// A token's state, and why where it is not well.
fn told(token: &TokenHealth) -> String {
    let TokenHealth { state, since, last_error, .. } = token;
    let cause = last_error.as_ref().filter(|_| state != "up").map(|error| format!(": {error}")).unwrap_or_default();
    format!("{state} since {since}{cause}")
}

/// How the running server's key stores are, each with its tokens.
pub(crate) fn key_stores(client: &Client<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    let health: Health = client.ask(Endpoint::GetHealth, &[])?;
    let stores = health.key_stores.ok_or_else(|| CliError::Usage("key stores are shown to operators alone".into()))?;
    output.list(&stores, &["NAME", "KIND", "STATE", "TOKENS"], |store| {
        let tokens = store.tokens.iter().map(|token| format!("{}: {}", token.token, told(token)));
        let tokens = tokens.collect::<Vec<_>>().join("; ");
        vec![store.name.clone(), store.kind.clone(), serves(store).to_owned(), tokens]
    })?;
    match stores.iter().filter(|store| !store.serves).count() {
        0 => Ok(()),
        stores => Err(CliError::KeyStores { stores }),
    }
}

pub(crate) fn tenant(client: &Client<'_>, output: &mut Output<'_>, command: TenantCommand) -> Result<(), CliError> {
    let tenant: Tenant = match command {
        TenantCommand::List => {
            let tenants: Vec<Tenant> = client.all(Endpoint::ListTenants, &[])?;
            return output.list(&tenants, &["ACCOUNT", "NAME", "STATE", "CREATED"], |tenant| {
                vec![tenant.account.clone(), tenant.name.clone(), tenant.state.to_string(), tenant.created.to_string()]
            });
        }
        TenantCommand::Create { account, name } => {
            client.tell(Endpoint::CreateTenant, &[], &CreateTenant { account, name })?
        }
        TenantCommand::RotateDomainKey { account } => {
            let new: RotatedDomainKey = client.ask(Endpoint::RotateDomainKey, &[&account])?;
            return output.one(&new, &[("Domain key", new.domain_key.clone())]);
        }
        TenantCommand::Show { account } => client.ask(Endpoint::GetTenant, &[&account])?,
        TenantCommand::Suspend { account } => client.ask(Endpoint::SuspendTenant, &[&account])?,
        TenantCommand::Resume { account } => client.ask(Endpoint::ResumeTenant, &[&account])?,
    };
    let fields = [
        ("Account", tenant.account.clone()),
        ("Name", tenant.name.clone()),
        ("Root", tenant.arn.clone()),
        ("State", tenant.state.to_string()),
        ("Created", tenant.created.to_string()),
        ("Id", tenant.id.clone()),
    ];
    output.one(&tenant, &fields)
}

pub(crate) fn principal(
    client: &Client<'_>,
    output: &mut Output<'_>,
    command: PrincipalCommand,
) -> Result<(), CliError> {
    let principal: Principal = match command {
        PrincipalCommand::List(TenantOf { tenant }) => {
            let principals: Vec<Principal> = client.all(Endpoint::ListPrincipals, &[&tenant])?;
            return output.list(&principals, &["NAME", "STATE", "CREATED", "ARN"], |principal| {
                let Principal { name, state, created, arn, .. } = principal;
                vec![name.clone(), state.to_string(), created.to_string(), arn.clone()]
            });
        }
        PrincipalCommand::Show { of, name } => {
            let detail: PrincipalDetail = client.ask(Endpoint::GetPrincipal, &[&of.tenant, &name])?;
            let mut fields = principal_fields(&detail.principal);
            fields.push(("Policies", detail.policies.join(", ")));
            return output.one(&detail, &fields);
        }
        PrincipalCommand::Delete { of, name } => {
            let () = client.ask(Endpoint::DeletePrincipal, &[&of.tenant, &name])?;
            return output.done(&format!("deleted {name} with its policies and access keys"));
        }
        PrincipalCommand::Create { of, name, role } => {
            let role = role.as_deref().map(role_of).transpose()?;
            let made: Principal =
                client.tell(Endpoint::CreatePrincipal, &[&of.tenant], &CreatePrincipal { name: name.clone() })?;
            if let Some(role) = role {
                let document = PutPolicy { document: role.document.to_owned() };
                let _: AttachedPolicy = client.tell(Endpoint::PutPolicy, &[&of.tenant, &name, role.name], &document)?;
            }
            made
        }
        PrincipalCommand::Suspend { of, name } => client.ask(Endpoint::SuspendPrincipal, &[&of.tenant, &name])?,
        PrincipalCommand::Resume { of, name } => client.ask(Endpoint::ResumePrincipal, &[&of.tenant, &name])?,
    };
    output.one(&principal, &principal_fields(&principal))
}

/// A role of this name.
pub(crate) fn role_of(name: &str) -> Result<&'static roles::Role, CliError> {
    let known = || roles::ROLES.iter().map(|role| role.name).collect::<Vec<_>>().join(", ");
    roles::find(name).ok_or_else(|| CliError::Usage(format!("there is no role {name:?}; there are: {}", known())))
}

fn principal_fields(principal: &Principal) -> Vec<(&'static str, String)> {
    vec![
        ("Name", principal.name.clone()),
        ("Arn", principal.arn.clone()),
        ("State", principal.state.to_string()),
        ("Created", principal.created.to_string()),
        ("Unique id", principal.unique_id.clone()),
    ]
}

pub(crate) fn access_key(
    client: &Client<'_>,
    output: &mut Output<'_>,
    command: AccessKeyCommand,
) -> Result<(), CliError> {
    let (endpoint, of, id, done) = match command {
        AccessKeyCommand::Create { of, principal, root: _, expires } => {
            let lifetime_seconds = expires.map(|span| span.0.as_secs());
            let make = CreateAccessKey { principal, lifetime_seconds };
            let made: NewAccessKey<'_> = client.tell(Endpoint::CreateAccessKey, &[&of.tenant], &make)?;
            let fields = [
                ("Access key id", made.access_key.access_key_id.clone()),
                ("Secret access key", made.secret_access_key.to_string()),
                ("Expires", made.access_key.expires.as_ref().map_or_else(|| "never".to_owned(), Time::to_string)),
            ];
            output.one(&made, &fields)?;
            return output.done("The secret is shown this once and cannot be shown again.");
        }
        AccessKeyCommand::List { of, principal } => {
            let keys: Page<AccessKey> =
                client.query(Endpoint::ListAccessKeys, &[&of.tenant], &AccessKeyQuery { principal })?;
            return output.list(&keys.items, &["ACCESS KEY ID", "STATE", "CREATED", "EXPIRES", "LAST USED"], |key| {
                let or_never = |time: &Option<Time>| time.as_ref().map_or_else(|| "never".to_owned(), Time::to_string);
                let (id, state, created) = (key.access_key_id.clone(), key.state.to_string(), key.created.to_string());
                vec![id, state, created, or_never(&key.expires), or_never(&key.last_used)]
            });
        }
        AccessKeyCommand::Suspend { of, id } => (Endpoint::SuspendAccessKey, of, id, "suspended"),
        AccessKeyCommand::Resume { of, id } => (Endpoint::ResumeAccessKey, of, id, "resumed"),
        AccessKeyCommand::Delete { of, id } => (Endpoint::DeleteAccessKey, of, id, "deleted"),
    };
    let () = client.ask(endpoint, &[&of.tenant, &id])?;
    output.done(&format!("{done} {id}"))
}
