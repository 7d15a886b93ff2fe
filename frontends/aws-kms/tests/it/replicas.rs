//! Multi-Region keys as AWS's clients see them.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use strongroom_testkit::engine::{ACCOUNT, REGION, block_on, wrapped_for_import};

use crate::support::{Reply, Service, b64, blob, read};

const ELSEWHERE: &str = "eu-test-2";

/// A service whose installation has two regions.
fn service() -> Service {
    let Service { test, kms, sts, admin, peer } = Service::new();
    let kms = kms.with_regions(vec![Arc::from(REGION), Arc::from(ELSEWHERE)]);
    Service { test, kms, sts, admin, peer }
}

/// A request of the administrator to the other region.
fn elsewhere(service: &Service, operation: &str, body: Value) -> Reply {
    let body = body.to_string().into_bytes();
    let request = service.signed(&service.admin, operation, body, ELSEWHERE, "kms");
    read(block_on(service.kms.handle(&service.peer, request, &[Arc::from(ELSEWHERE)])))
}

#[track_caller]
fn ok(reply: &Reply) -> Value {
    assert_eq!(reply.status, StatusCode::OK, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

fn primary(service: &Service) -> Value {
    service.ok("CreateKey", json!({"MultiRegion": true}))["KeyMetadata"].clone()
}

fn replicate(service: &Service, key: &Value) -> Value {
    service.ok("ReplicateKey", json!({"KeyId": key["KeyId"], "ReplicaRegion": ELSEWHERE, "Description": "there"}))
}

fn arn(region: &str, key: &Value) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}", key["KeyId"].as_str().unwrap())
}

#[test]
fn primary_and_replica_describe_each_other() {
    let service = service();
    let key = primary(&service);
    let id = key["KeyId"].as_str().unwrap();
    assert!(id.starts_with("mrk-") && id.len() == 36, "{id}");
    let alone = json!({
        "MultiRegionKeyType": "PRIMARY", "PrimaryKey": {"Arn": key["Arn"], "Region": REGION}, "ReplicaKeys": [],
    });
    assert_eq!((&key["MultiRegion"], &key["MultiRegionConfiguration"]), (&json!(true), &alone));
    let made = replicate(&service, &key);
    let replica = &made["ReplicaKeyMetadata"];
    let there = arn(ELSEWHERE, &key);
    assert_eq!((&replica["Arn"], &replica["KeyId"]), (&json!(there), &key["KeyId"]));
    assert_eq!((&replica["KeyState"], &replica["Description"]), (&json!("Enabled"), &json!("there")));
    assert_eq!(replica["CurrentKeyMaterialId"], key["CurrentKeyMaterialId"]);
    let configuration = |kind: &str| {
        json!({
            "MultiRegionKeyType": kind, "PrimaryKey": {"Arn": key["Arn"], "Region": REGION},
            "ReplicaKeys": [{"Arn": there, "Region": ELSEWHERE}],
        })
    };
    assert_eq!(replica["MultiRegionConfiguration"], configuration("REPLICA"));
    let described = service.ok("DescribeKey", json!({"KeyId": id}));
    assert_eq!(described["KeyMetadata"]["MultiRegionConfiguration"], configuration("PRIMARY"));
    let described = ok(&elsewhere(&service, "DescribeKey", json!({"KeyId": id})));
    assert_eq!(described["KeyMetadata"], *replica);
}

#[test]
fn what_one_region_encrypts_another_decrypts_with_or_without_its_key_id() {
    let service = service();
    let key = primary(&service);
    replicate(&service, &key);
    let request = json!({"KeyId": key["KeyId"], "Plaintext": b64(b"text")});
    let sealed = service.ok("Encrypt", request)["CiphertextBlob"].clone();
    for request in [json!({"CiphertextBlob": sealed}), json!({"CiphertextBlob": sealed, "KeyId": key["KeyId"]})] {
        let opened = ok(&elsewhere(&service, "Decrypt", request));
        assert_eq!((&opened["Plaintext"], &opened["KeyId"]), (&json!(b64(b"text")), &json!(arn(ELSEWHERE, &key))));
    }
    let single = service.key();
    let request = json!({"KeyId": single["KeyId"], "Plaintext": b64(b"text")});
    let sealed = service.ok("Encrypt", request)["CiphertextBlob"].clone();
    let refused = elsewhere(&service, "Decrypt", json!({"CiphertextBlob": sealed}));
    assert_eq!(refused.error().0, "InvalidCiphertextException");
}

