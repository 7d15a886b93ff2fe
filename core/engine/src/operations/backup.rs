//! Making a backup, by whoever may, and with a record of it.

use std::io::Write;

use parking_lot::Mutex;
use strongroom_model::action::Action;
use strongroom_model::purpose::Purpose;

use crate::backup::BackupReport;
use crate::call::Mode;
use crate::error::{EngineError, InternalFault};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};

/// Writes a backup of the whole store, sealed to the installation's backup key.
pub struct MakeBackup {
    sink: Mutex<Option<Box<dyn Write + Send>>>,
}

impl MakeBackup {
    /// A backup into `sink`, which is whole only when the operation has succeeded. Syncing it is the caller's.
    #[must_use]
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self { sink: Mutex::new(Some(Box::new(sink))) }
    }
}

impl Operation for MakeBackup {
    type Output = BackupReport;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::ManageBackups, Target::Installation);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<BackupReport>, Halt> {
        let sink = self.sink.lock().take();
        let mut sink = match authorized.mode {
            Mode::Run => sink.ok_or(EngineError::Internal(InternalFault::WorkerLost))?,
            Mode::DryRun => Box::new(std::io::sink()),
        };
        Ok(Outcome::Answer(authorized.engine().backup(&mut sink)?))
    }
}
