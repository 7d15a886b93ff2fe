//! Signing keys: derived once a day for each access key, region and service, and kept in a bounded cache.

use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use strongroom_secret::{Secret, SecretBytes};

use crate::signing_time::ScopeDate;

/// The last part of every credential scope.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// What a signing key is good for: one day, one region, one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    /// The day of the signature.
    pub date: ScopeDate,
    /// The region, such as `eu-central-1`.
    pub region: &'a str,
    /// The signing service, such as `kms`.
    pub service: &'a str,
}

/// The key that signs requests of one scope, derived from a secret access key that it does not reveal. Held ready for
/// HMAC inside the cryptographic library, which erases it on drop: preparing it costs as much as using it.
pub struct SigningKey(Box<hmac::Key>);

impl SigningKey {
    /// Derives the key for `scope`: four HMAC-SHA256 in a chain, starting from `AWS4` and the secret access key.
    #[must_use]
    pub fn derive(secret_access_key: &SecretBytes, scope: &Scope<'_>) -> Self {
        let mut start = Vec::with_capacity(4 + secret_access_key.len());
        start.extend_from_slice(b"AWS4");
        start.extend_from_slice(secret_access_key.expose());
        let start = SecretBytes::take(start);
        let date = chain(start.expose(), scope.date.as_bytes());
        let region = chain(date.expose(), scope.region.as_bytes());
        let service = chain(region.expose(), scope.service.as_bytes());
        let key = chain(service.expose(), TERMINATOR.as_bytes());
        Self(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key.expose())))
    }

    /// The signature of a string to sign.
    pub(crate) fn sign(&self, string_to_sign: &[u8]) -> Signature {
        Signature(hmac::sign(&self.0, string_to_sign))
    }
}

fn chain(key: &[u8], message: &[u8]) -> Secret<32> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    Secret::init_with(|bytes| bytes.iter_mut().zip(tag.as_ref()).for_each(|(byte, tag)| *byte = *tag))
}

/// A computed signature: never printed; leaves only through the signer.
pub(crate) struct Signature(hmac::Tag);

impl Signature {
    /// Compares in constant time.
    pub(crate) fn equals(&self, presented: &[u8; 32]) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_ref(), presented).is_ok()
    }

    /// The 32 bytes, for the signer alone.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_ref()
    }
}

#[derive(PartialEq, Eq, Hash)]
struct CacheKey {
    access_key_id: Box<str>,
    date: ScopeDate,
    region: Box<str>,
    service: Box<str>,
}

/// Fields in the order of [`CacheKey`]'s, so that both hash alike.
#[derive(Hash)]
struct CacheQuery<'a> {
    access_key_id: &'a str,
    date: ScopeDate,
    region: &'a str,
    service: &'a str,
}

impl Equivalent<CacheKey> for CacheQuery<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        *self.access_key_id == *key.access_key_id
            && self.date == key.date
            && *self.region == *key.region
            && *self.service == *key.service
    }
}

/// The signing keys in use, bounded: what is used least makes room.
///
/// It says nothing about whether an access key is still valid: look that up for every request, and [`forget`] an
/// access key that was removed. Insert only after [`crate::ParsedAuthorization::check`], or strangers choose what it
/// holds.
///
/// [`forget`]: SigningKeyCache::forget
pub struct SigningKeyCache(Cache<CacheKey, Arc<SigningKey>>);

impl SigningKeyCache {
    /// A cache for `capacity` keys: one for each access key, region and service in use that day.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// The key for this access key and scope, if it is held.
    #[must_use]
    pub fn get(&self, access_key_id: &str, scope: &Scope<'_>) -> Option<Arc<SigningKey>> {
        let Scope { date, region, service } = *scope;
        self.0.get(&CacheQuery { access_key_id, date, region, service })
    }

    /// Holds a key, and hands it back shared.
    pub fn insert(&self, access_key_id: &str, scope: &Scope<'_>, key: SigningKey) -> Arc<SigningKey> {
        let shared = Arc::new(key);
        let Scope { date, region, service } = *scope;
        let key =
            CacheKey { access_key_id: access_key_id.into(), date, region: region.into(), service: service.into() };
        self.0.insert(key, Arc::clone(&shared));
        shared
    }

    /// Drops every key of an access key. Walks the whole cache.
    pub fn forget(&self, access_key_id: &str) {
        self.0.retain(|key, _| *key.access_key_id != *access_key_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(day: &str) -> Scope<'_> {
        Scope { date: ScopeDate::parse(day).unwrap(), region: "us-east-1", service: "iam" }
    }

    #[test]
    fn the_key_of_the_documented_example_is_derived() {
        // AWS General Reference, "Examples of how to derive a signing key for Signature Version 4".
        let secret = SecretBytes::copy_from(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let expected = [
            0xc4, 0xaf, 0xb1, 0xcc, 0x57, 0x71, 0xd8, 0x71, 0x76, 0x3a, 0x39, 0x3e, 0x44, 0xb7, 0x03, 0x57, 0x1b, 0x55,
            0xcc, 0x28, 0x42, 0x4d, 0x1a, 0x5e, 0x86, 0xda, 0x6e, 0xd3, 0xc1, 0x54, 0xa4, 0xb9,
        ];
        let derived = SigningKey::derive(&secret, &scope("20150830")).sign(b"any text");
        let direct = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &expected), b"any text");
        assert_eq!(derived.expose(), direct.as_ref());
    }

    #[test]
    fn the_cache_tells_access_keys_and_scopes_apart_and_forgets_an_access_key() {
        let cache = SigningKeyCache::new(64);
        let secret = SecretBytes::copy_from(b"secret");
        let today = scope("20150830");
        let shared = cache.insert("first", &today, SigningKey::derive(&secret, &today));
        cache.insert("second", &today, SigningKey::derive(&secret, &today));
        assert!(Arc::ptr_eq(&shared, &cache.get("first", &today).unwrap()));
        for other in [scope("20150831"), Scope { region: "us-east-2", ..today }, Scope { service: "kms", ..today }] {
            assert!(cache.get("first", &other).is_none(), "{other:?}");
        }
        cache.forget("first");
        assert!(cache.get("first", &today).is_none());
        assert!(cache.get("second", &today).is_some());
    }

    #[test]
    fn the_cache_stays_within_its_capacity() {
        let cache = SigningKeyCache::new(16);
        let secret = SecretBytes::copy_from(b"secret");
        for number in 0..1000 {
            let today = scope("20150830");
            cache.insert(&number.to_string(), &today, SigningKey::derive(&secret, &today));
        }
        assert!(cache.0.len() <= 16, "{}", cache.0.len());
    }
}
