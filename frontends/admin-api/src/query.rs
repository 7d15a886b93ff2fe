//! Query strings and path segments: between their wire form and the types of this crate.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::limits;

/// Why a query string can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the query string is not percent-encoded UTF-8")]
    Encoding,
    /// The same parameter twice.
    #[error("the query parameter {0} comes twice")]
    Twice(String),
    /// More parameters than any request has.
    #[error("the query string has more than {} parameters", limits::QUERY_PARAMETERS)]
    TooMany,
    /// An unknown parameter, or a value that is not of its form.
    #[error("the query string cannot be taken: {0}")]
    Form(String),
}

/// Reads a query string, without its `?`.
///
/// # Errors
/// [`QueryError`]; unknown parameters are named.
pub fn read<T: DeserializeOwned>(query: &str) -> Result<T, QueryError> {
    let mut object = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or(QueryError::Encoding)?;
        let value = decode(value).ok_or(QueryError::Encoding)?;
        if object.contains_key(&name) {
            return Err(QueryError::Twice(name.chars().take(64).collect()));
        }
        object.insert(name, Value::String(value));
        if object.len() > limits::QUERY_PARAMETERS {
            return Err(QueryError::TooMany);
        }
    }
    serde_json::from_value(Value::Object(object)).map_err(|error| QueryError::Form(error.to_string()))
}

/// Writes a query string, without its `?`. Fields that are not text have no place in one and are left out.
#[must_use]
pub fn write<T: Serialize>(query: &T) -> String {
    let Ok(Value::Object(object)) = serde_json::to_value(query) else { return String::new() };
    let pairs = object.iter().filter_map(|(name, value)| Some(format!("{}={}", encode(name), encode(value.as_str()?))));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Undoes percent-encoding; `None` when it is not well formed or not UTF-8. A plus sign is a plus sign.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuditQuery, Outcome, PageQuery, PageSize};

    #[test]
    fn a_query_reads_back_what_was_written() {
        let query = AuditQuery {
            principal: Some("arn:aws:iam::123456789012:user/a+b %&=é".to_owned()),
            outcome: Some(Outcome::Denied),
            since: Some("2026-01-31T09:30:00Z".parse().unwrap()),
            limit: PageSize::new(7),
            ..AuditQuery::default()
        };
        assert_eq!(read::<AuditQuery>(&write(&query)), Ok(query));
        assert_eq!(read::<PageQuery>(""), Ok(PageQuery::default()));
    }

    #[test]
    fn unknown_repeated_and_malformed_parameters_are_refused_by_name() {
        let refusal = |query| read::<PageQuery>(query).unwrap_err().to_string();
        assert!(refusal("limits=3").contains("`limits`"));
        assert!(refusal("limit=3&limit=4").contains("limit comes twice"));
        assert!(refusal("limit=0").contains("from 1 to 500"));
        assert!(refusal("limit=501").contains("from 1 to 500"));
        assert_eq!(read::<PageQuery>("after=%G0"), Err(QueryError::Encoding));
        assert_eq!(read::<PageQuery>("after=%FF"), Err(QueryError::Encoding));
    }
}
