//! Who the peer is: behind the PROXY protocol, behind trusted proxies, and at a Unix socket.

use std::{
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    time::Duration,
};

use http_body_util::Full;
use strongroom_http::{Address, Error, Limits, Listener, ListenerConfig, TlsProfile};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use crate::support::{Authority, PATIENCE, Requests, Served, tcp, tls};

const PROXY_V4: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x9c\x40\x01\xbb";
const PROXY_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn proxied(mut config: ListenerConfig, sources: &str) -> ListenerConfig {
    config.proxy_sources = Some(vec![sources.parse().unwrap()]);
    config
}

/// Whether the server closed the connection without a byte.
async fn closed(mut stream: TcpStream) -> bool {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.is_ok() && bytes.is_empty()
}

#[tokio::test]
async fn the_address_behind_the_proxy_protocol_is_seen() {
    let authority = Authority::new();
    let served = Served::new(proxied(tls(&authority), "127.0.0.0/8")).await;
    for (header, expected) in [(PROXY_V4, "remote: Tcp(203.0.113.9:40000)"), (PROXY_LOCAL, "remote: Tcp(127.0.0.1:")] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // Byte by byte: the header may come in pieces, and what follows it is not to be lost.
        for byte in header {
            stream.write_all(&[*byte]).await.unwrap();
        }
        let stream = authority.client().over(stream).await.unwrap();
        let peer = Requests::over(stream, false).await.unwrap().post("/peer", "").await.unwrap().1;
        assert!(peer.contains(expected), "{peer}");
    }
}

#[tokio::test]
async fn a_proxy_header_from_an_untrusted_source_is_refused() {
    let served = Served::new(proxied(tcp(), "10.0.0.0/8")).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    // The server may have closed already.
    let _ = stream.write_all(PROXY_V4).await;
    served.until(|counts| counts.proxy_headers_refused == 1).await;
    assert_eq!(served.counters.snapshot().requests, 0);
}

#[tokio::test]
async fn a_connection_without_a_proxy_header_of_version_2_is_refused() {
    let served = Served::new(proxied(tcp(), "127.0.0.1")).await;
    for bytes in [&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 443\r\n"]
    {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
    }
    served.until(|counts| counts.proxy_headers_refused == 2).await;
    assert_eq!(served.counters.snapshot().requests, 0);
}

#[tokio::test]
async fn a_proxy_header_that_does_not_come_is_not_waited_for() {
    let mut config = proxied(tcp(), "127.0.0.1");
    config.limits.handshake_time = Duration::from_millis(100);
    let served = Served::new(config).await;
    assert!(closed(TcpStream::connect(served.address).await.unwrap()).await);
    assert_eq!(served.counters.snapshot().handshakes_timed_out, 1);
}

#[tokio::test]
async fn a_forwarded_address_is_believed_of_trusted_proxies_alone() {
    for (trusted, expected) in [("127.0.0.0/8", "Some(198.51.100.1)"), ("10.0.0.0/8", "Some(127.0.0.1)")] {
        let mut config = tcp();
        config.trusted_proxies = vec![trusted.parse().unwrap()];
        let served = Served::new(config).await;
        let stream = TcpStream::connect(served.address).await.unwrap();
        let request = http::Request::get("/client")
            .header("host", "localhost")
            .header("x-forwarded-for", "192.0.2.7, 198.51.100.1")
            .body(Full::default())
            .unwrap();
        let (_, client) = Requests::over(stream, false).await.unwrap().send(request).await.unwrap();
        assert_eq!(client, expected);
    }
}

#[tokio::test]
async fn a_unix_socket_gives_the_process_at_its_other_end() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("admin.sock");
    let served = Served::new(ListenerConfig::unix("admin", &path)).await;
    let own = std::fs::metadata(directory.path()).unwrap();
    for h2 in [false, true] {
        let stream = UnixStream::connect(&path).await.unwrap();
        let peer = Requests::over(stream, h2).await.unwrap().post("/peer", "").await.unwrap().1;
        let expected = format!("Unix {{ uid: {}, gid: {}, pid: Some({}) }}", own.uid(), own.gid(), std::process::id());
        assert!(peer.contains(&expected) && peer.contains("listener: \"admin\""), "{peer}");
    }
    served.trigger.drain();
    served.ended.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_unix_socket_has_the_mode_it_was_given() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("socket");
    for mode in [0o600, 0o660] {
        let mut config = ListenerConfig::unix("socket", &path);
        assert_eq!(config.address, Address::Unix { path: path.clone(), mode: 0o600 });
        config.address = Address::Unix { path: path.clone(), mode };
        let _listener = Listener::bind(config).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("socket");
    let bind = || Listener::bind(ListenerConfig::unix("socket", &path));

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    let listener = bind().await.unwrap();
    assert!(matches!(bind().await, Err(Error::SocketTaken { .. })));
    drop(listener);

    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(bind().await, Err(Error::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn settings_of_tcp_are_refused_for_a_unix_socket() {
    let directory = TempDir::new().unwrap();
    let mut config = ListenerConfig::unix("socket", directory.path().join("socket"));
    config.tls = Some(TlsProfile::new("chain.pem", "key.pem"));
    assert!(matches!(Listener::bind(config.clone()).await, Err(Error::TcpOnly { setting: "TLS", .. })));
    config.tls = None;
    config.proxy_sources = Some(Vec::new());
    assert!(matches!(Listener::bind(config).await, Err(Error::TcpOnly { setting: "the PROXY protocol", .. })));
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_by_name() {
    let taken = Listener::bind(tcp()).await.unwrap().local_address().unwrap();
    let holder = Listener::bind(ListenerConfig::tcp("first", taken)).await.unwrap();
    let error = Listener::bind(ListenerConfig::tcp("second", taken)).await.err().unwrap();
    assert!(matches!(error, Error::Bind { .. }) && error.to_string().contains(&taken.to_string()), "{error}");
    drop(holder);
    let mut config = tcp();
    config.limits = Limits { headers: 0, ..Limits::default() };
    assert!(matches!(Listener::bind(config).await, Err(Error::LimitTooLow { limit: "headers", .. })));
}
