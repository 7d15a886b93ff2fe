//! `strongroom serve`: the production way.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_admin::ConfiguredRoots;
use strongroom_engine::{Parts, RootRow};
use strongroom_model::external::ExternalManagers;
use strongroom_secret::SecretBytes;
use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};
use strongroom_xks_client::Network;

use crate::config::{self, Config};
use crate::gateway::{Serving, Shared};
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::reload::Reloader;
use crate::run::{self, Bound};
use crate::secrets::Given;
use crate::unsealing::{self, By, Tries, Try};
use crate::wiring::{self, Places, WiringError};
use crate::{Failure, hardening, telemetry};

/// Reads the configuration, opens everything, serves until told to stop.
pub(crate) fn serve(path: &Path, accept_rollback: bool) -> Result<(), Failure> {
    let config = config::read(path)?;
    let filter = telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let places = Places::in_directory(&config.data_directory);
    let store = Arc::new(EmbeddedStore::open(&places.store, StoreOptions::default()).map_err(WiringError::from)?);
    let known = strongroom_engine::roots(&*store).map_err(WiringError::from)?;
    let tries = Arc::new(Tries::default());
    let keeper = Arc::new(Keeper::new(path, Arc::clone(&store)));
    let managers = wiring::external_key_managers(&config.external_key_manager, &config.external_key_managers)?;
    let opener = Opener {
        config: config.clone(),
        places,
        store,
        known,
        keeper,
        managers: Arc::new(managers),
        accept_rollback,
        tries: Arc::clone(&tries),
    };
    let begun = opener.open(None)?;
    let shared =
        Arc::new(Shared::new(Metrics::default(), tries, Box::new(move |secret, by| opener.unseal(secret, by))));
    match begun {
        Some(serving) => shared.begin(serving),
        None => tracing::warn!("sealed: no root can be opened without an operator; run: strongroom unseal"),
    }
    crate::runtime()?.block_on(async {
        let bound =
            Bound::open(&config.listener, config.metrics.as_ref(), config.limits.requests_in_work, &shared).await?;
        let reloader = Reloader::new(path, config, filter, bound.tls(), Arc::clone(&shared));
        tracing::info!(address = bound.address().map(tracing::field::display), "serving");
        Ok(bound.serve(&shared, reloader).await?)
    })
}

struct Opener {
    config: Config,
    places: Places,
    store: Arc<EmbeddedStore>,
    known: Vec<RootRow>,
    keeper: Arc<Keeper>,
    managers: Arc<Network>,
    accept_rollback: bool,
    tries: Arc<Tries>,
}

impl Opener {
    /// Opens the roots with what an operator hands over.
    fn unseal(&self, secret: &SecretBytes, by: &By) -> Result<Serving, String> {
        let keep = |problem: String, with: &str| {
            let failed = Some(problem.clone());
            self.tries.keep(Try { by: by.clone(), with: with.to_owned(), root: String::new(), failed });
            problem
        };
        let given = Given::parse(secret.expose()).map_err(|error| keep(crate::chain(&error), ""))?;
        match self.open(Some((&given, by.clone()))) {
            Ok(Some(serving)) => Ok(serving),
            Ok(None) => Err(keep("another root has to be unsealed".to_owned(), given.kind())),
            // What failed was kept root by root.
            Err(error) => Err(crate::chain(&error)),
        }
    }

    /// Opens the roots that can be opened; nothing while there is none. What is given opens the roots that have no way
    /// of their own.
    fn open(&self, given: Option<(&Given, By)>) -> Result<Option<Serving>, WiringError> {
        let mut roots = Vec::new();
        let (mut failure, mut sealed) = (None, 0_usize);
        let mut opened = Vec::new();
        for config in &self.config.root {
            let unattended = unsealing::source(config).map(|with| (By::Unattended, with));
            let (by, with) = unattended.unwrap_or_else(|| match &given {
                Some((given, by)) => (by.clone(), given.kind().to_owned()),
                None => (By::Unattended, String::new()),
            });
            let tried = Try { by, with, root: unsealing::place(config), failed: None };
            match wiring::open_root(config, &self.known, given.as_ref().map(|(given, _)| *given)) {
                Ok(Some(root)) => {
                    roots.push(root);
                    opened.push(tried);
                }
                Ok(None) => sealed += 1,
                Err(error) => {
                    let problem = crate::chain(&error);
                    tracing::error!(error = problem, "a root cannot serve");
                    self.tries.keep(Try { failed: Some(problem), ..tried });
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
        let node = &self.config.node;
        let (log, _) = wiring::open_log(&*self.store, &self.places, node, &self.config.audit)?;
        let key_stores = wiring::offered_stores(&self.config.key_store)?;
        let external: Arc<dyn ExternalManagers> = Arc::<Network>::clone(&self.managers);
        let parts = wiring::parts(Arc::clone(&self.store), Arc::clone(&log), roots);
        let parts = Parts { key_stores, external: Some(external), ..parts };
        let engine = wiring::start(parts, self.accept_rollback, self.config.key_pairs.rsa_ahead)?;
        opened.into_iter().for_each(|tried| self.tries.keep(tried));
        match (self.tries.record(&engine), given) {
            (Ok(()), _) => {}
            // An operator is not answered before it is recorded who made it possible.
            (Err(error), Some(_)) => return Err(error.into()),
            // A log that heals gets it from the scheduler, before any request is answered.
            (Err(error), None) => tracing::error!(%error, "that roots were unsealed is not recorded yet"),
        }
        let keeper: Arc<dyn ConfiguredRoots> = Arc::<Keeper>::clone(&self.keeper);
        let regions: BTreeSet<&str> =
            self.config.listener.iter().flat_map(|listener| &listener.regions).map(String::as_str).collect();
        let regions = regions.into_iter().map(Arc::from).collect();
        let clusters = wiring::clusters(&self.config.key_store);
        let (partition, identity) = (&*self.config.partition, &self.config.identity);
        let cloud_deadline = self.config.limits.cloud_deadline_milliseconds;
        let cloud_deadline = cloud_deadline.map(|deadline| Duration::from_millis(deadline.get().into()));
        let told = run::Told { partition, regions, identity, clusters, cloud_deadline };
        let serving = run::serving(engine, log, told, Some(keeper));
        Ok(Some(Serving { managers: Some(Arc::clone(&self.managers)), ..serving }))
    }
}
