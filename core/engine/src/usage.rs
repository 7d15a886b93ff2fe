//! The usage ledger: every use counted, unsampled, per key version, action and caller.
//!
//! Counts are a fold over the audit log and are written to the store now and then with the log's position up to which
//! they hold; what the store lacks after a crash is counted again from the log. In memory only what changed since.

use std::collections::HashMap;

use parking_lot::Mutex;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::KeyId;

use crate::Engine;
use crate::operation::Operation;
use crate::perform::Trace;

/// Uses not yet in the store, by key.
#[derive(Default)]
pub(crate) struct Ledger {
    last: Mutex<HashMap<KeyId, LastUse>>,
}

/// The newest use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// What for.
    pub action: Action,
}

impl Engine {
    /// Counts a finished operation's keys as used.
    pub(crate) fn count_use<O: Operation>(&self, trace: &Trace, succeeded: bool) {
        if !O::IS_USE || !succeeded {
            return;
        }
        let now = self.clock.now();
        let mut last = self.usage.last.lock();
        for handle in &trace.keys {
            last.insert(handle.entry.row.id, LastUse { at: now, action: handle.action });
        }
    }
}
