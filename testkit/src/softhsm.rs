//! A SoftHSM2 token in a directory of its own: a PKCS#11 token for tests that needs no hardware.
#![expect(clippy::panic, reason = "a test without its token cannot go on")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use strongroom_secret::SecretBytes;

const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];
const SECURITY_OFFICER_PIN: &str = "5678-officer";

/// An initialised token, which lasts as long as its directory.
pub struct Token {
    directory: PathBuf,
    label: String,
}

impl Token {
    /// The user's PIN as text, for configuration files and environments.
    pub const PIN: &str = "1234-user";

    /// Makes a token with this label in `directory`, which may hold other tokens already.
    ///
    /// # Panics
    /// When SoftHSM2 is not installed (Debian: softhsm2) or fails.
    #[must_use]
    pub fn new(directory: &Path, label: &str) -> Self {
        let token = Self { directory: directory.into(), label: label.into() };
        let tokens = directory.join("tokens");
        let configuration =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        let prepared = fs::create_dir_all(&tokens).and_then(|()| fs::write(token.configuration(), configuration));
        let mut tool = Command::new("softhsm2-util");
        tool.args(["--init-token", "--free", "--label", label, "--pin", Self::PIN, "--so-pin", SECURITY_OFFICER_PIN]);
        match prepared.and_then(|()| tool.env("SOFTHSM2_CONF", token.configuration()).output()) {
            Ok(output) if output.status.success() => token,
            Ok(output) => panic!("softhsm2-util: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("softhsm2-util is needed (Debian package softhsm2): {error}"),
        }
    }

    /// The path of SoftHSM2's module.
    ///
    /// # Panics
    /// When it is nowhere to be found.
    #[must_use]
    pub fn module() -> PathBuf {
        match MODULES.iter().find(|path| Path::new(path).is_file()) {
            Some(path) => path.into(),
            None => panic!("SoftHSM2's module is in none of {MODULES:?}"),
        }
    }

    /// The token's label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The user's PIN.
    #[must_use]
    pub fn pin(&self) -> SecretBytes {
        SecretBytes::copy_from(Self::PIN.as_bytes())
    }

    /// The environment in which the module finds the token.
    #[must_use]
    pub fn environment(&self) -> (OsString, OsString) {
        ("SOFTHSM2_CONF".into(), self.configuration().into())
    }

    /// Destroys all tokens of the directory, as a lost HSM would.
    ///
    /// # Panics
    /// When their files cannot be removed.
    pub fn destroy(&self) {
        if let Err(error) = fs::remove_dir_all(self.directory.join("tokens")) {
            panic!("cannot destroy the token: {error}");
        }
    }

    fn configuration(&self) -> PathBuf {
        self.directory.join("softhsm2.conf")
    }
}
