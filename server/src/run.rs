//! Running: listeners, signals, the scheduler's thread, and the orderly end.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use strongroom_admin::{Admin, AdminDialect, ConfiguredRoots};
use strongroom_audit_log::FileLog;
use strongroom_aws_kms::{Cluster, Kms};
use strongroom_aws_sts::Sts;
use strongroom_aws_tagging::{Keys, Tagging};
use strongroom_aws_xks::Xks;
use strongroom_azure_ekm::Ekm;
use strongroom_engine::Engine;
use strongroom_http::{
    Address, ClientCertificates, Floor, Limits, Listener, ListenerConfig as HttpListener, ShutdownTrigger, TlsHandle,
    TlsProfile, shutdown,
};
use strongroom_identity::{Fetcher, Tokens};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admission::Admission;
use crate::config::{self, IdentityConfig, ListenerConfig, MetricsConfig, TlsConfig, TlsVersion};
use crate::gateway::{Gateway, Serving, Shared};
use crate::reload::Reloader;
use crate::retention;

static ADMIN: AdminDialect = AdminDialect;
/// Time between two rounds of what falls due.
const TICK: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An hour.
const TICKS_BETWEEN_PRUNINGS: u64 = 3600;

/// What is said of a listener that shows an authority's certificate as its own.
pub(crate) const AUTHORITY_SERVES: &str = "its certificate is that of an authority (CA:TRUE): AWS's clients take it, and stricter ones, the command \
     line of strongroom among them, do not; make one with basicConstraints CA:FALSE";

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// A listener.
    #[error("listener {name:?} cannot be opened")]
    Listener {
        /// Which one.
        name: String,
        /// Why.
        source: strongroom_http::Error,
    },
    /// The operating system.
    #[error("cannot {doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// What the configuration says to the front ends.
pub(crate) struct Told<'a> {
    pub(crate) partition: &'a str,
    /// What all listeners serve together.
    pub(crate) regions: Vec<Arc<str>>,
    pub(crate) identity: &'a IdentityConfig,
    pub(crate) clusters: Vec<Cluster>,
    /// How long a request of a cloud's key store may take, if not as long as usual.
    pub(crate) cloud_deadline: Option<Duration>,
}

/// The front ends over an engine.
pub(crate) fn serving(
    engine: Arc<Engine>,
    log: Arc<FileLog>,
    told: Told<'_>,
    roots: Option<Arc<dyn ConfiguredRoots>>,
) -> Serving {
    let Told { partition, regions, identity, clusters, cloud_deadline } = told;
    let kms = Kms::new(Arc::clone(&engine), partition).with_regions(regions.clone()).with_clusters(clusters);
    let dialect = strongroom_aws_xks::dialect(partition);
    let xks = Xks::new(Arc::clone(&engine), dialect);
    let ekm_dialect = strongroom_azure_ekm::dialect(partition);
    let ekm = Ekm::new(Arc::clone(&engine), ekm_dialect);
    let (xks, ekm) = match cloud_deadline {
        Some(deadline) => (xks.with_deadline(deadline), ekm.with_deadline(deadline)),
        None => (xks, ekm),
    };
    let admin = Admin::new(Arc::clone(&engine), partition, vec![kms.dialect(), dialect, ekm_dialect]);
    let admin = admin.with_regions(regions).with_issuers(identity.issuers.clone());
    let admin = match roots {
        Some(roots) => admin.with_roots(roots),
        None => admin,
    };
    let sts = Sts::new(Arc::clone(&engine)).with_tokens(Arc::new(tokens(identity)));
    let tagged = Keys { resource_type: "kms:key", dialect: kms.dialect() };
    let tagging = Tagging::new(Arc::clone(&engine), tagged);
    Serving { kms, admin, sts, tagging, xks, ekm, engine, log, managers: None }
}

