//! The kill switch of one key version.

use strongroom_model::action::Action;
use strongroom_model::purpose::{Forbidden, Purpose, VersionState};
use strongroom_model::store::{Batch, Table};

use crate::error::{EngineError, Noun};
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, VersionRow};

/// Suspends or resumes one version of a key: what it protected can't be opened meanwhile, and the newest version
/// protects nothing.
pub struct SuspendVersion {
    /// Which key.
    pub key: KeyReference,
    /// The version's ordinal.
    pub ordinal: u32,
    /// Suspended, as opposed to resumed.
    pub suspended: bool,
}

impl Operation for SuspendVersion {
    type Output = VersionRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::Suspend, target, purpose: Purpose::Suspend }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<VersionRow>, Halt> {
        let handle = authorized.key(0)?;
        let entry = handle.entry();
        let place = keys::version(entry.row.id, self.ordinal);
        let row = authorized.engine().catalog().snapshot()?.get(Table::KeyVersion, &place)?;
        let row = row.ok_or(Noun::Version(self.ordinal))?;
        let mut version: VersionRow = rows::decode("key versions", &row.value)?;
        version.state = match (version.state, self.suspended) {
            (gone @ (VersionState::Destroyed | VersionState::Absent), _) => {
                let forbidden = gone.permits(Purpose::Suspend).err().unwrap_or(Forbidden::VersionDestroyed);
                let resource = handle.resource().clone();
                return Err(EngineError::StateForbids { resource, forbidden }.into());
            }
            (_, true) => VersionState::Suspended,
            (VersionState::Suspended, false) if self.ordinal > entry.row.current => VersionState::Pending,
            (VersionState::Suspended, false) if version.lacks_material() => VersionState::Absent,
            (VersionState::Suspended, false) if self.ordinal == entry.row.current => VersionState::Active,
            (VersionState::Suspended, false) => VersionState::Deactivated,
            (other, false) => other,
        };
        let mut batch = Batch::default();
        batch.replace(Table::KeyVersion, &row, rows::encode(&version));
        // Whoever writes a version writes its key, too, so that nobody who read the key before overwrites the version.
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&entry.row));
        Ok(Outcome::Change(batch, version))
    }
}
