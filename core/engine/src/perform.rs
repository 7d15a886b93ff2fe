//! The one way in. Its order is fixed: resolve, decide, check states, reserve a record, run, recheck the kill switch,
//! record durably, release.
//!
//! An attempt runs on the thread that asked as long as everything it needs is cached. Where it would have to block it
//! stops, having changed nothing, and is made again on a worker, which finishes it whether or not anyone still waits. Where it
//! needs a key inside a key store it stops, too: the use is begun, and whoever finds that it has ended makes the attempt
//! again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_audit::durable::Durable;
use strongroom_audit::gate::Permit;
use strongroom_audit::port::{LogUnavailable, Position, RecordClass};
use strongroom_audit::record::SealedRecord;
use strongroom_model::caller::Principal;
use strongroom_model::id::TenantId;
use strongroom_model::purpose::{Forbidden, Purpose, VersionState};
use strongroom_policy::Missing;

use crate::Engine;
use crate::call::{Call, Mode, ServiceNames};
use crate::catalog::PrincipalEntry;
use crate::decide::{Decided, Subject};
use crate::error::{Denial, EngineError, InternalFault, Quota, Unavailable};
use crate::handoff;
use crate::journey::{Finished, Further, Journey, Trace};
use crate::operation::{Authorized, Halt, KeyHandle, Operation, Outcome, Target};
use crate::operations::principal;
use crate::operations::records::TRIED_OUT;
use crate::rows::ServiceRow;
use crate::workers::Ground;
use crate::{identity, limits};

impl Engine {
    /// Does an operation for a caller, and answers once the record of it is on disk.
    ///
    /// # Errors
    /// When it was refused or failed; that is recorded too.
    pub async fn perform<O: Operation>(
        self: &Arc<Self>,
        call: Call,
        operation: O,
        mode: Mode,
    ) -> Result<O::Output, EngineError> {
        let journey = Journey::begin(self, call, mode);
        let finished = match self.attempt(&journey, &operation, Ground::Here) {
            Ok(finished) => finished,
            Err(further) => {
                let carried = Arc::new((journey, operation));
                let (giver, awaited) = handoff::pair();
                self.carry(further, carried, giver);
                match awaited.await {
                    Some((answer, Ok(_))) => return answer,
                    Some((_, Err(cause))) => return Err(log_error(&cause)),
                    None => return Err(EngineError::Internal(InternalFault::WorkerLost)),
                }
            }
        };
        match finished.durable.await {
            Ok(_) => finished.answer,
            Err(cause) => Err(log_error(&cause)),
        }
    }

    /// Does independent operations for one caller: a decision and a record each, one wait for all. Blocks.
    pub fn perform_each_blocking<O: Operation>(
        &self,
        items: Vec<(Call, O)>,
        mode: Mode,
    ) -> Vec<Result<O::Output, EngineError>> {
        let mut attempts = Vec::with_capacity(items.len());
        for (call, operation) in items {
            let journey = Journey::begin(self, call, mode);
            attempts.push(self.attempt(&journey, &operation, Ground::Heavy));
        }
        let settle = |attempt| match attempt {
            Ok(Finished { answer, durable }) => match durable.wait() {
                Ok(_) => answer,
                Err(cause) => Err(log_error(&cause)),
            },
            Err(_) => Err(EngineError::Unavailable(Unavailable::Busy)),
        };
        attempts.into_iter().map(settle).collect()
    }

    /// Does an operation for a caller on a thread that may block: the scheduler's, or an operator's tool.
    ///
    /// # Errors
    /// As [`Engine::perform`].
    pub fn perform_blocking<O: Operation>(
        &self,
        call: Call,
        operation: O,
        mode: Mode,
    ) -> Result<O::Output, EngineError> {
        let mut answers = self.perform_each_blocking(vec![(call, operation)], mode);
        answers.pop().unwrap_or(Err(EngineError::Unavailable(Unavailable::Busy)))
    }

