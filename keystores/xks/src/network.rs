//! Where proxies may be reached, whom to trust there, and the threads that carry their calls.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use strongroom_model::clock::Clock;
use strongroom_model::id::TenantId;
use strongroom_sigv4::SecretBytes;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::client::{Client, Target};
use crate::counts::Counts;
use crate::endpoint::{is_host, is_service};
use crate::limits;
use crate::link::{Link, Way};
use crate::names::Names;

/// What an operator says of the hosts that may be asked.
#[derive(Default)]
pub struct Hosts<'a> {
    /// Certificate authorities in PEM, for every host without its own; what can't be read of them is passed over.
    pub authorities: &'a [u8],
    /// The hosts that the operator has more to say of.
    pub routes: Vec<Route>,
    /// Whether no other hosts may be asked.
    pub only_routes: bool,
}

/// An operator's word on a host: for proxies without a public address or a public certificate.
pub struct Route {
    /// The domain name that endpoints have.
    pub host: String,
    /// The VPC endpoint service by which it is asked: the route is then for those who name it, and for them alone.
    pub service: Option<String>,
    /// Where it is asked; `None` for port 443 of the public addresses that the name resolves to.
    pub address: Option<SocketAddr>,
    /// Its certificate authorities in PEM, which are then the only ones for this host; `None` for the common ones.
    pub authorities: Option<Vec<u8>>,
    /// What is shown to it.
    pub certificate: Option<ClientCertificate>,
    /// How long a call may take, at most [`limits::DEADLINE_MOST`]; `None` for [`limits::DEADLINE`].
    pub deadline: Option<Duration>,
}

impl Route {
    /// A route that changes nothing yet.
    #[must_use]
    pub const fn new(host: String) -> Self {
        Self { host, service: None, address: None, authorities: None, certificate: None, deadline: None }
    }
}

/// A certificate that is shown to a proxy which asks for one.
pub struct ClientCertificate {
    /// PEM: its own certificate first.
    pub chain: Vec<u8>,
    /// PEM: its private key.
    pub key: SecretBytes,
}

