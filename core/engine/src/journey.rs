//! A request on its way: what is known of it from its first attempt to its last, and what one attempt finds out.
//!
//! Absent on purpose: the steps of an attempt; those are [`crate::perform`]'s.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strongroom_audit::durable::Durable;
use strongroom_audit::gate::Permit;
use strongroom_model::clock::Timestamp;

use crate::Engine;
use crate::asked::{Asked, Question};
use crate::call::{Call, Mode};
use crate::decide::Decided;
use crate::error::EngineError;
use crate::operation::{Demand, KeyHandle, UsedVersion};
use crate::rates::Charged;
use crate::workers::Ground;

/// A request on its way, and what is known of it so far.
pub(crate) struct Journey {
    pub(crate) call: Call,
    pub(crate) mode: Mode,
    pub(crate) started: Timestamp,
    pub(crate) began: Duration,
    pub(crate) charged: Charged,
    pub(crate) asked: Asked,
}

impl Journey {
    pub(crate) fn begin(engine: &Engine, call: Call, mode: Mode) -> Self {
        let (started, began) = (engine.clock.now(), engine.clock.since_boot());
        Self { call, mode, started, began, charged: Charged::default(), asked: Asked::default() }
    }

    /// Keeps of an attempt what the next one needs where a key is used between them.
    pub(crate) fn stopped(&self, trace: Trace, further: Further) -> Further {
        if matches!(further, Further::After(_)) || self.asked.any() {
            self.asked.keep(trace);
        }
        further
    }
}

/// Where an attempt that stopped is to be made again.
pub(crate) enum Further {
    On(Ground),
    /// Anywhere, once a use of a key has ended.
    After(Box<Question>),
}

/// What one attempt has found out, for the record.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) demands: Vec<TracedDemand>,
    pub(crate) keys: Vec<KeyHandle>,
    pub(crate) used: Mutex<Vec<UsedVersion>>,
    pub(crate) decided: Option<Decided>,
    /// What the work itself decided, in the place of the demands.
    pub(crate) decided_later: Mutex<Option<Decided>>,
    pub(crate) permit: Option<Permit>,
    /// The algorithm asked for, as records name it; empty for none.
    pub(crate) algorithm: &'static str,
}

impl Trace {
    /// Adds what another attempt found out that found out less: the key versions that it touched, and what this one lacks.
    pub(crate) fn add(&mut self, other: Self) {
        let used = self.used.get_mut();
        for version in other.used.into_inner() {
            if !used.iter().any(|known| (known.handle, known.material) == (version.handle, version.material)) {
                used.push(version);
            }
        }
        self.decided = self.decided.take().or(other.decided);
        self.permit = self.permit.take().or(other.permit);
    }
}

/// A demand as far as it was resolved.
pub(crate) struct TracedDemand {
    pub(crate) demand: Demand,
    pub(crate) resource: Arc<str>,
    /// Index among the keys, if it is about one.
    pub(crate) key: Option<usize>,
    /// Whether no policy can permit it: it would let somebody be the tenant's root.
    pub(crate) reserved: bool,
}

/// A finished attempt: the answer, withheld until its record is durable.
pub(crate) struct Finished<T> {
    pub(crate) answer: Result<T, EngineError>,
    pub(crate) durable: Durable,
}
