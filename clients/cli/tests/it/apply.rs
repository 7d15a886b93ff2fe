//! `apply`: plans, what they come to, and what is refused.

use serde_json::Value;

use crate::house::House;

const HOUSE: &str = r#"
[[tenant]]
account = "123456789012"
name = "prod"

[[tenant.principal]]
name = "alice"
policies = ["key-user"]

[[tenant.principal.policy]]
name = "own"
document = '''{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"strongroom:ReadAudit","Resource":"*"}]}'''

[[tenant.key]]
alias = "alias/app"
aliases = ["alias/other"]
kind = "test-alias"
region = "here-1"
description = "of the application"
tags = { Purpose = "app" }
rotation-days = 90

[[tenant.key]]
alias = "alias/sign"
kind = "test-alias"
region = "here-1"
spec = "EcP256"
usage = "Sign"
"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A file of declarations.
fn file(house: &House, name: &str, text: &str) -> String {
    let path = house.test.directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn what_is_declared_is_made_once_and_then_unchanged() {
    let house = House::new();
    let file = file(&house, "house.toml", HOUSE);
    let plan = house.done(&format!("apply -f {file} --dry-run"));
    assert!(plan.contains("+ tenant 123456789012\n") && plan.contains("+ key alias/app"), "{plan}");
    assert!(plan.contains("6 to create, 0 to change, 0 unchanged (=).\nNothing is deleted"), "{plan}");
    assert_eq!(house.run("tenant show 123456789012").exit, 1, "a dry run does nothing");
    let done = house.done(&format!("apply -f {file} --yes"));
    assert!(done.contains("done: create key alias/app\n"), "{done}");
    let keys = json(&house.done("key list --tenant 123456789012 --output json"));
    let app = keys["items"].as_array().unwrap().iter().find(|key| key["spec"] == "Aes256").unwrap().clone();
    assert_eq!(
        (&app["rotation_period_days"], &app["description"]),
        (&Value::from(90), &Value::from("of the application"))
    );
    assert_eq!(app["bindings"].as_array().unwrap().len(), 3, "its own name and two aliases: {app}");
    let again = json(&house.done(&format!("apply -f {file} --yes --output json")));
    assert_eq!((&again["steps"], &again["unchanged"]), (&Value::Array(Vec::new()), &Value::from(6)), "{again}");
}

#[test]
fn what_differs_is_shown_and_changed_and_what_is_not_named_stays() {
    let house = House::new();
    house.done(&format!("apply -f {} --yes", file(&house, "house.toml", HOUSE)));
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"test:*","Resource":"*"}]}"#;
    let text = format!(
        "[[key]]\nalias = 'alias/app'\naliases = ['alias/third']\nkind = 'test-alias'\nregion = 'here-1'\n\
         description = 'new'\nrotation-days = 0\npolicy = '{policy}'\n[key.tags]\nPurpose = 'app'\nOwner = 'me'\n"
    );
    let line = format!("apply -f {} --tenant 123456789012", file(&house, "change.toml", &text));
    let plan = house.done(&format!("{line} --dry-run"));
    for change in [
        "~ key alias/app",
        "description: \"of the application\" -> \"new\"",
        "rotation-days: 90 -> never",
        "tag Owner: \"me\"",
        "alias: alias/third",
    ] {
        assert!(plan.contains(change), "{change}: {plan}");
    }
    assert!(!plan.contains("tag Purpose") && plan.contains("policy:\n"), "{plan}");
    house.done(&format!("{line} --yes"));
    assert!(house.done(&format!("{line} --dry-run")).contains("0 to create, 0 to change"));
    let keys = house.done("key list --tenant 123456789012 --output json");
    assert!(keys.contains("alias/other") && keys.contains("alias/sign"), "{keys}");
}

