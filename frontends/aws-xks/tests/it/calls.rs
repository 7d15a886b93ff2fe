//! The four calls, when all is well.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_audit::hash::Hash;
use strongroom_engine::operations::import::{GetImportParameters, ImportMaterial};
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::service::UpdateService;
use strongroom_engine::{KeyEntry, KeyReference, RotationCause, Serves};
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{TestEngine, by_name, wrapped_for_import};

use crate::house::{House, KEY, PREFIX, Signing, bind, credential, encrypt_body, merged, metadata, new_key, store};

const AAD: &str = "cHJvamVjdD1uaWxlLGRlcGFydG1lbnQ9bWFya2V0aW5n";

#[test]
fn what_was_encrypted_decrypts_with_and_without_associated_data() {
    let house = House::new();
    for associated in [Value::Null, json!(AAD), json!("")] {
        let encrypted = house.encrypt(json!({ "additionalAuthenticatedData": associated }));
        assert_eq!(encrypted.status, 200, "{encrypted:?}");
        assert_eq!(encrypted.bytes("ciphertext").len(), 12);
        assert_eq!(encrypted.bytes("initializationVector").len(), 12);
        assert_eq!(encrypted.bytes("authenticationTag").len(), 16);
        assert_eq!(encrypted.bytes("ciphertextMetadata").len(), 20);
        assert_eq!(encrypted.body["ciphertextDataIntegrityValue"], Value::Null);
        let decrypted = house.decrypt(&encrypted, json!({ "additionalAuthenticatedData": associated }));
        assert_eq!((decrypted.status.as_u16(), decrypted.bytes("plaintext")), (200, b"Hello World!".to_vec()));
    }
    // By the specification's construction nothing and no bytes are the same.
    let encrypted = house.encrypt(json!({ "additionalAuthenticatedData": "" }));
    assert_eq!(house.decrypt(&encrypted, json!({})).status, 200);
}

#[test]
fn the_integrity_value_is_over_everything_in_the_specifications_order() {
    let house = House::new();
    for associated in [Value::Null, json!(AAD)] {
        let more = json!({
            "additionalAuthenticatedData": associated, "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
        });
        let encrypted = house.encrypt(more);
        let aad = associated.as_str().map(|text| STANDARD.decode(text).unwrap()).unwrap_or_default();
        let members = ["ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag"];
        let parts = members.map(|member| encrypted.bytes(member)).concat();
        let expected = *Hash::of([aad.as_slice(), &parts]).as_bytes();
        assert_eq!(encrypted.bytes("ciphertextDataIntegrityValue"), expected);
    }
}

#[test]
fn metadata_tells_spec_usage_and_status_exactly() {
    let house = House::new();
    let ask = |id: &str| house.ask(&format!("keys/{id}/metadata"), &json!({ "requestMetadata": metadata() }));
    let whole = json!({"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"});
    assert_eq!(ask(KEY).body, whole);
    let key = KeyReference::Id(house.key.row.id);
    house.test.run(&house.test.root(), EditKey { key: key.clone(), edit: Edit::Suspend }).unwrap();
    assert_eq!(ask(KEY).body["keyStatus"], "DISABLED");
    house.test.run(&house.test.root(), EditKey { key, edit: Edit::Resume }).unwrap();
    assert_eq!(ask(KEY).body["keyStatus"], "ENABLED");
    for (id, serves, usage) in [
        ("e", Serves::Applying, json!(["ENCRYPT"])),
        ("d", Serves::Processing, json!(["DECRYPT"])),
        ("n", Serves::Nothing, json!([])),
    ] {
        bind(&house.test, "one", id, house.key.row.id, Some(serves)).unwrap();
        assert_eq!(ask(id).body["keyUsage"], usage);
    }
}

#[test]
fn a_key_may_be_bound_for_one_direction_only() {
    let house = House::new();
    for (id, serves) in [("e", Serves::Applying), ("d", Serves::Processing), ("n", Serves::Nothing)] {
        bind(&house.test, "one", id, house.key.row.id, Some(serves)).unwrap();
    }
    let encrypted = house.encrypt(json!({}));
    let unfit = (400, "InvalidKeyUsageException");
    for (id, encrypts, decrypts) in [("e", true, false), ("d", false, true), ("n", false, false)] {
        let answer = house.ask(&format!("keys/{id}/encrypt"), &encrypt_body());
        assert_eq!(answer.status == 200, encrypts, "{id} {answer:?}");
        assert!(encrypts || answer.error() == unfit, "{answer:?}");
        let answer = house.ask(&format!("keys/{id}/decrypt"), &crate::house::decrypt_body(&encrypted));
        assert_eq!(answer.status == 200, decrypts, "{id} {answer:?}");
        assert!(decrypts || answer.error() == unfit, "{answer:?}");
    }
    // To check the ciphertext is to decrypt.
    let checked = merged(encrypt_body(), json!({"ciphertextDataIntegrityValueAlgorithm": "SHA_256"}));
    assert_eq!(house.ask("keys/e/encrypt", &checked).error(), unfit);
}

