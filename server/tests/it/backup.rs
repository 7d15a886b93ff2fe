//! Backups: sealed, restored whole, and an older state never served unnoticed.

use crate::house::{House, text};

#[test]
fn a_backup_restored_elsewhere_decrypts_what_was_encrypted_before() {
    let mut house = House::new();
    house.configure(&house.software_root("root"));
    let made = house.init();
    let served = house.serve();
    let key = house.root_key();
    let (_, ciphertext) = house.encrypt(&served, &key);
    let file = house.path("backup");
    let file = file.to_str().unwrap();
    let backup = house.done(&format!("backup --out {file}"));
    assert_eq!(backup["bytes"].as_u64().unwrap(), std::fs::metadata(file).unwrap().len());
    assert!(house.refused(&format!("backup --out {file}")).contains("is taken"));
    assert!(house.refused("backup --out elsewhere").contains("absolute"));
    assert!(house.refused("backup --out /nowhere/backup").contains("cannot serve"));
    served.stop();
    let left = std::fs::read_dir(house.root()).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert_eq!(left.filter(|name| name.contains("unfinished")).count(), 0);

    let shares = made.shares.join("\n");
    let checked = house.program(&["restore", "--check", "--backup", file], &shares);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let revision = format!("revision {}", backup["revision"]);
    assert!(text(&checked.stdout).contains(&revision), "{}", text(&checked.stdout));
    let there = house.program(&["restore", "--backup", file], &shares);
    assert!(!there.status.success() && text(&there.stderr).contains("is there already"), "{}", text(&there.stderr));

    let (data, node) = ("elsewhere".to_owned(), "node-2".to_owned());
    (house.data, house.node) = (data, node);
    house.configure(&house.software_root("root"));
    let restored = house.program(&["restore", "--backup", file], &shares);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let served = house.serve();
    house.decrypts(&served, &key, &ciphertext);
    served.stop();
}

#[test]
fn a_damaged_backup_and_too_few_or_foreign_shares_are_refused() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let made = house.init();
    let served = house.serve();
    let file = house.path("backup");
    let file = file.to_str().unwrap();
    house.done(&format!("backup --out {file}"));
    served.stop();
    let check = |file: &str, shares: &str| {
        let ran = house.program(&["restore", "--check", "--backup", file], shares);
        (ran.status.success(), text(&ran.stderr))
    };
    let shares = made.shares.join("\n");
    let (_, said) = check(file, &made.shares[0]);
    assert!(said.contains("shares"), "{said}");
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(house.path("damaged"), &bytes).unwrap();
    let (done, said) = check(house.path("damaged").to_str().unwrap(), &shares);
    assert!(!done && said.contains("does not open"), "{said}");
    std::fs::write(house.path("short"), &std::fs::read(file).unwrap()[..middle]).unwrap();
    let (done, said) = check(house.path("short").to_str().unwrap(), &shares);
    assert!(!done && said.contains("does not open"), "{said}");
}

#[test]
fn an_older_store_is_refused_and_accepted_knowingly_with_what_was_disabled_since() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let made = house.init();
    let served = house.serve();
    let key = house.root_key();
    let (id, ciphertext) = house.encrypt(&served, &key);
    let file = house.path("backup");
    let file = file.to_str().unwrap();
    house.done(&format!("backup --out {file}"));
    let disabled = house.client(&served, &key).kms("DisableKey", &format!(r#"{{"KeyId":"{id}"}}"#)).unwrap();
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    served.stop();

    std::fs::rename(house.path("data/store"), house.path("store-of-before")).unwrap();
    let restored = house.program(&["restore", "--backup", file], &made.shares.join("\n"));
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let said = house.try_serve(&[]).err().unwrap();
    assert!(said.contains("older than the audit log") && said.contains("--accept-rollback"), "{said}");
    let served = house.try_serve(&["--accept-rollback"]).unwrap();
    let body = format!(r#"{{"CiphertextBlob":"{ciphertext}"}}"#);
    let refused = house.client(&served, &key).kms("Decrypt", &body).unwrap();
    assert_eq!((refused.status, refused.text("__type")), (400, "DisabledException".to_owned()));
    served.stop();
    house.serve().stop();
}
