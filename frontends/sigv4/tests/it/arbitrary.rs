//! Whatever arrives, the answer is a refusal and never a panic.

use proptest::prelude::*;

use crate::sent::{NOON, Sent, presigned_expectation};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,40}", "[ -~]{0,60}", "[/.%a-f0-9&=+]{0,40}"]
}

/// Values that come close to well-formed ones.
fn authorization() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just("Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request".to_owned()),
        Just("SignedHeaders=host;x-amz-date".to_owned()),
        Just(format!("Signature={}", "0".repeat(64))),
        text(),
        text().prop_map(|text| format!("Credential={text}")),
        text().prop_map(|text| format!("SignedHeaders={text}")),
        text().prop_map(|text| format!("Signature={text}")),
    ];
    let near = prop::collection::vec(field, 0..5).prop_map(|fields| format!("AWS4-HMAC-SHA256 {}", fields.join(", ")));
    prop_oneof![near.prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..80)]
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        Just("Authorization".to_owned()),
        Just("x-amz-date".to_owned()),
        Just("Date".to_owned()),
        Just("Host".to_owned()),
        Just("x-amz-security-token".to_owned()),
        Just("x-amz-content-sha256".to_owned()),
        text(),
    ];
    let value = prop_oneof![
        Just(b"20150830T123600Z".to_vec()),
        Just(b"UNSIGNED-PAYLOAD".to_vec()),
        authorization(),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    (name, value)
}

fn query() -> impl Strategy<Value = String> {
    let names = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ];
    let values = [
        "AWS4-HMAC-SHA256",
        "AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request",
        "20150830T123600Z",
        "60",
        "host",
    ];
    let pair = prop_oneof![
        (prop::sample::select(names.to_vec()), prop::sample::select(values.to_vec()))
            .prop_map(|(name, value)| format!("{name}={value}")),
        text(),
    ];
    prop::collection::vec(pair, 0..8).prop_map(|pairs| pairs.join("&"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn arbitrary_requests_are_refused_without_a_panic(
        method in text(), path in text(), query in query(), authority in text(),
        headers in prop::collection::vec(header(), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let sent = Sent { method, path, query, authority, headers, body };
        prop_assert!(sent.verify_with(&presigned_expectation(), NOON).is_err());
    }

    #[test]
    fn an_arbitrary_authorization_header_is_refused_without_a_panic(value in authorization()) {
        let mut sent = Sent::signed().without("authorization");
        sent.headers.push(("authorization".to_owned(), value));
        prop_assert!(sent.verify().is_err());
    }
}
