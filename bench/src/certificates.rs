//! Certificates for the servers, and for clients that show one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::Result;

/// A certificate and its key, as files.
pub(crate) struct Certificate {
    /// PEM.
    pub(crate) chain: PathBuf,
    /// PEM, readable by its owner only.
    pub(crate) key: PathBuf,
}

impl Certificate {
    fn write(directory: &Path, name: &str, chain: &str, key: &KeyPair) -> Result<Self> {
        let [chain_file, key_file] = ["pem", "key"].map(|kind| directory.join(format!("{name}.{kind}")));
        std::fs::write(&chain_file, chain)?;
        write_secret(&key_file, key.serialize_pem().as_bytes())?;
        Ok(Self { chain: chain_file, key: key_file })
    }

    /// Of a server on this machine, signed by itself.
    pub(crate) fn of_server(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let made = CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
        Self::write(directory, "server", &made.pem(), &key)
    }

    /// An authority for clients, and a client of this name.
    pub(crate) fn of_client(directory: &Path, name: &str) -> Result<(Self, Self)> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "bench clients");
        let made = params.self_signed(&authority_key)?;
        let authority = Self::write(directory, "clients", &made.pem(), &authority_key)?;
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let made = params.signed_by(&key, &issuer)?;
        Ok((authority, Self::write(directory, "client", &made.pem(), &key)?))
    }
}

/// A file that nobody else may read.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<()> {
    std::fs::write(path, content)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}
