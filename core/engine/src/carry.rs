//! A request whose attempt stopped, carried to where it goes on: to a worker, or to whoever finds that a use of a key has ended.
//!
//! From there it is finished and recorded whether or not anyone still waits. Absent on purpose: what an attempt is
//! (perform.rs).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use strongroom_model::key_store::KeyStoreError;

use crate::Engine;
use crate::asked::Question;
use crate::error::{EngineError, Unavailable};
use crate::handoff::Giver;
use crate::operation::Operation;
use crate::perform::{Finished, Further, Journey};
use crate::workers::Ground;

/// A request and what it is about.
pub(crate) type Carried<O> = Arc<(Journey, O)>;

impl Engine {
    /// Has an attempt made again where it must be, and from there where else, whether or not anyone still waits once something
    /// has begun.
    pub(crate) fn carry<O: Operation>(
        self: &Arc<Self>,
        further: Further,
        carried: Carried<O>,
        giver: Giver<Result<O::Output, EngineError>>,
    ) {
        let ground = match further {
            Further::On(ground) => ground,
            Further::After(question) => return self.ask(*question, carried, giver),
        };
        let engine = Arc::clone(self);
        let job = move |taken: bool| {
            let (journey, operation) = &*carried;
            let finished = match taken {
                // What was begun before is recorded as what it was.
                false if journey.asked.came(Err(KeyStoreError::Busy)) => {
                    return engine.go_on(Ground::Here, carried, giver);
                }
                false => engine.refused(journey, operation, EngineError::Unavailable(Unavailable::Busy)),
                true if !giver.is_awaited() && !journey.asked.any() => engine.abandoned(journey, operation),
                true => return engine.go_on(ground, carried, giver),
            };
            giver.give(finished.answer, finished.durable);
        };
        self.workers.push(ground, Box::new(job));
    }

    /// Makes an attempt here.
    fn go_on<O: Operation>(
        self: &Arc<Self>,
        ground: Ground,
        carried: Carried<O>,
        giver: Giver<Result<O::Output, EngineError>>,
    ) {
        let finished = match self.attempt(&carried.0, &carried.1, ground) {
            Ok(finished) => finished,
            Err(further) => return self.carry(further, carried, giver),
        };
        if let Ok(output) = &finished.answer {
            carried.1.follow(self, &carried.0.call, output);
        }
        giver.give(finished.answer, finished.durable);
    }

    /// Begins a use of a key; whoever finds that it has ended goes on with the request, where its answer is found.
    fn ask<O: Operation>(
        self: &Arc<Self>,
        question: Question,
        carried: Carried<O>,
        giver: Giver<Result<O::Output, EngineError>>,
    ) {
        let Question { store, ground, object, wanted, within } = question;
        let wanted = Arc::new(wanted);
        carried.0.asked.ask(object, Arc::clone(&wanted));
        let engine = Arc::clone(self);
        let after = move |came| {
            let go_on = || match came {
                Some(came) => {
                    carried.0.asked.came(came);
                    engine.go_on(Ground::Here, carried, giver);
                }
                None => engine.carry(Further::On(ground), carried, giver),
            };
            // One that panics costs its own request only: its side of the handing over is dropped.
            drop(catch_unwind(AssertUnwindSafe(go_on)));
        };
        store.begin(object, &wanted, within, Box::new(after));
    }

    /// A request that vanished while it waited for a worker: nothing is done, and that is recorded.
    fn abandoned<O: Operation>(&self, journey: &Journey, operation: &O) -> Finished<O::Output> {
        let durable = self.append(self.seal_unperformed(journey, operation, None));
        Finished { answer: Err(EngineError::Unavailable(Unavailable::Busy)), durable }
    }

    /// A request of which nothing came, for a reason that it was not asked about.
    pub(crate) fn refused<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        error: EngineError,
    ) -> Finished<O::Output> {
        let durable = self.append(self.seal_unperformed(journey, operation, Some(&error)));
        Finished { answer: Err(error), durable }
    }
}
