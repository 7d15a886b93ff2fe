//! What a request for a session of a role carries, for the conditions of the role's trust policy (IAM User Guide,
//! "Available keys for AWS STS" and "Available keys for AWS OIDC federation").
//!
//! Such a request is decided like any other: the role's ARN is the resource, its trust policy the resource policy,
//! `sts:AssumeRole` or `sts:AssumeRoleWithWebIdentity` the action; session tags need `sts:TagSession` allowed too, and a source
//! identity `sts:SetSourceIdentity`. Absent: reading and verifying tokens, and what a session gets.

use crate::attributes::{Attributes, ConditionKey, NoAttributes, Value};

/// The attributes of one request for a session.
#[derive(Clone, Copy)]
pub struct AssumeRole<'a> {
    /// `sts:RoleSessionName`.
    pub session_name: &'a str,
    /// `sts:ExternalId`.
    pub external_id: Option<&'a str>,
    /// How long the session is to last, in seconds (`sts:DurationSeconds`), if the request says.
    pub duration_seconds: Option<i64>,
    /// The source identity asked for (`sts:SourceIdentity`).
    pub source_identity: Option<&'a str>,
    /// The session tags asked for (`aws:RequestTag/KEY`, `aws:TagKeys`).
    pub tags: &'a [(String, String)],
    /// Keys of tags that sessions begun from this one keep (`sts:TransitiveTagKeys`).
    pub transitive_tag_keys: &'a [String],
    /// The verified token, for a web identity.
    pub token: Option<TokenClaims<'a>>,
    /// Connection and clock; asked for every key that is not answered here.
    pub surroundings: &'a (dyn Attributes + Send + Sync),
}

impl Default for AssumeRole<'_> {
    fn default() -> Self {
        Self {
            session_name: "",
            external_id: None,
            duration_seconds: None,
            source_identity: None,
            tags: &[],
            transitive_tag_keys: &[],
            token: None,
            surroundings: &NoAttributes,
        }
    }
}

/// What conditions may ask of a verified token: `ISSUER:sub`, `ISSUER:aud` and `ISSUER:CLAIM`.
#[derive(Debug, Clone, Copy)]
pub struct TokenClaims<'a> {
    /// The issuer's URL without its scheme, as in the provider's ARN.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`.
    pub audiences: &'a [String],
    /// Other claims of text; a list stands as several pairs of one name.
    pub others: &'a [(String, String)],
}

impl<'a> TokenClaims<'a> {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<&'a str> {
        match key.claim_of(self.issuer)? {
            "sub" => Some(self.subject).filter(|_| index == 0),
            "aud" => self.audiences.get(index).map(String::as_str),
            claim => self.others.iter().filter(|(name, _)| name == claim).nth(index).map(|(_, value)| value.as_str()),
        }
    }
}

impl<'a> AssumeRole<'a> {
    /// The value of `key` at `index`, as [`Attributes::value`] counts, for as long as what it is made of lives.
    #[must_use]
    pub fn value_of(self, key: &ConditionKey, index: usize) -> Option<Value<'a>> {
        if let Some(claim) = self.token.and_then(|token| token.value(key, index)) {
            return Some(Value::Text(claim));
        }
        let first = |_: &&str| index == 0;
        match key.name() {
            "sts:rolesessionname" => Some(self.session_name).filter(first).map(Value::Text),
            "sts:externalid" => self.external_id.filter(first).map(Value::Text),
            "sts:sourceidentity" => self.source_identity.filter(first).map(Value::Text),
            "sts:durationseconds" => self.duration_seconds.filter(|_| index == 0).map(Value::Number),
            "sts:transitivetagkeys" => self.transitive_tag_keys.get(index).map(|key| Value::Text(key)),
            "aws:tagkeys" => self.tags.get(index).map(|(key, _)| Value::Text(key)),
            "aws:requesttag" => {
                let mut tags = self.tags.iter().filter(|(tag, _)| key.qualifies(tag));
                tags.nth(index).map(|(_, value)| Value::Text(value))
            }
            _ => self.surroundings.value(key, index),
        }
    }
}

impl Attributes for AssumeRole<'_> {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        self.value_of(key, index)
    }
}
