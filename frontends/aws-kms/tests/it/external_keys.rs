//! Keys in external key stores over managers in memory.

use serde_json::{Value, json};
use strongroom_model::external::{ExternalError, ExternalRefusal};

use crate::external_key_stores::{BAD_STATE, NOT_FOUND, Outside, key_in, one, with};
use crate::support::{b64, blob};

#[test]
fn a_key_is_used_through_its_external_key_and_the_manager_is_told_which_key_for_what() {
    let outside = Outside::new();
    let store = outside.store("payroll");
    let _ = outside.managers.asked();
    let key = outside.key(&store, "key-1");
    assert_eq!((&key["Origin"], &key["CustomKeyStoreId"]), (&json!("EXTERNAL_KEY_STORE"), &json!(store)));
    assert_eq!(key["XksKeyConfiguration"], json!({"Id": "key-1"}));
    assert!(key.get("CloudHsmClusterId").is_none() && key.get("CurrentKeyMaterialId").is_none());
    let id = &key["KeyId"];
    assert_eq!(outside.service.ok("DescribeKey", json!({"KeyId": id}))["KeyMetadata"], key);
    let arn = key["Arn"].as_str().map(str::to_owned);
    let asked = |operation: &str, arn: Option<String>| {
        let told = outside.managers.asked();
        assert_eq!(told, [(operation.to_owned(), "key-1".to_owned(), arn)]);
    };
    asked("CreateKey", None);

    let service = &outside.service;
    let context = json!({"purpose": "payroll"});
    let plaintext = b64(b"salary");
    let sealed = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": plaintext, "EncryptionContext": context}));
    asked("Encrypt", arn.clone());
    let blob = &sealed["CiphertextBlob"];
    let opened = service.ok("Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": context}));
    assert_eq!((&opened["Plaintext"], &opened["KeyId"]), (&json!(plaintext), &key["Arn"]));
    asked("Decrypt", arn);
    let data = service.ok("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256"}));
    let again = service.ok("Decrypt", json!({"CiphertextBlob": data["CiphertextBlob"]}));
    assert_eq!(again["Plaintext"], data["Plaintext"]);
    service.ok("GenerateDataKeyWithoutPlaintext", json!({"KeyId": id, "KeySpec": "AES_256"}));
    let elsewhere = service.key()["KeyId"].clone();
    let moving = json!({"CiphertextBlob": blob, "SourceEncryptionContext": context, "DestinationKeyId": elsewhere});
    let moved = service.ok("ReEncrypt", moving);
    let back = json!({"CiphertextBlob": moved["CiphertextBlob"], "DestinationKeyId": id});
    let back = service.ok("ReEncrypt", back);
    assert_eq!(service.ok("Decrypt", json!({"CiphertextBlob": back["CiphertextBlob"]}))["Plaintext"], plaintext);
}

#[test]
fn what_was_changed_on_its_way_is_refused_by_the_manager_and_another_context_here() {
    let outside = Outside::new();
    let store = outside.store("payroll");
    let key = outside.key(&store, "key-1");
    let service = &outside.service;
    let sealed = service.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"salary")}));
    let sealed = blob(&sealed, "CiphertextBlob");
    let refused = |bytes: &[u8], context: Value| {
        let request = json!({"CiphertextBlob": b64(bytes), "EncryptionContext": context, "KeyId": key["KeyId"]});
        service.refused("Decrypt", request)
    };
    let mut outer = sealed.clone();
    *outer.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&outer, json!({})).0, "KMSInvalidStateException");
    assert_eq!(refused(&sealed, json!({"a": "b"})).0, "InvalidCiphertextException");
    assert_eq!(service.ok("Decrypt", json!({"CiphertextBlob": b64(&sealed)}))["Plaintext"], b64(b"salary"));
}

#[test]
fn a_store_that_is_let_go_takes_the_use_of_its_keys_with_it() {
    let outside = Outside::new();
    let store = outside.store("payroll");
    let key = outside.key(&store, "key-1");
    let (id, arn) = (&key["KeyId"], key["Arn"].as_str().unwrap());
    let service = &outside.service;
    let blob = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")}))["CiphertextBlob"].clone();
    service.ok("DisconnectCustomKeyStore", one(&store));
    let metadata = service.ok("DescribeKey", json!({"KeyId": id}))["KeyMetadata"].clone();
    assert_eq!((&metadata["KeyState"], &metadata["Enabled"]), (&json!("Unavailable"), &json!(false)));
    let _ = outside.managers.asked();
    for (operation, request) in [
        ("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")})),
        ("Decrypt", json!({"CiphertextBlob": blob})),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256"})),
        ("ReEncrypt", json!({"CiphertextBlob": blob, "DestinationKeyId": id})),
    ] {
        let told = ("KMSInvalidStateException".to_owned(), format!("{arn} is unavailable."));
        assert_eq!(service.refused(operation, request), told, "{operation}");
    }
    assert!(outside.managers.asked().is_empty());
    assert_eq!(outside.code("CreateKey", key_in(&store, "key-2")), BAD_STATE);
    assert_eq!(outside.code("DeleteCustomKeyStore", one(&store)), "CustomKeyStoreHasCMKsException");
    outside.connected(&store);
    service.ok("Decrypt", json!({"CiphertextBlob": blob}));
}

