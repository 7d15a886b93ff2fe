//! Domain keys: rotated on demand; the rest is done by the scheduler's sweep, in the acts that stand here.

use strongroom_model::action::Action;
use strongroom_model::id::{DomainKeyId, KeyId, RootId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Table};

use super::key::unchanged;
use crate::error::EngineError;
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{self, CredentialRow, DomainKeyRow, TenantRow, VersionRow};

/// Gives a tenant a new domain key. Whatever the former one wraps is wrapped anew by the sweep, and then that is destroyed.
pub struct RotateDomainKey {
    /// Which tenant; [`TenantId::INSTALLATION`] for the installation's own.
    pub tenant: TenantId,
}

impl Operation for RotateDomainKey {
    type Output = DomainKeyId;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = match self.tenant {
            TenantId::INSTALLATION => Target::Installation,
            tenant => Target::Tenant(tenant),
        };
        Ok(vec![Demand { action: Action::RotateDomainKey, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<DomainKeyId>, Halt> {
        let engine = authorized.engine();
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        let (domain_key, _) = engine.vault.new_domain_key(self.tenant, authorized.now())?;
        let tenant = TenantRow { domain_key: domain_key.id, ..TenantRow::clone(&tenant) };
        let mut batch = Batch::default();
        batch.insert(Table::DomainKey, keys::domain_key(self.tenant, domain_key.id), rows::encode(&domain_key));
        batch.replace(Table::Tenant, &read, rows::encode(&tenant));
        Ok(Outcome::Change(batch, domain_key.id))
    }
}

/// Brings the wraps of domain keys to the roots that there are.
pub(crate) struct WrapDomainKeys {
    /// Keys of their rows.
    pub(crate) places: Vec<Vec<u8>>,
    /// The roots that the installation has.
    pub(crate) roots: Vec<RootId>,
}

impl Operation for WrapDomainKeys {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let engine = authorized.engine();
        let snapshot = engine.catalog().snapshot()?;
        let mut batch = Batch::default();
        for place in &self.places {
            let Some(read) = snapshot.get(Table::DomainKey, place)? else { continue };
            let row: DomainKeyRow = rows::decode("domain keys", &read.value)?;
            if let Some(row) = engine.vault.rewrapped(&row, &self.roots)? {
                batch.replace(Table::DomainKey, &read, rows::encode(&row));
            }
        }
        Ok(changed(batch))
    }
}

/// Wraps key material anew that former domain keys have wrapped.
pub(crate) struct RewrapKeys {
    pub(crate) tenant: TenantId,
    pub(crate) keys: Vec<KeyId>,
}

impl Operation for RewrapKeys {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let engine = authorized.engine();
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        let mut batch = Batch::default();
        batch.preconditions.push(unchanged(Table::Tenant, &read));
        for key in &self.keys {
            let entry = engine.catalog().load_key(*key)?;
            let mut touched = false;
            for read in engine.catalog().scan_all(Table::KeyVersion, key.as_bytes(), usize::MAX)? {
                let version: VersionRow = rows::decode("key versions", &read.value)?;
                if let Some(wrapped) = engine.vault.rewrap_version(&entry.row, &version, tenant.domain_key)? {
                    batch.replace(Table::KeyVersion, &read, rows::encode(&VersionRow { wrapped, ..version }));
                    touched = true;
                }
            }
            if touched {
                // Whoever writes a version writes its key, too, so that nobody who read the key before overwrites it.
                batch.replace(Table::Key, &entry.as_read(), rows::encode(&entry.row));
            }
        }
        Ok(changed(batch))
    }
}

/// Seals credentials anew that former domain keys have sealed.
pub(crate) struct ResealCredentials {
    pub(crate) tenant: TenantId,
    pub(crate) places: Vec<Vec<u8>>,
}

impl Operation for ResealCredentials {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let engine = authorized.engine();
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        let snapshot = engine.catalog().snapshot()?;
        let mut batch = Batch::default();
        batch.preconditions.push(unchanged(Table::Tenant, &read));
        for place in &self.places {
            let Some(read) = snapshot.get(Table::Credential, place)? else { continue };
            let row: CredentialRow = rows::decode("credentials", &read.value)?;
            if let Some(sealed) = engine.vault.reseal_credential(&row, tenant.domain_key)? {
                batch.replace(Table::Credential, &read, rows::encode(&CredentialRow { sealed, ..row }));
            }
        }
        Ok(changed(batch))
    }
}

/// Destroys a tenant's former domain keys, of which nothing is left.
pub(crate) struct DestroyDomainKeys {
    pub(crate) tenant: TenantId,
    /// The one that stays, under which everything was found.
    pub(crate) current: DomainKeyId,
}

impl Operation for DestroyDomainKeys {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let engine = authorized.engine();
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        let mut batch = Batch::default();
        if tenant.domain_key != self.current {
            return Ok(changed(batch));
        }
        batch.preconditions.push(unchanged(Table::Tenant, &read));
        let current = keys::domain_key(self.tenant, self.current);
        for row in engine.catalog().scan_all(Table::DomainKey, self.tenant.as_bytes(), usize::MAX)? {
            if row.key != current {
                batch.delete(Table::DomainKey, row.key);
            }
        }
        Ok(changed(batch))
    }
}

/// That verifiers know a root's checkpoint key.
pub(crate) struct MarkIntroduced {
    pub(crate) root: RootId,
}

impl Operation for MarkIntroduced {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let mut batch = Batch::default();
        for (row, read) in super::root::root_rows(authorized.engine())? {
            if row.id == self.root {
                batch.replace(Table::Root, &read, rows::encode(&rows::RootRow { introduced: true, ..row }));
            }
        }
        Ok(changed(batch))
    }
}

fn changed(batch: Batch) -> Outcome<()> {
    match batch.changes.is_empty() {
        true => Outcome::Answer(()),
        false => Outcome::Change(batch, ()),
    }
}

fn scheduled() -> Vec<Demand> {
    vec![Demand { action: Action::Scheduled, target: Target::Installation, purpose: Purpose::Inspect }]
}
