//! Keys, the names bound to them, and the roots of trust above them, as an administrator sees them.

use serde::{Deserialize, Serialize};

use crate::{PageSize, Time};

/// A key, its metadata alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Internal identity, 32 hexadecimal digits.
    pub id: String,
    /// The tenant's account number.
    pub account: String,
    /// The region that it was made in.
    pub region: String,
    /// Kind of material, e.g. `Aes256`.
    pub spec: String,
    /// What it may be used for, e.g. `DerivedAead`.
    pub usages: Vec<String>,
    /// Where its material comes from: `Generated`, `Imported`, `Resident` (made in a key store, which it never leaves) or
    /// `Doubled`.
    #[serde(default)]
    pub origin: String,
    /// The key store of the server's configuration that it is in, if in any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_store: Option<String>,
    /// `PreActivation`, `Active`, `Suspended`, `DestructionScheduled`, `DestructionAwaitsReplicas` or `Destroyed` (SP 800-57 part 1).
    pub state: String,
    /// When its material is to be destroyed, while that is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destruction: Option<Time>,
    /// When it was made.
    pub created: Time,
    /// Words for people.
    pub description: String,
    /// Days between automatic rotations, while they are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_period_days: Option<u32>,
    /// When the next automatic rotation is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation: Option<Time>,
    /// Its versions, oldest first.
    pub versions: Vec<KeyVersion>,
    /// Every name that leads to it.
    pub bindings: Vec<Binding>,
}

/// A key version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersion {
    /// 1, 2, 3.
    pub ordinal: u32,
    /// Whether it is the one that new protection is applied with; absent where a version is shown by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<bool>,
    /// `Active`, `Deactivated`, `Suspended` or `Destroyed`.
    pub state: String,
    /// When it was made.
    pub created: Time,
    /// `Creation`, `Automatic` or `OnDemand`.
    pub cause: String,
    /// Its object in the key's key store, 32 hexadecimal digits: in a PKCS#11 token the `CKA_ID`. Absent for a version whose
    /// material is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// A name that leads to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The kind of name, e.g. `aws-kms-alias` (docs/formats/registry.md); a number where no front end of the server owns it.
    pub kind: String,
    /// Region.
    pub region: String,
    /// The name.
    pub name: String,
    /// The key's internal identity.
    pub key: String,
    /// When it was bound first.
    pub created: Time,
    /// When it was bound to its present key.
    pub updated: Time,
}

/// Which bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingQuery {
    /// How many items at most.
    #[serde(default)]
    pub limit: PageSize,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those of this name, in every region that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of `name`, in this region alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Binds a free name to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBinding {
    /// The kind of name, e.g. `aws-kms-alias`.
    pub kind: String,
    /// The region: the key's own.
    pub region: String,
    /// The name.
    pub name: String,
    /// The key's internal identity.
    pub key: String,
}
