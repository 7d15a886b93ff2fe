//! Serves the requests of one connection, watches its time, and lets it end in good order.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Version, header, request::Parts};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::time::{Instant, sleep};

use crate::{
    App, Counters, Limits, Overloaded, Peer, Refusal, Request, Response, Shutdown, TlsHandle,
    activity::{Activity, Verdict, Watch},
    body,
    budget::{Budget, Held},
    counters::count,
    limits::{CONNECTION_WINDOW, RECHECK_TIME, RESETS, STREAM_WINDOW},
    pause::Pause,
    peer::ApplicationProtocol,
    socket::{Carrier, Socket},
};

/// What all connections of a listener share.
pub(crate) struct Shared {
    pub(crate) http: auto::Builder<TokioExecutor>,
    pub(crate) limits: Limits,
    pub(crate) bodies: Budget,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tls: Option<Arc<TlsHandle>>,
}

/// Sets hyper up to our limits. It keeps no time: [`Watch`] does.
pub(crate) fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().max_headers(limits.headers).max_buf_size(limits.header_bytes).header_read_timeout(None);
    http.http2()
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    http
}

/// One connection, as its requests see it.
struct Connection<A> {
    app: Arc<A>,
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    activity: Arc<Activity>,
    pause: Pause,
    trust: Option<Trust>,
}

/// A client certificate that has to go on verifying, and the reload after which it last did.
struct Trust {
    tls: Arc<TlsHandle>,
    generation: AtomicU64,
    lost: AtomicBool,
}

/// A refusal, and whether the rest of the body may still be expected.
struct Refused {
    response: Box<Response>,
    body_follows: bool,
}

/// The client's certificate does not verify any more: its connection ends.
#[derive(Debug, thiserror::Error)]
#[error("the client's certificate no longer verifies")]
struct Distrusted;

/// Serves a connection to its end.
pub(crate) async fn serve<A: App>(
    carrier: Carrier,
    peer: Arc<Peer>,
    generation: u64,
    app: Arc<A>,
    shared: Arc<Shared>,
    mut shutdown: Shutdown,
) {
    let activity = Arc::new(Activity::default());
    let protocol = peer.tls.as_ref().and_then(|tls| tls.application_protocol);
    if protocol == Some(ApplicationProtocol::Http2) {
        activity.multiplexed();
    }
    let trust = shared.tls.clone().filter(|_| peer.client_certificate().is_some());
    let trust = trust.map(|tls| Trust { tls, generation: AtomicU64::new(generation), lost: AtomicBool::new(false) });
    let connection =
        Arc::new(Connection { app, shared, peer, activity: Arc::clone(&activity), pause: Pause::new(), trust });

    let service = service_fn(|request| answer(Arc::clone(&connection), request));
    let io = TokioIo::new(Socket { carrier, activity });
    let mut serving = pin!(connection.shared.http.serve_connection(io, service));
    let beat = connection.shared.limits.beat();
    let mut watch = Watch::new(&connection.shared.limits);
    let mut since_recheck = Duration::ZERO;
    let mut timer = pin!(sleep(beat));
    let mut stop = pin!(shutdown.requested());
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            // An error here is the client's: it went away or spoke no HTTP. hyper has answered what can be answered.
            _ = serving.as_mut() => return,
            () = timer.as_mut() => {
                timer.as_mut().reset(Instant::now() + beat);
                since_recheck += beat;
                let recheck = since_recheck >= RECHECK_TIME;
                if !connection.trusted(recheck) {
                    return;
                }
                if recheck {
                    since_recheck = Duration::ZERO;
                }
                match watch.beat(&connection.activity) {
                    Verdict::Keep => {}
                    Verdict::Retire => serving.as_mut().graceful_shutdown(),
                    Verdict::Drop => {
                        count(&connection.shared.counters.connections_timed_out);
                        return;
                    }
                }
            }
            () = stop.as_mut(), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// One request, from its head to its reply.
async fn answer<A: App>(
    connection: Arc<Connection<A>>,
    request: http::Request<Incoming>,
) -> Result<Response, Distrusted> {
    let _under_way = connection.activity.begin();
    count(&connection.shared.counters.requests);
    connection.pause.over().await;
    if !connection.trusted(false) {
        return Err(Distrusted);
    }
    let (head, mut body) = request.into_parts();
    if head.version == Version::HTTP_2 {
        connection.activity.multiplexed();
    }
    // Until the answer is made.
    let mut held = connection.shared.bodies.hold();
    let response = match connection.receive(&head, &mut body, &mut held).await {
        Ok(whole) => connection.app.call(&connection.peer, Request { head, body: whole }).await,
        Err(refused) => {
            drop(held);
            count(&connection.shared.counters.requests_refused);
            connection.dismiss(&head, body, refused).await
        }
    };
    if response.extensions().get::<Overloaded>().is_some() {
        connection.pause.begin();
    }
    Ok(response)
}

impl<A: App> Connection<A> {
    /// Whether the client's certificate, if it showed one, still verifies. Looks at it again after a reload, or when
    /// told to.
    fn trusted(&self, again: bool) -> bool {
        let (Some(trust), Some(tls)) = (&self.trust, &self.peer.tls) else { return true };
        let generation = trust.tls.generation();
        if !again && generation == trust.generation.load(Relaxed) {
            return true;
        }
        let trusted = trust.tls.trusts(&tls.client_certificates);
        if trusted {
            trust.generation.store(generation, Relaxed);
        } else if !trust.lost.swap(true, Relaxed) {
            count(&self.shared.counters.connections_distrusted);
        }
        trusted
    }

    /// Reads the body of a request that is within the limits and that the app admits, or makes the refusal.
    async fn receive(&self, head: &Parts, body: &mut Incoming, held: &mut Held<'_>) -> Result<Bytes, Refused> {
        let limits = &self.shared.limits;
        let refuse = |refusal| {
            if refusal == Refusal::Overloaded {
                count(&self.shared.counters.requests_overloaded);
            }
            let body_follows = !matches!(refusal, Refusal::BodyTimedOut | Refusal::BodyBroken);
            let mut response = self.app.refuse(&self.peer, head, refusal);
            if refusal == Refusal::Overloaded {
                response.extensions_mut().insert(Overloaded);
            }
            Refused { response: Box::new(response), body_follows }
        };
        if target_length(head) > limits.target_bytes {
            return Err(refuse(Refusal::TargetTooLong));
        }
        if head.headers.len() > limits.headers {
            return Err(refuse(Refusal::TooManyHeaders));
        }
        let admitted = self.app.admit(&self.peer, head).map_err(|response| Refused { response, body_follows: true })?;
        body::collect(body, limits.body_bytes.min(admitted), limits.body_time, held).await.map_err(refuse)
    }

    /// Finishes a refusal: where the body stays unread the connection can't go on, and the reply says so.
    async fn dismiss(&self, head: &Parts, body: Incoming, refused: Refused) -> Response {
        let Refused { mut response, body_follows } = refused;
        // A client that waits to be told to continue will not send its body now.
        let body_follows = body_follows && !head.headers.contains_key(header::EXPECT);
        let ended = body.is_end_stream() || body_follows && body::discard(body, self.shared.limits.body_time).await;
        if !ended && head.version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        *response
    }
}

/// The length of the request target in origin form.
fn target_length(head: &Parts) -> usize {
    head.uri.path_and_query().map_or(0, |target| target.as_str().len())
}
