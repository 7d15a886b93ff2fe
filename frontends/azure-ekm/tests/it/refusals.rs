//! Every refusal, by its code and status.

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};
use strongroom_engine::operations::credential::{ChangeCredential, Fate};
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{EngineError, Noun, Serves, certificate_credential};
use strongroom_model::id::TenantId;
use strongroom_model::spec::KeySpec;
use strongroom_testkit::engine::operator;

use crate::house::{Authority, House, POOL, PREFIX, body, certificate, context, store, store_of};

const STRANGER: (u16, &str) = (401, "Unauthorized");
const INVALID: (u16, &str) = (400, "InvalidRequest");

fn info() -> String {
    format!("/{PREFIX}/info?api-version=0.1-preview")
}

fn asking() -> Value {
    json!({ "request_context": context() })
}

#[test]
fn whoever_shows_no_certificate_or_one_of_another_authority_gets_no_connection() {
    let house = House::new();
    house.try_send(None, Method::POST, &info(), asking().to_string()).unwrap_err();
    let stranger = Authority::new().identity(POOL, &[]);
    house.try_send(Some(&stranger), Method::POST, &info(), asking().to_string()).unwrap_err();
    assert_eq!(house.send(&house.pool, &info(), &asking()).status, 200);
}

#[test]
fn a_listener_that_only_asks_for_certificates_opens_nothing() {
    let house = House::with(false);
    let answer = house.try_send(None, Method::POST, &info(), asking().to_string()).unwrap();
    assert_eq!(answer.error(), STRANGER);
}

#[test]
fn a_certificate_of_another_name_and_another_prefix_are_strangers_alike() {
    let house = House::new();
    store(&house.test, "two", "two").unwrap();
    let other = house.authority.identity("other.example", &["pool.managedhsm.example.com"]);
    let first = house.send(&other, &info(), &asking());
    assert_eq!(first.error(), STRANGER);
    for target in ["/two/info", "/nobody/info", "/info"] {
        let answer = house.send(&house.pool, &format!("{target}?api-version=0.1-preview"), &asking());
        assert_eq!((answer.error(), &answer.body["message"]), (STRANGER, &first.body["message"]), "{target}");
    }
    let failed = house
        .test
        .records()
        .iter()
        .filter(|record| {
            let record = record.record().unwrap();
            record.credential.id.is_none() && format!("{:?}", record.credential.shown).contains("other.example")
        })
        .count();
    assert_eq!(failed, 1);
}

#[test]
fn a_key_store_of_another_front_end_is_none_here_whatever_its_credentials() {
    let house = House::new();
    store_of(&house.test, "three", "three", None).unwrap();
    certificate(&house.test, "three", "three", POOL).unwrap();
    let answer = house.send(&house.pool, "/three/info?api-version=0.1-preview", &asking());
    assert_eq!(answer.error(), STRANGER);
}

#[test]
fn no_signature_proves_what_a_certificate_proves() {
    let house = House::new();
    let shown = certificate_credential(PREFIX, POOL);
    let found = strongroom_testkit::engine::block_on(house.test.engine.identify(&shown));
    assert!(matches!(found.err(), Some(EngineError::NotFound(Noun::Credential(_)))));
}

#[test]
fn a_certificates_name_that_was_suspended_or_removed_proves_nothing() {
    let house = House::new();
    for (fate, told) in [(Fate::Suspended, 401), (Fate::Resumed, 200), (Fate::Deleted, 401)] {
        let (tenant, shown) = (house.test.tenant.id, certificate_credential(PREFIX, POOL));
        house.test.run(&house.test.root(), ChangeCredential { tenant, shown, fate }).unwrap();
        assert_eq!(house.send(&house.pool, &info(), &asking()).status, told, "{fate:?}");
    }
}

