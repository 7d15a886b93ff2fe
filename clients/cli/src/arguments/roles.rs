//! The words of the commands on roles that can be assumed, and on token issuers.

use std::path::PathBuf;

use clap::Subcommand;

use super::TenantOf;
use crate::span::Span;

/// On roles.
#[derive(Subcommand, Clone, Debug)]
pub enum RoleCommand {
    /// Make a role. It may do nothing until a policy is attached.
    #[command(after_help = "Example:\n  strongroom role create --tenant 123456789012 shop-api --trust trust.json\n  \
                            strongroom policy attach --tenant 123456789012 --principal role/shop-api --role key-user")]
    Create {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// Who may assume it: a file with a trust policy; - reads it from standard input.
        #[arg(long, value_name = "FILE")]
        trust: PathBuf,
        /// The longest time of a session, one to twelve hours; one hour by default.
        #[arg(long, value_name = "TIME")]
        session: Option<Span>,
    },
    /// List roles.
    List(TenantOf),
    /// Show a role.
    Show {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Show who may assume a role, or say who may from now on.
    #[command(after_help = "Example:\n  strongroom role trust --tenant 123456789012 shop-api --file trust.json")]
    Trust {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// A file with the new trust policy; - reads it from standard input.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Say how long a session of a role may last.
    Sessions {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// The longest time of a session, one to twelve hours.
        #[arg(long, alias = "longest", value_name = "TIME")]
        session: Span,
    },
    /// Suspend a role: nobody can assume it, and its sessions may do nothing until it is resumed.
    Suspend {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Resume a role and its sessions.
    Resume {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Remove a role with its policies; its sessions end.
    Delete {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
}

/// On token issuers.
#[derive(Subcommand, Clone, Debug)]
pub enum IssuerCommand {
    /// Trust an issuer, or replace what is known of it.
    #[command(after_help = "Example:\n  strongroom issuer put --tenant 123456789012 https://kubernetes.example \
                            --audience sts.amazonaws.com --keys keys.json")]
    Put {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its URL, as its tokens name it.
        #[arg(value_name = "URL")]
        issuer: String,
        /// An audience that its tokens may be for; may be repeated.
        #[arg(long = "audience", value_name = "AUDIENCE", required = true)]
        audiences: Vec<String>,
        /// A file with its keys (a JSON Web Key Set); without it they are fetched from the issuer, where the server's
        /// configuration allows that.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
        /// A file with the certificate authorities of the issuer's server, in PEM; the server machine's without it.
        #[arg(long, value_name = "FILE", conflicts_with = "keys")]
        authorities: Option<PathBuf>,
    },
    /// List the issuers that are trusted.
    List(TenantOf),
    /// Trust an issuer no more.
    Delete {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its URL.
        #[arg(value_name = "URL")]
        issuer: String,
    },
}
