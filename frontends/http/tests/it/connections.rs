//! Connections within their limits of number and time.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Authority, PATIENCE, Requests, Served, tcp, tls};

/// Reads until the server closes; fails if it does not.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is a close too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_in_its_time() {
    let mut config = tcp();
    config.limits.header_time = Duration::from_secs(3);
    let served = Served::new(config).await;
    let trickle = async |mut stream: TcpStream| {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut first = TcpStream::connect(served.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nx-slow: ").await.unwrap();
    timeout(PATIENCE, trickle(first)).await.unwrap();

    // The second head of a connection is held to the same time as its first.
    let mut second = TcpStream::connect(served.address).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    second.read_exact(&mut [0; 15]).await.unwrap();
    timeout(PATIENCE, trickle(second)).await.unwrap();
    served.until(|counts| counts.connections_timed_out == 2 && counts.connections_open == 0).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let mut config = tcp();
    config.limits.header_time = Duration::from_millis(100);
    let served = Served::new(config).await;
    assert_eq!(rest(&mut TcpStream::connect(served.address).await.unwrap()).await, b"");

    let authority = Authority::new();
    let mut config = tls(&authority);
    config.limits.handshake_time = Duration::from_millis(100);
    let served = Served::new(config).await;
    assert_eq!(rest(&mut TcpStream::connect(served.address).await.unwrap()).await, b"");
    served.until(|counts| counts.handshakes_timed_out == 1).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_good_order() {
    let mut config = tcp();
    config.limits.idle_time = Duration::from_secs(3);
    let served = Served::new(config).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 200 OK"));
    served.until(|counts| counts.connections_open == 0).await;
    assert_eq!(served.counters.snapshot().connections_timed_out, 0);
}

#[tokio::test]
async fn a_request_under_way_outlives_the_idle_time() {
    let authority = Authority::new();
    let mut config = tls(&authority);
    // Long enough for a busy machine to send the request on the connection that it has made.
    let idle = Duration::from_secs(2);
    config.limits.idle_time = idle;
    let served = Served::new(config).await;
    for client in [authority.client(), authority.client().h2()] {
        let stream = client.connect(served.address).await.unwrap();
        let mut requests = Requests::over(stream, client.protocol.is_some()).await.unwrap();
        let reply = requests.post("/gate", "");
        let opened = async {
            served.app.arrived.acquire().await.unwrap().forget();
            tokio::time::sleep(idle * 3 / 2).await;
            served.app.gate.add_permits(1);
        };
        assert_eq!(tokio::join!(reply, opened).0.unwrap().1, "through the gate");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_freed_place_is_used() {
    let mut config = tcp();
    config.limits.connections = 2;
    let served = Served::new(config).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let stream = TcpStream::connect(served.address).await.unwrap();
        let mut requests = Requests::over(stream, false).await.unwrap();
        requests.post("/", "").await.unwrap();
        held.push(requests);
    }
    assert_eq!(rest(&mut TcpStream::connect(served.address).await.unwrap()).await, b"");
    assert_eq!(served.counters.snapshot().connections_refused, 1);

    held.pop();
    served.until(|counts| counts.connections_open == 1).await;
    let stream = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(Requests::over(stream, false).await.unwrap().post("/", "in").await.unwrap().1, "in");
}

#[tokio::test]
async fn silent_clients_take_no_turn_to_shake_hands() {
    let authority = Authority::new();
    let mut config = tls(&authority);
    config.limits.handshakes = 1;
    let served = Served::new(config).await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    served.until(|counts| counts.connections_open == 5).await;
    assert_eq!(timeout(PATIENCE, authority.client().ask(served.address, "/")).await.unwrap().unwrap(), "");
}

#[tokio::test]
async fn an_app_that_panics_ends_its_connection_and_no_other() {
    let served = Served::new(tcp()).await;
    let connect = async || Requests::over(TcpStream::connect(served.address).await.unwrap(), false).await.unwrap();
    let (mut doomed, mut other) = (connect().await, connect().await);
    other.post("/", "").await.unwrap();
    doomed.post("/panic", "").await.unwrap_err();
    served.until(|counts| counts.connections_panicked == 1 && counts.connections_open == 1).await;
    assert_eq!(other.post("/", "alive").await.unwrap().1, "alive");
}

#[tokio::test]
async fn bytes_that_are_no_tls_are_counted_and_refused() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(!rest(&mut stream).await.starts_with(b"HTTP"));
    served.until(|counts| counts.handshakes_malformed == 1).await;
}

#[test]
fn a_want_of_descriptors_is_survived() {
    // A process of its own: the limit holds for all of it.
    let mut child = std::process::Command::new("timeout");
    child.arg("40").arg(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "--ignored", "connections::without_descriptors"]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "lowers its process's limit of descriptors; run by a_want_of_descriptors_is_survived"]
async fn without_descriptors() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let served = Served::new(tcp()).await;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: Some(64) }).unwrap();
    let mut held: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    // One for the client's end, none for the server's.
    held.pop();
    let stream = TcpStream::connect(served.address).await.unwrap();
    served.until(|counts| counts.accept_failures > 1).await;
    drop(held);
    assert_eq!(Requests::over(stream, false).await.unwrap().post("/", "served").await.unwrap().1, "served");
}
