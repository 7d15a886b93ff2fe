//! `GetResources`: which keys, in which pages, for whom.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_aws_tagging::limits;
use strongroom_testkit::engine::REGION;

use crate::support::{OTHER_REGION, Service};

fn filter(key: &str, values: &[&str]) -> Value {
    json!({ "Key": key, "Values": values })
}

#[test]
fn tagged_keys_are_told_with_their_tags_and_untagged_ones_are_not() {
    let service = Service::new();
    let arn = service.key(REGION, &[("team", "red"), ("stage", "")]);
    let _untagged = service.key(REGION, &[]);
    let (status, reply) = service.ask("admin", &json!({}));
    assert_eq!(status, 200, "{reply}");
    let mut resource = reply["ResourceTagMappingList"][0].clone();
    resource["Tags"].as_array_mut().unwrap().sort_by_key(|tag| tag["Key"].to_string());
    let tags = json!([{ "Key": "stage", "Value": "" }, { "Key": "team", "Value": "red" }]);
    assert_eq!(resource, json!({ "ResourceARN": arn, "Tags": tags }));
    assert_eq!(reply["ResourceTagMappingList"].as_array().unwrap().len(), 1);
    assert_eq!(reply["PaginationToken"], "");
}

#[test]
fn a_key_has_to_fit_every_filter_by_one_of_its_values() {
    let service = Service::new();
    let red = service.key(REGION, &[("team", "red"), ("stage", "one")]);
    let blue = service.key(REGION, &[("team", "blue"), ("stage", "two")]);
    let found = |filters: &[Value]| {
        let mut found = service.page(&json!({ "TagFilters": filters })).0;
        found.sort();
        found
    };
    let mut both = vec![red.clone(), blue.clone()];
    both.sort();
    assert_eq!(found(&[filter("team", &[])]), both);
    assert_eq!(found(&[filter("team", &["red", "blue"])]), both);
    assert_eq!(found(&[filter("team", &["red"])]), [red]);
    assert_eq!(found(&[filter("team", &["red", "blue"]), filter("stage", &["two"])]), [blue]);
    assert!(found(&[filter("team", &["red"]), filter("stage", &["two"])]).is_empty());
    assert!(found(&[filter("Team", &[])]).is_empty());
}

#[test]
fn only_keys_are_there_whatever_else_is_asked_for() {
    let service = Service::new();
    let arn = service.key(REGION, &[("team", "red")]);
    for types in [json!([]), json!(["kms"]), json!(["kms:key"]), json!(["s3", "kms:key"])] {
        assert_eq!(service.page(&json!({ "ResourceTypeFilters": types })).0, std::slice::from_ref(&arn), "{types}");
    }
    for types in [json!(["s3"]), json!(["kms:alias"]), json!(["kms:"]), json!(["k"])] {
        assert!(service.page(&json!({ "ResourceTypeFilters": types })).0.is_empty(), "{types}");
    }
}

#[test]
fn pages_are_together_the_whole_and_no_key_comes_twice() {
    let service = Service::new();
    let mut keys: Vec<_> = (0..7).map(|_| service.key(REGION, &[("team", "red")])).collect();
    keys.sort();
    let _other = service.key(REGION, &[("team", "blue")]);
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let filters = [filter("team", &["red"])];
        let body = json!({ "TagFilters": filters, "ResourcesPerPage": 3, "PaginationToken": token });
        let (page, next) = service.page(&body);
        assert!(page.len() <= 3);
        found.extend(page);
        if next.is_empty() {
            break;
        }
        token = next;
    }
    found.sort();
    assert_eq!(found, keys);
}

#[test]
fn a_request_looks_at_so_many_keys_and_the_next_one_goes_on_behind_them() {
    let service = Service::new();
    for _ in 0..limits::KEYS_LOOKED_AT {
        let _untagged = service.test.create_key();
    }
    let mut tagged: Vec<_> = (0..4).map(|_| service.key(REGION, &[("team", "red")])).collect();
    tagged.sort();
    let (mut found, mut token, mut pages) = (Vec::new(), String::new(), 0);
    while pages == 0 || !token.is_empty() {
        let page = service.page(&json!({ "PaginationToken": token }));
        found.extend(page.0);
        token = page.1;
        pages += 1;
    }
    assert_eq!((found, pages), (tagged, 2));
}

#[test]
fn a_page_has_at_most_so_many_tags_and_splits_no_keys() {
    let service = Service::new();
    let names: Vec<String> = (0..40).map(|number| format!("tag{number}")).collect();
    let tags: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    for _ in 0..3 {
        service.key(REGION, &tags);
    }
    let (first, token) = service.page(&json!({ "TagsPerPage": 100 }));
    let (second, end) = service.page(&json!({ "TagsPerPage": 100, "PaginationToken": token }));
    assert_eq!((first.len(), second.len(), end.as_str()), (2, 1, ""));
}

