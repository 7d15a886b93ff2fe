//! Names, rotation, suspension, destruction: what becomes of keys over time.

use std::time::Duration;

use strongroom_engine::operations::inspect::{InspectKey, IsSuspended};
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::name::{CreateName, DeleteName, MoveName};
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::suspend::SuspendVersion;
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{EngineError, InputFault, KeyEntry, KeyReference, RotationCause};
use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::purpose::{Forbidden, KeyState, VersionState};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{TestEngine, by_name, operator};

use crate::tools::{edit, encrypt, opened, sealed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn rotate(test: &TestEngine, key: &KeyEntry) -> Result<(), EngineError> {
    test.run(&test.root(), RotateKey { key: by_name(key), cause: RotationCause::OnDemand }).map(|_| ())
}

fn inspect(test: &TestEngine, key: KeyReference) -> Result<std::sync::Arc<KeyEntry>, EngineError> {
    test.run(&test.root(), InspectKey { key, action: Action::DescribeKey })
}

/// Lets days pass as they do for a running server: the scheduler looks in between.
fn pass(test: &TestEngine, days: u32) -> strongroom_engine::Ticked {
    test.clock.pass(DAY * days);
    test.tick()
}

#[test]
fn rotation_encrypts_under_new_material_and_still_decrypts_the_old() {
    let test = TestEngine::new();
    let key = test.create_key();
    let old = sealed(&test, &key, "old");
    rotate(&test, &key).unwrap();
    let new = sealed(&test, &key, "new");
    assert_ne!(old[22..38], new[22..38], "the material id in the ciphertext's header");
    assert_eq!((opened(&test, &old).unwrap(), opened(&test, &new).unwrap()), ("old".to_owned(), "new".to_owned()));
    let now = inspect(&test, by_name(&key)).unwrap();
    assert_eq!(now.versions.iter().map(|version| version.ordinal).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((now.versions[0].state, now.versions[1].state), (VersionState::Deactivated, VersionState::Active));
}

#[test]
fn automatic_rotation_happens_when_it_is_due_and_not_before() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::EnableRotation { period_days: 90 }).unwrap();
    assert_eq!(pass(&test, 89).rotated, 0);
    assert_eq!(pass(&test, 1).rotated, 1);
    assert_eq!(test.tick().rotated, 0);
    assert_eq!(pass(&test, 90).rotated, 1);
    assert_eq!(inspect(&test, by_name(&key)).unwrap().row.current, 3);
    edit(&test, &key, Edit::DisableRotation).unwrap();
    assert_eq!(pass(&test, 365).rotated, 0);
}

#[test]
fn a_suspended_keys_rotation_is_passed_over_once_not_tried_for_ever() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::EnableRotation { period_days: 90 }).unwrap();
    edit(&test, &key, Edit::Suspend).unwrap();
    pass(&test, 90);
    let records = test.records().len();
    for _ in 0..10 {
        test.clock.pass(Duration::from_secs(1));
        test.tick();
    }
    assert_eq!(test.records().len(), records);
    edit(&test, &key, Edit::Resume).unwrap();
    assert_eq!(pass(&test, 90).rotated, 1);
}

#[test]
fn what_cannot_be_done_when_due_is_not_recorded_every_second() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::EnableRotation { period_days: 90 }).unwrap();
    let (engine, store) = crate::gate::GatedStore::engine(&test);
    let tick = || engine.tick(&strongroom_testkit::engine::TestDialect).unwrap();
    tick();
    test.clock.pass(DAY * 90);
    store.fail(crate::gate::Point::Commit(strongroom_model::store::Table::KeyVersion));
    assert_eq!(tick().failed, 1);
    let records = test.records().len();
    for _ in 0..10 {
        test.clock.pass(Duration::from_secs(1));
        tick();
    }
    assert_eq!(test.records().len(), records);
    test.clock.pass(Duration::from_secs(600));
    assert_eq!(tick().rotated, 1);
}

#[test]
fn key_pairs_are_not_rotated() {
    let test = TestEngine::new();
    let key = test.create(KeySpec::EcP256, Usage::Sign);
    assert!(matches!(rotate(&test, &key), Err(EngineError::Unsupported(_))));
    assert!(matches!(edit(&test, &key, Edit::EnableRotation { period_days: 90 }), Err(EngineError::Unsupported(_))));
}

