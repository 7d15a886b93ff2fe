//! What can be wrong with a signed request. No variant can hold an expected signature.

use crate::limits;
use crate::signing_time::SigningTime;

/// A part of the request that carries the signature, by the name that AWS gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The `Authorization` header as a whole.
    Authorization,
    /// `Credential`: access key id and scope.
    Credential,
    /// `SignedHeaders`: lower-case names, sorted, unique, joined by `;`.
    SignedHeaders,
    /// `Signature`: 64 lower-case hexadecimal digits.
    Signature,
    /// `X-Amz-Date`, or `Date` where that is absent: `YYYYMMDD'T'HHMMSS'Z'`.
    Date,
    /// `X-Amz-Expires` of a presigned request: seconds.
    Expires,
    /// `X-Amz-Security-Token`.
    SecurityToken,
    /// `X-Amz-Content-SHA256`.
    ContentSha256,
    /// The path of the request.
    Path,
    /// The query string of the request.
    Query,
}

impl Part {
    /// The name that AWS's messages use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization",
            Self::Credential => "Credential",
            Self::SignedHeaders => "SignedHeaders",
            Self::Signature => "Signature",
            Self::Date => "X-Amz-Date",
            Self::Expires => "X-Amz-Expires",
            Self::SecurityToken => "X-Amz-Security-Token",
            Self::ContentSha256 => "X-Amz-Content-SHA256",
            Self::Path => "path",
            Self::Query => "query string",
        }
    }
}

impl Part {
    /// What must be there, or [`SigV4Error::Missing`].
    pub(crate) fn required<T>(self, value: Option<T>) -> Result<T, SigV4Error> {
        let Some(value) = value else { return Err(SigV4Error::Missing { part: self }) };
        Ok(value)
    }

    /// What could be read, or [`SigV4Error::Malformed`].
    pub(crate) fn formed<T>(self, value: Option<T>) -> Result<T, SigV4Error> {
        let Some(value) = value else { return Err(SigV4Error::Malformed { part: self }) };
        Ok(value)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A part of the credential scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeField {
    /// The day, `YYYYMMDD`: must be that of the signature's time.
    Date,
    /// The region: must be one that the listener serves.
    Region,
    /// The signing service, such as `kms`.
    Service,
    /// The last part, always `aws4_request`.
    Terminator,
}

impl std::fmt::Display for ScopeField {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Date => "date",
            Self::Region => "region",
            Self::Service => "service",
            Self::Terminator => "terminator",
        })
    }
}

/// Why a request is not taken as signed. Text of the client is repeated only where it names what was wrong, cut to
/// [`limits::MAX_QUOTED`] characters and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigV4Error {
    /// Neither an `Authorization` header nor presigning parameters.
    #[error("the request carries no signature")]
    MissingAuthorization,
    /// Two `Authorization` headers, or a header beside presigning parameters.
    #[error("the request carries more than one signature; only one is allowed")]
    SeveralAuthorizations,
    /// Another scheme than `AWS4-HMAC-SHA256`, such as `AWS4-ECDSA-P256-SHA256` (Signature Version 4a) or `Bearer`.
    #[error("the algorithm {algorithm:?} is not supported; sign with AWS4-HMAC-SHA256")]
    UnsupportedAlgorithm {
        /// The scheme that the request names.
        algorithm: String,
    },
    /// A part that must be there is not.
    #[error("the signature lacks {part}")]
    Missing {
        /// What is missing.
        part: Part,
    },
    /// A part is there but has no valid form, or occurs twice.
    #[error("{part} is malformed")]
    Malformed {
        /// What is malformed.
        part: Part,
    },
    /// More items than this crate takes.
    #[error("{part} holds more than {limit} items")]
    TooMany {
        /// What there is too much of.
        part: Part,
        /// How many are allowed.
        limit: usize,
    },
    /// The credential scope is not one that the receiver accepts.
    #[error("the {field} of the credential scope is {actual:?}")]
    ScopeMismatch {
        /// Which part differs.
        field: ScopeField,
        /// What it should have been, several joined by `, `; `None` for a region, whose rule is the receiver's.
        expected: Option<String>,
        /// What the request says.
        actual: String,
    },
    /// The signature is older than the receiver allows.
    #[error("the signature of {signed_at} expired: it is {now} and {allowed_seconds} s are allowed")]
    Expired {
        /// The signature's time.
        signed_at: SigningTime,
        /// The receiver's time.
        now: SigningTime,
        /// The skew allowed, or the life that a presigned request gave itself.
        allowed_seconds: u32,
    },
    /// The signature lies further in the future than the receiver allows.
    #[error("the signature of {signed_at} is not yet valid: it is {now} and {allowed_seconds} s are allowed")]
    NotYetValid {
        /// The signature's time.
        signed_at: SigningTime,
        /// The receiver's time.
        now: SigningTime,
        /// The skew allowed.
        allowed_seconds: u32,
    },
    /// A presigned request, where the receiver takes signatures in headers only.
    #[error("presigned requests are not accepted here; sign with the Authorization header")]
    PresignedRefused,
    /// A presigned request that wants to live longer than the receiver allows.
    #[error("the presigned request asks for {seconds} s of life; at most {limit} s are allowed")]
    ExpiresTooLong {
        /// What it asks for.
        seconds: u32,
        /// What is allowed.
        limit: u32,
    },
    /// A header that must be signed is not.
    #[error("the header {name:?} must be signed")]
    HeaderNotSigned {
        /// Its name, lower-case.
        name: String,
    },
    /// A header is listed as signed, and the request does not have it.
    #[error("the header {name:?} is listed as signed but absent")]
    SignedHeaderAbsent {
        /// Its name, lower-case.
        name: String,
    },
    /// A `Host` header that contradicts the authority of the request, or several of them.
    #[error("the Host header differs from the authority of the request")]
    AuthorityConflict,
    /// `UNSIGNED-PAYLOAD`, where the receiver wants bodies signed.
    #[error("unsigned payloads are not accepted here; sign the body")]
    UnsignedPayload,
    /// The body is not the one whose hash `X-Amz-Content-SHA256` gives.
    #[error("the body does not match X-Amz-Content-SHA256")]
    PayloadHashMismatch,
    /// The signature is not that of this request under this key.
    #[error("the signature does not match; check the secret access key and the signing method")]
    SignatureMismatch,
}

/// A client's text, fit to be repeated: bounded, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(limits::MAX_QUOTED).collect()
}
