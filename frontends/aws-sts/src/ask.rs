//! What a request for a session says, read and checked, and the constraints that it breaks, in AWS's words.

use std::ops::RangeInclusive;

use crate::form::Form;
use crate::{Answer, limits};

/// A role as a request names it: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
pub(crate) struct RoleArn<'a> {
    pub(crate) arn: &'a str,
    pub(crate) partition: &'a str,
    pub(crate) account: &'a str,
    /// The name without its path.
    pub(crate) name: &'a str,
}

impl<'a> RoleArn<'a> {
    fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (Some("arn"), Some(partition), Some("iam"), Some("")) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let account = parts.next().filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
        let name = parts.next()?.strip_prefix("role/")?.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self { arn, partition, account: account?, name })
    }
}

/// A request for a session of a role.
pub(crate) struct Ask<'a> {
    pub(crate) role: RoleArn<'a>,
    pub(crate) session_name: &'a str,
    pub(crate) seconds: Option<u32>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) external_id: Option<&'a str>,
    pub(crate) source_identity: Option<&'a str>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tag_keys: Vec<String>,
    /// The token of an issuer; empty where the request is not of that kind.
    pub(crate) token: &'a str,
}

/// Constraints that a request breaks.
#[derive(Default)]
struct Broken(Vec<String>);

impl Broken {
    fn add(&mut self, value: Option<&str>, path: &str, rule: &str) {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        self.0.push(format!("Value {value} at '{path}' failed to satisfy constraint: Member must {rule}"));
    }

