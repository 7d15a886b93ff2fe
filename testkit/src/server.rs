//! The real program, started on a free port over a directory, and stopped or killed with the test.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends where its tools fail")]

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::client::Endpoint;

/// Longest wait for a word.
const PATIENCE: Duration = Duration::from_secs(20);

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
        signal(&self.child, rustix::process::Signal::TERM);
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

/// A running `strongroom serve` over a configuration whose log is JSON.
pub struct Served {
    child: Child,
    /// The address of its first TCP listener.
    pub address: Option<SocketAddr>,
    said: Arc<Heard>,
}

/// What a server has said, and that there is more of it.
#[derive(Default)]
struct Heard {
    text: Mutex<String>,
    more: Condvar,
}

impl Served {
    /// Starts it and waits until it serves, sealed or not.
    ///
    /// # Errors
    /// What it said, when it ends before that.
    pub fn start(
        program: &Path,
        configuration: &Path,
        more: &[&str],
        environment: &[(OsString, OsString)],
    ) -> Result<Self, String> {
        let mut child = Command::new(program)
            .args(["serve", "--config"])
            .arg(configuration)
            .args(more)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let errors = child.stderr.take().ok_or("its standard error is not ours")?;
        let said = Arc::new(Heard::default());
        let (serves, served) = channel();
        let heard = Arc::clone(&said);
        // It must be read to the end, or the server would wait for its reader.
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                let member = |name| told.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
                if member("message") == "serving" {
                    let _ =
                        serves.send(member("address").trim_start_matches("Some(").trim_end_matches(')').parse().ok());
                }
                let mut text = heard.text.lock().expect("nobody panics with it");
                text.push_str(&line);
                text.push('\n');
                heard.more.notify_all();
            }
        });
        match served.recv() {
            Ok(address) => Ok(Self { child, address, said }),
            Err(_) => {
                let _ = child.wait();
                let said = said.text.lock().expect("nobody panics with it").clone();
                Err(said)
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said until now.
    ///
    /// # Panics
    /// When the thread that reads it panicked.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text.lock().expect("nobody panics with it").clone()
    }

    /// Waits until it has said something.
    ///
    /// # Panics
    /// When it does not.
    pub fn await_word(&self, word: &str) {
        let text = self.said.text.lock().expect("nobody panics with it");
        let waited = self.said.more.wait_timeout_while(text, PATIENCE, |text| !text.contains(word));
        let (text, waited) = waited.expect("nobody panics with it");
        assert!(!waited.timed_out(), "the server did not say {word:?}: {text}");
    }

    /// Tells it to read its certificates again.
    pub fn hang_up(&self) {
        signal(&self.child, rustix::process::Signal::HUP);
    }

    /// Keeps it from running: connections are still taken, by the operating system, and nothing is answered.
    pub fn freeze(&self) {
        signal(&self.child, rustix::process::Signal::STOP);
    }

    /// Lets it run again.
    pub fn thaw(&self) {
        signal(&self.child, rustix::process::Signal::CONT);
    }

    /// Ends it at once, as a crash would.
    pub fn kill(self) {}

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it ends badly.
    pub fn stop(mut self) {
        signal(&self.child, rustix::process::Signal::TERM);
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "the server ended with {ended}: {}", self.said());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("it is ours to signal");
}
