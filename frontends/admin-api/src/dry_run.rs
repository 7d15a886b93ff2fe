//! Asking what would come of a request, with nothing done.

use serde::{Deserialize, Serialize};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DryRun {
    /// Everything, as if it were done.
    #[serde(rename = "true")]
    Whole,
    /// The request by itself: its form, and what it says. For what builds on things that are yet to be made.
    #[serde(rename = "alone")]
    Alone,
}

/// The query string of requests that change something ([`crate::Endpoint::has_dry_run`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRunQuery {
    /// Only what would come of it: 204, or the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
}
