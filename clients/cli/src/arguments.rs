//! The command line as clap parses it. Its words are the product's interface; a test holds them.

mod apply;
mod ekm;
mod keys;
mod roles;
mod xks;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub use self::apply::ApplyOptions;
pub use self::ekm::{EkmCertificateCommand, EkmCommand, EkmKeyCommand, EkmStoreCommand, EkmStoreOf, OnlyWrap};
pub use self::keys::{BindingCommand, CreateKeyOptions, InventoryFormat, InventoryOptions, KeyCommand, KeyOf, NameOf};
pub use self::roles::{IssuerCommand, RoleCommand};
pub use self::xks::{
    Only, PreflightOptions, Wrapping, WrappingKey, XksCommand, XksCredentialCommand, XksKeyCommand, XksStoreCommand,
    XksStoreOf,
};
use crate::limits;
use crate::span::{Span, When};

/// What every admin command takes.
#[derive(Args, Clone, Debug)]
pub struct GlobalOptions {
    /// How answers are shown.
    #[arg(long, value_enum, default_value_t = Format::Table, global = true, display_order = 900)]
    pub output: Format,
    /// The server's admin socket.
    #[arg(
        long,
        env = "STRONGROOM_SOCKET",
        default_value = "/run/strongroom/admin.sock",
        value_name = "PATH",
        global = true,
        display_order = 901
    )]
    pub socket: PathBuf,
    /// The server's HTTPS address, in place of its socket; needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and
    /// AWS_CA_BUNDLE where the system does not know its certificate authority.
    #[arg(long, env = "STRONGROOM_ENDPOINT", value_name = "URL", global = true, display_order = 902)]
    pub endpoint: Option<String>,
}

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: one line of JSON; for audit show, one line a record, and for xks preflight, one a check.
    Json,
    /// Audit records as CloudTrail events, one line each.
    Cloudtrail,
}

