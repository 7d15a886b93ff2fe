//! Every limit of this crate in one place.

use std::time::Duration;

/// Bytes of a token: more than any issuer needs, and what the strictest of front ends still takes.
pub const TOKEN_BYTES: usize = 20_000;

/// Bytes of a discovery document or of a set of keys.
pub const DOCUMENT_BYTES: usize = 64 * 1024;

/// Keys of one issuer. Issuers publish a handful; more only serve whoever wants to make us search.
pub const KEYS: usize = 64;

/// Bytes of a claim's name, and of its value as text; longer claims are left out.
pub const CLAIM_BYTES: usize = 2048;

/// Claims kept of a token, beside the registered ones.
pub const CLAIMS: usize = 64;

/// Seconds by which an issuer's clock may be wrong.
pub const SKEW: Duration = Duration::from_secs(60);

/// How long a fetched set of keys is used before it is fetched again.
pub const KEYS_FRESH: Duration = Duration::from_secs(3600);

/// How long a fetched set is still used while fetching again fails.
pub const KEYS_STALE: Duration = Duration::from_secs(24 * 3600);

/// How long to wait before the same issuer is asked again: after a failure, and for a key that it didn't have.
pub const FETCH_PAUSE: Duration = Duration::from_secs(30);

/// How long one issuer may take, from connecting to its last byte.
pub const FETCH_TIME: Duration = Duration::from_secs(5);

/// Issuers that are asked at the same time; whoever would be one more is refused at once.
pub const FETCHES: usize = 4;

/// Issuers whose keys are held.
pub const ISSUERS: usize = 1000;
