//! Every bound of this crate.

/// Signing keys held ready: one for each access key, region and service in use that day.
pub const SIGNING_KEYS: usize = 16_384;
/// Bytes of a client's name for itself that are kept.
pub const USER_AGENT_BYTES: usize = 256;
