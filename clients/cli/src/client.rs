//! The way to a server: one HTTP/1.1 connection for each request, over its Unix socket or over TLS 1.3.
//!
//! Absent on purpose: redirects, retries, proxies, plain HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use strongroom_admin_api::{DryRun, DryRunQuery, Endpoint, ErrorReply, Method, Page, PageQuery};
use strongroom_sigv4::{Credentials, SecretBytes, SigningTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::arguments::GlobalOptions;
use crate::error::CliError;
use crate::{Environment, limits, tls};

const SIGNING_SERVICE: &str = "strongroom";
/// Where requests are signed for when the environment does not say: the server takes any.
const REGION: &str = "us-east-1";
const USER_AGENT: &str = concat!("strongroom/", env!("CARGO_PKG_VERSION"));

/// A server, and what reaches it.
pub(crate) struct Client<'a> {
    environment: Environment<'a>,
    place: Place,
    runtime: Runtime,
}

enum Place {
    Socket(PathBuf),
    Https(Box<Https>),
}

struct Https {
    authority: String,
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    access_key_id: String,
    secret_access_key: SecretBytes,
    session_token: Option<String>,
    region: String,
}

/// A request as it is sent.
struct Asked {
    method: Method,
    path: String,
    query: String,
    body: Vec<u8>,
    /// Only what would come of it is asked.
    rehearsed: bool,
}

impl Asked {
    /// Whether it may change anything.
    fn is_changing(&self) -> bool {
        !self.rehearsed && self.method != Method::Get
    }
}

impl<'a> Client<'a> {
    /// The server that the command line names.
    pub(crate) fn new(global: &GlobalOptions, environment: Environment<'a>) -> Result<Self, CliError> {
        let place = match &global.endpoint {
            Some(url) => Place::Https(Box::new(Https::from_environment(url, environment)?)),
            None => Place::Socket(global.socket.clone()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        Ok(Self { environment, place, runtime: runtime.map_err(CliError::Output)? })
    }

    /// Asks for what has no body.
    pub(crate) fn ask<T: DeserializeOwned>(&self, endpoint: Endpoint, segments: &[&str]) -> Result<T, CliError> {
        self.send(asked(endpoint, segments))
    }

    /// Asks with a query.
    pub(crate) fn query<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        segments: &[&str],
        query: &impl Serialize,
    ) -> Result<T, CliError> {
        self.send(Asked { query: strongroom_admin_api::query::write(query), ..asked(endpoint, segments) })
    }

    /// Asks with a body.
    pub(crate) fn tell<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(body).map_err(|error| CliError::Usage(error.to_string()))?;
        self.send(Asked { body, ..asked(endpoint, segments) })
    }

    /// Asks what would come of a body, with nothing done.
    pub(crate) fn rehearse(
        &self,
        endpoint: Endpoint,
        segments: &[&str],
        body: &impl Serialize,
        dry_run: DryRun,
    ) -> Result<(), CliError> {
        let body = serde_json::to_vec(body).map_err(|error| CliError::Usage(error.to_string()))?;
        let query = strongroom_admin_api::query::write(&DryRunQuery { dry_run: Some(dry_run) });
        self.send(Asked { query, body, rehearsed: true, ..asked(endpoint, segments) })
    }

    /// Every item of a listing.
    pub(crate) fn all<T: DeserializeOwned>(&self, endpoint: Endpoint, segments: &[&str]) -> Result<Vec<T>, CliError> {
        self.every(endpoint, segments, |after| PageQuery { after, ..PageQuery::default() })
    }

    /// Every item of a listing that is asked for by a query of its own, which is made of where a page begins.
    pub(crate) fn every<T: DeserializeOwned, Q: Serialize>(
        &self,
        endpoint: Endpoint,
        segments: &[&str],
        query: impl Fn(Option<String>) -> Q,
    ) -> Result<Vec<T>, CliError> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let page: Page<T> = self.query(endpoint, segments, &query(after))?;
            items.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    fn send<T: DeserializeOwned>(&self, asked: Asked) -> Result<T, CliError> {
        let (status, answer) = self.runtime.block_on(self.exchange(asked))?;
        if !status.is_success() {
            return Err(self.refused(status, &answer));
        }
        let answer: &[u8] = if answer.is_empty() { b"null" } else { &answer };
        serde_json::from_slice(answer).map_err(|error| CliError::Strange {
            place: self.name(),
            status: status.as_u16(),
            text: format!("an answer that is not understood ({error}); are server and command line of one version?"),
        })
    }

