//! How many requests a listener works on at once: one more is refused before anything is done for it, so that what was
//! accepted stays fast.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Requests in work at once on a listener for each processor, unless its configuration says otherwise: enough to keep
/// one busy while tokens and disks are waited for, and few enough that each is answered within some milliseconds.
const REQUESTS_PER_PROCESSOR: usize = 64;

/// The requests in work on a listener.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: usize,
    in_work: AtomicUsize,
    refused: AtomicU64,
}

/// A request's place among them, until it is answered or given up.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Admission);

impl Admission {
    pub(crate) fn new(limit: Option<NonZeroUsize>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let limit = limit.map_or(REQUESTS_PER_PROCESSOR * processors, NonZeroUsize::get);
        Self { limit, in_work: AtomicUsize::new(0), refused: AtomicU64::new(0) }
    }

    /// A place, if there is one.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        let place = Place(self);
        if self.in_work.fetch_add(1, Relaxed) < self.limit {
            return Some(place);
        }
        self.refused.fetch_add(1, Relaxed);
        None
    }

    pub(crate) fn in_work(&self) -> u64 {
        self.in_work.load(Relaxed) as u64
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_limit_is_refused_until_another_has_left() {
        let admission = Admission::new(NonZeroUsize::new(2));
        let (one, two) = (admission.enter().unwrap(), admission.enter().unwrap());
        assert!(admission.enter().is_none() && admission.enter().is_none());
        assert_eq!((admission.in_work(), admission.refused()), (2, 2));
        drop(one);
        drop((admission.enter().unwrap(), two));
        assert_eq!(admission.in_work(), 0);
    }
}
