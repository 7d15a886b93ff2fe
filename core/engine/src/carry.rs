//! A request whose attempt stopped, carried to where it goes on: to a worker, or to whoever finds that a use of a key has ended.
//!
//! From there it is finished and recorded whether or not anyone still waits. Absent on purpose: what an attempt is
//! (perform.rs).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use strongroom_model::key_store::KeyStoreError;

use crate::Engine;
use crate::asked::Question;
use crate::error::{EngineError, InternalFault, Unavailable};
use crate::handoff::Giver;
use crate::journey::{Finished, Further, Journey};
use crate::operation::Operation;
use crate::workers::Ground;

/// A request and what it is about.
pub(crate) type Carried<O> = Arc<(Journey, O)>;

/// A request on its way from thread to thread. Whatever becomes of the thread, it is recorded and answered: dropped unfinished,
/// it has failed.
struct UnderWay<O: Operation> {
    engine: Arc<Engine>,
    carried: Carried<O>,
    /// There until it is answered.
    giver: Option<Giver<Result<O::Output, EngineError>>>,
}

impl<O: Operation> UnderWay<O> {
    fn is_awaited(&self) -> bool {
        self.giver.as_ref().is_some_and(Giver::is_awaited)
    }

    fn finish(mut self, finished: Finished<O::Output>) {
        if let Some(giver) = self.giver.take() {
            giver.give(finished.answer, finished.durable);
        }
    }

    /// Goes on where an attempt that stopped has to be made again.
    fn carry(self, further: Further) {
        let ground = match further {
            Further::On(ground) => ground,
            Further::After(question) => return self.ask(*question),
        };
        let engine = Arc::clone(&self.engine);
        let job = move |taken: bool| {
            let (journey, operation) = &*self.carried;
            let finished = match taken {
                // What was begun before is recorded as what it was.
                false if journey.asked.came(Err(KeyStoreError::Busy)) => return self.go_on(Ground::Here),
                false => self.engine.refused(journey, operation, EngineError::Unavailable(Unavailable::Busy)),
                true if !self.is_awaited() && !journey.asked.any() => self.engine.abandoned(journey, operation),
                true => return self.go_on(ground),
            };
            self.finish(finished);
        };
        engine.workers.push(ground, Box::new(job));
    }

    /// Makes an attempt here.
    fn go_on(self, ground: Ground) {
        let (journey, operation) = &*self.carried;
        let finished = match self.engine.attempt(journey, operation, ground) {
            Ok(finished) => finished,
            Err(further) => return self.carry(further),
        };
        if let Ok(output) = &finished.answer {
            // What is done is done and recorded, whatever comes of what follows.
            let follow = || operation.follow(&self.engine, &journey.call, output);
            drop(catch_unwind(AssertUnwindSafe(follow)));
        }
        self.finish(finished);
    }

    /// Begins a use of a key; whoever finds that it has ended goes on with the request, where its answer is found.
    fn ask(self, question: Question) {
        let Question { store, ground, object, wanted, within } = question;
        let wanted = Arc::new(wanted);
        self.carried.0.asked.ask(object, Arc::clone(&wanted));
        let after = move |came| {
            let go_on = || match came {
                Some(came) => {
                    self.carried.0.asked.came(came);
                    self.go_on(Ground::Here);
                }
                None => self.carry(Further::On(ground)),
            };
            // One that panics costs its own request only.
            drop(catch_unwind(AssertUnwindSafe(go_on)));
        };
        store.begin(object, &wanted, within, Box::new(after));
    }
}

impl<O: Operation> Drop for UnderWay<O> {
    fn drop(&mut self) {
        let Some(giver) = self.giver.take() else { return };
        let (journey, operation) = &*self.carried;
        let lost = EngineError::Internal(InternalFault::WorkerLost);
        // It may be dropped because something panicked.
        let refused = catch_unwind(AssertUnwindSafe(|| self.engine.refused(journey, operation, lost)));
        if let Ok(Finished { answer, durable }) = refused {
            giver.give(answer, durable);
        }
    }
}

impl Engine {
    /// Has an attempt made again where it must be, and from there where else, whether or not anyone still waits once something
    /// has begun.
    pub(crate) fn carry<O: Operation>(
        self: &Arc<Self>,
        further: Further,
        carried: Carried<O>,
        giver: Giver<Result<O::Output, EngineError>>,
    ) {
        UnderWay { engine: Arc::clone(self), carried, giver: Some(giver) }.carry(further);
    }

    /// A request that vanished while it waited for a worker: nothing is done, and that is recorded.
    fn abandoned<O: Operation>(&self, journey: &Journey, operation: &O) -> Finished<O::Output> {
        let durable = self.append(journey, self.seal_unperformed(journey, operation, None));
        Finished { answer: Err(EngineError::Unavailable(Unavailable::Busy)), durable }
    }

    /// A request of which nothing came, for a reason that it was not asked about. Where keys were used for it, its record names them.
    pub(crate) fn refused<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        error: EngineError,
    ) -> Finished<O::Output> {
        let mut before = journey.asked.attempt();
        let permit = before.as_mut().and_then(|before| before.permit.take());
        let record = match &before {
            Some(before) => self.seal_record(journey, before, Some(&error), None),
            None => self.seal_unperformed(journey, operation, Some(&error)),
        };
        let durable = match permit {
            Some(permit) => self.log.append(permit, vec![record]),
            None => self.append(journey, record),
        };
        Finished { answer: Err(error), durable }
    }
}
