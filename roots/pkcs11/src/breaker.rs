//! The circuit breaker: after failures in a row nothing is asked of the token but a probe now and then. One that failed
//! fewer times is probed too, since whoever has another token to ask may not ask this one again.
//!
//! Time is an argument, so every state can be tested without waiting.

use std::time::{Duration, Instant};

use crate::limits::{BREAKER_FAILURES, COOL, COOL_MOST};

/// Closed, or open; after a failure with a probe due some time.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    probe_at: Option<Instant>,
    cool: Duration,
}

impl Breaker {
    pub(crate) const fn new() -> Self {
        Self { failures: 0, probe_at: None, cool: COOL }
    }

    /// Whether calls are refused.
    pub(crate) const fn is_open(&self) -> bool {
        self.failures >= BREAKER_FAILURES
    }

    /// How many failures there were since the last success.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn success(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.probe_at.is_none() {
            self.probe_at = now.checked_add(self.cool);
        }
    }

    /// Whether a probe shall be sent now; if so, the next is due later still.
    pub(crate) fn take_probe(&mut self, now: Instant) -> bool {
        let due = self.probe_at.is_some_and(|at| now >= at);
        if due {
            self.cool = (self.cool * 2).min(COOL_MOST);
            self.probe_at = now.checked_add(self.cool);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        (0..BREAKER_FAILURES).for_each(|_| breaker.failure(now));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..3 {
            (1..BREAKER_FAILURES).for_each(|_| breaker.failure(now));
            assert!(!breaker.is_open());
            breaker.success();
        }
        assert!(opened(now).is_open());
    }

    #[test]
    fn probes_come_one_at_a_time_and_ever_more_rarely() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(!breaker.take_probe(now));
        let mut at = now + COOL;
        assert!(breaker.take_probe(at));
        assert!(!breaker.take_probe(at));
        for _ in 0..20 {
            at += COOL_MOST;
            assert!(breaker.take_probe(at));
        }
        assert!(!breaker.take_probe(at + COOL_MOST - Duration::from_millis(1)));
        assert!(breaker.is_open());
    }

    #[test]
    fn after_a_single_failure_a_probe_is_due_unless_a_call_succeeds_first() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        assert!(!breaker.take_probe(now + COOL_MOST));
        breaker.failure(now);
        assert!(!breaker.is_open());
        assert!(!breaker.take_probe(now) && breaker.take_probe(now + COOL));
        breaker.success();
        assert!(!breaker.take_probe(now + COOL_MOST));
    }

    #[test]
    fn a_success_closes_it() {
        let mut breaker = opened(Instant::now());
        breaker.success();
        assert!(!breaker.is_open());
        assert_eq!(breaker.failures(), 0);
    }
}
