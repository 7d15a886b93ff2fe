//! Reading the log through the API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_audit::record::Record;

use crate::house::House;

const ACCOUNT: &str = "123456789012";

/// (operation, policy name) of the records that a query finds, over all its pages.
fn found(house: &House, query: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = house.done("GET", &format!("/v1/audit/records?{query}{after}"), Value::Null);
        for item in page["items"].as_array().unwrap() {
            let bytes = STANDARD.decode(item["record"].as_str().unwrap()).unwrap();
            let record = Record::decode(&bytes).unwrap();
            found.push((record.request.operation.to_string(), record.policy_name.to_string()));
        }
        let Some(next) = page["next"].as_str() else { return found };
        after = format!("&after={next}");
    }
}

#[test]
fn filters_choose_records_and_pages_miss_none() {
    let house = House::new();
    let alice = house.principal(ACCOUNT, "alice", "auditor");
    for _ in 0..5 {
        house.signed(&alice, "GET", "/v1/whoami", Value::Null);
    }
    let denied = house.signed(&alice, "POST", &format!("/v1/tenants/{ACCOUNT}/principals"), json!({"name": "x"}));
    let id = denied.headers["x-request-id"].to_str().unwrap();
    let by_alice = found(&house, "principal=alice&limit=2");
    assert_eq!(by_alice.len(), 6);
    assert_eq!(found(&house, &format!("principal={}", alice.id)), by_alice);
    assert_eq!(found(&house, "principal=arn:aws:iam::123456789012:user/alice"), by_alice);
    assert_eq!(found(&house, "action=CreateTenant&outcome=done").len(), 1);
    assert_eq!(found(&house, "outcome=denied").len(), 1);
    assert_eq!(found(&house, &format!("request_id={id}")).len(), 1);
    assert_eq!(found(&house, "principal=nobody"), []);
}

#[test]
fn times_choose_records() {
    let house = House::new();
    let before = strongroom_admin_api::Time(house.engine.clock().now());
    house.done("GET", "/v1/health", Value::Null);
    house.test.clock.pass(std::time::Duration::from_secs(3600));
    let after = strongroom_admin_api::Time(house.engine.clock().now());
    house.done("GET", "/v1/whoami", Value::Null);
    let operations = |query: String| found(&house, &query).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(operations(format!("until={after}&action=GetHealth")), ["GetHealth"]);
    assert_eq!(operations(format!("since={after}&action=GetHealth")), Vec::<String>::new());
    assert_eq!(operations(format!("since={after}&action=GetCallerIdentity")), ["GetCallerIdentity"]);
    assert_eq!(operations(format!("since={before}&until={before}")), Vec::<String>::new());
}

#[test]
fn records_on_a_key_are_found_by_its_identity() {
    let house = House::new();
    let key = house.test.create_key();
    house.done("POST", &format!("/v1/keys/{}/suspend", key.row.id), Value::Null);
    let operations: Vec<_> = found(&house, &format!("key={}", key.row.id)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(operations, ["Test", "SuspendKey"], "with the record that made it");
    let nothing = house.test.create_key().row.id;
    let both: Vec<_> = found(&house, &format!("key={}&key_named={nothing}", key.row.id));
    assert_eq!(both.len(), 3, "{both:?}");
}

#[test]
fn a_tenant_reads_the_records_of_its_own_callers_alone() {
    let house = House::new();
    let auditor = house.principal(ACCOUNT, "auditor", "auditor");
    house.signed(&auditor, "GET", "/v1/whoami", Value::Null);
    let page = house.signed(&auditor, "GET", "/v1/audit/records", Value::Null);
    let records = page.body["items"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{page:?}");
    let answer = house.ask("GET", "/v1/audit/records?since=yesterday", Value::Null);
    assert_eq!(answer.code(), (400, "InvalidRequest"));
    assert_eq!(house.ask("GET", "/v1/audit/records?after=x", Value::Null).code(), (400, "InvalidRequest"));
    assert_eq!(house.ask("GET", "/v1/audit/records?outcome=fine", Value::Null).code(), (400, "InvalidRequest"));
}
