//! What holds while the token is not well: a typed error within the deadline, and health again by itself.

use std::time::{Duration, Instant};

use strongroom_model::root::{RootError, RootOfTrust};
use strongroom_root_pkcs11::{Config, HealthState, Pkcs11Error, Pkcs11Root, Wrapping};
use strongroom_testkit::root_suite::{self, sample_key};

use crate::rig::{Rig, children_of_this_process, eventually};

const CONTEXT: &[u8] = b"context";
/// What a call may take beyond its deadline on a loaded machine.
const SLACK: Duration = Duration::from_secs(5);
/// A deadline that nothing comes near which is done at once.
const PATIENT: Duration = Duration::from_secs(20);

/// Wraps and opens a key, each within the deadline and its slack.
fn round_trip(root: &Pkcs11Root, deadline: Duration) -> Result<(), RootError> {
    let timed = |begun: Instant| assert!(begun.elapsed() < deadline + SLACK, "{:?}", begun.elapsed());
    let begun = Instant::now();
    let wrapped = root.wrap(CONTEXT, &sample_key());
    timed(begun);
    let begun = Instant::now();
    let opened = root.unwrap(CONTEXT, &wrapped?);
    timed(begun);
    assert!(opened?.equals(sample_key().expose()));
    Ok(())
}

fn heals(root: &Pkcs11Root, deadline: Duration) {
    eventually("calls succeed again", || round_trip(root, deadline).is_ok());
    eventually("it is up again", || root.health().state == HealthState::Up);
}

fn begin(rig: &Rig) -> (Pkcs11Root, Duration) {
    let config = rig.shim_config();
    let deadline = config.deadline;
    let root = rig.provision(config);
    round_trip(&root, deadline).unwrap();
    assert_eq!(root.health().state, HealthState::Up);
    (root, deadline)
}

#[test]
fn through_the_shim_the_module_behaves_as_itself() {
    let rig = Rig::new();
    let stranger = Config { root: strongroom_model::id::RootId::from_bytes([7; 16]), ..rig.shim_config() };
    root_suite::holds(&rig.provision(rig.shim_config()), &rig.provision(stranger));
}

#[test]
fn a_failing_token_gives_a_typed_error_and_the_next_call_succeeds() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    for function in ["C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt"] {
        rig.faults.set(&format!("{function} * return 0x30 once")).unwrap();
        let failed = round_trip(&root, deadline).unwrap_err();
        let RootError::Unavailable { cause } = failed else { panic!("{failed:?}") };
        assert!(cause.contains("DeviceError"), "{cause}");
        assert!(!rig.faults.in_force());
        round_trip(&root, deadline).unwrap();
        assert_eq!(root.health().state, HealthState::Up);
    }
    rig.faults.set("C_Sign * return 0x30 once").unwrap();
    assert!(matches!(root.sign_checkpoint(b"checkpoint"), Err(RootError::Unavailable { .. })));
    root.sign_checkpoint(b"checkpoint").unwrap();
    assert_eq!(root.health().starts, 1);
}

#[test]
fn a_root_whose_keys_vanish_while_its_module_lives_says_so_and_serves_again_once_they_are_back() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    let (here, away) = (rig.directory().join("tokens"), rig.directory().join("away"));
    std::fs::rename(&here, &away).unwrap();
    eventually("no call succeeds", || round_trip(&root, deadline).is_err());
    eventually("health says so", || root.health().state != HealthState::Up);
    std::fs::rename(&away, &here).unwrap();
    heals(&root, deadline);
}

#[test]
fn a_vague_error_on_opening_is_not_mistaken_for_a_wrong_blob() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    rig.faults.set("C_Decrypt * return 0x5 once").unwrap();
    round_trip(&root, deadline).unwrap();
    assert!(!rig.faults.in_force());
    rig.faults.set("C_Decrypt * return 0x5").unwrap();
    assert!(matches!(round_trip(&root, deadline), Err(RootError::Unavailable { .. })));
}

#[test]
fn lost_sessions_are_opened_again_without_the_caller_noticing() {
    let rig = Rig::new();
    // One session: with several, one that was lost the last time may meet the next loss on its only retry.
    let config = Config { sessions: 1, ..rig.shim_config() };
    let deadline = config.deadline;
    let root = rig.provision(config);
    for function in ["C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt"] {
        rig.faults.set(&format!("{function} * lose once")).unwrap();
        round_trip(&root, deadline).unwrap();
        assert!(!rig.faults.in_force());
    }
    for code in ["0xb3", "0x32", "0xe0", "0x101", "0x82"] {
        rig.faults.set(&format!("C_EncryptInit * return {code} once")).unwrap();
        round_trip(&root, deadline).unwrap();
        assert!(!rig.faults.in_force(), "{code}");
    }
    assert_eq!(root.health().starts, 1);
}

