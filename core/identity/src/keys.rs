//! A set of keys (RFC 7517), of which one has to have signed a token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::error::TokenError;
use crate::limits;

/// Keys that can verify signatures. Others of a set are passed over: issuers publish keys for encryption, too.
pub(crate) struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a set of keys.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, TokenError> {
        if document.len() > limits::DOCUMENT_BYTES {
            return Err(TokenError::Keys("they are longer than 64 KiB"));
        }
        let set: Set =
            serde_json::from_slice(document).map_err(|_| TokenError::Keys("they are no JSON Web Key Set"))?;
        if set.keys.len() > limits::KEYS {
            return Err(TokenError::Keys("they are more than 64"));
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(usable).collect();
        match keys.is_empty() {
            true => Err(TokenError::Keys("none of them verifies signatures by RSA, ECDSA or Ed25519")),
            false => Ok(Self(keys)),
        }
    }

    /// The keys that may have made a signature: those with the id that the token names or with none, or all
    /// if it names none.
    pub(crate) fn candidates<'a>(
        &'a self,
        id: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        let fits = move |key: &&Key| {
            key.algorithms.contains(&algorithm) && id.is_none_or(|id| key.id.as_deref().is_none_or(|own| own == id))
        };
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

/// A key that verifies signatures, with the algorithms that it may do so by: what it is decides, not what the token says.
fn usable(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|wanted| *wanted != PublicKeyUse::Signature) {
        return None;
    }
    let fitting: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(point) => match point.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(point) if point.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    let named = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
    let allowed = |algorithm: &&Algorithm| named.as_ref().is_none_or(|named| *named == format!("{algorithm:?}"));
    let algorithms: Vec<Algorithm> = fitting.iter().filter(allowed).copied().collect();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(Key { id: jwk.common.key_id, algorithms, key })
}
