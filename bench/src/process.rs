//! The servers under test: started here, measured from outside, ended with the benchmark.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use strongroom_secret::SecretBytes;

use crate::Result;
use crate::certificates::Certificate;
use crate::client::{Signer, Target};

/// `strongroom`, by default the one built beside this program.
pub(crate) fn program(given: Option<&Path>) -> Result<PathBuf> {
    Ok(given.map_or(std::env::current_exe()?.with_file_name("strongroom"), Path::to_path_buf))
}

/// CPU time that a process, its children, and those of them that have ended have used, from the kernel's accounting.
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    const TICKS_PER_SECOND: u64 = 100;
    /// Of a process' line: the parent, and user and system time, without and with ended children.
    const FIELDS: [usize; 5] = [1, 11, 12, 13, 14];
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // Other processes come and go.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let fields: Vec<_> = stat.rsplit_once(") ").ok_or("an unknown form of /proc/PID/stat")?.1.split(' ').collect();
        let numbers = FIELDS.map(|field| fields.get(field).and_then(|field| field.parse::<u64>().ok()));
        let [Some(parent), Some(user), Some(system), Some(ended_user), Some(ended_system)] = numbers else {
            return Err("an unknown form of /proc/PID/stat".into());
        };
        if id == process || parent == u64::from(process) {
            ticks += user + system + ended_user + ended_system;
        }
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// A server that says where it is.
pub(crate) struct Server {
    child: Child,
    pub(crate) target: Target,
}

impl Server {
    /// The bare server.
    pub(crate) fn floor(certificate: &Certificate) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("floor")
            .args([&certificate.chain, &certificate.key])
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output of the floor")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address: SocketAddr = line.trim().parse()?;
        Ok(Self { child, target: Target { address, authority: certificate.chain.clone(), identity: None } })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory, in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `strongroom dev` on a free port, and who may ask it for everything.
pub(crate) struct Dev {
    pub(crate) server: Server,
    /// For AWS KMS.
    pub(crate) signer: Arc<Signer>,
    /// Where its data lies.
    pub(crate) directory: PathBuf,
}

impl Dev {
    /// Starts it over a directory, a fresh one or one that it has used.
    pub(crate) fn start(given: Option<&Path>, directory: &Path, more: &[String]) -> Result<Self> {
        let directory = directory.join("data");
        let mut child = Command::new(program(given)?)
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(&directory)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output of the server")?;
        let (mut id, mut secret, mut region, mut address) = (None, None, None, None);
        for line in BufReader::new(out).lines() {
            let line = line?;
            let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) else {
                continue;
            };
            match name {
                "AWS_ACCESS_KEY_ID" => id = Some(value.to_owned()),
                "AWS_SECRET_ACCESS_KEY" => secret = Some(SecretBytes::copy_from(value.as_bytes())),
                "AWS_REGION" => region = Some(value.to_owned()),
                "AWS_ENDPOINT_URL" => address = Some(value.trim_start_matches("https://").parse()?),
                "AWS_CA_BUNDLE" => {
                    let missing = "the server did not say who may ask, and where";
                    let target = Target { address: address.ok_or(missing)?, authority: value.into(), identity: None };
                    let signer = Signer {
                        access_key_id: id.ok_or(missing)?,
                        secret_access_key: secret.ok_or(missing)?,
                        region: region.ok_or(missing)?,
                        service: "kms",
                    };
                    return Ok(Self { server: Server { child, target }, signer: Arc::new(signer), directory });
                }
                _ => {}
            }
        }
        Err("the server did not start".into())
    }
}
