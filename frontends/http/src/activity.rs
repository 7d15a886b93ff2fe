//! What happens on a connection, and when that is too little for too long.
//!
//! Requests set no timers. They leave marks here, and the connection looks at the marks at a slow beat. A timeout is
//! therefore noticed up to one beat late.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use crate::Limits;

/// The marks of one connection, written by its reads and its requests.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests whose head has arrived; wraps.
    begun: AtomicU32,
    /// Requests not yet answered.
    under_way: AtomicU32,
    /// Bytes came since the last head ended: part of a next one.
    partial_head: AtomicBool,
    /// HTTP/2, where bytes between requests are ordinary.
    multiplexed: AtomicBool,
}

/// A request under way, until dropped.
pub(crate) struct UnderWay<'a>(&'a Activity);

impl Activity {
    pub(crate) fn bytes_arrived(&self) {
        if self.under_way.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) {
            self.partial_head.store(true, Relaxed);
        }
    }

    pub(crate) fn multiplexed(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.begun.fetch_add(1, Relaxed);
        self.under_way.fetch_add(1, Relaxed);
        self.partial_head.store(false, Relaxed);
        UnderWay(self)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Leave it be.
    Keep,
    /// Close it once what it is doing is done.
    Retire,
    /// Drop it.
    Drop,
}

/// Judges a connection's marks, one beat after the other.
#[derive(Debug)]
pub(crate) struct Watch {
    beat: Duration,
    header_time: Duration,
    idle_time: Duration,
    begun: u32,
    quiet: Duration,
    head: Duration,
    retired: bool,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            beat: limits.beat(),
            header_time: limits.header_time,
            idle_time: limits.idle_time,
            begun: 0,
            quiet: Duration::ZERO,
            head: Duration::ZERO,
            retired: false,
        }
    }

    /// To be called every [`Limits::beat`].
    pub(crate) fn beat(&mut self, activity: &Activity) -> Verdict {
        let begun = activity.begun.load(Relaxed);
        let busy = activity.under_way.load(Relaxed) > 0 || begun != self.begun;
        self.begun = begun;
        if busy {
            self.quiet = Duration::ZERO;
            self.head = Duration::ZERO;
            return Verdict::Keep;
        }
        self.quiet += self.beat;
        // A connection that has yet to bring its first request is held to the time for a head as well.
        let head_is_due = activity.partial_head.load(Relaxed) || begun == 0 && !activity.multiplexed.load(Relaxed);
        self.head = if head_is_due { self.head + self.beat } else { Duration::ZERO };
        // A retired connection that still stands does not take its last reply.
        if self.head >= self.header_time || self.retired {
            return Verdict::Drop;
        }
        if self.quiet >= self.idle_time {
            self.retired = true;
            self.quiet = Duration::ZERO;
            return Verdict::Retire;
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(&Limits {
            header_time: Duration::from_secs(4),
            idle_time: Duration::from_secs(8),
            ..Limits::default()
        })
    }

    fn beats(watch: &mut Watch, activity: &Activity, most: usize) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for _ in 0..most {
            verdicts.push(watch.beat(activity));
            if verdicts.last() != Some(&Verdict::Keep) {
                break;
            }
        }
        verdicts
    }

    #[test]
    fn a_connection_without_a_first_request_is_dropped_in_the_time_for_a_head() {
        assert_eq!(beats(&mut watch(), &Activity::default(), 9)[3..], [Verdict::Drop]);
    }

    #[test]
    fn a_head_that_never_ends_is_dropped_however_often_bytes_come() {
        let (mut watch, activity) = (watch(), Activity::default());
        drop(activity.begin());
        assert_eq!(watch.beat(&activity), Verdict::Keep);
        for _ in 0..3 {
            activity.bytes_arrived();
            assert_eq!(watch.beat(&activity), Verdict::Keep);
        }
        activity.bytes_arrived();
        assert_eq!(watch.beat(&activity), Verdict::Drop);
    }

    #[test]
    fn an_idle_connection_is_retired_and_then_dropped() {
        let (mut watch, activity) = (watch(), Activity::default());
        drop(activity.begin());
        assert_eq!(watch.beat(&activity), Verdict::Keep);
        assert_eq!(beats(&mut watch, &activity, 20)[7..], [Verdict::Retire]);
        assert_eq!(watch.beat(&activity), Verdict::Drop);
    }

    #[test]
    fn a_request_under_way_is_never_cut_off() {
        let (mut watch, activity) = (watch(), Activity::default());
        let under_way = activity.begin();
        assert_eq!(beats(&mut watch, &activity, 100).len(), 100);
        drop(under_way);
        assert_eq!(beats(&mut watch, &activity, 100).last(), Some(&Verdict::Retire));
    }

    #[test]
    fn requests_keep_a_connection_open() {
        let (mut watch, activity) = (watch(), Activity::default());
        for _ in 0..100 {
            activity.bytes_arrived();
            drop(activity.begin());
            assert_eq!(beats(&mut watch, &activity, 3), [Verdict::Keep; 3]);
        }
    }

    #[test]
    fn frames_between_requests_of_http_2_are_no_head() {
        let (mut watch, activity) = (watch(), Activity::default());
        activity.multiplexed();
        drop(activity.begin());
        assert_eq!(watch.beat(&activity), Verdict::Keep);
        for _ in 0..7 {
            activity.bytes_arrived();
            assert_eq!(watch.beat(&activity), Verdict::Keep);
        }
    }
}
