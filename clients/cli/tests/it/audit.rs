//! Reading the log through a server, and verifying it without one.

use serde_json::Value;

use crate::house::House;

#[test]
fn records_are_shown_as_a_table_as_json_and_as_cloudtrail_events() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    house.run("tenant show 999999999999");
    let table = house.done("audit show --action CreateTenant");
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("TIME") && lines[0].ends_with("REQUEST"), "{table}");
    assert!(lines[1].contains("CreateTenant") && lines[1].contains("done"), "{table}");
    let json = house.done("audit show --outcome failed --output json");
    let record: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert!(record.to_string().contains("NotFound"), "{json}");
    let event = house.done("audit show --action CreateTenant --output cloudtrail");
    let event: Value = serde_json::from_str(event.lines().next().unwrap()).unwrap();
    assert_eq!(event["eventName"], "CreateTenant", "{event}");
    assert_eq!(house.done("audit show --principal nobody"), "none\n");
}

#[test]
fn the_table_names_the_statement_by_which_a_request_was_denied() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    house.done("principal create --tenant 123456789012 --name alice --role auditor");
    let file = house.test.directory.path().join("policy.json");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NoNames","Effect":"Deny","Action":"strongroom:ReadPrincipals","Resource":"*"}]}"#;
    std::fs::write(&file, document).unwrap();
    let of = "--tenant 123456789012 --principal alice";
    house.done(&format!("policy attach {of} --name own --file {}", file.display()));
    assert_eq!(house.run_as(of, "principal list --tenant 123456789012").exit, 1);
    let table = house.done("audit show --outcome denied");
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].contains("DECIDED BY"), "{table}");
    assert!(lines[1].contains("identity-policy own[0] NoNames") && lines[1].contains("AccessDenied"), "{table}");
    // What was simply allowed names no statement.
    assert!(!house.done("audit show --action CreateTenant").contains("policy"), "{table}");
    assert_eq!(house.done("audit show --outcome tried-out"), "none\n");
}

#[test]
fn the_table_names_what_refused_a_request_that_the_policies_allow() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    let made = house.done("access-key create --tenant 123456789012 --root --output json");
    let key: Value = serde_json::from_str(&made).unwrap();
    house.done("tenant suspend 123456789012");
    let authority = house.authority.display().to_string();
    let told = |name: &str| key[name].as_str().unwrap().to_owned();
    let (id, secret) = (told("access_key_id"), told("secret_access_key"));
    let variables = [("AWS_ACCESS_KEY_ID", &*id), ("AWS_SECRET_ACCESS_KEY", &*secret), ("AWS_CA_BUNDLE", &*authority)];
    assert_eq!(house.run_over_https("principal list --tenant 123456789012", &variables).exit, 1);
    let table = house.done("audit show --outcome failed");
    let refused = table.lines().find(|line| line.contains("TenantSuspended")).unwrap();
    assert!(refused.contains("the tenant is suspended"), "{table}");
}

