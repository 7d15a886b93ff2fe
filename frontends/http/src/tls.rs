//! TLS per listener: groups, suites, certificates, and their reload.
//!
//! TLS 1.3 (RFC 8446), and TLS 1.2 (RFC 5246) on listeners whose profile says so, for clients that may not speak the newer
//! one. Suites and groups and their order are set here, and are no setting; a hybrid of ML-KEM-768 comes first. Whether a
//! handshake uses it is the client's choice, who sends a share for it or does not.
//!
//! Absent: anything older, 0-RTT, renegotiation, OCSP (neither stapled nor asked), fetching of revocation lists, several certificates on
//! one listener, and resumption where clients show certificates: a resumed session would not look at them again.
//! Certificates are judged by the machine's clock, which TLS can't do without.

mod certificates;

pub(crate) use self::certificates::names;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, Ticketer, cipher_suite, kx_group},
    },
    pki_types::{CertificateDer, UnixTime},
    server::{NoServerSessionStorage, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};

use crate::Error;

/// The application protocols, in our order of preference (RFC 7301, RFC 9113 section 3.2, RFC 9112).
pub(crate) const H2: &[u8] = b"h2";
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// How one listener speaks TLS: settings and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProfile {
    /// PEM file of the certificate chain, the listener's own certificate first. RSA from 2048 bits, ECDSA over P-256
    /// or P-384.
    pub certificate_chain: PathBuf,
    /// PEM file of the certificate's private key: PKCS #8, PKCS #1 or SEC1, unencrypted.
    pub private_key: PathBuf,
    /// Whether and how clients show certificates; `None`: they are not asked.
    pub clients: Option<ClientCertificates>,
    /// The oldest version that is spoken.
    pub floor: Floor,
    /// PEM file of the certificates one of which the chain must lead to without a gap; `None`: only its order is checked.
    pub authorities: Option<PathBuf>,
}

/// The oldest version of TLS that a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Floor {
    /// TLS 1.3 alone.
    #[default]
    Tls13,
    /// TLS 1.2, too, with ephemeral elliptic curves and AES-256-GCM only; keys of 256 bits in TLS 1.3 as well.
    Tls12,
}

impl TlsProfile {
    /// The given certificate and key; clients are not asked for certificates.
    pub fn new(certificate_chain: impl Into<PathBuf>, private_key: impl Into<PathBuf>) -> Self {
        Self {
            certificate_chain: certificate_chain.into(),
            private_key: private_key.into(),
            clients: None,
            floor: Floor::default(),
            authorities: None,
        }
    }
}

/// How a listener asks clients for certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM file of the certificates that client chains may end in.
    pub roots: PathBuf,
    /// Whether a client without one is refused. A certificate that does not verify is refused in any case.
    pub required: bool,
    /// PEM files of certificate revocation lists. If there are any, every certificate of a chain needs one that speaks
    /// for its issuer and has not expired; without any, nothing is revoked.
    pub revocation_lists: Vec<PathBuf>,
    /// Names one of which a client's certificate must have, as its common name or a DNS name; any, where there are none. Where
    /// there are some, every certificate that is refused is answered by the alert `handshake_failure`.
    pub subject_names: Vec<String>,
}

/// A listener's TLS configuration, which can be exchanged while it serves.
#[derive(Debug)]
pub struct TlsHandle {
    loaded: ArcSwap<Loaded>,
    generation: AtomicU64,
}

/// One reading of a profile's files.
#[derive(Debug)]
pub(crate) struct Loaded {
    profile: TlsProfile,
    pub(crate) server: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    not_after: i64,
    chain: Vec<CertificateDer<'static>>,
}

impl TlsHandle {
    /// Reads a profile's files. Blocks on the file system.
    ///
    /// # Errors
    /// Each names the file and what is wrong with it.
    pub fn load(profile: TlsProfile) -> Result<Self, Error> {
        Ok(Self { loaded: ArcSwap::from_pointee(load(profile)?), generation: AtomicU64::new(0) })
    }

    /// Reads the files again and uses them for new connections. Connections that are open stay so, but those whose
    /// client certificates no longer verify are closed. Blocks on the file system.
    ///
    /// # Errors
    /// As for [`TlsHandle::load`]; the configuration in use then stays in use.
    pub fn reload(&self) -> Result<(), Error> {
        self.replace(self.loaded.load().profile.clone())
    }

