//! One step of a plan: what is made or changed, how that is shown, and what is asked of the server for it.

use serde::Serialize;
use serde_json::Value;
use strongroom_admin_api::{DryRun, Endpoint};

use super::difference;
use super::document::Mistakes;
use crate::client::Client;
use crate::error::CliError;

/// One thing that is made or changed.
#[derive(Serialize)]
pub(super) struct Step {
    /// `create` or `change`.
    pub(super) action: &'static str,
    /// `tenant`, `principal`, `role`, `policy` or `key`.
    pub(super) kind: &'static str,
    /// The tenant's account number.
    pub(super) tenant: String,
    /// Its name.
    pub(super) name: String,
    /// What differs; of what is made, what is declared.
    pub(super) changes: Vec<Change>,
    #[serde(skip)]
    pub(super) acts: Vec<Act>,
}

/// A field that differs.
#[derive(Serialize)]
pub(super) struct Change {
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    /// How a policy differs, for people.
    #[serde(skip)]
    statements: Option<Vec<String>>,
}

impl Change {
    pub(super) fn new(field: impl Into<String>, from: Option<String>, to: impl Into<String>) -> Self {
        Self { field: field.into(), from, to: to.into(), statements: None }
    }

    /// A text of somebody's own, in quotes.
    pub(super) fn text(field: impl Into<String>, from: Option<&str>, to: &str) -> Self {
        Self::new(field, from.map(|from| format!("{from:?}")), format!("{to:?}"))
    }

    /// A policy: both documents for programs, the statements that differ for people.
    pub(super) fn policy(field: &str, from: Option<&str>, to: &str) -> Self {
        let statements = Some(difference::lines(from, to));
        Self { field: field.to_owned(), from: from.map(str::to_owned), to: to.to_owned(), statements }
    }

    /// As people see it.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { field, from, to, statements } = self;
        match (statements, from) {
            (Some(statements), _) => {
                let statements = statements.iter().map(|line| format!("    {line}"));
                [format!("{field}:")].into_iter().chain(statements).collect()
            }
            (None, Some(from)) => vec![format!("{field}: {from} -> {to}")],
            (None, None) => vec![format!("{field}: {to}")],
        }
    }
}

/// A request.
pub(super) struct Act {
    pub(super) endpoint: Endpoint,
    pub(super) segments: Vec<String>,
    pub(super) body: Value,
    /// How far the server can be asked what would come of it before the steps above it are done.
    dry_run: Option<DryRun>,
    place: Place,
}

/// Where in the file the parts of something stand.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) policy: Option<usize>,
    pub(super) region: Option<usize>,
    pub(super) names: Vec<(String, usize)>,
}

impl Place {
    pub(super) fn at(at: usize) -> Self {
        Self { at, ..Self::default() }
    }

    /// Where what was refused stands.
    fn of(&self, code: &str, message: &str) -> usize {
        let name = || self.names.iter().find(|(name, _)| message.contains(&format!("{name:?}"))).map(|(_, at)| *at);
        match code {
            "InvalidPolicy" | "Lockout" => self.policy,
            "UnknownRegion" => self.region,
            "InvalidName" | "AlreadyExists" => name(),
            _ => None,
        }
        .unwrap_or(self.at)
    }
}

impl Act {
    pub(super) fn new(
        endpoint: Endpoint,
        segments: &[&str],
        body: &impl Serialize,
        (dry_run, place): (Option<DryRun>, Place),
    ) -> Result<Self, CliError> {
        let body = serde_json::to_value(body).map_err(|error| CliError::Usage(error.to_string()))?;
        let segments = segments.iter().map(|segment| (*segment).to_owned()).collect();
        Ok(Self { endpoint, segments, body, dry_run, place })
    }

    /// Asks the server what would come of it; what it would refuse is noted, with its place in the file.
    pub(super) fn rehearse(&self, client: &Client<'_>, mistakes: &mut Mistakes<'_>) -> Result<(), CliError> {
        let Some(dry_run) = self.dry_run else { return Ok(()) };
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        match client.rehearse(self.endpoint, &segments, &self.body, dry_run) {
            // What anything in the file could mend. The rest is for whoever applies it, or for the server.
            Err(CliError::Refused { status: 400 | 404 | 409 | 413 | 429, code, message, remedy, .. }) => {
                let helps = remedy.map(|remedy| format!("; try: {remedy}")).unwrap_or_default();
                mistakes.note(self.place.of(&code, &message), format!("{code}: {message}{helps}"));
                Ok(())
            }
            answered => answered,
        }
    }

    pub(super) fn done(&self, client: &Client<'_>) -> Result<(), CliError> {
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        client.tell::<Value>(self.endpoint, &segments, &self.body).map(drop)
    }
}
