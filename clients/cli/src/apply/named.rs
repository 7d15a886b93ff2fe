//! Whom the policies of a file name: those who are there, and those whom earlier steps of the plan make. The server refuses
//! a policy that names anyone else.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use strongroom_admin_api::Endpoint;

use super::declared::{Document, Tenant};
use super::document::Mistakes;
use crate::client::Client;
use crate::error::CliError;

/// An account, or with a reference a principal of one: `NAME` or `role/NAME`.
type Named = (String, Option<String>);

/// Who is there, as far as was asked, and who will be.
pub(super) struct Known<'c, 'e> {
    client: &'c Client<'e>,
    /// Whom the file declares anywhere.
    declared: HashSet<Named>,
    /// Whom the plan has made so far.
    made: HashSet<Named>,
    asked: HashMap<Named, bool>,
}

impl<'c, 'e> Known<'c, 'e> {
    pub(super) fn new(client: &'c Client<'e>, tenants: &[Tenant]) -> Self {
        let mut declared = HashSet::new();
        for tenant in tenants {
            declared.insert((tenant.account.clone(), None));
            let users = tenant.principals.iter().map(|user| user.name.clone());
            let roles = tenant.roles.iter().map(|role| format!("role/{}", role.principal.name));
            declared.extend(users.chain(roles).map(|reference| (tenant.account.clone(), Some(reference))));
        }
        Self { client, declared, made: HashSet::new(), asked: HashMap::new() }
    }

    /// Someone who is made by a step of the plan.
    pub(super) fn make(&mut self, account: &str, reference: Option<&str>) {
        self.made.insert((account.to_owned(), reference.map(str::to_owned)));
    }

    /// Notes whom a document names who neither is there nor will be by then. Answers whether it names somebody who will be.
    pub(super) fn check(&mut self, document: &Document, mistakes: &mut Mistakes<'_>) -> Result<bool, CliError> {
        let mut waits = false;
        for (text, named) in principals(&document.text) {
            if self.made.contains(&named) {
                waits = true;
            } else if self.declared.contains(&named) && !self.is_there(&named)? {
                let problem = format!("{text:?} is made only after this policy: declare it further up");
                mistakes.note(document.at, problem);
                waits = true;
            } else if !self.is_there(&named)? {
                let problem = format!("the policy names {text:?}, who does not exist: declare it, or mend its name");
                mistakes.note(document.at, problem);
                waits = true;
            }
        }
        Ok(waits)
    }

    /// Whether the server has somebody; whom this caller may not ask about is left to the server to judge.
    fn is_there(&mut self, named: &Named) -> Result<bool, CliError> {
        if let Some(is_there) = self.asked.get(named) {
            return Ok(*is_there);
        }
        let (account, reference) = named;
        let found: Result<Value, CliError> = match reference {
            None => self.client.ask(Endpoint::GetTenant, &[account]),
            Some(reference) => self.client.ask(Endpoint::GetPrincipal, &[account, reference]),
        };
        let is_there = match found {
            Ok(_) | Err(CliError::Refused { status: 403, .. }) => true,
            Err(CliError::Refused { status: 404, .. }) => false,
            Err(error) => return Err(error),
        };
        self.asked.insert(named.clone(), is_there);
        Ok(is_there)
    }
}

/// The accounts, users and roles that a policy names, each as it is written. What is no policy has none: that is for the
/// server to refuse.
fn principals(document: &str) -> Vec<(String, Named)> {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Vec::new() };
    let several = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let statements = document.get("Statement").map(several).unwrap_or_default();
    let members = statements.iter().flat_map(|statement| {
        let members = ["Principal", "NotPrincipal"].into_iter().filter_map(|name| statement.get(name)?.get("AWS"));
        members.flat_map(several).collect::<Vec<_>>()
    });
    members.filter_map(|member| Some((member.as_str()?.to_owned(), named(member.as_str()?)?))).collect()
}

fn named(text: &str) -> Option<Named> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((text.to_owned(), None));
    }
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    let (_, service, _, account, resource) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let last = || name.rsplit('/').next().unwrap_or(name).to_owned();
    let reference = match (service, kind) {
        ("iam", "root") => None,
        ("iam", "user") => Some(last()),
        ("iam", "role") => Some(format!("role/{}", last())),
        ("sts", "assumed-role") => Some(format!("role/{}", name.split('/').next().unwrap_or(name))),
        _ => return None,
    };
    Some((account.to_owned(), reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_users_and_roles_are_told_from_services_and_everyone() {
        let document = r#"{"Statement":[{"Principal":{"AWS":["111122223333","arn:aws:iam::1:user/team/a",
            "arn:aws:iam::1:role/r","arn:aws:sts::1:assumed-role/r/session","arn:aws:iam::1:root","*","AIDAX"]}},
            {"NotPrincipal":{"AWS":"arn:aws:iam::2:user/b"}},{"Principal":{"Service":"s3.amazonaws.com"}},
            {"Principal":"*"}]}"#;
        let found: Vec<Named> = principals(document).into_iter().map(|(_, named)| named).collect();
        let named = |account: &str, reference: Option<&str>| (account.to_owned(), reference.map(str::to_owned));
        let expected = [
            named("111122223333", None),
            named("1", Some("a")),
            named("1", Some("role/r")),
            named("1", Some("role/r")),
            named("1", None),
            named("2", Some("b")),
        ];
        assert_eq!(found, expected);
        assert!(principals("{}").is_empty() && principals("[").is_empty());
    }
}
