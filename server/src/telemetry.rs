//! What operators see on standard error: structured lines, never a secret.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::config::{LogConfig, LogFormat};

/// What is let through, to be exchanged while lines are written.
pub(crate) type Filter = reload::Handle<EnvFilter, Registry>;

/// Begins logging. A filter that can't be read falls back to `info`; configurations are checked for that before.
pub(crate) fn begin(config: &LogConfig) -> Filter {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let begun = match config.format {
        LogFormat::Json => {
            tracing_subscriber::registry().with(filter).with(lines.json().flatten_event(true)).try_init()
        }
        LogFormat::Text => tracing_subscriber::registry().with(filter).with(lines).try_init(),
    };
    // Begun before: those lines go on.
    drop(begun);
    handle
}