#[test]
fn each_refusal_of_a_replication_has_its_name() {
    let service = service();
    let (key, single) = (primary(&service), service.key());
    replicate(&service, &key);
    let to = |key: &Value, region: &str| json!({"KeyId": key["KeyId"], "ReplicaRegion": region});
    let refused = |body| service.refused("ReplicateKey", body);
    let message = |arn: &str| format!("{arn} is not a multi-region primary key.");
    let unsupported = "UnsupportedOperationException".to_owned();
    let single_arn = single["Arn"].as_str().unwrap();
    assert_eq!(refused(to(&single, ELSEWHERE)), (unsupported.clone(), message(single_arn)));
    assert_eq!(refused(to(&key, ELSEWHERE)).0, "AlreadyExistsException");
    assert_eq!(refused(to(&key, REGION)).0, "AlreadyExistsException");
    assert_eq!(refused(to(&key, "eu-test-9")).0, unsupported);
    assert_eq!(refused(json!({"KeyId": key["KeyId"]})).0, "ValidationException");
    let replica = arn(ELSEWHERE, &key);
    for (operation, body) in [
        ("ReplicateKey", to(&key, REGION)),
        ("RotateKeyOnDemand", json!({"KeyId": key["KeyId"]})),
        ("EnableKeyRotation", json!({"KeyId": key["KeyId"]})),
        ("UpdatePrimaryRegion", json!({"KeyId": key["KeyId"], "PrimaryRegion": REGION})),
    ] {
        let refused = elsewhere(&service, operation, body).error();
        assert_eq!(refused, (unsupported.clone(), message(&replica)), "{operation}");
    }
}

#[test]
fn the_primary_region_moves() {
    let service = service();
    let key = primary(&service);
    let request = json!({"KeyId": key["KeyId"], "PrimaryRegion": ELSEWHERE});
    assert_eq!(service.refused("UpdatePrimaryRegion", request.clone()).0, "NotFoundException");
    replicate(&service, &key);
    service.ok("UpdatePrimaryRegion", request);
    let described = service.ok("DescribeKey", json!({"KeyId": key["KeyId"]}))["KeyMetadata"].clone();
    let expected = json!({
        "MultiRegionKeyType": "REPLICA", "PrimaryKey": {"Arn": arn(ELSEWHERE, &key), "Region": ELSEWHERE},
        "ReplicaKeys": [{"Arn": key["Arn"], "Region": REGION}],
    });
    assert_eq!(described["MultiRegionConfiguration"], expected);
    ok(&elsewhere(&service, "RotateKeyOnDemand", json!({"KeyId": key["KeyId"]})));
}

