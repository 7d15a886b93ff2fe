//! The requests, borrowed from their bodies.
//!
//! Unknown members are passed over: the specification announces more of them. A member that stands twice is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
pub(crate) use strongroom_json::{Json, Text, encoded_length};

/// What the asking KMS says of its own caller: claims, trusted as the credential that brought them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestMetadata<'a> {
    #[serde(borrow)]
    pub(crate) aws_principal_arn: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_operation: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_request_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_key_arn: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) kms_via_service: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) aws_source_vpc: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) aws_source_vpce: Option<Text<'a>>,
}

/// The body of any of the four calls.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body<'a> {
    #[serde(borrow)]
    pub(crate) request_metadata: Option<RequestMetadata<'a>>,
    #[serde(borrow)]
    pub(crate) encryption_algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) additional_authenticated_data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ciphertext_data_integrity_value_algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ciphertext_metadata: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) initialization_vector: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) authentication_tag: Option<Text<'a>>,
}

/// Bytes of a request; `None` when the text is not base64 (RFC 4648, section 4).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_passed_over_and_a_member_that_stands_twice_is_refused() {
        let body =
            r#"{"requestMetadata":{"kmsOperation":"New","tags":{"a":[1]}},"attestation":{"x":null},"plaintext":null}"#;
        let read: Body<'_> = serde_json::from_str(body).unwrap();
        assert_eq!(read.request_metadata.unwrap().kms_operation.as_deref(), Some("New"));
        assert!(read.plaintext.is_none());
        assert!(serde_json::from_str::<Body<'_>>(r#"{"plaintext":"YQ==","plaintext":"Yg=="}"#).is_err());
    }
}
