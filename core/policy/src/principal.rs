//! Who asks, what else was proved about the request, and whom a statement or a grant names.

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
    /// Whoever an identity provider says that it is, by a token that was verified: it asks for a session of a role, and the
    /// role's trust policy alone can allow it.
    WebIdentity {
        /// `arn:PARTITION:iam::ACCOUNT:oidc-provider/ISSUER`, the issuer's URL without its scheme.
        provider: &'a str,
    },
    /// A service that acts for itself, proved to be a part of this installation; resource policies and grants alone can
    /// allow it.
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
            Self::WebIdentity { .. } | Self::Service { .. } | Self::Internal => None,
        }
    }
}

/// What was proved about a request beside who asks. A request's own words never get here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proved<'a> {
    /// Tags of the user, or of the role with the session's in front of them (`aws:PrincipalTag/KEY`).
    pub principal_tags: &'a [(String, String)],
    /// When the session's credentials were given out, in milliseconds since 1970 (`aws:TokenIssueTime`); `None` for
    /// credentials that last.
    pub token_issued: Option<i64>,
    /// The identity provider that the session was begun with (`aws:FederatedProvider`).
    pub federated_provider: Option<&'a str>,
    /// The source identity that the session was begun with (`aws:SourceIdentity`).
    pub source_identity: Option<&'a str>,
    /// The service through which the principal asks, `NAME.REGION.amazonaws.com` (`kms:ViaService`).
    pub via_service: Option<&'a str>,
    /// The resource for which a service asks (`aws:SourceArn`).
    pub source_arn: Option<&'a str>,
    /// The account of that resource (`aws:SourceAccount`).
    pub source_account: Option<&'a str>,
}

/// How a statement names a principal, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// By its account: the account's identity policies decide.
    Account,
    /// By the role of its session: what limits the session still limits it.
    Role,
    /// Itself.
    Direct,
}

/// One entry of `Principal` or `NotPrincipal`, or a grantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Everyone,
    Account(Box<str>),
    Arn(Box<str>),
    /// A user, a role, or behind a colon one session of it.
    Id(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    /// A canonical user, or whoever is gone: known to the language, and nobody here.
    Nobody,
}

