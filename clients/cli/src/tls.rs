//! What is trusted over HTTPS: the authorities of `AWS_CA_BUNDLE`, or the system's. TLS 1.3 alone, as the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{CertificateError, ClientConfig, RootCertStore};

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

/// Why a server's certificate is refused, and what helps; nothing where something else failed.
pub(crate) fn refusal(error: &std::io::Error) -> Option<(String, &'static str)> {
    use CertificateError as E;
    let Some(rustls::Error::InvalidCertificate(refused)) = error.get_ref()?.downcast_ref() else { return None };
    let trust = "name the PEM file of the authority that issued it: AWS_CA_BUNDLE=FILE";
    let (cause, remedy) = match refused {
        E::UnknownIssuer | E::BadSignature => ("no authority that is trusted here issued it", trust),
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            "it is not for this host",
            "name the server as its certificate does, or give it one with this name (subjectAltName)",
        ),
        E::Expired | E::ExpiredContext { .. } => {
            ("it has expired", "give the server a new one, or put the clock right")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => ("it is not valid yet", "put the clock right"),
        E::Revoked => ("it is revoked", "give the server a new one"),
        E::BadEncoding => ("it cannot be read", "give the server another"),
        // The library has no variants for these; their texts are its names of them.
        E::Other(other) => match other.0.to_string().as_str() {
            "CaUsedAsEndEntity" => (
                "it is that of an authority (CA:TRUE), which is no server's",
                "give the server a leaf certificate: one that an authority issued, or a self-signed one made with openssl \
                 req -x509 -addext basicConstraints=critical,CA:FALSE; trust it with AWS_CA_BUNDLE=FILE",
            ),
            "UnsupportedCertVersion" => ("it is not of X.509 version 3", "give the server a new one"),
            _ => ("it is not as certificates of servers must be", "give the server another"),
        },
        _ => ("it is not as certificates of servers must be", "give the server another"),
    };
    Some((cause.to_owned(), remedy))
}
