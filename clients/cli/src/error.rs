//! What can go wrong at the command line, what helps, and the exit code that tells it.

use std::path::PathBuf;

use strongroom_admin_api::Time;
use strongroom_audit::note::NoteError;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The server refused, or failed.
    #[error("{code}: {message}")]
    Refused {
        /// Status of the answer.
        status: u16,
        /// The error's name.
        code: String,
        /// What is wrong.
        message: String,
        /// What helps.
        remedy: Option<String>,
        /// When the key was last used, where that is what is wrong.
        last_use: Option<Time>,
        /// The request's id.
        request_id: String,
    },
    /// A key in use, and nobody to ask.
    #[error("{id} is in use: it was last used at {last_use}; nothing was done")]
    InUse {
        /// Which key.
        id: String,
        /// When.
        last_use: Time,
    },
    /// Somebody was asked, and did not say yes.
    #[error("nothing was done")]
    Declined,
    /// A plan, and nobody to ask.
    #[error("there is nobody to ask whether the plan is right; nothing was done")]
    Unconfirmed,
    /// A file that can't be right, each mistake on a line.
    #[error("{0}")]
    Mistakes(String),
    /// Something answered that is no admin API.
    #[error("{place} answered {status}: {text}")]
    Strange {
        /// Who.
        place: String,
        /// With what status.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
    /// Nobody to ask: no request went out.
    #[error("{place} does not answer: {cause}")]
    Unreachable {
        /// Who.
        place: String,
        /// Why.
        cause: String,
    },
    /// A request that went out, and no answer to it, or not the whole of one: it may be done or not.
    #[error("{place} does not answer: {cause}")]
    Unanswered {
        /// Who.
        place: String,
        /// Why.
        cause: String,
        /// Whether it was to change anything.
        changing: bool,
    },
    /// The same for the making of a key.
    #[error("{place} does not answer: {cause}; the key may be made, or may yet be")]
    PerhapsMade {
        /// Who.
        place: String,
        /// Why.
        cause: String,
        /// Of which tenant.
        tenant: String,
        /// A name that it was to have.
        alias: Option<String>,
    },
    /// The server's certificate can't be trusted.
    #[error("{place} shows a certificate that is refused: {cause}")]
    Untrusted {
        /// Who.
        place: String,
        /// Why.
        cause: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A name that leads to no key.
    #[error("{called:?} leads to no key of the tenant {account} in {place}")]
    NoSuchKey {
        /// The name.
        called: String,
        /// The tenant.
        account: String,
        /// Where it was looked for.
        place: String,
    },
    /// A name that leads to several keys.
    #[error("{called:?} leads to several keys")]
    SeveralKeys {
        /// The name.
        called: String,
        /// What tells them apart.
        choice: String,
    },
    /// An action that nobody knows.
    #[error("no record has the action {asked:?}, and no operation is called so")]
    UnknownAction {
        /// What was asked for.
        asked: String,
        /// Operations that are called like it.
        near: Vec<&'static str>,
    },
    /// A usage that keys of a spec do not have, or none where they may have one of several.
    #[error("{spec} keys {}", asked.as_ref().map_or_else(|| "may be for several things".to_owned(), |usage| format!("are not for {usage}")))]
    UnfitUsage {
        /// What was asked for.
        asked: Option<String>,
        /// The spec.
        spec: String,
        /// What they may be for.
        fitting: Vec<&'static str>,
    },
    /// The socket is another user's.
    #[error("{0} may not be opened by this user")]
    Forbidden(String),
    /// What was asked for can't be understood.
    #[error("{0}")]
    Usage(String),
    /// A variable of the environment is missing.
    #[error("the environment variable {0} is not set")]
    Environment(&'static str),
    /// A variable of the environment with a part of a proxy's credential is missing.
    #[error("the environment variable {0} is not set")]
    ProxyCredential(&'static str),
    /// A file can't be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A verification key can't be read.
    #[error("{text:?} is not a verification key: {source}")]
    Key {
        /// What was given.
        text: String,
        /// Why not.
        source: NoteError,
    },
    /// A checkpoint can't be trusted.
    #[error("{} holds no checkpoint to trust: {source}", path.display())]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: NoteError,
    },
    /// A log is not as it was written.
    #[error("the log is not sound: {alarms} findings must not be")]
    Unsound {
        /// How many.
        alarms: u64,
    },
    /// Roots that do not open what they have wrapped.
    #[error("{roots} of the roots do not open every domain key that they have wrapped")]
    RootsUnsound {
        /// How many.
        roots: usize,
    },
    /// Key stores that do not serve.
    #[error("{stores} of the key stores do not serve")]
    KeyStores {
        /// How many.
        stores: usize,
    },
    /// A proxy that AWS KMS would not get on with.
    #[error("{failed} {} failed", if *failed == 1 { "check" } else { "checks" })]
    Preflight {
        /// How many.
        failed: usize,
    },
    /// The output can't be written.
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    /// Nobody reads the output any more.
    #[error("nobody reads the output")]
    Pipe,
}

impl CliError {
    /// 1 refused, 2 not understood, 3 no answer.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { status: 503, .. }
            | Self::Strange { .. }
            | Self::Unreachable { .. }
            | Self::Unanswered { .. }
            | Self::PerhapsMade { .. }
            | Self::Untrusted { .. } => 3,
            Self::Refused { .. }
            | Self::Unsound { .. }
            | Self::RootsUnsound { .. }
            | Self::Preflight { .. }
            | Self::KeyStores { .. }
            | Self::Output(_)
            | Self::Pipe => 1,
            Self::Mistakes(_)
            | Self::Usage(_)
            | Self::Environment(_)
            | Self::ProxyCredential(_)
            | Self::File { .. }
            | Self::Unwritable { .. }
            | Self::Key { .. }
            | Self::SeveralKeys { .. }
            | Self::UnknownAction { .. }
            | Self::UnfitUsage { .. }
            | Self::Checkpoint { .. } => 2,
            Self::NoSuchKey { .. } | Self::Forbidden(_) | Self::InUse { .. } | Self::Declined | Self::Unconfirmed => 1,
        }
    }

    /// Its name, stable for programs: the server's where it refused.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::InUse { .. } => "InUse",
            Self::Declined => "Declined",
            Self::Unconfirmed => "Unconfirmed",
            Self::Mistakes(_) => "Mistakes",
            Self::Strange { .. } => "Strange",
            Self::Unreachable { .. } => "Unreachable",
            Self::Unanswered { .. } | Self::PerhapsMade { .. } => "Unanswered",
            Self::Untrusted { .. } => "Untrusted",
            Self::NoSuchKey { .. } => "NoSuchKey",
            Self::SeveralKeys { .. } => "SeveralKeys",
            Self::UnknownAction { .. } => "UnknownAction",
            Self::UnfitUsage { .. } => "UnfitUsage",
            Self::Forbidden(_) => "Forbidden",
            Self::Usage(_) => "Usage",
            Self::Environment(_) => "Environment",
            Self::File { .. } => "File",
            Self::Unwritable { .. } => "Unwritable",
            Self::Key { .. } => "Key",
            Self::Checkpoint { .. } => "Checkpoint",
            Self::Unsound { .. } => "Unsound",
            Self::RootsUnsound { .. } => "RootsUnsound",
            Self::KeyStores { .. } => "KeyStores",
            Self::Preflight { .. } => "Preflight",
            Self::ProxyCredential(_) => "ProxyCredential",
            Self::Output(_) => "Output",
            Self::Pipe => "Pipe",
        }
    }

    /// What helps.
    pub(crate) fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Refused { remedy, .. } => return remedy.clone(),
            Self::Strange { status: 503, .. } => "unseal the server if it is sealed: strongroom unseal".to_owned(),
            Self::Strange { .. } => "check --socket or --endpoint: this is not the admin API".to_owned(),
            Self::Unreachable { .. } => {
                "start the server, or name it with --socket PATH or --endpoint https://HOST:PORT".to_owned()
            }
            Self::Unanswered { changing: true, .. } => "see whether it was done before you ask again".to_owned(),
            Self::Unanswered { changing: false, .. } => {
                "see that the server runs, and ask again: what was asked last changes nothing".to_owned()
            }
            Self::PerhapsMade { tenant, alias: Some(alias), .. } => format!(
                "see whether it is there: strongroom key show {alias} --tenant {tenant}; asking again makes no second one under \
                 that name"
            ),
            Self::PerhapsMade { tenant, alias: None, .. } => format!(
                "see whether it is there before you ask again, which makes another: strongroom key list --tenant {tenant} tells \
                 when keys were made; a key with an --alias is made once"
            ),
            Self::Untrusted { remedy, .. } => (*remedy).to_owned(),
            Self::NoSuchKey { .. } => "see the names that there are: strongroom binding list".to_owned(),
            Self::SeveralKeys { choice, .. } => format!("choose one: {choice}"),
            Self::UnknownAction { near, .. } if near.is_empty() => {
                "name an operation as audit show has it, such as Decrypt or CreatePrincipal".to_owned()
            }
            Self::UnknownAction { near, .. } => format!("perhaps {}", near.join(" or ")),
            Self::UnfitUsage { fitting, .. } => format!("say what it is for: --usage {}", fitting.join(" or ")),
            Self::Forbidden(_) => "run this as root or as the server's own user".to_owned(),
            Self::Environment(_) => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use the server's socket: --socket PATH".to_owned()
            }
            Self::ProxyCredential(_) => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a credential that the proxy \
                                         knows for this key store"
                    .to_owned()
            }
            Self::Key { .. } => "take the key from strongroom root list, kept from before: name+id+base64".to_owned(),
            Self::Checkpoint { .. } => {
                "give the signed checkpoint as it was kept, and the key that signed it".to_owned()
            }
            Self::Unsound { .. } => {
                "keep the files as they are, and compare them with backups and kept checkpoints".to_owned()
            }
            Self::RootsUnsound { .. } => "add another root, wait until it is complete, and remove this one".to_owned(),
            Self::InUse { id, .. } => {
                format!("see who uses it: strongroom key usage {id}; to delete it all the same, give --yes")
            }
            Self::Unconfirmed => "read the plan, then give --yes".to_owned(),
            Self::KeyStores { .. } => {
                "bring the tokens back; nothing else is needed, unless a PIN was refused".to_owned()
            }
            Self::Preflight { .. } => "see what is said of each, and try again".to_owned(),
            Self::Declined
            | Self::Mistakes(_)
            | Self::Usage(_)
            | Self::File { .. }
            | Self::Unwritable { .. }
            | Self::Output(_)
            | Self::Pipe => return None,
        })
    }

    /// The request that was refused.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. } => Some(request_id),
            _ => None,
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Output(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_may_have_been_made_without_an_answer_is_looked_for_before_another_is() {
        let told = |alias: Option<&str>| {
            let error = CliError::PerhapsMade {
                place: "the server".to_owned(),
                cause: "no answer in time".to_owned(),
                tenant: "111122223333".to_owned(),
                alias: alias.map(str::to_owned),
            };
            assert_eq!((error.exit_code(), error.code()), (3, "Unanswered"));
            error.remedy().unwrap()
        };
        let named = told(Some("alias/app"));
        assert!(
            named.contains("key show alias/app --tenant 111122223333") && named.contains("no second one"),
            "{named}"
        );
        let nameless = told(None);
        assert!(
            nameless.contains("makes another") && nameless.contains("key list --tenant 111122223333"),
            "{nameless}"
        );
    }
}
