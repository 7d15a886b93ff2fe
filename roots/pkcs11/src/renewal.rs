//! How often a module is begun anew that does not find in its token what should be there: modules are known to keep an old
//! view of a token for as long as they live. Ever more rarely, since perhaps it is the token that lost it, until all is well
//! for a while.
//!
//! Time is an argument, as for the breaker.

use std::time::{Duration, Instant};

use crate::limits::{RENEWAL_CALM, RENEWAL_PAUSE, RENEWAL_PAUSE_MOST};

/// When the next time may be.
pub(crate) struct Renewal {
    not_before: Option<Instant>,
    pause: Duration,
    /// When something was last not found.
    lacked: Option<Instant>,
}

impl Renewal {
    pub(crate) const fn new() -> Self {
        Self { not_before: None, pause: RENEWAL_PAUSE, lacked: None }
    }

    /// Something was not found: whether it shall be now; if so, the next time is later still.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.lacked = Some(now);
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        self.not_before = now.checked_add(self.pause);
        self.pause = (self.pause * 2).min(RENEWAL_PAUSE_MOST);
        true
    }

    /// Something was found. Once nothing was missed for a while, what comes next is another trouble.
    pub(crate) fn found(&mut self, now: Instant) {
        if self.lacked.is_some_and(|at| now.saturating_duration_since(at) >= RENEWAL_CALM) {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_begun_anew_at_once_and_then_ever_more_rarely() {
        let mut now = Instant::now();
        let mut renewal = Renewal::new();
        assert!(renewal.take(now) && !renewal.take(now));
        let mut pause = RENEWAL_PAUSE;
        for _ in 0..20 {
            assert!(!renewal.take(now + pause - Duration::from_millis(1)));
            now += pause;
            assert!(renewal.take(now));
            pause = (pause * 2).min(RENEWAL_PAUSE_MOST);
        }
    }

    #[test]
    fn after_a_while_in_which_nothing_was_missed_it_is_begun_anew_at_once_again() {
        let now = Instant::now();
        let mut renewal = Renewal::new();
        assert!(renewal.take(now) && renewal.take(now + RENEWAL_PAUSE));
        let last = now + RENEWAL_PAUSE * 2;
        assert!(!renewal.take(last));
        renewal.found(last + RENEWAL_CALM - Duration::from_millis(1));
        assert!(!renewal.take(last));
        renewal.found(last + RENEWAL_CALM);
        assert!(renewal.take(last + RENEWAL_CALM) && renewal.take(last + RENEWAL_CALM + RENEWAL_PAUSE));
    }
}