#[test]
fn paths_methods_and_versions_that_are_none() {
    let house = House::new();
    for path in ["", "/info/", "/aes/sign", "/a.b/metadata"] {
        let answer = house.send(&house.pool, &format!("/{PREFIX}{path}?api-version=0.1-preview"), &Value::Null);
        assert_eq!(answer.error().0, 404, "{path}");
    }
    house.key("aes", KeySpec::Aes256);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["info", "aes/metadata", "aes/wrapkey", "aes/unwrapkey"] {
            for body in [String::new(), asking().to_string()] {
                let target = format!("/{PREFIX}/{path}?api-version=0.1-preview");
                let answer = house.try_send(Some(&house.pool), method.clone(), &target, body).unwrap();
                let told = (answer.error(), &answer.headers["allow"]);
                assert_eq!(told, ((405, "MethodNotAllowed"), &"POST".parse().unwrap()), "{method} {path}");
            }
        }
        let nowhere = format!("/{PREFIX}/aes/sign?api-version=0.1-preview");
        let answer = house.try_send(Some(&house.pool), method, &nowhere, "{}".to_owned()).unwrap();
        assert_eq!(answer.error(), (404, "KeyNotFound"));
    }
    for (query, told) in [
        ("", INVALID),
        ("?api-version=", (400, "UnsupportedApiVersion")),
        ("?api-version=1.0", (400, "UnsupportedApiVersion")),
        ("?api-version=0.1-preview&api-version=0.1-preview", INVALID),
    ] {
        assert_eq!(house.send(&house.pool, &format!("/{PREFIX}/info{query}"), &asking()).error(), told, "{query}");
    }
}

#[test]
fn bodies_that_are_none() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    let long = "x".repeat(257);
    for context in [
        Value::Null,
        json!({}),
        json!({"correlation_id": "c"}),
        json!({"pool_name": "p"}),
        json!({"correlation_id": "", "pool_name": "p"}),
        json!({"correlation_id": long, "pool_name": "p"}),
        json!({"correlation_id": 1, "pool_name": "p"}),
    ] {
        assert_eq!(house.ask("info", &json!({ "request_context": context })).error(), INVALID, "{context}");
    }
    for (alg, value) in [
        (json!("A256KW"), Value::Null),
        (Value::Null, json!("AAAA")),
        (json!("A256KW"), json!("")),
        (json!("A256KW"), json!("+/8")),
        (json!("A256KW"), json!("A".repeat(10_924))),
        // Lengths that the algorithm does not wrap.
        (json!("A256KW"), json!("AAAA")),
        (json!("A256KW"), json!("AAAAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        let body = json!({ "request_context": context(), "alg": alg, "value": value });
        assert_eq!(house.ask("aes/wrapkey", &body).error(), INVALID, "{body}");
    }
    let send = |text: &str| house.try_send(Some(&house.pool), Method::POST, &info(), text.to_owned()).unwrap();
    for text in ["", "[]", "{", "null", r#"{"request_context":{},"request_context":{}}"#] {
        assert_eq!(send(text).error(), INVALID, "{text}");
    }
    assert_eq!(send(&" ".repeat(32 * 1024 + 1)).error(), INVALID);
}

#[test]
fn an_algorithm_that_is_none_or_of_another_kind_of_key() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    house.key("rsa", KeySpec::Rsa2048);
    let told = (400, "UnsupportedAlgorithm");
    for (key, algorithm) in [
        ("aes", "RSA-OAEP"),
        ("aes", "RSA-OAEP-256"),
        ("aes", "A128KW"),
        ("rsa", "A256KW"),
        ("rsa", "A256KWP"),
        ("rsa", "RSA1_5"),
    ] {
        assert_eq!(house.wrap(key, algorithm, &[7; 32]).error(), told, "{key} {algorithm}");
        assert_eq!(house.unwrap(key, algorithm, &[7; 256]).error(), told, "{key} {algorithm}");
    }
}

#[test]
fn what_was_changed_or_wrapped_otherwise_does_not_unwrap() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    house.key("other", KeySpec::Aes256);
    house.key("rsa", KeySpec::Rsa2048);
    let wrapped = house.wrap("aes", "A256KW", &[7; 32]).value();
    let mut changed = wrapped.clone();
    changed[9] ^= 1;
    let rsa = house.wrap("rsa", "RSA-OAEP", &[7; 32]).value();
    let mut refusals = vec![
        house.unwrap("aes", "A256KW", &changed),
        house.unwrap("aes", "A256KWP", &wrapped),
        house.unwrap("other", "A256KW", &wrapped),
        house.unwrap("aes", "A256KW", &wrapped[..39]),
        house.unwrap("rsa", "RSA-OAEP-256", &rsa),
        house.unwrap("rsa", "RSA-OAEP", &rsa[1..]),
    ];
    let first = refusals.remove(0);
    assert_eq!((first.error(), &first.body["message"]), (INVALID, &json!("the value does not unwrap")));
    for refusal in refusals {
        assert_eq!(refusal.body, first.body);
    }
}

