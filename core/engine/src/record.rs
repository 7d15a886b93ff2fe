//! What the record of a request says.

use strongroom_audit::record::{
    Credential, Decision, Demand, Detail, List, Outcome, Principal, Record, Request, SealedRecord, Source, Text,
};
use strongroom_model::action::Action;
use strongroom_model::caller;
use strongroom_model::id::{RecordId, TenantId};
use strongroom_model::store::Batch;

use crate::Engine;
use crate::call::{Call, Mode};
use crate::changes;
use crate::error::EngineError;
use crate::journey::{Journey, Trace};
use crate::operation::Operation;

impl Engine {
    /// Finishes the record of a request.
    pub(crate) fn seal_record(
        &self,
        journey: &Journey,
        trace: &Trace,
        error: Option<&EngineError>,
        changed: Option<&Batch>,
    ) -> SealedRecord {
        let call = &journey.call;
        let action = trace.demands.first().map_or(Action::Installation, |traced| traced.demand.action);
        let mut record = Record::new(self.record_id(), journey.started, action);
        let took = self.clock.since_boot().saturating_sub(journey.began);
        record.duration_micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        describe_call(&mut record, call);
        record.mode = mode(journey);
        record.algorithm = Text::from(trace.algorithm);
        if let Some(batch) = changed {
            record.changes = List::Owned(changes::describe(batch).into_iter().map(Text::from).collect());
        }
        let used = trace.used.lock();
        let demands: Vec<Demand<'_>> = trace
            .demands
            .iter()
            .map(|traced| {
                let handle = traced.key.and_then(|index| trace.keys.get(index));
                let version = used.iter().find(|used| Some(used.handle) == traced.key);
                Demand {
                    action: traced.demand.action,
                    resource: Text::from(&*traced.resource),
                    key: handle.map(|handle| handle.entry.row.id),
                    material: version.map(|used| used.material),
                    ordinal: version.map(|used| u64::from(used.ordinal)),
                    purpose: handle.map(|handle| handle.purpose),
                }
            })
            .collect();
        record.demands = List::Owned(demands);
        let later = trace.decided_later.lock();
        if let Some(decided) = later.as_ref().or(trace.decided.as_ref()) {
            record.decision = Some(Decision {
                // What the policies left open may be refused by the work itself.
                allowed: decided.allowed && !matches!(error, Some(EngineError::Denied(_))),
                statements: List::Owned(decided.statements.iter().map(|text| Text::from(text.as_str())).collect()),
                missing: Text::from(decided.missing),
            });
        }
        if let Some(error) = error {
            record.outcome = failed(error, call);
        }
        record.seal()
    }

    /// The record of a request that was refused unheard, or without an error vanished before its work began.
    pub(crate) fn seal_unperformed<O: Operation>(
        &self,
        journey: &Journey,
        operation: &O,
        error: Option<&EngineError>,
    ) -> SealedRecord {
        let demands = operation.demands().unwrap_or_default();
        let action = demands.first().map_or(Action::Installation, |demand| demand.action);
        let mut record = Record::new(self.record_id(), journey.started, action);
        let took = self.clock.since_boot().saturating_sub(journey.began);
        record.duration_micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        describe_call(&mut record, &journey.call);
        record.mode = mode(journey);
        record.outcome = match error {
            None => Outcome::Abandoned,
            Some(error) => failed(error, &journey.call),
        };
        record.seal()
    }

    /// A fresh record id. Without randomness there is no id, and a server without randomness makes no records that
    /// could be taken for one another: the operation itself fails for the same reason.
    pub(crate) fn record_id(&self) -> RecordId {
        RecordId::from_bytes(self.identifier().unwrap_or_default())
    }
}

fn mode(journey: &Journey) -> strongroom_audit::record::Mode {
    match (journey.mode, &journey.call.caller.principal) {
        (_, caller::Principal::Internal { .. }) => strongroom_audit::record::Mode::Internal,
        (Mode::DryRun, _) => strongroom_audit::record::Mode::DryRun,
        (Mode::Run, _) => strongroom_audit::record::Mode::Run,
    }
}

fn failed<'a>(error: &EngineError, call: &Call) -> Outcome<'a> {
    let (code, message) = call.dialect.error(error, call);
    Outcome::Failed { code: Text::from(code), message: Text::from(message), engine: error.number() }
}

