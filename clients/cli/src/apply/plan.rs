//! What has to be done for a server to have what a file declares.

use serde::Serialize;
use serde_json::{Value, json};
use strongroom_admin_api::{
    AssumableRole, CreateBinding, CreateKey, CreatePrincipal, CreateRole, CreateTenant, DryRun, Endpoint, Key,
    KeyDescription, KeyPolicy, KeyRotation, Page, Policy, Principal, PutKeyPolicy, PutPolicy, Tag, Tags, Tenant,
    UpdateRole,
};

use super::declared;
use super::document::Mistakes;
use super::named::Known;
use super::step::{Act, Change, Place, Step};
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

/// How far the server can be asked about what builds on something: by itself, where that is yet to be made.
const fn dry_run(waits: bool) -> Option<DryRun> {
    Some(if waits { DryRun::Alone } else { DryRun::Whole })
}

/// Compares what is declared with what is there. What cannot be brought about is noted.
pub(super) fn plan(
    client: &Client<'_>,
    tenants: &[declared::Tenant],
    bypass_lockout: bool,
    mistakes: &mut Mistakes<'_>,
) -> Result<Plan, CliError> {
    let mut plan = Plan { bypass_lockout, ..Plan::default() };
    let mut known = Known::new(client, tenants);
    // Policies of keys and roles name nobody who is not there, in whichever tenant.
    let mut are_new = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let is_new = plan.tenant(client, tenant, mistakes)?;
        if is_new {
            known.make(&tenant.account, None);
        }
        plan.principals(client, tenant, is_new, &mut known)?;
        are_new.push(is_new);
    }
    for (tenant, is_new) in tenants.iter().zip(&are_new) {
        plan.roles(client, tenant, *is_new, (&mut known, mistakes))?;
    }
    for (tenant, is_new) in tenants.iter().zip(&are_new) {
        plan.keys(client, tenant, *is_new, (&mut known, mistakes))?;
    }
    for act in plan.steps.iter().flat_map(|step| &step.acts) {
        act.rehearse(client, mistakes)?;
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
                let place = (Some(DryRun::Whole), Place::at(declared.at));
                let act = Act::new(Endpoint::CreateTenant, &[], &make, place)?;
                self.create("tenant", account, account, changes, act);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn principals(
        &mut self,
        client: &Client<'_>,
        tenant: &declared::Tenant,
        is_new: bool,
        known: &mut Known<'_, '_>,
    ) -> Result<(), CliError> {
        let account = tenant.account.as_str();
        let there: Vec<Principal> = match is_new || tenant.principals.is_empty() {
            true => Vec::new(),
            false => client.all(Endpoint::ListPrincipals, &[account])?,
        };
        for declared::Principal { at, name, policies } in &tenant.principals {
            let mut attached = None;
            if there.iter().any(|principal| principal.name == *name) {
                self.unchanged += 1;
                attached = Some(client.ask::<Page<Policy>>(Endpoint::ListPolicies, &[account, name])?.items);
            } else {
                let make = CreatePrincipal { name: name.clone() };
                let place = ((!is_new).then_some(DryRun::Whole), Place::at(*at));
                let act = Act::new(Endpoint::CreatePrincipal, &[account], &make, place)?;
                self.create("principal", account, name, Vec::new(), act);
                known.make(account, Some(name));
            }
            self.policies(account, name, policies, attached.as_deref())?;
        }
        Ok(())
    }

    fn roles(
        &mut self,
        client: &Client<'_>,
        tenant: &declared::Tenant,
        is_new: bool,
        (known, mistakes): (&mut Known<'_, '_>, &mut Mistakes<'_>),
    ) -> Result<(), CliError> {
        let account = tenant.account.as_str();
        let there: Vec<AssumableRole> = match is_new || tenant.roles.is_empty() {
            true => Vec::new(),
            false => client.all(Endpoint::ListRoles, &[account])?,
        };
        for role in &tenant.roles {
            let declared::Role { at, principal: declared::Principal { name, policies, .. }, trust, session_seconds } =
                role;
            let reference = format!("role/{name}");
            let mut attached = None;
            match (there.iter().find(|role| role.principal.name == reference), trust) {
                (Some(found), _) => {
                    self.role(account, role, found, (&mut *known, &mut *mistakes))?;
                    attached = Some(client.ask::<Page<Policy>>(Endpoint::ListPolicies, &[account, &reference])?.items);
                }
                (None, Some(trust)) => {
                    let waits = known.check(trust, mistakes)? || is_new;
                    let mut changes = vec![Change::policy("trust", None, &trust.text)];
                    let seconds = session_seconds.map(|seconds| seconds.to_string());
                    changes.extend(seconds.map(|seconds| Change::new("session-seconds", None, seconds)));
                    let (trust_policy, session_seconds) = (trust.text.clone(), *session_seconds);
                    let make = CreateRole { name: name.clone(), trust_policy, session_seconds };
                    let place = Place { policy: Some(trust.at), ..Place::at(*at) };
                    let act = Act::new(Endpoint::CreateRole, &[account], &make, (dry_run(waits), place))?;
                    self.create("role", account, name, changes, act);
                    known.make(account, Some(&reference));
                }
                (None, None) => {
                    let problem = format!("there is no role {name}; to have it made, give its `trust` or `trust-file`");
                    mistakes.note(*at, problem);
                    continue;
                }
            }
            self.policies(account, &reference, policies, attached.as_deref())?;
        }
        Ok(())
    }

    /// A role that is there.
    fn role(
        &mut self,
        account: &str,
        declared: &declared::Role,
        there: &AssumableRole,
        (known, mistakes): (&mut Known<'_, '_>, &mut Mistakes<'_>),
    ) -> Result<(), CliError> {
        let name = declared.principal.name.as_str();
        let differs = |trust: &&declared::Document| !same_document(&there.trust_policy, &trust.text);
        let trust = declared.trust.as_ref().filter(differs);
        let waits = trust.map(|trust| known.check(trust, mistakes)).transpose()?.unwrap_or_default();
        let place = Place { policy: trust.map(|trust| trust.at), ..Place::at(declared.at) };
        let trust_policy = trust.map(|trust| trust.text.clone());
        let session_seconds = declared.session_seconds.filter(|seconds| *seconds != there.session_seconds);
        if trust_policy.is_none() && session_seconds.is_none() {
            self.unchanged += 1;
            return Ok(());
        }
        let mut changes = Vec::new();
        changes.extend(trust_policy.iter().map(|trust| Change::policy("trust", Some(&there.trust_policy), trust)));
        let from = there.session_seconds.to_string();
        changes.extend(session_seconds.map(|to| Change::new("session-seconds", Some(from), to.to_string())));
        let update = UpdateRole { trust_policy, session_seconds };
        let acts = vec![Act::new(Endpoint::UpdateRole, &[account, name], &update, (dry_run(waits), place))?];
        let (tenant, name) = (account.to_owned(), name.to_owned());
        self.steps.push(Step { action: "change", kind: "role", tenant, name, changes, acts });
        Ok(())
    }

    /// The identity policies of a user or role; `attached` is what is there, of one that is.
    fn policies(
        &mut self,
        account: &str,
        of: &str,
        policies: &[declared::Attached],
        attached: Option<&[Policy]>,
    ) -> Result<(), CliError> {
        for declared::Attached { at, name: policy, document } in policies {
            let former = attached.unwrap_or_default().iter().find(|attached| attached.name == *policy);
            if former.is_some_and(|former| same_document(&former.document, document)) {
                self.unchanged += 1;
                continue;
            }
            let put = PutPolicy { document: document.clone() };
            let place = (dry_run(attached.is_none()), Place::at(*at));
            let act = Act::new(Endpoint::PutPolicy, &[account, of, policy], &put, place)?;
            let former_document = former.map(|former| former.document.as_str());
            let changes = vec![Change::policy("document", former_document, document)];
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
        (known, mistakes): (&mut Known<'_, '_>, &mut Mistakes<'_>),
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
                Some(key) => {
                    let account = tenant.account.as_str();
                    self.key(client, (account, alias), declared, key, (&mut *known, &mut *mistakes))?;
                }
                None => {
                    let named = |policy| known.check(policy, mistakes);
                    let waits = declared.policy.as_ref().map(named).transpose()?.unwrap_or_default();
                    self.new_key(&tenant.account, alias, declared, dry_run(waits || is_new))?;
                }
            }
        }
        Ok(())
    }

    fn new_key(
        &mut self,
        account: &str,
        alias: &str,
        declared: &declared::Key,
        dry_run: Option<DryRun>,
    ) -> Result<(), CliError> {
        let (declared, place) = (declared.clone(), place(declared));
        let mut changes = vec![
            Change::new("region", None, declared.region.as_str()),
            Change::new("spec", None, declared.spec.as_str()),
            Change::new("usage", None, declared.usages.join(", ")),
        ];
        changes.extend(declared.description.as_ref().map(|text| Change::text("description", None, text)));
        let tags = declared.tags.iter().map(|tag| Change::text(format!("tag {}", tag.name), None, &tag.value));
        changes.extend(tags);
        let rotation_period_days = declared.rotation.filter(|days| *days > 0);
        changes.extend(rotation_period_days.map(|days| Change::new("rotation-days", None, days.to_string())));
        let others = declared.names.iter().skip(1).map(|name| Change::new("alias", None, name.as_str()));
        changes.extend(others);
        changes.extend(declared.policy.as_ref().map(|policy| Change::policy("policy", None, &policy.text)));
        let make = CreateKey {
            region: Some(declared.region),
            kind: declared.kind,
            names: declared.names,
            spec: declared.spec,
            usages: declared.usages,
            description: declared.description.unwrap_or_default(),
            policy: declared.policy.map(|policy| policy.text),
            tags: declared.tags,
            rotation_period_days,
            bypass_lockout: self.bypass_lockout,
            key_store: None,
        };
        let act = Act::new(Endpoint::CreateKey, &[account], &make, (dry_run, place))?;
        self.create("key", account, alias, changes, act);
        Ok(())
    }

    fn key(
        &mut self,
        client: &Client<'_>,
        (account, alias): (&str, &str),
        declared: &declared::Key,
        key: &Key,
        (known, mistakes): (&mut Known<'_, '_>, &mut Mistakes<'_>),
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
        let whole = || (Some(DryRun::Whole), place(declared));
        if let Some(description) = declared.description.as_ref().filter(|text| **text != key.description) {
            changes.push(Change::text("description", Some(&key.description), description));
            let body = KeyDescription { description: description.clone() };
            acts.push(Act::new(Endpoint::PutKeyDescription, &id, &body, whole())?);
        }
        if !declared.tags.is_empty() {
            let there: Tags = client.ask(Endpoint::GetKeyTags, &id)?;
            let value = |tag: &Tag| there.tags.iter().find(|there| there.name == tag.name).map(|there| &there.value);
            let differ: Vec<Tag> = declared.tags.iter().filter(|tag| value(tag) != Some(&tag.value)).cloned().collect();
            let change =
                |tag: &Tag| Change::text(format!("tag {}", tag.name), value(tag).map(String::as_str), &tag.value);
            changes.extend(differ.iter().map(change));
            if !differ.is_empty() {
                acts.push(Act::new(Endpoint::TagKey, &id, &Tags { tags: differ }, whole())?);
            }
        }
        if let Some(document) = &declared.policy {
            let there: KeyPolicy = client.ask(Endpoint::GetKeyPolicy, &id)?;
            if !same_document(&there.document, &document.text) {
                let waits = known.check(document, mistakes)?;
                changes.push(Change::policy("policy", Some(&there.document), &document.text));
                let put = PutKeyPolicy { document: document.text.clone(), bypass_lockout: self.bypass_lockout };
                acts.push(Act::new(Endpoint::PutKeyPolicy, &id, &put, (dry_run(waits), place(declared)))?);
            }
        }
        if let Some(days) = declared.rotation.filter(|days| *days != key.rotation_period_days.unwrap_or_default()) {
            let said = |days: u32| if days == 0 { "never".to_owned() } else { days.to_string() };
            let from = said(key.rotation_period_days.unwrap_or_default());
            changes.push(Change::new("rotation-days", Some(from), said(days)));
            let period_days = Some(days).filter(|days| *days > 0);
            acts.push(Act::new(Endpoint::PutKeyRotation, &id, &KeyRotation { period_days }, whole())?);
        }
        for name in &declared.names {
            let names =
                |binding: &strongroom_admin_api::Binding| binding.name == *name && binding.kind == declared.kind;
            if !key.bindings.iter().any(names) {
                changes.push(Change::new("alias", None, name.as_str()));
                let (kind, region) = (declared.kind.clone(), declared.region.clone());
                let bind = CreateBinding { kind, region, name: name.clone(), key: key.id.clone() };
                acts.push(Act::new(Endpoint::CreateBinding, &[account], &bind, whole())?);
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

/// Where the parts of a key stand.
fn place(declared: &declared::Key) -> Place {
    Place {
        at: declared.at,
        policy: declared.policy.as_ref().map(|policy| policy.at),
        region: Some(declared.region_at),
        names: declared.names.iter().cloned().zip(declared.names_at.iter().copied()).collect(),
    }
}
