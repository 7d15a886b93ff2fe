//! Fetching secrets from where the configuration says they are. Read once, at start, into types that can't be printed.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use strongroom_crypto::shares::{self, Share, ShareError};
use strongroom_secret::{Secret, SecretBytes};

use crate::config::SecretSource;

/// Longest secret that is read, in bytes: a private key of RSA with 8192 bits takes 6.4 KiB.
const LONGEST: u64 = 8192;

/// Mode bits that a secret's file must not have.
const OTHERS: u32 = 0o077;
/// The same for a credential of the service manager, which may grant its service access as a group.
const OTHERS_OF_CREDENTIAL: u32 = 0o037;

/// What an operator gives to unseal a server.
pub(crate) enum Given {
    /// The passphrase of a software root.
    Passphrase(SecretBytes),
    /// The PIN of a token. A passphrase is never tried as one: a module would see it, and a token count it.
    Pin(SecretBytes),
    /// What recovery shares combine to.
    Recovery(Secret<32>),
}

impl Given {
    /// What it is, for records.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::Pin(_) => "pin",
            Self::Recovery(_) => "shares",
        }
    }

    /// Reads the body of an unseal request: `passphrase`, `pin` or `shares` on the first line, then the secret, or a share a
    /// line.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, SecretError> {
        let (kind, rest) = split_line(body);
        match kind {
            b"passphrase" => Ok(Self::Passphrase(SecretBytes::copy_from(one_line(rest)))),
            b"pin" => Ok(Self::Pin(SecretBytes::copy_from(one_line(rest)))),
            b"shares" => {
                let lines = str::from_utf8(rest).map_err(|_| SecretError::Kind("this text"))?.lines();
                let lines = lines.filter(|line| !line.trim().is_empty());
                let given = lines.map(Share::parse).collect::<Result<Vec<_>, _>>()?;
                Ok(Self::Recovery(shares::combine(&given)?))
            }
            _ => Err(SecretError::Kind("this request")),
        }
    }
}

/// Why a secret could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file can't be read.
    #[error("cannot read the secret in {}: {error}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Others could read it.
    #[error("{} can be read by others; run: chmod 600 {}", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The service manager passes no credentials.
    #[error("$CREDENTIALS_DIRECTORY is not set: credential {0:?} needs LoadCredential= in the service")]
    NoCredentials(String),
    /// A key file of another length.
    #[error("{} must hold exactly 32 bytes; make one with: head -c 32 /dev/urandom", .0.display())]
    KeyFileLength(PathBuf),
    /// Recovery shares that do not combine.
    #[error("the recovery shares cannot be used")]
    Shares(#[from] ShareError),
    /// A key file where a text is wanted, or the other way round.
    #[error("{0} cannot be used here")]
    Kind(&'static str),
}

/// The secret in a body. Where nothing else holds the body's buffer, it becomes the secret, and is erased with it.
pub(crate) fn of_body(body: Bytes) -> SecretBytes {
    match body.try_into_mut() {
        Ok(buffer) => SecretBytes::take(buffer.into()),
        // It is erased by its owner, or is a part of what the connection has read, which can't be reached from here.
        Err(body) => SecretBytes::copy_from(&body),
    }
}

/// A passphrase or PIN.
pub(crate) fn text(source: &SecretSource) -> Result<SecretBytes, SecretError> {
    match source {
        SecretSource::File(path) => first_line(path, OTHERS),
        SecretSource::Credential(name) => first_line(&credential(name)?, OTHERS_OF_CREDENTIAL),
        SecretSource::Environment(name) => {
            let value = std::env::var_os(name).ok_or_else(|| SecretError::Unset(name.clone()))?;
            Ok(SecretBytes::take(value.into_encoded_bytes()))
        }
        SecretSource::KeyFile(_) => Err(SecretError::Kind("`key_file`")),
    }
}

/// The 32 bytes of a key file.
pub(crate) fn key_file(path: &Path) -> Result<Secret<32>, SecretError> {
    let bytes = read(path, OTHERS)?;
    Secret::copy_from(bytes.expose()).ok_or_else(|| SecretError::KeyFileLength(path.to_owned()))
}

/// A private key in PEM.
pub(crate) fn private_key(path: &Path) -> Result<SecretBytes, SecretError> {
    read(path, OTHERS)
}

/// What was typed, without the line's end: blanks belong to the secret.
fn one_line(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

fn split_line(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    (body.get(..end).unwrap_or_default(), body.get(end + 1..).unwrap_or_default())
}

fn credential(name: &str) -> Result<PathBuf, SecretError> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    Ok(PathBuf::from(directory.ok_or_else(|| SecretError::NoCredentials(name.to_owned()))?).join(name))
}

fn first_line(path: &Path, others: u32) -> Result<SecretBytes, SecretError> {
    let mut secret = read(path, others)?;
    let line = secret.expose().iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(secret.len());
    secret.truncate(line);
    Ok(secret)
}

fn read(path: &Path, others: u32) -> Result<SecretBytes, SecretError> {
    let unreadable = |error| SecretError::Unreadable { path: path.to_owned(), error };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.mode() & others != 0 {
        return Err(SecretError::Exposed(path.to_owned()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default());
    let read = file.take(LONGEST).read_to_end(&mut bytes);
    let secret = SecretBytes::take(bytes);
    read.map_err(unreadable)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(mode: u32, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn only_the_first_line_of_a_file_is_the_secret() {
        let (_directory, path) = file(0o600, b"correct horse\nsecond line\n");
        assert_eq!(text(&SecretSource::File(path)).unwrap().expose(), b"correct horse");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_directory, path) = file(0o640, b"x");
        assert!(matches!(text(&SecretSource::File(path)), Err(SecretError::Exposed(_))));
    }

    #[test]
    fn a_body_in_a_buffer_of_its_own_becomes_the_secret_and_no_copy_is_left() {
        let body = b"passphrase\nsecret\n".to_vec();
        let place = body.as_ptr();
        let secret = of_body(Bytes::from(body));
        assert_eq!((secret.expose().as_ptr(), secret.expose()), (place, b"passphrase\nsecret\n".as_slice()));
        let shared = Bytes::from(b"passphrase".to_vec());
        assert_eq!(of_body(shared.clone()).expose(), &*shared);
    }

    #[test]
    fn a_key_file_has_exactly_32_bytes() {
        let (_directory, path) = file(0o600, &[7; 31]);
        assert!(matches!(key_file(&path), Err(SecretError::KeyFileLength(_))));
    }

    #[test]
    fn an_unset_variable_is_named() {
        let missing = text(&SecretSource::Environment("STRONGROOM_TEST_UNSET".to_owned())).map(drop);
        assert!(missing.unwrap_err().to_string().contains("STRONGROOM_TEST_UNSET"));
    }
}
