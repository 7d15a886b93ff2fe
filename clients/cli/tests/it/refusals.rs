//! What is refused, and how it is told.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::house::{House, command};

#[test]
fn a_refusal_names_the_cause_the_remedy_and_the_request_and_exits_1() {
    let house = House::new();
    let ran = house.run("key show 00000000000000000000000000000000");
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    let lines: Vec<_> = ran.err.lines().collect();
    assert!(lines[0].starts_with("strongroom: NotFound: key 0000"), "{ran:?}");
    assert_eq!(lines[1], "  try: see the keys that there are: strongroom key list");
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

/// What comes of a command whose server takes the request, answers so and goes away.
fn broken_off(socket: &Path, line: &str, answer: &str) -> String {
    let listener = UnixListener::bind(socket).unwrap();
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
            while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = stream.read(&mut bytes).unwrap();
                assert_ne!(read, 0, "the request ended early");
                seen.extend_from_slice(&bytes[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let words = line.split(' ').map(str::to_owned).chain(["--socket".to_owned(), socket.display().to_string()]);
        let ran = command(words.collect(), &HashMap::new(), 0);
        assert_eq!((ran.exit, ran.out.as_str()), (3, ""), "{line}: {ran:?}");
        assert!(ran.err.contains("does not answer: "), "{line}: {ran:?}");
        assert!(!ran.err.contains("start the server") && !ran.err.contains("in time"), "{line}: {ran:?}");
        ran.err
    });
    std::fs::remove_file(socket).unwrap();
    told
}

#[test]
fn what_was_asked_before_the_connection_broke_may_be_done_and_a_key_may_be_made() {
    let create = "key create --tenant 111122223333 --region us-east-1 --spec SYMMETRIC_DEFAULT --alias alias/app";
    let house = House::new();
    let socket = house.test.directory.path().join("breaking.sock");
    let broken_off = |line: &str, answer: &str| broken_off(&socket, line, answer);
    for answer in ["", "HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{", "no HTTP"] {
        let told = broken_off(create, answer);
        assert!(told.contains("the key may be made, or may yet be"), "{told}");
        assert!(told.contains("try: see whether it is there: strongroom key show alias/app"), "{told}");
        let told = broken_off("tenant create --account 123456789012 --name prod", answer);
        assert!(told.contains("try: see whether it was done before you ask again"), "{told}");
        for line in [&format!("{create} --dry-run"), "whoami"] {
            let told = broken_off(line, answer);
            assert!(!told.contains("may be made") && !told.contains("whether it was done"), "{told}");
            assert!(told.contains("ask again: what was asked last changes nothing"), "{told}");
        }
    }
    let told = broken_off("tenant create --account 123456789012 --name prod --output json", "");
    assert!(told.contains(r#""code":"Unanswered""#), "{told}");
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
    assert!(ran.err.contains("no authority that is trusted here issued it"), "{ran:?}");
    assert!(ran.err.contains("try: name the PEM file of the authority that issued it: AWS_CA_BUNDLE=FILE"), "{ran:?}");
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

#[test]
fn with_json_for_output_errors_are_json_too() {
    let house = House::new();
    let error = |line: &str| {
        let ran = house.run(&format!("{line} --output json"));
        let value: serde_json::Value =
            serde_json::from_str(&ran.err).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (ran.exit, value["error"].clone())
    };
    let (exit, refused) = error("key show 00000000000000000000000000000000");
    assert_eq!((exit, refused["code"].as_str()), (1, Some("NotFound")));
    assert!(refused["request_id"].is_string() && refused["remedy"].as_str().unwrap().contains("key list"), "{refused}");
    assert!(refused["message"].as_str().unwrap().starts_with("key 0000"), "{refused}");
    let (exit, usage) = error("apply -f /nonexistent");
    assert_eq!((exit, usage["code"].as_str()), (2, Some("Usage")));
}

#[test]
fn an_action_that_no_record_has_and_nobody_knows_is_refused_with_what_is_near() {
    let house = House::new();
    let ran = house.run("audit show --action CreateTenat");
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(ran.err.contains("no operation is called so") && ran.err.contains("try: perhaps CreateTenant"), "{ran:?}");
    assert_eq!(house.done("audit show --action ReplicateKey"), "none\n");
}

#[test]
fn whoever_confirms_the_clock_or_attaches_a_policy_for_a_program_is_shown_the_outcome() {
    let house = House::new();
    let shown = |line: &str| serde_json::from_str::<serde_json::Value>(&house.done(line)).unwrap();
    assert!(shown("clock confirm --output json").is_object());
    house.done("principal create --tenant 111122223333 --name alice");
    let attach = "policy attach --tenant 111122223333 --principal alice --role key-user --output json";
    assert_eq!(shown(attach)["attached"], "key-user");
}

#[test]
fn an_authoritys_certificate_shown_by_a_server_is_refused_with_cause_and_remedy_in_words() {
    let served = House::showing_its_authority();
    let authority = served.authority.display().to_string();
    let variables =
        [("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_CA_BUNDLE", &*authority)];
    let ran = served.run_over_https("whoami", &variables);
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(ran.err.contains("it is that of an authority (CA:TRUE)") && ran.err.contains("AWS_CA_BUNDLE"), "{ran:?}");
    assert!(!ran.err.contains("OtherError") && !ran.err.contains("start the server"), "{ran:?}");
}

#[test]
fn an_issuer_whose_keys_may_not_be_fetched_is_taken_with_a_warning() {
    let house = House::new();
    let put = |issuer: &str| {
        house.done(&format!("issuer put --tenant 111122223333 https://{issuer} --audience sts.amazonaws.com"))
    };
    assert!(put("other.example/path").contains("Warning: none of its tokens is taken"));
    assert!(!put("allowed.example/path").contains("Warning"));
}