/// A principal as a policy names it, for whoever knows which of them exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalName<'a> {
    /// An account, by its twelve digits or its root's ARN.
    Account(&'a str),
    /// A user, a role, a session of a role or a federated user, by ARN.
    Arn {
        /// All of it.
        arn: &'a str,
        /// Twelve digits.
        account: &'a str,
        /// `user`, `role`, `assumed-role` or `federated-user`.
        kind: &'a str,
        /// What follows: a path and a name, or `ROLE/SESSION`.
        name: &'a str,
    },
    /// A user or role, by its unique id.
    UniqueId(&'a str),
    /// A service.
    Service(&'a str),
    /// An identity provider.
    Federated(&'a str),
}

impl<'a> PrincipalName<'a> {
    /// Reads an entry of `"AWS"` other than `*`: an account, its root, a user, a role, a session or a unique id.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if is_account(text) {
            return Some(Self::Account(text));
        }
        if text.contains(['*', '?', '$', ' ']) {
            return None;
        }
        if is_unique_id(text) {
            return Some(Self::UniqueId(text));
        }
        let mut parts = text.splitn(6, ':');
        let (start, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, entity) = (parts.next()?, parts.next()?, parts.next()?);
        if start != "arn" || partition.is_empty() || !region.is_empty() || !is_account(account) {
            return None;
        }
        let named = || entity.split_once('/').filter(|(_, name)| !name.is_empty());
        match (service, entity, named()) {
            ("iam", "root", _) => Some(Self::Account(account)),
            ("iam", _, Some((kind @ ("user" | "role"), name)))
            | ("sts", _, Some((kind @ ("assumed-role" | "federated-user"), name))) => {
                Some(Self::Arn { arn: text, account, kind, name })
            }
            _ => None,
        }
    }
}

impl Named {
    /// Reads an entry of `"AWS"` other than `*`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match PrincipalName::parse(text)? {
            PrincipalName::Account(account) => Self::Account(account.into()),
            PrincipalName::Arn { arn, .. } => Self::Arn(arn.into()),
            PrincipalName::UniqueId(id) => Self::Id(id.into()),
            PrincipalName::Service(name) => Self::Service(name.into()),
            PrincipalName::Federated(provider) => Self::Federated(provider.into()),
        })
    }

    /// Reads the name of a service.
    pub(crate) fn parse_service(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        (!text.is_empty() && text.chars().all(plain)).then(|| Self::Service(text.into()))
    }

    /// Reads an identity provider: a domain name or the ARN of one.
    pub(crate) fn parse_federated(text: &str) -> Option<Self> {
        let provider = || {
            let entity = text.strip_prefix("arn:")?.splitn(5, ':').last()?;
            ["oidc-provider/", "saml-provider/"].iter().find_map(|kind| entity.strip_prefix(kind))
        };
        let domain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let sound = match text.starts_with("arn:") {
            true => provider().is_some_and(|name| !name.is_empty()),
            false => text.contains('.') && text.chars().all(domain),
        };
        (sound && !text.contains(['*', '?', '$', ' '])).then(|| Self::Federated(text.into()))
    }

    /// Whom this names; `None` for everyone, and for nobody.
    pub(crate) fn name(&self) -> Option<PrincipalName<'_>> {
        Some(match self {
            Self::Everyone | Self::Nobody => return None,
            Self::Account(account) => PrincipalName::Account(account),
            Self::Id(id) => PrincipalName::UniqueId(id),
            Self::Service(name) => PrincipalName::Service(name),
            Self::Federated(provider) => PrincipalName::Federated(provider),
            Self::Arn(arn) => PrincipalName::parse(arn)?,
        })
    }

    pub(crate) fn names(&self, principal: &Principal<'_>) -> Option<Naming> {
        let direct = match (self, principal) {
            (Self::Nobody, _) => false,
            // Anyone may have a token from somewhere: "*" denies its bearer, and is too little to allow it.
            (Self::Everyone, Principal::WebIdentity { .. }) => return Some(Naming::Account),
            (Self::Everyone, _) => true,
            (Self::Account(named), Principal::Root { account, .. }) => **named == **account,
            (Self::Account(named), _) => {
                return principal.account().is_some_and(|account| **named == *account).then_some(Naming::Account);
            }
            (Self::Arn(named), Principal::User { arn, .. }) => **named == **arn,
            (Self::Arn(named), Principal::AssumedRole { role_arn, .. }) if **named == **role_arn => {
                return Some(Naming::Role);
            }
            (Self::Arn(named), Principal::AssumedRole { arn, .. }) => **named == **arn,
            (Self::Id(named), Principal::User { id, .. }) => **named == **id,
            (Self::Id(named), Principal::AssumedRole { id, .. }) if named.contains(':') => **named == **id,
            (Self::Id(named), Principal::AssumedRole { id, .. }) => {
                return (id.split(':').next() == Some(named)).then_some(Naming::Role);
            }
            (Self::Service(named), Principal::Service { name }) => **named == **name,
            (Self::Federated(named), Principal::WebIdentity { provider }) => **named == **provider,
            (Self::Arn(_) | Self::Id(_) | Self::Service(_) | Self::Federated(_), _) => false,
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
                let excepted = entries.iter().any(|entry| entry.names(principal) >= Some(Naming::Role));
                (!excepted).then_some(Naming::Direct)
            }
        }
    }
}

impl Principals {
    /// Lets each ARN that has a unique id mean that alone; an empty one is nobody's.
    pub(crate) fn bind<'i>(&mut self, id_of: &impl Fn(&str) -> Option<&'i str>) {
        let (Self::Named(entries) | Self::Excepted(entries)) = self else { return };
        for entry in entries {
            let Named::Arn(arn) = &*entry else { continue };
            match id_of(arn) {
                None => {}
                Some("") => *entry = Named::Nobody,
                Some(id) => *entry = Named::Id(id.into()),
            }
        }
    }

    /// The entries, `NotPrincipal`'s too.
    pub(crate) fn entries(&self) -> &[Named] {
        match self {
            Self::Unstated => &[],
            Self::Named(entries) | Self::Excepted(entries) => entries,
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
