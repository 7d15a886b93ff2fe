//! Where changes pass from their last check to the end of their commit.
//!
//! Whatever takes a use away is answered only after every change that may have been checked before it has ended. So no
//! change that was permitted before a suspension is committed after that was answered, and none waits for another to
//! begin. Absent on purpose: other nodes; these see each other through leases.

use std::collections::BTreeSet;

use parking_lot::{Condvar, Mutex};

use crate::limits;

/// The changes that have been checked, or are about to be, and have not ended.
#[derive(Default)]
pub(crate) struct Passage {
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Default)]
struct Inside {
    next: u64,
    tickets: BTreeSet<u64>,
}

/// A change on its passage. It leaves when this is dropped.
#[must_use]
pub(crate) struct Passing<'a> {
    passage: &'a Passage,
    ticket: u64,
}

impl Passage {
    /// A change enters. What it sees of the kill switch's epoch must be read after this.
    pub(crate) fn enter(&self) -> Passing<'_> {
        let mut inside = self.inside.lock();
        let ticket = inside.next;
        inside.next += 1;
        inside.tickets.insert(ticket);
        Passing { passage: self, ticket }
    }

    /// Waits until those that are inside now have left; called after the epoch was raised. Tells whether they have.
    pub(crate) fn await_earlier(&self) -> bool {
        let mut inside = self.inside.lock();
        let next = inside.next;
        let earlier = |inside: &mut Inside| inside.tickets.first().is_some_and(|first| *first < next);
        !self.left.wait_while_for(&mut inside, earlier, limits::PASSAGE_WAIT).timed_out()
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.passage.inside.lock().tickets.remove(&self.ticket);
        self.passage.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn those_who_entered_before_are_waited_for_and_those_who_entered_after_are_not() {
        let passage = Passage::default();
        let left = AtomicBool::new(false);
        let first = passage.enter();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                assert!(passage.await_earlier());
                assert!(left.load(Ordering::SeqCst));
            });
            let later = passage.enter();
            left.store(true, Ordering::SeqCst);
            drop(first);
            drop(later);
            waiting.join().unwrap();
        });
        let before = passage.enter();
        drop(before);
        assert!(passage.await_earlier());
    }
}
