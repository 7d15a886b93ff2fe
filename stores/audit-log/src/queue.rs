//! What waits for the writer: one list that is pushed to, and taken whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::{Condvar, Mutex};
use strongroom_audit::durable::{Appended, Completer};
use strongroom_audit::gate::Permit;
use strongroom_audit::port::Position;
use strongroom_audit::record::SealedRecord;

use crate::limits;

/// Something to be written.
pub(crate) enum Item {
    Record(SealedRecord),
    Note(String),
}

/// Who waits for which items.
pub(crate) struct Ticket {
    completer: Completer,
    /// Given back when the items are on disk, or given up.
    _permit: Permit,
    /// The place in the batch behind its last item, and that of its first.
    first: usize,
    end: usize,
    position: Option<Position>,
}

/// All that arrived since the writer last looked.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    pub(crate) tickets: Vec<Ticket>,
    /// Whether someone asks to have a failed log tried again.
    pub(crate) retry: bool,
    /// Whether someone asks to have it written.
    begun: bool,
    /// Which batch it is.
    number: u64,
    closed: bool,
}

/// The queue. Its length is bounded by the permits, without which nothing is pushed.
#[derive(Default)]
pub(crate) struct Queue {
    batch: Mutex<Batch>,
    begun: Condvar,
    /// The batches with numbers below this one are taken or begun, or somebody has promised to begin them.
    promised: AtomicU64,
}

impl Queue {
    /// Adds items and tells in which batch they are; gives the completer back when the queue is closed.
    pub(crate) fn push(
        &self,
        items: impl IntoIterator<Item = Item>,
        permit: Permit,
        completer: Completer,
    ) -> Result<u64, Completer> {
        let mut batch = self.batch.lock();
        if batch.closed {
            return Err(completer);
        }
        let first = batch.items.len();
        batch.items.extend(items);
        let end = batch.items.len();
        batch.tickets.push(Ticket { completer, _permit: permit, first, end, position: None });
        let number = batch.number;
        if end >= limits::BATCH_ENOUGH && !batch.begun {
            batch.begun = true;
            drop(batch);
            self.begun.notify_one();
        }
        Ok(number)
    }

    /// Promises that a batch is begun soon; false if somebody else did, or it is taken already: a later one can be
    /// promised only then.
    pub(crate) fn promise(&self, number: u64) -> bool {
        self.promised.fetch_max(number + 1, Ordering::AcqRel) <= number
    }

    /// Has a batch written, unless it is already.
    pub(crate) fn begin(&self, number: u64) {
        let mut batch = self.batch.lock();
        if batch.number == number && !batch.begun {
            batch.begun = true;
            drop(batch);
            self.begun.notify_one();
        }
    }

    pub(crate) fn ask_for_retry(&self) {
        self.batch.lock().retry = true;
        self.begun.notify_one();
    }

    pub(crate) fn close(&self) {
        self.batch.lock().closed = true;
        self.begun.notify_one();
    }

    /// Waits until the writing is to begin, and swaps what arrived for `taken`, whose space is used again. False when the
    /// queue is closed and empty.
    pub(crate) fn take(&self, taken: &mut Batch) -> bool {
        let mut batch = self.batch.lock();
        while !batch.begun && !batch.retry && !batch.closed {
            // Nobody's promise is trusted for longer.
            let late = self.begun.wait_for(&mut batch, limits::BEGUN_WITHIN).timed_out();
            if late && !batch.tickets.is_empty() {
                break;
            }
        }
        (taken.closed, taken.number) = (batch.closed, batch.number + 1);
        std::mem::swap(&mut *batch, taken);
        !taken.tickets.is_empty() || !taken.closed
    }
}

impl Batch {
    /// Notes that the items in the places `from..to` are on disk, the first of them with the number `position`, and
    /// wakes whoever has nothing more to wait for, after all were told.
    pub(crate) fn finish(&mut self, from: usize, to: usize, position: Position) {
        let told = self.tickets.iter().take_while(|ticket| ticket.end <= to).count();
        for ticket in &mut self.tickets {
            if (from..to).contains(&ticket.first) {
                ticket.position = Some(Position(position.0 + (ticket.first - from) as u64));
            }
        }
        wake(self.tickets.drain(..told).filter_map(|ticket| {
            let position = ticket.position.unwrap_or(position);
            ticket.completer.finish(Ok(position))
        }));
    }

    /// Tells everyone left that their items can't be written.
    pub(crate) fn fail(&mut self, appended: &Appended) {
        wake(self.tickets.drain(..).filter_map(|ticket| ticket.completer.finish(appended.clone())));
    }

    /// Makes ready for the next use.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        (self.retry, self.begun) = (false, false);
    }
}

fn wake(wakers: impl Iterator<Item = Waker>) {
    wakers.collect::<Vec<_>>().into_iter().for_each(Waker::wake);
}