    /// One attempt; `Err` says where it must be made again, and that nothing has happened but what is noted as asked.
    pub(crate) fn attempt<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        ground: Ground,
    ) -> Result<Finished<O::Output>, Further> {
        let mut tries = 0;
        loop {
            let mut trace = Trace { algorithm: operation.algorithm(), ..Trace::default() };
            let epoch = self.epoch.load(Ordering::Acquire);
            let answer = self.steps(journey, operation, ground, &mut trace);
            // Whatever takes a use away waits from here on until this change has ended.
            let passing = matches!(answer, Ok(Outcome::Change(..))).then(|| self.passage.enter());
            let answer = answer.and_then(|outcome| {
                self.recheck(journey, operation, &mut trace, epoch, ground)?;
                Ok(outcome)
            });
            let answer = match answer {
                Err(Halt::Move(ground)) => return Err(journey.stopped(trace, Further::On(ground))),
                Err(Halt::Ask(question)) => return Err(journey.stopped(trace, Further::After(question))),
                Err(Halt::Again) if tries < limits::COMMIT_TRIES => {
                    tries += 1;
                    continue;
                }
                Err(Halt::Again) => Err(EngineError::Conflict),
                Err(Halt::Fail(error)) => Err(error),
                Ok(outcome) => Ok(outcome),
            };
            if matches!(answer, Err(EngineError::LimitExceeded(Quota::Requests)))
                && self.counts_refusal(journey, &trace)
            {
                let answer = Err(EngineError::LimitExceeded(Quota::Requests));
                return Ok(Finished { answer, durable: Durable::finished(Ok(Position::default())) });
            }
            // What was used before is recorded, however early this attempt failed.
            if answer.is_err()
                && let Some(before) = journey.asked.attempt()
            {
                let (most, other) =
                    if before.demands.len() > trace.demands.len() { (before, trace) } else { (trace, before) };
                trace = most;
                trace.add(other);
            }
            let permit = match trace.permit.take().map_or_else(|| self.reserve(journey), Ok) {
                Ok(permit) => permit,
                Err(cause) => {
                    return Ok(Finished { answer: Err(log_error(&cause)), durable: Durable::finished(Err(cause)) });
                }
            };
            let (answer, batch) = match answer {
                Ok(Outcome::Answer(answer)) => (dry(journey.mode, answer), None),
                Ok(Outcome::Change(batch, answer)) => match journey.mode {
                    Mode::Run => (Ok(answer), Some(batch)),
                    Mode::DryRun => (Err(EngineError::DryRun), None),
                },
                Err(error) => (Err(error), None),
            };
            let record = self.seal_record(journey, &trace, answer.as_ref().err(), batch.as_ref());
            let Some(batch) = batch else {
                return Ok(Finished { answer, durable: self.log.append(permit, vec![record]) });
            };
            match self.commit(batch, record, permit, passing) {
                // The record says that it was done, and it is all that there is to be recorded.
                Ok((durable, settled)) => return Ok(Finished { answer: settled.and(answer), durable }),
                Err(EngineError::Conflict) if tries < limits::COMMIT_TRIES => tries += 1,
                Err(error) => {
                    let record = self.seal_record(journey, &trace, Some(&error), None);
                    return Ok(Finished { answer: Err(error), durable: self.append(journey, record) });
                }
            }
        }
    }

    /// A place in the log, which a request keeps while a key is used for it.
    fn reserve(&self, journey: &Journey) -> Result<Permit, LogUnavailable> {
        journey.asked.permit().map_or_else(|| self.log.reserve(RecordClass::Authenticated, 1), Ok)
    }

    pub(crate) fn append(&self, journey: &Journey, record: SealedRecord) -> Durable {
        match self.reserve(journey) {
            Ok(permit) => self.log.append(permit, vec![record]),
            Err(cause) => Durable::finished(Err(cause)),
        }
    }

    /// Give the log what it is owed, resolve, decide, check states, check that a record can be written, run.
    fn steps<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        ground: Ground,
        trace: &mut Trace,
    ) -> Result<Outcome<O::Output>, Halt> {
        self.settle_debts(ground)?;
        let call = &journey.call;
        self.may_serve(call, ground)?;
        let unresolved = self.resolve_all(journey, operation.demands()?, ground, trace)?;
        // What a key was used for already is beyond no rate.
        let charges = !journey.asked.any();
        if charges {
            self.rates.charge_caller(journey)?;
        }
        if unresolved.is_none() || !trace.demands.is_empty() {
            self.decide_all(journey, operation, ground, trace)?;
        }
        if let Some((error, demand)) = unresolved {
            trace.demands.extend(demand);
            return Err(error.into());
        }
        self.check_states(trace, ground)?;
        if charges {
            self.rates.charge_keys(journey, &trace.keys)?;
        }
        let wanted = operation.ground(&trace.keys);
        // Uses of keys in key stores are begun here and not waited for; what came of them is read anywhere.
        let begins = ground.max(wanted) == Ground::Here || journey.asked.any();
        let store = self.store_ground(&trace.keys, begins);
        let wanted = store.map_or(wanted, |store| store.max(wanted));
        if wanted > ground {
            return Err(Halt::Move(wanted));
        }
        if !journey.asked.has_permit() {
            let permit = self.log.reserve(RecordClass::Authenticated, 1).map_err(|cause| log_error(&cause))?;
            trace.permit = Some(permit);
        }
        let authorized = Authorized {
            engine: self,
            call,
            keys: &trace.keys,
            now: journey.started,
            began: journey.began,
            mode: journey.mode,
            ground,
            used: &trace.used,
            asked: &journey.asked,
            decided: trace.decided.as_ref(),
            decided_later: &trace.decided_later,
        };
        operation.run(&authorized)
    }

    /// Decides every demand on what is known of the keys now.
    fn decide_all<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        ground: Ground,
        trace: &mut Trace,
    ) -> Result<(), Halt> {
        let now = i64::try_from(journey.started.0).unwrap_or(i64::MAX);
        let mut decided = Decided::default();
        for (index, traced) in trace.demands.iter().enumerate() {
            if !traced.demand.target.is_decided() {
                continue;
            }
            let key = traced.key.and_then(|index| trace.keys.get(index)).map(|handle| &*handle.entry);
            let account = self.account_of(&journey.call, &traced.demand.target, key, ground)?;
            let asked = traced.demand.target.name();
            let (action, resource, keys) = (traced.demand.action, &traced.resource, &trace.keys);
            let attributes = operation.attributes(index);
            let role = self.role_of(&traced.demand.target, ground)?;
            let subject = Subject {
                action,
                resource,
                account: &account,
                key,
                role: role.as_ref().and_then(|role| role.as_deref()),
                asked,
                keys,
                attributes,
                retired: None,
            };
            let reserved = traced.reserved && !is_above_policy(&journey.call.caller.principal);
            let decision = match (&role, reserved) {
                (Some(None), _) => Err(untrusting(&journey.call, &subject, &mut decided).into()),
                (_, true) => Err(refused_always(&journey.call, &subject, &mut decided).into()),
                (_, false) => self.decide(&journey.call, &subject, now, ground, &mut decided),
            };
            if matches!(decision, Err(Halt::Fail(EngineError::Denied(_)))) && self.tries_out(&journey.call, ground)? {
                decided.statements.push(format!("{TRIED_OUT}{}", decided.missing));
                (decided.allowed, decided.missing) = (true, "");
                continue;
            }
            if let Err(Halt::Fail(_)) = &decision {
                trace.decided = Some(std::mem::take(&mut decided));
            }
            decision?;
        }
        // What nobody need permit is permitted.
        decided.allowed = true;
        trace.decided = Some(decided);
        Ok(())
    }

    /// Whether the caller is a service whose policies are tried out only.
    fn tries_out(&self, call: &Call, ground: Ground) -> Result<bool, Halt> {
        let principal = self.principal_of(&call.caller, ground)?;
        let service = principal.as_ref().and_then(|principal| principal.row.service.as_ref());
        Ok(call.dialect.services().is_some() && service.is_some_and(|service| service.policies_tried_out))
    }

    /// The role that a demand is about, if it is about one, and if it is there and neither it nor its tenant is suspended.
    fn role_of(&self, target: &Target, ground: Ground) -> Result<Option<Option<Arc<PrincipalEntry>>>, Halt> {
        let Target::Role(wanted) = target else { return Ok(None) };
        let found = principal::role(&self.catalog, wanted, ground)?;
        let served = match &found {
            Some(role) => !role.row.suspended && !self.catalog.is_suspended(wanted.tenant, ground)?,
            None => false,
        };
        Ok(Some(found.filter(|_| served)))
    }

    /// Whether the caller's tenant is served at all.
    fn may_serve(&self, call: &Call, ground: Ground) -> Result<(), Halt> {
        // The product's own parts find out how services are in their language.
        if matches!(call.caller.principal, Principal::Internal { .. }) {
            return Ok(());
        }
        // A principal that is gone or suspended may do nothing, whatever its credentials say.
        let principal = self.principal_of(&call.caller, ground)?;
        let service = principal.as_ref().and_then(|principal| principal.row.service.as_ref());
        if service.map(ServiceRow::kind) != call.dialect.services().map(ServiceNames::kind) {
            let shown = call.caller.credential.as_ref().map(|credential| &*credential.shown);
            return Err(identity::unknown(shown.unwrap_or_default()).into());
        }
        if principal.is_some_and(|principal| principal.row.suspended) {
            return Err(EngineError::PrincipalSuspended.into());
        }
        if call.caller.tenant == TenantId::INSTALLATION {
            return Ok(());
        }
        match self.catalog.is_suspended(call.caller.tenant, ground)? {
            true => Err(EngineError::TenantSuspended.into()),
            false => Ok(()),
        }
    }

    fn check_states(&self, trace: &Trace, ground: Ground) -> Result<(), Halt> {
        let wanted = trace.demands.iter().filter(|traced| matches!(traced.demand.target, Target::Key(_)));
        for handle in wanted.filter_map(|traced| trace.keys.get(traced.key?)) {
            self.permits(&handle.entry, handle, ground)?;
            handle.require_served(handle.purpose)?;
        }
        Ok(())
    }

    /// Whether a key may serve a purpose. Its tenant is asked for by itself: a key that was being loaded while its tenant
    /// was suspended may have an older row of it.
    fn permits(&self, entry: &crate::catalog::KeyEntry, handle: &KeyHandle, ground: Ground) -> Result<(), Halt> {
        let harmless = matches!(handle.purpose, Purpose::Inspect | Purpose::Suspend);
        if !harmless && self.catalog.is_suspended(entry.row.tenant, ground)? {
            return Err(EngineError::TenantSuspended.into());
        }
        let mut permitted = entry.row.state.permits(handle.purpose);
        let is_use = matches!(handle.purpose, Purpose::ApplyProtection | Purpose::ProcessProtected);
        if permitted.is_ok() && is_use && !self.catalog.is_connected(&entry.row, ground)? {
            permitted = Err(Forbidden::StoreDisconnected);
        }
        let resource = || Arc::clone(&handle.resource);
        Ok(permitted.map_err(|forbidden| EngineError::StateForbids { resource: resource(), forbidden })?)
    }

    /// Once more, if anything was taken from anyone meanwhile: what was suspended or revoked while the operation ran
    /// releases nothing.
    fn recheck<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        trace: &mut Trace,
        epoch: u64,
        ground: Ground,
    ) -> Result<(), Halt> {
        let taken = self.epoch.load(Ordering::Acquire) != epoch;
        self.still_proved(&journey.call.caller, taken, ground)?;
        if !taken || matches!(journey.call.caller.principal, Principal::Internal { .. }) {
            return Ok(());
        }
        // What the work itself decided, it decides once more.
        if trace.decided_later.get_mut().is_some() {
            return Err(Halt::Again);
        }
        self.may_serve(&journey.call, ground)?;
        for handle in &mut trace.keys {
            handle.entry = self.catalog.key(handle.entry.row.id, ground)?;
        }
        self.decide_all(journey, operation, ground, trace)?;
        for (index, handle) in trace.keys.iter().enumerate() {
            let entry = &handle.entry;
            self.permits(entry, handle, ground)?;
            for used in trace.used.lock().iter().filter(|used| used.handle == index) {
                let state = entry.version(used.material).map_or(VersionState::Destroyed, |version| version.state);
                let resource = || Arc::clone(&handle.resource);
                let permitted = state.permits(handle.purpose);
                permitted.map_err(|forbidden| EngineError::StateForbids { resource: resource(), forbidden })?;
            }
        }
        Ok(())
    }
}

