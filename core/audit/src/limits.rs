//! The bounds of this room.

/// Longest record, in bytes.
pub const RECORD_BYTES: usize = 16 * 1024;
/// Most demands in one record.
pub const DEMANDS: usize = 16;
/// Most deciding statements in one record.
pub const STATEMENTS: usize = 16;
/// Most request details in one record.
pub const DETAILS: usize = 48;
/// Most results in one record.
pub const RESULTS: usize = 32;
/// Most state changes in one record.
pub const CHANGES: usize = 32;
/// Longest origin name of a log, in bytes.
pub const ORIGIN_BYTES: usize = 128;
/// Longest frame, in bytes: what one write and one sync carry.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Longest signed note, in bytes.
pub const NOTE_BYTES: usize = 8 * 1024;
/// Most signature lines of a note that are looked at.
pub const NOTE_SIGNATURES: usize = 16;
/// Leaves that a verification holds back for checkpoints that are written later than they were made; 32 bytes each.
pub const VERIFY_WINDOW_LEAVES: usize = 1 << 21;
/// Most findings that a verification lists.
pub const FINDINGS: usize = 1000;
