//! Backups, and what happens when an older state is brought back.

use std::io::Write;
use std::sync::{Arc, Mutex};

use strongroom_engine::operations::backup::MakeBackup;
use strongroom_engine::operations::clock::ConfirmClock;
use strongroom_engine::operations::credential::{ChangeCredential, CreateCredential, Fate, ListCredentials};
use strongroom_engine::operations::grant::{CreateGrant, EndGrant};
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::operations::principal::PutIdentityPolicy;
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{
    BackupReport, Engine, EngineError, InternalFault, KeyEntry, Mode, Parts, RestoreError, RolledBack, check_backup,
    limits, restore,
};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, CredentialRef};
use strongroom_model::purpose::Forbidden;
use strongroom_model::store::{Revision, Store, Table};
use strongroom_secret::SecretBytes;
use strongroom_store_embedded::EmbeddedStore;
use strongroom_testkit::engine::{TestDialect, TestEngine, allow, block_on, by_name, call, operator, options};
use strongroom_testkit::late_store::LateStore;

use crate::tools::{decrypt, edit, encrypt, opened, sealed};

/// A file in memory.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn backup(test: &TestEngine) -> (BackupReport, Vec<u8>) {
    let sink = Sink::default();
    let report = test.run(&operator(), MakeBackup::new(sink.clone())).unwrap();
    let bytes = std::mem::take(&mut *sink.0.lock().unwrap());
    (report, bytes)
}

/// A new store that a backup was restored to.
pub(crate) fn restored(test: &TestEngine, name: &str, mut bytes: &[u8]) -> Arc<EmbeddedStore> {
    let report = check_backup(&mut &*bytes, &test.backup_key).unwrap();
    let place = test.directory.path().join(name);
    let store = EmbeddedStore::create(&place, report.revision, Default::default()).unwrap();
    assert_eq!(restore(&mut bytes, &test.backup_key, &store).unwrap(), report);
    Arc::new(store)
}

pub(crate) fn over(test: &TestEngine, store: Arc<EmbeddedStore>) -> Parts {
    Parts { store, ..test.parts() }
}

fn rows(store: &dyn Store) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let snapshot = store.snapshot().unwrap();
    let of = |table: &Table| {
        let rows = snapshot.scan(*table, &[], None, 1000).unwrap();
        rows.into_iter().map(|row| (*table, row.key, row.value)).collect::<Vec<_>>()
    };
    Table::ALL.iter().flat_map(of).collect()
}

#[test]
fn a_backup_holds_every_row_and_brings_every_one_back() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.run(&test.root(), CreateName { name: test.alias("payroll"), key: by_name(&key) }).unwrap();
    let credential = CreateCredential {
        tenant: test.tenant.id,
        principal: None,
        shown: "AKIA".to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires: None,
    };
    let credential = test.run(&operator(), credential).unwrap();
    let proof = CredentialRef { id: credential.id, shown: "AKIA".into(), expires: None };
    let signed = Caller { credential: Some(proof), ..(*test.root()).clone() };
    test.run(&Arc::new(signed), encrypt(by_name(&key), "text", &[])).unwrap();
    let list = || ListCredentials { tenant: test.tenant.id, principal: None };
    let used = test.run(&operator(), list()).unwrap();
    assert!(used[0].1.is_some(), "the signed request is counted");
    test.clock.pass(std::time::Duration::from_secs(60));
    test.tick();
    let before = rows(&*test.store);
    let (report, bytes) = backup(&test);
    assert_eq!(report.rows, before.len() as u64);
    assert_eq!(rows(&*restored(&test, "restored", &bytes)), before);
}

#[test]
fn what_was_encrypted_before_the_backup_decrypts_after_it_was_restored() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let (_, bytes) = backup(&test);
    let store = restored(&test, "restored", &bytes);
    let engine = Engine::start(over(&test, store), &options()).unwrap();
    let call = call(&test.root());
    let opened = engine.perform_blocking(call, decrypt(&ciphertext, &[]), Mode::Run).unwrap();
    assert_eq!(opened.plaintext.expose(), b"text");
}

#[test]
fn a_backup_opens_with_its_own_key_alone_and_only_whole() {
    let test = TestEngine::new();
    for _ in 0..3 {
        let _ = test.create_key();
    }
    let (_, bytes) = backup(&test);
    let other = TestEngine::new().backup_key;
    assert!(matches!(check_backup(&mut &*bytes, &other), Err(RestoreError::Sealed(_))));
    let cut = &bytes[..bytes.len() - 1];
    assert!(matches!(check_backup(&mut &*cut, &test.backup_key), Err(RestoreError::Sealed(_))));
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    assert!(matches!(check_backup(&mut &*damaged, &test.backup_key), Err(RestoreError::Sealed(_))));
}

