//! Grants: made, listed, used, retired, revoked.

use serde_json::{Value, json};
use strongroom_testkit::engine::ACCOUNT;

use crate::support::{Service, b64};

const DENIED: &str = "AccessDeniedException";

#[test]
fn a_grant_is_listed_as_it_was_made() {
    let service = Service::new();
    let key = service.key();
    let made = service.ok("CreateGrant", json!({
        "KeyId": key["KeyId"], "GranteePrincipal": service.admin.arn, "RetiringPrincipal": service.admin.arn,
        "Operations": ["Encrypt", "Decrypt"], "Constraints": {"EncryptionContextSubset": {"tenant": "a"}}, "Name": "first",
    }));
    let grant = json!({
        "KeyId": key["Arn"], "GrantId": made["GrantId"], "Name": "first", "CreationDate": 1_800_000_000,
        "GranteePrincipal": service.admin.arn, "RetiringPrincipal": service.admin.arn,
        "IssuingAccount": format!("arn:aws:iam::{ACCOUNT}:root"), "Operations": ["Encrypt", "Decrypt"],
        "Constraints": {"EncryptionContextSubset": {"tenant": "a"}},
    });
    let listed = service.ok("ListGrants", json!({"KeyId": key["KeyId"]}));
    assert_eq!(listed, json!({"Grants": [grant], "Truncated": false}));
    let retirable = service.ok("ListRetirableGrants", json!({"RetiringPrincipal": service.admin.arn}));
    assert_eq!(retirable, listed);
    let other = json!({"KeyId": key["KeyId"], "GranteePrincipal": format!("{}-other", service.admin.arn)});
    assert_eq!(service.ok("ListGrants", other)["Grants"], json!([]));
}

#[test]
fn grants_are_listed_page_by_page() {
    let service = Service::new();
    let key = service.key();
    let make = || {
        let request = json!({"KeyId": key["KeyId"], "GranteePrincipal": service.admin.arn, "RetiringPrincipal": service.admin.arn, "Operations": ["Encrypt"]});
        service.ok("CreateGrant", request)["GrantId"].as_str().unwrap().to_owned()
    };
    let mut made: Vec<String> = (0..5).map(|_| make()).collect();
    made.sort_unstable();
    for (operation, filter) in [
        ("ListGrants", json!({"KeyId": key["KeyId"]})),
        ("ListRetirableGrants", json!({"RetiringPrincipal": service.admin.arn})),
    ] {
        let (mut listed, mut request) = (Vec::new(), filter);
        request["Limit"] = json!(2);
        loop {
            let page = service.ok(operation, request.clone());
            listed.extend(
                page["Grants"].as_array().unwrap().iter().map(|one| one["GrantId"].as_str().unwrap().to_owned()),
            );
            request["Marker"] = page["NextMarker"].clone();
            if page["Truncated"] == json!(false) {
                break;
            }
        }
        assert_eq!(listed, made, "{operation}");
    }
    let one = service.ok("ListGrants", json!({"KeyId": key["KeyId"], "GrantId": made[3]}));
    assert_eq!(one["Grants"].as_array().unwrap().len(), 1);
}

