//! The locked arena: one mapping for the key material that a server caches, kept out of swap and of core dumps.
//!
//! A fixed number of 64-byte slots between two guard pages. Locked with `mlock`, not `mlockall`: a finite limit on
//! locked memory then fails here, at start, where it can be said, and never later in an unrelated allocation.
//! Absent on purpose: growing. The caches that use it are bounded by its slots.
#![expect(unsafe_code, reason = "mapping, locking and guarding memory are operating system interfaces")]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mlock, mmap_anonymous, mprotect, munmap};
use zeroize::Zeroize;

/// Bytes in a slot: the longest fixed-size key material (a 512-bit HMAC key).
pub const SLOT_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;

/// Why an arena could not be made.
#[derive(Debug)]
pub struct ArenaError(rustix::io::Errno);

impl std::fmt::Display for ArenaError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "cannot map the key arena: {}", self.0)
    }
}

impl std::error::Error for ArenaError {}

/// A fixed set of slots in locked memory. Cheap to clone; the mapping lives as long as its last slot.
#[derive(Clone)]
pub struct Arena(Arc<Mapping>);

struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    locked: bool,
    free: Mutex<Vec<u32>>,
    refused: AtomicU64,
}

// SAFETY: the mapping is plain memory; each slot is handed to one owner at a time through the free list's mutex.
unsafe impl Send for Mapping {}
// SAFETY: as above; shared access reads only through an `ArenaSecret`, which owns its slot.
unsafe impl Sync for Mapping {}

impl Arena {
    /// Maps at least `slots` slots, asks the kernel to keep them out of core dumps and locks them in memory.
    ///
    /// # Errors
    /// When the mapping itself fails. A refused lock is no error: see [`Arena::is_locked`].
    pub fn new(slots: u32) -> Result<Self, ArenaError> {
        let payload = (slots as usize * SLOT_BYTES).div_ceil(PAGE_BYTES).max(1) * PAGE_BYTES;
        let bytes = payload + 2 * PAGE_BYTES;
        // SAFETY: a fresh private anonymous mapping at an address that the kernel chooses.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }
        .map_err(ArenaError)?;
        let base = NonNull::new(start.cast::<u8>()).ok_or(ArenaError(rustix::io::Errno::NOMEM))?;
        let mut mapping =
            Mapping { base, bytes, locked: false, free: Mutex::new(Vec::new()), refused: AtomicU64::new(0) };
        // SAFETY: both guard pages and the payload lie inside the mapping made above, which nothing else uses yet.
        unsafe {
            mprotect(start, PAGE_BYTES, MprotectFlags::empty()).map_err(ArenaError)?;
            mprotect(start.byte_add(PAGE_BYTES + payload), PAGE_BYTES, MprotectFlags::empty()).map_err(ArenaError)?;
            let inner = start.byte_add(PAGE_BYTES);
            madvise(inner, payload, Advice::LinuxDontDump).map_err(ArenaError)?;
            madvise(inner, payload, Advice::LinuxDontFork).map_err(ArenaError)?;
            mapping.locked = mlock(inner, payload).is_ok();
        }
        let count = u32::try_from(payload / SLOT_BYTES).unwrap_or(u32::MAX);
        mapping.free = Mutex::new((0..count).rev().collect());
        Ok(Self(Arc::new(mapping)))
    }

    /// Whether the kernel agreed to keep the arena out of swap; if not, raise the limit on locked memory.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.locked
    }

    /// How many secrets were refused because every slot was taken.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Copies up to [`SLOT_BYTES`] bytes into a slot; `None` when they are more, or when every slot is taken.
    #[must_use]
    pub fn store(&self, bytes: &[u8]) -> Option<ArenaSecret> {
        let length = u8::try_from(bytes.len()).ok().filter(|length| usize::from(*length) <= SLOT_BYTES)?;
        let slot = self.0.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(slot) = slot else {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let secret = ArenaSecret { mapping: Arc::clone(&self.0), slot, length };
        // SAFETY: the slot was taken from the free list, so this is its only owner; the length fits a slot.
        unsafe { secret.start().copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Some(secret)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the last owner is gone, so no slot is borrowed; the range is the one that was mapped.
        // A failure would leak address space and cannot be mended here.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.bytes) };
    }
}

/// A secret of at most [`SLOT_BYTES`] bytes in locked memory; its slot is erased and given back on drop.
pub struct ArenaSecret {
    mapping: Arc<Mapping>,
    slot: u32,
    length: u8,
}

// SAFETY: a slot has one owner and the mapping outlives it.
unsafe impl Send for ArenaSecret {}
// SAFETY: shared access only reads.
unsafe impl Sync for ArenaSecret {}

impl ArenaSecret {
    fn start(&self) -> NonNull<u8> {
        // SAFETY: slot numbers come from the free list, so the offset lies inside the payload.
        unsafe { self.mapping.base.add(PAGE_BYTES + self.slot as usize * SLOT_BYTES) }
    }

    /// The bytes themselves: the only way in.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        // SAFETY: the slot is ours, initialised by `Arena::store`, and at least `length` bytes long.
        unsafe { std::slice::from_raw_parts(self.start().as_ptr(), usize::from(self.length)) }
    }
}

impl Drop for ArenaSecret {
    fn drop(&mut self) {
        // SAFETY: the slot is ours alone until it is pushed back below.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr(), SLOT_BYTES) }.zeroize();
        self.mapping.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_gives_back_what_was_stored_and_is_erased_when_dropped() {
        let arena = Arena::new(1).unwrap();
        let secret = arena.store(b"thirty-two bytes of key material").unwrap();
        assert_eq!(secret.expose(), b"thirty-two bytes of key material");
        let start = secret.start();
        drop(secret);
        // SAFETY: the arena is alive, so the slot is still mapped.
        assert_eq!(unsafe { std::slice::from_raw_parts(start.as_ptr(), SLOT_BYTES) }, [0; SLOT_BYTES]);
    }

    #[test]
    fn a_full_arena_refuses_and_counts_and_serves_again_after_a_drop() {
        let arena = Arena::new(1).unwrap();
        let mut held: Vec<_> = std::iter::from_fn(|| arena.store(b"key")).collect();
        assert_eq!(held.len(), PAGE_BYTES / SLOT_BYTES);
        assert_eq!(arena.refusals(), 1);
        held.pop();
        assert!(arena.store(b"key").is_some());
    }

    #[test]
    fn more_than_a_slot_is_refused() {
        assert!(Arena::new(1).unwrap().store(&[1; SLOT_BYTES + 1]).is_none());
    }
}
