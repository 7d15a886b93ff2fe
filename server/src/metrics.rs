//! Metrics in Prometheus' text form. No tenant, key or principal stands in a label.

use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use strongroom_engine::Engine;
use strongroom_http::Counters;

/// What is measured.
#[derive(Default)]
pub(crate) struct Metrics {
    listeners: Mutex<Vec<(String, Arc<Counters>)>>,
}

impl Metrics {
    /// Adds a listener's counters.
    pub(crate) fn watch(&self, listener: &str, counters: Arc<Counters>) {
        self.listeners.lock().push((listener.to_owned(), counters));
    }

    /// Writes everything down.
    pub(crate) fn render(&self, engine: Option<&Engine>) -> String {
        let mut text = String::with_capacity(4096);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE strongroom_sealed gauge\nstrongroom_sealed {}", u8::from(engine.is_none()));
        let listeners = self.listeners.lock();
        let mut family = |name: &str, kind: &str, value: &dyn Fn(&strongroom_http::Counts) -> u64| {
            let _ = writeln!(text, "# TYPE strongroom_{name} {kind}");
            for (listener, counters) in listeners.iter() {
                let _ = writeln!(text, "strongroom_{name}{{listener=\"{listener}\"}} {}", value(&counters.snapshot()));
            }
        };
        family("http_connections_open", "gauge", &|counts| counts.connections_open);
        family("http_connections_accepted_total", "counter", &|counts| counts.connections_accepted);
        family("http_connections_refused_total", "counter", &|counts| counts.connections_refused);
        family("http_requests_total", "counter", &|counts| counts.requests);
        family("http_requests_refused_total", "counter", &|counts| counts.requests_refused);
        family("http_requests_overloaded_total", "counter", &|counts| counts.requests_overloaded);
        family("tls_handshakes_incompatible_total", "counter", &|counts| counts.handshakes_incompatible);
        family("tls_handshakes_timed_out_total", "counter", &|counts| counts.handshakes_timed_out);
        family("tls_client_certificates_refused_total", "counter", &|counts| counts.handshakes_certificate_refused);
        if let Some(engine) = engine {
            engine.measure(&mut |name, value| {
                let _ = writeln!(text, "strongroom_{name} {value}");
            });
        }
        text
    }
}
