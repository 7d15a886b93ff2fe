//! The one thread that writes: it gathers the batches that wait into one transaction, and answers them when it is on disk.
//!
//! There is no savepoint for each batch: preconditions are checked before anything changes, and SQLite answers what
//! can fail after that (a full disk, a failed write) by undoing the whole transaction. After a full disk the group is tried
//! again batch by batch, so that one that doesn't fit fails alone. A full disk is the one failure after which nothing can
//! have changed (the frame that commits is the last to be written); any other is answered to all of the group.

use std::fs;
use std::path::PathBuf;
use std::slice;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use strongroom_model::store::{Batch, Change, Precondition, Revision, StoreError, Table, check};

use crate::connection;
use crate::error::store_error;
use crate::limits;

const REVISION: &str = "SELECT revision FROM row WHERE tbl = ?1 AND key = ?2";
const PUT: &str = "INSERT INTO row (tbl, key, value, revision) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value, revision = excluded.revision";
const DELETE: &str = "DELETE FROM row WHERE tbl = ?1 AND key = ?2";
const HEAD: &str = "UPDATE head SET revision = ?1";

/// Where a [`Fault`] is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// All changes of the transaction are made, none is committed. A failure undoes them.
    BeforeCommit,
    /// The transaction is on disk, and nobody has been answered. A failure is answered in place of success.
    AfterCommit,
}

/// Called around each commit of a transaction: tests make it fail here, or end the process.
pub type Fault = Box<dyn FnMut(Moment) -> Result<(), StoreError> + Send>;

type Answer = Result<Revision, StoreError>;

struct Request {
    batch: Batch,
    bytes: usize,
    answer: Sender<Answer>,
}

/// The writer's thread, and the queue to it.
pub(crate) struct Writer {
    queue: Option<Sender<Request>>,
    wait: Duration,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        wal: PathBuf,
        queue: usize,
        wait: Duration,
        fault: Option<Fault>,
    ) -> std::io::Result<Self> {
        let (send, receive) = crossbeam_channel::bounded(queue);
        let work = Work { connection, wal, wal_next: limits::WAL_BYTES, fault };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || work.run(&receive))?;
        Ok(Self { queue: Some(send), wait, thread: Some(thread) })
    }

    /// How many batches wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, Sender::len)
    }

    pub(crate) fn commit(&self, batch: Batch) -> Answer {
        let stopped = || StoreError::Unavailable { cause: "the store's writer has stopped".to_owned() };
        let bytes = check(&batch)?;
        let (answer, answered) = crossbeam_channel::bounded(1);
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(Request { batch, bytes, answer }).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.recv_timeout(self.wait).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                StoreError::Unavailable { cause: format!("the disk did not answer within {:?}", self.wait) }
            }
            RecvTimeoutError::Disconnected => stopped(),
        })?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer ended by a panic");
        }
    }
}

struct Work {
    connection: Connection,
    wal: PathBuf,
    /// The write-ahead log's size at which it is next cut off.
    wal_next: u64,
    fault: Option<Fault>,
}

