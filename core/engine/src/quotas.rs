//! How many keys, names and grants there may be.
//!
//! The keys of a tenant are counted when its first one since the start is to be made, and again when the quota seems to be
//! reached: in between, every attempt to make one counts. So the quota holds but for what other nodes make in between,
//! and for what is under way while the keys are counted. Absent on purpose: a count in the store, which every two
//! creations at a time would have to wait for.
//!
//! The quotas of a key hold always. Whoever gives it a name writes its row as it was read, so that of two at the same
//! time one is made again and counts the other. A grant does so where few places are left: its key's row is in use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::name::Name;
use strongroom_model::store::Table;

use crate::call::Mode;
use crate::catalog::Catalog;
use crate::error::{EngineError, Quota};
use crate::{Engine, keys, limits};

/// How many there may be. The defaults are AWS's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Keys that a tenant has in a region, whatever their state; `None` for any number.
    pub keys: Option<usize>,
    /// Names of one kind that a key has, at most [`limits::NAMES_PER_KEY_MOST`].
    pub names_per_key: usize,
    /// Grants on a key, at most [`limits::GRANTS_PER_KEY_MOST`].
    pub grants_per_key: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { keys: Some(100_000), names_per_key: 50, grants_per_key: 50_000 }
    }
}

/// The quotas of an engine, and the count of what they are held against.
#[derive(Default)]
pub(crate) struct Counted {
    quotas: ArcSwap<Quotas>,
    /// By the prefix of the rows that bind the keys' own names.
    keys: Mutex<HashMap<Vec<u8>, Arc<Mutex<Count>>>>,
}

#[derive(Default)]
struct Count {
    keys: usize,
    /// Since boot; `None` before the first time.
    at: Option<Duration>,
}

impl Counted {
    /// That a key may have one more name.
    pub(crate) fn check_names(&self, has: usize) -> Result<(), EngineError> {
        let most = self.quotas.load().names_per_key;
        if has < most { Ok(()) } else { Err(EngineError::LimitExceeded(Quota::Names { most, has })) }
    }

    /// That a key may have one more grant.
    pub(crate) fn check_grants(&self, has: usize) -> Result<(), EngineError> {
        let most = self.quotas.load().grants_per_key;
        if has < most { Ok(()) } else { Err(EngineError::LimitExceeded(Quota::Grants { most, has })) }
    }

    /// Whether so few places are left on a key that has so many grants that of two made at the same time one must see the
    /// other.
    pub(crate) fn are_grants_scarce(&self, has: usize) -> bool {
        has.saturating_add(limits::GRANTS_UNDER_WAY) >= self.quotas.load().grants_per_key
    }

    /// Counts the key that is to be made under this name of its own, or refuses it; a dry run's is not counted. Blocks.
    pub(crate) fn take_key(
        &self,
        catalog: &Catalog,
        now: Duration,
        name: &Name,
        mode: Mode,
    ) -> Result<(), EngineError> {
        let Some(most) = self.quotas.load().keys else { return Ok(()) };
        let prefix = keys::bindings_of_kind(name.tenant, &name.region, name.kind);
        let count = self.count_of(&prefix);
        let mut count = count.lock();
        let counted_lately = count.at.is_some_and(|at| now.saturating_sub(at) < limits::KEYS_COUNTED_EVERY);
        if count.at.is_none() || (count.keys >= most && !counted_lately) {
            *count = Count { keys: count_rows(catalog, &prefix, most)?, at: Some(now) };
        }
        if count.keys >= most {
            return Err(EngineError::LimitExceeded(Quota::Keys { most, has: count.keys }));
        }
        count.keys += usize::from(mode == Mode::Run);
        Ok(())
    }

    fn count_of(&self, prefix: &[u8]) -> Arc<Mutex<Count>> {
        let mut counts = self.keys.lock();
        if counts.len() >= limits::COUNTED_KEYS && !counts.contains_key(prefix) {
            counts.clear();
        }
        Arc::clone(counts.entry(prefix.to_vec()).or_default())
    }
}

/// How many rows have this prefix, no further than to `most`.
fn count_rows(catalog: &Catalog, prefix: &[u8], most: usize) -> Result<usize, EngineError> {
    let snapshot = catalog.snapshot()?;
    let (mut count, mut after) = (0, None::<Vec<u8>>);
    while count < most {
        let page = snapshot.scan(Table::Binding, prefix, after.as_deref(), SCAN_ROWS)?;
        count += page.len();
        match page.last() {
            Some(last) if page.len() == SCAN_ROWS => after = Some(last.key.clone()),
            _ => break,
        }
    }
    Ok(count)
}

impl Engine {
    /// Sets how many keys, names and grants there may be from here on. What there is already stays.
    pub fn limit_quotas(&self, quotas: Quotas) {
        self.quotas.quotas.store(Arc::new(quotas));
        self.quotas.keys.lock().clear();
    }
}
