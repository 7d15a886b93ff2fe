//! Errors as the API answers them.

use serde::{Deserialize, Serialize};

use crate::Time;

/// The body of every answer whose status is 400 or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// The error.
    pub error: ErrorBody,
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Its name, stable for programs, e.g. `NotFound`.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// What helps, where something is known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// When the key was last used, where that is what is wrong (`RecentlyUsed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use: Option<Time>,
    /// The request's id, as the audit log has it.
    pub request_id: String,
}
