//! Tenants, principals, policies and access keys.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_testkit::engine::ACCOUNT as OWN;

use crate::house::House;

const ACCOUNT: &str = "123456789012";
const TENANT: &str = "/v1/tenants/123456789012";

#[test]
fn an_operator_makes_a_tenant_with_a_principal_and_an_access_key_and_all_of_it_is_recorded() {
    let house = House::new();
    let tenant = house.done("POST", "/v1/tenants", json!({"account": ACCOUNT, "name": "prod"}));
    assert_eq!(tenant["arn"], "arn:aws:iam::123456789012:root");
    assert_eq!(tenant["state"], "active");
    let alice = house.done("POST", &format!("{TENANT}/principals"), json!({"name": "alice"}));
    assert_eq!(alice["arn"], "arn:aws:iam::123456789012:user/alice");
    let unique_id = alice["unique_id"].as_str().unwrap();
    assert_eq!((unique_id.len(), unique_id.starts_with("AIDA")), (21, true));
    let key = house.access_key(ACCOUNT, json!({"principal": "alice"}));
    assert_eq!((key.id.len(), key.id.starts_with("AKIA"), key.secret.len()), (20, true, 40));
    let expected =
        ["CreateTenant", "CreatePrincipal", "CreateAccessKey"].map(|name| (name.to_owned(), "done".to_owned()));
    assert_eq!(house.records(), expected);
    let again = house.ask("POST", "/v1/tenants", json!({"account": ACCOUNT, "name": "prod"}));
    assert_eq!(again.code(), (409, "AlreadyExists"));
}

#[test]
fn how_key_stores_are_is_told_to_operators_alone() {
    let house = House::new();
    let alice = house.principal(ACCOUNT, "alice", "tenant-administrator");
    assert_eq!(house.done("GET", "/v1/health", Value::Null)["key_stores"], json!([]));
    let told = house.signed(&alice, "GET", "/v1/health", Value::Null);
    assert_eq!((&told.body["status"], &told.body["key_stores"]), (&json!("serving"), &Value::Null));
}

#[test]
fn a_secret_is_in_one_answer_and_in_no_record() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "alice", "key-user");
    let listed = house.done("GET", &format!("{TENANT}/access-keys?principal=alice"), Value::Null);
    assert_eq!(listed["items"][0]["access_key_id"], key.id.as_str());
    assert!(!listed.to_string().contains(&key.secret));
    for record in house.test.records() {
        let found = record.bytes().windows(key.secret.len()).any(|bytes| bytes == key.secret.as_bytes());
        assert!(!found, "{:?}", record.record());
    }
}

#[test]
fn an_access_key_proves_its_principal_until_it_is_suspended_expired_or_deleted() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "alice", "auditor");
    let me = |key| house.signed(key, "GET", "/v1/whoami", Value::Null);
    let answer = me(&key);
    assert_eq!(answer.body["arn"], "arn:aws:iam::123456789012:user/alice", "{answer:?}");
    assert_eq!(answer.body["kind"], "user");
    let change = |what: &str| house.done("POST", &format!("{TENANT}/access-keys/{}/{what}", key.id), Value::Null);
    change("suspend");
    assert_eq!(me(&key).code(), (401, "UnknownAccessKey"));
    change("resume");
    assert_eq!(me(&key).status, 200);
    house.done("DELETE", &format!("{TENANT}/access-keys/{}", key.id), Value::Null);
    assert_eq!(me(&key).code(), (401, "UnknownAccessKey"));

    let short = house.access_key(ACCOUNT, json!({"principal": "alice", "lifetime_seconds": 3600}));
    assert_eq!(me(&short).status, 200);
    house.test.clock.pass(Duration::from_secs(3600));
    assert_eq!(me(&short).code(), (401, "UnknownAccessKey"));
    let listed = house.done("GET", &format!("{TENANT}/access-keys?principal=alice"), Value::Null);
    assert_eq!(listed["items"][0]["state"], "expired");
}

#[test]
fn an_access_key_s_last_use_is_told() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "alice", "key-user");
    let listed =
        || house.done("GET", &format!("{TENANT}/access-keys?principal=alice"), Value::Null)["items"][0].clone();
    assert_eq!(listed()["last_used"], Value::Null);
    house.test.clock.pass(Duration::from_secs(60));
    house.signed(&key, "GET", "/v1/tenants", Value::Null);
    let used = strongroom_admin_api::Time(house.engine.clock().now()).to_string();
    house.test.clock.pass(Duration::from_secs(60));
    assert_eq!(listed()["last_used"], used);
}

#[test]
fn nobody_changes_the_access_key_that_they_ask_with() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "chief", "tenant-administrator");
    for (method, path) in [
        ("POST", format!("{TENANT}/access-keys/{}/suspend", key.id)),
        ("DELETE", format!("{TENANT}/access-keys/{}", key.id)),
    ] {
        assert_eq!(house.signed(&key, method, &path, Value::Null).code(), (400, "InvalidInput"));
    }
    let own = house.signed(&key, "DELETE", &format!("{TENANT}/principals/chief"), Value::Null);
    assert_eq!(own.code(), (400, "InvalidInput"));
}

#[test]
fn a_principal_is_suspended_resumed_and_deleted_with_all_that_is_its() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "alice", "auditor");
    let asks = || house.signed(&key, "GET", &format!("{TENANT}/principals"), Value::Null);
    assert_eq!(asks().status, 200);
    house.done("POST", &format!("{TENANT}/principals/alice/suspend"), Value::Null);
    assert_eq!(asks().code(), (403, "TenantSuspended"));
    house.done("POST", &format!("{TENANT}/principals/alice/resume"), json!({}));
    assert_eq!(asks().status, 200);
    house.done("DELETE", &format!("{TENANT}/principals/alice"), Value::Null);
    assert_eq!(asks().code(), (401, "UnknownAccessKey"));
    assert_eq!(house.ask("GET", &format!("{TENANT}/principals/alice"), Value::Null).code(), (404, "NotFound"));
}

