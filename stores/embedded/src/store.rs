//! The store itself: opening, creating, looking after.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use strongroom_model::store::{Batch, Revision, Snapshot, Store, StoreError};

use crate::connection;
use crate::directory::Directory;
use crate::error::{OpenError, store_error};
use crate::limits;
use crate::reader::Readers;
use crate::writer::{Fault, Writer};

/// The first SQLite without the race that lost commits when two connections reset the write-ahead log.
const SQLITE_VERSION: i32 = 3_051_003;

/// How a store is run.
pub struct Options {
    /// Snapshots at a time.
    pub readers: NonZeroUsize,
    /// Commits that wait for the writer; one more is refused as busy.
    pub queue: NonZeroUsize,
    /// How long a snapshot waits for a free reader before it is refused as busy.
    pub snapshot_wait: Duration,
    /// How long a commit waits for its answer before it is answered as unavailable.
    pub commit_wait: Duration,
    /// Largest size of the database in bytes, its write-ahead log not counted; a commit beyond it is refused as full.
    pub database_bytes: u64,
    /// Failures, in tests.
    pub fault: Option<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: limits::READERS,
            queue: limits::QUEUE,
            snapshot_wait: limits::SNAPSHOT_WAIT,
            commit_wait: limits::COMMIT_WAIT,
            database_bytes: limits::DATABASE_BYTES,
            fault: None,
        }
    }
}

/// What a store measures, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The newest commit.
    pub revision: Revision,
    /// The database file, in bytes.
    pub database_bytes: u64,
    /// Pages in it that hold nothing, in bytes.
    pub free_bytes: u64,
    /// The write-ahead log, in bytes.
    pub wal_bytes: u64,
    /// Commits that wait for the writer.
    pub queued: usize,
    /// Readers that are free.
    pub idle_readers: usize,
}

/// A store in a directory of its own, opened by this process alone.
///
/// Dropping it finishes the commits that wait, copies the write-ahead log into the database and lets the directory go.
pub struct EmbeddedStore {
    // In the order in which they must go: the last connection that closes is the one that may write.
    readers: Readers,
    writer: Writer,
    directory: Directory,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("EmbeddedStore").field(&self.directory.path()).finish()
    }
}

impl EmbeddedStore {
    /// Opens the store in `directory`, after bringing its schema to this release's.
    ///
    /// # Errors
    /// [`OpenError`], [`OpenError::Absent`] included: an empty store in a mistyped path would look like lost keys.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        check_sqlite()?;
        let directory = Directory::open(directory)?;
        let (mut connection, schema) = connection::writer(&directory.database(), options.database_bytes)?;
        if schema == 0 {
            return Err(OpenError::Absent { path: directory.path().to_owned() });
        }
        connection::migrate(&mut connection, schema)?;
        Self::start(directory, connection, options)
    }

    /// Makes a store in `directory`, which is made too unless it is there; its parent must be. The first commit gets
    /// the revision after `head`: zero for a new installation, or that of the state which is about to be restored.
    ///
    /// # Errors
    /// [`OpenError`], [`OpenError::Exists`] included. A creation that was cut short counts as none.
    pub fn create(directory: &Path, head: Revision, options: Options) -> Result<Self, OpenError> {
        check_sqlite()?;
        let directory = Directory::create(directory)?;
        let (mut connection, schema) = connection::writer(&directory.database(), options.database_bytes)?;
        if schema != 0 {
            return Err(OpenError::Exists { path: directory.path().to_owned() });
        }
        connection::create(&mut connection, head)?;
        Self::start(directory, connection, options)
    }

    fn start(directory: Directory, connection: Connection, options: Options) -> Result<Self, OpenError> {
        // What can't be read is said now rather than at the first request.
        connection::head(&connection)?;
        let readers = Readers::new(directory.database(), options.readers.get(), options.snapshot_wait);
        let writer =
            Writer::start(connection, directory.wal(), options.queue.get(), options.commit_wait, options.fault)
                .map_err(|source| OpenError::Io {
                    what: "start the writer of",
                    path: directory.path().to_owned(),
                    source,
                })?;
        Ok(Self { readers, writer, directory })
    }

    /// Reads the whole database and looks for damage. Takes minutes for a large one; commits and snapshots go on.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with what was found, or when the store can't be read.
    pub fn verify(&self) -> Result<(), StoreError> {
        let connection = connection::reader(&self.directory.database())?;
        let mut findings = {
            let mut check =
                connection.prepare(&format!("PRAGMA integrity_check({})", limits::FINDINGS)).map_err(store_error)?;
            let found = check.query_map([], |row| row.get::<_, String>(0)).map_err(store_error)?;
            found.collect::<Result<Vec<_>, _>>().map_err(store_error)?
        };
        findings.retain(|finding| finding != "ok");
        let strays: i64 = connection
            .query_row(
                "SELECT count(*) FROM row WHERE revision < 1 OR revision > (SELECT revision FROM head)",
                [],
                |row| row.get(0),
            )
            .map_err(store_error)?;
        if strays != 0 {
            findings.push(format!("{strays} rows have a revision that was never given"));
        }
        if findings.is_empty() { Ok(()) } else { Err(StoreError::Corrupt { cause: findings.join("; ") }) }
    }

    /// What the store measures now.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn size(&self) -> Result<Size, StoreError> {
        let bytes = |path| fs::metadata(path).map_or(0, |file| file.len());
        let (queued, idle_readers) = (self.writer.queued(), self.readers.idle());
        let snapshot = self.readers.snapshot()?;
        Ok(Size {
            revision: snapshot.revision(),
            database_bytes: bytes(self.directory.database()),
            free_bytes: snapshot.free_bytes()?,
            wal_bytes: bytes(self.directory.wal()),
            queued,
            idle_readers,
        })
    }
}

impl Store for EmbeddedStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(self.readers.snapshot()?))
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self.writer.commit(batch)
    }
}

fn check_sqlite() -> Result<(), OpenError> {
    match rusqlite::version_number() {
        found if found >= SQLITE_VERSION => Ok(()),
        found => Err(OpenError::OldSqlite { found }),
    }
}
