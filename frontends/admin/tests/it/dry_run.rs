//! What would come of a request, with nothing done.

use serde_json::{Value, json};

use crate::house::House;

const ACCOUNT: &str = "111122223333";

fn key(names: &[&str], region: &str) -> Value {
    json!({"region": region, "kind": "test-alias", "names": names, "spec": "Aes256", "usages": ["DerivedAead"]})
}

#[test]
fn a_dry_run_tells_what_would_come_of_it_does_nothing_and_is_recorded() {
    let house = House::new();
    let keys = format!("/v1/tenants/{ACCOUNT}/keys");
    let made = house.ask("POST", &format!("{keys}?dry_run=true"), key(&["alias/a"], "here-1"));
    assert_eq!((made.status.as_u16(), &made.body), (204, &Value::Null));
    assert_eq!(house.done("GET", &keys, Value::Null)["items"], json!([]));
    assert_eq!(house.records().first(), Some(&("CreateKey".to_owned(), "DryRun".to_owned())));
    house.done("POST", &keys, key(&["alias/a"], "here-1"));
    let again = house.ask("POST", &format!("{keys}?dry_run=true"), key(&["alias/a"], "here-1"));
    assert_eq!(again.code(), (409, "AlreadyExists"));
}

#[test]
fn a_request_is_looked_at_alone_where_its_tenant_is_not_there_yet() {
    let house = House::new();
    let keys = "/v1/tenants/999999999999/keys?dry_run=alone";
    assert_eq!(house.ask("POST", keys, key(&["alias/a"], "here-1")).status.as_u16(), 204);
    assert_eq!(house.ask("POST", keys, key(&["a"], "here-1")).code(), (400, "InvalidName"));
    let with = |name: &str, value: Value| {
        let mut key = key(&["alias/a"], "here-1");
        key[name] = value;
        key
    };
    assert_eq!(house.ask("POST", keys, with("policy", json!("{}"))).code(), (400, "InvalidPolicy"));
    let locked = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"test:Encrypt","Resource":"*"}]}"#;
    assert_eq!(house.ask("POST", keys, with("policy", json!(locked))).code(), (400, "Lockout"));
    let open = locked.replace("test:Encrypt", "test:*");
    assert_eq!(house.ask("POST", keys, with("policy", json!(open))).status.as_u16(), 204);
    let reserved = json!([{"name": "Aws:x", "value": "1"}]);
    assert_eq!(house.ask("POST", keys, with("tags", reserved)).code(), (400, "ReservedTag"));
    for (name, value) in
        [(String::new(), String::new()), ("n".repeat(129), String::new()), ("n".into(), "v".repeat(257))]
    {
        let misshapen = json!([{"name": name, "value": value}]);
        assert_eq!(house.ask("POST", keys, with("tags", misshapen)).code(), (400, "TagLength"));
    }
    let policy = "/v1/tenants/999999999999/principals/a/policies/p?dry_run=alone";
    assert_eq!(house.ask("PUT", policy, json!({"document": "{}"})).code(), (400, "InvalidPolicy"));
    let roles = "/v1/tenants/999999999999/roles?dry_run=alone";
    assert_eq!(house.ask("POST", roles, json!({"name": "r", "trust_policy": "{}"})).code(), (400, "InvalidPolicy"));
}

#[test]
fn what_has_no_dry_run_refuses_to_be_asked_for_one_and_does_nothing() {
    let house = House::new();
    let tenant = format!("/v1/tenants/{ACCOUNT}");
    let refused = house.ask("POST", &format!("{tenant}/suspend?dry_run=true"), Value::Null);
    assert_eq!(refused.code(), (400, "InvalidRequest"));
    assert_eq!(house.done("GET", &tenant, Value::Null)["state"], "active");
    let alone = house.ask("POST", "/v1/tenants?dry_run=alone", json!({"account": "1", "name": "n"}));
    assert_eq!(alone.code(), (400, "InvalidRequest"));
    let odd = house.ask("POST", &format!("{tenant}/suspend?nonsense=1"), Value::Null);
    assert_eq!(odd.code(), (400, "InvalidRequest"));
}

#[test]
fn keys_are_made_in_the_regions_that_are_served_alone_and_with_no_reserved_tag() {
    let mut house = House::new();
    house.serve(&["here-1", "there-2"]);
    let keys = format!("/v1/tenants/{ACCOUNT}/keys");
    let refused = house.ask("POST", &keys, key(&["alias/a"], "eu-north-9"));
    assert_eq!(refused.code(), (400, "UnknownRegion"));
    assert!(refused.body["error"]["message"].as_str().unwrap().ends_with("served are here-1, there-2"), "{refused:?}");
    let made = house.done("POST", &keys, key(&["alias/a"], "there-2"));
    let tags = format!("/v1/keys/{}/tags", made["id"].as_str().unwrap());
    let reserved = json!({"tags": [{"name": "aws:x", "value": "1"}]});
    assert_eq!(house.ask("POST", &tags, reserved).code(), (400, "ReservedTag"));
}
