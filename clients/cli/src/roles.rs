//! The commands on roles that can be assumed, and on token issuers.

use strongroom_admin_api::{AssumableRole, CreateRole, Endpoint, Page, Principal, PutIssuer, TokenIssuer, UpdateRole};

use crate::arguments::{Format, IssuerCommand, RoleCommand, TenantOf};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;
use crate::policies;

pub(crate) fn role(client: &Client<'_>, output: &mut Output<'_>, command: RoleCommand) -> Result<(), CliError> {
    let role: AssumableRole = match command {
        RoleCommand::Create { of, name, trust, session } => {
            let trust_policy = policies::read(&trust)?;
            let make = CreateRole { name, trust_policy, session_seconds: session.map(|span| span.seconds()) };
            client.tell(Endpoint::CreateRole, &[&of.tenant], &make)?
        }
        RoleCommand::List(TenantOf { tenant }) => {
            let roles: Vec<AssumableRole> = client.all(Endpoint::ListRoles, &[&tenant])?;
            return output.list(&roles, &["NAME", "STATE", "CREATED", "SESSIONS", "ARN"], |role| {
                let Principal { name, state, created, arn, .. } = &role.principal;
                let seconds = format!("{} s", role.session_seconds);
                vec![name.clone(), state.to_string(), created.to_string(), seconds, arn.clone()]
            });
        }
        RoleCommand::Show { of, name } => client.ask(Endpoint::GetRole, &[&of.tenant, &name])?,
        RoleCommand::Trust { of, name, file: None } => {
            let role: AssumableRole = client.ask(Endpoint::GetRole, &[&of.tenant, &name])?;
            return match output.format() {
                Format::Table => output.text(&role.trust_policy),
                Format::Json | Format::Cloudtrail => output.json(&role),
            };
        }
        RoleCommand::Trust { of, name, file: Some(file) } => {
            let update = UpdateRole { trust_policy: Some(policies::read(&file)?), session_seconds: None };
            client.tell(Endpoint::UpdateRole, &[&of.tenant, &name], &update)?
        }
        RoleCommand::Sessions { of, name, session } => {
            let update = UpdateRole { trust_policy: None, session_seconds: Some(session.seconds()) };
            client.tell(Endpoint::UpdateRole, &[&of.tenant, &name], &update)?
        }
        RoleCommand::Delete { of, name } => {
            let () = client.ask(Endpoint::DeletePrincipal, &[&of.tenant, &reference(&name)])?;
            return output.done(&format!("deleted role {name} with its policies; its sessions have ended"));
        }
        RoleCommand::Suspend { of, name } => {
            let _: Principal = client.ask(Endpoint::SuspendPrincipal, &[&of.tenant, &reference(&name)])?;
            client.ask(Endpoint::GetRole, &[&of.tenant, &name])?
        }
        RoleCommand::Resume { of, name } => {
            let _: Principal = client.ask(Endpoint::ResumePrincipal, &[&of.tenant, &reference(&name)])?;
            client.ask(Endpoint::GetRole, &[&of.tenant, &name])?
        }
    };
    let fields = [
        ("Name", role.principal.name.clone()),
        ("Arn", role.principal.arn.clone()),
        ("State", role.principal.state.to_string()),
        ("Created", role.principal.created.to_string()),
        ("Unique id", role.principal.unique_id.clone()),
        ("Longest session", format!("{} s", role.session_seconds)),
    ];
    output.one(&role, &fields)
}

/// A role, where principals are named.
fn reference(name: &str) -> String {
    format!("role/{name}")
}

pub(crate) fn issuer(client: &Client<'_>, output: &mut Output<'_>, command: IssuerCommand) -> Result<(), CliError> {
    match command {
        IssuerCommand::Put { of, issuer, audiences, keys, authorities } => {
            let read = |path: Option<_>| path.as_deref().map(policies::read).transpose();
            let put = PutIssuer { audiences, keys: read(keys)?, authorities: read(authorities)? };
            let issuer: TokenIssuer = client.tell(Endpoint::PutIssuer, &[&of.tenant, &issuer], &put)?;
            let fields = [
                ("Issuer", issuer.issuer.clone()),
                ("Arn", issuer.arn.clone()),
                ("Audiences", issuer.audiences.join(" ")),
                ("Keys", source(&issuer).to_owned()),
                ("Created", issuer.created.to_string()),
            ];
            output.one(&issuer, &fields)?;
            match issuer.out_of_reach {
                true => output.done(
                    "Warning: none of its tokens is taken: the server's configuration allows no fetching of its keys. \
                     Give them with --keys, or name its origin in issuers of [identity].",
                ),
                false => Ok(()),
            }
        }
        IssuerCommand::List(TenantOf { tenant }) => {
            let issuers: Page<TokenIssuer> = client.ask(Endpoint::ListIssuers, &[&tenant])?;
            output.list(&issuers.items, &["ISSUER", "KEYS", "CREATED", "AUDIENCES"], |issuer| {
                let (url, keys, created) =
                    (issuer.issuer.clone(), source(issuer).to_owned(), issuer.created.to_string());
                vec![url, keys, created, issuer.audiences.join(" ")]
            })
        }
        IssuerCommand::Delete { of, issuer } => {
            let () = client.ask(Endpoint::DeleteIssuer, &[&of.tenant, &issuer])?;
            output.done(&format!("deleted {issuer}; sessions that were begun with its tokens go on until they end"))
        }
    }
}

const fn source(issuer: &TokenIssuer) -> &'static str {
    if issuer.fetched { "fetched" } else { "given" }
}
