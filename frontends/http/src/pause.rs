//! What a connection has to wait after a request of it was one too many.
//!
//! A refusal costs nearly what the floor of an answer costs, so a client that asks again at once would have the server
//! do nothing but refuse. Its next request is looked at after [`PAUSE_AFTER_OVERLOAD`]; SDKs wait longer by themselves.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::limits::PAUSE_AFTER_OVERLOAD;

/// The pause of one connection.
#[derive(Debug)]
pub(crate) struct Pause {
    born: Instant,
    /// Its end, in milliseconds since `born`; 0 for none.
    until: AtomicU64,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Self { born: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Begins now.
    pub(crate) fn begin(&self) {
        // A whole millisecond more than what is rounded off.
        let until = self.born.elapsed() + PAUSE_AFTER_OVERLOAD + Duration::from_millis(1);
        self.until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Waits until it is over, if one has begun.
    pub(crate) async fn over(&self) {
        let until = self.until.load(Relaxed);
        if until != 0 {
            sleep_until(self.born + Duration::from_millis(until)).await;
            // Another stream's refusal may have begun a later one.
            let _ = self.until.compare_exchange(until, 0, Relaxed, Relaxed);
        }
    }
}
