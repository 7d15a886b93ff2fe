//! Imported material: brought, taken away, expired, brought again, rotated.

use std::sync::Arc;
use std::time::Duration;

use strongroom_crypto::DataKeyPair;
use strongroom_engine::operations::domain_key::RotateDomainKey;
use strongroom_engine::operations::import::{
    DeleteMaterial, GetImportParameters, ImportKind, ImportMaterial, ImportParameters,
};
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::mac::GenerateMac;
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::sign::Sign;
use strongroom_engine::operations::suspend::SuspendVersion;
use strongroom_engine::{Engine, EngineError, InputFault, KeyEntry, RotationCause, Ticked, VersionRow};
use strongroom_model::action::Action;
use strongroom_model::algorithm::{ImportWrapping, MacAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::clock::Clock as _;
use strongroom_model::purpose::{Forbidden, KeyState, VersionState};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Store as _, Table};
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{TestDialect, TestEngine, by_name, operator, options, wrapped_for_import};

use crate::backup::{backup, over, restored};
use crate::tools::{edit, encrypt, opened, sealed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ONE: [u8; 32] = [0x11; 32];
const TWO: [u8; 32] = [0x22; 32];

fn key(test: &TestEngine) -> Arc<KeyEntry> {
    test.create_for_import(KeySpec::Aes256, Usage::DerivedAead)
}

fn parameters(test: &TestEngine, key: &KeyEntry) -> Result<ImportParameters, EngineError> {
    let (wrapping, wrapping_spec) = (ImportWrapping::RsaOaepSha256, KeySpec::Rsa2048);
    test.run(&test.root(), GetImportParameters { key: by_name(key), wrapping, wrapping_spec })
}

/// A request that brings `material` with these parameters.
fn request(key: &KeyEntry, parameters: &ImportParameters, material: &[u8]) -> ImportMaterial {
    ImportMaterial {
        key: by_name(key),
        token: parameters.token.clone(),
        wrapped: wrapped_for_import(&parameters.public, material),
        kind: None,
        material: None,
        expires: None,
        description: None,
    }
}

/// Brings `material` as `change` says.
fn import_as(
    test: &TestEngine,
    key: &KeyEntry,
    material: &[u8],
    change: impl FnOnce(&mut ImportMaterial),
) -> Result<VersionRow, EngineError> {
    let mut request = request(key, &parameters(test, key)?, material);
    change(&mut request);
    test.run(&test.root(), request).map(|(_, version)| version)
}

fn import(test: &TestEngine, key: &KeyEntry, material: &[u8]) -> Result<VersionRow, EngineError> {
    import_as(test, key, material, |_| ())
}

fn import_new(test: &TestEngine, key: &KeyEntry, material: &[u8]) -> Result<VersionRow, EngineError> {
    import_as(test, key, material, |request| request.kind = Some(ImportKind::New))
}

fn import_until(test: &TestEngine, key: &KeyEntry, material: &[u8], days: u32) -> VersionRow {
    let expires = Some(test.clock.now().after(DAY * days));
    import_as(test, key, material, |request| request.expires = expires).unwrap()
}

fn delete(test: &TestEngine, key: &KeyEntry, material: Option<[u8; 32]>) -> Result<Option<VersionRow>, EngineError> {
    test.run(&test.root(), DeleteMaterial { key: by_name(key), material }).map(|(_, version)| version)
}

fn rotate(test: &TestEngine, key: &KeyEntry) -> Result<(), EngineError> {
    test.run(&test.root(), RotateKey { key: by_name(key), cause: RotationCause::OnDemand }).map(|_| ())
}

fn now(test: &TestEngine, key: &KeyEntry) -> Arc<KeyEntry> {
    test.run(&test.root(), InspectKey { key: by_name(key), action: Action::DescribeKey }).unwrap()
}

fn state(test: &TestEngine, key: &KeyEntry) -> KeyState {
    now(test, key).row.state
}

fn pass(test: &TestEngine, days: u32) -> Ticked {
    test.clock.pass(DAY * days);
    test.tick()
}

#[track_caller]
fn forbids<T>(result: Result<T, EngineError>, expected: Forbidden) {
    match result {
        Err(EngineError::StateForbids { forbidden, .. }) => assert_eq!(forbidden, expected),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was done"),
    }
}

#[test]
fn a_key_for_imported_material_serves_nothing_until_that_has_come() {
    let test = TestEngine::new();
    let key = key(&test);
    assert_eq!((key.row.state, key.row.current, key.versions.len()), (KeyState::PreActivation, 0, 0));
    forbids(test.run(&test.root(), encrypt(by_name(&key), "text", &[])), Forbidden::PreActivation);
    forbids(rotate(&test, &key), Forbidden::PreActivation);
    let version = import(&test, &key, &ONE).unwrap();
    assert_eq!((version.ordinal, version.state), (1, VersionState::Active));
    assert_eq!(state(&test, &key), KeyState::Active);
    let ciphertext = sealed(&test, &key, "text");
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn every_kind_of_key_takes_material_and_uses_it() {
    let test = TestEngine::new();
    let mac = test.create_for_import(KeySpec::Hmac384, Usage::Mac);
    import(&test, &mac, &[7; 48]).unwrap();
    let (message, algorithm) = (b"text".to_vec(), MacAlgorithm::HmacSha384);
    test.run(&test.root(), GenerateMac { key: by_name(&mac), message: message.clone(), algorithm }).unwrap();
    let pair = DataKeyPair::generate(KeySpec::EcP256).unwrap();
    let signer = test.create_for_import(KeySpec::EcP256, Usage::Sign);
    let version = import(&test, &signer, pair.private.expose()).unwrap();
    assert_eq!(version.public, pair.public);
    let (kind, algorithm) = (MessageKind::Raw, SigningAlgorithm::EcdsaSha256);
    test.run(&test.root(), Sign { key: by_name(&signer), message, kind, algorithm }).unwrap();
    for (key, other) in [(&mac, vec![8; 48]), (&mac, vec![8; 32])] {
        assert!(matches!(
            import(&test, key, &other),
            Err(EngineError::IncorrectMaterial | EngineError::InvalidCiphertext)
        ));
    }
    assert!(matches!(import_new(&test, &mac, &[8; 48]), Err(EngineError::InvalidInput(_))));
}

#[test]
fn material_that_was_taken_away_comes_again_only_as_it_was() {
    let test = TestEngine::new();
    let key = key(&test);
    let first = import(&test, &key, &ONE).unwrap();
    let ciphertext = sealed(&test, &key, "text");
    assert_eq!(delete(&test, &key, None).unwrap().unwrap().published, first.published);
    assert_eq!(state(&test, &key), KeyState::PreActivation);
    assert_eq!(now(&test, &key).versions[0].wrapped, Vec::<u8>::new());
    forbids(opened(&test, &ciphertext), Forbidden::PreActivation);
    assert!(matches!(import(&test, &key, &TWO), Err(EngineError::IncorrectMaterial)));
    let again = import(&test, &key, &ONE).unwrap();
    assert_eq!((again.material, again.state), (first.material, VersionState::Active));
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    assert!(delete(&test, &key, None).is_ok() && delete(&test, &key, None).is_ok(), "twice is as good as once");
}

#[test]
fn an_id_that_is_not_the_materials_is_refused() {
    let test = TestEngine::new();
    let key = key(&test);
    let first = import(&test, &key, &ONE).unwrap();
    let named = |id| import_as(&test, &key, &ONE, |request| request.material = Some(id));
    assert!(named(first.published).is_ok());
    assert!(matches!(named([0; 32]), Err(EngineError::IncorrectMaterial)));
    assert!(matches!(delete(&test, &key, Some([0; 32])), Err(EngineError::IncorrectMaterial)));
    let both = import_as(&test, &key, &ONE, |request| {
        (request.material, request.kind) = (Some(first.published), Some(ImportKind::New));
    });
    assert!(matches!(both, Err(EngineError::InvalidInput(InputFault::Form { .. }))));
}

#[test]
fn a_token_opens_for_its_key_alone_and_for_a_day() {
    let test = TestEngine::new();
    let (one, other) = (key(&test), key(&test));
    let given = parameters(&test, &one).unwrap();
    assert_eq!(given.valid_to, test.clock.now().after(DAY));
    let try_it = |request| test.run(&test.root(), request).map(|_| ());
    assert!(matches!(try_it(request(&other, &given, &ONE)), Err(EngineError::InvalidImportToken)));
    for spoil in [
        |token: &mut Vec<u8>| token[40] ^= 1,
        |token: &mut Vec<u8>| token[8] ^= 1,
        |token: &mut Vec<u8>| token.truncate(20),
    ] {
        let mut request = request(&one, &given, &ONE);
        spoil(&mut request.token);
        assert!(matches!(try_it(request), Err(EngineError::InvalidImportToken)));
    }
    let mut unwrapped = request(&one, &given, &ONE);
    unwrapped.wrapped[7] ^= 1;
    assert!(matches!(try_it(unwrapped), Err(EngineError::InvalidCiphertext)));
    test.clock.pass(DAY - Duration::from_secs(1));
    try_it(request(&one, &given, &ONE)).unwrap();
    test.clock.pass(Duration::from_secs(1));
    assert!(matches!(try_it(request(&one, &given, &ONE)), Err(EngineError::ExpiredImportToken)));
}

#[test]
fn a_restart_loses_no_token() {
    let test = TestEngine::new();
    let key = key(&test);
    let given = parameters(&test, &key).unwrap();
    let test = test.restarted();
    test.run(&test.root(), request(&key, &given, &ONE)).unwrap();
    assert_eq!(state(&test, &key), KeyState::Active);
}

#[test]
fn keys_whose_material_is_made_here_take_none_and_give_none() {
    let test = TestEngine::new();
    let key = test.create_key();
    assert!(matches!(parameters(&test, &key), Err(EngineError::OriginForbids { origin: Origin::Generated, .. })));
    assert!(matches!(delete(&test, &key, None), Err(EngineError::OriginForbids { .. })));
    let given = parameters(&test, &self::key(&test)).unwrap();
    let refused = test.run(&test.root(), request(&key, &given, &ONE)).map(|_| ());
    assert!(matches!(refused, Err(EngineError::OriginForbids { .. })));
    let imported = self::key(&test);
    import(&test, &imported, &ONE).unwrap();
    let automatic = edit(&test, &imported, Edit::EnableRotation { period_days: 90 });
    assert!(matches!(automatic, Err(EngineError::OriginForbids { origin: Origin::Imported, .. })));
}

#[test]
fn material_goes_when_its_time_is_up_and_an_import_sets_a_new_time() {
    let test = TestEngine::new();
    let key = key(&test);
    test.tick();
    import_until(&test, &key, &ONE, 10);
    let ciphertext = sealed(&test, &key, "text");
    assert_eq!(pass(&test, 9).expired, 0);
    import_until(&test, &key, &ONE, 10);
    assert_eq!(pass(&test, 9).expired, 0);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    assert_eq!(pass(&test, 1).expired, 1);
    assert_eq!(state(&test, &key), KeyState::PreActivation);
    forbids(opened(&test, &ciphertext), Forbidden::PreActivation);
    let records = test.records().len();
    assert_eq!(pass(&test, 1).expired, 0);
    assert_eq!(test.records().len(), records, "it is not due any more");
    import(&test, &key, &ONE).unwrap();
    assert_eq!(pass(&test, 400).expired, 0);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn a_time_of_expiry_lies_in_the_future_and_within_a_year() {
    let test = TestEngine::new();
    let key = key(&test);
    for at in [test.clock.now(), test.clock.now().after(DAY * 366)] {
        let refused = import_as(&test, &key, &ONE, |request| request.expires = Some(at));
        assert!(matches!(refused, Err(EngineError::InvalidInput(InputFault::Form { .. }))));
    }
}

#[test]
fn expiry_waits_while_the_clock_is_in_doubt() {
    let test = TestEngine::new();
    let key = key(&test);
    test.tick();
    import_until(&test, &key, &ONE, 10);
    test.clock.jump(DAY * 11);
    let ticked = test.tick();
    assert_eq!((ticked.expired, ticked.clock_jumped), (0, true));
    assert_eq!(state(&test, &key), KeyState::Active);
}

#[test]
fn new_material_waits_until_a_rotation_makes_it_current() {
    let test = TestEngine::new();
    let key = key(&test);
    import(&test, &key, &ONE).unwrap();
    let old = sealed(&test, &key, "old");
    assert!(matches!(rotate(&test, &key), Err(EngineError::NothingPending { .. })));
    assert!(matches!(import_new(&test, &key, &ONE), Err(EngineError::IncorrectMaterial)));
    let second = import_new(&test, &key, &TWO).unwrap();
    assert_eq!((second.ordinal, second.state), (2, VersionState::Pending));
    assert_eq!(now(&test, &key).row.current, 1);
    assert_eq!(sealed(&test, &key, "still old")[22..38], old[22..38], "the material id in the ciphertext's header");
    let third = import_new(&test, &key, &[0x33; 32]);
    assert!(matches!(third, Err(EngineError::RotationPending { published, .. }) if published == second.published));
    rotate(&test, &key).unwrap();
    let entry = now(&test, &key);
    assert_eq!(entry.row.current, 2);
    assert_eq!(entry.versions[1].imported.as_ref().unwrap().rotated, Some(test.clock.now()));
    let new = sealed(&test, &key, "new");
    assert_ne!(new[22..38], old[22..38]);
    assert_eq!((opened(&test, &old).unwrap(), opened(&test, &new).unwrap()), ("old".to_owned(), "new".to_owned()));
    assert!(matches!(rotate(&test, &key), Err(EngineError::NothingPending { .. })));
}

#[test]
fn one_absent_material_closes_the_whole_key_and_waiting_material_goes_altogether() {
    let test = TestEngine::new();
    let key = key(&test);
    let first = import(&test, &key, &ONE).unwrap();
    let second = import_new(&test, &key, &TWO).unwrap();
    delete(&test, &key, Some(second.published)).unwrap();
    assert_eq!((state(&test, &key), now(&test, &key).versions.len()), (KeyState::Active, 1));
    let second = import_new(&test, &key, &[0x33; 32]).unwrap();
    rotate(&test, &key).unwrap();
    let new = sealed(&test, &key, "new");
    delete(&test, &key, Some(first.published)).unwrap();
    forbids(opened(&test, &new), Forbidden::PreActivation);
    delete(&test, &key, Some(second.published)).unwrap();
    import(&test, &key, &[0x33; 32]).unwrap();
    assert_eq!(state(&test, &key), KeyState::PreActivation);
    assert_eq!(import(&test, &key, &ONE).unwrap().state, VersionState::Deactivated);
    assert_eq!(opened(&test, &new).unwrap(), "new");
}

#[test]
fn what_is_said_of_material_stays_unless_it_is_said_anew() {
    let test = TestEngine::new();
    let key = key(&test);
    let said = |version: VersionRow| version.imported.unwrap().description;
    let describe = |request: &mut ImportMaterial| request.description = Some("from the safe".to_owned());
    assert_eq!(said(import_as(&test, &key, &ONE, describe).unwrap()), "from the safe");
    assert_eq!(said(import(&test, &key, &ONE).unwrap()), "from the safe");
    let long = import_as(&test, &key, &ONE, |request| request.description = Some("x".repeat(257)));
    assert!(matches!(long, Err(EngineError::InvalidInput(InputFault::Form { .. }))));
}

#[test]
fn a_key_about_to_be_destroyed_gives_its_material_and_takes_none() {
    let test = TestEngine::new();
    let key = key(&test);
    import(&test, &key, &ONE).unwrap();
    let given = parameters(&test, &key).unwrap();
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    forbids(parameters(&test, &key), Forbidden::DestructionScheduled);
    forbids(test.run(&test.root(), request(&key, &given, &ONE)), Forbidden::DestructionScheduled);
    delete(&test, &key, None).unwrap();
    assert!(matches!(state(&test, &key), KeyState::DestructionScheduled { .. }));
    edit(&test, &key, Edit::CancelDestruction).unwrap();
    assert_eq!(state(&test, &key), KeyState::PreActivation);
    import(&test, &key, &ONE).unwrap();
    assert_eq!(state(&test, &key), KeyState::Active);
}

#[test]
fn a_destroyed_key_has_nothing_left_to_expire() {
    let test = TestEngine::new();
    let key = key(&test);
    test.tick();
    import_until(&test, &key, &ONE, 30);
    edit(&test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    assert_eq!(pass(&test, 7).destroyed, 1);
    let due = test.store.snapshot().unwrap().scan(Table::Schedule, &[], None, 10).unwrap();
    assert!(due.is_empty(), "{due:?}");
}

#[test]
fn the_kill_switch_of_a_version_outlives_its_materials_absence() {
    let test = TestEngine::new();
    let key = key(&test);
    import(&test, &key, &ONE).unwrap();
    let ciphertext = sealed(&test, &key, "text");
    let switch = |suspended| {
        let operation = SuspendVersion { key: by_name(&key), ordinal: 1, suspended };
        test.run(&operator(), operation).unwrap();
    };
    switch(true);
    delete(&test, &key, None).unwrap();
    import(&test, &key, &ONE).unwrap();
    forbids(opened(&test, &ciphertext), Forbidden::VersionSuspended);
    switch(false);
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn digests_follow_a_new_domain_key() {
    let test = TestEngine::new();
    let (held, absent) = (key(&test), key(&test));
    for key in [&held, &absent] {
        import(&test, key, &ONE).unwrap();
    }
    delete(&test, &absent, None).unwrap();
    let domain_keys = || test.store.snapshot().unwrap().scan(Table::DomainKey, &[], None, 100).unwrap().len();
    let before = domain_keys();
    test.run(&operator(), RotateDomainKey { tenant: test.tenant.id }).unwrap();
    crate::roots::sweep(&test);
    assert_eq!(domain_keys(), before, "the former domain key is destroyed");
    for key in [&held, &absent] {
        assert!(matches!(import(&test, key, &TWO), Err(EngineError::IncorrectMaterial)));
        import(&test, key, &ONE).unwrap();
    }
}

#[test]
fn material_that_was_taken_away_stays_away_when_an_older_store_is_accepted() {
    let test = TestEngine::new();
    let key = key(&test);
    import(&test, &key, &ONE).unwrap();
    test.tick();
    let (_, bytes) = backup(&test);
    delete(&test, &key, None).unwrap();
    let parts = over(&test, restored(&test, "older", &bytes));
    let (_, accepted) = Engine::start_accepting_rollback(parts, &options(), &TestDialect).unwrap();
    assert_eq!((accepted.lost, accepted.reapplied), (1, 2));
}

#[test]
fn a_suspended_key_takes_the_same_material_and_stays_suspended() {
    let test = TestEngine::new();
    let key = key(&test);
    import(&test, &key, &ONE).unwrap();
    test.run(&test.root(), EditKey { key: by_name(&key), edit: Edit::Suspend }).unwrap();
    import(&test, &key, &ONE).unwrap();
    assert_eq!(state(&test, &key), KeyState::Suspended);
}
