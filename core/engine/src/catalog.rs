//! What the store holds, decoded, compiled and cached within bounds.
//!
//! Everything is read through here. A commit's changes name what to forget, so that no operation can leave a stale
//! entry behind: [`Catalog::forget`] maps rows to entries in one place. What does not exist takes no room here, but for
//! the public halves that strangers show ([`crate::unknown`]), which have a bounded room of their own.

use std::sync::{Arc, OnceLock};

use quick_cache::sync::Cache;
use strongroom_model::caller::Caller;
use strongroom_model::id::{KeyId, LineageId, MaterialId, PrincipalId, TenantId};
use strongroom_model::name::{Name, NameKind};
use strongroom_model::store::{Batch, Change, Precondition, Revision, Row, Snapshot, Store, Table};
use strongroom_model::usage::UsageProfile;
use strongroom_policy::{CompiledPolicy, Document, Kind};

use crate::call::Dialect;
use crate::doubt::Doubts;
use crate::error::{EngineError, InternalFault, Noun};
use crate::grants::GrantSet;
use crate::operation::Halt;
use crate::rows::{
    self, BindingRow, CredentialRow, IdentityPolicyRow, KeyRow, LinkState, Meant, PrincipalRow, Serves, StoreLinkRow,
    StoreLinksRow, TenantRow, VersionRow,
};
use crate::unknown::Unknown;
use crate::workers::Ground;
use crate::{identity, keys, limits, named};

/// A key with all that deciding and using it needs.
pub struct KeyEntry {
    /// The key's own row.
    pub row: KeyRow,
    /// Its versions, by ordinal.
    pub versions: Vec<VersionRow>,
    /// Every name that leads to it.
    pub names: Vec<BindingRow>,
    /// Its tenant.
    pub tenant: Arc<TenantRow>,
    /// What it may be used for.
    pub profile: UsageProfile,
    pub(crate) policy: CompiledPolicy,
    pub(crate) revision: Revision,
    resource: OnceLock<Resource>,
}

struct Resource {
    kind: NameKind,
    region: Arc<str>,
    text: Arc<str>,
}

impl KeyEntry {
    /// A key as it will be once its making is committed.
    pub(crate) fn made(
        row: KeyRow,
        versions: Vec<VersionRow>,
        names: Vec<BindingRow>,
        tenant: Arc<TenantRow>,
    ) -> Result<Self, EngineError> {
        let profile = row.usage_profile().map_err(|error| row_fault("keys", error.to_string()))?;
        let policy = compile_meant("keys", &row.policy, Kind::Resource, row.meant.as_ref())?;
        let revision = Revision::default();
        Ok(Self { row, versions, names, tenant, profile, policy, revision, resource: OnceLock::new() })
    }

    /// The newest version, if there is material at all.
    #[must_use]
    pub fn current(&self) -> Option<&VersionRow> {
        self.versions.iter().rev().find(|version| version.ordinal == self.row.current)
    }

    /// The version with this material.
    #[must_use]
    pub fn version(&self, material: MaterialId) -> Option<&VersionRow> {
        self.versions.iter().rev().find(|version| version.material == material)
    }

    /// The key's name of `kind` in `region`.
    #[must_use]
    pub fn name(&self, kind: NameKind, region: &str) -> Option<&str> {
        self.names.iter().find(|name| name.kind == kind && name.region == region).map(|name| name.text.as_str())
    }

    /// What a name leads to the key for, if not for everything.
    pub(crate) fn serves(&self, name: &Name) -> Option<Serves> {
        let restricted = self.names.iter().filter(|bound| bound.serves.is_some());
        let is =
            |bound: &&BindingRow| bound.kind == name.kind && *bound.text == *name.text && *bound.region == *name.region;
        restricted.into_iter().find(is).and_then(|bound| bound.serves)
    }

    /// The key as `dialect` names it in `region`; empty where it has no name there.
    #[must_use]
    pub fn resource(&self, dialect: &dyn Dialect, region: &Arc<str>) -> Arc<str> {
        let make = || {
            let account = &self.tenant.account;
            match dialect.key_kind() {
                NameKind::INTERNAL => dialect.key_resource(account, region, &self.row.id.to_string()),
                kind => dialect.key_resource(account, region, self.name(kind, region).unwrap_or_default()),
            }
        };
        let kept = self.resource.get_or_init(|| Resource {
            kind: dialect.key_kind(),
            region: Arc::clone(region),
            text: make().into(),
        });
        if kept.kind == dialect.key_kind() && *kept.region == **region {
            return Arc::clone(&kept.text);
        }
        make().into()
    }

