//! The use of keys: told, listed, and asked for before a key's destruction.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_engine::operations::encrypt::Encrypt;
use strongroom_engine::operations::sign::Sign;
use strongroom_engine::{KeyEntry, SecretBytes};
use strongroom_model::algorithm::{EncryptionAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{ACCOUNT, by_name};

use crate::house::House;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn encrypt(house: &House, key: &KeyEntry) {
    let encrypt = Encrypt {
        key: by_name(key),
        plaintext: SecretBytes::copy_from(b"plaintext"),
        context: [].into(),
        algorithm: EncryptionAlgorithm::DerivedAes256Gcm,
    };
    house.test.run(&house.test.root(), encrypt).map(|_| ()).unwrap();
}

fn listed(house: &House, query: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut target = format!("/v1/tenants/{ACCOUNT}/usage?limit=2{query}");
    loop {
        let page = house.done("GET", &target, Value::Null);
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return items };
        target = format!("/v1/tenants/{ACCOUNT}/usage?limit=2{query}&after={next}");
    }
}

#[test]
fn a_key_s_uses_are_counted_by_version_action_algorithm_and_caller_page_by_page() {
    let house = House::new();
    let key = house.test.create(KeySpec::EcP256, Usage::Sign);
    let path = format!("/v1/keys/{}/usage", key.row.id);
    let unused = house.done("GET", &path, Value::Null);
    assert_eq!(unused, json!({"uses": 0, "items": []}));
    for _ in 0..3 {
        let sign = Sign {
            key: by_name(&key),
            message: b"message".to_vec(),
            kind: MessageKind::Raw,
            algorithm: SigningAlgorithm::EcdsaSha256,
        };
        house.test.run(&house.test.root(), sign).unwrap();
    }
    let used = house.done("GET", &path, Value::Null);
    assert_eq!((&used["uses"], &used["last_use"]["action"]), (&json!(3), &json!("Sign")));
    let now = strongroom_admin_api::Time(house.engine.clock().now()).to_string();
    assert_eq!(used["last_use"]["at"], now.as_str());
    let row = &used["items"][0];
    assert_eq!((&row["uses"], &row["algorithm"], &row["version"]), (&json!(3), &json!("ecdsa-sha-256"), &json!(1)));
    assert_eq!(row["caller"], format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!(house.done("GET", &format!("{path}?limit=1&after=1"), Value::Null)["items"], json!([]));
    assert_eq!(house.ask("GET", &format!("{path}?after=x"), Value::Null).code(), (400, "InvalidRequest"));
}

#[test]
fn a_key_counts_as_unused_so_long_after_its_last_use_or_its_making() {
    let house = House::new();
    let (old, used) = (house.test.create_key(), house.test.create_key());
    house.test.clock.pass(DAY * 100);
    encrypt(&house, &used);
    let young: Vec<_> = (0..5).map(|_| house.test.create_key()).collect();
    let ids = |items: Vec<Value>| items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(&house, "").len(), 2 + young.len());
    assert_eq!(ids(listed(&house, "&unused_days=90")), [old.row.id.to_string()]);
    assert_eq!(ids(listed(&house, "&unused_days=101")), Vec::<String>::new());
    house.test.clock.pass(DAY * 91);
    assert_eq!(listed(&house, "&unused_days=90").len(), 2 + young.len());
    for days in ["0", "-1", "x", "36526"] {
        let answer = house.ask("GET", &format!("/v1/tenants/{ACCOUNT}/usage?unused_days={days}"), Value::Null);
        assert_eq!(answer.code(), (400, "InvalidRequest"), "{days}");
    }
}

#[test]
fn the_inventory_tells_of_every_key_its_algorithm_its_strength_and_its_uses() {
    let house = House::new();
    let aes = house.test.create_key();
    let rsa = house.test.create(KeySpec::Rsa2048, Usage::RsaOaep);
    encrypt(&house, &aes);
    let page = house.done("GET", &format!("/v1/tenants/{ACCOUNT}/inventory"), Value::Null);
    let item = |key: &KeyEntry| {
        let id = key.row.id.to_string();
        page["items"].as_array().unwrap().iter().find(|item| item["id"] == id.as_str()).unwrap().clone()
    };
    let (aes, rsa) = (item(&aes), item(&rsa));
    assert_eq!((&aes["key_bits"], &aes["uses"], &rsa["key_bits"]), (&json!(256), &json!(1), &json!(2048)));
    assert_eq!(aes["algorithms"][0]["name"], "AES-256-GCM");
    assert_eq!(aes["algorithms"][0]["nist_quantum_security_level"], 5);
    assert_eq!(rsa["algorithms"][0]["nist_quantum_security_level"], 0);
    assert_eq!((&aes["usage"][0]["algorithm"], &aes["usage"][0]["uses"]), (&json!("derived-aes-256-gcm"), &json!(1)));
    assert_eq!((&rsa["usage"], &rsa["state"]), (&json!([]), &json!("Active")));
}

