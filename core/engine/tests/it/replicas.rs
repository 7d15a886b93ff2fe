//! Multi-Region keys: one lineage, each key whole by itself.

use std::sync::Arc;
use std::time::Duration;

use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::key::{CreateKey, Edit, EditKey};
use strongroom_engine::operations::lineage::{InspectLineage, MovePrimary, ReplicateKey};
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::{
    Call, EngineError, KeyEntry, KeyReference, Mode, MultiRegion, Operation, RotationCause, Ticked,
};
use strongroom_model::action::Action;
use strongroom_model::clock::Clock as _;
use strongroom_model::name::Name;
use strongroom_model::purpose::{Forbidden, KeyState};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{TestEngine, call, key_policy};

use crate::tools::{decrypt, encrypt, opened, sealed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const ELSEWHERE: &str = "eu-test-2";

pub(crate) fn create(test: &TestEngine, origin: Origin) -> Result<Arc<KeyEntry>, EngineError> {
    create_of(test, origin, KeySpec::Aes256, Usage::DerivedAead)
}

fn create_of(test: &TestEngine, origin: Origin, spec: KeySpec, usage: Usage) -> Result<Arc<KeyEntry>, EngineError> {
    let create = CreateKey {
        tenant: test.tenant.id,
        name: test.key_name(),
        spec,
        usages: vec![usage],
        origin,
        multi_region: true,
        description: String::new(),
        policy: key_policy(),
        bypass_lockout: false,
        tags: Vec::new(),
    };
    test.run(&test.root(), create)
}

/// A primary for codes whose material `fill` brings, and its replica elsewhere.
pub(crate) fn mac_pair(test: &TestEngine, fill: impl FnOnce(&KeyEntry)) -> (Arc<KeyEntry>, Arc<KeyEntry>) {
    let primary = create_of(test, Origin::Imported, KeySpec::Hmac384, Usage::Mac).unwrap();
    fill(&primary);
    let replica = replicate(test, &primary, ELSEWHERE).unwrap();
    (primary, replica)
}

pub(crate) fn replicate(test: &TestEngine, key: &KeyEntry, region: &str) -> Result<Arc<KeyEntry>, EngineError> {
    let KeyReference::Name(name) = named(key) else { panic!("a name") };
    let replicate = ReplicateKey {
        key: named(key),
        name: Name { region: region.into(), ..name },
        description: "over there".to_owned(),
        policy: key_policy(),
        bypass_lockout: false,
        tags: Vec::new(),
    };
    test.run(&test.root(), replicate).map(|(replica, _)| replica)
}

/// A key by the name that it has in its own region.
pub(crate) fn named(key: &KeyEntry) -> KeyReference {
    let name = &key.names[0];
    let (region, text) = (name.region.as_str().into(), name.text.as_str().into());
    KeyReference::Name(Name { tenant: key.row.tenant, region, kind: name.kind, text })
}

pub(crate) fn edit(test: &TestEngine, key: &KeyEntry, edit: Edit) -> Result<(), EngineError> {
    test.run(&test.root(), EditKey { key: named(key), edit }).map(|_| ())
}

/// A primary and its replica elsewhere.
fn pair(test: &TestEngine) -> (Arc<KeyEntry>, Arc<KeyEntry>) {
    let primary = create(test, Origin::Generated).unwrap();
    let replica = replicate(test, &primary, ELSEWHERE).unwrap();
    (primary, replica)
}

/// Does something in the other region.
fn elsewhere<O: Operation>(test: &TestEngine, operation: O) -> Result<O::Output, EngineError> {
    let call = Call { region: ELSEWHERE.into(), ..call(&test.root()) };
    test.engine.perform_blocking(call, operation, Mode::Run)
}

pub(crate) fn opened_elsewhere(test: &TestEngine, ciphertext: &[u8]) -> Result<Vec<u8>, EngineError> {
    elsewhere(test, decrypt(ciphertext, &[])).map(|opened| opened.plaintext.expose().to_vec())
}

fn rotate(test: &TestEngine, key: &KeyEntry) -> Result<(), EngineError> {
    test.run(&test.root(), RotateKey { key: named(key), cause: RotationCause::OnDemand }).map(|_| ())
}

pub(crate) fn now(test: &TestEngine, key: &KeyEntry) -> Arc<KeyEntry> {
    test.run(&test.root(), InspectKey { key: KeyReference::Id(key.row.id), action: Action::DescribeKey }).unwrap()
}

fn pass(test: &TestEngine, days: u32) -> Ticked {
    test.clock.pass(DAY * days);
    test.tick()
}

#[test]
fn what_one_region_encrypts_another_decrypts() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    assert_ne!(primary.row.id, replica.row.id);
    assert_eq!((primary.row.lineage, &*replica.row.region), (replica.row.lineage, ELSEWHERE));
    assert_eq!(replica.row.description, "over there");
    let here = sealed(&test, &primary, "here");
    assert_eq!(opened_elsewhere(&test, &here).unwrap(), b"here");
    let there = elsewhere(&test, encrypt(named(&replica), "there", &[])).unwrap().ciphertext;
    assert_eq!(opened(&test, &there).unwrap(), "there");
    let (_, others, _) =
        test.run(&test.root(), InspectLineage { key: named(&primary), action: Action::DescribeKey }).unwrap();
    assert_eq!(others.iter().map(|other| other.row.id).collect::<Vec<_>>(), [replica.row.id]);
}

