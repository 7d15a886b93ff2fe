//! `vectors/audit/v1` is a log of two segments. Whatever changes, it verifies and reads as it did.

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use strongroom_audit::checkpoint::{Checkpoint, KeyIntroduction, Statement};
use strongroom_audit::frame::{Frames, SegmentHeader, file_name, write_note, write_records};
use strongroom_audit::hash::Hash;
use strongroom_audit::note::{NoteSignature, SignedNote, VerifierKey};
use strongroom_audit::port::Position;
use strongroom_audit::record::{
    Credential, Decision, Demand, Detail, LeftOut, List, Mode, Outcome, Principal, Record, Request, SealedRecord,
    Source, Text, TextDigest,
};
use strongroom_audit::tree::Tree;
use strongroom_audit::verify::{Finding, Verifier};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, KeyId, MaterialId, PrincipalId, RecordId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};
use strongroom_model::store::Revision;

const ORIGIN: &str = "kms.example/golden";
const CAPACITY: u64 = 8192;
const HEAD_ROOT: &str = "c94caeef2babf048c760310006646414029923afae28bc9642bb2880f5b15b71";
const HEAD_CHAIN: &str = "d14bea0ae6d2b1c9d1c1731954c773df8677b3807ed7574e8575b4397f3d272b";

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../vectors/audit/v1", name].iter().collect()
}

fn bare(number: u8, action: Action) -> Record<'static> {
    Record::new(RecordId::from_bytes([number; 16]), Timestamp(1_763_726_400_000 + u64::from(number)), action)
}

/// Between them these have every field and every variant.
fn records() -> [Record<'static>; 7] {
    let caller = Record {
        duration_micros: 184,
        tenant: Some(TenantId::from_bytes([0x22; 16])),
        account: "111122223333".into(),
        policy_name: "arn:aws:iam::111122223333:user/ada".into(),
        principal: Principal::User {
            id: PrincipalId::from_bytes([0x33; 16]),
            unique_id: "AIDAEXAMPLE".into(),
            name: "ada".into(),
        },
        credential: Credential { id: Some(CredentialId::from_bytes([0x44; 16])), shown: "AKIAEXAMPLE".into() },
        source: Source {
            address: Some("192.0.2.7:4431".parse().unwrap()),
            listener: "public".into(),
            tls: "TLSv1.3 TLS_AES_256_GCM_SHA384".into(),
            user_agent: "aws-cli/2.15 \u{1b}[31m".into(),
        },
        request: Request {
            id: "7a5f2c1e-0000-4000-8000-000000000001".into(),
            front_end: "aws-kms".into(),
            event_source: "kms.amazonaws.com".into(),
            operation: "Encrypt".into(),
            region: "us-east-1".into(),
        },
        ..bare(1, Action::Encrypt)
    };
    let demand = Demand {
        action: Action::Encrypt,
        resource: "arn:aws:kms:us-east-1:111122223333:key/1234".into(),
        key: Some(KeyId::from_bytes([0x55; 16])),
        material: Some(MaterialId::from_bytes([0x66; 16])),
        ordinal: Some(3),
        purpose: Some(Purpose::ApplyProtection),
    };
    let allowed =
        Decision { allowed: true, statements: vec!["key policy, statement 1".into()].into(), missing: Text::default() };
    let denied = Decision {
        allowed: false,
        statements: List::default(),
        missing: "no identity-based policy allows kms:Encrypt".into(),
    };
    let digest = Text::Digest(TextDigest { bytes: 20_000, sha256: Hash::leaf(b"a long text") });
    let detail = Detail { group: "encryptionContext".into(), name: "project".into(), value: "apollo".into() };
    let failed = |code: &'static str, message: &'static str, engine| Outcome::Failed {
        code: code.into(),
        message: message.into(),
        engine,
    };
    [
        Record {
            demands: vec![demand.clone()].into(),
            decision: Some(allowed),
            algorithm: "SYMMETRIC_DEFAULT".into(),
            details: vec![detail, Detail { name: "keyId".into(), value: "alias/dev".into(), ..Detail::default() }]
                .into(),
            ..caller.clone()
        },
        Record {
            id: RecordId::from_bytes([2; 16]),
            demands: vec![Demand { key: None, material: None, ordinal: None, purpose: None, ..demand }].into(),
            decision: Some(denied),
            outcome: failed("AccessDeniedException", "not authorized", 17),
            mode: Mode::DryRun,
            ..caller
        },
        Record {
            credential: Credential { id: None, shown: "AKIAUNKNOWN".into() },
            source: Source { address: Some("[2001:db8::7]:443".parse().unwrap()), ..Source::default() },
            outcome: failed("UnrecognizedClientException", "", 3),
            count: 1000,
            ..bare(3, Action::Authenticate)
        },
        Record { principal: Principal::Operator { uid: 1000 }, outcome: Outcome::Abandoned, ..bare(4, Action::Unseal) },
        Record {
            principal: Principal::Internal { service: "scheduler".into() },
            mode: Mode::Internal,
            changes: vec!["key 5555 destroyed".into(), digest].into(),
            revision: Some(Revision(77)),
            ..bare(5, Action::Scheduled)
        },
        Record { principal: Principal::TenantRoot, ..bare(6, Action::CreateKey) },
        Record {
            results: vec![Detail { name: "keyId".into(), value: "1234".into(), ..Detail::default() }].into(),
            left_out: Some(LeftOut { items: 5, sha256: Hash::leaf(b"items") }),
            ..bare(7, Action::CreateKey)
        },
    ]
}

