//! Connections: kept, closed, late, refused.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::cipher_suite;
use strongroom_model::external::ExternalError;
use strongroom_sigv4::SecretBytes;
use strongroom_xks_client::{
    Client, ClientCertificate, Hosts, Network, NetworkError, Route, Sealed, Unreachable, XksError, limits,
};
use tokio::net::TcpSocket;

use crate::proxy::{
    ASSOCIATED, Act, HOST, PATIENT, Proxy, Tls, client, clock, key, listening, manager, metadata, plaintext, request,
    sound, unrouted,
};

/// How much longer than its deadline a call may seem on a busy machine.
const NOISE: Duration = Duration::from_secs(10);
/// A deadline that is waited for, and within which a busy machine answers.
const WAITED_FOR: Duration = Duration::from_secs(5);

fn encrypt(client: &Client) -> Result<Sealed, XksError> {
    client.encrypt(key(), &metadata(), &plaintext(), ASSOCIATED)
}

fn is_late(client: &Client) {
    let began = Instant::now();
    let told = encrypt(client).err().unwrap();
    assert!(matches!(told, XksError::Late), "{told:?}");
    assert!((limits::DEADLINE..limits::DEADLINE + NOISE).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[test]
fn a_connection_is_used_again() {
    let (proxy, asked) = listening();
    let client = proxy.client(PATIENT);
    for _ in 0..5 {
        encrypt(&client).unwrap();
    }
    assert_eq!((proxy.connections(), asked.lock().unwrap().len()), (1, 5));
}

#[test]
fn a_kept_connection_that_is_closed_is_replaced_within_the_call() {
    // Every connection answers once, and ends when it is asked again.
    let proxy = Proxy::start(|asked| if asked.turn == 1 { Act::json(200, &sound()) } else { Act::Close });
    let client = proxy.client(PATIENT);
    for _ in 0..4 {
        encrypt(&client).unwrap();
    }
    assert_eq!(proxy.connections(), 4);
}

#[test]
fn a_new_connection_that_is_closed_is_not_tried_again() {
    let proxy = Proxy::start(|_| Act::Close);
    let told = encrypt(&proxy.client(PATIENT)).err().unwrap();
    assert!(matches!(told, XksError::Unreachable(Unreachable::Broken(_))), "{told:?}");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_replaced_connection_that_is_closed_too_ends_the_call() {
    let proxy = Proxy::start(|asked| match (asked.connection, asked.turn) {
        (1, 1) => Act::json(200, &sound()),
        _ => Act::Close,
    });
    let client = proxy.client(PATIENT);
    encrypt(&client).unwrap();
    let told = encrypt(&client).err().unwrap();
    assert!(matches!(told, XksError::Unreachable(Unreachable::Broken(_))), "{told:?}");
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn a_proxy_that_does_not_answer_is_late_at_the_deadline() {
    let proxy = Proxy::start(|_| Act::Raw(Vec::new()));
    is_late(&proxy.client(limits::DEADLINE));
}

#[test]
fn a_proxy_that_stops_within_its_answer_is_late_at_the_deadline() {
    let proxy = Proxy::start(|_| Act::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ciph".to_vec()));
    is_late(&proxy.client(limits::DEADLINE));
}

#[test]
fn a_server_that_takes_connections_and_says_nothing_is_late_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = rcgen::generate_simple_self_signed(vec!["xks.example.com".to_owned()]).unwrap().cert.pem();
    is_late(&client(listener.local_addr().unwrap(), &authority, limits::DEADLINE));
}

#[test]
fn a_connection_on_which_an_answer_was_late_is_not_used_again() {
    let proxy = Proxy::start(|asked| match asked.connection {
        1 => Act::Raw(Vec::new()),
        _ => Act::json(200, &sound()),
    });
    let client = proxy.client(WAITED_FOR);
    assert!(matches!(encrypt(&client), Err(XksError::Late)));
    encrypt(&client).unwrap();
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn when_a_proxy_falls_silent_none_of_the_connections_to_it_is_used_again() {
    const KEPT: usize = 4;
    let barrier = Barrier::new(KEPT);
    let proxy = Proxy::start(move |asked| {
        match (asked.connection <= KEPT, asked.turn) {
            (true, 1) => {
                // All at once, so that each call has a connection of its own.
                barrier.wait();
                Act::json(200, &sound())
            }
            (true, ..) => Act::Raw(Vec::new()),
            (false, ..) => Act::json(200, &sound()),
        }
    });
    let client = proxy.client(WAITED_FOR);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..KEPT).map(|_| scope.spawn(|| encrypt(&client))).collect();
        assert!(calls.into_iter().all(|call| call.join().unwrap().is_ok()));
    });
    assert!(matches!(encrypt(&client), Err(XksError::Late)));
    encrypt(&client).unwrap();
    assert_eq!(proxy.connections(), KEPT + 1);
}

#[test]
fn nobody_there_is_told_as_unreachable() {
    // Bound, so that nobody else listens there either.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = silent.local_addr().unwrap();
    let authority = rcgen::generate_simple_self_signed(vec!["xks.example.com".to_owned()]).unwrap().cert.pem();
    let told = encrypt(&client(address, &authority, PATIENT)).err().unwrap();
    assert!(matches!(told, XksError::Unreachable(Unreachable::Connect(_))), "{told:?}");
}

#[test]
fn what_is_no_http_is_told_as_unreachable() {
    let proxy = Proxy::start(|_| Act::Raw(b"220 mail.example.com ESMTP\r\n".to_vec()));
    let told = encrypt(&proxy.client(PATIENT)).err().unwrap();
    assert!(matches!(told, XksError::Unreachable(Unreachable::Broken(_))), "{told:?}");
}

#[test]
fn a_certificate_from_an_unknown_authority_is_told_as_a_failure_of_tls() {
    let proxy = Proxy::start_with(Tls::Unknown, |_| panic!("nothing is sent"));
    let told = encrypt(&proxy.client(PATIENT)).err().unwrap();
    assert!(matches!(told, XksError::Tls(rustls::Error::InvalidCertificate(_))), "{told:?}");
}

#[test]
fn suites_are_those_that_aws_offers() {
    for suite in [cipher_suite::TLS13_AES_256_GCM_SHA384, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256] {
        encrypt(&Proxy::start_with(Tls::Suite(suite), |_| Act::json(200, &sound())).client(PATIENT)).unwrap();
    }
    encrypt(&Proxy::start_with(Tls::Only12, |_| Act::json(200, &sound())).client(PATIENT)).unwrap();
    let weak = Tls::Suite(cipher_suite::TLS13_AES_128_GCM_SHA256);
    let told = encrypt(&Proxy::start_with(weak, |_| Act::json(200, &sound())).client(PATIENT)).err().unwrap();
    assert!(matches!(told, XksError::Tls(_)), "{told:?}");
}

#[test]
fn one_call_too_many_is_refused_at_once_and_the_others_end_well() {
    let gate = Arc::new(Mutex::new(()));
    let (arrived, arrivals) = channel();
    let (shared, arrived) = (Arc::clone(&gate), Mutex::new(arrived));
    let proxy = Proxy::start(move |_| {
        arrived.lock().unwrap().send(()).unwrap();
        drop(shared.lock().unwrap());
        Act::json(200, &sound())
    });
    let client = proxy.client(PATIENT);
    thread::scope(|scope| {
        let closed = gate.lock().unwrap();
        let calls: Vec<_> = (0..limits::CALLS).map(|_| scope.spawn(|| encrypt(&client))).collect();
        for _ in 0..limits::CALLS {
            arrivals.recv_timeout(PATIENT).unwrap();
        }
        assert!(matches!(encrypt(&client), Err(XksError::Busy)));
        drop(closed);
        assert!(calls.into_iter().all(|call| call.join().unwrap().is_ok()));
    });
    encrypt(&client).unwrap();
}

#[test]
fn a_name_that_does_not_resolve_is_told_as_unreachable() {
    let told = encrypt(&unrouted("xks.nobody.invalid", "eu-central-1")).err().unwrap();
    assert!(matches!(told, XksError::Unreachable(Unreachable::Name(_))), "{told:?}");
}

#[test]
fn a_region_that_is_none_is_never_asked_for() {
    let told = encrypt(&unrouted("xks.nobody.invalid", "eu central")).err().unwrap();
    assert!(matches!(told, XksError::Unsigned(_)), "{told:?}");
}

#[test]
fn a_route_that_cannot_be_gone_is_refused() {
    let address = "127.0.0.1:8443".parse().unwrap();
    let plain = |host: &str| Route { address: Some(address), ..Route::new(host.to_owned()) };
    let refused = |routes: Vec<Route>| Network::start(Hosts { routes, ..Hosts::default() }, clock()).err().unwrap();
    let told = refused(vec![plain("127.0.0.1")]);
    assert!(matches!(&told, NetworkError::Host { host } if host == "127.0.0.1"), "{told}");
    let told = refused(vec![Route { authorities: Some(b"no PEM".to_vec()), ..plain(HOST) }]);
    assert!(matches!(told, NetworkError::Authorities { .. }), "{told}");
    let told = refused(vec![Route { service: Some("vpce-svc-1".to_owned()), ..plain(HOST) }]);
    assert!(matches!(told, NetworkError::Service { .. }), "{told}");
    for deadline in [Duration::ZERO, limits::DEADLINE_MOST + Duration::from_millis(1)] {
        let told = refused(vec![Route { deadline: Some(deadline), ..plain(HOST) }]);
        assert!(matches!(told, NetworkError::Deadline { .. }), "{told}");
    }
    let told = refused(vec![plain(HOST), plain("XKS.example.com")]);
    assert!(matches!(told, NetworkError::Twice { .. }), "{told}");
}

#[test]
fn a_client_certificate_that_cannot_be_shown_is_refused() {
    let proxy = Proxy::start_with(Tls::Demanding, |_| panic!("nothing is sent"));
    let refused = |certificate: ClientCertificate| {
        let route = Route { certificate: Some(certificate), ..proxy.route() };
        Network::start(Hosts { routes: vec![route], ..Hosts::default() }, clock()).err().unwrap()
    };
    let told = refused(ClientCertificate { key: SecretBytes::copy_from(b"no PEM"), ..proxy.shown() });
    assert!(matches!(told, NetworkError::CertificatePem { .. }), "{told}");
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem().into_bytes();
    let told = refused(ClientCertificate { key: SecretBytes::take(other), ..proxy.shown() });
    assert!(matches!(told, NetworkError::Certificate { .. }), "{told}");
    let told = refused(ClientCertificate { chain: Vec::new(), ..proxy.shown() });
    assert!(matches!(told, NetworkError::Certificate { .. }), "{told}");
}

#[test]
fn a_proxy_that_demands_a_certificate_is_shown_that_of_its_route() {
    let proxy = Proxy::start_with(Tls::Demanding, |_| Act::json(200, &sound()));
    let seal = |route: Route| manager(route).seal("payroll", &request("Encrypt"), ASSOCIATED, &plaintext());
    seal(Route { certificate: Some(proxy.shown()), ..proxy.route() }).unwrap();
    let told = seal(proxy.route()).unwrap_err();
    assert!(matches!(told, ExternalError::Tls { .. }), "{told:?}");
    let stranger = Proxy::start(|_| panic!("nothing is sent")).shown();
    let told = seal(Route { certificate: Some(stranger), ..proxy.route() }).unwrap_err();
    assert!(matches!(told, ExternalError::Tls { .. }), "{told:?}");
}
