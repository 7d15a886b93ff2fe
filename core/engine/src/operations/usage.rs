//! Reading the usage ledger.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::purpose::Purpose;

use super::inspect::Page;
use crate::catalog::KeyEntry;
use crate::error::EngineError;
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, Target};
use crate::rows::UsageRow;
use crate::usage::LastUse;

/// Tells when a key was last used.
pub struct ReadLastUse {
    /// Which key.
    pub key: KeyReference,
}

impl Operation for ReadLastUse {
    /// The key, and its newest use, if there was one.
    type Output = (Arc<KeyEntry>, Option<LastUse>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(&self.key))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let entry = authorized.key(0)?.entry();
        let last = authorized.engine().last_use(entry.row.id)?;
        Ok(Outcome::Answer((Arc::clone(entry), last)))
    }
}

/// Tells how often a key's versions were used, for what, by which algorithm and by whom.
pub struct ReadUsage {
    /// Which key.
    pub key: KeyReference,
    /// Pass over so many.
    pub skip: usize,
    /// At most so many, up to 1000.
    pub limit: usize,
}

impl Operation for ReadUsage {
    type Output = Page<UsageRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(&self.key))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Page<UsageRow>>, Halt> {
        let mut items = authorized.engine().usage_of(authorized.key(0)?.entry().row.id)?;
        items.drain(..self.skip.min(items.len()));
        let limit = self.limit.clamp(1, 1000);
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Outcome::Answer(Page { items, more }))
    }
}

fn demands(key: &KeyReference) -> Vec<Demand> {
    let target = Target::Key(key.clone());
    vec![Demand { action: Action::GetKeyLastUsage, target, purpose: Purpose::Inspect }]
}
