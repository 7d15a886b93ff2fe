//! Who may do what: no tenant reaches another or the installation, roles do what they say, and why is told.

use serde_json::{Value, json};
use strongroom_testkit::engine::ACCOUNT as FIRST;

use crate::house::House;

const OWN: &str = "123456789012";

#[test]
fn the_administrator_of_a_tenant_reaches_no_other_tenant_and_not_the_installation() {
    let house = House::new();
    let chief = house.principal(OWN, "chief", "tenant-administrator");
    let root = house.access_key(OWN, json!({}));
    // Even a policy that allows everything is of the own tenant alone.
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let path = format!("/v1/tenants/{OWN}/principals/chief/policies/everything");
    house.done("PUT", &path, json!({"document": everything}));
    let foreign = house.test.create_key();
    for key in [&chief, &root] {
        for (method, target, body) in [
            ("POST", "/v1/tenants".to_owned(), json!({"account": "999999999999", "name": "n"})),
            ("GET", "/v1/tenants".to_owned(), Value::Null),
            ("GET", format!("/v1/tenants/{FIRST}"), Value::Null),
            ("GET", "/v1/tenants/999999999999".to_owned(), Value::Null),
            ("POST", format!("/v1/tenants/{FIRST}/suspend"), Value::Null),
            ("POST", format!("/v1/tenants/{OWN}/suspend"), Value::Null),
            ("POST", format!("/v1/tenants/{FIRST}/principals"), json!({"name": "mallory"})),
            ("GET", format!("/v1/tenants/{FIRST}/principals"), Value::Null),
            ("POST", format!("/v1/tenants/{FIRST}/access-keys"), json!({})),
            ("GET", format!("/v1/tenants/{FIRST}/keys"), Value::Null),
            ("GET", format!("/v1/tenants/{FIRST}/bindings"), Value::Null),
            ("GET", format!("/v1/keys/{}", foreign.row.id), Value::Null),
            ("POST", format!("/v1/keys/{}/suspend", foreign.row.id), Value::Null),
            ("POST", format!("/v1/keys/{}/versions/1/suspend", foreign.row.id), Value::Null),
            ("GET", "/v1/roots".to_owned(), Value::Null),
            ("GET", format!("/v1/audit/records?tenant={FIRST}"), Value::Null),
        ] {
            let answer = house.signed(key, method, &target, body);
            assert_eq!(answer.code(), (403, "AccessDenied"), "{method} {target}: {answer:?}");
        }
        assert_eq!(house.signed(key, "GET", &format!("/v1/tenants/{OWN}"), Value::Null).status, 200);
        assert_eq!(house.signed(key, "GET", &format!("/v1/tenants/{OWN}/principals"), Value::Null).status, 200);
    }
}

