//! What AWS calls each refusal of a signature, in its JSON and in its query protocol.

use http::StatusCode;
use strongroom_engine::{ConditionKey, Facts, Value};
use strongroom_sigv4::{Part, ScopeField, SigV4Error, SigningTime};

use crate::Reason;

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.0 and 1.1: every refusal is 400, names end in `Exception`.
    Json,
    /// AWS query: XML replies.
    Query,
}

/// A refusal in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// HTTP status.
    pub status: StatusCode,
    /// The error's name.
    pub code: &'static str,
    /// What the caller is told; never an expected signature.
    pub message: String,
}

/// What is said of a session token that was given out here, and whose time is over.
pub const EXPIRED: &str = "The security token included in the request is expired";
/// What is said of a credential that is none.
pub const UNKNOWN: &str = "The security token included in the request is invalid.";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. \
     Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// The refusal in AWS's words; `None` for an error of the engine's, which each front end words itself.
#[must_use]
pub fn words(reason: &Reason, protocol: Protocol) -> Option<Words> {
    let error = match reason {
        Reason::Engine(_) => return None,
        Reason::UnknownCredential => return Some(Kind::Unrecognized.words(protocol, UNKNOWN.to_owned())),
        Reason::Expired => return Some(Kind::Expired.words(protocol, EXPIRED.to_owned())),
        Reason::Signature(error) => error,
    };
    let (kind, message) = match error {
        SigV4Error::MissingAuthorization => (Kind::Missing, "Missing Authentication Token".to_owned()),
        SigV4Error::Missing { part: Part::Date } => (
            Kind::Incomplete,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned(),
        ),
        SigV4Error::Missing { part } => {
            (Kind::Incomplete, format!("Authorization header requires '{part}' parameter."))
        }
        SigV4Error::SeveralAuthorizations
        | SigV4Error::UnsupportedAlgorithm { .. }
        | SigV4Error::Malformed { .. }
        | SigV4Error::TooMany { .. } => (Kind::Incomplete, error.to_string()),
        SigV4Error::ScopeMismatch { field: ScopeField::Region, .. } => {
            (Kind::Mismatch, "Credential should be scoped to a valid region.".to_owned())
        }
        SigV4Error::ScopeMismatch { field: ScopeField::Service, expected, .. } => {
            let service = expected.as_deref().unwrap_or_default();
            (Kind::Mismatch, format!("Credential should be scoped to correct service: '{service}'."))
        }
        SigV4Error::ScopeMismatch { field: ScopeField::Date | ScopeField::Terminator, .. } => {
            (Kind::Mismatch, error.to_string())
        }
        SigV4Error::Expired { signed_at, now, allowed_seconds } => {
            (Kind::Mismatch, expired(*signed_at, *now, *allowed_seconds))
        }
        SigV4Error::NotYetValid { signed_at, now, allowed_seconds } => {
            (Kind::Mismatch, not_yet(*signed_at, *now, *allowed_seconds))
        }
        SigV4Error::PayloadHashMismatch | SigV4Error::SignatureMismatch => (Kind::Mismatch, MISMATCH.to_owned()),
        SigV4Error::PresignedRefused
        | SigV4Error::ExpiresTooLong { .. }
        | SigV4Error::HeaderNotSigned { .. }
        | SigV4Error::SignedHeaderAbsent { .. }
        | SigV4Error::AuthorityConflict
        | SigV4Error::UnsignedPayload => (Kind::Mismatch, error.to_string()),
    };
    Some(kind.words(protocol, message))
}

fn expired(signed_at: SigningTime, now: SigningTime, allowed: u32) -> String {
    let earliest = now.offset(-i64::from(allowed));
    format!("Signature expired: {signed_at} is now earlier than {earliest} ({now} - {} min.)", allowed / 60)
}

fn not_yet(signed_at: SigningTime, now: SigningTime, allowed: u32) -> String {
    let latest = now.offset(i64::from(allowed));
    format!("Signature not yet current: {signed_at} is still later than {latest} ({now} + {} min.)", allowed / 60)
}

