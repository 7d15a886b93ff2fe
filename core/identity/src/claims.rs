//! What a verified token says.

use std::collections::BTreeMap;

use serde_json::Value;
use strongroom_model::clock::Timestamp;

use crate::error::TokenError;
use crate::limits;

/// The claims of a token whose signature, issuer, audience and time were verified (RFC 7519, section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who issued it (`iss`).
    pub issuer: String,
    /// Whom it is about (`sub`).
    pub subject: String,
    /// Whom it is for (`aud`), at least one.
    pub audiences: Vec<String>,
    /// When it ends (`exp`).
    pub expires: Timestamp,
    /// When it was issued (`iat`), if it says.
    pub issued: Option<Timestamp>,
    /// When it begins (`nbf`), if it says.
    pub not_before: Option<Timestamp>,
    /// The other claims that are a text, a number, a truth value, or a list of texts, each as texts, by name; at most
    /// [`limits::CLAIMS`] of at most [`limits::CLAIM_BYTES`] bytes.
    pub others: BTreeMap<String, Vec<String>>,
    /// The claims that are objects, as they are, by name; at most [`limits::CLAIMS`] of a token that is itself bounded.
    pub objects: BTreeMap<String, Value>,
}

impl Claims {
    /// Reads claims; their time, issuer and audience are compared elsewhere.
    pub(crate) fn read(mut body: BTreeMap<String, Value>) -> Result<Self, TokenError> {
        let issuer = text(body.remove("iss")).ok_or(TokenError::Malformed("it has no issuer"))?;
        let subject = text(body.remove("sub")).ok_or(TokenError::Malformed("it has no subject"))?;
        let audiences = texts(&body.remove("aud").unwrap_or_default()).ok_or(TokenError::Malformed("its audience"))?;
        let expires = seconds(body.get("exp")).ok_or(TokenError::Malformed("it has no end"))?;
        let (issued, not_before) = (seconds(body.get("iat")), seconds(body.get("nbf")));
        let (objects, body): (BTreeMap<_, _>, BTreeMap<_, _>) =
            body.into_iter().partition(|(_, value)| value.is_object());
        let kept = body.into_iter().filter(|(name, _)| name.len() <= limits::CLAIM_BYTES);
        let kept = kept.filter_map(|(name, value)| Some((name, texts(&value)?)));
        let others = kept.take(limits::CLAIMS).collect();
        let objects = objects.into_iter().take(limits::CLAIMS).collect();
        Ok(Self { issuer, subject, audiences, expires, issued, not_before, others, objects })
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= limits::CLAIM_BYTES => Some(text),
        _ => None,
    }
}

/// A claim as texts; nothing for what is neither plain nor a list of texts, or too long.
fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(truth) => vec![truth.to_string()],
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        Value::Null | Value::Object(_) => return None,
    };
    (texts.iter().map(String::len).sum::<usize>() <= limits::CLAIM_BYTES).then_some(texts)
}

/// Seconds since 1970, which may have a fraction (RFC 7519, section 2).
pub(crate) fn seconds(value: Option<&Value>) -> Option<Timestamp> {
    let value = value?;
    let whole = value.as_u64().or_else(|| {
        let seconds = value.as_f64().filter(|seconds| (0.0..1e15).contains(seconds))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nought and 1e15")]
        Some(seconds as u64)
    });
    Some(Timestamp(whole?.saturating_mul(1000)))
}
