//! The one thread that writes: takes what arrived, writes one frame, syncs once, tells everyone. What arrives
//! during a sync, or before whoever waits for it has let the others have their turn, makes the next frame. No timer, but the
//! one that bounds that turn ([`limits::BEGUN_WITHIN`](crate::limits)).

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use strongroom_audit::frame::{FRAME_OVERHEAD, ITEM_OVERHEAD, SegmentHeader, write_note, write_records};
use strongroom_audit::hash::Hash;
use strongroom_audit::limits::FRAME_BYTES;
use strongroom_audit::port::{LogUnavailable, Position};
use strongroom_audit::record::SealedRecord;
use strongroom_model::clock::Clock;

use crate::limits;
use crate::queue::{Batch, Item};
use crate::shared::{Shared, unavailable};

pub(crate) struct Writer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    current: Option<Current>,
    next_number: u64,
    /// The last segment was given up after a failed write or sync.
    given_up: bool,
    spare: Option<JoinHandle<io::Result<File>>>,
    /// When a failed log was last tried again, by the time since boot.
    tried: Option<Duration>,
    /// The bytes of the frame being written; its space is used again.
    frame: Vec<u8>,
}

/// The segment being written.
pub(crate) struct Current {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) capacity: u64,
}

impl Current {
    const fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.offset)
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, clock: Arc<dyn Clock>, current: Option<Current>, next_number: u64) -> Self {
        shared.room.store(current.as_ref().map_or(0, Current::room), Ordering::Relaxed);
        Self { shared, clock, current, next_number, given_up: false, spare: None, tried: None, frame: Vec::new() }
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut batch = Batch::default();
        while self.shared.queue.take(&mut batch) {
            if batch.retry && self.shared.is_failed() {
                self.retry();
            }
            self.write(&mut batch);
            batch.clear();
            self.prepare_spare();
        }
    }

    /// Begins the first segment of a log.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.begin_segment()
    }

    /// Begins a new segment, to see whether the disk takes it. A disk that doesn't is left alone for a while.
    fn retry(&mut self) {
        let now = self.clock.since_boot();
        let early = self.tried.is_some_and(|tried| now.saturating_sub(tried) < limits::BETWEEN_RETRIES);
        if early || self.shared.disk.free_space() < self.shared.segment_bytes {
            return;
        }
        self.tried = Some(now);
        if let Err(error) = self.begin_segment() {
            self.shared.fail(unavailable(&error));
        } else {
            self.shared.heal();
        }
    }

    fn write(&mut self, batch: &mut Batch) {
        let items = std::mem::take(&mut batch.items);
        let mut from = 0;
        while let Some(rest) = items.get(from..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest) {
                Ok((count, position)) => {
                    self.shared.heal();
                    batch.finish(from, from + count, position);
                    from += count;
                }
                Err(error) => {
                    let failure = unavailable(&error);
                    self.shared.fail(failure.clone());
                    batch.fail(&Err(failure));
                    break;
                }
            }
        }
        batch.items = items;
    }

    /// Writes as many of the items as make one frame; returns how many, and the number of the first. Where a segment
    /// can't be written, the next one gets the same items, once.
    fn write_some(&mut self, items: &[Item]) -> io::Result<(usize, Position)> {
        let first = items.first().map_or(0, length) + FRAME_OVERHEAD;
        if self.current.as_ref().is_none_or(|current| current.room() < first as u64) {
            self.begin_segment()?;
        }
        self.write_frame(items).or_else(|error| {
            tracing::error!(%error, segment = self.next_number - 1, "a write or sync failed; the audit log's segment is given up");
            self.give_up();
            self.begin_segment()?;
            self.write_frame(items).inspect_err(|_| self.give_up())
        })
    }

    fn write_frame(&mut self, items: &[Item]) -> io::Result<(usize, Position)> {
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let (first, previous) = {
            let standing = self.shared.standing.lock();
            (Position(standing.tree.size()), standing.chain)
        };
        self.frame.clear();
        let (count, chain, leaves) = fill(&mut self.frame, items, current.room(), first, &previous);
        self.shared.disk.write(&current.file, &self.frame, current.offset)?;
        self.shared.disk.sync(&current.file)?;
        current.offset += self.frame.len() as u64;
        self.shared.room.store(current.room(), Ordering::Relaxed);
        let mut standing = self.shared.standing.lock();
        standing.offset = current.offset;
        standing.chain = chain;
        standing.tree.extend(leaves);
        Ok((count, first))
    }

    /// Nothing more is written into the current segment; what its last write left there doesn't count.
    fn give_up(&mut self) {
        self.current = None;
        self.given_up = true;
        self.shared.room.store(0, Ordering::Relaxed);
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let file = self.take_spare()?;
        let disk = &self.shared.disk;
        let (chain, tree) = {
            let standing = self.shared.standing.lock();
            (standing.chain, standing.tree.clone())
        };
        let header = SegmentHeader {
            number: self.next_number,
            first: Position(tree.size()),
            created: self.clock.now(),
            capacity: self.shared.segment_bytes,
            after_failure: self.given_up,
            origin: self.shared.origin.clone(),
            chain,
            tree,
        };
        let (bytes, chain) = header.encode();
        disk.write(&file, &bytes, 0)?;
        disk.sync(&file)?;
        // A file has its name only when its header is on disk, so a segment without one is damage, not a crash.
        disk.name(header.number)?;
        let current = Current { file, offset: bytes.len() as u64, capacity: header.capacity };
        self.shared.room.store(current.room(), Ordering::Relaxed);
        let mut standing = self.shared.standing.lock();
        standing.segment = header.number;
        standing.offset = current.offset;
        standing.chain = chain;
        drop(standing);
        self.current = Some(current);
        self.next_number += 1;
        self.given_up = false;
        Ok(())
    }

    /// The file that was prepared, or one made now.
    fn take_spare(&mut self) -> io::Result<File> {
        self.shared.spare_room.store(0, Ordering::Relaxed);
        let prepared = self.spare.take().and_then(|spare| spare.join().ok()).and_then(Result::ok);
        prepared.map_or_else(|| self.shared.disk.create(self.shared.segment_bytes), Ok)
    }

    /// Has the next file made beside the writing once half of this one is full, so that no record waits for it.
    fn prepare_spare(&mut self) {
        let half_full = self.current.as_ref().is_some_and(|current| current.room() < current.capacity / 2);
        let wanted = self
            .spare
            .as_ref()
            .is_none_or(|spare| spare.is_finished() && self.shared.spare_room.load(Ordering::Relaxed) == 0);
        if !half_full || !wanted || self.shared.disk.free_space() < self.shared.segment_bytes {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let prepare = move || {
            let file = shared.disk.create(shared.segment_bytes)?;
            shared.spare_room.store(shared.segment_bytes, Ordering::Relaxed);
            Ok(file)
        };
        self.spare = std::thread::Builder::new().name("audit-log-spare".to_owned()).spawn(prepare).ok();
    }
}

