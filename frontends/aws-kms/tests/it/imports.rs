//! Imported key material as AWS's clients see it.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_testkit::engine::wrapped_for_import;

use crate::support::{Service, b64, blob};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// When the tests' clock begins.
const NOW: u64 = 1_800_000_000;
const ONE: [u8; 32] = [0x11; 32];
const TWO: [u8; 32] = [0x22; 32];

fn external(service: &Service) -> Value {
    service.ok("CreateKey", json!({"Origin": "EXTERNAL"}))["KeyMetadata"].clone()
}

fn parameters(service: &Service, key: &Value) -> Value {
    let request = json!({
        "KeyId": key["KeyId"], "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048",
    });
    service.ok("GetParametersForImport", request)
}

/// A request that brings `material` for good, with `more` members.
fn request(service: &Service, key: &Value, material: &[u8], more: Value) -> Value {
    let given = parameters(service, key);
    let wrapped = wrapped_for_import(&blob(&given, "PublicKey"), material);
    let mut request = json!({
        "KeyId": key["KeyId"], "ImportToken": given["ImportToken"], "EncryptedKeyMaterial": b64(&wrapped),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn import(service: &Service, key: &Value, material: &[u8], more: Value) -> Value {
    service.ok("ImportKeyMaterial", request(service, key, material, more))
}

fn metadata(service: &Service, key: &Value) -> Value {
    service.ok("DescribeKey", json!({"KeyId": key["KeyId"]}))["KeyMetadata"].clone()
}

fn materials(service: &Service, key: &Value) -> Vec<Value> {
    let request = json!({"KeyId": key["KeyId"], "IncludeKeyMaterial": "ALL_KEY_MATERIAL"});
    service.ok("ListKeyRotations", request)["Rotations"].as_array().unwrap().clone()
}

#[test]
fn a_key_describes_the_coming_and_going_of_its_material() {
    let service = Service::new();
    let key = external(&service);
    assert_eq!(
        (&key["Origin"], &key["KeyState"], &key["Enabled"]),
        (&json!("EXTERNAL"), &json!("PendingImport"), &json!(false))
    );
    assert_eq!((&key["CurrentKeyMaterialId"], &key["ExpirationModel"]), (&Value::Null, &Value::Null));
    let given = parameters(&service, &key);
    assert_eq!((&given["KeyId"], &given["ParametersValidTo"]), (&key["Arn"], &json!(NOW + 86_400)));
    let first = import(&service, &key, &ONE, json!({}));
    assert_eq!(first["KeyId"], key["Arn"]);
    let now = metadata(&service, &key);
    assert_eq!((&now["KeyState"], &now["CurrentKeyMaterialId"]), (&json!("Enabled"), &first["KeyMaterialId"]));
    assert_eq!((&now["ExpirationModel"], &now["ValidTo"]), (&json!("KEY_MATERIAL_DOES_NOT_EXPIRE"), &Value::Null));
    let until = json!({"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": NOW + 86_400});
    assert_eq!(import(&service, &key, &ONE, until), first);
    let now = metadata(&service, &key);
    assert_eq!((&now["ExpirationModel"], &now["ValidTo"]), (&json!("KEY_MATERIAL_EXPIRES"), &json!(NOW + 86_400)));
    service.test.tick();
    service.test.clock.pass(DAY);
    service.test.tick();
    let now = metadata(&service, &key);
    assert_eq!((&now["KeyState"], &now["ExpirationModel"]), (&json!("PendingImport"), &Value::Null));
    let refused = service.refused("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"text")}));
    let message = format!("{} is pending import.", key["Arn"].as_str().unwrap());
    assert_eq!(refused, ("KMSInvalidStateException".to_owned(), message));
}

#[test]
fn material_is_deleted_and_brought_again() {
    let service = Service::new();
    let key = external(&service);
    let id = &key["KeyId"];
    assert_eq!(service.ok("DeleteImportedKeyMaterial", json!({"KeyId": id})), json!({"KeyId": key["Arn"]}));
    let first = import(&service, &key, &ONE, json!({}));
    let sealed = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"text")}))["CiphertextBlob"].clone();
    assert_eq!(service.ok("DeleteImportedKeyMaterial", json!({"KeyId": id})), first);
    let listed = materials(&service, &key);
    assert_eq!(
        (&listed[0]["ImportState"], &listed[0]["KeyMaterialState"]),
        (&json!("PENDING_IMPORT"), &json!("CURRENT"))
    );
    let other = service.refused("ImportKeyMaterial", request(&service, &key, &TWO, json!({})));
    assert_eq!(other.0, "IncorrectKeyMaterialException");
    let again = json!({"ImportType": "EXISTING_KEY_MATERIAL", "KeyMaterialId": first["KeyMaterialId"]});
    assert_eq!(import(&service, &key, &ONE, again), first);
    assert_eq!(service.ok("Decrypt", json!({"CiphertextBlob": sealed}))["Plaintext"], json!(b64(b"text")));
}