#[test]
fn each_key_of_a_lineage_has_its_own_state() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    let ciphertext = sealed(&test, &primary, "text");
    edit(&test, &replica, Edit::Suspend).unwrap();
    let refused = opened_elsewhere(&test, &ciphertext);
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::Suspended, .. })), "{refused:?}");
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn rotation_of_the_primary_rotates_every_key() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    let old = sealed(&test, &primary, "old");
    rotate(&test, &primary).unwrap();
    let new = sealed(&test, &primary, "new");
    assert_eq!(opened_elsewhere(&test, &old).unwrap(), b"old");
    assert_eq!(opened_elsewhere(&test, &new).unwrap(), b"new");
    let (one, other) = (now(&test, &primary), now(&test, &replica));
    let materials =
        |key: &KeyEntry| key.versions.iter().map(|version| (version.material, version.state)).collect::<Vec<_>>();
    assert_eq!((materials(&one), one.row.current), (materials(&other), other.row.current));
    let third = replicate(&test, &primary, "eu-test-3").unwrap();
    assert_eq!(materials(&third), materials(&one), "a later replica has the former material, too");
}

#[test]
fn what_is_done_with_the_lineage_is_done_with_its_primary() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    let single = test.create_key();
    let refusals = [
        rotate(&test, &replica).err(),
        edit(&test, &replica, Edit::EnableRotation { period_days: 90 }).err(),
        replicate(&test, &replica, "eu-test-3").err(),
        replicate(&test, &single, ELSEWHERE).err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Some(EngineError::NotPrimary { .. })), "{refusal:?}");
    }
    for region in [ELSEWHERE, &primary.row.region] {
        let refused = replicate(&test, &primary, region).map(|_| ());
        assert!(matches!(refused, Err(EngineError::AlreadyExists(_))), "{refused:?}");
    }
}

#[test]
fn a_new_primary_takes_the_rotation_over() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    test.tick();
    edit(&test, &primary, Edit::EnableRotation { period_days: 90 }).unwrap();
    assert_eq!(now(&test, &replica).row.rotation, now(&test, &primary).row.rotation);
    let both = |key: &KeyEntry, replica: &KeyEntry| MovePrimary { key: named(key), replica: named(replica) };
    let wrong = test.run(&test.root(), both(&replica, &primary));
    assert!(matches!(wrong, Err(EngineError::NotPrimary { .. })), "{wrong:?}");
    let itself = test.run(&test.root(), both(&primary, &primary));
    assert!(matches!(itself, Err(EngineError::InvalidInput(_))), "{itself:?}");
    test.run(&test.root(), both(&primary, &replica)).unwrap();
    let kinds = [now(&test, &primary).row.multi_region, now(&test, &replica).row.multi_region];
    assert_eq!(kinds, [Some(MultiRegion::Replica), Some(MultiRegion::Primary)]);
    assert_eq!(pass(&test, 90).rotated, 1);
    assert_eq!((now(&test, &primary).row.current, now(&test, &replica).row.current), (2, 2));
    assert_eq!(pass(&test, 90).rotated, 1);
    edit(&test, &replica, Edit::DisableRotation).unwrap();
    assert_eq!(now(&test, &primary).row.rotation, None);
    assert_eq!(pass(&test, 90).rotated, 0);
}

#[test]
fn a_primary_is_destroyed_last() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    let third = replicate(&test, &primary, "eu-test-3").unwrap();
    test.tick();
    edit(&test, &primary, Edit::ScheduleDestruction { days: 10 }).unwrap();
    assert_eq!(now(&test, &primary).row.state, KeyState::DestructionAwaitsReplicas { days: 10 });
    assert_eq!(pass(&test, 30).destroyed, 0);
    for key in [&replica, &third] {
        edit(&test, key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    }
    assert_eq!(pass(&test, 7).destroyed, 2);
    let due = test.clock.now().after(DAY * 10);
    assert_eq!(now(&test, &primary).row.state, KeyState::DestructionScheduled { at: due });
    assert_eq!(pass(&test, 9).destroyed, 0);
    assert_eq!(pass(&test, 1).destroyed, 1);
}

#[test]
fn a_primary_that_waits_for_its_replicas_can_be_kept() {
    let test = TestEngine::new();
    let (primary, replica) = pair(&test);
    test.tick();
    edit(&test, &primary, Edit::ScheduleDestruction { days: 7 }).unwrap();
    edit(&test, &primary, Edit::CancelDestruction).unwrap();
    assert_eq!(now(&test, &primary).row.state, KeyState::Suspended);
    edit(&test, &replica, Edit::ScheduleDestruction { days: 7 }).unwrap();
    assert_eq!(pass(&test, 7).destroyed, 1);
    assert_eq!(now(&test, &primary).row.state, KeyState::Suspended);
    edit(&test, &primary, Edit::Resume).unwrap();
    assert!(replicate(&test, &primary, ELSEWHERE).is_ok(), "the region is free again");
}
