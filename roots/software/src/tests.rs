use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use strongroom_crypto::SystemRandom;
use strongroom_crypto::shares::{self, Share};
use strongroom_model::root::{RootError, RootOfTrust};
use strongroom_secret::{Secret, SecretBytes};
use strongroom_testkit::root_suite;
use tempfile::TempDir;

use super::*;

const CONTEXT: &[u8] = b"context";

fn cheap() -> Argon2Cost {
    Argon2Cost::new(limits::ARGON2_MEMORY_KIB_LEAST, 1, 1).unwrap()
}

fn key(byte: u8) -> Secret<32> {
    Secret::init_with(|key| key.fill(byte))
}

fn passphrase(text: &str) -> SecretBytes {
    SecretBytes::copy_from(text.as_bytes())
}

/// A root with a slot of each kind, in a directory of its own.
struct Made {
    _directory: TempDir,
    path: PathBuf,
    root: SoftwareRoot,
}

fn make() -> Made {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("root");
    let (text, file, recovery) = (passphrase("correct horse"), key(1), key(2));
    let unlockers = [
        Unlocker::Passphrase(&text, cheap()),
        Unlocker::KeyFile(&file),
        Unlocker::Recovery { secret: &recovery, threshold: 2, shares: 3 },
    ];
    let root = SoftwareRoot::create(&path, &unlockers).unwrap();
    Made { _directory: directory, path, root }
}

fn unseal(path: &std::path::Path, credential: &Credential<'_>) -> Result<SoftwareRoot, SoftwareRootError> {
    SoftwareRoot::open(path)?.unseal(credential)
}

#[test]
fn it_keeps_what_every_root_promises() {
    root_suite::holds(&make().root, &make().root);
}

#[test]
fn every_slot_opens_the_same_root_again() {
    let made = make();
    let wrapped = made.root.wrap(CONTEXT, &key(9)).unwrap();
    let (text, file, recovery) = (passphrase("correct horse"), key(1), key(2));
    for credential in [Credential::Passphrase(&text), Credential::KeyFile(&file), Credential::Recovery(&recovery)] {
        let again = unseal(&made.path, &credential).unwrap();
        assert_eq!(again.describe(), made.root.describe());
        assert_eq!(again.checkpoint_key().unwrap(), made.root.checkpoint_key().unwrap());
        assert!(again.unwrap(CONTEXT, &wrapped).unwrap().equals(key(9).expose()));
    }
}

#[test]
fn any_two_of_three_recovery_shares_open_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("root");
    let secret = key(5);
    let made = shares::split(&secret, 2, 3, &SystemRandom).unwrap();
    let unlocker = Unlocker::Recovery { secret: &secret, threshold: 2, shares: 3 };
    let root = SoftwareRoot::create(&path, &[unlocker]).unwrap();
    let texts: Vec<_> = made.iter().map(Share::to_text).collect();
    for kept in [[0, 1], [1, 2], [2, 0]] {
        let parse = |number: usize| Share::parse(std::str::from_utf8(texts[number].expose()).unwrap()).unwrap();
        let combined = shares::combine(&kept.map(parse)).unwrap();
        assert_eq!(unseal(&path, &Credential::Recovery(&combined)).unwrap().describe(), root.describe());
    }
}

#[test]
fn a_wrong_credential_is_told_from_a_missing_slot() {
    let made = make();
    for credential in [Credential::KeyFile(&key(2)), Credential::Recovery(&key(1))] {
        assert!(matches!(unseal(&made.path, &credential), Err(SoftwareRootError::WrongCredential(_))));
    }
    let wrong = passphrase("correct horsf");
    let refused = unseal(&made.path, &Credential::Passphrase(&wrong)).err().unwrap();
    assert_eq!(RootError::from(refused), RootError::WrongCredential);

    made.root.remove_slot(SlotNumber(1)).unwrap();
    assert!(matches!(
        unseal(&made.path, &Credential::KeyFile(&key(1))),
        Err(SoftwareRootError::NoSlotOfKind(SlotKind::KeyFile))
    ));
}

