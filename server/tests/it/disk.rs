//! A disk that fails or is full under the real server: what is refused, what is said, and how it comes back.
//!
//! Faults come from testkit/disk-shim, preloaded into the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_audit::frame::SegmentHeader;
use strongroom_audit::port::{AuditLog as _, Position};
use strongroom_audit_log::{FileLog, Options};
use strongroom_disk_shim::Faults;
use strongroom_testkit::client::{Answer, Client};
use strongroom_testkit::server::Served;

use crate::house::{House, Key, PLAINTEXT};
use crate::load::Frozen;

/// Short, so that segments end in the middle of a test.
const SEGMENT_BYTES: u64 = 256 * 1024;
/// Longest time from a disk's recovery to the server's.
const HEALING: Duration = Duration::from_secs(60);

/// An installation whose disk fails as it is told.
pub(crate) struct Rig {
    pub(crate) house: House,
    pub(crate) faults: Faults,
}

impl Rig {
    /// A server over a new installation, and a key of the tenant's root.
    pub(crate) fn new() -> (Self, Served, Key) {
        let mut house = House::new();
        house.configure(&house.software_root("root"));
        let configuration = house.path("strongroom.toml");
        let text = std::fs::read_to_string(&configuration).unwrap();
        std::fs::write(configuration, format!("{text}[audit]\nsegment_bytes = {SEGMENT_BYTES}\n")).unwrap();
        house.init();
        let faults = Faults::new(house.root());
        house.environment = faults.environment(&house.path(&house.data)).unwrap();
        let served = house.serve();
        let key = house.root_key();
        (Self { house, faults }, served, key)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.house.path(&self.house.data)
    }
}

