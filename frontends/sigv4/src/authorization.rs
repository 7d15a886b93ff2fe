//! Reading what a request says about its signature, from the `Authorization` header or from presigning parameters.
//! Nothing here is proved yet.

use std::borrow::Cow;
use std::str;

use crate::canonical::ALGORITHM;
use crate::encoding::{decode, parameters, unhex};
use crate::error::{Part, ScopeField, SigV4Error, quoted};
use crate::key::{Scope, TERMINATOR};
use crate::limits;
use crate::request::{Headers, Request};
use crate::signing_time::{ScopeDate, SigningTime};

/// The query parameter that a presigned request's own signature does not cover.
pub(crate) const PRESIGNED_SIGNATURE: &str = "X-Amz-Signature";

/// What a request claims: who signed, when, for which region and service, and over which headers.
///
/// Parsing checks form alone. Route by [`service`](Self::service), then [`check`](Self::check), then look the access
/// key up, then [`verify`](crate::Checked::verify).
pub struct ParsedAuthorization<'a> {
    access_key_id: Cow<'a, str>,
    date: ScopeDate,
    region: Cow<'a, str>,
    service: Cow<'a, str>,
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: [u8; 32],
    pub(crate) signed_at: SigningTime,
    /// `signed_at` as the request writes it.
    pub(crate) time_text: [u8; 16],
    /// The header that `signed_at` was read from; `None` when presigned.
    pub(crate) date_header: Option<&'static str>,
    /// `X-Amz-Content-SHA256`, if the request has it.
    pub(crate) content_sha256: Option<&'a [u8]>,
    /// Seconds of life that a presigned request gives itself.
    pub(crate) expires: Option<u32>,
    pub(crate) session_token: Option<Cow<'a, str>>,
}

impl<'a> ParsedAuthorization<'a> {
    /// Reads the claim.
    ///
    /// # Errors
    /// [`SigV4Error::MissingAuthorization`], [`SigV4Error::SeveralAuthorizations`],
    /// [`SigV4Error::UnsupportedAlgorithm`], [`SigV4Error::Missing`], [`SigV4Error::Malformed`], or
    /// [`SigV4Error::ScopeMismatch`] for the terminator.
    pub fn parse(request: &Request<'a, impl Headers<'a>>) -> Result<Self, SigV4Error> {
        let found = FoundHeaders::find(request.headers.clone())?;
        let parameters = PresignedParameters::find(request.query)?;
        match (found.authorization, parameters) {
            (None, None) => Err(SigV4Error::MissingAuthorization),
            (Some(_), Some(_)) => Err(SigV4Error::SeveralAuthorizations),
            (Some(authorization), None) => Self::from_header(authorization, &found),
            (None, Some(parameters)) => Self::from_parameters(parameters, &found),
        }
    }

    fn from_header(authorization: &'a [u8], found: &FoundHeaders<'a>) -> Result<Self, SigV4Error> {
        let text = ascii(authorization, Part::Authorization)?;
        let (algorithm, fields) = cut(text, b' ').unwrap_or((text, ""));
        check_algorithm(algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',').map(str::trim_ascii).filter(|field| !field.is_empty()) {
            let (name, value) = Part::Authorization.formed(cut(field, b'='))?;
            let (slot, part) = match name {
                "Credential" => (&mut credential, Part::Credential),
                "SignedHeaders" => (&mut signed_headers, Part::SignedHeaders),
                "Signature" => (&mut signature, Part::Signature),
                _ => return Err(SigV4Error::Malformed { part: Part::Authorization }),
            };
            if slot.replace(value).is_some() {
                return Err(SigV4Error::Malformed { part });
            }
        }
        let credential = Credential::read(Part::Credential.required(credential)?, Cow::Borrowed)?;
        let signed_headers = Part::SignedHeaders.required(signed_headers)?;
        let signature = Part::Signature.required(signature)?;
        let (date_header, date) = Part::Date.required(found.date)?;
        Ok(Self {
            access_key_id: credential.access_key_id,
            date: credential.date,
            region: credential.region,
            service: credential.service,
            signed_headers: Cow::Borrowed(signed_headers),
            signature: Part::Signature.formed(unhex(signature.as_bytes()))?,
            signed_at: Part::Date.formed(SigningTime::parse(date))?,
            time_text: Part::Date.formed(date.try_into().ok())?,
            date_header: Some(date_header),
            content_sha256: found.content_sha256,
            expires: None,
            session_token: found.session_token.map(session_token).transpose()?.map(Cow::Borrowed),
        })
    }

