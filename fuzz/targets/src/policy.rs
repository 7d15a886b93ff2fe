//! Policy documents: reading, compiling, deciding.

use std::net::IpAddr;

use strongroom_policy::{
    Attributes, ConditionKey, Document, Effect, Kind, PolicySet, Principal, PrincipalName, Proved, Request, Value,
    evaluate, explain, shown,
};

const ACCOUNT: &str = "111122223333";
const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const PRINCIPALS: [Principal<'_>; 6] = [
    Principal::Root { arn: "arn:aws:iam::111122223333:root", account: ACCOUNT },
    USER,
    Principal::AssumedRole {
        arn: "arn:aws:sts::444455556666:assumed-role/Auditor/session",
        role_arn: "arn:aws:iam::444455556666:role/Auditor",
        account: "444455556666",
        id: "AROAAAAAAAAAAAAAAAAA:session",
    },
    Principal::WebIdentity { provider: "arn:aws:iam::111122223333:oidc-provider/oidc.example" },
    Principal::Service { name: "backup.amazonaws.com" },
    Principal::Internal,
];
const USER: Principal<'_> = Principal::User {
    arn: "arn:aws:iam::111122223333:user/alice",
    account: ACCOUNT,
    id: "AIDAAAAAAAAAAAAAAAAA",
    name: "alice",
};

/// A document, as each kind of policy, held against requests of each kind of principal.
pub fn policy(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for kind in [Kind::Resource, Kind::Identity, Kind::Trust, Kind::Guardrail] {
        match Document::parse(text, kind) {
            Ok(document) => {
                show(text, &document);
                decide(document);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// With every ARN of a principal replaced, a document is the same but for these.
fn show(text: &str, document: &Document) {
    const GONE: &str = "AIDAGONEGONEGONEGONE";
    assert_eq!(shown(text, |_| None), text, "shown otherwise than it came");
    let is_arn = |name: &str| matches!(PrincipalName::parse(name), Some(PrincipalName::Arn { .. }));
    let replaced = shown(text, |name| is_arn(name).then_some(GONE));
    let replaced = Document::parse(&replaced, document.kind()).unwrap();
    let expected = document.principals().map(|name| match name {
        PrincipalName::Arn { .. } => PrincipalName::UniqueId(GONE),
        other => other,
    });
    assert!(replaced.principals().eq(expected), "another principal was replaced, or one was missed");
}

fn decide(document: Document) {
    let kind = document.kind();
    let allows = document.statements().any(|(_, effect)| effect == Effect::Allow);
    assert!(!(allows && kind == Kind::Guardrail), "a guardrail allows");
    let policy = [document.compile()];
    let nothing = || Document::parse(DENY_ALL, Kind::Guardrail).unwrap().compile();
    let guardrail = [nothing()];
    for principal in PRINCIPALS {
        let request = Request {
            action: "kms:Encrypt",
            resource: KEY,
            resource_account: ACCOUNT,
            principal,
            proved: Proved::default(),
            attributes: &EveryKind,
            grant_constraints_apply: true,
            crosses_accounts: true,
        };
        let set = match kind {
            Kind::Resource | Kind::Trust => PolicySet { resource_policy: policy.first(), ..PolicySet::default() },
            Kind::Identity => PolicySet { identity_policies: &policy, ..PolicySet::default() },
            Kind::Guardrail => PolicySet { key_guardrails: &policy, ..PolicySet::default() },
        };
        let decision = evaluate(&request, &set);
        assert_eq!(explain(&request, &set).decision, decision, "the explanation is of another decision");
        assert!(allows || principal != USER || !decision.is_allowed(), "allowed by nothing");
        let guarded = PolicySet { tenant_guardrails: &guardrail, ..set };
        assert!(!evaluate(&request, &guarded).is_allowed(), "allowed past a guardrail");
    }
}

const DENY_ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

/// Answers each condition key with values of several kinds, so that every operator meets all of them.
struct EveryKind;

impl Attributes for EveryKind {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let values = [
            Value::Text("finance"),
            Value::Number(7),
            Value::Bool(true),
            Value::Time(1_769_851_800_123),
            Value::Address(IpAddr::from([192, 0, 2, 7])),
            Value::Text(""),
        ];
        // By the length of the key's name; every fifth key has no value, the others have two.
        let from = key.as_written().len();
        (!from.is_multiple_of(5) && index < 2).then(|| values[(from + index) % values.len()])
    }

    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        (index == 0).then_some(("department", "finance"))
    }
}
