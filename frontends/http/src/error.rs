//! What can keep a listener from being made. Faults of single connections are counted, not returned
//! ([`crate::Counters`]).

use std::{io, path::PathBuf};

use rustls::{pki_types::pem, server::VerifierBuilderError};

use crate::Address;

/// Why a listener or its TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours to take, or not on this machine.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where the listener should have been.
        address: Address,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Something that is not a socket is where the Unix socket should be; it is left alone.
    #[error("cannot listen on {}: a file that is not a socket is in its place", .path.display())]
    NotASocket {
        /// The socket's path.
        path: PathBuf,
    },
    /// Another process listens on the Unix socket.
    #[error("cannot listen on {}: another process answers there", .path.display())]
    SocketTaken {
        /// The socket's path.
        path: PathBuf,
    },
    /// TLS and the PROXY protocol belong to TCP.
    #[error("listener {name}: {setting} is for TCP listeners, not for a Unix socket")]
    TcpOnly {
        /// The listener.
        name: String,
        /// The setting that does not apply.
        setting: &'static str,
    },
    /// A limit under which nothing could be served.
    #[error("limit {limit} is {value}; it must be at least {least}")]
    LimitTooLow {
        /// The field of [`crate::Limits`].
        limit: &'static str,
        /// Its value.
        value: usize,
        /// The least that works.
        least: usize,
    },
    /// A PEM file can't be read, is malformed, or holds nothing of the kind.
    #[error("{}: no {wanted} could be read: {source}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for in it.
        wanted: &'static str,
        /// What stood in the way.
        source: pem::Error,
    },
    /// A certificate is not valid DER (RFC 5280).
    #[error("{}: certificate {position} of the chain is malformed", .path.display())]
    MalformedCertificate {
        /// The chain's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
    },
    /// An RSA key under 2048 bits.
    #[error("{}: certificate {position} of the chain has an RSA key of {bits} bits; at least 2048 are needed", .path.display())]
    WeakRsa {
        /// The chain's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
        /// The modulus' length.
        bits: usize,
    },
    /// Neither RSA nor ECDSA over P-256 or P-384.
    #[error("{}: certificate {position} of the chain has a key that is neither RSA nor ECDSA over P-256 or P-384", .path.display())]
    UnsupportedKey {
        /// The chain's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
    },
    /// The private key can't be used.
    #[error("{}: the private key cannot be used: {source}", .path.display())]
    PrivateKey {
        /// The key's file.
        path: PathBuf,
        /// The cryptographic library's answer.
        source: rustls::Error,
    },
    /// The private key is not that of the certificate.
    #[error("{}: the private key does not belong to the certificate in {}", .key.display(), .certificate.display())]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The chain's file.
        certificate: PathBuf,
    },
    /// A certificate of the chain was not issued by the one behind it.
    #[error("{}: certificate {position} of the chain was not issued by the one behind it; put the issuer's next", .path.display())]
    ChainOrder {
        /// The chain's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
    },
    /// A certificate of the chain holds no more.
    #[error("{}: certificate {position} of the chain expired on {until}; renew it", .path.display())]
    Expired {
        /// The chain's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
        /// Until when it held.
        until: String,
    },
    /// A certificate of the chain does not hold yet.
    #[error("{}: certificate {position} of the chain holds from {from} on; set this machine's clock, or wait", .path.display())]
    NotYetValid {
        /// The chain's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
        /// From when on it holds.
        from: String,
    },
    /// The chain leads to none of the authorities that it should lead to.
    #[error(
        "{}: the chain leads to none of the authorities in {}: {source}; add the missing intermediate certificates behind \
         the listener's own",
        .path.display(), .authorities.display()
    )]
    ChainIncomplete {
        /// The chain's file.
        path: PathBuf,
        /// The authorities' file.
        authorities: PathBuf,
        /// What stood in the way.
        source: Box<rustls::Error>,
    },
    /// A client CA certificate can't be a trust anchor.
    #[error("{}: certificate {position} cannot be a trust anchor: {source}", .path.display())]
    TrustAnchor {
        /// The bundle's file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
        /// Why not.
        source: rustls::Error,
    },
    /// The client CA bundle and the revocation lists don't make a verifier.
    #[error("{}: client certificates cannot be verified with this bundle and its revocation lists: {source}", .path.display())]
    ClientVerifier {
        /// The bundle's file.
        path: PathBuf,
        /// Why not.
        source: VerifierBuilderError,
    },
    /// The TLS library refused the configuration as a whole.
    #[error("the TLS configuration is refused: {source}")]
    Tls {
        /// The TLS library's answer.
        source: rustls::Error,
    },
    /// Two routes for the same method and pattern.
    #[error("the route {method} {pattern} is given twice")]
    RouteTwice {
        /// The method.
        method: http::Method,
        /// The pattern.
        pattern: String,
    },
    /// A route pattern that does not begin with a slash, or has `{*}` before its end.
    #[error("the route pattern {pattern:?} must begin with '/' and may have {{*}} as its last segment only")]
    RoutePattern {
        /// The pattern.
        pattern: String,
    },
}
