//! The words of the commands on key stores of Azure Managed HSMs: keys that they use and do not hold.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::TenantOf;
use crate::span::Span;

/// On key stores of Managed HSMs.
#[derive(Subcommand, Clone, Debug)]
pub enum EkmCommand {
    /// Key stores: each is an external key manager in Azure.
    #[command(subcommand)]
    Store(EkmStoreCommand),
    /// Names whose certificates prove a key store.
    #[command(subcommand)]
    Certificate(EkmCertificateCommand),
    /// Keys in a key store.
    #[command(subcommand)]
    Key(EkmKeyCommand),
}

/// Which key store.
#[derive(Args, Clone, Debug)]
pub struct EkmStoreOf {
    #[command(flatten)]
    /// The tenant.
    pub of: TenantOf,
    /// The key store's name.
    #[arg(long, value_name = "NAME")]
    pub store: String,
}

/// On key stores.
#[derive(Subcommand, Clone, Debug)]
pub enum EkmStoreCommand {
    /// Make a key store. No certificate proves it and it holds no key yet.
    #[command(
        after_help = "Example:\n  strongroom ekm store create --tenant 123456789012 pool --region westeurope\n  \
                            strongroom ekm certificate create --tenant 123456789012 --store pool pool.managedhsm.example\n  \
                            strongroom ekm key create --tenant 123456789012 --store pool payroll --spec Rsa3072"
    )]
    Create {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// The region that its keys are in, here.
        #[arg(long)]
        region: String,
        /// Its path prefix; the tenant's account and the name without it.
        #[arg(long)]
        prefix: Option<String>,
        /// Its policy: a file, - is standard input; without it, every call is permitted.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Try its policies out: what they refuse is done, and told in the record.
        #[arg(long)]
        dry_run: bool,
        /// A key store of the server's configuration, such as an HSM: its health is found out with an AES key inside it.
        #[arg(long, value_name = "NAME")]
        key_store: Option<String>,
    },
    /// List a tenant's key stores.
    List(TenantOf),
    /// Show a key store.
    Show {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Change a key store; what is not named stays.
    Set {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// Whether its policies are tried out only.
        #[arg(long)]
        dry_run: Option<bool>,
    },
    /// Throw a key store's kill switch: every call is answered 403 until it is lifted.
    Block {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Lift it.
    Unblock {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Remove a key store that holds no keys, with its policies and certificates' names.
    Delete {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
}

/// On names of certificates.
#[derive(Subcommand, Clone, Debug)]
pub enum EkmCertificateCommand {
    /// Have certificates of a name prove a key store, where the listener's client CA vouches for them. Several live at once.
    Create {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// The common name or a DNS name in the certificate.
        name: String,
        /// How long it is good for, e.g. 90d; for ever if absent.
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
    },
    /// List these names.
    List(EkmStoreOf),
    /// Remove one for good.
    Delete {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// The name.
        name: String,
    },
}

/// What alone a key may be used for in a key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnlyWrap {
    /// To wrap.
    Wrap,
    /// To unwrap.
    Unwrap,
    /// For nothing but to tell its metadata.
    Nothing,
}

/// On keys in a key store.
#[derive(Subcommand, Clone, Debug)]
pub enum EkmKeyCommand {
    /// Make a key in a key store.
    Create {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// What Managed HSM is to call it: 1 to 64 letters, digits and -
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
        /// Its kind: Aes256, Rsa2048, Rsa3072 or Rsa4096.
        #[arg(long, default_value = "Aes256")]
        spec: String,
        /// A key store of the server's configuration, such as an HSM: the key is made there and never leaves it.
        #[arg(long, value_name = "NAME")]
        key_store: Option<String>,
    },
    /// Give a key that there is to a key store: for key wrap or RSA-OAEP, and for nothing else.
    Bind {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// What Managed HSM is to call it: 1 to 64 letters, digits and -
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
        /// The key's internal id; strongroom key list shows it.
        #[arg(long)]
        key: String,
        /// What alone it may be used for.
        #[arg(long, value_enum)]
        only: Option<OnlyWrap>,
    },
    /// List the keys in a key store.
    List(EkmStoreOf),
    /// Throw a key's kill switch: it is suspended under all its names.
    Block {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// What Managed HSM calls it.
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
    },
    /// Lift it.
    Unblock {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// What Managed HSM calls it.
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
    },
    /// Take a key out of a key store; the key stays. The only name of a key goes once its deletion is scheduled.
    Unbind {
        #[command(flatten)]
        /// The key store.
        of: EkmStoreOf,
        /// What Managed HSM calls it.
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
    },
}