    fn from_parameters(parameters: PresignedParameters, found: &FoundHeaders<'a>) -> Result<Self, SigV4Error> {
        check_algorithm(&Part::Authorization.required(parameters.algorithm)?)?;
        let credential = Part::Credential.required(parameters.credential)?;
        let credential = Credential::read(&credential, |part| Cow::Owned(part.to_owned()))?;
        let signature = Part::Signature.required(parameters.signature)?;
        let date = Part::Date.required(parameters.date)?;
        let expires = Part::Expires.required(parameters.expires)?;
        let token = parameters.session_token.map(|token| session_token(token.as_bytes()).map(str::to_owned));
        Ok(Self {
            access_key_id: credential.access_key_id,
            date: credential.date,
            region: credential.region,
            service: credential.service,
            signed_headers: Cow::Owned(Part::SignedHeaders.required(parameters.signed_headers)?),
            signature: Part::Signature.formed(unhex(signature.as_bytes()))?,
            signed_at: Part::Date.formed(SigningTime::parse(date.as_bytes()))?,
            time_text: Part::Date.formed(date.as_bytes().try_into().ok())?,
            date_header: None,
            content_sha256: found.content_sha256,
            expires: Some(Part::Expires.formed(seconds(&expires))?),
            session_token: token.transpose()?.map(Cow::Owned),
        })
    }

    /// Whose key signed, as the request says.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Day, region and service of the signature: what the signing key must be derived for.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        Scope { date: self.date, region: &self.region, service: &self.service }
    }

    /// The region of the scope.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service of the scope: what a listener with several front ends routes by.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// When the request was signed, by the signer's clock.
    #[must_use]
    pub fn signed_at(&self) -> SigningTime {
        self.signed_at
    }

    /// The names of the signed headers, in order; whether they are well formed shows in [`Self::check`].
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }

    /// Whether the signature came in the query string.
    #[must_use]
    pub fn is_presigned(&self) -> bool {
        self.expires.is_some()
    }
}

/// Without the signature and the token: they could be replayed.
impl std::fmt::Debug for ParsedAuthorization<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ParsedAuthorization")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope())
            .field("signed_at", &self.signed_at)
            .field("signed_headers", &self.signed_headers)
            .field("presigned", &self.is_presigned())
            .finish_non_exhaustive()
    }
}

/// The headers that parsing reads, each at most once.
#[derive(Default)]
struct FoundHeaders<'a> {
    authorization: Option<&'a [u8]>,
    date: Option<(&'static str, &'a [u8])>,
    session_token: Option<&'a [u8]>,
    content_sha256: Option<&'a [u8]>,
}

impl<'a> FoundHeaders<'a> {
    fn find(headers: impl Headers<'a>) -> Result<Self, SigV4Error> {
        let mut found = Self::default();
        let (mut amz_date, mut date) = (None, None);
        for (name, value) in headers {
            let (slot, part) = if name.eq_ignore_ascii_case("authorization") {
                (&mut found.authorization, Part::Authorization)
            } else if name.eq_ignore_ascii_case("x-amz-date") {
                (&mut amz_date, Part::Date)
            } else if name.eq_ignore_ascii_case("date") {
                (&mut date, Part::Date)
            } else if name.eq_ignore_ascii_case("x-amz-security-token") {
                (&mut found.session_token, Part::SecurityToken)
            } else if name.eq_ignore_ascii_case("x-amz-content-sha256") {
                (&mut found.content_sha256, Part::ContentSha256)
            } else {
                continue;
            };
            if slot.replace(value.trim_ascii()).is_some() {
                return Err(match part {
                    Part::Authorization => SigV4Error::SeveralAuthorizations,
                    part => SigV4Error::Malformed { part },
                });
            }
        }
        found.date = amz_date.map(|value| ("x-amz-date", value)).or_else(|| date.map(|value| ("date", value)));
        Ok(found)
    }
}

