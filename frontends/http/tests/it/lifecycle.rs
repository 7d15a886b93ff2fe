//! The end of a listener: what is under way ends, what is idle closes, what hangs is cut off.

use std::time::Duration;

use tokio::{net::TcpStream, time::timeout};

use crate::support::{Authority, PATIENCE, Requests, Served, tcp, tls};

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_accepts_nothing_new() {
    let authority = Authority::new();
    for client in [authority.client(), authority.client().h2()] {
        let served = Served::new(tls(&authority)).await;
        let connect = async || client.connect(served.address).await.unwrap();
        let h2 = client.protocol.is_some();
        let mut idle = Requests::over(connect().await, h2).await.unwrap();
        idle.post("/", "").await.unwrap();
        let mut busy = Requests::over(connect().await, h2).await.unwrap();

        let reply = busy.post("/gate", "");
        let drain = async {
            served.app.arrived.acquire().await.unwrap().forget();
            served.trigger.drain();
            served.until(|counts| counts.connections_open == 1).await;
            TcpStream::connect(served.address).await.unwrap_err();
            served.app.gate.add_permits(1);
        };
        assert_eq!(tokio::join!(reply, drain).0.unwrap().1, "through the gate");
        idle.post("/", "").await.unwrap_err();
        let drained = timeout(PATIENCE, served.ended).await.unwrap().unwrap();
        assert_eq!(drained.cut_off, 0);
    }
}

#[tokio::test]
async fn a_drain_cuts_off_what_does_not_end_in_time() {
    let mut config = tcp();
    config.limits.drain_time = Duration::from_millis(100);
    let served = Served::new(config).await;
    let mut requests = Requests::over(TcpStream::connect(served.address).await.unwrap(), false).await.unwrap();
    let drain = async {
        served.until(|counts| counts.requests == 1).await;
        served.trigger.drain();
    };
    let (reply, ()) = tokio::join!(requests.post("/never", ""), drain);
    reply.unwrap_err();
    let drained = timeout(PATIENCE, served.ended).await.unwrap().unwrap();
    assert_eq!(drained.cut_off, 1);
    assert!(drained.took >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_trigger_that_is_dropped_ends_the_listener() {
    let served = Served::new(tcp()).await;
    drop(served.trigger);
    assert_eq!(timeout(PATIENCE, served.ended).await.unwrap().unwrap().cut_off, 0);
}

#[tokio::test]
async fn one_signal_ends_several_listeners() {
    use std::sync::Arc;

    use strongroom_http::{App, Listener, Peer, Request, Response, shutdown};

    struct Nothing;
    impl App for Nothing {
        async fn call(&self, _: &Arc<Peer>, _: Request) -> Response {
            Response::default()
        }
    }
    let (trigger, signal) = shutdown();
    let app = Arc::new(Nothing);
    let (one, two) = (Listener::bind(tcp()).await.unwrap(), Listener::bind(tcp()).await.unwrap());
    let both = async { tokio::join!(one.serve(Arc::clone(&app), signal.clone()), two.serve(app, signal)) };
    trigger.drain();
    timeout(PATIENCE, both).await.unwrap();
}