/// A verifier of tokens that asks the issuers that are allowed.
fn tokens(identity: &IdentityConfig) -> Tokens {
    let path = &identity.certificate_authorities;
    let authorities = match identity.issuers.is_empty() {
        true => Vec::new(),
        false => std::fs::read(path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "no certificate authorities: issuers need their own");
            Vec::new()
        }),
    };
    Tokens::new(Fetcher::new(identity.issuers.iter().cloned(), &authorities))
}

/// Listeners that are bound and not yet served.
pub(crate) struct Bound {
    listeners: Vec<(Listener, Gateway)>,
    signals: Signals,
}

/// The signals that are acted on, watched from before anyone is told that the server is there.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn watch() -> Result<Self, RunError> {
        let watch = |kind, doing| signal(kind).map_err(|source| RunError::System { doing, source });
        Ok(Self {
            terminate: watch(SignalKind::terminate(), "watch for SIGTERM")?,
            interrupt: watch(SignalKind::interrupt(), "watch for SIGINT")?,
            hangup: watch(SignalKind::hangup(), "watch for SIGHUP")?,
        })
    }

    /// Begins to drain when it is time to end; reloads until then.
    async fn follow(mut self, trigger: ShutdownTrigger, reloader: Reloader) {
        let reloader = Arc::new(reloader);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => {
                    let reloader = Arc::clone(&reloader);
                    if let Err(error) = tokio::task::spawn_blocking(move || reloader.reload()).await {
                        tracing::error!(%error, "reloading ended badly");
                    }
                }
            }
        }
        tracing::info!("draining");
        trigger.drain();
    }
}

impl Bound {
    /// Opens every listener, so that addresses are known and mistakes are found before anything is served.
    pub(crate) async fn open(
        listeners: &[ListenerConfig],
        metrics: Option<&MetricsConfig>,
        requests_in_work: Option<NonZeroUsize>,
        shared: &Arc<Shared>,
    ) -> Result<Self, RunError> {
        let signals = Signals::watch()?;
        let mut bound = Vec::new();
        for config in listeners {
            let listener = open(http_listener(config)?).await?;
            if listener.tls().is_some_and(|tls| tls.is_authority()) {
                tracing::warn!(listener = config.name, "{AUTHORITY_SERVES}");
            }
            let admission = Arc::new(Admission::new(requests_in_work));
            shared.metrics.watch(&config.name, listener.counters(), Arc::clone(&admission));
            let gateway = Gateway {
                name: config.name.clone(),
                shared: Arc::clone(shared),
                front_ends: config.front_ends.clone(),
                regions: config.regions.iter().map(|region| Arc::from(region.as_str())).collect(),
                metrics: false,
                admission,
            };
            if let Some(address) = listener.local_address() {
                tracing::info!(listener = config.name, %address, "listening");
            }
            bound.push((listener, gateway));
        }
        if let Some(metrics) = metrics {
            let listener = open(HttpListener::tcp(config::METRICS, metrics.address)).await?;
            let (name, shared) = (config::METRICS.to_owned(), Arc::clone(shared));
            let admission = Arc::new(Admission::new(None));
            let gateway =
                Gateway { name, shared, front_ends: Vec::new(), regions: Vec::new(), metrics: true, admission };
            bound.push((listener, gateway));
        }
        Ok(Self { listeners: bound, signals })
    }

