//! The C library's names for reading, writing, syncing and truncating, passed on as system calls.
#![expect(unsafe_code, reason = "the C library's functions are replaced")]
#![expect(unreachable_pub, reason = "exported by their C names")]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::path::Path;

use libc::{iovec, off_t, size_t, ssize_t};

use crate::journal::{self, Before};
use crate::rules::{self, Call, Effect};

fn fail(errno: c_int) -> ssize_t {
    // SAFETY: the place of this thread's errno is always there.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// A file that is open elsewhere, and stays so.
fn borrowed(fd: RawFd) -> ManuallyDrop<File> {
    // SAFETY: the caller has it open during this call; it is never closed here.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

/// Has `write` write as many of `length` bytes as the rules allow.
fn written(fd: RawFd, offset: Option<off_t>, length: size_t, write: impl Fn(size_t) -> ssize_t) -> ssize_t {
    let Some(path) = rules::concerned(fd) else { return write(length) };
    let effect = rules::before(Call::Write, &path);
    let half = (length / 2).max(1);
    if let Some(Effect::Fail(errno)) = effect {
        return fail(errno);
    }
    // SAFETY: no memory is involved.
    let offset = offset.unwrap_or_else(|| unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) });
    if let Ok(offset) = u64::try_from(offset) {
        journal::keep(&borrowed(fd), &path, offset, length);
    }
    match effect {
        Some(Effect::Cut) => cut(),
        Some(Effect::Short) => write(half),
        Some(Effect::Torn) => {
            write(half);
            fail(libc::EIO)
        }
        _ => write(length),
    }
}

fn read_from(fd: RawFd, read: impl Fn() -> ssize_t) -> ssize_t {
    let Some(path) = rules::concerned(fd) else { return read() };
    match rules::before(Call::Read, &path) {
        Some(Effect::Fail(errno)) => fail(errno),
        _ => read(),
    }
}

fn synced(fd: RawFd, sync: impl Fn() -> c_int) -> c_int {
    let Some(path) = rules::concerned(fd) else { return sync() };
    match rules::before(Call::Sync, &path) {
        None | Some(Effect::Short) => {
            let done = sync();
            if done == 0 {
                journal::synced(&path);
            }
            done
        }
        Some(Effect::Fail(errno)) => fail(errno) as c_int,
        Some(Effect::Torn) => fail(libc::EIO) as c_int,
        Some(Effect::Cut) => cut(),
        Some(Effect::Lose) => {
            lose(fd, &path);
            fail(libc::EIO) as c_int
        }
    }
}

fn lose(fd: RawFd, path: &Path) {
    journal::take(path).iter().rev().for_each(|before| put_back(fd, before));
}

/// The power goes: of what was not synced, chance leaves a part, and the process ends.
fn cut() -> ! {
    let mut number = u64::from(std::process::id());
    // Held to the end: no sync of another thread comes back any more, so nothing is acknowledged that is put back here.
    let all = journal::all();
    for (path, written) in all.iter() {
        // The process ends here, so that it does not matter which locks are let go.
        let Some(Ok(file)) = rules::whole(path).map(|path| File::options().write(true).open(path)) else { continue };
        for before in written.iter().rev() {
            number = rules::chance(number ^ before.offset);
            if !number.is_multiple_of(3) {
                put_back(file.as_raw_fd(), before);
            }
        }
    }
    // SAFETY: no memory is involved.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        std::thread::park();
    }
}

fn put_back(fd: RawFd, Before { offset, bytes }: &Before) {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let at = libc::c_long::try_from(*offset).unwrap_or(0) + done as libc::c_long;
        // SAFETY: the bytes are ours, as many as are told.
        let wrote = unsafe { libc::syscall(libc::SYS_pwrite64, fd, rest.as_ptr(), rest.len(), at) };
        match usize::try_from(wrote) {
            Ok(wrote) if wrote > 0 => done += wrote,
            _ => return,
        }
    }
}

fn truncated(fd: RawFd, length: off_t) -> c_int {
    // SAFETY: no memory is involved.
    let truncate = || unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) as c_int };
    let Some(path) = rules::concerned(fd) else { return truncate() };
    match rules::before(Call::Truncate, &path) {
        Some(Effect::Fail(errno)) => fail(errno) as c_int,
        Some(Effect::Torn | Effect::Lose) => fail(libc::EIO) as c_int,
        Some(Effect::Cut) => cut(),
        Some(Effect::Short) | None => {
            // What stood there would not fit the file any more.
            journal::synced(&path);
            truncate()
        }
    }
}

/// # Safety
/// As of `read(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(fd: c_int, bytes: *mut c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's room for bytes.
    read_from(fd, || unsafe { libc::syscall(libc::SYS_read, fd, bytes, length) as ssize_t })
}

/// # Safety
/// As of `pread(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread(fd: c_int, bytes: *mut c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's room for bytes.
    read_from(fd, || unsafe { libc::syscall(libc::SYS_pread64, fd, bytes, length, offset) as ssize_t })
}

/// # Safety
/// As of `pread(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread64(fd: c_int, bytes: *mut c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the same function by its other name.
    unsafe { pread(fd, bytes, length, offset) }
}

/// # Safety
/// As of `write(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's bytes, or fewer of them.
    written(fd, None, length, |length| unsafe { libc::syscall(libc::SYS_write, fd, bytes, length) as ssize_t })
}

/// # Safety
/// As of `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's bytes, or fewer of them.
    written(fd, Some(offset), length, |length| unsafe {
        libc::syscall(libc::SYS_pwrite64, fd, bytes, length, offset) as ssize_t
    })
}

/// # Safety
/// As of `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the same function by its other name.
    unsafe { pwrite(fd, bytes, length, offset) }
}

/// # Safety
/// As of `writev(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's parts, as many as are told.
    let each = (0..usize::try_from(count).unwrap_or(0)).map(|part| unsafe { *parts.add(part) });
    match each.into_iter().find(|part| part.iov_len > 0).filter(|_| rules::concerned(fd).is_some()) {
        // A part is written alone: callers write on from wherever a write ends.
        // SAFETY: the caller's bytes.
        Some(part) => unsafe { write(fd, part.iov_base, part.iov_len) },
        // SAFETY: the caller's parts.
        None => unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) as ssize_t },
    }
}

/// # Safety
/// As of `fsync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: no memory is involved.
    synced(fd, || unsafe { libc::syscall(libc::SYS_fsync, fd) as c_int })
}

/// # Safety
/// As of `fdatasync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: no memory is involved.
    synced(fd, || unsafe { libc::syscall(libc::SYS_fdatasync, fd) as c_int })
}

/// # Safety
/// As of `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    truncated(fd, length)
}

/// # Safety
/// As of `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    truncated(fd, length)
}
