//! Encrypt, Decrypt, ReEncrypt, data keys.

use serde_json::{Value, json};

use crate::support::{Service, b64, blob};

const DRY_RUN: &str = "The request would have succeeded, but the DryRun option is set.";

#[test]
fn what_is_encrypted_decrypts_under_the_same_context_alone() {
    let service = Service::new();
    let key = service.key();
    let context = json!({"tenant": "a", "Größe": "½"});
    let sealed = service
        .ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"secret"), "EncryptionContext": context}));
    assert_eq!((&sealed["KeyId"], &sealed["EncryptionAlgorithm"]), (&key["Arn"], &json!("SYMMETRIC_DEFAULT")));
    let opened =
        service.ok("Decrypt", json!({"CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": context}));
    let expected = json!({
        "KeyId": key["Arn"], "Plaintext": b64(b"secret"), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "KeyMaterialId": key["CurrentKeyMaterialId"],
    });
    assert_eq!(opened, expected);
    for other in [json!({}), json!({"tenant": "a"}), json!({"tenant": "A", "Größe": "½"})] {
        let refusal =
            service.refused("Decrypt", json!({"CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": other}));
        assert_eq!(refusal, ("InvalidCiphertextException".to_owned(), String::new()));
    }
}

#[test]
fn every_name_of_a_key_serves() {
    let service = Service::new();
    let key = service.key();
    service.ok("CreateAlias", json!({"AliasName": "alias/app", "TargetKeyId": key["KeyId"]}));
    for name in [key["KeyId"].clone(), key["Arn"].clone(), json!("alias/app"), json!(service.arn("alias/app"))] {
        let sealed = service.ok("Encrypt", json!({"KeyId": name, "Plaintext": b64(b"p")}));
        assert_eq!(sealed["KeyId"], key["Arn"]);
        let opened = service.ok("Decrypt", json!({"KeyId": name, "CiphertextBlob": sealed["CiphertextBlob"]}));
        assert_eq!(blob(&opened, "Plaintext"), b"p");
    }
}

#[test]
fn a_ciphertext_of_another_key_or_none_is_refused() {
    let service = Service::new();
    let (key, other) = (service.key(), service.key());
    let sealed = service.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")}));
    let (code, message) =
        service.refused("Decrypt", json!({"KeyId": other["KeyId"], "CiphertextBlob": sealed["CiphertextBlob"]}));
    assert_eq!(code, "IncorrectKeyException");
    assert_eq!(message, "The key ID in the request does not identify a CMK that can perform this operation.");
    let good = blob(&sealed, "CiphertextBlob");
    for place in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        assert_eq!(service.refused("Decrypt", json!({"CiphertextBlob": b64(&bad)})).0, "InvalidCiphertextException");
    }
    for bad in [&good[..good.len() - 1], b"x".as_slice()] {
        assert_eq!(service.refused("Decrypt", json!({"CiphertextBlob": b64(bad)})).0, "InvalidCiphertextException");
    }
}

#[test]
fn reencrypting_moves_a_ciphertext_to_another_key_and_context() {
    let service = Service::new();
    let (old, new) = (service.key(), service.key());
    let sealed = service
        .ok("Encrypt", json!({"KeyId": old["KeyId"], "Plaintext": b64(b"p"), "EncryptionContext": {"at": "old"}}));
    let moved = service.ok(
        "ReEncrypt",
        json!({
            "CiphertextBlob": sealed["CiphertextBlob"], "SourceEncryptionContext": {"at": "old"},
            "DestinationKeyId": new["KeyId"], "DestinationEncryptionContext": {"at": "new"},
        }),
    );
    let expected = json!({
        "CiphertextBlob": moved["CiphertextBlob"], "SourceKeyId": old["Arn"], "KeyId": new["Arn"],
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "SourceKeyMaterialId": old["CurrentKeyMaterialId"], "DestinationKeyMaterialId": new["CurrentKeyMaterialId"],
    });
    assert_eq!(moved, expected);
    let opened =
        service.ok("Decrypt", json!({"CiphertextBlob": moved["CiphertextBlob"], "EncryptionContext": {"at": "new"}}));
    assert_eq!((blob(&opened, "Plaintext"), &opened["KeyId"]), (b"p".to_vec(), &new["Arn"]));
    let wrong = json!({"CiphertextBlob": sealed["CiphertextBlob"], "DestinationKeyId": new["KeyId"]});
    assert_eq!(service.refused("ReEncrypt", wrong).0, "InvalidCiphertextException");
}

