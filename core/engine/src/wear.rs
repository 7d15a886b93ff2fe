//! How often keys inside key stores have encrypted, against how often one may.
//!
//! Absent on purpose: uses for the usage ledger, which are counted from the log.

use std::collections::HashMap;

use parking_lot::Mutex;
use strongroom_model::id::MaterialId;
use strongroom_model::store::{Batch, Table};

use crate::error::{EngineError, Quota};
use crate::rows::{self, UseCounterRow};
use crate::{Engine, limits};

/// How often resident keys have encrypted: GCM with random IVs wears a key out. Uses are reserved durably, a block at a time,
/// so that no crash and no other node counts fewer than there were.
#[derive(Default)]
pub(crate) struct Uses {
    /// How many that were reserved are left.
    left: Mutex<HashMap<MaterialId, u64>>,
    /// Held while more are reserved.
    reserving: Mutex<()>,
}

impl Uses {
    /// Counts one use of a key version out of those that are reserved, if one is left. Never blocks.
    pub(crate) fn take(&self, material: MaterialId) -> bool {
        let mut left = self.left.lock();
        let left = left.get_mut(&material).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    /// Counts one use of a key version.
    ///
    /// # Errors
    /// [`Quota::KeyUses`] when it was used as often as it may be; when the store can't reserve.
    pub(crate) fn count(&self, engine: &Engine, material: MaterialId) -> Result<(), EngineError> {
        if self.take(material) {
            return Ok(());
        }
        let _reserving = self.reserving.lock();
        if self.take(material) {
            return Ok(());
        }
        let block = reserve(engine, material)?;
        let mut left = self.left.lock();
        if left.len() >= limits::COUNTED_VERSIONS {
            left.clear();
        }
        left.insert(material, block.saturating_sub(1));
        Ok(())
    }
}

/// Reserves a block of uses.
fn reserve(engine: &Engine, material: MaterialId) -> Result<u64, EngineError> {
    let place = material.as_bytes().to_vec();
    for _ in 0..limits::COMMIT_TRIES {
        let read = engine.catalog().snapshot()?.get(Table::UseCounter, &place)?;
        let row: Option<UseCounterRow> =
            read.as_ref().map(|row| rows::decode("the use counters", &row.value)).transpose()?;
        let used = row.map_or(0, |row| row.reserved);
        let block = limits::KEY_USES.saturating_sub(used).min(limits::KEY_USES_BLOCK);
        if block == 0 {
            return Err(EngineError::LimitExceeded(Quota::KeyUses));
        }
        let value = rows::encode(&UseCounterRow { reserved: used + block });
        let mut batch = Batch::default();
        match &read {
            Some(read) => batch.replace(Table::UseCounter, read, value),
            None => batch.insert(Table::UseCounter, place.clone(), value),
        }
        match engine.catalog().store().commit(batch).map_err(EngineError::from) {
            Ok(_) => return Ok(block),
            // Another node was first.
            Err(EngineError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(EngineError::Conflict)
}
