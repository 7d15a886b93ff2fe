//! Connections to one proxy: made, kept for a while, used again, and made anew where a kept one was closed. HTTP/1.1,
//! which every proxy speaks.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use strongroom_model::id::TenantId;
use strongroom_sigv4::{SecretBytes, SignatureHeaders};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use crate::error::{InvalidResponse, Unreachable, XksError};
use crate::limits;
use crate::names::Names;

type Sender = SendRequest<Full<Bytes>>;

/// How a host is reached.
pub(crate) enum Way {
    /// Its name's public addresses, port 443, looked up for a tenant.
    Public(Arc<Names>, TenantId),
    /// Where the operator said.
    Routed(SocketAddr),
    /// Not at all: no operator named it.
    Closed,
}

/// A signed request, ready to be sent more than once.
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) signature: SignatureHeaders,
    pub(crate) body: Bytes,
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: SecretBytes,
}

/// Connections to one host.
pub(crate) struct Link {
    host: Box<str>,
    way: Way,
    tls: Arc<ClientConfig>,
    pool: Arc<Mutex<Pool>>,
}

/// The connections that wait to be used again.
#[derive(Default)]
struct Pool {
    /// Used last at the end, and taken from there, so that those that are not needed grow old.
    kept: Vec<Kept>,
    /// Whether somebody closes those that are too old.
    watched: bool,
}

struct Kept {
    sender: Sender,
    until: Instant,
}

impl Pool {
    /// Closes what is too old.
    fn prune(&mut self) {
        let now = Instant::now();
        self.kept.retain(|kept| !kept.sender.is_closed() && now < kept.until);
    }
}

impl Link {
    pub(crate) fn new(host: &str, way: Way, tls: Arc<ClientConfig>) -> Self {
        Self { host: host.into(), way, tls, pool: Arc::default() }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request and reads the answer. A kept connection that ends without an answer is replaced once: each call
    /// of the interface may be repeated. Whoever stops waiting does so at the deadline, of which parts are granted here.
    pub(crate) async fn exchange(&self, post: &Post, deadline: Instant) -> Result<Answer, XksError> {
        if let Some(kept) = self.take()
            && let Ok((sender, response)) = send(kept, &self.host, post).await
        {
            return self.read(sender, response).await;
        }
        let sender = self.connect(deadline).await?;
        let (sender, response) = send(sender, &self.host, post).await.map_err(broken)?;
        self.read(sender, response).await
    }

    /// The kept connection that was used last, if it is still good for anything.
    fn take(&self) -> Option<Sender> {
        let mut pool = self.pool.lock();
        pool.prune();
        pool.kept.pop().map(|kept| kept.sender)
    }

    fn keep(&self, sender: Sender) {
        let mut pool = self.pool.lock();
        if pool.kept.len() < limits::CALLS {
            pool.kept.push(Kept { sender, until: Instant::now() + limits::KEPT });
        }
        if !pool.watched {
            pool.watched = true;
            tokio::spawn(close_in_time(Arc::downgrade(&self.pool)));
        }
    }

    /// Closes what is kept: where one connection hangs, the others do as well.
    pub(crate) fn forget(&self) {
        self.pool.lock().kept.clear();
    }

    async fn connect(&self, deadline: Instant) -> Result<Sender, XksError> {
        let socket = match &self.way {
            Way::Public(names, tenant) => {
                let addresses = names.addresses(*tenant, &self.host, std::time::Instant::now()).await?;
                first(&addresses, deadline).await
            }
            Way::Routed(address) => TcpStream::connect(address).await,
            Way::Closed => return Err(Unreachable::Unlisted.into()),
        };
        let socket = socket.map_err(Unreachable::Connect)?;
        socket.set_nodelay(true).map_err(Unreachable::Connect)?;
        let name = ServerName::try_from(self.host.to_string());
        let name = name.map_err(|_| XksError::Tls(rustls::Error::UnsupportedNameType))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, socket).await.map_err(broken)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(limits::HEAD_BYTES).max_headers(limits::HEADERS);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends when its sender is dropped, or with the connection; what went wrong, the sender tells.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Reads the body, and keeps the connection if that went well.
    async fn read(&self, sender: Sender, response: Response<Incoming>) -> Result<Answer, XksError> {
        let status = response.status();
        let mut incoming = response.into_body();
        let announced = incoming.size_hint().upper().unwrap_or(limits::ANSWER_BYTES as u64);
        let room = usize::try_from(announced).unwrap_or(usize::MAX);
        if room > limits::ANSWER_BYTES {
            return Err(InvalidResponse::TooLarge.into());
        }
        // Never grows: it may hold a plaintext, of which a growing buffer would leave copies.
        let mut body = Vec::with_capacity(room);
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(broken)?;
            let Some(data) = frame.data_ref() else { continue };
            if body.len() + data.len() > room {
                return Err(InvalidResponse::TooLarge.into());
            }
            body.extend_from_slice(data);
        }
        self.keep(sender);
        Ok(Answer { status, body: SecretBytes::take(body) })
    }
}