#[test]
fn whether_another_tenant_exists_cannot_be_told() {
    let house = House::new();
    let chief = house.principal(OWN, "chief", "tenant-administrator");
    let message = |account: &str| {
        let answer = house.signed(&chief, "GET", &format!("/v1/tenants/{account}/principals"), Value::Null);
        answer.body["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message(FIRST), message("999999999999"));
}

#[test]
fn roles_do_what_they_say_and_no_more() {
    let house = House::new();
    let principals = format!("/v1/tenants/{OWN}/principals");
    let keys = format!("/v1/tenants/{OWN}/keys");
    let audit = "/v1/audit/records".to_owned();
    // (role, reads principals, reads keys, reads the log, makes principals)
    for (role, reads_principals, reads_keys, reads_log, makes) in [
        ("tenant-administrator", true, true, true, true),
        ("key-administrator", false, true, false, false),
        ("key-user", false, false, false, false),
        ("auditor", true, true, true, false),
    ] {
        let key = house.principal(OWN, role, role);
        let allowed = |method: &str, target: &str, body: Value| {
            let answer = house.signed(&key, method, target, body);
            match answer.code() {
                (403, "AccessDenied") => false,
                (status, _) if status < 300 => true,
                other => panic!("{role} {method} {target}: {other:?}"),
            }
        };
        assert_eq!(allowed("GET", &principals, Value::Null), reads_principals, "{role}");
        assert_eq!(allowed("GET", &keys, Value::Null), reads_keys, "{role}");
        assert_eq!(allowed("GET", &audit, Value::Null), reads_log, "{role}");
        let new = json!({"name": format!("by-{role}")});
        assert_eq!(allowed("POST", &principals, new), makes, "{role}");
        assert!(allowed("GET", "/v1/whoami", Value::Null), "{role}");
    }
}

#[test]
fn an_explanation_names_the_statements_that_decide_and_why_others_do_not() {
    let house = House::new();
    let key = house.test.create_key();
    let _ = house.test.user("bob", Some(&strongroom_testkit::engine::allow(None, &["test:Encrypt"])));
    let explain = |action: &str| {
        let body = json!({"principal": "bob", "action": action, "key": key.row.id.to_string()});
        house.done("POST", &format!("/v1/tenants/{FIRST}/explain"), body)
    };
    let allowed = explain("test:encrypt");
    assert_eq!((&allowed["allowed"], &allowed["action"]), (&json!(true), &json!("test:Encrypt")));
    let decided = |explained: &Value| {
        let statements = explained["statements"].as_array().unwrap().iter();
        let decided = statements.filter(|statement| statement["decided"] == true);
        decided.map(|statement| statement["policy"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(decided(&allowed), ["key-policy", "identity-policy policy"]);
    let denied = explain("test:Decrypt");
    assert_eq!(denied["allowed"], false);
    assert_eq!(denied["reason"], "denied: no identity policy allows it");
    assert_eq!(decided(&denied), Vec::<String>::new());
    let because = denied["statements"][1]["because"].as_str().unwrap();
    assert_eq!(because, "the action differs");
    let grant = json!({"action": "test:Encrypt", "key": key.row.id.to_string(), "grant": "00".repeat(16)});
    let answer = house.ask("POST", &format!("/v1/tenants/{FIRST}/explain"), grant);
    assert_eq!(answer.code(), (400, "InvalidRequest"), "a grant for what no single grant has a say in");
    let retired = json!({"action": "test:RetireGrant", "key": key.row.id.to_string(), "grant": "00".repeat(16)});
    let answer = house.ask("POST", &format!("/v1/tenants/{FIRST}/explain"), retired);
    assert_eq!(answer.code().0, 404, "no such grant");
    let body = json!({"action": "test:Nothing"});
    let answer = house.ask("POST", &format!("/v1/tenants/{FIRST}/explain"), body);
    assert_eq!(answer.code(), (400, "UnknownAction"));
    // The tenant's root needs no policy in its own tenant.
    let body = json!({"action": "strongroom:ReadAudit"});
    let root = house.done("POST", &format!("/v1/tenants/{FIRST}/explain"), body);
    assert_eq!(decided(&root), ["account-root"]);
}

#[test]
fn an_access_key_of_the_tenant_s_root_is_made_and_changed_by_the_root_and_by_operators_alone() {
    let house = House::new();
    let keys = format!("/v1/tenants/{OWN}/access-keys");
    let chief = house.principal(OWN, "chief", "tenant-administrator");
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let path = format!("/v1/tenants/{OWN}/principals/chief/policies/everything");
    house.done("PUT", &path, json!({"document": everything}));
    let root = house.access_key(OWN, json!({}));
    // No policy permits it, not even one that permits everything.
    for (method, target) in [
        ("POST", keys.clone()),
        ("POST", format!("{keys}/{}/suspend", root.id)),
        ("POST", format!("{keys}/{}/resume", root.id)),
        ("DELETE", format!("{keys}/{}", root.id)),
    ] {
        let answer = house.signed(&chief, method, &target, Value::Null);
        assert_eq!(answer.code(), (403, "AccessDenied"), "{method} {target}: {answer:?}");
        assert!(answer.body["error"]["message"].as_str().unwrap().ends_with(&format!("arn:aws:iam::{OWN}:root")));
    }
    let records = house.test.records();
    let record = records.last().unwrap().record().unwrap();
    let decision = record.decision.unwrap();
    assert_eq!(decision.missing.as_full(), Some("only the tenant's root and the installation's operators may"));
    assert!(!decision.allowed);
    let second = house.signed(&root, "POST", &keys, json!({}));
    assert_eq!(second.status, 201, "{second:?}");
    let second = second.body["access_key_id"].as_str().unwrap();
    assert_eq!(house.signed(&root, "DELETE", &format!("{keys}/{second}"), Value::Null).status, 204);
    house.done("POST", &format!("{keys}/{}/suspend", root.id), Value::Null);
    // Reading them takes no more than a policy that permits it.
    assert_eq!(house.signed(&chief, "GET", &keys, Value::Null).status, 200);
}

#[test]
fn credentials_and_policies_are_decided_on_the_principal_that_they_are_of() {
    let house = House::new();
    let anna = house.principal(OWN, "anna", "key-user");
    let bob = house.principal(OWN, "bob", "tenant-administrator");
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Resource":"arn:aws:iam::{OWN}:user/${{aws:username}}",
        "Action":["strongroom:ManageCredentials","strongroom:ReadCredentials"]}}]}}"#
    );
    let path = format!("/v1/tenants/{OWN}/principals/anna/policies/own-keys");
    house.done("PUT", &path, json!({"document": document}));
    let keys = format!("/v1/tenants/{OWN}/access-keys");
    let made = house.signed(&anna, "POST", &keys, json!({"principal": "anna"}));
    assert_eq!(made.status, 201, "{made:?}");
    let own = made.body["access_key_id"].as_str().unwrap();
    assert_eq!(house.signed(&anna, "GET", &format!("{keys}?principal=anna"), Value::Null).status, 200);
    assert_eq!(house.signed(&anna, "POST", &format!("{keys}/{own}/suspend"), Value::Null).status, 204);
    for (method, target, body) in [
        ("POST", keys.clone(), json!({"principal": "bob"})),
        ("POST", keys.clone(), json!({"principal": "nobody"})),
        ("POST", keys.clone(), json!({})),
        ("GET", format!("{keys}?principal=bob"), Value::Null),
        ("DELETE", format!("{keys}/{}", bob.id), Value::Null),
        ("DELETE", format!("{keys}/AKIAAAAAAAAAAAAAAAAA"), Value::Null),
        ("PUT", format!("/v1/tenants/{OWN}/principals/anna/policies/more"), json!({"document": document})),
        ("POST", format!("/v1/tenants/{OWN}/principals/bob/suspend"), Value::Null),
        ("DELETE", format!("/v1/tenants/{OWN}/principals/bob"), Value::Null),
        ("GET", format!("/v1/tenants/{OWN}/principals/bob"), Value::Null),
    ] {
        let answer = house.signed(&anna, method, &target, body);
        assert_eq!(answer.code(), (403, "AccessDenied"), "{method} {target}: {answer:?}");
    }
    let explain = |on: &str| {
        let body = json!({"principal": "anna", "action": "strongroom:ManageCredentials", "on_principal": on});
        house.done("POST", &format!("/v1/tenants/{OWN}/explain"), body)
    };
    assert_eq!((&explain("anna")["allowed"], &explain("bob")["allowed"]), (&json!(true), &json!(false)));
    let answer = house.signed(&bob, "POST", &keys, json!({"principal": "nobody"}));
    assert_eq!(answer.code(), (404, "NotFound"));
}
