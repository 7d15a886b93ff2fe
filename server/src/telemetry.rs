//! What operators see on standard error: structured lines, never a secret.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Begins logging. A filter that can't be read falls back to `info` and says so.
pub(crate) fn begin(config: &LogConfig) {
    let (filter, mistake) = match EnvFilter::try_new(&config.level) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.try_init(),
    };
    if let (Ok(()), Some(error)) = (begun, mistake) {
        tracing::warn!(%error, level = config.level, "the log level cannot be read; using info");
    }
}
