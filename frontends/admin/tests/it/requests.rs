//! Requests that no act can be made of, and callers that are not proved.

use serde_json::{Value, json};

use crate::house::{HOST, House, Key};

const ACCOUNT: &str = "123456789012";

#[test]
fn an_unknown_path_is_told_from_a_wrong_method() {
    let house = House::new();
    for path in ["/v1", "/v1/", "/v1/tenant", "/v1/tenants/", "/v1/tenants/1/keys/2", "/v2/tenants"] {
        assert_eq!(house.ask("GET", path, Value::Null).code(), (404, "UnknownPath"), "{path}");
    }
    let answer = house.ask("DELETE", "/v1/tenants", Value::Null);
    assert_eq!(answer.code(), (405, "MethodNotAllowed"));
    assert_eq!(answer.headers["allow"], "POST, GET");
}

#[test]
fn what_a_request_should_not_say_is_named_and_the_request_is_recorded() {
    let house = House::new();
    let refused = |body: &str| {
        let answer = house.raw("POST", "/v1/tenants", body);
        assert_eq!(answer.code(), (400, "InvalidRequest"), "{body}");
        answer.body["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(refused(r#"{"account":"1","name":"n","nmae":"n"}"#).contains("`nmae`"));
    assert!(refused(r#"{"account":"1"}"#).contains("`name`"));
    assert!(refused(r#"{"account":"1","account":"2","name":"n"}"#).contains("duplicate field `account`"));
    assert!(refused(r#"{"account":1,"name":"n"}"#).contains("expected a string"));
    refused("");
    refused("{");
    refused(r#"{"account":"1","name":"n"} {}"#);
    assert!(house.records().iter().all(|record| *record == ("CreateTenant".to_owned(), "InvalidRequest".to_owned())));
    assert_eq!(house.records().len(), 7);
    let answer = house.ask("GET", "/v1/tenants?limits=1", Value::Null);
    assert_eq!(answer.code(), (400, "InvalidRequest"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("`limits`"));
    let answer = house.ask("POST", &format!("/v1/tenants/{ACCOUNT}/suspend"), json!({"why": "because"}));
    assert_eq!(answer.code(), (400, "InvalidRequest"));
}

#[test]
fn values_out_of_bounds_are_refused() {
    let house = House::new();
    for account in ["", "12345678901", "12345678901a", "1234567890123"] {
        let answer = house.ask("POST", "/v1/tenants", json!({"account": account, "name": "n"}));
        assert_eq!(answer.code(), (400, "InvalidInput"), "{account}");
    }
    house.principal(ACCOUNT, "alice", "key-user");
    for seconds in [0, u64::MAX] {
        let body = json!({"principal": "alice", "lifetime_seconds": seconds});
        let answer = house.ask("POST", &format!("/v1/tenants/{ACCOUNT}/access-keys"), body);
        assert_eq!(answer.code(), (400, "InvalidRequest"), "{seconds}");
    }
    for name in ["", "a b", "a/b", &"x".repeat(65)] {
        let answer = house.ask("POST", &format!("/v1/tenants/{ACCOUNT}/principals"), json!({"name": name}));
        assert_eq!(answer.code(), (400, "InvalidInput"), "{name}");
    }
    let answer = house.ask("GET", "/v1/keys/not-a-key", Value::Null);
    assert_eq!(answer.code(), (400, "InvalidRequest"));
    assert_eq!(house.ask("GET", "/v1/tenants/%FF", Value::Null).code(), (400, "InvalidRequest"));
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(9000));
    assert_eq!(house.raw("POST", "/v1/tenants", &long).code(), (413, "BodyTooLong"));
}

#[test]
fn a_path_that_cannot_be_decoded_is_recorded() {
    let house = House::new();
    assert_eq!(house.ask("GET", "/v1/tenants/%FF", Value::Null).code(), (400, "InvalidRequest"));
    assert_eq!(house.records(), [("GetTenant".to_owned(), "InvalidRequest".to_owned())]);
}

#[test]
fn every_answer_carries_the_id_that_its_record_has_and_may_not_be_kept() {
    let house = House::new();
    let answer = house.ask("GET", "/v1/whoami", Value::Null);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let records = house.test.records();
    let last = records.last().unwrap().record().unwrap();
    assert_eq!(last.request.id.as_full(), Some(id));
    let error = house.ask("GET", "/v1/tenants/999999999999", Value::Null);
    assert_eq!(error.body["error"]["request_id"], error.headers["x-request-id"].to_str().unwrap());
}

#[test]
fn over_tcp_only_a_sound_signature_for_this_service_proves_anyone() {
    let house = House::new();
    let key = house.principal(ACCOUNT, "alice", "auditor");
    let before = house.records().len();
    assert_eq!(house.unsigned("GET", "/v1/whoami").code(), (401, "MissingSignature"));
    let wrong = Key { id: key.id.clone(), secret: "x".repeat(40) };
    assert_eq!(house.signed(&wrong, "GET", "/v1/whoami", Value::Null).code(), (401, "InvalidSignature"));
    let unknown = Key { id: "AKIAAAAAAAAAAAAAAAAA".to_owned(), secret: key.secret.clone() };
    assert_eq!(house.signed(&unknown, "GET", "/v1/whoami", Value::Null).code(), (401, "UnknownAccessKey"));
    assert_eq!(house.signed_for(&key, "kms", "GET", "/v1/whoami", Value::Null).code(), (401, "InvalidSignature"));
    assert_eq!(house.records().len(), before + 4);
    assert_eq!(house.signed(&key, "GET", "/v1/whoami", Value::Null).status, 200, "{HOST}");
}

#[test]
fn whoever_opens_the_socket_is_an_operator_by_its_user_id() {
    let house = House::new();
    let me = house.done("GET", "/v1/whoami", Value::Null);
    assert_eq!(me, json!({"arn": "arn:aws:strongroom:::operator/1000", "kind": "operator"}));
    assert_eq!(house.done("GET", "/v1/health", Value::Null)["status"], "serving");
}
