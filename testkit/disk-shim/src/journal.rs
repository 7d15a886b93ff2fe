//! What was written to a file since it was last synced, and what stood there before: kept only while rules may take it
//! away again.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What stood in a file before a write.
pub(crate) struct Before {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

type Written = Vec<Before>;

static WRITTEN: LazyLock<Mutex<HashMap<PathBuf, Written>>> = LazyLock::new(Mutex::default);

/// Before `length` bytes are written at `offset`: remembers what stands there. The file must be open for reading, too: opening
/// it once more, and closing that, would take away the locks that the process holds on it.
pub(crate) fn keep(file: &File, path: &Path, offset: u64, length: usize) {
    let mut bytes = vec![0; length];
    let mut read = 0;
    // Behind the end stand zeros; a file stays as long as it has become.
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + read as u64) {
            Ok(0) | Err(_) => break,
            Ok(count) => read += count,
        }
    }
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    written.entry(path.to_owned()).or_default().push(Before { offset, bytes });
}

/// It is on disk.
pub(crate) fn synced(path: &Path) {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
}

/// What was written since the last sync, the newest last.
pub(crate) fn take(path: &Path) -> Written {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).remove(path).unwrap_or_default()
}

/// The same of every file. While it is held, no write begins and no sync comes back.
pub(crate) fn all() -> MutexGuard<'static, HashMap<PathBuf, Written>> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}
