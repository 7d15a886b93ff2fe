//! What a command draws from around it: variables, the time at which it is given, the word of whoever gives it, and the one
//! piece of cryptography that it does itself.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use strongroom_sigv4::SecretBytes;

/// The surroundings of a command, as arguments.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The value of a variable, if it is set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Milliseconds since 1970.
    pub now: &'a dyn Fn() -> u64,
    /// Whether whoever gave the command says yes to a question; nothing where nobody can be asked.
    pub confirm: &'a dyn Fn(&str) -> Option<bool>,
    /// Wraps material by RSAES-OAEP with SHA-256 (RFC 8017) for an RSA key, which is given by its kind (`Rsa2048`, ...) and
    /// its `SubjectPublicKeyInfo` in DER; nothing where that is no such key.
    pub wrap: &'a Wrap,
}

/// See [`Environment::wrap`].
pub type Wrap = dyn Fn(&str, &[u8], &SecretBytes) -> Option<Vec<u8>>;

impl<'a> Environment<'a> {
    /// The process's own, with what wraps material.
    #[must_use]
    pub const fn of_process(wrap: &'a Wrap) -> Self {
        Self { variable: &variable, now: &now, confirm: &confirm, wrap }
    }
}

impl Environment<'_> {
    /// The value of a variable; an empty one counts as not set.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "the time at which a command is given is what it asks with")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Asks at the terminal. Anything but `yes` is no.
fn confirm(question: &str) -> Option<bool> {
    let (input, mut err) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !err.is_terminal() {
        return None;
    }
    write!(err, "{} Type yes to go on: ", crate::output::safe(question)).and_then(|()| err.flush()).ok()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer).ok()?;
    Some(answer.trim() == "yes")
}
