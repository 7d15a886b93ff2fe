//! How often a tenant, a principal and a key may be asked for: a token bucket for each of several windows, in a bounded map
//! in shards, of which a request holds one at a time.
//!
//! A bucket holds as many requests as its window permits and is refilled evenly over the window. What the caller is limited
//! by counts before policy is asked, what the key is limited by only once the caller may use it: nobody can use up a key's
//! rate who may not use the key. Operators and the product's own acts are not limited. Absent on purpose: rates shared
//! between nodes.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use strongroom_audit::port::RecordClass;
use strongroom_audit::record::{Outcome, Record, SealedRecord, Text};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal, Source};
use strongroom_model::clock::Timestamp;

use crate::call::{Call, Dialect};
use crate::error::{EngineError, Quota};
use crate::journey::{Journey, Trace};
use crate::operation::KeyHandle;
use crate::record::describe_call;
use crate::{Engine, limits};

/// So many requests in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: NonZeroU32,
    /// In how long; at least a millisecond.
    pub window: Duration,
}

/// The rates that hold for each tenant, each principal and each key: all of a list at once, at most
/// [`limits::RATE_WINDOWS`] of each; none, if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// For all requests of a tenant's principals.
    pub tenant: Vec<Rate>,
    /// For all requests of a principal; the sessions of a role are one.
    pub principal: Vec<Rate>,
    /// For all permitted requests on a key, whoever makes them.
    pub key: Vec<Rate>,
}

/// Who or what is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Tenant,
    Principal,
    Key,
}

/// What a request was counted for already: attempts are made more than once.
#[derive(Default)]
pub(crate) struct Charged(AtomicU8);

const CALLER: u8 = 1;
const KEYS: u8 = 2;

impl Charged {
    /// Whether this is the first time.
    fn begins(&self, what: u8) -> bool {
        self.0.fetch_or(what, Ordering::Relaxed) & what == 0
    }
}

/// For each window, when the bucket will be full again, in nanoseconds since boot (the generic cell rate algorithm).
type Bucket = [u64; limits::RATE_WINDOWS];
type Shard = HashMap<(Subject, [u8; 16]), Bucket>;

/// The rates of an engine, and how far each is used up.
pub(crate) struct Rates {
    limits: ArcSwap<RateLimits>,
    shards: [Mutex<Shard>; limits::RATE_SHARDS],
    refused: [AtomicU64; 3],
    tally: Mutex<Tally>,
}

impl Default for Rates {
    fn default() -> Self {
        let (limits, refused, tally) = Default::default();
        Self { limits, shards: std::array::from_fn(|_| Mutex::default()), refused, tally }
    }
}

/// Refusals that are not recorded one by one.
#[derive(Default)]
struct Tally {
    second: u64,
    recorded: u32,
    counted: HashMap<(&'static str, Arc<str>), Counted>,
}

struct Counted {
    caller: Arc<Caller>,
    dialect: &'static dyn Dialect,
    source: Arc<Source>,
    operation: &'static str,
    action: Action,
    first: Timestamp,
    count: u64,
}

impl Rates {
    /// Counts a request of `caller`, or refuses it.
    pub(crate) fn charge_caller(&self, journey: &Journey) -> Result<(), EngineError> {
        let limits = self.limits.load();
        if limits.tenant.is_empty() && limits.principal.is_empty() {
            return Ok(());
        }
        let caller = &journey.call.caller;
        let tenant = caller.tenant.as_bytes();
        let principal = match &caller.principal {
            Principal::Operator { .. } | Principal::Internal { .. } => return Ok(()),
            // Whoever comes with a token is no principal of the tenant yet.
            Principal::WebIdentity { .. } => None,
            Principal::TenantRoot => Some(tenant),
            Principal::User { id, .. } | Principal::Service { id, .. } => Some(id.as_bytes()),
            Principal::Session(session) => Some(session.role.as_bytes()),
        };
        if !journey.charged.begins(CALLER) {
            return Ok(());
        }
        if let Some(principal) = principal {
            self.charge(Subject::Principal, principal, &limits.principal, journey.began)?;
        }
        self.charge(Subject::Tenant, tenant, &limits.tenant, journey.began)
    }

