//! Who is at the other end of a connection, as the transport proved it.
//!
//! Absent: any judgement about a certificate beyond "it verifies": names are mapped to callers by core/identity and
//! the front ends.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use http::HeaderMap;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, pki_types::CertificateDer};

use crate::{
    address::{Network, trusted},
    limits::{CLIENT_NAMES, FORWARDED_HOPS},
    tls,
};

/// The far end of one connection, made once and shared by its requests.
#[derive(Debug)]
pub struct Peer {
    /// The name of the listener that accepted the connection.
    pub listener: Arc<str>,
    /// The far end itself.
    pub remote: Remote,
    /// What TLS agreed on and proved; `None` without TLS.
    pub tls: Option<TlsInfo>,
    trusted_proxies: Arc<[Network]>,
    client_names: OnceLock<Vec<Box<str>>>,
}

/// The far end's address or process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// The TCP client: as a PROXY header from a trusted source names it, else as the socket does.
    Tcp(SocketAddr),
    /// The process at the other end of a Unix socket, as the kernel says (at the time it connected).
    Unix {
        /// Its effective user id.
        uid: u32,
        /// Its effective group id.
        gid: u32,
        /// Its process id, where the kernel knows it.
        pid: Option<i32>,
    },
}

/// What TLS agreed on.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// The protocol version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub cipher_suite: CipherSuite,
    /// The key exchange group; `None` for a resumed session of TLS 1.2.
    pub group: Option<NamedGroup>,
    /// The application protocol, `h2` or `http/1.1`, if the client asked for one (RFC 7301).
    pub application_protocol: Option<ApplicationProtocol>,
    /// The server name that the client asked for (RFC 6066 section 3). A claim, nothing more.
    pub server_name: Option<Box<str>>,
    /// The client's chain in DER, its own certificate first, verified against the listener's client CA; empty if it
    /// sent none.
    pub client_certificates: Vec<CertificateDer<'static>>,
}

/// The protocols that we speak over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Peer {
    /// A peer as a listener would make it. Listeners make their own; this is for an app's tests.
    pub fn new(
        listener: impl Into<Arc<str>>,
        remote: Remote,
        tls: Option<TlsInfo>,
        trusted_proxies: impl Into<Arc<[Network]>>,
    ) -> Self {
        let (listener, trusted_proxies) = (listener.into(), trusted_proxies.into());
        Self { listener, remote, tls, trusted_proxies, client_names: OnceLock::new() }
    }

    /// The client's certificate, if it proved one.
    pub fn client_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.as_ref()?.client_certificates.first()
    }

    /// The names in the client's certificate, if it proved one: its common names, then its DNS names; the first
    /// [`CLIENT_NAMES`](crate::limits::CLIENT_NAMES) of them.
    pub fn client_names(&self) -> &[Box<str>] {
        self.client_names.get_or_init(|| {
            let mut names = self.client_certificate().map(tls::names).unwrap_or_default();
            names.truncate(CLIENT_NAMES);
            names
        })
    }

    /// The address that the request came from: the far end's, or, if the far end is one of the listener's trusted
    /// proxies, the last address in `X-Forwarded-For` that is not. `None` over a Unix socket.
    ///
    /// An entry that is no address ends the search: what stands before it was not written by a trusted proxy.
    pub fn client_address(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let Remote::Tcp(remote) = self.remote else { return None };
        let remote = remote.ip();
        if self.trusted_proxies.is_empty() || !trusted(&self.trusted_proxies, remote) {
            return Some(remote);
        }
        let mut client = remote;
        let fields = headers.get_all("x-forwarded-for");
        let hops = fields.iter().rev().flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops.take(FORWARDED_HOPS) {
            let Some(address) = hop_address(hop) else { break };
            client = address;
            if !trusted(&self.trusted_proxies, client) {
                break;
            }
        }
        Some(client)
    }
}

/// An entry of `X-Forwarded-For`: an address, with a port as some proxies add it, or without.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(remote: &str, fields: &[&str]) -> String {
        let remote = Remote::Tcp(SocketAddr::new(remote.parse().unwrap(), 1));
        let peer = Peer::new("test", remote, None, ["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        peer.client_address(&headers).unwrap().to_string()
    }

    #[test]
    fn a_stranger_cannot_claim_an_address() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn only_the_last_address_that_is_no_trusted_proxy_counts() {
        assert_eq!(client("10.0.0.1", &["192.0.2.7, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.7", "198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.3"]), "10.0.0.3");
    }

    #[test]
    fn what_a_trusted_proxy_did_not_write_is_not_believed() {
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["198.51.100.1,"]), "10.0.0.1");
    }

    #[test]
    fn a_list_without_end_is_not_followed() {
        let list = std::iter::once("198.51.100.1").chain(std::iter::repeat_n("10.0.0.2", FORWARDED_HOPS));
        assert_eq!(client("10.0.0.1", &[&list.collect::<Vec<_>>().join(",")]), "10.0.0.2");
    }
}
