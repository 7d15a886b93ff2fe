//! Uses of resident keys that are begun and not waited for: whoever began them is told how they ended, once.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use strongroom_model::key_store::{KeyStore, KeyStoreError, KeyUse, KeyUsed, MemberState, ResidentSealed};
use strongroom_root_pkcs11::{Pkcs11KeyStore, StoreConfig};
use strongroom_secret::SecretBytes;
use tokio::runtime::Runtime;

use crate::rig::{Rig, eventually};
use crate::store::{LONG, OBJECT, SLACK, group, heals, ready, shim_config, with_aes};

type Came = Option<Result<KeyUsed, KeyStoreError>>;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn begin(store: &Pkcs11KeyStore, wanted: &KeyUse, within: Duration) -> Receiver<Came> {
    let (told, tells) = channel();
    store.begin(OBJECT, wanted, within, Box::new(move |came| told.send(came).unwrap()));
    tells
}

/// What came of it, and that it was told once and in time.
#[track_caller]
fn end(tells: &Receiver<Came>, within: Duration) -> Came {
    let came = tells.recv_timeout(within + SLACK).expect("it is told in time");
    assert!(tells.recv().is_err(), "it is told once");
    came
}

fn seal(number: usize) -> KeyUse {
    let plaintext = SecretBytes::copy_from(format!("text {number}").as_bytes());
    KeyUse::Seal { additional: format!("data {number}").into_bytes(), plaintext }
}

fn open(number: usize, sealed: &ResidentSealed) -> KeyUse {
    KeyUse::Open { additional: format!("data {number}").into_bytes(), sealed: sealed.clone() }
}

fn sealed(came: Came) -> ResidentSealed {
    match came {
        Some(Ok(KeyUsed::Sealed(sealed))) => sealed,
        Some(Err(error)) => panic!("{error:?}"),
        _ => panic!("it was not sealed"),
    }
}

fn failure(came: Came) -> Option<KeyStoreError> {
    match came {
        Some(Ok(_)) => panic!("it was served"),
        Some(Err(error)) => Some(error),
        None => None,
    }
}

#[test]
fn of_many_uses_under_way_each_gets_its_own_answer_while_others_are_waited_for() {
    let rig = Rig::new();
    let store = with_aes(&rig, shim_config(&rig));
    let runtime = runtime();
    let _inside = runtime.enter();
    for round in 0..4 {
        let numbers = || (0..60).map(|number| round * 100 + number);
        let under_way: Vec<_> = numbers().map(|number| begin(&store, &seal(number), LONG)).collect();
        // On threads that wait, meanwhile.
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| store.probe(LONG).unwrap())));
        });
        let made: Vec<_> = under_way.iter().map(|tells| sealed(end(tells, LONG))).collect();
        let under_way: Vec<_> =
            numbers().zip(&made).map(|(number, sealed)| begin(&store, &open(number, sealed), LONG)).collect();
        for (number, tells) in numbers().zip(&under_way) {
            let Some(Ok(KeyUsed::Opened(text))) = end(tells, LONG) else { panic!("{number} was not opened") };
            assert!(text.equals(format!("text {number}").as_bytes()), "{number}");
        }
        let wrong = begin(&store, &open(1, &made[0]), LONG);
        assert_eq!(failure(end(&wrong, LONG)), Some(KeyStoreError::Refused));
    }
    assert_eq!(store.health()[0].state, MemberState::Up);
}

#[test]
fn where_nothing_would_read_the_answer_nothing_is_begun() {
    let rig = Rig::new();
    let store = with_aes(&rig, shim_config(&rig));
    assert_eq!(failure(end(&begin(&store, &seal(1), LONG), LONG)), None);
    let too_long = KeyUse::Seal { additional: vec![0; 32 * 1024], plaintext: SecretBytes::copy_from(b"") };
    let refused = failure(end(&begin(&store, &too_long, LONG), LONG));
    assert!(matches!(refused, Some(KeyStoreError::TooLong { .. })), "{refused:?}");
}

