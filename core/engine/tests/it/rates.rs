//! How often anyone may ask: what counts, who is refused, and what is recorded of that.

use std::num::NonZeroU32;
use std::time::Duration;

use strongroom_audit::record::Outcome;
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::{EngineError, Quota, Rate, RateLimits, limits};
use strongroom_model::action::Action;
use strongroom_testkit::engine::{TestDialect, TestEngine, by_name, operator};

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"test:*","Resource":"*"}]}"#;

fn rate(requests: u32) -> Vec<Rate> {
    vec![Rate { requests: NonZeroU32::new(requests).unwrap(), window: Duration::from_secs(1) }]
}

fn is_throttled<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(answer, Err(EngineError::LimitExceeded(Quota::Requests)))
}

/// How many of so many readings of a key are refused for their number.
fn throttled(
    test: &TestEngine,
    caller: &std::sync::Arc<strongroom_model::caller::Caller>,
    key: &strongroom_engine::KeyEntry,
    times: usize,
) -> usize {
    let read = || InspectKey { key: by_name(key), action: Action::DescribeKey };
    (0..times).filter(|_| is_throttled(&test.run(caller, read()))).count()
}

#[test]
fn a_principal_a_tenant_and_a_key_have_rates_of_their_own_and_time_refills_them() {
    let test = TestEngine::new();
    let (key, other) = (test.create_key(), test.create_key());
    let (alice, bob) = (test.user("alice", Some(ALLOW)), test.user("bob", Some(ALLOW)));
    test.engine.limit_rates(RateLimits { principal: rate(5), ..RateLimits::default() });
    assert_eq!(throttled(&test, &alice, &key, 8), 3);
    assert_eq!(throttled(&test, &bob, &key, 5), 0, "another principal is not held up");
    test.clock.pass(Duration::from_secs(1));
    assert_eq!(throttled(&test, &alice, &key, 5), 0);
    test.engine.limit_rates(RateLimits { tenant: rate(5), ..RateLimits::default() });
    assert_eq!(throttled(&test, &alice, &key, 3) + throttled(&test, &bob, &key, 3), 1, "one tenant's together");
    test.engine.limit_rates(RateLimits { key: rate(5), ..RateLimits::default() });
    assert_eq!(throttled(&test, &alice, &key, 3) + throttled(&test, &bob, &key, 3), 1, "one key's together");
    assert_eq!(throttled(&test, &alice, &other, 5), 0, "another key is not held up");
}

#[test]
fn who_may_not_use_a_key_uses_up_nothing_of_its_rate_and_operators_are_never_held_up() {
    let test = TestEngine::new();
    let key = test.create_key();
    let deny = ALLOW.replace("Allow", "Deny");
    let (alice, mallory) = (test.user("alice", Some(ALLOW)), test.user("mallory", Some(&deny)));
    test.engine.limit_rates(RateLimits { key: rate(5), ..RateLimits::default() });
    assert_eq!(throttled(&test, &mallory, &key, 20), 0, "denied, as ever");
    assert_eq!(throttled(&test, &alice, &key, 5), 0);
    test.engine.limit_rates(RateLimits { tenant: rate(1), principal: rate(1), key: rate(1) });
    assert_eq!(throttled(&test, &operator(), &key, 5), 0);
}

#[test]
fn refusals_beyond_a_few_a_second_are_recorded_together_and_all_are_counted() {
    let test = TestEngine::new();
    let key = test.create_key();
    let alice = test.user("alice", Some(ALLOW));
    test.engine.limit_rates(RateLimits { principal: rate(1), ..RateLimits::default() });
    let refused = throttled(&test, &alice, &key, 101);
    assert_eq!(refused, 100);
    test.engine.tick(&TestDialect).unwrap();
    let records = test.records();
    let counts: Vec<u64> = records
        .iter()
        .map(|record| record.record().unwrap())
        .filter(|record| matches!(record.outcome, Outcome::Failed { .. }))
        .map(|record| record.count.max(1))
        .collect();
    assert_eq!(counts.len(), limits::REFUSALS_PER_SECOND as usize + 1, "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), 100, "{counts:?}");
    let mut measured = 0;
    test.engine.measure(&mut |name, value| {
        if name == "requests_throttled_by_principal_total" {
            measured = value;
        }
    });
    assert_eq!(measured, 100);
}
