//! The words of `apply`.

use std::path::PathBuf;

use clap::Args;

/// What is declared, and how it is brought about.
#[derive(Args, Clone, Debug)]
pub struct ApplyOptions {
    /// The file, in TOML, or in JSON if its name ends in .json; - is standard input.
    #[arg(short, long, value_name = "PATH", required_unless_present = "profile", conflicts_with = "profile")]
    pub file: Option<PathBuf>,
    /// A profile that ships with the product.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The tenant of what the file declares outside any tenant.
    #[arg(long, env = "STRONGROOM_TENANT", value_name = "ACCOUNT")]
    pub tenant: Option<String>,
    /// The region of keys that name none.
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,
    /// Take key policies that nobody could change again where the keys are used.
    #[arg(long)]
    pub bypass_lockout: bool,
    /// Go on without asking.
    #[arg(short, long)]
    pub yes: bool,
    /// Show the plan and do nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
}
