//! What an administrator sees of a tenant or of the installation: keys, names, roots.

use std::sync::Arc;

use strongroom_audit::note::VerifierKey;
use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::name::Name;
use strongroom_model::purpose::Purpose;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};
use strongroom_model::store::{Row, Table};

use super::inspect::Page;
use crate::catalog::KeyEntry;
use crate::error::EngineError;
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{self, BindingRow, RootRow, TenantRow};

/// Reads a tenant, as its own administrators may.
pub struct ReadTenant {
    /// Which tenant.
    pub tenant: TenantId,
}

impl Operation for ReadTenant {
    type Output = TenantRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadTenants, Target::Tenant(self.tenant)))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<TenantRow>, Halt> {
        let (tenant, _) = authorized.engine().catalog().load_tenant(self.tenant)?;
        Ok(Outcome::Answer(TenantRow::clone(&tenant)))
    }
}

/// Lists a tenant's keys under whatever names they have, in the order of each key's first name.
pub struct ListKeys {
    /// Whose.
    pub tenant: TenantId,
    /// Begin behind this place in the listing.
    pub after: Option<Vec<u8>>,
    /// At most so many, up to 999.
    pub limit: usize,
}

impl Operation for ListKeys {
    /// The keys, and the place behind which more of them stand, if there are more.
    type Output = (Vec<Arc<KeyEntry>>, Option<Vec<u8>>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ListKeys, Target::Tenant(self.tenant)))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (rows, next) = bindings(authorized, self.tenant, self.after.as_deref(), self.limit)?;
        let mut found = Vec::new();
        for row in rows {
            found.extend(key_at(authorized, self.tenant, &row)?);
        }
        Ok(Outcome::Answer((found, next)))
    }
}

/// The key that a binding leads to. A key with several names is listed once, at the first of them.
pub(super) fn key_at(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    row: &Row,
) -> Result<Option<Arc<KeyEntry>>, EngineError> {
    let binding: BindingRow = rows::decode("bindings", &row.value)?;
    let entry = authorized.engine().catalog().load_key(binding.key)?;
    let place = |name: &BindingRow| keys::binding(tenant, &name.region, name.kind, &name.text);
    let listed = entry.names.iter().map(place).min().is_none_or(|first| first == row.key);
    Ok(listed.then(|| Arc::new(entry)))
}

/// Lists every name that leads to a key of a tenant, of all kinds and regions.
pub struct ListBindings {
    /// Whose.
    pub tenant: TenantId,
    /// Begin behind this place in the listing.
    pub after: Option<Vec<u8>>,
    /// At most so many, up to 999.
    pub limit: usize,
}

impl Operation for ListBindings {
    /// The names, and the place behind which more of them stand, if there are more.
    type Output = (Vec<BindingRow>, Option<Vec<u8>>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadBindings, Target::Tenant(self.tenant)))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (rows, next) = bindings(authorized, self.tenant, self.after.as_deref(), self.limit)?;
        let names = rows.iter().map(|row| rows::decode("bindings", &row.value));
        Ok(Outcome::Answer((names.collect::<Result<_, _>>()?, next)))
    }
}

/// Finds where a tenant's names lead to, of those that are there.
pub struct FindBindings {
    /// Whose.
    pub tenant: TenantId,
    /// The names.
    pub names: Vec<Name>,
}

impl Operation for FindBindings {
    type Output = Vec<BindingRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadBindings, Target::Tenant(self.tenant)))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let snapshot = authorized.engine().catalog().snapshot()?;
        let mut found = Vec::new();
        for Name { region, kind, text, .. } in &self.names {
            let row = snapshot.get(Table::Binding, &keys::binding(self.tenant, region, *kind, text))?;
            found.extend(row.map(|row| rows::decode::<BindingRow>("bindings", &row.value)).transpose()?);
        }
        Ok(Outcome::Answer(found))
    }
}

/// A root of trust as this node sees it.
#[derive(Clone, Debug)]
pub struct RootReport {
    /// What the store knows of it.
    pub row: RootRow,
    /// Whether this node has it open.
    pub open: bool,
    /// The key that verifies what it signed of this node's log, under the log's name; `None` when the row is not sound.
    pub verifier: Option<VerifierKey>,
}

/// Lists the roots of trust.
pub struct ListRoots;

impl Operation for ListRoots {
    type Output = Page<RootReport>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadRoots, Target::Installation))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let engine = authorized.engine();
        let open: Vec<_> = engine.vault.roots().iter().map(|root| root.describe().id).collect();
        let origin = engine.log.head().origin;
        let mut items = Vec::new();
        for row in crate::start::roots(engine.catalog().store())? {
            let algorithm = match row.checkpoint_algorithm {
                0 => CheckpointAlgorithm::Ed25519,
                _ => CheckpointAlgorithm::EcdsaP256,
            };
            let key = CheckpointKey { algorithm, public: row.checkpoint_public.clone() };
            let verifier = VerifierKey::new(&origin, key).ok();
            items.push(RootReport { open: open.contains(&row.id), verifier, row });
        }
        Ok(Outcome::Answer(Page { items, more: false }))
    }
}

/// A page of a tenant's bindings as rows, and the place behind which there are more.
pub(super) fn bindings(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<(Vec<Row>, Option<Vec<u8>>), EngineError> {
    let limit = limit.clamp(1, 999);
    let snapshot = authorized.engine().catalog().snapshot()?;
    let mut rows = snapshot.scan(Table::Binding, tenant.as_bytes(), after, limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.key.clone());
    Ok((rows, next))
}

fn demands(action: Action, target: Target) -> Vec<Demand> {
    vec![Demand { action, target, purpose: Purpose::Inspect }]
}
