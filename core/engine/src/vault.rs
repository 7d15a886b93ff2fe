//! The keys of the hierarchy: domain keys as the roots open them, and key material as the domain keys open it.
//!
//! The one place where wrapped material is opened. Both caches are bounded; what they drop is erased.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use quick_cache::sync::{Cache, GuardResult};
use strongroom_crypto::wrapped::{self, Binding, Kind, WrappingKey};
use strongroom_crypto::{KeyMaterial, Random, random};
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::id::{DomainKeyId, InstallationId, MaterialId, TenantId};
use strongroom_model::root::{RootError, RootOfTrust};
use strongroom_model::store::{Batch, Change, Store, Table};
use strongroom_secret::{Arena, Secret};

use crate::catalog::KeyEntry;
use crate::error::{self, EngineError, InternalFault};
use crate::operation::Halt;
use crate::rows::{self, DomainKeyRow, KeyRow, RootWrap, VersionRow};
use crate::workers::Ground;
use crate::{keys, limits};

/// The roots in the order in which they are asked.
pub(crate) type Roots = Vec<Arc<dyn RootOfTrust>>;

/// Opens and keeps keys.
pub(crate) struct Vault {
    installation: InstallationId,
    roots: ArcSwap<Roots>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    arena: Option<Arena>,
    domain_keys: Cache<DomainKeyId, Arc<WrappingKey>>,
    materials: Cache<MaterialId, Held>,
}

/// Material held ready until its time is up.
#[derive(Clone)]
struct Held {
    material: Arc<KeyMaterial>,
    until: Duration,
}

impl Vault {
    pub(crate) fn new(
        installation: InstallationId,
        roots: Roots,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        arena: Option<Arena>,
    ) -> Self {
        Self {
            installation,
            roots: ArcSwap::from_pointee(roots),
            store,
            clock,
            random,
            arena,
            domain_keys: Cache::new(limits::CACHED_TENANTS),
            materials: Cache::new(limits::CACHED_MATERIALS),
        }
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.random
    }

    pub(crate) fn roots(&self) -> Arc<Roots> {
        self.roots.load_full()
    }

    pub(crate) fn set_roots(&self, roots: Roots) {
        self.roots.store(Arc::new(roots));
    }

    /// The material of a key's version, ready to use.
    pub(crate) fn material(
        &self,
        key: &KeyEntry,
        version: &VersionRow,
        ground: Ground,
    ) -> Result<Arc<KeyMaterial>, Halt> {
        let now = self.clock.since_boot();
        if let Some(held) = self.materials.get(&version.material) {
            if held.until > now {
                return Ok(held.material);
            }
            self.materials.remove(&version.material);
        }
        if ground == Ground::Here {
            return Err(Halt::Move(Ground::Worker));
        }
        // One opens it; the others wait for that one.
        match self.materials.get_value_or_guard(&version.material, None) {
            GuardResult::Value(held) => Ok(held.material),
            GuardResult::Guard(guard) => {
                let held = self.open(key, version, ground)?;
                // Refused when it was forgotten meanwhile.
                let _ = guard.insert(held.clone());
                Ok(held.material)
            }
            GuardResult::Timeout => Ok(self.open(key, version, ground)?.material),
        }
    }

    fn open(&self, key: &KeyEntry, version: &VersionRow, ground: Ground) -> Result<Held, Halt> {
        let fault = |cause| EngineError::Internal(InternalFault::Material { key: key.row.id.to_string(), cause });
        let domain_key = wrapped::domain_key_id(Kind::Material, &version.wrapped).ok_or_else(|| fault("its format"))?;
        let domain_key = self.domain_key(key.row.tenant, domain_key, ground)?;
        let binding = binding(&key.row, version.material)?;
        let material = domain_key.unwrap(&binding, &version.wrapped, self.arena.as_ref());
        let material = Arc::new(material.map_err(|_| fault("its wrapping"))?);
        Ok(Held { material, until: self.clock.since_boot() + self.age()? })
    }

    /// Wraps fresh material for a key.
    pub(crate) fn wrap(
        &self,
        domain_key: &WrappingKey,
        key: &KeyRow,
        id: MaterialId,
        material: &KeyMaterial,
    ) -> Result<Vec<u8>, EngineError> {
        domain_key.wrap(&binding(key, id)?, material, &*self.random).map_err(error::crypto)
    }

    /// Makes material of a key's kind.
    pub(crate) fn generate(&self, key: &KeyRow) -> Result<KeyMaterial, EngineError> {
        KeyMaterial::generate(key.spec, &*self.random, self.arena.as_ref()).map_err(error::crypto)
    }

