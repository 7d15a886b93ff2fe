//! Aliases and tags.

use serde_json::{Value, json};

use crate::support::{Service, b64};

#[test]
fn an_alias_is_made_moved_listed_and_removed() {
    let service = Service::new();
    let (one, two) = (service.key(), service.key());
    service.ok("CreateAlias", json!({"AliasName": "alias/app", "TargetKeyId": one["KeyId"]}));
    let entry = |key: &Value, updated: u64| {
        json!({
            "AliasName": "alias/app", "AliasArn": service.arn("alias/app"), "TargetKeyId": key["KeyId"],
            "CreationDate": 1_800_000_000, "LastUpdatedDate": updated,
        })
    };
    let listed = service.ok("ListAliases", json!({}));
    assert_eq!(listed, json!({"Aliases": [entry(&one, 1_800_000_000)], "Truncated": false}));
    service.test.clock.pass(std::time::Duration::from_secs(5));
    service.ok("UpdateAlias", json!({"AliasName": "alias/app", "TargetKeyId": two["Arn"]}));
    assert_eq!(service.ok("ListAliases", json!({"KeyId": one["KeyId"]}))["Aliases"], json!([]));
    assert_eq!(service.ok("ListAliases", json!({"KeyId": two["Arn"]}))["Aliases"], json!([entry(&two, 1_800_000_005)]));
    let taken = format!("An alias with the name {} already exists", service.arn("alias/app"));
    let again = service.refused("CreateAlias", json!({"AliasName": "alias/app", "TargetKeyId": one["KeyId"]}));
    assert_eq!(again, ("AlreadyExistsException".to_owned(), taken));
    service.ok("DeleteAlias", json!({"AliasName": "alias/app"}));
    let gone = ("NotFoundException".to_owned(), format!("Alias {} is not found.", service.arn("alias/app")));
    assert_eq!(service.refused("DeleteAlias", json!({"AliasName": "alias/app"})), gone);
    assert_eq!(service.refused("DescribeKey", json!({"KeyId": "alias/app"})), gone);
    assert_eq!(service.refused("UpdateAlias", json!({"AliasName": "alias/app", "TargetKeyId": one["KeyId"]})), gone);
}

#[test]
fn aliases_are_listed_page_by_page() {
    let service = Service::new();
    let key = service.key();
    for number in 0..5 {
        service.ok("CreateAlias", json!({"AliasName": format!("alias/{number}"), "TargetKeyId": key["KeyId"]}));
    }
    for filter in [Value::Null, key["KeyId"].clone()] {
        let (mut names, mut marker) = (Vec::new(), Value::Null);
        loop {
            let page = service.ok("ListAliases", json!({"KeyId": filter, "Limit": 2, "Marker": marker}));
            names.extend(
                page["Aliases"].as_array().unwrap().iter().map(|one| one["AliasName"].as_str().unwrap().to_owned()),
            );
            marker = page["NextMarker"].clone();
            if page["Truncated"] == json!(false) {
                break;
            }
        }
        assert_eq!(names, (0..5).map(|number| format!("alias/{number}")).collect::<Vec<_>>());
    }
}

#[test]
fn names_that_are_no_aliases_or_are_kept_for_aws_are_refused() {
    let service = Service::new();
    let key = service.key();
    let create = |name: &str| service.refused("CreateAlias", json!({"AliasName": name, "TargetKeyId": key["KeyId"]}));
    let prefix = "Alias must start with the prefix \"alias/\". Please see \
                  https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
    assert_eq!(create("app"), ("ValidationException".to_owned(), prefix.to_owned()));
    assert_eq!(create("alias/aws/mine").0, "NotAuthorizedException");
    assert_eq!(create("alias/").0, "InvalidAliasNameException");
    let pattern = "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must \
                   satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$";
    assert_eq!(create("alias/a b"), ("ValidationException".to_owned(), pattern.to_owned()));
    assert_eq!(create(&format!("alias/{}", "x".repeat(251))).0, "ValidationException");
    let target = service.refused("CreateAlias", json!({"AliasName": "alias/b", "TargetKeyId": "alias/c"}));
    assert_eq!(target, ("ValidationException".to_owned(), "Aliases must refer to keys. Not aliases".to_owned()));
}

