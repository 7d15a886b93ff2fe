//! CloudTrail's event form, version 1.11, as tools that read CloudTrail take it.
//!
//! What a record knows beyond it stands in `additionalEventData`, the place that the form has for that.

use serde_json::{Map, Value, json};
use strongroom_audit::record::{Action, Mode, Outcome, Principal, Record, Request};

use crate::{add_text, details, text, time};

/// A record as a CloudTrail event.
#[must_use]
pub fn cloudtrail(record: &Record<'_>) -> Value {
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| {
        event.insert(name.to_owned(), value);
    };
    put("eventVersion", "1.11".into());
    put("userIdentity", identity(record));
    put("eventTime", time(record.started.0, true));
    let Request { event_source, operation, .. } = &record.request;
    // What no front end asked for has no words of a front end's.
    put("eventSource", if event_source.is_empty() { "strongroom".into() } else { text(event_source) });
    put("eventName", if operation.is_empty() { format!("{:?}", record.action).into() } else { text(operation) });
    put("awsRegion", text(&record.request.region));
    put("sourceIPAddress", source(record));
    put("userAgent", text(&record.source.user_agent));
    put("requestParameters", details(&record.details));
    put("responseElements", details(&record.results));
    put("requestID", text(&record.request.id));
    put("eventID", event_id(u128::from_be_bytes(*record.id.as_bytes())).into());
    put("readOnly", read_only(record.action).into());
    put("eventType", if record.mode == Mode::Internal { "AwsServiceEvent" } else { "AwsApiCall" }.into());
    put("managementEvent", true.into());
    put("eventCategory", "Management".into());
    put("additionalEventData", additional(record));
    if let Outcome::Failed { code, message, .. } = &record.outcome {
        add_text(&mut event, "errorCode", code);
        add_text(&mut event, "errorMessage", message);
    }
    add_text(&mut event, "recipientAccountId", &record.account);
    let resources = resources(record);
    if !resources.is_empty() {
        event.insert("resources".to_owned(), resources.into());
    }
    if let Some((version, suite)) = record.source.tls.as_full().and_then(|tls| tls.split_once(' ')) {
        event.insert("tlsDetails".to_owned(), json!({ "tlsVersion": version, "cipherSuite": suite }));
    }
    Value::Object(event)
}

fn identity(record: &Record<'_>) -> Value {
    let mut identity = Map::new();
    let kind = match &record.principal {
        Principal::TenantRoot => {
            add_text(&mut identity, "principalId", &record.account);
            "Root"
        }
        Principal::User { unique_id, name, .. } => {
            add_text(&mut identity, "principalId", unique_id);
            add_text(&mut identity, "userName", name);
            "IAMUser"
        }
        Principal::Internal { service } => {
            add_text(&mut identity, "invokedBy", service);
            "AWSService"
        }
        Principal::WebIdentity { subject } => {
            add_text(&mut identity, "principalId", subject);
            add_text(&mut identity, "userName", subject);
            add_text(&mut identity, "identityProvider", &record.policy_name);
            "WebIdentityUser"
        }
        Principal::Operator { uid } => {
            identity.insert("principalId".to_owned(), format!("uid:{uid}").into());
            "Unknown"
        }
        Principal::Unproved => "Unknown",
    };
    identity.insert("type".to_owned(), kind.into());
    add_text(&mut identity, "arn", &record.policy_name);
    add_text(&mut identity, "accountId", &record.account);
    add_text(&mut identity, "accessKeyId", &record.credential.shown);
    Value::Object(identity)
}

fn source(record: &Record<'_>) -> Value {
    match (&record.source.address, &record.principal) {
        (Some(address), _) => address.ip().to_string().into(),
        (None, Principal::Internal { service }) => text(service),
        // A Unix socket has no address.
        (None, _) => "local".into(),
    }
}

