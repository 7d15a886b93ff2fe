//! The real program, started on a free port over a directory, and stopped or killed with the test.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends where its tools fail")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::client::Endpoint;

/// A running `strongroom dev`.
pub struct Server {
    child: Child,
    /// Where it is and who may ask.
    pub endpoint: Endpoint,
    /// Its admin socket.
    pub socket: PathBuf,
    /// Its data directory.
    pub data: PathBuf,
}

impl Server {
    /// Starts it and waits until it says where it is.
    ///
    /// # Panics
    /// When it ends before that; the panic holds what it said.
    #[must_use]
    pub fn start(program: &Path, data: &Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut endpoint = Endpoint::default();
        let out = child.stdout.take().expect("its output is ours");
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) else {
                continue;
            };
            match name {
                "AWS_ACCESS_KEY_ID" => value.clone_into(&mut endpoint.access_key_id),
                "AWS_SECRET_ACCESS_KEY" => value.clone_into(&mut endpoint.secret_access_key),
                "AWS_REGION" => value.clone_into(&mut endpoint.region),
                "AWS_ENDPOINT_URL" => endpoint.address = value.trim_start_matches("https://").parse().ok(),
                "AWS_CA_BUNDLE" => endpoint.authority = value.into(),
                "STRONGROOM_SOCKET" => {
                    return Self { child, endpoint, socket: value.into(), data: data.to_owned() };
                }
                _ => {}
            }
        }
        let mut said = String::new();
        if let Some(mut errors) = child.stderr.take() {
            let _ = errors.read_to_string(&mut said);
        }
        panic!("the server did not start: {said}");
    }

    /// Ends it without a word, as a crash or a power cut of the process would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it ends badly.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours to signal");
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "the server ended with {ended}");
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
