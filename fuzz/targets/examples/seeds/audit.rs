//! The audit log.

use strongroom_audit::checkpoint::{Checkpoint, KeyIntroduction};
use strongroom_audit::frame::{SegmentHeader, write_note, write_records};
use strongroom_audit::hash::Hash;
use strongroom_audit::note::{SignedNote, VerifierKey};
use strongroom_audit::port::Position;
use strongroom_audit::record::{
    Credential, Decision, Demand, Detail, List, Mode, Outcome, Principal, Record, Request, SealedRecord, Source, Text,
};
use strongroom_audit::tree::Tree;
use strongroom_crypto::{KeyMaterial, SystemRandom};
use strongroom_fuzz_targets::fixture;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, KeyId, MaterialId, PrincipalId, RecordId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};
use strongroom_model::spec::KeySpec;
use strongroom_model::store::Revision;

use super::{Seed, seed};

pub(crate) fn seeds() -> Vec<Seed> {
    [records(), logs(), notes()].concat()
}

fn plain(number: u8) -> SealedRecord {
    Record::new(RecordId::from_bytes([number; 16]), Timestamp(u64::from(number)), Action::Encrypt).seal()
}

fn full() -> Record<'static> {
    let mut record = Record::new(RecordId::from_bytes([1; 16]), Timestamp(1_769_851_800_123), Action::Decrypt);
    record.duration_micros = 1234;
    record.tenant = Some(TenantId::from_bytes([2; 16]));
    record.account = "111122223333".into();
    record.policy_name = "arn:aws:iam::111122223333:user/alice".into();
    record.principal = Principal::User {
        id: PrincipalId::from_bytes([3; 16]),
        unique_id: "AIDAAAAAAAAAAAAAAAAA".into(),
        name: "alice".into(),
    };
    record.credential =
        Credential { id: Some(CredentialId::from_bytes([4; 16])), shown: fixture::ACCESS_KEY_ID.into() };
    record.source = Source {
        address: Some("[2001:db8::1]:443".parse().unwrap()),
        listener: "kms".into(),
        tls: "TLSv1.3 TLS_AES_256_GCM_SHA384".into(),
        user_agent: "aws-cli/2".into(),
    };
    record.request = Request {
        id: "1".into(),
        front_end: "aws-kms".into(),
        event_source: "kms.amazonaws.com".into(),
        operation: "Decrypt".into(),
        region: fixture::REGION.into(),
    };
    record.mode = Mode::DryRun;
    record.demands = List::Owned(vec![Demand {
        action: Action::Decrypt,
        resource: "arn:aws:kms:us-east-1:111122223333:key/1".into(),
        key: Some(KeyId::from_bytes([5; 16])),
        material: Some(MaterialId::from_bytes([6; 16])),
        ordinal: Some(2),
        purpose: Some(Purpose::ProcessProtected),
    }]);
    record.decision = Some(Decision {
        allowed: false,
        statements: List::Owned(vec!["key policy 0".into()]),
        missing: "no identity-based policy allows it".into(),
    });
    record.outcome = Outcome::Failed { code: "AccessDenied".into(), message: "not authorised".into(), engine: 7 };
    record.algorithm = "SYMMETRIC_DEFAULT".into();
    let detail = Detail { group: "encryptionContext".into(), name: "department".into(), value: "finance".into() };
    record.details = List::Owned(vec![detail, Detail { name: "keyId".into(), ..Detail::default() }]);
    record.results = List::Owned(vec![Detail { name: "keyId".into(), value: "1".into(), ..Detail::default() }]);
    record.changes = List::Owned(vec!["key 1: suspended".into()]);
    record.revision = Some(Revision(300));
    record.count = 3;
    record
}

fn records() -> Vec<Seed> {
    let full = full();
    let mut crowded = full.clone();
    crowded.changes = List::Owned(vec![Text::from("change"); 40]);
    crowded.source.user_agent = "x".repeat(20_000).into();
    let mut internal = full.clone();
    internal.principal = Principal::Internal { service: "scheduler".into() };
    (internal.outcome, internal.mode) = (Outcome::Abandoned, Mode::Internal);
    internal.source.address = Some("192.0.2.7:443".parse().unwrap());
    let mut operator = full.clone();
    operator.principal = Principal::Operator { uid: 0 };
    (operator.outcome, operator.decision) = (Outcome::Done, None);
    let bytes = full.seal().bytes().to_vec();
    vec![
        seed("audit_record", "least", plain(0).bytes()),
        seed("audit_record", "crowded", crowded.seal().bytes()),
        seed("audit_record", "internal", internal.seal().bytes()),
        seed("audit_record", "operator", operator.seal().bytes()),
        seed("audit_record", "later-version", [&bytes[..2], &[2], &bytes[3..]].concat()),
        seed("audit_record", "full", bytes),
    ]
}

