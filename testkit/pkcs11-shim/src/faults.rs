//! Reading the control file and doing what it says.
#![expect(clippy::disallowed_methods, reason = "latency is what is injected here")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use cryptoki_sys::CK_RV;

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