    /// Counts a permitted request on these keys, or refuses it.
    pub(crate) fn charge_keys(&self, journey: &Journey, keys: &[KeyHandle]) -> Result<(), EngineError> {
        let limits = self.limits.load();
        let exempt = matches!(journey.call.caller.principal, Principal::Operator { .. } | Principal::Internal { .. });
        if limits.key.is_empty() || exempt || keys.is_empty() || !journey.charged.begins(KEYS) {
            return Ok(());
        }
        for handle in keys {
            self.charge(Subject::Key, handle.entry().row.id.as_bytes(), &limits.key, journey.began)?;
        }
        Ok(())
    }

    fn charge(&self, subject: Subject, id: &[u8; 16], rates: &[Rate], now: Duration) -> Result<(), EngineError> {
        let now = nanoseconds(now);
        if rates.is_empty() || self.take(subject, id, rates, now) {
            return Ok(());
        }
        if let Some(refused) = self.refused.get(subject as usize) {
            refused.fetch_add(1, Ordering::Relaxed);
        }
        Err(EngineError::LimitExceeded(Quota::Requests))
    }

    /// Takes one request out of every bucket, or out of none.
    fn take(&self, subject: Subject, id: &[u8; 16], rates: &[Rate], now: u64) -> bool {
        // Identities are random, so that any byte of them spreads.
        let [first, ..] = id;
        let Some(shard) = self.shards.get(usize::from(*first) % limits::RATE_SHARDS) else { return true };
        let mut shard = shard.lock();
        let key = (subject, *id);
        let mut bucket = shard.get(&key).copied().unwrap_or_default();
        for (full, rate) in bucket.iter_mut().zip(rates) {
            let window = nanoseconds(rate.window);
            *full = (*full).max(now).saturating_add(window / u64::from(rate.requests.get()));
            if *full > now.saturating_add(window) {
                return false;
            }
        }
        if shard.len() >= limits::RATED_PER_SHARD && !shard.contains_key(&key) {
            make_room(&mut shard, now);
        }
        shard.insert(key, bucket);
        true
    }

    /// Whether one more refusal may be recorded by itself in this second.
    fn records(&self, second: u64) -> bool {
        let mut tally = self.tally.lock();
        if tally.second != second {
            (tally.second, tally.recorded) = (second, 0);
        }
        tally.recorded = tally.recorded.saturating_add(1);
        tally.recorded <= limits::REFUSALS_PER_SECOND
    }

