//! Principals of a tenant, and the policies attached to them.

use std::sync::Arc;

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::id::{PrincipalId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Precondition, Row, Table};
use strongroom_policy::{Document, Kind as DocumentKind};

use super::inspect::Page;
use super::role;
use crate::call::Mode;
use crate::catalog::{Catalog, PrincipalEntry};
use crate::error::{self, EngineError, InputFault, Noun, Quota};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, PrincipalReference, RoleName, Target};
use crate::rows::{self, CredentialRow, IdentityPolicyRow, PrincipalRow, RoleRow, ServiceRow, role_reference};
use crate::workers::Ground;
use crate::{keys, limits};

/// Makes a principal: a user of a tenant, or a service of the installation.
pub struct CreatePrincipal {
    /// Of which tenant; [`TenantId::INSTALLATION`] for a service.
    pub tenant: TenantId,
    /// Name within the tenant: 1 to 64 letters, digits and `+=,.@_-`. A service's is the one that policies know it by: parts of
    /// letters, digits and `-`, joined by dots, three at least.
    pub name: String,
    /// The name that policies know it by.
    pub policy_name: String,
    /// Identity as policies and answers show it.
    pub unique_id: String,
}

impl Operation for CreatePrincipal {
    type Output = PrincipalRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ManagePrincipals, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<PrincipalRow>, Halt> {
        check_name("the principal's name", &self.name)?;
        if self.tenant == TenantId::INSTALLATION {
            check_service_name(&self.name)?;
        }
        let (policy_name, unique_id) = (self.policy_name.clone(), self.unique_id.clone());
        add(authorized, self.tenant, &self.name, policy_name, unique_id, Kind::User)
    }
}

/// What a principal is to be.
pub(super) enum Kind {
    User,
    /// With what it presupposes: that those whom it trusts are there.
    Role(RoleRow, Vec<Precondition>),
    Service(ServiceRow),
}

/// Adds a principal, whose name among its kind must be free.
pub(super) fn add(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    name: &str,
    policy_name: String,
    unique_id: String,
    kind: Kind,
) -> Result<Outcome<PrincipalRow>, Halt> {
    let engine = authorized.engine();
    let mut batch = Batch::default();
    let (role, service) = match kind {
        Kind::User => (None, None),
        Kind::Role(role, present) => {
            batch.preconditions = present;
            (Some(role), None)
        }
        Kind::Service(service) => (None, Some(service)),
    };
    // Nobody is given a name while rows don't say whom they mean by it.
    if authorized.mode == Mode::Run {
        engine.write_all_meanings(authorized.call().dialect)?;
    }
    let row = PrincipalRow {
        id: PrincipalId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?),
        tenant,
        name: name.to_owned(),
        policy_name,
        created: authorized.now(),
        suspended: false,
        unique_id,
        role,
        service,
    };
    let reference = row.reference();
    let by_name = keys::principal_by_name(tenant, &reference);
    if engine.catalog().snapshot()?.get(Table::PrincipalByName, &by_name)?.is_some() {
        return Err(EngineError::AlreadyExists(Noun::Principal(reference.into())).into());
    }
    batch.insert(Table::PrincipalByName, by_name, row.id.as_bytes().to_vec());
    batch.insert(Table::Principal, keys::principal(tenant, row.id), rows::encode(&row));
    Ok(Outcome::Change(batch, row))
}

/// Reads a principal by name, with the policies attached to it.
pub struct FindPrincipal {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

impl Operation for FindPrincipal {
    type Output = (PrincipalRow, Vec<IdentityPolicyRow>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ReadPrincipals, self.tenant, PrincipalReference::Name(self.name.clone())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (mut principal, _) = find(authorized, self.tenant, &self.name)?;
        role::show(authorized.engine().catalog(), &mut principal)?;
        let prefix = keys::policies_of(self.tenant, principal.id);
        let rows = authorized.engine().catalog().scan_all(Table::IdentityPolicy, &prefix, 1000)?;
        let policies = rows.iter().map(|row| rows::decode("identity policies", &row.value));
        Ok(Outcome::Answer((principal, policies.collect::<Result<_, _>>()?)))
    }
}

/// A kind of principal, as listings know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// Whoever has credentials that last and a name alone.
    User,
    /// What others may be for a while.
    Role,
    /// A service elsewhere that asks for keys.
    Service,
}

impl PrincipalKind {
    /// What stands before the names of this kind.
    const fn prefix(self) -> &'static str {
        match self {
            Self::User => "",
            Self::Role => rows::ROLES,
            Self::Service => rows::SERVICES,
        }
    }
}

