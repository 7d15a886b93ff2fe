//! What is wrong with a request is told as AWS tells it.

use http::StatusCode;
use serde_json::{Value, json};
use strongroom_aws_kms::Kms;
use strongroom_aws_sts::Sts;
use strongroom_model::clock::Clock as _;
use strongroom_sigv4::SigningTime;
use strongroom_testkit::engine::{ACCOUNT, REGION};

use crate::support::{Service, b64, in_other_account, signed_at};

#[test]
fn each_broken_constraint_is_named_and_several_at_once() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    let one = |text: &str| format!("1 validation error detected: {text}");
    let cases: Vec<(&str, Value, String)> = vec![
        ("Encrypt", json!({"KeyId": id}), one("Value null at 'plaintext' failed to satisfy constraint: Member must not be null")),
        ("Encrypt", json!({"KeyId": id, "Plaintext": ""}), one("Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1")),
        ("Encrypt", json!({"KeyId": id, "Plaintext": b64(&[0; 4097])}), one("Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")),
        ("Decrypt", json!({"CiphertextBlob": b64(&[0; 6145])}), one("Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length less than or equal to 6144")),
        ("DescribeKey", json!({"KeyId": ""}), one("Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1")),
        ("ListKeys", json!({"Limit": 0}), one("Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1")),
        ("ListKeys", json!({"Limit": 1001}), one("Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000")),
        ("ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 6}), one("Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7")),
        ("EnableKeyRotation", json!({"KeyId": id, "RotationPeriodInDays": 2561}), one("Value '2561' at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value less than or equal to 2560")),
        ("GenerateMac", json!({"KeyId": id, "Message": b64(b"m"), "MacAlgorithm": "MD5"}), one("Value 'MD5' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_224, HMAC_SHA_256, HMAC_SHA_384, HMAC_SHA_512]")),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_192"}), one("Value 'AES_192' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]")),
        ("GenerateDataKey", json!({"KeyId": id}), "Please specify either number of bytes or key spec.".to_owned()),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256", "NumberOfBytes": 32}), "Please specify either number of bytes or key spec.".to_owned()),
        ("CreateKey", json!({"KeySpec": "RSA_2048"}), "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.".to_owned()),
        ("CreateKey", json!({"KeySpec": "HMAC_256", "KeyUsage": "ENCRYPT_DECRYPT"}), "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec HMAC_256".to_owned()),
        ("Encrypt", json!({}), "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; Value null at 'plaintext' failed to satisfy constraint: Member must not be null".to_owned()),
    ];
    for (operation, request, message) in cases {
        assert_eq!(service.refused(operation, request), ("ValidationException".to_owned(), message), "{operation}");
    }
}

#[test]
fn bodies_that_are_no_requests_are_serialization_errors() {
    let service = Service::new();
    for body in ["", "{", "[]", "null", "{\"Limit\":\"ten\"}", "{\"Limit\":1,\"Limit\":2}", "{\"Marker\":7}"] {
        let reply = service.raw(&service.admin, "ListKeys", body.as_bytes().to_vec(), |_| ());
        assert_eq!(reply.error().0, "SerializationException", "{body}");
        assert_eq!(reply.json(), json!({"__type": "SerializationException"}));
    }
    let key = service.key();
    assert_eq!(
        service.refused("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": "!"})).0,
        "SerializationException"
    );
}

#[test]
fn what_aws_offers_and_we_do_not_is_unsupported() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    for (operation, request) in [
        ("CreateKey", json!({"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"})),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256", "Recipient": {"AttestationDocument": "AA=="}})),
        ("EnableKeyRotation", json!({"KeyId": service.key_of("HMAC_256", "GENERATE_VERIFY_MAC")["KeyId"]})),
    ] {
        assert_eq!(service.refused(operation, request).0, "UnsupportedOperationException", "{operation}");
    }
    assert_eq!(service.refused("StealKeys", json!({})).0, "UnknownOperationException");
}

#[test]
fn what_is_signed_for_kms_is_answered_as_by_kms_whatever_its_target() {
    let service = Service::new();
    for target in ["", "TrentService", "Nope.Encrypt", "DynamoDB_20120810.ListTables"] {
        let now = SigningTime::from_unix_millis(i64::try_from(service.test.clock.now().0).unwrap());
        let fields = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let fields = if target.is_empty() { &fields[..1] } else { &fields };
        let request = signed_at(&service.admin, fields, b"{}".to_vec(), REGION, "kms", now);
        assert!(Kms::owns(&request.head) && Kms::max_body_bytes(&request.head) > 0, "{target}");
        let reply = service.send(request);
        assert_eq!((reply.status, reply.error().0.as_str()), (StatusCode::BAD_REQUEST, "UnknownOperationException"));
    }
}