#[test]
fn the_use_of_keys_is_read_by_whoever_may_list_them_and_know_their_use() {
    let house = House::new();
    let key = house.test.create_key();
    let auditor = house.principal(ACCOUNT, "auditor", "auditor");
    let user = house.principal(ACCOUNT, "user", "key-user");
    for target in [
        format!("/v1/tenants/{ACCOUNT}/usage"),
        format!("/v1/tenants/{ACCOUNT}/inventory"),
        format!("/v1/keys/{}/usage", key.row.id),
    ] {
        assert_eq!(house.signed(&auditor, "GET", &target, Value::Null).status, 200, "{target}");
        assert_eq!(house.signed(&user, "GET", &target, Value::Null).code(), (403, "AccessDenied"), "{target}");
    }
    for role in [&auditor, &user] {
        let target = format!("/v1/keys/{}/schedule-deletion", key.row.id);
        assert_eq!(house.signed(role, "POST", &target, json!({"days": 7})).code(), (403, "AccessDenied"));
    }
}

#[test]
fn a_key_in_use_is_not_scheduled_for_deletion_by_someone_who_does_not_know_and_the_record_tells_who_did() {
    let house = House::new();
    let key = house.test.create_key();
    encrypt(&house, &key);
    let path = format!("/v1/keys/{}", key.row.id);
    let schedule = |body: Value| house.ask("POST", &format!("{path}/schedule-deletion"), body);
    let refused = schedule(json!({"days": 30}));
    assert_eq!(refused.code(), (409, "RecentlyUsed"));
    let last = refused.body["error"]["last_use"].as_str().unwrap().to_owned();
    assert_eq!(last, strongroom_admin_api::Time(house.engine.clock().now()).to_string());
    // To know of a use long ago is not to know of this one.
    let stale = schedule(json!({"days": 30, "acknowledged_last_use": "2020-01-01T00:00:00Z"}));
    assert_eq!(stale.code(), (409, "RecentlyUsed"));
    assert_eq!(house.done("GET", &path, Value::Null)["state"], "Active");
    let done = schedule(json!({"days": 30, "acknowledged_last_use": last}));
    assert_eq!((done.status.as_u16(), &done.body["state"]), (200, &json!("DestructionScheduled")), "{done:?}");
    assert!(done.body["destruction"].is_string());
    let records = house.test.records();
    let record = records.last().unwrap().record().unwrap();
    let told: Vec<_> =
        record.details.iter().map(|detail| (detail.name.to_string(), detail.value.to_string())).collect();
    assert!(told.contains(&("acknowledged_last_use".to_owned(), last)), "{told:?}");
    assert!(house.records().contains(&("ScheduleKeyDeletion".to_owned(), "RecentlyUsed".to_owned())));
    assert_eq!(schedule(json!({"days": 30})).code().0, 409);
    let cancelled = house.done("POST", &format!("{path}/cancel-deletion"), Value::Null);
    assert_eq!((&cancelled["state"], &cancelled["destruction"]), (&json!("Suspended"), &Value::Null));
    assert_eq!(house.ask("POST", &format!("{path}/cancel-deletion"), Value::Null).code(), (409, "StateForbids"));
}

#[test]
fn a_key_that_was_not_used_lately_is_scheduled_for_deletion_without_more_ado() {
    let house = House::new();
    let (never, once) = (house.test.create_key(), house.test.create_key());
    encrypt(&house, &once);
    house.test.clock.pass(DAY * 91);
    for key in [never, once] {
        let path = format!("/v1/keys/{}/schedule-deletion", key.row.id);
        assert_eq!(house.ask("POST", &path, json!({"days": 6})).code(), (400, "InvalidInput"));
        assert_eq!(house.ask("POST", &path, json!({})).code(), (400, "InvalidRequest"));
        assert_eq!(house.done("POST", &path, json!({"days": 7}))["state"], "DestructionScheduled");
    }
}
