//! Every limit of a listener, with its default, in one place.
//!
//! Absent: limits per remote address, and a budget for all heads together: of these a listener can hold `connections`
//! times `header_bytes` (times `streams` over HTTP/2).

use std::time::Duration;

use crate::Error;

/// Connections open at once on one listener, handshakes included.
pub const CONNECTIONS: usize = 4096;
/// TLS handshakes under way at once, counted from the ClientHello.
pub const HANDSHAKES: usize = 256;
/// From the accepted connection to the end of its PROXY header and TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// For a client whose handshake was refused to read why, and the bytes of it that are read meanwhile.
pub const LINGER_TIME: Duration = Duration::from_secs(1);
/// See [`LINGER_TIME`].
pub const LINGER_BYTES: usize = 256 * 1024;
/// Bytes of a request's head: request line and fields.
pub const HEADER_BYTES: usize = 32 * 1024;
/// Fields in a request's head. Up to 100 need no memory of their own in HTTP/1.1.
pub const HEADERS: usize = 64;
/// Bytes of a request target.
pub const TARGET_BYTES: usize = 4096;
/// From the first byte of a request's head to its last (HTTP/1.1), and from the handshake to the first request.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's body: four times a key policy of 32 KiB, which is the largest thing that AWS KMS takes.
pub const BODY_BYTES: usize = 128 * 1024;
/// Bytes of all bodies together that a listener holds at once: 512 of the longest.
pub const BODIES_BYTES: usize = 64 * 1024 * 1024;
/// From a request's head to the end of its body.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// From the last request to the close of an idle connection.
pub const IDLE_TIME: Duration = Duration::from_secs(75);
/// Concurrent streams of one HTTP/2 connection.
pub const STREAMS: u32 = 128;
/// From the signal to stop to the end of the last request.
pub const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Bytes that hyper's HTTP/1.1 reader can't do without.
pub(crate) const HEADER_BYTES_FLOOR: usize = 8192;
/// Bytes that one HTTP/2 stream may have under way towards us before it is granted more.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes that all streams of one HTTP/2 connection may have under way towards us.
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Streams that an HTTP/2 client may reset before they were accepted, and that we may reset for its errors.
pub(crate) const RESETS: usize = 64;
/// How often a connection's timeouts are looked at: this often within the shortest of them, within these bounds.
pub(crate) const BEATS: u32 = 4;
pub(crate) const BEAT_MIN: Duration = Duration::from_millis(20);
pub(crate) const BEAT_MAX: Duration = Duration::from_secs(5);
/// How often the certificate of a connected client is verified again (it may have expired).
pub(crate) const RECHECK_TIME: Duration = Duration::from_secs(60);
/// Pauses after an accept that failed for want of descriptors or memory: the first, and the longest.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
pub(crate) const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a leftover Unix socket has to answer before it counts as dead.
pub(crate) const PROBE_TIME: Duration = Duration::from_secs(1);
/// Connections that the kernel holds for us until we accept them.
pub(crate) const BACKLOG: u32 = 1024;
/// From the refusal of a request that was one too many to the connection's next: less than an SDK waits on average before
/// it tries again.
pub(crate) const PAUSE_AFTER_OVERLOAD: Duration = Duration::from_millis(100);
/// Bytes of a PROXY protocol header, its fixed 16 included.
pub(crate) const PROXY_HEADER_BYTES: usize = 2048;
/// Addresses of an X-Forwarded-For list that are looked at, from its end.
pub(crate) const FORWARDED_HOPS: usize = 16;
/// Names of a client's certificate that are looked at, from its first.
pub const CLIENT_NAMES: usize = 16;
/// Bytes of an unwanted body that are read and dropped so that the client hears why it was refused.
pub(crate) const DISCARD_BYTES: u64 = 1024 * 1024;
/// Bits of an RSA key, as SP 800-131A revision 2 demands for signatures.
pub(crate) const RSA_BITS: usize = 2048;

/// What one listener grants its clients. Every field has a default above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; one more is closed at once.
    pub connections: usize,
    /// TLS handshakes under way at once; further ones wait for their turn within `handshake_time`.
    pub handshakes: usize,
    /// For the PROXY header and the TLS handshake together.
    pub handshake_time: Duration,
    /// Bytes of a request's head, at least 8192. Beyond: 431.
    pub header_bytes: usize,
    /// Fields of a request's head. Beyond: 431.
    pub headers: usize,
    /// Bytes of the request target. Beyond: 414.
    pub target_bytes: usize,
    /// For a request's head to arrive.
    pub header_time: Duration,
    /// Bytes of a request's body. Beyond: 413.
    pub body_bytes: usize,
    /// Bytes of bodies that have arrived and whose requests are not answered, over all connections. Beyond: 503.
    pub bodies_bytes: usize,
    /// For a request's body to arrive. Beyond: 408.
    pub body_time: Duration,
    /// Without a request before the connection is closed.
    pub idle_time: Duration,
    /// Concurrent streams of one HTTP/2 connection.
    pub streams: u32,
    /// For requests under way to end after the signal to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            handshakes: HANDSHAKES,
            handshake_time: HANDSHAKE_TIME,
            header_bytes: HEADER_BYTES,
            headers: HEADERS,
            target_bytes: TARGET_BYTES,
            header_time: HEADER_TIME,
            body_bytes: BODY_BYTES,
            bodies_bytes: BODIES_BYTES,
            body_time: BODY_TIME,
            idle_time: IDLE_TIME,
            streams: STREAMS,
            drain_time: DRAIN_TIME,
        }
    }
}

impl Limits {
    /// Refuses limits under which nothing could be served.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let least = [
            ("connections", self.connections, 1),
            ("handshakes", self.handshakes, 1),
            ("header_bytes", self.header_bytes, HEADER_BYTES_FLOOR),
            ("headers", self.headers, 1),
            ("target_bytes", self.target_bytes, 1),
            ("streams", usize::try_from(self.streams).unwrap_or(usize::MAX), 1),
        ];
        least
            .into_iter()
            .find(|(_, value, least)| value < least)
            .map_or(Ok(()), |(limit, value, least)| Err(Error::LimitTooLow { limit, value, least }))
    }

    /// The pause between two looks at a connection's timeouts.
    pub(crate) fn beat(&self) -> Duration {
        (self.header_time.min(self.idle_time) / BEATS).clamp(BEAT_MIN, BEAT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_serve() {
        Limits::default().check().unwrap();
    }

    #[test]
    fn a_limit_that_allows_nothing_is_refused_by_name() {
        let limits = Limits { handshakes: 0, ..Limits::default() };
        assert!(matches!(limits.check(), Err(Error::LimitTooLow { limit: "handshakes", value: 0, least: 1 })));
    }

    #[test]
    fn timeouts_are_looked_at_within_their_own_length() {
        let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
        assert_eq!(limits.beat(), Duration::from_millis(50));
    }
}