/// What an administrator can ask for.
#[derive(Subcommand, Clone, Debug)]
pub enum AdminCommand {
    /// Show who the server takes you for.
    Whoami,
    /// Show that the server serves, and operators how its key stores are.
    Health,
    /// Throw the kill switch of the whole installation: no key of any tenant can be used until it is resumed.
    #[command(after_help = "Operators alone may. It holds once it is answered; see also: strongroom tenant suspend.")]
    Suspend,
    /// Lift the kill switch of the whole installation.
    Resume,
    /// Tenants: an account of 12 digits each, with principals and keys of its own.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Principals of a tenant: who may ask for something.
    #[command(subcommand)]
    Principal(PrincipalCommand),
    /// Roles: what a principal, or a pod with a token of a trusted issuer, may be for a while.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Token issuers that a tenant trusts, such as a Kubernetes cluster.
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Access keys: what proves a principal.
    #[command(subcommand)]
    AccessKey(AccessKeyCommand),
    /// Policies: what a principal may do, and why.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Keys: their metadata, their kill switch, their use and their end.
    #[command(subcommand, visible_alias = "keys")]
    Key(KeyCommand),
    /// Bindings: the names that lead to keys.
    #[command(subcommand)]
    Binding(BindingCommand),
    /// External key stores: keys that AWS KMS uses and does not hold.
    #[command(subcommand)]
    Xks(XksCommand),
    /// External key management: key stores whose keys an Azure Managed HSM uses and does not hold.
    #[command(subcommand)]
    Ekm(EkmCommand),
    /// Bring tenants, principals, policies and keys to what a file declares. The plan is shown first; nothing is ever
    /// deleted.
    #[command(after_help = "Examples:\n  strongroom apply -f house.toml --dry-run\n  \
                      strongroom apply -f house.toml --yes --output json\n  \
                      strongroom apply --profile purpose-keys --tenant 123456789012 --region eu-west-1\n\n\
                      What the file does not name is left as it is. Shipped profiles: purpose-keys.")]
    Apply(ApplyOptions),
    /// Key stores: tokens that keys are inside.
    #[command(subcommand)]
    KeyStore(KeyStoreCommand),
    /// Roots of trust: what wraps all keys.
    #[command(subcommand)]
    Root(RootCommand),
    /// Write a backup of the store, sealed to the backup key, to a file on the server's host.
    #[command(after_help = "Example:\n  strongroom backup --out /var/backups/strongroom.backup\n\n\
                            Prove it with: strongroom restore --check. The audit log is copied by itself.")]
    Backup {
        /// The file: an absolute path on the server's host, which must be free.
        #[arg(long, value_name = "FILE")]
        out: String,
    },
    /// The server's clock.
    #[command(subcommand)]
    Clock(ClockCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// What can be asked of key stores.
#[derive(Subcommand, Clone, Debug)]
pub enum KeyStoreCommand {
    /// Show each key store of the running server and how its tokens are doing, for operators. Ends with 1 if one does not
    /// serve.
    #[command(after_help = "The server tries each token once a minute at least, and shows what it found.

                      Examples:
  strongroom key-store list
                        strongroom key-store list --config /etc/strongroom/strongroom.toml")]
    List {
        /// Ask no server, but open the key stores of this configuration file and try each: for a server that does not run.
        /// A wrong PIN counts in the token.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Which tenant.
#[derive(Args, Clone, Debug)]
pub struct TenantOf {
    /// The tenant's account number.
    #[arg(long, env = "STRONGROOM_TENANT", value_name = "ACCOUNT")]
    pub tenant: String,
}

/// Which principal of which tenant.
#[derive(Args, Clone, Debug)]
pub struct PrincipalOf {
    #[command(flatten)]
    /// The tenant.
    pub of: TenantOf,
    /// The principal's name.
    #[arg(long, value_name = "NAME")]
    pub principal: String,
}

/// On tenants.
#[derive(Subcommand, Clone, Debug)]
pub enum TenantCommand {
    /// Make a tenant.
    #[command(after_help = "Example:\n  strongroom tenant create --account 123456789012 --name prod")]
    Create {
        /// Its account number: 12 digits.
        #[arg(long)]
        account: String,
        /// Its name, for people.
        #[arg(long)]
        name: String,
    },
    /// List tenants.
    List,
    /// Show a tenant.
    Show {
        /// Its account number.
        account: String,
    },
    /// Throw a tenant's kill switch: nothing of it can be used until it is resumed.
    #[command(after_help = "Example:\n  strongroom tenant suspend 123456789012")]
    Suspend {
        /// Its account number.
        account: String,
    },
    /// Give a tenant a new domain key; everything under the former one is wrapped anew, then that is destroyed.
    RotateDomainKey {
        /// Its account number.
        account: String,
    },
    /// Lift a tenant's kill switch.
    Resume {
        /// Its account number.
        account: String,
    },
}

/// On principals.
#[derive(Subcommand, Clone, Debug)]
pub enum PrincipalCommand {
    /// Make a principal, with a role if one is named.
    #[command(
        after_help = "Examples:\n  strongroom principal create --tenant 123456789012 --name alice --role key-user\n  \
                      strongroom policy roles"
    )]
    Create {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name: 1 to 64 letters, digits and +=,.@_-
        #[arg(long)]
        name: String,
        /// Attach this role to it.
        #[arg(long)]
        role: Option<String>,
    },
    /// List a tenant's principals.
    List(TenantOf),
    /// Show a principal and its policies.
    Show {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Refuse everything that a principal asks for, until it is resumed.
    Suspend {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Resume a principal.
    Resume {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Remove a principal with its policies and access keys.
    Delete {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
}

/// On access keys.
#[derive(Subcommand, Clone, Debug)]
pub enum AccessKeyCommand {
    /// Make an access key. Its secret is shown once.
    #[command(
        after_help = "Examples:\n  strongroom access-key create --tenant 123456789012 --principal alice --expires 90d\n  \
                      strongroom access-key create --tenant 123456789012 --root --expires 1h"
    )]
    Create {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// The principal that it proves.
        #[arg(long, value_name = "NAME", required_unless_present = "root", conflicts_with = "root")]
        principal: Option<String>,
        /// Make it for the tenant's root, which may do everything in the tenant.
        #[arg(long)]
        root: bool,
        /// How long it is good for, e.g. 90d; for ever if absent.
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
    },
    /// List a principal's access keys.
    List {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// The principal; the tenant's root if absent.
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
    },
    /// Refuse an access key until it is resumed.
    Suspend {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// The access key id.
        id: String,
    },
    /// Resume an access key.
    Resume {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// The access key id.
        id: String,
    },
    /// Remove an access key for good.
    Delete {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// The access key id.
        id: String,
    },
}

/// Where a policy comes from.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct PolicySource {
    /// A role that ships with the product; strongroom policy roles lists them.
    #[arg(long)]
    pub role: Option<String>,
    /// A file with a policy document; - is standard input.
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
}

/// Which policy of which principal.
#[derive(Args, Clone, Debug)]
pub struct NamedPolicy {
    #[command(flatten)]
    /// The principal.
    pub of: PrincipalOf,
    /// The policy's name.
    #[arg(long, value_name = "POLICY")]
    pub name: String,
}

/// On policies.
#[derive(Subcommand, Clone, Debug)]
pub enum PolicyCommand {
    /// Attach a policy to a principal, replacing the one of the same name.
    #[command(
        after_help = "Examples:\n  strongroom policy attach --tenant 123456789012 --principal alice --role key-user\n  \
                      strongroom policy attach --tenant 123456789012 --principal alice --name billing --file policy.json"
    )]
    Attach {
        #[command(flatten)]
        /// The principal.
        of: PrincipalOf,
        #[command(flatten)]
        /// The policy.
        source: PolicySource,
        /// The policy's name; a role's own if absent.
        #[arg(long, value_name = "POLICY", required_unless_present = "role")]
        name: Option<String>,
    },
    /// Detach a policy from a principal.
    Detach(NamedPolicy),
    /// List a principal's policies.
    List(PrincipalOf),
    /// Show a policy's document.
    Show(NamedPolicy),
    /// List the roles that ship with the product, or show one's policy document.
    Roles {
        /// The role whose document is shown.
        name: Option<String>,
    },
    /// Say whether policies would allow a request, and which statements decide; suspensions and the states of keys are not looked at.
    #[command(
        after_help = "Examples:\n  strongroom policy explain --tenant 123456789012 --principal alice --action kms:Decrypt \\\n    \
                      --key 0123456789abcdef0123456789abcdef --context department=hr\n  \
                      strongroom policy explain --tenant 123456789012 --principal alice --action strongroom:ReadAudit"
    )]
    Explain {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Whose request; the tenant's root if absent.
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
        /// The action as policies name it.
        #[arg(long)]
        action: String,
        /// The key that it is about: its internal id, or as AWS KMS calls it by a key id, an alias, or the ARN of either.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// The name by which it calls the key, e.g. alias/app, where policies look at that name.
        #[arg(long, value_name = "NAME", conflicts_with = "key", requires = "region")]
        name: Option<String>,
        /// The grant on the key that it would retire, by id: for kms:RetireGrant.
        #[arg(long, value_name = "ID", conflicts_with = "on_principal")]
        grant: Option<String>,
        /// The principal that it is about, by name.
        #[arg(long, value_name = "NAME", conflicts_with_all = ["key", "name"])]
        on_principal: Option<String>,
        /// The region that the request is signed for; the key's own if absent.
        #[arg(long)]
        region: Option<String>,
        /// A condition key that the request carries; several of one name are several values.
        #[arg(long = "condition", value_name = "NAME=VALUE", value_parser = pair)]
        conditions: Vec<(String, String)>,
        /// A pair of the request's encryption context.
        #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
        context: Vec<(String, String)>,
    },
}

