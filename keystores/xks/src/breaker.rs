//! The circuit breaker: after failures in a row a manager is left alone for a moment, but for one call that finds out
//! whether it is back.
//!
//! Time is an argument, so every state can be tested without waiting.

use std::time::Instant;

use crate::limits::{BREAKER_FAILURES, BREAKER_PAUSE};

/// Closed, or open until a probe is due.
#[derive(Default)]
pub(crate) struct Breaker {
    failures: u32,
    probe_at: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made now. While calls are refused, one that may is the probe, and the next is due a pause
    /// later.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        match self.probe_at {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                self.probe_at = now.checked_add(BREAKER_PAUSE);
                true
            }
        }
    }

    pub(crate) fn success(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= BREAKER_FAILURES {
            self.probe_at = now.checked_add(BREAKER_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        (0..BREAKER_FAILURES).for_each(|_| breaker.failure(now));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            (1..BREAKER_FAILURES).for_each(|_| breaker.failure(now));
            assert!(breaker.admits(now));
            breaker.success();
        }
        assert!(!opened(now).admits(now));
    }

    #[test]
    fn one_call_in_each_pause_finds_out_whether_the_manager_is_back() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + BREAKER_PAUSE;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later));
        breaker.failure(later);
        assert!(!breaker.admits(later));
        assert!(breaker.admits(later + BREAKER_PAUSE));
        breaker.success();
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
