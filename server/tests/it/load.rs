//! Clients that change things, what they were told, and whether a server that was started again still has it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use strongroom_audit::note::VerifierKey;
use strongroom_audit::port::{AuditLog as _, Position};
use strongroom_audit::record::Text;
use strongroom_audit_log::{FileLog, Options};
use strongroom_testkit::client::{Answer, Client, Endpoint};

use crate::development::program;

/// What the server has acknowledged.
#[derive(Default)]
pub(crate) struct Acknowledged {
    pub(crate) keys: Vec<String>,
    pub(crate) aliases: HashMap<String, String>,
    pub(crate) grants: HashMap<String, String>,
    pub(crate) ciphertexts: Vec<String>,
    pub(crate) requests: Vec<String>,
    /// Requests that were refused because of what the server stands on.
    pub(crate) refused: usize,
    /// Names and keys that are there without having been acknowledged, and were found to be whole.
    unacknowledged: HashSet<String>,
}

impl Acknowledged {
    /// How many requests were answered, one way or the other.
    pub(crate) fn answered(&self) -> usize {
        self.requests.len() + self.refused
    }

    pub(crate) fn summary(&self) -> String {
        let Self { keys, aliases, grants, ciphertexts, requests, refused, unacknowledged } = self;
        format!(
            "{} keys, {} aliases, {} grants, {} ciphertexts, {} requests acknowledged, {refused} refused, {} names and \
             keys there without an acknowledgement",
            keys.len(),
            aliases.len(),
            grants.len(),
            ciphertexts.len(),
            requests.len(),
            unacknowledged.len()
        )
    }
}

/// Clients that change things at the same time, until told to stop or until their connections break.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts clients, whose keys have `name` in their aliases. Answers of the kinds in `refusals` are let pass, and all other
    /// refusals are faults.
    pub(crate) fn start(
        endpoint: &Endpoint,
        all: &Arc<Mutex<Acknowledged>>,
        name: &str,
        refusals: &'static [&'static str],
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let (endpoint, all, over) = (endpoint.clone(), Arc::clone(all), Arc::clone(&over));
            let name = format!("{name}-{number}");
            std::thread::spawn(move || drive(&endpoint, &all, &over, &name, refusals))
        };
        Self { clients: (0..3).map(client).collect(), over }
    }

    /// Ends the load; whether no client met a fault.
    pub(crate) fn end(self) -> bool {
        self.over.store(true, Ordering::Relaxed);
        let ended: Vec<_> = self.clients.into_iter().map(JoinHandle::join).collect();
        ended.iter().all(Result::is_ok)
    }
}

/// Changes things until the connection breaks, noting what was acknowledged.
fn drive(endpoint: &Endpoint, all: &Mutex<Acknowledged>, over: &AtomicBool, name: &str, refusals: &[&str]) {
    let Ok(mut client) = Client::connect(endpoint) else { return };
    for count in 0.. {
        if over.load(Ordering::Relaxed) || step(&mut client, all, &format!("{name}-{count}"), refusals).is_err() {
            return;
        }
    }
}

