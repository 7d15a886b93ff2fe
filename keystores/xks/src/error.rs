//! What can go wrong between asking a proxy and having its answer.
//!
//! No text of an answer is part of what an error says of itself: whoever logs an error logs nothing that a stranger wrote.

use std::error::Error;
use std::{fmt, io};

use strongroom_sigv4::SigV4Error;

/// Why a proxy could not be asked, or why its answer counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum XksError {
    /// The proxy refused, in the specification's words (XKS proxy API 1.0.3, Errors).
    #[error("the proxy refused: {refusal}")]
    Refused {
        /// Which error it named.
        refusal: Refusal,
        /// Its own explanation, where there is one, written by the proxy: its first 512 characters, all but the printable of
        /// ASCII escaped as Rust does.
        message: Option<Box<str>>,
    },
    /// No connection, or none that lasted until an answer came.
    #[error("the proxy is unreachable")]
    Unreachable(#[from] Unreachable),
    /// The TLS handshake failed: an authority that is not trusted, a name that does not match, no suite in common.
    #[error("TLS with the proxy failed; check its certificate, its chain and its suites")]
    Tls(#[source] rustls::Error),
    /// The deadline passed.
    #[error("the proxy did not answer in time")]
    Late,
    /// An answer that is none by the specification.
    #[error("the proxy's answer is invalid")]
    Invalid(#[from] InvalidResponse),
    /// As many calls as one proxy is asked at once are under way, or as many names are looked up.
    #[error("too many calls to the proxy at once; try again")]
    Busy,
    /// More than every proxy is bound to take. Nothing was sent.
    #[error("{member} has {bytes} bytes, where a proxy must take {most}")]
    TooLong {
        /// The request's member.
        member: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest there may be.
        most: usize,
    },
    /// The request can't be signed: the region is no name of one. Nothing was sent.
    #[error("the request to the proxy cannot be signed; check the region")]
    Unsigned(#[from] SigV4Error),
}

/// Why there was no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The name is not found.
    #[error("its name does not resolve")]
    Name(#[source] io::Error),
    /// The name leads to no public IPv4 address, and the operator has not named another.
    #[error("its name has no public IPv4 address; an operator may send the host to another")]
    NotPublic,
    /// The operator has every host named that may be asked, and this is none of them.
    #[error("its host is not among those that the operator lets be asked")]
    Unlisted,
    /// Nobody takes connections there.
    #[error("it takes no connection")]
    Connect(#[source] io::Error),
    /// The connection ended, or what came was no HTTP.
    #[error("the connection broke")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// How an answer fails the specification. AWS KMS tells all of these as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResponse {
    /// The body is not JSON.
    #[error("status {status} with a body that is not JSON")]
    NotJson {
        /// The HTTP status.
        status: u16,
    },
    /// A member is missing, occurs twice or has another type.
    #[error("a member is missing or malformed")]
    Member,
    /// A member is not base64.
    #[error("{member} is not base64")]
    NotBase64 {
        /// Its name.
        member: &'static str,
    },
    /// A member has a length or a number of items that it may not have.
    #[error("{member} has a wrong length of {length}")]
    Length {
        /// Its name.
        member: &'static str,
        /// Bytes after base64, or items.
        length: usize,
    },
    /// A member has a value that the specification does not know.
    #[error("{member} has an unknown value")]
    Value {
        /// Its name.
        member: &'static str,
    },
    /// The integrity value is not that of what came: something changed it on its way.
    #[error("ciphertextDataIntegrityValue is not that of the ciphertext")]
    Integrity,
    /// An error's name that the specification does not have.
    #[error("status {status} with an unknown error name")]
    UnknownError {
        /// The HTTP status.
        status: u16,
    },
    /// Longer than any sound answer.
    #[error("its body is too long")]
    TooLarge,
}

/// The specification's errors, by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 400: a parameter is bad.
    Validation,
    /// 400: key or key store is disabled or blocked.
    InvalidState,
    /// 400: the ciphertext or what belongs to it is not this key's.
    InvalidCiphertext,
    /// 400: the key is not for this.
    InvalidKeyUsage,
    /// 401: the signature.
    AuthenticationFailed,
    /// 403: a policy of the proxy.
    AccessDenied,
    /// 404: no such key.
    KeyNotFound,
    /// 404: no such path.
    InvalidUriPath,
    /// 429: more than it can do, or more than it grants.
    Throttling,
    /// 501: not something that it does.
    UnsupportedOperation,
    /// 503: what it depends on was late.
    DependencyTimeout,
    /// 500: anything else.
    Internal,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Validation,
        Self::InvalidState,
        Self::InvalidCiphertext,
        Self::InvalidKeyUsage,
        Self::AuthenticationFailed,
        Self::AccessDenied,
        Self::KeyNotFound,
        Self::InvalidUriPath,
        Self::Throttling,
        Self::UnsupportedOperation,
        Self::DependencyTimeout,
        Self::Internal,
    ];

    /// The refusal of this name; `None` for a name that the specification does not have.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "ValidationException",
            Self::InvalidState => "InvalidStateException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::InvalidKeyUsage => "InvalidKeyUsageException",
            Self::AuthenticationFailed => "AuthenticationFailedException",
            Self::AccessDenied => "AccessDeniedException",
            Self::KeyNotFound => "KeyNotFoundException",
            Self::InvalidUriPath => "InvalidUriPathException",
            Self::Throttling => "ThrottlingException",
            Self::UnsupportedOperation => "UnsupportedOperationException",
            Self::DependencyTimeout => "DependencyTimeoutException",
            Self::Internal => "InternalException",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