/// The parameters of a presigned request, decoded, each at most once.
#[derive(Default)]
struct PresignedParameters {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    session_token: Option<String>,
}

impl PresignedParameters {
    /// `None` when the query string has none of those that mark a presigned request.
    fn find(query: &str) -> Result<Option<Self>, SigV4Error> {
        if query.is_empty() {
            return Ok(None);
        }
        let mut found = Self::default();
        for (name, value) in parameters(query) {
            let (slot, part) = match name {
                "X-Amz-Algorithm" => (&mut found.algorithm, Part::Authorization),
                "X-Amz-Credential" => (&mut found.credential, Part::Credential),
                "X-Amz-Date" => (&mut found.date, Part::Date),
                "X-Amz-Expires" => (&mut found.expires, Part::Expires),
                "X-Amz-SignedHeaders" => (&mut found.signed_headers, Part::SignedHeaders),
                PRESIGNED_SIGNATURE => (&mut found.signature, Part::Signature),
                "X-Amz-Security-Token" => (&mut found.session_token, Part::SecurityToken),
                _ => continue,
            };
            let decoded = part.formed(decode(value).and_then(|bytes| String::from_utf8(bytes).ok()))?;
            if slot.replace(decoded).is_some() {
                return Err(SigV4Error::Malformed { part });
            }
        }
        let presigned = found.algorithm.is_some() || found.credential.is_some() || found.signature.is_some();
        Ok(presigned.then_some(found))
    }
}

/// `access key id / date / region / service / aws4_request`.
struct Credential<'a> {
    access_key_id: Cow<'a, str>,
    date: ScopeDate,
    region: Cow<'a, str>,
    service: Cow<'a, str>,
}

impl<'a> Credential<'a> {
    fn read<'t>(text: &'t str, keep: impl Fn(&'t str) -> Cow<'a, str>) -> Result<Self, SigV4Error> {
        let (access_key_id, rest) = Part::Credential.formed(cut(text, b'/'))?;
        let (date, rest) = Part::Credential.formed(cut(rest, b'/'))?;
        let (region, rest) = Part::Credential.formed(cut(rest, b'/'))?;
        let (service, terminator) = Part::Credential.formed(cut(rest, b'/'))?;
        if terminator != TERMINATOR && !terminator.contains('/') {
            return Err(SigV4Error::ScopeMismatch {
                field: ScopeField::Terminator,
                expected: Some(TERMINATOR.to_owned()),
                actual: quoted(terminator),
            });
        }
        if !is_name(access_key_id, limits::MAX_ACCESS_KEY_ID)
            || !is_name(region, limits::MAX_SCOPE_PART)
            || !is_name(service, limits::MAX_SCOPE_PART)
            || terminator != TERMINATOR
        {
            return Err(SigV4Error::Malformed { part: Part::Credential });
        }
        Ok(Self {
            access_key_id: keep(access_key_id),
            date: Part::Credential.formed(ScopeDate::parse(date))?,
            region: keep(region),
            service: keep(service),
        })
    }
}

/// The texts before and after the first `at`. A plain loop: the texts are short, where a search by words is slower.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let (before, after) = text.split_at_checked(text.bytes().position(|byte| byte == at)?)?;
    Some((before, after.get(1..)?))
}

/// Whether a text can be an access key id, a region or a service: letters, digits, `-`, `_` and `.`.
pub(crate) fn is_name(text: &str, longest: usize) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=longest).contains(&text.len()) && text.bytes().all(is_name)
}

fn check_algorithm(algorithm: &str) -> Result<(), SigV4Error> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(SigV4Error::UnsupportedAlgorithm { algorithm: quoted(algorithm) })
}

fn ascii(bytes: &[u8], part: Part) -> Result<&str, SigV4Error> {
    part.formed(str::from_utf8(bytes).ok().filter(|text| text.is_ascii()))
}

/// A session token: visible ASCII, bounded.
pub(crate) fn session_token(token: &[u8]) -> Result<&str, SigV4Error> {
    let text = ascii(token, Part::SecurityToken)?;
    let fits =
        (1..=limits::MAX_SESSION_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    Part::SecurityToken.formed(fits.then_some(text))
}

/// A positive number of seconds, in digits alone.
fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seconds| digits && *seconds > 0)
}
