//! Verifying: first what needs no key, then the signature itself.
//!
//! Absent on purpose: protection against a replay within the five minutes of skew. Signature Version 4 has none.

use std::str;

use crate::authorization::{PRESIGNED_SIGNATURE, ParsedAuthorization};
use crate::canonical::{CanonicalRequest, canonical_query, check_path, sha256};
use crate::encoding::{hex, unhex};
use crate::error::{Part, ScopeField, SigV4Error, quoted};
use crate::key::{Scope, SigningKey};
use crate::limits;
use crate::request::{Headers, Request};
use crate::signed_headers::{PSEUDO_AUTHORITY, SignedHeaders};
use crate::signing_time::SigningTime;

const UNSIGNED_PAYLOAD: &[u8] = b"UNSIGNED-PAYLOAD";

/// What a receiver accepts.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    /// The services that it answers for, such as `kms`.
    pub services: &'a [&'a str],
    /// Whether it serves a region.
    pub serves_region: &'a (dyn Fn(&str) -> bool + Sync),
    /// Headers, lower-case, that must be signed besides `host`, the header that the time was read from and every
    /// `x-amz-` header. None by default: `content-type` is signed by most SDKs and not by all, AWS does not demand
    /// it, and the front ends route by `x-amz-target`, which is signed.
    pub required_headers: &'a [&'a str],
    /// Seconds that the signature's time may differ from ours, either way.
    pub skew_seconds: u32,
    /// Longest life of a presigned request in seconds; `None` refuses presigned requests.
    pub presigned_seconds: Option<u32>,
    /// Whether `UNSIGNED-PAYLOAD` may stand for the body's hash.
    pub unsigned_payload: bool,
}

impl<'a> Expectation<'a> {
    /// The strict expectation: five minutes of skew, no presigned requests, no unsigned payloads.
    #[must_use]
    pub fn new(services: &'a [&'a str], serves_region: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self {
            services,
            serves_region,
            required_headers: &[],
            skew_seconds: limits::SKEW_SECONDS,
            presigned_seconds: None,
            unsigned_payload: false,
        }
    }
}

/// What `X-Amz-Content-SHA256` says.
enum PayloadClaim {
    Absent,
    Hash([u8; 32]),
    Unsigned,
}

/// A claim that passed every check which needs no key.
pub struct Checked<'a> {
    parsed: &'a ParsedAuthorization<'a>,
    canonical: CanonicalRequest<'a>,
    payload: PayloadClaim,
}

/// What a signature proves.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    /// Whose key signed.
    pub access_key_id: &'a str,
    /// The day, region and service that were signed for.
    pub scope: Scope<'a>,
    /// When, by the signer's clock.
    pub signed_at: SigningTime,
    /// Whether the signature came in the query string.
    pub presigned: bool,
    /// SHA-256 of the body, computed here. Signed, unless [`Self::payload_signed`] is false.
    pub body_sha256: [u8; 32],
    /// Whether the signature covers the body.
    pub payload_signed: bool,
}