/// Why no proxy can be asked from here.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No threads.
    #[error("the threads that ask XKS proxies could not be started")]
    Threads(#[source] io::Error),
    /// The TLS library refuses its own suites.
    #[error("TLS towards XKS proxies could not be set up")]
    Tls(#[source] rustls::Error),
    /// A route for what no endpoint can be.
    #[error("a route's host must be a domain name: {host}")]
    Host {
        /// As it was given.
        host: String,
    },
    /// A route for what no VPC endpoint service can be.
    #[error("no VPC endpoint service has this name: {service}")]
    Service {
        /// As it was given.
        service: String,
    },
    /// A route's deadline is out of bounds.
    #[error("the deadline for {host} must be above 0 and at most 10 s")]
    Deadline {
        /// The route's host.
        host: String,
    },
    /// Two routes for the same.
    #[error("there are two routes for {host} by the same service, or by none")]
    Twice {
        /// Their host.
        host: String,
    },
    /// A route's authorities hold none.
    #[error("the authorities for {host} hold no certificate that can be one")]
    Authorities {
        /// The route's host.
        host: String,
    },
    /// A route's certificate can't be read.
    #[error("the client certificate for {host}, or its key, is not PEM")]
    CertificatePem {
        /// The route's host.
        host: String,
        /// Why.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// A route's certificate can't be shown.
    #[error("the client certificate for {host} cannot be used with its key")]
    Certificate {
        /// The route's host.
        host: String,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
}

/// A way to a host.
struct Destination {
    service: Option<String>,
    address: Option<SocketAddr>,
    tls: Arc<ClientConfig>,
    deadline: Duration,
}

/// What all proxies share. Its threads end with the last client.
pub struct Network {
    runtime: Arc<Threads>,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    routes: HashMap<String, Vec<Destination>>,
    only_routes: bool,
    names: Arc<Names>,
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
    /// Starts the threads. `clock` gives the time that requests are signed at.
    ///
    /// A host without a route is asked only where its name has a public IPv4 address: the names come from tenants, and
    /// must not lead into the operator's own network.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn start(hosts: Hosts<'_>, clock: Arc<dyn Clock>) -> Result<Self, NetworkError> {
        let common = Arc::new(read_authorities(hosts.authorities));
        let tls = client_tls(Arc::clone(&common), None)?;
        let mut routes: HashMap<String, Vec<Destination>> = HashMap::new();
        for route in hosts.routes {
            let host = route.host.to_ascii_lowercase();
            let destination = destination(route, &common, &tls)?;
            let ways = routes.entry(host.clone()).or_default();
            if ways.iter().any(|way| way.service == destination.service) {
                return Err(NetworkError::Twice { host });
            }
            ways.push(destination);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits::THREADS)
            .max_blocking_threads(limits::LOOKUPS)
            .thread_name("xks-client")
            .enable_io()
            .enable_time()
            .build()
            .map_err(NetworkError::Threads)?;
        let (runtime, names) = (Arc::new(Threads(Some(runtime))), Arc::new(Names::new(look_up)));
        let counts = Arc::default();
        Ok(Self { runtime, clock, counts, routes, only_routes: hosts.only_routes, names, tls })
    }

    /// A client of one proxy, by no service and for nobody in particular. Nothing is asked yet.
    #[must_use]
    pub fn client(&self, target: Target) -> Client {
        let route = self.route(target.endpoint.host(), None);
        self.client_by_route(TenantId::INSTALLATION, target, route)
    }

    /// The same by a VPC endpoint service, or by none; `None` where the operator has not said where the service leads.
    pub(crate) fn client_by(&self, tenant: TenantId, target: Target, service: Option<&str>) -> Option<Client> {
        let route = self.route(target.endpoint.host(), service);
        (route.is_some() || service.is_none()).then(|| self.client_by_route(tenant, target, route))
    }

    /// Tells how many calls to all managers ended in which way since the start: what was asked through the port.
    pub fn measure(&self, tell: &mut dyn FnMut(&str, u64)) {
        self.counts.measure(tell);
    }

    /// How many managers are left alone now, since they were not reached again and again.
    #[must_use]
    pub fn left_alone(&self) -> u64 {
        self.counts.open()
    }

    pub(crate) const fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// How long a call may take.
    pub(crate) fn deadline(&self, host: &str, service: Option<&str>) -> Duration {
        self.route(host, service).map_or(limits::DEADLINE, |route| route.deadline)
    }

    fn route(&self, host: &str, service: Option<&str>) -> Option<&Destination> {
        self.routes.get(host)?.iter().find(|route| route.service.as_deref() == service)
    }

    fn client_by_route(&self, tenant: TenantId, target: Target, route: Option<&Destination>) -> Client {
        let way = match route {
            Some(Destination { address: Some(address), .. }) => Way::Routed(*address),
            None if self.only_routes => Way::Closed,
            Some(Destination { address: None, .. }) | None => Way::Public(Arc::clone(&self.names), tenant),
        };
        let tls = route.map_or(&self.tls, |route| &route.tls);
        let link = Link::new(target.endpoint.host(), way, Arc::clone(tls));
        Client::new(Arc::clone(&self.runtime), Arc::clone(&self.clock), link, target)
    }
}

/// Reads a route; `tls` is for those that have nothing of their own to say of it.
fn destination(
    route: Route,
    common: &Arc<RootCertStore>,
    tls: &Arc<ClientConfig>,
) -> Result<Destination, NetworkError> {
    let Route { host, service, address, authorities, certificate, deadline } = route;
    if !is_host(&host) {
        return Err(NetworkError::Host { host });
    }
    if let Some(service) = service.as_ref().filter(|service| !is_service(service)) {
        return Err(NetworkError::Service { service: service.clone() });
    }
    let deadline = deadline.unwrap_or(limits::DEADLINE);
    if deadline.is_zero() || deadline > limits::DEADLINE_MOST {
        return Err(NetworkError::Deadline { host });
    }
    let tls = match (authorities, certificate) {
        (None, None) => Arc::clone(tls),
        (authorities, certificate) => {
            let authorities = authorities.map(|pem| Arc::new(read_authorities(&pem)));
            if authorities.as_ref().is_some_and(|authorities| authorities.is_empty()) {
                return Err(NetworkError::Authorities { host });
            }
            client_tls(
                authorities.unwrap_or_else(|| Arc::clone(common)),
                certificate.map(|shown| (host.as_str(), shown)),
            )?
        }
    };
    Ok(Destination { service, address, tls, deadline })
}

/// TLS 1.3 and 1.2 with the suites that AWS KMS offers a proxy, and no others. A host may be shown a certificate.
fn client_tls(
    authorities: Arc<RootCertStore>,
    certificate: Option<(&str, ClientCertificate)>,
) -> Result<Arc<ClientConfig>, NetworkError> {
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
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some((host, ClientCertificate { chain, key })) => {
            let pem = |cause| NetworkError::CertificatePem { host: host.to_owned(), cause };
            let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>().map_err(pem)?;
            let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(pem)?;
            let unusable = |cause| NetworkError::Certificate { host: host.to_owned(), cause };
            if chain.is_empty() {
                return Err(unusable(rustls::Error::NoCertificatesPresented));
            }
            builder.with_client_auth_cert(chain, key).map_err(unusable)?
        }
    };
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

/// By the operating system's resolver.
fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}