#[test]
fn destruction_happens_when_it_is_due_and_the_names_go() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    let ciphertext = sealed(&test, &key, "text");
    test.run(&test.root(), CreateName { name: test.alias("payroll"), key: by_name(&key) }).unwrap();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    let refused = opened(&test, &ciphertext);
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::DestructionScheduled, .. })));
    assert_eq!(pass(&test, 6).destroyed, 0);
    assert_eq!(pass(&test, 1).destroyed, 1);
    assert!(matches!(opened(&test, &ciphertext), Err(EngineError::InvalidCiphertext)));
    assert!(matches!(inspect(&test, by_name(&key)), Err(EngineError::NotFound(_))));
    let alias = KeyReference::Name(test.alias("payroll"));
    assert!(matches!(inspect(&test, alias), Err(EngineError::NotFound(_))));
    let test = test.restarted();
    assert!(matches!(opened(&test, &ciphertext), Err(EngineError::InvalidCiphertext)));
    assert_eq!(test.tick().destroyed, 0);
}

#[test]
fn a_destruction_that_was_called_off_never_happens_and_the_key_stays_suspended() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    let ciphertext = sealed(&test, &key, "text");
    assert!(matches!(
        edit(&test, &key, Edit::CancelDestruction),
        Err(EngineError::StateForbids { forbidden: Forbidden::DestructionNotScheduled, .. })
    ));
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    edit(&test, &key, Edit::CancelDestruction).unwrap();
    assert_eq!(pass(&test, 30).destroyed, 0);
    assert_eq!(inspect(&test, by_name(&key)).unwrap().row.state, KeyState::Suspended);
    edit(&test, &key, Edit::Resume).unwrap();
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn waiting_periods_outside_what_is_allowed_are_refused() {
    let test = TestEngine::new();
    let key = test.create_key();
    for days in [6, 31] {
        let refused = edit(&test, &key, Edit::ScheduleDestruction { days });
        let expected = InputFault::Days { what: "the waiting period", minimum: 7, maximum: 30 };
        assert!(matches!(refused, Err(EngineError::InvalidInput(fault)) if fault == expected));
    }
    for days in [89, 2561] {
        assert!(matches!(
            edit(&test, &key, Edit::EnableRotation { period_days: days }),
            Err(EngineError::InvalidInput(InputFault::Days { .. }))
        ));
    }
}

#[test]
fn a_clock_that_jumped_destroys_nothing_until_an_operator_confirms_it() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    let ciphertext = sealed(&test, &key, "text");
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    test.clock.jump(DAY * 8);
    let ticked = test.tick();
    assert_eq!((ticked.destroyed, ticked.clock_jumped), (0, true));
    test.clock.pass(Duration::from_secs(3600));
    assert_eq!(test.tick().destroyed, 0);
    edit(&test, &key, Edit::CancelDestruction).unwrap();
    edit(&test, &key, Edit::Resume).unwrap();
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn a_jump_of_the_clock_outlives_a_restart_and_ends_with_a_confirmation() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    test.clock.jump(DAY * 8);
    assert!(test.tick().clock_jumped);
    let test = test.restarted();
    let ticked = test.tick();
    assert_eq!((ticked.destroyed, ticked.clock_jumped), (0, true));
    test.run(&operator(), strongroom_engine::operations::clock::ConfirmClock).unwrap();
    let ticked = test.tick();
    assert_eq!((ticked.destroyed, ticked.clock_jumped), (1, false));
}

#[test]
fn a_clock_that_creeps_away_has_jumped() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    let ticks = (0..1010).map(|_| {
        test.clock.jump(Duration::from_secs(600));
        test.clock.pass(Duration::from_secs(1));
        test.tick()
    });
    assert_eq!(ticks.map(|ticked| ticked.destroyed).sum::<usize>(), 0);
    assert!(test.tick().clock_jumped);
}

#[test]
fn a_clock_set_ahead_while_nothing_ran_destroys_nothing_unconfirmed() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    let test = test.restarted();
    test.clock.pass(DAY * 3);
    assert!(!test.tick().clock_jumped, "nothing is due");
    let test = test.restarted();
    test.clock.pass(DAY * 5);
    let ticked = test.tick();
    assert_eq!((ticked.destroyed, ticked.clock_jumped), (0, true));
    test.run(&operator(), strongroom_engine::operations::clock::ConfirmClock).unwrap();
    assert_eq!(test.tick().destroyed, 1);
}

#[test]
fn a_jump_that_the_store_could_not_keep_is_found_again() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (engine, store) = crate::gate::GatedStore::engine(&test);
    let tick = || engine.tick(&strongroom_testkit::engine::TestDialect);
    tick().unwrap();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    tick().unwrap();
    test.clock.jump(DAY * 8);
    store.fail(crate::gate::Point::Commit(strongroom_model::store::Table::Installation));
    assert!(tick().is_err());
    let ticked = tick().unwrap();
    assert_eq!((ticked.destroyed, ticked.clock_jumped), (0, true));
}

