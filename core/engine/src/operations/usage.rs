//! Reading the usage ledger, and what depends on it.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::TenantId;
use strongroom_model::purpose::{KeyState, Purpose};

use super::inspect::Page;
use super::key::{Edit, EditKey};
use super::listing;
use crate::catalog::KeyEntry;
use crate::error::{EngineError, InputFault};
use crate::limits;
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, Target};
use crate::rows::UsageRow;
use crate::usage::LastUse;

/// Tells when a key was last used.
pub struct ReadLastUse {
    /// Which key.
    pub key: KeyReference,
}

impl Operation for ReadLastUse {
    /// The key, and its newest use, if there was one.
    type Output = (Arc<KeyEntry>, Option<LastUse>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(&self.key))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let entry = authorized.key(0)?.entry();
        let last = authorized.engine().last_use(entry.row.id)?;
        Ok(Outcome::Answer((Arc::clone(entry), last)))
    }
}

/// Tells how often a key's versions were used, for what, by which algorithm and by whom.
pub struct ReadUsage {
    /// Which key.
    pub key: KeyReference,
    /// Pass over so many.
    pub skip: usize,
    /// At most so many, up to 1000.
    pub limit: usize,
}

impl Operation for ReadUsage {
    /// The key's newest use, if there was one, and the page.
    type Output = (Option<LastUse>, Page<UsageRow>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(&self.key))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (engine, key) = (authorized.engine(), authorized.key(0)?.entry().row.id);
        let last = engine.last_use(key)?;
        let mut items = engine.usage_of(key)?;
        items.drain(..self.skip.min(items.len()));
        let limit = self.limit.clamp(1, 1000);
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Outcome::Answer((last, Page { items, more })))
    }
}

/// Lists a tenant's keys with what the ledger tells of them, in the order of each key's first name.
pub struct ListUse {
    /// Whose.
    pub tenant: TenantId,
    /// Begin behind this place in the listing.
    pub after: Option<Vec<u8>>,
    /// Look at so many names at most, up to 999.
    pub limit: usize,
    /// Only keys that were neither made nor used since, and whose material is there.
    pub unused_since: Option<Timestamp>,
    /// With the uses of each one by one.
    pub in_full: bool,
}

/// A key and its use.
pub struct KeyUse {
    /// The key.
    pub key: Arc<KeyEntry>,
    /// Its newest use, if there was one.
    pub last: Option<LastUse>,
    /// Its uses by version, action, algorithm and caller; empty where they were not asked for.
    pub rows: Vec<UsageRow>,
}

impl Operation for ListUse {
    /// The keys, and the place behind which more of them stand, if there are more. A page may be empty and have one.
    type Output = (Vec<KeyUse>, Option<Vec<u8>>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(self.tenant);
        let demand = |action| Demand { action, target: target.clone(), purpose: Purpose::Inspect };
        Ok([Action::ListKeys, Action::GetKeyLastUsage].map(demand).into())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let engine = authorized.engine();
        let (rows, next) = listing::bindings(authorized, self.tenant, self.after.as_deref(), self.limit)?;
        let (mut found, mut told) = (Vec::new(), 0);
        for row in rows {
            let Some(key) = listing::key_at(authorized, self.tenant, &row)? else { continue };
            let last = engine.last_use(key.row.id)?;
            if self.unused_since.is_some_and(|since| is_in_use(&key, last.as_ref(), since)) {
                continue;
            }
            let rows = if self.in_full { engine.usage_of(key.row.id)? } else { Vec::new() };
            told += rows.len();
            found.push(KeyUse { key, last, rows });
            if told >= limits::LISTED_USAGE_ROWS {
                return Ok(Outcome::Answer((found, Some(row.key))));
            }
        }
        Ok(Outcome::Answer((found, next)))
    }
}

fn is_in_use(key: &KeyEntry, last: Option<&LastUse>, since: Timestamp) -> bool {
    let newest = last.map_or(key.row.created, |last| last.at);
    newest >= since || key.row.state == KeyState::Destroyed
}

/// Schedules a key's destruction, but not that of a key in use whose caller has not said to know that.
pub struct ScheduleDestruction {
    /// Which key.
    pub key: KeyReference,
    /// Days to wait.
    pub days: u32,
    /// A use from then on is a recent one.
    pub recent_since: Timestamp,
    /// The newest use that the caller knows of.
    pub acknowledged: Option<Timestamp>,
}

impl ScheduleDestruction {
    fn edit(&self) -> EditKey {
        EditKey { key: self.key.clone(), edit: Edit::ScheduleDestruction { days: self.days } }
    }
}

impl Operation for ScheduleDestruction {
    type Output = <EditKey as Operation>::Output;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.edit().demands()
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let last = authorized.engine().last_use(authorized.key(0)?.entry().row.id)?;
        let known = self.acknowledged.is_some_and(|known| known >= self.recent_since);
        if let Some(LastUse { at, action, count, .. }) = last
            && at >= self.recent_since
            && !known
        {
            return Err(EngineError::from(InputFault::RecentlyUsed { last: at, action, count }).into());
        }
        self.edit().run(authorized)
    }
}

fn demands(key: &KeyReference) -> Vec<Demand> {
    let target = Target::Key(key.clone());
    vec![Demand { action: Action::GetKeyLastUsage, target, purpose: Purpose::Inspect }]
}
