//! The sweeps: bring every domain key under every root, and everything wrapped under its tenant's present domain key.
//!
//! Each tick does one bounded step and remembers only where it is, so that a restart begins anew and finds done what is
//! done. An old domain key is destroyed after a whole pass that found nothing under it: nothing can get there again, since
//! whatever wraps anything commits only while its tenant's row is as it was read. What is damaged is passed over, reported
//! and tried again later; as long as there is any, no former domain key of its tenant is destroyed.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use strongroom_audit::checkpoint::KeyIntroduction;
use strongroom_audit::note::VerifierKey;
use strongroom_crypto::wrapped::{self, Kind};
use strongroom_model::id::{DomainKeyId, KeyId, RootId, TenantId};
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::store::{Batch, Change, Row, Table};

use crate::call::{Call, Dialect, Mode};
use crate::error::EngineError;
use crate::operation::Operation;
use crate::operations::domain_key::{DestroyDomainKeys, MarkIntroduced, ResealCredentials, RewrapKeys, WrapDomainKeys};
use crate::operations::root::{RemoveRoot, root_rows};
use crate::perform::log_error;
use crate::rows::{self, CredentialRow, DomainKeyRow, KeyRow, RootRow, StoreLinksRow, VersionRow};
use crate::workers::Ground;
use crate::{Engine, limits};

/// Where the sweeps are.
#[derive(Default)]
pub(crate) struct Sweeps(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    /// Every domain key was found under every root, and nothing has changed since.
    settled: bool,
    /// Something changed, or was changed, since the pass over the domain keys began.
    disturbed: bool,
    after: Option<Vec<u8>>,
    /// Domain keys that this pass could not bring under every root.
    damaged: usize,
    /// Tenants that have former domain keys.
    pending: BTreeMap<TenantId, Pending>,
    rewrap: Option<Rewrap>,
    held_until: Duration,
    /// When the next pass over the domain keys may begin, after one that found some damaged.
    domain_keys_held_until: Duration,
}

/// What is known of a tenant that has former domain keys.
#[derive(Clone, Copy, Default)]
struct Pending {
    /// Keys and credentials that the last whole pass found damaged.
    damaged: usize,
    /// When the next pass may begin.
    not_before: Duration,
}

/// A pass over what a tenant's domain keys have wrapped.
#[derive(Clone)]
struct Rewrap {
    tenant: TenantId,
    current: DomainKeyId,
    table: Table,
    after: Option<Vec<u8>>,
    found: bool,
    damaged: usize,
}

impl Engine {
    /// Looks again after a change to roots or domain keys.
    pub(crate) fn follow_sweeps(&self, batch: &Batch) {
        let table = |change: &Change| match change {
            Change::Put(table, ..) | Change::Delete(table, _) => *table,
        };
        if batch.changes.iter().any(|change| matches!(table(change), Table::Root | Table::DomainKey)) {
            let mut progress = self.sweeps.0.lock();
            (progress.settled, progress.disturbed) = (false, true);
        }
        let own = TenantId::INSTALLATION.as_bytes().as_slice();
        if batch.changes.iter().any(|change| matches!(change, Change::Put(Table::Tenant, key, _) if key == own)) {
            self.renew_token_key();
        }
    }

    /// Tokens are sealed under the installation's present domain key. Those sealed before are not taken any more.
    fn renew_token_key(&self) {
        let Ok((tenant, _)) = self.catalog.load_tenant(TenantId::INSTALLATION) else { return };
        if let Ok(key) = self.vault.domain_key(TenantId::INSTALLATION, tenant.domain_key, Ground::Worker) {
            self.token_key.store(key);
        }
    }

    /// Whether every domain key is under every root at hand, and everything under its tenant's present domain key.
    #[must_use]
    pub fn swept(&self) -> bool {
        let progress = self.sweeps.0.lock();
        progress.settled && progress.pending.is_empty()
    }

    /// How many domain keys, keys and credentials the sweeps found damaged.
    pub(crate) fn found_damaged(&self) -> usize {
        let progress = self.sweeps.0.lock();
        progress.damaged + progress.pending.values().map(|pending| pending.damaged).sum::<usize>()
    }

    /// A few steps of each sweep. What fails is left alone for a while.
    pub(crate) fn sweep_if_due(&self, dialect: &'static dyn Dialect) {
        let now = self.clock.since_boot();
        if self.sweeps.0.lock().held_until > now {
            return;
        }
        let mut swept = self.sweep_domain_keys(dialect);
        for _ in 0..limits::SWEEP_STEPS {
            swept = swept.and_then(|()| self.sweep_tenant(dialect));
        }
        match swept {
            Ok(()) | Err(EngineError::Conflict) => {}
            Err(error) => {
                tracing::warn!(%error, "a sweep over the domain keys failed; it goes on later");
                self.sweeps.0.lock().held_until = now + limits::SWEEP_HOLD_BACK;
            }
        }
    }

    pub(crate) fn act<O: Operation>(
        &self,
        dialect: &'static dyn Dialect,
        name: &'static str,
        act: O,
    ) -> Result<O::Output, EngineError> {
        self.perform_blocking(Call::internal("scheduler", name, dialect), act, Mode::Run)
    }

