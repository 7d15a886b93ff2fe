//! What stands behind each listener: health for everyone, and the front ends that the listener serves.
//!
//! Several AWS front ends may share a listener; a request goes to the one that owns its target. A sealed server answers
//! health and `unseal` and nothing else.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::request::Parts as Head;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use strongroom_admin::Admin;
use strongroom_audit_log::FileLog;
use strongroom_aws_kms::Kms;
use strongroom_aws_sts::Sts;
use strongroom_aws_tagging::Tagging;
use strongroom_aws_xks::Xks;
use strongroom_azure_ekm::Ekm;
use strongroom_engine::{Engine, Quotas, RateLimits};
use strongroom_http::{App, Overloaded, Peer, Refusal, Remote, Request, Response, empty};
use strongroom_secret::SecretBytes;
use strongroom_xks_client::Network;

use crate::admission::Admission;
use crate::config::FrontEnd;
use crate::metrics::Metrics;
use crate::secrets;
use crate::unsealing::{By, Tries};

/// Longest body that a sealed server takes: recovery shares.
const SEALED_BODY_BYTES: usize = 16 * 1024;

/// The front ends, once there is an engine.
pub(crate) struct Serving {
    pub(crate) engine: Arc<Engine>,
    pub(crate) kms: Kms,
    pub(crate) sts: Sts,
    pub(crate) tagging: Tagging,
    pub(crate) xks: Xks,
    pub(crate) ekm: Ekm,
    pub(crate) admin: Admin,
    pub(crate) log: Arc<FileLog>,
    /// Where external key managers are asked from, if they are.
    pub(crate) managers: Option<Arc<Network>>,
}

/// Opens the roots with what an operator gives in the body of an unseal request, and makes the front ends; or says why not.
pub(crate) type Unsealer = Box<dyn Fn(&SecretBytes, &By) -> Result<Serving, String> + Send + Sync>;

/// What all listeners share.
pub(crate) struct Shared {
    /// What holds once there is an engine.
    limits: Mutex<(RateLimits, Quotas)>,
    serving: OnceLock<Serving>,
    unsealer: Unsealer,
    unsealing: Mutex<()>,
    /// Days that the audit log is kept; 0 for ever.
    pub(crate) retention_days: AtomicU64,
    pub(crate) metrics: Metrics,
    /// Who unsealed the server, as far as it is not recorded yet.
    pub(crate) tries: Arc<Tries>,
}

impl Shared {
    pub(crate) fn new(metrics: Metrics, tries: Arc<Tries>, unsealer: Unsealer) -> Self {
        Self {
            limits: Mutex::default(),
            serving: OnceLock::new(),
            unsealer,
            unsealing: Mutex::new(()),
            retention_days: AtomicU64::new(0),
            metrics,
            tries,
        }
    }

    pub(crate) fn serving(&self) -> Option<&Serving> {
        self.serving.get()
    }

    /// Begins to serve; a second time changes nothing.
    pub(crate) fn begin(&self, serving: Serving) {
        let limits = self.limits.lock();
        serving.engine.limit_rates(limits.0.clone());
        serving.engine.limit_quotas(limits.1.clone());
        let _ = self.serving.set(serving);
    }

    /// How often anyone may ask from here on, and how much there may be.
    pub(crate) fn limit(&self, rates: RateLimits, quotas: Quotas) {
        let mut limits = self.limits.lock();
        if let Some(serving) = self.serving() {
            // Rates that are set begin anew.
            if limits.0 != rates {
                serving.engine.limit_rates(rates.clone());
            }
            serving.engine.limit_quotas(quotas.clone());
        }
        *limits = (rates, quotas);
    }
}

/// One listener's app.
pub(crate) struct Gateway {
    /// The listener's name.
    pub(crate) name: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) front_ends: Vec<FrontEnd>,
    pub(crate) regions: Vec<Arc<str>>,
    /// Whether metrics are served here.
    pub(crate) metrics: bool,
    pub(crate) admission: Arc<Admission>,
}

impl App for Gateway {
    fn admit(&self, _: &Arc<Peer>, head: &Head) -> Result<usize, Box<Response>> {
        Ok(match self.shared.serving() {
            None => SEALED_BODY_BYTES,
            Some(_) if Kms::owns(head) => Kms::max_body_bytes(head),
            Some(_) if Tagging::owns(head) => Tagging::max_body_bytes(head),
            Some(_) if Sts::owns(head) => Sts::max_body_bytes(head),
            Some(_) if self.is_xks(head) => Xks::max_body_bytes(head),
            Some(_) if self.is_ekm(head) => Ekm::max_body_bytes(head),
            Some(serving) => serving.admin.max_body_bytes(head),
        })
    }

