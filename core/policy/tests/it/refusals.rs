//! What a document is refused for, one case for each refusal, and that it says where.

use strongroom_policy::limits::{DOCUMENT_BYTES, DOCUMENT_BYTES_MAX};
use strongroom_policy::{Document, Kind, PolicyError};

use Kind::{Guardrail, Identity, Resource};

fn refusal(text: &str, kind: Kind) -> PolicyError {
    match Document::parse(text, kind) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error,
    }
}

/// The refusal of one statement.
fn statement(body: &str, kind: Kind) -> PolicyError {
    refusal(&format!(r#"{{"Version":"2012-10-17","Statement":[{{{body}}}]}}"#), kind)
}

/// The refusal of a condition in an otherwise sound statement.
fn condition(body: &str) -> PolicyError {
    statement(&format!(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{body}"#), Identity)
}

const SOUND: &str = r#""Effect":"Allow","Action":"*","Resource":"*""#;

#[test]
fn text_that_is_not_json() {
    for text in ["", "{", "[1,]", "nil", "{} {}", r#"{"Version":"2012-10-17",}"#, "\u{feff}{}"] {
        assert!(matches!(refusal(text, Identity), PolicyError::Json { line: 1, .. }), "{text}");
    }
}

#[test]
fn text_that_is_too_long() {
    let long = " ".repeat(DOCUMENT_BYTES + 1);
    let error = PolicyError::TooLarge { bytes: DOCUMENT_BYTES + 1, limit: DOCUMENT_BYTES };
    assert_eq!(refusal(&long, Resource), error);
    let wide = format!(r#"{{"Id":"{}","Statement":{{{SOUND}}}}}"#, "é".repeat(DOCUMENT_BYTES / 2));
    assert!(matches!(refusal(&wide, Identity), PolicyError::TooLarge { .. }), "bytes are counted, not characters");
    let most = " ".repeat(DOCUMENT_BYTES_MAX + 1);
    let error = Document::parse_within(&most, Resource, usize::MAX).map(|_| ()).unwrap_err();
    assert_eq!(error, PolicyError::TooLarge { bytes: most.len(), limit: DOCUMENT_BYTES_MAX });
}

#[test]
fn nesting_without_end() {
    let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
    assert_eq!(refusal(&deep, Identity), PolicyError::TooDeep { limit: 16 });
}

#[test]
fn names_that_stand_twice() {
    let duplicate = |path: &str, name: &str| PolicyError::Duplicate { path: path.to_owned(), name: name.to_owned() };
    assert_eq!(
        refusal(r#"{"Statement":[],"Version":"2012-10-17","Statement":[]}"#, Identity),
        duplicate("policy", "Statement")
    );
    assert_eq!(statement(&format!(r#"{SOUND},"Effect":"Deny""#), Identity), duplicate("Statement[0]", "Effect"));
    assert_eq!(condition(r#"{"Bool":{"a:b":"true","A:B":"false"}}"#), duplicate("Statement[0].Condition.Bool", "a:b"));
    assert_eq!(
        condition(r#"{"Bool":{"a:b":"true"},"Bool":{"a:c":"true"}}"#),
        duplicate("Statement[0].Condition", "Bool")
    );
    assert_eq!(
        statement(&format!(r#"{SOUND},"Principal":{{"AWS":"*","AWS":"*"}}"#), Resource),
        duplicate("Statement[0].Principal", "AWS")
    );
}

#[test]
fn elements_that_are_unknown() {
    let unknown = |error: PolicyError, at: &str, found: &str| match error {
        PolicyError::UnknownElement { path, name, .. } => assert_eq!((path.as_str(), name.as_str()), (at, found)),
        error => panic!("{error}"),
    };
    unknown(refusal(r#"{"Statements":[]}"#, Identity), "policy", "Statements");
    unknown(statement(&format!(r#"{SOUND},"action":"*""#), Identity), "Statement[0]", "action");
    unknown(statement(&format!(r#"{SOUND},"Principal":{{"Aws":"*"}}"#), Resource), "Statement[0].Principal", "Aws");
}

#[test]
fn elements_that_are_missing() {
    let missing = |error: PolicyError, wanted: &str| match error {
        PolicyError::MissingElement { element, .. } => assert_eq!(element, wanted),
        error => panic!("{error}"),
    };
    missing(refusal(r#"{"Version":"2012-10-17"}"#, Identity), "Statement");
    missing(statement(r#""Action":"*","Resource":"*""#, Identity), "Effect");
    missing(statement(r#""Effect":"Allow","Resource":"*""#, Identity), "Action or NotAction");
    missing(statement(r#""Effect":"Allow","Action":"*""#, Identity), "Resource or NotResource");
    missing(statement(r#""Effect":"Allow","Principal":"*","Action":"*""#, Resource), "Resource or NotResource");
    missing(statement(SOUND, Resource), "Principal or NotPrincipal");
}

#[test]
fn elements_that_exclude_each_other() {
    for (pair, first, second) in [
        (r#""NotAction":"*""#, "Action", "NotAction"),
        (r#""NotResource":"*""#, "Resource", "NotResource"),
        (r#""Principal":"*","NotPrincipal":"*""#, "Principal", "NotPrincipal"),
    ] {
        let error = statement(&format!("{SOUND},{pair}"), Resource);
        assert!(
            matches!(&error, PolicyError::Exclusive { first: a, second: b, .. } if (*a, *b) == (first, second))
                || matches!(&error, PolicyError::MissingElement { .. } if first != "Principal"),
            "{error}"
        );
        if first != "Principal" {
            let error = statement(&format!("{SOUND},{pair}"), Identity);
            assert_eq!(error, PolicyError::Exclusive { path: "Statement[0]".to_owned(), first, second });
        }
    }
}

#[test]
fn values_of_the_wrong_type() {
    for (text, at) in [
        ("[]", "policy"),
        (r#"{"Version":2012,"Statement":[]}"#, "Version"),
        (r#"{"Statement":"x"}"#, "Statement"),
        (r#"{"Statement":[{"Effect":"Allow","Action":[1],"Resource":"*"}]}"#, "Statement[0].Action[0]"),
        (r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":{}}}"#, "Statement.Resource"),
        (r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":[]}}"#, "Statement.Condition"),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":[[true]]}}}}"#,
            "Statement.Condition.Bool.a:b[0]",
        ),
        (r#"{"Statement":{"Effect":null,"Action":"*","Resource":"*"}}"#, "Statement.Effect"),
    ] {
        match refusal(text, Identity) {
            PolicyError::WrongType { path, .. } => assert_eq!(path, at),
            error => panic!("{error}"),
        }
    }
}

#[test]
fn lists_and_objects_without_members() {
    let empty = |path: &str| PolicyError::Empty { path: path.to_owned() };
    assert_eq!(refusal(r#"{"Statement":[]}"#, Identity), empty("Statement"));
    assert_eq!(statement(r#""Effect":"Allow","Action":[],"Resource":"*""#, Identity), empty("Statement[0].Action"));
    assert_eq!(statement(&format!(r#"{SOUND},"Principal":{{}}"#), Resource), empty("Statement[0].Principal"));
    assert_eq!(
        statement(&format!(r#"{SOUND},"Principal":{{"AWS":[]}}"#), Resource),
        empty("Statement[0].Principal.AWS")
    );
    assert_eq!(condition(r#"{"Bool":{}}"#), empty("Statement[0].Condition.Bool"));
    assert_eq!(condition(r#"{"Bool":{"a:b":[]}}"#), empty("Statement[0].Condition.Bool.a:b"));
}

#[test]
fn versions_and_effects_that_do_not_exist() {
    let error = refusal(r#"{"Version":"2012-10-18","Statement":[]}"#, Identity);
    assert_eq!(error, PolicyError::UnknownVersion { found: "2012-10-18".to_owned() });
    let error = statement(r#""Effect":"allow","Action":"*","Resource":"*""#, Identity);
    assert!(matches!(error, PolicyError::UnknownEffect { found, .. } if found == "allow"));
}

#[test]
fn guardrails_that_allow() {
    assert!(matches!(statement(SOUND, Guardrail), PolicyError::GuardrailAllows { .. }));
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    assert!(Document::parse(deny, Guardrail).is_ok());
}

#[test]
fn principals_where_none_may_stand_or_that_can_not_exist() {
    for element in ["Principal", "NotPrincipal"] {
        let error = statement(&format!(r#"{SOUND},"{element}":"*""#), Identity);
        assert!(matches!(error, PolicyError::PrincipalForbidden { .. }), "{error}");
    }
    let error = statement(&format!(r#"{SOUND},"NotPrincipal":"*""#), Resource);
    assert!(matches!(error, PolicyError::NotPrincipalAllows { .. }), "{error}");
    for principal in [
        r#""arn:aws:iam::111122223333:root""#,
        r#"{"AWS":"alice"}"#,
        r#"{"AWS":"11112222333"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:group/g"}"#,
        r#"{"AWS":"arn:aws:iam:eu-west-1:111122223333:user/a"}"#,
        r#"{"AWS":"arn:aws:kms::111122223333:root"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/${aws:username}"}"#,
        r#"{"Service":"*"}"#,
        r#"{"Service":""}"#,
        r#"{"Federated":"*"}"#,
    ] {
        let error = statement(&format!(r#"{SOUND},"Principal":{principal}"#), Resource);
        assert!(matches!(error, PolicyError::InvalidPrincipal { .. }), "{principal}: {error}");
    }
    for principal in [
        r#"{"Federated":"cognito-identity.amazonaws.com"}"#,
        r#"{"CanonicalUser":"79a59df900b949e55d96a1e698fbaced"}"#,
        r#"{"AWS":["111122223333","*"],"Service":"a.amazonaws.com"}"#,
    ] {
        let text = format!(r#"{{"Statement":{{{SOUND},"Principal":{principal}}}}}"#);
        assert!(Document::parse(&text, Resource).is_ok(), "{principal}");
    }
}

#[test]
fn statement_identifiers_of_identity_policies() {
    let error = statement(&format!(r#"{SOUND},"Sid":"a b""#), Identity);
    assert!(matches!(error, PolicyError::InvalidSid { found, .. } if found == "a b"));
    let two = |sid: &str| format!(r#"{{"Statement":[{{{SOUND},"Sid":"{sid}"}},{{{SOUND},"Sid":"{sid}"}}]}}"#);
    let error = refusal(&two("a"), Identity);
    assert_eq!(error, PolicyError::DuplicateSid { path: "Statement".to_owned(), sid: "a".to_owned() });
    assert!(Document::parse(&two(""), Identity).is_ok(), "an empty Sid is none");
}

#[test]
fn actions_and_resources_that_can_not_exist() {
    for action in ["", "Encrypt", "kms:", ":Encrypt", "k*:Encrypt", "kms:Enc rypt", "kms:${aws:username}", "kms:a:b"] {
        let error = statement(&format!(r#""Effect":"Allow","Action":"{action}","Resource":"*""#), Identity);
        assert!(matches!(error, PolicyError::InvalidAction { .. }), "{action}: {error}");
    }
    for resource in [
        "",
        "key/1",
        "**",
        "arn:aws:kms",
        "arn:aws:kms:*",
        "arn:aws:kms:::",
        "arn:aws:k*:::key/1",
        "arn*",
        "ARN:aws:kms:::key/1",
        "arn:aws:${a:b}:::key/1",
    ] {
        let error = statement(&format!(r#""Effect":"Allow","Action":"*","Resource":"{resource}""#), Identity);
        assert!(matches!(error, PolicyError::InvalidResource { .. }), "{resource}: {error}");
    }
}

#[test]
fn variables_that_can_not_be_read() {
    for variable in
        ["${", "${aws:username", "${}", "${aws username}", "${username}", "${a:b, default}", "${a:b, 'x}", "${a:b,}"]
    {
        let error =
            statement(&format!(r#""Effect":"Allow","Action":"*","Resource":"arn:aws:kms:::key/{variable}""#), Identity);
        assert!(matches!(error, PolicyError::InvalidVariable { .. }), "{variable}: {error}");
        let error = condition(&format!(r#"{{"StringLike":{{"x:k":["a","{variable}"]}}}}"#));
        let at = "Statement[0].Condition.StringLike.x:k[1]";
        assert!(matches!(&error, PolicyError::InvalidVariable { path, .. } if path == at), "{variable}: {error}");
    }
}

#[test]
fn conditions_that_can_not_be_read() {
    for operator in [
        "stringEquals",
        "StringEqual",
        "ForEachValue:StringEquals",
        "NullIfExists",
        "ForAnyValue:Null",
        "NotBool",
        "NumericLike",
        "DateNotLessThan",
        "IfExists",
        "",
    ] {
        let error = condition(&format!(r#"{{"{operator}":{{"x:k":"1"}}}}"#));
        assert!(matches!(error, PolicyError::UnknownOperator { .. }), "{operator}: {error}");
    }
    for key in ["", "username", "aws:", ":x", "aws:RequestTag/", "a b:c"] {
        let error = condition(&format!(r#"{{"StringEquals":{{"{key}":"1"}}}}"#));
        assert!(matches!(error, PolicyError::InvalidConditionKey { .. }), "{key}: {error}");
    }
    for (operator, value) in [
        ("NumericEquals", r#""1e3""#),
        ("NumericEquals", r#""""#),
        ("NumericLessThan", r#""1.0000000001""#),
        ("NumericLessThan", "true"),
        ("DateEquals", r#""2025-02-30""#),
        ("DateEquals", r#""2025-11-21T25:00:00Z""#),
        ("DateEquals", r#""2025-11-21T12:00:00""#),
        ("DateLessThan", r#""tomorrow""#),
        ("Bool", r#""yes""#),
        ("Bool", r#""${aws:username}""#),
        ("Null", r#""maybe""#),
        ("BinaryEquals", r#""QQ""#),
        ("BinaryEquals", r#""QR==""#),
        ("IpAddress", r#""10.0.0.0/33""#),
        ("IpAddress", r#""10.0.0/8""#),
        ("IpAddress", r#""10.0.0.0/+8""#),
        ("IpAddress", r#""2001:db8::/129""#),
        ("NotIpAddress", r#""localhost""#),
        ("ArnLike", r#""arn:aws:s3""#),
        ("ArnEquals", r#""bucket""#),
    ] {
        let error = condition(&format!(r#"{{"{operator}":{{"x:k":{value}}}}}"#));
        assert!(matches!(error, PolicyError::InvalidConditionValue { .. }), "{operator} {value}: {error}");
    }
}

#[test]
fn a_refusal_says_where_why_and_what_to_do() {
    assert_eq!(
        condition(r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":["60","soon"]}}"#).to_string(),
        "Statement[0].Condition.NumericLessThan.aws:MultiFactorAuthAge[1]: 'soon' can't be compared by this operator; \
         use a decimal number"
    );
}
