//! Making keys inside key stores, which their material never leaves.
//!
//! Whichever operation makes such a key, it is made here. Absent on purpose: keys of several usages or regions, and other
//! origins: an object in a store is made for one use, and can't be moved.

use std::sync::Arc;
use std::time::Duration;

use strongroom_crypto::random;
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{KeyStore, KeyStoreError, KeyStoreName};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Row, Table};
use strongroom_model::usage::Usage;

use super::key::{CreateKey, insert_version, version_row};
use crate::call::Mode;
use crate::catalog::KeyEntry;
use crate::error::{self, EngineError};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome};
use crate::rows::{KeyRow, RotationCause, Serves};
use crate::{keys, limits, loose};

/// Makes a key inside a key store.
pub struct CreateResidentKey {
    /// The key: of one region and one usage, its origin [`Origin::Resident`].
    pub key: CreateKey,
    /// In which store.
    pub store: KeyStoreName,
}

impl Operation for CreateResidentKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.key.demands()
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        make_resident(authorized, &self.key, &self.store, (None, None), Batch::default())
    }
}

impl CreateKey {
    /// Makes it, inside a key store if one is named, its name serving for a part of what the key is for if one is named.
    pub(super) fn run_in(
        &self,
        authorized: &Authorized<'_>,
        store: Option<&KeyStoreName>,
        serves: Option<Serves>,
    ) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        match store {
            Some(store) => make_resident(authorized, self, store, (None, serves), Batch::default()),
            None => self.make(authorized, serves),
        }
    }
}

/// Makes a key inside a key store, on a thread of that store's, through a link if there is one; `batch` has what else is
/// to hold.
pub(super) fn make_resident(
    authorized: &Authorized<'_>,
    key: &CreateKey,
    name: &KeyStoreName,
    (link, serves): (Option<&str>, Option<Serves>),
    mut batch: Batch,
) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
    let engine = authorized.engine();
    let [usage] = *key.usages else {
        return Err(EngineError::Unsupported("a key of several usages in a key store").into());
    };
    if key.origin != Origin::Resident || key.multi_region {
        return Err(EngineError::Unsupported("such a key in a key store").into());
    }
    let store = engine.key_stores.offered_here(authorized, name, key.tenant)?;
    let row = KeyRow { link: link.map(str::to_owned), ..key.row(authorized, Some(name), &mut batch)? };
    let mut version = version_row(authorized, &row, &[], 1, RotationCause::Creation)?;
    // A dry run makes nothing, and what it would commit is dropped.
    if authorized.mode == Mode::Run {
        let _making = key.spec.is_rsa().then(|| engine.key_stores.begin_pair(name)).transpose()?;
        let (planned, object, public) = make_object(authorized, store, key.spec, usage)?;
        (version.object, version.public) = (Some(object), public);
        loose::adopt(&planned, &mut batch);
    }
    if let Some(link) = link {
        batch.put(Table::KeyByStoreLink, keys::key_of_link(row.tenant, &row.region, link, row.id), Vec::new());
    }
    insert_version(&row, &version, &mut batch);
    key.finish(authorized, row, vec![version], serves, batch)
}

/// Makes an object of which a row says beforehand that it will be, and its public half if it has one.
///
/// A token that fails may have made it all the same, so the next one of a group makes another, with an id and a row of its own:
/// no id is ever that of keys in two tokens. What the first may have made goes as what no key owns.
fn make_object(
    authorized: &Authorized<'_>,
    store: &Arc<dyn KeyStore>,
    spec: KeySpec,
    usage: Usage,
) -> Result<(Row, ObjectId, Vec<u8>), EngineError> {
    let (engine, name, allowed) = (authorized.engine(), store.describe().name, allowed(spec));
    let began = engine.clock.since_boot();
    let (tokens, mut asked) = (store.health().len(), Vec::new());
    loop {
        let object = ObjectId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?);
        let planned = loose::plan(engine.catalog().store(), &name, object, authorized.now())?;
        let left = allowed.saturating_sub(engine.clock.since_boot().saturating_sub(began));
        match store.generate(object, spec, usage, left, &mut asked) {
            Ok(public) => return Ok((planned, object, public)),
            Err(KeyStoreError::Unavailable { cause }) if asked.len() < tokens => {
                tracing::warn!(store = %name, %object, cause, "a token made no key; another is asked");
            }
            Err(error) => return Err(EngineError::of_store(&name, error)),
        }
    }
}

/// How long the making of an object may take.
const fn allowed(spec: KeySpec) -> Duration {
    match spec.is_rsa() {
        true => limits::RSA_OBJECT_DEADLINE,
        false => limits::OBJECT_DEADLINE,
    }
}
