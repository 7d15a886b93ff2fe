//! The command line: parsed here, done elsewhere.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use strongroom_cli::{AdminCommand, Format, GlobalOptions, KeyStoreCommand};
use strongroom_engine::BackupReport;

use crate::administrator::AccessKey;
use crate::config::{self, RootConfig, SecretSource};
use crate::dev::Dev;
use crate::init::Init;
use crate::unseal::With;
use crate::{Failure, check, dev, init, key_stores, manual, material, restore, serve, unseal, wiring};

/// A key management service that you run yourself.
#[derive(Parser)]
#[command(name = "strongroom", version, about, propagate_version = true, subcommand_required = true)]
struct Arguments {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve for development: sets up everything it needs, prints how to use it.
    Dev(DevArguments),
    /// Make a new installation: roots, recovery shares, store, and the first administrator.
    #[command(after_help = "Example:\n  strongroom init --config strongroom.toml --account 111122223333")]
    Init {
        /// The configuration file.
        #[arg(long, default_value = "/etc/strongroom/strongroom.toml")]
        config: PathBuf,
        /// Recovery shares that are made.
        #[arg(long, default_value_t = 5)]
        shares: u8,
        /// Recovery shares that are needed to bring the keys back.
        #[arg(long, default_value_t = 3)]
        threshold: u8,
        /// Make a first tenant with this account of 12 digits, and an administrator in it.
        #[arg(long, value_parser = account)]
        account: Option<String>,
        /// The administrator's name.
        #[arg(long, default_value = "admin", requires = "account", value_name = "NAME")]
        administrator: String,
    },
    /// Serve.
    Serve {
        /// The configuration file.
        #[arg(long, default_value = "/etc/strongroom/strongroom.toml")]
        config: PathBuf,
        /// Serve a store that was put back to an older state; suspensions and destructions since then are applied again,
        /// everything else since then is lost.
        #[arg(long)]
        accept_rollback: bool,
    },
    /// Look for mistakes in a configuration file and in the certificates that it names; all are told, each with its line.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "/etc/strongroom/strongroom.toml")]
        config: PathBuf,
    },
    /// Make the store from a backup, while no server runs; asks for recovery shares, or reads them from standard input,
    /// one a line.
    #[command(after_help = "Examples:\n  strongroom restore --backup FILE --check\n  \
                            strongroom restore --config strongroom.toml --backup FILE\n\n\
                            The audit log is not in the backup: copy it into the data directory, or give `node` a new name.")]
    Restore {
        /// The configuration file.
        #[arg(long, default_value = "/etc/strongroom/strongroom.toml")]
        config: PathBuf,
        /// The backup.
        #[arg(long)]
        backup: PathBuf,
        /// Open all of it, and write nothing.
        #[arg(long)]
        check: bool,
        /// A file with the backup key's 32 bytes, mode 0600, in place of shares.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Bring every key back under the configuration's roots by the recovery shares alone, when every former root is lost.
    /// While no server runs; takes shares as `restore` does.
    Recover {
        /// The configuration file.
        #[arg(long, default_value = "/etc/strongroom/strongroom.toml")]
        config: PathBuf,
        /// A file with the backup key's 32 bytes, mode 0600, in place of shares.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Unseal a server whose roots wait for an operator.
    Unseal {
        /// What to give.
        #[arg(long, value_enum, default_value_t = With::Passphrase)]
        with: With,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page, or write all of them.
    #[command(after_help = "Examples:\n  strongroom man | man -l -\n  strongroom man root add | man -l -\n  \
                            strongroom man --out /usr/share/man/man1")]
    Man {
        /// The subcommand; the program as a whole if none is named.
        #[arg(conflicts_with = "out")]
        subcommand: Vec<String>,
        /// Write a page for each subcommand into this directory.
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
    },
    /// Runs a PKCS#11 module; started by the server itself.
    #[command(name = wiring::MODULE_COMMAND, hide = true)]
    Pkcs11Module,
    #[command(flatten)]
    Admin(AdminCommand),
}

#[derive(clap::Args)]
struct DevArguments {
    /// Where keys, credential and log are kept.
    #[arg(long, default_value = "strongroom-dev")]
    data: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS:PORT", value_parser = address)]
    listen: SocketAddr,
    /// The region that clients sign for.
    #[arg(long, default_value = "us-east-1", value_parser = region)]
    region: String,
    /// Use a PKCS#11 token as the root: the module's library.
    #[arg(long, requires = "token_label")]
    module: Option<PathBuf>,
    /// The token's label.
    #[arg(long, requires = "module")]
    token_label: Option<String>,
    /// A file with the token's PIN, mode 0600; otherwise the variable STRONGROOM_PIN.
    #[arg(long, requires = "module")]
    pin_file: Option<PathBuf>,
}

/// Runs what the command line says.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let for_programs = arguments.global.output != Format::Table;
    let done = match arguments.command {
        Command::Pkcs11Module => strongroom_root_pkcs11::child_main(),
        Command::Admin(AdminCommand::KeyStore(KeyStoreCommand::List { config: Some(config) })) => {
            key_stores::list(&config, for_programs, &mut std::io::stdout())
        }
        Command::Admin(command) => {
            let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
            return strongroom_cli::run(command, &arguments.global, &material::wrap, &mut out, &mut err);
        }
        Command::Dev(arguments) => dev::dev(&arguments.into()),
        Command::Serve { config, accept_rollback } => serve::serve(&config, accept_rollback),
        Command::Check { config } => check::check(&config, for_programs, &mut std::io::stdout()),
        Command::Restore { config, backup, check, key_file } => {
            restore::restore(&config, &backup, check, key_file.as_deref()).and_then(|report| tell(&report, check))
        }
        Command::Recover { config, key_file } => restore::recover(&config, key_file.as_deref())
            .and_then(|count| writeln!(std::io::stdout(), "{count} domain keys are under the roots").map_err(output)),
        Command::Unseal { with } => unseal::unseal(&arguments.global.socket, with),
        Command::Init { config, shares, threshold, account, administrator } => {
            let asked =
                Init { shares: (threshold, shares), account: account.as_deref(), administrator: &administrator };
            init::init(&config, &asked).and_then(|(made, unfinished)| {
                match (made, for_programs) {
                    (Some(made), false) => show(made)?,
                    (Some(made), true) => show_json(&made)?,
                    (None, false) => shown_before()?,
                    (None, true) => writeln!(std::io::stdout(), "{{\"shown_before\":true}}").map_err(output)?,
                }
                unfinished.finish()
            })
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "strongroom", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { subcommand, out } => manual::manual(Arguments::command(), &subcommand, out.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing can be done about a standard error that can't be written.
            let _ = writeln!(std::io::stderr(), "strongroom: {}", crate::chain(&failure));
            ExitCode::FAILURE
        }
    }
}

impl From<DevArguments> for Dev {
    fn from(arguments: DevArguments) -> Self {
        let pin = match arguments.pin_file {
            Some(file) => SecretSource::File(file),
            None => SecretSource::Environment("STRONGROOM_PIN".to_owned()),
        };
        let token = arguments.module.map(|module| RootConfig::Pkcs11 {
            module,
            token_label: arguments.token_label,
            token_serial: None,
            pin: Some(pin),
            sessions: config::SESSIONS,
            deadline: config::DEADLINE,
        });
        Self { data: arguments.data, listen: arguments.listen, region: arguments.region, token }
    }
}

/// Shows the recovery shares, and the first administrator's access key, once.
fn show(made: init::Made) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let needed = made.threshold;
    let mut lines = || {
        writeln!(out, "The installation is made. These are its recovery shares, shown once.")?;
        writeln!(
            out,
            "Any {needed} of them bring the keys back when every root is lost; give each to another person.\n"
        )?;
        for share in &made.shares {
            out.write_all(share.expose())?;
            writeln!(out)?;
        }
        writeln!(out)
    };
    lines().map_err(output)?;
    let Some(AccessKey { id, secret }) = made.access_key else {
        let next = "Next: strongroom serve, then strongroom tenant create over the admin socket.";
        return writeln!(out, "{next}").map_err(output);
    };
    let mut lines = || {
        writeln!(out, "The first administrator's access key, shown once, too:\n")?;
        writeln!(out, "export AWS_ACCESS_KEY_ID={id}")?;
        write!(out, "export AWS_SECRET_ACCESS_KEY=")?;
        out.write_all(secret.expose())?;
        writeln!(out, "\n\nNext: strongroom serve.")
    };
    lines().map_err(output)
}

/// The same as one line of JSON. No copy of a secret is made that is not wiped: they go from where they are to the output.
fn show_json(made: &init::Made) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut line = || {
        write!(out, "{{\"threshold\":{},\"shares\":[", made.threshold)?;
        for (index, share) in made.shares.iter().enumerate() {
            out.write_all(if index == 0 { b"\"" } else { b",\"" })?;
            // Digits and hyphens need no escaping, nor does base64.
            out.write_all(share.expose())?;
            out.write_all(b"\"")?;
        }
        out.write_all(b"]")?;
        if let Some(AccessKey { id, secret }) = &made.access_key {
            write!(out, ",\"access_key_id\":\"{id}\",\"secret_access_key\":\"")?;
            out.write_all(secret.expose())?;
            out.write_all(b"\"")?;
        }
        out.write_all(b"}\n")
    };
    line().map_err(output)
}

