//! What a command prints: tables for people, JSON for programs. Nothing that is shown can steer a terminal.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use crate::arguments::{AdminCommand, AuditCommand, Format};
use crate::error::CliError;

/// Where a command's answer goes, and in which form.
pub(crate) struct Output<'a> {
    format: Format,
    out: &'a mut dyn Write,
    /// What people are told beside what programs read.
    beside: Vec<String>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(format: Format, out: &'a mut dyn Write) -> Self {
        Self { format, out, beside: Vec::new() }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Refuses a form that the command does not have.
    pub(crate) fn check(&self, command: &AdminCommand) -> Result<(), CliError> {
        let records = matches!(command, AdminCommand::Audit(AuditCommand::Show(_)));
        match self.format == Format::Cloudtrail && !records {
            true => Err(CliError::Usage("--output cloudtrail is a form of audit show alone".to_owned())),
            false => Ok(()),
        }
    }

    /// One thing: its fields, one a line.
    pub(crate) fn one<T: Serialize>(&mut self, thing: &T, fields: &[(&str, String)]) -> Result<(), CliError> {
        if self.format != Format::Table {
            return self.json(thing);
        }
        let fields = || fields.iter().filter(|(_, value)| !value.is_empty());
        let width = fields().map(|(name, _)| name.len()).max().unwrap_or_default() + 1;
        for (name, value) in fields() {
            let name = format!("{name}:");
            writeln!(self.out, "{name:width$} {}", safe(value))?;
        }
        Ok(())
    }

    /// A list: one line each, under headings.
    pub(crate) fn list<T: Serialize>(
        &mut self,
        items: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), CliError> {
        if self.format != Format::Table {
            return self.json(&serde_json::json!({ "items": items }));
        }
        let rows = items.iter().map(|item| row(item).iter().map(|cell| safe(cell)).collect());
        let rows: Vec<Vec<String>> = rows.collect();
        write!(self.out, "{}", table(headings, &rows))?;
        Ok(())
    }

    /// That something was done; programs have the exit code.
    pub(crate) fn done(&mut self, what: &str) -> Result<(), CliError> {
        if self.format == Format::Table {
            writeln!(self.out, "{}", safe(what))?;
        }
        Ok(())
    }

    /// Something about the answer that is no part of it: at its end for people, on standard error beside what programs read.
    pub(crate) fn beside(&mut self, what: String) -> Result<(), CliError> {
        if self.format == Format::Table {
            return self.done(&what);
        }
        self.beside.push(what);
        Ok(())
    }

    /// What is to be told on standard error.
    pub(crate) fn told_beside(&mut self) -> Vec<String> {
        std::mem::take(&mut self.beside)
    }

    /// That something was done, in words for people and as a value for programs.
    pub(crate) fn outcome<T: Serialize>(&mut self, what: &str, value: &T) -> Result<(), CliError> {
        match self.format {
            Format::Table => self.done(what),
            Format::Json | Format::Cloudtrail => self.json(value),
        }
    }

    /// A value on one line of JSON.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), CliError> {
        let value: Value = serde_json::to_value(value).map_err(|error| CliError::Output(error.into()))?;
        writeln!(self.out, "{}", strongroom_render::line(&value))?;
        Ok(())
    }

    /// A text of several lines, as it is but for what could steer a terminal.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CliError> {
        for line in text.lines() {
            writeln!(self.out, "{}", safe(line))?;
        }
        Ok(())
    }

    /// A text of a form that programs read, as it is.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), CliError> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        Ok(self.out.flush()?)
    }
}

/// A value on one line of JSON, fit for a terminal.
pub(crate) fn line(value: &Value) -> String {
    strongroom_render::line(value)
}

/// An error for programs, of the shape that the admin API has.
pub(crate) fn error(error: &CliError) -> Value {
    let mut body = serde_json::Map::new();
    body.insert("code".to_owned(), error.code().into());
    let message = match error {
        CliError::Refused { message, .. } => message.clone(),
        error => error.to_string(),
    };
    body.insert("message".to_owned(), message.into());
    body.extend(error.remedy().map(|remedy| ("remedy".to_owned(), remedy.into())));
    body.extend(error.request_id().map(|id| ("request_id".to_owned(), id.into())));
    serde_json::json!({ "error": body })
}

/// Columns under headings, two spaces apart; nothing where there are no rows but a word that says so.
fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "none\n".to_owned();
    }
    let head: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let lines: Vec<&Vec<String>> = [&head].into_iter().chain(rows).collect();
    let cell = |line: &[String], column: usize| line.get(column).map(|cell| cell.chars().count()).unwrap_or_default();
    let width = |column| lines.iter().map(|line| cell(line, column)).max().unwrap_or_default();
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Text that may come from anywhere, fit for a terminal.
pub(crate) fn safe(text: &str) -> String {
    let line = strongroom_render::line(&Value::from(text));
    // As JSON writes it, without its quotes; quotes and backslashes deceive nobody.
    let inner = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or_default();
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_end_no_line_in_spaces() {
        let rows = [vec!["123456789012".to_owned(), "prod".to_owned()], vec!["1".to_owned(), String::new()]];
        assert_eq!(table(&["ACCOUNT", "NAME"], &rows), "ACCOUNT       NAME\n123456789012  prod\n1\n");
        assert_eq!(table(&["ACCOUNT"], &[]), "none\n");
    }

    #[test]
    fn nothing_shown_steers_a_terminal() {
        assert_eq!(safe("a\u{1b}[31m\"b\"\u{202e}\\"), "a\\u001b[31m\"b\"\\u202e\\");
    }
}