    /// Looks at one page of domain keys, and wraps what is not wrapped as it should be.
    fn sweep_domain_keys(&self, dialect: &'static dyn Dialect) -> Result<(), EngineError> {
        let after = {
            let progress = self.sweeps.0.lock();
            if progress.settled || progress.domain_keys_held_until > self.clock.since_boot() {
                return Ok(());
            }
            progress.after.clone()
        };
        let known = root_rows(self)?;
        self.introduce_roots(dialect, &known)?;
        let roots: Vec<RootId> = known.iter().map(|(row, _)| row.id).collect();
        let page = self.catalog.snapshot()?.scan(Table::DomainKey, &[], after.as_deref(), SCAN_ROWS)?;
        let (mut places, mut damaged) = (Vec::new(), 0);
        let mut last = None;
        for row in &page {
            if places.len() >= limits::SWEPT_DOMAIN_KEYS {
                break;
            }
            last = Some(row.key.clone());
            let domain_key: DomainKeyRow = match rows::decode("domain keys", &row.value) {
                Ok(row) => row,
                Err(error) => {
                    damaged += 1;
                    tracing::error!(%error, cause = ?error, "a domain key's row can't be read");
                    continue;
                }
            };
            let known_wraps = domain_key.wraps.iter().filter(|wrap| roots.contains(&wrap.root)).count();
            let excess = known_wraps > 0 && known_wraps < domain_key.wraps.len();
            if excess || !self.vault.missing(&domain_key, &roots).is_empty() {
                places.push(row.key.clone());
            }
            if self.catalog.load_tenant(domain_key.tenant)?.0.domain_key != domain_key.id {
                self.sweeps.0.lock().pending.entry(domain_key.tenant).or_default();
            }
        }
        let ended = page.len() < SCAN_ROWS && last == page.last().map(|row| row.key.clone());
        if !places.is_empty() {
            damaged += self.act(dialect, "WrapDomainKeys", WrapDomainKeys { places, roots })?;
        }
        let settled = {
            let mut progress = self.sweeps.0.lock();
            // Those of the pass before count no more when a pass begins.
            progress.damaged = if after.is_none() { damaged } else { progress.damaged + damaged };
            progress.after = if ended { None } else { last };
            if ended {
                progress.settled = !progress.disturbed && progress.damaged == 0;
                progress.disturbed = false;
            }
            if ended && progress.damaged > 0 {
                progress.domain_keys_held_until = self.clock.since_boot() + limits::SWEEP_DAMAGED_HOLD;
            }
            progress.settled
        };
        if settled {
            self.finish_replacements(dialect, &known)?;
        }
        Ok(())
    }

    /// Roots that others have replaced go.
    fn finish_replacements(&self, dialect: &'static dyn Dialect, known: &[(RootRow, Row)]) -> Result<(), EngineError> {
        for (row, _) in known {
            // The new root must be at hand: it has wrapped every domain key then.
            let Some(old) = row.replaces.filter(|_| self.vault.root(row.id).is_some()) else { continue };
            if known.iter().any(|(other, _)| other.id == old) {
                self.act(dialect, "RemoveRoot", RemoveRoot { root: old, replaced: true })?;
            }
        }
        Ok(())
    }

    /// New checkpoint keys are told to verifiers under the signatures of those that they know.
    fn introduce_roots(&self, dialect: &'static dyn Dialect, known: &[(RootRow, Row)]) -> Result<(), EngineError> {
        let head = self.log.head();
        for (row, _) in known.iter().filter(|(row, _)| !row.introduced) {
            let Ok(key) = VerifierKey::new(&head.origin, row.checkpoint_key()) else { continue };
            let introduction = KeyIntroduction { origin: head.origin.clone(), size: head.size, key };
            let text = introduction.text();
            let sponsors = known.iter().filter(|(sponsor, _)| sponsor.introduced);
            let sponsors = sponsors.filter_map(|(sponsor, _)| self.vault.root(sponsor.id));
            let signed = sponsors.filter_map(|root| crate::scheduler::sign(&*root, &head.origin, &text).ok());
            let signatures: Vec<_> = signed.collect();
            if signatures.is_empty() {
                continue;
            }
            let note = introduction.signed(signatures).to_string();
            self.log.append_note(note).wait().map_err(|cause| log_error(&cause))?;
            self.act(dialect, "IntroduceRoot", MarkIntroduced { root: row.id })?;
        }
        Ok(())
    }

