//! The requests, borrowed from their bodies.
//!
//! Unknown members are passed over: the API is a preview. A member that stands twice is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
pub(crate) use strongroom_json::{Json, Text, encoded_length};

/// What the asking pool says of its request: claims, trusted as the certificate that brought them.
#[derive(Debug, Deserialize)]
pub(crate) struct RequestContext<'a> {
    #[serde(borrow)]
    pub(crate) request_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) correlation_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) pool_name: Option<Text<'a>>,
}

/// The body of any of the four calls.
#[derive(Debug, Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(borrow)]
    pub(crate) request_context: Option<RequestContext<'a>>,
    #[serde(borrow)]
    pub(crate) alg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
}

/// Bytes of a request; `None` when the text is not base64 for URLs (RFC 4648, section 5). Padding may stand there.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let bare = match text.len() % 4 {
        0 => text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text),
        _ => text,
    };
    URL_SAFE_NO_PAD.decode(bare).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_for_urls_with_its_padding_or_without() {
        for text in ["-_8", "-_8="] {
            assert_eq!(decode(text).unwrap(), b"\xfb\xff");
        }
        for text in ["+/8", "-_8==", "-_8=x", "=", "-", "-_9"] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    #[test]
    fn unknown_members_are_passed_over_and_a_member_that_stands_twice_is_refused() {
        let body = r#"{"request_context":{"pool_name":"p","tags":{"a":[1]}},"attestation":{"x":null},"value":null}"#;
        let read: Body<'_> = serde_json::from_str(body).unwrap();
        assert_eq!(read.request_context.unwrap().pool_name.as_deref(), Some("p"));
        assert!(read.value.is_none());
        assert!(serde_json::from_str::<Body<'_>>(r#"{"value":"YQ==","value":"Yg=="}"#).is_err());
    }
}
