//! Reading the control file, and finding out what it says of a call.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// What is about to be done to a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Sync,
    Truncate,
}

/// What happens in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Fail(i32),
    Short,
    Torn,
    Lose,
    Cut,
}

struct Control {
    file: PathBuf,
    directory: PathBuf,
}

/// What is remembered of the rules in force.
#[derive(Default)]
struct State {
    text: String,
    /// How many calls each line was about.
    counts: Vec<u64>,
}

static CONTROL: LazyLock<Option<Control>> = LazyLock::new(|| {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    Some(Control { file: path(crate::CONTROL)?, directory: path(crate::DIRECTORY)? })
});
static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

/// Where what took effect is told.
pub(crate) fn told(control: &Path) -> PathBuf {
    control.with_extension("told")
}

/// The path of an open file below the directory.
pub(crate) fn concerned(fd: RawFd) -> Option<PathBuf> {
    let control = CONTROL.as_ref()?;
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    path.strip_prefix(&control.directory).ok().map(Path::to_owned)
}

/// The whole of such a path.
pub(crate) fn whole(path: &Path) -> Option<PathBuf> {
    Some(CONTROL.as_ref()?.directory.join(path))
}

/// What the rules say of a call that is about to be made to a file.
pub(crate) fn before(call: Call, path: &Path) -> Option<Effect> {
    let control = CONTROL.as_ref()?;
    let text = std::fs::read_to_string(&control.file).ok()?;
    let effect = {
        let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
        if state.text != text {
            *state = State { counts: vec![0; text.lines().count()], text };
        }
        due(&mut state, call, &path.to_string_lossy())?
    };
    if let Ok(mut told) = OpenOptions::new().append(true).create(true).open(told(&control.file)) {
        let _ = told.write_all(format!("{} {} {}\n", name(call), effect.1, path.display()).as_bytes());
    }
    Some(effect.0)
}

fn due(state: &mut State, call: Call, path: &str) -> Option<(Effect, String)> {
    let State { text, counts } = state;
    let mut seed = 0;
    let mut found = None;
    for (line, (rule, count)) in text.lines().zip(counts).enumerate() {
        let words: Vec<&str> = rule.split_whitespace().collect();
        match words.as_slice() {
            ["seed", number] => seed = number.parse().unwrap_or(0),
            [place, wanted, when, effect] => {
                let any = *wanted == "*" && call != Call::Read;
                let about = (*place == "*" || path.contains(place)) && (any || *wanted == name(call));
                if !about || found.is_some() {
                    continue;
                }
                *count += 1;
                let (when, number) = when.split_once(':').unwrap_or((when, ""));
                let number: u64 = number.parse().unwrap_or(1);
                let is_due = match when {
                    "always" => true,
                    "nth" => *count == number,
                    "after" => *count > number,
                    "one-in" => chance(chance(seed) ^ ((line as u64) << 32) ^ *count).is_multiple_of(number.max(1)),
                    _ => false,
                };
                found = is_due.then(|| parse(effect)).flatten().map(|parsed| (parsed, (*effect).to_owned()));
            }
            _ => {}
        }
    }
    found
}

const fn name(call: Call) -> &'static str {
    match call {
        Call::Read => "read",
        Call::Write => "write",
        Call::Sync => "sync",
        Call::Truncate => "truncate",
    }
}

fn parse(effect: &str) -> Option<Effect> {
    Some(match effect {
        "eio" => Effect::Fail(libc::EIO),
        "enospc" => Effect::Fail(libc::ENOSPC),
        "short" => Effect::Short,
        "torn" => Effect::Torn,
        "lose" => Effect::Lose,
        "cut" => Effect::Cut,
        _ => return None,
    })
}

/// Spreads a number evenly (splitmix64's last steps).
pub(crate) const fn chance(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: &str, calls: u64) -> Vec<u64> {
        let mut state = State { text: format!("seed 7\n{rule}"), counts: vec![0; 2] };
        (1..=calls).filter(|_| due(&mut state, Call::Write, "audit/1.sra").is_some()).collect()
    }

    #[test]
    fn a_rule_takes_effect_where_and_when_it_says() {
        assert_eq!(count("audit/ write nth:3 eio", 5), [3]);
        assert_eq!(count("* * after:3 torn", 5), [4, 5]);
        assert_eq!(count("store/ write always eio", 5), [0; 0]);
        assert_eq!(count("audit/ sync always eio", 5), [0; 0]);
        assert_eq!(count("audit/ read always eio", 5), [0; 0]);
        let by_chance = count("audit/ write one-in:10 enospc", 1000).len();
        assert!((50..200).contains(&by_chance), "{by_chance}");
    }
}
