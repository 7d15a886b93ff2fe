//! Keys from making to destruction.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_testkit::engine::ACCOUNT;

use crate::support::{Service, b64, blob};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_key_describes_itself_as_aws_does() {
    let service = Service::new();
    let made =
        service.ok("CreateKey", json!({"Description": "Waage \"ü\"", "Tags": [{"TagKey": "team", "TagValue": "red"}]}));
    let key = &made["KeyMetadata"];
    let id = key["KeyId"].as_str().unwrap();
    let expected = json!({
        "AWSAccountId": ACCOUNT, "KeyId": id, "Arn": service.arn(&format!("key/{id}")), "CreationDate": 1_800_000_000,
        "Enabled": true, "Description": "Waage \"ü\"", "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled",
        "Origin": "AWS_KMS", "KeyManager": "CUSTOMER", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT", "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"], "MultiRegion": false,
        "CurrentKeyMaterialId": key["CurrentKeyMaterialId"],
    });
    assert_eq!(*key, expected);
    assert_eq!(key["CurrentKeyMaterialId"].as_str().unwrap().len(), 64);
    assert_eq!(service.ok("DescribeKey", json!({"KeyId": id})), made);
}

#[test]
fn each_spec_has_its_usage_and_algorithms() {
    let service = Service::new();
    for (spec, usage, member, algorithms) in [
        ("ECC_NIST_P384", "SIGN_VERIFY", "SigningAlgorithms", json!(["ECDSA_SHA_384"])),
        ("ECC_SECG_P256K1", "SIGN_VERIFY", "SigningAlgorithms", json!(["ECDSA_SHA_256"])),
        ("HMAC_224", "GENERATE_VERIFY_MAC", "MacAlgorithms", json!(["HMAC_SHA_224"])),
        ("RSA_2048", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])),
    ] {
        let key = service.key_of(spec, usage);
        assert_eq!((&key["KeySpec"], &key["KeyUsage"], &key[member]), (&json!(spec), &json!(usage), &algorithms));
        assert_eq!(key["CurrentKeyMaterialId"], Value::Null, "{spec}");
    }
}

#[test]
fn keys_are_listed_page_by_page() {
    let service = Service::new();
    let mut made: Vec<String> = (0..5).map(|_| service.key()["KeyId"].as_str().unwrap().to_owned()).collect();
    let mut listed = Vec::new();
    let mut marker = Value::Null;
    loop {
        let page = service.ok("ListKeys", json!({"Limit": 2, "Marker": marker}));
        for key in page["Keys"].as_array().unwrap() {
            listed.push(key["KeyId"].as_str().unwrap().to_owned());
            assert_eq!(key["KeyArn"], json!(service.arn(&format!("key/{}", listed.last().unwrap()))));
        }
        assert_eq!(page["Truncated"], json!(page["NextMarker"].is_string()));
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            break;
        }
    }
    made.sort_unstable();
    assert_eq!(listed, made);
}

#[test]
fn a_marker_fits_its_own_listing_alone() {
    let service = Service::new();
    service.key();
    service.key();
    let marker = service.ok("ListKeys", json!({"Limit": 1}))["NextMarker"].clone();
    for (operation, marker) in
        [("ListAliases", marker), ("ListKeys", json!("nonsense")), ("ListKeys", json!(b64(b"x")))]
    {
        assert_eq!(service.refused(operation, json!({"Marker": marker})).0, "InvalidMarkerException");
    }
}

#[test]
fn a_key_is_disabled_enabled_and_described_anew() {
    let service = Service::new();
    let key = service.key();
    let (id, arn) = (&key["KeyId"], key["Arn"].as_str().unwrap());
    let state = |enabled: bool| {
        let key = &service.ok("DescribeKey", json!({"KeyId": id}))["KeyMetadata"];
        (key["Enabled"] == json!(enabled)).then(|| key["KeyState"].as_str().unwrap().to_owned())
    };
    service.ok("DisableKey", json!({"KeyId": id}));
    assert_eq!(state(false).as_deref(), Some("Disabled"));
    let disabled = ("DisabledException".to_owned(), format!("{arn} is disabled."));
    assert_eq!(service.refused("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")})), disabled);
    service.ok("EnableKey", json!({"KeyId": arn}));
    assert_eq!(state(true).as_deref(), Some("Enabled"));
    service.ok("UpdateKeyDescription", json!({"KeyId": id, "Description": "new"}));
    assert_eq!(service.ok("DescribeKey", json!({"KeyId": id}))["KeyMetadata"]["Description"], "new");
}

