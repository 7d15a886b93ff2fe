//! When this machine itself kept everybody waiting, so that a promise in time can be held to on one that does.
//!
//! Not for waits of a few milliseconds, which are for whoever is held to the promise to bear.
#![expect(clippy::expect_used, reason = "a test ends where its tools fail")]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Time from one look to the next.
const NAP: Duration = Duration::from_millis(1);
/// The shortest wait that counts: a turn of another thread is shorter.
const LEAST: Duration = Duration::from_millis(5);

/// One thread on each processor that sleeps a millisecond at a time, and sees when it was not woken.
pub struct Stalls {
    over: Arc<AtomicBool>,
    watches: Vec<JoinHandle<Vec<Range<Instant>>>>,
}

/// The times at which one processor or another kept whoever may run from running, in their order and apart from each other.
pub struct Stalled(Vec<Range<Instant>>);

impl Stalls {
    /// Watches from now on.
    ///
    /// # Panics
    /// When the operating system does not tell on which processors this process may run.
    #[must_use]
    pub fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let all = sched_getaffinity(None).expect("the processors are told");
        let processors = (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor));
        let watches = processors.map(|processor| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || look(processor, &over))
        });
        Self { watches: watches.collect(), over }
    }

    /// What there was until now.
    ///
    /// # Panics
    /// When a watch did.
    #[must_use]
    pub fn end(self) -> Stalled {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.watches.into_iter().flat_map(|watch| watch.join().expect("a watch ends"));
        Stalled::of(seen.collect())
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a sleep takes is what is measured")]
fn look(processor: usize, over: &AtomicBool) -> Vec<Range<Instant>> {
    let mut this = CpuSet::new();
    this.set(processor);
    // One that is being taken away is watched by whoever runs elsewhere.
    let _ = sched_setaffinity(None, &this);
    let mut seen = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let due = Instant::now() + NAP;
        std::thread::sleep(NAP);
        let woken = Instant::now();
        if woken.saturating_duration_since(due) >= LEAST {
            seen.push(due..woken);
        }
    }
    seen
}

impl Stalled {
    /// What overlaps becomes one.
    fn of(mut seen: Vec<Range<Instant>>) -> Self {
        seen.sort_by_key(|stall| stall.start);
        let mut apart: Vec<Range<Instant>> = Vec::new();
        for stall in seen {
            match apart.last_mut() {
                Some(last) if stall.start <= last.end => last.end = last.end.max(stall.end),
                _ => apart.push(stall),
            }
        }
        Self(apart)
    }

    /// How much of a time it was.
    #[must_use]
    pub fn within(&self, time: &Range<Instant>) -> Duration {
        let shared =
            |stall: &Range<Instant>| stall.end.min(time.end).saturating_duration_since(stall.start.max(time.start));
        self.0.iter().map(shared).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_at_which_two_processors_stalled_counts_once_and_only_within_the_time_asked_for() {
        let begun = Instant::now();
        let span = |from, to| begun + Duration::from_millis(from)..begun + Duration::from_millis(to);
        let stalled = Stalled::of(vec![span(50, 60), span(0, 20), span(10, 30), span(12, 15)]);
        let within = |from, to| u64::try_from(stalled.within(&span(from, to)).as_millis()).unwrap();
        assert_eq!(
            [within(0, 100), within(5, 100), within(25, 55), within(30, 50), within(52, 54)],
            [40, 35, 10, 0, 2]
        );
    }

    #[test]
    fn a_watch_that_was_ended_has_seen_nothing_before_or_after_its_time() {
        let before = Instant::now();
        let stalls = Stalls::watch();
        let begun = Instant::now();
        let stalled = stalls.end();
        assert_eq!(stalled.within(&(before - Duration::from_secs(1)..before)), Duration::ZERO);
        assert!(stalled.within(&(begun..Instant::now())) <= begun.elapsed());
    }
}
