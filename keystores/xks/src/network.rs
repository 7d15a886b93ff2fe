//! Where proxies may be reached, whom to trust there, and the threads that carry their calls.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use strongroom_model::clock::Clock;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::client::{Client, Target};
use crate::endpoint::is_qualified;
use crate::limits;
use crate::link::{Link, Way};

/// An operator's word on where a host is: for proxies without a public address or a public certificate.
pub struct Route {
    /// The domain name that endpoints have.
    pub host: String,
    /// Where it is asked instead of port 443 of what the name resolves to.
    pub address: SocketAddr,
    /// Its certificate authorities in PEM, which are then the only ones for this host; `None` for the common ones.
    pub authorities: Option<Vec<u8>>,
}

/// Why no proxy can be asked from here.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No threads.
    #[error("the threads that ask XKS proxies could not be started")]
    Threads(#[source] std::io::Error),
    /// The TLS library refuses its own suites.
    #[error("TLS towards XKS proxies could not be set up")]
    Tls(#[source] rustls::Error),
    /// A route for what no endpoint can be.
    #[error("a route's host must be a domain name: {host}")]
    Host {
        /// As it was given.
        host: String,
    },
    /// A route's authorities hold none.
    #[error("the authorities for {host} hold no certificate that can be one")]
    Authorities {
        /// The route's host.
        host: String,
    },
}

struct Destination {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// What all proxies share. Its threads end with the last client.
pub struct Network {
    runtime: Arc<Threads>,
    clock: Arc<dyn Clock>,
    routes: HashMap<String, Destination>,
    tls: Arc<ClientConfig>,
}

/// Dropping a run time waits for its threads, which one of them could not.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// Where to start a call's work; `None` never occurs before the drop.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Network {
    /// Starts the threads. `authorities` are the certificate authorities in PEM for every host without its own; what
    /// can't be read of them is passed over. `clock` gives the time that requests are signed at.
    ///
    /// A host without a route is asked only where its name has a public IPv4 address: the names come from tenants, and
    /// must not lead into the operator's own network.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn start(
        authorities: &[u8],
        routes: impl IntoIterator<Item = Route>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NetworkError> {
        let mut destinations = HashMap::new();
        for Route { host, address, authorities } in routes {
            if !is_qualified(&host) {
                return Err(NetworkError::Host { host });
            }
            let tls = authorities.map(|pem| match read_authorities(&pem) {
                none if none.is_empty() => Err(NetworkError::Authorities { host: host.clone() }),
                some => client_tls(some),
            });
            destinations.insert(host.to_ascii_lowercase(), Destination { address, tls: tls.transpose()? });
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits::THREADS)
            .max_blocking_threads(limits::NAME_THREADS)
            .thread_name("xks-client")
            .enable_io()
            .enable_time()
            .build()
            .map_err(NetworkError::Threads)?;
        let tls = client_tls(read_authorities(authorities))?;
        Ok(Self { runtime: Arc::new(Threads(Some(runtime))), clock, routes: destinations, tls })
    }

    /// A client of one proxy. Nothing is asked yet.
    #[must_use]
    pub fn client(&self, target: Target) -> Client {
        let route = self.routes.get(target.endpoint.host());
        let way = route.map_or(Way::Public, |route| Way::Routed(route.address));
        let tls = route.and_then(|route| route.tls.as_ref()).unwrap_or(&self.tls);
        let link = Link::new(target.endpoint.host(), way, Arc::clone(tls));
        Client::new(Arc::clone(&self.runtime), Arc::clone(&self.clock), link, target)
    }
}

/// TLS 1.3 and 1.2 with the suites that AWS KMS offers a proxy, and no others.
fn client_tls(authorities: RootCertStore) -> Result<Arc<ClientConfig>, NetworkError> {
    let suites = vec![
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ];
    let provider = CryptoProvider { cipher_suites: suites, ..aws_lc_rs::default_provider() };
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&versions);
    let builder = builder.map_err(NetworkError::Tls)?.with_root_certificates(authorities);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_authorities(pem: &[u8]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem).flatten() {
        // One odd certificate of a bundle is no reason to trust none of the others.
        let _ = store.add(certificate);
    }
    store
}

/// Whether an address is one that anybody may have: no special purpose in the registries of RFC 6890.
pub(crate) fn is_public(address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let protocols = first == 192 && second == 0 && third == 0;
    let benchmarks = first == 198 && (second == 18 || second == 19);
    let own = address.is_private() || address.is_loopback() || address.is_link_local();
    let nobody = first == 0 || first >= 224 || address.is_documentation();
    !(own || nobody || shared || protocols || benchmarks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ones_own_network_are_not_public() {
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.1",
            "::1",
            "fe80::1",
            "2001:4860:4860::8888",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "52.94.0.1", "100.128.0.1", "172.32.0.1", "198.20.0.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
