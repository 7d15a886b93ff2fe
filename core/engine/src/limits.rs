//! Every bound of the engine.

use std::time::Duration;

/// Threads for cold reads, commits and calls to roots.
pub const WORKERS: usize = 8;
/// Jobs that may wait for a worker; beyond that a request is refused early.
pub const WORKER_QUEUE: usize = 512;
/// Threads that look up the credentials of callers who are not proved yet, so that strangers take no worker from anyone.
pub const LOOKUP_WORKERS: usize = 2;
/// Lookups that may wait for those; beyond that a request is refused early.
pub const LOOKUP_QUEUE: usize = 512;
/// Threads that open the secrets of such credentials, which may wait for a root.
pub const OPENING_WORKERS: usize = 2;
/// Openings that may wait for those; beyond that a request is refused early.
pub const OPENING_QUEUE: usize = 512;
/// Public halves that are remembered to belong to no credential.
pub const UNKNOWN_CREDENTIALS: usize = 4_096;
/// How long they are: the longest that a credential made by another process may stay unseen.
pub const UNKNOWN_TIME: Duration = Duration::from_secs(5);
/// Threads for making RSA key pairs.
pub const HEAVY_WORKERS: usize = 1;
/// Jobs that may wait for those.
pub const HEAVY_QUEUE: usize = 64;
/// RSA key pairs that are kept ready at most.
pub const PAIRS_AHEAD: usize = 64;
/// Windows of a rate.
pub const RATE_WINDOWS: usize = 4;
/// Locks over what is counted for rates.
pub const RATE_SHARDS: usize = 64;
/// Tenants, principals and keys whose rates one of those counts; one that asks little is forgotten for one more.
pub const RATED_PER_SHARD: usize = 1_024;
/// Refusals beyond a rate that are recorded one by one in a second; further ones are counted and recorded together.
pub const REFUSALS_PER_SECOND: u32 = 10;
/// Callers whose refusals are counted apart until then.
pub const COUNTED_REFUSALS: usize = 1_024;
/// Keys whose metadata is cached.
pub const CACHED_KEYS: usize = 16_384;
/// Names whose target is cached.
pub const CACHED_NAMES: usize = 32_768;
/// Key versions whose material is held ready.
pub const CACHED_MATERIALS: usize = 8_192;
/// How long material is held at most; each one's time is shortened by up to a quarter, so that they don't lapse at once.
pub const MATERIAL_AGE: Duration = Duration::from_secs(3600);
/// Principals and credentials cached.
pub const CACHED_PRINCIPALS: usize = 8_192;
/// Tenants cached.
pub const CACHED_TENANTS: usize = 4_096;
/// Policies of sessions kept compiled.
pub const CACHED_SESSION_POLICIES: usize = 1_024;
/// Sessions whose tokens are kept opened.
pub const CACHED_SESSIONS: usize = 8_192;
/// Bytes that these take, about.
pub const CACHED_SESSION_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of a session's token: in base64 it is a header of 16 KiB at most.
pub const SESSION_TOKEN_BYTES: usize = 12 * 1024;
/// Seconds that a session lasts.
pub const SESSION_SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;
/// Seconds that a session lasts unless it is asked to last another time, and that one begun by another lasts at most.
pub const SESSION_SECONDS_USUAL: u32 = 3_600;
/// Tags of a session.
pub const SESSION_TAGS: usize = 50;
/// Token issuers of a tenant.
pub const TOKEN_ISSUERS: usize = 100;
/// Audiences of a token issuer.
pub const AUDIENCES: usize = 100;
/// Longest URL and longest audience of a token issuer, in bytes.
pub const ISSUER_BYTES: usize = 255;
/// Longest set of keys and longest set of certificates of a token issuer, in bytes.
pub const ISSUER_DOCUMENT_BYTES: usize = 64 * 1024;
/// Commits that the store has not told the end of; with so many, no other is begun until it does.
pub const DOUBTFUL_COMMITS: usize = 256;
/// How long whatever takes a use away waits for changes that were permitted before: longer than a store takes to commit.
pub const PASSAGE_WAIT: Duration = Duration::from_secs(60);
/// Times that a change is tried again after someone else changed the same row.
pub const COMMIT_TRIES: u32 = 8;
/// Aliases and other names of one kind that the quota of a key may be set to: a key's names are read at once.
pub const NAMES_PER_KEY_MOST: usize = 250;
/// Grants that the quota of a key may be set to: a key's grants are held in memory while it is used.
pub const GRANTS_PER_KEY_MOST: usize = 100_000;
/// Grants on one key that may be on their way to the store without seeing each other, and those that the caches may not
/// have seen: more than all workers can make at once and than may be in doubt.
pub const GRANTS_UNDER_WAY: usize = 1_024;
const _: () = assert!(GRANTS_UNDER_WAY > 2 * (WORKERS + STORE_WORKERS + EXTERNAL_WORKERS) + DOUBTFUL_COMMITS);
/// Tenants' regions whose keys are counted at a time.
pub const COUNTED_KEYS: usize = 4_096;
/// Time after which the keys of a tenant that has reached its quota are counted again.
pub const KEYS_COUNTED_EVERY: Duration = Duration::from_secs(5);
/// Tags on a key.
pub const TAGS_PER_KEY: usize = 50;
/// On-demand rotations of a key.
pub const ON_DEMAND_ROTATIONS: u32 = 25;
/// Credentials of a principal.
pub const CREDENTIALS_PER_PRINCIPAL: usize = 4;
/// Identity policies of a principal.
pub const POLICIES_PER_PRINCIPAL: usize = 10;
/// Longest place that a service is served at, in bytes.
pub const PREFIX_BYTES: usize = 117;
/// Regions that a service may sign for.
pub const SERVICE_REGIONS: usize = 32;
/// Longest key policy or identity policy, in characters.
pub const POLICY_CHARACTERS: usize = 32_768;
/// Longest description of a key, in characters.
pub const DESCRIPTION_CHARACTERS: usize = 8_192;
/// Destruction waits at least this long.
pub const DESTRUCTION_DAYS: std::ops::RangeInclusive<u32> = 7..=30;
/// Automatic rotation's period.
pub const ROTATION_DAYS: std::ops::RangeInclusive<u32> = 90..=2560;
/// Links to key stores that a tenant may have in a region.
pub const STORE_LINKS: usize = 10;
/// Longest identity of a link to a key store, in bytes.
pub const LINK_ID_BYTES: usize = 64;
/// Longest name of a link to a key store, in characters.
pub const LINK_NAME_CHARACTERS: usize = 256;
/// Longest certificate of a link to a key store, in bytes.
pub const CERTIFICATE_BYTES: usize = 5_000;
/// Keys of a lineage: an installation has no more regions.
pub const KEYS_OF_LINEAGE: usize = 64;
/// How long import parameters may be used.
pub const IMPORT_TOKEN_TIME: Duration = Duration::from_secs(24 * 3600);
/// How long imported material may be kept at most where it is to expire at all.
pub const IMPORTED_TIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// Longest description of imported material, in characters.
pub const MATERIAL_DESCRIPTION_CHARACTERS: usize = 256;
/// Longest message, plaintext or ciphertext that an operation takes, in bytes.
pub const MESSAGE_BYTES: usize = 8_192;
/// Failed authentications that are recorded one by one each second; more are counted and recorded together.
pub const FAILED_AUTHENTICATIONS_PER_SECOND: u32 = 20;
/// Random bytes in one answer.
pub const RANDOM_BYTES: usize = 1_024;
/// A wall clock that moved further than this against the boot-time clock has jumped.
pub const CLOCK_JUMP: Duration = Duration::from_secs(15 * 60);
/// A wall clock that a starting node finds further than this ahead of the latest time that the store has seen is not
/// believed when it makes a destruction due.
pub const CLOCK_UNWATCHED: Duration = Duration::from_secs(48 * 3600);
/// Grants that one commit of a key's destruction removes at most.
pub const DESTROYED_GRANTS: usize = 2_000;
/// Records that the log may get before the store notes that it has every change they tell of.
pub const KNOWN_RECORDS: u64 = 4_096;
/// Records that one query of the audit log looks at; the answer says where to go on.
pub const QUERY_RECORDS: usize = 50_000;
/// Bytes of records that one query of the audit log answers, about.
pub const QUERY_BYTES: usize = 4 * 1024 * 1024;
/// Records that are looked through rather than halved again when seeking a time in the audit log.
pub const SEEK_RECORDS: u64 = 4_096;
/// Time between countings of the log's newest records for the usage ledger.
pub const FOLD_INTERVAL: Duration = Duration::from_secs(5);
/// Records that the usage ledger counts in one commit at most.
pub const FOLD_RECORDS: usize = 4_096;
/// Kinds of use that the usage ledger counts in one commit, about: each is up to two rows of a batch.
pub const FOLD_KINDS: usize = 2_048;
/// Records that the scheduler counts for the usage ledger at one time.
pub const FOLD_PER_TICK: usize = 65_536;
/// Records that are counted for the usage ledger at most before a question about it is answered.
pub const FOLD_ON_DEMAND: usize = 262_144;
/// Rows of the usage ledger that tell a key's callers apart.
pub const USAGE_ROWS_PER_KEY: u32 = 1_000;
/// Rows of the usage ledger after which a page of a listing of keys ends.
pub const LISTED_USAGE_ROWS: usize = 4_000;
/// Roots of trust of an installation.
pub const ROOTS: usize = 8;
/// Suspensions, destructions and removals that one commit applies again after a rollback of the store.
pub const REAPPLIED_AT_ONCE: usize = 256;
/// Domain keys that one commit of a sweep wraps anew: each is a call to a root.
pub const SWEPT_DOMAIN_KEYS: usize = 64;
/// Keys or credentials that one commit of a sweep wraps anew.
pub const SWEPT_KEYS: usize = 64;
/// How long a sweep that failed is left alone.
pub const SWEEP_HOLD_BACK: Duration = Duration::from_secs(30);
/// When a sweep begins anew that found something damaged.
pub const SWEEP_DAMAGED_HOLD: Duration = Duration::from_secs(3600);
/// Domain keys that the answer to the verification of a root names one by one.
pub const NAMED_DOMAIN_KEYS: usize = 100;
/// Steps of the sweep over what a tenant's domain keys have wrapped, at one time.
pub const SWEEP_STEPS: usize = 8;
/// Threads of a key store at most.
pub const STORE_WORKERS: usize = 128;
/// Jobs that wait for a key store's threads at most.
pub const STORE_QUEUE: usize = 4_096;
/// Threads that wait for external key managers: one for each call under way, most of which is waiting.
pub const EXTERNAL_WORKERS: usize = 128;
/// Jobs that wait for those threads at most.
pub const EXTERNAL_QUEUE: usize = 512;
/// Calls to external key managers for one tenant at once: a part of the threads, so that no tenant has them all.
pub const EXTERNAL_CALLS_PER_TENANT: usize = EXTERNAL_WORKERS / 4;
/// External key managers whose clients are kept, with their connections.
pub const EXTERNAL_MANAGERS: usize = 256;
/// How long the client of an external key manager is kept that nobody uses.
pub const EXTERNAL_KEPT: Duration = Duration::from_secs(10 * 60);
/// Characters of what an external key manager calls a key.
pub const EXTERNAL_KEY_BYTES: usize = 128;
/// Key stores of a node.
pub const KEY_STORES: usize = 64;
/// Uses of keys inside key stores that are begun one after the other for a request; what else it needs is waited for on a thread.
pub const ASKED_OF_STORES: usize = 4;
/// How often one version of a key inside a key store encrypts at most: its IVs are random, and SP 800-38D (8.3) has 2^32.
pub const KEY_USES: u64 = 1 << 31;
/// Uses that are reserved in one commit.
pub const KEY_USES_BLOCK: u64 = 1 << 16;
/// Key versions whose reserved uses are remembered; beyond, what was reserved is reserved anew.
pub const COUNTED_VERSIONS: usize = 65_536;
/// How often each token of a key store is tried, whether or not anyone asks it for something.
pub const STORE_TRIAL_EVERY: Duration = Duration::from_secs(60);
/// How long such a trial may take.
pub const STORE_TRIAL: Duration = Duration::from_secs(2);
/// How long the making or destroying of an object in a key store may take.
pub const OBJECT_DEADLINE: Duration = Duration::from_secs(10);
/// The same for an RSA key pair, whose primes are found by luck; shorter than administrators' clients wait for an answer.
pub const RSA_OBJECT_DEADLINE: Duration = Duration::from_secs(45);
/// RSA key pairs that are made in a key store at once: a quarter of the sessions that it has unless configured.
pub const RSA_OBJECTS_AT_ONCE: usize = 2;
/// After how long an object that was to be made for a key is taken to be forgotten.
pub const OBJECT_PLAN: Duration = Duration::from_secs(600);
/// Objects that no key owns that one tick looks at.
pub const LOOSE_OBJECTS: usize = 100;
/// Bytes of who owns the private service of an external key manager.
pub const SERVICE_OWNER_BYTES: usize = 64;
/// Links that one tick finds being connected at most.
pub const CONNECTING_LINKS: usize = 100;
/// After how long connecting a link is given up.
pub const CONNECTING_MOST: Duration = Duration::from_secs(120);
/// After how long one node goes on where another was connecting a link.
pub const CONNECTING_TAKEN_OVER: Duration = Duration::from_secs(30);
/// How long a link is left alone between two tries to connect it.
pub const CONNECTING_HOLD: Duration = Duration::from_secs(2);
/// How long such an object is left alone between two tries.
pub const LOOSE_HOLD: Duration = Duration::from_secs(30);
