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
/// To reach a proxy that is tried, and to agree with it over TLS; each.
pub const PREFLIGHT_CONNECT: Duration = Duration::from_secs(5);
/// From a request to a proxy that is tried to the end of its answer: long beyond what KMS waits, so that slowness is told apart
/// from silence.
pub const PREFLIGHT_ANSWER: Duration = Duration::from_secs(5);
/// For a connection that broke to say why.
pub const PREFLIGHT_CLOSING: Duration = Duration::from_millis(500);
/// Longest answer of a proxy that is tried, in bytes: the longest right one has some kilobytes.
pub const PREFLIGHT_ANSWER_BYTES: usize = 1024 * 1024;