    /// One step for a tenant that has former domain keys.
    fn sweep_tenant(&self, dialect: &'static dyn Dialect) -> Result<(), EngineError> {
        let now = self.clock.since_boot();
        let due = |(tenant, pending): (&TenantId, &Pending)| (pending.not_before <= now).then_some(*tenant);
        let Some(tenant) = self.sweeps.0.lock().pending.iter().find_map(due) else { return Ok(()) };
        let current = self.catalog.load_tenant(tenant)?.0.domain_key;
        let begin = Rewrap { tenant, current, table: Table::Key, after: None, found: false, damaged: 0 };
        let kept = self.sweeps.0.lock().rewrap.clone();
        // A pass that began under another domain key proves nothing.
        let mut pass =
            kept.filter(|kept| kept.tenant == tenant && kept.current == current).unwrap_or_else(|| begin.clone());
        let page = self.catalog.snapshot()?.scan(pass.table, &[], pass.after.as_deref(), SCAN_ROWS)?;
        let Looked { places, looked_at, unreadable } = self.wrapped_before(&pass, &page)?;
        let (count, table) = (places.len(), pass.table);
        let damaged = match (table, count) {
            (_, 0) => 0,
            (Table::Key, _) => {
                let keys = places.iter().filter_map(|place| KeyId::from_slice(place)).collect();
                self.act(dialect, "RewrapKeys", RewrapKeys { tenant, keys })?
            }
            _ => self.act(dialect, "ResealCredentials", ResealCredentials { tenant, table, places })?,
        };
        pass.found |= damaged < count;
        pass.damaged += damaged + unreadable;
        let ended = page.len() < SCAN_ROWS && looked_at == page.len();
        pass.after = looked_at.checked_sub(1).and_then(|last| page.get(last)).map(|row| row.key.clone());
        let next = match (ended, pass.table, pass.found) {
            (false, ..) => Some(pass),
            (true, Table::Key, _) => Some(Rewrap { table: Table::Credential, after: None, ..pass }),
            (true, Table::Credential, _) => Some(Rewrap { table: Table::StoreLink, after: None, ..pass }),
            (true, _, true) => Some(begin),
            (true, _, false) if pass.damaged > 0 => {
                let Rewrap { damaged, .. } = pass;
                tracing::error!(%tenant, damaged, "a tenant's former domain keys are kept, because what they wrap is damaged; restore it from a backup");
                let pending = Pending { damaged, not_before: now + limits::SWEEP_DAMAGED_HOLD };
                self.sweeps.0.lock().pending.insert(tenant, pending);
                None
            }
            (true, _, false) => {
                self.act(dialect, "DestroyDomainKeys", DestroyDomainKeys { tenant, current })?;
                self.sweeps.0.lock().pending.remove(&tenant);
                None
            }
        };
        self.sweeps.0.lock().rewrap = next;
        Ok(())
    }

    /// Looks through a page for what a former domain key of the tenant has wrapped.
    fn wrapped_before(&self, pass: &Rewrap, page: &[Row]) -> Result<Looked, EngineError> {
        let mut looked = Looked { places: Vec::new(), looked_at: page.len(), unreadable: 0 };
        for (looked_at, row) in page.iter().enumerate() {
            if looked.places.len() >= limits::SWEPT_KEYS {
                looked.looked_at = looked_at;
                return Ok(looked);
            }
            match self.is_wrapped_before(pass, row) {
                Ok(true) => looked.places.push(row.key.clone()),
                Ok(false) => {}
                // Whose it is and what has wrapped it can't be told.
                Err(error) if error.is_damage() => {
                    looked.unreadable += 1;
                    tracing::error!(table = ?pass.table, %error, cause = ?error, "a row can't be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(looked)
    }

    fn is_wrapped_before(&self, pass: &Rewrap, row: &Row) -> Result<bool, EngineError> {
        match pass.table {
            Table::Key => {
                let key: KeyRow = rows::decode("keys", &row.value)?;
                Ok(key.tenant == pass.tenant && self.any_version_before(&key, pass.current)?)
            }
            Table::Credential => {
                let credential: CredentialRow = rows::decode("credentials", &row.value)?;
                Ok(credential.tenant == pass.tenant && is_sealed_before(&credential.sealed, pass.current))
            }
            _ => {
                let links: StoreLinksRow = rows::decode("store links", &row.value)?;
                let mut external = links.links.iter().filter_map(|link| link.external.as_ref());
                let any = external.any(|external| is_sealed_before(&external.sealed, pass.current));
                Ok(row.key.starts_with(pass.tenant.as_bytes()) && any)
            }
        }
    }

    fn any_version_before(&self, key: &KeyRow, current: DomainKeyId) -> Result<bool, EngineError> {
        for row in self.catalog.scan_all(Table::KeyVersion, key.id.as_bytes(), usize::MAX)? {
            let version: VersionRow = rows::decode("key versions", &row.value)?;
            let digest = version.imported.as_ref().map_or(&[][..], |imported| &imported.digest);
            let sealed = [(Kind::Material, version.wrapped.as_slice()), (Kind::MaterialDigest, digest)];
            let mut by = sealed.iter().filter_map(|(kind, sealed)| wrapped::domain_key_id(*kind, sealed));
            if by.any(|by| by != current) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_sealed_before(sealed: &[u8], current: DomainKeyId) -> bool {
    wrapped::domain_key_id(Kind::Credential, sealed).is_some_and(|by| by != current)
}

/// What there is on a page.
struct Looked {
    /// Keys of the rows that a former domain key has wrapped.
    places: Vec<Vec<u8>>,
    /// How many rows were looked at.
    looked_at: usize,
    /// How many of them can't be read.
    unreadable: usize,
}