    fn length<'v>(
        &mut self,
        path: &str,
        value: Option<&'v str>,
        allowed: &RangeInclusive<usize>,
        is_shown: bool,
    ) -> Option<&'v str> {
        let value = value?;
        let shown = if is_shown { value } else { "***" };
        let length = value.chars().count();
        if length < *allowed.start() {
            let rule = format!("have length greater than or equal to {}", allowed.start());
            self.add(Some(shown), path, &rule);
        } else if length > *allowed.end() {
            let rule = format!("have length less than or equal to {}", allowed.end());
            self.add(Some(shown), path, &rule);
        }
        Some(value)
    }

    fn required<'v>(
        &mut self,
        path: &str,
        value: Option<&'v str>,
        allowed: &RangeInclusive<usize>,
        is_shown: bool,
    ) -> &'v str {
        if value.is_none() {
            self.add(None, path, "not be null");
        }
        self.length(path, value, allowed, is_shown).unwrap_or_default()
    }

    fn characters(&mut self, path: &str, value: Option<&str>, others: &str, pattern: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        if let Some(value) = value.filter(|value| !value.chars().all(allowed)) {
            self.add(Some(value), path, &format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// The text of a tag: letters, digits and spaces of any script, and a few signs.
    fn tag(&mut self, path: &str, value: &str, allowed: &RangeInclusive<usize>, quantifier: char) {
        self.length(path, Some(value), allowed, true);
        let fits = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        if !value.chars().all(fits) {
            let rule = format!(r"satisfy regular expression pattern: [\p{{L}}\p{{Z}}\p{{N}}_.:/=+\-@]{quantifier}");
            self.add(Some(value), path, &rule);
        }
    }

    fn answer(self) -> Option<Answer> {
        let (count, plural) = (self.0.len(), if self.0.len() == 1 { "" } else { "s" });
        let told = || format!("{count} validation error{plural} detected: {}", self.0.join("; "));
        (count > 0).then(|| validation(told()))
    }
}

/// A value that is not as it should be.
pub(crate) fn validation(message: impl Into<String>) -> Answer {
    Answer::refusal("ValidationError", message)
}

impl<'a> Ask<'a> {
    /// Reads a request, with the token of an issuer or signed.
    pub(crate) fn read(form: &'a Form<'_>, with_token: bool) -> Result<Self, Answer> {
        let mut broken = Broken::default();
        let arn = broken.required("roleArn", form.value("RoleArn"), &limits::ARN, true);
        let names = r"[\w+=,.@-]*";
        let session_name = form.value("RoleSessionName");
        broken.required("roleSessionName", session_name, &limits::SESSION_NAME, true);
        broken.characters("roleSessionName", session_name, "_+=,.@-", names);
        let seconds = seconds(form, &mut broken)?;
        let policy = broken.length("policy", form.value("Policy"), &limits::POLICY, true);
        let (mut external_id, mut source_identity, mut token) = (None, None, "");
        let (mut tags, mut transitive_tag_keys) = (Vec::new(), Vec::new());
        if with_token {
            token = broken.required("webIdentityToken", form.value("WebIdentityToken"), &limits::TOKEN, false);
        } else {
            external_id = broken.length("externalId", form.value("ExternalId"), &limits::EXTERNAL_ID, true);
            broken.characters("externalId", external_id, "_+=,.@:/-", r"[\w+=,.@:\/-]*");
            let named = form.value("SourceIdentity");
            source_identity = broken.length("sourceIdentity", named, &limits::SOURCE_IDENTITY, true);
            broken.characters("sourceIdentity", source_identity, "_+=,.@-", names);
            tags = read_tags(form, &mut broken);
            transitive_tag_keys = form.members("TransitiveTagKeys", "").into_iter().map(str::to_owned).collect();
        }
        if let Some(answer) = broken.answer() {
            return Err(answer);
        }
        for (name, what) in [("PolicyArns", "Managed policies"), ("ProvidedContexts", "Provided contexts")] {
            if form.has(name) {
                return Err(validation(format!("{what} are not supported here; give the policy itself as Policy")));
            }
        }
        if form.has("SerialNumber") || form.has("TokenCode") {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
            return Err(Answer::denied(message));
        }
        let unknown = transitive_tag_keys.iter().any(|key| !tags.iter().any(|(tag, _)| tag.eq_ignore_ascii_case(key)));
        if unknown {
            return Err(validation("The specified transitive tag key must be included in the requested tags."));
        }
        Ok(Self {
            role: RoleArn::parse(arn).ok_or_else(|| validation(format!("{arn} is invalid")))?,
            session_name: session_name.unwrap_or_default(),
            seconds,
            policy,
            external_id,
            source_identity,
            tags,
            transitive_tag_keys,
            token,
        })
    }
}

fn seconds(form: &Form<'_>, broken: &mut Broken) -> Result<Option<u32>, Answer> {
    let Some(text) = form.value("DurationSeconds") else { return Ok(None) };
    let malformed = || Answer::refusal("MalformedInput", "DurationSeconds is not an integer");
    let number: i64 = text.parse().map_err(|_| malformed())?;
    let (least, most) = (*limits::SECONDS.start(), *limits::SECONDS.end());
    if number < i64::from(least) {
        broken.add(Some(text), "durationSeconds", &format!("have value greater than or equal to {least}"));
    } else if number > i64::from(most) {
        broken.add(Some(text), "durationSeconds", &format!("have value less than or equal to {most}"));
    }
    Ok(u32::try_from(number).ok())
}

fn read_tags(form: &Form<'_>, broken: &mut Broken) -> Vec<(String, String)> {
    let keys = form.members("Tags", ".Key");
    if keys.len() > limits::TAGS {
        broken.add(Some("[...]"), "tags", &format!("have length less than or equal to {}", limits::TAGS));
    }
    let mut tags = Vec::with_capacity(keys.len());
    for (index, key) in keys.into_iter().enumerate() {
        let path = |part: &str| format!("tags.{}.member.{part}", index + 1);
        broken.tag(&path("key"), key, &limits::TAG_KEY, '+');
        let value = form.value(&format!("Tags.member.{}.Value", index + 1));
        match value {
            None => broken.add(None, &path("value"), "not be null"),
            Some(value) => broken.tag(&path("value"), value, &limits::TAG_VALUE, '*'),
        }
        tags.push((key.to_owned(), value.unwrap_or_default().to_owned()));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str, with_token: bool) -> (&'static str, String) {
        let form = Form::read("", body).unwrap();
        let answer = Ask::read(&form, with_token).err().unwrap();
        (answer.code, answer.message)
    }

    #[test]
    fn every_constraint_that_is_broken_is_told_at_once() {
        let (code, message) = refused("RoleSessionName=a/b&DurationSeconds=10", false);
        assert_eq!(code, "ValidationError");
        assert_eq!(
            message,
            "3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; \
             Value 'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             [\\w+=,.@-]*; Value '10' at 'durationSeconds' failed to satisfy constraint: Member must have value greater \
             than or equal to 900"
        );
    }

    #[test]
    fn what_names_no_role_is_refused() {
        for arn in [
            "arn:aws:iam::111122223333:user/someone",
            "arn:aws:iam::11112222333x:role/app",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:sts::111122223333:role/app",
            "arn:aws:iam:eu-west-1:111122223333:role/app",
        ] {
            let (code, message) = refused(&format!("RoleSessionName=me&RoleArn={arn}"), false);
            assert_eq!((code, message), ("ValidationError", format!("{arn} is invalid")));
        }
    }

    #[test]
    fn a_role_is_named_by_the_end_of_its_path() {
        let form = Form::read("", "RoleSessionName=me&RoleArn=arn:aws:iam::111122223333:role/a/b/app").unwrap();
        let ask = Ask::read(&form, false).ok().unwrap();
        assert_eq!((ask.role.partition, ask.role.account, ask.role.name), ("aws", "111122223333", "app"));
    }

    #[test]
    fn a_token_is_needed_and_never_told() {
        let role = "RoleSessionName=me&RoleArn=arn:aws:iam::111122223333:role/app";
        assert!(refused(role, true).1.contains("Value null at 'webIdentityToken'"));
        assert!(!refused(&format!("{role}&WebIdentityToken=abc"), true).1.contains("abc"));
    }

    #[test]
    fn what_is_not_offered_is_refused_and_not_passed_over() {
        let role = "RoleSessionName=me&RoleArn=arn:aws:iam::111122223333:role/app";
        let (code, _) = refused(&format!("{role}&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/p"), false);
        assert_eq!(code, "ValidationError");
        assert_eq!(refused(&format!("{role}&TokenCode=123456&SerialNumber=x"), false).0, "AccessDenied");
        assert_eq!(refused(&format!("{role}&TransitiveTagKeys.member.1=team"), false).0, "ValidationError");
    }
}
