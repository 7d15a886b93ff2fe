//! Whatever stands in a document, reading it ends in a policy or a refusal.

use proptest::prelude::*;
use strongroom_policy::{Document, Kind, PolicySet, evaluate, explain};

use crate::support::*;

const WORDS: &[&str] = &[
    "Version",
    "2012-10-17",
    "2008-10-17",
    "Id",
    "Sid",
    "Statement",
    "Effect",
    "Allow",
    "Deny",
    "Principal",
    "NotPrincipal",
    "AWS",
    "Service",
    "Federated",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
    "StringEquals",
    "ForAllValues:StringLike",
    "NumericLessThanIfExists",
    "DateEquals",
    "IpAddress",
    "ArnLike",
    "Null",
    "Bool",
    "BinaryEquals",
    "aws:username",
    "kms:EncryptionContext:Dept",
    "x:k",
    "*",
    "kms:*",
    "kms:Encrypt",
    "111122223333",
    "arn:aws:iam::111122223333:root",
    "arn:aws:kms:*:*:key/${aws:username}",
    "${aws:username, 'x'}",
    "${*}${?}${$}",
    "${",
    "}",
    "true",
    "10.0.0.0/8",
    "2025-11-21T12:00:00Z",
    "-1.5",
    "QQ==",
    "é",
    "",
];

fn json() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS).prop_map(|word| format!("\"{word}\""));
    let leaf = prop_oneof![
        6 => word.clone(),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<f64>().prop_filter("JSON has no such number", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        1 => prop_oneof![Just("true".to_owned()), Just("null".to_owned())],
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn read(text: &str) {
    for kind in [Kind::Resource, Kind::Identity, Kind::Guardrail] {
        match Document::parse(text, kind) {
            Ok(document) => {
                let policies = [document.compile()];
                let set = PolicySet { identity_policies: &policies, ..PolicySet::default() };
                let facts = facts(&[("x:k", &[strongroom_policy::Value::Text("*")])]);
                for principal in [ALICE, ROOT, SESSION, SERVICE] {
                    let request = request(principal, "kms:Encrypt", &facts);
                    assert_eq!(explain(&request, &set).decision, evaluate(&request, &set));
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        read(&text);
    }

    #[test]
    fn any_json_is_read_or_refused(text in json()) {
        read(&text);
    }

    #[test]
    fn any_value_in_a_sound_statement_is_read_or_refused(
        action in json(), resource in json(), principal in json(), operator in prop::sample::select(WORDS), value in json(),
    ) {
        read(&format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":{principal},"Action":{action},
                "Resource":{resource}}}}}"#
        ));
        read(&format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"*","Resource":"*",
                "Condition":{{"{operator}":{{"x:k":{value}}}}}}}}}"#
        ));
    }

    /// A straightforward matcher by recursion agrees with the compiled one.
    #[test]
    fn wildcards_match_as_their_definition_says(pattern in "[ab*?é]{0,8}", text in "[abé]{0,8}") {
        fn matches(pattern: &[char], text: &[char]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some(('*', rest)), _) if matches(rest, text) => true,
                (Some(('*', _)), Some((_, tail))) => matches(pattern, tail),
                (Some((want, rest)), Some((have, tail))) => (*want == '?' || want == have) && matches(rest, tail),
                _ => false,
            }
        }
        let characters = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = matches(&characters(&pattern), &characters(&text));
        let value: &'static str = Box::leak(text.into_boxed_str());
        let facts = facts(&[("x:k", &[strongroom_policy::Value::Text(value)])]);
        let condition = format!(r#"{{"StringLike":{{"x:k":"{pattern}"}}}}"#);
        prop_assert_eq!(condition_holds(&condition, &facts), expected);
    }
}