    fn count(&self, call: &Call, action: Action, now: Timestamp) {
        let mut tally = self.tally.lock();
        let mut key = (call.dialect.front_end(), Arc::clone(&call.caller.policy_name));
        let mut caller = Arc::clone(&call.caller);
        if tally.counted.len() >= limits::COUNTED_REFUSALS && !tally.counted.contains_key(&key) {
            key.1 = Arc::from("");
            caller = Call::internal("others", "", call.dialect).caller;
        }
        let (dialect, source, operation) = (call.dialect, Arc::clone(&call.source), call.operation);
        let first = || Counted { caller, dialect, source, operation, action, first: now, count: 0 };
        let counted = tally.counted.entry(key).or_insert_with(first);
        counted.count = counted.count.saturating_add(1);
    }
}

/// Forgets whoever has not asked for long; where nobody is idle, whoever's bucket is fullest.
fn make_room(shard: &mut Shard, now: u64) {
    let used = |bucket: &Bucket| bucket.iter().copied().max().unwrap_or_default();
    shard.retain(|_, bucket| used(bucket) > now);
    if shard.len() >= limits::RATED_PER_SHARD
        && let Some(fullest) = shard.iter().min_by_key(|(_, bucket)| used(bucket)).map(|(key, _)| *key)
    {
        shard.remove(&fullest);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Engine {
    /// Sets how often anyone may ask from here on; who has asked how often is forgotten.
    pub fn limit_rates(&self, limits: RateLimits) {
        self.rates.limits.store(Arc::new(limits));
        for shard in &self.rates.shards {
            shard.lock().clear();
        }
    }

    /// Whether a refusal is counted, to be recorded with others of its kind, rather than recorded by itself.
    pub(crate) fn counts_refusal(&self, journey: &Journey, trace: &Trace) -> bool {
        if self.rates.records(journey.began.as_secs()) {
            return false;
        }
        let action = trace.demands.first().map_or(Action::Installation, |traced| traced.demand.action);
        self.rates.count(&journey.call, action, journey.started);
        true
    }

    /// Writes the counted refusals of past seconds, one record for each caller. Blocks.
    pub(crate) fn record_counted_refusals(&self) {
        let taken = std::mem::take(&mut self.rates.tally.lock().counted);
        for (key, counted) in taken {
            let record = self.seal_refusals(&counted);
            let written = match self.log.reserve(RecordClass::Authenticated, 1) {
                Ok(permit) => self.log.append(permit, vec![record]).wait().map(|_| ()),
                Err(cause) => Err(cause),
            };
            if let Err(cause) = written {
                tracing::warn!(%cause, "counted refusals beyond a rate stay unrecorded for now");
                let mut tally = self.rates.tally.lock();
                let more = tally.counted.remove(&key).map_or(0, |later| later.count);
                tally.counted.insert(key, Counted { count: counted.count.saturating_add(more), ..counted });
            }
        }
    }

    fn seal_refusals(&self, counted: &Counted) -> SealedRecord {
        let mut call = Call::internal("", counted.operation, counted.dialect);
        (call.caller, call.source) = (Arc::clone(&counted.caller), Arc::clone(&counted.source));
        let error = EngineError::LimitExceeded(Quota::Requests);
        let mut record = Record::new(self.record_id(), counted.first, counted.action);
        describe_call(&mut record, &call);
        let took = self.clock.now().since(counted.first);
        record.duration_micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let (code, message) = call.dialect.error(&error, &call);
        record.outcome =
            Outcome::Failed { code: Text::from(code), message: Text::from(message), engine: error.number() };
        record.count = counted.count;
        record.seal()
    }

    /// Tells how many requests were refused, by what limited them.
    pub(crate) fn measure_rates(&self, tell: &mut dyn FnMut(&str, u64)) {
        let subjects = ["tenant", "principal", "key"];
        for (subject, refused) in subjects.iter().zip(&self.rates.refused) {
            tell(&format!("requests_throttled_by_{subject}_total"), refused.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(requests: u32, seconds: u64) -> Rate {
        Rate { requests: NonZeroU32::new(requests).unwrap(), window: Duration::from_secs(seconds) }
    }

    /// How many of many requests at one time are taken.
    fn taken(rates: &Rates, id: u8, limits: &[Rate], now: u64) -> usize {
        (0..1000).filter(|_| rates.take(Subject::Key, &[id; 16], limits, now)).count()
    }

    #[test]
    fn every_window_holds_and_each_is_refilled_evenly() {
        let (rates, limits) = (Rates::default(), [rate(10, 1), rate(15, 60)]);
        assert_eq!(taken(&rates, 1, &limits, SECOND), 10, "the short window");
        assert_eq!(taken(&rates, 1, &limits, SECOND), 0, "what is refused is not counted, and none is left");
        assert_eq!(taken(&rates, 2, &limits, SECOND), 10, "another key has rates of its own");
        assert_eq!(taken(&rates, 1, &limits, SECOND + SECOND / 10), 1, "a tenth of the window refills a tenth");
        assert_eq!(taken(&rates, 1, &limits, 3 * SECOND), 4, "the long window: 15 less 11");
        assert_eq!(taken(&rates, 1, &limits, 200 * SECOND), 10, "all is forgiven");
    }

    #[test]
    fn memory_is_bounded_and_who_asks_most_is_remembered() {
        let (rates, limits) = (Rates::default(), [rate(10, 60)]);
        assert_eq!(taken(&rates, 0, &limits, SECOND), 10);
        for other in 0..2 * limits::RATED_PER_SHARD as u64 {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&(other + 1).to_be_bytes());
            assert!(rates.take(Subject::Key, &id, &limits, SECOND));
        }
        assert_eq!(rates.shards[0].lock().len(), limits::RATED_PER_SHARD);
        assert_eq!(taken(&rates, 0, &limits, SECOND), 0);
    }
}