/// Tells that an interrupted run has shown everything.
fn shown_before() -> Result<(), Failure> {
    let line = "The installation is made. Its recovery shares were shown by the run that was interrupted.";
    writeln!(std::io::stdout(), "{line}").map_err(output)
}

/// Tells what a backup holds.
fn tell(report: &BackupReport, check: bool) -> Result<(), Failure> {
    let BackupReport { installation, revision, origin, log_size, rows, .. } = report;
    let done = if check { "The backup opens to its end" } else { "The store is restored" };
    let mut out = std::io::stdout().lock();
    let mut lines = || {
        writeln!(out, "{done}: installation {installation}, revision {}, {rows} rows.", revision.0)?;
        writeln!(out, "When it was made, the audit log {origin} had {log_size} records.")
    };
    lines().map_err(output)
}

/// An address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    let form = "write an IP address and a port, such as 127.0.0.1:18444 or [::1]:18444";
    text.parse().map_err(|_| form.to_owned())
}

/// A region, of the form that the configuration takes.
fn region(text: &str) -> Result<String, String> {
    match config::is_plain(text) {
        true => Ok(text.to_owned()),
        false => Err("a region is 1 to 64 lower-case letters, digits and hyphens".to_owned()),
    }
}

fn account(text: &str) -> Result<String, &'static str> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account has 12 digits"),
    }
}

pub(crate) fn output(source: std::io::Error) -> Failure {
    Failure::File { doing: "write to", path: "standard output".into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_region_that_are_none_are_refused_with_their_form() {
        assert!(address("[::1]:18444").is_ok() && region("us-east-1").is_ok());
        assert!(address("18444").unwrap_err().contains("127.0.0.1:18444"));
        for wrong in ["x y", "", "US", "a\nb", "$(id)"] {
            assert!(region(wrong).unwrap_err().contains("lower-case"), "{wrong:?}");
        }
    }
}