#[test]
fn nobody_to_ask_means_nothing_is_done_and_a_no_as_well() {
    let house = House::new();
    let line = format!("apply -f {}", file(&house, "house.toml", HOUSE));
    let ran = house.run(&line);
    assert!(ran.exit == 1 && ran.err.contains("nobody to ask") && ran.err.contains("give --yes"), "{ran:?}");
    let (ran, asked) = house.run_answering(&line, false);
    assert!(ran.exit == 1 && asked == ["6 changes. Go on?"], "{ran:?} {asked:?}");
    assert_eq!(house.run(&format!("{line} --output json")).exit, 2);
    assert_eq!(house.run("tenant show 123456789012").exit, 1);
    let (ran, _) = house.run_answering(&line, true);
    assert_eq!(ran.exit, 0, "{ran:?}");
}

#[test]
fn every_mistake_is_told_with_its_line_in_toml_and_in_json() {
    let house = House::new();
    let text = "[[tenant]]\naccount = '12'\nnonsense = 1\n[[tenant.principal]]\nname = 'a b'\npolicies = ['king']\n\
                [[tenant.key]]\nalias = 'app'\nspec = 'Aes1'\nregion = 'r'\nrotation-days = 3\n[[key]]\nalias = 'alias/x'\n";
    let path = file(&house, "wrong.toml", text);
    let ran = house.run(&format!("apply -f {path} --yes"));
    assert_eq!(ran.exit, 2, "{ran:?}");
    for (line, problem) in [
        (2, "12 digits"),
        (3, "`nonsense` is no field"),
        (5, "1 to 64 letters"),
        (6, "\"king\" is no policy"),
        (8, "must begin with"),
        (9, "\"Aes1\" is no kind of key"),
        (11, "`rotation-days` must be"),
        (12, "`region` is missing"),
        (12, "of no tenant"),
    ] {
        let found = ran.err.lines().any(|told| told.contains(&format!("{path}:{line}: ")) && told.contains(problem));
        assert!(found, "{line} {problem}: {}", ran.err);
    }
    let text = "{\"tenant\": [\n{\"account\": \"123456789012\",\n\"name\": 7, \"key\": [\n{\"spec\": \"Aes256\", \"region\": \"r\"}]}]}";
    let path = file(&house, "wrong.json", text);
    let ran = house.run(&format!("apply -f {path} --yes"));
    assert!(ran.err.contains(&format!("{path}:3: `name` must be")), "{ran:?}");
    assert!(ran.err.contains(&format!("{path}:4: `alias` is missing")), "{ran:?}");
    for text in ["{\"a\": 1,\n\"a\": 2}", "{\n\"a\" 1}", "[1,\n2", "{}\nx", "{\"a\":\n[1 2]}", "\nnonsense"] {
        let ran = house.run(&format!("apply -f {} --yes", file(&house, "syntax.json", text)));
        assert!(ran.exit == 2 && ran.err.contains("syntax.json:"), "{text}: {ran:?}");
    }
    let text = "{\"tenant\": [{\"account\": \"123456789012\", \"name\": \"n\", \"principal\": [{\"name\": \"a\"}]}]}";
    house.done(&format!("apply -f {} --yes", file(&house, "right.json", text)));
}

#[test]
fn what_a_key_keeps_is_refused_in_the_plan_before_anything_is_done() {
    let house = House::new();
    house.done(&format!("apply -f {} --yes", file(&house, "house.toml", HOUSE)));
    let text = "[[tenant]]\naccount = '123456789012'\n[[tenant.principal]]\nname = 'bob'\n[[tenant.key]]\n\
                alias = 'alias/app'\nkind = 'test-alias'\nregion = 'here-1'\nspec = 'Hmac256'\naliases = ['alias/sign']\n";
    let ran = house.run(&format!("apply -f {} --yes", file(&house, "other.toml", text)));
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(
        ran.err.contains("other.toml:5: alias/app is there with spec Aes256, which cannot become Hmac256"),
        "{ran:?}"
    );
    assert!(ran.err.contains("alias/sign leads to another key"), "{ran:?}");
    assert_eq!(house.run("principal show --tenant 123456789012 bob").exit, 1, "nothing was done");
    let text = "[[tenant]]\naccount = '999999999999'\n";
    let ran = house.run(&format!("apply -f {} --yes", file(&house, "unnamed.toml", text)));
    assert!(ran.err.contains("there is no tenant 999999999999; to have it made, give its `name`"), "{ran:?}");
}

