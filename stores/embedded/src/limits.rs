//! Every bound of this store, in one place.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Connections for reading, hence snapshots at a time, unless the options say otherwise.
pub const READERS: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// Commits that wait for the writer, unless the options say otherwise.
pub const QUEUE: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// How long a snapshot waits for a free reader, unless the options say otherwise.
pub const SNAPSHOT_WAIT: Duration = Duration::from_secs(1);
/// How long a commit waits for its answer, unless the options say otherwise.
pub const COMMIT_WAIT: Duration = Duration::from_secs(30);
/// Largest size of the database file in bytes, unless the options say otherwise.
pub const DATABASE_BYTES: u64 = 1 << 40;
/// Most batches in one transaction.
pub const GROUP_BATCHES: usize = 256;
/// A transaction takes no further batch once it has this many bytes of keys and values.
pub const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// The write-ahead log is copied into the database and cut off each time it has grown by this many bytes.
pub const WAL_BYTES: u64 = 16 * 1024 * 1024;
/// How long cutting off the write-ahead log may wait for snapshots that still need it.
pub const CHECKPOINT_WAIT: Duration = Duration::from_millis(20);
/// The writer cuts off the write-ahead log when nothing was committed for this long.
pub const IDLE: Duration = Duration::from_secs(1);
/// How long a connection waits for another program that holds the database (an operator's `sqlite3`).
pub const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Pages that the writer keeps in memory, in KiB.
pub const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Pages that each reader keeps in memory, in KiB.
pub const READER_CACHE_KIB: i64 = 8 * 1024;
/// Most findings of a verification that are reported.
pub const FINDINGS: u32 = 20;
