//! The keys of the hierarchy: domain keys as the roots open them, and key material as the domain keys open it.
//!
//! The one place where wrapped material is opened. Both caches are bounded; what they drop is erased.

mod imports;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use quick_cache::sync::{Cache, GuardResult};
use strongroom_crypto::backup::{self, BackupPublicKey};
use strongroom_crypto::wrapped::{self, Binding, CredentialBinding, Kind, WrappingKey};
use strongroom_crypto::{KeyMaterial, Random, random};
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::id::{CredentialId, DomainKeyId, InstallationId, MaterialId, RootId, TenantId};
use strongroom_model::root::{RootError, RootOfTrust};
use strongroom_model::store::{Batch, Change, Store, StoreError, Table};
use strongroom_secret::{Arena, Secret, SecretBytes};

use crate::catalog::KeyEntry;
use crate::error::{self, EngineError, InternalFault};
use crate::operation::Halt;
use crate::rows::{self, DomainKeyRow, InstallationRow, KeyRow, RootWrap, VersionRow};
use crate::workers::Ground;
use crate::{keys, limits};

/// The roots in the order in which they are asked.
pub(crate) type Roots = Vec<Arc<dyn RootOfTrust>>;

/// Opens and keeps keys.
pub(crate) struct Vault {
    installation: InstallationId,
    backup_public: Option<BackupPublicKey>,
    roots: ArcSwap<Roots>,
    /// Roots that are about to be added.
    offered: Mutex<Roots>,
    /// Whether rows of roots were written since they were read.
    roots_changed: AtomicBool,
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
        installation: &InstallationRow,
        roots: Roots,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        arena: Option<Arena>,
    ) -> Self {
        Self {
            installation: installation.id,
            backup_public: installation.backup_public.as_slice().try_into().ok().map(BackupPublicKey),
            roots: ArcSwap::from_pointee(roots),
            offered: Mutex::new(Vec::new()),
            roots_changed: AtomicBool::new(false),
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

    /// The root with this id, if it is at hand.
    pub(crate) fn root(&self, id: RootId) -> Option<Arc<dyn RootOfTrust>> {
        self.roots().iter().find(|root| root.describe().id == id).cloned()
    }

    /// Holds a root ready that counts once its row is committed.
    pub(crate) fn offer(&self, root: Arc<dyn RootOfTrust>) {
        let id = root.describe().id;
        let mut offered = self.offered.lock();
        offered.retain(|other| other.describe().id != id);
        offered.truncate(limits::ROOTS);
        offered.push(root);
    }

    /// Rows of roots were written or removed: those that have a row count, the offered ones among them. What counts is
    /// read from the store, by one at a time, so that it doesn't matter in which order changes come to be followed.
    fn follow_roots(&self) -> Result<(), StoreError> {
        let mut offered = self.offered.lock();
        let rows = self.store.snapshot()?.scan(Table::Root, &[], None, limits::ROOTS + 1)?;
        let counts = |id: RootId| rows.iter().any(|row| row.key == id.as_bytes());
        let adopted: Roots = offered.extract_if(.., |root| counts(root.describe().id)).collect();
        let mut roots = Roots::clone(&self.roots());
        roots.retain(|root| counts(root.describe().id));
        for root in adopted {
            let id = root.describe().id;
            roots.retain(|other| other.describe().id != id);
            roots.push(root);
        }
        self.roots.store(Arc::new(roots));
        Ok(())
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

    /// Follows a committed batch: drops what it has destroyed, and takes roots in or lets them go.
    pub(crate) fn follow(&self, batch: &Batch) {
        let is_root = |change: &Change| matches!(change, Change::Put(Table::Root, ..) | Change::Delete(Table::Root, _));
        if batch.changes.iter().any(is_root) {
            self.roots_changed.store(true, Ordering::Release);
            self.catch_up();
        }
        for change in &batch.changes {
            match change {
                Change::Delete(Table::VersionByMaterial, key) => {
                    let id = key.get(16..32).and_then(MaterialId::from_slice);
                    id.map(|id| self.materials.remove(&id));
                }
                // What was taken away must not stay in the cache either.
                Change::Put(Table::KeyVersion, _, value) => {
                    let version = rows::decode::<VersionRow>("key versions", value).ok();
                    let version = version.filter(|version| version.wrapped.is_empty());
                    version.map(|version| self.materials.remove(&version.material));
                }
                Change::Delete(Table::DomainKey, key) => {
                    let id = key.get(16..32).and_then(DomainKeyId::from_slice);
                    id.map(|id| self.domain_keys.remove(&id));
                }
                _ => {}
            }
        }
    }

    /// Follows changes of roots that could not be followed when they happened.
    pub(crate) fn catch_up(&self) {
        if self.roots_changed.swap(false, Ordering::AcqRel)
            && let Err(error) = self.follow_roots()
        {
            tracing::warn!(%error, "a change of the roots could not be read back; the next tick tries again");
            self.roots_changed.store(true, Ordering::Release);
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
        // Refused when it was destroyed meanwhile: what is destroyed must not stay in the cache.
        match self.domain_keys.get_value_or_guard(&id, None) {
            GuardResult::Value(key) => Ok(key),
            GuardResult::Guard(guard) => {
                let key = self.open_domain_key(tenant, id)?;
                let _ = guard.insert(Arc::clone(&key));
                Ok(key)
            }
            GuardResult::Timeout => Ok(self.open_domain_key(tenant, id)?),
        }
    }

    fn open_domain_key(&self, tenant: TenantId, id: DomainKeyId) -> Result<Arc<WrappingKey>, EngineError> {
        let row = self.store.snapshot()?.get(Table::DomainKey, &keys::domain_key(tenant, id))?;
        let row = row.ok_or_else(|| {
            EngineError::Internal(InternalFault::Row { table: "domain keys", cause: format!("{id} is missing") })
        })?;
        let row: DomainKeyRow = rows::decode("domain keys", &row.value)?;
        let secret = self.unwrap_by_any_root(&row)?;
        Ok(Arc::new(WrappingKey::new(*id.as_bytes(), &secret, self.arena.as_ref())))
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
        let escrow = self.escrow(&context, &secret)?;
        Ok((DomainKeyRow { id, tenant, created: now, wraps, escrow }, key))
    }

    /// Seals a domain key to the backup key, so that the recovery shares alone bring it back.
    fn escrow(&self, context: &[u8], secret: &Secret<32>) -> Result<Vec<u8>, EngineError> {
        let Some(public) = &self.backup_public else { return Ok(Vec::new()) };
        let plain = SecretBytes::take([context, secret.expose()].concat());
        let mut sealed = Vec::new();
        backup::seal_stream(public, &mut plain.expose(), &mut sealed, &*self.random)
            .map_err(|_| EngineError::Internal(InternalFault::Crypto("sealing to the backup key")))?;
        Ok(sealed)
    }

    /// Opens a domain key that [`Vault::escrow`] sealed.
    pub(crate) fn open_escrow(&self, row: &DomainKeyRow, private: &Secret<32>) -> Result<Secret<32>, EngineError> {
        let fault = || EngineError::Internal(InternalFault::Crypto("what was sealed to the backup key does not open"));
        let context = self.context(row.tenant, row.id);
        let mut plain = Zeroed(Vec::with_capacity(context.len() + 32));
        backup::open_stream(private, &mut row.escrow.as_slice(), &mut plain).map_err(|_| fault())?;
        let plain = SecretBytes::take(plain.0);
        let secret = plain.expose().strip_prefix(context.as_slice());
        secret.and_then(Secret::copy_from).ok_or_else(fault)
    }

    /// A domain key's row with a wrap by each of `known` that is at hand, and without wraps by others; `None` when it is
    /// like that already. The last wrap is never dropped.
    pub(crate) fn rewrapped(&self, row: &DomainKeyRow, known: &[RootId]) -> Result<Option<DomainKeyRow>, EngineError> {
        let missing = self.missing(row, known);
        let mut wraps: Vec<RootWrap> = row.wraps.iter().filter(|wrap| known.contains(&wrap.root)).cloned().collect();
        if missing.is_empty() && (wraps.len() == row.wraps.len() || wraps.is_empty()) {
            return Ok(None);
        }
        if !missing.is_empty() {
            let secret = self.unwrap_by_any_root(row)?;
            let context = self.context(row.tenant, row.id);
            for root in missing {
                wraps.push(RootWrap { root: root.describe().id, wrapped: root.wrap(&context, &secret)? });
            }
        }
        Ok(Some(DomainKeyRow { wraps, ..row.clone() }))
    }

    /// The roots at hand among `known` that have not wrapped a domain key yet.
    pub(crate) fn missing(&self, row: &DomainKeyRow, known: &[RootId]) -> Roots {
        let lacks = |root: &&Arc<dyn RootOfTrust>| {
            let id = root.describe().id;
            known.contains(&id) && !row.wraps.iter().any(|wrap| wrap.root == id)
        };
        self.roots().iter().filter(lacks).cloned().collect()
    }

    /// Whether a root opens a domain key; `None` when it has not wrapped it.
    pub(crate) fn opens(&self, root: &dyn RootOfTrust, row: &DomainKeyRow) -> Option<Result<Secret<32>, RootError>> {
        let id = root.describe().id;
        let wrap = row.wraps.iter().find(|wrap| wrap.root == id)?;
        Some(root.unwrap(&self.context(row.tenant, row.id), &wrap.wrapped))
    }

    /// Wraps a key version's material anew; `None` when `current` has wrapped it already, or it is destroyed.
    pub(crate) fn rewrap_version(
        &self,
        key: &KeyRow,
        version: &VersionRow,
        current: DomainKeyId,
    ) -> Result<Option<Vec<u8>>, Halt> {
        let Some(old) = wrapped::domain_key_id(Kind::Material, &version.wrapped).filter(|id| *id != current) else {
            return Ok(None);
        };
        let fault = |cause| EngineError::Internal(InternalFault::Material { key: key.id.to_string(), cause });
        let (old, new) =
            (self.domain_key(key.tenant, old, Ground::Worker)?, self.domain_key(key.tenant, current, Ground::Worker)?);
        let bound = binding(key, version.material)?.encode();
        let material = old.open(Kind::Material, &bound, &version.wrapped).map_err(|_| fault("its wrapping"))?;
        Ok(Some(new.seal(Kind::Material, &bound, material.expose(), &*self.random).map_err(error::crypto)?))
    }

    /// Opens the secret half of a credential, whichever of its tenant's domain keys sealed it. Blocks.
    pub(crate) fn open_credential(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        shown: &str,
        sealed: &[u8],
    ) -> Result<SecretBytes, Halt> {
        let fault = |cause| EngineError::Internal(InternalFault::Material { key: shown.to_owned(), cause });
        let id = wrapped::domain_key_id(Kind::Credential, sealed).ok_or_else(|| fault("its format"))?;
        let domain_key = self.domain_key(tenant, id, Ground::Worker)?;
        let bound = CredentialBinding { tenant, credential, shown }.encode();
        Ok(domain_key.open(Kind::Credential, &bound, sealed).map_err(|_| fault("its sealing"))?)
    }

    /// Seals the secret half of a credential.
    pub(crate) fn seal_credential(
        &self,
        domain_key: &WrappingKey,
        tenant: TenantId,
        credential: CredentialId,
        shown: &str,
        secret: &SecretBytes,
    ) -> Result<Vec<u8>, EngineError> {
        let bound = CredentialBinding { tenant, credential, shown }.encode();
        domain_key.seal(Kind::Credential, &bound, secret.expose(), &*self.random).map_err(error::crypto)
    }

    /// Seals a credential anew; `None` when `current` has sealed it already.
    pub(crate) fn reseal_credential(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        shown: &str,
        sealed: &[u8],
        current: DomainKeyId,
    ) -> Result<Option<Vec<u8>>, Halt> {
        if wrapped::domain_key_id(Kind::Credential, sealed).is_none_or(|id| id == current) {
            return Ok(None);
        }
        let secret = self.open_credential(tenant, credential, shown, sealed)?;
        let domain_key = self.domain_key(tenant, current, Ground::Worker)?;
        Ok(Some(self.seal_credential(&domain_key, tenant, credential, shown, &secret)?))
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

/// A buffer for what is secret, large enough from the start never to move.
struct Zeroed(Vec<u8>);

impl Write for Zeroed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.0.capacity() - self.0.len() {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