#[test]
fn a_key_with_more_grants_than_one_commit_takes_is_destroyed() {
    use strongroom_model::store::{Batch, Store as _, Table};
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, berta) = (test.user("anna", None), test.user("berta", None));
    let grant = strongroom_engine::operations::grant::CreateGrant {
        key: by_name(&key),
        grantee: anna.policy_name.to_string(),
        retiring: Some(berta.policy_name.to_string()),
        actions: vec![Action::Decrypt],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    };
    test.run(&test.root(), grant).unwrap();
    let of_key = || test.store.snapshot().unwrap().scan(Table::Grant, key.row.id.as_bytes(), None, 10).unwrap();
    let value = of_key()[0].value.clone();
    for half in 0..2_u8 {
        let mut batch = Batch::default();
        for number in 0..3_000_u16 {
            let id = [&[half][..], &number.to_be_bytes(), &[0; 13]].concat();
            batch.put(Table::Grant, [key.row.id.as_bytes().as_slice(), &id].concat(), value.clone());
        }
        test.store.commit(batch).unwrap();
    }
    let test = test.restarted();
    test.tick();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    let ticked = pass(&test, 7);
    assert_eq!((ticked.destroyed, ticked.failed), (1, 0));
    let snapshot = test.store.snapshot().unwrap();
    assert!(snapshot.scan(Table::Grant, key.row.id.as_bytes(), None, 10).unwrap().is_empty());
    assert!(snapshot.scan(Table::Schedule, &[], None, 10).unwrap().is_empty());
}

#[test]
fn the_kill_switch_of_the_installation_stops_every_tenant_and_operators_lift_it() {
    let test = TestEngine::new();
    let key = test.create_key();
    let text = sealed(&test, &key, "salary");
    let suspended = || test.run(&test.root(), IsSuspended);
    let switch = |suspended| SuspendTenant { tenant: TenantId::INSTALLATION, suspended };
    assert!(matches!(test.run(&test.root(), switch(true)), Err(EngineError::Denied(_))), "no tenant may");
    test.run(&operator(), switch(true)).unwrap();
    assert!(matches!(opened(&test, &text), Err(EngineError::TenantSuspended)));
    assert!(matches!(suspended(), Err(EngineError::TenantSuspended)));
    assert!(test.run(&operator(), IsSuspended).unwrap());
    let test = test.restarted();
    assert!(matches!(opened(&test, &text), Err(EngineError::TenantSuspended)), "it outlives a restart");
    test.run(&operator(), switch(false)).unwrap();
    assert_eq!(opened(&test, &text).unwrap(), "salary");
    assert!(!test.run(&test.root(), IsSuspended).unwrap());
}

#[test]
fn a_suspended_tenants_rotation_is_passed_over_and_that_is_recorded() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    edit(&test, &key, Edit::EnableRotation { period_days: 90 }).unwrap();
    test.run(&operator(), SuspendTenant { tenant: test.tenant.id, suspended: true }).unwrap();
    let from = test.records().len();
    let ticked = pass(&test, 90);
    assert_eq!((ticked.failed, test.tick().failed), (0, 0));
    let skipped = test.records().iter().skip(from).any(|sealed| {
        let record = sealed.record().unwrap();
        record.action == Action::Scheduled
            && record.changes.iter().any(|told| told.as_full().is_some_and(|told| told.starts_with("key ")))
    });
    assert!(skipped, "the change of the due date has its record");
    test.run(&operator(), SuspendTenant { tenant: test.tenant.id, suspended: false }).unwrap();
    assert_eq!(pass(&test, 90).rotated, 1);
}

#[test]
fn a_clock_behind_what_the_store_has_seen_has_jumped() {
    let test = TestEngine::new();
    test.tick();
    test.clock.pass(DAY * 10);
    test.tick();
    let behind = std::sync::Arc::new(strongroom_testkit::engine::MovableClock::default());
    let mut parts = test.parts();
    parts.clock = behind;
    let second = strongroom_engine::Engine::start(parts, &strongroom_testkit::engine::options()).unwrap();
    assert!(second.tick(&strongroom_testkit::engine::TestDialect).unwrap().clock_jumped);
}

