//! A disk that fails as it is told: a shared library, preloaded into a program, that stands before the C library's
//! reads, writes, syncs and truncations of files below one directory.
//!
//! Never shipped. Built as a shared library to be preloaded, and as a Rust library for the test that steers it through
//! a control file, which is read anew before each call. (Linked into the test, the same functions pass everything on.)
//!
//! Not seen: what a program does without the C library (`fallocate` and `statvfs` by rustix), memory that is mapped from a file
//! (SQLite's index of its write-ahead log), and making, naming or removing files.

mod calls;
mod journal;
mod rules;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Environment variable with the path of the control file.
pub const CONTROL: &str = "STRONGROOM_DISK_CONTROL";
/// Environment variable with the directory whose files are concerned, without symbolic links.
pub const DIRECTORY: &str = "STRONGROOM_DISK_DIRECTORY";

/// Where the shared library lies: beside the test binary that was built with it. `None` when it is not there.
#[must_use]
pub fn library() -> Option<PathBuf> {
    const NAME: &str = "libstrongroom_disk_shim.so";
    let program = std::env::current_exe().ok()?;
    let folders = program.ancestors().skip(1).take(2);
    folders.flat_map(|folder| [folder.join(NAME), folder.join("deps").join(NAME)]).find(|path| path.is_file())
}

/// The control file of one test. Each line is `WHERE CALL WHEN EFFECT`, and the first that is due takes effect:
/// `WHERE` is a part of a file's path below the directory, such as `audit/`, or `*`; `CALL` is `read`, `write`, `sync`, `truncate` or `*` (all but reads);
/// `WHEN` is `always`, `nth:N` (the Nth such call since these rules were set, from 1), `after:N` (every one behind it) or
/// `one-in:N` (by chance); `EFFECT` is
/// - `eio` or `enospc`: the call fails so, and does nothing;
/// - `short`: a write writes half, and says so;
/// - `torn`: a write writes half, and fails with EIO;
/// - `lose`: a sync fails with EIO, and what was written to the file since the last good one is gone, as a kernel drops
///   it (files that are open for reading, too);
/// - `cut`: the power goes. Of what was written and not synced, in any file, chance leaves a part, and the process ends.
///
/// A line `seed N` sets what chance follows from.
pub struct Faults {
    path: PathBuf,
}

impl Faults {
    /// Faults steered through a file in `directory`, none yet.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("disk-faults") }
    }

    /// The environment that a program needs whose disk is to fail below `directory`.
    ///
    /// # Errors
    /// When there is no such directory, or the shared library was not built.
    pub fn environment(&self, directory: &Path) -> io::Result<Vec<(OsString, OsString)>> {
        let library = library().ok_or_else(|| io::Error::other("the preloaded library is not there"))?;
        Ok(vec![
            ("LD_PRELOAD".into(), library.into()),
            (CONTROL.into(), self.path.clone().into()),
            (DIRECTORY.into(), directory.canonicalize()?.into()),
        ])
    }

    /// Replaces the rules in one step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, rules: &str) -> io::Result<()> {
        let staged = self.path.with_extension("new");
        std::fs::write(&staged, rules)?;
        std::fs::rename(staged, &self.path)
    }

    /// The disk is sound again.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What has taken effect until now: a line each, `CALL EFFECT PATH`.
    #[must_use]
    pub fn injected(&self) -> Vec<String> {
        let told = std::fs::read_to_string(rules::told(&self.path)).unwrap_or_default();
        told.lines().map(str::to_owned).collect()
    }
}
