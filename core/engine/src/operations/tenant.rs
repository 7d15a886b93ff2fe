//! Tenants: made, listed, suspended and resumed.

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Table};

use super::inspect::Page;
use crate::error::{self, EngineError, InputFault, Noun};
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{self, TenantRow};

/// Makes a tenant with its domain key.
pub struct CreateTenant {
    /// Account number: 12 digits.
    pub account: String,
    /// Name for people.
    pub name: String,
    /// The name that policies know the tenant's root by.
    pub root_name: String,
}

impl Operation for CreateTenant {
    type Output = TenantRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::ManageTenants)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<TenantRow>, Halt> {
        let engine = authorized.engine();
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(
                EngineError::from(InputFault::Form { what: "the account", problem: "must have 12 digits" }).into()
            );
        }
        let by_account = self.account.as_bytes().to_vec();
        if engine.catalog().snapshot()?.get(Table::TenantByAccount, &by_account)?.is_some() {
            return Err(EngineError::AlreadyExists(Noun::Tenant(self.account.as_str().into())).into());
        }
        // What follows has every root wrap a key.
        authorized.may_ask()?;
        let id = TenantId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?);
        let (domain_key, _) = engine.vault.new_domain_key(id, authorized.now())?;
        let tenant = TenantRow {
            id,
            account: self.account.clone(),
            name: self.name.clone(),
            suspended: false,
            created: authorized.now(),
            domain_key: domain_key.id,
            root_name: self.root_name.clone(),
        };
        let mut batch = Batch::default();
        batch.insert(Table::TenantByAccount, by_account, id.as_bytes().to_vec());
        batch.insert(Table::DomainKey, keys::domain_key(id, domain_key.id), rows::encode(&domain_key));
        batch.insert(Table::Tenant, id.as_bytes().to_vec(), rows::encode(&tenant));
        Ok(Outcome::Change(batch, tenant))
    }
}

/// Finds a tenant by its account number.
pub struct FindTenant {
    /// Account number.
    pub account: String,
}

impl Operation for FindTenant {
    type Output = TenantRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::ReadTenants)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<TenantRow>, Halt> {
        let catalog = authorized.engine().catalog();
        let id = catalog.snapshot()?.get(Table::TenantByAccount, self.account.as_bytes())?;
        let id = id.and_then(|row| TenantId::from_slice(&row.value));
        let id = id.ok_or_else(|| Noun::Tenant(self.account.as_str().into()))?;
        let (tenant, _) = catalog.load_tenant(id)?;
        Ok(Outcome::Answer(TenantRow::clone(&tenant)))
    }
}

/// Lists tenants, in order of their account numbers.
pub struct ListTenants {
    /// Begin behind this account.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl Operation for ListTenants {
    type Output = Page<TenantRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::ReadTenants)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let catalog = authorized.engine().catalog();
        let limit = self.limit.clamp(1, 999);
        let after = self.after.as_ref().map(String::as_bytes);
        let rows = catalog.snapshot()?.scan(Table::TenantByAccount, &[], after, limit + 1)?;
        let more = rows.len() > limit;
        let ids = rows.iter().take(limit).filter_map(|row| TenantId::from_slice(&row.value));
        let items = ids.map(|id| Ok(TenantRow::clone(&*catalog.load_tenant(id)?.0)));
        Ok(Outcome::Answer(Page { items: items.collect::<Result<_, EngineError>>()?, more }))
    }
}

/// Throws or lifts a tenant's kill switch.
pub struct SuspendTenant {
    /// Which tenant; [`TenantId::INSTALLATION`] for all of them at once.
    pub tenant: TenantId,
    /// Thrown, as opposed to lifted.
    pub suspended: bool,
}

impl Operation for SuspendTenant {
    type Output = TenantRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![demand(Action::Suspend)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<TenantRow>, Halt> {
        let (tenant, row) = authorized.engine().catalog().load_tenant(self.tenant)?;
        let tenant = TenantRow { suspended: self.suspended, ..TenantRow::clone(&tenant) };
        let mut batch = Batch::default();
        batch.replace(Table::Tenant, &row, rows::encode(&tenant));
        Ok(Outcome::Change(batch, tenant))
    }
}

fn demand(action: Action) -> Demand {
    Demand { action, target: Target::Installation, purpose: Purpose::Inspect }
}