#[test]
fn nothing_is_restored_over_what_is_there_and_half_a_restoration_is_no_installation() {
    let test = TestEngine::new();
    let (_, bytes) = backup(&test);
    assert!(matches!(restore(&mut &*bytes, &test.backup_key, &*test.store), Err(RestoreError::NotEmpty)));
    let place = test.directory.path().join("half");
    let store = EmbeddedStore::create(&place, Revision::default(), Default::default()).unwrap();
    let mut damaged = bytes;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert!(restore(&mut &*damaged, &test.backup_key, &store).is_err());
    assert!(strongroom_engine::installation(&store).unwrap().is_none());
}

#[test]
fn only_whoever_may_makes_backups() {
    let test = TestEngine::new();
    let sink = Sink::default();
    let refused = test.run(&test.root(), MakeBackup::new(sink.clone())).map(|_| ());
    assert!(matches!(refused, Err(EngineError::Denied(_))), "{refused:?}");
    let dry = test.run_as(&operator(), MakeBackup::new(sink.clone()), Mode::DryRun).map(|_| ());
    assert!(matches!(dry, Err(EngineError::DryRun)), "{dry:?}");
    assert!(sink.0.lock().unwrap().is_empty());
}

/// A store put back to before three keys were suspended, scheduled for destruction and destroyed, and one made.
fn rolled_back(test: &TestEngine) -> ([Arc<KeyEntry>; 3], [Vec<u8>; 3], Arc<EmbeddedStore>) {
    let keys = [test.create_key(), test.create_key(), test.create_key()];
    let ciphertexts = [0, 1, 2].map(|at: usize| sealed(test, &keys[at], "text"));
    test.tick();
    let (_, bytes) = backup(test);
    edit(test, &keys[0], Edit::Suspend).unwrap();
    edit(test, &keys[1], Edit::ScheduleDestruction { days: 30 }).unwrap();
    edit(test, &keys[2], Edit::ScheduleDestruction { days: 7 }).unwrap();
    test.clock.pass(std::time::Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(test.tick().destroyed, 1);
    let _ = test.create_key();
    let store = restored(test, "older", &bytes);
    (keys, ciphertexts, store)
}

#[test]
fn a_store_older_than_the_log_is_not_served() {
    let test = TestEngine::new();
    let (_, _, store) = rolled_back(&test);
    let refused = Engine::start(over(&test, store), &options()).map(|_| ());
    let Err(EngineError::Internal(InternalFault::StoreOlderThanLog { changes })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(changes, 5);
}

#[test]
fn an_accepted_rollback_suspends_and_destroys_again() {
    let test = TestEngine::new();
    let (_, ciphertexts, store) = rolled_back(&test);
    let parts = over(&test, Arc::clone(&store));
    let (engine, accepted) = Engine::start_accepting_rollback(parts, &options(), &TestDialect).unwrap();
    assert_eq!(accepted, RolledBack { lost: 5, reapplied: 3 });
    let open = |ciphertext: &[u8]| {
        engine.perform_blocking(call(&test.root()), decrypt(ciphertext, &[]), Mode::Run).map(|_| ())
    };
    let expected = [Forbidden::Suspended, Forbidden::DestructionScheduled, Forbidden::DestructionScheduled];
    for (ciphertext, expected) in ciphertexts.iter().zip(expected) {
        let refused = open(ciphertext);
        assert!(
            matches!(&refused, Err(EngineError::StateForbids { forbidden, .. }) if *forbidden == expected),
            "{refused:?}"
        );
    }
    let ticked = engine.tick(&TestDialect).unwrap();
    assert_eq!((ticked.destroyed, ticked.clock_jumped), (0, true), "the older store saw no such time");
    engine.perform_blocking(call(&operator()), ConfirmClock, Mode::Run).unwrap();
    assert_eq!(engine.tick(&TestDialect).unwrap().destroyed, 1);
    assert!(matches!(open(&ciphertexts[2]), Err(EngineError::InvalidCiphertext)));
    drop(engine);
    assert!(Engine::start(over(&test, store), &options()).is_ok(), "it was accepted once and for all");
}

#[test]
fn a_tenants_suspension_outlives_a_rollback() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let (_, bytes) = backup(&test);
    test.run(&operator(), SuspendTenant { tenant: test.tenant.id, suspended: true }).unwrap();
    let parts = over(&test, restored(&test, "older", &bytes));
    let (engine, accepted) = Engine::start_accepting_rollback(parts, &options(), &TestDialect).unwrap();
    assert_eq!(accepted, RolledBack { lost: 1, reapplied: 1 });
    let refused = engine.perform_blocking(call(&test.root()), decrypt(&ciphertext, &[]), Mode::Run).map(|_| ());
    assert!(matches!(refused, Err(EngineError::TenantSuspended)));
}

#[test]
fn what_was_revoked_stays_revoked_after_a_rollback() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let (anna, berta) = (test.user("anna", None), test.user("berta", Some(&allow(None, &["test:*"]))));
    let grant = CreateGrant {
        key: by_name(&key),
        grantee: anna.policy_name.to_string(),
        retiring: Some(berta.policy_name.to_string()),
        actions: vec![Action::Decrypt],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    };
    let grant = test.run(&test.root(), grant).unwrap().id;
    let credential = |shown: &str| CreateCredential {
        tenant: test.tenant.id,
        principal: Some("berta".to_owned()),
        shown: shown.to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires: None,
    };
    test.run(&operator(), credential("AKIA1")).unwrap();
    test.run(&operator(), credential("AKIA2")).unwrap();
    let (_, bytes) = backup(&test);
    test.run(&test.root(), EndGrant { key: by_name(&key), id: grant, retire: false }).unwrap();
    let fate = |shown: &str, fate| ChangeCredential { tenant: test.tenant.id, shown: shown.to_owned(), fate };
    test.run(&operator(), fate("AKIA1", Fate::Deleted)).unwrap();
    test.run(&operator(), fate("AKIA2", Fate::Suspended)).unwrap();
    let unattach = PutIdentityPolicy {
        tenant: test.tenant.id,
        principal: "berta".to_owned(),
        name: "policy".to_owned(),
        document: None,
    };
    test.run(&operator(), unattach).unwrap();
    let parts = over(&test, restored(&test, "older", &bytes));
    let (engine, accepted) = Engine::start_accepting_rollback(parts, &options(), &TestDialect).unwrap();
    assert_eq!(accepted, RolledBack { lost: 4, reapplied: 4 });
    for caller in [&anna, &berta] {
        let open = decrypt(&ciphertext, &[]);
        let refused = engine.perform_blocking(call(caller), open, Mode::Run).map(|_| ());
        assert!(matches!(refused, Err(EngineError::Denied(_))), "{refused:?}");
    }
    for shown in ["AKIA1", "AKIA2"] {
        assert!(matches!(block_on(engine.identify(shown)), Err(EngineError::NotFound(_))));
    }
}