#[test]
fn of_a_hanging_module_each_use_is_told_at_its_deadline_and_more_than_the_queue_takes_are_refused() {
    let rig = Rig::new();
    let store = with_aes(&rig, StoreConfig { sessions: 2, queue: 8, ..shim_config(&rig) });
    let runtime = runtime();
    let _inside = runtime.enter();
    sealed(end(&begin(&store, &seal(1), LONG), LONG));
    rig.faults.set("C_Encrypt * hang").unwrap();
    let (within, begun) = (Duration::from_secs(3), Instant::now());
    // Of all of them the time is up at the same moment: the module is found to hang once the first one's is.
    let left = || within.saturating_sub(begun.elapsed());
    let under_way: Vec<_> = (0..24).map(|number| begin(&store, &seal(number), left())).collect();
    assert!(!left().is_zero(), "they are begun in time");
    let came: Vec<_> = under_way.iter().map(|tells| failure(end(tells, within)).unwrap()).collect();
    assert!(begun.elapsed() >= within, "none before its time");
    let count = |is: fn(&KeyStoreError) -> bool| came.iter().filter(|came| is(came)).count();
    let late = count(|error| matches!(error, KeyStoreError::Timeout(_)));
    assert_eq!((late, count(|error| *error == KeyStoreError::Busy)), (8, 16), "{came:?}");
    rig.faults.set("").unwrap();
    heals(&store);
    sealed(end(&begin(&store, &seal(1), LONG), LONG));
}

#[test]
fn a_use_with_less_time_than_those_before_it_is_told_at_its_own_deadline() {
    let rig = Rig::new();
    let store = with_aes(&rig, shim_config(&rig));
    let runtime = runtime();
    let _inside = runtime.enter();
    rig.faults.set("C_Encrypt * hang").unwrap();
    let long = begin(&store, &seal(1), LONG);
    let (within, begun) = (Duration::from_millis(100), Instant::now());
    assert_eq!(failure(end(&begin(&store, &seal(2), within), within)), Some(KeyStoreError::Timeout(within)));
    assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    // The module is found to hang long before the other's time is up: that one may be tried again.
    assert_eq!(failure(end(&long, LONG)), None);
    rig.faults.set("").unwrap();
    heals(&store);
}

#[test]
fn of_a_module_that_crashes_all_uses_under_way_are_told_to_be_tried_again_and_another_token_is_asked_at_once() {
    let rig = Rig::new();
    let store = with_aes(&rig, StoreConfig { sessions: 1, ..shim_config(&rig) });
    let runtime = runtime();
    let _inside = runtime.enter();
    sealed(end(&begin(&store, &seal(1), LONG), LONG));
    // Also for those that the next process of the module is given, should it be there so soon.
    rig.faults.set("C_Encrypt * crash").unwrap();
    let under_way: Vec<_> = (0..8).map(|number| begin(&store, &seal(number), LONG)).collect();
    assert!(under_way.iter().all(|tells| failure(end(tells, LONG)).is_none()));
    rig.faults.set("").unwrap();
    heals(&store);

    let rig = Rig::new();
    let store = ready(&rig, group(&rig));
    for fault in ["crash", "return 0x30", "hang"] {
        eventually("both are up", || store.health().iter().all(|member| member.state == MemberState::Up));
        let within = Duration::from_secs(8);
        rig.faults.set(&format!("C_Encrypt * {fault} once")).unwrap();
        let tells = begin(&store, &seal(1), within);
        match end(&tells, within) {
            Some(Ok(KeyUsed::Sealed(_))) => {}
            // Its turn came on the supervisor's thread, which can't have a task read what the other token answers.
            None if fault == "crash" => {}
            other => panic!("{fault}: {:?}", failure(other)),
        }
        assert!(!rig.faults.in_force(), "{fault}");
        heals(&store);
    }
}

#[test]
fn uses_outlive_the_runtime_that_they_were_begun_on_and_another_takes_its_place() {
    let rig = Rig::new();
    let store = with_aes(&rig, shim_config(&rig));
    for number in 0..3 {
        let runtime = runtime();
        let entered = runtime.enter();
        rig.faults.set("").unwrap();
        sealed(end(&begin(&store, &seal(number), LONG), LONG));
        rig.faults.set("C_Encrypt * delay 300").unwrap();
        let tells = begin(&store, &seal(number), LONG);
        drop(entered);
        drop(runtime);
        sealed(end(&tells, LONG));
    }
}

#[test]
fn a_store_that_is_dropped_ends_its_uses_under_way() {
    let rig = Rig::new();
    let store = with_aes(&rig, shim_config(&rig));
    let runtime = runtime();
    let _inside = runtime.enter();
    rig.faults.set("C_Encrypt * delay 300").unwrap();
    let under_way: Vec<_> = (0..4).map(|number| begin(&store, &seal(number), LONG)).collect();
    drop(store);
    for tells in under_way {
        sealed(end(&tells, LONG));
    }
}
