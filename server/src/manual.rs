//! Manual pages, made from what the command line says of itself: one for the program, one for each subcommand.

use std::fs;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use crate::Failure;
use crate::commands::output;

/// Prints the page of a subcommand, named word by word, or writes every page into a directory.
pub(crate) fn manual(program: Command, subcommand: &[String], out: Option<&Path>) -> Result<(), Failure> {
    let program = program.disable_help_subcommand(true);
    if let Some(directory) = out {
        let failed = |source| Failure::File { doing: "write manual pages into", path: directory.to_owned(), source };
        return fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(program, directory))
            .map_err(failed);
    }
    // Subcommands know their full names and what they inherit only once the whole is built.
    let mut whole = program;
    whole.build();
    let mut page = &whole;
    for word in subcommand {
        let found = page.get_subcommands().find(|command| command.get_name() == word && !command.is_hide_set());
        let missing = || Failure::Usage(format!("there is no subcommand {word:?} of {:?}", page.get_name()));
        page = found.ok_or_else(missing)?;
    }
    Man::new(page.clone()).render(&mut std::io::stdout()).map_err(output)
}
