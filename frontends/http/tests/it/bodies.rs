//! All bodies together: what a listener holds of them at once is bounded, whoever sends them.

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::support::{Authority, PATIENCE, Requests, Served, tcp, tls};

const BODY: usize = 10_000;
/// Bodies that fit.
const FITTING: usize = 10;

#[tokio::test]
async fn over_many_streams_of_many_connections_no_more_is_held_than_the_budget() {
    let authority = Authority::new();
    let mut config = tls(&authority);
    config.limits.bodies_bytes = BODY * FITTING + BODY / 2;
    let served = Served::new(config).await;
    let (connections, streams) = (4, 32);
    let mut answers = JoinSet::new();
    for _ in 0..connections {
        let stream = authority.client().h2().connect(served.address).await.unwrap();
        let requests = Requests::over(stream, true).await.unwrap();
        for _ in 0..streams {
            let mut requests = requests.another();
            answers.spawn(async move { requests.post("/gate", vec![b'a'; BODY]).await.unwrap() });
        }
    }
    // All but those that fit are answered while those are still held.
    for _ in 0..connections * streams - FITTING {
        let (status, reply) = timeout(PATIENCE, answers.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!((status, &*reply), (StatusCode::SERVICE_UNAVAILABLE, "Overloaded"));
    }
    let counts = served.counters.snapshot();
    assert_eq!(counts.requests_overloaded, (connections * streams - FITTING) as u64);
    let _ = served.app.arrived.acquire_many(FITTING as u32).await.unwrap();
    served.app.gate.add_permits(FITTING);
    while let Some(answer) = timeout(PATIENCE, answers.join_next()).await.unwrap() {
        assert_eq!(answer.unwrap().0, StatusCode::OK);
    }
    // What they held can be had again.
    let stream = authority.client().h2().connect(served.address).await.unwrap();
    let mut requests = Requests::over(stream, true).await.unwrap();
    let whole = vec![b'a'; BODY * FITTING];
    assert_eq!(requests.post("/length", whole).await.unwrap(), (StatusCode::OK, (BODY * FITTING).to_string()));
}

async fn begun(served: &Served, announced: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: {announced}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &vec![b'a'; sent]].concat()).await.unwrap();
    stream
}

async fn reply(stream: &mut TcpStream) -> String {
    let mut reply = vec![0; 1000];
    let length = timeout(PATIENCE, stream.read(&mut reply)).await.unwrap().unwrap();
    String::from_utf8_lossy(&reply[..length]).into_owned()
}

#[tokio::test]
async fn a_body_that_is_announced_and_not_sent_takes_nothing_from_others() {
    let mut config = tcp();
    config.limits.bodies_bytes = BODY;
    let served = Served::new(config).await;
    let mut announced = Vec::new();
    for number in 1..=8 {
        announced.push(begun(&served, BODY, 0).await);
        served.until(|counts| counts.requests == number).await;
    }
    let stream = TcpStream::connect(served.address).await.unwrap();
    let mut requests = Requests::over(stream, false).await.unwrap();
    assert_eq!(requests.post("/length", vec![b'a'; BODY]).await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_read_and_an_unfinished_body_gives_back_what_it_held() {
    let mut config = tcp();
    config.limits.bodies_bytes = BODY;
    let served = Served::new(config).await;
    // Two that fit one by one: the second is refused where it passes the budget, wherever the first stands.
    let (mut first, mut second) = (begun(&served, BODY, BODY - 1).await, begun(&served, BODY, 0).await);
    served.until(|counts| counts.requests == 2).await;
    let refused = loop {
        let mut third = TcpStream::connect(served.address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY}\r\nexpect: 100-continue\r\n\r\n");
        third.write_all(head.as_bytes()).await.unwrap();
        let answered = reply(&mut third).await;
        // Until what the first sent has come in.
        if !answered.starts_with("HTTP/1.1 100 ") {
            break answered;
        }
    };
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    second.write_all(&[b'a'; BODY]).await.unwrap();
    let refused = reply(&mut second).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    first.shutdown().await.unwrap();
    drop(first);
    let answered = loop {
        let mut fourth = begun(&served, BODY, BODY).await;
        let answered = reply(&mut fourth).await;
        if !answered.starts_with("HTTP/1.1 503 ") {
            break answered;
        }
    };
    assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
}
