//! Policy variables and the keys that follow from the proven principal.

use strongroom_policy::{
    Attributes, ConditionKey, Document, Effect, Kind, PolicySet, Principal, Request, Value, evaluate,
};

use crate::support::*;

fn allows_resource(element: &str, resource: &str, principal: Principal<'_>, facts: &Facts) -> bool {
    let policy = [identity(&format!(r#"{{"Effect":"Allow","Action":"*",{element}}}"#))];
    let request = Request { resource, ..request(principal, "kms:Encrypt", facts) };
    evaluate(&request, &PolicySet { identity_policies: &policy, ..PolicySet::default() }).is_allowed()
}

fn key(name: &str) -> String {
    format!("arn:aws:kms:eu-west-1:111122223333:key/{name}")
}

#[test]
fn a_variable_stands_for_the_value_of_its_key() {
    let element = r#""Resource":"arn:aws:kms:*:*:key/${aws:username}-*""#;
    let none = Facts::default();
    assert!(allows_resource(element, &key("alice-1"), ALICE, &none));
    assert!(!allows_resource(element, &key("bob-1"), ALICE, &none));
    let tag = facts(&[("aws:RequestTag/Team", &[Value::Text("red")])]);
    assert!(condition_holds(r#"{"StringEquals":{"aws:RequestTag/Team":"${aws:requesttag/team}"}}"#, &tag));
    assert!(condition_holds(r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/staff/${aws:username}"}}"#, &tag));
}

#[test]
fn a_variable_without_a_value_matches_nothing_and_its_negation_everything() {
    let none = Facts::default();
    let element = r#""Resource":"arn:aws:kms:*:*:key/${aws:RequestTag/team}*""#;
    assert!(!allows_resource(element, &key(""), ALICE, &none));
    assert!(!condition_holds(r#"{"StringLike":{"aws:username":"${aws:RequestTag/team}*"}}"#, &none));
    assert!(condition_holds(r#"{"StringNotLike":{"aws:username":"${aws:RequestTag/team}*"}}"#, &none));
    let two = facts(&[("aws:RequestTag/team", &[Value::Text("a"), Value::Text("b")])]);
    assert!(!allows_resource(element, &key("a"), ALICE, &two), "several values stand for none");
}

#[test]
fn not_resource_with_a_variable_without_a_value_never_widens() {
    let none = Facts::default();
    let element = r#""NotResource":"arn:aws:kms:*:*:key/${aws:RequestTag/team}""#;
    assert!(!allows_resource(element, &key("x"), ALICE, &none));
    let policies = [
        identity(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        identity(&format!(r#"{{"Effect":"Deny","Action":"*",{element}}}"#)),
    ];
    assert!(!decide(ALICE, None, &policies).is_allowed());
}

#[test]
fn a_default_stands_in_for_a_missing_value() {
    let element = r#""Resource":"arn:aws:kms:*:*:key/${aws:RequestTag/team, 'shared'}""#;
    assert!(allows_resource(element, &key("shared"), ALICE, &Facts::default()));
    let red = facts(&[("aws:RequestTag/team", &[Value::Text("red")])]);
    assert!(allows_resource(element, &key("red"), ALICE, &red));
    assert!(!allows_resource(element, &key("shared"), ALICE, &red));
}

#[test]
fn wildcards_in_a_value_are_characters() {
    let star = facts(&[("aws:RequestTag/team", &[Value::Text("*")])]);
    let element = r#""Resource":"arn:aws:kms:*:*:key/${aws:RequestTag/team}""#;
    assert!(!allows_resource(element, &key("anything"), ALICE, &star));
    assert!(allows_resource(element, &key("*"), ALICE, &star));
}

#[test]
fn special_characters_can_be_written_as_variables() {
    let value = |text| facts(&[("x:k", &[Value::Text(text)])]);
    let like = r#"{"StringLike":{"x:k":"${*}a${?}b${$}*"}}"#;
    assert!(condition_holds(like, &value("*a?b$rest")));
    assert!(!condition_holds(like, &value("xaxbxrest")));
}

#[test]
fn the_older_language_has_no_variables() {
    let text = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*",
        "Condition":{"StringEquals":{"x:k":"${aws:username}"}}}}"#;
    for text in [text.to_owned(), text.replace(r#""Version":"2008-10-17","#, "")] {
        let policy = [Document::parse(&text, Kind::Identity).unwrap().compile()];
        let set = PolicySet { identity_policies: &policy, ..PolicySet::default() };
        let allows = |value| {
            let facts = facts(&[("x:k", &[Value::Text(value)])]);
            evaluate(&request(ALICE, "kms:Encrypt", &facts), &set).is_allowed()
        };
        assert!(!allows("alice"));
        assert!(allows("${aws:username}"));
    }
}

/// Claims the same for every key.
struct Liar;

impl Attributes for Liar {
    fn value(&self, _: &ConditionKey, _: usize) -> Option<Value<'_>> {
        Some(Value::Text("root"))
    }
}

#[test]
fn what_was_proved_can_not_be_claimed() {
    let value = |name: &str, principal| {
        let condition = format!(r#"{{"StringEquals":{{"{name}":"root"}}}}"#);
        let policy =
            [identity(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#))];
        let none = Facts::default();
        let request = Request { principal, attributes: &Liar, ..request(ALICE, "a:B", &none) };
        let set = PolicySet { identity_policies: &policy, ..PolicySet::default() };
        evaluate(&request, &set).is_allowed()
    };
    for name in [
        "aws:PrincipalArn",
        "aws:PrincipalAccount",
        "aws:PrincipalType",
        "aws:PrincipalIsAWSService",
        "aws:PrincipalServiceName",
        "aws:userid",
        "aws:username",
        "aws:ResourceAccount",
    ] {
        assert!(!value(name, ALICE), "{name}");
        assert!(!value(name, SESSION), "{name}");
    }
    assert!(value("aws:SourceIp", ALICE));
}

#[test]
fn the_keys_of_a_principal_follow_from_it() {
    let holds = |principal, key: &str, value: &str| {
        let key_policy = key_policy(&format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*",
                "Condition":{{"StringEquals":{{"{key}":"{value}"}}}}}}"#
        ));
        decide(principal, Some(&key_policy), &[]).is_allowed()
    };
    assert!(holds(ALICE, "aws:PrincipalArn", "arn:aws:iam::111122223333:user/staff/alice"));
    assert!(holds(SESSION, "aws:PrincipalArn", "arn:aws:iam::111122223333:role/service/app"));
    assert!(holds(ROOT, "aws:PrincipalArn", "arn:aws:iam::111122223333:root"));
    assert!(holds(ALICE, "aws:PrincipalAccount", ACCOUNT));
    assert!(holds(ALICE, "aws:PrincipalType", "User"));
    assert!(holds(ROOT, "aws:PrincipalType", "Account"));
    assert!(holds(SESSION, "aws:PrincipalType", "AssumedRole"));
    assert!(holds(ALICE, "aws:userid", "AIDAALICEALICEALICE"));
    assert!(holds(SESSION, "aws:userid", "AROAAPPAPPAPPAPPAPP:i-1"));
    assert!(holds(ROOT, "aws:userid", ACCOUNT));
    assert!(holds(SERVICE, "aws:PrincipalIsAWSService", "true"));
    assert!(holds(ALICE, "aws:PrincipalIsAWSService", "false"));
    assert!(holds(SERVICE, "aws:PrincipalServiceName", "secrets.amazonaws.com"));
    assert!(holds(ALICE, "aws:ResourceAccount", ACCOUNT));
    assert!(!holds(SESSION, "aws:username", "app"));
}

#[test]
fn a_document_tells_what_it_holds() {
    let text = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[
        {"Sid":"a b","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;
    let document = Document::parse(text, Kind::Resource).unwrap();
    assert_eq!(document.id(), Some("key-default-1"));
    assert_eq!(document.version(), strongroom_policy::Version::V2012);
    let statements: Vec<_> = document.statements().collect();
    assert_eq!(statements, [(Some("a b"), Effect::Allow), (None, Effect::Deny)]);
}
