//! Connections to one proxy: made, kept, used again, and made anew where a kept one was closed. HTTP/1.1, which every
//! proxy speaks.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use strongroom_sigv4::{SecretBytes, SignatureHeaders};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::error::{InvalidResponse, Unreachable, XksError};
use crate::limits;
use crate::names::Names;

type Sender = SendRequest<Full<Bytes>>;

/// How a host is reached.
pub(crate) enum Way {
    /// Its name's public addresses, port 443.
    Public(Arc<Names>),
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
    /// Used last at the end, and taken from there, so that those that are not needed grow old.
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    sender: Sender,
    since: Instant,
}

impl Link {
    pub(crate) fn new(host: &str, way: Way, tls: Arc<ClientConfig>) -> Self {
        Self { host: host.into(), way, tls, kept: Mutex::new(Vec::new()) }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request and reads the answer. A kept connection that ends without an answer is replaced once: each call
    /// of the interface may be repeated.
    pub(crate) async fn exchange(&self, post: &Post) -> Result<Answer, XksError> {
        if let Some(kept) = self.take()
            && let Ok((sender, response)) = send(kept, &self.host, post).await
        {
            return self.read(sender, response).await;
        }
        let sender = self.connect().await?;
        let (sender, response) = send(sender, &self.host, post).await.map_err(broken)?;
        self.read(sender, response).await
    }

    /// The kept connection that was used last, if it is still good for anything.
    fn take(&self) -> Option<Sender> {
        let mut kept = self.kept.lock();
        kept.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < limits::KEPT);
        kept.pop().map(|kept| kept.sender)
    }

    fn keep(&self, sender: Sender) {
        let mut kept = self.kept.lock();
        if kept.len() < limits::CALLS {
            kept.push(Kept { sender, since: Instant::now() });
        }
    }

    async fn connect(&self) -> Result<Sender, XksError> {
        let socket = match &self.way {
            Way::Public(names) => {
                TcpStream::connect(&*names.addresses(&self.host, std::time::Instant::now()).await?).await
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