#[test]
fn a_grant_allows_what_it_names_under_its_constraints_until_it_ends() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    let user = service.user("grantee", None);
    let encrypt = |context: Value| json!({"KeyId": id, "Plaintext": b64(b"p"), "EncryptionContext": context});
    assert_eq!(service.refused_as(&user, "Encrypt", encrypt(json!({"a": "1"}))).0, DENIED);
    let made = service.ok(
        "CreateGrant",
        json!({
            "KeyId": id, "GranteePrincipal": user.arn, "Operations": ["Encrypt", "DescribeKey"],
            "Constraints": {"EncryptionContextEquals": {"a": "1"}},
        }),
    );
    service.ok_as(&user, "Encrypt", encrypt(json!({"a": "1"})));
    let mut with_token = encrypt(json!({"a": "1"}));
    with_token["GrantTokens"] = json!([made["GrantToken"]]);
    service.ok_as(&user, "Encrypt", with_token.clone());
    service.ok_as(&user, "DescribeKey", json!({"KeyId": id}));
    assert_eq!(service.refused_as(&user, "Encrypt", encrypt(json!({"a": "1", "b": "2"}))).0, DENIED);
    assert_eq!(
        service
            .refused_as(
                &user,
                "GenerateDataKey",
                json!({"KeyId": id, "KeySpec": "AES_256", "EncryptionContext": {"a": "1"}})
            )
            .0,
        DENIED
    );
    with_token["GrantTokens"] = json!(["bm9uc2Vuc2U="]);
    assert_eq!(service.refused_as(&user, "Encrypt", with_token).0, "InvalidGrantTokenException");
    assert_eq!(service.refused_as(&user, "RevokeGrant", json!({"KeyId": id, "GrantId": made["GrantId"]})).0, DENIED);
    assert_eq!(service.refused_as(&user, "RetireGrant", json!({"KeyId": id, "GrantId": made["GrantId"]})).0, DENIED);
    service.ok("RevokeGrant", json!({"KeyId": id, "GrantId": made["GrantId"]}));
    assert_eq!(service.refused_as(&user, "Encrypt", encrypt(json!({"a": "1"}))).0, DENIED);
    assert_eq!(service.refused("RevokeGrant", json!({"KeyId": id, "GrantId": made["GrantId"]})).0, "NotFoundException");
}

#[test]
fn reencrypting_by_grants_is_held_to_each_keys_own_context() {
    let service = Service::new();
    let (from, to) = (service.key(), service.key());
    let user = service.user("mover", None);
    for (key, operation, at) in [(&from, "ReEncryptFrom", "old"), (&to, "ReEncryptTo", "new")] {
        service.ok(
            "CreateGrant",
            json!({
                "KeyId": key["KeyId"], "GranteePrincipal": user.arn, "Operations": [operation],
                "Constraints": {"EncryptionContextEquals": {"at": at}},
            }),
        );
    }
    let sealed = service
        .ok("Encrypt", json!({"KeyId": from["KeyId"], "Plaintext": b64(b"p"), "EncryptionContext": {"at": "old"}}));
    let request = |old: &str, new: &str| {
        json!({
            "CiphertextBlob": sealed["CiphertextBlob"], "SourceEncryptionContext": {"at": old},
            "DestinationKeyId": to["KeyId"], "DestinationEncryptionContext": {"at": new},
        })
    };
    service.ok_as(&user, "ReEncrypt", request("old", "new"));
    for wrong in [request("new", "new"), request("old", "old"), request("new", "old")] {
        assert_eq!(service.refused_as(&user, "ReEncrypt", wrong).0, DENIED);
    }
}

#[test]
fn a_grant_is_retired_by_its_token_or_its_id_and_a_trial_ends_nothing() {
    let service = Service::new();
    let key = service.key();
    let user = service.user("retirer", None);
    for by_token in [true, false] {
        let made = service.ok("CreateGrant", json!({
            "KeyId": key["KeyId"], "GranteePrincipal": service.admin.arn, "RetiringPrincipal": user.arn, "Operations": ["Encrypt"],
        }));
        let mut request = match by_token {
            true => json!({"GrantToken": made["GrantToken"]}),
            false => json!({"KeyId": key["Arn"], "GrantId": made["GrantId"]}),
        };
        request["DryRun"] = json!(true);
        assert_eq!(service.refused_as(&user, "RetireGrant", request.clone()).0, "DryRunOperationException");
        assert_eq!(service.ok("ListGrants", json!({"KeyId": key["KeyId"]}))["Grants"].as_array().unwrap().len(), 1);
        request["DryRun"] = json!(false);
        service.ok_as(&user, "RetireGrant", request);
        assert_eq!(service.ok("ListGrants", json!({"KeyId": key["KeyId"]}))["Grants"], json!([]));
    }
    assert_eq!(service.refused("RetireGrant", json!({"GrantToken": "bm9uc2Vuc2U="})).0, "InvalidGrantTokenException");
    assert_eq!(service.refused("RetireGrant", json!({})).0, "ValidationException");
}

