//! What counts as an answer, and what does not.

use serde_json::{Value, json};
use strongroom_sigv4::SecretBytes;
use strongroom_xks_client::{HealthStatus, InvalidResponse, Refusal, Sealed, XksError, limits};

use crate::proxy::{ASSOCIATED, Act, PATIENT, PLAINTEXT, Proxy, key, listening, metadata, plaintext, sound, whole};

fn encrypt_answered(status: u16, body: impl Into<Vec<u8>>) -> Result<Sealed, XksError> {
    let body = body.into();
    let proxy = Proxy::start(move |_| Act::Answer(status, body.clone()));
    proxy.client(PATIENT).encrypt(key(), &metadata(), &plaintext(), ASSOCIATED)
}

fn invalid<T>(outcome: Result<T, XksError>) -> InvalidResponse {
    match outcome.err() {
        Some(XksError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn with(member: &str, value: Value) -> Vec<u8> {
    let mut answer = sound();
    answer[member] = value;
    answer.to_string().into_bytes()
}

fn without(mut answer: Value, member: &str) -> Vec<u8> {
    answer.as_object_mut().unwrap().remove(member).unwrap();
    answer.to_string().into_bytes()
}

#[test]
fn an_encryption_is_asked_for_as_the_specification_says_and_a_sound_answer_counts() {
    let (proxy, asked) = listening();
    let sealed = proxy.client(PATIENT).encrypt(key(), &metadata(), &plaintext(), ASSOCIATED).unwrap();
    assert_eq!(sealed.ciphertext(), [7; PLAINTEXT.len()]);
    assert_eq!(sealed.initialization_vector(), [1; 12]);
    assert_eq!((sealed.tag(), sealed.metadata()), ([2; 16].as_slice(), [3; 20].as_slice()));
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].path, "/store/kms/xks/v1/keys/payroll/encrypt");
    let expected = json!({
        "requestMetadata": {
            "awsPrincipalArn": "arn:aws:iam::111122223333:user/alice",
            "kmsOperation": "Encrypt",
            "kmsRequestId": "request-1",
            "kmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/1",
        },
        "plaintext": "dHdpY2Ugc2VhbGVk",
        "encryptionAlgorithm": "AES_GCM",
        "additionalAuthenticatedData": "Y29udGV4dA==",
        "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
    });
    assert_eq!(asked[0].body, expected);
    for part in
        ["\r\nhost: xks.example.com\r\n", "/20260101/eu-central-1/kms-xks-proxy/aws4_request", "20260101t120000z"]
    {
        assert!(asked[0].head.contains(part), "{part}: {}", asked[0].head);
    }
}

#[test]
fn a_decryption_hands_over_all_parts_and_takes_a_plaintext_of_the_same_length() {
    let answer = json!({ "plaintext": "dHdpY2Ugc2VhbGVk" });
    let proxy = Proxy::start(move |asked| {
        let expected = json!(["BwcHBwcHBwcHBwcH", "AQEBAQEBAQEBAQEBAQEBAQ==", "AgICAgICAgICAgICAgICAg==", null, null]);
        let members = ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"];
        let told: Vec<&Value> =
            members.iter().chain(&["additionalAuthenticatedData"]).map(|name| &asked.body[name]).collect();
        assert_eq!(json!(told), expected);
        Act::json(200, &answer)
    });
    let sealed = Sealed::new(vec![7; PLAINTEXT.len()], vec![1; 16], &[2; 16], Vec::new()).unwrap();
    let opened = proxy.client(PATIENT).decrypt(key(), &metadata(), &sealed, b"").ok().unwrap();
    assert!(opened.equals(PLAINTEXT));
    let shorter = Sealed::new(vec![7; 3], vec![1; 12], &[2; 16], Vec::new()).unwrap();
    let proxy = Proxy::start(|_| Act::json(200, &json!({ "plaintext": "dHdpY2Ugc2VhbGVk" })));
    let why = invalid(proxy.client(PATIENT).decrypt(key(), &metadata(), &shorter, b""));
    assert_eq!(why, InvalidResponse::Length { member: "plaintext", length: PLAINTEXT.len() });
    for (answer, why) in [
        ("{}", InvalidResponse::Member),
        (r#"{"plaintext":7}"#, InvalidResponse::Member),
        (r#"{"plaintext":"*"}"#, InvalidResponse::NotBase64 { member: "plaintext" }),
    ] {
        let proxy = Proxy::start(move |_| Act::Answer(200, answer.into()));
        assert_eq!(invalid(proxy.client(PATIENT).decrypt(key(), &metadata(), &shorter, b"")), why, "{answer}");
    }
}

#[test]
fn base64_whose_slashes_are_escaped_is_read_as_any_other_json() {
    let answer = whole(&[0xff; PLAINTEXT.len()], &[1; 12], &[2; 16], &[]).to_string().replace('/', "\\/");
    assert_eq!(encrypt_answered(200, answer).unwrap().ciphertext(), [0xff; PLAINTEXT.len()]);
    let proxy = Proxy::start(|_| Act::Answer(200, br#"{"plaintext":"\/\/\/\/"}"#.to_vec()));
    let sealed = Sealed::new(vec![0; 3], vec![1; 12], &[2; 16], Vec::new()).unwrap();
    assert!(proxy.client(PATIENT).decrypt(key(), &metadata(), &sealed, b"").ok().unwrap().equals(&[0xff; 3]));
}

#[test]
fn an_answer_whose_integrity_value_is_not_its_own_does_not_count() {
    let other = whole(&[8; PLAINTEXT.len()], &[1; 12], &[2; 16], &[3; 20])["ciphertextDataIntegrityValue"].clone();
    assert_eq!(invalid(encrypt_answered(200, with("ciphertextDataIntegrityValue", other))), InvalidResponse::Integrity);
    let short = with("ciphertextDataIntegrityValue", json!("AAAA"));
    assert_eq!(invalid(encrypt_answered(200, short)), InvalidResponse::Integrity);
    // It covers the metadata: leaving that out changes what is hashed.
    assert_eq!(invalid(encrypt_answered(200, without(sound(), "ciphertextMetadata"))), InvalidResponse::Integrity);
}

#[test]
fn parts_of_a_wrong_length_are_refused_even_with_a_right_integrity_value() {
    let right = (vec![7; PLAINTEXT.len()], vec![1; 12], vec![2; 16], vec![3; 20]);
    let (ciphertext, vector, tag, metadata) = right;
    let bytes = |length| vec![9_u8; length];
    for (answer, member, length) in [
        (whole(&bytes(11), &vector, &tag, &metadata), "ciphertext", 11),
        (whole(&bytes(13), &vector, &tag, &metadata), "ciphertext", 13),
        (whole(&ciphertext, &bytes(0), &tag, &metadata), "initializationVector", 0),
        (whole(&ciphertext, &bytes(13), &tag, &metadata), "initializationVector", 13),
        (whole(&ciphertext, &vector, &bytes(12), &metadata), "authenticationTag", 12),
        (whole(&ciphertext, &vector, &bytes(17), &metadata), "authenticationTag", 17),
        (whole(&ciphertext, &vector, &tag, &bytes(21)), "ciphertextMetadata", 21),
    ] {
        let why = invalid(encrypt_answered(200, answer.to_string()));
        assert_eq!(why, InvalidResponse::Length { member, length });
    }
    for answer in [whole(&ciphertext, &bytes(16), &tag, &metadata), whole(&ciphertext, &vector, &tag, &[])] {
        encrypt_answered(200, answer.to_string()).unwrap();
    }
}

#[test]
fn answers_that_lack_a_member_or_are_none_are_invalid() {
    for member in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextDataIntegrityValue"] {
        assert_eq!(invalid(encrypt_answered(200, without(sound(), member))), InvalidResponse::Member, "{member}");
        let why = invalid(encrypt_answered(200, with(member, json!("not base64!"))));
        assert_eq!(why, InvalidResponse::NotBase64 { member }, "{member}");
    }
    for body in ["", "<html>", "{\"ciphertext\":", "\u{0}"] {
        assert_eq!(invalid(encrypt_answered(200, body)), InvalidResponse::NotJson { status: 200 }, "{body}");
    }
    assert_eq!(invalid(encrypt_answered(200, "[]")), InvalidResponse::Member);
}

#[test]
fn an_answer_longer_than_any_sound_one_is_given_up() {
    let body = vec![b' '; limits::ANSWER_BYTES + 1];
    assert_eq!(invalid(encrypt_answered(200, body.clone())), InvalidResponse::TooLarge);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..2 {
        chunked.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        chunked.extend_from_slice(&body);
        chunked.extend_from_slice(b"\r\n");
    }
    let proxy = Proxy::start(move |_| Act::Raw(chunked.clone()));
    let outcome = proxy.client(PATIENT).encrypt(key(), &metadata(), &plaintext(), ASSOCIATED);
    assert_eq!(invalid(outcome), InvalidResponse::TooLarge);
}

#[test]
fn every_error_of_the_specification_is_told_by_its_name() {
    for (refusal, status) in Refusal::ALL.into_iter().zip([400, 400, 400, 400, 401, 403, 404, 404, 429, 501, 503, 500])
    {
        let body = json!({ "errorName": refusal.name(), "errorMessage": "as it says" });
        match encrypt_answered(status, body.to_string()).err() {
            Some(XksError::Refused { refusal: told, message }) => {
                assert_eq!((told, message.as_deref()), (refusal, Some("as it says")));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_is_kept_as_one_printable_line_of_512_characters_and_no_error_prints_it() {
    for (message, kept) in [
        ("\u{1b}[31m", "\\u{1b}[31m".to_owned()),
        ("\u{e4}\r\n", "\\u{e4}\\r\\n".to_owned()),
        (&"a".repeat(513), "a".repeat(512)),
    ] {
        let body = json!({ "errorName": "InternalException", "errorMessage": message });
        match encrypt_answered(500, body.to_string()).err() {
            Some(XksError::Refused { message: Some(told), .. }) => assert_eq!(*told, *kept),
            other => panic!("{other:?}"),
        }
    }
    let body = json!({ "errorName": "InternalException", "errorMessage": "inner matters" });
    let told = encrypt_answered(500, body.to_string()).err().unwrap();
    assert_eq!(told.to_string(), "the proxy refused: InternalException");
}

#[test]
fn errors_that_the_specification_does_not_know_are_invalid() {
    for (status, body, why) in [
        (503, "<html>Service Unavailable</html>", InvalidResponse::NotJson { status: 503 }),
        (429, "", InvalidResponse::NotJson { status: 429 }),
        (302, "", InvalidResponse::NotJson { status: 302 }),
        (500, "{}", InvalidResponse::Member),
        (500, r#"{"errorName":"OutOfPaper"}"#, InvalidResponse::UnknownError { status: 500 }),
        (404, r#"{"errorName":"keynotfoundexception"}"#, InvalidResponse::UnknownError { status: 404 }),
    ] {
        assert_eq!(invalid(encrypt_answered(status, body)), why, "{status} {body}");
    }
    // An answer that would be sound under 200 is none under another status.
    assert_eq!(invalid(encrypt_answered(201, sound().to_string())), InvalidResponse::Member);
}

#[test]
fn a_keys_metadata_says_whether_it_serves() {
    let told = |answer: Value| {
        let proxy = Proxy::start(move |asked| {
            assert_eq!(asked.path, "/store/kms/xks/v1/keys/payroll/metadata");
            Act::json(200, &answer)
        });
        proxy.client(PATIENT).metadata(key(), &metadata())
    };
    let with =
        |spec: &str, usages: &[&str], status: &str| json!({ "keySpec": spec, "keyUsage": usages, "keyStatus": status });
    assert!(told(with("AES_256", &["WRAP", "DECRYPT", "ENCRYPT"], "ENABLED")).unwrap().serves());
    for answer in [
        with("RSA_2048", &["DECRYPT", "ENCRYPT"], "ENABLED"),
        with("AES_256", &["ENCRYPT"], "ENABLED"),
        with("AES_256", &["DECRYPT"], "ENABLED"),
        with("AES_256", &["DECRYPT", "ENCRYPT"], "DISABLED"),
    ] {
        assert!(!told(answer.clone()).unwrap().serves(), "{answer}");
    }
    let many = ["ENCRYPT"; 11];
    let why = InvalidResponse::Length { member: "keyUsage", length: 11 };
    assert_eq!(invalid(told(with("AES_256", &many, "ENABLED"))), why);
    let why = InvalidResponse::Value { member: "keyStatus" };
    assert_eq!(invalid(told(with("AES_256", &["ENCRYPT"], "enabled"))), why);
    assert_eq!(invalid(told(json!({ "keySpec": "AES_256" }))), InvalidResponse::Member);
}

#[test]
fn a_health_answer_is_taken_whole_or_not_at_all() {
    let node = |status: &str| json!({ "id": "n1", "model": "m", "healthStatus": status });
    let answer = |size: u32, nodes: Vec<Value>| json!({ "xksProxyFleetSize": size, "xksProxyVendor": "v", "xksProxyModel": "p", "ekmVendor": "e", "ekmFleetDetails": nodes });
    let told = |answer: Value| {
        let proxy = Proxy::start(move |asked| {
            let metadata = json!({ "kmsOperation": "KmsHealthCheck", "kmsRequestId": "request-2" });
            assert_eq!((asked.path.as_str(), &asked.body["requestMetadata"]), ("/store/kms/xks/v1/health", &metadata));
            Act::json(200, &answer)
        });
        proxy.client(PATIENT).health("KmsHealthCheck", "request-2")
    };
    let health = told(answer(2, vec![node("UNAVAILABLE"), node("DEGRADED")])).unwrap();
    assert!(health.serves());
    assert_eq!((health.proxies, health.nodes[0].status), (2, HealthStatus::Unavailable));
    assert!(!told(answer(1, vec![node("UNAVAILABLE")])).unwrap().serves());
    for (answer, why) in [
        (answer(0, vec![node("ACTIVE")]), InvalidResponse::Value { member: "xksProxyFleetSize" }),
        (answer(1, Vec::new()), InvalidResponse::Length { member: "ekmFleetDetails", length: 0 }),
        (answer(1, vec![node("ACTIVE"); 11]), InvalidResponse::Length { member: "ekmFleetDetails", length: 11 }),
        (answer(1, vec![node("FINE")]), InvalidResponse::Value { member: "healthStatus" }),
    ] {
        assert_eq!(invalid(told(answer)), why);
    }
}

#[test]
fn more_than_every_proxy_must_take_is_never_sent() {
    let (proxy, asked) = listening();
    let client = proxy.client(PATIENT);
    let long = SecretBytes::take(vec![0; limits::PLAINTEXT_BYTES + 1]);
    let told = client.encrypt(key(), &metadata(), &long, b"").err().unwrap();
    assert!(matches!(told, XksError::TooLong { member: "plaintext", bytes: 4301, most: 4300 }), "{told:?}");
    let told = client.encrypt(key(), &metadata(), &plaintext(), &[0; limits::ASSOCIATED_DATA_BYTES + 1]).err().unwrap();
    assert!(matches!(told, XksError::TooLong { bytes: 8193, .. }), "{told:?}");
    let sealed = Sealed::new(vec![0; limits::PLAINTEXT_BYTES + 1], vec![0; 12], &[0; 16], Vec::new()).unwrap();
    let told = client.decrypt(key(), &metadata(), &sealed, b"").err().unwrap();
    assert!(matches!(told, XksError::TooLong { member: "ciphertext", .. }), "{told:?}");
    assert!(asked.lock().unwrap().is_empty());
}
