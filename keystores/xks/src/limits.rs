//! Every limit of this crate in one place.

use std::time::Duration;

/// How long one call may take where nothing else is asked for, from looking the name up to the last byte of the answer:
/// what AWS KMS grants a proxy.
pub const DEADLINE: Duration = Duration::from_millis(250);

/// The longest deadline that a route may have: no client waits that long.
pub const DEADLINE_MOST: Duration = Duration::from_secs(10);

/// How much longer than its deadline a caller waits for the threads that work on its call.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Threads that carry the calls of all proxies.
pub(crate) const THREADS: usize = 2;

/// Names that are looked up at once, each by a thread of its own, since that blocks.
pub(crate) const LOOKUPS: usize = 64;

/// How many of them may be for one tenant, whatever was found before: what it names may resolve once and never again.
pub(crate) const LOOKUPS_PER_TENANT: usize = 4;

/// How many of them may be of names that were never found, or not lately: the others are for names that were, so that
/// what never resolves can't take all.
pub(crate) const LOOKUPS_OF_UNKNOWN: usize = 48;

/// Names whose addresses are kept.
pub(crate) const NAMES: usize = 1024;

/// How long a name's addresses are kept without looking it up anew.
pub(crate) const NAME_KEPT: Duration = Duration::from_secs(30);

/// How long they are used where no lookup has newer ones: none may begin, it fails, or it takes too long.
pub(crate) const NAME_USABLE: Duration = Duration::from_secs(600);

/// How long a lookup is waited for where there are older addresses.
pub(crate) const NAME_PATIENCE: Duration = Duration::from_millis(50);

/// Addresses of a name that are tried.
pub(crate) const ADDRESSES: usize = 8;

/// The part of a call's time after which the next address is tried besides those that have not answered.
pub(crate) const HEAD_START: u32 = 10;

/// Hosts that an operator may send somewhere.
pub const ROUTES: usize = 256;

/// Calls at once to one proxy, and connections to it, each of which carries one call at a time.
pub const CALLS: usize = 32;

/// Failures to reach a proxy in a row after which it is left alone for a moment.
pub const BREAKER_FAILURES: u32 = 5;

/// That moment, after which one call finds out whether the proxy is back.
pub const BREAKER_PAUSE: Duration = Duration::from_secs(1);

/// Characters that are told of why a proxy was not reached.
pub(crate) const CAUSE_CHARACTERS: usize = 256;

/// How long a connection is kept that nobody uses: less than what load balancers commonly grant.
pub(crate) const KEPT: Duration = Duration::from_secs(50);

/// Bytes of an answer. The longest sound one holds 5736 characters of ciphertext.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Bytes of an answer's head, and of what is read ahead.
pub(crate) const HEAD_BYTES: usize = 16 * 1024;

/// Header fields of an answer.
pub(crate) const HEADERS: usize = 64;

/// Bytes of a plaintext or ciphertext that every proxy takes (specification, Encrypt and Decrypt).
pub const PLAINTEXT_BYTES: usize = 4300;

/// Bytes of associated data that every proxy takes.
pub const ASSOCIATED_DATA_BYTES: usize = 8192;

/// Bytes of ciphertext metadata that a proxy may add.
pub const METADATA_BYTES: usize = 20;

/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;

/// Characters of an error's message that are kept (specification, Errors).
pub const MESSAGE_CHARACTERS: usize = 512;

/// How long after operators were told of one manager's message they are told of none.
pub(crate) const MESSAGE_PAUSE: Duration = Duration::from_secs(1);

/// Nodes that a health answer tells of.
pub const FLEET: usize = 10;

/// Usages that a key's metadata names.
pub const USAGES: usize = 10;

/// Characters of an endpoint, `https://` included.
pub(crate) const ENDPOINT_CHARACTERS: std::ops::RangeInclusive<usize> = 10..=128;

/// Characters of a VPC endpoint service's name.
pub(crate) const SERVICE_CHARACTERS: std::ops::RangeInclusive<usize> = 20..=64;

/// Characters of a path, `/kms/xks/v1` included.
pub(crate) const PATH_CHARACTERS: usize = 128;

/// Characters of an external key's id.
pub(crate) const KEY_ID_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=128;

/// Characters of a credential's id.
pub(crate) const ACCESS_KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 20..=30;

/// Characters of a credential's secret.
pub(crate) const SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 43..=64;
