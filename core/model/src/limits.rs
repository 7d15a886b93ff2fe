//! Bounds that every room shares.

/// Longest name of a region, in bytes.
pub const REGION_BYTES: usize = 64;
/// Longest name in a binding, in bytes.
pub const NAME_BYTES: usize = 512;
/// Longest name of a key store, in bytes.
pub const KEY_STORE_NAME_BYTES: usize = 64;
/// Longest row key in a store, in bytes.
pub const ROW_KEY_BYTES: usize = 1024;
/// Longest row value in a store, in bytes.
pub const ROW_VALUE_BYTES: usize = 256 * 1024;
/// Most rows that one read of a store returns.
pub const SCAN_ROWS: usize = 1000;
/// Most changes in one commit, and most preconditions.
pub const BATCH_CHANGES: usize = 10_000;
/// Most bytes of keys and values in one commit, preconditions included.
pub const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Longest wrapped domain key that a root may return, in bytes.
pub const ROOT_WRAPPED_BYTES: usize = 1024;
