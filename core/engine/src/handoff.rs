//! From a worker to the request that waits: an answer whose record is on its way to the disk.
//!
//! The request's task is woken once, when the record is there: before that it could only wait on, and to wake a thread costs
//! as much as to decide a request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use strongroom_audit::durable::{Appended, Durable};

/// The worker's side. Dropped without an answer, it says that none will come.
pub(crate) struct Giver<T>(Arc<Mutex<State<T>>>);

/// The request's side: resolves to the answer and what its record came to, or to `None` when no answer will come.
pub(crate) struct Awaited<T>(Arc<Mutex<State<T>>>);

enum State<T> {
    Open(Option<Waker>),
    Given(T, Durable),
    /// It was taken, or one side has gone.
    Over,
}

/// Both sides.
pub(crate) fn pair<T>() -> (Giver<T>, Awaited<T>) {
    let state = Arc::new(Mutex::new(State::Open(None)));
    (Giver(Arc::clone(&state)), Awaited(state))
}

impl<T> Giver<T> {
    /// Whether anyone still waits.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*self.0.lock(), State::Open(_))
    }

    /// Gives the answer, to be released once its record is durable.
    pub(crate) fn give(self, answer: T, mut durable: Durable) {
        let mut state = self.0.lock();
        let State::Open(waker) = &mut *state else { return };
        let waker = waker.take();
        // From here on the log wakes who waits, unless it is done already; the first of a batch once more before, to begin it.
        let settled = waker.filter(|waker| Pin::new(&mut durable).poll(&mut Context::from_waker(waker)).is_ready());
        *state = State::Given(answer, durable);
        drop(state);
        if let Some(waker) = settled {
            waker.wake();
        }
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let State::Open(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Over;
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        let over = std::mem::replace(&mut *self.0.lock(), State::Over);
        drop(over);
    }
}

impl<T> Future for Awaited<T> {
    type Output = Option<(T, Appended)>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match &mut *state {
            State::Open(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            State::Given(_, durable) => {
                let Poll::Ready(appended) = Pin::new(durable).poll(context) else { return Poll::Pending };
                match std::mem::replace(&mut *state, State::Over) {
                    State::Given(answer, _) => Poll::Ready(Some((answer, appended))),
                    State::Open(_) | State::Over => Poll::Ready(None),
                }
            }
            State::Over => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use strongroom_audit::durable;
    use strongroom_audit::port::{LogUnavailable, Position};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(awaited: &mut Awaited<T>, count: &Arc<Count>) -> Poll<Option<(T, Appended)>> {
        Pin::new(awaited).poll(&mut Context::from_waker(&Waker::from(Arc::clone(count))))
    }

    #[test]
    fn a_request_is_woken_once_when_its_record_is_durable_and_not_before() {
        let count = Arc::new(Count::default());
        let ((giver, mut awaited), (completer, durable)) = (pair(), durable::pair());
        assert!(poll(&mut awaited, &count).is_pending());
        giver.give(7, durable);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        completer.finish(Ok(Position(3))).unwrap().wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut awaited, &count), Poll::Ready(Some((7, Ok(Position(3))))));
    }

    #[test]
    fn an_answer_is_found_whichever_came_first_and_whatever_its_record_came_to() {
        let count = Arc::new(Count::default());
        let (giver, mut awaited) = pair();
        giver.give(7, Durable::finished(Err(LogUnavailable::Closed)));
        assert_eq!(poll(&mut awaited, &count), Poll::Ready(Some((7, Err(LogUnavailable::Closed)))));
        let (giver, mut awaited) = pair();
        assert!(poll(&mut awaited, &count).is_pending());
        giver.give(8, Durable::finished(Ok(Position(1))));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut awaited, &count), Poll::Ready(Some((8, Ok(Position(1))))));
        let ((giver, mut awaited), (completer, durable)) = (pair(), durable::pair());
        giver.give(9, durable);
        assert!(poll(&mut awaited, &count).is_pending());
        completer.finish(Ok(Position(2))).unwrap().wake();
        assert_eq!(
            (poll(&mut awaited, &count), count.0.load(Ordering::Relaxed)),
            (Poll::Ready(Some((9, Ok(Position(2))))), 2)
        );
    }

    #[test]
    fn each_side_learns_that_the_other_has_gone() {
        let count = Arc::new(Count::default());
        let (giver, mut awaited) = pair::<u8>();
        assert!(giver.is_awaited() && poll(&mut awaited, &count).is_pending());
        drop(giver);
        assert_eq!((poll(&mut awaited, &count), count.0.load(Ordering::Relaxed)), (Poll::Ready(None), 1));
        let (giver, awaited) = pair::<u8>();
        drop(awaited);
        assert!(!giver.is_awaited());
        giver.give(7, Durable::finished(Ok(Position(0))));
    }
}