impl ParsedAuthorization<'_> {
    /// Checks all that needs no key: scope, time, which headers are signed. `request` is the one that was parsed.
    ///
    /// # Errors
    /// Every variant of [`SigV4Error`] but those of parsing, `PayloadHashMismatch` and `SignatureMismatch`.
    pub fn check<'p, 'r: 'p>(
        &'p self,
        request: &Request<'r, impl Headers<'r>>,
        expectation: &Expectation<'_>,
        now: SigningTime,
    ) -> Result<Checked<'p>, SigV4Error> {
        self.check_scope(expectation)?;
        self.check_time(expectation, now)?;
        check_path(request.path)?;
        let headers = SignedHeaders::parse(&self.signed_headers)?;
        let required = expectation.required_headers.iter().copied();
        let host = if headers.contains(PSEUDO_AUTHORITY) { PSEUDO_AUTHORITY } else { "host" };
        if let Some(name) = [host].into_iter().chain(self.date_header).chain(required).find(|n| !headers.contains(n)) {
            return Err(SigV4Error::HeaderNotSigned { name: name.to_owned() });
        }
        let canonical = CanonicalRequest { method: request.method, path: request.path, query: Vec::new(), headers };
        let mut checked = Checked { parsed: self, canonical, payload: PayloadClaim::Absent };
        checked.canonical.headers.collect(request)?;
        checked.payload = payload_claim(self.content_sha256)?;
        if matches!(checked.payload, PayloadClaim::Unsigned) && !expectation.unsigned_payload {
            return Err(SigV4Error::UnsignedPayload);
        }
        checked.canonical.query = canonical_query(request.query, self.is_presigned().then_some(PRESIGNED_SIGNATURE))?;
        Ok(checked)
    }

    /// [`Self::check`] and [`Checked::verify`] in one, for who has the key at hand.
    ///
    /// # Errors
    /// Every variant of [`SigV4Error`] but those of parsing.
    pub fn verify<'p, 'r: 'p>(
        &'p self,
        key: &SigningKey,
        request: &Request<'r, impl Headers<'r>>,
        body: &[u8],
        expectation: &Expectation<'_>,
        now: SigningTime,
    ) -> Result<Verified<'p>, SigV4Error> {
        self.check(request, expectation, now)?.verify(key, body)
    }

    fn check_scope(&self, expectation: &Expectation<'_>) -> Result<(), SigV4Error> {
        let Scope { date, region, service } = self.scope();
        let mismatch =
            |field, expected, actual: &str| Err(SigV4Error::ScopeMismatch { field, expected, actual: quoted(actual) });
        if !expectation.services.contains(&service) {
            return mismatch(ScopeField::Service, Some(expectation.services.join(", ")), service);
        }
        if !(expectation.serves_region)(region) {
            return mismatch(ScopeField::Region, None, region);
        }
        if !self.time_text.starts_with(date.as_bytes()) {
            return mismatch(ScopeField::Date, Some(self.signed_at.date().to_string()), &date.to_string());
        }
        Ok(())
    }

    fn check_time(&self, expectation: &Expectation<'_>, now: SigningTime) -> Result<(), SigV4Error> {
        let signed_at = self.signed_at;
        let skew = expectation.skew_seconds;
        let life = match (self.expires, expectation.presigned_seconds) {
            (None, _) => skew,
            (Some(_), None) => return Err(SigV4Error::PresignedRefused),
            (Some(seconds), Some(limit)) if seconds > limit.min(limits::MAX_PRESIGNED_SECONDS) => {
                return Err(SigV4Error::ExpiresTooLong { seconds, limit: limit.min(limits::MAX_PRESIGNED_SECONDS) });
            }
            (Some(seconds), Some(_)) => seconds,
        };
        let age = now.unix_seconds() - signed_at.unix_seconds();
        if age > i64::from(life) {
            return Err(SigV4Error::Expired { signed_at, now, allowed_seconds: life });
        }
        if age < -i64::from(skew) {
            return Err(SigV4Error::NotYetValid { signed_at, now, allowed_seconds: skew });
        }
        Ok(())
    }
}

fn payload_claim(header: Option<&[u8]>) -> Result<PayloadClaim, SigV4Error> {
    Ok(match header {
        None => PayloadClaim::Absent,
        Some(UNSIGNED_PAYLOAD) => PayloadClaim::Unsigned,
        Some(digits) => PayloadClaim::Hash(Part::ContentSha256.formed(unhex(digits))?),
    })
}

impl<'a> Checked<'a> {
    /// The session token of temporary credentials, if the request has one: visible ASCII of at most
    /// [`limits::MAX_SESSION_TOKEN`] bytes, and covered by the signature that is still to be verified.
    #[must_use]
    pub fn session_token(&self) -> Option<&'a str> {
        self.parsed.session_token.as_deref()
    }

    /// Verifies the signature over the request and `body`, with the key for [`ParsedAuthorization::scope`]. Hashes the
    /// body once; compares in constant time.
    ///
    /// # Errors
    /// [`SigV4Error::PayloadHashMismatch`], [`SigV4Error::SignatureMismatch`].
    pub fn verify(&self, key: &SigningKey, body: &[u8]) -> Result<Verified<'a>, SigV4Error> {
        let parsed = self.parsed;
        let body_sha256 = sha256(body);
        let digits = hex(&body_sha256);
        let payload = match &self.payload {
            PayloadClaim::Hash(claimed) if *claimed != body_sha256 => return Err(SigV4Error::PayloadHashMismatch),
            PayloadClaim::Hash(_) | PayloadClaim::Absent => digits.as_slice(),
            PayloadClaim::Unsigned => UNSIGNED_PAYLOAD,
        };
        let scope = parsed.scope();
        if !self.canonical.signature(payload, &parsed.time_text, &scope, key).equals(&parsed.signature) {
            return Err(SigV4Error::SignatureMismatch);
        }
        Ok(Verified {
            access_key_id: parsed.access_key_id(),
            scope,
            signed_at: parsed.signed_at,
            presigned: parsed.is_presigned(),
            body_sha256,
            payload_signed: !matches!(self.payload, PayloadClaim::Unsigned),
        })
    }
}