    async fn call(&self, peer: &Arc<Peer>, request: Request) -> Response {
        let head = &request.head;
        if head.method == Method::GET {
            match head.uri.path() {
                "/healthz" => return text(StatusCode::OK, "ok\n"),
                "/readyz" => return self.ready(),
                "/metrics" if self.metrics => {
                    return text(StatusCode::OK, self.shared.metrics.render(self.shared.serving()));
                }
                _ => {}
            }
        }
        let Some(_place) = self.admission.enter() else { return self.overloaded(head) };
        let Some(serving) = self.shared.serving() else { return self.sealed(peer, request).await };
        self.route(serving, peer, request).await
    }

    fn refuse(&self, _: &Arc<Peer>, head: &Head, refusal: Refusal) -> Response {
        match self.shared.serving() {
            Some(serving) if self.is_xks(head) => serving.xks.refuse(head, refusal),
            Some(serving) if self.is_ekm(head) => serving.ekm.refuse(head, refusal),
            _ => empty(refusal.status()),
        }
    }
}

impl Gateway {
    /// Whether a request is for the XKS proxy: every path of a listener that serves nothing else.
    fn is_xks(&self, head: &Head) -> bool {
        self.front_ends.contains(&FrontEnd::AwsXks) && (Xks::owns(head) || self.front_ends.len() == 1)
    }

    /// Whether a request is for the external key proxy: every path of a listener that serves nothing else.
    fn is_ekm(&self, head: &Head) -> bool {
        self.front_ends.contains(&FrontEnd::AzureEkm) && (Ekm::owns(head) || self.front_ends.len() == 1)
    }

    async fn route(&self, serving: &Serving, peer: &Arc<Peer>, request: Request) -> Response {
        let serves = |front_end| self.front_ends.contains(&front_end);
        if serves(FrontEnd::AwsKms) && Kms::owns(&request.head) {
            return serving.kms.handle(peer, request, &self.regions).await;
        }
        if serves(FrontEnd::AwsTagging) && Tagging::owns(&request.head) {
            return serving.tagging.handle(peer, request, &self.regions).await;
        }
        if serves(FrontEnd::AwsSts) && Sts::owns(&request.head) {
            return serving.sts.handle(peer, request, &self.regions).await;
        }
        if self.is_xks(&request.head) {
            return serving.xks.handle(peer, request, &self.regions).await;
        }
        if self.is_ekm(&request.head) {
            return serving.ekm.handle(peer, request).await;
        }
        if serves(FrontEnd::Admin) && is_admin(&request.head) {
            return serving.admin.handle(peer, request).await;
        }
        empty(StatusCode::NOT_FOUND)
    }

    /// One request too many at once: in KMS's words or a proxy's, else as HTTP says it, which every client of AWS tries again.
    fn overloaded(&self, head: &Head) -> Response {
        let mut response = match self.shared.serving() {
            Some(serving) if self.is_xks(head) => serving.xks.overloaded(head),
            Some(serving) if self.is_ekm(head) => serving.ekm.overloaded(head),
            Some(serving) if Kms::owns(head) => serving.kms.overloaded(),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "the server is busy; try again\n"),
        };
        response.extensions_mut().insert(Overloaded);
        response
    }

    fn ready(&self) -> Response {
        let Some(serving) = self.shared.serving() else { return text(StatusCode::SERVICE_UNAVAILABLE, "sealed\n") };
        match serving.log.refusal() {
            Some(cause) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{cause}\n")),
            None => text(StatusCode::OK, "ready\n"),
        }
    }

    /// A passphrase or PIN in the body of `POST /v1/unseal`, over the Unix socket only.
    async fn sealed(&self, peer: &Arc<Peer>, request: Request) -> Response {
        let unseal = request.head.method == Method::POST && request.head.uri.path() == "/v1/unseal";
        let Remote::Unix { uid, .. } = peer.remote else { return closed() };
        if !unseal || !self.front_ends.contains(&FrontEnd::Admin) {
            return closed();
        }
        let shared = Arc::clone(&self.shared);
        let by = By::Operator { uid, listener: Arc::clone(&peer.listener) };
        let secret = secrets::of_body(request.body);
        let opened = tokio::task::spawn_blocking(move || {
            // One after the other: two would open the log twice.
            let _one = shared.unsealing.lock();
            if shared.serving().is_some() {
                return Err("the server is not sealed any more".to_owned());
            }
            let opened = (shared.unsealer)(&secret, &by);
            match &opened {
                Ok(_) => tracing::info!(uid, "unsealed"),
                Err(problem) => tracing::warn!(uid, problem, "not unsealed"),
            }
            shared.begin(opened?);
            Ok::<(), String>(())
        });
        match opened.await {
            Ok(Ok(())) => text(StatusCode::OK, "unsealed\n"),
            Ok(Err(problem)) => text(StatusCode::FORBIDDEN, format!("{problem}\n")),
            Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn closed() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "the server is sealed; run: strongroom unseal\n")
}

fn is_admin(head: &Head) -> bool {
    head.uri.path().starts_with("/v1/")
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(http_body_util::Full::new(body.into()));
    *response.status_mut() = status;
    response
}
