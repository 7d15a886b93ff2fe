//! What is trusted over HTTPS: the authorities of `AWS_CA_BUNDLE`, or the system's. TLS 1.3 alone, as the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::Environment;
use crate::error::CliError;

/// Where systems keep the authorities that they trust, in the order in which they are tried.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A client that trusts a bundle of certificate authorities.
pub(crate) fn config(environment: Environment<'_>) -> Result<Arc<ClientConfig>, CliError> {
    let roots = roots(None, environment)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let versions = versions.map_err(|error| CliError::Usage(format!("TLS 1.3 cannot be used: {error}")))?;
    Ok(Arc::new(versions.with_root_certificates(roots).with_no_client_auth()))
}

/// The authorities of a bundle, or of the environment's, or of the system's.
pub(crate) fn roots(bundle: Option<&Path>, environment: Environment<'_>) -> Result<RootCertStore, CliError> {
    if let Some(bundle) = bundle {
        return authorities(bundle);
    }
    let named = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].into_iter().find_map(|name| environment.variable(name));
    let named = named.map(PathBuf::from);
    let system = || system_bundle().map(Path::to_path_buf);
    let missing =
        || CliError::Usage("no certificate authorities are known; set AWS_CA_BUNDLE to a PEM file".to_owned());
    authorities(&named.or_else(system).ok_or_else(missing)?)
}

/// The file in which this system keeps the authorities that it trusts.
pub(crate) fn system_bundle() -> Option<&'static Path> {
    SYSTEM_BUNDLES.into_iter().map(Path::new).find(|path| path.exists())
}

fn authorities(bundle: &Path) -> Result<RootCertStore, CliError> {
    let unreadable = |source| CliError::File { path: bundle.into(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle).map_err(|error| unreadable(pem_error(error)))? {
        let certificate = certificate.map_err(|error| unreadable(pem_error(error)))?;
        // One odd certificate of a system's bundle is no reason to trust none of the others.
        let _ = roots.add(certificate);
    }
    match roots.is_empty() {
        true => Err(unreadable(std::io::Error::other("it holds no certificate authority"))),
        false => Ok(roots),
    }
}

/// What is wrong with a file of PEM: where it can't be read at all, that alone.
pub(crate) fn pem_error(error: pem::Error) -> std::io::Error {
    match error {
        pem::Error::Io(error) => error,
        error => std::io::Error::other(error.to_string()),
    }
}