impl Work {
    fn run(mut self, queue: &Receiver<Request>) {
        loop {
            let first = match self.wal_bytes() {
                0 => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                _ => queue.recv_timeout(limits::IDLE),
            };
            match first {
                Ok(first) => self.serve(gather(first, queue)),
                Err(RecvTimeoutError::Timeout) => self.cut_wal(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.wal_bytes() >= self.wal_next {
                self.cut_wal();
            }
        }
    }

    /// Commits and answers.
    fn serve(&mut self, group: Vec<Request>) {
        let answers = match self.transact(&group) {
            Ok(answers) => answers,
            Err(StoreError::Full) => {
                // Nothing was changed. The log may give space back, and what was too large must not fail the others.
                self.cut_wal();
                group.iter().map(|one| self.alone(one)).collect()
            }
            Err(error) => vec![Err(error); group.len()],
        };
        for (request, answer) in group.into_iter().zip(answers) {
            // Nobody may be waiting any more.
            let _ = request.answer.send(answer);
        }
    }

    fn alone(&mut self, request: &Request) -> Answer {
        let answer = self.transact(slice::from_ref(request))?.pop();
        answer.unwrap_or_else(|| Err(StoreError::Unavailable { cause: "a batch was not answered".to_owned() }))
    }

    /// One transaction of many batches. Those whose preconditions fail are answered so and leave no trace.
    fn transact(&mut self, group: &[Request]) -> Result<Vec<Answer>, StoreError> {
        let Self { connection, fault, .. } = self;
        if !connection.is_autocommit() {
            // A rollback failed earlier; without this no transaction would ever begin again.
            connection.execute_batch("ROLLBACK").map_err(store_error)?;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
        let answers = make(&transaction, group)?;
        if answers.iter().any(Result::is_ok) {
            ask(fault, Moment::BeforeCommit)?;
            transaction.commit().map_err(store_error)?;
            ask(fault, Moment::AfterCommit)?;
        }
        Ok(answers)
    }

    fn wal_bytes(&self) -> u64 {
        fs::metadata(&self.wal).map_or(0, |wal| wal.len())
    }

    /// Copies the write-ahead log into the database and empties it, unless a snapshot still needs it.
    fn cut_wal(&mut self) {
        let checkpoint = |connection: &Connection| {
            connection.busy_timeout(limits::CHECKPOINT_WAIT)?;
            let blocked = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            connection.busy_timeout(limits::BUSY_WAIT)?;
            blocked
        };
        match checkpoint(&self.connection) {
            Ok(blocked) => tracing::trace!(blocked, "checkpoint"),
            Err(error) => tracing::warn!(%error, "the store's write-ahead log could not be copied into the database"),
        }
        self.wal_next = self.wal_bytes() + limits::WAL_BYTES;
    }
}

/// What waits now, up to the bounds of a transaction.
fn gather(first: Request, queue: &Receiver<Request>) -> Vec<Request> {
    let mut bytes = first.bytes;
    let mut group = vec![first];
    while group.len() < limits::GROUP_BATCHES
        && bytes < limits::GROUP_BYTES
        && let Ok(next) = queue.try_recv()
    {
        bytes += next.bytes;
        group.push(next);
    }
    group
}

fn ask(fault: &mut Option<Fault>, moment: Moment) -> Result<(), StoreError> {
    fault.as_mut().map_or(Ok(()), |fault| fault(moment))
}

/// Makes the changes of every batch whose preconditions hold, in order, each under a revision of its own.
fn make(transaction: &Transaction<'_>, group: &[Request]) -> Result<Vec<Answer>, StoreError> {
    let mut head = connection::head(transaction)?;
    let mut answers = Vec::with_capacity(group.len());
    for Request { batch, .. } in group {
        answers.push(match first_failing(transaction, &batch.preconditions)? {
            Some(table) => Err(StoreError::Conflict { table }),
            None => {
                head = Revision(head.0 + 1);
                change(transaction, &batch.changes, head)?;
                Ok(head)
            }
        });
    }
    let mut set_head = transaction.prepare_cached(HEAD).map_err(store_error)?;
    set_head.execute([connection::stored(head)?]).map_err(store_error)?;
    Ok(answers)
}

/// The table of the first precondition that doesn't hold.
fn first_failing(transaction: &Transaction<'_>, preconditions: &[Precondition]) -> Result<Option<Table>, StoreError> {
    let mut find = transaction.prepare_cached(REVISION).map_err(store_error)?;
    for precondition in preconditions {
        let (table, key, expected) = match precondition {
            Precondition::Absent(table, key) => (*table, key, None),
            Precondition::Unchanged(table, key, revision) => (*table, key, Some(connection::stored(*revision)?)),
        };
        let found: Option<i64> =
            find.query_row((table.code(), key), |row| row.get(0)).optional().map_err(store_error)?;
        if found != expected {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

fn change(transaction: &Transaction<'_>, changes: &[Change], revision: Revision) -> Result<(), StoreError> {
    let revision = connection::stored(revision)?;
    let apply = || -> rusqlite::Result<()> {
        let mut put = transaction.prepare_cached(PUT)?;
        let mut delete = transaction.prepare_cached(DELETE)?;
        for change in changes {
            match change {
                Change::Put(table, key, value) => put.execute((table.code(), key, value, revision))?,
                Change::Delete(table, key) => delete.execute((table.code(), key))?,
            };
        }
        Ok(())
    };
    apply().map_err(store_error)
}