/// The condition keys that follow from connection and clock, each with one value.
#[must_use]
pub fn surroundings<'a>(key: &ConditionKey, facts: &Facts<'a>) -> Option<Value<'a>> {
    let call = facts.call;
    match key.name() {
        "aws:sourceip" => call.source.address.map(|address| Value::Address(address.ip())),
        "aws:securetransport" => Some(Value::Bool(!call.source.tls.is_empty())),
        "aws:currenttime" => Some(Value::Time(facts.now)),
        "aws:epochtime" => Some(Value::Number(facts.now.div_euclid(1000))),
        "aws:useragent" => Some(Value::Text(&call.user_agent)).filter(|_| !call.user_agent.is_empty()),
        "aws:requestedregion" => Some(Value::Text(&call.region)),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Missing,
    Incomplete,
    Unrecognized,
    Expired,
    Mismatch,
}

impl Kind {
    const fn words(self, protocol: Protocol, message: String) -> Words {
        let (status, code) = match (protocol, self) {
            (Protocol::Json, Self::Missing) => (StatusCode::BAD_REQUEST, "MissingAuthenticationTokenException"),
            (Protocol::Json, Self::Incomplete) => (StatusCode::BAD_REQUEST, "IncompleteSignatureException"),
            (Protocol::Json, Self::Unrecognized) => (StatusCode::BAD_REQUEST, "UnrecognizedClientException"),
            (Protocol::Json, Self::Mismatch) => (StatusCode::BAD_REQUEST, "InvalidSignatureException"),
            (Protocol::Json, Self::Expired) => (StatusCode::BAD_REQUEST, "ExpiredTokenException"),
            (Protocol::Query, Self::Expired) => (StatusCode::FORBIDDEN, "ExpiredToken"),
            (Protocol::Query, Self::Missing) => (StatusCode::FORBIDDEN, "MissingAuthenticationToken"),
            (Protocol::Query, Self::Incomplete) => (StatusCode::BAD_REQUEST, "IncompleteSignature"),
            (Protocol::Query, Self::Unrecognized) => (StatusCode::FORBIDDEN, "InvalidClientTokenId"),
            (Protocol::Query, Self::Mismatch) => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
        };
        Words { status, code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(error: SigV4Error) -> (&'static str, String) {
        let words = words(&error.into(), Protocol::Json).unwrap();
        assert_eq!(words.status, StatusCode::BAD_REQUEST);
        (words.code, words.message)
    }

    #[test]
    fn each_refusal_has_the_name_that_clients_look_for() {
        assert_eq!(json(SigV4Error::MissingAuthorization).0, "MissingAuthenticationTokenException");
        assert_eq!(json(SigV4Error::Missing { part: Part::Signature }).0, "IncompleteSignatureException");
        assert_eq!(json(SigV4Error::SignatureMismatch).0, "InvalidSignatureException");
        let query = words(&Reason::UnknownCredential, Protocol::Query).unwrap();
        assert_eq!((query.status, query.code), (StatusCode::FORBIDDEN, "InvalidClientTokenId"));
    }

    #[test]
    fn an_expired_signature_is_told_the_time_and_what_is_allowed() {
        let now = SigningTime::parse(b"20240101T001000Z").unwrap();
        let error = SigV4Error::Expired { signed_at: now.offset(-600), now, allowed_seconds: 300 };
        let expected =
            "Signature expired: 20240101T000000Z is now earlier than 20240101T000500Z (20240101T001000Z - 5 min.)";
        assert_eq!(json(error), ("InvalidSignatureException", expected.to_owned()));
    }

    #[test]
    fn what_the_engine_could_not_do_is_left_to_the_front_end() {
        let error = strongroom_engine::EngineError::Unavailable(strongroom_engine::Unavailable::Busy);
        assert_eq!(words(&Reason::Engine(error), Protocol::Json), None);
    }
}
