//! How many requests a listener works on at once. One more waits for a moment, since most crowds are over in a moment; what
//! found no place by then is refused, so that what was accepted stays fast.
//!
//! Of those that wait the last to come is the first to get a place: under a load that lasts, who waits has no good chance
//! anyway, and whoever else would be answered after having waited as long as anyone may.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Requests in work at once on a listener for each processor, unless its configuration says otherwise: enough to keep
/// one busy while tokens and disks are waited for, and few enough that each is answered within some milliseconds.
const REQUESTS_PER_PROCESSOR: usize = 64;
/// Requests that wait for each that may be in work: more are those of a crowd that is not over in a moment.
const WAITING_PER_PLACE: usize = 4;
/// How long a request waits for a place.
const MOMENT: Duration = Duration::from_millis(10);

/// The requests in work on a listener, and those that wait to be.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_work: usize,
    /// The last to come is the last here. None where there is a place.
    waiting: VecDeque<oneshot::Sender<()>>,
    refused: u64,
}

/// A request's place among them, until it is answered or given up.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Admission);

/// A request that waits for a place.
struct Waiting<'a> {
    admission: &'a Admission,
    given: oneshot::Receiver<()>,
}

impl Admission {
    pub(crate) fn new(limit: Option<NonZeroUsize>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let limit = limit.map_or(REQUESTS_PER_PROCESSOR * processors, NonZeroUsize::get);
        Self { limit, state: Mutex::default() }
    }

    /// A place, if there is one within a moment.
    pub(crate) async fn enter(&self) -> Option<Place<'_>> {
        let mut waiting = {
            let mut state = self.state.lock();
            if state.in_work < self.limit {
                state.in_work += 1;
                return Some(Place(self));
            }
            // Whoever has waited for longest makes room, and is refused now.
            if state.waiting.len() >= self.limit.saturating_mul(WAITING_PER_PLACE) {
                state.waiting.pop_front();
            }
            let (give, given) = oneshot::channel();
            state.waiting.push_back(give);
            Waiting { admission: self, given }
        };
        if let Ok(Ok(())) = timeout(MOMENT, &mut waiting.given).await {
            return Some(Place(self));
        }
        let place = waiting.end();
        if place.is_none() {
            self.state.lock().refused += 1;
        }
        place
    }

    pub(crate) fn in_work(&self) -> u64 {
        self.state.lock().in_work as u64
    }

    pub(crate) fn refused(&self) -> u64 {
        self.state.lock().refused
    }
}

impl<'a> Waiting<'a> {
    /// Waits no more; the place that was given at the last moment, if one was.
    fn end(&mut self) -> Option<Place<'a>> {
        self.given.close();
        let place = self.given.try_recv().is_ok().then(|| Place(self.admission));
        if place.is_none() {
            // Those who came first end first: all who have ended are in front.
            let waiting = &mut self.admission.state.lock().waiting;
            while waiting.front().is_some_and(oneshot::Sender::is_closed) {
                waiting.pop_front();
            }
        }
        place
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        drop(self.end());
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        while let Some(next) = state.waiting.pop_back() {
            if next.send(()).is_ok() {
                return;
            }
        }
        state.in_work -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn admission(limit: usize) -> Admission {
        Admission::new(NonZeroUsize::new(limit))
    }

    /// What waits, having begun to.
    macro_rules! waits {
        ($name:ident, $admission:expr) => {
            let mut $name = pin!($admission.enter());
            assert!(poll(&mut $name).is_pending());
        };
    }

    fn poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn one_more_than_the_limit_waits_a_moment_and_is_refused_then() {
        let admission = admission(2);
        let _both = (admission.enter().await.unwrap(), admission.enter().await.unwrap());
        let begun = std::time::Instant::now();
        assert!(admission.enter().await.is_none());
        assert!(begun.elapsed() >= MOMENT);
        assert_eq!((admission.in_work(), admission.refused()), (2, 1));
    }

    #[tokio::test]
    async fn who_leaves_gives_its_place_to_the_last_who_came_and_still_waits() {
        let admission = admission(1);
        let place = admission.enter().await.unwrap();
        waits!(first, admission);
        waits!(second, admission);
        {
            waits!(gone, admission);
        }
        drop(place);
        assert!(poll(&mut first).is_pending());
        let Poll::Ready(Some(place)) = poll(&mut second) else { panic!("no place") };
        assert_eq!(admission.in_work(), 1);
        drop(place);
        assert!(matches!(poll(&mut first), Poll::Ready(Some(_))));
        assert_eq!((admission.in_work(), admission.refused()), (0, 0));
    }

    #[tokio::test]
    async fn a_place_given_to_one_who_goes_away_before_taking_it_is_anothers() {
        let admission = admission(1);
        let place = admission.enter().await.unwrap();
        waits!(first, admission);
        {
            waits!(gone, admission);
            drop(place);
        }
        assert!(matches!(poll(&mut first), Poll::Ready(Some(_))));
        assert_eq!(admission.in_work(), 0);
    }

    #[tokio::test]
    async fn where_too_many_wait_the_one_who_has_waited_longest_is_refused_at_once() {
        let admission = admission(1);
        let _place = admission.enter().await.unwrap();
        waits!(first, admission);
        let mut others: Vec<_> = (0..WAITING_PER_PLACE).map(|_| Box::pin(admission.enter())).collect();
        for other in &mut others {
            assert!(poll(&mut other.as_mut()).is_pending());
        }
        assert!(matches!(poll(&mut first), Poll::Ready(None)));
        assert_eq!(admission.refused(), 1);
    }
}
