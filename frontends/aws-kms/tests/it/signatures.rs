//! Signatures, codes and public keys.

use serde_json::{Value, json};

use crate::support::{Service, b64, blob};

#[test]
fn a_signature_verifies_and_another_does_not() {
    let service = Service::new();
    let key = service.key_of("ECC_NIST_P256", "SIGN_VERIFY");
    let request = json!({"KeyId": key["KeyId"], "Message": b64(b"m"), "SigningAlgorithm": "ECDSA_SHA_256"});
    let signed = service.ok("Sign", request);
    assert_eq!((&signed["KeyId"], &signed["SigningAlgorithm"]), (&key["Arn"], &json!("ECDSA_SHA_256")));
    let verify = |message: &[u8], signature: &[u8]| json!({"KeyId": key["KeyId"], "Message": b64(message), "Signature": b64(signature), "SigningAlgorithm": "ECDSA_SHA_256"});
    let good = blob(&signed, "Signature");
    let expected = json!({"KeyId": key["Arn"], "SignatureValid": true, "SigningAlgorithm": "ECDSA_SHA_256"});
    assert_eq!(service.ok("Verify", verify(b"m", &good)), expected);
    for wrong in [verify(b"n", &good), verify(b"m", b"x")] {
        assert_eq!(service.refused("Verify", wrong), ("KMSInvalidSignatureException".to_owned(), String::new()));
    }
    let short = json!({"KeyId": key["KeyId"], "Message": b64(&[0; 20]), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"});
    let refusal =
        ("ValidationException".to_owned(), "Digest is invalid length for algorithm ECDSA_SHA_256.".to_owned());
    assert_eq!(service.refused("Sign", short), refusal);
}

#[test]
fn a_public_key_says_what_it_is_for_and_secret_keys_have_none() {
    let service = Service::new();
    let key = service.key_of("ECC_NIST_P384", "SIGN_VERIFY");
    let reply = service.ok("GetPublicKey", json!({"KeyId": key["KeyId"]}));
    let expected = json!({
        "KeyId": key["Arn"], "PublicKey": reply["PublicKey"], "CustomerMasterKeySpec": "ECC_NIST_P384",
        "KeySpec": "ECC_NIST_P384", "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ECDSA_SHA_384"],
    });
    assert_eq!(reply, expected);
    let symmetric = service.key();
    assert_eq!(
        service.refused("GetPublicKey", json!({"KeyId": symmetric["KeyId"]})).0,
        "UnsupportedOperationException"
    );
}

#[test]
fn a_code_verifies_and_another_does_not() {
    let service = Service::new();
    let key = service.key_of("HMAC_384", "GENERATE_VERIFY_MAC");
    let request = json!({"KeyId": key["KeyId"], "Message": b64(b"m"), "MacAlgorithm": "HMAC_SHA_384"});
    let made = service.ok("GenerateMac", request.clone());
    assert_eq!(blob(&made, "Mac").len(), 48);
    let mut verify = request;
    verify["Mac"] = made["Mac"].clone();
    let expected = json!({"KeyId": key["Arn"], "MacValid": true, "MacAlgorithm": "HMAC_SHA_384"});
    assert_eq!(service.ok("VerifyMac", verify.clone()), expected);
    verify["Message"] = json!(b64(b"n"));
    assert_eq!(service.refused("VerifyMac", verify), ("KMSInvalidMacException".to_owned(), String::new()));
}

#[test]
fn algorithms_and_usages_of_another_kind_of_key_are_refused() {
    let service = Service::new();
    let (curve, mac) =
        (service.key_of("ECC_NIST_P256", "SIGN_VERIFY"), service.key_of("HMAC_224", "GENERATE_VERIFY_MAC"));
    let sign = json!({"KeyId": curve["KeyId"], "Message": b64(b"m"), "SigningAlgorithm": "ECDSA_SHA_384"});
    let unfit = "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.".to_owned();
    assert_eq!(service.refused("Sign", sign), ("InvalidKeyUsageException".to_owned(), unfit));
    let code = json!({"KeyId": mac["KeyId"], "Message": b64(b"m"), "MacAlgorithm": "HMAC_SHA_256"});
    let unfit = "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.".to_owned();
    assert_eq!(service.refused("GenerateMac", code), ("InvalidKeyUsageException".to_owned(), unfit));
    let usage = format!("{} key usage is SIGN_VERIFY which is not valid for Encrypt.", curve["Arn"].as_str().unwrap());
    let refusal = service.refused("Encrypt", json!({"KeyId": curve["KeyId"], "Plaintext": b64(b"p")}));
    assert_eq!(refusal, ("InvalidKeyUsageException".to_owned(), usage));
}

#[test]
fn an_rsa_key_encrypts_up_to_its_largest_size() {
    let service = Service::new();
    let key = service.key_of("RSA_2048", "ENCRYPT_DECRYPT");
    let encrypt = |length: usize| json!({"KeyId": key["KeyId"], "Plaintext": b64(&vec![7; length]), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"});
    let sealed = service.ok("Encrypt", encrypt(190));
    let open = json!({"KeyId": key["KeyId"], "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"});
    assert_eq!(blob(&service.ok("Decrypt", open), "Plaintext"), vec![7; 190]);
    let text =
        "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes.".to_owned();
    assert_eq!(service.refused("Encrypt", encrypt(191)), ("ValidationException".to_owned(), text));
    let mut with_context = encrypt(1);
    with_context["EncryptionContext"] = json!({"a": "b"});
    assert_eq!(service.refused("Encrypt", with_context).0, "ValidationException");
    let symmetric = json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")});
    let unfit = "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.".to_owned();
    assert_eq!(service.refused("Encrypt", symmetric), ("InvalidKeyUsageException".to_owned(), unfit));
}

/// A request to sign `message` as `kind`.
fn sign(key: &Value, algorithm: &str, kind: &str, message: &[u8]) -> Value {
    json!({"KeyId": key["KeyId"], "Message": b64(message), "MessageType": kind, "SigningAlgorithm": algorithm})
}

#[test]
fn ed25519_signs_messages_and_its_prehashed_form_digests_alone() {
    let service = Service::new();
    let key = service.key_of("ECC_NIST_EDWARDS25519", "SIGN_VERIFY");
    for (algorithm, taken, refused, message) in
        [("ED25519_SHA_512", "RAW", "DIGEST", &b"message"[..]), ("ED25519_PH_SHA_512", "DIGEST", "RAW", &[7; 64])]
    {
        let made = service.ok("Sign", sign(&key, algorithm, taken, message));
        assert_eq!(blob(&made, "Signature").len(), 64);
        for (kind, wrong) in [(refused, message), ("EXTERNAL_MU", &[7; 64])] {
            let text = format!("Message type {kind} is incompatible with algorithm {algorithm}.");
            let refusal = service.refused("Sign", sign(&key, algorithm, kind, wrong));
            assert_eq!(refusal, ("ValidationException".to_owned(), text));
        }
        let mut verify = sign(&key, algorithm, taken, message);
        verify["Signature"] = made["Signature"].clone();
        assert_eq!(service.ok("Verify", verify.clone())["SignatureValid"], true);
        verify["Message"] = json!(b64(&[8; 64]));
        assert_eq!(service.refused("Verify", verify).0, "KMSInvalidSignatureException");
    }
    let text = "Digest is invalid length for algorithm ED25519_PH_SHA_512.".to_owned();
    let refusal = service.refused("Sign", sign(&key, "ED25519_PH_SHA_512", "DIGEST", &[7; 32]));
    assert_eq!(refusal, ("ValidationException".to_owned(), text));
    let text = "Algorithm ECDSA_SHA_256 is incompatible with key spec ECC_NIST_EDWARDS25519.".to_owned();
    let refusal = service.refused("Sign", sign(&key, "ECDSA_SHA_256", "RAW", b"m"));
    assert_eq!(refusal, ("InvalidKeyUsageException".to_owned(), text));
}

#[test]
fn ml_dsa_signs_messages_and_their_representatives() {
    let service = Service::new();
    for (spec, bytes) in [("ML_DSA_44", 2420), ("ML_DSA_65", 3309), ("ML_DSA_87", 4627)] {
        let key = service.key_of(spec, "SIGN_VERIFY");
        for (kind, message) in [("RAW", &b"message"[..]), ("EXTERNAL_MU", &[7; 64])] {
            let mut request = sign(&key, "ML_DSA_SHAKE_256", kind, message);
            let made = service.ok("Sign", request.clone());
            assert_eq!(blob(&made, "Signature").len(), bytes);
            request["Signature"] = made["Signature"].clone();
            assert_eq!(service.ok("Verify", request.clone())["SignatureValid"], true);
            request["Message"] = json!(b64(&[8; 64]));
            assert_eq!(service.refused("Verify", request).0, "KMSInvalidSignatureException");
        }
        let validation = |text: &str| ("ValidationException".to_owned(), text.to_owned());
        assert_eq!(
            service.refused("Sign", sign(&key, "ML_DSA_SHAKE_256", "DIGEST", &[7; 64])),
            validation("Message type DIGEST is incompatible with algorithm ML_DSA_SHAKE_256.")
        );
        assert_eq!(
            service.refused("Sign", sign(&key, "ML_DSA_SHAKE_256", "EXTERNAL_MU", &[7; 63])),
            validation("Digest is invalid length for algorithm ML_DSA_SHAKE_256.")
        );
    }
}
