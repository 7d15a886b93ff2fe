//! Multi-Region keys with imported material: brought to each key by itself, the same everywhere.

use std::sync::Arc;
use std::time::Duration;

use strongroom_engine::operations::import::{DeleteMaterial, GetImportParameters, ImportKind, ImportMaterial};
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::lineage::{MovePrimary, held_by_all};
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::suspend::SuspendVersion;
use strongroom_engine::{EngineError, KeyEntry, RotationCause, VersionRow};
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::clock::Clock as _;
use strongroom_model::purpose::{Forbidden, KeyState, VersionState};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Store as _, Table};
use strongroom_testkit::engine::{TestEngine, operator, wrapped_for_import};

use crate::replicas::{ELSEWHERE, create, edit, named, now, opened_elsewhere, replicate};
use crate::tools::{opened, sealed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ONE: [u8; 32] = [0x11; 32];
const TWO: [u8; 32] = [0x22; 32];

fn import_as(
    test: &TestEngine,
    key: &KeyEntry,
    material: &[u8],
    change: impl FnOnce(&mut ImportMaterial),
) -> Result<VersionRow, EngineError> {
    let (wrapping, wrapping_spec) = (ImportWrapping::RsaOaepSha256, KeySpec::Rsa2048);
    let given = test.run(&test.root(), GetImportParameters { key: named(key), wrapping, wrapping_spec })?;
    let mut request = ImportMaterial {
        key: named(key),
        wrapped: wrapped_for_import(&given.public, material),
        token: given.token,
        kind: None,
        material: None,
        expires: None,
        description: None,
    };
    change(&mut request);
    test.run(&test.root(), request).map(|(_, version)| version)
}

fn import(test: &TestEngine, key: &KeyEntry, material: &[u8]) -> Result<VersionRow, EngineError> {
    import_as(test, key, material, |_| ())
}

fn import_new(test: &TestEngine, key: &KeyEntry, material: &[u8]) -> Result<VersionRow, EngineError> {
    import_as(test, key, material, |request| request.kind = Some(ImportKind::New))
}

fn delete(test: &TestEngine, key: &KeyEntry, version: &VersionRow) {
    let operation = DeleteMaterial { key: named(key), material: Some(version.published) };
    test.run(&test.root(), operation).map(|_| ()).unwrap();
}

fn rotate(test: &TestEngine, key: &KeyEntry) -> Result<(), EngineError> {
    test.run(&test.root(), RotateKey { key: named(key), cause: RotationCause::OnDemand }).map(|_| ())
}

/// A primary with its first material, and a replica that has none yet.
fn pair(test: &TestEngine) -> (Arc<KeyEntry>, Arc<KeyEntry>) {
    let primary = create(test, Origin::Imported).unwrap();
    import(test, &primary, &ONE).unwrap();
    let replica = replicate(test, &primary, ELSEWHERE).unwrap();
    (primary, replica)
}

/// A primary and a replica that have the same material.
fn whole(test: &TestEngine) -> (Arc<KeyEntry>, Arc<KeyEntry>) {
    let (primary, replica) = pair(test);
    import(test, &replica, &ONE).unwrap();
    (primary, replica)
}

/// What a key has: of each version its state, and whether its material is there.
fn versions(test: &TestEngine, key: &KeyEntry) -> Vec<(VersionState, bool)> {
    now(test, key).versions.iter().map(|version| (version.state, !version.lacks_material())).collect()
}

fn state(test: &TestEngine, key: &KeyEntry) -> KeyState {
    now(test, key).row.state
}

#[test]
fn a_replica_serves_once_the_same_material_was_brought_to_it() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    assert_eq!((replica.row.state, replica.row.current), (KeyState::PreActivation, 1));
    assert_eq!(versions(&test, &replica), [(VersionState::Absent, false)]);
    let ciphertext = sealed(&test, &primary, "text");
    let refused = opened_elsewhere(&test, &ciphertext);
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::PreActivation, .. })));
    assert!(matches!(import(&test, &replica, &TWO), Err(EngineError::IncorrectMaterial)));
    let brought = import(&test, &replica, &ONE).unwrap();
    let first = now(&test, &primary).versions[0].clone();
    assert_eq!((brought.published, brought.state), (first.published, VersionState::Active));
    assert_eq!(opened_elsewhere(&test, &ciphertext).unwrap(), b"text");
    assert_eq!(state(&test, &replica), KeyState::Active);
}

