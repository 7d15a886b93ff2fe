//! The words of the command line.

use clap::{CommandFactory as _, Parser};

use super::*;

/// As the binary embeds it.
#[derive(Parser, Debug)]
#[command(name = "strongroom")]
struct Line {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: AdminCommand,
}

fn parse(line: &str) -> Result<Line, String> {
    Line::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
}

/// Every command with its own arguments, one a line.
fn words(command: &clap::Command, path: &str, lines: &mut Vec<String>) {
    let own = command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
    let own = own.map(|argument| match argument.get_long() {
        Some(long) => format!(" --{long}"),
        None => format!(" <{}>", argument.get_id()),
    });
    if command.get_subcommands().next().is_none() {
        lines.push(format!("{path}{}", own.collect::<String>()));
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        words(inner, &format!("{path} {}", inner.get_name()), lines);
    }
}

#[test]
fn the_command_line_is_sound_and_its_words_are_as_published() {
    Line::command().debug_assert();
    let mut lines = Vec::new();
    words(&Line::command(), "strongroom", &mut lines);
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn global_options_stand_anywhere() {
    let line = parse("strongroom tenant list --output json --socket /tmp/s").unwrap();
    assert_eq!((line.global.output, line.global.socket), (Format::Json, PathBuf::from("/tmp/s")));
    assert_eq!(parse("strongroom --output cloudtrail audit show").unwrap().global.output, Format::Cloudtrail);
}

#[test]
fn what_is_left_out_or_contradicts_itself_is_refused() {
    for line in [
        "strongroom principal create --name alice",
        "strongroom access-key create --tenant 1",
        "strongroom access-key create --tenant 1 --root --principal alice",
        "strongroom access-key create --tenant 1 --principal alice --expires soon",
        "strongroom policy attach --tenant 1 --principal alice",
        "strongroom policy attach --tenant 1 --principal alice --file p.json",
        "strongroom policy attach --tenant 1 --principal alice --role auditor --file p.json --name p",
        "strongroom audit show --outcome good",
        "strongroom audit verify log",
        "strongroom audit verify --key k",
        "strongroom tenant list --output xml",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
