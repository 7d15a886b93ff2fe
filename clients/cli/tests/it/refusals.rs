//! What is refused, and how it is told.

use std::collections::HashMap;

use crate::house::{House, command};

#[test]
fn a_refusal_names_the_cause_the_remedy_and_the_request_and_exits_1() {
    let house = House::new();
    let ran = house.run("key show 0123");
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    let lines: Vec<_> = ran.err.lines().collect();
    assert!(lines[0].starts_with("strongroom: InvalidRequest: a key is named by its internal id"), "{ran:?}");
    assert_eq!(lines[1], "  try: find it with: strongroom key list");
    assert!(lines[2].starts_with("  request: "), "{ran:?}");
    assert_eq!(house.run("tenant show 999999999999").exit, 1);
}

#[test]
fn a_server_that_is_not_there_is_told_and_exits_3() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    let nobody = command(words("whoami --socket /nonexistent/admin.sock"), &HashMap::new(), 0);
    assert_eq!(nobody.exit, 3);
    assert!(nobody.err.contains("/nonexistent/admin.sock does not answer"), "{nobody:?}");
    assert!(nobody.err.contains("--socket PATH or --endpoint"), "{nobody:?}");
}

#[test]
fn what_cannot_be_meant_exits_2() {
    let house = House::new();
    let ran = house.run_over_https("whoami", &[("AWS_CA_BUNDLE", house.authority.to_str().unwrap())]);
    assert_eq!(ran.exit, 2);
    assert!(ran.err.contains("AWS_ACCESS_KEY_ID is not set"), "{ran:?}");
    let ran = house.run_over_https("whoami", &[("AWS_CA_BUNDLE", "/nonexistent/ca.pem")]);
    assert_eq!(ran.exit, 2, "{ran:?}");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    for line in [
        "whoami --endpoint http://localhost:1",
        "whoami --endpoint localhost",
        "whoami --endpoint https://localhost/path",
        "tenant list --output cloudtrail",
        "principal create --tenant 1 --name a --role emperor",
        "policy attach --tenant 1 --principal a --name p --file /nonexistent/policy.json",
    ] {
        assert_eq!(command(words(line), &HashMap::new(), 0).exit, 2, "{line}");
    }
}

#[test]
fn a_server_whose_certificate_is_not_trusted_gets_no_request() {
    let house = House::new();
    let other = House::new();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_CA_BUNDLE", other.authority.to_str().unwrap()),
    ];
    let ran = house.run_over_https("whoami", &variables);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("certificate"), "{ran:?}");
}

#[test]
fn a_wrong_secret_is_refused_without_saying_what_would_be_right() {
    let house = House::new();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_CA_BUNDLE", house.authority.to_str().unwrap()),
    ];
    let ran = house.run_over_https("whoami", &variables);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("UnknownAccessKey"), "{ran:?}");
}
