//! Health is found out by doing.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::house::{House, metadata};

#[test]
fn a_key_store_is_told_of_every_root_and_once_in_a_while_the_test_key_is_used() {
    let house = House::new();
    let ask = || house.ask("health", &json!({ "requestMetadata": metadata() }));
    let before = house.test.records().len();
    let first = ask();
    let body = &first.body;
    assert_eq!((first.status.as_u16(), &body["xksProxyFleetSize"]), (200, &json!(1)), "{first:?}");
    assert_eq!((&body["xksProxyVendor"], &body["ekmVendor"]), (&json!("Strongroom"), &json!("Strongroom")));
    assert!(body["xksProxyModel"].as_str().unwrap().starts_with("Strongroom "));
    let [node] = body["ekmFleetDetails"].as_array().unwrap().as_slice() else { panic!("{body}") };
    let model = node["model"].as_str().unwrap();
    assert!(model.starts_with("Strongroom ") && model.ends_with(" software root"), "{model}");
    // Degraded where the machine was busy for a tenth of a second.
    assert!(["ACTIVE", "DEGRADED"].contains(&node["healthStatus"].as_str().unwrap()), "{node}");
    assert_eq!(node["id"].as_str().unwrap().len(), 32);
    // The request, the test key encrypting and decrypting, and the roots; from then on the request alone.
    assert_eq!(house.test.records().len() - before, 4);
    assert_eq!(ask().body, first.body);
    assert_eq!(house.test.records().len() - before, 5);
}

#[test]
fn a_log_that_refuses_makes_no_one_healthy() {
    let house = House::new();
    house.test.log.refuses.store(true, Ordering::SeqCst);
    assert_eq!(house.ask("health", &json!({ "requestMetadata": metadata() })).error(), (500, "InternalException"));
    house.test.log.refuses.store(false, Ordering::SeqCst);
    assert_eq!(house.ask("health", &json!({ "requestMetadata": metadata() })).status, 200);
}
