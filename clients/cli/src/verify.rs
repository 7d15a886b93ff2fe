//! `audit verify`: a log verified from its files and public keys alone.

use std::path::{Path, PathBuf};

use serde_json::json;
use strongroom_audit::checkpoint::{Checkpoint, Statement};
use strongroom_audit::frame::segment_number;
use strongroom_audit::note::{NoteError, SignedNote, VerifierKey};
use strongroom_audit::verify::{Report, Severity, Verifier};

use crate::arguments::{Format, VerifyOptions};
use crate::error::CliError;
use crate::limits;
use crate::output::Output;

pub(crate) fn verify(options: &VerifyOptions, output: &mut Output<'_>) -> Result<(), CliError> {
    let keys = keys(&options.keys)?;
    let since = options.since.as_deref().map(|path| checkpoint(path, &keys)).transpose()?;
    let segments = segments(&options.paths)?;
    let mut verifier = Verifier::new(keys, since);
    for path in &segments {
        let read = || -> std::io::Result<Vec<u8>> {
            match std::fs::metadata(path)?.len() > limits::SEGMENT_BYTES {
                true => Err(std::io::Error::other("it is longer than any segment may be")),
                false => std::fs::read(path),
            }
        };
        verifier.segment(&read().map_err(|source| CliError::File { path: path.clone(), source })?);
    }
    let report = verifier.finish();
    show(&report, output)?;
    let alarms = report.findings.iter().filter(|finding| finding.severity() == Severity::Alarm).count();
    match report.is_sound() {
        true => Ok(()),
        false => Err(CliError::Unsound { alarms: alarms as u64 + report.further }),
    }
}

fn show(report: &Report, output: &mut Output<'_>) -> Result<(), CliError> {
    let head = report.head.as_ref();
    let signed = report.last_checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let after = head.map_or(0, |head| head.size.saturating_sub(signed));
    if output.format() != Format::Table {
        let findings = report.findings.iter().map(|finding| {
            let alarm = finding.severity() == Severity::Alarm;
            json!({ "severity": if alarm { "alarm" } else { "notice" }, "finding": finding.to_string() })
        });
        return output.json(&json!({
            "sound": report.is_sound(),
            "origin": head.map(|head| &head.origin),
            "segments": report.segments,
            "first": report.first.0,
            "records": report.records,
            "size": head.map(|head| head.size),
            "root": head.map(|head| head.root.to_string()),
            "checkpoints": report.checkpoints,
            "signed_size": signed,
            "unsigned_records": after,
            "findings": findings.collect::<Vec<_>>(),
            "further_findings": report.further,
        }));
    }
    for finding in &report.findings {
        let weight = if finding.severity() == Severity::Alarm { "ALARM" } else { "notice" };
        output.text(&format!("{weight}: {finding}"))?;
    }
    if report.further > 0 {
        output.text(&format!("and {} findings more", report.further))?;
    }
    let fields = [
        ("Log", head.map(|head| head.origin.clone()).unwrap_or_default()),
        ("Records", format!("{} from {} on, in {} segments", report.records, report.first.0, report.segments)),
        ("Checkpoints", format!("{} hold; the last is of {signed} records", report.checkpoints)),
        ("Not yet signed", format!("{after} records after the last checkpoint")),
        ("Verdict", if report.is_sound() { "sound" } else { "NOT SOUND" }.to_owned()),
    ];
    output.one(&(), &fields)
}

/// Keys as they were given: themselves, or files with one a line.
fn keys(given: &[String]) -> Result<Vec<VerifierKey>, CliError> {
    let mut keys = Vec::new();
    for text in given {
        let path = Path::new(text);
        match text.parse::<VerifierKey>() {
            Ok(key) => keys.push(key),
            Err(_) if path.is_file() => {
                let unreadable = |source| CliError::File { path: path.into(), source };
                let lines = std::fs::read_to_string(path).map_err(unreadable)?;
                for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    keys.push(key(line)?);
                }
            }
            Err(_) => keys.push(key(text)?),
        }
    }
    Ok(keys)
}

fn key(text: &str) -> Result<VerifierKey, CliError> {
    text.parse().map_err(|source| CliError::Key { text: text.to_owned(), source })
}

/// A checkpoint that was kept: signed by one of the keys.
fn checkpoint(path: &Path, keys: &[VerifierKey]) -> Result<Checkpoint, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::File { path: path.into(), source })?;
    let read = || -> Result<Checkpoint, NoteError> {
        let note: SignedNote = text.parse()?;
        note.verify(keys)?;
        match Statement::of(&note)? {
            Statement::Checkpoint(checkpoint) => Ok(checkpoint),
            Statement::KeyIntroduction(_) => Err(NoteError::Malformed),
        }
    };
    read().map_err(|source| CliError::Checkpoint { path: path.into(), source })
}

/// The segments' files in the order of their numbers, which their names carry.
fn segments(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    for path in paths {
        let unreadable = |source| CliError::File { path: path.clone(), source };
        let number = |path: &Path| path.file_name().and_then(|name| segment_number(name.to_str()?));
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?.path();
                found.extend(number(&entry).map(|number| (number, entry)));
            }
        } else {
            let named = number(path).map(|number| (number, path.clone()));
            let fault = || CliError::Usage(format!("{} has not the name of a log's segment", path.display()));
            found.push(named.ok_or_else(fault)?);
        }
    }
    if found.is_empty() {
        return Err(CliError::Usage("there are no segments of an audit log there".to_owned()));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}
