//! The engine: every operation on keys, and the one way in.
//!
//! Front ends fill an operation from [`operations`], say who calls in a [`Call`], and hand both to [`Engine::perform`].
//! Everything else follows here: names to keys, policy, key states, opening of material, the record, the commit.
//! Absent on purpose: any wire format, any IO of its own (store, log, roots, clock and randomness are arguments), and any
//! other way to use a key.

mod algorithm;
mod asked;
mod authentication;
mod backup;
mod call;
mod carry;
mod catalog;
mod changes;
mod commit;
mod connecting;
mod decide;
mod doubt;
mod error;
mod external;
mod grants;
mod handoff;
mod identifiers;
mod identity;
mod journey;
mod keys;
pub mod limits;
mod loose;
mod meanings;
mod named;
mod noted;
mod operation;
pub mod operations;
mod outbox;
mod pairs;
mod passage;
mod perform;
mod planned;
mod quotas;
mod rates;
mod record;
mod resident;
mod resolve;
mod rollback;
mod rows;
mod scheduler;
mod session;
mod start;
mod sweep;
mod tokens;
mod unknown;
mod usage;
mod vault;
mod wear;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use strongroom_audit::port::AuditLog;
use strongroom_crypto::Random;
use strongroom_crypto::wrapped::WrappingKey;
use strongroom_model::clock::Clock;
use strongroom_model::id::InstallationId;
pub use strongroom_policy::{
    Attributes, CONDITION_KEYS, Combining, CompiledPolicy, ConditionKey, DeniedBy, Document, Kind, Missing,
    NoAttributes, Outcome as PolicyOutcome, PolicyError, Value,
};
pub use strongroom_secret::SecretBytes;

pub use crate::asked::Question;
pub use crate::authentication::FailedAuthentication;
pub use crate::backup::{BackupReport, RestoreError, check_backup, restore};
pub use crate::call::{Call, Dialect, Facts, Mode, NewKey, OwnedKind, ServiceNames};
pub use crate::catalog::{KeyEntry, PrincipalEntry};
pub use crate::decide::{Explained, ExplainedStatement};
pub use crate::error::{
    Algorithm, Denial, EngineError, InputFault, InternalFault, Lack, LinkFault, Noun, Quota, SessionLimit, Unavailable,
};
pub use crate::grants::GrantSet;
pub use crate::identity::{Identified, SecretAccessKey, certificate_credential, certificate_name, is_certificate_name};
pub use crate::noted::Noted;
pub use crate::operation::{
    Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, PrincipalReference, RoleName, Target,
};
pub use crate::planned::{begin_initialisation, finish_initialisation, plan_root, planned_root};
pub use crate::quotas::Quotas;
pub use crate::rates::{Rate, RateLimits};
pub use crate::rollback::RolledBack;
pub use crate::rows::{
    BindingRow, CredentialRow, DomainKeyRow, ExternalLinkRow, GrantRow, IdentityPolicyRow, ImportRow, InstallationRow,
    KeyRow, LinkFailure, LinkState, Meant, MultiRegion, PrincipalRow, RoleRow, RootRow, RootWrap, RotationCause,
    RotationRow, Serves, ServiceRow, StoreLinkRow, StoreLinksRow, TenantRow, TokenIssuerRow, UsageRow, VersionRow,
    role_reference, service_reference,
};
pub use crate::scheduler::Ticked;
pub use crate::start::{OfferedStore, Options, Parts, initialise, installation, recover, roots, saved_head};
pub use crate::usage::LastUse;
pub use crate::workers::Ground;

/// The engine of one node.
pub struct Engine {
    installation: InstallationId,
    catalog: catalog::Catalog,
    vault: vault::Vault,
    sessions: session::Sessions,
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    workers: workers::Workers,
    key_stores: resident::KeyStores,
    externals: external::Externals,
    uses: wear::Uses,
    pairs: pairs::Pairs,
    operator_policy: CompiledPolicy,
    /// Grows with every change that may take a use away.
    epoch: AtomicU64,
    outbox: outbox::Outbox,
    passage: passage::Passage,
    /// Seals page cursors and grant tokens.
    token_key: ArcSwap<WrappingKey>,
    usage: usage::Ledger,
    sweeps: sweep::Sweeps,
    meanings: meanings::Meanings,
    scheduler: scheduler::Memory,
    connections: connecting::Connections,
    strangers: authentication::Strangers,
    identifiers: identifiers::Identifiers,
    quotas: quotas::Counted,
    rates: rates::Rates,
}

impl Engine {
    /// Randomness, as handed in.
    #[must_use]
    pub fn random(&self) -> &dyn Random {
        self.vault.random()
    }

    /// A fresh identifier of 128 random bits, for what is shown: requests and records.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when there is no randomness.
    pub fn identifier(&self) -> Result<[u8; 16], EngineError> {
        self.identifiers.next(self.random()).map_err(error::crypto)
    }

    /// The clock, as handed in.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The installation's identity.
    #[must_use]
    pub const fn installation(&self) -> InstallationId {
        self.installation
    }

    /// Tells what is measured, by name: counters end in `_total`.
    pub fn measure(&self, tell: &mut dyn FnMut(&str, u64)) {
        tell("audit_records_total", self.log.head().size);
        tell("kill_switch_epoch_total", self.epoch.load(Ordering::Relaxed));
        tell("outbox_settled", self.outbox.settled() as u64);
        tell("audit_log_owed", u64::from(self.outbox.owes()));
        tell("sweep_damaged", self.found_damaged() as u64);
        tell("doubtful_commits", self.catalog.doubts.open() as u64);
        self.measure_rates(tell);
        tell("roots", self.vault.roots().len() as u64);
    }

    pub(crate) const fn catalog(&self) -> &catalog::Catalog {
        &self.catalog
    }
}
