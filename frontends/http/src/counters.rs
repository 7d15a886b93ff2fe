//! Counts of what a listener did, for whoever renders metrics.
//!
//! Plain atomics, read by [`Counters::snapshot`]; no names, labels or formats of a metrics system.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Declares the counters once: the atomics, and the plain numbers that a snapshot holds.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// One listener's counters, shared by its connections.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(crate) $name: AtomicU64,)+
        }

        /// The counters at one moment. All but `connections_open` only grow.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Counters {
            /// Reads every counter. Each is exact; together they are not of one instant.
            pub fn snapshot(&self) -> Counts {
                Counts { $($name: self.$name.load(Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Connections accepted, those refused by the cap included.
    connections_accepted,
    /// Connections open now, handshakes included.
    connections_open,
    /// Connections closed at once because the listener was full.
    connections_refused,
    /// Connections dropped because a request's head did not end in time, or because the client, idle, did not take
    /// the close.
    connections_timed_out,
    /// Connections closed because the client's certificate no longer verifies.
    connections_distrusted,
    /// Connections that ended because an app panicked.
    connections_panicked,
    /// Failures of `accept` itself, such as a want of descriptors.
    accept_failures,
    /// Handshakes that took too long.
    handshakes_timed_out,
    /// Handshakes that the client broke off.
    handshakes_disconnected,
    /// Clients that offered no protocol version, cipher suite or group in common with us.
    handshakes_incompatible,
    /// Clients that sent no certificate where one is required.
    handshakes_without_certificate,
    /// Clients whose certificate was refused: unknown issuer, revoked, expired, malformed.
    handshakes_certificate_refused,
    /// Handshakes that failed otherwise, such as by bytes that are not TLS.
    handshakes_malformed,
    /// Connections without a well-formed PROXY protocol header from a trusted source.
    proxy_headers_refused,
    /// Requests whose head arrived.
    requests,
    /// Requests refused before the app saw them, by [`crate::Refusal`] or by [`crate::App::admit`].
    requests_refused,
    /// Those of them that were refused because the listener held as many bytes of bodies as it may.
    requests_overloaded,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
