//! Reads certificates, keys, trust anchors and revocation lists, and refuses what is weak or does not fit.

use std::{path::Path, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::{danger::HandshakeSignatureValid, verify_server_cert_signed_by_trust_anchor},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
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
    check_order(chain, &certificates)?;
    let certified = CertifiedKey::new(certificates, private);
    certified.keys_match().map_err(|_| Error::KeyMismatch { key: key.to_owned(), certificate: chain.to_owned() })?;
    Ok((certified, not_after))
}

/// Whether a certificate is one of an authority (RFC 5280 section 4.2.1.9).
pub(super) fn is_authority(der: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.is_ca())
}

/// That each certificate of a chain was issued by the one behind it, so that a client can walk it.
fn check_order(path: &Path, certificates: &[CertificateDer<'static>]) -> Result<(), Error> {
    let read = |der| X509Certificate::from_der(der).map(|(_, certificate)| certificate);
    for (position, two) in certificates.windows(2).enumerate() {
        let [certificate, issuer] = two else { continue };
        if let (Ok(certificate), Ok(issuer)) = (read(certificate), read(issuer))
            && certificate.issuer() != issuer.subject()
        {
            return Err(Error::ChainOrder { path: path.to_owned(), position: position + 1 });
        }
    }
    Ok(())
}

/// That every certificate of a chain holds at a time, in seconds since 1970; for how many seconds it goes on holding.
pub(super) fn check_dates(path: &Path, chain: &[CertificateDer<'static>], now: i64) -> Result<i64, Error> {
    let mut left = i64::MAX;
    for (index, der) in chain.iter().enumerate() {
        let (path, position) = (path.to_owned(), index + 1);
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return Err(Error::MalformedCertificate { path, position });
        };
        let (from, until) = (certificate.validity().not_before, certificate.validity().not_after);
        if now > until.timestamp() {
            return Err(Error::Expired { path, position, until: until.to_string() });
        }
        if now < from.timestamp() {
            return Err(Error::NotYetValid { path, position, from: from.to_string() });
        }
        left = left.min(until.timestamp() - now);
    }
    Ok(left)
}

/// That a chain leads to one of some authorities: that no intermediate certificate is missing.
pub(super) fn check_complete(
    path: &Path,
    chain: &[CertificateDer<'static>],
    authorities: &Path,
    provider: &CryptoProvider,
) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    // One odd certificate of a system's bundle is no reason to know none of the others.
    let _ = roots.add_parsable_certificates(read_all(authorities, "certificate")?);
    let incomplete = |source| {
        let (path, authorities) = (path.to_owned(), authorities.to_owned());
        Error::ChainIncomplete { path, authorities, source: Box::new(source) }
    };
    let Some((own, intermediates)) = chain.split_first() else { return Ok(()) };
    let own = ParsedCertificate::try_from(own).map_err(incomplete)?;
    let algorithms = provider.signature_verification_algorithms.all;
    let now = UnixTime::now();
    // A date is told as what it is, not as a missing certificate.
    check_dates(path, chain, i64::try_from(now.as_secs()).unwrap_or(i64::MAX))?;
    verify_server_cert_signed_by_trust_anchor(&own, &roots, intermediates, now, algorithms).map_err(incomplete)
}

/// Refuses client certificates that have none of some names, and answers every refusal of a certificate alike.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl Named {
    fn is_named(&self, der: &CertificateDer<'_>) -> bool {
        let wanted = |name: &str| self.names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        names(der).iter().any(|name| wanted(name))
    }
}

/// The names of a certificate: its common names, then its DNS names (RFC 5280, sections 4.1.2.6 and 4.2.1.6); none of one
/// that can't be read.
pub(crate) fn names(der: &CertificateDer<'_>) -> Vec<Box<str>> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut names: Vec<Box<str>> = common.map(Box::from).collect();
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.into_iter().flat_map(|names| &names.value.general_names);
    names.extend(alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(Box::from(*name)),
        _ => None,
    }));
    names
}

/// Sent as the alert `handshake_failure`, whatever is wrong.
fn refused<T>(cause: &str) -> Result<T, rustls::Error> {
    Err(rustls::Error::General(format!("the client's certificate is refused: {cause}")))
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.inner.verify_client_cert(end_entity, intermediates, now) {
            Ok(verified) if self.is_named(end_entity) => Ok(verified),
            Ok(_) => refused("it has another name"),
            Err(error) => refused(&error.to_string()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
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
    let inner = builder.build().map_err(|source| Error::ClientVerifier { path: clients.roots.clone(), source })?;
    Ok(match clients.subject_names.is_empty() {
        true => inner,
        false => Arc::new(Named { inner, names: clients.subject_names.clone() }),
    })
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