    /// Drops what a committed batch has destroyed.
    pub(crate) fn follow(&self, batch: &Batch) {
        for change in &batch.changes {
            let Change::Delete(table, key) = change else { continue };
            let id = key.get(16..32);
            match table {
                Table::VersionByMaterial => {
                    id.and_then(MaterialId::from_slice).map(|id| self.materials.remove(&id));
                }
                Table::DomainKey => {
                    id.and_then(DomainKeyId::from_slice).map(|id| self.domain_keys.remove(&id));
                }
                _ => {}
            }
        }
    }

    /// Drops material whose time is up.
    pub(crate) fn expire(&self) {
        let now = self.clock.since_boot();
        self.materials.retain(|_, held| held.until > now);
    }

    /// A version of a tenant's domain key, opened by the first root that can.
    pub(crate) fn domain_key(
        &self,
        tenant: TenantId,
        id: DomainKeyId,
        ground: Ground,
    ) -> Result<Arc<WrappingKey>, Halt> {
        if let Some(found) = self.domain_keys.get(&id) {
            return Ok(found);
        }
        if ground == Ground::Here {
            return Err(Halt::Move(Ground::Worker));
        }
        let row = self.store.snapshot()?.get(Table::DomainKey, &keys::domain_key(tenant, id))?;
        let row = row.ok_or_else(|| {
            EngineError::Internal(InternalFault::Row { table: "domain keys", cause: format!("{id} is missing") })
        })?;
        let row: DomainKeyRow = rows::decode("domain keys", &row.value)?;
        let secret = self.unwrap_by_any_root(&row)?;
        let key = Arc::new(WrappingKey::new(*id.as_bytes(), &secret, self.arena.as_ref()));
        self.domain_keys.insert(id, Arc::clone(&key));
        Ok(key)
    }

    /// Makes a domain key, wrapped by every root.
    pub(crate) fn new_domain_key(
        &self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<(DomainKeyRow, Arc<WrappingKey>), EngineError> {
        let id = DomainKeyId::from_bytes(random::bytes(&*self.random).map_err(error::crypto)?);
        let secret = Secret::try_init_with(|bytes| self.random.fill(bytes)).map_err(error::crypto)?;
        let context = self.context(tenant, id);
        let mut wraps = Vec::new();
        for root in self.roots().iter() {
            wraps.push(RootWrap { root: root.describe().id, wrapped: root.wrap(&context, &secret)? });
        }
        let key = Arc::new(WrappingKey::new(*id.as_bytes(), &secret, self.arena.as_ref()));
        self.domain_keys.insert(id, Arc::clone(&key));
        Ok((DomainKeyRow { id, tenant, created: now, wraps }, key))
    }

    /// Opens a domain key with whichever root can, in order.
    pub(crate) fn unwrap_by_any_root(&self, row: &DomainKeyRow) -> Result<Secret<32>, EngineError> {
        let context = self.context(row.tenant, row.id);
        let mut failure = RootError::Sealed;
        for root in self.roots().iter() {
            let id = root.describe().id;
            let Some(wrap) = row.wraps.iter().find(|wrap| wrap.root == id) else { continue };
            match root.unwrap(&context, &wrap.wrapped) {
                Ok(secret) => return Ok(secret),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// What a root binds a wrapped domain key to.
    pub(crate) fn context(&self, tenant: TenantId, id: DomainKeyId) -> Vec<u8> {
        let label = b"strongroom domain key 1".as_slice();
        [label, self.installation.as_bytes(), tenant.as_bytes(), id.as_bytes()].concat()
    }

    /// The full age less up to a quarter, so that keys loaded together don't lapse together.
    fn age(&self) -> Result<Duration, EngineError> {
        let [draw] = random::bytes::<1>(&*self.random).map_err(error::crypto)?;
        Ok(limits::MATERIAL_AGE - limits::MATERIAL_AGE / 1024 * u32::from(draw))
    }
}

fn binding(key: &KeyRow, material: MaterialId) -> Result<Binding, EngineError> {
    let usage = key
        .usage_profile()
        .map_err(|error| EngineError::Internal(InternalFault::Row { table: "keys", cause: error.to_string() }))?;
    Ok(Binding {
        key: key.id,
        material,
        lineage: key.lineage,
        tenant: key.tenant,
        spec: key.spec,
        usage,
        exportable: key.exportable,
        origin: key.origin,
    })
}
