//! The bounds of this room. Those on Argon2id hold for files too, so that a hostile file cannot ask for the machine.

/// Most slots in one file.
pub const SLOTS: usize = 8;
/// Most memory that a passphrase slot may ask for, in KiB: the first recommended option of RFC 9106 section 4.
pub const ARGON2_MEMORY_KIB_MOST: u32 = 2 * 1024 * 1024;
/// Least memory of a passphrase slot, in KiB.
pub const ARGON2_MEMORY_KIB_LEAST: u32 = 8 * 1024;
/// Most passes over that memory.
pub const ARGON2_PASSES_MOST: u32 = 16;
/// Most lanes.
pub const ARGON2_LANES_MOST: u32 = 16;
/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES: usize = 1024;
/// Longest context of a wrapped domain key, in bytes.
pub const CONTEXT_BYTES: usize = 4096;
