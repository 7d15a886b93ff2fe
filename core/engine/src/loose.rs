//! Objects in key stores that no key owns: before one is made a row says that it will be, and when its key is destroyed
//! a row says that it must go. So whoever is interrupted leaves nothing behind that nobody knows of.

use std::sync::Arc;
use std::time::Duration;

use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{ObjectId, TenantId};
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Row, Store, Table};

use crate::call::{Call, Dialect, Mode};
use crate::error::EngineError;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{self, LooseObjectRow, VersionRow};
use crate::workers::Pool;
use crate::{Engine, limits};

/// Notes, before it is made, that an object will be; the row as it is then.
pub(crate) fn plan(
    store: &dyn Store,
    name: &KeyStoreName,
    object: ObjectId,
    now: Timestamp,
) -> Result<Row, EngineError> {
    let key = object.as_bytes().to_vec();
    let value = rows::encode(&LooseObjectRow { store: name.clone(), since: Some(now) });
    let mut batch = Batch::default();
    batch.insert(Table::LooseObject, key.clone(), value.clone());
    let revision = store.commit(batch)?;
    Ok(Row { key, value, revision })
}

/// Has `batch` give a version its object, which must not have been given up meanwhile.
pub(crate) fn adopt(planned: &Row, batch: &mut Batch) {
    batch.preconditions.push(crate::operations::key::unchanged(Table::LooseObject, planned));
    batch.delete(Table::LooseObject, planned.key.clone());
}

/// Has `batch` give up the object of a version that is destroyed by it.
pub(crate) fn give_up(store: Option<&KeyStoreName>, version: &VersionRow, batch: &mut Batch) {
    if let (Some(store), Some(object)) = (store, version.object) {
        let row = LooseObjectRow { store: store.clone(), since: None };
        batch.put(Table::LooseObject, object.as_bytes().to_vec(), rows::encode(&row));
        batch.delete(Table::UseCounter, version.material.as_bytes().to_vec());
    }
}

impl Engine {
    /// Has the objects destroyed that nobody owns, on threads of their stores; a store that can't is asked again later.
    pub(crate) fn destroy_loose(
        self: &Arc<Self>,
        dialect: &'static dyn Dialect,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let rows = self.catalog.snapshot()?.scan(Table::LooseObject, &[], None, limits::LOOSE_OBJECTS)?;
        for read in rows {
            let Some(object) = ObjectId::from_slice(&read.key) else { continue };
            let row: LooseObjectRow = rows::decode("loose objects", &read.value)?;
            if row.since.is_some_and(|since| now.since(since) < limits::OBJECT_PLAN) {
                continue;
            }
            let Some(ground) = self.key_stores.ground(&row.store) else { continue };
            if !self.hold_back(&read.key, limits::LOOSE_HOLD) {
                continue;
            }
            let engine = Arc::clone(self);
            let job = move |taken: bool| {
                if taken && let Err(error) = engine.destroy_object(dialect, &read, &row.store, object) {
                    tracing::warn!(%object, store = %row.store, %error, "an object that no key owns could not be destroyed; it is tried again");
                }
            };
            self.workers.push(Pool::from(ground), Box::new(job));
        }
        Ok(())
    }

    fn destroy_object(
        &self,
        dialect: &'static dyn Dialect,
        read: &Row,
        name: &KeyStoreName,
        object: ObjectId,
    ) -> Result<(), EngineError> {
        // From here on nobody can make it a key's any more.
        let mut batch = Batch::default();
        let row = rows::encode(&LooseObjectRow { store: name.clone(), since: None });
        batch.replace(Table::LooseObject, read, row);
        match self.catalog.store().commit(batch).map_err(EngineError::from) {
            Ok(_) => {}
            // It has become a key's, or another node is at it.
            Err(EngineError::Conflict) => return Ok(()),
            Err(error) => return Err(error),
        }
        let destroyed = self.key_stores.get(name)?.destroy(object, limits::OBJECT_DEADLINE);
        destroyed.map_err(|error| EngineError::of_store(name, error))?;
        let call = Call::internal("scheduler", "DestroyObject", dialect);
        self.perform_blocking(call, ForgetObject { object }, Mode::Run)
    }

    /// Leaves something alone for a while; false if it is left alone already.
    pub(crate) fn hold_back(&self, what: &[u8], time: Duration) -> bool {
        self.scheduler.hold_back(what, self.clock.since_boot(), time)
    }
}

/// Records that an object that no key owned was destroyed.
struct ForgetObject {
    object: ObjectId,
}

impl Operation for ForgetObject {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(TenantId::INSTALLATION);
        Ok(vec![Demand { action: Action::Scheduled, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, _: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let mut batch = Batch::default();
        batch.delete(Table::LooseObject, self.object.as_bytes().to_vec());
        Ok(Outcome::Change(batch, ()))
    }
}