#[test]
fn after_a_failure_half_way_a_second_run_goes_on() {
    let house = House::new();
    let file = file(&house, "house.toml", HOUSE);
    // What no plan can know: somebody else takes the name while the question is asked.
    let ran = house.run_meanwhile(&format!("apply -f {file}"), &|| {
        house.done("tenant create --account 123456789012 --name prod");
    });
    assert!(ran.exit == 1 && ran.err.contains("AlreadyExists"), "{ran:?}");
    let done = json(&house.done(&format!("apply -f {file} --yes --output json")));
    assert_eq!((&done["applied"], &done["unchanged"]), (&Value::from(5), &Value::from(1)), "{done}");
}

/// The one line that tells a problem.
fn told(err: &str, line: usize, problem: &str) -> bool {
    err.lines().any(|told| told.contains(&format!(".toml:{line}: ")) && told.contains(problem))
}

#[test]
fn what_the_server_would_refuse_is_told_in_the_plan_with_its_line_and_nothing_is_done() {
    let house = House::new();
    let mistaken = r#"
[[principal]]
name = "alice"
[[principal.policy]]
name = "own"
document = '{}'
[[role]]
name = "app"
trust = '{"Version":"2012-10-17"}'
[[key]]
alias = "alias/good"
aliases = ["nonsense"]
kind = "test-alias"
region = "here-1"
[[key]]
alias = "alias/nowhere"
kind = "test-alias"
region = "eu-north-9"
[[key]]
alias = "alias/empty"
kind = "test-alias"
region = "here-1"
policy = '{}'
[[key]]
alias = "alias/locked"
kind = "test-alias"
region = "here-1"
policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"{account}"},"Action":"test:Encrypt","Resource":"*"}]}'
[[key]]
alias = "alias/nobody"
kind = "test-alias"
region = "here-1"
policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["{account}","arn:aws:iam::{account}:user/nobody"]},"Action":"test:*","Resource":"*"}]}'
[[key]]
alias = "alias/unknown"
kind = "no-such-kind"
region = "here-1"
"#;
    let expected = [
        (6, "InvalidPolicy"),
        (9, "InvalidPolicy"),
        (12, "\"nonsense\" is no name of the kind test-alias"),
        (18, "serves the region \"eu-north-9\"; served are"),
        (23, "InvalidPolicy"),
        (28, "give --bypass-lockout"),
        (33, "user/nobody\", who does not exist"),
        (34, "no-such-kind"),
    ];
    // Of a tenant that is there, and of one that the same file makes.
    house.done("tenant create --account 123456789012 --name prod");
    let tenants = [("123456789012", 0), ("444455556666", 3)];
    for (account, more) in tenants {
        let inner = mistaken.replace("[[", "[[tenant.");
        let (text, tenant) = match more {
            0 => (mistaken.to_owned(), format!("--tenant {account}")),
            _ => (format!("[[tenant]]\naccount = '{account}'\nname = 'new'\n{inner}"), String::new()),
        };
        let path = file(&house, "mistaken.toml", &text);
        for how in ["--dry-run", "--yes"] {
            let ran = house.run(&format!("apply -f {path} {tenant} {how}"));
            assert_eq!(ran.exit, 2, "{ran:?}");
            for (line, problem) in expected {
                assert!(told(&ran.err, line + more, problem), "{account} {line} {problem}: {}", ran.err);
            }
        }
    }
    assert_eq!(house.run("tenant show 444455556666").exit, 1, "nothing was done");
    assert_eq!(house.run("principal show --tenant 123456789012 alice").exit, 1, "nothing was done");
}