#[test]
fn every_changed_byte_of_the_file_is_refused_whichever_slot_is_used() {
    let made = make();
    let bytes = fs::read(&made.path).unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        fs::write(&made.path, &changed).unwrap();
        assert!(unseal(&made.path, &Credential::KeyFile(&key(1))).is_err(), "byte {position}");
    }
    for length in 0..bytes.len() {
        fs::write(&made.path, &bytes[..length]).unwrap();
        assert!(SoftwareRoot::open(&made.path).is_err(), "length {length}");
    }
    fs::write(&made.path, [bytes.as_slice(), &[0]].concat()).unwrap();
    assert!(SoftwareRoot::open(&made.path).is_err());
}

#[test]
fn a_slot_put_back_by_somebody_without_a_credential_is_noticed() {
    let made = make();
    let before = file::SealedFile::from_bytes(&fs::read(&made.path).unwrap()).unwrap();
    made.root.remove_slot(SlotNumber(0)).unwrap();
    let mut bytes = fs::read(&made.path).unwrap();
    bytes[20] = 3;
    bytes.splice(21..21, before.slots[0].to_bytes());
    fs::write(&made.path, bytes).unwrap();
    assert!(matches!(unseal(&made.path, &Credential::KeyFile(&key(1))), Err(SoftwareRootError::Damaged(_))));
    assert!(matches!(made.root.slots(), Err(SoftwareRootError::Damaged(_))));
}

#[test]
fn slots_come_and_go_and_the_last_one_stays() {
    let made = make();
    let number = made.root.add_slot(&Unlocker::KeyFile(&key(7))).unwrap();
    assert_eq!(number, SlotNumber(3));
    assert!(unseal(&made.path, &Credential::KeyFile(&key(7))).is_ok());
    assert!(unseal(&made.path, &Credential::KeyFile(&key(1))).is_ok());
    for number in 0..3 {
        made.root.remove_slot(SlotNumber(number)).unwrap();
    }
    assert!(unseal(&made.path, &Credential::KeyFile(&key(1))).is_err());
    assert_eq!(made.root.slots().unwrap(), [(SlotNumber(3), SlotParameters::KeyFile)]);
    assert!(matches!(made.root.remove_slot(SlotNumber(0)), Err(SoftwareRootError::NoSlot(SlotNumber(0)))));
    assert!(matches!(made.root.remove_slot(number), Err(SoftwareRootError::LastSlot(SlotNumber(3)))));
    assert_eq!(made.root.add_slot(&Unlocker::KeyFile(&key(8))).unwrap(), SlotNumber(0));
}

#[test]
fn no_more_slots_than_the_limit_are_made() {
    let made = make();
    for _ in made.root.slots().unwrap().len()..limits::SLOTS {
        made.root.add_slot(&Unlocker::KeyFile(&key(7))).unwrap();
    }
    assert!(matches!(made.root.add_slot(&Unlocker::KeyFile(&key(7))), Err(SoftwareRootError::SlotCount)));
    let elsewhere = made.path.with_extension("other");
    assert!(matches!(SoftwareRoot::create(&elsewhere, &[]), Err(SoftwareRootError::SlotCount)));
    assert!(!elsewhere.exists());
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let made = make();
    assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o7777, 0o600);
    for mode in [0o640, 0o604, 0o620, 0o610] {
        fs::set_permissions(&made.path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            matches!(SoftwareRoot::open(&made.path), Err(SoftwareRootError::Exposed { mode: found, .. }) if found == mode)
        );
    }
}

