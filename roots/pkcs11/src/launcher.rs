//! How the child process is started.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::packets;

/// A command that ends in [`crate::child_main`]. The child inherits the environment and standard error; its standard
/// input is the socket to its parent. The PIN goes over that socket, never through arguments or environment.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments: usually a hidden subcommand.
    pub arguments: Vec<OsString>,
    /// Additional environment, for modules configured that way.
    pub environment: Vec<(OsString, OsString)>,
}

impl Launcher {
    /// Starts this very program, even if its file has been replaced since, with arguments that lead to
    /// [`crate::child_main`].
    #[must_use]
    pub fn of_this_program(arguments: Vec<OsString>) -> Self {
        Self { program: "/proc/self/exe".into(), arguments, environment: Vec::new() }
    }

    /// Starts a child; returns it with our end of the socket.
    pub(crate) fn launch(&self) -> io::Result<(Child, OwnedFd)> {
        let (ours, theirs) = packets::pair()?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok((child, ours))
    }
}
