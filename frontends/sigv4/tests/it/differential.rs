//! Agreement with two independent implementations: what AWS's own signer signs is accepted here, and what we sign is
//! accepted by another verifier.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;
use scratchstack_aws_signature::principal::User;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, NO_ADDITIONAL_SIGNED_HEADERS, SignatureOptions,
    service_for_signing_key_fn, sigv4_validate_request,
};

use strongroom_secret::SecretBytes;
use strongroom_sigv4::{
    Expectation, Headers, HeadersFrom, ParsedAuthorization, Request, SigV4Error, SigningKey, SigningTime,
};

use crate::sent::{ACCESS_KEY_ID, NOON, REGION, SECRET, SERVICE, Sent, expectation, presigned_expectation};

/// Signs as AWS's SDK for Rust does.
fn sign_with_aws(sent: Sent, settings: SigningSettings, token: Option<&str>) -> Sent {
    let body = sent.body.clone();
    sign_with_aws_as(sent, SignableBody::Bytes(&body), settings, token)
}

fn sign_with_aws_as(mut sent: Sent, body: SignableBody<'_>, settings: SigningSettings, token: Option<&str>) -> Sent {
    let credentials = AwsCredentials::new(ACCESS_KEY_ID, SECRET, token.map(str::to_owned), None, "test");
    let identity = credentials.into();
    let params: SigningParams<'_> = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(SERVICE)
        .time(UNIX_EPOCH + Duration::from_secs(NOON.unsigned_abs()))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let question = if sent.query.is_empty() { "" } else { "?" };
    let uri = format!("https://{}{}{question}{}", sent.authority, sent.path, sent.query);
    let headers = sent.headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()));
    let signable = SignableRequest::new(&sent.method, uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let added: Vec<_> =
        instructions.headers().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
    for (name, value) in instructions.params() {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let separator = if sent.query.is_empty() { "" } else { "&" };
        sent.query = format!("{}{separator}{name}={encoded}", sent.query);
    }
    sent.headers.extend(added);
    sent
}

async fn signing_key(
    request: GetSigningKeyRequest,
) -> Result<GetSigningKeyResponse, Box<dyn std::error::Error + Send + Sync>> {
    let secret: KSecretKey = SECRET.parse().unwrap();
    let key = secret.to_ksigning(request.request_date(), request.region(), request.service());
    let principal = User::new("aws", "123456789012", "/", "user")?;
    Ok(GetSigningKeyResponse::builder().principal(principal).signing_key(key).build()?)
}

/// Whether the other verifier accepts a request.
fn accepted_elsewhere(sent: &Sent) -> Result<(), String> {
    let question = if sent.query.is_empty() { "" } else { "?" };
    let uri = format!("https://{}{}{question}{}", sent.authority, sent.path, sent.query);
    let mut request = http::Request::builder().method(sent.method.as_str()).uri(uri).header("host", &sent.authority);
    for (name, value) in &sent.headers {
        request = request.header(name, value.as_slice());
    }
    let mut keys = service_for_signing_key_fn(signing_key);
    let now = chrono::DateTime::from_timestamp(NOON, 0).unwrap();
    let request = request.body(sent.body.clone()).unwrap();
    let required = NO_ADDITIONAL_SIGNED_HEADERS;
    let options = SignatureOptions::default();
    let validation = pin!(sigv4_validate_request(request, REGION, SERVICE, &mut keys, now, &required, options));
    match validation.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.map(drop).map_err(|error| error.to_string()),
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn an_unsigned_payload_is_accepted_where_allowed_and_said_to_be_unsigned() {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let sent = sign_with_aws_as(Sent::unsigned(), SignableBody::UnsignedPayload, settings, None);
    assert_eq!(sent.verify(), Err(SigV4Error::UnsignedPayload));

    let lax = Expectation { unsigned_payload: true, ..expectation() };
    let changed = Sent { body: b"changed".to_vec(), ..sent };
    let request = changed.request();
    let parsed = ParsedAuthorization::parse(&request).unwrap();
    let key = SigningKey::derive(&SecretBytes::copy_from(SECRET.as_bytes()), &parsed.scope());
    let now = SigningTime::from_unix_seconds(NOON);
    let verified = parsed.verify(&key, &request, &changed.body, &lax, now).unwrap();
    assert!(!verified.payload_signed);
    assert!(changed.verify_with(&lax, NOON).is_ok());
}

/// As a front end does it: generic over where the headers come from, the key looked up between the steps.
fn verify_between<'r>(request: &Request<'r, impl Headers<'r>>, body: &[u8]) -> Result<String, SigV4Error> {
    let parsed = ParsedAuthorization::parse(request)?;
    let checked = parsed.check(request, &expectation(), SigningTime::from_unix_seconds(NOON))?;
    let key = SigningKey::derive(&SecretBytes::copy_from(SECRET.as_bytes()), &parsed.scope());
    checked.verify(&key, body).map(|verified| verified.access_key_id.to_owned())
}

