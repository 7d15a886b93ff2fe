//! Bodies and heads within their limits, and what is said beyond them.

use std::time::Duration;

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Authority, PATIENCE, Requests, Served, tcp, tls};

async fn plain(served: &Served) -> Requests {
    Requests::over(TcpStream::connect(served.address).await.unwrap(), false).await.unwrap()
}

/// Sends bytes, and returns all that comes back until the server closes.
async fn raw(served: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut reply = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
    String::from_utf8(reply).unwrap()
}

#[tokio::test]
async fn bodies_up_to_the_limit_arrive_whole_over_both_protocols() {
    let authority = Authority::new();
    let mut config = tls(&authority);
    config.limits.body_bytes = 100_000;
    let served = Served::new(config).await;
    for client in [authority.client(), authority.client().h2()] {
        let stream = client.connect(served.address).await.unwrap();
        let mut requests = Requests::over(stream, client.protocol.is_some()).await.unwrap();
        for length in [0, 1, 16_384, 65_536, 100_000] {
            let body: String = ('a'..='z').cycle().take(length).collect();
            assert_eq!(requests.post("/", body.clone()).await.unwrap(), (StatusCode::OK, body));
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_413() {
    let authority = Authority::new();
    let mut config = tls(&authority);
    config.limits.body_bytes = 1000;
    let served = Served::new(config).await;
    for client in [authority.client(), authority.client().h2()] {
        let stream = client.connect(served.address).await.unwrap();
        let mut requests = Requests::over(stream, client.protocol.is_some()).await.unwrap();
        let (status, reply) = requests.post("/", vec![b'a'; 200_000]).await.unwrap();
        assert_eq!((status, &*reply), (StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge { limit: 1000 }"));
    }
    assert_eq!(served.counters.snapshot().requests_refused, 2);
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body_is_sent() {
    let served = Served::new(tcp()).await;
    let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n";
    let reply = raw(&served, head).await;
    assert!(reply.starts_with("HTTP/1.1 413 ") && reply.contains("connection: close"), "{reply}");
}

#[tokio::test]
async fn a_chunked_body_is_refused_where_it_passes_the_limit() {
    let mut config = tcp();
    config.limits.body_bytes = 10;
    let served = Served::new(config).await;
    let head =
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n8\r\naaaaaaaa\r\n8\r\naaaaaaaa\r\n";
    let reply = raw(&served, head.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn an_app_may_lower_the_limit_and_refuse_before_the_body() {
    let served = Served::new(tcp()).await;
    let reply = plain(&served).await.post("/small", "a".repeat(17)).await.unwrap();
    assert_eq!(reply, (StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge { limit: 16 }".to_owned()));
    let reply = plain(&served).await.post("/overloaded", "a").await.unwrap();
    assert_eq!(reply.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_refusal_before_the_body_leaves_the_connection_open() {
    let served = Served::new(tcp()).await;
    let mut requests = plain(&served).await;
    for body in [0, 10, 100_000] {
        let (status, _) = requests.post("/overloaded", vec![b'a'; body]).await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(requests.post("/", "a").await.unwrap().1, "a");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_with_408() {
    let mut config = tcp();
    config.limits.body_time = Duration::from_millis(100);
    let served = Served::new(config).await;
    let reply = raw(&served, b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\na").await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.ends_with("BodyTimedOut"), "{reply}");
}

#[tokio::test]
async fn too_many_headers_are_refused_with_431_over_both_protocols() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    for client in [authority.client(), authority.client().h2()] {
        let stream = client.connect(served.address).await.unwrap();
        let mut requests = Requests::over(stream, client.protocol.is_some()).await.unwrap();
        let mut request = http::Request::get("https://localhost/").header("host", "localhost");
        for index in 0..100 {
            request = request.header(format!("x-{index}"), "1");
        }
        let (head, _) = requests.send(request.body(Default::default()).unwrap()).await.unwrap();
        assert_eq!(head.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_with_431() {
    let served = Served::new(tcp()).await;
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "a".repeat(40_000));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let _ = stream.write_all(head.as_bytes()).await;
    let mut reply = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    assert_eq!(&reply, b"HTTP/1.1 431");
}

#[tokio::test]
async fn a_target_over_the_limit_is_refused_with_414() {
    let served = Served::new(tcp()).await;
    let (status, _) = plain(&served).await.post(&format!("/{}", "a".repeat(5000)), "").await.unwrap();
    assert_eq!(status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn two_ideas_of_a_body_s_length_are_never_both_followed() {
    let served = Served::new(tcp()).await;
    for fields in ["content-length: 5\r\ncontent-length: 6", "transfer-encoding: gzip", "content-length: +5"] {
        let reply =
            raw(&served, format!("POST / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n\r\nhello!").as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{fields}: {reply}");
    }
    // RFC 9112 section 6.3: chunked overrides a length, and what follows is no second request.
    let both = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\ntransfer-encoding: chunked\r\nconnection: close\
                \r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /peer HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let reply = raw(&served, both.as_bytes()).await;
    assert!(reply.ends_with("hello") || reply.starts_with("HTTP/1.1 400 "), "{reply}");
}

#[tokio::test]
async fn a_reply_names_its_date_and_no_server() {
    let served = Served::new(tcp()).await;
    let request = http::Request::get("/").header("host", "localhost").body(Default::default()).unwrap();
    let (head, _) = plain(&served).await.send(request).await.unwrap();
    assert!(head.headers.contains_key("date"));
    assert!(!head.headers.contains_key("server"));
}

#[tokio::test]
async fn a_head_with_a_field_of_16_kib_is_taken_over_both_protocols() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    for (client, uri) in [(authority.client(), "/"), (authority.client().h2(), "https://localhost/")] {
        let stream = client.connect(served.address).await.unwrap();
        let mut requests = Requests::over(stream, client.protocol.is_some()).await.unwrap();
        // As long as a session token may be.
        let token = "t".repeat(16 * 1024);
        let request = http::Request::post(uri).header("host", "localhost").header("x-amz-security-token", token);
        let (head, _) = requests.send(request.body("".into()).unwrap()).await.unwrap();
        assert_eq!(head.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn after_a_request_too_many_a_connection_has_to_wait_and_others_do_not() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    for client in [authority.client(), authority.client().h2()] {
        let h2 = client.protocol.is_some();
        let connect = || async { Requests::over(client.connect(served.address).await.unwrap(), h2).await.unwrap() };
        let (mut greedy, mut other) = (connect().await, connect().await);
        // Its pause can't begin before it was asked.
        let asked = std::time::Instant::now();
        assert_eq!(greedy.post("/busy", "").await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
        let next = tokio::spawn(async move { (greedy.post("/gate", "").await.unwrap().0, asked.elapsed()) });
        assert_eq!(other.post("/", "at once").await.unwrap().1, "at once");
        served.app.gate.add_permits(1);
        let (status, waited) = next.await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(waited >= Duration::from_millis(100), "{waited:?}");
    }
}
