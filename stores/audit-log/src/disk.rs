//! The few things that are done to files, in one place, so that tests can make each of them fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use strongroom_audit::frame::{file_name, segment_number};

static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];
/// The next segment's file while it is being prepared.
const SPARE: &str = "spare";
const LOCK: &str = "lock";

/// Something that is about to be done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// Making a segment's file, all zeros.
    Create,
    /// Writing into it.
    Write,
    /// Having what was written on disk.
    Sync,
    /// Giving it its name, on disk.
    Name,
    /// Asking for the free space.
    FreeSpace,
}

/// Called before every operation; an error happens in the operation's place. For tests of what a disk may do.
pub type BeforeOperation = Arc<dyn Fn(DiskOperation) -> io::Result<()> + Send + Sync>;

/// A log's directory.
#[derive(Clone)]
pub(crate) struct Disk {
    directory: PathBuf,
    before: Option<BeforeOperation>,
}

impl Disk {
    pub(crate) fn new(directory: &Path, before: Option<BeforeOperation>) -> Self {
        Self { directory: directory.to_owned(), before }
    }

    pub(crate) fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(file_name(segment))
    }

    /// Makes the directory where there is none, and locks it for as long as the result lives; `None` when another
    /// process holds it. Removes what an earlier process was preparing.
    pub(crate) fn lock(&self) -> io::Result<Option<File>> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let file = options().create(true).truncate(false).open(self.directory.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        match std::fs::remove_file(self.directory.join(SPARE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Some(file)),
        }
    }

    /// The numbers of the segments that there are, in order.
    pub(crate) fn segments(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            numbers.extend(entry?.file_name().to_str().and_then(segment_number));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes a file of `length` zeros, so that writing into it changes no metadata and needs no more space.
    pub(crate) fn create(&self, length: u64) -> io::Result<File> {
        self.before(DiskOperation::Create)?;
        let file = options().create(true).truncate(true).open(self.directory.join(SPARE))?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
        // Allocated alone, each first write would have to be noted in the file system's journal.
        let mut offset = 0;
        while offset < length {
            let chunk = ZEROS.len().min(usize::try_from(length - offset).unwrap_or(usize::MAX));
            file.write_all_at(ZEROS.get(..chunk).unwrap_or_default(), offset)?;
            offset += chunk as u64;
        }
        file.sync_all()?;
        Ok(file)
    }

    /// Gives the file that was made last the name of a segment.
    pub(crate) fn name(&self, segment: u64) -> io::Result<()> {
        self.before(DiskOperation::Name)?;
        std::fs::rename(self.directory.join(SPARE), self.path(segment))?;
        self.sync_directory()
    }

    pub(crate) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.before(DiskOperation::Write)?;
        file.write_all_at(bytes, offset)
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.before(DiskOperation::Sync)?;
        file.sync_data()
    }

    pub(crate) fn remove(&self, segment: u64) -> io::Result<()> {
        std::fs::remove_file(self.path(segment))
    }

    pub(crate) fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    /// Opens a segment for writing where it exists.
    pub(crate) fn open_for_writing(&self, segment: u64) -> io::Result<File> {
        options().open(self.path(segment))
    }

    /// Free space for an unprivileged process, in bytes; none when it can't be told.
    pub(crate) fn free_space(&self) -> u64 {
        let free = self.before(DiskOperation::FreeSpace).and_then(|()| Ok(rustix::fs::statvfs(&self.directory)?));
        free.map_or(0, |free| free.f_bavail.saturating_mul(free.f_frsize))
    }

    fn before(&self, operation: DiskOperation) -> io::Result<()> {
        self.before.as_ref().map_or(Ok(()), |before| before(operation))
    }
}

/// Readable by its owner only, since records name people and keys.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
