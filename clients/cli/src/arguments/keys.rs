//! The words of the commands on keys and bindings.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};

use super::TenantOf;
use crate::making::{spec_words, usage_words};

/// Which key.
#[derive(Args, Clone, Debug)]
pub struct KeyOf {
    /// The key: its internal id, or as AWS KMS calls it by a key id, an alias, or the ARN of either.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// The tenant of a key that is called by a name; the caller's own if absent.
    #[arg(long, env = "STRONGROOM_TENANT", value_name = "ACCOUNT")]
    pub tenant: Option<String>,
    /// The region of a key that is called by a name; all that are served if absent.
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    pub region: Option<String>,
}

/// On keys.
#[derive(Subcommand, Clone, Debug)]
pub enum KeyCommand {
    /// Make a key for AWS KMS, in a key store of the server's configuration if one is named: there it never leaves the HSM.
    #[command(after_help = "Examples:\n  strongroom key create --tenant 123456789012 --alias alias/app\n  \
                            strongroom key create --tenant 123456789012 --key-store hsm --spec ECC_NIST_P256 \\\n    \
                            --usage SIGN_VERIFY --alias alias/release --description \"signs releases\"\n\n\
                            Specs and usages are named as AWS KMS names them; strongroom key-store list shows the key stores.\n\n\
                            An alias leads to one key: the command given again with it makes no second one and tells of the first.\n\
                            Without --alias it makes another key each time. Where no answer came, see first whether the key is there:\n\
                            strongroom key show ALIAS --tenant ACCOUNT, or strongroom key list, which tells when keys were made.")]
    Create(CreateKeyOptions),
    /// List a tenant's keys.
    List(TenantOf),
    /// Show a key with its versions and names.
    #[command(after_help = "Examples:\n  strongroom key show 0123456789abcdef0123456789abcdef\n  \
                            strongroom key show alias/app --tenant 123456789012 --region eu-west-1\n  \
                            strongroom key show arn:aws:kms:eu-west-1:123456789012:alias/app")]
    Show {
        #[command(flatten)]
        /// The key.
        of: KeyOf,
    },
    /// Throw a key's kill switch, or that of one of its versions.
    #[command(
        visible_alias = "disable",
        after_help = "Examples:\n  strongroom key suspend 0123456789abcdef0123456789abcdef\n  \
                      strongroom key suspend 0123456789abcdef0123456789abcdef --version-number 2"
    )]
    Suspend {
        #[command(flatten)]
        /// The key.
        of: KeyOf,
        /// Only this version.
        #[arg(long, value_name = "NUMBER")]
        version_number: Option<u32>,
    },
    /// Lift a key's kill switch, or that of one of its versions.
    #[command(visible_alias = "enable")]
    Resume {
        #[command(flatten)]
        /// The key.
        of: KeyOf,
        /// Only this version.
        #[arg(long, value_name = "NUMBER")]
        version_number: Option<u32>,
    },
    /// Have a key's material destroyed after some days, in which that can be called off. Of a key in use, it asks first.
    #[command(
        after_help = "Examples:\n  strongroom key schedule-deletion 0123456789abcdef0123456789abcdef --days 30\n  \
                            strongroom key schedule-deletion 0123456789abcdef0123456789abcdef --yes\n\n\
                            A key that was used within 90 days is in use. Where nobody can be asked, --yes answers."
    )]
    ScheduleDeletion {
        #[command(flatten)]
        /// The key.
        of: KeyOf,
        /// Days to wait: 7 to 30.
        #[arg(long, value_name = "NUMBER", default_value_t = 30)]
        days: u32,
        /// Also if the key is in use; the record then says that this was known.
        #[arg(long)]
        yes: bool,
    },
    /// Call a key's deletion off. The key stays suspended.
    CancelDeletion {
        #[command(flatten)]
        /// The key.
        of: KeyOf,
    },
    /// Show how often a key was used, for what, by which algorithm and by whom; or the use of all of a tenant's keys.
    #[command(after_help = "Examples:\n  strongroom keys usage 0123456789abcdef0123456789abcdef\n  \
                            strongroom keys usage --tenant 123456789012 --output json")]
    Usage {
        /// The key, as key show takes it; all keys of the tenant if absent.
        key: Option<String>,
        /// The tenant's account number.
        #[arg(long, env = "STRONGROOM_TENANT", value_name = "ACCOUNT", required_unless_present = "key")]
        tenant: Option<String>,
        /// The region of a key that is called by a name.
        #[arg(long, env = "AWS_REGION", value_name = "REGION")]
        region: Option<String>,
    },
    /// List the keys that nobody has used for some time.
    #[command(after_help = "Example:\n  strongroom keys unused --tenant 123456789012 --days 180")]
    Unused {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Neither made nor used for so many days.
        #[arg(long, value_name = "NUMBER", default_value_t = 90)]
        days: u32,
    },
    /// Write down all keys with their algorithms, strengths, states and uses.
    #[command(after_help = "Examples:\n  strongroom keys inventory --tenant 123456789012 --format csv\n  \
                            strongroom keys inventory --tenant 123456789012 --format cyclonedx > cbom.json")]
    Inventory(InventoryOptions),
}

