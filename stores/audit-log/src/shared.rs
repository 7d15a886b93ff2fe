//! What the writer's thread and those who append share.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use strongroom_audit::durable::Batches;
use strongroom_audit::gate::{Gate, Permit};
use strongroom_audit::hash::Hash;
use strongroom_audit::port::{Head, LogUnavailable, RecordClass};
use strongroom_audit::tree::Tree;

use crate::disk::Disk;
use crate::limits;
use crate::queue::Queue;
use crate::read::Marks;

pub(crate) struct Shared {
    pub(crate) disk: Disk,
    pub(crate) origin: String,
    pub(crate) segment_bytes: u64,
    pub(crate) reserved_bytes: u64,
    pub(crate) queue: Queue,
    pub(crate) gate: Arc<Gate>,
    /// What is on disk. Only the writer changes it.
    pub(crate) standing: Mutex<Standing>,
    pub(crate) marks: Mutex<Marks>,
    /// Bytes left in the file that is being written, and in the one that is ready to follow it.
    pub(crate) room: AtomicU64,
    pub(crate) spare_room: AtomicU64,
    failed: AtomicBool,
    failure: Mutex<Option<LogUnavailable>>,
}

/// Where the log stands on disk.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) segment: u64,
    /// The end of what is written in that segment.
    pub(crate) offset: u64,
    pub(crate) chain: Hash,
    pub(crate) tree: Tree,
}

impl Shared {
    pub(crate) fn new(disk: Disk, origin: String, segment_bytes: u64, reserved_bytes: u64, standing: Standing) -> Self {
        Self {
            disk,
            origin,
            segment_bytes,
            reserved_bytes,
            queue: Queue::default(),
            gate: Gate::new(limits::QUEUE_RECORDS),
            standing: Mutex::new(standing),
            marks: Mutex::default(),
            room: AtomicU64::new(0),
            spare_room: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    pub(crate) fn head(&self) -> Head {
        let Standing { chain, tree, .. } = self.standing.lock().clone();
        Head { origin: self.origin.clone(), size: tree.size(), chain, root: tree.root() }
    }

    pub(crate) fn reserve(&self, class: RecordClass, records: usize) -> Result<Permit, LogUnavailable> {
        if records > limits::APPEND_RECORDS {
            return Err(LogUnavailable::TooMany { records, limit: limits::APPEND_RECORDS });
        }
        if self.failed.load(Ordering::Acquire) {
            let failure = self.failure.lock().clone();
            if let Some(failure) = failure {
                self.queue.ask_for_retry();
                return Err(failure);
            }
        }
        let permit = self.gate.take(records).ok_or(LogUnavailable::Busy)?;
        let room = self.room.load(Ordering::Relaxed) + self.spare_room.load(Ordering::Relaxed);
        // The room must do even if everyone under way wrote the longest of records.
        let needed = limits::LARGEST_PLACE * self.gate.taken() as u64;
        if room < needed && self.disk.free_space() < self.segment_bytes {
            return Err(LogUnavailable::Full);
        }
        match class {
            RecordClass::FailedAuthentication if room + self.disk.free_space() < self.reserved_bytes => {
                Err(LogUnavailable::Reserved)
            }
            _ => Ok(permit),
        }
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// From now on requests are refused, until [`Shared::heal`].
    pub(crate) fn fail(&self, failure: LogUnavailable) {
        if !self.is_failed() {
            tracing::error!(%failure, "the audit log refuses requests");
        }
        *self.failure.lock() = Some(failure);
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn heal(&self) {
        if self.failed.swap(false, Ordering::AcqRel) {
            tracing::info!("the audit log can be written again");
        }
    }
}

impl Batches for Shared {
    fn promise(&self, batch: u64) -> bool {
        self.queue.promise(batch)
    }

    fn begin(&self, batch: u64) {
        self.queue.begin(batch);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What an error of the disk means to those who want to append.
pub(crate) fn unavailable(error: &io::Error) -> LogUnavailable {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogUnavailable::Full,
        _ => LogUnavailable::Failed { cause: error.to_string() },
    }
}