    /// That nobody has changed the key, destroyed it above all, since it was read.
    pub(crate) fn unchanged(&self) -> Precondition {
        Precondition::Unchanged(Table::Key, self.row.id.as_bytes().to_vec(), self.revision)
    }

    pub(crate) fn as_read(&self) -> Row {
        Row { key: self.row.id.as_bytes().to_vec(), value: Vec::new(), revision: self.revision }
    }
}

/// A principal and the policies attached to it.
pub struct PrincipalEntry {
    /// Its own row.
    pub row: PrincipalRow,
    /// Names of the policies, in order.
    pub policy_names: Vec<String>,
    pub(crate) policies: Vec<CompiledPolicy>,
    /// Who may have a session of it, if it is a role.
    pub(crate) trust: Option<CompiledPolicy>,
}

/// A credential and the caller that it proves.
pub(crate) struct CredentialEntry {
    pub(crate) row: CredentialRow,
    pub(crate) caller: Arc<Caller>,
}

/// The caches over the store.
pub(crate) struct Catalog {
    store: Arc<dyn Store>,
    names: Cache<Name, KeyId>,
    lineages: Cache<(LineageId, Arc<str>), KeyId>,
    keys: Cache<KeyId, Arc<KeyEntry>>,
    grants: Cache<KeyId, Arc<GrantSet>>,
    principals: Cache<PrincipalId, Arc<PrincipalEntry>>,
    credentials: Cache<Box<str>, Arc<CredentialEntry>>,
    pub(crate) unknown: Unknown,
    tenants: Cache<TenantId, Arc<TenantRow>>,
    session_policies: Cache<Arc<str>, CompiledPolicy>,
    store_links: Cache<Vec<u8>, Arc<StoreLinksRow>>,
    pub(crate) doubts: Doubts,
}

