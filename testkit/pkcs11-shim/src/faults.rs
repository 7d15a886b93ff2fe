//! Reading the control file and doing what it says.
#![expect(clippy::disallowed_methods, reason = "latency is what is injected here")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cryptoki_sys::CK_RV;

/// Longest time for which a call is held: whoever forgets it has a test that fails and no process that stays.
const HELD_MOST: Duration = Duration::from_secs(60);
/// Time between two looks at the control file.
const LOOK: Duration = Duration::from_millis(2);

static CONTROL: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os(crate::CONTROL).map(PathBuf::from));
static COUNTS: LazyLock<Mutex<HashMap<&'static str, u64>>> = LazyLock::new(Mutex::default);

/// Obeys the rules for a call to `function`; a code means that the call shall return it at once.
pub(crate) fn before(function: &'static str) -> Option<CK_RV> {
    let path = CONTROL.as_ref()?;
    let count = {
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(function).or_default();
        *count += 1;
        *count
    };
    let rules = std::fs::read_to_string(path).ok()?;
    for rule in rules.lines() {
        let mut words = rule.split_whitespace();
        let (Some(name), Some(nth)) = (words.next(), words.next()) else { continue };
        let due = (name == "*" || name == function) && (nth == "*" || nth.parse() == Ok(count));
        // Removing the file decides between threads whose effect it is.
        if !due || (rule.ends_with(" once") && std::fs::remove_file(path).is_err()) {
            continue;
        }
        match (words.next(), words.next()) {
            (Some("delay"), Some(value)) => std::thread::sleep(Duration::from_millis(value.parse().unwrap_or(0))),
            (Some("return"), Some(code)) => return CK_RV::from_str_radix(code.trim_start_matches("0x"), 16).ok(),
            (Some("hold"), _) => hold(path, rule),
            (Some("hang"), _) => loop {
                std::thread::park();
            },
            (Some("crash"), _) => std::process::abort(),
            (Some("lose"), _) => crate::forward::lose_sessions(),
            _ => {}
        }
    }
    None
}

/// Waits until the control file has no such rule any more.
fn hold(path: &Path, rule: &str) {
    let begun = Instant::now();
    // Where it can't be told, whoever waits for it says so.
    let _ = std::fs::write(crate::held(path), "");
    let stands = || std::fs::read_to_string(path).is_ok_and(|rules| rules.lines().any(|line| line == rule));
    while begun.elapsed() < HELD_MOST && stands() {
        std::thread::sleep(LOOK);
    }
}
