//! From thread to thread: what waits for a session, and an answer for the one who waits for it.
//!
//! Locks and conditions rather than channels, whose receivers spin and yield before they sleep: with a thread for each
//! caller and each session that costs more than the calls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Things in the order in which they came, no more than there are places.
pub(crate) struct Queue<T> {
    waiting: Mutex<VecDeque<T>>,
    arrived: Condvar,
    left: Condvar,
    places: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(places: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), left: Condvar::new(), places }
    }

    /// Adds one, when there is a place.
    pub(crate) fn push(&self, thing: T) {
        let mut waiting = self.waiting.lock();
        self.left.wait_while(&mut waiting, |waiting| waiting.len() >= self.places);
        waiting.push_back(thing);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes the first, when there is one.
    pub(crate) fn take(&self) -> T {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(thing) = waiting.pop_front() {
                drop(waiting);
                self.left.notify_one();
                return thing;
            }
            self.arrived.wait(&mut waiting);
        }
    }
}

/// Where one answer is given. Dropped without one, it says that none will come.
pub(crate) struct Giver<T>(Arc<Slot<T>>);

/// Where it is waited for.
pub(crate) struct Waiter<T>(Arc<Slot<T>>);

struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    Awaited,
    Given(T),
    Gone,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// None yet.
    Late,
    /// None will come.
    Gone,
}

/// A place for one answer, from both sides.
pub(crate) fn answer<T>() -> (Giver<T>, Waiter<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Awaited), changed: Condvar::new() });
    (Giver(Arc::clone(&slot)), Waiter(slot))
}

impl<T> Giver<T> {
    /// Gives the answer; nobody may wait for it any more.
    pub(crate) fn give(self, answer: T) {
        *self.0.state.lock() = State::Given(answer);
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if matches!(*state, State::Awaited) {
            *state = State::Gone;
        }
        drop(state);
        self.0.changed.notify_one();
    }
}

impl<T> Waiter<T> {
    /// Waits for the answer until a time.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Result<T, NoAnswer> {
        let mut state = self.0.state.lock();
        loop {
            match std::mem::replace(&mut *state, State::Gone) {
                State::Given(answer) => return Ok(answer),
                State::Gone => return Err(NoAnswer::Gone),
                State::Awaited => *state = State::Awaited,
            }
            if self.0.changed.wait_until(&mut state, deadline).timed_out() && matches!(*state, State::Awaited) {
                return Err(NoAnswer::Late);
            }
        }
    }

    /// The answer, if it is there.
    pub(crate) fn look(&self) -> Result<T, NoAnswer> {
        self.wait_until(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_reaches_the_one_who_waits_once_and_a_giver_that_goes_says_so() {
        let (giver, waiter) = answer();
        assert_eq!(waiter.look(), Err(NoAnswer::Late));
        let waiting = std::thread::spawn(move || (waiter.wait_until(Instant::now() + LONG), waiter.look()));
        giver.give(7);
        assert_eq!(waiting.join().unwrap(), (Ok(7), Err(NoAnswer::Gone)));

        let (giver, waiter) = answer::<u8>();
        let waiting = std::thread::spawn(move || waiter.wait_until(Instant::now() + LONG));
        drop(giver);
        assert_eq!(waiting.join().unwrap(), Err(NoAnswer::Gone));
    }

    #[test]
    fn a_full_queue_has_its_next_wait_for_a_place() {
        let queue = Arc::new(Queue::new(1));
        queue.push(1);
        let pushing = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.push(2)
        });
        assert_eq!((queue.take(), queue.take()), (1, 2));
        pushing.join().unwrap();
    }
}
