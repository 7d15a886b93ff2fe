//! Hardening of the process: no core dumps, no tracing by others, a locked arena for key material.
//!
//! What the machine does not allow is a warning, not a refusal: a developer's container should still start.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use strongroom_secret::{Arena, SLOT_BYTES};

/// Slots of the arena: every cached symmetric key and domain key, with room for those being replaced.
const SLOTS: u32 = 16 * 1024;

/// Forbids core dumps and attaching by others of the same user.
pub(crate) fn forbid_dumps() {
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process could not be made undumpable");
    }
}

/// Makes the arena.
pub(crate) fn arena() -> Option<Arena> {
    match Arena::new(SLOTS) {
        Ok(arena) => {
            if !arena.is_locked() {
                let bytes = SLOTS as usize * SLOT_BYTES;
                tracing::warn!(
                    bytes,
                    "key material could be swapped out: allow this much locked memory (ulimit -l, or LimitMEMLOCK=)"
                );
            }
            Some(arena)
        }
        Err(error) => {
            tracing::warn!(%error, "key material is kept in ordinary memory");
            None
        }
    }
}