/// Lists the principals of a kind in order of their names.
pub struct ListPrincipals {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Which kind.
    pub kind: PrincipalKind,
    /// Begin behind this name.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl Operation for ListPrincipals {
    type Output = Page<PrincipalRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadPrincipals, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let catalog = authorized.engine().catalog();
        let limit = self.limit.clamp(1, 999);
        let named = |name: &str| keys::principal_by_name(self.tenant, name);
        // Users stand among and between the others, which are passed over.
        let others = match self.kind {
            PrincipalKind::User => vec![named(rows::ROLES), named(rows::SERVICES), named(keys::SERVICE_PREFIXES)],
            PrincipalKind::Role | PrincipalKind::Service => Vec::new(),
        };
        let prefix = named(self.kind.prefix());
        let mut after = self.after.as_ref().map(|after| [prefix.as_slice(), after.as_bytes()].concat());
        let snapshot = catalog.snapshot()?;
        let mut found: Vec<Row> = Vec::new();
        loop {
            let wanted = limit + 1 - found.len();
            let page = snapshot.scan(Table::PrincipalByName, &prefix, after.as_deref(), wanted)?;
            let is_last = page.len() < wanted;
            let of = |row: &Row| others.iter().find(|other| row.key.starts_with(other)).cloned();
            let last = page.last().map(|row| (of(row), row.key.clone()));
            found.extend(page.into_iter().filter(|row| of(row).is_none()));
            after = match last {
                // Behind the last of its kind that there can be.
                Some((Some(other), _)) => Some([other.as_slice(), &[u8::MAX]].concat()),
                Some((None, key)) => Some(key),
                None => break,
            };
            if is_last || found.len() > limit {
                break;
            }
        }
        // A reader is held no longer than it is used: the principals below are read through another.
        drop(snapshot);
        let more = found.len() > limit;
        let ids = found.iter().take(limit).filter_map(|row| PrincipalId::from_slice(&row.value));
        let shown = |id| {
            let (mut principal, _) = catalog.load_principal(self.tenant, id)?;
            role::show(catalog, &mut principal)?;
            Ok(principal)
        };
        let items = ids.map(shown);
        Ok(Outcome::Answer(Page { items: items.collect::<Result<_, EngineError>>()?, more }))
    }
}

/// Suspends or resumes a principal.
pub struct SuspendPrincipal {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// Suspended, as opposed to resumed.
    pub suspended: bool,
}

impl Operation for SuspendPrincipal {
    type Output = PrincipalRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManagePrincipals, self.tenant, PrincipalReference::Name(self.name.clone())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<PrincipalRow>, Halt> {
        let (principal, row) = find(authorized, self.tenant, &self.name)?;
        check_self(authorized, &principal)?;
        let principal = PrincipalRow { suspended: self.suspended, ..principal };
        let mut batch = Batch::default();
        batch.replace(Table::Principal, &row, rows::encode(&principal));
        Ok(Outcome::Change(batch, principal))
    }
}

/// Removes a principal with its policies and credentials.
pub struct DeletePrincipal {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

impl Operation for DeletePrincipal {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManagePrincipals, self.tenant, PrincipalReference::Name(self.name.clone())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let (principal, row) = find(authorized, self.tenant, &self.name)?;
        check_self(authorized, &principal)?;
        if principal.service.is_some() {
            return Err(
                EngineError::Unsupported("the removal of a service as a principal, beside its keys' names,").into()
            );
        }
        let mut batch = Batch::default();
        remove(authorized, &principal, row, &mut batch)?;
        Ok(Outcome::Change(batch, ()))
    }
}

/// Removes a principal as it was read, with its policies and credentials.
pub(super) fn remove(
    authorized: &Authorized<'_>,
    principal: &PrincipalRow,
    row: Row,
    batch: &mut Batch,
) -> Result<(), EngineError> {
    let (catalog, tenant) = (authorized.engine().catalog(), principal.tenant);
    batch.delete(Table::Principal, row.key);
    batch.delete(Table::PrincipalByName, keys::principal_by_name(tenant, &principal.reference()));
    for row in catalog.scan_all(Table::IdentityPolicy, &keys::policies_of(tenant, principal.id), 1000)? {
        batch.delete(Table::IdentityPolicy, row.key);
    }
    let credentials = keys::credentials_of(tenant, Some(principal.id));
    for row in catalog.scan_all(Table::CredentialByPrincipal, &credentials, 1000)? {
        batch.delete(Table::Credential, row.key.get(32..).unwrap_or_default().to_vec());
        batch.delete(Table::CredentialByPrincipal, row.key);
    }
    Ok(())
}

/// Attaches a policy to a principal, replacing the one of the same name; without a document, removes it.
pub struct PutIdentityPolicy {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The principal's name.
    pub principal: String,
    /// The policy's name.
    pub name: String,
    /// The policy, or nothing to remove it.
    pub document: Option<String>,
}