/// A log in memory, written as a writer would.
struct Writing {
    bytes: Vec<u8>,
    segments: u64,
    chain: Hash,
    tree: Tree,
}

impl Writing {
    fn new() -> Self {
        let mut writing = Self { bytes: Vec::new(), segments: 0, chain: Hash::ZERO, tree: Tree::default() };
        writing.segment(false);
        writing
    }

    fn segment(&mut self, after_failure: bool) {
        let header = SegmentHeader {
            number: self.segments,
            first: Position(self.tree.size()),
            created: Timestamp(1),
            capacity: 256,
            after_failure,
            origin: fixture::ORIGIN.to_owned(),
            chain: self.chain,
            tree: self.tree.clone(),
        };
        let (bytes, chain) = header.encode();
        self.bytes.extend(bytes);
        (self.chain, self.segments) = (chain, self.segments + 1);
    }

    fn records(&mut self, numbers: std::ops::Range<u8>) {
        let records: Vec<_> = numbers.map(plain).collect();
        let first = Position(self.tree.size());
        self.chain = write_records(&mut self.bytes, first, &self.chain, &records.iter().collect::<Vec<_>>());
        self.tree.extend(records.iter().map(SealedRecord::leaf));
    }

    fn note(&mut self, note: &str) {
        self.chain = write_note(&mut self.bytes, Position(self.tree.size()), &self.chain, note);
    }

    fn checkpoint(&self) -> String {
        let origin = fixture::ORIGIN.to_owned();
        signed(Checkpoint { origin, size: self.tree.size(), root: self.tree.root() }.text())
    }
}

fn signed(text: String) -> String {
    let signature = fixture::signer().sign(text.as_bytes()).unwrap();
    SignedNote::new(text, vec![fixture::verifier_key().signature(&signature)]).to_string()
}

fn logs() -> Vec<Seed> {
    let header = Writing::new().bytes;
    let mut log = Writing::new();
    log.records(0..3);
    log.note(&log.checkpoint());
    let one = log.bytes.clone();
    log.segment(false);
    log.records(3..5);
    log.note(&signed(introduction(log.tree.size()).text()));
    log.records(5..6);
    let two = log.bytes.clone();
    log.segment(true);
    log.bytes.extend(b"SRF\x01 half a frame");
    vec![
        seed("audit_log", "header", header),
        seed("audit_log", "with-zeros", [one.as_slice(), &[0; 64]].concat()),
        seed("audit_log", "pruned", &two[one.len()..]),
        seed("audit_log", "cut", &two[..two.len() - 1]),
        seed("audit_log", "given-up", log.bytes),
        seed("audit_log", "one-segment", one),
        seed("audit_log", "two-segments", two),
    ]
}

fn p256() -> VerifierKey {
    let material = KeyMaterial::generate(KeySpec::EcP256, &SystemRandom, None).unwrap();
    let point = material.public_key().unwrap().der().last_chunk::<65>().unwrap().to_vec();
    VerifierKey::new(fixture::ORIGIN, CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public: point })
        .unwrap()
}

fn introduction(size: u64) -> KeyIntroduction {
    KeyIntroduction { origin: fixture::ORIGIN.to_owned(), size, key: p256() }
}

fn notes() -> Vec<Seed> {
    let mut log = Writing::new();
    log.records(0..3);
    let checkpoint = log.checkpoint();
    let twice = format!("{checkpoint}{}", checkpoint.lines().last().unwrap().to_owned() + "\n");
    vec![
        seed("signed_note", "introduction", signed(introduction(3).text())),
        seed("signed_note", "extended", signed("kms.example/node-1\n0\nAAAA\nmore\n".to_owned())),
        seed("signed_note", "signed-twice", twice),
        seed("signed_note", "unsigned", checkpoint.split("\n\n").next().unwrap()),
        seed("signed_note", "checkpoint", checkpoint),
        seed("verifier_key", "ed25519", fixture::verifier_key().to_string()),
        seed("verifier_key", "p256", p256().to_string()),
        seed("verifier_key", "another-type", "a+00000000+BA=="),
        seed("verifier_key", "no-key", "a+00000000+"),
    ]
}
