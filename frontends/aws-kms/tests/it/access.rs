//! Who may do what: key policies, identity policies, conditions, and what a denial tells.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_testkit::engine::ACCOUNT;

use crate::support::{Caller, Service, b64};

const DENIED: &str = "AccessDeniedException";

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn everything() -> Value {
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    json!({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"})
}

fn denial(action: &str, condition: Value) -> Value {
    json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition})
}

fn encrypt(key: &Value, context: Value) -> Value {
    json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p"), "EncryptionContext": context})
}

/// Puts a denial on a key, beside what its account may do.
fn deny(service: &Service, key: &Value, action: &str, condition: Value) {
    let policy = document(&[everything(), denial(action, condition)]);
    service.ok("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": policy}));
}

#[test]
fn the_default_policy_hands_a_key_to_its_account_and_a_policy_is_given_back_as_it_came() {
    let service = Service::new();
    let key = service.key();
    let reply = service.ok("GetKeyPolicy", json!({"KeyId": key["KeyId"]}));
    assert_eq!(reply["PolicyName"], "default");
    let policy: Value = serde_json::from_str(reply["Policy"].as_str().unwrap()).unwrap();
    let expected = json!({
        "Version": "2012-10-17", "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions", "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*",
        }],
    });
    assert_eq!(policy, expected);
    assert_eq!(
        service.ok("ListKeyPolicies", json!({"KeyId": key["KeyId"]})),
        json!({"PolicyNames": ["default"], "Truncated": false})
    );
    let spaced = format!("  {}\n", document(&[everything()]));
    service.ok("PutKeyPolicy", json!({"KeyId": key["KeyId"], "PolicyName": "default", "Policy": spaced}));
    assert_eq!(service.ok("GetKeyPolicy", json!({"KeyId": key["KeyId"]}))["Policy"], json!(spaced));
    let other = ("NotFoundException".to_owned(), "No such policy exists".to_owned());
    assert_eq!(service.refused("GetKeyPolicy", json!({"KeyId": key["KeyId"], "PolicyName": "other"})), other);
}

#[test]
fn a_policy_that_is_none_or_locks_its_author_out_is_refused() {
    let service = Service::new();
    let key = service.key();
    for text in ["{", "[]", "{}", "{\"Version\":\"1999-01-01\",\"Statement\":[]}"] {
        for (operation, request) in
            [("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": text})), ("CreateKey", json!({"Policy": text}))]
        {
            assert_eq!(service.refused(operation, request).0, "MalformedPolicyDocumentException", "{text}");
        }
    }
    let mut only_describe = everything();
    only_describe["Action"] = json!("kms:DescribeKey");
    let lockout = document(&[only_describe]);
    let text = "The new key policy will not allow you to update the key policy in the future.".to_owned();
    let refusal = ("MalformedPolicyDocumentException".to_owned(), text);
    assert_eq!(service.refused("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": lockout})), refusal);
    assert_eq!(service.refused("CreateKey", json!({"Policy": lockout})), refusal);
    service.ok("CreateKey", json!({"Policy": lockout, "BypassPolicyLockoutSafetyCheck": true}));
}

