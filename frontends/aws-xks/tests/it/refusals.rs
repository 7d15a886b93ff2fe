//! What is refused, by which name and status, and what is told of it.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use strongroom_engine::operations::credential::{ChangeCredential, Fate};
use strongroom_engine::operations::external_link::{CreateDoubledKey, CreateExternalLink};
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::store_link::{ConnectStoreLink, LinkPlace, ListStoreLinks};
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{Call, EngineError, KeyReference, LinkState, Mode, SecretBytes};
use strongroom_model::action::Action;
use strongroom_model::external::{ExternalAddress, ExternalCredential};
use strongroom_model::id::TenantId;
use strongroom_model::spec::Origin;
use strongroom_testkit::engine::{REGION, TestEngine, operator};
use strongroom_testkit::external::TestManagers;

use crate::house::{
    DIALECT, House, ID, KEY, PREFIX, SECRET, Signing, bind, encrypt_body, key_of, metadata, pass, store,
};

const INVALID: (u16, &str) = (400, "ValidationException");
const UNPROVED: (u16, &str) = (401, "AuthenticationFailedException");
const DAMAGED: (u16, &str) = (400, "InvalidCiphertextException");
const STATE: (u16, &str) = (400, "InvalidStateException");

fn encoded(bytes: usize) -> String {
    STANDARD.encode(vec![9; bytes])
}

#[test]
fn other_methods_are_not_allowed_signed_or_not() {
    let house = House::new();
    for rest in ["health", "keys/foo/metadata", "keys/foo/encrypt", "keys/foo/decrypt"] {
        let path = format!("/{PREFIX}/kms/xks/v1/{rest}");
        for signed in [false, true] {
            let mut request = house.signed(&path, "", &Signing::default());
            request.head.method = Method::GET;
            if !signed {
                request.head.headers.remove("authorization");
            }
            let answer = house.send(request);
            assert_eq!((answer.status.as_u16(), answer.headers["allow"].to_str().unwrap()), (405, "POST"), "{rest}");
        }
        // One with a body is refused before that is read.
        let mut request = house.signed(&path, "", &Signing::default());
        request.head.method = Method::GET;
        assert_eq!(strongroom_aws_xks::Xks::max_body_bytes(&request.head), 0);
        let refused = house.xks.refuse(&request.head, strongroom_http::Refusal::BodyTooLarge { limit: 0 });
        assert_eq!(refused.status().as_u16(), 405);
    }
}