/// Asks until it is so; false when it does not become so while anyone would wait.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "whether a server has recovered can only be asked, again and again")]
pub(crate) fn becomes(mut so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < HEALING {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Status and, of a refusal, its kind and message.
fn encrypt(client: &mut Client, id: &str) -> (u16, String, String) {
    let answer = client.kms("Encrypt", &format!(r#"{{"KeyId":"{id}","Plaintext":"{PLAINTEXT}"}}"#)).unwrap();
    refusal(&answer)
}

fn refusal(answer: &Answer) -> (u16, String, String) {
    match answer.status {
        200 => (200, String::new(), String::new()),
        status => (status, answer.text("__type"), answer.text("message")),
    }
}

#[test]
fn a_full_disk_refuses_requests_and_says_why_while_it_lasts_and_heals_by_itself() {
    let (rig, served, key) = Rig::new();
    let (id, ciphertext) = rig.house.encrypt(&served, &key);
    let mut client = rig.house.client(&served, &key);
    for rules in ["* write always enospc", "* write nth:1 short\n* write always enospc", "audit/ sync always enospc"] {
        assert_eq!(rig.house.raw("GET", "/readyz", ""), (200, "ready\n".to_owned()));
        rig.faults.set(rules).unwrap();
        // Callers are told what can't be done, and operators why.
        for _ in 0..5 {
            let (status, kind, said) = encrypt(&mut client, &id);
            assert_eq!((status, kind.as_str()), (500, "KMSInternalException"), "{rules}: {said}");
            assert_eq!(said, "the audit log cannot be written", "{rules}");
            // A change may meet the store first.
            let (status, kind, said) = refusal(&client.kms("CreateKey", "{}").unwrap());
            let kinds = [(500, "KMSInternalException"), (503, "DependencyTimeoutException")];
            assert!(kinds.contains(&(status, kind.as_str())), "{rules}: {status} {kind} {said}");
        }
        let (status, said) = rig.house.raw("GET", "/readyz", "");
        assert_eq!((status, said.as_str()), (503, "the audit log's disk is full; make room on it\n"), "{rules}");
        assert_eq!(rig.house.raw("GET", "/healthz", "").0, 200);
        rig.faults.clear().unwrap();
        // The store heals by itself, as the log does.
        let healed = becomes(|| client.kms("CreateKey", "{}").unwrap().status == 200);
        assert!(healed, "{rules}: not healed: {}", served.said());
        assert!(becomes(|| rig.house.raw("GET", "/readyz", "").0 == 200), "{rules}: not ready: {}", served.said());
        assert_eq!(encrypt(&mut client, &id).0, 200, "{rules}");
    }
    rig.house.decrypts(&served, &key, &ciphertext);
    served.await_word("the audit log refuses requests");
    served.await_word("the audit log can be written again");
    served.stop();
}

#[test]
fn a_store_without_room_refuses_changes_and_serves_what_it_has() {
    let (rig, served, key) = Rig::new();
    let (id, ciphertext) = rig.house.encrypt(&served, &key);
    let mut client = rig.house.client(&served, &key);
    for rules in ["store/ write always enospc", "store/ write always eio", "store/ sync always eio"] {
        rig.faults.set(rules).unwrap();
        let (status, kind, said) = refusal(&client.kms("CreateKey", "{}").unwrap());
        assert_eq!((status, kind.as_str()), (503, "DependencyTimeoutException"), "{rules}: {said}");
        assert_eq!(encrypt(&mut client, &id).0, 200, "{rules}");
        rig.house.decrypts(&served, &key, &ciphertext);
        rig.faults.clear().unwrap();
        assert!(becomes(|| client.kms("CreateKey", "{}").unwrap().status == 200), "{rules}: {}", served.said());
    }
    served.stop();
}

#[test]
fn after_a_failed_sync_the_same_records_with_the_same_ids_stand_in_the_next_segment() {
    const ROUNDS: usize = 8;
    let (rig, served, key) = Rig::new();
    let (id, _) = rig.house.encrypt(&served, &key);
    let mut client = rig.house.client(&served, &key);
    let mut requests = Vec::new();
    // Some of the failing syncs may be those of checkpoints, of which there is one in ten seconds.
    for seed in 0..ROUNDS {
        rig.faults.set(&format!("seed {seed}\naudit/ sync nth:1 eio")).unwrap();
        let body = format!(r#"{{"KeyId":"{id}","Plaintext":"{PLAINTEXT}"}}"#);
        let answer = client.kms("Encrypt", &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        requests.push(answer.request_id);
    }
    let failed = rig.faults.injected();
    assert_eq!(failed.len(), ROUNDS, "{failed:?}");
    assert!(failed.iter().all(|fault| fault.starts_with("sync eio audit/") && fault.ends_with(".sra")), "{failed:?}");
    served.await_word("the audit log's segment is given up");
    served.stop();

    let options = Options::new(rig.house.node.clone());
    let (log, _) = FileLog::open(&rig.data().join("audit"), options, Arc::new(Frozen), None).unwrap();
    let records: Vec<_> = log.records(Position(0)).unwrap().map(Result::unwrap).collect();
    let mut segments: Vec<_> =
        std::fs::read_dir(rig.data().join("audit")).unwrap().map(|e| e.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "sra"));
    segments.sort();
    let segments: Vec<Vec<u8>> = segments.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let sealed = segments.iter().filter(|bytes| SegmentHeader::decode(bytes).unwrap().0.after_failure).count();
    assert_eq!(sealed, ROUNDS, "{} segments", segments.len());
    let mut rewritten = 0;
    for request in &requests {
        let mut of_request =
            records.iter().filter(|stored| stored.record.record().unwrap().request.id.to_string() == *request);
        let stored = of_request.next().unwrap_or_else(|| panic!("no record of request {request}"));
        assert!(of_request.next().is_none(), "two records of request {request}");
        let record = stored.record.bytes();
        let copies: Vec<usize> = (0..segments.len())
            .filter(|number| segments[*number].windows(record.len()).any(|window| window == record))
            .collect();
        if let [given_up, next] = copies.as_slice() {
            assert_eq!(next - given_up, 1, "{copies:?}");
            let header = SegmentHeader::decode(&segments[*next]).unwrap().0;
            assert!(header.after_failure && header.first == stored.position, "{header:?}");
            rewritten += 1;
        }
    }
    assert!(rewritten >= 2, "the syncs failed for something else: {rewritten}");
}