#[test]
fn a_suspended_tenant_is_served_nothing_and_operators_can_resume_it() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "alice", "auditor");
    assert_eq!(house.done("POST", &format!("{TENANT}/suspend"), Value::Null)["state"], "suspended");
    let asks = || house.signed(&key, "GET", &format!("{TENANT}/principals"), Value::Null);
    assert_eq!(asks().code(), (403, "TenantSuspended"));
    assert_eq!(house.done("POST", &format!("{TENANT}/resume"), Value::Null)["state"], "active");
    assert_eq!(asks().status, 200);
}

#[test]
fn policies_are_kept_as_they_came_and_what_is_no_policy_is_refused() {
    let house = House::new();
    house.principal(ACCOUNT, "alice", "key-user");
    let path = format!("{TENANT}/principals/alice/policies/own");
    let document =
        "{\"Version\":\"2012-10-17\",\n \"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}]}";
    house.done("PUT", &path, json!({"document": document}));
    assert_eq!(house.done("GET", &path, Value::Null)["document"], document);
    let detail = house.done("GET", &format!("{TENANT}/principals/alice"), Value::Null);
    assert_eq!(detail["policies"], json!(["key-user", "own"]));
    house.done("DELETE", &path, Value::Null);
    assert_eq!(house.ask("GET", &path, Value::Null).code(), (404, "NotFound"));
    assert_eq!(house.ask("DELETE", &path, Value::Null).code(), (404, "NotFound"));
    for bad in
        ["", "{}", "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"kms:*\",\"Action\":\"*\",\"Resource\":\"*\"}]}"]
    {
        assert_eq!(house.ask("PUT", &path, json!({"document": bad})).code(), (400, "InvalidPolicy"), "{bad}");
    }
}

#[test]
fn every_role_that_ships_is_a_policy() {
    let house = House::new();
    for (index, role) in strongroom_admin_api::roles::ROLES.iter().enumerate() {
        house.principal(ACCOUNT, &format!("user-{index}"), role.name);
    }
}

#[test]
fn listings_come_in_pages_and_miss_nothing() {
    let house = House::new();
    house.principal(ACCOUNT, "p-0", "key-user");
    for index in 1..5 {
        house.done("POST", &format!("{TENANT}/principals"), json!({"name": format!("p-{index}")}));
    }
    let mut names = Vec::new();
    let mut target = format!("{TENANT}/principals?limit=2");
    loop {
        let page = house.done("GET", &target, Value::Null);
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("{TENANT}/principals?limit=2&after={next}");
    }
    assert_eq!(names, ["p-0", "p-1", "p-2", "p-3", "p-4"]);
    let accounts = house.done("GET", "/v1/tenants?limit=1", Value::Null);
    assert_eq!(accounts["next"], accounts["items"][0]["account"]);
}

#[test]
fn key_and_trust_policies_show_who_is_gone_by_the_unique_id_and_whoever_has_the_name_next_is_not_meant() {
    let house = House::new();
    let tenant = format!("/v1/tenants/{OWN}");
    let make = || house.done("POST", &format!("{tenant}/principals"), json!({"name": "alice"}));
    let first = make();
    let naming = |who: &Value| {
        let statement =
            |who: &str, action: &str| json!({"Effect": "Allow", "Principal": {"AWS": who}, "Action": action});
        let trust = json!({"Statement": [statement(who.as_str().unwrap(), "sts:AssumeRole")]});
        let mut key = json!({"Statement": [
            statement(&format!("arn:aws:iam::{OWN}:root"), "test:*"), statement(who.as_str().unwrap(), "test:Encrypt"),
        ]});
        key["Statement"].as_array_mut().unwrap().iter_mut().for_each(|one| one["Resource"] = json!("*"));
        (key.to_string(), trust.to_string())
    };
    let (policy, trust) = naming(&first["arn"]);
    house.done("POST", &format!("{tenant}/roles"), json!({"name": "app", "trust_policy": trust}));
    let place = format!("/v1/keys/{}/policy", house.test.create_key().row.id);
    house.done("PUT", &place, json!({"document": policy}));
    let shown = || {
        let (key, role) =
            (house.done("GET", &place, Value::Null), house.done("GET", &format!("{tenant}/roles/app"), Value::Null));
        let listed = house.done("GET", &format!("{tenant}/roles"), Value::Null);
        assert_eq!(listed["items"][0]["trust_policy"], role["trust_policy"]);
        (key["document"].as_str().unwrap().to_owned(), role["trust_policy"].as_str().unwrap().to_owned())
    };
    assert_eq!(shown(), naming(&first["arn"]));
    house.done("DELETE", &format!("{tenant}/principals/alice"), Value::Null);
    assert_eq!(shown(), naming(&first["unique_id"]));
    let second = make();
    assert_ne!(second["unique_id"], first["unique_id"]);
    assert_eq!(shown(), naming(&first["unique_id"]));
    let again = house.ask("PUT", &place, json!({"document": shown().0}));
    assert_eq!(again.code(), (400, "InvalidPolicy"));
    house.done("PUT", &place, json!({"document": naming(&second["arn"]).0}));
    assert_eq!(shown().0, naming(&second["arn"]).0);
}
