//! Every limit of this crate, in one place.

/// Seconds that a signature's time may lie before or after ours: the five minutes that AWS allows.
pub const SKEW_SECONDS: u32 = 300;

/// Most headers that one signature may cover, and most values that these may have together.
pub const MAX_SIGNED_HEADERS: usize = 64;

/// Longest access key id, in bytes (IAM: at most 128).
pub const MAX_ACCESS_KEY_ID: usize = 128;

/// Longest region or service in a credential scope, in bytes.
pub const MAX_SCOPE_PART: usize = 64;

/// Longest session token, in bytes. AWS names no limit of its own; a head that carries one must fit the listener's.
pub const MAX_SESSION_TOKEN: usize = 16 * 1024;

/// Most parameters in a query string.
pub const MAX_QUERY_PARAMETERS: usize = 256;

/// Longest life of a presigned request, in seconds (AWS: seven days).
pub const MAX_PRESIGNED_SECONDS: u32 = 604_800;

/// Most characters of a client's text that an error repeats.
pub const MAX_QUOTED: usize = 64;