#[test]
fn a_store_that_lost_nothing_starts_however_it_ended() {
    let mut test = TestEngine::new();
    for round in 0..3 {
        let key = test.create_key();
        let ciphertext = sealed(&test, &key, "text");
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (test, key) = (&test, &key);
                scope.spawn(move || {
                    let name = test.alias(&format!("name-{round}-{number}"));
                    test.run(&test.root(), CreateName { name, key: by_name(key) }).unwrap();
                });
            }
        });
        if round == 1 {
            test.tick();
        }
        test = test.restarted();
        assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    }
}

#[test]
fn more_suspensions_than_one_commit_takes_are_applied_again_after_a_rollback_that_is_accepted_in_two_attempts() {
    let test = TestEngine::new();
    let keys: Vec<_> = (0..=limits::REAPPLIED_AT_ONCE).map(|_| test.create_key()).collect();
    let (_, bytes) = backup(&test);
    for key in &keys {
        edit(&test, key, Edit::Suspend).unwrap();
    }
    let store = restored(&test, "older", &bytes);
    // The second of the commits fails.
    let late = Arc::new(LateStore::new(Arc::<EmbeddedStore>::clone(&store)));
    late.hold_after(1);
    let parts = Parts { store: Arc::<LateStore>::clone(&late), ..over(&test, Arc::clone(&store)) };
    assert!(Engine::start_accepting_rollback(parts, &options(), &TestDialect).is_err());
    let parts = over(&test, Arc::clone(&store));
    let (engine, accepted) = Engine::start_accepting_rollback(parts, &options(), &TestDialect).unwrap();
    assert_eq!(accepted, RolledBack { lost: keys.len() as u64, reapplied: 1 });
    for key in &keys {
        let used = engine.perform_blocking(call(&test.root()), encrypt(by_name(key), "text", &[]), Mode::Run);
        assert!(matches!(used.map(|_| ()), Err(EngineError::StateForbids { .. })));
    }
}
