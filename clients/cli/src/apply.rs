//! `apply`: brings a server to what a file declares. The plan comes first; what was done when something fails stays done,
//! and the same command goes on from there.
//!
//! Absent on purpose: deletion, and access keys, whose secrets belong in no file.

mod declared;
mod difference;
mod document;
mod named;
mod plan;
mod step;

use std::io::Read as _;
use std::path::Path;

use self::document::Mistakes;
use self::plan::Plan;
use self::step::{Change, Step};
use crate::Environment;
use crate::arguments::{ApplyOptions, Format};
use crate::client::Client;
use crate::error::CliError;
use crate::limits;
use crate::output::Output;

/// The profiles that ship with the product.
const PROFILES: &[(&str, &str)] = &[("purpose-keys", include_str!("../../../deploy/profiles/purpose-keys.toml"))];

pub(crate) fn apply(
    client: &Client<'_>,
    output: &mut Output<'_>,
    options: &ApplyOptions,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let for_programs = output.format() != Format::Table;
    if for_programs && !options.yes && !options.dry_run {
        return Err(CliError::Usage("--output json asks nobody: give --yes or --dry-run with it".to_owned()));
    }
    let (name, text) = source(options)?;
    let path = Path::new(&name);
    let mut mistakes = Mistakes::new(path, &text);
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let around = declared::Around {
        tenant: options.tenant.as_deref(),
        region: options.region.as_deref(),
        directory: path.parent().unwrap_or_else(|| Path::new("")),
    };
    let document = document::parse(&text, is_json, &mut mistakes);
    let tenants = document.map(|document| declared::read(&document, &around, &mut mistakes)).unwrap_or_default();
    mistakes.check()?;
    let plan = plan::plan(client, &tenants, options.bypass_lockout, &mut mistakes)?;
    mistakes.check()?;
    if for_programs {
        let mut applied = 0;
        let count = |_: &Step| -> Result<(), CliError> {
            applied += 1;
            Ok(())
        };
        let done = if options.dry_run { Ok(()) } else { carry_out(client, &plan, count) };
        output.json(&plan.json(applied))?;
        return done;
    }
    show(output, &plan)?;
    if options.dry_run || plan.steps.is_empty() {
        return Ok(());
    }
    output.flush()?;
    if !options.yes {
        let question = format!("{} changes. Go on?", plan.steps.len());
        match (environment.confirm)(&question) {
            Some(true) => {}
            Some(false) => return Err(CliError::Declined),
            None => return Err(CliError::Unconfirmed),
        }
    }
    carry_out(client, &plan, |step| output.done(&format!("done: {} {} {}", step.action, step.kind, step.name)))
}

/// The name of what is applied, for mistakes in it, and its text.
fn source(options: &ApplyOptions) -> Result<(String, String), CliError> {
    if let Some(name) = &options.profile {
        let found = PROFILES.iter().find(|(profile, _)| profile == name);
        let known = || PROFILES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let (name, text) =
            found.ok_or_else(|| CliError::Usage(format!("there is no profile {name:?}; there are: {}", known())))?;
        return Ok((format!("{name}.toml"), (*text).to_owned()));
    }
    let path = options.file.as_deref().unwrap_or_else(|| Path::new("-"));
    let read = || -> std::io::Result<String> {
        let from: Box<dyn std::io::Read> = match path.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(std::fs::File::open(path)?),
        };
        let mut text = String::new();
        from.take(limits::DECLARATIONS_BYTES + 1).read_to_string(&mut text)?;
        match text.len() as u64 > limits::DECLARATIONS_BYTES {
            true => Err(std::io::Error::other("it is longer than 4 MiB")),
            false => Ok(text),
        }
    };
    let text = read().map_err(|source| CliError::File { path: path.into(), source })?;
    Ok((path.display().to_string(), text))
}

fn show(output: &mut Output<'_>, plan: &Plan) -> Result<(), CliError> {
    for Step { action, kind, tenant, name, changes, .. } in &plan.steps {
        let sign = if *action == "create" { '+' } else { '~' };
        match *kind == "tenant" {
            true => output.done(&format!("{sign} {kind} {name}"))?,
            false => output.done(&format!("{sign} {kind} {name} (tenant {tenant})"))?,
        }
        for line in changes.iter().flat_map(Change::lines) {
            output.done(&format!("    {line}"))?;
        }
    }
    let count = |action| plan.steps.iter().filter(|step| step.action == action).count();
    let (created, changed) = (count("create"), count("change"));
    output.done(&format!("{created} to create, {changed} to change, {} unchanged (=).", plan.unchanged))?;
    output.done("Nothing is deleted: what the file does not name is left as it is.")
}

fn carry_out(
    client: &Client<'_>,
    plan: &Plan,
    mut done: impl FnMut(&Step) -> Result<(), CliError>,
) -> Result<(), CliError> {
    for step in &plan.steps {
        for act in &step.acts {
            act.done(client)?;
        }
        done(step)?;
    }
    Ok(())
}
