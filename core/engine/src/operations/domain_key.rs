//! Domain keys: rotated on demand; the rest is done by the scheduler's sweep, in the acts that stand here.

use strongroom_model::action::Action;
use strongroom_model::id::{DomainKeyId, KeyId, RootId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Row, Table};

use super::key::unchanged;
use crate::Engine;
use crate::error::EngineError;
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{self, CredentialRow, DomainKeyRow, ExternalLinkRow, KeyRow, StoreLinksRow, TenantRow, VersionRow};

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
    /// How many are damaged, and were left as they are.
    type Output = usize;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<usize>, Halt> {
        let engine = authorized.engine();
        let snapshot = engine.catalog().snapshot()?;
        let (mut batch, mut damaged) = (Batch::default(), 0);
        for place in &self.places {
            let Some(read) = snapshot.get(Table::DomainKey, place)? else { continue };
            let row: DomainKeyRow = rows::decode("domain keys", &read.value)?;
            match engine.vault.rewrapped(&row, &self.roots) {
                Ok(Some(row)) => batch.replace(Table::DomainKey, &read, rows::encode(&row)),
                Ok(None) => {}
                Err(error) if error.is_damage() => {
                    damaged += 1;
                    tracing::error!(tenant = %row.tenant, domain_key = %row.id, %error, cause = ?error, "a domain key can't be wrapped by every root");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changed(batch, damaged))
    }
}

/// Wraps key material anew that former domain keys have wrapped.
pub(crate) struct RewrapKeys {
    pub(crate) tenant: TenantId,
    pub(crate) keys: Vec<KeyId>,
}

impl Operation for RewrapKeys {
    /// How many keys are damaged, and were left as they are.
    type Output = usize;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<usize>, Halt> {
        let engine = authorized.engine();
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        let (mut batch, mut damaged) = (Batch::default(), 0);
        batch.preconditions.push(unchanged(Table::Tenant, &read));
        for key in &self.keys {
            match rewrap_key(engine, *key, tenant.domain_key, &mut batch) {
                Ok(()) => {}
                Err(Halt::Fail(error)) if error.is_damage() => {
                    damaged += 1;
                    tracing::error!(%key, %error, cause = ?error, "a key can't be wrapped anew; the former domain keys of its tenant are kept");
                }
                Err(other) => return Err(other),
            }
        }
        Ok(changed(batch, damaged))
    }
}

/// Adds the wrapping anew of a key's versions to a batch: of all that are not damaged, even when others are.
fn rewrap_key(engine: &Engine, id: KeyId, current: DomainKeyId, batch: &mut Batch) -> Result<(), Halt> {
    let Some(read) = engine.catalog().snapshot()?.get(Table::Key, id.as_bytes())? else { return Ok(()) };
    let key: KeyRow = rows::decode("keys", &read.value)?;
    let (mut touched, mut damage) = (false, None);
    for read in engine.catalog().scan_all(Table::KeyVersion, id.as_bytes(), usize::MAX)? {
        match rewrapped(engine, &key, &read, current) {
            Ok(None) => {}
            Ok(Some(version)) => {
                batch.replace(Table::KeyVersion, &read, rows::encode(&version));
                touched = true;
            }
            Err(Halt::Fail(error)) if error.is_damage() => damage = Some(error),
            Err(other) => return Err(other),
        }
    }
    if touched {
        // Whoever writes a version writes its key, too, so that nobody who read the key before overwrites it.
        batch.replace(Table::Key, &read, rows::encode(&key));
    }
    damage.map_or(Ok(()), |error| Err(error.into()))
}

fn rewrapped(engine: &Engine, key: &KeyRow, read: &Row, current: DomainKeyId) -> Result<Option<VersionRow>, Halt> {
    let mut version: VersionRow = rows::decode("key versions", &read.value)?;
    let wrapped = engine.vault.rewrap_version(key, &version, current)?;
    let digest = engine.vault.reseal_digest(key, &version, current)?;
    if wrapped.is_none() && digest.is_none() {
        return Ok(None);
    }
    version.wrapped = wrapped.unwrap_or(version.wrapped);
    if let (Some(digest), Some(imported)) = (digest, &mut version.imported) {
        imported.digest = digest;
    }
    Ok(Some(version))
}

/// Seals credentials anew that former domain keys have sealed: the tenant's own, and those that links have.
pub(crate) struct ResealCredentials {
    pub(crate) tenant: TenantId,
    /// [`Table::Credential`] or [`Table::StoreLink`].
    pub(crate) table: Table,
    pub(crate) places: Vec<Vec<u8>>,
}

impl Operation for ResealCredentials {
    /// How many are damaged, and were left as they are.
    type Output = usize;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<usize>, Halt> {
        let engine = authorized.engine();
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        let snapshot = engine.catalog().snapshot()?;
        let (mut batch, mut damaged) = (Batch::default(), 0);
        batch.preconditions.push(unchanged(Table::Tenant, &read));
        for place in &self.places {
            let Some(read) = snapshot.get(self.table, place)? else { continue };
            let resealed = match self.table {
                Table::Credential => resealed_credential(engine, &read, tenant.domain_key),
                _ => resealed_links(engine, self.tenant, &read, tenant.domain_key),
            };
            match resealed {
                Ok(Some(value)) => batch.replace(self.table, &read, value),
                Ok(None) => {}
                Err(Halt::Fail(error)) if error.is_damage() => {
                    damaged += 1;
                    tracing::error!(%error, cause = ?error, "a credential can't be sealed anew; the former domain keys of its tenant are kept");
                }
                Err(other) => return Err(other),
            }
        }
        Ok(changed(batch, damaged))
    }
}

fn resealed_credential(engine: &Engine, read: &Row, current: DomainKeyId) -> Result<Option<Vec<u8>>, Halt> {
    let row: CredentialRow = rows::decode("credentials", &read.value)?;
    let sealed = engine.vault.reseal_credential(row.tenant, row.id, &row.shown, &row.sealed, current)?;
    Ok(sealed.map(|sealed| rows::encode(&CredentialRow { sealed, ..row })))
}

fn resealed_links(
    engine: &Engine,
    tenant: TenantId,
    read: &Row,
    current: DomainKeyId,
) -> Result<Option<Vec<u8>>, Halt> {
    let mut row: StoreLinksRow = rows::decode("store links", &read.value)?;
    let mut touched = false;
    for external in row.links.iter_mut().filter_map(|link| link.external.as_mut()) {
        let ExternalLinkRow { credential, shown, sealed, .. } = &*external;
        if let Some(sealed) = engine.vault.reseal_credential(tenant, *credential, shown, sealed, current)? {
            external.sealed = sealed;
            touched = true;
        }
    }
    Ok(touched.then(|| rows::encode(&row)))
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
            return Ok(changed(batch, ()));
        }
        batch.preconditions.push(unchanged(Table::Tenant, &read));
        let current = keys::domain_key(self.tenant, self.current);
        for row in engine.catalog().scan_all(Table::DomainKey, self.tenant.as_bytes(), usize::MAX)? {
            if row.key != current {
                batch.delete(Table::DomainKey, row.key);
            }
        }
        Ok(changed(batch, ()))
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
        Ok(changed(batch, ()))
    }
}

pub(super) fn changed<T>(batch: Batch, answer: T) -> Outcome<T> {
    match batch.changes.is_empty() {
        true => Outcome::Answer(answer),
        false => Outcome::Change(batch, answer),
    }
}

pub(super) fn scheduled() -> Vec<Demand> {
    vec![Demand { action: Action::Scheduled, target: Target::Installation, purpose: Purpose::Inspect }]
}
