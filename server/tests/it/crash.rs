//! What was acknowledged survives kill -9 at any moment: keys, aliases, grants, ciphertexts, records.
//!
//! 100 rounds by default; `STRONGROOM_CRASH_ROUNDS` asks for more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use strongroom_audit::port::{AuditLog as _, Position};
use strongroom_audit_log::{FileLog, Options};
use strongroom_testkit::client::{Client, Endpoint};
use strongroom_testkit::server::Server;

use crate::development::program;

/// What the server has acknowledged.
#[derive(Default)]
struct Acknowledged {
    keys: Vec<String>,
    aliases: HashMap<String, String>,
    grants: HashMap<String, String>,
    ciphertexts: Vec<String>,
    requests: Vec<String>,
}

#[test]
fn every_acknowledged_key_alias_grant_ciphertext_and_record_survives_kill_9() {
    let rounds = std::env::var("STRONGROOM_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let all = Arc::new(Mutex::new(Acknowledged::default()));
    let mut server = Server::start(program(), &data, &[], &[]);
    for round in 0..rounds {
        let before = counts(&all);
        load_and_kill(&mut server, &all, round);
        server = Server::start(program(), &data, &[], &[]);
        verify(&server.endpoint, &all.lock().unwrap(), &before, round);
    }
    server.stop();
    verify_log(&data, &all.lock().unwrap());
    let all = all.lock().unwrap();
    let (keys, requests) = (all.keys.len(), all.requests.len());
    println!(
        "{rounds} rounds: {keys} keys, {} aliases, {} grants, {requests} requests",
        all.aliases.len(),
        all.grants.len()
    );
    assert!(keys > rounds / 4 && requests > rounds, "the load was too light to prove anything");
}

/// How much was acknowledged before a round, so that a round checks what it added.
fn counts(all: &Mutex<Acknowledged>) -> (usize, usize) {
    let all = all.lock().unwrap();
    (all.keys.len(), all.ciphertexts.len())
}

fn load_and_kill(server: &mut Server, all: &Arc<Mutex<Acknowledged>>, round: usize) {
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|number| {
            let (endpoint, all, over) = (server.endpoint.clone(), Arc::clone(all), Arc::clone(&over));
            std::thread::spawn(move || drive(&endpoint, &all, &over, &format!("{round}-{number}")))
        })
        .collect();
    // The moment is random because threads and disks are; this spreads it over a few hundred milliseconds.
    let pause = Duration::from_millis(30 + (round as u64 * 7919) % 220);
    let end = Instant::now() + pause;
    while Instant::now() < end {
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(1));
    }
    server.kill();
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
}

/// Changes things until the connection breaks, noting what was acknowledged.
fn drive(endpoint: &Endpoint, all: &Mutex<Acknowledged>, over: &AtomicBool, name: &str) {
    let Ok(mut client) = Client::connect(endpoint) else { return };
    for count in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        if step(&mut client, all, &format!("{name}-{count}")).is_err() {
            return;
        }
    }
}

fn step(client: &mut Client, all: &Mutex<Acknowledged>, name: &str) -> std::io::Result<()> {
    let mut ask = |operation: &str, body: &str| {
        let answer = client.kms(operation, body)?;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        all.lock().unwrap().requests.push(answer.request_id.clone());
        Ok::<_, std::io::Error>(answer)
    };
    let key = ask("CreateKey", &format!(r#"{{"Description":"{name}"}}"#))?.text("KeyMetadata.KeyId");
    all.lock().unwrap().keys.push(key.clone());
    let alias = format!("alias/{name}");
    ask("CreateAlias", &format!(r#"{{"AliasName":"{alias}","TargetKeyId":"{key}"}}"#))?;
    all.lock().unwrap().aliases.insert(alias, key.clone());
    let grantee = "arn:aws:iam::111122223333:user/somebody";
    let grant =
        ask("CreateGrant", &format!(r#"{{"KeyId":"{key}","GranteePrincipal":"{grantee}","Operations":["Decrypt"]}}"#))?;
    all.lock().unwrap().grants.insert(grant.text("GrantId"), key.clone());
    let encrypted = ask("Encrypt", &format!(r#"{{"KeyId":"{key}","Plaintext":"aGVsbG8="}}"#))?;
    all.lock().unwrap().ciphertexts.push(encrypted.text("CiphertextBlob"));
    Ok(())
}

/// Everything that this round added is there, and whatever is there is whole.
fn verify(endpoint: &Endpoint, all: &Acknowledged, before: &(usize, usize), round: usize) {
    let mut client = Client::connect(endpoint).unwrap();
    let mut ask = |operation: &str, body: &str| {
        let answer = client.kms(operation, body).unwrap();
        assert_eq!(answer.status, 200, "round {round}, {operation} {body}: {}", answer.body);
        answer
    };
    for key in &all.keys[before.0..] {
        ask("DescribeKey", &format!(r#"{{"KeyId":"{key}"}}"#));
    }
    for ciphertext in &all.ciphertexts[before.1..] {
        let opened = ask("Decrypt", &format!(r#"{{"CiphertextBlob":"{ciphertext}"}}"#));
        assert_eq!(opened.text("Plaintext"), "aGVsbG8=");
    }
    let new: Vec<&String> = all.keys[before.0..].iter().collect();
    for (alias, key) in all.aliases.iter().filter(|(_, key)| new.contains(key)) {
        let described = ask("DescribeKey", &format!(r#"{{"KeyId":"{alias}"}}"#));
        assert_eq!(&described.text("KeyMetadata.KeyId"), key, "round {round}");
    }
    for (grant, key) in all.grants.iter().filter(|(_, key)| new.contains(key)) {
        let listed = ask("ListGrants", &format!(r#"{{"KeyId":"{key}"}}"#));
        assert!(listed.body.contains(grant.as_str()), "round {round}: grant {grant} is gone");
    }
    // Unacknowledged changes are whole or absent: whatever alias is listed leads to a key that can be used.
    let mut body = r#"{"Limit":100}"#.to_owned();
    loop {
        let page = ask("ListAliases", &body).json();
        for alias in page["Aliases"].as_array().unwrap() {
            let key = alias["TargetKeyId"].as_str().unwrap();
            if !all.keys.iter().any(|known| known == key) {
                ask("Encrypt", &format!(r#"{{"KeyId":"{key}","Plaintext":"aGVsbG8="}}"#));
            }
        }
        match page["NextMarker"].as_str() {
            Some(marker) => body = format!(r#"{{"Limit":100,"Marker":"{marker}"}}"#),
            None => break,
        }
    }
}

/// Every acknowledged request has a record, and the chain holds.
fn verify_log(data: &std::path::Path, all: &Acknowledged) {
    let clock: Arc<dyn strongroom_model::clock::Clock> = Arc::new(Frozen);
    let options = Options::new("strongroom-dev".to_owned());
    let (log, _) = FileLog::open(&data.join("audit"), options, clock, None).unwrap();
    let mut recorded = std::collections::HashSet::new();
    for stored in log.records(Position(0)).unwrap() {
        let stored = stored.unwrap();
        let record = stored.record.record().unwrap();
        recorded.insert(record.request.id.to_string());
    }
    for request in &all.requests {
        assert!(recorded.contains(request), "no record of request {request}");
    }
}

/// Opening a log for reading needs no time.
struct Frozen;

impl strongroom_model::clock::Clock for Frozen {
    fn now(&self) -> strongroom_model::clock::Timestamp {
        strongroom_model::clock::Timestamp(0)
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}