#[test]
fn a_denial_says_what_was_missing_or_what_forbade_it() {
    let service = Service::new();
    let key = service.key();
    let arn = key["Arn"].as_str().unwrap();
    let told = |caller: &Caller| service.refused_as(caller, "Encrypt", encrypt(&key, json!({})));
    let start =
        |caller: &Caller| format!("User: {} is not authorized to perform: kms:Encrypt on resource: {arn} ", caller.arn);
    let nobody = service.user("nobody", None);
    let expected = format!("{}because no identity-based policy allows the kms:Encrypt action", start(&nobody));
    assert_eq!(told(&nobody), (DENIED.to_owned(), expected));
    let forbidden = service.user(
        "forbidden",
        Some(&json!({"Statement": [{"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}]}).to_string()),
    );
    let expected = format!("{}with an explicit deny in an identity-based policy", start(&forbidden));
    assert_eq!(told(&forbidden), (DENIED.to_owned(), expected));
    deny(&service, &key, "kms:Encrypt", json!({}));
    let expected = format!("{}with an explicit deny in a resource-based policy", start(&service.admin));
    assert_eq!(told(&service.admin), (DENIED.to_owned(), expected));
    let mut only_admin = everything();
    only_admin["Principal"] = json!({"AWS": service.admin.arn});
    service.ok("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": document(&[only_admin])}));
    let allowed = service.user(
        "allowed",
        Some(&json!({"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}).to_string()),
    );
    let expected = format!("{}because no resource-based policy allows the kms:Encrypt action", start(&allowed));
    assert_eq!(told(&allowed), (DENIED.to_owned(), expected));
}

#[test]
fn conditions_see_what_a_request_carries() {
    let service = Service::new();
    let key = service.key();
    service.ok("CreateAlias", json!({"AliasName": "alias/asked", "TargetKeyId": key["KeyId"]}));
    service.ok("TagResource", json!({"KeyId": key["KeyId"], "Tags": [{"TagKey": "team", "TagValue": "red"}]}));
    let by_alias = json!({"KeyId": "alias/asked", "Plaintext": b64(b"p")});
    let (a, b) = (encrypt(&key, json!({"tenant": "a"})), encrypt(&key, json!({"tenant": "b"})));
    let cases = [
        (json!({"StringEquals": {"kms:EncryptionContext:tenant": "a"}}), a.clone(), Some(b.clone())),
        (json!({"StringNotEquals": {"kms:EncryptionContext:tenant": "b"}}), a.clone(), Some(b)),
        (
            json!({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["bad"]}}),
            encrypt(&key, json!({"bad": "", "x": ""})),
            Some(a.clone()),
        ),
        (json!({"StringEquals": {"kms:RequestAlias": "alias/asked"}}), by_alias, Some(a.clone())),
        (json!({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}), a.clone(), None),
        (json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/asked"}}), a.clone(), None),
        (json!({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}), a.clone(), None),
        (json!({"StringEquals": {"kms:KeyUsage": "ENCRYPT_DECRYPT"}}), a.clone(), None),
        (json!({"StringEquals": {"kms:KeyOrigin": "AWS_KMS"}}), a.clone(), None),
        (json!({"Bool": {"kms:MultiRegion": "false"}}), a.clone(), None),
        (json!({"StringEquals": {"kms:CallerAccount": ACCOUNT}}), a.clone(), None),
        (json!({"StringEquals": {"aws:ResourceTag/team": "red"}}), a.clone(), None),
        (json!({"StringEquals": {"aws:RequestedRegion": "eu-test-1"}}), a.clone(), None),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), a.clone(), None),
        (json!({"Bool": {"aws:SecureTransport": "false"}}), a.clone(), None),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}), a.clone(), None),
        (json!({"NumericGreaterThan": {"aws:EpochTime": "1700000000"}}), a.clone(), None),
        (json!({"Null": {"kms:ViaService": "true"}}), a.clone(), None),
        (json!({"Null": {"aws:UserAgent": "true"}}), a, None),
    ];
    for (condition, denied, allowed) in cases {
        deny(&service, &key, "kms:Encrypt", condition.clone());
        assert_eq!(service.refused("Encrypt", denied).0, DENIED, "{condition}");
        if let Some(allowed) = allowed {
            service.ok("Encrypt", allowed);
        }
    }
}

#[test]
fn conditions_see_what_other_operations_carry() {
    let service = Service::new();
    let admin = &service.admin.arn;
    let (key, signer, mac) = (
        service.key(),
        service.key_of("ECC_NIST_P256", "SIGN_VERIFY"),
        service.key_of("HMAC_256", "GENERATE_VERIFY_MAC"),
    );
    let id = |key: &Value| key["KeyId"].clone();
    let grant = json!({"KeyId": id(&key), "GranteePrincipal": admin, "RetiringPrincipal": admin, "Operations": ["Encrypt", "Decrypt"], "Constraints": {"EncryptionContextSubset": {"a": "b"}}});
    let cases = [
        (
            &signer,
            "Sign",
            json!({"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256"}}),
            json!({"KeyId": id(&signer), "Message": b64(b"m"), "SigningAlgorithm": "ECDSA_SHA_256"}),
        ),
        (
            &signer,
            "Sign",
            json!({"StringEquals": {"kms:MessageType": "RAW"}}),
            json!({"KeyId": id(&signer), "Message": b64(b"m"), "SigningAlgorithm": "ECDSA_SHA_256"}),
        ),
        (
            &mac,
            "GenerateMac",
            json!({"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_256"}}),
            json!({"KeyId": id(&mac), "Message": b64(b"m"), "MacAlgorithm": "HMAC_SHA_256"}),
        ),
        (
            &key,
            "GenerateDataKeyPair",
            json!({"StringEquals": {"kms:DataKeyPairSpec": "ECC_NIST_P256"}}),
            json!({"KeyId": id(&key), "KeyPairSpec": "ECC_NIST_P256"}),
        ),
        (&key, "CreateGrant", json!({"ForAnyValue:StringEquals": {"kms:GrantOperations": "Decrypt"}}), grant.clone()),
        (&key, "CreateGrant", json!({"StringEquals": {"kms:GranteePrincipal": admin}}), grant.clone()),
        (&key, "CreateGrant", json!({"StringEquals": {"kms:RetiringPrincipal": admin}}), grant.clone()),
        (
            &key,
            "CreateGrant",
            json!({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}}),
            grant.clone(),
        ),
        (&key, "CreateGrant", json!({"Bool": {"kms:GrantIsForAWSResource": "false"}}), grant),
        (
            &key,
            "ScheduleKeyDeletion",
            json!({"NumericLessThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "10"}}),
            json!({"KeyId": id(&key), "PendingWindowInDays": 7}),
        ),
        (
            &key,
            "EnableKeyRotation",
            json!({"NumericEquals": {"kms:RotationPeriodInDays": "365"}}),
            json!({"KeyId": id(&key)}),
        ),
        (
            &key,
            "TagResource",
            json!({"StringEquals": {"aws:RequestTag/team": "red"}}),
            json!({"KeyId": id(&key), "Tags": [{"TagKey": "team", "TagValue": "red"}]}),
        ),
        (
            &key,
            "TagResource",
            json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}}),
            json!({"KeyId": id(&key), "Tags": [{"TagKey": "team", "TagValue": "red"}]}),
        ),
        (
            &key,
            "UntagResource",
            json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}}),
            json!({"KeyId": id(&key), "TagKeys": ["team"]}),
        ),
        (
            &key,
            "PutKeyPolicy",
            json!({"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}),
            json!({"KeyId": id(&key), "Policy": document(&[everything()]), "BypassPolicyLockoutSafetyCheck": true}),
        ),
    ];
    for (key, operation, condition, request) in cases {
        deny(&service, key, &format!("kms:{operation}"), condition.clone());
        assert_eq!(service.refused(operation, request).0, DENIED, "{operation} {condition}");
    }
}

