//! Waiting for records to be on disk: a future that needs no runtime and no allocation beyond its one cell.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::port::{LogUnavailable, Position};

/// What an append comes to: the number of its first record.
pub type Appended = Result<Position, LogUnavailable>;

/// Resolves once the records are on disk, or can't be.
///
/// Records are written a batch at a time. Whoever looks first at one of a batch lets the tasks that are queued before it
/// have their turn, so that they add theirs, and has the writing begun when it is polled again: at once where nothing
/// else is to be done, after some milliseconds where every processor is busy.
#[derive(Debug)]
#[must_use = "a record counts only once it is on disk"]
pub struct Durable {
    state: Arc<Mutex<State>>,
    turn: Option<Turn>,
}

/// A log that puts batches together.
pub trait Batches: std::fmt::Debug + Send + Sync {
    /// Promises that a batch is begun soon; false if somebody else did.
    fn promise(&self, batch: u64) -> bool;

    /// Has a batch written, unless it is already.
    fn begin(&self, batch: u64);
}

/// The batch that records are in. Dropped, it has that begun: nobody else might.
#[derive(Debug)]
struct Turn {
    log: Arc<dyn Batches>,
    batch: u64,
    promised: bool,
    /// Somebody else's promise stands.
    relieved: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.relieved {
            self.log.begin(self.batch);
        }
    }
}

/// The log's side of a [`Durable`]. Dropped without a word, it says that the log is closed.
#[derive(Debug)]
pub struct Completer(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Finished(Appended),
}

/// A [`Durable`] and the log's side of it.
pub fn pair() -> (Completer, Durable) {
    let state = Arc::new(Mutex::new(State::Waiting(None)));
    (Completer(Some(Arc::clone(&state))), Durable { state, turn: None })
}

impl Durable {
    /// One that has resolved already.
    pub fn finished(appended: Appended) -> Self {
        Self { state: Arc::new(Mutex::new(State::Finished(appended))), turn: None }
    }

    /// The same, of records in a batch that is not begun before somebody asks for it.
    pub fn in_batch(self, log: Arc<dyn Batches>, batch: u64) -> Self {
        Self { turn: Some(Turn { log, batch, promised: false, relieved: false }), ..self }
    }

    /// Blocks the thread until the records are on disk.
    ///
    /// # Errors
    /// When they can't be.
    pub fn wait(mut self) -> Appended {
        self.turn = None;
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(appended) => return appended,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Durable {
    type Output = Appended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Appended> {
        match &mut self.turn {
            Some(turn) if turn.promised => self.turn = None,
            Some(turn) if turn.log.promise(turn.batch) => {
                turn.promised = true;
                context.waker().wake_by_ref();
            }
            Some(turn) => {
                turn.relieved = true;
                self.turn = None;
            }
            None => {}
        }
        match &mut *lock(&self.state) {
            State::Finished(appended) => Poll::Ready(appended.clone()),
            State::Waiting(Some(waker)) if waker.will_wake(context.waker()) => Poll::Pending,
            State::Waiting(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Completer {
    /// Says what the append came to. Whoever waits is to be woken by the caller, after a whole batch was told.
    #[must_use = "whoever waits sleeps until woken"]
    pub fn finish(mut self, appended: Appended) -> Option<Waker> {
        self.0.take().and_then(|state| finish(&state, appended))
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take().and_then(|state| finish(&state, Err(LogUnavailable::Closed))) {
            waker.wake();
        }
    }
}

fn finish(state: &Mutex<State>, appended: Appended) -> Option<Waker> {
    match std::mem::replace(&mut *lock(state), State::Finished(appended)) {
        State::Waiting(waker) => waker,
        State::Finished(_) => None,
    }
}

/// The state is whole whenever the lock is free, so a thread that died holding it did no harm.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_what_the_append_came_to() {
        let (completer, durable) = pair();
        let waiting = std::thread::spawn(move || durable.wait());
        if let Some(waker) = completer.finish(Ok(Position(7))) {
            waker.wake();
        }
        assert_eq!(waiting.join().unwrap(), Ok(Position(7)));
    }

    #[test]
    fn a_log_that_goes_away_says_so_to_whoever_waits() {
        let (completer, durable) = pair();
        drop(completer);
        assert_eq!(durable.wait(), Err(LogUnavailable::Closed));
    }

    #[test]
    fn a_future_that_moves_to_another_task_wakes_that_one() {
        let (completer, mut durable) = pair();
        let first = Waker::noop();
        assert!(Pin::new(&mut durable).poll(&mut Context::from_waker(first)).is_pending());
        let second = Waker::from(Arc::new(Unpark(std::thread::current())));
        assert!(Pin::new(&mut durable).poll(&mut Context::from_waker(&second)).is_pending());
        assert!(completer.finish(Ok(Position(0))).unwrap().will_wake(&second));
    }
}
