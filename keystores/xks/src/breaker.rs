//! The circuit breaker: after failures in a row a manager is left alone for a moment, but for one call that finds out
//! whether it is back. Who is not let through is told how the last call failed.
//!
//! Time is an argument, so every state can be tested without waiting.

use std::sync::Arc;
use std::time::Instant;

use strongroom_model::external::ExternalError;

use crate::counts::{Alone, Counts};
use crate::limits::{BREAKER_FAILURES, BREAKER_PAUSE};

/// Closed, or open until a probe is due.
pub(crate) struct Breaker {
    counts: Arc<Counts>,
    failures: u32,
    open: Option<Open>,
}

struct Open {
    probe_at: Instant,
    why: ExternalError,
    _counted: Alone,
}

impl Breaker {
    pub(crate) const fn new(counts: Arc<Counts>) -> Self {
        Self { counts, failures: 0, open: None }
    }

    /// Lets a call through, or tells how the last one failed. While calls are refused, one that is let through is the
    /// probe, and the next is due a pause later.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), ExternalError> {
        match &mut self.open {
            Some(open) if now < open.probe_at => {
                self.counts.left_alone();
                Err(open.why.clone())
            }
            Some(open) => {
                open.probe_at = now + BREAKER_PAUSE;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn success(&mut self) {
        (self.failures, self.open) = (0, None);
    }

    pub(crate) fn failure(&mut self, now: Instant, why: &ExternalError) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= BREAKER_FAILURES {
            let counted = Alone::begin(&self.counts);
            self.open = Some(Open { probe_at: now + BREAKER_PAUSE, why: why.clone(), _counted: counted });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(Arc::default());
        (0..BREAKER_FAILURES).for_each(|_| breaker.failure(now, &ExternalError::Late));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Arc::default());
        for _ in 0..3 {
            (1..BREAKER_FAILURES).for_each(|_| breaker.failure(now, &ExternalError::Late));
            assert_eq!(breaker.admit(now), Ok(()));
            breaker.success();
        }
        assert_eq!(opened(now).admit(now), Err(ExternalError::Late));
    }

    #[test]
    fn one_call_in_each_pause_finds_out_whether_the_manager_is_back() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + BREAKER_PAUSE;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(ExternalError::Late));
        let gone = ExternalError::Unreachable { cause: "gone".to_owned() };
        breaker.failure(later, &gone);
        assert_eq!(breaker.admit(later), Err(gone));
        assert_eq!(breaker.admit(later + BREAKER_PAUSE), Ok(()));
        breaker.success();
        assert!((0..2).all(|_| breaker.admit(later).is_ok()));
    }
}
