//! How calls ended and how many managers are left alone, of all tenants together: what an operator watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use strongroom_model::external::ExternalError;

/// The ends that a call may have, by their names.
const OUTCOMES: [&str; 8] = ["served", "refused", "late", "unreachable", "tls", "invalid", "busy", "left_alone"];
/// Calls that were refused without asking, since their manager is left alone.
const LEFT_ALONE: &str = "left_alone";

/// Counts of calls and of open breakers.
#[derive(Default)]
pub(crate) struct Counts {
    ended: [AtomicU64; OUTCOMES.len()],
    open: AtomicU64,
}

impl Counts {
    /// Counts a call that was made.
    pub(crate) fn ended<T>(&self, outcome: &Result<T, ExternalError>) {
        let name = match outcome {
            Ok(_) => "served",
            Err(ExternalError::Refused(_) | ExternalError::Unhealthy | ExternalError::KeyUnfit) => "refused",
            Err(ExternalError::Late) => "late",
            Err(ExternalError::Unreachable { .. } | ExternalError::NoService) => "unreachable",
            Err(ExternalError::Tls { .. }) => "tls",
            Err(ExternalError::InvalidAnswer { .. }) => "invalid",
            Err(ExternalError::Busy) => "busy",
            // Faults of whoever asked: there was no call.
            Err(ExternalError::Malformed(_) | ExternalError::TooLong) => return,
        };
        self.count(name);
    }

    /// Counts a call that was not made.
    pub(crate) fn left_alone(&self) {
        self.count(LEFT_ALONE);
    }

    fn count(&self, name: &str) {
        if let Some((_, count)) = OUTCOMES.iter().zip(&self.ended).find(|(outcome, _)| **outcome == name) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells how many calls ended in which way.
    pub(crate) fn measure(&self, tell: &mut dyn FnMut(&str, u64)) {
        for (outcome, count) in OUTCOMES.iter().zip(&self.ended) {
            tell(outcome, count.load(Ordering::Relaxed));
        }
    }

    /// How many managers are left alone.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }
}

/// A manager that is left alone, counted until it is dropped.
pub(crate) struct Alone(Arc<Counts>);

impl Alone {
    pub(crate) fn begin(counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
