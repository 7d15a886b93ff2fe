//! `audit show`: records as the server has them, rendered here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_admin_api::{AuditPage, AuditQuery, AuditRecord, Endpoint, Outcome, PageSize, Time};
use strongroom_audit::record::{self, Record};

use crate::arguments::{Format, KeyOf, QueryOptions, ShowOptions};
use crate::client::Client;
use crate::error::CliError;
use crate::operations;
use crate::output::Output;
use crate::reference::{id_of, is_arn, is_id};

/// How a record begins to tell what policies that are tried out would have refused.
const TRIED_OUT: &str = "tried out, not enforced";

/// What refuses a request though its policies allow it, by the engine's number for it (docs/formats/audit-log.md): a key's state,
/// a tenant's and a principal's suspension, a key's usage, a limit, a key store that is not offered.
const OTHER_REFUSALS: &[u16] = &[4, 5, 6, 16, 33, 34];

pub(crate) fn show(
    client: &Client<'_>,
    output: &mut Output<'_>,
    options: &ShowOptions,
    now: u64,
) -> Result<(), CliError> {
    let mut query = query(&options.query, now);
    let wanted = keys(client, &options.query)?;
    (query.key, query.key_named) = (wanted.key, wanted.named);
    let mut rows = Vec::new();
    let mut found = false;
    let mut left = options.limit;
    while left > 0 {
        query.limit = PageSize::new(left);
        let page: AuditPage = client.query(Endpoint::QueryAudit, &[], &query)?;
        found |= !page.items.is_empty();
        for item in page.items.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let bytes = bytes(item)?;
            let record = Record::decode(&bytes).map_err(|error| strange(item, &error.to_string()))?;
            match output.format() {
                Format::Table => rows.push(row(&record)),
                Format::Json => output.json(&strongroom_render::plain(&record))?,
                Format::Cloudtrail => output.json(&strongroom_render::cloudtrail(&record))?,
            }
        }
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    // Records of other versions may have operations that are not known here; a word that none has is a slip.
    if let Some(asked) = options.query.action.as_ref().filter(|asked| !found && !operations::is_known(asked)) {
        return Err(CliError::UnknownAction { asked: asked.clone(), near: operations::near(asked) });
    }
    if output.format() == Format::Table {
        let headings = ["TIME", "CALLER", "OPERATION", "RESOURCE", "OUTCOME", "DECIDED BY", "FROM", "REQUEST"];
        output.list(&rows, &headings, Clone::clone)?;
    }
    if let Some(told) = wanted.told {
        output.beside(told)?;
    }
    if query.after.is_some() {
        output.beside(format!("there are more than {}; see --limit and --since", options.limit))?;
    }
    Ok(())
}

fn query(options: &QueryOptions, now: u64) -> AuditQuery {
    AuditQuery {
        since: Some(options.since.time(now)),
        until: options.until.map(|until| until.time(now)),
        tenant: options.tenant.clone(),
        principal: options.principal.clone(),
        action: options.action.clone(),
        outcome: options.outcome.as_deref().and_then(|outcome| match outcome {
            "done" => Some(Outcome::Done),
            "denied" => Some(Outcome::Denied),
            "failed" => Some(Outcome::Failed),
            "abandoned" => Some(Outcome::Abandoned),
            "tried-out" => Some(Outcome::TriedOut),
            _ => None,
        }),
        request_id: options.request_id.clone(),
        kms_request_id: options.kms_request_id.clone(),
        ..AuditQuery::default()
    }
}

/// By what records of a key are looked for.
#[derive(Default)]
struct Wanted {
    /// Its internal id, or what alone it is known by.
    key: Option<String>,
    /// What else it was called.
    named: Option<String>,
    /// What whoever asks is to know of that.
    told: Option<String>,
}

/// A key by its internal id, which the record that made it has, and by what it was called. One that is called by what leads to
/// no key now, or to none that whoever asks may look up, is looked for by that alone, and that is told.
fn keys(client: &Client<'_>, options: &QueryOptions) -> Result<Wanted, CliError> {
    let QueryOptions { key: Some(key), tenant, .. } = options else { return Ok(Wanted::default()) };
    let called = |told| Ok(Wanted { key: Some(key.clone()), named: None, told });
    if is_id(key) || !(is_arn(key) || tenant.is_some()) {
        return called(None);
    }
    let alone =
        "these are the records that call a key so, without those that have its internal id alone, such as its making";
    match id_of(client, &KeyOf { key: key.clone(), tenant: tenant.clone(), region: None }) {
        Ok(id) => Ok(Wanted { key: Some(id), named: Some(key.clone()), told: None }),
        Err(CliError::NoSuchKey { .. }) => called(Some(format!("{key} leads to no key now; {alone}"))),
        Err(CliError::Refused { status: 403 | 404, code, .. }) => {
            called(Some(format!("{key} could not be looked up ({code}); {alone}")))
        }
        Err(other) => Err(other),
    }
}

