//! What a request may call a key: its id, its ARN, an alias, an alias's ARN.
//!
//! Ids and ARNs are taken by every operation, aliases by those that use a key, as AWS documents it for each. An ARN that
//! the operation does not take is an `InvalidArnException` where AWS's model lists that among the operation's errors.

use strongroom_engine::{EngineError, KeyReference, Noun};
use strongroom_model::id::TenantId;
use strongroom_model::name::Name;

use crate::context::Context;
use crate::dialect::{ALIAS, KEY_ID};
use crate::error::{self, Fault};
use crate::{check, limits};

/// Which ways of calling a key an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Ids and ARNs of keys.
    Keys,
    /// Ids and ARNs of keys that an alias is to lead to.
    Targets,
    /// Aliases and their ARNs as well.
    Aliases,
    /// Those of [`Accepts::Aliases`], by an operation that has a word of its own for other ARNs.
    AliasesOrArns,
}

impl Accepts {
    const fn aliases(self) -> bool {
        matches!(self, Self::Aliases | Self::AliasesOrArns)
    }

    /// What a name is told that is none of these.
    fn refuse(self, text: &str) -> Fault {
        let is_arn = text.starts_with("arn:");
        let is_alias = Arn::parse(text).map_or(text, |arn| arn.resource).starts_with(ALIAS_PREFIX);
        match self {
            Self::Targets if is_alias => Fault::validation("Aliases must refer to keys. Not aliases"),
            Self::Keys if is_arn && is_alias => Fault::own("InvalidArnException", NO_ALIASES),
            Self::Keys | Self::AliasesOrArns if is_arn => {
                Fault::own("InvalidArnException", format!("Invalid arn {}", shortened(text)))
            }
            _ => Fault::not_found(format!("Invalid keyId '{}'", shortened(text))),
        }
    }
}

const NO_ALIASES: &str = "Key Aliases are not supported for this operation";

/// The prefix that every alias has.
pub(crate) const ALIAS_PREFIX: &str = "alias/";

/// An ARN taken apart.
struct Arn<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        (arn == "arn" && service == "kms").then_some(Self { partition, region, account, resource })
    }
}

impl Context<'_> {
    /// The key that a request means.
    pub(crate) async fn key(&self, text: &str, accepts: Accepts) -> Result<KeyReference, Fault> {
        let invalid = || accepts.refuse(text);
        let Some(arn) = text.strip_prefix("arn:").and_then(|_| Arn::parse(text)) else {
            let name = self.name(text, accepts).ok_or_else(invalid)?;
            return Ok(KeyReference::Name(name));
        };
        if arn.region != &*self.region {
            return Err(Fault::not_found(format!("Invalid arn {}", shortened(arn.region))));
        }
        if arn.partition != self.dialect.partition() {
            return Err(invalid());
        }
        let resource = arn.resource.strip_prefix("key/").filter(|id| is_key_id(id));
        let resource = resource.or_else(|| Some(arn.resource).filter(|alias| alias.starts_with(ALIAS_PREFIX)));
        let mut name = resource.and_then(|resource| self.name(resource, accepts)).ok_or_else(invalid)?;
        if arn.account != &*self.caller.account {
            name.tenant = match self.engine.tenant_of_account(arn.account).await {
                Ok(tenant) => tenant,
                // Nobody's: the installation itself has no names. Whatever else is wrong with the request is found first, as
                // it is where the account is there and denies.
                Err(EngineError::NotFound(Noun::Tenant(_))) => TenantId::INSTALLATION,
                Err(error) => return Err(self.unrecorded(&error)),
            };
        }
        Ok(KeyReference::Name(name))
    }

    /// A key that the request may leave out.
    pub(crate) async fn optional_key(
        &self,
        text: Option<&str>,
        accepts: Accepts,
    ) -> Result<Option<KeyReference>, Fault> {
        match text {
            Some(text) => Ok(Some(self.key(text, accepts).await?)),
            None => Ok(None),
        }
    }

    /// An alias of the caller's own, by its name.
    pub(crate) fn alias(&self, text: &str) -> Name {
        Name { tenant: self.caller.tenant, region: Box::from(&*self.region), kind: ALIAS, text: text.into() }
    }

    fn name(&self, text: &str, accepts: Accepts) -> Option<Name> {
        if text.starts_with(ALIAS_PREFIX) {
            return accepts.aliases().then(|| self.alias(text));
        }
        is_key_id(text).then(|| Name { kind: KEY_ID, ..self.alias(text) })
    }

    /// What a caller is told of another account's key that is not there.
    pub(crate) fn hidden(&self) -> Fault {
        Fault::own("AccessDeniedException", error::hidden(&self.caller.policy_name, self.operation))
    }
}

/// A UUID, or the id of a multi-Region key: `mrk-` and 32 hexadecimal digits.
pub(crate) fn is_key_id(text: &str) -> bool {
    let hexadecimal = |byte: u8| byte.is_ascii_hexdigit();
    if let Some(digits) = text.strip_prefix("mrk-") {
        return digits.len() == 32 && digits.bytes().all(hexadecimal);
    }
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => hexadecimal(byte),
        })
}

/// An alias that is not AWS's own, as `CreateAlias` takes them. A colon is in AWS's pattern, and refused all the same.
pub(crate) fn is_alias(text: &str) -> bool {
    let name = text.strip_prefix(ALIAS_PREFIX).filter(|name| !name.is_empty() && !name.starts_with("aws/"));
    let name = name.filter(|name| !name.contains(':'));
    name.is_some() && limits::NAME.contains(&text.len()) && text.chars().all(check::is_name_character)
}

/// A client's text, as much of it as an answer repeats.
fn shortened(text: &str) -> String {
    text.chars().take(limits::QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_are_told_from_other_texts() {
        for id in ["1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab"] {
            assert!(is_key_id(id), "{id}");
        }
        for text in
            ["", "nonsense", "1234abcd-12ab-34cd-56ef-1234567890a", "mrk-12", "1234abcd012ab-34cd-56ef-1234567890ab"]
        {
            assert!(!is_key_id(text), "{text}");
        }
    }

    #[test]
    fn an_arn_is_one_of_kms_or_none() {
        let arn = Arn::parse("arn:aws:kms:eu-west-1:111122223333:alias/a:b").unwrap();
        assert_eq!((arn.region, arn.account, arn.resource), ("eu-west-1", "111122223333", "alias/a:b"));
        assert!(Arn::parse("arn:aws:s3:eu-west-1:111122223333:key/x").is_none());
        assert!(Arn::parse("arn:aws:kms:eu-west-1").is_none());
    }
}
