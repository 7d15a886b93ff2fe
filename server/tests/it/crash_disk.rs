//! The same with a disk that fails or is full: whatever the disk does, what was acknowledged is there afterwards.
//!
//! Faults come from testkit/disk-shim, preloaded into the real server. 20 rounds each by default;
//! `STRONGROOM_FAULT_ROUNDS` asks for more.

use std::sync::{Arc, Mutex};

use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};

use crate::crash::{pause, rounds};
use crate::disk::{Rig, becomes};
use crate::load::{Acknowledged, Load, checkpoint_keys, counts, verify, verify_log};

/// What may be answered while the disk fails: the log's word, and the store's.
const REFUSALS: &[&str] = &["KMSInternalException", "DependencyTimeoutException"];

/// Rounds of load, faults and kill -9. `rules` gives a round's faults for a part of the paths; those of
/// which it `heals` leave the server running.
fn rounds_of(name: &str, heals: bool, rules: impl Fn(&str, usize) -> String) {
    let rounds = rounds("STRONGROOM_FAULT_ROUNDS", 20);
    let (rig, mut served, key) = Rig::new();
    let all = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..rounds {
        let before = counts(&all);
        let load = Load::start(&rig.house.endpoint(&served, &key), &all, &format!("{name}-{round}"), REFUSALS);
        // However slow the machine is, a round has something to lose, and a fault to lose it by.
        let begun = all.lock().unwrap().answered();
        assert!(becomes(|| all.lock().unwrap().answered() >= begun + 6), "round {round}: nothing is answered");
        pause(0, 50, round);
        let met = rig.faults.injected().len();
        rig.faults.set(&rules(["audit/", "store/", "*"][round % 3], round)).unwrap();
        assert!(becomes(|| rig.faults.injected().len() > met), "round {round}: no fault was met");
        pause(0, 170, round);
        if heals && round % 2 == 0 {
            // A disk that recovers is served from again, without a restart.
            rig.faults.clear().unwrap();
            let mut client = rig.house.client(&served, &key);
            let healed = becomes(|| client.kms("CreateKey", "{}").unwrap().status == 200);
            assert!(healed, "round {round}: not healed: {}", served.said());
        }
        pause(0, 20, round);
        let said = served.said();
        drop(served);
        assert!(load.end(), "round {round}: a request was refused as it must not be: {said}");
        if round % 4 == 1 {
            // Recovery meets the same disk; whether it comes to an end or not, nothing is lost by it.
            rig.faults.set(&rules(["audit/", "store/", "*"][round % 3], round + rounds)).unwrap();
            drop(rig.house.try_serve(&[]));
        }
        rig.faults.clear().unwrap();
        served = rig.house.serve();
        let endpoint = rig.house.endpoint(&served, &key);
        verify(&endpoint, &mut all.lock().unwrap(), &before, round);
    }
    let keys = checkpoint_keys(&rig.house.path("admin.sock"));
    served.stop();
    let all = all.lock().unwrap();
    verify_log(&rig.data(), &rig.house.node, keys, &all);
    EmbeddedStore::open(&rig.data().join("store"), StoreOptions::default()).unwrap().verify().unwrap();
    let injected = rig.faults.injected();
    println!("{rounds} rounds: {}; {} faults", all.summary(), injected.len());
    for place in ["audit/", "store/"] {
        let there = injected.iter().filter(|fault| fault.contains(place)).count();
        assert!(there > rounds / 10, "{there} faults in {place}: too few to prove anything");
    }
    assert!(all.keys.len() > rounds / 2 && (all.refused > 0 || !heals), "the load was too light to prove anything");
}

#[test]
fn whatever_is_acknowledged_survives_a_disk_that_fails_at_random_and_kill_9() {
    rounds_of("eio", true, |place, round| {
        let (often, seldom) = ([5, 15, 40][round / 3 % 3], 60);
        format!(
            "seed {round}\n{place} write one-in:{often} torn\n{place} write one-in:{seldom} eio\n\
             {place} write one-in:{seldom} short\n{place} sync one-in:{often} lose\n\
             {place} sync one-in:{seldom} eio\n{place} truncate one-in:4 eio\n"
        )
    });
}

#[test]
fn whatever_is_acknowledged_survives_a_disk_that_is_full_now_and_then_and_kill_9() {
    rounds_of("full", true, |place, round| match round % 4 {
        // From some moment on, for good.
        0 => format!("{place} write nth:{0} short\n{place} write after:{0} enospc\n", round % 40),
        often => {
            format!("seed {round}\n{place} write one-in:{} enospc\n{place} write one-in:5 short\n", often * 5)
        }
    });
}

#[test]
fn whatever_is_acknowledged_survives_when_the_power_goes_and_takes_what_was_not_synced() {
    rounds_of("cut", false, |place, round| {
        let often = [10, 40, 160][round / 3 % 3];
        format!(
            "seed {round}\n{place} sync one-in:{often} cut\n{place} write one-in:{often} cut\n* truncate one-in:2 cut\n"
        )
    });
}