#[test]
fn a_primary_with_replicas_is_pending_replica_deletion() {
    let service = service();
    let key = primary(&service);
    replicate(&service, &key);
    let scheduled = service.ok("ScheduleKeyDeletion", json!({"KeyId": key["KeyId"], "PendingWindowInDays": 8}));
    let expected = json!({"KeyId": key["Arn"], "KeyState": "PendingReplicaDeletion", "PendingWindowInDays": 8});
    assert_eq!(scheduled, expected);
    let described = service.ok("DescribeKey", json!({"KeyId": key["KeyId"]}))["KeyMetadata"].clone();
    assert_eq!((&described["PendingDeletionWindowInDays"], &described["DeletionDate"]), (&json!(8), &Value::Null));
    let refused = service.refused("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"text")}));
    let message = format!("{} is pending replica deletion.", key["Arn"].as_str().unwrap());
    assert_eq!(refused, ("KMSInvalidStateException".to_owned(), message));
}

#[test]
fn policies_see_what_is_made_of_a_multi_region_key() {
    let service = service();
    let key = primary(&service);
    let statement = |action: &str, condition: Value| json!({"Effect": "Allow", "Action": action, "Resource": "*", "Condition": condition});
    let policy = json!({"Version": "2012-10-17", "Statement": [
        statement("kms:ReplicateKey", json!({"StringEquals": {"kms:ReplicaRegion": ELSEWHERE}})),
        statement("kms:UpdatePrimaryRegion", json!({"StringEquals": {"kms:PrimaryRegion": ELSEWHERE}})),
        {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*"},
        statement("kms:DescribeKey", json!({
            "StringEquals": {"kms:MultiRegionKeyType": "PRIMARY"}, "Bool": {"kms:MultiRegion": "true"},
        })),
    ]});
    let user = service.user("user", Some(&policy.to_string()));
    let replicate =
        |region: &str| json!({"KeyId": key["KeyId"], "ReplicaRegion": region, "BypassPolicyLockoutSafetyCheck": true});
    assert_eq!(service.refused_as(&user, "ReplicateKey", replicate(REGION)).0, "AccessDeniedException");
    service.ok_as(&user, "ReplicateKey", replicate(ELSEWHERE));
    service.ok_as(&user, "DescribeKey", json!({"KeyId": key["KeyId"]}));
    service.ok_as(&user, "UpdatePrimaryRegion", json!({"KeyId": key["KeyId"], "PrimaryRegion": ELSEWHERE}));
    assert_eq!(service.refused_as(&user, "DescribeKey", json!({"KeyId": key["KeyId"]})).0, "AccessDeniedException");
}

/// Brings `material` to the key in `region`, with `more` members.
fn import(service: &Service, key: &Value, region: &str, material: [u8; 32], more: Value) -> Reply {
    let ask = |operation: &str, body: Value| {
        let request = service.signed(&service.admin, operation, body.to_string().into_bytes(), region, "kms");
        read(block_on(service.kms.handle(&service.peer, request, &[Arc::from(region)])))
    };
    let given = ok(&ask(
        "GetParametersForImport",
        json!({"KeyId": key["KeyId"], "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}),
    ));
    let mut request = json!({
        "KeyId": key["KeyId"], "ImportToken": given["ImportToken"], "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        "EncryptedKeyMaterial": b64(&wrapped_for_import(&blob(&given, "PublicKey"), &material)),
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    ask("ImportKeyMaterial", request)
}

#[test]
fn imported_material_comes_to_each_region_by_itself() {
    let service = service();
    let key = service.ok("CreateKey", json!({"MultiRegion": true, "Origin": "EXTERNAL"}))["KeyMetadata"].clone();
    let id = &key["KeyId"];
    assert_eq!((&key["KeyState"], &key["MultiRegion"]), (&json!("PendingImport"), &json!(true)));
    let first = ok(&import(&service, &key, REGION, [1; 32], json!({})));
    let replica = replicate(&service, &key)["ReplicaKeyMetadata"].clone();
    assert_eq!((&replica["KeyState"], &replica["Origin"]), (&json!("PendingImport"), &json!("EXTERNAL")));
    assert_eq!((&replica["ExpirationModel"], &replica["Enabled"]), (&Value::Null, &json!(false)));
    assert_eq!(import(&service, &key, ELSEWHERE, [2; 32], json!({})).error().0, "IncorrectKeyMaterialException");
    let brought = ok(&import(&service, &key, ELSEWHERE, [1; 32], json!({})));
    assert_eq!(brought["KeyMaterialId"], first["KeyMaterialId"]);
    let sealed = service.ok("Encrypt", json!({"KeyId": id, "Plaintext": b64(b"text")}))["CiphertextBlob"].clone();
    let opened = ok(&elsewhere(&service, "Decrypt", json!({"CiphertextBlob": sealed})));
    assert_eq!(opened["Plaintext"], json!(b64(b"text")));

    let new = json!({"ImportType": "NEW_KEY_MATERIAL"});
    let refused = import(&service, &key, ELSEWHERE, [2; 32], new.clone());
    assert_eq!(refused.error().0, "UnsupportedOperationException");
    let second = ok(&import(&service, &key, REGION, [2; 32], new));
    let all = json!({"KeyId": id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"});
    let listed = |reply: Value| {
        let last = reply["Rotations"][1].clone();
        assert_eq!(last["KeyMaterialId"], second["KeyMaterialId"]);
        (last["KeyMaterialState"].clone(), last["ImportState"].clone())
    };
    let waits = json!("PENDING_MULTI_REGION_IMPORT_AND_ROTATION");
    assert_eq!(listed(service.ok("ListKeyRotations", all.clone())), (waits.clone(), json!("IMPORTED")));
    let there = ok(&elsewhere(&service, "ListKeyRotations", all.clone()));
    assert_eq!(listed(there), (waits, json!("PENDING_IMPORT")));
    let early = service.refused("RotateKeyOnDemand", json!({"KeyId": id}));
    assert_eq!(early.0, "KMSInvalidStateException");
    ok(&import(&service, &key, ELSEWHERE, [2; 32], json!({"ImportType": "EXISTING_KEY_MATERIAL"})));
    let ready = (json!("PENDING_ROTATION"), json!("IMPORTED"));
    assert_eq!(listed(service.ok("ListKeyRotations", all.clone())), ready);
    service.ok("RotateKeyOnDemand", json!({"KeyId": id}));
    let there = ok(&elsewhere(&service, "DescribeKey", json!({"KeyId": id})));
    assert_eq!(there["KeyMetadata"]["CurrentKeyMaterialId"], second["KeyMaterialId"]);
    assert_eq!(listed(ok(&elsewhere(&service, "ListKeyRotations", all))), (json!("CURRENT"), json!("IMPORTED")));
}