/// On roots.
#[derive(Subcommand, Clone, Debug)]
pub enum RootCommand {
    /// List the roots of trust, with the keys that verify the audit log.
    List,
    /// Add every `[[root]]` of the server's configuration file that the installation does not know, making those that do
    /// not exist.
    #[command(after_help = "Put the new [[root]] into the configuration file first.")]
    Add,
    /// Find out whether a root opens every domain key; all roots, if none is named.
    Verify {
        /// Its id.
        id: Option<String>,
    },
    /// Replace a root by the one new `[[root]]` of the server's configuration file; the old one goes once the new one has
    /// wrapped every domain key.
    #[command(after_help = "Example:\n  strongroom root rotate 000102030405060708090a0b0c0d0e0f")]
    Rotate {
        /// The id of the root to replace.
        id: String,
    },
    /// Remove a root that every domain key can do without.
    #[command(after_help = "Take its [[root]] out of the configuration file, too.")]
    Remove {
        /// Its id.
        id: String,
    },
}

/// On the server's clock.
#[derive(Subcommand, Clone, Debug)]
pub enum ClockCommand {
    /// Confirm that the server's clock is right after it jumped, so that destructions that are due go on.
    Confirm,
}

/// On the audit log.
#[derive(Subcommand, Clone, Debug)]
pub enum AuditCommand {
    /// Show records, oldest first.
    #[command(after_help = "Examples:\n  strongroom audit show --since 1h --principal alice\n  \
                      strongroom audit show --since 2026-01-01T00:00:00Z --outcome denied --output json\n  \
                      strongroom audit show --since 1d --action Decrypt --output cloudtrail")]
    Show(ShowOptions),
    /// Verify a log from its files and public keys, without a server.
    #[command(
        after_help = "The keys are those that strongroom root list shows; keep them where the log's keeper can't change \
                      them.\nExit code 0 says that the log is as it was written, 1 that it is not.\n\nExample:\n  \
                      strongroom audit verify /var/lib/strongroom/audit --key 'node+1a2b3c4d+AQ...' --since kept-checkpoint"
    )]
    Verify(VerifyOptions),
}

