//! Making an installation, and starting a node over one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use strongroom_audit::port::{AuditLog, Head};
use strongroom_audit::record::{List, Mode, Principal, Record, Text};
use strongroom_crypto::{Random, random};
use strongroom_model::action::Action;
use strongroom_model::clock::Clock;
use strongroom_model::external::ExternalManagers;
use strongroom_model::id::{InstallationId, RecordId, TenantId};
use strongroom_model::key_store::KeyStore;
use strongroom_model::root::{CheckpointAlgorithm, RootOfTrust};
use strongroom_model::store::{Batch, Store, Table};
use strongroom_policy::{Document, Kind};
use strongroom_secret::{Arena, Secret};

use crate::authentication::Strangers;
use crate::call::Dialect;
use crate::catalog::Catalog;
use crate::connecting::Connections;
use crate::error::{self, EngineError, InternalFault, Noun};
use crate::external::Externals;
use crate::identifiers::Identifiers;
use crate::meanings::Meanings;
use crate::operation::Halt;
use crate::outbox::Outbox;
use crate::pairs::Pairs;
use crate::passage::Passage;
use crate::quotas::Counted;
use crate::rates::Rates;
use crate::resident::KeyStores;
use crate::rollback::RolledBack;
use crate::rows::{self, DomainKeyRow, HeadRow, InstallationRow, OutboxRow, RootRow, RootWrap, TenantRow};
use crate::scheduler::Memory;
use crate::sweep::Sweeps;
use crate::usage::Ledger;
use crate::vault::Vault;
use crate::workers::{Ground, Workers};
use crate::{Engine, changes, keys, limits, planned, wear};

const INSTALLATION: &[u8] = b"installation";

/// What an engine is built from.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// This node's audit log.
    pub log: Arc<dyn AuditLog>,
    /// The roots of trust, in the order in which they are asked; at least one must be able to serve.
    pub roots: Vec<Arc<dyn RootOfTrust>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Locked memory for key material, where there is any.
    pub arena: Option<Arena>,
    /// The key stores, whose names are all different.
    pub key_stores: Vec<OfferedStore>,
    /// Where external key managers are asked from, if they may be.
    pub external: Option<Arc<dyn ExternalManagers>>,
}

/// A key store, and for whom it is.
#[derive(Clone)]
pub struct OfferedStore {
    /// The key store.
    pub store: Arc<dyn KeyStore>,
    /// The accounts of the tenants that may make keys in it; operators may for every tenant.
    pub accounts: Vec<String>,
}

/// What an engine is told.
pub struct Options {
    /// The identity policy of the installation's operators.
    pub operator_policy: String,
    /// How many RSA key pairs of 2048 bits are kept ready, at most [`limits::PAIRS_AHEAD`].
    pub rsa_pairs: usize,
}

/// The installation as a store has it; `None` in an empty store.
///
/// # Errors
/// When the store can't be read.
pub fn installation(store: &dyn Store) -> Result<Option<InstallationRow>, EngineError> {
    let row = store.snapshot()?.get(Table::Installation, INSTALLATION)?;
    row.map(|row| rows::decode("the installation", &row.value)).transpose()
}

/// The roots that wrap the domain keys of the installation in a store.
///
/// # Errors
/// When the store can't be read.
pub fn roots(store: &dyn Store) -> Result<Vec<RootRow>, EngineError> {
    let rows = store.snapshot()?.scan(Table::Root, &[], None, 1000)?;
    rows.iter().map(|row| rows::decode("roots", &row.value)).collect()
}

/// Where a node's log stood when the store last heard of it; a log that has less is not the whole log.
///
/// # Errors
/// When the store can't be read.
pub fn saved_head(store: &dyn Store, origin: &str) -> Result<Option<Head>, EngineError> {
    let row = store.snapshot()?.get(Table::Installation, &head_key(origin))?;
    let row: Option<HeadRow> = row.map(|row| rows::decode("the saved head", &row.value)).transpose()?;
    Ok(row.map(|row| row.into_head(origin)))
}

pub(crate) fn head_key(origin: &str) -> Vec<u8> {
    [b"head/".as_slice(), origin.as_bytes()].concat()
}