#[test]
fn a_primary_without_material_has_no_replicas() {
    let test = TestEngine::new();
    let primary = create(&test, Origin::Imported).unwrap();
    let refused = replicate(&test, &primary, ELSEWHERE).map(|_| ());
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::PreActivation, .. })));
}

#[test]
fn the_material_of_each_key_goes_by_itself() {
    let test = TestEngine::new();
    let (primary, replica) = whole(&test);
    let ciphertext = sealed(&test, &primary, "text");
    let first = now(&test, &primary).versions[0].clone();
    delete(&test, &replica, &first);
    assert_eq!((state(&test, &primary), state(&test, &replica)), (KeyState::Active, KeyState::PreActivation));
    import(&test, &replica, &ONE).unwrap();
    delete(&test, &primary, &first);
    assert_eq!((state(&test, &primary), state(&test, &replica)), (KeyState::PreActivation, KeyState::Active));
    assert_eq!(opened_elsewhere(&test, &ciphertext).unwrap(), b"text");
}

#[test]
fn new_material_comes_to_the_primary_first_and_is_rotated_to_once_all_have_it() {
    let test = TestEngine::new();
    let (primary, replica) = whole(&test);
    let old = sealed(&test, &primary, "old");
    assert!(matches!(import_new(&test, &replica, &TWO), Err(EngineError::NotPrimary { .. })));
    let second = import_new(&test, &primary, &TWO).unwrap();
    assert_eq!(versions(&test, &replica), [(VersionState::Active, true), (VersionState::Pending, false)]);
    assert_eq!(state(&test, &replica), KeyState::Active, "what waits for a rotation is no part of the key yet");
    assert_eq!(opened_elsewhere(&test, &old).unwrap(), b"old");
    assert!(matches!(rotate(&test, &primary), Err(EngineError::NothingPending { .. })));
    let brought = import(&test, &replica, &TWO).unwrap();
    assert_eq!((brought.published, brought.state), (second.published, VersionState::Pending));
    rotate(&test, &primary).unwrap();
    let expected = [(VersionState::Deactivated, true), (VersionState::Active, true)];
    for key in [&primary, &replica] {
        assert_eq!((versions(&test, key).as_slice(), now(&test, key).row.current), (expected.as_slice(), 2));
    }
    let new = sealed(&test, &primary, "new");
    assert_eq!(opened_elsewhere(&test, &old).unwrap(), b"old");
    assert_eq!(opened_elsewhere(&test, &new).unwrap(), b"new");
    let late = replicate(&test, &primary, "eu-test-3").unwrap();
    import(&test, &late, &ONE).unwrap();
    assert_eq!(state(&test, &late), KeyState::PreActivation, "both materials must be brought");
    import(&test, &late, &TWO).unwrap();
    assert_eq!(versions(&test, &late), expected);
    assert_eq!(state(&test, &late), KeyState::Active);
}

#[test]
fn waiting_material_goes_from_the_whole_lineage_with_the_primarys_and_from_a_replica_alone() {
    let test = TestEngine::new();
    let (primary, replica) = whole(&test);
    let second = import_new(&test, &primary, &TWO).unwrap();
    import(&test, &replica, &TWO).unwrap();
    delete(&test, &replica, &second);
    let waits = [(VersionState::Active, true), (VersionState::Pending, false)];
    assert_eq!((versions(&test, &replica).as_slice(), state(&test, &replica)), (waits.as_slice(), KeyState::Active));
    assert_eq!(versions(&test, &primary)[1], (VersionState::Pending, true));
    assert!(!held_by_all([&*now(&test, &primary), &*now(&test, &replica)].into_iter(), second.material));
    let expires = Some(test.clock.now().after(DAY * 5));
    import_as(&test, &replica, &TWO, |request| request.expires = expires).unwrap();
    delete(&test, &primary, &second);
    for key in [&primary, &replica] {
        assert_eq!(versions(&test, key), [(VersionState::Active, true)]);
    }
    let due = test.store.snapshot().unwrap().scan(Table::Schedule, &[], None, 10).unwrap();
    assert!(due.is_empty(), "what is gone has nothing left to expire");
    import_new(&test, &primary, &[0x33; 32]).unwrap();
    import(&test, &replica, &[0x33; 32]).unwrap();
    rotate(&test, &primary).unwrap();
}