/// Which records, and how many.
#[derive(Args, Clone, Debug)]
pub struct ShowOptions {
    #[command(flatten)]
    /// Which records.
    pub query: QueryOptions,
    /// At most so many.
    #[arg(long, default_value_t = limits::RECORDS)]
    pub limit: u32,
}

/// Which records.
#[derive(Args, Clone, Debug)]
pub struct QueryOptions {
    /// From this time on: a span before now, or a date and time.
    #[arg(long, default_value = "1h", value_name = "TIME")]
    pub since: When,
    /// Until this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// By callers of this tenant, which operators are not.
    #[arg(long, value_name = "ACCOUNT")]
    pub tenant: Option<String>,
    /// By this caller: a user's name, role/NAME, service/NAME (a key store), the name in policies, or an access key id.
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,
    /// On this key, its making included: its internal id or ARN; with --tenant, an alias or key id too, but then only as asked
    /// by that tenant's own callers, without its making by an operator.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// For this operation, e.g. Decrypt.
    #[arg(long, value_name = "OPERATION")]
    pub action: Option<String>,
    /// That came to this: done, denied, failed, abandoned, or tried-out: let pass though policies refuse it, since they are tried
    /// out and not enforced.
    #[arg(long, value_parser = ["done", "denied", "failed", "abandoned", "tried-out"])]
    pub outcome: Option<String>,
    /// The request with this id.
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// The call of AWS KMS on an external key store with this kmsRequestId, the requestID that CloudTrail has.
    #[arg(long, value_name = "ID")]
    pub kms_request_id: Option<String>,
}

/// What is verified, and with what.
#[derive(Args, Clone, Debug)]
pub struct VerifyOptions {
    /// The log's directory, or its segments' files.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// A checkpoint key that is trusted, as name+id+base64, or a file with one a line; may come more than once.
    #[arg(long = "key", required = true, value_name = "KEY")]
    pub keys: Vec<String>,
    /// A file with a signed checkpoint that was kept elsewhere: the log must contain it.
    #[arg(long, value_name = "CHECKPOINT")]
    pub since: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;
