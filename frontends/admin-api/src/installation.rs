//! The installation as a whole: its roots of trust, its domain keys, its backups.

use serde::{Deserialize, Serialize};

use crate::Time;

/// A root of trust that wraps the domain keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Identity, 32 hexadecimal digits.
    pub id: String,
    /// `software` or `pkcs11`.
    pub kind: String,
    /// Where it is.
    pub location: String,
    /// When it was added.
    pub added: Time,
    /// Whether this node has it open.
    pub open: bool,
    /// The key that verifies this node's audit log as far as this root signed it: `name+id+base64` (C2SP signed-note).
    pub checkpoint_key: String,
    /// Whether this node knows it to have wrapped every domain key; if not, the sweep has it do so little by little.
    pub complete: bool,
    /// The root that it replaces: removed once this one is complete.
    pub replaces: Option<String>,
}

/// What the verification of a root found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootVerification {
    /// The root.
    pub id: String,
    /// Domain keys that it opens.
    pub opened: u64,
    /// Domain keys that it has not wrapped yet.
    pub lacking: u64,
    /// Domain keys that it has wrapped and does not open: the first hundred.
    pub failing: Vec<FailingDomainKey>,
}

/// A domain key that a root does not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingDomainKey {
    /// The tenant's internal identity, 32 hexadecimal digits; zeros for the installation's own.
    pub tenant: String,
    /// The domain key's identity, 32 hexadecimal digits.
    pub domain_key: String,
}

/// A tenant's new domain key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedDomainKey {
    /// Its identity, 32 hexadecimal digits.
    pub domain_key: String,
}

/// Makes a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeBackup {
    /// An absolute path on the server's host, which must be free.
    pub path: String,
}

/// A backup, as made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The file.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The store's newest commit in it.
    pub revision: u64,
    /// Rows in it.
    pub rows: u64,
    /// When it was made.
    pub made: Time,
    /// The audit log of the node that made it.
    pub log: String,
    /// How many records that log had.
    pub log_size: u64,
}