#[test]
fn what_was_encrypted_before_a_rotation_decrypts_after_it() {
    let house = House::new();
    let before = house.encrypt(json!({}));
    let key = KeyReference::Id(house.key.row.id);
    house.test.run(&house.test.root(), RotateKey { key, cause: RotationCause::OnDemand }).unwrap();
    let after = house.encrypt(json!({}));
    assert_ne!(before.bytes("ciphertextMetadata")[1..5], after.bytes("ciphertextMetadata")[1..5]);
    for encrypted in [&before, &after] {
        assert_eq!(house.decrypt(encrypted, json!({})).bytes("plaintext"), b"Hello World!");
    }
}

#[test]
fn two_credentials_live_at_once_and_each_store_has_its_own() {
    let house = House::new();
    credential(&house.test, "one", "AKIABBBBBBBBBBBBBBBB", "AnotherSecretOfTheSameStoreWith43CharactersOrMore");
    store(&house.test, "two", "two").unwrap();
    credential(&house.test, "two", "AKIACCCCCCCCCCCCCCCC", "TheSecretOfTheOtherStoreWhichHas43CharactersToo");
    let _ = new_key(&house.test, "two", "bar");
    let body = json!({ "requestMetadata": metadata() });
    let signing =
        |id: &str, secret: &str| Signing { id: id.to_owned(), secret: secret.to_owned(), ..Signing::default() };
    let second = signing("AKIABBBBBBBBBBBBBBBB", "AnotherSecretOfTheSameStoreWith43CharactersOrMore");
    let other = signing("AKIACCCCCCCCCCCCCCCC", "TheSecretOfTheOtherStoreWhichHas43CharactersToo");
    let one = format!("/{PREFIX}/kms/xks/v1/keys/{KEY}/metadata");
    for signing in [&Signing::default(), &second] {
        assert_eq!(house.post_as(&one, &body, signing).status, 200);
    }
    assert_eq!(house.post_as("/two/kms/xks/v1/keys/bar/metadata", &body, &other).status, 200);
    // Neither finds the other's path, nor its keys.
    assert_eq!(house.post_as(&one, &body, &other).error(), (404, "InvalidUriPathException"));
    let strange = house.post_as(&format!("/two/kms/xks/v1/keys/{KEY}/metadata"), &body, &other);
    assert_eq!(strange.error(), (404, "KeyNotFoundException"));
}

#[test]
fn the_least_sizes_of_the_specification_and_ours_are_taken() {
    let house = House::new();
    for (plain, aad) in [(1, 0), (4300, 8192), (8192, 65_535)] {
        let associated = STANDARD.encode(vec![5; aad]);
        let more = json!({"plaintext": STANDARD.encode(vec![7; plain]), "additionalAuthenticatedData": associated});
        let encrypted = house.encrypt(more);
        assert_eq!(encrypted.status, 200, "{plain} {aad} {encrypted:?}");
        let decrypted = house.decrypt(&encrypted, json!({ "additionalAuthenticatedData": associated }));
        assert_eq!(decrypted.bytes("plaintext"), vec![7; plain]);
    }
}