fn event_id(id: u128) -> String {
    let part = |shift: u32, mask: u128| id >> shift & mask;
    let (a, b, c) = (part(96, 0xffff_ffff), part(80, 0xffff), part(64, 0xffff));
    let (d, e) = (part(48, 0xffff), part(0, 0xffff_ffff_ffff));
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

/// The resources named, each once, in order.
fn resources(record: &Record<'_>) -> Vec<Value> {
    let mut resources: Vec<Value> = Vec::new();
    for resource in record.demands.iter().map(|demand| &demand.resource).filter(|resource| !resource.is_empty()) {
        let mut named = Map::new();
        let arn = resource.as_full().unwrap_or_default();
        if arn.contains(":key/") {
            named.insert("type".to_owned(), "AWS::KMS::Key".into());
        }
        if let Some(account) = arn.split(':').nth(4).filter(|account| !account.is_empty()) {
            named.insert("accountId".to_owned(), account.into());
        }
        named.insert("ARN".to_owned(), text(resource));
        let named = Value::Object(named);
        if !resources.contains(&named) {
            resources.push(named);
        }
    }
    resources
}

fn additional(record: &Record<'_>) -> Value {
    let mut additional = Map::new();
    additional.insert("durationMicros".to_owned(), record.duration_micros.into());
    add_text(&mut additional, "listener", &record.source.listener);
    add_text(&mut additional, "algorithm", &record.algorithm);
    if let Some(decision) = &record.decision {
        additional.insert("allowed".to_owned(), decision.allowed.into());
        additional.insert("decidedBy".to_owned(), decision.statements.iter().map(text).collect());
        add_text(&mut additional, "missing", &decision.missing);
    }
    let materials: Vec<Value> = record
        .demands
        .iter()
        .filter_map(|demand| demand.material)
        .map(|material| material.to_string().into())
        .collect();
    for (name, list) in [("keyMaterials", materials), ("changes", record.changes.iter().map(text).collect())] {
        if !list.is_empty() {
            additional.insert(name.to_owned(), list.into());
        }
    }
    if record.outcome == Outcome::Abandoned {
        additional.insert("abandoned".to_owned(), true.into());
    }
    if record.mode == Mode::DryRun {
        additional.insert("dryRun".to_owned(), true.into());
    }
    if record.count != 1 {
        additional.insert("count".to_owned(), record.count.into());
    }
    if let Some(left_out) = record.left_out {
        additional.insert("itemsLeftOut".to_owned(), left_out.items.into());
    }
    Value::Object(additional)
}

/// Whether an action only reads, as CloudTrail counts: using a key changes nothing of it.
const fn read_only(action: Action) -> bool {
    match action {
        Action::DescribeKey
        | Action::ListKeys
        | Action::GetKeyLastUsage
        | Action::Encrypt
        | Action::Decrypt
        | Action::ReEncryptFrom
        | Action::ReEncryptTo
        | Action::GenerateDataKey
        | Action::GenerateDataKeyWithoutPlaintext
        | Action::GenerateDataKeyPair
        | Action::GenerateDataKeyPairWithoutPlaintext
        | Action::GenerateRandom
        | Action::GenerateMac
        | Action::VerifyMac
        | Action::Sign
        | Action::Verify
        | Action::GetPublicKey
        | Action::ListAliases
        | Action::ListKeyTags
        | Action::ListTaggedKeys
        | Action::GetKeyPolicy
        | Action::ListKeyPolicies
        | Action::ListGrants
        | Action::ListRetirableGrants
        | Action::GetKeyRotationStatus
        | Action::ListKeyRotations
        | Action::GetCallerIdentity
        | Action::DeriveSharedSecret
        | Action::Encapsulate
        | Action::Decapsulate
        | Action::SealDetached
        | Action::OpenDetached
        | Action::WrapKey
        | Action::UnwrapKey
        | Action::DescribeKeyStores
        | Action::GetParametersForImport
        | Action::AssumeRole
        | Action::AssumeRoleWithWebIdentity
        | Action::TagSession
        | Action::SetSourceIdentity
        | Action::ReadTenants
        | Action::ReadPrincipals
        | Action::ReadCredentials
        | Action::ReadRoots
        | Action::ReadAudit
        | Action::ReadBindings
        | Action::Authenticate => true,
        Action::CreateKey
        | Action::EnableKey
        | Action::DisableKey
        | Action::ScheduleKeyDestruction
        | Action::CancelKeyDestruction
        | Action::UpdateKeyDescription
        | Action::CreateAlias
        | Action::UpdateAlias
        | Action::DeleteAlias
        | Action::TagKey
        | Action::UntagKey
        | Action::PutKeyPolicy
        | Action::CreateGrant
        | Action::RetireGrant
        | Action::RevokeGrant
        | Action::EnableKeyRotation
        | Action::DisableKeyRotation
        | Action::RotateKeyOnDemand
        | Action::CreateKeyStore
        | Action::UpdateKeyStore
        | Action::DeleteKeyStore
        | Action::ConnectKeyStore
        | Action::DisconnectKeyStore
        | Action::ImportKeyMaterial
        | Action::DeleteImportedKeyMaterial
        | Action::ReplicateKey
        | Action::UpdatePrimaryRegion
        | Action::ManageTenants
        | Action::ManagePrincipals
        | Action::ManageCredentials
        | Action::ManageRoots
        | Action::ManageBackups
        | Action::Suspend
        | Action::RotateDomainKey
        | Action::ManageBindings
        | Action::Unseal
        | Action::Scheduled
        | Action::Installation => false,
    }
}
