//! Keys, bindings and roots.

use serde_json::{Value, json};
use strongroom_engine::operations::encrypt::Encrypt;
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::{EngineError, KeyEntry, Mode, SecretBytes};
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_testkit::engine::{ACCOUNT, by_name, call};

use crate::house::House;

#[test]
fn a_key_is_listed_once_under_all_its_names() {
    let house = House::new();
    let mut ids: Vec<String> = (0..5).map(|_| house.test.create_key()).map(|key| key.row.id.to_string()).collect();
    let named = house.test.create_key();
    for text in ["alias/a", "alias/b"] {
        let create = CreateName { name: house.test.alias(text), key: by_name(&named) };
        house.test.run(&house.test.root(), create).unwrap();
    }
    ids.push(named.row.id.to_string());
    let mut found = Vec::new();
    let mut target = format!("/v1/tenants/{ACCOUNT}/keys?limit=3");
    loop {
        let page = house.done("GET", &target, Value::Null);
        found.extend(page["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/v1/tenants/{ACCOUNT}/keys?limit=3&after={next}");
    }
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    let shown = house.done("GET", &format!("/v1/keys/{}", named.row.id), Value::Null);
    assert_eq!(shown["bindings"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&shown["bindings"][0]["kind"], &shown["bindings"][1]["kind"]),
        (&json!("test-key"), &json!("test-alias"))
    );
    let bindings = house.done("GET", &format!("/v1/tenants/{ACCOUNT}/bindings"), Value::Null);
    assert_eq!(bindings["items"].as_array().unwrap().len(), 8);
}

#[test]
fn a_cursor_of_one_tenant_is_none_of_another() {
    let house = House::new();
    let _ = (house.test.create_key(), house.test.create_key());
    house.done("POST", "/v1/tenants", json!({"account": "123456789012", "name": "n"}));
    let page = house.done("GET", &format!("/v1/tenants/{ACCOUNT}/keys?limit=1"), Value::Null);
    let next = page["next"].as_str().unwrap();
    for target in [
        format!("/v1/tenants/123456789012/keys?after={next}"),
        format!("/v1/tenants/{ACCOUNT}/keys?after={next}AA"),
        format!("/v1/tenants/{ACCOUNT}/keys?after=%20"),
    ] {
        assert_eq!(house.ask("GET", &target, Value::Null).code(), (400, "InvalidCursor"), "{target}");
    }
}

/// What comes of encrypting with a key.
fn encrypt(house: &House, key: &KeyEntry) -> Result<(), EngineError> {
    let encrypt = Encrypt {
        key: by_name(key),
        plaintext: SecretBytes::copy_from(b"plaintext"),
        context: [].into(),
        algorithm: EncryptionAlgorithm::DerivedAes256Gcm,
    };
    house.engine.perform_blocking(call(&house.test.root()), encrypt, Mode::Run).map(|_| ())
}

#[test]
fn a_suspended_key_serves_nobody_until_it_is_resumed_even_if_its_policy_denies_that() {
    let house = House::new();
    let key = house.test.create_key();
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"strongroom:*","Resource":"*"},
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"*","Resource":"*"}]}"#;
    let edit = Edit::ReplacePolicy { document: deny.to_owned(), bypass_lockout: true };
    house.test.run(&house.test.root(), EditKey { key: by_name(&key), edit }).unwrap();
    let path = format!("/v1/keys/{}", key.row.id);
    encrypt(&house, &key).unwrap();
    assert_eq!(house.done("POST", &format!("{path}/suspend"), Value::Null)["state"], "Suspended");
    assert_eq!(house.done("GET", &path, Value::Null)["state"], "Suspended");
    assert!(matches!(encrypt(&house, &key), Err(EngineError::StateForbids { .. })));
    assert_eq!(house.done("POST", &format!("{path}/resume"), Value::Null)["state"], "Active");
    encrypt(&house, &key).unwrap();
}

#[test]
fn one_version_is_suspended_and_resumed_by_itself() {
    let house = House::new();
    let key = house.test.create_key();
    let path = format!("/v1/keys/{}/versions/1", key.row.id);
    encrypt(&house, &key).unwrap();
    assert_eq!(house.done("POST", &format!("{path}/suspend"), Value::Null)["state"], "Suspended");
    assert!(matches!(encrypt(&house, &key), Err(EngineError::StateForbids { .. })));
    let shown = house.done("GET", &format!("/v1/keys/{}", key.row.id), Value::Null);
    assert_eq!((&shown["state"], &shown["versions"][0]["state"]), (&json!("Active"), &json!("Suspended")));
    assert_eq!(house.done("POST", &format!("{path}/resume"), Value::Null)["state"], "Active");
    encrypt(&house, &key).unwrap();
    let missing = format!("/v1/keys/{}/versions/2/suspend", key.row.id);
    assert_eq!(house.ask("POST", &missing, Value::Null).code(), (404, "NotFound"));
    let odd = format!("/v1/keys/{}/versions/two/suspend", key.row.id);
    assert_eq!(house.ask("POST", &odd, Value::Null).code(), (400, "InvalidRequest"));
}

#[test]
fn the_roots_are_listed_with_the_keys_that_verify_the_log() {
    let house = House::new();
    let roots = house.done("GET", "/v1/roots", Value::Null);
    let root = &roots["items"][0];
    assert_eq!((&root["kind"], &root["open"]), (&json!("software"), &json!(true)));
    assert!(root["checkpoint_key"].as_str().unwrap().starts_with("test.example/node+"));
}

#[test]
fn an_unknown_key_does_not_exist() {
    let house = House::new();
    let answer = house.ask("GET", &format!("/v1/keys/{}", "0".repeat(32)), Value::Null);
    assert_eq!(answer.code(), (404, "NotFound"));
}
