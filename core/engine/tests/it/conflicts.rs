//! Many at once: nothing is lost, and what one has taken away no other still uses.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::{EngineError, KeyEntry, RotationCause};
use strongroom_model::action::Action;
use strongroom_testkit::engine::{TestEngine, by_name};

use crate::tools::{edit, encrypt, opened, sealed};

const THREADS: usize = 4;

#[test]
fn edits_at_the_same_time_are_all_kept() {
    let test = TestEngine::new();
    let key = test.create_key();
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (test, key, barrier) = (&test, &key, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0..5 {
                    let tag = (format!("tag-{thread}-{number}"), "value".to_owned());
                    // Refused after many tries is an answer too: then it must be tried again, not lost.
                    while let Err(error) = edit(test, key, Edit::Tag(vec![tag.clone()])) {
                        assert!(matches!(error, EngineError::Conflict), "{error}");
                    }
                }
            });
        }
    });
    let inspect = InspectKey { key: by_name(&key), action: Action::ListKeyTags };
    assert_eq!(test.run(&test.root(), inspect).unwrap().row.tags.len(), THREADS * 5);
}

#[test]
fn rotations_at_the_same_time_make_one_version_each() {
    let test = TestEngine::new();
    let key = test.create_key();
    let first = sealed(&test, &key, "first");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| test.run(&test.root(), RotateKey { key: by_name(&key), cause: RotationCause::OnDemand }));
        }
    });
    let inspect = InspectKey { key: by_name(&key), action: Action::ListKeyRotations };
    let now = test.run(&test.root(), inspect).unwrap();
    let ordinals: Vec<u32> = now.versions.iter().map(|version| version.ordinal).collect();
    assert_eq!(ordinals, (1..=now.row.current).collect::<Vec<u32>>());
    assert_eq!(opened(&test, &first).unwrap(), "first");
}

#[test]
fn of_racers_for_one_name_one_wins() {
    let test = TestEngine::new();
    let keys: Vec<_> = (0..THREADS).map(|_| test.create_key()).collect();
    let barrier = Barrier::new(THREADS);
    let race = |key: &KeyEntry| {
        barrier.wait();
        test.run(&test.root(), CreateName { name: test.alias("wanted"), key: by_name(key) }).is_ok()
    };
    let won: usize = thread::scope(|scope| {
        let racers: Vec<_> = keys.iter().map(|key| scope.spawn(|| race(key))).collect();
        racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
    });
    assert_eq!(won, 1);
}

#[test]
fn once_a_suspension_is_answered_no_cached_key_is_used() {
    let test = TestEngine::new();
    let key = test.create_key();
    for _ in 0..10 {
        let suspended = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let was = suspended.load(Ordering::SeqCst);
                        let done = test.run(&test.root(), encrypt(by_name(&key), "text", &[]));
                        assert!(!(was && done.is_ok()), "used after the suspension was answered");
                        if was {
                            break;
                        }
                    }
                });
            }
            edit(&test, &key, Edit::Suspend).unwrap();
            suspended.store(true, Ordering::SeqCst);
        });
        edit(&test, &key, Edit::Resume).unwrap();
    }
}