impl Catalog {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            names: Cache::new(limits::CACHED_NAMES),
            lineages: Cache::new(limits::CACHED_KEYS),
            keys: Cache::new(limits::CACHED_KEYS),
            grants: Cache::new(limits::CACHED_KEYS / 4),
            principals: Cache::new(limits::CACHED_PRINCIPALS),
            credentials: Cache::new(limits::CACHED_PRINCIPALS),
            unknown: Unknown::default(),
            tenants: Cache::new(limits::CACHED_TENANTS),
            session_policies: Cache::new(limits::CACHED_SESSION_POLICIES),
            store_links: Cache::new(limits::CACHED_TENANTS),
            doubts: Doubts::default(),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        Ok(self.store.snapshot()?)
    }

    /// The key that a name leads to.
    pub(crate) fn by_name(&self, name: &Name, ground: Ground) -> Result<KeyId, Halt> {
        cached(&self.names, &self.doubts, name, ground, || {
            let key = keys::binding(name.tenant, &name.region, name.kind, &name.text);
            let row = self.snapshot()?.get(Table::Binding, &key)?;
            let row = row.ok_or_else(|| Noun::Name(name.text.clone()))?;
            Ok(rows::decode::<BindingRow>("bindings", &row.value)?.key)
        })
    }

    /// The key in `region` that has this material. A key lives in the regions in which it has a name.
    pub(crate) fn by_material(
        &self,
        lineage: LineageId,
        material: MaterialId,
        region: &Arc<str>,
        ground: Ground,
    ) -> Result<KeyId, Halt> {
        cached(&self.lineages, &self.doubts, &(lineage, Arc::clone(region)), ground, || {
            let prefix = [lineage.as_bytes().as_slice(), material.as_bytes()].concat();
            let rows = self.snapshot()?.scan(Table::VersionByMaterial, &prefix, None, limits::KEYS_OF_LINEAGE)?;
            for row in rows {
                let Some(id) = row.key.get(32..).and_then(KeyId::from_slice) else { continue };
                let entry = self.load_key(id)?;
                if entry.row.region == **region {
                    return Ok(id);
                }
            }
            Err(EngineError::InvalidCiphertext)
        })
    }

    /// A key.
    pub(crate) fn key(&self, id: KeyId, ground: Ground) -> Result<Arc<KeyEntry>, Halt> {
        cached(&self.keys, &self.doubts, &id, ground, || self.load_key(id).map(Arc::new))
    }

    /// A key's grants.
    pub(crate) fn grants(&self, key: KeyId, ground: Ground) -> Result<Arc<GrantSet>, Halt> {
        cached(&self.grants, &self.doubts, &key, ground, || self.load_grants(key))
    }

    /// A key's grants as they are now, past the cache.
    pub(crate) fn load_grants(&self, key: KeyId) -> Result<Arc<GrantSet>, EngineError> {
        let rows = self.scan_all(Table::Grant, key.as_bytes(), limits::GRANTS_PER_KEY_MOST)?;
        let rows = rows.iter().map(|row| rows::decode("grants", &row.value)).collect::<Result<_, _>>()?;
        Ok(Arc::new(GrantSet::new(rows)))
    }

    /// A principal with its policies.
    pub(crate) fn principal(
        &self,
        tenant: TenantId,
        id: PrincipalId,
        ground: Ground,
    ) -> Result<Arc<PrincipalEntry>, Halt> {
        cached(&self.principals, &self.doubts, &id, ground, || {
            let snapshot = self.snapshot()?;
            let missing = || Noun::Principal(id.to_string().into());
            let row = snapshot.get(Table::Principal, &keys::principal(tenant, id))?.ok_or_else(missing)?;
            let prefix = keys::policies_of(tenant, id);
            let mut policy_names = Vec::new();
            let mut policies = Vec::new();
            let attached = snapshot.scan(Table::IdentityPolicy, &prefix, None, limits::POLICIES_PER_PRINCIPAL + 1)?;
            if attached.len() > limits::POLICIES_PER_PRINCIPAL {
                // One that is not read may be one that denies.
                return Err(row_fault("identity policies", "a principal has more than it may".to_owned()));
            }
            for row in attached {
                let attached: IdentityPolicyRow = rows::decode("identity policies", &row.value)?;
                policies.push(compile("identity policies", &attached.document, Kind::Identity)?);
                policy_names.push(attached.name);
            }
            let row: PrincipalRow = rows::decode("principals", &row.value)?;
            let trust = row
                .role
                .as_ref()
                .map(|role| compile_meant("principals", &role.trust_policy, Kind::Trust, role.meant.as_ref()));
            let trust = trust.transpose()?;
            Ok(Arc::new(PrincipalEntry { row, policy_names, policies, trust }))
        })
    }

    /// A credential, by its public half.
    pub(crate) fn credential(&self, shown: &str, ground: Ground) -> Result<Arc<CredentialEntry>, Halt> {
        if let Some(found) = self.credentials.get(shown) {
            return Ok(found);
        }
        cached(&self.credentials, &self.doubts, &Box::from(shown), ground, || {
            let row = self.snapshot()?.get(Table::Credential, shown.as_bytes())?;
            let row = row.ok_or_else(|| Noun::Credential(shown.into()))?;
            let row: CredentialRow = rows::decode("credentials", &row.value)?;
            let (tenant, _) = self.load_tenant(row.tenant)?;
            let principal = row.principal.map(|id| self.load_principal(row.tenant, id)).transpose()?;
            let caller = identity::caller_of(&row, &tenant, principal.as_ref().map(|(principal, _)| principal));
            Ok(Arc::new(CredentialEntry { row, caller: Arc::new(caller) }))
        })
    }

    /// A policy that a session was begun with, compiled. Many sessions are begun with the same.
    pub(crate) fn session_policy(&self, document: &Arc<str>) -> Result<CompiledPolicy, EngineError> {
        self.session_policies.get_or_insert_with(document, || compile("session policies", document, Kind::Identity))
    }

    /// A tenant.
    pub(crate) fn tenant(&self, id: TenantId, ground: Ground) -> Result<Arc<TenantRow>, Halt> {
        cached(&self.tenants, &self.doubts, &id, ground, || self.load_tenant(id).map(|(row, _)| row))
    }

    /// Whether a tenant's use is suspended, or that of the whole installation.
    pub(crate) fn is_suspended(&self, id: TenantId, ground: Ground) -> Result<bool, Halt> {
        Ok(self.tenant(id, ground)?.suspended || self.tenant(TenantId::INSTALLATION, ground)?.suspended)
    }

    /// Whether a key's material can be reached: false while the link that it was made through is not connected.
    pub(crate) fn is_connected(&self, key: &KeyRow, ground: Ground) -> Result<bool, Halt> {
        let connected = |link: StoreLinkRow| link.state == LinkState::Connected;
        Ok(key.link.is_none() || self.link_of(key, ground)?.is_some_and(connected))
    }

    /// The link that a key was made through, if it was made through one that there is.
    pub(crate) fn link_of(&self, key: &KeyRow, ground: Ground) -> Result<Option<StoreLinkRow>, Halt> {
        let Some(link) = &key.link else { return Ok(None) };
        Ok(self.links(key.tenant, &key.region, ground)?.link(link).cloned())
    }

    /// A tenant's links in a region, as every use of a key sees them.
    pub(crate) fn links(&self, tenant: TenantId, region: &str, ground: Ground) -> Result<Arc<StoreLinksRow>, Halt> {
        let place = keys::store_links(tenant, region);
        cached(&self.store_links, &self.doubts, &place, ground, || {
            let read = self.snapshot()?.get(Table::StoreLink, &place)?;
            let links = read.map(|row| rows::decode("store links", &row.value)).transpose()?;
            Ok(Arc::new(links.unwrap_or_default()))
        })
    }

    /// A tenant as it is now, with the row to replace.
    pub(crate) fn load_tenant(&self, id: TenantId) -> Result<(Arc<TenantRow>, Row), EngineError> {
        let row = self.snapshot()?.get(Table::Tenant, id.as_bytes())?;
        let row = row.ok_or_else(|| Noun::Tenant(id.to_string().into()))?;
        Ok((Arc::new(rows::decode("tenants", &row.value)?), row))
    }

    /// A principal as it is now, with the row to replace.
    pub(crate) fn load_principal(&self, tenant: TenantId, id: PrincipalId) -> Result<(PrincipalRow, Row), EngineError> {
        let row = self.snapshot()?.get(Table::Principal, &keys::principal(tenant, id))?;
        let row = row.ok_or_else(|| Noun::Principal(id.to_string().into()))?;
        Ok((rows::decode("principals", &row.value)?, row))
    }

    /// A key as it is now, past the cache.
    pub(crate) fn load_key(&self, id: KeyId) -> Result<KeyEntry, EngineError> {
        let snapshot = self.snapshot()?;
        let row = snapshot.get(Table::Key, id.as_bytes())?.ok_or_else(|| Noun::Key(id.to_string().into()))?;
        let revision = row.revision;
        let row: KeyRow = rows::decode("keys", &row.value)?;
        let mut versions: Vec<VersionRow> = Vec::new();
        loop {
            let after = versions.last().map(|last| keys::version(id, last.ordinal));
            let page = snapshot.scan(Table::KeyVersion, id.as_bytes(), after.as_deref(), 1000)?;
            let full = page.len() == 1000;
            for row in page {
                versions.push(rows::decode("key versions", &row.value)?);
            }
            if !full {
                break;
            }
        }
        let names = snapshot.scan(Table::BindingByKey, id.as_bytes(), None, 4 * limits::NAMES_PER_KEY_MOST)?;
        let names = names.iter().map(|row| rows::decode("bindings", &row.value)).collect::<Result<_, _>>()?;
        let tenant = snapshot.get(Table::Tenant, row.tenant.as_bytes())?;
        let tenant = tenant.ok_or_else(|| Noun::Tenant(row.tenant.to_string().into()))?;
        let tenant = Arc::new(rows::decode("tenants", &tenant.value)?);
        Ok(KeyEntry { revision, ..KeyEntry::made(row, versions, names, tenant)? })
    }

    /// Every row with a prefix, up to `limit`.
    pub(crate) fn scan_all(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        let snapshot = self.snapshot()?;
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let after = rows.last().map(|row| row.key.clone());
            let page = snapshot.scan(table, prefix, after.as_deref(), 1000)?;
            let full = page.len() == 1000;
            rows.extend(page);
            if !full {
                break;
            }
        }
        Ok(rows)
    }

    /// Forgets what a committed batch has changed. A reader that was loading one of these meanwhile finds its place in
    /// the cache gone and leaves nothing behind.
    pub(crate) fn forget(&self, batch: &Batch) {
        for change in &batch.changes {
            let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
            let first = key.get(..16);
            let second = key.get(16..32);
            match table {
                Table::Key | Table::KeyVersion | Table::BindingByKey => {
                    first.and_then(KeyId::from_slice).map(|id| self.keys.remove(&id));
                }
                Table::Grant => {
                    first.and_then(KeyId::from_slice).map(|id| self.grants.remove(&id));
                }
                Table::Binding => {
                    binding_name(key).map(|name| self.names.remove(&name));
                }
                Table::Principal | Table::IdentityPolicy => {
                    second.and_then(PrincipalId::from_slice).map(|id| self.principals.remove(&id));
                }
                Table::Credential => {
                    let Ok(shown) = str::from_utf8(key) else { continue };
                    self.credentials.remove(shown);
                    self.unknown.written(shown);
                }
                Table::StoreLink => {
                    self.store_links.remove(key);
                }
                Table::Tenant => self.forget_tenant(first.and_then(TenantId::from_slice)),
                _ => {}
            }
        }
        for change in &batch.changes {
            if let Change::Delete(Table::VersionByMaterial, key) = change {
                let lineage = key.get(..16).and_then(LineageId::from_slice);
                self.lineages.retain(|(known, _), _| Some(*known) != lineage);
            }
        }
    }

    /// Forgets where a name leads.
    pub(crate) fn forget_name(&self, name: &Name) {
        self.names.remove(name);
    }

    /// Forgets what a batch relied on that was refused, and what it would have changed.
    pub(crate) fn forget_read(&self, batch: &Batch) {
        self.forget(batch);
        for read in &batch.preconditions {
            if let Precondition::Unchanged(Table::Key, key, _) = read {
                KeyId::from_slice(key).map(|id| self.keys.remove(&id));
            }
        }
    }

    /// Keys carry their tenant's row with them, and there may be many; tenants change seldom.
    fn forget_tenant(&self, tenant: Option<TenantId>) {
        let Some(tenant) = tenant else { return };
        self.tenants.remove(&tenant);
        self.keys.retain(|_, entry| entry.row.tenant != tenant);
    }
}

