//! Each condition operator, with missing keys, several values and the set operators.

use std::net::IpAddr;

use strongroom_policy::Value::{self, Address, Bool, Number, Text, Time};

use crate::support::{Facts, condition_holds, facts};

/// Holds `{operator: {"x:k": values}}` against the values of `x:k` in a request.
fn holds(operator: &str, policy: &str, request: &[Value<'static>]) -> bool {
    let facts = if request.is_empty() { Facts::default() } else { facts(&[("x:k", request)]) };
    condition_holds(&format!(r#"{{"{operator}":{{"x:k":{policy}}}}}"#), &facts)
}

#[track_caller]
fn table(operator: &str, negated: &str, rows: &[(&str, Value<'static>, bool)]) {
    for (policy, value, matches) in rows {
        assert_eq!(holds(operator, policy, &[*value]), *matches, "{operator} {policy} {value:?}");
        if !negated.is_empty() {
            assert_eq!(holds(negated, policy, &[*value]), !*matches, "{negated} {policy} {value:?}");
        }
    }
}

#[test]
fn string_equals_compares_every_byte() {
    table(
        "StringEquals",
        "StringNotEquals",
        &[
            (r#""blue""#, Text("blue"), true),
            (r#""blue""#, Text("Blue"), false),
            (r#""bl*""#, Text("blue"), false),
            (r#""bl*""#, Text("bl*"), true),
            (r#"["red","blue"]"#, Text("blue"), true),
            (r#"["red","green"]"#, Text("blue"), false),
            (r#""""#, Text(""), true),
            (r#""true""#, Bool(true), true),
            (r#""42""#, Number(42), true),
            (r#""2025-11-21T22:00:05Z""#, Time(1_763_762_405_999), true),
        ],
    );
}

#[test]
fn ignore_case_ignores_the_case_of_letters() {
    table(
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        &[(r#""BLUE""#, Text("blue"), true), (r#""blue""#, Text("blu"), false), (r#""b*""#, Text("blue"), false)],
    );
}

#[test]
fn string_like_knows_both_wildcards() {
    table(
        "StringLike",
        "StringNotLike",
        &[
            (r#""b*e""#, Text("blue"), true),
            (r#""b*e""#, Text("be"), true),
            (r#""b?ue""#, Text("blue"), true),
            (r#""b?ue""#, Text("bue"), false),
            (r#""B*""#, Text("blue"), false),
            (r#""*""#, Text(""), true),
            (r#""?*""#, Text(""), false),
            (r#""*a*b*c""#, Text("xaxbxbc"), true),
            (r#""*a*b*c""#, Text("xaxbxbcx"), false),
            (r#""**b""#, Text("aab"), true),
            (r#""?""#, Text("é"), true),
            (r#""??""#, Text("é"), false),
            (r#""*??""#, Text("é"), false),
            (r#""*?""#, Text("€"), true),
            (r#""10.0.*""#, Address(IpAddr::V4([10, 0, 9, 9].into())), true),
        ],
    );
}

#[test]
fn arn_operators_compare_six_components_with_wildcards() {
    for operator in [("ArnEquals", "ArnNotEquals"), ("ArnLike", "ArnNotLike")] {
        table(
            operator.0,
            operator.1,
            &[
                (r#""arn:aws:s3:::bucket""#, Text("arn:aws:s3:::bucket"), true),
                (r#""arn:aws:s3:::b*""#, Text("arn:aws:s3:::bucket/a:b"), true),
                (r#""arn:aws:s3:::b*""#, Text("arn:aws:s3::1:bucket"), false),
                (r#""arn:aws:*:role/x:*:*""#, Text("arn:aws:iam::1:role/x"), false),
                (r#""arn:*:iam::*:role/x""#, Text("arn:aws-cn:iam::1:role/x"), true),
                (r#""arn:aws:iam::*:*""#, Text("arn:aws:iam::1:role/x:y"), true),
                (r#""*""#, Text("arn:aws:iam::1:role/x"), true),
                (r#""arn:aws:s3:::bucket*""#, Text("bucket"), false),
            ],
        );
    }
}

#[test]
fn numbers_are_compared_exactly_as_decimals() {
    table(
        "NumericEquals",
        "NumericNotEquals",
        &[
            (r#""10""#, Number(10), true),
            ("10", Number(10), true),
            ("10.50", Text("10.5"), true),
            (r#""-3""#, Text("-3.0"), true),
            ("9007199254740993", Number(9_007_199_254_740_992), false),
            ("0.1", Text("0.100000001"), false),
            ("10", Text("ten"), false),
            ("10", Bool(true), false),
        ],
    );
    for (operator, less, equal, greater) in [
        ("NumericLessThan", true, false, false),
        ("NumericLessThanEquals", true, true, false),
        ("NumericGreaterThan", false, false, true),
        ("NumericGreaterThanEquals", false, true, true),
    ] {
        let rows = [("10", Number(9), less), ("10", Number(10), equal), ("10", Text("10.01"), greater)];
        table(operator, "", &rows);
        assert!(!holds(operator, "10", &[Text("x")]), "what is no number is neither more nor less");
    }
}

#[test]
fn dates_are_compared_in_every_form_that_is_documented() {
    let noon = Time(1_763_726_400_000);
    table(
        "DateEquals",
        "DateNotEquals",
        &[
            (r#""2025-11-21T12:00:00Z""#, noon, true),
            (r#""2025-11-21T12:00Z""#, noon, true),
            (r#""2025-11-21T14:00:00+02:00""#, noon, true),
            (r#""2025-11-21T12:00:00.000Z""#, noon, true),
            (r#""1763726400""#, noon, true),
            ("1763726400", noon, true),
            (r#""2025-11-21T12:00:00.001Z""#, noon, false),
            (r#""2025-11-21""#, Time(1_763_683_200_000), true),
            (r#""2025-11""#, Text("2025-11-01T00:00:00Z"), true),
            (r#""2025-11-21T12:00:00Z""#, Number(1_763_726_400), true),
            (r#""2025-11-21T12:00:00Z""#, Text("1763726400"), true),
            (r#""2025-11-21T12:00:00Z""#, Text("noon"), false),
        ],
    );
    for (operator, before, equal, after) in [
        ("DateLessThan", true, false, false),
        ("DateLessThanEquals", true, true, false),
        ("DateGreaterThan", false, false, true),
        ("DateGreaterThanEquals", false, true, true),
    ] {
        let date = r#""2025-11-21T12:00:00Z""#;
        let rows =
            [(date, Time(1_763_726_399_999), before), (date, noon, equal), (date, Time(1_763_726_400_001), after)];
        table(operator, "", &rows);
    }
}

#[test]
fn booleans_are_read_from_json_and_text() {
    table(
        "Bool",
        "",
        &[
            (r#""true""#, Bool(true), true),
            ("true", Bool(true), true),
            (r#""TRUE""#, Text("true"), true),
            ("false", Bool(true), false),
            (r#"["true","false"]"#, Bool(false), true),
            ("true", Text("yes"), false),
            ("true", Number(1), false),
        ],
    );
}

#[test]
fn binary_values_are_compared_as_bytes() {
    table(
        "BinaryEquals",
        "",
        &[
            (r#""QmluYXJ5""#, Text("QmluYXJ5"), true),
            (r#""QmluYXJ5""#, Text("QmluYXJ6"), false),
            (r#""qmluyxj5""#, Text("QmluYXJ5"), false),
        ],
    );
}

#[test]
fn addresses_are_compared_with_networks_of_both_families() {
    let address = |text: &str| Address(text.parse::<IpAddr>().unwrap());
    table(
        "IpAddress",
        "NotIpAddress",
        &[
            (r#""203.0.113.0/24""#, address("203.0.113.77"), true),
            (r#""203.0.113.9/24""#, address("203.0.113.77"), true),
            (r#""203.0.113.0/24""#, address("203.0.114.1"), false),
            (r#""203.0.113.5""#, address("203.0.113.5"), true),
            (r#""203.0.113.5""#, address("203.0.113.6"), false),
            (r#""0.0.0.0/0""#, address("8.8.8.8"), true),
            (r#""0.0.0.0/0""#, address("2001:db8::1"), false),
            (r#""2001:DB8:1234:5678::/64""#, address("2001:db8:1234:5678::9"), true),
            (r#""2001:DB8:1234:5678::/64""#, address("2001:db8:1234:5679::9"), false),
            (r#""::/0""#, address("2001:db8::1"), true),
            (r#""10.0.0.0/8""#, address("::ffff:10.1.2.3"), true),
            (r#"["10.0.0.0/8","192.0.2.0/24"]"#, Text("192.0.2.1"), true),
            (r#""10.0.0.0/8""#, Text("somewhere"), false),
        ],
    );
}

#[test]
fn null_tells_absent_from_present() {
    assert!(holds("Null", "true", &[]));
    assert!(!holds("Null", r#""true""#, &[Text("x")]));
    assert!(holds("Null", r#""false""#, &[Text("x")]));
    assert!(!holds("Null", "false", &[]));
    assert!(holds("Null", r#"["true","false"]"#, &[]));
}

#[test]
fn a_missing_key_fulfils_negated_operators_only() {
    for operator in ["StringEquals", "StringEqualsIgnoreCase", "StringLike"] {
        assert!(!holds(operator, r#""a""#, &[]), "{operator}");
    }
    for operator in ["StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike"] {
        assert!(holds(operator, r#""a""#, &[]), "{operator}");
    }
    for (operator, value, fulfilled) in [
        ("NumericEquals", "1", false),
        ("NumericNotEquals", "1", true),
        ("NumericLessThan", "1", false),
        ("DateEquals", "1", false),
        ("DateNotEquals", "1", true),
        ("Bool", "true", false),
        ("BinaryEquals", r#""QQ==""#, false),
        ("IpAddress", r#""10.0.0.0/8""#, false),
        ("NotIpAddress", r#""10.0.0.0/8""#, true),
        ("ArnLike", r#""*""#, false),
        ("ArnNotLike", r#""*""#, true),
        ("ArnNotEquals", r#""*""#, true),
    ] {
        assert_eq!(holds(operator, value, &[]), fulfilled, "{operator}");
        assert!(holds(&format!("{operator}IfExists"), value, &[]), "{operator}IfExists");
    }
}

#[test]
fn if_exists_compares_a_key_that_exists() {
    assert!(holds("StringEqualsIfExists", r#""a""#, &[Text("a")]));
    assert!(!holds("StringEqualsIfExists", r#""a""#, &[Text("b")]));
    assert!(!holds("StringNotEqualsIfExists", r#""a""#, &[Text("a")]));
    assert!(!holds("BoolIfExists", "true", &[Bool(false)]));
}

#[test]
fn several_policy_values_are_alternatives_and_none_may_match_when_negated() {
    assert!(!holds("StringNotEquals", r#"["a","b"]"#, &[Text("b")]));
    assert!(holds("StringNotEquals", r#"["a","b"]"#, &[Text("c")]));
    assert!(!holds("NotIpAddress", r#"["10.0.0.0/8","192.0.2.0/24"]"#, &[Text("192.0.2.1")]));
    assert!(!holds("DateNotEquals", "[1,2]", &[Number(2)]));
}

#[test]
fn for_all_values_wants_every_value_of_the_request() {
    let policy = r#"["a","b"]"#;
    assert!(holds("ForAllValues:StringEquals", policy, &[Text("a"), Text("b")]));
    assert!(holds("ForAllValues:StringEquals", policy, &[Text("b")]));
    assert!(!holds("ForAllValues:StringEquals", policy, &[Text("a"), Text("c")]));
    assert!(holds("ForAllValues:StringEquals", policy, &[]), "no value is a subset of any");
    assert!(holds("ForAllValues:StringEquals", policy, &[Text("")]), "nor is empty text one");
    assert!(!holds("ForAllValues:StringEquals", policy, &[Text(""), Text("c")]));
    assert!(holds("ForAllValues:StringNotEquals", policy, &[Text("c"), Text("d")]));
    assert!(!holds("ForAllValues:StringNotEquals", policy, &[Text("c"), Text("a")]));
    assert!(holds("ForAllValues:StringNotEquals", policy, &[]));
    assert!(holds("ForAllValues:StringLikeIfExists", r#""a*""#, &[Text("aa"), Text("ab")]));
}

#[test]
fn for_any_value_wants_one_value_of_the_request() {
    let policy = r#"["a","b"]"#;
    assert!(holds("ForAnyValue:StringEquals", policy, &[Text("c"), Text("b")]));
    assert!(!holds("ForAnyValue:StringEquals", policy, &[Text("c"), Text("d")]));
    assert!(!holds("ForAnyValue:StringEquals", policy, &[]));
    assert!(!holds("ForAnyValue:StringNotEquals", policy, &[]), "no value, none that differs");
    assert!(holds("ForAnyValue:StringNotEquals", policy, &[Text("a"), Text("c")]));
    assert!(!holds("ForAnyValue:StringNotEquals", policy, &[Text("a"), Text("b")]));
    assert!(holds("ForAnyValue:StringEqualsIfExists", policy, &[]));
    assert!(holds("ForAnyValue:Bool", "true", &[Bool(false), Bool(true)]));
    assert!(holds("ForAnyValue:ArnLike", r#""arn:aws:s3:::*""#, &[Text("x"), Text("arn:aws:s3:::b")]));
}

#[test]
fn without_a_set_operator_one_value_is_enough_and_none_may_match_when_negated() {
    assert!(holds("StringEquals", r#""a""#, &[Text("b"), Text("a")]));
    assert!(!holds("StringNotEquals", r#""a""#, &[Text("b"), Text("a")]));
}

#[test]
fn every_condition_must_hold() {
    let condition = r#"{"StringEquals":{"x:a":"1","x:b":"2"},"Bool":{"x:c":"true"}}"#;
    let all = facts(&[("x:a", &[Text("1")]), ("x:b", &[Text("2")]), ("x:c", &[Bool(true)])]);
    assert!(condition_holds(condition, &all));
    for key in ["x:a", "x:b", "x:c"] {
        let mut some = all.clone();
        some.keys.retain(|(name, _)| *name != key);
        assert!(!condition_holds(condition, &some), "{key}");
    }
}

#[test]
fn names_of_condition_keys_ignore_case_context_keys_included() {
    let facts = facts(&[("kms:EncryptionContext:Dept", &[Text("IT")]), ("aws:SecureTransport", &[Bool(true)])]);
    assert!(condition_holds(r#"{"StringEquals":{"KMS:encryptioncontext:dept":"IT"}}"#, &facts));
    assert!(!condition_holds(r#"{"StringEquals":{"kms:EncryptionContext:Dept":"it"}}"#, &facts));
    assert!(condition_holds(r#"{"Bool":{"AWS:SECURETRANSPORT":"true"}}"#, &facts));
}
