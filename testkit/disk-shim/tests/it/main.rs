//! The library, preloaded into programs of the system.
#![cfg(test)]

use std::fs::File;
use std::process::{Command, Stdio};

use strongroom_disk_shim::Faults;

/// What `dd` says when it writes `blocks` blocks of 1,000 bytes, and syncs them if `sync`; and the file after it.
fn written(rules: &str, place: &str, sync: bool) -> (String, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for name in ["data", "data/audit", "elsewhere"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    let faults = Faults::new(directory.path());
    faults.set(rules).unwrap();
    let file = directory.path().join(place);
    std::fs::write(&file, [b'o'; 4000]).unwrap();
    let input = directory.path().join("input");
    std::fs::write(&input, [b'n'; 4000]).unwrap();
    let ran = Command::new("dd")
        .envs(faults.environment(&data).unwrap())
        .env("LC_ALL", "C")
        .arg(format!("if={}", input.display()))
        .args(["bs=1000", if sync { "conv=fdatasync" } else { "conv=notrunc" }])
        .stdout(File::options().read(true).write(true).open(&file).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.success(), said.contains("copied") && !said.contains("dd: "), "{said}");
    (said, std::fs::read(file).unwrap())
}

/// How many bytes were written, from the first on.
fn new(file: &[u8]) -> usize {
    let count = file.iter().take_while(|byte| **byte == b'n').count();
    assert!(file.iter().skip(count).all(|byte| *byte == b'o'));
    count
}

#[test]
fn a_write_fails_as_it_is_told_and_leaves_what_it_is_told() {
    for (rules, word, left) in [
        ("audit/ write nth:3 eio", "Input/output error", 2000),
        ("* write nth:3 enospc", "No space left on device", 2000),
        ("audit/ write nth:3 torn", "Input/output error", 2500),
        ("audit/ write after:1 enospc", "No space left on device", 1000),
        ("audit/ write always short", "", 4000),
        ("store/ write always eio", "", 4000),
        ("", "", 4000),
    ] {
        let (said, file) = written(rules, "data/audit/segment", false);
        assert!(said.contains(word), "{rules}: {said}");
        assert_eq!(new(&file), left, "{rules}: {said}");
    }
}

#[test]
fn a_sync_that_fails_may_take_with_it_what_was_written_since_the_last_one() {
    let (said, file) = written("audit/ sync nth:1 eio", "data/audit/segment", true);
    assert!(said.contains("Input/output error") && new(&file) == 4000, "{said}");
    let (said, file) = written("audit/ sync nth:1 lose", "data/audit/segment", true);
    assert!(said.contains("Input/output error") && new(&file) == 0, "{said}");
    let (said, file) = written("audit/ sync nth:2 lose", "data/audit/segment", true);
    assert!(!said.contains("error") && new(&file) == 4000, "{said}");
}

#[test]
fn when_the_power_goes_what_was_synced_is_there_and_the_rest_may_be() {
    // By chance a block may be there; that all of them are each time is no chance.
    let lost = (0..5).map(|_| {
        let (said, file) = written("audit/ sync nth:1 cut", "data/audit/segment", true);
        assert!(said.is_empty(), "{said}");
        let all = |kind: u8| file.chunks(1000).filter(|block| block.iter().all(|byte| *byte == kind)).count();
        assert_eq!(all(b'n') + all(b'o'), 4, "no block is torn");
        all(b'o')
    });
    assert!(lost.sum::<usize>() > 0);
}

#[test]
fn files_elsewhere_are_left_alone() {
    let (said, file) = written("* * always eio", "elsewhere/file", true);
    assert!(!said.contains("error") && new(&file) == 4000, "{said}");
}

#[test]
fn a_read_fails_where_it_is_told_and_not_by_rules_for_all_that_changes_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("file"), "text").unwrap();
    let faults = Faults::new(directory.path());
    for (rules, reads) in [("file read always eio", false), ("* * always eio", true), ("other read always eio", true)] {
        faults.set(rules).unwrap();
        let mut command = Command::new("cat");
        command.envs(faults.environment(&data).unwrap()).arg(data.join("file"));
        let ran = command.output().unwrap();
        assert_eq!((ran.status.success(), ran.stdout == b"text"), (reads, reads), "{rules}: {ran:?}");
    }
}
