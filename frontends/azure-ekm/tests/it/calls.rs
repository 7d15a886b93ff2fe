//! The four calls, when all is well.

use serde_json::json;
use strongroom_engine::Serves;
use strongroom_model::spec::KeySpec;

use crate::house::{House, POOL, PREFIX, body, certificate, context, store};

#[test]
fn info_names_version_vendor_and_product() {
    let house = House::new();
    let answer = house.ask("info", &json!({ "request_context": context() }));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["api_version"], "0.1-preview");
    for member in ["proxy_vendor", "ekm_vendor"] {
        assert_eq!(answer.body[member], "Strongroom");
    }
    for member in ["proxy_name", "ekm_product"] {
        assert!(answer.body[member].as_str().unwrap().starts_with("Strongroom "), "{answer:?}");
    }
    assert!(answer.headers.contains_key("x-ms-request-id"));
}

#[test]
fn what_was_wrapped_unwraps_by_each_algorithm() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    house.key("rsa", KeySpec::Rsa2048);
    for (key, algorithm, plain) in [
        ("aes", "A256KW", &[7; 32][..]),
        ("aes", "A256KW", &[7; 16]),
        ("aes", "A256KWP", &[7; 32]),
        ("aes", "A256KWP", &[7; 13]),
        ("aes", "A256KWP", &[7; 8000]),
        ("rsa", "RSA-OAEP", &[7; 32]),
        ("rsa", "RSA-OAEP-256", &[7; 190]),
    ] {
        let wrapped = house.wrap(key, algorithm, plain).value();
        assert_ne!(wrapped, plain);
        assert_eq!(house.unwrap(key, algorithm, &wrapped).value(), plain, "{algorithm}");
    }
}

#[test]
fn metadata_tells_kind_size_uses_and_the_public_key() {
    let house = House::new();
    let aes = house.key("aes", KeySpec::Aes256);
    house.key("rsa", KeySpec::Rsa2048);
    let ask = |id: &str| house.ask(&format!("{id}/metadata"), &json!({ "request_context": context() })).body;
    let uses = json!(["wrapKey", "unwrapKey"]);
    assert_eq!(ask("aes"), json!({"key_type": "oct", "key_size": 256, "key_ops": uses}));
    let rsa = ask("rsa");
    assert_eq!((&rsa["key_type"], &rsa["key_size"], &rsa["key_ops"]), (&json!("RSA"), &json!(2048), &uses));
    assert_eq!((rsa["n"].as_str().unwrap().len(), &rsa["e"]), (342, &json!("AQAB")));
    for (id, serves, uses) in [
        ("w", Serves::Applying, json!(["wrapKey"])),
        ("u", Serves::Processing, json!(["unwrapKey"])),
        ("n", Serves::Nothing, json!([])),
    ] {
        house.bind(id, aes.row.id, Some(serves)).unwrap();
        assert_eq!(ask(id)["key_ops"], uses);
    }
}

#[test]
fn a_name_of_a_certificate_proves_in_any_case_and_as_a_dns_name_too() {
    let house = House::new();
    let body = json!({ "request_context": context() });
    let target = format!("/{PREFIX}/info?api-version=0.1-preview");
    for identity in [
        house.authority.identity("Pool.ManagedHSM.example", &[]),
        house.authority.identity("something else", &["other.example", POOL]),
    ] {
        assert_eq!(house.send(&identity, &target, &body).status, 200);
    }
}

#[test]
fn one_pool_may_use_two_key_stores_and_each_has_keys_of_its_own() {
    let house = House::new();
    store(&house.test, "two", "two").unwrap();
    certificate(&house.test, "two", "two", POOL).unwrap();
    house.key("aes", KeySpec::Aes256);
    let body = body("A256KW", &[7; 16]);
    assert_eq!(house.ask("aes/wrapkey", &body).status, 200);
    let strange = house.send(&house.pool, "/two/aes/wrapkey?api-version=0.1-preview", &body);
    assert_eq!(strange.error(), (404, "KeyNotFound"));
}

#[test]
fn unknown_members_and_other_parameters_are_no_fault() {
    let house = House::new();
    let mut body = json!({ "request_context": context(), "attestation": [1, null] });
    body["request_context"]["region"] = json!({"a": 1});
    let target = format!("/{PREFIX}/info?a=b&api-version=0.1-preview&c");
    assert_eq!(house.send(&house.pool, &target, &body).status, 200);
}

#[test]
fn every_call_is_recorded_with_what_the_pool_says_of_it() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    house.wrap("aes", "A256KW", &[7; 16]).value();
    let records = house.test.records();
    let record = records.last().unwrap().record().unwrap();
    assert_eq!(record.request.operation.as_full(), Some("WrapKey"));
    assert_eq!(record.request.front_end.as_full(), Some("azure-ekm"));
    let told = format!("{record:?}");
    for word in ["payments", "c-1", "r-1", POOL, "TLS"] {
        assert!(told.contains(word), "{word} in {told}");
    }
}
