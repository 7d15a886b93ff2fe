//! The commands on policies.

use std::io::Read;
use std::path::Path;

use serde_json::json;
use strongroom_admin_api::{
    AttachedPolicy, Condition, Endpoint, Explain, ExplainedStatement, Explanation, Page, Policy, PutPolicy, roles,
};

use crate::arguments::{Format, KeyOf, NamedPolicy, PolicyCommand, PolicySource, PrincipalOf};
use crate::client::Client;
use crate::error::CliError;
use crate::limits;
use crate::output::Output;
use crate::reference::id_of;
use crate::resources::role_of;

pub(crate) fn policy(client: &Client<'_>, output: &mut Output<'_>, command: PolicyCommand) -> Result<(), CliError> {
    match command {
        PolicyCommand::Attach { of: PrincipalOf { of, principal }, source, name } => {
            let (default, document) = document(&source)?;
            let name = name.unwrap_or(default);
            let put = PutPolicy { document };
            let AttachedPolicy { warnings } =
                client.tell(Endpoint::PutPolicy, &[&of.tenant, &principal, &name], &put)?;
            let told = json!({ "attached": name, "principal": principal, "warnings": warnings });
            output.outcome(&format!("attached {name} to {principal}"), &told)?;
            warnings.iter().try_for_each(|warning| output.done(&format!("warning: {warning}")))
        }
        PolicyCommand::Detach(NamedPolicy { of: PrincipalOf { of, principal }, name }) => {
            let () = client.ask(Endpoint::DeletePolicy, &[&of.tenant, &principal, &name])?;
            let told = json!({ "detached": name, "principal": principal });
            output.outcome(&format!("detached {name} from {principal}"), &told)
        }
        PolicyCommand::List(PrincipalOf { of, principal }) => {
            let policies: Page<Policy> = client.ask(Endpoint::ListPolicies, &[&of.tenant, &principal])?;
            output.list(&policies.items, &["NAME", "BYTES"], |policy| {
                vec![policy.name.clone(), policy.document.len().to_string()]
            })
        }
        PolicyCommand::Show(NamedPolicy { of: PrincipalOf { of, principal }, name }) => {
            let policy: Policy = client.ask(Endpoint::GetPolicy, &[&of.tenant, &principal, &name])?;
            match output.format() {
                Format::Table => output.text(&policy.document),
                Format::Json | Format::Cloudtrail => output.json(&policy),
            }
        }
        PolicyCommand::Roles { name: Some(name) } => output.text(role_of(&name)?.document),
        PolicyCommand::Roles { name: None } => {
            let names: Vec<_> = roles::ROLES.iter().map(|role| [role.name, role.description]).collect();
            output.list(&names, &["ROLE", "FOR WHOM"], |role| role.iter().map(|text| (*text).to_owned()).collect())
        }
        PolicyCommand::Explain {
            of,
            principal,
            action,
            key,
            name,
            grant,
            on_principal,
            region,
            conditions,
            context,
        } => {
            let condition = |(name, value)| Condition { name, value };
            let called = |key| KeyOf { key, tenant: Some(of.tenant.clone()), region: region.clone() };
            let key = key.map(|key| id_of(client, &called(key))).transpose()?;
            let conditions = conditions.into_iter().map(condition).collect();
            let encryption_context = context.into_iter().map(condition).collect();
            let explain =
                Explain { principal, action, key, name, grant, on_principal, region, conditions, encryption_context };
            let explanation: Explanation = client.tell(Endpoint::ExplainPolicy, &[&of.tenant], &explain)?;
            explained(output, &explanation)
        }
    }
}

fn explained(output: &mut Output<'_>, explanation: &Explanation) -> Result<(), CliError> {
    if output.format() != Format::Table {
        return output.json(explanation);
    }
    let fields = [
        ("Decision", explanation.reason.clone()),
        ("Principal", explanation.principal.clone()),
        ("Action", explanation.action.clone()),
        ("Resource", explanation.resource.clone()),
    ];
    output.one(explanation, &fields)?;
    output.text("\n")?;
    let headings = ["", "EFFECT", "STATEMENT", "SID", "WHY NOT"];
    output.list(&explanation.statements, &headings, |statement| {
        let ExplainedStatement { policy, index, sid, effect, decided, because, .. } = statement;
        let mark = if *decided { "*" } else { "" };
        let place = format!("{policy}[{index}]");
        vec![mark.to_owned(), effect.clone(), place, sid.clone().unwrap_or_default(), because.clone()]
    })?;
    output.text("\n")?;
    output.beside("by policies alone: suspensions and the states of keys are not looked at".to_owned())
}

/// The policy that a command names, with the name that it has by itself.
fn document(source: &PolicySource) -> Result<(String, String), CliError> {
    if let Some(role) = &source.role {
        let role = role_of(role)?;
        return Ok((role.name.to_owned(), role.document.to_owned()));
    }
    let text = read(source.file.as_deref().unwrap_or_else(|| Path::new("-")))?;
    Ok((String::new(), text))
}

/// A document from a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        let from: Box<dyn Read> = match path.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(std::fs::File::open(path)?),
        };
        from.take(limits::DOCUMENT_BYTES + 1).read_to_string(&mut text)?;
        match text.len() as u64 > limits::DOCUMENT_BYTES {
            true => Err(std::io::Error::other("it is longer than any policy may be")),
            false => Ok(text),
        }
    };
    read().map_err(|source| CliError::File { path: path.into(), source })
}
