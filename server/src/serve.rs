//! `strongroom serve`: the production way.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_admin::ConfiguredRoots;
use strongroom_engine::RootRow;
use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};

use crate::config::{self, Config};
use crate::gateway::{Serving, Shared};
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::run::{self, Bound};
use crate::secrets::Given;
use crate::wiring::{self, Places, WiringError};
use crate::{Failure, hardening, telemetry};

/// Reads the configuration, opens everything, serves until told to stop.
pub(crate) fn serve(path: &Path, accept_rollback: bool) -> Result<(), Failure> {
    let config = config::read(path)?;
    telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let places = Places::in_directory(&config.data_directory);
    let store = Arc::new(EmbeddedStore::open(&places.store, StoreOptions::default()).map_err(WiringError::from)?);
    let known = strongroom_engine::roots(&*store).map_err(WiringError::from)?;
    let keeper = Arc::new(Keeper::new(path, Arc::clone(&store)));
    let opener = Opener { config: config.clone(), places, store, known, keeper, accept_rollback };
    let begun = opener.open(None)?;
    let shared = Arc::new(Shared::new(
        Metrics::default(),
        Box::new(move |secret| match opener.open(Some(secret)) {
            Ok(Some(serving)) => Ok(serving),
            Ok(None) => Err("another root has to be unsealed".to_owned()),
            Err(error) => Err(crate::chain(&error)),
        }),
    ));
    match begun {
        Some(serving) => shared.begin(serving),
        None => tracing::warn!("sealed: no root can be opened without an operator; run: strongroom unseal"),
    }
    crate::runtime()?.block_on(async {
        let listeners: Vec<_> = config.listener.iter().map(|listener| listener.get_ref().clone()).collect();
        let bound = Bound::open(&listeners, config.metrics.as_ref(), &shared).await?;
        tracing::info!(address = ?bound.address(), "serving");
        Ok(bound.serve(&shared).await?)
    })
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Opener {
    config: Config,
    places: Places,
    store: Arc<EmbeddedStore>,
    known: Vec<RootRow>,
    keeper: Arc<Keeper>,
    accept_rollback: bool,
}

impl Opener {
    /// Opens the roots that can be opened; nothing while there is none. What is given opens the roots that have no way
    /// of their own.
    fn open(&self, given: Option<&Given>) -> Result<Option<Serving>, WiringError> {
        let mut roots = Vec::new();
        let (mut failure, mut sealed) = (None, 0_usize);
        for config in &self.config.root {
            match wiring::open_root(config.get_ref(), &self.known, given) {
                Ok(Some(root)) => roots.push(root),
                Ok(None) => sealed += 1,
                Err(error) => {
                    tracing::error!(error = crate::chain(&error), "a root cannot serve");
                    failure = Some(error);
                }
            }
        }
        if roots.is_empty() {
            // As long as an operator may still open one, the server waits for that.
            return match failure {
                Some(error) if sealed == 0 || given.is_some() => Err(error),
                _ => Ok(None),
            };
        }
        if sealed > 0 {
            tracing::warn!(sealed, "roots stay sealed; the others serve");
        }
        let node = self.config.node.get_ref();
        let (log, _) = wiring::open_log(&*self.store, &self.places, node, &self.config.audit)?;
        let parts = wiring::parts(Arc::clone(&self.store), Arc::clone(&log), roots);
        let engine = wiring::start(parts, self.accept_rollback)?;
        let keeper: Arc<dyn ConfiguredRoots> = Arc::<Keeper>::clone(&self.keeper);
        let mut serving = run::serving(engine, log, &self.config.partition, Some(keeper));
        serving.retention = self.config.audit.retention_days.map(|days| DAY * days);
        Ok(Some(serving))
    }
}
