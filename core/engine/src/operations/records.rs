//! Reading the audit log.

use std::time::Duration;

use strongroom_audit::port::{AuditLog, Position, ReadError, StoredRecord};
use strongroom_audit::record::{self, Record};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{KeyId, TenantId};
use strongroom_model::purpose::Purpose;

use crate::changes::{self, StateChange};
use crate::error::{EngineError, Unavailable};
use crate::limits;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::rows::{ROLES, SERVICES};

/// Reads records of this node's log, oldest first.
pub struct QueryRecords {
    /// Records of this tenant's callers only; of everyone if absent, which is the installation's to permit.
    pub tenant: Option<TenantId>,
    /// Which of them.
    pub filter: RecordFilter,
    /// Begin with the record of this number; where the filter's time begins if absent.
    pub from: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// What must hold of a record. What is absent always holds.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// The request arrived then or later.
    pub since: Option<Timestamp>,
    /// The request arrived before.
    pub until: Option<Timestamp>,
    /// By this caller: as policies name it, by its name within its tenant (`NAME` of a user, `role/NAME`, `service/NAME`), or
    /// by the public half of a credential.
    pub principal: Option<String>,
    /// The front ends that serve services and nobody else: records have users and services in the same form.
    pub of_services: Vec<&'static str>,
    /// On one of these keys, by identity or as a front end names it: what was asked of it, and what changed it, its making
    /// included. On any if empty.
    pub keys: Vec<String>,
    /// This operation, as its front end names it.
    pub operation: Option<String>,
    /// It came to this.
    pub outcome: Option<RecordOutcome>,
    /// The request with this id.
    pub request_id: Option<String>,
    /// A request that said this: the name of a detail as its front end tells it, in its group if it has one, and its value.
    pub detail: Option<(&'static str, &'static str, String)>,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It was done.
    Done,
    /// It was refused by policy.
    Denied,
    /// It failed for whatever reason, refusals included.
    Failed,
    /// It vanished before work on it began.
    Abandoned,
    /// It was let pass though policies refuse it, which are tried out and not enforced; whatever came of it then.
    TriedOut,
}

/// What stands in a record's decision before what policies that are tried out, not enforced, would have refused a request for.
pub const TRIED_OUT: &str = "tried out, not enforced: ";

/// Records that were found.
pub struct FoundRecords {
    /// The records.
    pub records: Vec<StoredRecord>,
    /// The number to go on from; `None` at the end of the log or of the time that was asked for.
    pub next: Option<u64>,
}

