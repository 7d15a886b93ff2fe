//! Where a request came from, as the listener proved it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use strongroom_http::{Peer, Remote, TlsInfo};
use strongroom_model::caller::Source;

use crate::limits;

/// Cipher suites (RFC 8446, B.4; RFC 5289) as records name them.
const SUITES: [(u16, &str); 5] = [
    (0x1301, "TLSv1.3 TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256"),
    (0xc02c, "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc030, "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
];

/// Makes sources of requests, sharing the words that most have in common.
pub struct Origins {
    none: Arc<str>,
    suites: Vec<(u16, Arc<str>)>,
}

impl Default for Origins {
    fn default() -> Self {
        Self { none: Arc::from(""), suites: SUITES.map(|(code, name)| (code, Arc::from(name))).to_vec() }
    }
}

impl Origins {
    /// Where a request with these fields came from.
    #[must_use]
    pub fn source(&self, peer: &Peer, fields: &HeaderMap) -> Arc<Source> {
        let address = match (peer.remote, peer.client_address(fields)) {
            (Remote::Tcp(remote), Some(client)) if remote.ip() == client => Some(remote),
            // A proxy tells no port.
            (Remote::Tcp(_), Some(client)) => Some(SocketAddr::new(client, 0)),
            _ => None,
        };
        let tls = peer.tls.as_ref().map_or_else(|| Arc::clone(&self.none), |tls| self.words(tls));
        Arc::new(Source { address, listener: Arc::clone(&peer.listener), tls })
    }

    fn words(&self, tls: &TlsInfo) -> Arc<str> {
        let code = u16::from(tls.cipher_suite);
        match self.suites.iter().find(|(suite, _)| *suite == code) {
            Some((_, words)) => Arc::clone(words),
            None => format!("{:?} {:?}", tls.version, tls.cipher_suite).into(),
        }
    }
}

/// What a client calls itself, cut to [`limits::USER_AGENT_BYTES`]; empty when it does not say.
#[must_use]
pub fn user_agent(fields: &HeaderMap) -> &str {
    let text = fields.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A value of `to_str` is ASCII, so every index is a character's.
    text.get(..limits::USER_AGENT_BYTES).unwrap_or(text)
}
