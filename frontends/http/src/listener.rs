//! A listener: its configuration, its socket, and the loop that accepts connections until told to stop.
//!
//! Absent: sockets handed over by a service manager, and several accepting threads.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    net::{TcpListener, TcpSocket, UnixListener, UnixSocket, UnixStream},
    sync::Semaphore,
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};

use crate::{
    Address, App, Counters, Drained, Error, Limits, Network, Shutdown, TlsHandle, TlsProfile,
    address::SOCKET_MODE,
    budget::Budget,
    connection::{self, Shared},
    counters::count,
    establish::{Accepted, Established, Gate, establish},
    limits::{ACCEPT_PAUSE, ACCEPT_PAUSE_MAX, BACKLOG, PROBE_TIME},
};

/// What a listener is to be.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Its name, in logs and in [`crate::Peer`].
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// How it speaks TLS; `None`: it does not.
    pub tls: Option<TlsProfile>,
    /// The sources whose connections begin with a PROXY protocol header of version 2. `Some` demands it of every
    /// connection and refuses all other sources; `None` expects none.
    pub proxy_sources: Option<Vec<Network>>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// What it grants its clients.
    pub limits: Limits,
}

impl ListenerConfig {
    /// A TCP listener without TLS or proxies, with the default limits.
    pub fn tcp(name: impl Into<String>, address: SocketAddr) -> Self {
        Self::new(name.into(), Address::Tcp(address))
    }

    /// A Unix socket that its owner alone may connect to, with the default limits.
    pub fn unix(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(name.into(), Address::Unix { path: path.into(), mode: SOCKET_MODE })
    }

    fn new(name: String, address: Address) -> Self {
        Self { name, address, tls: None, proxy_sources: None, trusted_proxies: Vec::new(), limits: Limits::default() }
    }
}

/// A listener that is bound, and so can be connected to, but does not serve yet.
pub struct Listener {
    socket: Socket,
    gate: Arc<Gate>,
    shared: Arc<Shared>,
}

enum Socket {
    Tcp(TcpListener),
    /// The file is removed with the socket.
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

impl Listener {
    /// Checks the configuration, reads its certificates and binds its socket. Blocks on the file system for these.
    ///
    /// A socket file that nobody answers behind is replaced; any other file in its place is left alone.
    ///
    /// # Errors
    /// What is wrong with the configuration, the files that it names, or the address.
    pub async fn bind(config: ListenerConfig) -> Result<Self, Error> {
        config.limits.check()?;
        let socket = match &config.address {
            Address::Tcp(address) => bind_tcp(*address),
            Address::Unix { path, mode } => {
                let settings = [("TLS", config.tls.is_some()), ("the PROXY protocol", config.proxy_sources.is_some())];
                if let Some((setting, _)) = settings.into_iter().find(|(_, set)| *set) {
                    return Err(Error::TcpOnly { name: config.name, setting });
                }
                clear_stale(path).await?;
                bind_unix(path, *mode)
            }
        };
        let tls = config.tls.map(TlsHandle::load).transpose()?.map(Arc::new);
        Ok(Self {
            socket: socket.map_err(|source| Error::Bind { address: config.address, source })?,
            gate: Arc::new(Gate {
                name: config.name.into(),
                proxy_sources: config.proxy_sources.map(Into::into),
                trusted_proxies: config.trusted_proxies.into(),
                handshakes: Semaphore::new(config.limits.handshakes.min(Semaphore::MAX_PERMITS)),
            }),
            shared: Arc::new(Shared {
                http: connection::http(&config.limits),
                bodies: Budget::new(config.limits.bodies_bytes),
                limits: config.limits,
                counters: Arc::default(),
                tls,
            }),
        })
    }

