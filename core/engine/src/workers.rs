//! Threads that outlive a request: cold reads, commits, calls to roots, and the making of key pairs.
//!
//! A bounded queue each; when it is full the request is refused at once. A job that was taken is always finished,
//! whether or not anyone still waits for it. What is done for callers who are not proved yet has threads of its own, so
//! that strangers can delay strangers only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use futures_channel::oneshot;
use parking_lot::{Condvar, Mutex};
use strongroom_model::key_store::{KeyStore, KeyStoreDescription};

use crate::error::{EngineError, InternalFault, Unavailable};
use crate::limits;

/// What a thread does; told whether one took it, as opposed to a queue that had no place for it.
pub(crate) type Job = Box<dyn FnOnce(bool) + Send>;

/// Which threads a job belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// The thread that asked: nothing may block.
    Here,
    /// A worker: disks and roots may be waited for.
    Worker,
    /// A worker of the key store at this place: it may be waited for, too.
    Store(u8),
    /// A worker of the external key managers: they may be waited for, too, and so may key stores.
    External,
    /// A worker for long computations.
    Heavy,
}

/// Threads with a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    Ordinary,
    Heavy,
    /// Of the key store at this place.
    Store(u8),
    /// Of the external key managers.
    External,
    /// Lookups of credentials that a request shows.
    Lookup,
    /// Openings of the secrets of such credentials.
    Opening,
}

impl From<Ground> for Pool {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::Here | Ground::Worker => Self::Ordinary,
            Ground::Store(place) => Self::Store(place),
            Ground::External => Self::External,
            Ground::Heavy => Self::Heavy,
        }
    }
}

/// The pools.
pub(crate) struct Workers {
    ordinary: Threads,
    heavy: Threads,
    lookup: Threads,
    opening: Threads,
    external: Threads,
    stores: Vec<Threads>,
}

/// Threads and their queue. They end with it, once they have done what is in it.
struct Threads(Arc<Queue>);

/// Jobs that wait for a thread. A lock and a condition rather than a channel, whose receivers spin and yield before they
/// sleep: with the many threads of a key store that costs more than the jobs.
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    places: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    ended: bool,
}

impl Queue {
    /// Adds a job, or gives it back when it has no place.
    fn push(&self, job: Job) -> Result<(), Job> {
        let mut waiting = self.waiting.lock();
        if waiting.jobs.len() >= self.places {
            return Err(job);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for a job; `None` once no further one will come.
    fn take(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        self.arrived.wait_while(&mut waiting, |waiting| waiting.jobs.is_empty() && !waiting.ended);
        waiting.jobs.pop_front()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.waiting.lock().ended = true;
        self.0.arrived.notify_all();
    }
}

impl Workers {
    /// Starts the threads.
    pub(crate) fn start(stores: &[Arc<dyn KeyStore>]) -> std::io::Result<Self> {
        let of_store = |store: &Arc<dyn KeyStore>| {
            let KeyStoreDescription { parallel, queue, .. } = store.describe();
            // Twice as many as it can do at once, so that it need not wait for ours between two calls.
            let threads = parallel.saturating_mul(2).clamp(1, limits::STORE_WORKERS);
            pool("engine-store", threads, queue.min(limits::STORE_QUEUE))
        };
        Ok(Self {
            stores: stores.iter().map(of_store).collect::<Result<_, _>>()?,
            ordinary: pool("engine-worker", limits::WORKERS, limits::WORKER_QUEUE)?,
            heavy: pool("engine-heavy", limits::HEAVY_WORKERS, limits::HEAVY_QUEUE)?,
            lookup: pool("engine-lookup", limits::LOOKUP_WORKERS, limits::LOOKUP_QUEUE)?,
            opening: pool("engine-opening", limits::OPENING_WORKERS, limits::OPENING_QUEUE)?,
            external: pool("engine-external", limits::EXTERNAL_WORKERS, limits::EXTERNAL_QUEUE)?,
        })
    }

    /// Hands a job to a thread; without a free place it is called here and now, to say so.
    pub(crate) fn push(&self, pool: impl Into<Pool>, job: Job) {
        let queue = match pool.into() {
            Pool::Store(place) => self.stores.get(usize::from(place)).unwrap_or(&self.ordinary),
            Pool::Ordinary => &self.ordinary,
            Pool::Heavy => &self.heavy,
            Pool::Lookup => &self.lookup,
            Pool::Opening => &self.opening,
            Pool::External => &self.external,
        };
        if let Err(job) = queue.0.push(job) {
            job(false);
        }
    }

    /// Hands `work`, which changes nothing, to a thread and waits for its result without blocking. It is not begun if
    /// nobody waits any more.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] at once when the pool's queue has no place.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        pool: Pool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        let job = move |taken: bool| {
            if !answer.is_canceled() {
                drop(answer.send(taken.then(work)));
            }
        };
        self.push(pool, Box::new(job));
        let answer = answered.await.map_err(|_| EngineError::Internal(InternalFault::WorkerLost))?;
        answer.ok_or(EngineError::Unavailable(Unavailable::Busy))
    }
}

fn pool(name: &str, threads: usize, places: usize) -> std::io::Result<Threads> {
    let queue = Arc::new(Queue { waiting: Mutex::default(), arrived: Condvar::new(), places });
    let pool = Threads(Arc::clone(&queue));
    for _ in 0..threads {
        let queue = Arc::clone(&queue);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(job) = queue.take() {
                // A job that panics costs its own request only: its answer channel is dropped.
                drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(true))));
            }
        })?;
    }
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use crossbeam_channel::{Sender, bounded};

    use super::*;

    /// Occupies every thread of a pool until the sender is dropped, and fills its queue.
    fn fill(workers: &Workers, pool: Pool, threads: usize, queue: usize) -> Sender<()> {
        let (hold, held) = bounded::<()>(0);
        let (begin, begun) = bounded(threads);
        for _ in 0..threads {
            let (held, begin) = (held.clone(), begin.clone());
            workers.push(
                pool,
                Box::new(move |_| {
                    begin.send(()).unwrap();
                    let _ = held.recv();
                }),
            );
            begun.recv().unwrap();
        }
        for _ in 0..queue {
            workers.push(pool, Box::new(|_| ()));
        }
        hold
    }

    #[test]
    fn strangers_that_fill_their_own_queue_are_refused_at_once_and_delay_nobody_else() {
        let workers = Workers::start(&[]).unwrap();
        for (pool, threads, queue) in [
            (Pool::Lookup, limits::LOOKUP_WORKERS, limits::LOOKUP_QUEUE),
            (Pool::Opening, limits::OPENING_WORKERS, limits::OPENING_QUEUE),
        ] {
            let hold = fill(&workers, pool, threads, queue);
            let refused = pin!(workers.run(pool, || ())).poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(refused, Poll::Ready(Err(EngineError::Unavailable(Unavailable::Busy)))), "{pool:?}");
            let (done, is_done) = bounded(1);
            workers.push(Ground::Worker, Box::new(move |taken| done.send(taken).unwrap()));
            assert!(is_done.recv().unwrap());
            drop(hold);
        }
    }

    #[test]
    fn a_reading_that_nobody_waits_for_any_more_is_not_begun() {
        let workers = Workers::start(&[]).unwrap();
        let hold = fill(&workers, Pool::Lookup, limits::LOOKUP_WORKERS, 0);
        let (begin, begun) = bounded(1);
        {
            let mut run = pin!(workers.run(Pool::Lookup, move || begin.send(())));
            assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(hold);
        assert!(begun.recv().is_err(), "its work was dropped, not done");
    }
}
