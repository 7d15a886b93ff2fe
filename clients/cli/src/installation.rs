//! The commands on the installation as a whole: its roots, its backups, its clock.

use strongroom_admin_api::{Backup, Endpoint, Health, MakeBackup, Page, Root, RootVerification};

use crate::arguments::{Format, RootCommand};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

pub(crate) fn root(client: &Client<'_>, output: &mut Output<'_>, command: RootCommand) -> Result<(), CliError> {
    match command {
        RootCommand::List => {
            let roots: Page<Root> = client.ask(Endpoint::ListRoots, &[])?;
            show_roots(output, &roots.items)
        }
        RootCommand::Add => {
            let added: Page<Root> = client.ask(Endpoint::AddRoots, &[])?;
            show_roots(output, &added.items)
        }
        RootCommand::Verify { id } => verify(client, output, id),
        RootCommand::Rotate { id } => {
            let new: Root = client.ask(Endpoint::RotateRoot, &[&id])?;
            show_roots(output, &[new])?;
            output.done(&format!("{id} goes once the new root has wrapped every domain key"))
        }
        RootCommand::Remove { id } => {
            let () = client.ask(Endpoint::RemoveRoot, &[&id])?;
            output.done(&format!("removed {id}; take it out of the configuration file, too"))
        }
    }
}

fn show_roots(output: &mut Output<'_>, roots: &[Root]) -> Result<(), CliError> {
    output.list(roots, &["ID", "KIND", "STATE", "LOCATION", "CHECKPOINT KEY"], |root| {
        let state = match (root.open, root.complete) {
            (false, _) => "closed",
            (true, false) => "wrapping",
            (true, true) => "open",
        };
        vec![root.id.clone(), root.kind.clone(), state.to_owned(), root.location.clone(), root.checkpoint_key.clone()]
    })
}

fn verify(client: &Client<'_>, output: &mut Output<'_>, id: Option<String>) -> Result<(), CliError> {
    let ids = match id {
        Some(id) => vec![id],
        None => {
            let roots: Page<Root> = client.ask(Endpoint::ListRoots, &[])?;
            // A root that this server does not have open can't be asked.
            roots.items.into_iter().filter(|root| root.open).map(|root| root.id).collect()
        }
    };
    let found: Result<Vec<RootVerification>, CliError> =
        ids.iter().map(|id| client.ask(Endpoint::VerifyRoot, &[id])).collect();
    let found = found?;
    output.list(&found, &["ID", "OPENED", "LACKING", "FAILING"], |found| {
        let failing = found.failing.iter().map(|failing| failing.domain_key.as_str()).collect::<Vec<_>>();
        vec![found.id.clone(), found.opened.to_string(), found.lacking.to_string(), failing.join(" ")]
    })?;
    match found.iter().filter(|found| !found.failing.is_empty()).count() {
        0 => Ok(()),
        roots => Err(CliError::RootsUnsound { roots }),
    }
}

pub(crate) fn backup(client: &Client<'_>, output: &mut Output<'_>, path: String) -> Result<(), CliError> {
    let made: Backup = client.tell(Endpoint::MakeBackup, &[], &MakeBackup { path })?;
    let fields = [
        ("File", made.path.clone()),
        ("Bytes", made.bytes.to_string()),
        ("Revision", made.revision.to_string()),
        ("Rows", made.rows.to_string()),
        ("Made", made.made.to_string()),
        ("Log", format!("{}, {} records", made.log, made.log_size)),
    ];
    output.one(&made, &fields)
}

pub(crate) fn confirm_clock(client: &Client<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    let () = client.ask(Endpoint::ConfirmClock, &[])?;
    if output.format() != Format::Table {
        let health: Health = client.ask(Endpoint::GetHealth, &[])?;
        return output.json(&health);
    }
    output.done("the clock is confirmed; destructions that are due go on")
}