#[test]
fn reencrypting_sees_each_keys_own_alias_and_whether_both_are_one() {
    let service = Service::new();
    let (from, to) = (service.key(), service.key());
    service.ok("CreateAlias", json!({"AliasName": "alias/from", "TargetKeyId": from["KeyId"]}));
    let sealed =
        service.ok("Encrypt", json!({"KeyId": from["KeyId"], "Plaintext": b64(b"p")}))["CiphertextBlob"].clone();
    let request = |destination: &Value| json!({"CiphertextBlob": sealed, "SourceKeyId": "alias/from", "DestinationKeyId": destination});
    deny(&service, &to, "kms:ReEncryptTo", json!({"StringEquals": {"kms:RequestAlias": "alias/from"}}));
    service.ok("ReEncrypt", request(&to["KeyId"]));
    deny(&service, &from, "kms:ReEncryptFrom", json!({"StringEquals": {"kms:RequestAlias": "alias/from"}}));
    assert_eq!(service.refused("ReEncrypt", request(&to["KeyId"])).0, DENIED);
    deny(&service, &from, "kms:ReEncrypt*", json!({"Bool": {"kms:ReEncryptOnSameKey": "true"}}));
    assert_eq!(service.refused("ReEncrypt", request(&from["KeyId"])).0, DENIED);
    service.ok("ReEncrypt", request(&to["KeyId"]));
}

#[test]
fn listings_are_for_whom_an_identity_policy_allows_them() {
    let service = Service::new();
    let nobody = service.user("nobody", None);
    for operation in ["ListKeys", "ListAliases"] {
        assert_eq!(service.refused_as(&nobody, operation, json!({})).0, DENIED);
    }
    let policy = json!({"Statement": [{"Effect": "Allow", "Action": "kms:List*", "Resource": "*"}]}).to_string();
    let reader = service.user("reader", Some(&policy));
    service.ok_as(&reader, "ListKeys", json!({}));
    service.ok_as(&reader, "ListAliases", json!({}));
}

