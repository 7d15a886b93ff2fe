//! Why a token proves nothing.

use crate::limits;

/// Why a token proves nothing. Front ends tell callers which of it, so no variant carries what only an operator may know
/// beyond `cause`, which belongs in telemetry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JSON Web Token, or one of a kind that isn't taken.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// It names another issuer than the one it was shown for.
    #[error("the token is of another issuer")]
    Issuer,
    /// It names none of the audiences that are taken.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come, by more than [`limits::SKEW`].
    #[error("the token is not valid yet")]
    NotYet,
    /// No key of the issuer made its signature.
    #[error("the token is not signed by a key of its issuer")]
    Signature,
    /// The keys that an operator gave can't be read.
    #[error("the issuer's keys cannot be read: {0}")]
    Keys(&'static str),
    /// The issuer isn't among the origins that may be asked for keys.
    #[error("fetching keys from {origin} is not allowed; name it in the configuration, or give the issuer's keys")]
    NotAllowed {
        /// The origin that would have been asked.
        origin: String,
    },
    /// The issuer couldn't be asked for its keys.
    #[error("the issuer's keys cannot be fetched: {cause}")]
    Unreachable {
        /// What happened, for an operator.
        cause: String,
    },
    /// More issuers are being asked than [`limits::FETCHES`].
    #[error("more than {} issuers are being asked for keys", limits::FETCHES)]
    Busy,
}
