//! The usage ledger: every use counted once, whoever asks and whenever.

use std::time::Duration;

use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::usage::{ReadLastUse, ReadUsage};
use strongroom_engine::{KeyEntry, LastUse, Mode, RotationCause, UsageRow};
use strongroom_model::action::Action;
use strongroom_model::clock::Clock as _;
use strongroom_testkit::engine::{TestEngine, allow, by_name};

use crate::tools::{decrypt, encrypt, opened, sealed};

fn last(test: &TestEngine, key: &KeyEntry) -> Option<LastUse> {
    test.run(&test.root(), ReadLastUse { key: by_name(key) }).unwrap().1
}

fn usage(test: &TestEngine, key: &KeyEntry) -> Vec<UsageRow> {
    test.run(&test.root(), ReadUsage { key: by_name(key), skip: 0, limit: 1000 }).unwrap().1.items
}

fn counted(test: &TestEngine, key: &KeyEntry, action: Action) -> u64 {
    usage(test, key).iter().filter(|row| row.action == action).map(|row| row.count).sum()
}

#[test]
fn the_newest_use_is_known_at_once_and_only_uses_count() {
    let test = TestEngine::new();
    let key = test.create_key();
    assert_eq!(last(&test, &key), None);
    let ciphertext = sealed(&test, &key, "text");
    let first = last(&test, &key).unwrap();
    assert_eq!((first.action, first.ordinal, first.count), (Action::Encrypt, 1, 1));
    assert_eq!((first.at, first.material), (test.clock.now(), key.versions[0].material));
    test.clock.pass(Duration::from_secs(60));
    assert!(test.run(&test.root(), decrypt(&ciphertext, &[("wrong", "context")])).is_err());
    assert!(test.run_as(&test.root(), encrypt(by_name(&key), "text", &[]), Mode::DryRun).is_err());
    assert_eq!(last(&test, &key).unwrap(), first, "failures and dry runs are no uses");
    opened(&test, &ciphertext).unwrap();
    let now = last(&test, &key).unwrap();
    assert_eq!((now.action, now.at, now.count), (Action::Decrypt, test.clock.now(), 2));
    assert_ne!(now.record, first.record);
    assert_eq!(now.request_id, "request");
}

#[test]
fn uses_are_told_apart_by_version_action_algorithm_and_caller() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let old = sealed(&test, &key, "old");
    test.run(&test.root(), RotateKey { key: by_name(&key), cause: RotationCause::OnDemand }).unwrap();
    for _ in 0..3 {
        test.run(&anna, encrypt(by_name(&key), "new", &[])).unwrap();
    }
    opened(&test, &old).unwrap();
    let told: Vec<_> = usage(&test, &key)
        .iter()
        .map(|row| (row.ordinal, row.action, row.caller.clone().unwrap_or_default(), row.count))
        .collect();
    let root = test.tenant.root_name.clone();
    assert_eq!(
        told,
        [
            (1, Action::Encrypt, root.clone(), 1),
            (1, Action::Decrypt, root, 1),
            (2, Action::Encrypt, anna.policy_name.to_string(), 3)
        ]
    );
    assert!(usage(&test, &key).iter().all(|row| row.algorithm == "derived-aes-256-gcm"));
}

#[test]
fn nothing_is_counted_twice_or_lost_over_restarts_and_ticks() {
    let mut test = TestEngine::new();
    let key = test.create_key();
    for round in 1..=4 {
        for _ in 0..10 {
            sealed(&test, &key, "text");
        }
        if round % 2 == 0 {
            test.clock.pass(Duration::from_secs(10));
            test.tick();
        }
        test = test.restarted();
    }
    assert_eq!(counted(&test, &key, Action::Encrypt), 40);
    assert_eq!(counted(&test, &key, Action::Encrypt), 40);
    assert_eq!(last(&test, &key).unwrap().count, 40);
}

#[test]
fn callers_beyond_the_limit_are_counted_together() {
    let test = TestEngine::new();
    let key = test.create_key();
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"test:*","Resource":"*"}]}"#;
    let open =
        strongroom_engine::operations::key::Edit::ReplacePolicy { document: policy.to_owned(), bypass_lockout: false };
    crate::tools::edit(&test, &key, open).unwrap();
    let callers = u64::from(strongroom_engine::limits::USAGE_ROWS_PER_KEY) + 50;
    for number in 0..callers {
        // The tenant's root under many names, as no thousand principals need be made for this.
        let caller = strongroom_model::caller::Caller {
            policy_name: format!("arn:aws:iam::111122223333:user/u{number}").into(),
            ..(*test.root()).clone()
        };
        test.run(&std::sync::Arc::new(caller), encrypt(by_name(&key), "text", &[])).unwrap();
    }
    let rows = test.engine.usage_of(key.row.id).unwrap();
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), callers);
    let together: Vec<_> = rows.iter().filter(|row| row.caller.is_none()).collect();
    assert_eq!((together.len(), together[0].count), (1, 50));
    assert_eq!(last(&test, &key).unwrap().count, callers);
}