/// A key with an alias, a grant and a ciphertext, as far as nothing is refused.
fn step(client: &mut Client, all: &Mutex<Acknowledged>, name: &str, refusals: &[&str]) -> std::io::Result<()> {
    let mut ask = |operation: &str, body: &str| {
        let answer = client.kms(operation, body)?;
        let mut all = all.lock().unwrap();
        if answer.status == 200 {
            all.requests.push(answer.request_id.clone());
            return Ok::<_, std::io::Error>(Some(answer));
        }
        let kind = answer.text("__type");
        assert!(refusals.contains(&kind.as_str()), "{operation}: {} {}", answer.status, answer.body);
        all.refused += 1;
        Ok(None)
    };
    let Some(made) = ask("CreateKey", &format!(r#"{{"Description":"{name}"}}"#))? else { return Ok(()) };
    let key = made.text("KeyMetadata.KeyId");
    all.lock().unwrap().keys.push(key.clone());
    let alias = format!("alias/{name}");
    if ask("CreateAlias", &format!(r#"{{"AliasName":"{alias}","TargetKeyId":"{key}"}}"#))?.is_some() {
        all.lock().unwrap().aliases.insert(alias, key.clone());
    }
    let grantee = "arn:aws:iam::111122223333:root";
    let body = format!(r#"{{"KeyId":"{key}","GranteePrincipal":"{grantee}","Operations":["Decrypt"]}}"#);
    if let Some(grant) = ask("CreateGrant", &body)? {
        all.lock().unwrap().grants.insert(grant.text("GrantId"), key.clone());
    }
    if let Some(encrypted) = ask("Encrypt", &format!(r#"{{"KeyId":"{key}","Plaintext":"aGVsbG8="}}"#))? {
        all.lock().unwrap().ciphertexts.push(encrypted.text("CiphertextBlob"));
    }
    Ok(())
}

/// How much was acknowledged before a round, so that a round checks what it added.
pub(crate) fn counts(all: &Mutex<Acknowledged>) -> (usize, usize) {
    let all = all.lock().unwrap();
    (all.keys.len(), all.ciphertexts.len())
}

/// Everything that was acknowledged since `before` is there, and whatever is there is whole.
pub(crate) fn verify(endpoint: &Endpoint, all: &mut Acknowledged, before: &(usize, usize), round: usize) {
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
    let new: HashSet<&String> = all.keys[before.0..].iter().collect();
    for (alias, key) in all.aliases.iter().filter(|(_, key)| new.contains(key)) {
        let described = ask("DescribeKey", &format!(r#"{{"KeyId":"{alias}"}}"#));
        assert_eq!(&described.text("KeyMetadata.KeyId"), key, "round {round}");
    }
    for (grant, key) in all.grants.iter().filter(|(_, key)| new.contains(key)) {
        let listed = ask("ListGrants", &format!(r#"{{"KeyId":"{key}"}}"#));
        assert!(listed.body.contains(grant.as_str()), "round {round}: grant {grant} is gone");
    }
    // Unacknowledged changes are whole or absent: whatever is listed can be used.
    let known: HashSet<String> = all.keys.iter().cloned().collect();
    for (listed, key) in everything(&mut ask) {
        if all.aliases.contains_key(&listed) || known.contains(&listed) || all.unacknowledged.contains(&listed) {
            continue;
        }
        let encrypted = ask("Encrypt", &format!(r#"{{"KeyId":"{listed}","Plaintext":"aGVsbG8="}}"#));
        assert!(encrypted.text("KeyId").ends_with(&key), "round {round}: {listed} leads elsewhere: {}", encrypted.body);
        all.unacknowledged.insert(listed);
    }
}

/// Every alias and every key that is listed, with the key's id.
fn everything(ask: &mut impl FnMut(&str, &str) -> Answer) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (operation, list, name, key) in
        [("ListAliases", "Aliases", "AliasName", "TargetKeyId"), ("ListKeys", "Keys", "KeyId", "KeyId")]
    {
        let mut body = r#"{"Limit":100}"#.to_owned();
        loop {
            let page = ask(operation, &body).json();
            let text = |item: &serde_json::Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let items = page[list].as_array().unwrap().iter().filter(|item| item[key].is_string());
            found.extend(items.map(|item| (text(item, name), text(item, key))));
            match page["NextMarker"].as_str() {
                Some(marker) => body = format!(r#"{{"Limit":100,"Marker":"{marker}"}}"#),
                None => break,
            }
        }
    }
    found
}

/// The keys of the checkpoints of a server that runs.
pub(crate) fn checkpoint_keys(socket: &Path) -> Vec<VerifierKey> {
    let asked = Command::new(program()).args(["root", "list", "--output", "json", "--socket"]).arg(socket).output();
    let listed: serde_json::Value = serde_json::from_slice(&asked.unwrap().stdout).unwrap();
    let roots = listed["items"].as_array().unwrap().iter();
    roots.map(|root| root["checkpoint_key"].as_str().unwrap().parse().unwrap()).collect()
}

/// Every acknowledged request has a record, so has every change that is there, no record stands twice, and the chain holds.
pub(crate) fn verify_log(data: &Path, origin: &str, keys: Vec<VerifierKey>, all: &Acknowledged) {
    let clock: Arc<dyn strongroom_model::clock::Clock> = Arc::new(Frozen);
    let (log, _) = FileLog::open(&data.join("audit"), Options::new(origin.to_owned()), clock, None).unwrap();
    let (mut ids, mut requests, mut changes) = (HashSet::new(), HashSet::new(), String::new());
    for stored in log.records(Position(0)).unwrap() {
        let stored = stored.unwrap();
        let record = stored.record.record().unwrap();
        assert!(ids.insert(record.id), "the record {} stands twice", record.id);
        requests.insert(record.request.id.to_string());
        for change in record.changes.iter() {
            if let Text::Full(change) = change {
                changes.push_str(change);
                changes.push('\n');
            }
        }
    }
    for request in &all.requests {
        assert!(requests.contains(request), "no record of request {request}");
    }
    let bound: HashSet<&str> = changes.lines().filter_map(|change| change.strip_prefix("put binding ")).collect();
    for name in &all.unacknowledged {
        let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(bound.iter().any(|bound| bound.ends_with(&hex)), "no record of how {name} came about");
    }
    let report = log.verify(keys, None).unwrap();
    assert!(report.is_sound() && report.checkpoints > 0, "the log is not sound: {:?}", report.findings);
    assert_eq!(report.records, ids.len() as u64);
}

/// Opening a log for reading needs no time.
pub(crate) struct Frozen;

impl strongroom_model::clock::Clock for Frozen {
    fn now(&self) -> strongroom_model::clock::Timestamp {
        strongroom_model::clock::Timestamp(0)
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}