#[test]
fn the_log_of_version_1_verifies_with_the_first_key_alone() {
    let key: VerifierKey = std::fs::read_to_string(path("key")).unwrap().trim_end().parse().unwrap();
    let note: SignedNote = std::fs::read_to_string(path("checkpoint")).unwrap().parse().unwrap();
    note.verify(std::slice::from_ref(&key)).unwrap();
    let Ok(Statement::Checkpoint(known)) = Statement::of(&note) else { panic!("no checkpoint") };
    let mut verifier = Verifier::new(vec![key], Some(known.clone()));
    (0..2).for_each(|segment| verifier.segment(&std::fs::read(path(&file_name(segment))).unwrap()));
    let report = verifier.finish();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert!(matches!(report.findings.as_slice(), [Finding::KeyIntroduced { .. }]));
    assert_eq!((report.records, report.checkpoints), (7, 2));
    assert_eq!(report.last_checkpoint.unwrap().size, 7);
    let head = report.head.unwrap();
    assert_eq!((head.origin.as_str(), head.size, known.size), (ORIGIN, 7, 4));
    assert_eq!((head.root.to_string(), head.chain.to_string()), (HEAD_ROOT.to_owned(), HEAD_CHAIN.to_owned()));
}

#[test]
fn the_records_of_version_1_say_what_they_said_and_are_written_the_same() {
    let mut expected = records().into_iter();
    for segment in 0..2 {
        let bytes = std::fs::read(path(&file_name(segment))).unwrap();
        let (header, length, hash) = SegmentHeader::decode(&bytes).unwrap();
        for frame in
            Frames::new(&bytes, &header, length, hash).map_while(Result::ok).filter(|frame| frame.records() > 0)
        {
            for item in frame.items {
                let record = expected.next().unwrap();
                assert_eq!(Record::decode(item).unwrap(), record);
                assert_eq!(record.seal().bytes(), item);
            }
        }
    }
    assert!(expected.next().is_none());
}

/// How the files were made. The second key is not kept, so they can't be made again, only anew.
#[test]
#[ignore = "writes the golden files, which are written once"]
fn write_the_golden_files() {
    let first = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let second = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let key = |algorithm, public: &[u8]| {
        VerifierKey::new(ORIGIN, CheckpointKey { algorithm, public: public.to_vec() }).unwrap()
    };
    let first_key = key(CheckpointAlgorithm::Ed25519, first.public_key().as_ref());
    let second_key = key(CheckpointAlgorithm::EcdsaP256, second.public_key().as_ref());
    let by_first =
        |text: &str| -> NoteSignature { first_key.signature(first.sign(text.as_bytes()).as_ref().try_into().unwrap()) };
    let by_second = |text: &str| -> NoteSignature {
        let signature = second.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        second_key.signature(signature.as_ref().try_into().unwrap())
    };
    let sealed: Vec<SealedRecord> = records().iter().map(Record::seal).collect();
    let sealed: Vec<&SealedRecord> = sealed.iter().collect();
    let (early, late) = sealed.split_at(4);
    let mut tree = Tree::default();
    let header = |number, chain, tree: &Tree| SegmentHeader {
        number,
        first: Position(tree.size()),
        created: Timestamp(1_763_726_400_000),
        capacity: CAPACITY,
        after_failure: false,
        origin: ORIGIN.to_owned(),
        chain,
        tree: tree.clone(),
    };
    let checkpoint = |tree: &Tree| Checkpoint { origin: ORIGIN.to_owned(), size: tree.size(), root: tree.root() };

    let (mut one, chain) = header(0, Hash::ZERO, &tree).encode();
    let chain = write_records(&mut one, Position(0), &chain, early);
    tree.extend(early.iter().map(|record| record.leaf()));
    let known = checkpoint(&tree);
    let note = known.signed(vec![by_first(&known.text())]).to_string();
    let chain = write_note(&mut one, Position(4), &chain, &note);
    let introduction = KeyIntroduction { origin: ORIGIN.to_owned(), size: 4, key: second_key.clone() };
    let introduced = introduction.signed(vec![by_first(&introduction.text())]).to_string();
    let chain = write_note(&mut one, Position(4), &chain, &introduced);

    let (mut two, chain) = header(1, chain, &tree).encode();
    let (Some(single), pair) = (late.first(), late.get(1..).unwrap()) else { panic!() };
    let chain = write_records(&mut two, Position(4), &chain, &[single]);
    let chain = write_records(&mut two, Position(5), &chain, pair);
    tree.extend(late.iter().map(|record| record.leaf()));
    let last = checkpoint(&tree);
    let note_two = last.signed(vec![by_second(&last.text())]).to_string();
    let chain = write_note(&mut two, Position(7), &chain, &note_two);
    for (number, mut bytes) in (0..).zip([one, two]) {
        bytes.resize(usize::try_from(CAPACITY).unwrap(), 0);
        std::fs::write(path(&file_name(number)), bytes).unwrap();
    }
    std::fs::write(path("key"), format!("{first_key}\n")).unwrap();
    std::fs::write(path("checkpoint"), note).unwrap();
    println!("root {} chain {chain}", tree.root());
}
