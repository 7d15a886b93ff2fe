//! What a file declares, checked as far as it can be without a server.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use strongroom_admin_api::{Tag, limits as api, roles, spec, usages};

use super::document::{Mistakes, Node, Table, Value};
use crate::limits;

/// The kind of a key's names where the file names none.
const KIND: &str = "aws-kms-alias";

/// Seconds that a role's session may last at most.
const SESSION_SECONDS: std::ops::RangeInclusive<u32> = 3600..=43_200;
/// What stands in policies for the tenant's account number.
const ACCOUNT: &str = "{account}";

/// A tenant with what is declared in it.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) at: usize,
    pub(super) account: String,
    /// What it is called if it has to be made.
    pub(super) name: Option<String>,
    pub(super) principals: Vec<Principal>,
    pub(super) roles: Vec<Role>,
    pub(super) keys: Vec<Key>,
}

#[derive(Debug)]
pub(super) struct Principal {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) policies: Vec<Attached>,
}

/// An identity policy.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) document: String,
}

/// A document, and where it is declared.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) at: usize,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) at: usize,
    /// Its name, and its identity policies.
    pub(super) principal: Principal,
    /// Who may assume it; needed to make it.
    pub(super) trust: Option<Document>,
    pub(super) session_seconds: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: usize,
    pub(super) region: String,
    pub(super) kind: String,
    /// The first is the one that it is found by.
    pub(super) names: Vec<String>,
    /// Where these are declared, in order.
    pub(super) names_at: Vec<usize>,
    pub(super) region_at: usize,
    pub(super) spec: String,
    pub(super) usages: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) tags: Vec<Tag>,
    pub(super) policy: Option<Document>,
    /// Days; 0 is never.
    pub(super) rotation: Option<u32>,
}

/// What holds for what is declared without it.
pub(super) struct Around<'a> {
    pub(super) tenant: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    /// Where the files are that are named by relative paths.
    pub(super) directory: &'a Path,
}

/// Reads a document. What is wrong with it is noted.
pub(super) fn read(document: &Node, around: &Around<'_>, mistakes: &mut Mistakes<'_>) -> Vec<Tenant> {
    let Some(mut table) = Table::of(document, mistakes) else { return Vec::new() };
    let mut tenants: Vec<Tenant> = Vec::new();
    for mut declared in table.tables("tenant", mistakes) {
        let account = declared.required("account", mistakes);
        let name = declared.text("name", mistakes).map(|(_, name)| name.to_owned());
        let tenant = contents(&mut declared, account.map(|(_, account)| account), name, around, mistakes);
        declared.end(mistakes);
        if let Some((at, account)) = account {
            check_account(at, account, mistakes);
            if tenants.iter().any(|other| other.account == account) {
                mistakes.note(at, format!("the tenant {account} is declared twice"));
            }
        }
        tenants.push(tenant);
    }
    let mut loose = contents(&mut table, around.tenant, None, around, mistakes);
    if !loose.principals.is_empty() || !loose.roles.is_empty() || !loose.keys.is_empty() {
        let first = loose.keys.first().map(|key| key.at).or_else(|| loose.roles.first().map(|role| role.at));
        loose.at = first.unwrap_or_default();
        match around.tenant {
            None => {
                mistakes.note(loose.at, "this is of no tenant: put it under a [[tenant]], or give --tenant ACCOUNT")
            }
            Some(account) => {
                check_account(loose.at, account, mistakes);
                if tenants.iter().any(|other| other.account == account) {
                    mistakes
                        .note(loose.at, format!("the tenant {account} is declared above, and --tenant names it too"));
                }
            }
        }
        tenants.push(loose);
    }
    table.end(mistakes);
    tenants
}

fn check_account(at: usize, account: &str, mistakes: &mut Mistakes<'_>) {
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        mistakes.note(at, "`account` must be 12 digits");
    }
}