#[test]
fn keys_that_are_absent_lent_for_one_direction_suspended_or_going() {
    let house = House::new();
    let key = house.key("aes", KeySpec::Aes256).row.id;
    assert_eq!(house.wrap("none", "A256KW", &[7; 16]).error(), (404, "KeyNotFound"));
    let wrapped = house.wrap("aes", "A256KW", &[7; 16]).value();
    let not_allowed = (403, "OperationNotAllowed");
    house.bind("w", key, Some(Serves::Applying)).unwrap();
    house.bind("u", key, Some(Serves::Processing)).unwrap();
    assert_eq!(house.unwrap("w", "A256KW", &wrapped).error(), not_allowed);
    assert_eq!(house.wrap("u", "A256KW", &[7; 16]).error(), not_allowed);
    assert_eq!(house.unwrap("u", "A256KW", &wrapped).value(), [7; 16]);
    let disabled = (403, "KeyDisabled");
    for (edit, back) in
        [(Edit::Suspend, Edit::Resume), (Edit::ScheduleDestruction { days: 7 }, Edit::CancelDestruction)]
    {
        house.edit(key, edit);
        assert_eq!(house.wrap("aes", "A256KW", &[7; 16]).error(), disabled);
        assert_eq!(house.unwrap("aes", "A256KW", &wrapped).error(), disabled);
        assert_eq!(house.ask("aes/metadata", &asking()).error(), disabled);
        house.edit(key, back);
    }
}

#[test]
fn a_blocked_key_store_is_told_so_at_every_call_until_it_is_unblocked() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    for (suspended, told) in [(true, (403, "Forbidden")), (false, (200, ""))] {
        house.block(suspended);
        for rest in ["info", "aes/metadata", "aes/wrapkey"] {
            assert_eq!(house.ask(rest, &body("A256KW", &[7; 16])).error(), told, "{rest}");
        }
    }
}

#[test]
fn what_is_suspended_is_told_by_its_name() {
    let house = House::new();
    let message = || house.ask("info", &asking()).body["message"].as_str().unwrap_or_default().to_owned();
    house.block(true);
    assert_eq!(message(), "the key store is blocked");
    house.block(false);
    for tenant in [house.test.tenant.id, TenantId::INSTALLATION] {
        house.test.run(&operator(), SuspendTenant { tenant, suspended: true }).unwrap();
        assert_eq!(message(), "the key store's tenant is suspended, or the whole installation");
        house.test.run(&operator(), SuspendTenant { tenant, suspended: false }).unwrap();
    }
    assert_eq!(house.ask("info", &asking()).status, 200);
}

#[test]
fn a_policy_decides_by_call_key_and_pool() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    house.key("other", KeySpec::Aes256);
    house.policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ekm-proxy:WrapKey",
        "Resource":"arn:aws:ekm-proxy:*:*:store/one/key/aes","Condition":{"StringEquals":{"ekm-proxy:PoolName":"payments"}}}]}"#,
    );
    let denied = (403, "Forbidden");
    let wrapped = house.wrap("aes", "A256KW", &[7; 16]).value();
    assert_eq!(house.unwrap("aes", "A256KW", &wrapped).error(), denied);
    assert_eq!(house.wrap("other", "A256KW", &[7; 16]).error(), denied);
    assert_eq!(house.ask("aes/metadata", &asking()).error(), denied);
    let mut otherwise = body("A256KW", &[7; 16]);
    otherwise["request_context"]["pool_name"] = json!("marketing");
    assert_eq!(house.ask("aes/wrapkey", &otherwise).error(), denied);
    // Of health no policy has a say.
    assert_eq!(house.ask("info", &asking()).status, 200);
}

#[test]
fn a_log_that_refuses_serves_nobody_and_says_no_more() {
    let house = House::new();
    house.key("aes", KeySpec::Aes256);
    house.test.log.refuses.store(true, Ordering::SeqCst);
    for rest in ["info", "aes/wrapkey"] {
        assert_eq!(house.ask(rest, &body("A256KW", &[7; 16])).error(), (503, "ServiceUnavailable"), "{rest}");
    }
    house.test.log.refuses.store(false, Ordering::SeqCst);
    assert_eq!(house.ask("info", &asking()).status, 200);
}
