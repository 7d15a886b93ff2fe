//! Brings ids to the names in rows that were written before ids were kept (docs/adr/named-principals.md).
//!
//! Policies and grants that name principals without saying whom they mean give access to whoever has the name. A pass over
//! them after each start writes down whom they mean. It ends before anybody is given a name, so that nobody has what a
//! former holder was given. What can't be read is passed over: it can't be used, either.

use parking_lot::Mutex;
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::store::Table;

use crate::call::Dialect;
use crate::error::EngineError;
use crate::operations::meaning::{WriteMeanings, lacks_meaning};
use crate::{Engine, limits};

/// The tables that the pass goes through, in order.
const TABLES: [Table; 3] = [Table::Key, Table::Grant, Table::Principal];

/// Where the pass is.
#[derive(Default)]
pub(crate) struct Meanings(Mutex<Place>);

#[derive(Default)]
struct Place {
    /// Index of the table; behind the last of them when the pass has ended.
    table: usize,
    after: Option<Vec<u8>>,
}

impl Engine {
    /// A few steps of the pass. What fails is tried again at the next tick.
    pub(crate) fn write_some_meanings(&self, dialect: &'static dyn Dialect) {
        for _ in 0..limits::SWEEP_STEPS {
            match self.write_page_of_meanings(dialect) {
                Ok(Step::Read) => {}
                Ok(Step::Wrote | Step::Ended) | Err(EngineError::Conflict) => return,
                Err(error) => {
                    tracing::warn!(%error, "whom the names in policies mean could not be written; it goes on later");
                    return;
                }
            }
        }
    }

    /// The rest of the pass, before somebody is given a name.
    pub(crate) fn write_all_meanings(&self, dialect: &'static dyn Dialect) -> Result<(), EngineError> {
        while !matches!(self.write_page_of_meanings(dialect)?, Step::Ended) {}
        Ok(())
    }

    fn write_page_of_meanings(&self, dialect: &'static dyn Dialect) -> Result<Step, EngineError> {
        let mut place = self.meanings.0.lock();
        let Some(table) = TABLES.get(place.table).copied() else { return Ok(Step::Ended) };
        let page = self.catalog.snapshot()?.scan(table, &[], place.after.as_deref(), SCAN_ROWS)?;
        let lacking = page.iter().filter(|row| lacks_meaning(table, row)).map(|row| row.key.clone());
        let lacking: Vec<_> = lacking.collect();
        for places in lacking.chunks(limits::SWEPT_KEYS) {
            self.act(dialect, "WriteMeanings", WriteMeanings { table, places: places.to_vec() })?;
        }
        match page.last() {
            Some(last) if page.len() == SCAN_ROWS => place.after = Some(last.key.clone()),
            _ => *place = Place { table: place.table + 1, after: None },
        }
        Ok(if lacking.is_empty() { Step::Read } else { Step::Wrote })
    }
}

/// What a step of the pass did.
enum Step {
    Read,
    Wrote,
    /// There was nothing left to do.
    Ended,
}
