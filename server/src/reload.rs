//! SIGHUP: the configuration and the certificates are read again, and what can safely be exchanged is.
//!
//! A file that can't be read or holds a mistake leaves the last good configuration; a certificate that can't be used
//! leaves the last good one of its listener. What was changed and needs a restart is told by name, each time, until then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use strongroom_http::TlsHandle;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config, LimitsConfig, ListenerConfig};
use crate::gateway::Shared;
use crate::run;
use crate::telemetry::Filter;

/// What reloads a running server.
pub(crate) struct Reloader {
    /// `None` where there is no file: certificates only.
    file: Option<File>,
    tls: Vec<(String, Arc<TlsHandle>)>,
    shared: Arc<Shared>,
}

struct File {
    path: PathBuf,
    filter: Filter,
    /// The configuration that is in effect.
    running: Mutex<Config>,
}

impl Reloader {
    pub(crate) fn new(
        path: &Path,
        config: Config,
        filter: Filter,
        tls: Vec<(String, Arc<TlsHandle>)>,
        shared: Arc<Shared>,
    ) -> Self {
        let reloader = Self { file: None, tls, shared };
        reloader.keep_log_for(&config);
        reloader.shared.limit(config.limits.rates(), config.limits.quotas());
        Self { file: Some(File { path: path.to_owned(), filter, running: Mutex::new(config) }), ..reloader }
    }

    /// For a server without a configuration file.
    pub(crate) const fn of_certificates(tls: Vec<(String, Arc<TlsHandle>)>, shared: Arc<Shared>) -> Self {
        Self { file: None, tls, shared }
    }

    /// Reads everything again. Blocks.
    pub(crate) fn reload(&self) {
        let Some(file) = &self.file else {
            for (name, handle) in &self.tls {
                tell_certificates(name, &handle.reload());
            }
            return;
        };
        let mut running = file.running.lock();
        match config::read(&file.path) {
            Ok(new) => {
                self.take_settings(file, &mut running, &new);
                for change in needing_restart(&running, &new) {
                    tracing::warn!(change, "changed in the configuration and not taken: restart the server");
                }
                self.take_certificates(&mut running, Some(&new));
            }
            Err(error) => {
                tracing::error!(error = crate::chain(&error), "configuration not taken; the last good one stays");
                self.take_certificates(&mut running, None);
            }
        }
    }

    /// The settings that hold from here on.
    fn take_settings(&self, file: &File, running: &mut Config, new: &Config) {
        if running.log.level != new.log.level {
            match EnvFilter::try_new(&new.log.level).map(|filter| file.filter.reload(filter)) {
                Ok(Ok(())) => running.log.level.clone_from(&new.log.level),
                _ => tracing::error!(log_level = new.log.level, "log level not taken; the last good one stays"),
            }
        }
        if running.audit.retention_days != new.audit.retention_days {
            running.audit.retention_days = new.audit.retention_days;
            self.keep_log_for(new);
        }
        let LimitsConfig { requests_in_work, cloud_deadline_milliseconds, .. } = running.limits;
        running.limits = LimitsConfig { requests_in_work, cloud_deadline_milliseconds, ..new.limits.clone() };
        self.shared.limit(new.limits.rates(), new.limits.quotas());
        let retention_days = running.audit.retention_days.map(std::num::NonZero::get);
        tracing::info!(log_level = running.log.level, retention_days, "configuration read again");
    }

    fn keep_log_for(&self, config: &Config) {
        let days = config.audit.retention_days.map_or(0, |days| u64::from(days.get()));
        self.shared.retention_days.store(days, Ordering::Relaxed);
    }

    /// Reads the files of every listener: those that `new` names, where it still has the listener.
    fn take_certificates(&self, running: &mut Config, new: Option<&Config>) {
        for listener in &mut running.listener {
            let Some((name, handle)) = self.tls.iter().find(|(name, _)| *name == listener.name) else { continue };
            let wanted = new.and_then(|new| find(new, name)?.tls.as_ref());
            let Some(wanted) = wanted.or(listener.tls.as_ref()) else { continue };
            let taken = handle.replace(run::profile(wanted));
            tell_certificates(name, &taken);
            if taken.is_ok() {
                listener.tls = Some(wanted.clone());
            }
        }
    }
}

fn tell_certificates(listener: &str, taken: &Result<(), strongroom_http::Error>) {
    match taken {
        Ok(()) => tracing::info!(listener, "certificates read again"),
        Err(error) => {
            tracing::error!(listener, error = crate::chain(error), "certificates not taken; the last good ones stay");
        }
    }
}

fn find<'c>(config: &'c Config, name: &str) -> Option<&'c ListenerConfig> {
    config.listener.iter().find(|listener| listener.name == name)
}

/// The names of what differs between two configurations and can't be exchanged while serving.
fn needing_restart(running: &Config, new: &Config) -> Vec<String> {
    let fields = [
        ("data_directory", running.data_directory != new.data_directory),
        ("node", running.node != new.node),
        ("partition", running.partition != new.partition),
        // What is new there is taken in by `strongroom root add`, without a restart.
        ("root", running.root != new.root),
        ("key_store", running.key_store != new.key_store),
        ("external_key_manager", running.external_key_manager != new.external_key_manager),
        ("external_key_managers", running.external_key_managers != new.external_key_managers),
        ("metrics", running.metrics != new.metrics),
        ("identity", running.identity != new.identity),
        ("log.format", running.log.format != new.log.format),
        ("key_pairs", running.key_pairs != new.key_pairs),
        ("limits.requests_in_work", running.limits.requests_in_work != new.limits.requests_in_work),
        (
            "limits.cloud_deadline_milliseconds",
            running.limits.cloud_deadline_milliseconds != new.limits.cloud_deadline_milliseconds,
        ),
        ("audit.segment_bytes", running.audit.segment_bytes != new.audit.segment_bytes),
    ];
    let mut names: Vec<String> =
        fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect();
    for listener in &running.listener {
        match find(new, &listener.name) {
            None => names.push(format!("listener {:?}: removed", listener.name)),
            Some(other) => names.extend(listener_fields(listener, other)),
        }
    }
    let added = new.listener.iter().filter(|listener| find(running, &listener.name).is_none());
    names.extend(added.map(|listener| format!("listener {:?}: added", listener.name)));
    names
}

fn listener_fields(running: &ListenerConfig, new: &ListenerConfig) -> Vec<String> {
    let fields = [
        ("address", running.address != new.address),
        ("socket", running.socket != new.socket),
        ("front_ends", running.front_ends != new.front_ends),
        ("regions", running.regions != new.regions),
        ("tls", running.tls.is_some() != new.tls.is_some()),
        ("proxy_protocol_from", running.proxy_protocol_from != new.proxy_protocol_from),
        ("trusted_proxies", running.trusted_proxies != new.trusted_proxies),
        ("max_connections", running.max_connections != new.max_connections),
    ];
    let differing = fields.iter().filter(|(_, differs)| *differs);
    differing.map(|(field, _)| format!("listener {:?}: {field}", running.name)).collect()
}
