//! The servers under test: started here, measured from outside, ended with the benchmark.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::load::Target;

/// What a run came to: the time of each answered request.
pub(crate) type Served = Vec<Duration>;

/// A server process.
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
    pub(crate) target: Target,
}

impl Server {
    /// `strongroom dev` on a free port over a fresh directory.
    pub(crate) fn ours(program: Option<&Path>, directory: &Path, more: &[String]) -> Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("strongroom");
        let data = directory.join("data");
        let mut child = Command::new(program.unwrap_or(&beside))
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output of the server")?;
        let mut target = Target::default();
        for line in BufReader::new(out).lines() {
            let line = line?;
            let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) else {
                continue;
            };
            match name {
                "AWS_ACCESS_KEY_ID" => value.clone_into(&mut target.access_key_id),
                "AWS_SECRET_ACCESS_KEY" => value.clone_into(&mut target.secret_access_key),
                "AWS_REGION" => value.clone_into(&mut target.region),
                "AWS_ENDPOINT_URL" => {
                    target.address = value.strip_prefix("https://").unwrap_or(value).parse()?;
                }
                "AWS_CA_BUNDLE" => {
                    target.authority = value.into();
                    break;
                }
                _ => {}
            }
        }
        Ok(Self { child, directory: data, target })
    }

    /// The bare server, with the same certificate.
    pub(crate) fn floor(chain: &Path, key: &Path) -> Result<Self> {
        let mut child =
            Command::new(std::env::current_exe()?).arg("floor").args([chain, key]).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no output of the floor")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address: SocketAddr = line.trim().parse()?;
        Ok(Self { child, directory: PathBuf::new(), target: Target { address, ..Target::default() } })
    }

    /// The certificate and key that ours serves with.
    pub(crate) fn certificates(&self) -> (PathBuf, PathBuf) {
        let tls = self.directory.join("tls");
        (tls.join("server.pem"), tls.join("server.key"))
    }

    /// Where its data lies.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory, in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes / 1024.0)
    }

    /// CPU time that the process and its ended children have used, from the kernel's accounting.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        const TICKS_PER_SECOND: u64 = 100;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(") ").ok_or("an unknown form of /proc/PID/stat")?.1;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