#[test]
fn other_paths_lead_nowhere() {
    let house = House::new();
    let body = encrypt_body();
    for path in [
        format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/sign"),
        format!("/{PREFIX}/kms/xks/v1/keys/f%6fo/encrypt"),
        format!("/{PREFIX}/kms/xks/v1/keys/{}/encrypt", "k".repeat(129)),
        format!("/{PREFIX}/kms/xks/v2/keys/{KEY}/encrypt"),
        format!("/{PREFIX}/invalid/kms/xks/v1/keys/{KEY}/encrypt"),
        format!("/kms/xks/v1/keys/{KEY}/encrypt"),
        format!("/cloud/kms/xks/v1/keys/{KEY}/encrypt"),
    ] {
        let answer = house.post_as(&path, &body, &Signing::default());
        assert_eq!(answer.error(), (404, "InvalidUriPathException"), "{path}");
    }
    let mut asked = house.signed(&format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/encrypt"), "{}", &Signing::default());
    asked.head.uri = format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/encrypt?a=b").parse().unwrap();
    assert_eq!(house.send(asked).error(), (404, "InvalidUriPathException"));
    let answer = house.ask("keys/bar/encrypt", &body);
    assert_eq!(answer.error(), (404, "KeyNotFoundException"));
    // The test key has a name that no path can have.
    assert!(answer.body["errorMessage"].as_str().unwrap().contains("bar"), "{answer:?}");
}

#[test]
fn whoever_is_not_proved_is_refused() {
    let house = House::new();
    let path = format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/encrypt");
    let wrong = [
        Signing { id: format!("Invalid{ID}"), ..Signing::default() },
        Signing { secret: format!("Invalid{SECRET}"), ..Signing::default() },
        Signing { region: "us-west-2", ..Signing::default() },
        // One that the listener serves, and this store does not sign for.
        Signing { region: "eu-west-1", ..Signing::default() },
        Signing { service: "kms", ..Signing::default() },
        Signing { skew: 301, ..Signing::default() },
        Signing { skew: -301, ..Signing::default() },
    ];
    for signing in wrong {
        assert_eq!(house.post_as(&path, &encrypt_body(), &signing).error(), UNPROVED, "{}", signing.region);
    }
    for skew in [299, -299] {
        assert_eq!(house.post_as(&path, &encrypt_body(), &Signing { skew, ..Signing::default() }).status, 200);
    }
    let changed = |change: fn(&mut http::HeaderMap)| {
        let mut request = house.signed(&path, &encrypt_body().to_string(), &Signing::default());
        change(&mut request.head.headers);
        house.send(request)
    };
    assert_eq!(changed(|headers| drop(headers.remove("authorization"))).error(), UNPROVED);
    for (without, name) in [("host;", "host"), (";x-amz-date", "x-amz-date")] {
        let mut request = house.signed(&path, &encrypt_body().to_string(), &Signing::default());
        let authorization = request.head.headers["authorization"].to_str().unwrap().replace(without, "");
        request.head.headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        assert_eq!(house.send(request).error(), UNPROVED, "{name} is not signed");
    }
    let mut request = house.signed(&path, &encrypt_body().to_string(), &Signing::default());
    request.body = "{}".into();
    assert_eq!(house.send(request).error(), UNPROVED, "the body is signed");
    // More headers may be signed than must be; the content type was, all the time.
    assert_eq!(changed(|headers| drop(headers.insert("accept", HeaderValue::from_static("*/*")))).status, 200);
}

#[test]
fn a_credential_of_anyone_else_proves_no_key_store_and_one_of_a_key_store_proves_nothing_elsewhere() {
    let house = House::new();
    let _ = house.test.user("anna", None);
    let create = strongroom_engine::operations::credential::CreateCredential {
        tenant: house.test.tenant.id,
        principal: Some("anna".to_owned()),
        shown: "AKIAUSER".to_owned(),
        secret: SecretBytes::copy_from(SECRET.as_bytes()),
        expires: None,
    };
    house.test.run(&operator(), create).unwrap();
    let signing = Signing { id: "AKIAUSER".to_owned(), ..Signing::default() };
    let path = format!("/{PREFIX}/kms/xks/v1/health");
    assert_eq!(house.post_as(&path, &json!({}), &signing).error(), UNPROVED);

    let identified = strongroom_testkit::engine::block_on(house.test.engine.identify(ID)).unwrap();
    let call = strongroom_testkit::engine::call(&identified.caller());
    let who = strongroom_engine::operations::inspect::WhoAmI;
    let refused = house.test.engine.perform_blocking(call, who, Mode::Run).unwrap_err();
    assert!(matches!(refused, EngineError::NotFound(_)), "{refused}");
    // Nor does anyone who is no key store get through the engine in this language.
    let call = Call { caller: house.test.root(), ..Call::internal("", "Encrypt", *DIALECT) };
    let key = KeyReference::Id(house.key.row.id);
    let inspect = strongroom_engine::operations::inspect::InspectKey { key, action: Action::DescribeKey };
    assert!(house.test.engine.perform_blocking(call, inspect, Mode::Run).is_err());
}

#[test]
fn malformed_requests_are_named() {
    let house = House::new();
    for (more, told) in [
        (json!({"requestMetadata": null}), "requestMetadata is missing"),
        (json!({"requestMetadata": {}}), "awsPrincipalArn is missing"),
        (json!({"plaintext": null}), "plaintext is missing"),
        (json!({"plaintext": ""}), "plaintext is empty"),
        (json!({"plaintext": "*"}), "plaintext is not base64"),
        (json!({"plaintext": 7}), "the body"),
        (json!({"encryptionAlgorithm": null}), "encryptionAlgorithm is missing"),
        (json!({"encryptionAlgorithm": "AES_CBC"}), "encryptionAlgorithm must be AES_GCM"),
        (json!({"ciphertextDataIntegrityValueAlgorithm": "SHA_1"}), "must be SHA_256"),
        (json!({"additionalAuthenticatedData": "="}), "additionalAuthenticatedData is not base64"),
    ] {
        let answer = house.encrypt(more);
        assert_eq!(answer.error(), INVALID, "{told}");
        assert!(answer.body["errorMessage"].as_str().unwrap().contains(told), "{answer:?}");
    }
    for body in ["", "[]", "{", "null", "{\"plaintext\":\"c2VjcmV0\",\"plaintext\":\"c2VjcmV0\"}"] {
        let path = format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/encrypt");
        let answer = house.send(house.signed(&path, body, &Signing::default()));
        assert_eq!(answer.error(), INVALID, "{body}");
        assert!(!answer.body.to_string().contains("c2VjcmV0"), "no plaintext is told back");
    }
}

#[test]
fn lengths_of_the_parts_are_checked_before_anything_is_opened() {
    let house = House::new();
    let encrypted = house.encrypt(json!({}));
    for length in [0, 1, 11, 13, 15, 17] {
        assert_eq!(house.decrypt(&encrypted, json!({"initializationVector": encoded(length)})).error(), INVALID);
    }
    for length in [0, 12, 15, 17] {
        assert_eq!(house.decrypt(&encrypted, json!({"authenticationTag": encoded(length)})).error(), INVALID);
    }
    assert_eq!(house.decrypt(&encrypted, json!({"ciphertextMetadata": encoded(21)})).error(), INVALID);
    assert_eq!(house.decrypt(&encrypted, json!({"ciphertext": null})).error(), INVALID);
}

#[test]
fn whatever_was_changed_does_not_open() {
    let house = House::new();
    let encrypted = house.encrypt(json!({"additionalAuthenticatedData": "YWFk"}));
    let aad = json!("YWFk");
    let with = |member: &str, bytes: Vec<u8>| {
        let mut more = json!({ "additionalAuthenticatedData": aad });
        more[member] = json!(STANDARD.encode(bytes));
        house.decrypt(&encrypted, more)
    };
    for member in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
        let original = encrypted.bytes(member);
        for index in 0..original.len() {
            let mut changed = original.clone();
            changed[index] ^= 1;
            assert_eq!(with(member, changed).error(), DAMAGED, "{member} {index}");
        }
    }
    assert_eq!(with("initializationVector", vec![1; 16]).error(), DAMAGED);
    // A byte moved over the boundary between ciphertext and tag, and metadata moved into the associated data.
    let (mut ciphertext, tag) = (encrypted.bytes("ciphertext"), encrypted.bytes("authenticationTag"));
    ciphertext.push(tag[0]);
    assert_eq!(with("ciphertext", ciphertext).error(), DAMAGED);
    let moved = [b"aad".to_vec(), encrypted.bytes("ciphertextMetadata")].concat();
    let more = json!({"additionalAuthenticatedData": STANDARD.encode(moved), "ciphertextMetadata": null});
    assert_eq!(house.decrypt(&encrypted, more).error(), DAMAGED);
    for associated in [Value::Null, json!(""), json!("YWFl")] {
        let more = json!({ "additionalAuthenticatedData": associated });
        assert_eq!(house.decrypt(&encrypted, more).error(), DAMAGED);
    }
}

