//! What administrators do all day.

use serde_json::Value;

use crate::house::House;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_tenant_is_set_up_and_its_access_key_works_over_https() {
    let house = House::new();
    let made = house.done("tenant create --account 123456789012 --name prod");
    assert!(made.contains("Account: 123456789012\n"), "{made}");
    house.done("principal create --tenant 123456789012 --name alice --role auditor");
    let key =
        json(&house.done("access-key create --tenant 123456789012 --principal alice --expires 90d --output json"));
    let (id, secret) = (key["access_key_id"].as_str().unwrap(), key["secret_access_key"].as_str().unwrap());
    let authority = house.authority.display().to_string();
    let variables =
        [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_CA_BUNDLE", authority.as_str())];
    let ran = house.run_over_https("whoami", &variables);
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.out.contains("arn:aws:iam::123456789012:user/alice"), "{ran:?}");
    let ran = house.run_over_https("principal list --tenant 123456789012", &variables);
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    let ran = house.run_over_https("principal create --tenant 123456789012 --name bob", &variables);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("AccessDenied") && ran.err.contains("try:") && ran.err.contains("request:"), "{ran:?}");
}

#[test]
fn a_secret_is_shown_once_to_people_too() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    house.done("principal create --tenant 123456789012 --name alice");
    let shown = house.done("access-key create --tenant 123456789012 --principal alice");
    let line = shown.lines().find(|line| line.starts_with("Secret access key:")).unwrap();
    assert_eq!(line.split_whitespace().last().unwrap().len(), 40);
    assert!(shown.ends_with("The secret is shown this once and cannot be shown again.\n"));
    let listed = house.done("access-key list --tenant 123456789012 --principal alice");
    assert!(listed.starts_with("ACCESS KEY ID") && listed.lines().count() == 2, "{listed}");
}

#[test]
fn policies_are_attached_shown_explained_and_detached() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    house.done("principal create --tenant 123456789012 --name alice");
    let of = "--tenant 123456789012 --principal alice";
    assert_eq!(house.done(&format!("policy attach {of} --role key-user")), "attached key-user to alice\n");
    let file = house.test.directory.path().join("policy.json");
    let document = "{\"Version\":\"2012-10-17\",\n\"Statement\":[{\"Sid\":\"Log\",\"Effect\":\"Allow\",\"Action\":\"strongroom:ReadAudit\",\"Resource\":\"*\"}]}\n";
    std::fs::write(&file, document).unwrap();
    house.done(&format!("policy attach {of} --name own --file {}", file.display()));
    assert_eq!(house.done(&format!("policy show {of} --name own")), document);
    let explained = house.done(&format!("policy explain {of} --action strongroom:ReadAudit"));
    assert!(explained.starts_with("Decision:  allowed\n"), "{explained}");
    assert!(
        explained.lines().any(|line| line.starts_with('*') && line.contains("identity-policy own[0]")),
        "{explained}"
    );
    let strange = document
        .replace("strongroom:ReadAudit\"", "strongroom:ReadAudits\"")
        .replace("\"Resource\":\"*\"", "\"Resource\":\"*\",\"Condition\":{\"Bool\":{\"aws:Nope\":\"true\"}}");
    std::fs::write(&file, strange).unwrap();
    let said = house.done(&format!("policy attach {of} --name strange --file {}", file.display()));
    assert!(said.contains("warning: \"strongroom:ReadAudits\" is no action here"), "{said}");
    assert!(said.contains("warning: \"aws:Nope\" is no condition key here"), "{said}");
    for role in ["tenant-administrator", "key-administrator", "key-user", "auditor"] {
        let told = json(&house.done(&format!("policy attach {of} --role {role} --output json")));
        assert_eq!(told["warnings"], Value::Array(Vec::new()), "{told}");
        house.done(&format!("policy detach {of} --name {role}"));
    }
    house.done(&format!("policy detach {of} --name strange"));
    house.done(&format!("policy detach {of} --name own"));
    let explained = house.done(&format!("policy explain {of} --action strongroom:ReadAudit"));
    assert!(explained.starts_with("Decision:  denied: no identity policy allows it\n"), "{explained}");
    assert!(house.done("policy roles").contains("tenant-administrator"));
    assert!(json(&house.done("policy roles auditor"))["Statement"].is_array());
}

#[test]
fn keys_and_bindings_are_listed_and_the_kill_switch_is_thrown_and_lifted() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    let listed = json(&house.done("key list --tenant 111122223333 --output json"));
    assert_eq!(listed["items"][0]["id"], key.as_str());
    let state = |line: &str| {
        let shown = house.done(line);
        let state = shown.lines().find_map(|line| line.strip_prefix("State:"));
        state.map(|state| state.trim().to_owned()).unwrap_or_default()
    };
    assert_eq!(state(&format!("key suspend {key}")), "Suspended");
    assert_eq!(state(&format!("key resume {key}")), "Active");
    assert_eq!(state(&format!("key suspend {key} --version-number 1")), "Suspended");
    assert!(house.done(&format!("key show {key}")).contains("1 Suspended (current)"));
    assert!(house.done("binding list --tenant 111122223333").contains(&key));
    assert!(house.done("root list").contains("test.example/node+"));
    assert!(house.done("tenant suspend 111122223333").contains("suspended"));
    assert!(house.done("tenant list").contains("suspended"));
    assert!(house.done("health").contains("serving"));
    assert_eq!(house.done("key-store list"), "none\n");
}

#[test]
fn listings_longer_than_a_page_are_whole() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    for index in 0..101 {
        house.done(&format!("principal create --tenant 123456789012 --name p-{index}"));
    }
    let listed = json(&house.done("principal list --tenant 123456789012 --output json"));
    assert_eq!(listed["items"].as_array().unwrap().len(), 101);
}

#[test]
fn services_are_made_by_operators_and_have_access_keys() {
    let house = House::new();
    let made = house.done("principal create --tenant services --name s3.example.internal");
    assert!(made.contains("s3.example.internal"), "{made}");
    assert!(house.done("principal list --tenant services").contains("s3.example.internal"));
    let key = house.done("access-key create --tenant services --principal s3.example.internal");
    assert!(key.contains("AKIA"), "{key}");
    for refused in [
        "principal create --tenant services --name s3",
        "access-key create --tenant services --root",
        "policy attach --tenant services --principal s3.example.internal --role key-user",
        "role list --tenant services",
    ] {
        assert_eq!(house.run(refused).exit, 1, "{refused}");
    }
    house.done("principal suspend --tenant services s3.example.internal");
    house.done("principal delete --tenant services s3.example.internal");
}

#[test]
fn a_request_is_explained_by_the_name_that_it_calls_a_key_by() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    let file = house.test.directory.path().join("key.toml");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"{account}"},"Action":"test:*","Resource":"*"}]}"#;
    let text = format!("[[key]]\nalias = 'alias/app'\nkind = 'test-alias'\nregion = 'here-1'\npolicy = '{policy}'\n");
    std::fs::write(&file, text).unwrap();
    house.done(&format!("apply -f {} --tenant 123456789012 --yes", file.display()));
    let ask = "policy explain --tenant 123456789012 --action test:Encrypt --name alias/app --region here-1";
    let told = house.done(ask);
    assert!(told.contains("allowed"), "{told}");
    let refused = house.run(&ask.replace("alias/app", "alias/none"));
    assert!(refused.exit == 1 && refused.err.contains("NotFound"), "{refused:?}");
    assert_eq!(house.run(&ask.replace("alias/app", "nothing")).exit, 1);
}
