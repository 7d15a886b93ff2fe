//! The bounds of this room.

use std::time::Duration;

use strongroom_audit::frame::{FRAME_OVERHEAD, ITEM_OVERHEAD, LONGEST_HEADER};
use strongroom_audit::limits::RECORD_BYTES;

/// Usual length of a segment file, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Shortest length of a segment file, in bytes: a header and a few of the longest records.
pub const SHORTEST_SEGMENT: u64 = 64 * 1024;
/// Longest length of a segment file, in bytes: one is read into memory when a log is opened.
pub const LONGEST_SEGMENT: u64 = 1024 * 1024 * 1024;
/// Usual room kept for records of authenticated requests, in bytes.
pub const RESERVED_BYTES: u64 = 4 * SEGMENT_BYTES;
/// Most records between their reservation and the disk.
pub const QUEUE_RECORDS: usize = 4096;
/// Most records in one append.
pub const APPEND_RECORDS: usize = 1024;
/// Records that are written without waiting for more: with so many, a sync is a small part of what each costs.
pub(crate) const BATCH_ENOUGH: usize = 32;
/// Longest time that a record waits for whoever is to have its batch written, should that task get no turn.
pub(crate) const BEGUN_WITHIN: Duration = Duration::from_millis(100);
/// Shortest time between two attempts to have a failed log written again.
pub const BETWEEN_RETRIES: Duration = Duration::from_millis(500);
/// Most places that are remembered because readers stopped there.
pub(crate) const MARKS: usize = 8;
/// What one record may take in a file, in bytes.
pub(crate) const LARGEST_PLACE: u64 = (RECORD_BYTES + ITEM_OVERHEAD + FRAME_OVERHEAD) as u64;
/// How long a request may have been under way when its record was written, in milliseconds, for finding it by time.
pub(crate) const LONGEST_REQUEST_MILLIS: u64 = 3_600_000;

const _: () = assert!(SHORTEST_SEGMENT >= LONGEST_HEADER as u64 + 2 * LARGEST_PLACE);