/// Makes an installation in an empty store: its identity, its roots and its own domain key.
///
/// # Errors
/// [`EngineError::AlreadyExists`] when the store has one; otherwise when store, roots or randomness fail.
pub fn initialise(parts: &Parts, backup_public: Vec<u8>, shares: (u8, u8)) -> Result<InstallationId, EngineError> {
    if installation(&*parts.store)?.is_some() {
        return Err(EngineError::AlreadyExists(Noun::Tenant("installation".into())));
    }
    let now = parts.clock.now();
    let id = InstallationId::from_bytes(random::bytes(&*parts.random).map_err(error::crypto)?);
    let row = InstallationRow { id, created: now, backup_public, shares };
    let vault = vault(parts, &row, parts.roots.clone());
    let (domain_key, _) = vault.new_domain_key(TenantId::INSTALLATION, now)?;
    let mut batch = Batch::default();
    batch.insert(Table::Installation, INSTALLATION.to_vec(), rows::encode(&row));
    for root in &parts.roots {
        let row = RootRow { introduced: true, ..root_row(&**root, now)? };
        batch.insert(Table::Root, row.id.as_bytes().to_vec(), rows::encode(&row));
    }
    let tenant = TenantRow {
        id: TenantId::INSTALLATION,
        account: String::new(),
        name: "installation".to_owned(),
        suspended: false,
        created: now,
        domain_key: domain_key.id,
        root_name: String::new(),
    };
    let key = keys::domain_key(TenantId::INSTALLATION, domain_key.id);
    batch.insert(Table::DomainKey, key, rows::encode(&domain_key));
    batch.insert(Table::Tenant, tenant.id.as_bytes().to_vec(), rows::encode(&tenant));
    parts.store.commit(batch)?;
    Ok(id)
}

/// Brings the domain keys back under the roots of `parts`, which may all be new, by the backup key's private half alone;
/// returns how many there are. For when no other root is left, while no node runs; done again, it goes on where it was.
///
/// # Errors
/// When there is no installation, when a domain key was never sealed to this backup key, or when roots or store fail.
pub fn recover(parts: &Parts, private: &Secret<32>) -> Result<usize, EngineError> {
    let store = &*parts.store;
    let installation = installation(store)?.ok_or_else(|| Noun::Tenant("installation".into()))?;
    let vault = vault(parts, &installation, parts.roots.clone());
    let known = roots(store)?;
    let now = parts.clock.now();
    let mut batch = Batch::default();
    for root in &parts.roots {
        let row = root_row(&**root, now)?;
        if !known.iter().any(|known| known.id == row.id) {
            batch.insert(Table::Root, row.id.as_bytes().to_vec(), rows::encode(&row));
            planned::forget(store, row.id, &mut batch)?;
        }
    }
    let ids: Vec<_> = parts.roots.iter().map(|root| root.describe().id).collect();
    let (mut after, mut count) = (None::<Vec<u8>>, 0);
    loop {
        let page = store.snapshot()?.scan(Table::DomainKey, &[], after.as_deref(), limits::SWEPT_DOMAIN_KEYS)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for read in &page {
            let mut row: DomainKeyRow = rows::decode("domain keys", &read.value)?;
            let missing = vault.missing(&row, &ids);
            if !missing.is_empty() {
                let secret = vault.open_escrow(&row, private)?;
                for root in missing {
                    let wrapped = root.wrap(&vault.context(row.tenant, row.id), &secret)?;
                    row.wraps.push(RootWrap { root: root.describe().id, wrapped });
                }
                batch.replace(Table::DomainKey, read, rows::encode(&row));
            }
            count += 1;
        }
        if !batch.changes.is_empty() {
            // The record goes with the change, and from the outbox into the log when a node starts.
            let id = RecordId::from_bytes(random::bytes(&*parts.random).map_err(error::crypto)?);
            let mut record = Record::new(id, now, Action::ManageRoots);
            record.mode = Mode::Internal;
            record.principal = Principal::Internal { service: Text::from("recovery") };
            record.changes = List::Owned(changes::describe(&batch).into_iter().map(Text::from).collect());
            let row = OutboxRow { record: record.seal().bytes().to_vec(), origin: parts.log.head().origin };
            batch.put(Table::Outbox, id.as_bytes().to_vec(), rows::encode(&row));
            store.commit(std::mem::take(&mut batch))?;
        }
    }
    Ok(count)
}

pub(crate) fn root_row(
    root: &dyn RootOfTrust,
    now: strongroom_model::clock::Timestamp,
) -> Result<RootRow, EngineError> {
    let description = root.describe();
    let key = root.checkpoint_key()?;
    Ok(RootRow {
        id: description.id,
        kind: description.kind.to_owned(),
        location: description.location,
        added: now,
        checkpoint_algorithm: match key.algorithm {
            CheckpointAlgorithm::Ed25519 => 0,
            CheckpointAlgorithm::EcdsaP256 => 1,
        },
        checkpoint_public: key.public,
        replaces: None,
        introduced: false,
    })
}

