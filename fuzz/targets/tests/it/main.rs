//! Every target over its committed corpus; and that targets, corpora and binaries are the same set.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test names what it runs")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_audit::note::SignedNote;
use strongroom_audit::verify::Verifier;
use strongroom_crypto::KeyMaterial;
use strongroom_crypto::backup::open_stream;
use strongroom_crypto::ciphertext::{self, AcceptedFormats};
use strongroom_crypto::detached::{self, Parts};
use strongroom_crypto::wrapped::Kind;
use strongroom_fuzz_targets::{TARGETS, fixture};
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::root::RootOfTrust;
use strongroom_model::spec::KeySpec;
use strongroom_root_software::{Credential, SoftwareRoot};

/// Bounds of a corpus, so that a clone stays small and a test run short.
const FILES: usize = 200;
const FILE_BYTES: usize = 4096;
/// Targets over a whole engine, which writes to disk for each input.
const OVER_AN_ENGINE: [&str; 6] = [
    "admin_request",
    "aws_kms_request",
    "aws_sts_request",
    "aws_tagging_request",
    "aws_xks_request",
    "azure_ekm_request",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// In one order everywhere: where an engine stays between inputs, the order matters.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder("corpus").join(target)).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// What libFuzzer found is named by its SHA-1; what somebody made has a name of words.
fn is_hand_made(name: &str) -> bool {
    name.len() != 40 || !name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Runs a target over its corpus and, unless that takes too long, over every beginning of what was made by hand.
fn holds(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let files = corpus(target);
    assert!((1..=FILES).contains(&files.len()), "{} files; keep at most {FILES}", files.len());
    for (name, bytes) in files {
        assert!(bytes.len() <= FILE_BYTES, "{name} has {} bytes; keep at most {FILE_BYTES}", bytes.len());
        println!("{target}/{name}");
        run(&bytes);
        if is_hand_made(&name) && !OVER_AN_ENGINE.contains(&target) {
            (0..bytes.len()).for_each(|end| run(&bytes[..end]));
        }
    }
}

macro_rules! corpora {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            holds(stringify!($target));
        })*

        const TESTED: &[&str] = &[$(stringify!($target)),*];
    };
}

corpora! {
    admin_json admin_query admin_request audit_log audit_record aws_kms_request aws_sts_request aws_tagging_request
    aws_xks_request azure_ekm_request backup_stream ciphertext detached engine_row forwarded_for import key_material network policy proxy_header share_text signed_note sigv4_request sigv4_sign
    software_root software_wrapped verifier_key wrapped
}

/// Otherwise the targets would go no further than the first check of a key or hash.
#[test]
fn what_was_sealed_and_signed_for_the_corpora_opens() {
    let read = |path: &str| std::fs::read(folder("corpus").join(path)).unwrap();
    let (sealed, accepted) = (read("ciphertext/data-key"), AcceptedFormats::NEWEST);
    assert!(
        ciphertext::open(&fixture::material(), &fixture::subject(), accepted, &fixture::context(), &sealed).is_ok()
    );
    let detached = read("detached/whole");
    let (parts, associated) = fixture::detached_parts(&detached).unwrap();
    let opened = detached::open(&fixture::material(), &fixture::detached_subject(), associated, &parts);
    assert!(opened.is_ok());
    let moved = read("aws_xks_request/decrypt-sample-proxy");
    let moved: serde_json::Value =
        serde_json::from_slice(&moved[moved.iter().position(|byte| *byte == b'\n').unwrap()..]).unwrap();
    let [ciphertext, iv, tag, metadata] =
        ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"]
            .map(|member| STANDARD.decode(moved[member].as_str().unwrap()).unwrap());
    let material = KeyMaterial::parse(KeySpec::Aes256, fixture::SAMPLE_PROXY_MATERIAL, None).unwrap();
    let parts = Parts { ciphertext: &ciphertext, iv: &iv, tag: &tag, metadata: &metadata };
    assert!(detached::open_bare(&material, None, &parts).is_ok());
    let cursor = fixture::wrapping_key().open(Kind::PageCursor, fixture::BOUND, &read("wrapped/page-cursor"));
    assert!(cursor.is_ok());
    for (name, spec) in [("oaep-Aes256", KeySpec::Aes256), ("rsa-aes-EcP256", KeySpec::EcP256)] {
        let wrapped = read(&format!("import/{name}"));
        let wrapping = ImportWrapping::from_code(wrapped[0]).unwrap();
        assert!(fixture::import_key().import(wrapping, &wrapped[2..], spec, None).is_ok());
    }
    let backup = read("backup_stream/short");
    assert!(open_stream(&fixture::secret(7), &mut backup.as_slice(), &mut Vec::new()).is_ok());
    let note: SignedNote = String::from_utf8(read("signed_note/checkpoint")).unwrap().parse().unwrap();
    assert_eq!(note.verify(&[fixture::verifier_key()]), Ok(()));

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&read("software_root/key-file")).unwrap();
    let sealed = SoftwareRoot::open(file.path()).unwrap();
    let root = sealed.unseal(&Credential::KeyFile(&fixture::secret(7))).unwrap();
    assert!(root.unwrap(fixture::ROOT_CONTEXT, &read("software_wrapped/domain-key")).is_ok());

    let log = read("audit_log/two-segments");
    let second = log.windows(4).rposition(|window| window == b"SRA\x01").unwrap();
    let mut verifier = Verifier::new(vec![fixture::verifier_key()], None);
    verifier.segment(&log[..second]);
    verifier.segment(&log[second..]);
    let report = verifier.finish();
    assert!(report.is_sound() && report.checkpoints == 1, "{:?}", report.findings);
}

#[test]
fn every_target_has_a_test_a_corpus_and_a_binary_and_nothing_else_has_one() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|name| (*name).to_owned()).collect();
    let stems = |name: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder(name)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    let binaries = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
    let binaries: BTreeSet<String> = binaries.map(|line| line.strip_suffix(".rs\"").unwrap().to_owned()).collect();
    assert_eq!(tested, targets);
    assert_eq!(stems("corpus"), targets);
    assert_eq!(stems("fuzz_targets"), targets);
    assert_eq!(binaries, targets);
}
