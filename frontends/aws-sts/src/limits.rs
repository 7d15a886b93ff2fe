//! Every bound of this front end. Those of single values are the model's of STS.

use std::ops::RangeInclusive;

/// Bytes of a request's body: the longest token, a policy and 50 tags, each percent-encoded, fit.
pub const BODY_BYTES: usize = 96 * 1024;
/// Parameters of a request: 50 tags have a hundred, their keys may stand once more.
pub const PARAMETERS: usize = 256;
/// Tokens of issuers that are verified at one time, for callers who are not proved yet; beyond that a request is refused.
pub const WEB_IDENTITIES: usize = 16;
/// Characters of a role's ARN.
pub const ARN: RangeInclusive<usize> = 20..=2048;
/// Characters of a session's name.
pub const SESSION_NAME: RangeInclusive<usize> = 2..=64;
/// Characters of an external id.
pub const EXTERNAL_ID: RangeInclusive<usize> = 2..=1224;
/// Characters of a source identity.
pub const SOURCE_IDENTITY: RangeInclusive<usize> = 2..=64;
/// Characters of a session policy.
pub const POLICY: RangeInclusive<usize> = 1..=2048;
/// Characters of a token.
pub const TOKEN: RangeInclusive<usize> = 4..=20_000;
/// Seconds that a session lasts.
pub const SECONDS: RangeInclusive<u32> = 900..=43_200;
/// Tags of a session.
pub const TAGS: usize = 50;
/// Characters of a tag's key.
pub const TAG_KEY: RangeInclusive<usize> = 1..=128;
/// Characters of a tag's value.
pub const TAG_VALUE: RangeInclusive<usize> = 0..=256;
