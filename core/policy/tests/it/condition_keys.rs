//! Every condition key of the table is asked for, and answered by whoever the table says.

use std::net::{IpAddr, Ipv4Addr};

use strongroom_policy::{
    CONDITION_KEYS, Holds, KnownKey, PolicySet, Proved, Request, Supplier, Value, Values, evaluate,
};

use crate::support::*;

/// The operator that suits a key, a value that it may have in a request, the same in a policy, and another in a policy.
fn sample(holds: Holds) -> (&'static str, Value<'static>, &'static str, &'static str) {
    match holds {
        Holds::Text => ("StringEquals", Value::Text("one"), "one", "two"),
        Holds::Arn => ("ArnLike", Value::Text("arn:aws:s3:::one"), "arn:aws:s3:::o*", "arn:aws:s3:::two"),
        Holds::Bool => ("Bool", Value::Bool(true), "true", "false"),
        Holds::Number => ("NumericEquals", Value::Number(7), "7", "8"),
        Holds::Date => ("DateEquals", Value::Time(1_763_726_400_000), "2025-11-21T12:00:00Z", "2025-11-21T12:00:01Z"),
        Holds::Address => {
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
            ("IpAddress", Value::Address(address), "192.0.2.0/24", "203.0.113.0/24")
        }
    }
}

fn written(known: &KnownKey) -> &'static str {
    match known.values {
        Values::ByQualifier => format!("{}/Team", known.name).leak(),
        Values::One | Values::Many => known.name,
    }
}