#[test]
fn unknown_operations_members_and_callers_of_awss_own_are_no_fault() {
    let house = House::new();
    let arn = format!("arn:aws:iam::123456789012:role/{}", "r".repeat(2048 - 31));
    for principal in ["AWS Internal", "ebs.amazonaws.com", &arn] {
        let mut metadata = metadata();
        metadata["awsPrincipalArn"] = json!(principal);
        metadata["kmsKeyArn"] = json!(arn);
        metadata["kmsOperation"] = json!("SomethingNew");
        metadata["kmsRequestId"] = json!("no uuid");
        metadata["sourceIdentity"] = json!({"a": [1, null]});
        let answer = house.encrypt(json!({ "requestMetadata": metadata, "attestation": [1, 2, 3] }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn what_the_sample_proxy_encrypted_is_decrypted_where_the_key_store_says_so_and_with_its_own_key_only() {
    let house = House::new();
    let material = [0x11; 32];
    let key = imported(&house.test, &material);
    bind(&house.test, "one", "moved", key.row.id, None).unwrap();
    let cases: [Option<&[u8]>; 3] = [Some(b"project=nile"), None, Some(b"")];
    let bodies = cases.map(|data| sample_proxy_body(&material, data));
    let decrypt = |key: &str, body: &Value| house.ask(&format!("keys/{key}/decrypt"), body);
    let refused = (400, "InvalidKeyUsageException");
    for body in &bodies {
        assert_eq!(decrypt("moved", body).error(), refused, "the switch is off");
    }
    let switch = |on| {
        let (tenant, name) = (house.test.tenant.id, "one".to_owned());
        let update =
            UpdateService { tenant, name, regions: None, policies_tried_out: None, opens_digested_data: Some(on) };
        house.test.run(&house.test.root(), update).unwrap();
    };
    switch(true);
    for body in &bodies {
        let opened = decrypt("moved", body);
        assert_eq!((opened.status.as_u16(), opened.bytes("plaintext")), (200, b"salary".to_vec()), "{opened:?}");
    }
    // Nothing of it can be changed, left out or put beside it.
    let invalid = (400, "InvalidCiphertextException");
    let changed = [
        json!({"additionalAuthenticatedData": STANDARD.encode("project=rhine")}),
        json!({"additionalAuthenticatedData": null}),
        json!({"authenticationTag": STANDARD.encode([0; 16])}),
        json!({"ciphertextMetadata": STANDARD.encode("v1")}),
    ];
    for more in changed {
        assert_eq!(decrypt("moved", &merged(bodies[0].clone(), more.clone())).error(), invalid, "{more}");
    }
    // For decrypting only; and other keys read their own ciphertexts as before, and none of these.
    assert_eq!(house.ask("keys/moved/encrypt", &encrypt_body()).error(), refused);
    let told = house.ask("keys/moved/metadata", &json!({ "requestMetadata": metadata() }));
    assert_eq!(told.body["keyUsage"], json!(["DECRYPT"]));
    let encrypted = house.encrypt(json!({}));
    assert_eq!(house.decrypt(&encrypted, json!({})).status, 200);
    assert_eq!(decrypt(KEY, &bodies[0]).error(), invalid);
    switch(false);
    assert_eq!(decrypt("moved", &bodies[0]).error(), refused);
}

/// A key for bare AES-GCM with this material, as it came from elsewhere.
fn imported(test: &TestEngine, material: &[u8]) -> Arc<KeyEntry> {
    let key = test.create_for_import(KeySpec::Aes256, Usage::RawGcm);
    let (wrapping, wrapping_spec) = (ImportWrapping::RsaOaepSha256, KeySpec::Rsa2048);
    let parameters = GetImportParameters { key: by_name(&key), wrapping, wrapping_spec };
    let parameters = test.run(&test.root(), parameters).unwrap();
    let import = ImportMaterial {
        key: by_name(&key),
        wrapped: wrapped_for_import(&parameters.public, material),
        token: parameters.token,
        kind: None,
        material: None,
        expires: None,
        description: None,
    };
    test.run(&test.root(), import).unwrap();
    key
}

/// What a request has to decrypt of what AWS's sample proxy makes under this material (docs/formats/detached.md).
fn sample_proxy_body(material: &[u8; 32], data: Option<&[u8]>) -> Value {
    let hash = data.map(|data| [&[0, 32], Hash::of([data]).as_bytes().as_slice()].concat());
    let additional = [hash.unwrap_or_else(|| vec![0, 0]).as_slice(), &[0]].concat();
    let mut text = b"salary".to_vec();
    let tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, material).unwrap())
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key([5; 12]), Aad::from(additional), &mut text)
        .unwrap();
    let mut body = json!({
        "requestMetadata": metadata(), "encryptionAlgorithm": "AES_GCM", "ciphertext": STANDARD.encode(text),
        "initializationVector": STANDARD.encode([5; 12]), "authenticationTag": STANDARD.encode(tag.as_ref()),
    });
    if let Some(data) = data {
        body["additionalAuthenticatedData"] = STANDARD.encode(data).into();
    }
    body
}