/// Closes connections when their time is over, until none is kept.
async fn close_in_time(pool: Weak<Mutex<Pool>>) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let mut pool = pool.lock();
            pool.prune();
            let next = pool.kept.iter().map(|kept| kept.until).min();
            pool.watched = next.is_some();
            next
        };
        match next {
            Some(until) => sleep_until(until).await,
            None => return,
        }
    }
}

/// The first connection to any of these addresses, each of which has a head start of a part of the time that is left, so
/// that one where nobody answers does not take all of it.
async fn first(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let head_start = deadline.saturating_duration_since(Instant::now()) / limits::HEAD_START;
    let mut tries = JoinSet::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut left = addresses.iter().take(limits::ADDRESSES);
    loop {
        let next = left.next();
        if let Some(address) = next {
            tries.spawn(TcpStream::connect(*address));
        }
        let patience = if left.len() == 0 { limits::DEADLINE_MOST } else { head_start };
        match timeout(patience, tries.join_next()).await {
            Ok(Some(Ok(Ok(socket)))) => return Ok(socket),
            Ok(Some(Ok(Err(error)))) => failure = error,
            Ok(Some(Err(stopped))) => failure = stopped.into(),
            Ok(None) => return Err(failure),
            // The next one is tried as well.
            Err(_) => {}
        }
    }
}

/// Sends a request; the sender comes back with the head of the answer.
async fn send(mut sender: Sender, host: &str, post: &Post) -> Result<(Sender, Response<Incoming>), Failed> {
    let mut request = Request::builder().method(Method::POST).uri(&post.path).header(header::HOST, host);
    request = request.header(header::CONTENT_TYPE, "application/json");
    for (name, value) in post.signature.iter() {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(post.body.clone()))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    Ok((sender, response))
}

type Failed = Box<dyn Error + Send + Sync>;

/// Tells a TLS failure from a connection that broke: under TLS 1.3 an alert may come as late as the first answer.
fn broken(error: impl Into<Failed>) -> XksError {
    let error = error.into();
    match tls_error(error.as_ref()) {
        Some(tls) => XksError::Tls(tls),
        None => Unreachable::Broken(error).into(),
    }
}

fn tls_error(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.clone());
        }
        // An I/O error's source is the source of what it wraps, which itself must be asked for.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::RootCertStore;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn threads() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn link() -> Link {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        Link::new("xks.example.com", Way::Closed, Arc::new(tls))
    }

    #[test]
    fn a_kept_connection_is_closed_when_its_time_is_over_though_nobody_asks() {
        threads().block_on(async {
            tokio::time::pause();
            let (link, began) = (link(), Instant::now());
            for _ in 0..2 {
                let (ours, mut theirs) = duplex(limits::HEAD_BYTES);
                let (sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
                tokio::spawn(connection);
                let kept = Instant::now();
                link.keep(sender);
                assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
                let took = kept.elapsed();
                assert!((limits::KEPT..limits::KEPT + Duration::from_millis(2)).contains(&took), "{took:?}");
            }
            assert!(began.elapsed() >= limits::KEPT * 2);
        });
    }

    /// An address that answers nothing: its queue of connections is full.
    async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (listener, mut full) = (socket.listen(0).unwrap(), Vec::new());
        let address = listener.local_addr().unwrap();
        while let Ok(taken) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
            full.push(taken.unwrap());
        }
        (address, listener, full)
    }

    #[test]
    fn an_address_that_does_not_answer_leaves_time_for_the_others() {
        threads().block_on(async {
            let (dead, _queue, _full) = black_hole().await;
            let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let open = open.local_addr().map(|address| (address, open)).unwrap();
            let time = Duration::from_secs(4);
            let found = timeout(time, first(&[dead, dead, open.0], Instant::now() + time)).await.unwrap().unwrap();
            assert_eq!(found.peer_addr().unwrap(), open.0);
        });
    }

    #[test]
    fn where_no_address_takes_a_connection_the_last_refusal_is_told() {
        threads().block_on(async {
            // Bound, so that nobody else listens there either.
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let closed = socket.local_addr().unwrap();
            let told = first(&[closed, closed], Instant::now() + limits::DEADLINE_MOST).await.unwrap_err();
            assert_eq!(told.kind(), io::ErrorKind::ConnectionRefused);
        });
    }
}