/// What a new key is to be.
#[derive(Args, Clone, Debug)]
pub struct CreateKeyOptions {
    #[command(flatten)]
    /// The tenant.
    pub of: TenantOf,
    /// A key store of the server's configuration, such as an HSM: the key is made there and never leaves it.
    #[arg(long, value_name = "NAME")]
    pub key_store: Option<String>,
    /// Its spec.
    #[arg(
        long,
        value_name = "SPEC",
        default_value = "SYMMETRIC_DEFAULT",
        value_parser = PossibleValuesParser::new(spec_words())
    )]
    pub spec: String,
    /// What it is for; may be left out where keys of its spec are for one thing only. Keys in a key store are for ENCRYPT_DECRYPT
    /// or SIGN_VERIFY.
    #[arg(long, value_name = "USAGE", value_parser = PossibleValuesParser::new(usage_words()))]
    pub usage: Option<String>,
    /// A name for it, such as alias/app; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// Words for people.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub description: String,
    /// A tag; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub tag: Vec<String>,
    /// Its policy: a file, - is standard input; without it, the account decides by its own policies, as AWS has it.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Take a policy that nobody could change again where the key is used.
    #[arg(long)]
    pub bypass_lockout: bool,
    /// The region that it is in; the only one that the server serves if absent.
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Only say whether it would be made: names, policies and permissions are looked at, the hardware of a key store is not asked.
    #[arg(long)]
    pub dry_run: bool,
}

/// Of what, and in which form.
#[derive(Args, Clone, Debug)]
pub struct InventoryOptions {
    #[command(flatten)]
    /// The tenant.
    pub of: TenantOf,
    /// In this form; as --output says if absent.
    #[arg(long, value_enum)]
    pub format: Option<InventoryFormat>,
}

/// A form of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InventoryFormat {
    /// RFC 4180: a line for each key version, algorithm and caller.
    Csv,
    /// One line of JSON, as the server answers.
    Json,
    /// A cryptographic bill of materials: CycloneDX 1.6, in JSON.
    Cyclonedx,
}

/// On bindings.
#[derive(Subcommand, Clone, Debug)]
pub enum BindingCommand {
    /// List every name that leads to a key of a tenant.
    List(TenantOf),
    /// Bind a free name of any front end to a key.
    #[command(
        after_help = "Example:\n  strongroom binding create alias/app --tenant 123456789012 --kind aws-kms-alias \\\n    \
                            --region eu-north-1 --key 0123456789abcdef0123456789abcdef"
    )]
    Create {
        #[command(flatten)]
        /// The name.
        of: NameOf,
        /// The key that it shall lead to: its internal id, or as AWS KMS calls it by a key id, an alias, or the ARN of
        /// either.
        #[arg(long, value_name = "KEY")]
        key: String,
    },
    /// Remove a name. The key stays, and keeps its last name.
    #[command(
        after_help = "Example:\n  strongroom binding delete alias/app --tenant 123456789012 --kind aws-kms-alias \\\n    \
                            --region eu-north-1"
    )]
    Delete(NameOf),
}

/// Which name.
#[derive(Args, Clone, Debug)]
pub struct NameOf {
    /// The name.
    pub name: String,
    #[command(flatten)]
    /// The tenant.
    pub of: TenantOf,
    /// The kind of name, as strongroom binding list shows it.
    #[arg(long)]
    pub kind: String,
    /// The region: the key's own.
    #[arg(long)]
    pub region: String,
}
