//! `strongroom xks key import`: a key of AWS's sample proxy, brought out of its token.
//!
//! The material travels wrapped for a public key that the server made, whose private half stands in a token that only the
//! server opens. Absent on purpose: the HSM's side, which is its vendor's tool.

use std::io::{Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use strongroom_admin_api::{
    BindXksKey, Endpoint, GetImportParameters, ImportKeyMaterial, ImportParameters, KeyVersion, XksKey,
};
use strongroom_sigv4::SecretBytes;

use crate::arguments::{Format, Wrapping, WrappingKey, XksStoreOf};
use crate::client::Client;
use crate::error::CliError;
use crate::limits;
use crate::output::Output;
use crate::{Environment, xks};

/// The files of a directory of parameters.
const PUBLIC_KEY: &str = "public-key.der";
const PUBLIC_KEY_PEM: &str = "public-key.pem";
const TOKEN: &str = "token";
/// Bytes of an AES-256 key.
const MATERIAL_BYTES: usize = 32;
/// Characters of a line of PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// Where the key is to be, and how it is wrapped.
pub(crate) struct Import<'a> {
    pub(crate) of: &'a XksStoreOf,
    pub(crate) id: &'a str,
    pub(crate) wrapping: Wrapping,
    pub(crate) wrapping_key: WrappingKey,
}

/// What the first step told.
#[derive(Serialize)]
struct Prepared<'a> {
    #[serde(flatten)]
    key: &'a XksKey,
    parameters: &'a Path,
    wrapping: &'a str,
    wrapping_spec: &'a str,
    valid_to: String,
}

impl Import<'_> {
    /// Makes the key, or takes the one that was made before, and writes what its material is wrapped by.
    pub(crate) fn prepare(
        &self,
        client: &Client<'_>,
        output: &mut Output<'_>,
        directory: &Path,
    ) -> Result<(), CliError> {
        std::fs::create_dir(directory).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => CliError::Usage(format!(
                "{} is there already; name another directory, or bring what was wrapped by it with --wrapped",
                directory.display()
            )),
            _ => unwritable(directory, source),
        })?;
        let key = match self.find(client)? {
            Some(key) => key,
            None => self.make(client)?,
        };
        let given = self.parameters(client, &key)?;
        let public = decoded(&given.public_key)?;
        write(&directory.join(PUBLIC_KEY), &public)?;
        write(&directory.join(PUBLIC_KEY_PEM), pem(&given.public_key).as_bytes())?;
        write(&directory.join(TOKEN), &decoded(&given.token)?)?;
        let valid_to = given.valid_to.to_string();
        if output.format() != Format::Table {
            let (wrapping, wrapping_spec) = (given.wrapping.as_str(), given.wrapping_spec.as_str());
            return output.json(&Prepared { key: &key, parameters: directory, wrapping, wrapping_spec, valid_to });
        }
        xks::show_key(output, &key)?;
        let XksStoreOf { of, store } = self.of;
        let (tenant, id, at) = (&of.tenant, self.id, directory.display());
        output.text(&format!(
            "\nIn the HSM, wrap the AES key for {at}/{PUBLIC_KEY} (the same as {PUBLIC_KEY_PEM}):\n  {}\n\
             Then, before {valid_to}:\n  \
             strongroom xks key import --tenant {tenant} --store {store} {id} --parameters {at} --wrapped FILE",
            mechanism(self.wrapping),
        ))
    }

    /// Brings the material that was wrapped by a directory's parameters.
    pub(crate) fn bring(
        &self,
        client: &Client<'_>,
        output: &mut Output<'_>,
        directory: &Path,
        wrapped: &Path,
    ) -> Result<(), CliError> {
        let (token, wrapped) = (read(&directory.join(TOKEN))?, read(wrapped)?);
        let key = self.find(client)?.ok_or_else(|| {
            let (id, store) = (self.id, &self.of.store);
            CliError::Usage(format!("{store} has no key {id}; make it and its parameters first, without --wrapped"))
        })?;
        self.import(client, output, &key, &STANDARD.encode(&token), &wrapped)
    }

    /// Makes the key, wraps material that lies in a file, and brings it.
    pub(crate) fn carry(
        &self,
        client: &Client<'_>,
        output: &mut Output<'_>,
        environment: Environment<'_>,
        material: &Path,
    ) -> Result<(), CliError> {
        let file = material;
        let material = SecretBytes::take(read(file)?);
        if material.len() != MATERIAL_BYTES {
            let (bytes, file) = (material.len(), file.display());
            return Err(CliError::Usage(format!(
                "{file} has {bytes} bytes; the material of an AES-256 key has {MATERIAL_BYTES}, as they are: neither as \
                 text nor wrapped"
            )));
        }
        let key = match self.find(client)? {
            Some(key) => key,
            None => self.make(client)?,
        };
        let given = self.parameters(client, &key)?;
        let public = decoded(&given.public_key)?;
        let wrapped = (environment.wrap)(&given.wrapping_spec, &public, &material);
        let wrapped = wrapped.ok_or_else(|| CliError::Usage("the material cannot be wrapped here".to_owned()))?;
        self.import(client, output, &key, &given.token, &wrapped)
    }

    /// The key, if the key store has it.
    fn find(&self, client: &Client<'_>) -> Result<Option<XksKey>, CliError> {
        let XksStoreOf { of, store } = self.of;
        let keys: Vec<XksKey> = client.all(Endpoint::ListXksKeys, &[&of.tenant, store])?;
        Ok(keys.into_iter().find(|key| key.external_key_id == self.id))
    }

    fn make(&self, client: &Client<'_>) -> Result<XksKey, CliError> {
        let XksStoreOf { of, store } = self.of;
        let external_key_id = self.id.to_owned();
        let bind = BindXksKey { external_key_id, key: None, only: None, key_store: None, imported: true };
        client.tell(Endpoint::BindXksKey, &[&of.tenant, store], &bind)
    }

    fn parameters(&self, client: &Client<'_>, key: &XksKey) -> Result<ImportParameters, CliError> {
        let (wrapping, wrapping_spec) = (format!("{:?}", self.wrapping), format!("{:?}", self.wrapping_key));
        let get = GetImportParameters { wrapping, wrapping_spec };
        client.tell(Endpoint::GetImportParameters, &[&key.key], &get)
    }

    fn import(
        &self,
        client: &Client<'_>,
        output: &mut Output<'_>,
        key: &XksKey,
        token: &str,
        wrapped: &[u8],
    ) -> Result<(), CliError> {
        let bring = ImportKeyMaterial { token: token.to_owned(), wrapped: STANDARD.encode(wrapped) };
        let _: KeyVersion = client.tell(Endpoint::ImportKeyMaterial, &[&key.key], &bring)?;
        // Its state is another one now.
        let key = self.find(client)?.unwrap_or_else(|| key.clone());
        xks::show_key(output, &key)?;
        if output.format() != Format::Table {
            return Ok(());
        }
        let XksStoreOf { of, store } = self.of;
        output.text(&format!(
            "\n{} decrypts what AWS's sample proxy encrypted, where its key store says so:\n  \
             strongroom xks store set --tenant {} {store} --reads-sample-proxy true",
            self.id, of.tenant
        ))
    }
}

