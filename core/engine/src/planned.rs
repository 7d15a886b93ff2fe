//! Roots that are about to be made: before a key is made in a token, the store says under which id, so that whoever
//! was interrupted finds it again and leaves none behind.

use strongroom_model::id::RootId;
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::store::{Batch, Store, Table};

use crate::error::EngineError;
use crate::rows::{self, PlannedRootRow};

const PLANNED: &[u8] = b"planned-root/";

/// The id under which a root is to be made at `location`: the one that was planned before, if its making was not
/// finished, else `fresh`. The store has it when this returns.
///
/// # Errors
/// When the store can't be read or written.
pub fn plan_root(store: &dyn Store, location: &str, fresh: RootId) -> Result<RootId, EngineError> {
    if let Some(id) = planned_root(store, location)? {
        return Ok(id);
    }
    let row = rows::encode(&PlannedRootRow { location: location.to_owned() });
    let mut batch = Batch::default();
    batch.put(Table::Installation, planned_key(fresh), row);
    store.commit(batch)?;
    Ok(fresh)
}

/// The id under which a root at `location` was begun and not finished.
///
/// # Errors
/// When the store can't be read.
pub fn planned_root(store: &dyn Store, location: &str) -> Result<Option<RootId>, EngineError> {
    Ok(planned(store)?.into_iter().find(|(_, row)| row.location == location).map(|(id, _)| id))
}

/// Empties the store of an installation that was never shown to anyone, but for the roots that were planned.
///
/// # Errors
/// When the store can't be read or written.
pub fn begin_initialisation(store: &dyn Store) -> Result<(), EngineError> {
    for table in Table::ALL {
        loop {
            let rows = store.snapshot()?.scan(*table, &[], None, SCAN_ROWS)?;
            let mut batch = Batch::default();
            for row in rows.into_iter().filter(|row| !(*table == Table::Installation && row.key.starts_with(PLANNED))) {
                batch.delete(*table, row.key);
            }
            if batch.changes.is_empty() {
                break;
            }
            store.commit(batch)?;
        }
    }
    Ok(())
}

/// Forgets what was planned, since all of it was made.
///
/// # Errors
/// When the store can't be read or written.
pub fn finish_initialisation(store: &dyn Store) -> Result<(), EngineError> {
    let mut batch = Batch::default();
    for (id, _) in planned(store)? {
        batch.delete(Table::Installation, planned_key(id));
    }
    if !batch.changes.is_empty() {
        store.commit(batch)?;
    }
    Ok(())
}

/// Has `batch` forget that a root was planned.
pub(crate) fn forget(store: &dyn Store, id: RootId, batch: &mut Batch) -> Result<(), EngineError> {
    if store.snapshot()?.get(Table::Installation, &planned_key(id))?.is_some() {
        batch.delete(Table::Installation, planned_key(id));
    }
    Ok(())
}

fn planned_key(id: RootId) -> Vec<u8> {
    [PLANNED, id.as_bytes()].concat()
}

fn planned(store: &dyn Store) -> Result<Vec<(RootId, PlannedRootRow)>, EngineError> {
    let rows = store.snapshot()?.scan(Table::Installation, PLANNED, None, SCAN_ROWS)?;
    let ids = rows.iter().filter_map(|row| Some((RootId::from_slice(row.key.strip_prefix(PLANNED)?)?, row)));
    ids.map(|(id, row)| Ok((id, rows::decode("the planned roots", &row.value)?))).collect()
}
