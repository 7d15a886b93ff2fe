//! `strongroom unseal`: hands a sealed server what opens its roots, over its Unix socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use strongroom_secret::SecretBytes;

use crate::{Failure, init};

/// Opening a root by passphrase takes a while on purpose.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for what is typed, in bytes.
const BODY: usize = 16 * 1024;

/// What is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum With {
    /// The passphrase of a software root.
    Passphrase,
    /// The PIN of a token.
    Pin,
    /// Recovery shares.
    Shares,
}

/// Asks for the passphrase, PIN or shares, and hands them over.
pub(crate) fn unseal(socket: &Path, with: With) -> Result<(), Failure> {
    let (kind, prompt) = match with {
        With::Passphrase => ("passphrase\n", "Passphrase: "),
        With::Pin => ("pin\n", "PIN: "),
        With::Shares => ("shares\n", "Share (empty to end): "),
    };
    // Room for everything, so that no copy is left behind by growing.
    let mut body = Vec::with_capacity(BODY);
    body.extend_from_slice(kind.as_bytes());
    loop {
        let secret = init::ask(prompt)?;
        body.extend_from_slice(secret.expose());
        body.push(b'\n');
        if with != With::Shares || secret.is_empty() || body.len() > BODY / 2 {
            break;
        }
    }
    let body = SecretBytes::take(body);
    let answer = post(socket, &body);
    let answer =
        answer.map_err(|source| Failure::File { doing: "reach the server at", path: socket.into(), source })?;
    let (head, said) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503" | "403") => Err(Failure::Usage(said.trim().to_owned())),
        Some("404") => Err(Failure::Usage("the server is not sealed".to_owned())),
        _ => Err(Failure::Usage(format!("the server answered: {head}"))),
    }
}

fn post(socket: &Path, body: &SecretBytes) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "POST /v1/unseal HTTP/1.1\r\nhost: strongroom\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    )?;
    stream.write_all(body.expose())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