#[test]
fn a_token_lost_for_longer_is_found_again_by_a_new_child() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    rig.faults.set("C_EncryptInit * return 0x32").unwrap();
    assert!(matches!(round_trip(&root, deadline), Err(RootError::Unavailable { .. })));
    rig.faults.set("").unwrap();
    heals(&root, deadline);
    assert!(root.health().starts > 1);
}

#[test]
fn sessions_replaced_without_end_replace_the_child() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    for _ in 0..70 {
        rig.faults.set("C_EncryptInit * return 0xb3 once").unwrap();
        // The one call that ends the child may fail.
        let _ = round_trip(&root, deadline);
    }
    heals(&root, deadline);
    assert_eq!(root.health().starts, 2);
}

#[test]
fn a_crashing_module_gives_a_typed_error_and_a_new_child() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    for function in ["C_Encrypt", "C_Decrypt", "C_DecryptInit"] {
        rig.faults.set(&format!("{function} * crash once")).unwrap();
        assert!(matches!(round_trip(&root, deadline), Err(RootError::Unavailable { .. })));
        heals(&root, deadline);
    }
    assert_eq!(root.health().starts, 4);
}

#[test]
fn signals_to_the_whole_group_leave_the_child_serving() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    let [child] = children_of_this_process().try_into().unwrap();
    for signal in ["-TERM", "-INT", "-HUP"] {
        assert!(std::process::Command::new("kill").args([signal, &child]).status().unwrap().success());
        round_trip(&root, deadline).unwrap();
    }
    assert_eq!(children_of_this_process(), [child]);
}

#[test]
fn a_slow_token_is_not_taken_for_a_hanging_one() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    // Many times the deadline, so that a caller who sleeps longer than it does not find the answer.
    rig.faults.set("C_Encrypt * delay 500").unwrap();
    let within = Duration::from_millis(50);
    assert_eq!(root.with_deadline(within).wrap(CONTEXT, &sample_key()), Err(RootError::Timeout(within)));
    round_trip(&root, deadline).unwrap();
    assert_eq!(root.health().starts, 1);
}

#[test]
fn a_child_killed_from_outside_is_replaced() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    let [child] = children_of_this_process().try_into().unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", &child]).status().unwrap();
    assert!(killed.success());
    heals(&root, deadline);
    assert_ne!(children_of_this_process(), [child]);
}

/// Whether all threads of a process stand still: they stop one by one, some time after the signal was sent.
fn threads_stopped(process: &str) -> bool {
    let mut threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.all(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap().contains(") T "))
}

#[test]
fn a_stopped_child_is_found_hanging_and_replaced() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    let [child] = children_of_this_process().try_into().unwrap();
    assert!(std::process::Command::new("kill").args(["-STOP", &child]).status().unwrap().success());
    eventually("each of its threads has stopped", || threads_stopped(&child));
    assert_eq!(round_trip(&root, deadline), Err(RootError::Timeout(deadline)));
    heals(&root, deadline);
    assert_ne!(children_of_this_process(), [child]);
}

#[test]
fn a_hanging_module_times_out_at_the_deadline_and_is_replaced() {
    let rig = Rig::new();
    let config = Config { sessions: 1, ..rig.shim_config() };
    let deadline = config.deadline;
    let root = rig.provision(config);
    for function in ["C_Encrypt", "C_DecryptInit"] {
        rig.faults.set(&format!("{function} * hang once")).unwrap();
        // Caller and supervisor wait for the same moment; whoever notices first, the caller is told the same.
        assert_eq!(round_trip(&root, deadline), Err(RootError::Timeout(deadline)));
        heals(&root, deadline);
    }
    assert_eq!(root.health().starts, 3);
}

#[test]
fn one_hanging_session_does_not_keep_the_others_from_serving() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    rig.faults.set("C_Encrypt * hang once").unwrap();
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| round_trip(&root, deadline));
        eventually("one call hangs", || !rig.faults.in_force());
        // Longer than the deadline, so that the hanging call is given up while others are answered.
        let begun = Instant::now();
        while begun.elapsed() < deadline {
            round_trip(&root, deadline).unwrap();
        }
        assert_eq!(stuck.join().unwrap(), Err(RootError::Timeout(deadline)));
    });
    assert_eq!(root.health().starts, 1);
    eventually("the stuck session costs the child", || {
        let _ = round_trip(&root, deadline);
        root.health().starts == 2
    });
    heals(&root, deadline);
}

