//! The HTTP layer under every front end: listeners on TCP and Unix sockets, TLS, limits, and who the peer is.
//!
//! A [`ListenerConfig`] becomes a [`Listener`] by binding, and serves an [`App`] until a [`Shutdown`] is requested:
//!
//! ```no_run
//! # use std::{error::Error, sync::Arc};
//! use strongroom_http::{App, Listener, ListenerConfig, Peer, Request, Response, TlsProfile, shutdown};
//!
//! struct Echo;
//!
//! impl App for Echo {
//!     async fn call(&self, _peer: &Arc<Peer>, request: Request) -> Response {
//!         Response::new(request.body.into())
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn Error>> {
//! let mut config = ListenerConfig::tcp("kms", "127.0.0.1:8443".parse()?);
//! config.tls = Some(TlsProfile::new("chain.pem", "key.pem"));
//! let listener = Listener::bind(config).await?;
//! let (trigger, signal) = shutdown();
//! let serving = tokio::spawn(listener.serve(Arc::new(Echo), signal));
//! trigger.drain();
//! let drained = serving.await?;
//! # Ok(()) }
//! ```
//!
//! A request reaches an app whole: its body is read, within limits, before the app and its authentication see it. The
//! path of a request has one future of the app's own type, no timer, no span and no lock of ours.
//!
//! Errors of single connections and requests are counted ([`Counters`]) and logged at debug level only, since strangers
//! can cause any number of them.
//!
//! Absent on purpose:
//! - streaming bodies, trailers, upgrades, WebSockets, compression, range requests, and middleware;
//! - HTTP/3, TLS 1.1 and older, 0-RTT, OCSP, and the fetching of certificates or revocation lists;
//! - authentication, authorisation and audit: an app's own;
//! - limits per remote address, and rates: a load balancer or the engine's budgets;
//! - the PROXY protocol's version 1, and `Forwarded` (RFC 7239);
//! - a `Server` field in replies.

mod activity;
mod address;
mod app;
mod body;
mod budget;
mod connection;
mod counters;
mod error;
mod establish;
pub mod limits;
mod listener;
mod pause;
mod peer;
pub mod proxy;
mod routes;
mod shutdown;
mod socket;
mod tls;

pub use address::{Address, Network, NotANetwork, SOCKET_MODE};
pub use app::{App, Overloaded, Refusal, Request, Response, empty};
pub use counters::{Counters, Counts};
pub use error::Error;
pub use limits::Limits;
pub use listener::{Listener, ListenerConfig};
pub use peer::{ApplicationProtocol, Peer, Remote, TlsInfo};
pub use routes::{Found, Route, Routes};
pub use shutdown::{Drained, Shutdown, ShutdownTrigger, shutdown};
pub use tls::{ClientCertificates, Floor, TlsHandle, TlsProfile};