fn absent(key: &str, request: &Request<'_>) -> bool {
    holds(&format!(r#"{{"Null":{{"{key}":"true"}}}}"#), request)
}

/// Whether an identity policy with this condition alone lets the request pass, whoever asks.
fn holds(condition: &str, request: &Request<'_>) -> bool {
    let deny = format!(r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{condition}}}"#);
    let policy = [identity(&deny)];
    let set = PolicySet { identity_policies: &policy, ..PolicySet::default() };
    matches!(evaluate(request, &set).outcome, strongroom_policy::Outcome::ExplicitDeny(_))
}

#[test]
fn what_requests_and_surroundings_carry_is_compared() {
    let asked = |known: &&KnownKey| matches!(known.supplier, Supplier::Request | Supplier::Surroundings);
    for known in CONDITION_KEYS.iter().filter(asked) {
        let (operator, value, same, other) = sample(known.holds);
        let key = written(known);
        let with = facts(&[(key, &[value])]);
        assert!(condition_holds(&format!(r#"{{"{operator}":{{"{key}":"{same}"}}}}"#), &with), "{key}");
        assert!(!condition_holds(&format!(r#"{{"{operator}":{{"{key}":"{other}"}}}}"#), &with), "{key}");
        let other_case = key.to_uppercase();
        assert!(condition_holds(&format!(r#"{{"{operator}":{{"{other_case}":"{same}"}}}}"#), &with), "{key}");
        let none = Facts::default();
        assert!(!condition_holds(&format!(r#"{{"{operator}":{{"{key}":"{same}"}}}}"#), &none), "{key}");
        assert!(condition_holds(&format!(r#"{{"Null":{{"{key}":"true"}}}}"#), &none), "{key}");
    }
}

#[test]
fn keys_of_one_value_are_not_asked_for_a_second() {
    for known in CONDITION_KEYS.iter().filter(|known| known.supplier == Supplier::Request && known.holds == Holds::Text)
    {
        let key = written(known);
        let two = facts(&[(key, &[Value::Text("one"), Value::Text("two")])]);
        let second = format!(r#"{{"ForAnyValue:StringEquals":{{"{key}":"two"}}}}"#);
        assert_eq!(condition_holds(&second, &two), known.values != Values::One, "{key}");
    }
}

#[test]
fn what_nobody_here_has_is_absent_whatever_a_request_claims() {
    for known in CONDITION_KEYS.iter().filter(|known| known.supplier == Supplier::Nobody) {
        let key = written(known);
        let claims = facts(&[(key, &[sample(known.holds).1])]);
        assert!(absent(key, &request(ALICE, "kms:Encrypt", &claims)), "{key}");
    }
}

#[test]
fn what_was_proved_is_answered_and_never_asked_of_the_request() {
    let tags = [("team".to_owned(), "red".to_owned())];
    let proved = Proved {
        principal_tags: &tags,
        token_issued: Some(1_763_726_400_000),
        federated_provider: Some("arn:aws:iam::111122223333:oidc-provider/oidc.example"),
        source_identity: Some("carol"),
        via_service: Some("s3.eu-west-1.amazonaws.com"),
        source_arn: Some("arn:aws:s3:::bucket"),
        source_account: Some("444455556666"),
    };
    let cases = [
        ("aws:PrincipalArn", SESSION, "arn:aws:iam::111122223333:role/service/app"),
        ("aws:PrincipalAccount", STRANGER, OTHER),
        ("aws:PrincipalType", SESSION, "AssumedRole"),
        ("aws:PrincipalTag", ALICE, "red"),
        ("aws:PrincipalIsAWSService", SERVICE, "true"),
        ("aws:PrincipalServiceName", SERVICE, "secrets.amazonaws.com"),
        ("aws:PrincipalServiceNamesList", SERVICE, "secrets.amazonaws.com"),
        ("aws:userid", SESSION, "AROAAPPAPPAPPAPPAPP:i-1"),
        ("aws:username", ALICE, "alice"),
        ("aws:TokenIssueTime", SESSION, "2025-11-21T12:00:00Z"),
        ("aws:FederatedProvider", SESSION, "arn:aws:iam::111122223333:oidc-provider/oidc.example"),
        ("aws:SourceIdentity", SESSION, "carol"),
        ("aws:SourceArn", SERVICE, "arn:aws:s3:::bucket"),
        ("aws:SourceAccount", SERVICE, "444455556666"),
        ("aws:ViaAWSService", ALICE, "true"),
        ("aws:ResourceAccount", STRANGER, ACCOUNT),
        ("kms:CallerAccount", STRANGER, OTHER),
        ("kms:ViaService", ALICE, "s3.eu-west-1.amazonaws.com"),
        ("kms:GrantIsForAWSResource", ALICE, "true"),
    ];
    for known in CONDITION_KEYS.iter().filter(|known| known.supplier == Supplier::Proof) {
        let case = cases.iter().find(|(name, ..)| *name == known.name);
        let (_, principal, value) = case.unwrap_or_else(|| panic!("no case for {}", known.name));
        let key = written(known);
        let claims = facts(&[(key, &[sample(known.holds).1])]);
        let claimed = request(*principal, "kms:CreateGrant", &claims);
        let proven = Request { proved, ..claimed };
        let operator = sample(known.holds).0;
        let condition = format!(r#"{{"{operator}":{{"{key}":"{value}"}}}}"#);
        assert!(holds(&condition, &proven), "{key}");
        let claim = format!(r#"{{"{operator}":{{"{key}":"{}"}}}}"#, sample(known.holds).2);
        assert!(known.holds == Holds::Bool || !holds(&claim, &claimed), "{key}: claimed");
    }
}

#[test]
fn sessions_and_users_differ_in_what_they_have() {
    let none = Facts::default();
    let has = |principal, key| !absent(key, &request(principal, "kms:Encrypt", &none));
    for key in ["aws:TokenIssueTime", "aws:PrincipalTag/team", "aws:SourceArn", "kms:ViaService", "aws:SourceIdentity"]
    {
        assert!(!has(ALICE, key), "{key} without a proof");
    }
    assert!(!has(SESSION, "aws:username"));
    assert!(!has(SERVICE, "aws:PrincipalArn"));
    assert!(!has(SERVICE, "kms:CallerAccount"));
    assert!(!has(ALICE, "kms:GrantIsForAWSResource"), "of requests about grants alone");
}

/// The table as a reader may want it: a change shows.
#[test]
fn no_key_stands_twice_in_the_table() {
    let mut names: Vec<_> = CONDITION_KEYS.iter().map(|known| known.name.to_ascii_lowercase()).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// docs/policies.md shows the table as it is.
#[test]
fn the_documentation_lists_every_key() {
    let documented = include_str!("../../../../docs/policies.md");
    let (_, documented) = documented.split_once("<!-- condition keys -->\n").unwrap();
    let mut table = "\n| key | holds | values | answered by |\n|---|---|---|---|\n".to_owned();
    for known in CONDITION_KEYS {
        let (name, values) = match known.values {
            Values::One => (known.name.to_owned(), "one"),
            Values::Many => (known.name.to_owned(), "several"),
            Values::ByQualifier => (format!("{}/NAME", known.name), "one for each name"),
        };
        let holds = format!("{:?}", known.holds).to_lowercase();
        let supplier = format!("{:?}", known.supplier).to_lowercase();
        table.push_str(&format!("| `{name}` | {holds} | {values} | {supplier} |\n"));
    }
    assert_eq!(documented, table);
}
