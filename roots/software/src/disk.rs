//! The file on disk: readable by its owner alone, and replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::SoftwareRootError;
use crate::file::FILE_BYTES_MOST;
use crate::primitives;

/// Reads a whole file; refuses one that others than its owner may reach, and one too long to be a root.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, SoftwareRootError> {
    let failed = |source| SoftwareRootError::Io { act: "read", path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(SoftwareRootError::NotARoot);
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SoftwareRootError::Exposed { path: path.into(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MOST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a file that must not be there yet.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), SoftwareRootError> {
    let staged = Staged::write(path, bytes)?;
    // A link, unlike a rename, fails where a file already is.
    fs::hard_link(&staged.path, path).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => SoftwareRootError::Exists { path: path.into() },
        _ => SoftwareRootError::Io { act: "create", path: path.into(), source },
    })?;
    drop(staged);
    sync_directory(path)
}

/// Replaces a file in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SoftwareRootError> {
    let staged = Staged::write(path, bytes)?;
    fs::rename(&staged.path, path).map_err(|source| SoftwareRootError::Io {
        act: "replace",
        path: path.into(),
        source,
    })?;
    sync_directory(path)
}

/// A finished file beside its target; its name is removed on drop, which after a rename finds nothing.
struct Staged {
    path: PathBuf,
}

impl Staged {
    fn write(target: &Path, bytes: &[u8]) -> Result<Self, SoftwareRootError> {
        let failed = |source| SoftwareRootError::Io { act: "write", path: target.into(), source };
        let suffix = u64::from_be_bytes(primitives::random_array()?);
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".{suffix:016x}.new"));
        let path = PathBuf::from(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        let staged = Self { path };
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nothing to be done about a failure: the left-over is sealed and 0600.
        let _ = fs::remove_file(&self.path);
    }
}

fn sync_directory(path: &Path) -> Result<(), SoftwareRootError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|source| SoftwareRootError::Io {
        act: "make durable",
        path: path.into(),
        source,
    })
}
