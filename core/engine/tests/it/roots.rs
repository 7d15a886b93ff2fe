//! Roots of trust and domain keys: losing one root loses nothing, and rotating either changes nothing for callers.

use std::sync::Arc;
use std::time::Duration;

use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::domain_key::RotateDomainKey;
use strongroom_engine::operations::root::{AddRoot, RemoveRoot, RootVerified, VerifyRoot};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::{DomainKeyRow, Engine, EngineError, InputFault, KeyEntry, Mode, Unavailable, limits};
use strongroom_model::id::{RootId, TenantId};
use strongroom_model::root::RootOfTrust;
use strongroom_model::store::{Batch, Row, Store as _, Table};
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestDialect, TestEngine, block_on, by_name, call, operator, options, software_root};

use crate::doubt::over_late_store;
use crate::tools::{encrypt, opened, sealed};

/// Adds the root in the file `root-NUMBER`.
fn add(test: &TestEngine, number: u8, replaces: Option<RootId>) -> Arc<dyn RootOfTrust> {
    let root = software_root(test.directory.path(), number);
    test.run(&operator(), AddRoot { root: Arc::clone(&root), replaces }).unwrap();
    root
}

fn tenants(test: &TestEngine, count: usize) {
    for number in 0..count {
        let create = CreateTenant {
            account: format!("{:012}", 900_000_000_000_u64 + number as u64),
            name: String::new(),
            root_name: format!("arn:aws:iam::{number}:root"),
        };
        test.run(&operator(), create).unwrap();
    }
}

/// Ticks until the sweeps are through.
pub(crate) fn sweep(test: &TestEngine) {
    for _ in 0..100 {
        test.clock.pass(Duration::from_secs(1));
        test.tick();
        if test.engine.swept() {
            return;
        }
    }
    panic!("the sweeps never end");
}

fn verify(test: &TestEngine, root: &Arc<dyn RootOfTrust>) -> RootVerified {
    test.run(&operator(), VerifyRoot { root: root.describe().id }).unwrap()
}

fn domain_keys(test: &TestEngine) -> usize {
    test.store.snapshot().unwrap().scan(Table::DomainKey, &[], None, 1000).unwrap().len()
}

#[test]
fn the_first_root_is_lost_and_the_second_alone_brings_everything_back() {
    let test = TestEngine::new();
    tenants(&test, 70);
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let second = add(&test, 1, None);
    tenants_after(&test);
    let before = verify(&test, &second);
    assert!(before.lacking > 0 && before.failing.is_empty());
    sweep(&test);
    let all = domain_keys(&test) as u64;
    assert_eq!(verify(&test, &second), RootVerified { opened: all, lacking: 0, failing: Vec::new() });
    std::fs::remove_file(test.directory.path().join("root-0")).unwrap();
    let test = test.restarted_with(vec![second]);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    let another = test.create_key();
    sealed(&test, &another, "text");
}

/// A tenant made while two roots serve is under both from the start.
fn tenants_after(test: &TestEngine) {
    let create = CreateTenant {
        account: "999999999999".to_owned(),
        name: String::new(),
        root_name: "arn:aws:iam::999999999999:root".to_owned(),
    };
    test.run(&operator(), create).unwrap();
}

#[test]
fn a_root_that_was_not_added_opens_nothing() {
    let test = TestEngine::new();
    let stranger = software_root(test.directory.path(), 1);
    let mut parts = test.parts();
    parts.roots = vec![stranger];
    let refused = Engine::start(parts, &options()).map(|_| ());
    assert!(matches!(refused, Err(EngineError::Unavailable(Unavailable::Sealed))), "{refused:?}");
}

