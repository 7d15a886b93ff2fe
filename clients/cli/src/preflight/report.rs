//! What a trial tells: checks, as they are made, and those that could not be.

use serde::Serialize;

use crate::arguments::Format;
use crate::error::CliError;
use crate::output::Output;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Note,
    Fail,
    /// It could not be made.
    Skip,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    verdict: Verdict,
    check: &'static str,
    found: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    remedy: &'static str,
}

/// Checks, shown as they are made.
pub(super) struct Report<'r, 'o> {
    output: &'r mut Output<'o>,
    pub(super) failed: usize,
}

impl<'r, 'o> Report<'r, 'o> {
    pub(super) const fn new(output: &'r mut Output<'o>) -> Self {
        Self { output, failed: 0 }
    }

    pub(super) fn tell(&mut self, verdict: Verdict, check: &'static str, found: String, remedy: &'static str) -> Done {
        let remedy = if verdict == Verdict::Ok { "" } else { remedy };
        self.failed += usize::from(verdict == Verdict::Fail);
        let told = Check { verdict, check, found, remedy };
        if self.output.format() != Format::Table {
            return self.output.json(&told);
        }
        let word = match verdict {
            Verdict::Ok => "ok  ",
            Verdict::Note => "note",
            Verdict::Fail => "FAIL",
            Verdict::Skip => "skip",
        };
        self.output.text(&format!("{word}  {}: {}", told.check, told.found))?;
        if !told.remedy.is_empty() {
            self.output.text(&format!("      try: {}", told.remedy))?;
        }
        self.output.flush()
    }

    /// A check that holds or fails.
    pub(super) fn check(&mut self, holds: bool, check: &'static str, found: String, remedy: &'static str) -> Done {
        self.tell(if holds { Verdict::Ok } else { Verdict::Fail }, check, found, remedy)
    }

    /// A check that holds, or is worth a word.
    pub(super) fn advise(&mut self, holds: bool, check: &'static str, found: String, remedy: &'static str) -> Done {
        self.tell(if holds { Verdict::Ok } else { Verdict::Note }, check, found, remedy)
    }

    /// Checks that were not made, and why.
    pub(super) fn skip(&mut self, checks: &[&'static str], why: &str) -> Done {
        checks.iter().try_for_each(|check| self.tell(Verdict::Skip, check, format!("not tried: {why}"), ""))
    }
}

pub(super) type Done = Result<(), CliError>;