#[test]
fn another_accounts_keys_are_hidden_from_who_may_not_use_them() {
    let service = Service::new();
    let key = service.key();
    let stranger = crate::support::in_other_account(&service);
    let powerless = crate::support::powerless_in_other_account(&service);
    let absent = service.arn("key/00000000-0000-0000-0000-000000000000");
    let nowhere = absent.replace(ACCOUNT, "999999999999");
    let mut told = Vec::new();
    for name in [key["Arn"].as_str().unwrap(), &absent, &nowhere] {
        told.push(service.refused_as(&stranger, "Encrypt", json!({"KeyId": name, "Plaintext": b64(b"p")})));
    }
    assert_eq!(told[0].0, DENIED);
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    let own = service.ok_as(&stranger, "CreateKey", json!({}))["KeyMetadata"].clone();
    let sealed = service.ok_as(&stranger, "Encrypt", json!({"KeyId": own["KeyId"], "Plaintext": b64(b"p")}));
    service.ok("CreateAlias", json!({"AliasName": "alias/there", "TargetKeyId": key["KeyId"]}));
    let (there, missing) = (service.arn("alias/there"), service.arn("alias/missing"));
    for ciphertext in [sealed["CiphertextBlob"].clone(), json!(b64(&[1; 64]))] {
        // Those of the second may do nothing, not even with what they decrypt from.
        for caller in [&stranger, &powerless] {
            let told = [key["Arn"].as_str().unwrap(), &there, &missing, &absent, &nowhere].map(|destination| {
                let request = json!({"CiphertextBlob": ciphertext, "DestinationKeyId": destination});
                service.refused_as(caller, "ReEncrypt", request)
            });
            assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        }
    }
    for (operation, mut request) in [
        ("ListAliases", json!({})),
        ("DescribeKey", json!({})),
        ("ListGrants", json!({})),
        ("GetKeyPolicy", json!({})),
        ("ScheduleKeyDeletion", json!({})),
        ("GetKeyLastUsage", json!({})),
        ("CreateAlias", json!({"AliasName": "alias/mine"})),
    ] {
        request["KeyId"] = key["Arn"].clone();
        request["TargetKeyId"] = key["Arn"].clone();
        assert_eq!(service.refused_as(&stranger, operation, request).0, DENIED, "{operation}");
    }
    let entry =
        json!({"Effect": "Allow", "Principal": {"AWS": stranger.arn}, "Action": "kms:Encrypt", "Resource": "*"});
    service.ok("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": document(&[everything(), entry])}));
    let sealed = service.ok_as(&stranger, "Encrypt", json!({"KeyId": key["Arn"], "Plaintext": b64(b"p")}));
    assert_eq!(sealed["KeyId"], key["Arn"]);
    service.ok("Decrypt", json!({"CiphertextBlob": sealed["CiphertextBlob"]}));
}

#[test]
fn a_policy_can_keep_keys_that_were_used_lately() {
    let service = Service::new();
    let key = service.key();
    let days = json!({"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "30"}});
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["kms:DisableKey", "kms:ScheduleKeyDeletion"], "Resource": "*", "Condition": days},
        {"Effect": "Deny", "Action": "kms:EnableKey", "Resource": "*",
         "Condition": {"NumericGreaterThanEquals": {"kms:TrailingDaysWithoutKeyUsage": "0"}}},
    ]});
    let careful = service.user("careful", Some(&policy.to_string()));
    let pass = |days: u64| service.test.clock.pass(Duration::from_secs(days * 86_400));
    let disable = || service.call(&careful, "DisableKey", json!({"KeyId": key["KeyId"]})).error().0;
    let schedule = || service.call(&careful, "ScheduleKeyDeletion", json!({"KeyId": key["KeyId"]})).error().0;
    assert_eq!(disable(), "AccessDeniedException", "a key that was made today");
    pass(29);
    assert_eq!(schedule(), "AccessDeniedException");
    pass(1);
    service.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": "dGV4dA=="}));
    assert_eq!(disable(), "AccessDeniedException", "a key that was used today");
    pass(30);
    assert_eq!(disable(), "");
    service.ok_as(&careful, "EnableKey", json!({"KeyId": key["KeyId"]}));
    assert_eq!(schedule(), "");
}