#[test]
fn waiting_material_expires_where_it_was_to() {
    let test = TestEngine::new();
    let (primary, replica) = whole(&test);
    test.tick();
    import_new(&test, &primary, &TWO).unwrap();
    let expires = Some(test.clock.now().after(DAY));
    import_as(&test, &replica, &TWO, |request| request.expires = expires).unwrap();
    test.clock.pass(DAY);
    assert_eq!(test.tick().expired, 1);
    assert_eq!(versions(&test, &replica), [(VersionState::Active, true), (VersionState::Pending, false)]);
    assert_eq!((state(&test, &primary), state(&test, &replica)), (KeyState::Active, KeyState::Active));
}

#[test]
fn a_replica_that_is_about_to_go_holds_no_rotation_up_and_needs_the_material_if_it_stays() {
    let test = TestEngine::new();
    let (primary, replica) = whole(&test);
    import_new(&test, &primary, &TWO).unwrap();
    edit(&test, &replica, Edit::ScheduleDestruction { days: 7 }).unwrap();
    rotate(&test, &primary).unwrap();
    assert_eq!(versions(&test, &replica), [(VersionState::Deactivated, true), (VersionState::Absent, false)]);
    edit(&test, &replica, Edit::CancelDestruction).unwrap();
    assert_eq!(state(&test, &replica), KeyState::PreActivation);
    import(&test, &replica, &TWO).unwrap();
    assert_eq!(opened_elsewhere(&test, &sealed(&test, &primary, "new")).unwrap(), b"new");
}

#[test]
fn a_new_primary_brings_in_what_is_new() {
    let test = TestEngine::new();
    let (former, next) = whole(&test);
    let second = import_new(&test, &former, &TWO).unwrap();
    test.run(&test.root(), MovePrimary { key: named(&former), replica: named(&next) }).unwrap();
    let refused = import_new(&test, &next, &[0x33; 32]);
    assert!(matches!(refused, Err(EngineError::RotationPending { published, .. }) if published == second.published));
    delete(&test, &next, &second);
    assert_eq!(versions(&test, &former), [(VersionState::Active, true)], "the new primary speaks for the lineage");
    import_new(&test, &next, &[0x33; 32]).unwrap();
    import(&test, &former, &[0x33; 32]).unwrap();
    rotate(&test, &next).unwrap();
    let ciphertext = sealed(&test, &former, "text");
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
    assert_eq!(opened_elsewhere(&test, &ciphertext).unwrap(), b"text");
}

#[test]
fn the_kill_switch_of_a_waiting_version_outlives_its_absence() {
    let test = TestEngine::new();
    let (primary, replica) = whole(&test);
    import_new(&test, &primary, &TWO).unwrap();
    let switch = |suspended| {
        test.run(&operator(), SuspendVersion { key: named(&replica), ordinal: 2, suspended }).unwrap();
    };
    switch(true);
    import(&test, &replica, &TWO).unwrap();
    let refused = rotate(&test, &primary);
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::VersionSuspended, .. })));
    switch(false);
    rotate(&test, &primary).unwrap();
}

#[test]
fn keys_of_every_kind_are_replicated_without_their_material() {
    let test = TestEngine::new();
    let (primary, replica) = crate::replicas::mac_pair(&test, |key| {
        import(&test, key, &[7; 48]).unwrap();
    });
    assert_eq!(state(&test, &replica), KeyState::PreActivation);
    assert!(matches!(import(&test, &replica, &[8; 48]), Err(EngineError::IncorrectMaterial)));
    import(&test, &replica, &[7; 48]).unwrap();
    assert_eq!(state(&test, &replica), KeyState::Active);
    assert_eq!(now(&test, &replica).versions[0].material, now(&test, &primary).versions[0].material);
}
