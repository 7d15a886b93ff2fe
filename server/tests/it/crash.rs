//! What was acknowledged survives kill -9 at any moment: keys, aliases, grants, ciphertexts, records.
//!
//! 100 rounds by default; `STRONGROOM_CRASH_ROUNDS` asks for more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom_testkit::server::Server;

use crate::development::program;
use crate::disk::becomes;
use crate::load::{Acknowledged, Load, checkpoint_keys, counts, verify, verify_log};

#[test]
fn every_acknowledged_key_alias_grant_ciphertext_and_record_survives_kill_9() {
    let rounds = rounds("STRONGROOM_CRASH_ROUNDS", 100);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let all = Arc::new(Mutex::new(Acknowledged::default()));
    let mut server = Server::start(program(), &data, &[], &[]);
    for round in 0..rounds {
        let before = counts(&all);
        let load = Load::start(&server.endpoint, &all, &round.to_string(), &[]);
        // However slow the machine is, a round has something to lose.
        let begun = all.lock().unwrap().answered();
        assert!(becomes(|| all.lock().unwrap().answered() >= begun + 4), "round {round}: nothing is answered");
        pause(0, 190, round);
        server.kill();
        assert!(load.end(), "round {round}: a request was refused");
        server = Server::start(program(), &data, &[], &[]);
        verify(&server.endpoint, &mut all.lock().unwrap(), &before, round);
    }
    let keys = checkpoint_keys(&server.socket);
    server.stop();
    let all = all.lock().unwrap();
    verify_log(&data, "strongroom-dev", keys, &all);
    println!("{rounds} rounds: {}", all.summary());
    assert!(all.keys.len() > rounds / 4 && all.requests.len() > rounds, "the load was too light to prove anything");
}

pub(crate) fn rounds(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Lets time pass. The moment is random because threads and disks are; this spreads it over `spread` milliseconds.
#[expect(clippy::disallowed_methods, reason = "a kill has to come at some moment")]
pub(crate) fn pause(least: u64, spread: u64, round: usize) {
    std::thread::sleep(Duration::from_millis(least + (round as u64 * 7919) % spread));
}