/// Whether the caller is the root of a tenant, or above all tenants. That the tenant is the root's own is for the
/// decision to find: no policy reaches another one.
const fn is_above_policy(principal: &Principal) -> bool {
    matches!(principal, Principal::TenantRoot | Principal::Operator { .. } | Principal::Internal { .. })
}

/// The refusal of what no policy can permit.
fn refused_always(call: &Call, subject: &Subject<'_>, decided: &mut Decided) -> EngineError {
    decided.missing = "only the tenant's root and the installation's operators may";
    denied(call, subject, Missing::IdentityPolicyAllow, decided)
}

/// The refusal of a session of a role that is not there, or suspended.
fn untrusting(call: &Call, subject: &Subject<'_>, decided: &mut Decided) -> EngineError {
    decided.missing = "there is no such role, or it is suspended";
    denied(call, subject, Missing::TrustPolicyAllow, decided)
}

fn denied(call: &Call, subject: &Subject<'_>, missing: Missing, decided: &mut Decided) -> EngineError {
    decided.allowed = false;
    EngineError::Denied(Box::new(Denial {
        principal: Box::from(&*call.caller.policy_name),
        action: call.dialect.action(subject.action),
        resource: subject.resource.into(),
        outcome: strongroom_policy::Outcome::ImplicitDeny(missing),
        cross_account: false,
    }))
}

fn dry<T>(mode: Mode, answer: T) -> Result<T, EngineError> {
    match mode {
        Mode::Run => Ok(answer),
        Mode::DryRun => Err(EngineError::DryRun),
    }
}

pub(crate) fn log_error(cause: &LogUnavailable) -> EngineError {
    EngineError::Unavailable(match cause {
        LogUnavailable::Busy => Unavailable::Busy,
        other => Unavailable::Log { cause: other.to_string().into() },
    })
}
