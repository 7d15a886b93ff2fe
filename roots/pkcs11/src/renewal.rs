//! How often a module is begun anew that does not find in its token what should be there: modules are known to keep an old
//! view of a token for as long as they live. Ever more rarely, since perhaps it is the token that lost it.
//!
//! Time is an argument, as for the breaker.

use std::time::{Duration, Instant};

use crate::limits::{RENEWAL_PAUSE, RENEWAL_PAUSE_MOST};

/// When the next time may be.
pub(crate) struct Renewal {
    not_before: Option<Instant>,
    pause: Duration,
}

impl Renewal {
    pub(crate) const fn new() -> Self {
        Self { not_before: None, pause: RENEWAL_PAUSE }
    }

    /// Whether it shall be now; if so, the next time is later still.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        // That was another trouble, long ago.
        if self.not_before.is_some_and(|at| now.saturating_duration_since(at) >= RENEWAL_PAUSE_MOST) {
            self.pause = RENEWAL_PAUSE;
        }
        self.not_before = now.checked_add(self.pause);
        self.pause = (self.pause * 2).min(RENEWAL_PAUSE_MOST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_begun_anew_at_once_and_then_ever_more_rarely_until_there_was_long_no_need() {
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
        now += RENEWAL_PAUSE_MOST * 2;
        assert!(renewal.take(now) && !renewal.take(now));
        assert!(renewal.take(now + RENEWAL_PAUSE));
    }
}