#[test]
fn what_was_done_with_a_key_is_found_by_whatever_leads_to_it_its_making_included() {
    let house = House::new();
    let key = house.test.create_key();
    let of = format!("{} --kind test-alias --region {}", "--tenant 111122223333", strongroom_testkit::engine::REGION);
    house.done(&format!("binding create alias/app {of} --key {}", key.row.id));
    let operations = |line: &str| {
        let shown = house.done(&format!("audit show --output json {line}"));
        let records = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.map(|record| record["request"]["operation"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let by_id = operations(&format!("--key {}", key.row.id));
    assert_eq!(by_id, ["Test", "CreateBinding"]);
    // By the records of the tenant's own callers, with the name of one of its keys.
    assert_eq!(operations("--key alias/app --tenant 111122223333"), ["Test"]);
}

#[test]
fn a_key_that_is_looked_for_by_its_name_alone_is_told_and_a_look_up_that_fails_ends_the_search() {
    let house = House::new();
    let ran = house.run("audit show --key alias/nothing --tenant 111122223333 --output json");
    assert_eq!((ran.exit, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.starts_with("strongroom: alias/nothing leads to no key now; these are"), "{ran:?}");
    let table = house.done("audit show --key alias/nothing --tenant 111122223333");
    assert!(table.starts_with("none\nalias/nothing leads to no key now; these are"), "{table}");
    let arn = |account: &str| format!("arn:aws:kms:{}:{account}:alias/app", strongroom_testkit::engine::REGION);
    let ran = house.run(&format!("audit show --key {} --output json", arn("999999999999")));
    assert!(ran.exit == 0 && ran.err.contains("could not be looked up (NotFound); these are"), "{ran:?}");
    let odd = format!("arn:aws:kms:{}:111122223333:alias/app", "r".repeat(65));
    let ran = house.run(&format!("audit show --key {odd}"));
    assert!((ran.exit, ran.out.as_str()) == (1, "") && ran.err.starts_with("strongroom: InvalidRequest: "), "{ran:?}");

    // Whoever may read records need not be one who may look up names.
    house.done("principal create --tenant 111122223333 --name alice --role auditor");
    let file = house.test.directory.path().join("policy.json");
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"strongroom:ReadBindings","Resource":"*"}]}"#;
    std::fs::write(&file, document).unwrap();
    let of = "--tenant 111122223333 --principal alice";
    house.done(&format!("policy attach {of} --name own --file {}", file.display()));
    let line = format!("audit show --key {} --tenant 111122223333 --output json", arn("111122223333"));
    let ran = house.run_as(of, &line);
    assert!(ran.exit == 0 && ran.err.contains("could not be looked up (AccessDenied); these are"), "{ran:?}");
}

#[test]
fn only_as_many_records_are_shown_as_are_asked_for() {
    let house = House::new();
    for _ in 0..5 {
        house.done("whoami");
    }
    let table = house.done("audit show --action GetCallerIdentity --limit 3");
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(table.ends_with("there are more than 3; see --limit and --since\n"), "{table}");
    for form in ["json", "cloudtrail"] {
        let ran = house.run(&format!("audit show --action GetCallerIdentity --limit 3 --output {form}"));
        assert_eq!((ran.exit, ran.out.lines().count()), (0, 3), "{ran:?}");
        assert_eq!(ran.err, "strongroom: there are more than 3; see --limit and --since\n");
    }
}

#[test]
fn a_log_is_verified_from_its_files_and_a_public_key_and_a_change_is_found() {
    let house = House::new();
    for _ in 0..20 {
        house.done("whoami");
    }
    house.engine.checkpoint().unwrap();
    let roots: Value = serde_json::from_str(&house.done("root list --output json")).unwrap();
    let key = roots["items"][0]["checkpoint_key"].as_str().unwrap();
    let log = house.test.directory.path().join("audit");
    let sound = house.run(&format!("audit verify {} --key {key} --output json", log.display()));
    assert_eq!(sound.exit, 0, "{sound:?}");
    let report: Value = serde_json::from_str(&sound.out).unwrap();
    assert_eq!((&report["sound"], &report["checkpoints"]), (&Value::Bool(true), &Value::from(1)));

    let file = house.test.directory.path().join("key");
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let table = house.run(&format!("audit verify {} --key {}", log.display(), file.display()));
    assert!(table.exit == 0 && table.out.contains("Verdict:        sound\n"), "{table:?}");

    let copy = house.test.directory.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let mut segments: Vec<_> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "sra"));
    let first = segments.iter().min().unwrap();
    let mut bytes = std::fs::read(first).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(copy.join(first.file_name().unwrap()), bytes).unwrap();
    let changed = house.run(&format!("audit verify {} --key {key}", copy.display()));
    assert_eq!(changed.exit, 1, "{changed:?}");
    assert!(changed.out.contains("ALARM") && changed.out.contains("NOT SOUND"), "{changed:?}");
    assert!(changed.err.contains("the log is not sound"), "{changed:?}");
}

#[test]
fn verification_needs_a_key_and_a_log_that_can_be_read() {
    let house = House::new();
    let log = house.test.directory.path().join("audit").display().to_string();
    let empty = house.test.directory.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(house.run(&format!("audit verify {log} --key nonsense")).exit, 2);
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(house.run(&format!("audit verify {} --key {key}", empty.display())).exit, 2);
    assert_eq!(house.run(&format!("audit verify /nonexistent --key {key}")).exit, 2);
    assert_eq!(house.run(&format!("audit verify {log} --key {key} --since /nonexistent")).exit, 2);
}