#[test]
fn an_alias_moves_only_between_keys_of_the_same_use() {
    let service = Service::new();
    let (key, mac) = (service.key(), service.key_of("HMAC_256", "GENERATE_VERIFY_MAC"));
    service.ok("CreateAlias", json!({"AliasName": "alias/app", "TargetKeyId": key["KeyId"]}));
    let moved = service.refused("UpdateAlias", json!({"AliasName": "alias/app", "TargetKeyId": mac["KeyId"]}));
    assert_eq!(moved.0, "ValidationException");
}

#[test]
fn tags_are_set_replaced_removed_and_listed() {
    let service = Service::new();
    let key = service.key();
    let id = &key["KeyId"];
    let tags = |pairs: &[(&str, &str)]| -> Value {
        pairs.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect()
    };
    service.ok("TagResource", json!({"KeyId": id, "Tags": tags(&[("team", "red"), ("stage", "")])}));
    service.ok("TagResource", json!({"KeyId": id, "Tags": tags(&[("team", "blue"), ("cost", "1")])}));
    service.ok("UntagResource", json!({"KeyId": id, "TagKeys": ["stage", "absent"]}));
    let listed = service.ok("ListResourceTags", json!({"KeyId": id}));
    assert_eq!(listed, json!({"Tags": tags(&[("cost", "1"), ("team", "blue")]), "Truncated": false}));
    let first = service.ok("ListResourceTags", json!({"KeyId": id, "Limit": 1}));
    assert_eq!((&first["Tags"], &first["Truncated"]), (&tags(&[("cost", "1")]), &json!(true)));
    let rest = service.ok("ListResourceTags", json!({"KeyId": id, "Limit": 1, "Marker": first["NextMarker"]}));
    assert_eq!(rest, json!({"Tags": tags(&[("team", "blue")]), "Truncated": false}));
    let many: Vec<(String, &str)> = (0..51).map(|number| (number.to_string(), "v")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    for (wrong, text) in [
        (tags(&[("AWS:team", "v")]), "Tags beginning with aws: are reserved"),
        (tags(&[("a", "1"), ("a", "2")]), "Duplicate tag keys"),
        (tags(&many), "Too many tags"),
    ] {
        let refusal = ("TagException".to_owned(), text.to_owned());
        assert_eq!(service.refused("TagResource", json!({"KeyId": id, "Tags": wrong})), refusal);
        assert_eq!(service.refused("CreateKey", json!({"Tags": wrong})), refusal);
    }
}

#[test]
fn what_leads_to_no_key_is_told_as_aws_tells_it() {
    let service = Service::new();
    let absent = "00000000-0000-0000-0000-000000000000";
    let arn = service.arn(&format!("key/{absent}"));
    for (name, text) in [
        (absent.to_owned(), format!("Key '{arn}' does not exist")),
        (arn.clone(), format!("Key '{arn}' does not exist")),
        ("nonsense".to_owned(), "Invalid keyId 'nonsense'".to_owned()),
        ("alias/absent".to_owned(), format!("Alias {} is not found.", service.arn("alias/absent"))),
        (arn.replace("eu-test-1", "eu-test-9"), "Invalid arn eu-test-9".to_owned()),
    ] {
        let refusal = ("NotFoundException".to_owned(), text);
        assert_eq!(service.refused("DescribeKey", json!({"KeyId": name})), refusal);
        assert_eq!(service.refused("Encrypt", json!({"KeyId": name, "Plaintext": b64(b"p")})), refusal);
    }
    let elsewhere = arn.replace("arn:aws:", "arn:aws-cn:");
    let refusal = ("NotFoundException".to_owned(), format!("Invalid keyId '{elsewhere}'"));
    assert_eq!(service.refused("Encrypt", json!({"KeyId": elsewhere, "Plaintext": b64(b"p")})), refusal);
    let refusal = ("InvalidArnException".to_owned(), format!("Invalid arn {elsewhere}"));
    assert_eq!(service.refused("DescribeKey", json!({"KeyId": elsewhere})), refusal);
}
