//! An operator's word on the wall clock.

use strongroom_model::action::Action;
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Table};

use crate::error::EngineError;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{self, ClockRow};
use crate::scheduler::CLOCK_KEY;

/// Confirms that the wall clock is right after it jumped, so that destructions that are due go on.
pub struct ConfirmClock;

impl Operation for ConfirmClock {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::Installation, Target::Installation);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let row = ClockRow { latest: authorized.now(), jumped: false };
        let mut batch = Batch::default();
        batch.put(Table::Installation, CLOCK_KEY.to_vec(), rows::encode(&row));
        Ok(Outcome::Change(batch, ()))
    }
}