#[test]
fn a_token_is_for_its_own_listing_and_time_and_nobody_can_make_one() {
    let service = Service::new();
    service.second_tenant();
    for _ in 0..3 {
        service.key(REGION, &[("team", "red")]);
        service.key(OTHER_REGION, &[("team", "red")]);
    }
    let body = |token: &str| json!({ "ResourcesPerPage": 1, "PaginationToken": token });
    let (_, token) = service.page(&body(""));
    assert!(!token.is_empty());
    assert_eq!(service.page(&body(&token)).0.len(), 1);
    let filtered = json!({ "TagFilters": [filter("team", &[])], "PaginationToken": token });
    assert_eq!(service.refused(&filtered), "InvalidParameterException");
    let typed = json!({ "ResourceTypeFilters": ["kms"], "PaginationToken": token });
    assert_eq!(service.refused(&typed), "InvalidParameterException");
    for wrong in ["AAAA".to_owned(), "not base64".to_owned(), token.replacen('A', "B", 1), format!("{token}AAAA")] {
        if wrong != token {
            assert_eq!(service.refused(&body(&wrong)), "InvalidParameterException", "{wrong}");
        }
    }
    assert_eq!(service.ask("stranger", &body(&token)).1["__type"], "InvalidParameterException");
    let elsewhere = service.ask_for("admin", "GetResources", &body(&token), OTHER_REGION);
    assert_eq!(elsewhere.1["__type"], "InvalidParameterException");
    service.test.clock.pass(limits::TOKEN_TIME + Duration::from_millis(1));
    assert_eq!(service.refused(&body(&token)), "PaginationTokenExpiredException");
}

#[test]
fn keys_are_those_of_the_callers_account_and_region() {
    let service = Service::new();
    service.second_tenant();
    let here = service.key(REGION, &[("team", "red")]);
    let there = service.key(OTHER_REGION, &[("team", "red")]);
    assert_eq!(service.page(&json!({})).0, std::slice::from_ref(&here));
    let elsewhere = service.ask_for("admin", "GetResources", &json!({}), OTHER_REGION).1;
    assert_eq!(elsewhere["ResourceTagMappingList"][0]["ResourceARN"], there);
    for body in [json!({}), json!({ "ResourceARNList": [here, there] })] {
        let (status, reply) = service.ask("stranger", &body);
        assert_eq!((status, &reply["ResourceTagMappingList"]), (200, &json!([])));
    }
}

#[test]
fn of_the_arns_named_those_are_told_that_are_tagged_keys_here() {
    let service = Service::new();
    let tagged = service.key(REGION, &[("team", "red")]);
    let untagged = service.key(REGION, &[]);
    let elsewhere = service.key(OTHER_REGION, &[("team", "red")]);
    let id = tagged.rsplit('/').next().unwrap();
    let absent = tagged.replace(id, "00000000-0000-4000-8000-000000000000");
    let alias = tagged.replace(&format!("key/{id}"), "alias/dev");
    let arns = json!([elsewhere, absent, alias, id, "arn:aws:s3:::bucket", untagged, tagged, tagged.to_uppercase()]);
    assert_eq!(service.page(&json!({ "ResourceARNList": arns })), (vec![tagged], String::new()));
}

#[test]
fn an_identity_policy_decides_about_the_listing_as_a_whole() {
    let service = Service::new();
    let arn = service.key(REGION, &[("team", "red")]);
    let allow = |action: &str, resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}]}}"#
        )
    };
    let tenant = service.test.tenant.id;
    let user = |name, policy: Option<&str>| service.user(tenant, strongroom_testkit::engine::ACCOUNT, name, policy);
    user("lister", Some(&allow("tag:GetResources", "*")));
    user("kms-only", Some(&allow("kms:*", "*")));
    user("of-one-key", Some(&allow("tag:GetResources", &arn)));
    user("nobody", None);
    assert_eq!(service.ask("lister", &json!({})).1["ResourceTagMappingList"][0]["ResourceARN"], arn);
    for name in ["kms-only", "of-one-key", "nobody"] {
        for body in [
            json!({}),
            json!({ "ResourceARNList": [arn] }),
            json!({ "TagFilters": [filter("none", &[])] }),
            json!({ "ResourceTypeFilters": ["s3"] }),
        ] {
            let (status, reply) = service.ask(name, &body);
            assert_eq!((status, reply["__type"].as_str()), (400, Some("AccessDeniedException")), "{name} {body}");
            let message = reply["Message"].as_str().unwrap();
            assert!(
                message.contains("is not authorized to perform: tag:GetResources because no identity-based"),
                "{message}"
            );
        }
    }
}

#[test]
fn what_is_not_served_is_refused_and_recorded() {
    let service = Service::new();
    let (status, reply) = service.ask_for("admin", "TagResources", &json!({}), REGION);
    assert_eq!((status, reply["__type"].as_str()), (400, Some("UnknownOperationException")));
    assert_eq!(service.refused(&json!({ "ResourcesPerPage": 0 })), "InvalidParameterException");
    assert_eq!(service.refused(&json!([])), "SerializationException");
    let before = service.test.records().len();
    assert_eq!(service.ask("admin", &json!({ "ResourceTypeFilters": ["s3"] })).0, 200);
    let mut records = service.test.records();
    assert_eq!(records.len(), before + 1);
    records.truncate(before);
    let told: Vec<_> =
        records.iter().rev().take(3).map(|sealed| format!("{:?}", sealed.record().unwrap().outcome)).collect();
    for (told, code) in told.iter().rev().zip(["UnknownOperation", "InvalidParameter", "Serialization"]) {
        assert!(told.contains(code), "{told}");
    }
}

#[test]
fn a_signature_for_another_service_proves_nobody() {
    let service = Service::new();
    let target = "ResourceGroupsTaggingAPI_20170126.GetResources";
    let request = service.signed("admin", target, &json!({}), REGION, "kms");
    let (status, reply) = service.send(request);
    assert_eq!((status, reply["__type"].as_str()), (400, Some("InvalidSignatureException")));
}
