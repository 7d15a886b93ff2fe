//! The command line: parsed here, done elsewhere.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use strongroom_cli::{AdminCommand, GlobalOptions};

use crate::config::{RootConfig, SecretSource};
use crate::dev::Dev;
use crate::{Failure, dev, init, serve, unseal, wiring};

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
    /// Make a new installation: roots, recovery shares, store.
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
    },
    /// Serve.
    Serve {
        /// The configuration file.
        #[arg(long, default_value = "/etc/strongroom/strongroom.toml")]
        config: PathBuf,
    },
    /// Unseal a server whose roots wait for an operator.
    Unseal {
        /// The server's admin socket.
        #[arg(long, env = "STRONGROOM_SOCKET", default_value = "/run/strongroom/admin.sock")]
        socket: PathBuf,
        /// Give recovery shares in place of the passphrase.
        #[arg(long)]
        shares: bool,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
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
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// The region that clients sign for.
    #[arg(long, default_value = "us-east-1")]
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
    let done = match arguments.command {
        Command::Pkcs11Module => strongroom_root_pkcs11::child_main(),
        Command::Admin(command) => {
            return strongroom_cli::run(command, &arguments.global, &mut std::io::stdout(), &mut std::io::stderr());
        }
        Command::Dev(arguments) => dev::dev(&arguments.into()),
        Command::Serve { config } => serve::serve(&config),
        Command::Unseal { socket, shares } => unseal::unseal(&socket, shares),
        Command::Init { config, shares, threshold } => init::init(&config, threshold, shares).and_then(|made| show(&made)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "strongroom", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout()).map_err(output),
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
            sessions: 4,
            deadline_milliseconds: 5_000,
        });
        Self { data: arguments.data, listen: arguments.listen, region: arguments.region, token }
    }
}

/// Shows the recovery shares, once.
fn show(made: &init::Made) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let needed = made.threshold;
    let mut lines = || {
        writeln!(out, "The installation is made. These are its recovery shares, shown once.")?;
        writeln!(out, "Any {needed} of them bring the keys back when every root is lost; give each to another person.\n")?;
        for share in &made.shares {
            out.write_all(share.expose())?;
            writeln!(out)?;
        }
        writeln!(out, "\nNext: strongroom serve, then strongroom tenant create over the admin socket.")
    };
    lines().map_err(output)
}

fn output(source: std::io::Error) -> Failure {
    Failure::File { doing: "write to", path: "standard output".into(), source }
}
