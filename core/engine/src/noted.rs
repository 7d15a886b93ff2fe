//! Records of what happened outside of any operation: roots unsealed before there was an engine, a log pruned.

use strongroom_audit::port::RecordClass;
use strongroom_audit::record::{Outcome, Record, Text};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;

use crate::Engine;
use crate::authentication::FRONT_END_ERROR;
use crate::call::Call;
use crate::error::EngineError;
use crate::perform::log_error;
use crate::record::describe_call;

/// Something that happened, for a record of its own.
pub struct Noted {
    /// Who did it, and from where; what it says in `detail` stands in the record.
    pub call: Call,
    /// What was done.
    pub action: Action,
    /// When.
    pub at: Timestamp,
    /// The name of the error and what it says, if it failed.
    pub failed: Option<(&'static str, String)>,
    /// How often it happened, where several times stand in one record.
    pub count: u64,
}

impl Engine {
    /// Records what happened; it is on disk when this returns. Blocks.
    ///
    /// # Errors
    /// When the log can't be written: what was to follow must not.
    pub fn note(&self, noted: &[Noted]) -> Result<(), EngineError> {
        let permit = self.log.reserve(RecordClass::Authenticated, noted.len()).map_err(|cause| log_error(&cause))?;
        let records = noted.iter().map(|noted| {
            let mut record = Record::new(self.record_id(), noted.at, noted.action);
            describe_call(&mut record, &noted.call);
            record.count = noted.count;
            if let Some((code, message)) = &noted.failed {
                let (code, message) = (Text::from(*code), Text::from(message.as_str()));
                record.outcome = Outcome::Failed { code, message, engine: FRONT_END_ERROR };
            }
            record.seal()
        });
        let durable = self.log.append(permit, records.collect());
        durable.wait().map(|_| ()).map_err(|cause| log_error(&cause))
    }
}
