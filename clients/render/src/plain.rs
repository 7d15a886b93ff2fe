//! Our own form: every field of a record under its name, nothing added, nothing left out.

use serde_json::{Map, Value, json};
use strongroom_audit::record::{Decision, Demand, LeftOut, Mode, Outcome, Principal, Record};

use crate::{add_text, details, text, time};

/// A record as an object whose names are those of [`Record`]'s fields; fields that say nothing are left out.
#[must_use]
pub fn plain(record: &Record<'_>) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !empty {
            object.insert(name.to_owned(), value);
        }
    };
    put("id", record.id.to_string().into());
    put("started", time(record.started.0, false));
    put("duration_micros", record.duration_micros.into());
    put("tenant", record.tenant.map(|tenant| tenant.to_string()).into());
    put("principal", principal(&record.principal));
    put("credential", credential(record));
    put("source", source(record));
    put("request", request(record));
    put("action", format!("{:?}", record.action).into());
    put(
        "mode",
        match record.mode {
            Mode::Run => Value::Null,
            Mode::DryRun => "dry run".into(),
            Mode::Internal => "internal".into(),
        },
    );
    put("demands", record.demands.iter().map(demand).collect());
    put("decision", record.decision.as_ref().map_or(Value::Null, decision));
    put("outcome", outcome(&record.outcome));
    put("details", details(&record.details));
    put("results", details(&record.results));
    put("changes", record.changes.iter().map(text).collect());
    put("revision", record.revision.map(|revision| revision.0).into());
    put("count", (record.count != 1).then_some(record.count).into());
    put(
        "left_out",
        record
            .left_out
            .map_or(Value::Null, |LeftOut { items, sha256 }| json!({ "items": items, "sha256": sha256.to_string() })),
    );
    add_text(&mut object, "account", &record.account);
    add_text(&mut object, "policy_name", &record.policy_name);
    add_text(&mut object, "algorithm", &record.algorithm);
    Value::Object(object)
}

fn principal(principal: &Principal<'_>) -> Value {
    match principal {
        Principal::Unproved => Value::Null,
        Principal::TenantRoot => json!({ "kind": "tenant root" }),
        Principal::User { id, unique_id, name } => {
            json!({ "kind": "user", "id": id.to_string(), "unique_id": text(unique_id), "name": text(name) })
        }
        Principal::Operator { uid } => json!({ "kind": "operator", "uid": uid }),
        Principal::Internal { service } => json!({ "kind": "internal", "service": text(service) }),
        Principal::WebIdentity { subject } => json!({ "kind": "web identity", "subject": text(subject) }),
    }
}

fn credential(record: &Record<'_>) -> Value {
    let mut credential = Map::new();
    credential.extend(record.credential.id.map(|id| ("id".to_owned(), id.to_string().into())));
    add_text(&mut credential, "shown", &record.credential.shown);
    Value::Object(credential)
}

fn source(record: &Record<'_>) -> Value {
    let mut source = Map::new();
    source.extend(record.source.address.map(|address| ("address".to_owned(), address.to_string().into())));
    add_text(&mut source, "listener", &record.source.listener);
    add_text(&mut source, "tls", &record.source.tls);
    add_text(&mut source, "user_agent", &record.source.user_agent);
    Value::Object(source)
}

fn request(record: &Record<'_>) -> Value {
    let mut request = Map::new();
    add_text(&mut request, "id", &record.request.id);
    add_text(&mut request, "front_end", &record.request.front_end);
    add_text(&mut request, "event_source", &record.request.event_source);
    add_text(&mut request, "operation", &record.request.operation);
    add_text(&mut request, "region", &record.request.region);
    Value::Object(request)
}

fn demand(demand: &Demand<'_>) -> Value {
    let mut object = Map::new();
    object.insert("action".to_owned(), format!("{:?}", demand.action).into());
    add_text(&mut object, "resource", &demand.resource);
    object.extend(demand.key.map(|key| ("key".to_owned(), key.to_string().into())));
    object.extend(demand.material.map(|material| ("material".to_owned(), material.to_string().into())));
    object.extend(demand.ordinal.map(|ordinal| ("ordinal".to_owned(), ordinal.into())));
    object.extend(demand.purpose.map(|purpose| ("purpose".to_owned(), format!("{purpose:?}").into())));
    Value::Object(object)
}

fn decision(decision: &Decision<'_>) -> Value {
    let mut object = Map::new();
    object.insert("allowed".to_owned(), decision.allowed.into());
    if !decision.statements.is_empty() {
        object.insert("statements".to_owned(), decision.statements.iter().map(text).collect());
    }
    add_text(&mut object, "missing", &decision.missing);
    Value::Object(object)
}

fn outcome(outcome: &Outcome<'_>) -> Value {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Abandoned => "abandoned".into(),
        Outcome::Failed { code, message, engine } => {
            let mut failed = Map::new();
            failed.insert("engine".to_owned(), (*engine).into());
            add_text(&mut failed, "code", code);
            add_text(&mut failed, "message", message);
            json!({ "failed": failed })
        }
    }
}