#[test]
fn a_root_is_added_once_and_the_last_one_is_never_removed() {
    let test = TestEngine::new();
    let first = test.roots[0].describe().id;
    let again = test.run(&operator(), AddRoot { root: Arc::clone(&test.roots[0]), replaces: None }).map(|_| ());
    assert!(matches!(again, Err(EngineError::AlreadyExists(_))), "{again:?}");
    let refused = test.run(&operator(), RemoveRoot::new(first));
    assert!(matches!(refused, Err(EngineError::InvalidInput(InputFault::Form { what: "the root", .. }))));
    assert!(matches!(
        test.run(&operator(), RemoveRoot::new(RootId::from_bytes([9; 16]))),
        Err(EngineError::NotFound(_))
    ));
    let second = add(&test, 1, None);
    let early = test.run(&operator(), RemoveRoot::new(first));
    assert!(matches!(early, Err(EngineError::InvalidInput(_))), "before the second has wrapped everything");
    sweep(&test);
    test.run(&operator(), RemoveRoot::new(first)).unwrap();
    let refused = test.run(&operator(), RemoveRoot::new(second.describe().id));
    assert!(matches!(refused, Err(EngineError::InvalidInput(_))));
}

#[test]
fn a_removed_roots_wraps_go_too() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let first = test.roots[0].describe().id;
    let second = add(&test, 1, None);
    sweep(&test);
    test.run(&operator(), RemoveRoot::new(first)).unwrap();
    sweep(&test);
    let rows = test.store.snapshot().unwrap().scan(Table::DomainKey, &[], None, 1000).unwrap();
    for row in rows {
        let row: DomainKeyRow = minicbor::decode(&row.value[1..]).unwrap();
        assert_eq!(row.wraps.iter().map(|wrap| wrap.root).collect::<Vec<_>>(), [second.describe().id]);
    }
    let test = test.restarted_with(vec![second]);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn a_root_is_replaced_by_another_while_keys_are_used() {
    let test = TestEngine::new();
    tenants(&test, 5);
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let old = test.roots[0].describe().id;
    let new = add(&test, 1, Some(old));
    for _ in 0..20 {
        test.clock.pass(Duration::from_secs(1));
        test.tick();
        assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    }
    assert!(matches!(test.run(&operator(), VerifyRoot { root: old }), Err(EngineError::NotFound(_))));
    let test = test.restarted_with(vec![new]);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn a_sweep_goes_on_after_a_restart() {
    let test = TestEngine::new();
    tenants(&test, 70);
    let second = add(&test, 1, None);
    test.tick();
    assert!(verify(&test, &second).lacking > 0);
    let roots = vec![Arc::clone(&test.roots[0]), second];
    let test = test.restarted_with(roots.clone());
    sweep(&test);
    assert_eq!(verify(&test, &roots[1]).lacking, 0);
}

#[test]
fn a_new_roots_checkpoints_verify_by_the_old_ones_word() {
    let test = TestEngine::new();
    let origin = strongroom_testkit::engine::ORIGIN;
    let old = strongroom_audit::note::VerifierKey::new(origin, test.roots[0].checkpoint_key().unwrap()).unwrap();
    test.engine.checkpoint().unwrap();
    add(&test, 1, Some(test.roots[0].describe().id));
    sweep(&test);
    sealed(&test, &test.create_key(), "text");
    test.engine.checkpoint().unwrap();
    let report = test.log.inner.verify(vec![old], None).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn a_domain_key_is_rotated_and_the_old_one_destroyed_when_nothing_needs_it() {
    let test = TestEngine::new();
    let keys: Vec<_> = (0..3).map(|_| test.create_key()).collect();
    let ciphertexts: Vec<_> = keys.iter().map(|key| sealed(&test, key, "text")).collect();
    let create = CreateCredential {
        tenant: test.tenant.id,
        principal: None,
        shown: "AKIA1".to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires: None,
    };
    test.run(&operator(), create).unwrap();
    let old = test.tenant.domain_key;
    let before = domain_keys(&test);
    let new = test.run(&operator(), RotateDomainKey { tenant: test.tenant.id }).unwrap();
    assert_ne!(new, old);
    assert_eq!(domain_keys(&test), before + 1);
    sweep(&test);
    assert_eq!(domain_keys(&test), before, "the old one is gone");
    let test = test.restarted();
    for ciphertext in &ciphertexts {
        assert_eq!(opened(&test, ciphertext).unwrap(), "text");
    }
    let identified = block_on(test.engine.identify("AKIA1")).unwrap();
    assert!(block_on(test.engine.secret_of(&identified)).unwrap().secret().equals(b"secret"));
    test.run(&test.root(), encrypt(by_name(&keys[0]), "more", &[])).unwrap();
}

#[test]
fn rotating_the_installations_domain_key_keeps_it_running() {
    let test = TestEngine::new();
    test.run(&operator(), RotateDomainKey { tenant: TenantId::INSTALLATION }).unwrap();
    sweep(&test);
    let cursor = test.engine.seal_cursor(b"listing", b"position").unwrap();
    let test = test.restarted();
    assert_eq!(test.engine.open_cursor(b"listing", &cursor).unwrap(), b"position");
}

#[test]
fn the_backup_key_alone_brings_the_domain_keys_back_under_a_new_root() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    std::fs::remove_file(test.directory.path().join("root-0")).unwrap();
    let new = software_root(test.directory.path(), 1);
    let mut parts = test.parts();
    parts.roots = vec![Arc::clone(&new)];
    let brought = strongroom_engine::recover(&parts, &test.backup_key).unwrap();
    assert_eq!(brought, domain_keys(&test));
    drop(parts);
    let test = test.restarted_with(vec![new]);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn a_root_that_was_removed_before_its_adding_was_told_of_does_not_count() {
    let test = TestEngine::new();
    let (engine, store) = over_late_store(&test);
    let run = |root| engine.perform_blocking(call(&operator()), VerifyRoot { root }, Mode::Run);
    store.hold();
    let root = software_root(test.directory.path(), 1);
    let id = root.describe().id;
    let added = engine.perform_blocking(call(&operator()), AddRoot { root, replaces: None }, Mode::Run);
    assert!(added.is_err());
    let landed = store.land();
    assert!(matches!(&landed[..], [Ok(_)]), "{landed:?}");
    test.run(&operator(), RemoveRoot::new(id)).unwrap();
    store.release();
    engine.tick(&TestDialect).unwrap();
    assert!(matches!(run(id), Err(EngineError::NotFound(_))));
    run(test.roots[0].describe().id).unwrap();
}

fn damaged(test: &TestEngine) -> u64 {
    let mut found = 0;
    test.engine.measure(&mut |name, value| found += if name == "sweep_damaged" { value } else { 0 });
    found
}

/// Ticks often enough for several whole passes of the sweeps.
fn passes(test: &TestEngine) {
    for _ in 0..8 {
        test.clock.pass(Duration::from_secs(1));
        test.tick();
    }
}

#[test]
fn a_damaged_key_stops_no_other_from_being_wrapped_anew_and_keeps_the_former_domain_key() {
    let test = TestEngine::new();
    let keys = [test.create_key(), test.create_key(), test.create_key()];
    sweep(&test);
    let before = domain_keys(&test);
    let first = |key: &KeyEntry| {
        let rows = test.store.snapshot().unwrap().scan(Table::KeyVersion, key.row.id.as_bytes(), None, 1).unwrap();
        rows.into_iter().next().unwrap()
    };
    let write = |row: &Row, value: Vec<u8>| {
        let mut batch = Batch::default();
        batch.put(Table::KeyVersion, row.key.clone(), value);
        test.store.commit(batch).unwrap();
    };
    let whole = first(&keys[1]);
    // A byte near the end of what is wrapped, so that the row can be read and the material can't.
    let wrapped = keys[1].versions[0].wrapped.as_slice();
    let at = whole.value.windows(wrapped.len()).position(|part| part == wrapped).unwrap();
    let mut broken = whole.value.clone();
    broken[at + wrapped.len() - 1] ^= 1;
    write(&whole, broken.clone());
    let [other, another] = [&keys[0], &keys[2]].map(|key| first(key));
    test.run(&operator(), RotateDomainKey { tenant: test.tenant.id }).unwrap();
    passes(&test);
    assert_ne!([first(&keys[0]).value, first(&keys[2]).value], [other.value, another.value]);
    assert_eq!((first(&keys[1]).value, domain_keys(&test), damaged(&test)), (broken, before + 1, 1));
    assert!(!test.engine.swept());
    write(&whole, whole.value.clone());
    test.clock.pass(limits::SWEEP_DAMAGED_HOLD);
    passes(&test);
    assert_eq!((domain_keys(&test), damaged(&test)), (before, 0));
    assert!(test.engine.swept());
    for key in &keys {
        let ciphertext = sealed(&test, key, "text");
        assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    }
}