    /// The address of the first TCP listener.
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.listeners.iter().find_map(|(listener, _)| listener.local_address())
    }

    /// How the listeners speak TLS, by name.
    pub(crate) fn tls(&self) -> Vec<(String, Arc<TlsHandle>)> {
        let named = self.listeners.iter().map(|(listener, gateway)| Some((gateway.name.clone(), listener.tls()?)));
        named.flatten().collect()
    }

    /// Serves until SIGTERM or SIGINT, then lets requests under way finish. SIGHUP reloads.
    pub(crate) async fn serve(self, shared: &Arc<Shared>, reloader: Reloader) -> Result<(), RunError> {
        let (trigger, signalled) = shutdown();
        let mut tasks = Vec::new();
        for (listener, gateway) in self.listeners {
            tasks.push(tokio::spawn(listener.serve(Arc::new(gateway), signalled.clone())));
        }
        let scheduler = Scheduler::start(Arc::clone(shared))?;
        self.signals.follow(trigger, reloader).await;
        for task in tasks {
            match task.await {
                Ok(drained) if drained.cut_off > 0 => tracing::warn!(?drained, "connections were cut off"),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "a listener ended badly"),
            }
        }
        scheduler.stop();
        if let Some(Err(error)) = shared.serving().map(|serving| serving.engine.checkpoint()) {
            tracing::warn!(%error, "no checkpoint at shutdown");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

async fn open(config: HttpListener) -> Result<Listener, RunError> {
    let name = config.name.clone();
    Listener::bind(config).await.map_err(|source| RunError::Listener { name, source })
}

fn http_listener(config: &ListenerConfig) -> Result<HttpListener, RunError> {
    let mut listener = match (&config.address, &config.socket) {
        (Some(address), _) => HttpListener::tcp(config.name.clone(), *address),
        (None, socket) => HttpListener::unix(config.name.clone(), socket.clone().unwrap_or_default()),
    };
    listener.tls = config.tls.as_ref().map(profile);
    listener.proxy_sources.clone_from(&config.proxy_protocol_from);
    listener.trusted_proxies.clone_from(&config.trusted_proxies);
    if let Some(connections) = config.max_connections {
        listener.limits = Limits { connections: connections.get(), ..listener.limits };
    }
    if let (Some(path), Address::Unix { .. }) = (&config.socket, &listener.address)
        && let Some(directory) = path.parent()
    {
        let made = std::fs::create_dir_all(directory);
        made.map_err(|source| RunError::System { doing: "make the socket's directory", source })?;
    }
    Ok(listener)
}

pub(crate) fn profile(tls: &TlsConfig) -> TlsProfile {
    let mut profile = TlsProfile::new(&tls.certificate_chain, &tls.private_key);
    profile.clients = tls.client_ca.as_ref().map(|roots| ClientCertificates {
        roots: roots.clone(),
        required: !tls.client_optional,
        revocation_lists: tls.client_crls.clone(),
        subject_names: tls.client_names.clone(),
    });
    profile.floor = match tls.minimum {
        TlsVersion::Tls13 => Floor::Tls13,
        TlsVersion::Tls12 => Floor::Tls12,
    };
    profile.authorities.clone_from(&tls.authorities);
    profile
}

/// Prunes the audit log, and tells operators.
fn prune(serving: &Serving, days: u64) {
    match retention::prune(&serving.engine, &serving.log, DAY * u32::try_from(days).unwrap_or(u32::MAX)) {
        Ok(0) => {}
        Ok(segments) => tracing::info!(segments, "pruned the audit log"),
        Err(error) => tracing::error!(error = crate::chain(&error), "the audit log could not be pruned"),
    }
}

/// The thread that does what falls due.
struct Scheduler {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Scheduler {
    fn start(shared: Arc<Shared>) -> Result<Self, RunError> {
        let (stop, stopped) = channel();
        let ticking = move || {
            let mut ticks = 0_u64;
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(serving) = shared.serving() else { continue };
                ticks += 1;
                if let Err(error) = shared.tries.record(&serving.engine) {
                    tracing::warn!(%error, "that roots were unsealed is not recorded yet");
                }
                let days = shared.retention_days.load(Ordering::Relaxed);
                if days > 0 && ticks.is_multiple_of(TICKS_BETWEEN_PRUNINGS) {
                    prune(serving, days);
                }
                // Rotation, checkpoints and the saved head must not end with one fault.
                match catch_unwind(AssertUnwindSafe(|| serving.engine.tick(&ADMIN))) {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "what is due has to wait"),
                    Err(_) => tracing::error!("what is due could not be done: a fault of ours"),
                }
            }
        };
        let thread = std::thread::Builder::new().name("scheduler".to_owned()).spawn(ticking);
        let thread = thread.map_err(|source| RunError::System { doing: "start the scheduler's thread", source })?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the scheduler ended badly");
        }
    }
}
