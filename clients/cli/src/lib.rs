//! The admin command line: a client of the admin API, and the offline verification of audit logs.
//!
//! The binary embeds [`AdminCommand`] and [`GlobalOptions`] in its own command line and hands them to [`run`]. A server is
//! reached over its Unix socket, or over HTTPS with an access key from the environment, as clients of AWS take theirs.
//! Absent on purpose: secrets as arguments, where other users of a machine could read them; a configuration file.

mod apply;
mod arguments;
mod audit;
mod client;
mod ekm;
mod environment;
mod error;
mod import;
mod installation;
mod inventory;
mod keys;
pub mod limits;
mod making;
mod operations;
mod output;
mod policies;
mod preflight;
mod reference;
mod resources;
mod roles;
mod span;
mod tls;
mod usage;
mod verify;
mod xks;

use std::io::Write;
use std::process::ExitCode;

pub use arguments::{
    AccessKeyCommand, AdminCommand, ApplyOptions, AuditCommand, BindingCommand, ClockCommand, CreateKeyOptions,
    EkmCertificateCommand, EkmCommand, EkmKeyCommand, EkmStoreCommand, EkmStoreOf, Format, GlobalOptions,
    InventoryFormat, InventoryOptions, IssuerCommand, KeyCommand, KeyOf, KeyStoreCommand, NameOf, NamedPolicy, Only,
    OnlyWrap, PolicyCommand, PolicySource, PreflightOptions, PrincipalCommand, PrincipalOf, QueryOptions, RoleCommand,
    RootCommand, ShowOptions, TenantCommand, TenantOf, VerifyOptions, Wrapping, WrappingKey, XksCommand,
    XksCredentialCommand, XksKeyCommand, XksStoreCommand, XksStoreOf,
};
pub use environment::{Environment, Wrap};
pub use span::{Span, When};

use strongroom_admin_api::Endpoint;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Does what a command says, and tells how it went: 0 done, 1 refused (or a log that is not sound), 2 not to be
/// understood, 3 no answer. Blocks; must not be called from within an asynchronous runtime.
pub fn run(
    command: AdminCommand,
    global: &GlobalOptions,
    wrap: &Wrap,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> ExitCode {
    ExitCode::from(run_in(command, global, Environment::of_process(wrap), out, err))
}

/// As [`run`], in surroundings that are handed in; answers the exit code itself.
pub fn run_in(
    command: AdminCommand,
    global: &GlobalOptions,
    environment: Environment<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let mut output = Output::new(global.output, out);
    let done = done(command, global, environment, &mut output).and_then(|()| output.flush());
    for told in output.told_beside() {
        let _ = writeln!(err, "strongroom: {}", output::safe(&told));
    }
    match done {
        Ok(()) | Err(CliError::Pipe) => 0,
        Err(error) => {
            // Nothing can be done about a standard error that can't be written.
            if global.output == Format::Json {
                let _ = writeln!(err, "{}", output::line(&output::error(&error)));
                return error.exit_code();
            }
            for line in error.to_string().lines() {
                let _ = writeln!(err, "strongroom: {}", output::safe(line));
            }
            if let Some(remedy) = error.remedy() {
                let _ = writeln!(err, "  try: {}", output::safe(&remedy));
            }
            if let Some(id) = error.request_id() {
                let _ = writeln!(err, "  request: {}", output::safe(id));
            }
            error.exit_code()
        }
    }
}

fn done(
    command: AdminCommand,
    global: &GlobalOptions,
    environment: Environment<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    // Commands that ask no server of ours.
    if let AdminCommand::Audit(AuditCommand::Verify(options)) = command {
        return verify::verify(&options, output);
    }
    output.check(&command)?;
    if let AdminCommand::Xks(XksCommand::Preflight(options)) = command {
        return preflight::preflight(&options, environment, output);
    }
    let client = Client::new(global, environment)?;
    match command {
        AdminCommand::Whoami => resources::who_am_i(&client, output),
        AdminCommand::Health => resources::health(&client, output, Endpoint::GetHealth),
        AdminCommand::Suspend => resources::health(&client, output, Endpoint::SuspendInstallation),
        AdminCommand::Resume => resources::health(&client, output, Endpoint::ResumeInstallation),
        AdminCommand::Tenant(command) => resources::tenant(&client, output, command),
        AdminCommand::Principal(command) => resources::principal(&client, output, command),
        AdminCommand::Role(command) => roles::role(&client, output, command),
        AdminCommand::Issuer(command) => roles::issuer(&client, output, command),
        AdminCommand::AccessKey(command) => resources::access_key(&client, output, command),
        AdminCommand::Policy(command) => policies::policy(&client, output, command),
        AdminCommand::Key(command) => keys::key(&client, output, command, environment),
        AdminCommand::Binding(command) => keys::binding(&client, output, command),
        AdminCommand::Xks(command) => xks::xks(&client, output, command, environment),
        AdminCommand::Ekm(command) => ekm::ekm(&client, output, command),
        AdminCommand::Apply(options) => apply::apply(&client, output, &options, environment),
        // The file is the program's to read, which has the tokens' modules.
        AdminCommand::KeyStore(KeyStoreCommand::List { config: _ }) => resources::key_stores(&client, output),
        AdminCommand::Root(command) => installation::root(&client, output, command),
        AdminCommand::Backup { out } => installation::backup(&client, output, out),
        AdminCommand::Clock(ClockCommand::Confirm) => installation::confirm_clock(&client, output),
        AdminCommand::Audit(AuditCommand::Show(options)) => audit::show(&client, output, &options, (environment.now)()),
        AdminCommand::Audit(AuditCommand::Verify(options)) => verify::verify(&options, output),
    }
}
