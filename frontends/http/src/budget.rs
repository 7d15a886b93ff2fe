//! How many bytes of bodies a listener holds at once, over all its connections and streams.
//!
//! A body counts for what has arrived of it, until its request is answered; so one that is announced and never sent takes
//! nothing from others. Absent: what hyper has read and not yet handed on, which its windows bound for each connection.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes that are left.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

/// What one request has taken of a budget, given back when dropped.
pub(crate) struct Held<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Budget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Nothing yet, for one request.
    pub(crate) const fn hold(&self) -> Held<'_> {
        Held { budget: self, bytes: 0 }
    }
}

impl Held<'_> {
    /// Whether so many more bytes could be had now.
    pub(crate) fn could_take(&self, bytes: u64) -> bool {
        usize::try_from(bytes).is_ok_and(|bytes| bytes <= self.budget.0.load(Relaxed))
    }

    /// Takes so many bytes more; `false` if they are not to be had.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let taken = self.budget.0.try_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.0.fetch_add(self.bytes, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_missing_until_it_is_given_back() {
        let budget = Budget::new(10);
        let (mut first, mut second) = (budget.hold(), budget.hold());
        assert!(first.take(4) && first.take(4));
        assert!(second.could_take(2) && !second.could_take(3) && !second.could_take(u64::MAX));
        assert!(!second.take(3) && second.take(2));
        drop(first);
        assert!(second.take(8) && !second.take(1));
        drop(second);
        assert!(budget.hold().take(10));
    }
}