    /// The TCP address that it is bound to, with the port that the system chose; `None` for a Unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix { .. } => None,
        }
    }

    /// Its TLS configuration, for reloads; `None` if it does not speak TLS.
    pub fn tls(&self) -> Option<Arc<TlsHandle>> {
        self.shared.tls.clone()
    }

    /// Its counters.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Serves until the signal to stop, then stops accepting, lets requests under way end within
    /// [`Limits::drain_time`], and cuts off the rest. A Unix socket's file is removed.
    ///
    /// Runs connections as tasks on the current tokio runtime, which needs its time and IO drivers.
    pub async fn serve<A: App>(self, app: Arc<A>, shutdown: Shutdown) -> Drained {
        let Self { socket, gate, shared } = self;
        let mut tasks = JoinSet::new();
        accept_until(&socket, &gate, &shared, &app, shutdown, &mut tasks).await;
        drop(socket);

        let started = Instant::now();
        let _ = timeout(shared.limits.drain_time, async {
            while let Some(ended) = tasks.join_next().await {
                note_end(&ended, &shared.counters);
            }
        })
        .await;
        let drained = Drained { cut_off: tasks.len(), took: started.elapsed() };
        tasks.shutdown().await;
        drained
    }
}

async fn accept_until<A: App>(
    socket: &Socket,
    gate: &Arc<Gate>,
    shared: &Arc<Shared>,
    app: &Arc<A>,
    mut shutdown: Shutdown,
    tasks: &mut JoinSet<()>,
) {
    let open = Arc::new(AtomicUsize::new(0));
    let mut pause = ACCEPT_PAUSE;
    let watched = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.requested() => return,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                note_end(&ended, &shared.counters);
                continue;
            }
            accepted = socket.accept() => accepted,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    count(&shared.counters.accept_failures);
                    tracing::warn!(listener = &*gate.name, %error, "cannot accept connections; trying again shortly");
                    tokio::select! { () = shutdown.requested() => return, () = sleep(pause) => {} }
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
                continue;
            }
        };
        pause = ACCEPT_PAUSE;
        count(&shared.counters.connections_accepted);
        let Some(slot) = Slot::take(&open, shared) else {
            count(&shared.counters.connections_refused);
            continue;
        };
        let (gate, shared, app, shutdown) = (Arc::clone(gate), Arc::clone(shared), Arc::clone(app), watched.clone());
        tasks.spawn(async move {
            let _slot = slot;
            if let Some(Established { carrier, peer, generation }) = establish(accepted, &gate, &shared).await {
                connection::serve(carrier, peer, generation, app, shared, shutdown).await;
            }
        });
    }
}

/// One of the connections that a listener may have open, until dropped.
struct Slot {
    open: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Slot {
    fn take(open: &Arc<AtomicUsize>, shared: &Arc<Shared>) -> Option<Self> {
        // Only the accepting task takes slots, so that the count can't rise between the two steps.
        if open.load(Relaxed) >= shared.limits.connections {
            return None;
        }
        open.fetch_add(1, Relaxed);
        count(&shared.counters.connections_open);
        Some(Self { open: Arc::clone(open), shared: Arc::clone(shared) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
        self.shared.counters.connections_open.fetch_sub(1, Relaxed);
    }
}

fn note_end(ended: &Result<(), JoinError>, counters: &Counters) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        count(&counters.connections_panicked);
    }
}

/// Whether `accept` failed for the one connection that it would have returned, rather than for us.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl Socket {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, address)| Accepted::Tcp(stream, address)),
            Self::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG).map(Socket::Tcp)
}

/// The file has its mode before the socket listens: until then nobody can connect.
fn bind_unix(path: &Path, mode: u32) -> io::Result<Socket> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(Socket::Unix { listener: socket.listen(BACKLOG)?, _file: file })
}

/// Removes a socket file that a process left behind when it died.
async fn clear_stale(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Bind { address: Address::Unix { path: path.to_owned(), mode: SOCKET_MODE }, source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(Error::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match timeout(PROBE_TIME, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Ok(Err(error)) => Err(failed(error)),
        Ok(Ok(_)) | Err(_) => Err(Error::SocketTaken { path: path.to_owned() }),
    }
}

/// Our socket's file, removed when dropped unless another has taken its place.
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nothing is lost if it stays: the next start finds that nobody answers.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