#[test]
fn a_root_is_never_overwritten_and_nothing_is_left_beside_it() {
    let made = make();
    let before = fs::read(&made.path).unwrap();
    let refused = SoftwareRoot::create(&made.path, &[Unlocker::KeyFile(&key(1))]);
    assert!(matches!(refused, Err(SoftwareRootError::Exists { .. })));
    made.root.add_slot(&Unlocker::KeyFile(&key(7))).unwrap();
    assert_ne!(fs::read(&made.path).unwrap(), before);
    assert_eq!(fs::read_dir(made.path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn another_format_or_version_is_named() {
    let made = make();
    let mut bytes = fs::read(&made.path).unwrap();
    bytes[3] = 2;
    fs::write(&made.path, &bytes).unwrap();
    assert!(matches!(SoftwareRoot::open(&made.path), Err(SoftwareRootError::Version(2))));
    fs::write(&made.path, b"something else").unwrap();
    assert!(matches!(SoftwareRoot::open(&made.path), Err(SoftwareRootError::NotARoot)));
    assert!(matches!(
        SoftwareRoot::open(made.path.parent().unwrap()),
        Err(SoftwareRootError::Exposed { .. } | SoftwareRootError::NotARoot)
    ));
}

#[test]
fn a_hostile_file_cannot_ask_for_more_than_the_limits() {
    let made = make();
    let bytes = fs::read(&made.path).unwrap();
    // The first slot's parameters: memory, passes and lanes, after kind, number and salt.
    let parameters = 21 + 2 + 16;
    for (offset, value) in [(0, u32::MAX), (0, 8), (4, 0), (4, 1 << 20), (8, 0), (8, 1 << 20)] {
        let mut hostile = bytes.clone();
        hostile[parameters + offset..parameters + offset + 4].copy_from_slice(&value.to_be_bytes());
        fs::write(&made.path, &hostile).unwrap();
        assert!(matches!(SoftwareRoot::open(&made.path), Err(SoftwareRootError::Damaged(_))), "{offset} {value}");
    }
}

#[test]
fn unfit_unlockers_are_refused() {
    let made = make();
    for text in [String::new(), "x".repeat(limits::PASSPHRASE_BYTES + 1)] {
        let text = passphrase(&text);
        let refused = made.root.add_slot(&Unlocker::Passphrase(&text, cheap()));
        assert!(matches!(refused, Err(SoftwareRootError::PassphraseLength)));
    }
    for (threshold, shares) in [(0, 0), (1, 3), (4, 3)] {
        let refused = made.root.add_slot(&Unlocker::Recovery { secret: &key(2), threshold, shares });
        assert!(matches!(refused, Err(SoftwareRootError::Threshold)));
    }
}

/// Passphrase `golden`, key file of 32 bytes 0x01, recovery secret of 32 bytes 0x02; context `golden`; key of 32 bytes 0x03.
#[test]
fn the_golden_file_and_blob_of_version_1_open() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("root");
    fs::write(&path, include_bytes!("../golden/root-v1.srr")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let (text, file, recovery) = (passphrase("golden"), key(1), key(2));
    for credential in [Credential::Passphrase(&text), Credential::KeyFile(&file), Credential::Recovery(&recovery)] {
        let root = unseal(&path, &credential).unwrap();
        let opened = root.unwrap(b"golden", include_bytes!("../golden/domain-key-v1.srd")).unwrap();
        assert!(opened.equals(key(3).expose()));
        let public = include_bytes!("../golden/checkpoint-key-v1.ed25519");
        assert_eq!(root.checkpoint_key().unwrap().public, public);
    }
}

/// Run by hand, once for each new version: writes the golden files of the test above.
#[test]
#[ignore = "writes golden files, which never change once released"]
fn write_golden_files() {
    let golden = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"));
    fs::create_dir_all(&golden).unwrap();
    let text = passphrase("golden");
    let (file, recovery) = (key(1), key(2));
    let unlockers = [
        Unlocker::Passphrase(&text, cheap()),
        Unlocker::KeyFile(&file),
        Unlocker::Recovery { secret: &recovery, threshold: 2, shares: 3 },
    ];
    let root = SoftwareRoot::create(&golden.join("root-v1.srr"), &unlockers).unwrap();
    fs::write(golden.join("domain-key-v1.srd"), root.wrap(b"golden", &key(3)).unwrap()).unwrap();
    fs::write(golden.join("checkpoint-key-v1.ed25519"), root.checkpoint_key().unwrap().public).unwrap();
}
