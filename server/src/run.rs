//! Running: listeners, signals, the scheduler's thread, and the orderly end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use strongroom_admin::{Admin, AdminDialect, ConfiguredRoots};
use strongroom_audit_log::FileLog;
use strongroom_aws_kms::Kms;
use strongroom_aws_sts::Sts;
use strongroom_engine::Engine;
use strongroom_http::{
    Address, ClientCertificates, Limits, Listener, ListenerConfig as HttpListener, Network, ShutdownTrigger, TlsHandle,
    TlsProfile, shutdown,
};
use strongroom_model::clock::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{ListenerConfig, MetricsConfig, TlsConfig};
use crate::gateway::{Gateway, Serving, Shared};

static ADMIN: AdminDialect = AdminDialect;
/// Time between two rounds of what falls due.
const TICK: Duration = Duration::from_secs(1);
/// An hour.
const TICKS_BETWEEN_PRUNINGS: u64 = 3600;

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
    /// A network that can't be read.
    #[error("listener {name:?}: {text:?} is not a network such as 10.0.0.0/8")]
    Network {
        /// Which listener.
        name: String,
        /// What was given.
        text: String,
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

/// The front ends over an engine.
pub(crate) fn serving(
    engine: Arc<Engine>,
    log: Arc<FileLog>,
    partition: &str,
    roots: Option<Arc<dyn ConfiguredRoots>>,
) -> Serving {
    let kms = Kms::new(Arc::clone(&engine), partition);
    let admin = Admin::new(Arc::clone(&engine), partition, vec![kms.dialect()]);
    let admin = match roots {
        Some(roots) => admin.with_roots(roots),
        None => admin,
    };
    Serving { kms, admin, sts: Sts::new(Arc::clone(&engine)), engine, log, retention: None }
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

    /// Begins to drain when it is time to end; reads certificates again until then.
    async fn follow(mut self, trigger: ShutdownTrigger, certificates: &[Arc<TlsHandle>]) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => reload(certificates).await,
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
        shared: &Arc<Shared>,
    ) -> Result<Self, RunError> {
        let signals = Signals::watch()?;
        let mut bound = Vec::new();
        for config in listeners {
            let listener = open(http_listener(config)?).await?;
            shared.metrics.watch(&config.name, listener.counters());
            let gateway = Gateway {
                shared: Arc::clone(shared),
                front_ends: config.front_ends.clone(),
                regions: config.regions.iter().map(|region| Arc::from(region.as_str())).collect(),
                metrics: false,
            };
            bound.push((listener, gateway));
        }
        if let Some(metrics) = metrics {
            let listener = open(HttpListener::tcp("metrics", metrics.address)).await?;
            let shared = Arc::clone(shared);
            bound.push((listener, Gateway { shared, front_ends: Vec::new(), regions: Vec::new(), metrics: true }));
        }
        Ok(Self { listeners: bound, signals })
    }

    /// The address of the first TCP listener.
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.listeners.iter().find_map(|(listener, _)| listener.local_address())
    }

    /// Serves until SIGTERM or SIGINT, then lets requests under way finish. SIGHUP reads certificates again.
    pub(crate) async fn serve(self, shared: &Arc<Shared>) -> Result<(), RunError> {
        let (trigger, signalled) = shutdown();
        let certificates: Vec<Arc<TlsHandle>> =
            self.listeners.iter().filter_map(|(listener, _)| listener.tls()).collect();
        let mut tasks = Vec::new();
        for (listener, gateway) in self.listeners {
            tasks.push(tokio::spawn(listener.serve(Arc::new(gateway), signalled.clone())));
        }
        let scheduler = Scheduler::start(Arc::clone(shared))?;
        self.signals.follow(trigger, &certificates).await;
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

/// What does not parse leaves the last good certificate in place.
async fn reload(certificates: &[Arc<TlsHandle>]) {
    for handle in certificates {
        let handle = Arc::clone(handle);
        match tokio::task::spawn_blocking(move || handle.reload()).await {
            Ok(Ok(())) => tracing::info!("certificates read again"),
            Ok(Err(error)) => tracing::error!(%error, "certificates not taken; the last good ones stay"),
            Err(error) => tracing::error!(%error, "reading certificates ended badly"),
        }
    }
}

fn http_listener(config: &ListenerConfig) -> Result<HttpListener, RunError> {
    let mut listener = match (&config.address, &config.socket) {
        (Some(address), _) => HttpListener::tcp(config.name.clone(), *address),
        (None, socket) => HttpListener::unix(config.name.clone(), socket.clone().unwrap_or_default()),
    };
    listener.tls = config.tls.as_ref().map(profile);
    if let Some(networks) = &config.proxy_protocol_from {
        listener.proxy_sources = Some(parse_networks(config, networks)?);
    }
    listener.trusted_proxies = parse_networks(config, &config.trusted_proxies)?;
    if let Some(connections) = config.max_connections {
        listener.limits = Limits { connections, ..listener.limits };
    }
    if let (Some(path), Address::Unix { .. }) = (&config.socket, &listener.address)
        && let Some(directory) = path.parent()
    {
        let made = std::fs::create_dir_all(directory);
        made.map_err(|source| RunError::System { doing: "make the socket's directory", source })?;
    }
    Ok(listener)
}

fn parse_networks(config: &ListenerConfig, networks: &[String]) -> Result<Vec<Network>, RunError> {
    let parse =
        |text: &String| text.parse().map_err(|_| RunError::Network { name: config.name.clone(), text: text.clone() });
    networks.iter().map(parse).collect()
}

fn profile(tls: &TlsConfig) -> TlsProfile {
    let mut profile = TlsProfile::new(&tls.certificate_chain, &tls.private_key);
    profile.clients = tls.client_ca.as_ref().map(|roots| ClientCertificates {
        roots: roots.clone(),
        required: !tls.client_optional,
        revocation_lists: tls.client_crls.clone(),
    });
    profile
}

/// Removes whole segments that are older than they have to be kept, as far as nothing needs them any more.
fn prune(serving: &Serving, days: Duration) {
    let before = Timestamp(serving.engine.clock().now().0.saturating_sub(u64::try_from(days.as_millis()).unwrap_or(0)));
    let pruned = serving.engine.log_needed_from().map(|keep| serving.log.prune(before, keep));
    match pruned {
        Ok(Ok(pruned)) if pruned.segments > 0 => {
            tracing::info!(segments = pruned.segments, first = pruned.first.0, "pruned the audit log");
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(error = crate::chain(&error), "the audit log could not be pruned"),
        Err(error) => tracing::warn!(%error, "the audit log is not pruned now"),
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
                if let (Some(days), 0) = (serving.retention, ticks % TICKS_BETWEEN_PRUNINGS) {
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
