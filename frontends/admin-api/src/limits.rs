//! The bounds of the admin API.

/// Longest body of a request without a policy in it, in bytes.
pub const BODY_BYTES: usize = 8 * 1024;
/// Longest body with a policy in it, in bytes: a policy of 32 KiB as a JSON string, whose escapes may double it.
pub const POLICY_BODY_BYTES: usize = 96 * 1024;
/// Longest body that brings key material, in bytes: wrapped RSA material of 4096 bits and its token, in base64.
pub const MATERIAL_BODY_BYTES: usize = 32 * 1024;
/// Items of a page when the request does not say.
pub const PAGE_SIZE: u32 = 100;
/// Most items of a page.
pub const PAGE_SIZE_MAX: u32 = 500;
/// Days between automatic rotations of a key.
pub const ROTATION_DAYS: std::ops::RangeInclusive<u32> = 90..=2560;
/// Most tags of a key.
pub const TAGS: usize = 50;
/// Most characters of a key's description.
pub const DESCRIPTION_CHARACTERS: usize = 8192;
/// Most query parameters of a request.
pub const QUERY_PARAMETERS: usize = 16;
/// A key that was used within so many days is in use: its deletion is not scheduled by who does not know that.
pub const RECENT_USE_DAYS: u32 = 90;
/// Most days that a question about use goes back: a hundred years.
pub const DAYS_MAX: u32 = 36_525;
/// Longest life of an access key that is given one, in seconds: ten years.
pub const ACCESS_KEY_SECONDS: u64 = 10 * 366 * 24 * 60 * 60;
