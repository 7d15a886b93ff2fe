//! Names of every front end, bound and unbound.

use serde_json::{Value, json};
use strongroom_admin::Admin;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{ACCOUNT, REGION};

use crate::house::House;

fn bindings() -> String {
    format!("/v1/tenants/{ACCOUNT}/bindings")
}

fn place(kind: &str, name: &str) -> String {
    format!("{}/{kind}/{REGION}/{}", bindings(), name.replace('/', "%2F"))
}

fn alias(key: &str, name: &str) -> Value {
    json!({"kind": "test-alias", "region": REGION, "name": name, "key": key})
}

#[test]
fn a_name_is_bound_by_its_kind_s_name_and_removed_and_both_are_recorded() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    let made = house.done("POST", &bindings(), alias(&key, "alias/a"));
    assert_eq!((&made["kind"], &made["name"], &made["key"]), (&json!("test-alias"), &json!("alias/a"), &json!(key)));
    let shown = house.done("GET", &format!("/v1/keys/{key}"), Value::Null);
    assert_eq!(shown["bindings"].as_array().unwrap().len(), 2);
    assert_eq!(house.ask("POST", &bindings(), alias(&key, "alias/a")).code(), (409, "AlreadyExists"));
    house.done("DELETE", &place("test-alias", "alias/a"), Value::Null);
    assert_eq!(house.ask("DELETE", &place("test-alias", "alias/a"), Value::Null).code(), (404, "NotFound"));
    let told: Vec<_> = house.records().into_iter().filter(|(name, _)| name.ends_with("Binding")).collect();
    let told: Vec<_> = told.iter().map(|(name, outcome)| (name.as_str(), outcome.as_str())).collect();
    let expected = [
        ("CreateBinding", "done"),
        ("CreateBinding", "AlreadyExists"),
        ("DeleteBinding", "done"),
        ("DeleteBinding", "NotFound"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_name_is_bound_only_where_the_key_s_usage_fits_its_kind() {
    let house = House::new();
    let key = house.test.create(KeySpec::Aes256, Usage::RawCbc).row.id.to_string();
    let answer = house.ask("POST", &bindings(), alias(&key, "alias/raw"));
    assert_eq!(answer.code(), (409, "UsageForbids"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("test-alias do not serve keys for RawCbc"));
}

#[test]
fn what_is_no_name_of_its_kind_or_not_of_the_key_s_region_is_refused() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    let refused = |body: Value, code: (u16, &str)| assert_eq!(house.ask("POST", &bindings(), body).code(), code);
    let with = |field: &str, value: &str| {
        let mut body = alias(&key, "alias/a");
        body[field] = json!(value);
        body
    };
    refused(with("kind", "2"), (400, "InvalidRequest"));
    refused(with("kind", "test"), (400, "InvalidRequest"));
    refused(with("name", "a"), (400, "InvalidInput"));
    refused(with("name", ""), (400, "InvalidRequest"));
    refused(with("name", &"x".repeat(513)), (400, "InvalidRequest"));
    refused(with("region", &"x".repeat(65)), (400, "InvalidRequest"));
    refused(with("region", "elsewhere-1"), (400, "InvalidInput"));
    refused(with("key", "1"), (400, "InvalidRequest"));
    refused(with("key", &"0".repeat(32)), (404, "NotFound"));
    // A front end knows a key by one name of its own.
    let mut second = with("kind", "test-key");
    second["name"] = json!("key-second");
    refused(second, (400, "InvalidInput"));
    house.done("POST", "/v1/tenants", json!({"account": "123456789012", "name": "n"}));
    let other = "/v1/tenants/123456789012/bindings";
    assert_eq!(house.ask("POST", other, alias(&key, "alias/a")).code(), (400, "InvalidInput"));
    let answer = house.ask("POST", &bindings(), with("kind", "number 2"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("test-key, test-alias"), "{answer:?}");
}

#[test]
fn a_key_keeps_its_last_name_and_a_front_end_its_own_while_others_lead_to_the_key() {
    let house = House::new();
    let entry = house.test.create_key();
    let (key, own) = (entry.row.id.to_string(), entry.names[0].text.clone());
    assert_eq!(house.ask("DELETE", &place("test-key", &own), Value::Null).code(), (409, "LastName"));
    house.done("POST", &bindings(), alias(&key, "alias/a"));
    assert_eq!(house.ask("DELETE", &place("test-key", &own), Value::Null).code(), (409, "NameNeeded"));
    assert_eq!(house.done("GET", &bindings(), Value::Null)["items"].as_array().unwrap().len(), 2);
    assert_eq!(house.done("GET", &format!("/v1/tenants/{ACCOUNT}/keys"), Value::Null)["items"][0]["id"], key);
}

#[test]
fn the_last_name_of_a_key_goes_once_its_destruction_is_scheduled_and_then_its_material_goes_without_one() {
    let house = House::new();
    let entry = house.test.create_key();
    let (key, own) = (entry.row.id.to_string(), entry.names[0].text.clone());
    let answer = house.ask("DELETE", &place("test-key", &own), Value::Null);
    assert!(answer.body["error"]["remedy"].as_str().unwrap().contains("key schedule-deletion"), "{answer:?}");
    house.done("POST", &format!("/v1/keys/{key}/schedule-deletion"), json!({"days": 7}));
    house.done("DELETE", &place("test-key", &own), Value::Null);
    house.test.clock.pass(std::time::Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(house.test.tick().destroyed, 1);
    let refused = house.ask("POST", &bindings(), named(&key, &own));
    assert_eq!(refused.code(), (409, "StateForbids"), "nothing leads to what is destroyed");
}

#[test]
fn the_destruction_of_a_key_without_a_name_is_called_off_once_it_has_one_again() {
    let house = House::new();
    let entry = house.test.create_key();
    let (key, own) = (entry.row.id.to_string(), entry.names[0].text.clone());
    let keys = || house.done("GET", &format!("/v1/tenants/{ACCOUNT}/keys"), Value::Null)["items"].clone();
    house.done("POST", &format!("/v1/keys/{key}/schedule-deletion"), json!({"days": 7}));
    house.done("DELETE", &place("test-key", &own), Value::Null);
    assert_eq!(keys(), json!([]));
    let cancel = format!("/v1/keys/{key}/cancel-deletion");
    let refused = house.ask("POST", &cancel, json!({}));
    assert_eq!(refused.code(), (409, "NameNeeded"));
    assert!(refused.body["error"]["remedy"].as_str().unwrap().contains("binding create"), "{refused:?}");
    house.done("POST", &bindings(), named(&key, &own));
    assert_eq!(house.done("POST", &cancel, json!({}))["state"], "Suspended");
    assert_eq!(keys()[0]["id"], key);
}

/// The name by which the front end knows the key itself.
fn named(key: &str, name: &str) -> Value {
    let mut body = alias(key, name);
    body["kind"] = json!("test-key");
    body
}

#[test]
fn names_are_bound_by_whoever_may_on_the_name_and_on_the_key() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    let user = house.principal(ACCOUNT, "anna", "key-administrator");
    assert_eq!(house.signed(&user, "POST", &bindings(), alias(&key, "alias/a")).code(), (403, "AccessDenied"));
    let attach = |resources: &[String]| {
        let statement = json!({"Effect": "Allow", "Action": "strongroom:ManageBindings", "Resource": resources});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let path = format!("/v1/tenants/{ACCOUNT}/principals/anna/policies/names");
        house.done("PUT", &path, json!({"document": document}));
    };
    let of_name = format!("arn:aws:strongroom:{REGION}:{ACCOUNT}:name/alias/a");
    let of_key = format!("arn:aws:strongroom::{ACCOUNT}:key/{key}");
    for one in [&of_name, &of_key] {
        attach(std::slice::from_ref(one));
        assert_eq!(house.signed(&user, "POST", &bindings(), alias(&key, "alias/a")).code(), (403, "AccessDenied"));
    }
    attach(&[of_name, of_key]);
    assert_eq!(house.signed(&user, "POST", &bindings(), alias(&key, "alias/a")).status, 201);
    assert_eq!(house.signed(&user, "POST", &bindings(), alias(&key, "alias/b")).code(), (403, "AccessDenied"));
    assert_eq!(house.signed(&user, "DELETE", &place("test-alias", "alias/a"), Value::Null).status, 204);
}

#[test]
fn a_kind_that_no_front_end_of_the_server_owns_is_shown_by_its_number() {
    let mut house = House::new();
    let _ = house.test.create_key();
    house.admin = Admin::new(std::sync::Arc::clone(&house.engine), "aws", Vec::new());
    assert_eq!(house.done("GET", &bindings(), Value::Null)["items"][0]["kind"], "1");
}
