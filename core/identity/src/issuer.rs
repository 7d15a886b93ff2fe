//! An issuer that a tenant trusts.

use crate::error::TokenError;
use crate::keys::Keys;

/// An issuer that a tenant trusts, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// Its name, as tokens give it: an https URL without query or fragment (OpenID Connect Discovery 1.0, section 4).
    pub url: String,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// Where its keys come from.
    pub source: KeySource,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A set of keys (RFC 7517, section 5), given by an operator.
    Given(String),
    /// The issuer itself, by its discovery document.
    Fetched {
        /// Certificate authorities in PEM that its server's certificate must hang from; the machine's where there are none.
        authorities: Option<String>,
    },
}

/// Checks a set of keys before it is kept: it must hold at least one that can verify a token.
///
/// # Errors
/// [`TokenError::Keys`], with what is wrong.
pub fn check_keys(document: &str) -> Result<(), TokenError> {
    Keys::parse(document.as_bytes()).map(drop)
}
