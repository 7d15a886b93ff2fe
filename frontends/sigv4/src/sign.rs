//! Signing, with the signature in the `Authorization` header. Absent on purpose: presigning, which nothing of ours sends.

use std::str;

use strongroom_secret::SecretBytes;

use crate::authorization::{is_name, session_token};
use crate::canonical::{ALGORITHM, CanonicalRequest, canonical_query, check_path, sha256};
use crate::encoding::hex;
use crate::error::{Part, SigV4Error};
use crate::key::{Scope, SigningKey, TERMINATOR};
use crate::limits;
use crate::request::{Headers, HeadersFrom, Request};
use crate::signed_headers::SignedHeaders;
use crate::signing_time::SigningTime;

/// Headers that the signer adds, and that a request to be signed must not have.
const ADDED: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// Whose signature it is.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The access key id, which the receiver looks up.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret_access_key: &'a SecretBytes,
    /// The session token of temporary credentials.
    pub session_token: Option<&'a str>,
}

/// The headers that make a request a signed one: add them all.
pub struct SignatureHeaders {
    /// `x-amz-date`
    pub date: String,
    /// `x-amz-security-token`, with temporary credentials.
    pub session_token: Option<String>,
    /// `authorization`
    pub authorization: String,
}

impl SignatureHeaders {
    /// (name, value) of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("x-amz-date", self.date.as_str()), ("authorization", self.authorization.as_str())]
            .into_iter()
            .chain(self.session_token.as_deref().map(|token| ("x-amz-security-token", token)))
    }
}

/// Signs a request: its method, path, query, authority, every header handed in, and its body. Leave out headers that a
/// proxy may change.
///
/// # Errors
/// [`SigV4Error::SeveralAuthorizations`] when the request already has one of the headers that would be added,
/// [`SigV4Error::Malformed`] when a part cannot be signed, [`SigV4Error::AuthorityConflict`], [`SigV4Error::TooMany`].
pub fn sign<'a>(
    request: &Request<'a, impl Headers<'a>>,
    body: &[u8],
    credentials: &Credentials<'a>,
    region: &str,
    service: &str,
    now: SigningTime,
) -> Result<SignatureHeaders, SigV4Error> {
    let names = [
        (credentials.access_key_id, limits::MAX_ACCESS_KEY_ID),
        (region, limits::MAX_SCOPE_PART),
        (service, limits::MAX_SCOPE_PART),
    ];
    if !names.into_iter().all(|(name, longest)| is_name(name, longest)) {
        return Err(SigV4Error::Malformed { part: Part::Credential });
    }
    check_path(request.path)?;
    let token = credentials.session_token.map(|token| session_token(token.as_bytes())).transpose()?;
    let time = now.iso_basic();
    let date = str::from_utf8(&time).unwrap_or_default();

    let list = header_list(request.headers.clone(), token.is_some())?;
    let mut headers = SignedHeaders::parse(&list)?;
    let added = [("x-amz-date", Some(time.as_slice())), ("x-amz-security-token", token.map(str::as_bytes))];
    let added = added.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
    #[expect(clippy::map_identity, reason = "makes the lifetime of the items shorter, so that ours can be chained")]
    let with_added =
        || request.headers.clone().into_iter().map(|header| -> (&str, &[u8]) { header }).chain(added.clone());
    let Request { method, path, query, authority, .. } = *request;
    headers.collect(&Request { method, path, query, authority, headers: HeadersFrom(with_added) })?;

    let canonical = CanonicalRequest { method, path, query: canonical_query(query, None)?, headers };
    let scope = Scope { date: now.date(), region, service };
    let key = SigningKey::derive(credentials.secret_access_key, &scope);
    let signature = hex(canonical.signature(&hex(&sha256(body)), &time, &scope, &key).expose());
    let signature = str::from_utf8(&signature).unwrap_or_default();
    let (id, day) = (credentials.access_key_id, scope.date);
    Ok(SignatureHeaders {
        date: date.to_owned(),
        session_token: token.map(str::to_owned),
        authorization: format!(
            "{ALGORITHM} Credential={id}/{day}/{region}/{service}/{TERMINATOR}, SignedHeaders={list}, Signature={signature}"
        ),
    })
}

/// The names of all headers to sign: lower-case, sorted, unique, joined by `;`.
fn header_list<'a>(headers: impl Headers<'a>, with_token: bool) -> Result<String, SigV4Error> {
    let mut names = vec!["host".to_owned(), "x-amz-date".to_owned()];
    if with_token {
        names.push("x-amz-security-token".to_owned());
    }
    for (name, _) in headers {
        let name = name.to_ascii_lowercase();
        if ADDED.contains(&name.as_str()) {
            return Err(SigV4Error::SeveralAuthorizations);
        }
        names.push(name);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names.join(";"))
}