fn contents(
    table: &mut Table<'_>,
    account: Option<&str>,
    name: Option<String>,
    around: &Around<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Tenant {
    let mut tenant = Tenant {
        at: table.at,
        account: account.unwrap_or_default().to_owned(),
        name,
        principals: Vec::new(),
        roles: Vec::new(),
        keys: Vec::new(),
    };
    for declared in table.tables("principal", mistakes) {
        let (at, principal) = (declared.at, principal(declared, around, mistakes));
        if tenant.principals.iter().any(|other| other.name == principal.name) {
            mistakes.note(at, format!("the principal {} is declared twice", principal.name));
        }
        tenant.principals.push(principal);
    }
    for declared in table.tables("role", mistakes) {
        let role = role(declared, around, mistakes);
        if tenant.roles.iter().any(|other| other.principal.name == role.principal.name) {
            mistakes.note(role.at, format!("the role {} is declared twice", role.principal.name));
        }
        tenant.roles.push(role);
    }
    for declared in table.tables("key", mistakes) {
        let key = key(declared, around, mistakes);
        for name in &key.names {
            let same = |other: &Key| (&*other.region, &*other.kind) == (&*key.region, &*key.kind);
            if tenant.keys.iter().any(|other| same(other) && other.names.contains(name)) {
                mistakes.note(key.at, format!("{name} is declared twice in {}", key.region));
            }
        }
        tenant.keys.push(key);
    }
    tenant.name_the_account();
    tenant
}

impl Tenant {
    /// Puts the account number where policies leave room for it, so that one file serves many tenants.
    fn name_the_account(&mut self) {
        let principals = self.principals.iter_mut().chain(self.roles.iter_mut().map(|role| &mut role.principal));
        let policies =
            principals.flat_map(|principal| principal.policies.iter_mut().map(|policy| &mut policy.document));
        let of_keys = self.keys.iter_mut().filter_map(|key| Some(&mut key.policy.as_mut()?.text));
        for document in policies.chain(of_keys) {
            *document = document.replace(ACCOUNT, &self.account);
        }
        for trust in self.roles.iter_mut().filter_map(|role| role.trust.as_mut()) {
            trust.text = trust.text.replace(ACCOUNT, &self.account);
        }
    }
}

fn principal(mut table: Table<'_>, around: &Around<'_>, mistakes: &mut Mistakes<'_>) -> Principal {
    let principal = named(&mut table, around, mistakes);
    table.end(mistakes);
    principal
}

fn role(mut table: Table<'_>, around: &Around<'_>, mistakes: &mut Mistakes<'_>) -> Role {
    let at = table.at;
    let principal = named(&mut table, around, mistakes);
    let trust = document(&mut table, ["trust", "trust-file"], around, mistakes);
    let session_seconds = table.take("session-seconds").and_then(|node| {
        let seconds = match &node.value {
            Value::Number(seconds) => u32::try_from(*seconds).ok(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| SESSION_SECONDS.contains(seconds));
        if seconds.is_none() {
            mistakes.note(node.at, "`session-seconds` must be 3600 to 43200");
        }
        seconds
    });
    table.end(mistakes);
    Role { at, principal, trust, session_seconds }
}

/// The name and the identity policies of a user or role.
fn named(table: &mut Table<'_>, around: &Around<'_>, mistakes: &mut Mistakes<'_>) -> Principal {
    let begin = table.at;
    let name = table.required("name", mistakes).map_or_else(String::new, |(at, name)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            mistakes.note(at, "`name` must be 1 to 64 letters, digits and +=,.@_-");
        }
        name.to_owned()
    });
    let mut policies: Vec<Attached> = Vec::new();
    // The policies that ship with the product under names of their own.
    for (at, role) in table.texts("policies", mistakes) {
        match roles::find(role) {
            Some(role) => {
                policies.push(Attached { at, name: role.name.to_owned(), document: role.document.to_owned() });
            }
            None => {
                let known = roles::ROLES.iter().map(|role| role.name).collect::<Vec<_>>().join(", ");
                mistakes.note(at, format!("{role:?} is no policy that ships with the product; there are {known}"));
            }
        }
    }
    for mut declared in table.tables("policy", mistakes) {
        let name = declared.required("name", mistakes);
        let text = document(&mut declared, ["document", "file"], around, mistakes);
        if let (Some((at, name)), Some(text)) = (name, &text) {
            if policies.iter().any(|other| other.name == name) {
                mistakes.note(at, format!("the policy {name} is declared twice"));
            }
            policies.push(Attached { at: text.at, name: name.to_owned(), document: text.text.clone() });
        } else if text.is_none() {
            mistakes.note(declared.at, "a policy needs a `document` or a `file`");
        }
        declared.end(mistakes);
    }
    Principal { at: begin, name, policies }
}