#[test]
fn with_every_session_hanging_all_callers_time_out_and_the_queue_refuses_the_rest() {
    let rig = Rig::new();
    let config = Config { sessions: 2, queue: 8, ..rig.shim_config() };
    let deadline = config.deadline;
    let root = rig.provision(config);
    rig.faults.set("C_Encrypt * hang").unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..24).map(|_| scope.spawn(|| round_trip(&root, deadline))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    // The first caller's time being up ends the child, and with it the calls of those who came a moment later.
    let failed = |error: &RootError| matches!(error, RootError::Timeout(_) | RootError::Unavailable { .. });
    let count = |is: &dyn Fn(&RootError) -> bool| {
        outcomes.iter().filter_map(|one| one.as_ref().err()).filter(|e| is(e)).count()
    };
    assert_eq!((count(&failed), count(&|error| *error == RootError::Busy)), (8, 16), "{outcomes:?}");
    rig.faults.set("").unwrap();
    heals(&root, deadline);
}

#[test]
fn a_token_that_stays_away_opens_the_breaker_and_closes_it_when_it_is_back() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    rig.faults.set("* * return 0x30").unwrap();
    eventually("the breaker opens", || {
        assert!(round_trip(&root, deadline).is_err());
        root.health().breaker_open
    });
    assert_eq!(root.health().state, HealthState::Down);
    assert!(root.health().last_error.is_some());
    let (patient, begun) = (root.with_deadline(PATIENT), Instant::now());
    assert!(matches!(round_trip(&patient, PATIENT), Err(RootError::Unavailable { .. })));
    assert!(begun.elapsed() < PATIENT / 2, "refused at once");
    rig.faults.set("").unwrap();
    // No caller is needed for that.
    eventually("it is up again", || root.health().state == HealthState::Up);
    round_trip(&root, deadline).unwrap();
}

#[test]
fn a_crash_while_starting_again_is_got_over() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    rig.faults.set("C_Login * crash\nC_Encrypt * crash").unwrap();
    assert!(matches!(round_trip(&root, deadline), Err(RootError::Unavailable { .. })));
    eventually("starts fail until the breaker opens", || root.health().breaker_open);
    rig.faults.set("").unwrap();
    heals(&root, deadline);
}

#[test]
fn a_pin_refused_on_the_way_is_not_tried_again() {
    let rig = Rig::new();
    let (root, deadline) = begin(&rig);
    // Crash, then refuse the PIN at the next login: only the first login of the new child may see it.
    rig.faults.set("C_Login * return 0xa0\nC_Encrypt * crash").unwrap();
    assert!(round_trip(&root, deadline).is_err());
    eventually("the refusal is known", || round_trip(&root, deadline) == Err(RootError::WrongCredential));
    eventually("nothing runs that could try again", || children_of_this_process().is_empty());
    rig.faults.set("").unwrap();
    assert_eq!(round_trip(&root, deadline), Err(RootError::WrongCredential));
    assert_eq!(root.health().state, HealthState::Down);
    drop(root);
    round_trip(&rig.provision(rig.shim_config()), deadline).unwrap();
}

#[test]
fn a_failure_while_provisioning_leaves_nothing_that_hinders_the_next_try() {
    let rig = Rig::new();
    for function in ["C_GenerateKey", "C_GenerateKeyPair", "C_FindObjects", "C_Encrypt"] {
        rig.faults.set(&format!("{function} * return 0x30 once")).unwrap();
        let failed = Pkcs11Root::provision(rig.shim_config(), rig.launcher(), rig.token.pin(), None);
        assert!(matches!(failed, Err(Pkcs11Error::Root(RootError::Unavailable { .. }))), "{function}");
    }
    let root = rig.provision(rig.shim_config());
    round_trip(&root, Duration::from_secs(2)).unwrap();
}

#[test]
fn sixty_four_callers_of_a_slow_token_all_stay_within_the_deadline() {
    let rig = Rig::new();
    for wrapping in [Wrapping::AesGcm, Wrapping::KeyWrapPad] {
        let root = strongroom_model::id::RootId::from_bytes([wrapping as u8; 16]);
        let config = Config { sessions: 16, root, ..rig.shim_config() };
        let deadline = config.deadline;
        let root = rig.provision_for(config, wrapping);
        rig.faults.set("C_Encrypt * delay 5\nC_Decrypt * delay 5\nC_WrapKey * delay 5\nC_UnwrapKey * delay 5").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| (0..5).for_each(|_| round_trip(&root, deadline).unwrap()));
            }
        });
        assert_eq!(root.health().starts, 1);
        assert_eq!(root.health().state, HealthState::Up);
        rig.faults.set("").unwrap();
    }
}
