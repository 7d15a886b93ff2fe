//! Why a store could not be opened, and what SQLite's errors mean to a store.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use strongroom_model::store::StoreError;

/// Why a store could not be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory holds no store. Returned by open alone.
    #[error("there is no store in {}: create it first, or correct the path", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds a store already. Returned by create alone.
    #[error("there is a store in {} already", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("the store in {} is in use by {}: only one process may open it", path.display(), match holder {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    })]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, as far as it could say so.
        holder: Option<u32>,
    },
    /// Others than the owner may enter the directory or read a file.
    #[error("{} has mode {mode:04o}, so others than its owner have access: chmod go= it", path.display())]
    Accessible {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The database was made by another program.
    #[error("{} is not a store of ours (its application id is {application_id:#010x})", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// What stands where ours should.
        application_id: i32,
    },
    /// The database was written by a later release.
    #[error("the store has schema {found} and this release knows {known} at most: run a later release")]
    Newer {
        /// The schema found.
        found: i64,
        /// The newest schema that this release knows.
        known: i64,
    },
    /// The linked SQLite can lose commits (its write-ahead log's reset race was fixed in 3.51.3).
    #[error("the linked SQLite is {found}, and before 3051003 it can lose commits: link a later one")]
    OldSqlite {
        /// SQLite's version number.
        found: i32,
    },
    /// The file system refused.
    #[error("can't {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database could not be read or written.
    #[error("the database could not be opened")]
    Database(#[from] StoreError),
}

/// What an error of SQLite means to the callers of a store.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err, which gives the error away")]
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { cause: error.to_string() },
        _ => StoreError::Unavailable { cause: error.to_string() },
    }
}