    async fn exchange(&self, asked: Asked) -> Result<(StatusCode, Bytes), CliError> {
        let late = |_| self.unreachable("no connection in time");
        let changing = asked.is_changing();
        match &self.place {
            Place::Socket(path) => {
                let stream = timeout(limits::CONNECT_TIME, UnixStream::connect(path)).await.map_err(late)?;
                let stream = stream.map_err(|error| match error.kind() {
                    std::io::ErrorKind::PermissionDenied => CliError::Forbidden(self.name()),
                    _ => self.unreachable(&error.to_string()),
                })?;
                self.converse(stream, request(asked, "localhost", Vec::new())?, changing).await
            }
            Place::Https(https) => {
                let signature = https.sign(&asked, (self.environment.now)())?;
                let stream = timeout(limits::CONNECT_TIME, https.connect()).await.map_err(late)?;
                let stream = stream.map_err(|error| self.failed(&error))?;
                self.converse(stream, request(asked, &https.authority, signature)?, changing).await
            }
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
        changing: bool,
    ) -> Result<(StatusCode, Bytes), CliError> {
        // From here on the request may be with the server, whatever becomes of the answer.
        let unanswered = |cause: String| CliError::Unanswered { place: self.name(), cause, changing };
        let conversation = async {
            let begun = http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = begun.map_err(|error| self.unreachable(&causes(&error)))?;
            let answer = async {
                let response = sender.send_request(request).await.map_err(|error| unanswered(causes(&error)))?;
                let status = response.status();
                let body = Limited::new(response.into_body(), limits::ANSWER_BYTES).collect().await;
                drop(sender);
                Ok((status, body.map_err(|error| unanswered(causes(&*error)))?.to_bytes()))
            };
            // The connection makes progress only while it is looked at; its end after the answer says nothing more.
            let (answer, _) = join(answer, connection).await;
            answer
        };
        timeout(limits::ANSWER_TIME, conversation).await.map_err(|_| unanswered("no answer in time".to_owned()))?
    }

    fn refused(&self, status: StatusCode, answer: &[u8]) -> CliError {
        match serde_json::from_slice::<ErrorReply>(answer) {
            Ok(ErrorReply { error }) => CliError::Refused {
                status: status.as_u16(),
                code: error.code,
                message: error.message,
                remedy: error.remedy,
                last_use: error.last_use,
                request_id: error.request_id,
            },
            Err(_) => CliError::Strange {
                place: self.name(),
                status: status.as_u16(),
                text: String::from_utf8_lossy(answer).trim().chars().take(200).collect(),
            },
        }
    }

    fn name(&self) -> String {
        match &self.place {
            Place::Socket(path) => format!("the server at {}", path.display()),
            Place::Https(https) => format!("the server at https://{}", https.authority),
        }
    }

    /// Why there is no connection over TLS.
    fn failed(&self, error: &std::io::Error) -> CliError {
        match tls::refusal(error) {
            Some((cause, remedy)) => CliError::Untrusted { place: self.name(), cause, remedy },
            None => self.unreachable(&error.to_string()),
        }
    }

    fn unreachable(&self, cause: &str) -> CliError {
        CliError::Unreachable { place: self.name(), cause: cause.to_owned() }
    }
}

impl Https {
    fn from_environment(url: &str, environment: Environment<'_>) -> Result<Self, CliError> {
        let fault = || CliError::Usage(format!("--endpoint {url:?} is not of the form https://HOST:PORT"));
        let uri: Uri = url.parse().map_err(|_| fault())?;
        let plain = uri.path().trim_matches('/').is_empty() && uri.query().is_none();
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https") && plain).ok_or_else(fault)?;
        let variable = |name: &'static str| environment.variable(name);
        let required = |name| variable(name).ok_or(CliError::Environment(name));
        Ok(Self {
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(443),
            tls: tls::config(environment)?,
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: SecretBytes::take(required("AWS_SECRET_ACCESS_KEY")?.into_bytes()),
            session_token: variable("AWS_SESSION_TOKEN"),
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| REGION.into()),
        })
    }

    fn sign(&self, asked: &Asked, now: u64) -> Result<Vec<(&'static str, String)>, CliError> {
        let request = strongroom_sigv4::Request {
            method: asked.method.name(),
            path: &asked.path,
            query: &asked.query,
            authority: &self.authority,
            headers: std::iter::empty::<(&str, &[u8])>(),
        };
        let credentials = Credentials {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            session_token: self.session_token.as_deref(),
        };
        let at = SigningTime::from_unix_millis(i64::try_from(now).unwrap_or(i64::MAX));
        let signed = strongroom_sigv4::sign(&request, &asked.body, &credentials, &self.region, SIGNING_SERVICE, at);
        let signed = signed.map_err(|error| CliError::Usage(format!("the request cannot be signed: {error}")))?;
        Ok(signed.iter().map(|(name, value)| (name, value.to_owned())).collect())
    }

    async fn connect(&self) -> std::io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        connector.connect(name, stream).await
    }
}

fn asked(endpoint: Endpoint, segments: &[&str]) -> Asked {
    let (method, path) = (endpoint.route().method, endpoint.path(segments));
    Asked { method, path, query: String::new(), body: Vec::new(), rehearsed: false }
}

fn request(asked: Asked, host: &str, signature: Vec<(&'static str, String)>) -> Result<Request<Full<Bytes>>, CliError> {
    let Asked { method, path, query, body, rehearsed: _ } = asked;
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let mut request = Request::builder().method(method.name()).uri(target).header(header::HOST, host);
    request = request.header(header::USER_AGENT, USER_AGENT).header(header::ACCEPT, "application/json");
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in signature {
        request = request.header(name, value);
    }
    request.body(Full::new(Bytes::from(body))).map_err(|error| CliError::Usage(error.to_string()))
}

/// An error with all that caused it.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Both, on this task.
async fn join<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(move |context| {
        use std::task::Poll;
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = other.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (still, waiting) => {
                (first, second) = (still, waiting);
                Poll::Pending
            }
        }
    })
    .await
}