/// Who, from where, and what they asked for in their own words.
pub(crate) fn describe_call<'a>(record: &mut Record<'a>, call: &'a Call) {
    let caller = &*call.caller;
    record.tenant = (caller.tenant != TenantId::INSTALLATION).then_some(caller.tenant);
    record.account = Text::from(&*caller.account);
    record.policy_name = Text::from(&*caller.policy_name);
    record.principal = match &caller.principal {
        caller::Principal::TenantRoot => Principal::TenantRoot,
        caller::Principal::User { id, unique_id, name } => {
            Principal::User { id: *id, unique_id: Text::from(&**unique_id), name: Text::from(&**name) }
        }
        // As its role: the session stands in the unique id and in the policy name.
        caller::Principal::Session(session) => Principal::User {
            id: session.role,
            unique_id: Text::from(&*session.unique_id),
            name: Text::from(&*session.role_name),
        },
        caller::Principal::WebIdentity { subject } => Principal::WebIdentity { subject: Text::from(&**subject) },
        caller::Principal::Operator { uid } => Principal::Operator { uid: *uid },
        caller::Principal::Service { .. } => Principal::Internal { service: Text::from(&*caller.policy_name) },
        caller::Principal::Internal { service } => Principal::Internal { service: Text::from(*service) },
    };
    if let Some(credential) = &caller.credential {
        // Sessions come and go: the ledger tells credentials apart that last.
        let lasts = !matches!(caller.principal, caller::Principal::Session(_));
        record.credential = Credential { id: lasts.then_some(credential.id), shown: Text::from(&*credential.shown) };
    }
    record.source = Source {
        address: call.source.address,
        listener: Text::from(&*call.source.listener),
        tls: Text::from(&*call.source.tls),
        user_agent: Text::from(&*call.user_agent),
    };
    record.request = Request {
        id: Text::from(&*call.request_id),
        front_end: Text::from(call.dialect.front_end()),
        event_source: Text::from(call.dialect.event_source()),
        operation: Text::from(call.operation),
        region: Text::from(&*call.region),
    };
    let detail = |(name, value): &'a (&'static str, String)| {
        let (group, name) = name.split_once('/').unwrap_or(("", name));
        Detail { group: Text::from(group), name: Text::from(name), value: Text::from(value.as_str()) }
    };
    let pair = |(name, value): (&'a str, &'a str)| Detail {
        group: Text::from("encryptionContext"),
        name: Text::from(name),
        value: Text::from(value),
    };
    let pairs = (0..).map_while(|index| call.attributes.context_pair(index)).map(pair);
    record.details = List::Owned(call.detail.iter().map(detail).chain(pairs).collect());
}

impl EngineError {
    /// The number that stands for this kind of error in records. For ever.
    #[must_use]
    pub const fn number(&self) -> u16 {
        match self {
            Self::NotFound(_) => 1,
            Self::AlreadyExists(_) => 2,
            Self::Denied(_) => 3,
            Self::StateForbids { .. } => 4,
            Self::TenantSuspended => 5,
            Self::UsageForbids { .. } => 6,
            Self::AlgorithmUnfit { .. } => 7,
            Self::InvalidCiphertext => 8,
            Self::IncorrectKey => 9,
            Self::InvalidSignature => 10,
            Self::InvalidMac => 11,
            Self::InvalidInput(_) => 12,
            Self::InvalidPolicy(_) => 13,
            Self::Lockout => 14,
            Self::Conflict => 15,
            Self::LimitExceeded(_) => 16,
            Self::Unsupported(_) => 17,
            Self::InvalidGrantToken => 18,
            Self::InvalidCursor => 19,
            Self::DryRun => 20,
            Self::Unavailable(_) => 21,
            Self::Internal(_) => 22,
            Self::OriginForbids { .. } => 24,
            Self::InvalidImportToken => 25,
            Self::ExpiredImportToken => 26,
            Self::IncorrectMaterial => 27,
            Self::RotationPending { .. } => 28,
            Self::NothingPending { .. } => 29,
            Self::NotPrimary { .. } => 30,
            Self::StoreLink(_) => 31,
            Self::External(_) => 32,
            Self::SessionExpired => 23,
            Self::PrincipalSuspended => 33,
            Self::StoreNotOffered { .. } => 34,
            Self::StoreLacks { .. } => 35,
        }
    }
}