/// A policy document in the file, or in another.
fn document(
    table: &mut Table<'_>,
    [inside, outside]: [&str; 2],
    around: &Around<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Document> {
    let (inner, outer) = (table.text(inside, mistakes), table.text(outside, mistakes));
    let (at, text) = match (inner, outer) {
        (None, None) => return None,
        (Some((at, text)), None) => (at, text.to_owned()),
        (None, Some((at, path))) => match file(&around.directory.join(path)) {
            Ok(text) => (at, text),
            Err(error) => {
                mistakes.note(at, format!("{path:?} cannot be read: {error}"));
                return Some(Document { at, text: String::new() });
            }
        },
        (Some(_), Some((at, _))) => {
            mistakes.note(at, format!("`{inside}` and `{outside}` exclude each other"));
            return Some(Document { at, text: String::new() });
        }
    };
    if let Err(error) = serde_json::from_str::<Json>(&text) {
        mistakes.note(at, format!("the policy is no JSON: {error}"));
    }
    Some(Document { at, text })
}

fn file(path: &PathBuf) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(limits::DOCUMENT_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > limits::DOCUMENT_BYTES {
        true => Err(std::io::Error::other("it is longer than any policy may be")),
        false => Ok(text),
    }
}

fn key(mut table: Table<'_>, around: &Around<'_>, mistakes: &mut Mistakes<'_>) -> Key {
    let at = table.at;
    let kind = table.text("kind", mistakes).map_or(KIND, |(_, kind)| kind).to_owned();
    let mut names: Vec<String> = Vec::new();
    let mut names_at = Vec::new();
    let alias = table.required("alias", mistakes);
    for (at, name) in alias.into_iter().chain(table.texts("aliases", mistakes)) {
        if kind == KIND && !name.starts_with("alias/") {
            mistakes.note(at, "an alias must begin with \"alias/\"");
        }
        if names.iter().any(|other| other == name) {
            mistakes.note(at, format!("{name} is there twice"));
        }
        names.push(name.to_owned());
        names_at.push(at);
    }
    let region = table.text("region", mistakes);
    let region_at = region.map_or(at, |(at, _)| at);
    let region = region.map(|(_, region)| region).or(around.region);
    if region.is_none() {
        mistakes.note(at, "`region` is missing: name it here, or give --region");
    }
    let (spec, usages) = made_of(&mut table, mistakes);
    let description = table.text("description", mistakes).map(|(at, text)| {
        if text.chars().count() > api::DESCRIPTION_CHARACTERS {
            mistakes.note(at, "`description` must have at most 8192 characters");
        }
        text.to_owned()
    });
    let tags = tags(&mut table, mistakes);
    let policy = document(&mut table, ["policy", "policy-file"], around, mistakes);
    let rotation = rotation(&mut table, &spec, mistakes);
    table.end(mistakes);
    let region = region.unwrap_or_default().to_owned();
    Key { at, region, kind, names, names_at, region_at, spec, usages, description, tags, policy, rotation }
}

/// Kind of material, and what it is for.
fn made_of(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> (String, Vec<String>) {
    let (at, name) = table.text("spec", mistakes).unwrap_or((table.at, "Aes256"));
    let asked = table.texts("usage", mistakes);
    let used_at = asked.first().map_or(at, |(at, _)| *at);
    let asked: Vec<String> = asked.into_iter().map(|(_, usage)| usage.to_owned()).collect();
    let known = match spec(name) {
        Ok(spec) => usages(&asked, spec).map_err(|problem| (used_at, problem)),
        Err(problem) => Err((at, problem)),
    };
    let usages = known.unwrap_or_else(|(at, problem)| {
        mistakes.note(at, problem);
        Vec::new()
    });
    (name.to_owned(), usages.iter().map(|usage| format!("{usage:?}")).collect())
}

fn tags(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Vec<Tag> {
    let Some(node) = table.take("tags") else { return Vec::new() };
    let Value::Table(entries) = &node.value else {
        mistakes.note(node.at, "`tags` must be a table of texts: { Name = \"value\" }");
        return Vec::new();
    };
    if entries.len() > api::TAGS {
        mistakes.note(node.at, "a key has at most 50 tags");
    }
    let mut tags = Vec::new();
    for (name, value) in entries {
        if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            mistakes.note(value.at, format!("the tag `{name}` is reserved, as every one that begins with aws:"));
        }
        match &value.value {
            Value::Text(value) => tags.push(Tag { name: name.clone(), value: value.clone() }),
            _ => mistakes.note(value.at, format!("the value of the tag `{name}` must be a text in quotes")),
        }
    }
    tags
}

fn rotation(table: &mut Table<'_>, spec: &str, mistakes: &mut Mistakes<'_>) -> Option<u32> {
    let node = table.take("rotation-days")?;
    let days = match &node.value {
        Value::Number(days) => u32::try_from(*days).ok(),
        _ => None,
    };
    let Some(days) = days.filter(|days| *days == 0 || api::ROTATION_DAYS.contains(days)) else {
        mistakes.note(node.at, "`rotation-days` must be 90 to 2560, or 0 for never");
        return None;
    };
    if days > 0 && spec != "Aes256" {
        mistakes.note(node.at, "only Aes256 keys are rotated: whoever holds a public key can't be told of a new one");
    }
    // Never is what holds for every other key.
    (spec == "Aes256").then_some(days)
}