    /// Exchanges the profile for another and reads its files, otherwise as [`TlsHandle::reload`].
    ///
    /// # Errors
    /// As for [`TlsHandle::load`]; the profile in use then stays in use.
    pub fn replace(&self, profile: TlsProfile) -> Result<(), Error> {
        self.loaded.store(Arc::new(load(profile)?));
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// When the listener's certificate expires, in seconds since 1970 (RFC 5280 section 4.1.2.5).
    pub fn not_after(&self) -> i64 {
        self.loaded.load().not_after
    }

    /// For how many seconds from a time, given in seconds since 1970, every certificate of the chain goes on holding.
    ///
    /// # Errors
    /// [`Error::Expired`] and [`Error::NotYetValid`] for the first certificate that does not hold then.
    pub fn holds_for(&self, now: i64) -> Result<i64, Error> {
        let loaded = self.loaded.load();
        certificates::check_dates(&loaded.profile.certificate_chain, &loaded.chain, now)
    }

    /// Whether the listener's own certificate is one of an authority (RFC 5280 section 4.2.1.9), which strict clients refuse.
    pub fn is_authority(&self) -> bool {
        self.loaded.load().chain.first().is_some_and(certificates::is_authority)
    }

    /// How many reloads there were.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn current(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Whether a client's chain verifies now, by the configuration in use now.
    pub(crate) fn trusts(&self, chain: &[CertificateDer<'static>]) -> bool {
        let loaded = self.loaded.load();
        let (Some(verifier), Some((end_entity, intermediates))) = (&loaded.clients, chain.split_first()) else {
            return false;
        };
        verifier.verify_client_cert(end_entity, intermediates, UnixTime::now()).is_ok()
    }
}

/// The cryptography of every listener: what is offered, and in which order.
fn provider(floor: Floor) -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        cipher_suites: match floor {
            Floor::Tls13 => vec![
                cipher_suite::TLS13_AES_256_GCM_SHA384,
                cipher_suite::TLS13_AES_128_GCM_SHA256,
                cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
            Floor::Tls12 => vec![
                cipher_suite::TLS13_AES_256_GCM_SHA384,
                cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            ],
        },
        ..aws_lc_rs::default_provider()
    }
}

fn load(profile: TlsProfile) -> Result<Loaded, Error> {
    let refused = |source| Error::Tls { source };
    let provider = Arc::new(provider(profile.floor));
    let (certified, not_after) =
        certificates::certified_key(&profile.certificate_chain, &profile.private_key, &provider)?;
    if let Some(authorities) = &profile.authorities {
        certificates::check_complete(&profile.certificate_chain, &certified.cert, authorities, &provider)?;
    }
    let clients =
        profile.clients.as_ref().map(|clients| certificates::client_verifier(clients, &provider)).transpose()?;

    let versions = [&TLS13, &TLS12];
    let versions = match profile.floor {
        Floor::Tls13 => versions.get(..1).unwrap_or_default(),
        Floor::Tls12 => &versions,
    };
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).map_err(refused)?;
    let builder = match &clients {
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
        None => builder.with_no_client_auth(),
    };
    let chain = certified.cert.clone();
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    server.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    server.ignore_client_order = true;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    if clients.is_some() {
        server.send_tls13_tickets = 0;
    } else {
        // Tickets of our own keys, which end with this configuration.
        server.ticketer = Ticketer::new().map_err(refused)?;
    }
    Ok(Loaded { profile, server: Arc::new(server), clients, not_after, chain })
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_groups_are_these_in_this_order() {
        let names: Vec<_> = provider(Floor::Tls13).kx_groups.iter().map(|group| group.name()).collect();
        let expected = [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
        assert_eq!(names, expected);
    }

    #[test]
    fn every_suite_is_one_of_tls_1_3_unless_the_floor_is_lower() {
        for suite in provider(Floor::Tls13).cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.starts_with("TLS13_"), "{name}");
        }
        for suite in provider(Floor::Tls12).cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.contains("AES_256_GCM_SHA384") || name == "TLS13_CHACHA20_POLY1305_SHA256", "{name}");
            assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
        }
    }
}
