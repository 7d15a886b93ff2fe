//! Reads certificates, keys, trust anchors and revocation lists, and refuses what is weak or does not fit.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384},
    prelude::FromDer,
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::ClientCertificates;
use crate::{Error, limits::RSA_BITS};

/// A listener's chain and key, which fit each other, and when the first certificate expires.
pub(super) fn certified_key(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<(CertifiedKey, i64), Error> {
    let certificates: Vec<CertificateDer<'static>> = read_all(chain, "certificate")?;
    let mut not_after = i64::MAX;
    for (index, der) in certificates.iter().enumerate() {
        not_after = not_after.min(check(chain, index + 1, der)?);
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| pem(key, "private key", source))?;
    let private = provider
        .key_provider
        .load_private_key(private)
        .map_err(|source| Error::PrivateKey { path: key.to_owned(), source })?;
    let certified = CertifiedKey::new(certificates, private);
    certified.keys_match().map_err(|_| Error::KeyMismatch { key: key.to_owned(), certificate: chain.to_owned() })?;
    Ok((certified, not_after))
}

/// What verifies client certificates: chain, validity, and revocation as far as there are lists.
pub(super) fn client_verifier(
    clients: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for (index, anchor) in read_all(&clients.roots, "certificate")?.into_iter().enumerate() {
        roots.add(anchor).map_err(|source| Error::TrustAnchor {
            path: clients.roots.clone(),
            position: index + 1,
            source,
        })?;
    }
    let mut lists: Vec<CertificateRevocationListDer<'static>> = Vec::new();
    for path in &clients.revocation_lists {
        lists.extend(read_all(path, "certificate revocation list")?);
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(lists)
        .enforce_revocation_expiration();
    if !clients.required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|source| Error::ClientVerifier { path: clients.roots.clone(), source })
}

/// Every section of the kind in a PEM file; at least one.
fn read_all<T: PemObject>(path: &Path, wanted: &'static str) -> Result<Vec<T>, Error> {
    let sections = T::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<T>, _>>);
    let sections = sections.map_err(|source| pem(path, wanted, source))?;
    if sections.is_empty() {
        return Err(pem(path, wanted, rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(sections)
}

fn pem(path: &Path, wanted: &'static str, source: rustls::pki_types::pem::Error) -> Error {
    Error::Pem { path: path.to_owned(), wanted, source }
}

/// Refuses a weak RSA key anywhere in the chain, and a listener's own key of another kind than we serve with; returns
/// when the certificate expires.
fn check(path: &Path, position: usize, der: &[u8]) -> Result<i64, Error> {
    let malformed = || Error::MalformedCertificate { path: path.to_owned(), position };
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| malformed())?;
    let key = certificate.public_key();
    match key.parsed().map_err(|_| malformed())? {
        PublicKey::RSA(rsa) => {
            let bits = bit_length(rsa.modulus);
            if bits < RSA_BITS {
                return Err(Error::WeakRsa { path: path.to_owned(), position, bits });
            }
        }
        PublicKey::EC(_) if on_served_curve(key) => {}
        _ if position > 1 => {}
        _ => return Err(Error::UnsupportedKey { path: path.to_owned(), position }),
    }
    Ok(certificate.validity().not_after.timestamp())
}

/// The bits of a big-endian number.
fn bit_length(number: &[u8]) -> usize {
    let digits = number.iter().position(|byte| *byte != 0).and_then(|start| number.get(start..)).unwrap_or_default();
    let zeros = digits.first().map_or(0, |byte| byte.leading_zeros());
    (digits.len() * 8).saturating_sub(usize::try_from(zeros).unwrap_or(0))
}

/// Whether an elliptic curve key is over P-256 or P-384 (RFC 5480 section 2.1.1.1).
fn on_served_curve(key: &SubjectPublicKeyInfo<'_>) -> bool {
    let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modulus_is_measured_in_bits() {
        assert_eq!(bit_length(&[]), 0);
        assert_eq!(bit_length(&[0, 0]), 0);
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0x7f, 0xff]), 15);
    }
}
