//! Sudden death: a process of its own appends and says what was answered, until it is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use strongroom_audit::port::{AuditLog, Position, RecordClass};

use crate::helper::*;

const DIRECTORY: &str = "STRONGROOM_TEST_AUDIT_LOG";
const ROUNDS: u64 = 20;

#[test]
fn whatever_was_answered_before_a_kill_is_there_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut answered = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "crash::a_process_that_appends_until_it_is_killed"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed after another number of answers each time, at no particular moment of the writing.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let numbers = lines.filter_map(|line| line.strip_prefix("answered ").and_then(|line| line.parse::<u64>().ok()));
        answered = numbers.take(1 + usize::try_from(round * 37 % 101).unwrap()).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let log = try_open(directory.path(), None).unwrap().0;
        let size = log.head().size;
        assert!(size > answered, "round {round}: {size} records, {answered} was answered");
        assert_eq!(ids(&log, 0), (0..size).map(id).collect::<Vec<_>>());
        let report = verify(&log);
        assert!(report.is_sound(), "{:?}", report.findings);
    }
    assert!(answered > ROUNDS);
}

#[test]
#[ignore = "run by the test that kills it"]
fn a_process_that_appends_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let log = open(Path::new(&directory));
    let mut output = std::io::stdout();
    loop {
        let next = log.head().size;
        let durables: Vec<_> = (next..next + 5)
            .map(|number| log.append(log.reserve(RecordClass::Authenticated, 1).unwrap(), vec![record(number)]))
            .collect();
        for (number, durable) in (next..).zip(durables) {
            assert_eq!(durable.wait(), Ok(Position(number)));
            writeln!(output, "answered {number}").unwrap();
        }
    }
}
