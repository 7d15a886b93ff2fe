//! Every bound of this front end: what AWS's model of the tagging API allows, and how much work a request may be.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bytes of a request's body: the longest list of ARNs fits, and any filters but the longest of all.
pub const BODY_BYTES: usize = 160 * 1024;
/// Keys that one request looks at. Where none of them fits, the page is empty and has a token all the same.
pub const KEYS_LOOKED_AT: usize = 500;
/// Resources of a page.
pub const RESOURCES: RangeInclusive<i64> = 1..=100;
/// Resources of a page unless the request says otherwise.
pub const USUAL_RESOURCES: usize = 50;
/// Tags of a page.
pub const TAGS: RangeInclusive<i64> = 100..=500;
/// Filters of a request.
pub const FILTERS: usize = 50;
/// Values of a filter.
pub const VALUES: usize = 20;
/// Characters of a tag's key.
pub const TAG_KEY: RangeInclusive<usize> = 1..=128;
/// Characters of a tag's value.
pub const TAG_VALUE: RangeInclusive<usize> = 0..=256;
/// Types of resource that a request may name.
pub const TYPES: usize = 100;
/// Characters of such a type.
pub const TYPE: RangeInclusive<usize> = 0..=256;
/// ARNs of a request.
pub const ARNS: RangeInclusive<usize> = 1..=100;
/// Characters of an ARN.
pub const ARN: RangeInclusive<usize> = 1..=1011;
/// Characters of a token.
pub const TOKEN: RangeInclusive<usize> = 0..=2048;
/// How long a token is good for.
pub const TOKEN_TIME: Duration = Duration::from_secs(15 * 60);