/// The name whose binding has this row key.
fn binding_name(key: &[u8]) -> Option<Name> {
    let tenant = TenantId::from_slice(key.get(..16)?)?;
    let region_end = 17 + usize::from(*key.get(16)?);
    let region = str::from_utf8(key.get(17..region_end)?).ok()?;
    let kind = NameKind(*key.get(region_end)?);
    let text = str::from_utf8(key.get(region_end + 1..)?).ok()?;
    Some(Name { tenant, region: region.into(), kind, text: text.into() })
}

fn compile(table: &'static str, document: &str, kind: Kind) -> Result<CompiledPolicy, EngineError> {
    compile_meant(table, document, kind, None)
}

/// A policy in which names mean whom they meant when it was written.
fn compile_meant(
    table: &'static str,
    document: &str,
    kind: Kind,
    meant: Option<&Meant>,
) -> Result<CompiledPolicy, EngineError> {
    let document = Document::parse(document, kind).map_err(|error| row_fault(table, error.to_string()))?;
    Ok(named::bound(document, meant).compile())
}

fn row_fault(table: &'static str, cause: String) -> EngineError {
    EngineError::Internal(InternalFault::Row { table, cause })
}

/// Reads through a cache: one loader at a time for each key, and only where blocking is allowed. While a commit is in
/// doubt nothing is kept.
fn cached<K, V>(
    cache: &Cache<K, V>,
    doubts: &Doubts,
    key: &K,
    ground: Ground,
    load: impl FnOnce() -> Result<V, EngineError>,
) -> Result<V, Halt>
where
    K: Clone + Eq + std::hash::Hash,
    V: Clone,
{
    if let Some(found) = cache.get(key) {
        return Ok(found);
    }
    if ground == Ground::Here {
        return Err(Halt::Move(Ground::Worker));
    }
    match cache.get_value_or_guard(key, None) {
        quick_cache::sync::GuardResult::Value(found) => Ok(found),
        // It may change at any time without anyone being told.
        quick_cache::sync::GuardResult::Guard(guard) if doubts.open() > 0 => {
            drop(guard);
            Ok(load()?)
        }
        quick_cache::sync::GuardResult::Guard(guard) => {
            let loaded = load()?;
            // Refused when the entry was forgotten meanwhile; what was read is still right for this request.
            let _ = guard.insert(loaded.clone());
            Ok(loaded)
        }
        quick_cache::sync::GuardResult::Timeout => Ok(load()?),
    }
}
