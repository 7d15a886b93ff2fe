//! Verifying a token, and holding the keys that it takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Header, Validation, dangerous, decode, decode_header};
use quick_cache::sync::Cache;
use serde::de::IgnoredAny;
use serde_json::Value;
use strongroom_model::clock::{Clock, Timestamp};
use tokio::sync::{Mutex, Semaphore};

use crate::claims::Claims;
use crate::error::TokenError;
use crate::fetch::Fetcher;
use crate::issuer::{Issuer, KeySource};
use crate::keys::Keys;
use crate::limits;

/// Verifies tokens, and holds the keys of their issuers.
pub struct Tokens {
    fetcher: Fetcher,
    fetches: Semaphore,
    held: Cache<(String, KeySource), Arc<Held>>,
}

/// The keys of one issuer. Whoever needs newer ones holds the lock while it fetches, and the others wait for it.
#[derive(Default)]
struct Held(Mutex<State>);

#[derive(Default)]
struct State {
    keys: Option<Arc<Keys>>,
    /// When the keys were read, by the clock that never jumps.
    read: Duration,
    /// When reading failed last, and why.
    failed: Option<(Duration, TokenError)>,
}

/// The issuer that a token names. Nothing is proved yet: it tells which issuer to verify the token with.
///
/// # Errors
/// [`TokenError::Malformed`] when it is no token.
pub fn issuer_of(token: &str) -> Result<String, TokenError> {
    Ok(Claims::read(body(token)?)?.issuer)
}

impl Tokens {
    /// A verifier that fetches keys by `fetcher`.
    #[must_use]
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, fetches: Semaphore::new(limits::FETCHES), held: Cache::new(limits::ISSUERS) }
    }

    /// Verifies that a token was signed by `issuer` for one of its audiences and that its time is now: RFC 7519, section
    /// 7.2, and OpenID Connect Core 1.0, section 3.1.3.7. What costs least is checked first.
    ///
    /// # Errors
    /// Why the token proves nothing.
    pub async fn verify(&self, token: &str, issuer: &Issuer, clock: &dyn Clock) -> Result<Claims, TokenError> {
        let claims = Claims::read(body(token)?)?;
        let header = decode_header(token).map_err(|_| TokenError::Malformed("its header"))?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed("its header says that extensions must be understood"));
        }
        check(&claims, issuer, clock.now())?;
        let (keys, read) = self.keys(issuer, None, clock).await?;
        if is_signed(token, &header, &keys) {
            return Ok(claims);
        }
        // The issuer may have begun to sign by a key that is newer than the keys at hand.
        let (newer, since) = self.keys(issuer, Some(read), clock).await?;
        if since > read && is_signed(token, &header, &newer) { Ok(claims) } else { Err(TokenError::Signature) }
    }

    /// The issuer's keys and when they were read: newer ones than at `than`, if they can be had now.
    async fn keys(
        &self,
        issuer: &Issuer,
        than: Option<Duration>,
        clock: &dyn Clock,
    ) -> Result<(Arc<Keys>, Duration), TokenError> {
        let place = (issuer.url.clone(), issuer.source.clone());
        let held = self.held.get_or_insert_with(&place, || Ok::<_, TokenError>(Arc::new(Held::default())))?;
        let mut state = held.0.lock().await;
        let now = clock.since_boot();
        let age = now.saturating_sub(state.read);
        let (fresh, usable) = match issuer.source {
            KeySource::Given(_) => (true, true),
            KeySource::Fetched { .. } => (age < limits::KEYS_FRESH, age < limits::KEYS_STALE),
        };
        let newest = than.is_none_or(|than| state.read > than || age < limits::FETCH_PAUSE);
        if let Some(keys) = state.keys.as_ref().filter(|_| fresh && newest) {
            return Ok((Arc::clone(keys), state.read));
        }
        let failure = match &state.failed {
            Some((at, failure)) if now.saturating_sub(*at) < limits::FETCH_PAUSE => failure.clone(),
            _ => match self.read(issuer).await {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    *state = State { keys: Some(Arc::clone(&keys)), read: now, failed: None };
                    return Ok((keys, now));
                }
                Err(failure) => {
                    tracing::warn!(issuer = %issuer.url, cause = %failure, "the keys of a token issuer cannot be read");
                    state.failed = Some((now, failure.clone()));
                    failure
                }
            },
        };
        let kept = state.keys.as_ref().filter(|_| usable).map(|keys| (Arc::clone(keys), state.read));
        kept.ok_or(failure)
    }

    async fn read(&self, issuer: &Issuer) -> Result<Keys, TokenError> {
        match &issuer.source {
            KeySource::Given(document) => Keys::parse(document.as_bytes()),
            KeySource::Fetched { authorities } => {
                let _place = self.fetches.try_acquire().map_err(|_| TokenError::Busy)?;
                Keys::parse(&self.fetcher.keys(&issuer.url, authorities.as_deref()).await?)
            }
        }
    }
}

/// The claims of a token, not verified.
fn body(token: &str) -> Result<BTreeMap<String, Value>, TokenError> {
    if token.len() > limits::TOKEN_BYTES {
        return Err(TokenError::Malformed("it is longer than 20,000 bytes"));
    }
    dangerous::insecure_decode_claims(token).map_err(|_| TokenError::Malformed("it is no JSON Web Token"))
}

/// Issuer, audience and time. Time is compared here, since the library would ask a clock of its own.
fn check(claims: &Claims, issuer: &Issuer, now: Timestamp) -> Result<(), TokenError> {
    if claims.issuer != issuer.url {
        return Err(TokenError::Issuer);
    }
    if !claims.audiences.iter().any(|audience| issuer.audiences.contains(audience)) {
        return Err(TokenError::Audience);
    }
    if claims.expires.after(limits::SKEW) <= now {
        return Err(TokenError::Expired);
    }
    let begins = claims.not_before.into_iter().chain(claims.issued).max();
    match begins.is_some_and(|begins| begins > now.after(limits::SKEW)) {
        true => Err(TokenError::NotYet),
        false => Ok(()),
    }
}

fn is_signed(token: &str, header: &Header, keys: &Keys) -> bool {
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let mut candidates = keys.candidates(header.kid.as_deref(), header.alg);
    candidates.any(|key| decode::<IgnoredAny>(token, key, &validation).is_ok())
}
