//! Every bound of this front end: what AWS's model of KMS allows.

use std::ops::RangeInclusive;

/// Bytes of a request's body: ten of the longest grant tokens fit, and any policy that the engine takes.
pub const BODY_BYTES: usize = 128 * 1024;
/// Characters of a key id, ARN or alias.
pub const KEY_ID: RangeInclusive<usize> = 1..=2048;
/// Bytes of a plaintext or message.
pub const PLAINTEXT: RangeInclusive<usize> = 1..=4096;
/// Bytes of a ciphertext, signature or code.
pub const CIPHERTEXT: RangeInclusive<usize> = 1..=6144;
/// Bytes of a public key.
pub const PUBLIC_KEY: RangeInclusive<usize> = 1..=8192;
/// Grant tokens of a request.
pub const GRANT_TOKENS: usize = 10;
/// Characters of a grant token.
pub const GRANT_TOKEN: RangeInclusive<usize> = 1..=8192;
/// Characters of a grant's name, or of an alias.
pub const NAME: RangeInclusive<usize> = 1..=256;
/// Characters of a grant id.
pub const GRANT_ID: RangeInclusive<usize> = 1..=128;
/// Characters of a principal.
pub const PRINCIPAL: RangeInclusive<usize> = 1..=256;
/// Characters of a service's name.
pub const SERVICE_PRINCIPAL: RangeInclusive<usize> = 1..=128;
/// Characters of a description.
pub const DESCRIPTION: RangeInclusive<usize> = 0..=8192;
/// Characters of a policy.
pub const POLICY: RangeInclusive<usize> = 1..=131_072;
/// Characters of a policy's name.
pub const POLICY_NAME: RangeInclusive<usize> = 1..=128;
/// Characters of a tag's key.
pub const TAG_KEY: RangeInclusive<usize> = 1..=128;
/// Characters of a tag's value.
pub const TAG_VALUE: RangeInclusive<usize> = 0..=256;
/// Tags of a key.
pub const TAGS: usize = 50;
/// Items of a page.
pub const PAGE: RangeInclusive<i64> = 1..=1000;
/// Items of a page unless the request says otherwise; of keys, the most.
pub const DEFAULT_PAGE: i64 = 50;
/// Keys of a page unless the request says otherwise.
pub const DEFAULT_KEYS_PAGE: i64 = 100;
/// Characters of a marker.
pub const MARKER: RangeInclusive<usize> = 1..=1024;
/// Characters of a custom key store's id.
pub const STORE_ID: RangeInclusive<usize> = 1..=64;
/// Characters of a custom key store's name.
pub const STORE_NAME: RangeInclusive<usize> = 1..=256;
/// Characters of a cluster's id.
pub const CLUSTER_ID: RangeInclusive<usize> = 19..=24;
/// Characters of a cluster's trust anchor.
pub const TRUST_ANCHOR: RangeInclusive<usize> = 1..=5_000;
/// Characters of a custom key store's password.
pub const STORE_PASSWORD: RangeInclusive<usize> = 7..=32;
/// Characters of the endpoint of an external key store's proxy.
pub const PROXY_ENDPOINT: RangeInclusive<usize> = 10..=128;
/// Characters of the path of an external key store's proxy.
pub const PROXY_PATH: RangeInclusive<usize> = 10..=128;
/// Characters of the name of a private service.
pub const PROXY_SERVICE: RangeInclusive<usize> = 20..=64;
/// Characters of an account.
pub const ACCOUNT: RangeInclusive<usize> = 12..=12;
/// Characters of the access key id of an external key store's proxy.
pub const PROXY_ACCESS_KEY: RangeInclusive<usize> = 20..=30;
/// Characters of the secret access key of an external key store's proxy.
pub const PROXY_SECRET: RangeInclusive<usize> = 43..=64;
/// Characters of an external key's id.
pub const EXTERNAL_KEY_ID: RangeInclusive<usize> = 1..=128;
/// Bytes of a data key, or of randomness.
pub const RANDOM_BYTES: RangeInclusive<i64> = 1..=1024;
/// Characters of a region.
pub const REGION: RangeInclusive<usize> = 1..=32;
/// Characters of the id of key material: 32 bytes in hexadecimal.
pub const KEY_MATERIAL_ID: RangeInclusive<usize> = 64..=64;
/// Characters of the description of key material.
pub const KEY_MATERIAL_DESCRIPTION: RangeInclusive<usize> = 0..=256;
/// Days until a deletion.
pub const DELETION_DAYS: RangeInclusive<i64> = 7..=30;
/// Days until a deletion unless the request says otherwise.
pub const DEFAULT_DELETION_DAYS: i64 = 30;
/// Days between rotations.
pub const ROTATION_DAYS: RangeInclusive<i64> = 90..=2560;
/// Days between rotations unless the request says otherwise.
pub const DEFAULT_ROTATION_DAYS: i64 = 365;
/// Characters of an ARN that constrains a grant.
pub const SOURCE_ARN: RangeInclusive<usize> = 20..=512;
/// Pairs of an encryption context. AWS bounds its bytes alone, to about 8192.
pub const PAIRS: usize = 1024;
/// Operations that a grant's request lists. AWS has 19 words for them.
pub const GRANT_OPERATIONS: usize = 64;
/// Kinds of owners that a listing of keys asks for.
pub const RESOURCE_OWNERS: usize = 2;
/// Modifiers of a trial. AWS has one word for them.
pub const DRY_RUN_MODIFIERS: usize = 8;
/// Broken constraints that a refusal names.
pub const BROKEN: usize = 16;
/// Characters of a value that a refusal repeats.
pub const QUOTED: usize = 256;
