//! Threads that outlive a request: cold reads, commits, calls to roots, and the making of key pairs.
//!
//! A bounded queue each; when it is full the request is refused at once. A job that was taken is always finished,
//! whether or not anyone still waits for it.

use std::thread;

use crossbeam_channel::{Sender, TrySendError, bounded};
use futures_channel::oneshot;

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
    /// A worker for long computations.
    Heavy,
}

/// The pools.
pub(crate) struct Workers {
    ordinary: Sender<Job>,
    heavy: Sender<Job>,
}

impl Workers {
    /// Starts the threads. They end when the last sender is gone and the queue is empty.
    pub(crate) fn start() -> std::io::Result<Self> {
        Ok(Self {
            ordinary: pool("engine-worker", limits::WORKERS, limits::WORKER_QUEUE)?,
            heavy: pool("engine-heavy", limits::HEAVY_WORKERS, limits::HEAVY_QUEUE)?,
        })
    }

    /// Hands a job to a thread; without a free place it is called here and now, to say so.
    pub(crate) fn push(&self, ground: Ground, job: Job) {
        let queue = if ground == Ground::Heavy { &self.heavy } else { &self.ordinary };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = queue.try_send(job) {
            job(false);
        }
    }

    /// Hands `work` to a thread and waits for its result without blocking.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        ground: Ground,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        let job = move |taken: bool| {
            // Nobody may be waiting any more; the work is done all the same.
            drop(answer.send(taken.then(work)));
        };
        self.push(ground, Box::new(job));
        let answer = answered.await.map_err(|_| EngineError::Internal(InternalFault::WorkerLost))?;
        answer.ok_or(EngineError::Unavailable(Unavailable::Busy))
    }
}

fn pool(name: &str, threads: usize, queue: usize) -> std::io::Result<Sender<Job>> {
    let (sender, receiver) = bounded::<Job>(queue);
    for _ in 0..threads {
        let receiver = receiver.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in receiver {
                // A job that panics costs its own request only: its answer channel is dropped.
                drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(true))));
            }
        })?;
    }
    Ok(sender)
}
