//! The bounds of this front end; those of requests are strongroom_admin_api::limits.

/// Signing keys of administrators held ready.
pub const SIGNING_KEYS: usize = 256;
/// Most characters of a client's own name that a record keeps.
pub const USER_AGENT_CHARACTERS: usize = 256;