fn bytes(item: &AuditRecord) -> Result<Vec<u8>, CliError> {
    STANDARD.decode(&item.record).map_err(|error| strange(item, &error.to_string()))
}

fn strange(item: &AuditRecord, cause: &str) -> CliError {
    CliError::Usage(format!("record {} cannot be read: {cause}; is this program older than the server?", item.position))
}

/// A record on one line.
fn row(record: &Record<'_>) -> Vec<String> {
    let caller = match &record.principal {
        record::Principal::Unproved => format!("unproved {}", record.credential.shown),
        record::Principal::TenantRoot => format!("{} root", record.account),
        record::Principal::User { name, .. } => format!("{} {}{name}", record.account, kind(record)),
        record::Principal::Operator { uid } => format!("operator {uid}"),
        record::Principal::Internal { service } => service.to_string(),
        record::Principal::WebIdentity { subject } => format!("{} {subject}", record.account),
    };
    let outcome = match &record.outcome {
        record::Outcome::Done => "done".to_owned(),
        record::Outcome::Failed { code, .. } => code.to_string(),
        record::Outcome::Abandoned => "abandoned".to_owned(),
    };
    let resource = record.demands.iter().map(|demand| demand.resource.to_string()).collect::<Vec<_>>().join(" ");
    let from = record.source.address.map_or_else(|| record.source.listener.to_string(), |from| from.to_string());
    vec![
        Time::from_millis(record.started.0).to_string(),
        caller.trim_end().to_owned(),
        record.request.operation.to_string(),
        resource,
        outcome,
        decided_by(record),
        from,
        record.request.id.to_string(),
    ]
}

/// What stands before the names of roles and services, where users have names, too.
fn kind(record: &Record<'_>) -> &'static str {
    // An ARN ends in what it is of: user/anna, assumed-role/deployer/session, store/prod.
    let arn = record.policy_name.as_full().unwrap_or_default();
    match arn.rsplit(':').next().and_then(|of| of.split_once('/')) {
        Some(("assumed-role", _)) => "role/",
        Some(("store", _)) => "service/",
        _ => "",
    }
}

/// The statements that refused a request, or would have, were they enforced, and what else refused it; nothing for one that was
/// simply allowed.
fn decided_by(record: &Record<'_>) -> String {
    let otherwise = match &record.outcome {
        record::Outcome::Failed { message, engine, .. } if OTHER_REFUSALS.contains(engine) => Some(message.to_string()),
        _ => None,
    };
    let mut told = Vec::new();
    if let Some(decision) = &record.decision {
        told.extend(decision.statements.iter().map(ToString::to_string));
        let denied = !decision.allowed && otherwise.is_none();
        if !denied && !told.iter().any(|statement| statement.starts_with(TRIED_OUT)) {
            told.clear();
        }
        // What is missing ends the sentence of a refusal, and is told among the statements of what was let pass.
        told.extend(denied.then(|| decision.missing.to_string()));
    }
    told.extend(otherwise);
    told.retain(|part| !part.is_empty());
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use strongroom_audit::record::{Action, Decision, List};
    use strongroom_model::clock::Timestamp;
    use strongroom_model::id::RecordId;

    use super::*;

    #[test]
    fn what_was_tried_out_is_told_of_a_request_that_a_state_refused_then_and_what_merely_allowed_it_is_not() {
        let told = |engine, statements: &[&'static str]| {
            let mut record = Record::new(RecordId::from_bytes([1; 16]), Timestamp(0), Action::Encrypt);
            let statements = statements.iter().map(|statement| (*statement).into()).collect();
            let (allowed, missing) = (true, "".into());
            record.decision = Some(Decision { allowed, statements: List::Owned(statements), missing });
            record.outcome =
                record::Outcome::Failed { code: "KeyState".into(), message: "the key is suspended".into(), engine };
            decided_by(&record)
        };
        let tried_out = ["identity-policy own[1] NotAlice", "tried out, not enforced: explicit deny"];
        for engine in OTHER_REFUSALS {
            assert_eq!(told(*engine, &tried_out), format!("{}; the key is suspended", tried_out.join("; ")));
            assert_eq!(told(*engine, &["key-policy"]), "the key is suspended");
        }
        // What a request failed on beside, such as its ciphertext, decided nothing.
        assert_eq!(told(u16::MAX, &tried_out), tried_out.join("; "));
    }
}
