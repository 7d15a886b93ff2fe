//! A PKCS#11 module that passes every call on to a real one, and fails as it is told: slow, failing, hanging,
//! crashing, or losing its sessions.
//!
//! Never shipped. Built as a shared library to be loaded as a module, and as a Rust library for the test that steers it
//! through a control file, which the module reads anew before each call.

mod faults;
mod forward;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Environment variable with the path of the real module.
pub const MODULE: &str = "STRONGROOM_SHIM_MODULE";
/// Environment variable with the path of the control file.
pub const CONTROL: &str = "STRONGROOM_SHIM_CONTROL";

/// Where the shared library lies: beside the test binary that was built with it. `None` when it is not there.
#[must_use]
pub fn library() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program
        .ancestors()
        .skip(1)
        .take(2)
        .flat_map(|folder| {
            [folder.join("libstrongroom_pkcs11_shim.so"), folder.join("deps/libstrongroom_pkcs11_shim.so")]
        })
        .find(|path| path.is_file())
}

/// The file by which a call that is held is told of.
fn held(control: &Path) -> PathBuf {
    control.with_extension("held")
}

/// The control file of one test. Each line is `FUNCTION NTH ACTION [once]`:
/// `FUNCTION` is a name such as `C_Encrypt`, or `*`; `NTH` is the number of the call to it since the module was loaded, from 1,
/// or `*`; `ACTION` is `delay MILLISECONDS`, `hold` (until the line is gone from the file, a minute at most), `return CODE`
/// (hexadecimal, such as `0x30`), `hang`, `crash`, or `lose` (all sessions). With `once`, the file is removed as the line takes
/// effect.
pub struct Faults {
    path: PathBuf,
}

impl Faults {
    /// Faults steered through a file in `directory`, none yet.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("faults") }
    }

    /// The environment that the process loading the shim needs, `module` being the real one.
    #[must_use]
    pub fn environment(&self, module: &Path) -> [(OsString, OsString); 2] {
        [(MODULE.into(), module.into()), (CONTROL.into(), self.path.clone().into())]
    }

    /// Replaces the rules in one step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, rules: &str) -> io::Result<()> {
        let staged = self.path.with_extension("new");
        std::fs::write(&staged, rules)?;
        let _ = std::fs::remove_file(held(&self.path));
        std::fs::rename(staged, &self.path)
    }

    /// Whether a call was held since the rules were set.
    #[must_use]
    pub fn has_held(&self) -> bool {
        held(&self.path).exists()
    }

    /// Whether a rule is in force: one with `once` no longer is after its effect.
    #[must_use]
    pub fn in_force(&self) -> bool {
        self.path.exists()
    }
}