#[test]
fn names_lead_to_keys_until_they_are_moved_or_removed() {
    let test = TestEngine::new();
    let (one, two) = (test.create_key(), test.create_key());
    let (name, root) = (test.alias("payroll"), test.root());
    let reference = || KeyReference::Name(test.alias("payroll"));
    assert!(matches!(inspect(&test, reference()), Err(EngineError::NotFound(_))));
    test.run(&root, CreateName { name: name.clone(), key: by_name(&one) }).unwrap();
    assert_eq!(inspect(&test, reference()).unwrap().row.id, one.row.id);
    let again = test.run(&root, CreateName { name: name.clone(), key: by_name(&two) });
    assert!(matches!(again, Err(EngineError::AlreadyExists(_))));
    test.run(&root, MoveName { name: name.clone(), key: by_name(&two) }).unwrap();
    assert_eq!(inspect(&test, reference()).unwrap().row.id, two.row.id);
    assert!(inspect(&test, by_name(&one)).unwrap().names.iter().all(|bound| bound.text != "payroll"));
    test.run(&root, DeleteName { name: name.clone() }).unwrap();
    assert!(matches!(inspect(&test, reference()), Err(EngineError::NotFound(_))));
    assert!(matches!(test.run(&root, DeleteName { name }), Err(EngineError::NotFound(_))));
    assert_eq!(inspect(&test, by_name(&two)).unwrap().row.id, two.row.id);
}

#[test]
fn a_name_moves_only_between_keys_of_one_kind() {
    let test = TestEngine::new();
    let (key, signer) = (test.create_key(), test.create(KeySpec::EcP256, Usage::Sign));
    let name = test.alias("payroll");
    test.run(&test.root(), CreateName { name: name.clone(), key: by_name(&key) }).unwrap();
    let refused = test.run(&test.root(), MoveName { name, key: by_name(&signer) });
    assert!(matches!(refused, Err(EngineError::InvalidInput(InputFault::Form { .. }))), "{refused:?}");
}

fn suspend_tenant(test: &TestEngine, suspended: bool) {
    test.run(&operator(), SuspendTenant { tenant: test.tenant.id, suspended }).unwrap();
}

#[test]
fn a_suspended_tenants_callers_and_keys_do_nothing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    suspend_tenant(&test, true);
    assert!(matches!(opened(&test, &ciphertext), Err(EngineError::TenantSuspended)));
    let refused = test.run(&test.root(), encrypt(by_name(&key), "text", &[]));
    assert!(matches!(refused, Err(EngineError::TenantSuspended)));
    let refused = test.run(&operator(), SuspendTenant { tenant: test.tenant.id, suspended: false });
    assert!(refused.is_ok());
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn everything_is_there_after_a_restart() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.run(&test.root(), CreateName { name: test.alias("payroll"), key: by_name(&key) }).unwrap();
    let old = sealed(&test, &key, "old");
    rotate(&test, &key).unwrap();
    let new = sealed(&test, &key, "new");
    let describe = Edit::Describe("for wages".to_owned());
    test.run(&test.root(), EditKey { key: KeyReference::Name(test.alias("payroll")), edit: describe }).unwrap();
    let test = test.restarted();
    let found = inspect(&test, KeyReference::Name(test.alias("payroll"))).unwrap();
    assert_eq!((found.row.id, found.row.description.as_str()), (key.row.id, "for wages"));
    assert_eq!((opened(&test, &old).unwrap(), opened(&test, &new).unwrap()), ("old".to_owned(), "new".to_owned()));
}

#[test]
fn a_suspended_version_opens_nothing_while_the_others_serve() {
    let test = TestEngine::new();
    let key = test.create_key();
    let old = sealed(&test, &key, "old");
    rotate(&test, &key).unwrap();
    let new = sealed(&test, &key, "new");
    let suspend = |suspended| SuspendVersion { key: by_name(&key), ordinal: 1, suspended };
    test.run(&test.root(), suspend(true)).unwrap();
    let refused = opened(&test, &old);
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::VersionSuspended, .. })));
    assert_eq!(opened(&test, &new).unwrap(), "new");
    rotate(&test, &key).unwrap();
    assert!(opened(&test, &old).is_err(), "a rotation resumes nothing");
    test.run(&test.root(), suspend(false)).unwrap();
    assert_eq!(opened(&test, &old).unwrap(), "old");
}

#[test]
fn a_tick_counts_what_it_did_and_not_what_was_due() {
    let test = TestEngine::new();
    let keys: Vec<_> = (0..4).map(|_| test.create_key()).collect();
    test.tick();
    for key in &keys {
        edit(&test, key, Edit::EnableRotation { period_days: 90 }).unwrap();
    }
    edit(&test, &keys[0], Edit::Suspend).unwrap();
    let (engine, store) = crate::gate::GatedStore::engine(&test);
    let tick = || engine.tick(&strongroom_testkit::engine::TestDialect).unwrap();
    tick();
    test.clock.pass(DAY * 90);
    store.fail(crate::gate::Point::Commit(strongroom_model::store::Table::KeyVersion));
    let ticked = tick();
    assert_eq!((ticked.rotated, ticked.skipped, ticked.failed), (2, 1, 1));
    test.clock.pass(Duration::from_secs(600));
    let ticked = tick();
    assert_eq!((ticked.rotated, ticked.skipped, ticked.failed), (1, 0, 0));
}