#[test]
fn a_key_needs_an_external_key_that_is_there_fits_and_doubles_no_other() {
    let outside = Outside::new();
    let store = outside.store("payroll");
    outside.key(&store, "key-1");
    assert_eq!(outside.code("CreateKey", key_in(&store, "key-1")), "XksKeyAlreadyInUseException");
    assert_eq!(outside.code("CreateKey", key_in(&store, "none")), "XksKeyNotFoundException");
    assert_eq!(outside.code("CreateKey", key_in(&store, "unfit")), "XksKeyInvalidConfigurationException");
    outside.managers.fail(Some(ExternalError::Refused(ExternalRefusal::Usage)));
    assert_eq!(outside.code("CreateKey", key_in(&store, "key-2")), "XksKeyInvalidConfigurationException");
    outside.managers.fail(None);
    outside.key(&outside.store("wages"), "key-1");
    assert_eq!(outside.code("CreateKey", key_in("cks-none", "key-3")), NOT_FOUND);
}

#[test]
fn what_custom_key_stores_have_no_keys_for_is_refused_and_nothing_is_rotated_or_imported() {
    let outside = Outside::new();
    let service = &outside.service;
    let store = outside.store("payroll");
    for (change, code) in [
        (json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}), "UnsupportedOperationException"),
        (json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}), "UnsupportedOperationException"),
        (json!({"MultiRegion": true}), "UnsupportedOperationException"),
        (json!({"Origin": "AWS_CLOUDHSM", "XksKeyId": null}), "UnsupportedOperationException"),
        (json!({"KeyUsage": "SIGN_VERIFY"}), "ValidationException"),
        (json!({"XksKeyId": null}), "ValidationException"),
        (json!({"XksKeyId": ""}), "ValidationException"),
        (json!({"XksKeyId": "a b"}), "ValidationException"),
        (json!({"XksKeyId": "a".repeat(129)}), "ValidationException"),
        (json!({"CustomKeyStoreId": null}), "ValidationException"),
        (json!({"Origin": null}), "ValidationException"),
        (json!({"Origin": "AWS_KMS"}), "ValidationException"),
        (json!({"Origin": "EXTERNAL"}), "ValidationException"),
        (json!({"Origin": "AWS_CLOUDHSM"}), "ValidationException"),
        (json!({"CustomKeyStoreId": null, "Origin": null}), "ValidationException"),
    ] {
        assert_eq!(outside.code("CreateKey", with(key_in(&store, "key-1"), change.clone())), code, "{change}");
    }
    let key = outside.key(&store, "key-1")["KeyId"].clone();
    for (operation, more) in [
        ("EnableKeyRotation", json!({})),
        ("RotateKeyOnDemand", json!({})),
        ("GetParametersForImport", json!({"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"})),
        ("DeleteImportedKeyMaterial", json!({})),
        ("GenerateDataKeyPair", json!({"KeyPairSpec": "ECC_NIST_P256"})),
        ("GenerateDataKeyPairWithoutPlaintext", json!({"KeyPairSpec": "ECC_NIST_P256"})),
        ("ReplicateKey", json!({"ReplicaRegion": "eu-test-2"})),
    ] {
        let code = outside.code(operation, with(json!({"KeyId": key}), more));
        assert_eq!(code, "UnsupportedOperationException", "{operation}");
    }
    assert_eq!(service.ok("GetKeyRotationStatus", json!({"KeyId": key}))["KeyRotationEnabled"], false);
    let random = json!({"NumberOfBytes": 8, "CustomKeyStoreId": store});
    assert_eq!(outside.code("GenerateRandom", random), "UnsupportedOperationException");
}

#[test]
fn policies_tell_keys_by_the_origin_that_they_will_have() {
    let outside = Outside::new();
    let store = outside.store("payroll");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*",
        "Condition":{"StringEquals":{"kms:KeyOrigin":"EXTERNAL_KEY_STORE"}}}]}"#;
    let user = outside.service.user("outsider", Some(policy));
    let made = outside.service.ok_as(&user, "CreateKey", key_in(&store, "key-1"))["KeyMetadata"].clone();
    assert_eq!(outside.service.refused_as(&user, "CreateKey", json!({})).0, "AccessDeniedException");
    outside.service.ok_as(&user, "Encrypt", json!({"KeyId": made["KeyId"], "Plaintext": b64(b"p")}));
}