const fn mechanism(wrapping: Wrapping) -> &'static str {
    match wrapping {
        Wrapping::RsaAesSha256 => {
            "CKM_RSA_AES_KEY_WRAP, an AES key of 256 bits, OAEP with CKM_SHA256 and CKG_MGF1_SHA256"
        }
        Wrapping::RsaOaepSha256 => "CKM_RSA_PKCS_OAEP with CKM_SHA256 and CKG_MGF1_SHA256",
        Wrapping::RsaAesSha1 => "CKM_RSA_AES_KEY_WRAP, an AES key of 256 bits, OAEP with CKM_SHA_1 and CKG_MGF1_SHA1",
        Wrapping::RsaOaepSha1 => "CKM_RSA_PKCS_OAEP with CKM_SHA_1 and CKG_MGF1_SHA1",
    }
}

/// A public key as text (RFC 7468, section 13), of its base64.
fn pem(base64: &str) -> String {
    let mut text = "-----BEGIN PUBLIC KEY-----".to_owned();
    for (index, character) in base64.chars().enumerate() {
        if index.is_multiple_of(PEM_LINE) {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n-----END PUBLIC KEY-----\n"
}

fn decoded(base64: &str) -> Result<Vec<u8>, CliError> {
    let strange =
        |_| CliError::Usage("the server's answer is no base64; are server and command line of one version?".to_owned());
    STANDARD.decode(base64).map_err(strange)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    written.and_then(|mut file| file.write_all(bytes)).map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: std::io::Error) -> CliError {
    CliError::Unwritable { path: path.into(), source }
}

/// A file of material or its token, read into a buffer that had room from the start, so that nothing of it is left elsewhere.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let read = || {
        let mut bytes = Vec::with_capacity(limits::MATERIAL_FILE_BYTES + 1);
        let most = u64::try_from(limits::MATERIAL_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
        match bytes.len() > limits::MATERIAL_FILE_BYTES {
            true => Err(std::io::Error::other("it is longer than any key material")),
            false => Ok(bytes),
        }
    };
    read().map_err(|source| CliError::File { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_written_in_lines_of_sixty_four_characters() {
        let text = pem(&"A".repeat(65));
        let lines: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lines, [26, 64, 1, 24]);
    }
}
