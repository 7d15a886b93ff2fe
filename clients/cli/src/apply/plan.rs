//! What has to be done for a server to have what a file declares.

use serde::Serialize;
use serde_json::{Value, json};
use strongroom_admin_api::{
    AssumableRole, CreateBinding, CreateKey, CreatePrincipal, CreateRole, CreateTenant, Endpoint, Key, KeyDescription,
    KeyPolicy, KeyRotation, Page, Policy, Principal, PutKeyPolicy, PutPolicy, Tag, Tags, Tenant, UpdateRole,
};

use super::declared;
use super::document::Mistakes;
use crate::client::Client;
use crate::error::CliError;

/// What will be done, in order.
#[derive(Default, Serialize)]
pub(super) struct Plan {
    /// What is made or changed.
    pub(super) steps: Vec<Step>,
    /// How many things are as declared.
    pub(super) unchanged: usize,
    /// Whether key policies are taken that nobody could change again where the keys are used.
    #[serde(skip)]
    bypass_lockout: bool,
}

/// One thing that is made or changed.
#[derive(Serialize)]
pub(super) struct Step {
    /// `create` or `change`.
    pub(super) action: &'static str,
    /// `tenant`, `principal`, `role`, `policy` or `key`.
    pub(super) kind: &'static str,
    /// The tenant's account number.
    pub(super) tenant: String,
    /// Its name.
    pub(super) name: String,
    /// What differs; of what is made, what is declared.
    pub(super) changes: Vec<Change>,
    #[serde(skip)]
    pub(super) acts: Vec<Act>,
}

/// A field that differs.
#[derive(Serialize)]
pub(super) struct Change {
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
}

/// A request.
pub(super) struct Act {
    pub(super) endpoint: Endpoint,
    pub(super) segments: Vec<String>,
    pub(super) body: Value,
}

impl Act {
    fn new(endpoint: Endpoint, segments: &[&str], body: &impl Serialize) -> Result<Self, CliError> {
        let body = serde_json::to_value(body).map_err(|error| CliError::Usage(error.to_string()))?;
        Ok(Self { endpoint, segments: segments.iter().map(|segment| (*segment).to_owned()).collect(), body })
    }
}

impl Change {
    fn new(field: impl Into<String>, from: Option<String>, to: impl Into<String>) -> Self {
        Self { field: field.into(), from, to: to.into() }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, from, to } = self;
        match from {
            Some(from) => write!(formatter, "{field}: {from} -> {to}"),
            None => write!(formatter, "{field}: {to}"),
        }
    }
}

/// Compares what is declared with what is there. What cannot be brought about is noted.
pub(super) fn plan(
    client: &Client<'_>,
    tenants: &[declared::Tenant],
    bypass_lockout: bool,
    mistakes: &mut Mistakes<'_>,
) -> Result<Plan, CliError> {
    let mut plan = Plan { bypass_lockout, ..Plan::default() };
    // Policies of keys and roles name nobody who is not there, in whichever tenant.
    let mut are_new = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let is_new = plan.tenant(client, tenant, mistakes)?;
        plan.principals(client, tenant, is_new)?;
        are_new.push(is_new);
    }
    for (tenant, is_new) in tenants.iter().zip(&are_new) {
        plan.roles(client, tenant, *is_new, mistakes)?;
    }
    for (tenant, is_new) in tenants.iter().zip(&are_new) {
        plan.keys(client, tenant, *is_new, mistakes)?;
    }
    Ok(plan)
}

impl Plan {
    fn create(&mut self, kind: &'static str, tenant: &str, name: &str, changes: Vec<Change>, act: Act) {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.steps.push(Step { action: "create", kind, tenant, name, changes, acts: vec![act] });
    }

