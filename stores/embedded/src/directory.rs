//! The store's directory: its files, who may enter, and the lock that keeps a second process out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::OpenError;

/// The database's name. SQLite gives the files that it makes beside it the same mode.
const DATABASE: &str = "store.db";

/// The directory, held by this process alone until this is dropped.
pub(crate) struct Directory {
    path: PathBuf,
    /// Held for its lock. The file stays when the lock goes: removing it would let two processes hold one name.
    _lock: File,
}

impl Directory {
    /// Makes the directory where there is none (its parent must be there), and an empty database in it unless there is
    /// one. Both can be entered and read by their owner alone, and their names are durable.
    pub(crate) fn create(path: &Path) -> Result<Self, OpenError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("create", path)(error)),
            _ => Ok(()),
        }?;
        let directory = Self::enter(path)?;
        let database = directory.database();
        private_file(&database).map_err(failed("create", &database))?;
        refuse_accessible(&database)?;
        for path in [Some(directory.path.as_path()), directory.path.parent()].into_iter().flatten() {
            File::open(path).and_then(|open| open.sync_all()).map_err(failed("sync", path))?;
        }
        Ok(directory)
    }

    /// Locks a directory that has a database.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        // Looked for before anything is written, since the path may be mistyped.
        match refuse_accessible(&path.join(DATABASE)) {
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(OpenError::Absent { path: path.to_owned() })
            }
            Err(error) => Err(error),
            Ok(()) => Self::enter(path),
        }
    }

    fn enter(path: &Path) -> Result<Self, OpenError> {
        // Absolute, so that SQLite can't take it for a URI.
        let path = fs::canonicalize(path).map_err(failed("find", path))?;
        refuse_accessible(&path)?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory itself, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// SQLite's write-ahead log beside it.
    pub(crate) fn wal(&self) -> PathBuf {
        self.path.join("store.db-wal")
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn refuse_accessible(path: &Path) -> Result<(), OpenError> {
    let mode = fs::metadata(path).map_err(failed("look at", path))?.mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(OpenError::Accessible { path: path.to_owned(), mode }) }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let mut file = private_file(&path).map_err(failed("open", &path))?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(failed("lock", &path)(error.into()));
        }
        let mut holder = String::new();
        // What can't be read is only left out of the message.
        let holder = file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
        return Err(OpenError::Locked { path: directory.to_owned(), holder });
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed("write", &path))?;
    Ok(file)
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { what, path: path.to_owned(), source }
}
