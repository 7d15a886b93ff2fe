//! Secrets shared with someone else, and the keys that are for it.

use serde_json::{Value, json};

use crate::support::{Service, b64, blob};

#[test]
fn two_keys_on_one_curve_agree_on_the_same_secret() {
    let service = Service::new();
    for (spec, bytes) in [("ECC_NIST_P256", 32), ("ECC_NIST_P384", 48), ("ECC_NIST_P521", 66)] {
        let (one, other) = (service.key_of(spec, "KEY_AGREEMENT"), service.key_of(spec, "KEY_AGREEMENT"));
        let public = |key: &Value| service.ok("GetPublicKey", json!({"KeyId": key["KeyId"]}))["PublicKey"].clone();
        let derive = |own: &Value, peer: Value| {
            let request = json!({"KeyId": own["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer});
            service.ok("DeriveSharedSecret", request)
        };
        let made = derive(&one, public(&other));
        let expected = json!({
            "KeyId": one["Arn"], "SharedSecret": derive(&other, public(&one))["SharedSecret"],
            "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS",
        });
        assert_eq!(made, expected);
        assert_eq!(blob(&made, "SharedSecret").len(), bytes);
    }
}

#[test]
fn a_public_key_of_another_curve_or_none_is_refused() {
    let service = Service::new();
    let key = service.key_of("ECC_NIST_P256", "KEY_AGREEMENT");
    let other = service.key_of("ECC_NIST_P384", "KEY_AGREEMENT");
    let other = service.ok("GetPublicKey", json!({"KeyId": other["KeyId"]}))["PublicKey"].clone();
    let own = service.ok("GetPublicKey", json!({"KeyId": key["KeyId"]}));
    let mut off_curve = blob(&own, "PublicKey");
    *off_curve.last_mut().unwrap() ^= 1;
    let message = "The public key is not valid for key spec ECC_NIST_P256.".to_owned();
    for peer in [other, json!(b64(&off_curve)), json!(b64(b"no key"))] {
        let request = json!({"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer});
        let refusal = service.refused("DeriveSharedSecret", request);
        assert_eq!(refusal, ("ValidationException".to_owned(), message.clone()));
    }
}

#[test]
fn an_encapsulated_secret_is_recovered_and_another_ciphertext_tells_nothing() {
    let service = Service::new();
    for (spec, bytes) in [("ML_KEM_512", 768), ("ML_KEM_768", 1088), ("ML_KEM_1024", 1568)] {
        let key = service.key_of(spec, "ENCAPSULATE_DECAPSULATE");
        let request = json!({"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM"});
        let made = service.ok("Encapsulate", request);
        let ciphertext = blob(&made, "SharedSecretCiphertextBlob");
        assert_eq!((ciphertext.len(), blob(&made, "SharedSecret").len()), (bytes, 32));
        let open = |ciphertext: &[u8]| json!({"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": b64(ciphertext)});
        let expected =
            json!({"KeyId": key["Arn"], "SharedSecret": made["SharedSecret"], "EncapsulationAlgorithm": "ML_KEM"});
        assert_eq!(service.ok("Decapsulate", open(&ciphertext)), expected);
        let rejected = service.ok("Decapsulate", open(&vec![7; bytes]));
        assert_eq!(blob(&rejected, "SharedSecret").len(), 32);
        assert_ne!(rejected["SharedSecret"], made["SharedSecret"]);
        let invalid = ("InvalidCiphertextException".to_owned(), String::new());
        assert_eq!(service.refused("Decapsulate", open(&ciphertext[1..])), invalid);
    }
}

#[test]
fn keys_say_which_algorithms_are_theirs() {
    let service = Service::new();
    for (spec, usage, member, algorithms) in [
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "SigningAlgorithms", json!(["ED25519_SHA_512", "ED25519_PH_SHA_512"])),
        ("ML_DSA_44", "SIGN_VERIFY", "SigningAlgorithms", json!(["ML_DSA_SHAKE_256"])),
        ("ML_DSA_65", "SIGN_VERIFY", "SigningAlgorithms", json!(["ML_DSA_SHAKE_256"])),
        ("ML_DSA_87", "SIGN_VERIFY", "SigningAlgorithms", json!(["ML_DSA_SHAKE_256"])),
        ("ML_KEM_512", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithms", json!(["ML_KEM"])),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "KeyAgreementAlgorithms", json!(["ECDH"])),
    ] {
        let key = service.key_of(spec, usage);
        assert_eq!((&key["KeySpec"], &key["KeyUsage"]), (&json!(spec), &json!(usage)));
        assert_eq!(key[member], algorithms, "{spec}");
        // AWS's former enumeration of specs does not know the newer ones.
        assert_eq!(key["CustomerMasterKeySpec"].is_null(), spec != "ECC_NIST_P256");
        let public = service.ok("GetPublicKey", json!({"KeyId": key["KeyId"]}));
        assert_eq!((&public[member], &public["KeyUsage"]), (&algorithms, &json!(usage)));
    }
}

#[test]
fn a_key_is_not_made_for_what_its_spec_cannot_do() {
    let service = Service::new();
    let validation = "ValidationException";
    for (spec, usage, code) in [
        ("ECC_SECG_P256K1", "KEY_AGREEMENT", validation),
        ("ECC_NIST_EDWARDS25519", "KEY_AGREEMENT", validation),
        ("RSA_2048", "KEY_AGREEMENT", validation),
        ("ML_KEM_768", "SIGN_VERIFY", validation),
        ("ML_DSA_44", "ENCAPSULATE_DECAPSULATE", validation),
        ("SYMMETRIC_DEFAULT", "ENCAPSULATE_DECAPSULATE", validation),
        ("SM2", "KEY_AGREEMENT", "UnsupportedOperationException"),
    ] {
        let refusal = service.refused("CreateKey", json!({"KeySpec": spec, "KeyUsage": usage}));
        assert_eq!(refusal.0, code, "{spec} {usage}");
    }
    let message = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.".to_owned();
    let refusal = service.refused("CreateKey", json!({"KeySpec": "ML_KEM_768"}));
    assert_eq!(refusal, (validation.to_owned(), message));
    let former = json!({"CustomerMasterKeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"});
    assert!(service.refused("CreateKey", former).1.contains("satisfy enum value set"));
}

#[test]
fn each_use_of_a_key_for_something_else_is_refused() {
    let service = Service::new();
    let (agrees, signs, kem) = (
        service.key_of("ECC_NIST_P256", "KEY_AGREEMENT"),
        service.key_of("ECC_NIST_P256", "SIGN_VERIFY"),
        service.key_of("ML_KEM_512", "ENCAPSULATE_DECAPSULATE"),
    );
    let peer = service.ok("GetPublicKey", json!({"KeyId": agrees["KeyId"]}))["PublicKey"].clone();
    let encapsulated = b64(&[0; 768]);
    for (operation, body) in [
        ("DeriveSharedSecret", json!({"KeyId": signs["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer})),
        ("Sign", json!({"KeyId": agrees["KeyId"], "Message": b64(b"m"), "SigningAlgorithm": "ECDSA_SHA_256"})),
        ("Sign", json!({"KeyId": kem["KeyId"], "Message": b64(b"m"), "SigningAlgorithm": "ML_DSA_SHAKE_256"})),
        ("Encapsulate", json!({"KeyId": agrees["KeyId"], "EncapsulationAlgorithm": "ML_KEM"})),
        (
            "Decapsulate",
            json!({"KeyId": signs["KeyId"], "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": encapsulated}),
        ),
    ] {
        let key = [&agrees, &signs, &kem].into_iter().find(|key| key["KeyId"] == body["KeyId"]).unwrap();
        let (arn, usage) = (key["Arn"].as_str().unwrap(), key["KeyUsage"].as_str().unwrap());
        let message = format!("{arn} key usage is {usage} which is not valid for {operation}.");
        assert_eq!(service.refused(operation, body), ("InvalidKeyUsageException".to_owned(), message));
    }
}

/// A request of each operation that shares a secret.
fn requests(service: &Service) -> [(Value, &'static str, Value); 3] {
    let agrees = service.key_of("ECC_NIST_P256", "KEY_AGREEMENT");
    let peer = service.ok("GetPublicKey", json!({"KeyId": agrees["KeyId"]}))["PublicKey"].clone();
    let kem = service.key_of("ML_KEM_768", "ENCAPSULATE_DECAPSULATE");
    let encapsulate = json!({"KeyId": kem["KeyId"], "EncapsulationAlgorithm": "ML_KEM"});
    let mut decapsulate = encapsulate.clone();
    decapsulate["SharedSecretCiphertextBlob"] =
        service.ok("Encapsulate", encapsulate.clone())["SharedSecretCiphertextBlob"].clone();
    let derive = json!({"KeyId": agrees["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer});
    [
        (agrees, "DeriveSharedSecret", derive),
        (kem.clone(), "Encapsulate", encapsulate),
        (kem, "Decapsulate", decapsulate),
    ]
}

#[test]
fn a_dry_run_a_disabled_key_and_one_that_waits_for_deletion_release_no_secret() {
    let service = Service::new();
    for (key, operation, request) in requests(&service) {
        let id = json!({"KeyId": key["KeyId"]});
        let mut dry = request.clone();
        dry["DryRun"] = json!(true);
        assert_eq!(service.refused(operation, dry).0, "DryRunOperationException");
        service.ok("DisableKey", id.clone());
        let message = format!("{} is disabled.", key["Arn"].as_str().unwrap());
        assert_eq!(service.refused(operation, request.clone()), ("DisabledException".to_owned(), message));
        service.ok("EnableKey", id.clone());
        service.ok(operation, request.clone());
        service.ok("ScheduleKeyDeletion", id.clone());
        let message = format!("{} is pending deletion.", key["Arn"].as_str().unwrap());
        assert_eq!(service.refused(operation, request), ("KMSInvalidStateException".to_owned(), message));
        service.ok("CancelKeyDeletion", id.clone());
        service.ok("EnableKey", id);
    }
}

#[test]
fn what_is_missing_or_unknown_in_a_request_is_named() {
    let service = Service::new();
    let missing = |path: &str| format!("Value null at '{path}' failed to satisfy constraint: Member must not be null");
    let (_, message) = service.refused("DeriveSharedSecret", json!({}));
    let paths = ["keyId", "keyAgreementAlgorithm", "publicKey"].map(missing).join("; ");
    assert_eq!(message, format!("3 validation errors detected: {paths}"));
    let (_, message) = service.refused("Decapsulate", json!({}));
    let paths = ["keyId", "sharedSecretCiphertextBlob", "encapsulationAlgorithm"].map(missing).join("; ");
    assert_eq!(message, format!("3 validation errors detected: {paths}"));
    let (_, message) = service.refused("Encapsulate", json!({"KeyId": "k", "EncapsulationAlgorithm": "RSA"}));
    let rule = "Value 'RSA' at 'encapsulationAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [ML_KEM]";
    assert_eq!(message, format!("1 validation error detected: {rule}"));
    let long = json!({"KeyId": "k", "KeyAgreementAlgorithm": "ECDH", "PublicKey": b64(&[0; 8193])});
    let (_, message) = service.refused("DeriveSharedSecret", long);
    let rule = "Value at 'publicKey' failed to satisfy constraint: Member must have length less than or equal to 8192";
    assert_eq!(message, format!("1 validation error detected: {rule}"));
}

#[test]
fn what_is_not_offered_is_refused_as_unsupported() {
    let service = Service::new();
    let unsupported = "UnsupportedOperationException";
    let [(_, derive, mut request), ..] = requests(&service);
    request["Recipient"] = json!({"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "AA=="});
    assert_eq!(service.refused(derive, request), (unsupported.to_owned(), "Recipient is not supported.".to_owned()));
}

#[test]
fn grants_carry_the_new_operations_on_keys_that_can_do_them() {
    let service = Service::new();
    let user = service.user("grantee", None);
    for (key, operation, request) in requests(&service) {
        assert_eq!(service.refused_as(&user, operation, request.clone()).0, "AccessDeniedException");
        let grant =
            json!({"KeyId": key["KeyId"], "GranteePrincipal": user.arn, "Operations": [operation, "GetPublicKey"]});
        let made = service.ok("CreateGrant", grant);
        service.ok_as(&user, operation, request.clone());
        service.ok("RevokeGrant", json!({"KeyId": key["KeyId"], "GrantId": made["GrantId"]}));
        assert_eq!(service.refused_as(&user, operation, request).0, "AccessDeniedException");
    }
    let symmetric = service.key();
    for operation in ["DeriveSharedSecret", "Encapsulate", "Decapsulate"] {
        let grant = json!({"KeyId": symmetric["KeyId"], "GranteePrincipal": user.arn, "Operations": [operation]});
        let message = format!("The operation {operation} cannot be granted on this kind of KMS key.");
        assert_eq!(service.refused("CreateGrant", grant), ("ValidationException".to_owned(), message));
    }
}

#[test]
fn a_policy_may_ask_for_the_agreement_algorithm_and_a_grants_source() {
    let policy = |condition: Value| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": condition},
        }]})
        .to_string()
    };
    let service = Service::new();
    let [(key, derive, request), ..] = requests(&service);
    let fit = service.user("fit", Some(&policy(json!({"kms:KeyAgreementAlgorithm": "ECDH"}))));
    let unfit = service.user("unfit", Some(&policy(json!({"kms:KeyAgreementAlgorithm": "OTHER"}))));
    service.ok_as(&fit, derive, request.clone());
    assert_eq!(service.refused_as(&unfit, derive, request).0, "AccessDeniedException");

    let source = service.arn("key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let granter = service.user("granter", Some(&policy(json!({"kms:GrantConstraintSourceArn": source}))));
    let mut grant = json!({"KeyId": key["KeyId"], "GranteePrincipal": fit.arn, "Operations": ["DeriveSharedSecret"]});
    assert_eq!(service.refused_as(&granter, "CreateGrant", grant.clone()).0, "AccessDeniedException");
    grant["Constraints"] = json!({"SourceArn": source});
    service.ok_as(&granter, "CreateGrant", grant);
}

#[test]
fn the_last_use_of_a_key_names_the_new_operations() {
    let service = Service::new();
    for (key, operation, request) in requests(&service) {
        service.ok(operation, request);
        let last = service.ok("GetKeyLastUsage", json!({"KeyId": key["KeyId"]}));
        assert_eq!(last["KeyLastUsage"]["Operation"], operation);
    }
}
