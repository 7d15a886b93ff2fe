//! The blobs of format version 1, against the standards and against the token: what was wrapped once opens for ever.

use std::path::PathBuf;
use std::process::Command;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use strongroom_model::root::RootOfTrust;
use strongroom_root_pkcs11::Wrapping;
use strongroom_testkit::root_suite::sample_key;
use strongroom_testkit::softhsm::Token;

use crate::rig::{ROOT, Rig, program};

const IMPORT: &str = "STRONGROOM_TEST_IMPORT";
const WRAPPING_KEY: [u8; 32] = [0x11; 32];
const IV: [u8; 12] = [0x22; 12];
const CONTEXT: &[u8] = b"golden";

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")).join(name)
}

fn header(mechanism: u8) -> Vec<u8> {
    [b"SRP\x01".as_slice(), &[mechanism], ROOT.as_bytes()].concat()
}

/// The blob as the documents describe it, made without a token.
fn gcm_blob() -> Vec<u8> {
    let bound = [header(1).as_slice(), CONTEXT].concat();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &WRAPPING_KEY).unwrap());
    let mut text = sample_key().expose().to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(IV), Aad::from(bound), &mut text).unwrap();
    [header(1).as_slice(), &IV, &text].concat()
}

fn key_wrap_blob() -> Vec<u8> {
    let bound = [header(2).as_slice(), CONTEXT].concat();
    let content = [sample_key().expose().as_slice(), digest(&SHA256, &bound).as_ref()].concat();
    let mut text = [0; 80];
    let text = AesKek::new(&AES_256, &WRAPPING_KEY).unwrap().wrap_with_padding(&content, &mut text).unwrap().to_vec();
    [header(2).as_slice(), &text].concat()
}

fn opens(name: &str, wrapping: Wrapping, blob: &[u8]) {
    let committed = std::fs::read(golden(name)).unwrap();
    assert_eq!(committed, blob);
    let rig = Rig::new();
    let import = Command::new(program())
        .args(["--exact", "golden::imports_the_golden_key_when_told_to"])
        .env(IMPORT, if wrapping == Wrapping::AesGcm { "encrypt" } else { "wrap" })
        .envs([rig.token.environment()])
        .output()
        .unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stdout));
    let root = rig.provision(rig.config());
    assert!(root.unwrap(CONTEXT, &committed).unwrap().equals(sample_key().expose()));
}

#[test]
fn the_golden_blob_of_gcm_version_1_opens() {
    opens("domain-key-gcm-v1.srp", Wrapping::AesGcm, &gcm_blob());
}

#[test]
fn the_golden_blob_of_key_wrap_version_1_opens() {
    opens("domain-key-key-wrap-v1.srp", Wrapping::KeyWrapPad, &key_wrap_blob());
}

/// Run by hand, once for each new version: writes the golden files of the tests above.
#[test]
#[ignore = "writes golden files, which never change once released"]
fn write_golden_files() {
    std::fs::create_dir_all(golden("")).unwrap();
    std::fs::write(golden("domain-key-gcm-v1.srp"), gcm_blob()).unwrap();
    std::fs::write(golden("domain-key-key-wrap-v1.srp"), key_wrap_blob()).unwrap();
}

/// Not a test of its own: puts the golden wrapping key into the token of its environment.
#[test]
fn imports_the_golden_key_when_told_to() {
    let Some(usage) = std::env::var_os(IMPORT) else { return };
    let encrypts = usage == "encrypt";
    let module = Pkcs11::new(Token::module()).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::new(Token::PIN.into()))).unwrap();
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(encrypts),
        Attribute::Decrypt(encrypts),
        Attribute::Wrap(!encrypts),
        Attribute::Unwrap(!encrypts),
        Attribute::Id(ROOT.as_bytes().to_vec()),
        Attribute::Value(WRAPPING_KEY.to_vec()),
    ];
    session.create_object(&template).unwrap();
}
