//! What proxies say of the peers that they speak for.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use strongroom_http::{Network, Peer, Remote, proxy};

/// A PROXY header, version 2, as a connection begins with it.
pub fn proxy_header(data: &[u8]) {
    let header = match proxy::parse(data) {
        Ok(header) => header,
        Err(proxy::ProxyError::Incomplete { missing }) => return assert!(missing > 0),
        Err(_) => return,
    };
    let (front, _) = data.split_at(header.length);
    assert_eq!(proxy::parse(front), Ok(header), "what follows a header matters");
    for cut in 0..front.len() {
        let Err(proxy::ProxyError::Incomplete { missing }) = proxy::parse(&front[..cut]) else {
            unreachable!("a header cut to {cut} bytes is not incomplete")
        };
        assert!((1..=front.len() - cut).contains(&missing), "asks for more than the header has");
    }
}

/// `X-Forwarded-For`, one field a line.
pub fn forwarded_for(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for value in data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append("x-forwarded-for", value);
    }
    let trusted: Network = "10.0.0.0/8".parse().unwrap();
    let client = |remote: IpAddr| {
        Peer::new("fuzz", Remote::Tcp(SocketAddr::new(remote, 1)), None, [trusted]).client_address(&headers).unwrap()
    };
    let stranger = IpAddr::from([203, 0, 113, 9]);
    assert_eq!(client(stranger), stranger, "a stranger is believed");
    let address = client(IpAddr::from([10, 0, 0, 1]));
    assert_eq!(address, address.to_canonical());
}

/// A network of trusted proxies.
pub fn network(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(network) = text.parse::<Network>() else { return };
    assert_eq!(network.to_string().parse(), Ok(network));
    let (address, _) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().unwrap();
    // Peers' addresses are canonical, so an IPv4 address that is written as IPv6 names none of them.
    assert!(network.contains(address), "does not hold its own address");
}