#[test]
fn a_policy_may_name_whom_the_same_file_makes_before_it() {
    let house = House::new();
    let policy = |user: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":["{{account}}","arn:aws:iam::{{account}}:user/{user}"]}},"Action":"test:*","Resource":"*"}}]}}"#
        )
    };
    let key = |user: &str| {
        format!(
            "[[tenant.key]]\nalias = 'alias/app'\nkind = 'test-alias'\nregion = 'here-1'\npolicy = '{}'\n",
            policy(user)
        )
    };
    let tenant = "[[tenant]]\naccount = '123456789012'\nname = 'prod'\n[[tenant.principal]]\nname = 'alice'\n";
    let path = file(&house, "named.toml", &format!("{tenant}{}", key("alice")));
    house.done(&format!("apply -f {path} --yes"));
    let more = "[[tenant.principal]]\nname = 'bob'\n";
    let path = file(&house, "named.toml", &format!("{tenant}{more}{}", key("bob")));
    let plan = house.done(&format!("apply -f {path} --yes"));
    assert!(plan.contains("+ principal bob") && plan.contains("~ key alias/app"), "{plan}");
    let later = "[[tenant]]\naccount = '444455556666'\nname = 'late'\n[[tenant.principal]]\nname = 'eve'\n";
    let early = key("alice").replace("{account}:user/alice", "444455556666:user/eve");
    let path = file(&house, "named.toml", &format!("{tenant}{early}{later}"));
    let plan = house.done(&format!("apply -f {path} --yes"));
    assert!(plan.contains("+ principal eve (tenant 444455556666)") && plan.contains("~ key alias/app"), "{plan}");
}

#[test]
fn a_role_that_trusts_one_made_after_it_is_refused_with_its_line() {
    let house = House::new();
    let role = |name: &str, trusted: &str| {
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{{account}}:{trusted}"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        format!("[[tenant.role]]\nname = '{name}'\ntrust = '{trust}'\n")
    };
    let tenant = "[[tenant]]\naccount = '123456789012'\nname = 'prod'\n";
    let (early, late) = (role("early", "role/late"), role("late", "root"));
    let path = file(&house, "roles.toml", &format!("{tenant}{early}{late}"));
    let ran = house.run(&format!("apply -f {path} --yes"));
    assert!(ran.exit == 2 && told(&ran.err, 6, "is made only after this policy: declare it further up"), "{ran:?}");
    let path = file(&house, "roles.toml", &format!("{tenant}{late}{early}"));
    house.done(&format!("apply -f {path} --yes"));
}

#[test]
fn a_reserved_tag_is_refused_with_its_line() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    let text = "[[key]]\nalias = 'alias/app'\nkind = 'test-alias'\nregion = 'here-1'\n[key.tags]\nOwner = 'me'\n'AWS:x' = '1'\n";
    let ran = house.run(&format!("apply -f {} --tenant 123456789012 --yes", file(&house, "tags.toml", text)));
    assert!(ran.exit == 2 && told(&ran.err, 7, "`AWS:x` is reserved"), "{ran:?}");
}

