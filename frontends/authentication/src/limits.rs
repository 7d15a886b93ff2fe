//! Every bound of this crate.

/// Signing keys held ready: one for each access key, region and service in use that day.
pub const SIGNING_KEYS: usize = 16_384;
/// Bytes of a client's name for itself that are kept.
pub const USER_AGENT_BYTES: usize = 256;
/// Bytes of a field that says for which resource a service asks; a longer one is passed over.
pub const SOURCE_FIELD: usize = 2048;
