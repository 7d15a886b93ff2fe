//! Refusals in AWS's words, and whom a document names.

use strongroom_policy::{Document, Kind, PolicyError, PrincipalName};

use Kind::{Identity, Resource};

fn told(statement: &str, kind: Kind) -> String {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#);
    told_of(&text, kind)
}

fn told_of(text: &str, kind: Kind) -> String {
    Document::parse(text, kind).map(|_| ()).unwrap_err().aws_message(kind)
}

#[test]
fn key_policies_are_refused_as_kms_refuses_them() {
    let invalid = "Policy contains a statement with one or more invalid principals.";
    for principal in [r#"{"AWS":"alice"}"#, r#"{"AWS":"arn:aws:iam::111122223333:group/g"}"#, r#""alice""#] {
        let statement = format!(r#""Effect":"Allow","Principal":{principal},"Action":"kms:*","Resource":"*""#);
        assert_eq!(told(&statement, Resource), invalid, "{principal}");
    }
    let none = "Policy contains a statement with no principal.";
    assert_eq!(told(r#""Effect":"Allow","Action":"kms:*","Resource":"*""#, Resource), none);
    assert_eq!(told(r#""Effect":"Allow","Principal":{},"Action":"kms:*","Resource":"*""#, Resource), none);
    assert_eq!(told(r#""Effect":"Allow","Principal":{"AWS":[]},"Action":"kms:*","Resource":"*""#, Resource), none);
    let unknown = |service| PolicyError::UnknownPrincipal { found: "x".to_owned(), service };
    assert_eq!(unknown(false).aws_message(Resource), invalid);
    assert_eq!(
        unknown(true).aws_message(Resource),
        "Policy contains a statement with one or more invalid service principals."
    );
    for (statement, field) in [
        (r#""Effect":"Allow","Principal":"*","Resource":"*""#, "Action"),
        (r#""Effect":"Allow","Principal":"*","Action":"kms:*""#, "Resource"),
        (r#""Principal":"*","Action":"kms:*","Resource":"*""#, "Effect"),
    ] {
        assert_eq!(told(statement, Resource), format!("Missing required field {field}"));
    }
    assert_eq!(told_of(r#"{"Version":"2012-10-17"}"#, Resource), "Missing required field Statement");
    assert_eq!(told_of("{", Resource), "This policy contains invalid Json");
    assert_eq!(
        told(r#""Effect":"Allow","Principal":"*","Action":"*","Resource":"*","X":1"#, Resource),
        "Unknown field X"
    );
    let version = told_of(r#"{"Version":"2013-01-01","Statement":[]}"#, Resource);
    assert_eq!(version, "The policy must contain a valid version string");
    let effect = told(r#""Effect":"allow","Principal":"*","Action":"*","Resource":"*""#, Resource);
    assert_eq!(effect, "Invalid effect: allow");
    let operator =
        r#""Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringIs":{"a:b":"c"}}"#;
    assert_eq!(told(operator, Resource), "Invalid Condition type : StringIs");
}

#[test]
fn identity_policies_are_refused_as_iam_refuses_them() {
    let sound = r#""Effect":"Allow","Action":"kms:*","Resource":"*""#;
    for (statement, words) in [
        (format!(r#"{sound},"Principal":"*""#), "Policy document should not specify a principal."),
        (r#""Effect":"Allow","Resource":"*""#.to_owned(), "Policy statement must contain actions."),
        (r#""Effect":"Allow","Action":"kms:*""#.to_owned(), "Policy statement must contain resources."),
        (
            sound.replace("kms:*", "Encrypt"),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (sound.replace("kms:*", "kms:a:b"), "Actions/Condition can contain only one colon."),
        (sound.replace(r#""*""#, r#""key""#), "Resource key must be in ARN format or \"*\"."),
        (sound.replace("Allow", "allow"), "Syntax errors in policy."),
        (
            format!(r#""Sid":"a b",{sound}"#),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*",
        ),
        (
            format!(r#""Sid":"a",{sound}}},{{"Sid":"a",{sound}"#),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
    ] {
        assert_eq!(told(&statement, Identity), words, "{statement}");
    }
    let version = told_of(r#"{"Version":"2011-10-17","Statement":[]}"#, Identity);
    assert_eq!(version, "Policy document must be version 2012-10-17 or greater.");
    let principal = told(r#""Effect":"Allow","Principal":{"AWS":"alice"},"Action":"sts:AssumeRole""#, Kind::Trust);
    assert_eq!(principal, r#"Invalid principal in policy: "AWS":"alice""#);
}

#[test]
fn what_aws_has_no_known_words_for_is_told_in_ours() {
    let text = r#"{"Statement":[],"Statement":[]}"#;
    let error = Document::parse(text, Resource).map(|_| ()).unwrap_err();
    assert_eq!(error.aws_message(Resource), error.to_string());
}

#[test]
fn a_document_tells_whom_it_names() {
    let text = r#"{"Statement":[
        {"Effect":"Allow","Action":"*","Resource":"*","Principal":{"AWS":["*","111122223333",
            "arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:user/staff/alice","AIDAALICEALICEALICE",
            "arn:aws:sts::111122223333:assumed-role/app/i-1"],
            "Service":"logs.amazonaws.com","Federated":"accounts.example","CanonicalUser":"c"}},
        {"Effect":"Deny","Action":"*","Resource":"*","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:role/app"}}]}"#;
    let document = Document::parse(text, Resource).unwrap();
    let account = "111122223333";
    let arn = |arn, kind, name| PrincipalName::Arn { arn, account, kind, name };
    let expected = [
        PrincipalName::Account(account),
        PrincipalName::Account(account),
        arn("arn:aws:iam::111122223333:user/staff/alice", "user", "staff/alice"),
        PrincipalName::UniqueId("AIDAALICEALICEALICE"),
        arn("arn:aws:sts::111122223333:assumed-role/app/i-1", "assumed-role", "app/i-1"),
        PrincipalName::Service("logs.amazonaws.com"),
        PrincipalName::Federated("accounts.example"),
        arn("arn:aws:iam::111122223333:role/app", "role", "app"),
    ];
    assert_eq!(document.principals().collect::<Vec<_>>(), expected);
}
