//! The audit log, apart from its files: records, frames, chain, tree, checkpoints and their verification.
//!
//! Pure: bytes in, bytes out. The log's files are stores/audit-log's; how records are shown is clients/render's.
//! The bytes are described in docs/formats/audit-log.md and hold for ever.

mod cbor;
pub mod checkpoint;
pub mod durable;
pub mod frame;
pub mod gate;
pub mod hash;
pub mod limits;
pub mod note;
pub mod port;
pub mod record;
pub mod tree;
pub mod verify;
