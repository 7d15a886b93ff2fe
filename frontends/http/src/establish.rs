//! From an accepted socket to a connection that can speak HTTP: PROXY header, TLS handshake, and who is there.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{AlertDescription, Error as TlsError, server::Acceptor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::{
    Counters, Peer, Remote, TlsHandle, TlsInfo,
    address::{Network, trusted},
    connection::Shared,
    counters::count,
    limits::{LINGER_BYTES, LINGER_TIME},
    peer::ApplicationProtocol,
    proxy::{self, ProxyError},
    socket::Carrier,
    tls::{H2, HTTP_1_1},
};

/// A socket as `accept` returned it.
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// What is needed to make a [`Peer`] of a socket.
pub(crate) struct Gate {
    pub(crate) name: Arc<str>,
    pub(crate) proxy_sources: Option<Arc<[Network]>>,
    pub(crate) trusted_proxies: Arc<[Network]>,
    pub(crate) handshakes: Semaphore,
}

/// A connection ready for HTTP, and the reload that its handshake was made after.
pub(crate) struct Established {
    pub(crate) carrier: Carrier,
    pub(crate) peer: Arc<Peer>,
    pub(crate) generation: u64,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it took too long")]
    TimedOut,
    #[error("the PROXY header comes from {0}, which is not trusted to send one")]
    UntrustedProxy(SocketAddr),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Brings a connection up within the time for it. A failure is counted, and told to the log at debug level: strangers
/// can cause any number of them.
pub(crate) async fn establish(accepted: Accepted, gate: &Gate, shared: &Shared) -> Option<Established> {
    let attempt = timeout(shared.limits.handshake_time, attempt(accepted, gate, shared.tls.as_deref())).await;
    match attempt.unwrap_or(Err(Failure::TimedOut)) {
        Ok(established) => Some(established),
        Err(failure) => {
            failure.count(&shared.counters);
            tracing::debug!(listener = &*gate.name, %failure, "a connection was not established");
            None
        }
    }
}

async fn attempt(accepted: Accepted, gate: &Gate, tls: Option<&TlsHandle>) -> Result<Established, Failure> {
    let (stream, remote) = match accepted {
        Accepted::Unix(stream) => {
            let process = stream.peer_cred()?;
            let remote = Remote::Unix { uid: process.uid(), gid: process.gid(), pid: process.pid() };
            return Ok(gate.established(Carrier::Unix(stream), remote, None, 0));
        }
        Accepted::Tcp(mut stream, address) => {
            stream.set_nodelay(true)?;
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            let source = match &gate.proxy_sources {
                Some(sources) => proxied(&mut stream, address, sources).await?,
                None => address,
            };
            (stream, Remote::Tcp(source))
        }
    };
    let Some(tls) = tls else {
        return Ok(gate.established(Carrier::Tcp(stream), remote, None, 0));
    };
    // A client that says nothing holds its connection, and no turn to shake hands.
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let turn = gate.handshakes.acquire().await;
    // Read before the configuration: a reload in between leads to one check too many rather than to none.
    let generation = tls.generation();
    let accepting = hello.into_stream(Arc::clone(&tls.current().server)).into_fallible();
    let stream = match accepting.await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            drop(turn);
            linger(stream).await;
            return Err(error.into());
        }
    };
    drop(turn);
    let info = describe(&stream);
    Ok(gate.established(Carrier::Tls(Box::new(stream)), remote, Some(info), generation))
}

impl Gate {
    fn established(&self, carrier: Carrier, remote: Remote, tls: Option<TlsInfo>, generation: u64) -> Established {
        let peer = Peer::new(Arc::clone(&self.name), remote, tls, Arc::clone(&self.trusted_proxies));
        Established { carrier, peer: Arc::new(peer), generation }
    }
}

/// Lets a refused client read why. A client of TLS 1.3 sends its request before it hears that its certificate is refused; to
/// close a socket with that unread would take the alert back from it.
async fn linger(mut stream: TcpStream) {
    let draining = async {
        stream.shutdown().await?;
        let mut left = LINGER_BYTES;
        let mut unread = [0; 1024];
        while left > 0 {
            match stream.read(&mut unread).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok::<(), io::Error>(())
    };
    // Nothing more is owed to a client that was refused.
    let _ = timeout(LINGER_TIME, draining).await;
}

/// The address that a load balancer connects for, its own if it names none.
async fn proxied(stream: &mut TcpStream, from: SocketAddr, sources: &[Network]) -> Result<SocketAddr, Failure> {
    if !trusted(sources, from.ip()) {
        return Err(Failure::UntrustedProxy(from));
    }
    let mut bytes = Vec::new();
    loop {
        match proxy::parse(&bytes) {
            Ok(header) => return Ok(header.source.unwrap_or(from)),
            // Exactly what is missing: what comes after the header belongs to TLS.
            Err(ProxyError::Incomplete { missing }) => {
                let start = bytes.len();
                bytes.resize(start + missing, 0);
                stream.read_exact(bytes.get_mut(start..).unwrap_or_default()).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn describe(stream: &TlsStream<TcpStream>) -> TlsInfo {
    let (_, session) = stream.get_ref();
    TlsInfo {
        version: session.protocol_version().unwrap_or(rustls::ProtocolVersion::Unknown(0)),
        cipher_suite: session.negotiated_cipher_suite().map_or(rustls::CipherSuite::Unknown(0), |suite| suite.suite()),
        group: session.negotiated_key_exchange_group().map(|group| group.name()),
        application_protocol: match session.alpn_protocol() {
            Some(protocol) if protocol == H2 => Some(ApplicationProtocol::Http2),
            Some(protocol) if protocol == HTTP_1_1 => Some(ApplicationProtocol::Http1),
            _ => None,
        },
        server_name: session.server_name().map(Into::into),
        client_certificates: session
            .peer_certificates()
            .map(|chain| chain.iter().map(|certificate| certificate.clone().into_owned()).collect())
            .unwrap_or_default(),
    }
}

impl Failure {
    fn count(&self, counters: &Counters) {
        count(match self {
            Self::TimedOut => &counters.handshakes_timed_out,
            Self::UntrustedProxy(_) | Self::Proxy(_) => &counters.proxy_headers_refused,
            Self::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
                None => &counters.handshakes_disconnected,
                Some(TlsError::NoCertificatesPresented) => &counters.handshakes_without_certificate,
                Some(
                    TlsError::InvalidCertificate(_) | TlsError::InvalidCertRevocationList(_) | TlsError::General(_),
                ) => &counters.handshakes_certificate_refused,
                Some(TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol) => {
                    &counters.handshakes_incompatible
                }
                Some(TlsError::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled)) => {
                    &counters.handshakes_disconnected
                }
                Some(_) => &counters.handshakes_malformed,
            },
        });
    }
}