impl Drop for Writer {
    /// However the thread ends, nobody waits for it any more.
    fn drop(&mut self) {
        self.shared.queue.close();
        let mut left = Batch::default();
        if self.shared.queue.take(&mut left) {
            left.fail(&Err(LogUnavailable::Closed));
        }
        if let Some(spare) = self.spare.take() {
            drop(spare.join());
        }
    }
}

/// Puts items into a frame: one note, or as many records as there is room for, at least one. Returns how many, the
/// chain hash after the frame, and the records' leaves.
fn fill(out: &mut Vec<u8>, items: &[Item], room: u64, first: Position, previous: &Hash) -> (usize, Hash, Vec<Hash>) {
    if let Some(Item::Note(note)) = items.first() {
        return (1, write_note(out, first, previous, note), Vec::new());
    }
    let most = FRAME_BYTES.min(usize::try_from(room).unwrap_or(usize::MAX));
    let mut bytes = FRAME_OVERHEAD;
    let mut records: Vec<&SealedRecord> = Vec::with_capacity(items.len());
    for item in items {
        bytes += length(item);
        match item {
            Item::Record(record) if bytes <= most => records.push(record),
            _ => break,
        }
    }
    let chain = write_records(out, first, previous, &records);
    (records.len(), chain, records.iter().map(|record| record.leaf()).collect())
}

fn length(item: &Item) -> usize {
    ITEM_OVERHEAD
        + match item {
            Item::Record(record) => record.bytes().len(),
            Item::Note(note) => note.len(),
        }
}