impl Operation for PutIdentityPolicy {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManagePrincipals, self.tenant, PrincipalReference::Name(self.principal.clone())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        if self.tenant == TenantId::INSTALLATION {
            return Err(EngineError::Unsupported("a policy of a service; key policies and grants name it").into());
        }
        check_name("the policy's name", &self.name)?;
        let (principal, read) = find(authorized, self.tenant, &self.principal)?;
        let catalog = authorized.engine().catalog();
        let key = keys::identity_policy(self.tenant, principal.id, &self.name);
        let attached = catalog.scan_all(Table::IdentityPolicy, &keys::policies_of(self.tenant, principal.id), 1000)?;
        let exists = attached.iter().any(|row| row.key == key);
        let mut batch = Batch::default();
        // Of two at the same time, one sees the other's policy.
        batch.touch(Table::Principal, &read, read.value.clone());
        match &self.document {
            Some(document) => {
                Document::parse(document, DocumentKind::Identity).map_err(EngineError::InvalidPolicy)?;
                if !exists && attached.len() >= limits::POLICIES_PER_PRINCIPAL {
                    return Err(EngineError::LimitExceeded(Quota::Policies).into());
                }
                let row = IdentityPolicyRow { name: self.name.clone(), document: document.clone() };
                batch.put(Table::IdentityPolicy, key, rows::encode(&row));
            }
            None if exists => batch.delete(Table::IdentityPolicy, key),
            None => return Err(Noun::Policy(self.name.as_str().into()).into()),
        }
        Ok(Outcome::Change(batch, ()))
    }
}

pub(super) fn demands(action: Action, tenant: TenantId) -> Vec<Demand> {
    vec![Demand { action, target: Target::Tenant(tenant), purpose: Purpose::Inspect }]
}

pub(super) fn demands_on(action: Action, tenant: TenantId, principal: PrincipalReference) -> Vec<Demand> {
    vec![Demand { action, target: Target::Principal(tenant, principal), purpose: Purpose::Inspect }]
}

/// A principal as policies know it.
pub(crate) struct Named {
    pub(crate) policy_name: String,
    pub(crate) is_root: bool,
}

/// Whom a request points to; nothing where there is no such principal.
pub(crate) fn named(
    catalog: &Catalog,
    tenant: TenantId,
    reference: &PrincipalReference,
) -> Result<Option<Named>, EngineError> {
    let id = match reference {
        PrincipalReference::Root => None,
        PrincipalReference::Name(name) => {
            let row = catalog.snapshot()?.get(Table::PrincipalByName, &keys::principal_by_name(tenant, name))?;
            match row.and_then(|row| PrincipalId::from_slice(&row.value)) {
                Some(id) => Some(id),
                None => return Ok(None),
            }
        }
        PrincipalReference::Credential(shown) => {
            let row = catalog.snapshot()?.get(Table::Credential, shown.as_bytes())?;
            let row = row.map(|row| rows::decode::<CredentialRow>("credentials", &row.value)).transpose()?;
            match row.filter(|row| row.tenant == tenant) {
                Some(row) => row.principal,
                None => return Ok(None),
            }
        }
    };
    let policy_name = match id {
        None => catalog.load_tenant(tenant)?.0.root_name.clone(),
        Some(id) => catalog.load_principal(tenant, id)?.0.policy_name,
    };
    Ok(Some(Named { policy_name, is_root: id.is_none() }))
}

pub(crate) fn find(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    name: &str,
) -> Result<(PrincipalRow, Row), EngineError> {
    let catalog = authorized.engine().catalog();
    let id = catalog.snapshot()?.get(Table::PrincipalByName, &keys::principal_by_name(tenant, name))?;
    let id = id.and_then(|row| PrincipalId::from_slice(&row.value)).ok_or_else(|| Noun::Principal(name.into()))?;
    catalog.load_principal(tenant, id)
}

/// The role that a request points to, if it is there under the name that policies know it by. Reads the store.
pub(crate) fn role(catalog: &Catalog, wanted: &RoleName, ground: Ground) -> Result<Option<Arc<PrincipalEntry>>, Halt> {
    if ground == Ground::Here {
        return Err(Halt::Move(Ground::Worker));
    }
    let place = keys::principal_by_name(wanted.tenant, &role_reference(&wanted.name));
    let id = catalog.snapshot()?.get(Table::PrincipalByName, &place)?;
    let Some(id) = id.and_then(|row| PrincipalId::from_slice(&row.value)) else { return Ok(None) };
    match catalog.principal(wanted.tenant, id, ground) {
        Ok(role) => Ok(Some(role).filter(|role| role.row.policy_name == *wanted.policy_name)),
        Err(Halt::Fail(EngineError::NotFound(_))) => Ok(None),
        Err(halt) => Err(halt),
    }
}

/// Nobody locks themselves out: whoever is left can always let somebody in.
pub(super) fn check_self(authorized: &Authorized<'_>, principal: &PrincipalRow) -> Result<(), EngineError> {
    match *authorized.call().caller.policy_name == *principal.policy_name {
        true => Err(InputFault::Form { what: "the principal", problem: "is the one that asks; use another" }.into()),
        false => Ok(()),
    }
}

pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), EngineError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    match (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(InputFault::Form { what, problem: "must be 1 to 64 letters, digits or +=,.@_-" }.into()),
    }
}

/// The form that a service's name has in policies and grants.
fn check_service_name(name: &str) -> Result<(), EngineError> {
    let sound = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match name.split('.').count() >= 3 && name.split('.').all(sound) {
        true => Ok(()),
        false => {
            let problem = "must be three or more parts of letters, digits and -, joined by dots";
            Err(InputFault::Form { what: "the service's name", problem }.into())
        }
    }
}
