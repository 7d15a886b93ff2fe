//! The bounds of the command line.

use std::time::Duration;

/// To reach a server.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// From a request to the end of its answer.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Longest answer, in bytes: a page of audit records and room to spare.
pub const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Longest policy document read from a file, in bytes.
pub const DOCUMENT_BYTES: u64 = 64 * 1024;
/// Longest list of authorities that AWS accepts, in bytes.
pub const AUTHORITIES_BYTES: u64 = 4 * 1024 * 1024;
/// Longest file with key material, wrapped or not, or with a token of it, in bytes.
pub const MATERIAL_FILE_BYTES: usize = 8 * 1024;
/// Longest file of declarations, in bytes.
pub const DECLARATIONS_BYTES: u64 = 4 * 1024 * 1024;
/// Deepest nesting of declarations in JSON.
pub const DECLARATIONS_DEPTH: usize = 16;
/// Mistakes told at once.
pub const MISTAKES: usize = 100;
/// Records that `audit show` shows unless told otherwise.
pub const RECORDS: u32 = 1000;
/// Longest segment of a log that is verified, in bytes.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024 * 1024;