#[test]
fn a_user_of_another_account_uses_a_key_that_it_is_given_and_governs_it_by_no_policy() {
    let service = Service::new();
    let stranger = in_other_account(&service);
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let statement =
        json!({"Effect": "Allow", "Principal": {"AWS": [root, stranger.arn]}, "Action": "kms:*", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let key = service.ok("CreateKey", json!({"Policy": policy}))["KeyMetadata"]["Arn"].clone();
    let one = json!({"KeyId": key});
    for (operation, request) in [
        ("Encrypt", json!({"KeyId": key, "Plaintext": b64(b"p")})),
        ("GenerateDataKey", json!({"KeyId": key, "KeySpec": "AES_256"})),
        ("DescribeKey", one.clone()),
        ("GetKeyRotationStatus", one.clone()),
        ("ListGrants", one.clone()),
        ("CreateGrant", json!({"KeyId": key, "GranteePrincipal": stranger.arn, "Operations": ["Decrypt"]})),
    ] {
        service.ok_as(&stranger, operation, request);
    }
    for (operation, request) in [
        ("DisableKey", one.clone()),
        ("EnableKey", one.clone()),
        ("ScheduleKeyDeletion", one.clone()),
        ("CancelKeyDeletion", one.clone()),
        ("PutKeyPolicy", json!({"KeyId": key, "Policy": policy})),
        ("GetKeyPolicy", one.clone()),
        ("ListKeyPolicies", one.clone()),
        ("UpdateKeyDescription", json!({"KeyId": key, "Description": "mine"})),
        ("TagResource", json!({"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]})),
        ("UntagResource", json!({"KeyId": key, "TagKeys": ["a"]})),
        ("ListResourceTags", one.clone()),
        ("EnableKeyRotation", one.clone()),
        ("DisableKeyRotation", one.clone()),
        ("ListKeyRotations", one.clone()),
        ("RotateKeyOnDemand", one),
        ("CreateAlias", json!({"AliasName": "alias/theirs", "TargetKeyId": key})),
        (
            "GetParametersForImport",
            json!({"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}),
        ),
    ] {
        let reply = service.call(&stranger, operation, request);
        assert_eq!(reply.error().0, "AccessDeniedException", "{operation}");
    }
}

#[test]
fn a_log_that_cannot_be_written_refuses_and_heals() {
    use std::sync::atomic::Ordering;
    let service = Service::new();
    let key = service.key();
    let request = json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")});
    service.test.log.refuses.store(true, Ordering::SeqCst);
    let reply = service.call(&service.admin, "Encrypt", request.clone());
    assert_eq!((reply.status.as_u16(), reply.error().0.as_str()), (500, "KMSInternalException"));
    assert_eq!(service.call(&service.admin, "StealKeys", json!({})).status.as_u16(), 500);
    service.test.log.refuses.store(false, Ordering::SeqCst);
    service.ok("Encrypt", request);
}

#[test]
fn operators_are_told_what_failed_under_the_request_id_and_nothing_of_what_did_not() {
    use std::sync::atomic::Ordering;
    let service = Service::new();
    let request = json!({"KeyId": service.key()["KeyId"], "Plaintext": b64(b"p")});
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _held = tracing::subscriber::set_default(subscriber);
    service.ok("Encrypt", request.clone());
    service.refused("Encrypt", json!({"KeyId": "alias/absent", "Plaintext": b64(b"p")}));
    assert!(!lines.text().contains("aws-kms"), "{}", lines.text());
    service.test.log.refuses.store(true, Ordering::SeqCst);
    let reply = service.call(&service.admin, "Encrypt", request);
    let id = reply.headers["x-amzn-requestid"].to_str().unwrap();
    assert!(lines.text().contains(id) && lines.text().contains("aws-kms"), "{}", lines.text());
}

/// The operators' log, in memory.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_stays_short_however_much_is_wrong() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    let many = vec!["x"; 10_000];
    let grantee = &service.admin.arn;
    let too_long = |path: &str, most: usize| {
        format!("' at '{path}' failed to satisfy constraint: Member must have length less than or equal to {most}")
    };
    for (operation, request, path, most) in [
        ("CreateGrant", json!({"KeyId": id, "GranteePrincipal": grantee, "Operations": many}), "operations", 64),
        ("UntagResource", json!({"KeyId": id, "TagKeys": vec![""; 10_000]}), "tagKeys", 50),
        ("DescribeKey", json!({"KeyId": id, "GrantTokens": vec![""; 10_000]}), "grantTokens", 10),
        ("Decrypt", json!({"CiphertextBlob": b64(b"c"), "DryRunModifiers": many}), "dryRunModifiers", 8),
    ] {
        let (_, message) = service.refused(operation, request);
        assert!(message.starts_with("1 validation error detected: Value '["), "{operation}: {message}");
        assert!(message.ends_with(&too_long(path, most)) && message.len() < 512, "{operation}: {message}");
    }
    let tags = json!({"KeyId": id, "Tags": vec![json!({}); 10_000]});
    let (code, message) = service.refused("TagResource", tags);
    assert_eq!(code, "ValidationException");
    assert!(message.starts_with("16 validation errors detected: ") && message.len() < 4096, "{message}");
}

#[test]
fn an_encryption_context_of_too_many_pairs_is_refused() {
    let service = Service::new();
    let key = service.key();
    let context: serde_json::Map<String, Value> = (0..5000).map(|pair| (pair.to_string(), json!(""))).collect();
    let request = json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p"), "EncryptionContext": context});
    assert_eq!(service.refused("Encrypt", request).0, "SerializationException");
}

#[test]
fn a_body_has_the_length_that_its_front_end_takes_and_none_where_there_is_no_front_end() {
    let service = Service::new();
    let kms = service.signed(&service.admin, "Encrypt", Vec::new(), "eu-test-1", "kms").head;
    assert_eq!((Kms::max_body_bytes(&kms), Sts::max_body_bytes(&kms)), (128 * 1024, 0));
    let form = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let (form, ()) = form.body(()).unwrap().into_parts();
    assert_eq!((Kms::max_body_bytes(&form), Sts::max_body_bytes(&form)), (0, 96 * 1024));
}