#[test]
fn a_key_is_destroyed_when_its_time_has_come_and_not_before() {
    let service = Service::new();
    let key = service.key();
    let (id, arn) = (&key["KeyId"], key["Arn"].as_str().unwrap());
    let sealed = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")}));
    let reply = service.ok("ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7}));
    let due = 1_800_000_000 + 7 * 24 * 60 * 60;
    let expected = json!({"KeyId": arn, "DeletionDate": due, "KeyState": "PendingDeletion", "PendingWindowInDays": 7});
    assert_eq!(reply, expected);
    assert_eq!(service.ok("DescribeKey", json!({"KeyId": id}))["KeyMetadata"]["DeletionDate"], due);
    let dying = ("KMSInvalidStateException".to_owned(), format!("{arn} is pending deletion."));
    assert_eq!(service.refused("EnableKey", json!({"KeyId": id})), dying);
    assert_eq!(service.refused("Decrypt", json!({"CiphertextBlob": sealed["CiphertextBlob"]})), dying);
    service.ok("CancelKeyDeletion", json!({"KeyId": id}));
    let not_dying = ("KMSInvalidStateException".to_owned(), format!("{arn} is not pending deletion."));
    assert_eq!(service.refused("CancelKeyDeletion", json!({"KeyId": id})), not_dying);
    service.ok("ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7}));
    service.test.tick();
    service.test.clock.pass(DAY * 7);
    service.test.tick();
    let gone = ("NotFoundException".to_owned(), format!("Key '{arn}' does not exist"));
    assert_eq!(service.refused("DescribeKey", json!({"KeyId": id})), gone);
    let (code, _) = service.refused("Decrypt", json!({"CiphertextBlob": sealed["CiphertextBlob"]}));
    assert!(["InvalidCiphertextException", "NotFoundException"].contains(&code.as_str()), "{code}");
}

#[test]
fn a_key_rotates_when_due_and_old_ciphertext_still_opens() {
    let service = Service::new();
    let key = service.key();
    let (id, arn) = (&key["KeyId"], &key["Arn"]);
    let off = json!({"KeyId": arn, "KeyRotationEnabled": false});
    assert_eq!(service.ok("GetKeyRotationStatus", json!({"KeyId": id})), off);
    service.ok("EnableKeyRotation", json!({"KeyId": id, "RotationPeriodInDays": 90}));
    let next = 1_800_000_000 + 90 * 24 * 60 * 60;
    let on = json!({"KeyId": arn, "KeyRotationEnabled": true, "RotationPeriodInDays": 90, "NextRotationDate": next});
    assert_eq!(service.ok("GetKeyRotationStatus", json!({"KeyId": id})), on);
    let old = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"old")}));
    service.test.tick();
    service.test.clock.pass(DAY * 90);
    service.test.tick();
    service.ok("RotateKeyOnDemand", json!({"KeyId": id}));
    let opened = service.ok("Decrypt", json!({"CiphertextBlob": old["CiphertextBlob"]}));
    assert_eq!((blob(&opened, "Plaintext"), &opened["KeyMaterialId"]), (b"old".to_vec(), &key["CurrentKeyMaterialId"]));
    let listed = service.ok("ListKeyRotations", json!({"KeyId": id}));
    let kinds: Vec<_> = listed["Rotations"].as_array().unwrap().iter().map(|one| one["RotationType"].clone()).collect();
    assert_eq!(kinds, ["AUTOMATIC", "ON_DEMAND"]);
    assert_eq!((&listed["Rotations"][0]["RotationDate"], &listed["Truncated"]), (&json!(next), &json!(false)));
    let every = json!({"KeyId": id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL", "Limit": 2});
    let page = service.ok("ListKeyRotations", every.clone());
    assert_eq!(page["Rotations"][0]["KeyMaterialId"], key["CurrentKeyMaterialId"]);
    assert_eq!(page["Rotations"][0]["KeyMaterialState"], "NON_CURRENT");
    assert_eq!(page["Rotations"][0]["RotationType"], Value::Null);
    let mut rest = every;
    rest["Marker"] = page["NextMarker"].clone();
    let rest = service.ok("ListKeyRotations", rest);
    assert_eq!(rest["Rotations"].as_array().unwrap().len(), 1);
    assert_eq!(rest["Rotations"][0]["KeyMaterialState"], "CURRENT");
    service.ok("ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7}));
    assert_eq!(service.ok("GetKeyRotationStatus", json!({"KeyId": id})), off, "what is to be deleted is not rotated");
    service.ok("CancelKeyDeletion", json!({"KeyId": id}));
    service.ok("EnableKey", json!({"KeyId": id}));
    assert_eq!(service.ok("GetKeyRotationStatus", json!({"KeyId": id}))["KeyRotationEnabled"], true);
    service.ok("DisableKeyRotation", json!({"KeyId": id}));
    assert_eq!(service.ok("GetKeyRotationStatus", json!({"KeyId": id})), off);
}

#[test]
fn the_last_use_is_told_and_a_trial_is_none() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    let dry = json!({"KeyId": id, "Plaintext": b64(b"p"), "DryRun": true});
    assert_eq!(service.refused("Encrypt", dry).0, "DryRunOperationException");
    let fresh = service.ok("GetKeyLastUsage", json!({"KeyId": id}));
    let expected = json!({
        "KeyId": key["Arn"], "KeyLastUsage": {}, "TrackingStartDate": 1_800_000_000, "KeyCreationDate": 1_800_000_000,
    });
    assert_eq!(fresh, expected);
    service.test.clock.pass(Duration::from_secs(60));
    let used = service.call(&service.admin, "Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")}));
    let record = service.test.records().last().unwrap().id();
    let last = &service.ok("GetKeyLastUsage", json!({"KeyId": id}))["KeyLastUsage"];
    let expected = json!({
        "Operation": "Encrypt", "Timestamp": 1_800_000_060,
        "CloudTrailEventId": strongroom_authentication::hyphenated(record.as_bytes()),
        "KmsRequestId": used.headers["x-amzn-requestid"].to_str().unwrap(),
    });
    assert_eq!(*last, expected);
}