#[test]
fn more_than_we_take_is_not_supported() {
    let house = House::new();
    let unsupported = (501, "UnsupportedOperationException");
    assert_eq!(house.encrypt(json!({"plaintext": encoded(8193)})).error(), unsupported);
    assert_eq!(house.encrypt(json!({"additionalAuthenticatedData": encoded(65_536)})).error(), unsupported);
    let encrypted = house.encrypt(json!({}));
    assert_eq!(house.decrypt(&encrypted, json!({"ciphertext": encoded(8193)})).error(), unsupported);
    let more = json!({"additionalAuthenticatedData": encoded(65_536)});
    assert_eq!(house.decrypt(&encrypted, more).error(), unsupported);
}

#[test]
fn the_kill_switches_of_key_store_tenant_and_installation_answer_invalid_state() {
    let house = House::new();
    let encrypted = house.encrypt(json!({}));
    let key = KeyReference::Id(house.key.row.id);
    let health = || house.ask("health", &json!({ "requestMetadata": metadata() }));
    house.test.run(&house.test.root(), EditKey { key: key.clone(), edit: Edit::Suspend }).unwrap();
    assert_eq!((house.encrypt(json!({})).error(), house.decrypt(&encrypted, json!({})).error()), (STATE, STATE));
    assert_eq!(health().status, 200, "the other keys serve");
    house.test.run(&house.test.root(), EditKey { key, edit: Edit::Resume }).unwrap();
    assert_eq!(house.encrypt(json!({})).status, 200);
    house.block(true);
    assert_eq!((house.encrypt(json!({})).error(), house.decrypt(&encrypted, json!({})).error()), (STATE, STATE));
    assert_eq!(health().error(), STATE);
    let message = || health().body["errorMessage"].as_str().unwrap_or_default().to_owned();
    assert_eq!(message(), "the key store is blocked");
    house.block(false);
    assert_eq!(house.decrypt(&encrypted, json!({})).status, 200);
    for tenant in [house.test.tenant.id, TenantId::INSTALLATION] {
        let suspend = |suspended| SuspendTenant { tenant, suspended };
        house.test.run(&operator(), suspend(true)).unwrap();
        assert_eq!((house.encrypt(json!({})).error(), health().error()), (STATE, STATE));
        assert_eq!(message(), "the key store's tenant is suspended, or the whole installation");
        house.test.run(&operator(), suspend(false)).unwrap();
        assert_eq!(health().status, 200);
    }
}