#[test]
fn the_plan_hides_nothing_of_a_new_key_nor_what_a_policy_says() {
    let house = House::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"all","Effect":"Allow","Principal":{"AWS":"{account}"},"Action":"test:*","Resource":"*"}]}"#;
    let text = HOUSE.replace("description =", &format!("policy = '{policy}'\ndescription ="));
    let line = format!("apply -f {}", file(&house, "house.toml", &text));
    let plan = house.done(&format!("{line} --dry-run"));
    for shown in [
        "+ tenant 123456789012\n",
        "    description: \"of the application\"\n",
        "    tag Purpose: \"app\"\n",
        "    policy:\n        + statement \"all\": {\"Action\":\"test:*\"",
        "    document:\n        + statement [0]: {",
    ] {
        assert!(plan.contains(shown), "{shown}: {plan}");
    }
    let own = policy.replace("{account}", "123456789012");
    let field = |plan: &Value, kind: &str, field: &str| {
        let step = plan["steps"].as_array().unwrap().iter().find(|step| step["kind"] == kind).unwrap().clone();
        step["changes"].as_array().unwrap().iter().find(|change| change["field"] == field).unwrap().clone()
    };
    let plan = json(&house.done(&format!("{line} --yes --output json")));
    assert_eq!(field(&plan, "key", "policy")["to"], own.as_str());
    assert_eq!(field(&plan, "key", "tag Purpose")["to"], "\"app\"");
    let changed = text.replace("\"test:*\"", "[\"test:*\",\"test:More\"]");
    let line = format!("apply -f {} --dry-run", file(&house, "house.toml", &changed));
    let shown = house.done(&line);
    assert!(shown.contains("        ~ statement \"all\"\n            - {") && !shown.contains("bytes"), "{shown}");
    let change = field(&json(&house.done(&format!("{line} --output json"))), "key", "policy");
    assert_eq!(change["from"], own.as_str());
    assert!(change["to"].as_str().unwrap().contains("test:More"), "{change}");
}

#[test]
fn the_shipped_profile_is_a_file_without_mistakes_for_any_tenant() {
    let house = House::new();
    let ran = house.run("apply --profile purpose-keys --tenant 111122223333 --region here-1 --dry-run");
    // Its names are of a front end that this server has not; nothing else of its five keys is wrong.
    let told = ran.err.lines().filter(|line| line.contains("\"aws-kms-alias\" is no kind of name here"));
    assert_eq!((told.count(), ran.err.lines().count()), (5, 5), "{ran:?}");
    assert_eq!(house.run("apply --profile none --tenant 111122223333").exit, 2);
}

const ROLE: &str = r#"
[[tenant]]
account = "123456789012"
name = "prod"

[[tenant.principal]]
name = "alice"

[[tenant.role]]
name = "app"
trust = '''{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::{account}:user/alice"},"Action":"sts:AssumeRole"}]}'''
session-seconds = 7200
policies = ["key-user"]
"#;

#[test]
fn a_role_is_made_with_its_trust_and_policies_and_follows_the_file() {
    let house = House::new();
    let first = file(&house, "role.toml", ROLE);
    let plan = house.done(&format!("apply -f {first} --yes"));
    assert!(plan.contains("+ role app") && plan.contains("+ policy key-user of role/app"), "{plan}");
    let role = json(&house.done("role show --tenant 123456789012 app --output json"));
    assert_eq!(role["session_seconds"], 7200);
    assert!(role["trust_policy"].as_str().unwrap().contains("arn:aws:iam::123456789012:user/alice"), "{role}");
    let again = json(&house.done(&format!("apply -f {first} --yes --output json")));
    assert_eq!((&again["steps"], &again["unchanged"]), (&Value::Array(Vec::new()), &Value::from(4)), "{again}");
    let changed = ROLE.replace("7200", "3600").replace("sts:AssumeRole", "sts:*");
    let changed = file(&house, "changed.toml", &changed);
    let plan = house.done(&format!("apply -f {changed} --yes"));
    assert!(plan.contains("~ role app") && plan.contains("session-seconds: 7200 -> 3600"), "{plan}");
    assert!(house.done(&format!("apply -f {changed} --dry-run")).contains("0 to create, 0 to change"));
}