impl Operation for QueryRecords {
    type Output = FoundRecords;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = self.tenant.map_or(Target::Installation, Target::Tenant);
        Ok(vec![Demand { action: Action::ReadAudit, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<FoundRecords>, Halt> {
        let log = &*authorized.engine().log;
        let from = match (self.from, self.filter.since) {
            (Some(from), _) => Position(from),
            (None, Some(since)) => seek(log, since)?,
            (None, None) => Position(0),
        };
        let mut found = FoundRecords { records: Vec::new(), next: None };
        let mut bytes = 0;
        for (looked_at, stored) in open(log, from)?.enumerate() {
            let stored = stored.map_err(|error| unreadable(&error))?;
            if looked_at >= limits::QUERY_RECORDS || found.records.len() >= self.limit || bytes >= limits::QUERY_BYTES {
                found.next = Some(stored.position.0);
                break;
            }
            let Ok(record) = stored.record.record() else { continue };
            let ends = self.filter.until.map(|until| until.after(DISORDER));
            if ends.is_some_and(|ends| record.started >= ends) {
                break;
            }
            if self.filter.holds(&record) && self.tenant.is_none_or(|tenant| record.tenant == Some(tenant)) {
                bytes += stored.record.bytes().len();
                found.records.push(stored);
            }
        }
        Ok(Outcome::Answer(found))
    }
}

/// Records stand in the order in which they were finished, so their times of arrival are in order but for this much.
const DISORDER: Duration = Duration::from_secs(600);

/// A place with no record of `since` or later before it, as far as the clock did not jump.
fn seek(log: &dyn AuditLog, since: Timestamp) -> Result<Position, EngineError> {
    let wanted = Timestamp(since.0.saturating_sub(u64::try_from(DISORDER.as_millis()).unwrap_or_default()));
    let (mut low, mut high) = (Position(0), Position(log.head().size));
    if let Err(ReadError::Pruned { first }) = log.records(low) {
        low = first;
    }
    while low.0 + limits::SEEK_RECORDS < high.0 {
        let middle = Position(low.0 + (high.0 - low.0) / 2);
        let Some(stored) = open(log, middle)?.next() else { break };
        let stored = stored.map_err(|error| unreadable(&error))?;
        match stored.record.record().is_ok_and(|record| record.started < wanted) {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok(low)
}

/// The records from a place on, or from the first that is kept.
fn open(log: &dyn AuditLog, from: Position) -> Result<strongroom_audit::port::StoredRecords<'_>, EngineError> {
    let opened = match log.records(from) {
        Err(ReadError::Pruned { first }) => log.records(first),
        opened => opened,
    };
    opened.map_err(|error| unreadable(&error))
}

fn unreadable(error: &ReadError) -> EngineError {
    EngineError::Unavailable(Unavailable::Log { cause: error.to_string().into() })
}

impl RecordFilter {
    fn holds(&self, record: &Record<'_>) -> bool {
        let is = |text: &record::Text<'_>, wanted: &str| text.as_full() == Some(wanted);
        let by = |wanted: &str| {
            self.is_called(record, wanted) || is(&record.policy_name, wanted) || is(&record.credential.shown, wanted)
        };
        let on = |wanted: &String| {
            let id = KeyId::from_hex(wanted);
            let asked =
                |demand: &record::Demand<'_>| (id.is_some() && demand.key == id) || is(&demand.resource, wanted);
            record.demands.iter().any(asked) || id.is_some_and(|id| changed(record, id))
        };
        let said = |(group, name, value): &(&str, &str, String)| {
            record
                .details
                .iter()
                .any(|detail| is(&detail.group, group) && is(&detail.name, name) && is(&detail.value, value))
        };
        self.since.is_none_or(|since| record.started >= since)
            && self.until.is_none_or(|until| record.started < until)
            && self.principal.as_deref().is_none_or(by)
            && (self.keys.is_empty() || self.keys.iter().any(on))
            && self.operation.as_deref().is_none_or(|wanted| is(&record.request.operation, wanted))
            && self.request_id.as_deref().is_none_or(|wanted| is(&record.request.id, wanted))
            && self.detail.as_ref().is_none_or(said)
            && self.outcome.is_none_or(|wanted| came_to(record, wanted))
    }
}

impl RecordFilter {
    /// Whether the caller has this name within its tenant.
    fn is_called(&self, record: &Record<'_>, wanted: &str) -> bool {
        let record::Principal::User { name, unique_id, .. } = &record.principal else { return false };
        let front_end = record.request.front_end.as_full().unwrap_or_default();
        let kind = match unique_id.as_full() {
            _ if self.of_services.contains(&front_end) => SERVICES,
            // A role's, and its session's.
            Some(unique_id) if unique_id.contains(':') => ROLES,
            _ => "",
        };
        match wanted.split_once('/') {
            Some((before, rest)) => kind.strip_suffix('/') == Some(before) && name.as_full() == Some(rest),
            None => kind.is_empty() && name.as_full() == Some(wanted),
        }
    }
}

/// Whether the request changed a key or one of its versions.
fn changed(record: &Record<'_>, id: KeyId) -> bool {
    record.changes.iter().any(|told| match told.as_full().and_then(changes::parse) {
        Some(StateChange::Key(key, _) | StateChange::Version(key, ..)) => key == id,
        _ => false,
    })
}

fn came_to(record: &Record<'_>, wanted: RecordOutcome) -> bool {
    let denied = record.decision.as_ref().is_some_and(|decision| !decision.allowed);
    match (&record.outcome, wanted) {
        (_, RecordOutcome::TriedOut) => record.decision.iter().any(|decision| {
            decision.statements.iter().any(|told| told.as_full().is_some_and(|told| told.starts_with(TRIED_OUT)))
        }),
        (record::Outcome::Done, RecordOutcome::Done) | (record::Outcome::Abandoned, RecordOutcome::Abandoned) => true,
        (record::Outcome::Failed { .. }, RecordOutcome::Denied) => denied,
        (record::Outcome::Failed { .. }, RecordOutcome::Failed) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use strongroom_audit::record::{List, Text};
    use strongroom_model::id::{PrincipalId, RecordId};

    use super::*;

    fn record<'a>(name: &'a str, unique_id: &'a str, front_end: &'a str) -> Record<'a> {
        let mut record = Record::new(RecordId::from_bytes([1; 16]), Timestamp(1), Action::Encrypt);
        let id = PrincipalId::from_bytes([2; 16]);
        record.principal = record::Principal::User { id, unique_id: Text::from(unique_id), name: Text::from(name) };
        record.request.front_end = Text::from(front_end);
        record
    }

    #[test]
    fn a_user_a_role_and_a_service_of_one_name_are_told_apart() {
        let [user, session, service] = [
            record("prod", "AIDAONE", "aws-kms"),
            record("prod", "AROAONE:session", "aws-kms"),
            record("prod", "AIDXONE", "aws-xks"),
        ];
        let finds = |wanted: &str| {
            let of_services = vec!["aws-xks"];
            let filter = RecordFilter { principal: Some(wanted.to_owned()), of_services, ..RecordFilter::default() };
            [&user, &session, &service].map(|record| filter.holds(record))
        };
        assert_eq!(finds("prod"), [true, false, false]);
        assert_eq!(finds("role/prod"), [false, true, false]);
        assert_eq!(finds("service/prod"), [false, false, true]);
        assert_eq!(finds("user/prod"), [false; 3]);
        assert_eq!(finds("service/"), [false; 3]);
    }

    #[test]
    fn the_record_that_made_a_key_is_one_on_it() {
        let (id, other) = (KeyId::from_bytes([7; 16]), KeyId::from_bytes([8; 16]));
        let mut made = record("anna", "AIDAONE", "admin");
        let changes = [format!("key {id} active"), "put binding 00".to_owned()];
        made.changes = List::Owned(changes.into_iter().map(Text::from).collect());
        let finds = |keys: &[KeyId]| {
            let keys = keys.iter().map(ToString::to_string).collect();
            RecordFilter { keys, ..RecordFilter::default() }.holds(&made)
        };
        assert!(finds(&[id]) && finds(&[other, id]) && finds(&[]));
        assert!(!finds(&[other]));
    }
}