#[test]
fn a_credential_that_is_taken_away_proves_nothing_from_then_on() {
    let house = House::new();
    assert_eq!(house.encrypt(json!({})).status, 200);
    let change = ChangeCredential { tenant: house.test.tenant.id, shown: ID.to_owned(), fate: Fate::Deleted };
    house.test.run(&house.test.root(), change).unwrap();
    assert_eq!(house.encrypt(json!({})).error(), UNPROVED);
}

#[test]
fn two_key_stores_cannot_have_the_same_prefix_and_a_prefix_has_a_form() {
    let house = House::new();
    assert!(matches!(store(&house.test, "two", PREFIX), Err(EngineError::AlreadyExists(_))));
    assert!(matches!(store(&house.test, "one", "another"), Err(EngineError::AlreadyExists(_))));
    for prefix in ["/a", "a/", "a//b", "a b", "ä", &"p".repeat(118)] {
        assert!(matches!(store(&house.test, "three", prefix), Err(EngineError::InvalidInput(_))), "{prefix}");
    }
    store(&house.test, "three", "").unwrap();
}

#[test]
fn a_key_that_an_external_key_manager_doubles_is_none_for_a_key_store() {
    let managers = TestManagers::new(&["outside"], ("KNOWN", b"secret"));
    let test = TestEngine::new().with_external(std::sync::Arc::new(managers));
    store(&test, "one", PREFIX).unwrap();
    let place = LinkPlace { tenant: test.tenant.id, region: REGION.into() };
    let (id, name) = ("link".to_owned(), "link".to_owned());
    let (endpoint, path) = ("https://xks.example".to_owned(), "/api".to_owned());
    let address = ExternalAddress { endpoint, path, service: None };
    let credential = ExternalCredential { shown: "KNOWN".to_owned(), secret: SecretBytes::copy_from(b"secret") };
    let create =
        CreateExternalLink { place: place.clone(), id: id.clone(), name, address, service_owner: None, credential };
    test.run(&test.root(), create).unwrap();
    test.run(&test.root(), ConnectStoreLink { place: place.clone(), id: id.clone() }).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let links = || test.run(&test.root(), ListStoreLinks { place: place.clone() }).unwrap();
    while links()[0].state != LinkState::Connected {
        assert!(Instant::now() < until, "never: {:?}", links());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let mut key = key_of(&test, "ignored");
    (key.name, key.origin) = (test.key_name(), Origin::Doubled);
    let made = test.run(&test.root(), CreateDoubledKey { key, link: id, external: "outside".to_owned() }).unwrap();
    assert!(matches!(bind(&test, "one", "foo", made.row.id, None), Err(EngineError::Unsupported(_))));
}

#[test]
fn every_refusal_is_recorded_with_the_request_that_the_cloud_knows() {
    let house = House::new();
    house.encrypt(json!({"plaintext": "*"}));
    house.encrypt(json!({}));
    pass(&house.test, 1);
    let records = house.test.records();
    let told = |record: &strongroom_audit::record::SealedRecord, text: &str| {
        record.bytes().windows(text.len()).any(|window| window == text.as_bytes())
    };
    let [refused, done] = records.last_chunk::<2>().unwrap();
    for record in [refused, done] {
        for text in ["4112f4d6-db54-4af4-ae30-c55a22a8dfae", "arn:aws:iam::123456789012:user/Alice", "ebs", ID] {
            assert!(told(record, text), "{text}");
        }
        assert!(!told(record, "Hello World!") && !told(record, SECRET));
    }
    assert!(told(refused, "ValidationException") && told(done, "xks-proxy:eu-test-1:111122223333:store/one/key/foo"));
}

#[test]
fn beyond_what_is_worked_on_and_beyond_the_time_for_it_the_cloud_is_told_at_once() {
    let mut house = House::new();
    let path = format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/encrypt");
    let request = house.signed(&path, "{}", &Signing::default());
    assert_eq!(house.xks.overloaded(&request.head).status().as_u16(), 429);
    let longer = house.xks.refuse(&request.head, strongroom_http::Refusal::BodyTooLarge { limit: 131_072 });
    assert_eq!(longer.status().as_u16(), 501);
    let engine = std::sync::Arc::clone(&house.test.engine);
    house.xks = strongroom_aws_xks::Xks::new(engine, *DIALECT).with_deadline(Duration::ZERO);
    assert_eq!(house.encrypt(json!({})).error(), (503, "DependencyTimeoutException"));
}