fn vault(parts: &Parts, installation: &InstallationRow, roots: Vec<Arc<dyn RootOfTrust>>) -> Vault {
    Vault::new(
        installation,
        roots,
        Arc::clone(&parts.store),
        Arc::clone(&parts.clock),
        Arc::clone(&parts.random),
        parts.arena.clone(),
    )
}

impl Engine {
    /// Starts a node: opens the installation's own domain key, and gives the log what a crash kept from it.
    ///
    /// # Errors
    /// When there is no installation, when no root can serve, when store or log fail, and
    /// [`InternalFault::StoreOlderThanLog`] when the store has lost changes.
    pub fn start(parts: Parts, options: &Options) -> Result<Arc<Self>, EngineError> {
        let engine = Self::build(parts, options)?;
        let changes = engine.lost_changes()?.count;
        if changes > 0 {
            return Err(EngineError::Internal(InternalFault::StoreOlderThanLog { changes }));
        }
        engine.replay_outbox()?;
        engine.clear_outbox()?;
        Ok(engine)
    }

    /// Starts a node over a store that was put back to an older state: suspensions and destructions that the log tells
    /// of are applied again, and all of it is recorded. What was made since then is lost.
    ///
    /// # Errors
    /// As [`Engine::start`], but for the older store.
    pub fn start_accepting_rollback(
        parts: Parts,
        options: &Options,
        dialect: &'static dyn Dialect,
    ) -> Result<(Arc<Self>, RolledBack), EngineError> {
        let engine = Self::build(parts, options)?;
        let lost = engine.lost_changes()?;
        engine.replay_outbox()?;
        let rolled_back = engine.accept(lost, dialect)?;
        engine.clear_outbox()?;
        Ok((engine, rolled_back))
    }

    fn build(parts: Parts, options: &Options) -> Result<Arc<Self>, EngineError> {
        let installation = installation(&*parts.store)?.ok_or_else(|| Noun::Tenant("installation".into()))?;
        let operator_policy = Document::parse(&options.operator_policy, Kind::Identity);
        let operator_policy = operator_policy.map_err(EngineError::InvalidPolicy)?.compile();
        let known: Vec<_> = roots(&*parts.store)?.into_iter().map(|row| row.id).collect();
        let (ours, strange): (Vec<_>, Vec<_>) =
            parts.roots.iter().cloned().partition(|root| known.contains(&root.describe().id));
        for root in strange {
            tracing::warn!(root = ?root.describe(), "this root is none of the installation's; it is left alone until it is added");
        }
        let vault = vault(&parts, &installation, ours);
        let catalog = Catalog::new(Arc::clone(&parts.store));
        let (tenant, _) = catalog.load_tenant(TenantId::INSTALLATION)?;
        let token_key = match vault.domain_key(TenantId::INSTALLATION, tenant.domain_key, Ground::Worker) {
            Ok(key) => key,
            Err(Halt::Fail(error)) => return Err(error),
            Err(Halt::Move(_) | Halt::Ask(_) | Halt::Again) => {
                return Err(EngineError::Internal(InternalFault::WorkerLost));
            }
        };
        let key_stores = KeyStores::new(parts.key_stores);
        let workers = Workers::start(key_stores.all()).map_err(|_| EngineError::Internal(InternalFault::WorkerLost))?;
        let pairs = Pairs::start(options.rsa_pairs.min(limits::PAIRS_AHEAD), Arc::clone(&parts.random));
        let pairs = pairs.map_err(|_| EngineError::Internal(InternalFault::WorkerLost))?;
        let engine = Self {
            installation: installation.id,
            catalog,
            vault,
            sessions: crate::session::Sessions::default(),
            log: parts.log,
            clock: parts.clock,
            workers,
            key_stores,
            externals: Externals::new(parts.external),
            uses: wear::Uses::default(),
            pairs,
            operator_policy,
            epoch: AtomicU64::new(0),
            outbox: Outbox::default(),
            passage: Passage::default(),
            token_key: ArcSwap::new(token_key),
            usage: Ledger::default(),
            sweeps: Sweeps::default(),
            meanings: Meanings::default(),
            scheduler: Memory::default(),
            connections: Connections::default(),
            strangers: Strangers::default(),
            identifiers: Identifiers::default(),
            quotas: Counted::default(),
            rates: Rates::default(),
        };
        Ok(Arc::new(engine))
    }
}