#[test]
fn data_keys_come_sealed_and_only_if_asked_in_the_clear() {
    let service = Service::new();
    let key = service.key();
    for (asked, length) in [
        (json!({"KeySpec": "AES_128"}), 16),
        (json!({"KeySpec": "AES_256"}), 32),
        (json!({"NumberOfBytes": 1024}), 1024),
    ] {
        let mut request = asked;
        request["KeyId"] = key["KeyId"].clone();
        request["EncryptionContext"] = json!({"a": "b"});
        let made = service.ok("GenerateDataKey", request.clone());
        assert_eq!((&made["KeyId"], &made["KeyMaterialId"]), (&key["Arn"], &key["CurrentKeyMaterialId"]));
        let plaintext = blob(&made, "Plaintext");
        assert_eq!(plaintext.len(), length);
        let open = |made: &Value| {
            let request = json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": {"a": "b"}});
            blob(&service.ok("Decrypt", request), "Plaintext")
        };
        assert_eq!(open(&made), plaintext);
        let sealed = service.ok("GenerateDataKeyWithoutPlaintext", request);
        assert_eq!(sealed["Plaintext"], Value::Null);
        assert_eq!(open(&sealed).len(), length);
    }
}

#[test]
fn data_key_pairs_come_sealed_and_only_if_asked_in_the_clear() {
    let service = Service::new();
    let key = service.key();
    let request = json!({"KeyId": key["KeyId"], "KeyPairSpec": "ECC_NIST_P256"});
    let made = service.ok("GenerateDataKeyPair", request.clone());
    assert_eq!((&made["KeyId"], &made["KeyPairSpec"]), (&key["Arn"], &json!("ECC_NIST_P256")));
    let opened = service.ok("Decrypt", json!({"CiphertextBlob": made["PrivateKeyCiphertextBlob"]}));
    assert_eq!(opened["Plaintext"], made["PrivateKeyPlaintext"]);
    assert_eq!(blob(&made, "PublicKey").len(), 91);
    assert_eq!(service.ok("GenerateDataKeyPairWithoutPlaintext", request)["PrivateKeyPlaintext"], Value::Null);
}

#[test]
fn random_bytes_are_as_many_as_asked_for_and_never_the_same() {
    let service = Service::new();
    let draw = || blob(&service.ok("GenerateRandom", json!({"NumberOfBytes": 32})), "Plaintext");
    assert_eq!(draw().len(), 32);
    assert_ne!(draw(), draw());
}

#[test]
fn a_trial_says_that_it_would_have_succeeded_or_fails_as_the_act_would() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    let sealed = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")}))["CiphertextBlob"].clone();
    for (operation, mut request) in [
        ("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"p")})),
        ("Decrypt", json!({"CiphertextBlob": sealed})),
        ("Decrypt", json!({"KeyId": id, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]})),
        ("ReEncrypt", json!({"CiphertextBlob": sealed, "DestinationKeyId": id})),
        ("ReEncrypt", json!({"SourceKeyId": id, "DestinationKeyId": id, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]})),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256"})),
        ("GenerateDataKeyWithoutPlaintext", json!({"KeyId": id, "KeySpec": "AES_256"})),
        ("GenerateDataKeyPair", json!({"KeyId": id, "KeyPairSpec": "ECC_NIST_P256"})),
        ("GenerateDataKeyPairWithoutPlaintext", json!({"KeyId": id, "KeyPairSpec": "ECC_NIST_P256"})),
    ] {
        request["DryRun"] = json!(true);
        let reply = service.call(&service.admin, operation, request);
        assert_eq!(reply.error(), ("DryRunOperationException".to_owned(), DRY_RUN.to_owned()), "{operation}");
    }
    let damaged = json!({"CiphertextBlob": b64(b"nonsense"), "DryRun": true});
    assert_eq!(service.refused("Decrypt", damaged).0, "InvalidCiphertextException");
    let signer = service.key_of("ECC_NIST_P256", "SIGN_VERIFY");
    let unfit = json!({"KeyId": signer["KeyId"], "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]});
    assert_eq!(service.refused("Decrypt", unfit).0, "InvalidKeyUsageException");
    service.ok("DisableKey", json!({"KeyId": id}));
    let disabled = json!({"KeyId": id, "Plaintext": b64(b"p"), "DryRun": true});
    assert_eq!(service.refused("Encrypt", disabled).0, "DisabledException");
}

#[test]
fn a_plaintext_is_in_no_record() {
    let service = Service::new();
    let key = service.key();
    let plaintext = b"a plaintext that nobody else may see";
    let sealed = service.ok(
        "Encrypt",
        json!({
            "KeyId": key["KeyId"], "Plaintext": b64(plaintext), "EncryptionContext": {"visible": "context"},
        }),
    );
    service.ok(
        "Decrypt",
        json!({"CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": {"visible": "context"}}),
    );
    let records = service.test.records();
    let encoded = b64(plaintext);
    for sealed in &records {
        let bytes = sealed.bytes();
        assert!(!bytes.windows(plaintext.len()).any(|part| part == plaintext));
        assert!(!bytes.windows(encoded.len()).any(|part| part == encoded.as_bytes()));
    }
    let last = records.last().unwrap().record().unwrap();
    let details: Vec<_> =
        last.details.iter().map(|one| (one.group.to_string(), one.name.to_string(), one.value.to_string())).collect();
    assert!(
        details.contains(&("encryptionContext".to_owned(), "visible".to_owned(), "context".to_owned())),
        "{details:?}"
    );
}
