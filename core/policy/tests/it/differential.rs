//! The engine against an independent evaluator, `iam-rs`, over generated policies and requests.
//!
//! The generator stays where both claim AWS's semantics. Where the two part, a named case below says who is right
//! by AWS's documentation; each fails when either side changes its mind.

use iam_rs::{Context, ContextValue, IAMPolicy, IAMRequest, PolicyEvaluator};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use strongroom_policy::{CompiledPolicy, Document, Kind, Outcome, PolicySet, Principal, Request, Value, evaluate};

use crate::support::*;

/// One key of a generated request, in both evaluators' terms.
#[derive(Debug, Clone)]
enum Fact {
    Text(&'static str),
    Texts(Vec<&'static str>),
    Number(i32),
    Bool(bool),
}

impl Fact {
    fn ours(&self) -> Vec<Value<'static>> {
        match self {
            Self::Text(text) => vec![Value::Text(text)],
            Self::Texts(texts) => texts.iter().map(|text| Value::Text(text)).collect(),
            Self::Number(number) => vec![Value::Number(i64::from(*number))],
            Self::Bool(value) => vec![Value::Bool(*value)],
        }
    }

    fn theirs(&self) -> ContextValue {
        match self {
            Self::Text(text) => ContextValue::String((*text).to_owned()),
            Self::Texts(texts) => ContextValue::StringList(texts.iter().map(|text| (*text).to_owned()).collect()),
            Self::Number(number) => ContextValue::Number(f64::from(*number)),
            Self::Bool(value) => ContextValue::Boolean(*value),
        }
    }
}

type Keys = Vec<(&'static str, Fact)>;

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Deny,
    Silent,
}

fn theirs(policy: &str, arn: &str, action: &str, resource: &str, keys: &Keys) -> Verdict {
    let policy: IAMPolicy = serde_json::from_str(policy).unwrap();
    let mut context = Context::new();
    for (key, fact) in keys {
        context.insert((*key).to_owned(), fact.theirs());
    }
    let principal = iam_rs::Principal::Aws(iam_rs::PrincipalId::String(arn.to_owned()));
    let resource = iam_rs::Arn::parse(resource).unwrap();
    let request = IAMRequest::new_with_context(principal, action, resource, context);
    match PolicyEvaluator::with_policies(vec![policy]).evaluate(&request).unwrap().decision {
        iam_rs::Decision::Allow => Verdict::Allow,
        iam_rs::Decision::Deny => Verdict::Deny,
        iam_rs::Decision::NotApplicable => Verdict::Silent,
    }
}

fn ours(policy: &str, kind: Kind, principal: Principal<'_>, action: &str, resource: &str, keys: &Keys) -> Verdict {
    let policy: [CompiledPolicy; 1] =
        [Document::parse(policy, kind).unwrap_or_else(|e| panic!("{e}: {policy}")).compile()];
    let facts = Facts { keys: keys.iter().map(|(key, fact)| (*key, fact.ours())).collect(), context: Vec::new() };
    let set = match kind {
        Kind::Resource => PolicySet { resource_policy: Some(&policy[0]), ..PolicySet::default() },
        _ => PolicySet { identity_policies: &policy, ..PolicySet::default() },
    };
    match evaluate(&Request { resource, ..request(principal, action, &facts) }, &set).outcome {
        Outcome::Allow => Verdict::Allow,
        Outcome::ExplicitDeny(_) => Verdict::Deny,
        Outcome::ImplicitDeny(_) => Verdict::Silent,
    }
}

const ALICE_ARN: &str = "arn:aws:iam::111122223333:user/staff/alice";
const BOB_ARN: &str = "arn:aws:iam::111122223333:user/bob";

const ACTIONS: &[&str] = &["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "s3:GetObject", "KMS:encrypt"];
const ACTION_PATTERNS: &[&str] =
    &["*", "kms:*", "kms:Encrypt", "kms:*crypt", "KMS:DECRYPT", "kms:Generate*", "kms:?ncrypt", "s3:*", "s3:Get?bject"];
const RESOURCES: &[&str] = &[
    "arn:aws:kms:eu-west-1:111122223333:key/a1",
    "arn:aws:kms:eu-west-1:111122223333:key/b/c:d",
    "arn:aws:kms:us-east-1:111122223333:alias/a1",
    "arn:aws:s3:::bucket/a/b",
];
const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "arn:aws:kms:*:*:*",
    "arn:aws:kms:eu-west-?:111122223333:key/*",
    "arn:aws:kms:*:111122223333:*/a1",
    "arn:aws:kms:eu-west-1:111122223333:key/a1",
    "arn:*:s3:::bucket/*",
    "arn:aws:s3:::bucket/*/b",
    "arn:aws:kms:*:*:key/*:d",
];
const TEXTS: &[&str] = &["a", "b", "ab", "A", "aab", "", "é"];
const TEXT_PATTERNS: &[&str] = &["a", "b", "ab", "A", "a*", "*b", "?", "a?b", "*a*", ""];
const ARNS: &[&str] = &["arn:aws:s3:::a", "arn:aws:s3:::ab", "arn:aws:sqs:eu:1:q", "arn:aws:sns:eu:1:t"];
const ARN_PATTERNS: &[&str] = &["arn:aws:s3:::a", "arn:aws:s3:::a*", "arn:aws:s*:eu:1:?", "arn:aws:sqs:*:1:q"];
const ADDRESSES: &[&str] = &["10.1.2.3", "192.0.2.7", "2001:db8::5", "203.0.113.9"];
const NETWORKS: &[&str] = &["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "0.0.0.0/0", "203.0.113.0/29"];
const DATES: &[&str] = &["2025-11-21T12:00:00Z", "2025-11-21T13:00:00+01:00", "2025-11-21T12:00:01Z", "1763726400"];

fn pick(from: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(from)
}

/// One or several strings, as JSON.
fn one_or_more(from: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(pick(from), 1..4).prop_map(|list| match list.as_slice() {
        [one] => format!("{one:?}"),
        many => format!("{many:?}"),
    })
}

const TEXT_OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "StringEqualsIfExists",
    "StringNotEqualsIfExists",
    "StringEqualsIgnoreCaseIfExists",
    "StringNotEqualsIgnoreCaseIfExists",
    "StringLikeIfExists",
    "StringNotLikeIfExists",
];
const SET_OPERATORS: &[&str] = &[
    "ForAllValues:StringEquals",
    "ForAnyValue:StringEquals",
    "ForAllValues:StringNotEquals",
    "ForAnyValue:StringNotEquals",
    "ForAllValues:StringLike",
    "ForAnyValue:StringLike",
    "ForAllValues:StringNotLike",
    "ForAnyValue:StringNotLike",
    "ForAllValues:StringEqualsIgnoreCase",
    "ForAnyValue:StringEqualsIgnoreCase",
    "StringEquals",
    "StringLike",
    "StringEqualsIgnoreCase",
];
const NUMBER_OPERATORS: &[&str] = &[
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericEqualsIfExists",
    "NumericLessThanIfExists",
];
const DATE_OPERATORS: &[&str] = &[
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThanIfExists",
];

/// One condition: operator, key and values, as JSON.
fn condition() -> impl Strategy<Value = String> {
    let on = |operators: &'static [&'static str], key: &'static str, values: BoxedStrategy<String>| {
        (pick(operators), values).prop_map(move |(operator, values)| format!(r#""{operator}":{{"{key}":{values}}}"#))
    };
    let numbers = prop_oneof![(-3..4i32).prop_map(|n| n.to_string()), (-3..4i32).prop_map(|n| format!("\"{n}.5\""))];
    let truths = prop_oneof![Just("true".to_owned()), Just("false".to_owned()), Just("\"true\"".to_owned())];
    prop_oneof![
        on(TEXT_OPERATORS, "x:text", one_or_more(TEXT_PATTERNS).boxed()),
        on(SET_OPERATORS, "x:texts", one_or_more(TEXT_PATTERNS).boxed()),
        on(&["ArnEquals", "ArnNotEquals", "ArnEqualsIfExists"], "x:arn", one_or_more(ARNS).boxed()),
        on(&["ArnLike", "ArnNotLike", "ForAnyValue:ArnLike"], "x:arn", one_or_more(ARN_PATTERNS).boxed()),
        on(NUMBER_OPERATORS, "x:number", numbers.boxed()),
        on(DATE_OPERATORS, "x:date", one_or_more(DATES).boxed()),
        on(&["Bool", "BoolIfExists"], "x:bool", truths.boxed()),
        on(&["IpAddress", "NotIpAddress", "IpAddressIfExists"], "x:address", one_or_more(NETWORKS).boxed()),
        (prop::sample::select(&["x:text", "x:texts", "x:number", "x:bool"][..]), any::<bool>())
            .prop_map(|(key, absent)| format!(r#""Null":{{"{key}":"{absent}"}}"#)),
    ]
}

fn keys() -> impl Strategy<Value = Keys> {
    let maybe = |key: &'static str, fact: BoxedStrategy<Fact>| {
        prop::option::of(fact).prop_map(move |fact| fact.map(|fact| (key, fact)))
    };
    (
        maybe("x:text", pick(TEXTS).prop_map(Fact::Text).boxed()),
        maybe("x:texts", prop::collection::vec(pick(&["a", "b", "ab", "A"]), 1..4).prop_map(Fact::Texts).boxed()),
        maybe("x:arn", pick(ARNS).prop_map(Fact::Text).boxed()),
        maybe(
            "x:number",
            prop_oneof![(-3..4i32).prop_map(Fact::Number), pick(&["2", "-1.5", "x"]).prop_map(Fact::Text)].boxed(),
        ),
        maybe("x:date", prop_oneof![pick(DATES).prop_map(Fact::Text), Just(Fact::Number(1_763_726_400))].boxed()),
        maybe("x:bool", any::<bool>().prop_map(Fact::Bool).boxed()),
        maybe("x:address", pick(ADDRESSES).prop_map(Fact::Text).boxed()),
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].into_iter().flatten().collect())
}

/// A statement without its principal: effect and the rest, as JSON members.
fn statement() -> impl Strategy<Value = (&'static str, String)> {
    (
        pick(&["Allow", "Allow", "Deny"]),
        pick(&["Action", "Action", "NotAction"]),
        one_or_more(ACTION_PATTERNS),
        pick(&["Resource", "Resource", "NotResource"]),
        one_or_more(RESOURCE_PATTERNS),
        prop::option::of(condition()),
    )
        .prop_map(|(effect, action, actions, resource, resources, condition)| {
            let condition = condition.map(|body| format!(r#","Condition":{{{body}}}"#)).unwrap_or_default();
            (effect, format!(r#""Effect":"{effect}","{action}":{actions},"{resource}":{resources}{condition}"#))
        })
}

fn identity_policy() -> impl Strategy<Value = String> {
    prop::collection::vec(statement(), 1..5).prop_map(|list| {
        let list: Vec<_> = list.into_iter().map(|(_, body)| format!("{{{body}}}")).collect();
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, list.join(","))
    })
}

fn resource_policy() -> impl Strategy<Value = String> {
    let allowed = prop_oneof![
        Just(r#""Principal":"*""#.to_owned()),
        one_or_more(&[ALICE_ARN, BOB_ARN, "*", "111122223333", "arn:aws:iam::444455556666:user/mallory"])
            .prop_map(|list| format!(r#""Principal":{{"AWS":{list}}}"#)),
    ];
    let denied = prop_oneof![
        Just(r#""Principal":"*""#.to_owned()),
        (pick(&["Principal", "NotPrincipal"]), one_or_more(&[ALICE_ARN, BOB_ARN]))
            .prop_map(|(element, list)| format!(r#""{element}":{{"AWS":{list}}}"#)),
    ];
    prop::collection::vec((statement(), allowed, denied), 1..5).prop_map(|list| {
        let list: Vec<_> = list
            .into_iter()
            .map(|((effect, body), allowed, denied)| {
                format!("{{{},{body}}}", if effect == "Allow" { allowed } else { denied })
            })
            .collect();
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, list.join(","))
    })
}

/// The same cases in every run.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(20_260_101), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn identity_policies_decide_alike(
        policy in identity_policy(), action in pick(ACTIONS), resource in pick(RESOURCES), keys in keys(),
    ) {
        prop_assert_eq!(
            ours(&policy, Kind::Identity, ALICE, action, resource, &keys),
            theirs(&policy, ALICE_ARN, action, resource, &keys)
        );
    }

    #[test]
    fn resource_policies_decide_alike(
        policy in resource_policy(), action in pick(ACTIONS), resource in pick(RESOURCES), keys in keys(),
        bob in any::<bool>(),
    ) {
        let (principal, arn) = if bob { (BOB, BOB_ARN) } else { (ALICE, ALICE_ARN) };
        prop_assert_eq!(
            ours(&policy, Kind::Resource, principal, action, resource, &keys),
            theirs(&policy, arn, action, resource, &keys)
        );
    }
}

/// Who asks, with the names that a key policy may know it by: itself, its role, its account's root.
struct Asker {
    principal: Principal<'static>,
    direct: &'static str,
    role: Option<&'static str>,
    root: &'static str,
}

const SESSION_ARN: &str = "arn:aws:sts::111122223333:assumed-role/app/i-1";
const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/service/app";
const ROOT_ARN: &str = "arn:aws:iam::111122223333:root";
const OTHER_ROOT_ARN: &str = "arn:aws:iam::444455556666:root";
const STRANGE_ARN: &str = "arn:aws:sts::444455556666:assumed-role/app/i-1";
const STRANGE_ROLE_ARN: &str = "arn:aws:iam::444455556666:role/app";

const ASKERS: [Asker; 3] = [
    Asker { principal: ALICE, direct: ALICE_ARN, role: None, root: ROOT_ARN },
    Asker { principal: SESSION, direct: SESSION_ARN, role: Some(ROLE_ARN), root: ROOT_ARN },
    Asker {
        principal: Principal::AssumedRole {
            arn: STRANGE_ARN,
            role_arn: STRANGE_ROLE_ARN,
            account: OTHER,
            id: "AROASTRANGESTRANGE1:i-1",
        },
        direct: STRANGE_ARN,
        role: Some(STRANGE_ROLE_ARN),
        root: OTHER_ROOT_ARN,
    },
];

fn key_policy_for_askers() -> impl Strategy<Value = String> {
    let named = [ALICE_ARN, SESSION_ARN, ROLE_ARN, ROOT_ARN, OTHER_ROOT_ARN, STRANGE_ARN, STRANGE_ROLE_ARN, "*"];
    let named = prop::collection::vec(prop::sample::select(named.to_vec()), 1..3);
    prop::collection::vec((statement(), named), 1..4).prop_map(|list| {
        let statements =
            list.into_iter().map(|((_, body), named)| format!(r#"{{"Principal":{{"AWS":{named:?}}},{body}}}"#));
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.collect::<Vec<_>>().join(","))
    })
}

/// Everything that may decide one request, as texts.
#[derive(Debug, Clone)]
struct Texts {
    key: Option<String>,
    identity: Vec<String>,
    boundary: Option<String>,
    session: Vec<String>,
}

fn texts() -> impl Strategy<Value = Texts> {
    (
        prop::option::weighted(0.9, key_policy_for_askers()),
        prop::collection::vec(identity_policy(), 0..3),
        prop::option::weighted(0.3, identity_policy()),
        prop::collection::vec(identity_policy(), 0..3),
    )
        .prop_map(|(key, identity, boundary, session)| Texts { key, identity, boundary, session })
}

/// What the other evaluator says of each policy alone, combined as the documentation's diagrams do.
fn combined(texts: &Texts, asker: &Asker, action: &str, resource: &str, keys: &Keys) -> Verdict {
    let of = |policy: &String, arn: &str| theirs(policy, arn, action, resource, keys);
    let by_key = |arn: Option<&str>| match (&texts.key, arn) {
        (Some(policy), Some(arn)) => of(policy, arn),
        _ => Verdict::Silent,
    };
    let all = |policies: &[String]| {
        let verdicts: Vec<_> = policies.iter().map(|policy| of(policy, asker.direct)).collect();
        [Verdict::Deny, Verdict::Allow]
            .into_iter()
            .find(|verdict| verdicts.contains(verdict))
            .unwrap_or(Verdict::Silent)
    };
    let (direct, role, account) = (by_key(Some(asker.direct)), by_key(asker.role), by_key(Some(asker.root)));
    let identity = all(&texts.identity);
    let boundary = texts.boundary.as_ref().map_or(Verdict::Allow, |policy| of(policy, asker.direct));
    let session = if texts.session.is_empty() { Verdict::Allow } else { all(&texts.session) };
    if [&direct, &role, &account, &identity, &boundary, &session].contains(&&Verdict::Deny) {
        return Verdict::Deny;
    }
    let allows = |verdict: &Verdict| *verdict == Verdict::Allow;
    let own_account = asker.principal.account() == Some(ACCOUNT);
    let limits = allows(&boundary) && allows(&session);
    let key_side = match texts.key {
        Some(_) => allows(&direct) || allows(&role) || allows(&account),
        None => own_account,
    };
    let allowed = (own_account && allows(&direct))
        || (own_account && allows(&role) && limits)
        || (key_side && allows(&identity) && limits);
    if allowed { Verdict::Allow } else { Verdict::Silent }
}

fn decided(texts: &Texts, asker: &Asker, action: &str, resource: &str, keys: &Keys) -> Verdict {
    let compiled =
        |text: &String, kind| Document::parse(text, kind).unwrap_or_else(|e| panic!("{e}: {text}")).compile();
    let list = |texts: &[String]| texts.iter().map(|text| compiled(text, Kind::Identity)).collect::<Vec<_>>();
    let key = texts.key.as_ref().map(|text| compiled(text, Kind::Resource));
    let boundary = texts.boundary.as_ref().map(|text| compiled(text, Kind::Identity));
    let (identity_policies, session_policies) = (list(&texts.identity), list(&texts.session));
    let set = PolicySet {
        resource_policy: key.as_ref(),
        identity_policies: &identity_policies,
        permissions_boundary: boundary.as_ref(),
        session_policies: &session_policies,
        ..PolicySet::default()
    };
    let facts = Facts { keys: keys.iter().map(|(key, fact)| (*key, fact.ours())).collect(), context: Vec::new() };
    match evaluate(&Request { resource, ..request(asker.principal, action, &facts) }, &set).outcome {
        Outcome::Allow => Verdict::Allow,
        Outcome::ExplicitDeny(_) => Verdict::Deny,
        Outcome::ImplicitDeny(_) => Verdict::Silent,
    }
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn whole_sets_of_policies_decide_alike(
        texts in texts(), asker in 0..ASKERS.len(), action in pick(ACTIONS), resource in pick(RESOURCES), keys in keys(),
    ) {
        let asker = &ASKERS[asker];
        prop_assert_eq!(
            decided(&texts, asker, action, resource, &keys),
            combined(&texts, asker, action, resource, &keys)
        );
    }
}

/// Holds one condition of an identity policy against both: whether ours and theirs let the request pass.
fn both(condition: &str, keys: &[(&'static str, Fact)]) -> (bool, bool) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{{condition}}}}}]}}"#
    );
    let keys = keys.to_vec();
    (
        ours(&policy, Kind::Identity, ALICE, "kms:Encrypt", KEY, &keys) == Verdict::Allow,
        theirs(&policy, ALICE_ARN, "kms:Encrypt", KEY, &keys) == Verdict::Allow,
    )
}

const OURS_ALONE: (bool, bool) = (true, false);
const THEIRS_ALONE: (bool, bool) = (false, true);

/// "The ArnEquals and ArnLike condition operators behave identically": both take wildcards.
#[test]
fn divergence_arn_equals_takes_wildcards() {
    let keys = [("x:arn", Fact::Text("arn:aws:s3:::ab"))];
    assert_eq!(both(r#""ArnEquals":{"x:arn":"arn:aws:s3:::a*"}"#, &keys), OURS_ALONE);
}

/// "Each of the six colon-delimited components of the ARN is checked separately."
#[test]
fn divergence_arn_wildcards_stay_in_their_component() {
    let keys = [("x:arn", Fact::Text("arn:aws:iam::444455556666:user/111122223333:a"))];
    assert_eq!(both(r#""ArnLike":{"x:arn":"arn:aws:iam::*:111122223333:*"}"#, &keys), (false, false));
    let keys = [("x:arn", Fact::Text("arn:aws:iam:eu:1:a:user/b"))];
    assert_eq!(both(r#""ArnLike":{"x:arn":"arn:aws:iam:*:user/b:*"}"#, &keys), (false, false));
    let keys = [("x:arn", Fact::Text("arn:aws:iam:eu:1:2:x:user/b"))];
    assert_eq!(both(r#""ArnLike":{"x:arn":"arn:aws:*:*:x:user/b"}"#, &keys), THEIRS_ALONE);
}

/// "It compares the value of the specified key byte for byte": two values whose base64 differs in case differ.
#[test]
fn divergence_binary_values_keep_their_case() {
    let keys = [("x:binary", Fact::Text("QmluYXJ5"))];
    assert_eq!(both(r#""BinaryEquals":{"x:binary":"qmluyxj5"}"#, &keys), THEIRS_ALONE);
}

/// Variables stand in conditions too ("Where you can use policy variables").
#[test]
fn divergence_variables_are_expanded_in_conditions() {
    let keys = [("x:text", Fact::Text("red")), ("x:team", Fact::Text("red"))];
    assert_eq!(both(r#""StringEquals":{"x:text":"${x:team}"}"#, &keys), OURS_ALONE);
}

/// A variable without a value matches no resource; the other takes it for empty text.
#[test]
fn divergence_a_variable_without_a_value_matches_no_resource() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*",
        "Resource":"arn:aws:s3:::bucket${x:team}/*"}]}"#;
    let (resource, keys) = ("arn:aws:s3:::bucket/a", Vec::new());
    assert_eq!(ours(policy, Kind::Identity, ALICE, "s3:GetObject", resource, &keys), Verdict::Silent);
    assert_eq!(theirs(policy, ALICE_ARN, "s3:GetObject", resource, &keys), Verdict::Allow);
}

/// A value that a variable brings in is text: else who may set a tag to `*` could reach every resource.
#[test]
fn divergence_a_value_brings_no_wildcards() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*",
        "Resource":"arn:aws:s3:::${x:team}/*"}]}"#;
    let (resource, keys) = ("arn:aws:s3:::bucket/a", vec![("x:team", Fact::Text("*"))]);
    assert_eq!(ours(policy, Kind::Identity, ALICE, "s3:GetObject", resource, &keys), Verdict::Silent);
    assert_eq!(theirs(policy, ALICE_ARN, "s3:GetObject", resource, &keys), Verdict::Allow);
}

/// A negated operator is the negation of its positive form; AWS asks for a set operator here and leaves it open.
#[test]
fn divergence_a_negated_operator_over_several_values_wants_none_to_match() {
    let keys = [("x:texts", Fact::Texts(vec!["a", "b"]))];
    assert_eq!(both(r#""StringNotEquals":{"x:texts":"a"}"#, &keys), THEIRS_ALONE);
}

/// ForAllValues "also returns true if ... the key values resolve to a null data set, such as an empty string".
#[test]
fn divergence_empty_text_is_an_empty_set() {
    let keys = [("x:texts", Fact::Texts(vec![""]))];
    assert_eq!(both(r#""ForAllValues:StringEquals":{"x:texts":"a"}"#, &keys), OURS_ALONE);
}

/// An asterisk in the request is a character that a wildcard covers like any other.
#[test]
fn divergence_a_wildcard_covers_an_asterisk() {
    let keys = [("x:text", Fact::Text("*a"))];
    assert_eq!(both(r#""StringLike":{"x:text":"*a"}"#, &keys), (true, true));
    let keys = [("x:text", Fact::Text("*b"))];
    assert_eq!(both(r#""StringLike":{"x:text":"*"}"#, &keys), OURS_ALONE);
}

/// Decimals are compared exactly; binary fractions of 64 bits can't tell these two apart.
#[test]
fn divergence_large_numbers_are_told_apart() {
    let keys = [("x:number", Fact::Text("9007199254740992"))];
    assert_eq!(both(r#""NumericEquals":{"x:number":"9007199254740993"}"#, &keys), THEIRS_ALONE);
}

/// A denial of an account holds for its users ("AWS account principals"); the other reads it as its root alone.
#[test]
fn divergence_an_account_stands_for_its_users() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"111122223333"},
        "Action":"*","Resource":"*"}]}"#;
    assert_eq!(ours(policy, Kind::Resource, ALICE, "kms:Encrypt", KEY, &Vec::new()), Verdict::Deny);
    assert_eq!(theirs(policy, ALICE_ARN, "kms:Encrypt", KEY, &Vec::new()), Verdict::Silent);
}