#[test]
fn the_headers_may_come_from_a_header_map() {
    let sent = Sent::signed();
    let mut headers = http::HeaderMap::new();
    for (name, value) in &sent.headers {
        headers.append(http::HeaderName::try_from(name).unwrap(), http::HeaderValue::from_bytes(value).unwrap());
    }
    let request = Request {
        method: &sent.method,
        path: &sent.path,
        query: &sent.query,
        authority: &sent.authority,
        headers: HeadersFrom(|| headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
    };
    assert_eq!(verify_between(&request, &sent.body).unwrap(), ACCESS_KEY_ID);
}

/// Requests in the form that both other implementations and the wire allow. `path` and `query` differ by what the other
/// side can take.
fn requests(path: &'static str, query: &'static str) -> impl Strategy<Value = Sent> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH"]);
    let header = ("(x-[a-z]{1,8}|X-Amz-[A-Z][a-z]{1,8}|content-type)", "[!-~]([ -~]{0,30}[!-~])?");
    let headers = prop::collection::vec(header, 0..10);
    (method, path, query, headers, prop::collection::vec(any::<u8>(), 0..300)).prop_map(
        |(method, path, query, headers, body)| Sent {
            method: method.to_owned(),
            path,
            query,
            authority: "kms.eu-central-1.example:8443".to_owned(),
            headers: headers
                .into_iter()
                // Names that mean something to a verifier.
                .filter(|(name, _)| !matches!(name.as_str(), "X-Amz-Date"))
                .map(|(name, value)| (name, value.into_bytes()))
                .collect(),
            body,
        },
    )
}

/// What a URI may hold, escapes and dot segments included.
const ANY_PATH: &str = "(/([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,6}|/\\.\\.|/\\.|/){1,6}";
const ANY_QUERY: &str = "(([a-zA-Z0-9._~!$'()*+,;:@/?-]|%[2-7][0-9A-F]){1,6}(=([a-zA-Z0-9._~!$'()*+,;:@/?=-]|%[2-7][0-9A-F]){0,6})?&?){0,5}";

/// Dot segments within, but not at the end.
const PLAIN_PATH: &str = "(/[a-zA-Z0-9_~-]{1,6}(/\\.|/[a-z]{1,3}/\\.\\.|/)?){0,3}/[a-z]{1,3}/?";
/// Names of one length.
const PLAIN_QUERY: &str = "([a-z]{3}(=[a-zA-Z0-9._~-]{0,6}(%2[0-9A-F])?)?&?)?([a-z]{3}&?)?";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_aws_signer_signs_is_accepted(
        sent in requests(ANY_PATH, ANY_QUERY), hashed: bool, token in prop::option::of("[A-Za-z0-9+/=]{1,200}"),
    ) {
        let mut settings = SigningSettings::default();
        if hashed {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let signed = sign_with_aws(sent, settings, token.as_deref());
        prop_assert_eq!(signed.verify().err(), None);
    }

    #[test]
    fn what_the_aws_signer_presigns_is_accepted_until_it_expires(
        sent in requests(ANY_PATH, ANY_QUERY), token in prop::option::of("[A-Za-z0-9+/=]{1,200}"), life in 1..3600_u32,
    ) {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(life.into()));
        let signed = sign_with_aws(sent, settings, token.as_deref());
        let allowed = presigned_expectation();
        prop_assert_eq!(signed.verify_with(&allowed, NOON + i64::from(life)).err(), None);
        prop_assert!(signed.verify_with(&allowed, NOON + i64::from(life) + 1).is_err());
        let tampered = Sent { query: format!("{}&a", signed.query), ..signed };
        prop_assert!(tampered.verify_with(&allowed, NOON).is_err());
    }

    /// The other verifier decodes paths before encoding them, drops the slash after a last dot segment, joins name and
    /// value before sorting, and refuses to climb above the root: paths without any of these can be compared.
    #[test]
    fn what_we_sign_is_accepted_by_another_verifier_and_by_us(
        sent in requests(PLAIN_PATH, PLAIN_QUERY),
        token in prop::option::of("[A-Za-z0-9+/=]{1,200}"),
    ) {
        let signed = sent.sign(token.as_deref());
        prop_assert_eq!(accepted_elsewhere(&signed), Ok(()));
        prop_assert_eq!(signed.verify_with(&expectation(), NOON).err(), None);
        let tampered = Sent { body: b"tampered".to_vec(), ..signed };
        prop_assert!(accepted_elsewhere(&tampered).is_err());
    }
}