#[test]
fn a_grant_that_lets_itself_be_retired_lets_no_other() {
    let service = Service::new();
    let key = service.key();
    let user = service.user("grantee", None);
    let make = |operations: Value| {
        let request = json!({"KeyId": key["KeyId"], "GranteePrincipal": user.arn, "Operations": operations});
        service.ok("CreateGrant", request)["GrantId"].clone()
    };
    let (kept, free) = (make(json!(["Encrypt"])), make(json!(["Encrypt", "RetireGrant"])));
    let retire = |id: &Value| json!({"KeyId": key["Arn"], "GrantId": id});
    assert_eq!(service.refused_as(&user, "RetireGrant", retire(&kept)).0, DENIED);
    service.ok_as(&user, "RetireGrant", retire(&free));
}

#[test]
fn a_grantee_hands_on_no_more_than_it_holds() {
    let service = Service::new();
    let key = service.key();
    let (first, second) = (service.user("one", None), service.user("two", None));
    let grant =
        |to: &str, operations: Value| json!({"KeyId": key["KeyId"], "GranteePrincipal": to, "Operations": operations});
    service.ok("CreateGrant", grant(&first.arn, json!(["CreateGrant", "Encrypt"])));
    service.ok_as(&first, "CreateGrant", grant(&second.arn, json!(["Encrypt"])));
    assert_eq!(service.refused_as(&first, "CreateGrant", grant(&second.arn, json!(["Decrypt"]))).0, DENIED);
    let third = service.user("three", None);
    let mut constrained = grant(&third.arn, json!(["CreateGrant", "Encrypt"]));
    constrained["Constraints"] = json!({"EncryptionContextSubset": {"a": "1"}});
    service.ok("CreateGrant", constrained);
    let mut handed = grant(&second.arn, json!(["Encrypt"]));
    assert_eq!(service.refused_as(&third, "CreateGrant", handed.clone()).0, DENIED);
    handed["Constraints"] = json!({"EncryptionContextSubset": {"b": "1"}});
    assert_eq!(service.refused_as(&third, "CreateGrant", handed.clone()).0, DENIED);
    handed["Constraints"] = json!({"EncryptionContextEquals": {"a": "1", "b": "2"}});
    service.ok_as(&third, "CreateGrant", handed);
}

#[test]
fn a_grant_that_makes_no_sense_is_refused() {
    let service = Service::new();
    let (key, signer) = (service.key(), service.key_of("ECC_NIST_P256", "SIGN_VERIFY"));
    let refused = |changes: Value| {
        let mut request =
            json!({"KeyId": key["KeyId"], "GranteePrincipal": service.admin.arn, "Operations": ["Encrypt"]});
        changes.as_object().unwrap().iter().for_each(|(name, value)| request[name] = value.clone());
        service.refused("CreateGrant", request).0
    };
    assert_eq!(refused(json!({"GranteePrincipal": "nobody"})), "InvalidArnException");
    assert_eq!(refused(json!({"RetiringPrincipal": "arn:aws:iam::12:user/x"})), "InvalidArnException");
    assert_eq!(refused(json!({"Operations": ["Sign"]})), "ValidationException");
    assert_eq!(refused(json!({"Operations": ["StealKeys"]})), "ValidationException");
    assert_eq!(refused(json!({"Operations": null})), "ValidationException");
    assert_eq!(refused(json!({"KeyId": signer["KeyId"]})), "ValidationException");
    let constrained = json!({"KeyId": signer["KeyId"], "Operations": ["Sign"], "Constraints": {"EncryptionContextEquals": {"a": "b"}}});
    assert_eq!(refused(constrained), "ValidationException");
    assert_eq!(
        service.refused("ListGrants", json!({"KeyId": key["KeyId"], "GrantId": "x"})).0,
        "InvalidGrantIdException"
    );
}
