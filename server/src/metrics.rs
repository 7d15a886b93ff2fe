//! Metrics in Prometheus' text form. No tenant, key or principal stands in a label; names that the configuration gives may.

use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use strongroom_http::Counters;
use strongroom_model::key_store::{KeyStore, MemberState};

use crate::admission::Admission;
use crate::gateway::Serving;

/// What is measured.
#[derive(Default)]
pub(crate) struct Metrics {
    listeners: Mutex<Vec<Watched>>,
}

/// One listener.
struct Watched {
    name: String,
    counters: Arc<Counters>,
    admission: Arc<Admission>,
}

impl Metrics {
    /// Adds a listener's counters.
    pub(crate) fn watch(&self, listener: &str, counters: Arc<Counters>, admission: Arc<Admission>) {
        self.listeners.lock().push(Watched { name: listener.to_owned(), counters, admission });
    }

    /// Writes everything down.
    pub(crate) fn render(&self, serving: Option<&Serving>) -> String {
        let mut text = String::with_capacity(4096);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE strongroom_sealed gauge\nstrongroom_sealed {}", u8::from(serving.is_none()));
        let listeners = self.listeners.lock();
        let mut family = |name: &str, kind: &str, value: &dyn Fn(&strongroom_http::Counts, &Admission) -> u64| {
            let _ = writeln!(text, "# TYPE strongroom_{name} {kind}");
            for Watched { name: listener, counters, admission } in listeners.iter() {
                let value = value(&counters.snapshot(), admission);
                let _ = writeln!(text, "strongroom_{name}{{listener=\"{listener}\"}} {value}");
            }
        };
        family("http_connections_open", "gauge", &|counts, _| counts.connections_open);
        family("http_connections_accepted_total", "counter", &|counts, _| counts.connections_accepted);
        family("http_connections_refused_total", "counter", &|counts, _| counts.connections_refused);
        family("http_requests_total", "counter", &|counts, _| counts.requests);
        family("http_requests_refused_total", "counter", &|counts, _| counts.requests_refused);
        family("http_requests_overloaded_total", "counter", &|counts, _| counts.requests_overloaded);
        family("requests_in_work", "gauge", &|_, admission| admission.in_work());
        family("requests_not_admitted_total", "counter", &|_, admission| admission.refused());
        family("tls_handshakes_incompatible_total", "counter", &|counts, _| counts.handshakes_incompatible);
        family("tls_handshakes_timed_out_total", "counter", &|counts, _| counts.handshakes_timed_out);
        family("tls_client_certificates_refused_total", "counter", &|counts, _| counts.handshakes_certificate_refused);
        if let Some(serving) = serving {
            serving.engine.measure(&mut |name, value| {
                let _ = writeln!(text, "strongroom_{name} {value}");
            });
            write_key_stores(&mut text, serving.engine.key_stores());
            let _ = writeln!(text, "# TYPE strongroom_xks_requests_total counter");
            serving.xks.measure(&mut |call, outcome, count| {
                let labels = format_args!("call=\"{call}\",outcome=\"{outcome}\"");
                let _ = writeln!(text, "strongroom_xks_requests_total{{{labels}}} {count}");
            });
            let _ = writeln!(text, "# TYPE strongroom_ekm_requests_total counter");
            serving.ekm.measure(&mut |call, outcome, count| {
                let labels = format_args!("call=\"{call}\",outcome=\"{outcome}\"");
                let _ = writeln!(text, "strongroom_ekm_requests_total{{{labels}}} {count}");
            });
            if let Some(managers) = &serving.managers {
                let _ = writeln!(text, "# TYPE strongroom_external_key_manager_calls_total counter");
                managers.measure(&mut |outcome, count| {
                    let name = "strongroom_external_key_manager_calls_total";
                    let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {count}");
                });
                let name = "strongroom_external_key_managers_left_alone";
                let _ = writeln!(text, "# TYPE {name} gauge\n{name} {}", managers.left_alone());
            }
        }
        text
    }
}

/// How many tokens of each key store are in each state.
fn write_key_stores(text: &mut String, stores: &[Arc<dyn KeyStore>]) {
    if stores.is_empty() {
        return;
    }
    let _ = writeln!(text, "# TYPE strongroom_key_store_tokens gauge");
    for store in stores {
        let (name, members) = (store.describe().name, store.health());
        for state in [MemberState::Up, MemberState::Degraded, MemberState::Down] {
            let count = members.iter().filter(|member| member.state == state).count();
            let labels = format_args!("key_store=\"{name}\",state=\"{state}\"");
            let _ = writeln!(text, "strongroom_key_store_tokens{{{labels}}} {count}");
        }
    }
}
