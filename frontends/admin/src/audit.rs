//! The audit log, as far as the caller may read it. Records leave as they stand in the log; clients render them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_admin_api::{AuditPage, AuditQuery, AuditRecord, Outcome};
use strongroom_engine::operations::records::{QueryRecords, RecordFilter, RecordOutcome};
use strongroom_model::id::TenantId;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;

pub(crate) async fn query(context: &Context<'_>) -> Result<Reply, AdminError> {
    let query: AuditQuery = context.query()?;
    let fault = AdminError::Value { field: "after", problem: "must be the next of a page before" };
    let from = query.after.as_deref().map(str::parse).transpose().map_err(|_| fault)?;
    let tenant = match (&query.tenant, context.caller.tenant) {
        (Some(account), _) => Some(context.tenant_of(account).await?),
        (None, TenantId::INSTALLATION) => None,
        (None, own) => Some(own),
    };
    let served = context.admin.dialects.iter().filter(|dialect| dialect.services().is_some());
    let filter = RecordFilter {
        since: query.since.map(|time| time.0),
        until: query.until.map(|time| time.0),
        principal: query.principal,
        of_services: served.map(|dialect| dialect.front_end()).collect(),
        keys: query.key.into_iter().chain(query.key_named).collect(),
        operation: query.action,
        outcome: query.outcome.map(outcome),
        request_id: query.request_id,
        detail: query.kms_request_id.map(|id| ("requestMetadata", "kmsRequestId", id)),
    };
    let found = context.perform(QueryRecords { tenant, filter, from, limit: query.limit.items() }).await?;
    let items = found
        .records
        .iter()
        .map(|stored| AuditRecord { position: stored.position.0, record: STANDARD.encode(stored.record.bytes()) });
    Reply::ok(&AuditPage { items: items.collect(), next: found.next.map(|next| next.to_string()) })
}

const fn outcome(outcome: Outcome) -> RecordOutcome {
    match outcome {
        Outcome::Done => RecordOutcome::Done,
        Outcome::Denied => RecordOutcome::Denied,
        Outcome::Failed => RecordOutcome::Failed,
        Outcome::Abandoned => RecordOutcome::Abandoned,
        Outcome::TriedOut => RecordOutcome::TriedOut,
    }
}
