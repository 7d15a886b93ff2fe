//! Requests and documents that the tests share.

use strongroom_policy::{
    Attributes, CompiledPolicy, ConditionKey, Decision, Document, Kind, PolicySet, Principal, Proved, Request, Value,
    evaluate,
};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const OTHER: &str = "444455556666";
pub(crate) const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(crate) const ROOT: Principal<'_> = Principal::Root { arn: "arn:aws:iam::111122223333:root", account: ACCOUNT };
pub(crate) const ALICE: Principal<'_> = Principal::User {
    arn: "arn:aws:iam::111122223333:user/staff/alice",
    account: ACCOUNT,
    id: "AIDAALICEALICEALICE",
    name: "alice",
};
pub(crate) const BOB: Principal<'_> = Principal::User {
    arn: "arn:aws:iam::111122223333:user/bob",
    account: ACCOUNT,
    id: "AIDABOBBOBBOBBOBBOB",
    name: "bob",
};
pub(crate) const STRANGER: Principal<'_> = Principal::User {
    arn: "arn:aws:iam::444455556666:user/mallory",
    account: OTHER,
    id: "AIDAMALLORYMALLORY1",
    name: "mallory",
};
pub(crate) const OTHER_ROOT: Principal<'_> = Principal::Root { arn: "arn:aws:iam::444455556666:root", account: OTHER };
pub(crate) const SESSION: Principal<'_> = Principal::AssumedRole {
    arn: "arn:aws:sts::111122223333:assumed-role/app/i-1",
    role_arn: "arn:aws:iam::111122223333:role/service/app",
    account: ACCOUNT,
    id: "AROAAPPAPPAPPAPPAPP:i-1",
};
pub(crate) const SERVICE: Principal<'_> = Principal::Service { name: "secrets.amazonaws.com" };

/// Condition keys and an encryption context.
#[derive(Default, Clone)]
pub(crate) struct Facts {
    pub(crate) keys: Vec<(&'static str, Vec<Value<'static>>)>,
    pub(crate) context: Vec<(&'static str, &'static str)>,
}

impl Attributes for Facts {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let (_, values) = self.keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key.as_written()))?;
        values.get(index).copied()
    }

    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        self.context.get(index).copied()
    }
}

pub(crate) fn facts(keys: &[(&'static str, &[Value<'static>])]) -> Facts {
    Facts { keys: keys.iter().map(|(key, values)| (*key, values.to_vec())).collect(), context: Vec::new() }
}

pub(crate) fn request<'a>(principal: Principal<'a>, action: &'a str, attributes: &'a Facts) -> Request<'a> {
    Request {
        action,
        resource: KEY,
        resource_account: ACCOUNT,
        principal,
        proved: Proved::default(),
        attributes,
        grant_constraints_apply: true,
        crosses_accounts: true,
    }
}

pub(crate) fn key_policy(statements: &str) -> CompiledPolicy {
    compile(statements, Kind::Resource)
}

pub(crate) fn identity(statements: &str) -> CompiledPolicy {
    compile(statements, Kind::Identity)
}

pub(crate) fn compile(statements: &str, kind: Kind) -> CompiledPolicy {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Document::parse(&text, kind).unwrap_or_else(|error| panic!("{error}: {text}")).compile()
}

/// The key policy that a key gets when its creator names none.
pub(crate) fn default_key_policy() -> CompiledPolicy {
    key_policy(
        r#"{"Sid":"Enable IAM User Permissions","Effect":"Allow",
            "Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#,
    )
}

/// Whether an identity policy with this condition alone lets Alice encrypt.
pub(crate) fn condition_holds(condition: &str, facts: &Facts) -> bool {
    let policy =
        [identity(&format!(r#"{{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{condition}}}"#))];
    let set = PolicySet { identity_policies: &policy, ..PolicySet::default() };
    evaluate(&request(ALICE, "kms:Encrypt", facts), &set).is_allowed()
}

pub(crate) fn decide<'a>(
    principal: Principal<'_>,
    key_policy: Option<&'a CompiledPolicy>,
    identity_policies: &'a [CompiledPolicy],
) -> Decision<'a> {
    let set = PolicySet { resource_policy: key_policy, identity_policies, ..PolicySet::default() };
    evaluate(&request(principal, "kms:Encrypt", &Facts::default()), &set)
}
