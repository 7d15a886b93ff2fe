//! Who asks, and whom a statement or a grant names.

/// Who asks, as the front end has proved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// The root of an account: it holds every permission that policies of its own account could give.
    Root {
        /// `arn:PARTITION:iam::ACCOUNT:root`.
        arn: &'a str,
        /// Twelve digits.
        account: &'a str,
    },
    /// A user.
    User {
        /// `arn:PARTITION:iam::ACCOUNT:user/PATH/NAME`.
        arn: &'a str,
        /// Twelve digits.
        account: &'a str,
        /// The unique id, never given to another user (`aws:userid`).
        id: &'a str,
        /// The name without its path (`aws:username`).
        name: &'a str,
    },
    /// A session of a role.
    AssumedRole {
        /// `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        arn: &'a str,
        /// `arn:PARTITION:iam::ACCOUNT:role/PATH/ROLE`.
        role_arn: &'a str,
        /// Twelve digits.
        account: &'a str,
        /// `ROLE-ID:SESSION` (`aws:userid`).
        id: &'a str,
    },
    /// A service that acts for itself; resource policies and grants alone can allow it.
    Service {
        /// `NAME.amazonaws.com`, or the name of a service of this installation.
        name: &'a str,
    },
    /// The installation's own machinery, such as its scheduler: only guardrails hold it.
    Internal,
}

impl<'a> Principal<'a> {
    /// The account that the principal belongs to.
    #[must_use]
    pub const fn account(&self) -> Option<&'a str> {
        match self {
            Self::Root { account, .. } | Self::User { account, .. } | Self::AssumedRole { account, .. } => {
                Some(account)
            }
            Self::Service { .. } | Self::Internal => None,
        }
    }
}

/// How a statement names a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// By its account: the account's identity policies decide.
    Account,
    /// Itself.
    Direct,
}

/// One entry of `Principal` or `NotPrincipal`, or a grantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Everyone,
    Account(Box<str>),
    Arn(Box<str>),
    Id(Box<str>),
    Service(Box<str>),
    /// A federated or canonical user: known to the language, and nobody here.
    Nobody,
}

impl Named {
    /// Reads an entry of `"AWS"` other than `*`: an account, its root, a user, a role, a session or a unique id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if is_account(text) {
            return Some(Self::Account(text.into()));
        }
        if text.contains(['*', '?', '$', ' ']) {
            return None;
        }
        if is_unique_id(text) {
            return Some(Self::Id(text.into()));
        }
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, entity) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || partition.is_empty() || !region.is_empty() || !is_account(account) {
            return None;
        }
        let named = |kind: &str| entity.strip_prefix(kind).is_some_and(|name| !name.is_empty());
        match service {
            "iam" if entity == "root" => Some(Self::Account(account.into())),
            "iam" if named("user/") || named("role/") => Some(Self::Arn(text.into())),
            "sts" if named("assumed-role/") || named("federated-user/") => Some(Self::Arn(text.into())),
            _ => None,
        }
    }

    /// Reads the name of a service.
    pub(crate) fn parse_service(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        (!text.is_empty() && text.chars().all(plain)).then(|| Self::Service(text.into()))
    }

    pub(crate) fn names(&self, principal: &Principal<'_>) -> Option<Naming> {
        let direct = match (self, principal) {
            (Self::Nobody, _) => false,
            (Self::Everyone, _) => true,
            (Self::Account(named), Principal::Root { account, .. }) => **named == **account,
            (Self::Account(named), _) => {
                return principal.account().is_some_and(|account| **named == *account).then_some(Naming::Account);
            }
            (Self::Arn(named), Principal::User { arn, .. }) => **named == **arn,
            (Self::Arn(named), Principal::AssumedRole { arn, role_arn, .. }) => {
                **named == **arn || **named == **role_arn
            }
            (Self::Id(named), Principal::User { id, .. }) => **named == **id,
            (Self::Id(named), Principal::AssumedRole { id, .. }) => id.split(':').next() == Some(named),
            (Self::Service(named), Principal::Service { name }) => **named == **name,
            (Self::Arn(_) | Self::Id(_) | Self::Service(_), _) => false,
        };
        direct.then_some(Naming::Direct)
    }
}

/// Whom a statement is about.
#[derive(Debug, Clone)]
pub(crate) enum Principals {
    /// Identity policies and guardrails: whoever carries them.
    Unstated,
    /// `Principal`.
    Named(Box<[Named]>),
    /// `NotPrincipal`: everyone but these. An account here excepts its root alone, as in AWS's examples, which list
    /// a user together with its account and still deny the account's other users.
    Excepted(Box<[Named]>),
}

impl Principals {
    pub(crate) fn names(&self, principal: &Principal<'_>) -> Option<Naming> {
        match self {
            Self::Unstated => Some(Naming::Direct),
            Self::Named(entries) => entries.iter().filter_map(|entry| entry.names(principal)).max(),
            Self::Excepted(entries) => {
                let excepted = entries.iter().any(|entry| entry.names(principal) == Some(Naming::Direct));
                (!excepted).then_some(Naming::Direct)
            }
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A unique id of IAM: four letters for the kind and capitals or digits after them, 16 to 128 in all.
fn is_unique_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && text.bytes().take(4).all(|byte| byte.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
