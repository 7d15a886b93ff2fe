//! How a root behind a token is doing.

use std::time::{Duration, Instant};

use strongroom_model::root::RootError;

use crate::breaker::Breaker;
use crate::renewal::Renewal;

/// Whether calls succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// They do.
    Up,
    /// The last one failed, or the child is being started again.
    Degraded,
    /// They are refused at once: the breaker is open, or the token refused the PIN.
    Down,
}

/// A root's health at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHealth {
    /// Whether calls succeed.
    pub state: HealthState,
    /// For how long it has been so.
    pub lasting: Duration,
    /// The last failure, past ones included.
    pub last_error: Option<RootError>,
    /// Whether the breaker is open.
    pub breaker_open: bool,
    /// How often a child was started, the first time included.
    pub starts: u64,
}

/// Everything that health is told from.
pub(crate) struct Condition {
    pub(crate) breaker: Breaker,
    pub(crate) renewal: Renewal,
    /// Whether the token refused the PIN. Nothing but a new root mends that.
    pub(crate) pin_refused: bool,
    pub(crate) running: bool,
    pub(crate) last_error: Option<RootError>,
    pub(crate) starts: u64,
    state: HealthState,
    since: Instant,
}

impl Condition {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            breaker: Breaker::new(),
            renewal: Renewal::new(),
            pin_refused: false,
            running: false,
            last_error: None,
            starts: 0,
            state: HealthState::Degraded,
            since: now,
        }
    }

    /// Notes a failure of the token or the child.
    pub(crate) fn failure(&mut self, error: RootError, now: Instant) {
        self.pin_refused |= error == RootError::WrongCredential;
        self.last_error = Some(error);
        self.breaker.failure(now);
        self.assess(now);
    }

    /// Notes that the token answered as it should.
    pub(crate) fn success(&mut self, now: Instant) {
        self.breaker.success();
        self.assess(now);
    }

    /// Notes that a child runs, or no longer does.
    pub(crate) fn set_running(&mut self, running: bool, now: Instant) {
        self.running = running;
        self.starts += u64::from(running);
        self.assess(now);
    }

    /// Why no call should be tried now, if so.
    pub(crate) fn refusal(&self) -> Option<RootError> {
        if self.pin_refused {
            return Some(RootError::WrongCredential);
        }
        let cause = |error: &RootError| match error {
            RootError::Unavailable { cause } => cause.clone(),
            other => other.to_string(),
        };
        self.breaker.is_open().then(|| RootError::Unavailable {
            cause: format!(
                "it failed {} times in a row and is left alone for a while; the last time: {}",
                self.breaker.failures(),
                self.last_error.as_ref().map(cause).unwrap_or_default()
            ),
        })
    }

    pub(crate) fn health(&self, now: Instant) -> RootHealth {
        RootHealth {
            state: self.state,
            lasting: now.saturating_duration_since(self.since),
            last_error: self.last_error.clone(),
            breaker_open: self.breaker.is_open(),
            starts: self.starts,
        }
    }

    fn assess(&mut self, now: Instant) {
        let state = if self.pin_refused || self.breaker.is_open() {
            HealthState::Down
        } else if !self.running || self.breaker.failures() > 0 {
            HealthState::Degraded
        } else {
            HealthState::Up
        };
        if state != self.state {
            self.state = state;
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_degrades_it_until_a_success_and_some_in_a_row_take_it_down() {
        let now = Instant::now();
        let mut condition = Condition::new(now);
        condition.set_running(true, now);
        let state = |condition: &Condition| condition.health(now).state;
        assert_eq!(state(&condition), HealthState::Up);
        condition.failure(RootError::Busy, now);
        assert_eq!(state(&condition), HealthState::Degraded);
        condition.success(now);
        assert_eq!(state(&condition), HealthState::Up);
        (0..5).for_each(|_| condition.failure(RootError::Busy, now));
        assert_eq!((state(&condition), condition.refusal().is_some()), (HealthState::Down, true));
    }
}