#[test]
fn new_material_is_listed_as_pending_until_it_is_rotated_to() {
    let service = Service::new();
    let key = external(&service);
    let (id, arn) = (&key["KeyId"], key["Arn"].as_str().unwrap());
    let first = import(&service, &key, &ONE, json!({"KeyMaterialDescription": "the first"}));
    let nothing = service.refused("RotateKeyOnDemand", json!({"KeyId": id}));
    let message = format!("No available key material pending rotation for the key: {arn}.");
    assert_eq!(nothing, ("KMSInvalidStateException".to_owned(), message));
    let second = import(&service, &key, &TWO, json!({"ImportType": "NEW_KEY_MATERIAL"}));
    let pending = json!({
        "KeyId": arn, "KeyMaterialId": second["KeyMaterialId"], "KeyMaterialState": "PENDING_ROTATION",
        "ImportState": "IMPORTED", "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    });
    assert_eq!(materials(&service, &key)[1], pending);
    assert_eq!(metadata(&service, &key)["CurrentKeyMaterialId"], first["KeyMaterialId"]);
    let third = request(&service, &key, &[0x33; 32], json!({"ImportType": "NEW_KEY_MATERIAL"}));
    let (code, message) = service.refused("ImportKeyMaterial", third);
    assert_eq!(code, "KMSInvalidStateException");
    assert!(message.contains(second["KeyMaterialId"].as_str().unwrap()), "{message}");
    let rotations = json!({"KeyId": id});
    assert_eq!(service.ok("ListKeyRotations", rotations.clone())["Rotations"], json!([]));
    service.ok("RotateKeyOnDemand", json!({"KeyId": id}));
    assert_eq!(metadata(&service, &key)["CurrentKeyMaterialId"], second["KeyMaterialId"]);
    let listed = materials(&service, &key);
    assert_eq!(
        (&listed[0]["KeyMaterialState"], &listed[0]["KeyMaterialDescription"]),
        (&json!("NON_CURRENT"), &json!("the first"))
    );
    assert_eq!((&listed[0]["RotationType"], &listed[1]["RotationType"]), (&Value::Null, &json!("ON_DEMAND")));
    assert_eq!((&listed[1]["KeyMaterialState"], &listed[1]["RotationDate"]), (&json!("CURRENT"), &json!(NOW)));
    assert_eq!(service.ok("ListKeyRotations", rotations)["Rotations"], json!([listed[1]]));
}

#[test]
fn keys_of_other_origins_are_refused_by_name() {
    let service = Service::new();
    let key = service.key();
    let request = json!({
        "KeyId": key["KeyId"], "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048",
    });
    let message = format!("{} origin is AWS_KMS which is not valid for this operation.", key["Arn"].as_str().unwrap());
    let expected = ("UnsupportedOperationException".to_owned(), message);
    assert_eq!(service.refused("GetParametersForImport", request), expected);
    assert_eq!(service.refused("DeleteImportedKeyMaterial", json!({"KeyId": key["KeyId"]})), expected);
    let external = external(&service);
    import(&service, &external, &ONE, json!({}));
    let (code, message) = service.refused("EnableKeyRotation", json!({"KeyId": external["KeyId"]}));
    assert_eq!(code, "UnsupportedOperationException");
    assert!(message.ends_with("origin is EXTERNAL which is not valid for this operation."), "{message}");
}

#[test]
fn each_refusal_of_an_import_has_its_name() {
    let service = Service::new();
    let key = external(&service);
    let refused = |more: Value| service.refused("ImportKeyMaterial", request(&service, &key, &ONE, more));
    assert_eq!(refused(json!({"ImportToken": b64(b"token")})).0, "InvalidImportTokenException");
    let foreign = parameters(&service, &external(&service))["ImportToken"].clone();
    assert_eq!(refused(json!({"ImportToken": foreign})).0, "InvalidImportTokenException");
    assert_eq!(refused(json!({"EncryptedKeyMaterial": b64(&[1; 256])})).0, "InvalidCiphertextException");
    assert_eq!(
        refused(json!({"ExpirationModel": null})),
        (
            "ValidationException".to_owned(),
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES".to_owned()
        )
    );
    for more in [
        json!({"ValidTo": NOW + 60}),
        json!({"ExpirationModel": null, "ValidTo": NOW}),
        json!({"ExpirationModel": null, "ValidTo": -1.5}),
        json!({"ExpirationModel": null, "ValidTo": 1e300}),
        json!({"ExpirationModel": null, "ValidTo": NOW + 366 * 86_400}),
        json!({"KeyMaterialDescription": "Schlüssel"}),
        json!({"KeyMaterialId": "ab"}),
        json!({"KeyMaterialId": "G".repeat(64)}),
        json!({"ImportType": "OLD"}),
    ] {
        assert_eq!(refused(more.clone()).0, "ValidationException", "{more}");
    }
    assert_eq!(
        refused(json!({"KeyMaterialId": "ab".repeat(32), "ImportType": "EXISTING_KEY_MATERIAL"})).0,
        "IncorrectKeyMaterialException"
    );
    let late = request(&service, &key, &ONE, json!({}));
    service.test.clock.pass(DAY);
    assert_eq!(service.refused("ImportKeyMaterial", late).0, "ExpiredImportTokenException");
}

#[test]
fn ways_of_wrapping_that_aws_takes_no_more_are_refused() {
    let service = Service::new();
    let key = external(&service);
    for (algorithm, spec) in [("RSAES_PKCS1_V1_5", "RSA_2048"), ("SM2PKE", "SM2"), ("RSAES_OAEP_SHA_1", "SM2")] {
        let request = json!({"KeyId": key["KeyId"], "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec});
        assert_eq!(service.refused("GetParametersForImport", request).0, "UnsupportedOperationException");
    }
}

#[test]
fn policies_see_how_material_is_brought() {
    let service = Service::new();
    let key = external(&service);
    let policy = |condition: Value| {
        let statement = json!({"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    let wrapping = json!({"StringEquals": {
        "kms:WrappingAlgorithm": "RSAES_OAEP_SHA_256", "kms:WrappingKeySpec": "RSA_2048", "kms:KeyOrigin": "EXTERNAL",
    }});
    let wrapper = service.user("wrapper", Some(&policy(wrapping)));
    let with =
        |algorithm: &str| json!({"KeyId": key["KeyId"], "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"});
    service.ok_as(&wrapper, "GetParametersForImport", with("RSAES_OAEP_SHA_256"));
    assert_eq!(
        service.refused_as(&wrapper, "GetParametersForImport", with("RSAES_OAEP_SHA_1")).0,
        "AccessDeniedException"
    );
    let expiring = json!({
        "StringEquals": {"kms:ExpirationModel": "KEY_MATERIAL_EXPIRES"},
        "DateLessThan": {"kms:ValidTo": "2027-01-20T00:00:00Z"},
    });
    let importer = service.user("importer", Some(&policy(expiring)));
    let import = |more: Value| request(&service, &key, &ONE, more);
    let refused = service.refused_as(&importer, "ImportKeyMaterial", import(json!({})));
    assert_eq!(refused.0, "AccessDeniedException");
    let until = |days: u64| json!({"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": NOW + days * 86_400});
    assert_eq!(service.refused_as(&importer, "ImportKeyMaterial", import(until(30))).0, "AccessDeniedException");
    service.ok_as(&importer, "ImportKeyMaterial", import(until(1)));
}