    /// Whether the tenant is new.
    fn tenant(
        &mut self,
        client: &Client<'_>,
        declared: &declared::Tenant,
        mistakes: &mut Mistakes<'_>,
    ) -> Result<bool, CliError> {
        let account = declared.account.as_str();
        match client.ask::<Tenant>(Endpoint::GetTenant, &[account]) {
            Ok(found) => {
                if let Some(name) = declared.name.as_ref().filter(|name| **name != found.name) {
                    let problem =
                        format!("the tenant {account} is called {:?}, which cannot become {name:?}", found.name);
                    mistakes.note(declared.at, problem);
                }
                self.unchanged += 1;
                Ok(false)
            }
            Err(CliError::Refused { status: 404, .. }) => {
                let Some(name) = declared.name.clone() else {
                    mistakes
                        .note(declared.at, format!("there is no tenant {account}; to have it made, give its `name`"));
                    return Ok(true);
                };
                let changes = vec![Change::new("name", None, name.as_str())];
                let make = CreateTenant { account: account.to_owned(), name };
                self.create("tenant", account, account, changes, Act::new(Endpoint::CreateTenant, &[], &make)?);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn principals(&mut self, client: &Client<'_>, tenant: &declared::Tenant, is_new: bool) -> Result<(), CliError> {
        let account = tenant.account.as_str();
        let there: Vec<Principal> = match is_new || tenant.principals.is_empty() {
            true => Vec::new(),
            false => client.all(Endpoint::ListPrincipals, &[account])?,
        };
        for declared::Principal { name, policies } in &tenant.principals {
            let mut attached = Vec::new();
            if there.iter().any(|principal| principal.name == *name) {
                self.unchanged += 1;
                attached = client.ask::<Page<Policy>>(Endpoint::ListPolicies, &[account, name])?.items;
            } else {
                let make = CreatePrincipal { name: name.clone() };
                let act = Act::new(Endpoint::CreatePrincipal, &[account], &make)?;
                self.create("principal", account, name, Vec::new(), act);
            }
            self.policies(account, name, policies, &attached)?;
        }
        Ok(())
    }

    fn roles(
        &mut self,
        client: &Client<'_>,
        tenant: &declared::Tenant,
        is_new: bool,
        mistakes: &mut Mistakes<'_>,
    ) -> Result<(), CliError> {
        let account = tenant.account.as_str();
        let there: Vec<AssumableRole> = match is_new || tenant.roles.is_empty() {
            true => Vec::new(),
            false => client.all(Endpoint::ListRoles, &[account])?,
        };
        for declared::Role { at, principal: declared::Principal { name, policies }, trust, session_seconds } in
            &tenant.roles
        {
            let reference = format!("role/{name}");
            let mut attached = Vec::new();
            match (there.iter().find(|role| role.principal.name == reference), trust) {
                (Some(role), _) => {
                    self.role(account, name, role, trust.as_ref(), *session_seconds)?;
                    attached = client.ask::<Page<Policy>>(Endpoint::ListPolicies, &[account, &reference])?.items;
                }
                (None, Some(trust)) => {
                    let (trust_policy, session_seconds) = (trust.clone(), *session_seconds);
                    let changes = vec![Change::new("trust", None, size(trust))];
                    let make = CreateRole { name: name.clone(), trust_policy, session_seconds };
                    self.create("role", account, name, changes, Act::new(Endpoint::CreateRole, &[account], &make)?);
                }
                (None, None) => {
                    mistakes.note(
                        *at,
                        format!("there is no role {name}; to have it made, give its `trust` or `trust-file`"),
                    );
                    continue;
                }
            }
            self.policies(account, &reference, policies, &attached)?;
        }
        Ok(())
    }

    /// A role that is there.
    fn role(
        &mut self,
        account: &str,
        name: &str,
        there: &AssumableRole,
        trust: Option<&String>,
        session_seconds: Option<u32>,
    ) -> Result<(), CliError> {
        let trust_policy = trust.filter(|trust| !same_document(&there.trust_policy, trust)).cloned();
        let session_seconds = session_seconds.filter(|seconds| *seconds != there.session_seconds);
        if trust_policy.is_none() && session_seconds.is_none() {
            self.unchanged += 1;
            return Ok(());
        }
        let mut changes = Vec::new();
        changes.extend(
            trust_policy.iter().map(|trust| Change::new("trust", Some(size(&there.trust_policy)), size(trust))),
        );
        let from = there.session_seconds.to_string();
        changes.extend(session_seconds.map(|to| Change::new("session-seconds", Some(from), to.to_string())));
        let update = UpdateRole { trust_policy, session_seconds };
        let acts = vec![Act::new(Endpoint::UpdateRole, &[account, name], &update)?];
        let (tenant, name) = (account.to_owned(), name.to_owned());
        self.steps.push(Step { action: "change", kind: "role", tenant, name, changes, acts });
        Ok(())
    }

    /// The identity policies of a user or role.
    fn policies(
        &mut self,
        account: &str,
        of: &str,
        policies: &[(String, String)],
        attached: &[Policy],
    ) -> Result<(), CliError> {
        for (policy, document) in policies {
            let former = attached.iter().find(|attached| attached.name == *policy);
            if former.is_some_and(|former| same_document(&former.document, document)) {
                self.unchanged += 1;
                continue;
            }
            let put = PutPolicy { document: document.clone() };
            let act = Act::new(Endpoint::PutPolicy, &[account, of, policy], &put)?;
            let changes = vec![Change::new("document", former.map(|former| size(&former.document)), size(document))];
            self.create("policy", account, &format!("{policy} of {of}"), changes, act);
            if let (Some(step), true) = (self.steps.last_mut(), former.is_some()) {
                step.action = "change";
            }
        }
        Ok(())
    }

    fn keys(
        &mut self,
        client: &Client<'_>,
        tenant: &declared::Tenant,
        is_new: bool,
        mistakes: &mut Mistakes<'_>,
    ) -> Result<(), CliError> {
        let there: Vec<Key> = match is_new || tenant.keys.is_empty() {
            true => Vec::new(),
            false => client.all(Endpoint::ListKeys, &[&tenant.account])?,
        };
        let find = |declared: &declared::Key, name: &String| {
            there.iter().find(|key| {
                let names = |binding: &strongroom_admin_api::Binding| {
                    binding.name == *name && binding.region == declared.region && binding.kind == declared.kind
                };
                key.bindings.iter().any(names)
            })
        };
        for declared in &tenant.keys {
            let Some(alias) = declared.names.first() else { continue };
            let found = find(declared, alias);
            for name in declared.names.iter().skip(1) {
                let other = find(declared, name).filter(|other| found.is_none_or(|key| key.id != other.id));
                if let Some(other) = other {
                    mistakes.note(declared.at, format!("{name} leads to another key, {}; nothing is moved", other.id));
                }
            }
            match found {
                Some(key) => self.key(client, (&tenant.account, alias), declared, key, mistakes)?,
                None => self.new_key(&tenant.account, alias, declared)?,
            }
        }
        Ok(())
    }

    fn new_key(&mut self, account: &str, alias: &str, declared: &declared::Key) -> Result<(), CliError> {
        let declared = declared.clone();
        let mut changes = vec![
            Change::new("region", None, declared.region.as_str()),
            Change::new("spec", None, declared.spec.as_str()),
            Change::new("usage", None, declared.usages.join(", ")),
        ];
        let rotation_period_days = declared.rotation.filter(|days| *days > 0);
        changes.extend(rotation_period_days.map(|days| Change::new("rotation-days", None, days.to_string())));
        let others = declared.names.iter().skip(1).map(|name| Change::new("alias", None, name.as_str()));
        changes.extend(others);
        changes.extend(declared.policy.as_ref().map(|policy| Change::new("policy", None, size(policy))));
        let make = CreateKey {
            region: declared.region,
            kind: declared.kind,
            names: declared.names,
            spec: declared.spec,
            usages: declared.usages,
            description: declared.description.unwrap_or_default(),
            policy: declared.policy,
            tags: declared.tags,
            rotation_period_days,
            bypass_lockout: self.bypass_lockout,
        };
        self.create("key", account, alias, changes, Act::new(Endpoint::CreateKey, &[account], &make)?);
        Ok(())
    }

    fn key(
        &mut self,
        client: &Client<'_>,
        (account, alias): (&str, &str),
        declared: &declared::Key,
        key: &Key,
        mistakes: &mut Mistakes<'_>,
    ) -> Result<(), CliError> {
        for (what, is, wanted) in [
            ("spec", key.spec.clone(), declared.spec.clone()),
            ("usage", key.usages.join(", "), declared.usages.join(", ")),
        ] {
            if is != wanted {
                let problem =
                    format!("{alias} is there with {what} {is}, which cannot become {wanted}: a key keeps it");
                mistakes.note(declared.at, format!("{problem}; make another under another alias"));
            }
        }
        if key.state.starts_with("Destr") {
            mistakes
                .note(declared.at, format!("{alias} leads to a key in state {}; give it back or unbind it", key.state));
        }
        let (mut changes, mut acts) = (Vec::new(), Vec::new());
        let id = [key.id.as_str()];
        if let Some(description) = declared.description.as_ref().filter(|text| **text != key.description) {
            changes.push(Change::new("description", Some(quoted(&key.description)), quoted(description)));
            let body = KeyDescription { description: description.clone() };
            acts.push(Act::new(Endpoint::PutKeyDescription, &id, &body)?);
        }
        if !declared.tags.is_empty() {
            let there: Tags = client.ask(Endpoint::GetKeyTags, &id)?;
            let value = |tag: &Tag| there.tags.iter().find(|there| there.name == tag.name).map(|there| &there.value);
            let differ: Vec<Tag> = declared.tags.iter().filter(|tag| value(tag) != Some(&tag.value)).cloned().collect();
            let change = |tag: &Tag| {
                Change::new(format!("tag {}", tag.name), value(tag).map(|to| quoted(to)), quoted(&tag.value))
            };
            changes.extend(differ.iter().map(change));
            if !differ.is_empty() {
                acts.push(Act::new(Endpoint::TagKey, &id, &Tags { tags: differ })?);
            }
        }
        if let Some(document) = &declared.policy {
            let there: KeyPolicy = client.ask(Endpoint::GetKeyPolicy, &id)?;
            if !same_document(&there.document, document) {
                changes.push(Change::new("policy", Some(size(&there.document)), size(document)));
                let put = PutKeyPolicy { document: document.clone(), bypass_lockout: self.bypass_lockout };
                acts.push(Act::new(Endpoint::PutKeyPolicy, &id, &put)?);
            }
        }
        if let Some(days) = declared.rotation.filter(|days| *days != key.rotation_period_days.unwrap_or_default()) {
            let said = |days: u32| if days == 0 { "never".to_owned() } else { days.to_string() };
            let from = said(key.rotation_period_days.unwrap_or_default());
            changes.push(Change::new("rotation-days", Some(from), said(days)));
            let period_days = Some(days).filter(|days| *days > 0);
            acts.push(Act::new(Endpoint::PutKeyRotation, &id, &KeyRotation { period_days })?);
        }
        for name in &declared.names {
            let names =
                |binding: &strongroom_admin_api::Binding| binding.name == *name && binding.kind == declared.kind;
            if !key.bindings.iter().any(names) {
                changes.push(Change::new("alias", None, name.as_str()));
                let (kind, region) = (declared.kind.clone(), declared.region.clone());
                let bind = CreateBinding { kind, region, name: name.clone(), key: key.id.clone() };
                acts.push(Act::new(Endpoint::CreateBinding, &[account], &bind)?);
            }
        }
        if acts.is_empty() {
            self.unchanged += 1;
            return Ok(());
        }
        let (tenant, name) = (account.to_owned(), alias.to_owned());
        self.steps.push(Step { action: "change", kind: "key", tenant, name, changes, acts });
        Ok(())
    }

    /// The plan for programs.
    pub(super) fn json(&self, applied: usize) -> Value {
        json!({ "steps": self.steps, "unchanged": self.unchanged, "applied": applied })
    }
}

/// Whether two policies say the same: how they are laid out does not matter.
fn same_document(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || read(one).is_some_and(|one| Some(one) == read(other))
}

fn size(document: &str) -> String {
    format!("{} bytes", document.len())
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