#[test]
fn mistakes_in_roles_are_told_with_their_lines() {
    let house = House::new();
    let text =
        "[[role]]\nname = 'a'\nsession-seconds = 60\n[[role]]\nname = 'a'\ntrust = '{'\n[[role]]\nname = 'b c'\n";
    let path = file(&house, "wrong.toml", text);
    let ran = house.run(&format!("apply -f {path} --yes --tenant 123456789012"));
    assert_eq!(ran.exit, 2, "{ran:?}");
    for (line, problem) in [(3, "3600 to 43200"), (4, "declared twice"), (6, "no JSON"), (8, "1 to 64")] {
        let found =
            ran.err.lines().any(|told| told.contains(&format!("wrong.toml:{line}: ")) && told.contains(problem));
        assert!(found, "{line} {problem}: {}", ran.err);
    }
    house.done("tenant create --account 123456789012 --name prod");
    let path = file(&house, "untrusting.toml", "[[role]]\nname = 'a'\n");
    let ran = house.run(&format!("apply -f {path} --yes --tenant 123456789012"));
    assert!(ran.exit == 2 && ran.err.contains("give its `trust`"), "{ran:?}");
}

#[test]
fn a_tenants_administrator_applies_a_file_of_its_own_tenant_over_https() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    house.done("tenant create --account 444455556666 --name other");
    house.done("principal create --tenant 123456789012 --name admin --role tenant-administrator");
    let key = json(
        house.done("access-key create --tenant 123456789012 --principal admin --output json").lines().next().unwrap(),
    );
    let bundle = house.authority.display().to_string();
    let variables = [
        ("AWS_ACCESS_KEY_ID", key["access_key_id"].as_str().unwrap()),
        ("AWS_SECRET_ACCESS_KEY", key["secret_access_key"].as_str().unwrap()),
        ("AWS_CA_BUNDLE", bundle.as_str()),
    ];
    let text = HOUSE.replace("description =", "policy = '''{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"{account}\"},\"Action\":\"*\",\"Resource\":\"*\"}]}'''\ndescription =");
    let line = format!("apply -f {} --yes --bypass-lockout", file(&house, "house.toml", &text));
    let ran = house.run_over_https(&line, &variables);
    assert!(ran.exit == 0 && ran.out.contains("done: create key alias/app"), "{ran:?}");
    let ran = house.run_over_https(&format!("apply -f {} --yes", file(&house, "role.toml", ROLE)), &variables);
    assert!(ran.exit == 0 && ran.out.contains("done: create role app"), "{ran:?}");
    let changed = text.replace("of the application", "changed").replace("rotation-days = 90", "rotation-days = 0");
    let changed = changed
        .replace("Purpose = \"app\"", "Purpose = \"other\"")
        .replace("\"Action\":\"*\"", "\"Action\":\"test:*\"");
    let ran = house.run_over_https(
        &format!("apply -f {} --yes --bypass-lockout", file(&house, "changed.toml", &changed)),
        &variables,
    );
    assert!(ran.exit == 0 && ran.out.contains("done: change key alias/app"), "{ran:?}");
    let other = text.replace("123456789012", "444455556666").replace("\"prod\"", "\"other\"");
    let ran = house.run_over_https(&format!("apply -f {} --yes", file(&house, "other.toml", &other)), &variables);
    assert!(ran.exit != 0 && ran.err.contains("AccessDenied"), "{ran:?}");
}

#[test]
fn a_key_policy_that_locks_everyone_out_is_refused_unless_it_is_meant() {
    let house = House::new();
    house.done("tenant create --account 123456789012 --name prod");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"{account}"},"Action":"test:Encrypt","Resource":"*"}]}"#;
    let text = format!("[[key]]\nalias = 'alias/app'\nkind = 'test-alias'\nregion = 'here-1'\npolicy = '{policy}'\n");
    let line = format!("apply -f {} --tenant 123456789012 --yes", file(&house, "locked.toml", &text));
    let ran = house.run(&line);
    assert!(ran.exit == 2 && told(&ran.err, 5, "Lockout") && ran.err.contains("--bypass-lockout"), "{ran:?}");
    house.done(&format!("{line} --bypass-lockout"));
    let open = text.replace("test:Encrypt", "test:*");
    house.done(&format!("apply -f {} --tenant 123456789012 --yes", file(&house, "open.toml", &open)));
    assert!(house.run(&line).err.contains("Lockout"), "a policy that is replaced, too");
    house.done(&format!("{line} --bypass-lockout"));
}
