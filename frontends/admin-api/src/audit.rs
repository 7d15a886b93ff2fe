//! The audit log as the API reads it.

use serde::{Deserialize, Serialize};

use crate::{PageSize, Time};

/// Which records. Several filters must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// How many records at most.
    #[serde(default)]
    pub limit: PageSize,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Requests that arrived at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Requests that arrived before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Requests by callers of this tenant, by account number. Callers of a tenant see no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Requests by this caller: the name that policies know it by, its name in its tenant (a user's `NAME`, `role/NAME`,
    /// `service/NAME`), or an access key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Requests that touched this key, by internal id or by the resource as policies name it. By its id, those that changed
    /// it too, such as the one that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Beside `key`, requests that touched this one, which may be another name of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_named: Option<String>,
    /// Requests for this operation, as its front end names it, e.g. `Decrypt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Requests that came to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The request with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The request that AWS KMS made of an external key store for the request with this id, its `kmsRequestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_request_id: Option<String>,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused by policy.
    Denied,
    /// It failed, for whatever reason.
    Failed,
    /// It vanished before work on it began.
    Abandoned,
    /// It was let pass though policies refuse it, which are tried out and not enforced.
    #[serde(rename = "tried-out")]
    TriedOut,
}

/// A page of records, oldest first. A page may be empty and still have a next one: a server looks at so many records at
/// a time and no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The records.
    pub items: Vec<AuditRecord>,
    /// What to send as `after` for the next page; absent at the end of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its number in the log of the node that answered.
    pub position: u64,
    /// Its bytes, in base64: what the log's hashes and signatures are over (docs/formats/audit-log.md).
    pub record: String,
}
