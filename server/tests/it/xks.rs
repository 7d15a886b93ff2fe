//! An external key store, made by the command line and tried from outside over TLS by the same.

use std::process::{Command, Output};

use serde_json::Value;
use strongroom_testkit::server::Served;

use crate::development::program;
use crate::house::{ACCOUNT, House, Key, text};

/// `xks` and a tenant.
fn xks(house: &House, line: &str) -> Value {
    house.done(&format!("xks {line} --tenant {ACCOUNT}"))
}

fn credential(house: &House) -> Key {
    let made = xks(house, "credential create --store prod --host xks.example.com");
    let told = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, secret) = (told("access_key_id"), told("secret_access_key"));
    // What AWS takes: 20 to 30 of A-Z and 2-7, and a secret of 43 to 64 characters.
    assert!((20..=30).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')), "{id}");
    assert!((43..=64).contains(&secret.len()), "{}", secret.len());
    let console = &made["console"];
    assert_eq!(console["XksProxyUriPath"], format!("/{ACCOUNT}/prod/kms/xks/v1"));
    assert_eq!(console["XksProxyAuthenticationCredential"]["RawSecretAccessKey"], secret.as_str());
    let command = told("aws_command");
    assert!(command.contains("--custom-key-store-type EXTERNAL_KEY_STORE") && command.contains(&secret), "{command}");
    Key { id, secret }
}

/// Every check that was made, by its name.
fn preflight(house: &House, served: &Served, key: &Key, more: &str) -> (Output, Vec<(String, String, String)>) {
    let url = format!("https://{}/{ACCOUNT}/prod/kms/xks/v1", served.address.unwrap());
    let mut command = Command::new(program());
    command.args(["xks", "preflight", &url, "--output", "json", "--calls", "5"]).args(more.split_whitespace());
    command.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
    let ran = command.env("AWS_CA_BUNDLE", house.path("chain.pem")).output().unwrap();
    let checks = serde_json::Deserializer::from_slice(&ran.stdout).into_iter::<Value>().map(|check| {
        let check = check.unwrap();
        ["verdict", "check", "found"].map(|name| check[name].as_str().unwrap().to_owned()).into()
    });
    let checks = checks.collect();
    (ran, checks)
}

fn failed(checks: &[(String, String, String)]) -> Vec<&str> {
    // How long it takes is this machine's own matter, and whose the certificate is, that of the test below.
    let timely = |check: &str| !["time of Encrypt", "GetHealthStatus", "root"].contains(&check);
    let failed = checks.iter().filter(|(verdict, check, _)| verdict == "fail" && timely(check));
    failed.map(|(_, check, _)| check.as_str()).collect()
}

#[test]
fn a_key_store_made_on_the_command_line_passes_the_trial_from_outside() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    let store = xks(&house, "store create prod --region us-east-1");
    assert_eq!((&store["state"], &store["principal"]), (&"active".into(), &"service/prod".into()));
    let key = xks(&house, "key create --store prod payroll");
    let credentials = [credential(&house), credential(&house)];
    for credential in &credentials {
        let (ran, checks) = preflight(&house, &served, credential, "--key payroll");
        assert_eq!(failed(&checks), Vec::<&str>::new(), "{checks:#?}{}", text(&ran.stderr));
        for check in ["GetKeyMetadata", "Encrypt", "integrity value", "Decrypt", "GET refused", "wrong secret refused"]
        {
            assert!(checks.iter().any(|(verdict, name, _)| name == check && verdict == "ok"), "{check}: {checks:#?}");
        }
    }
    // The other one lives on when one is taken away.
    let [former, present] = &credentials;
    xks(&house, &format!("credential delete --store prod {}", former.id));
    assert!(failed(&preflight(&house, &served, present, "--key payroll").1).is_empty());
    let (ran, checks) = preflight(&house, &served, former, "--key payroll");
    assert!(!ran.status.success(), "{checks:#?}");
    let told = |name: &str| checks.iter().find(|(_, check, _)| check == name).unwrap();
    assert!(told("GetHealthStatus").2.contains("401 AuthenticationFailedException"), "{checks:#?}");
    assert_eq!(told("Decrypt").0, "skip", "{checks:#?}");

    // The switches: of the key, and of the key store, each without a restart.
    xks(&house, "key block --store prod payroll");
    let (_, checks) = preflight(&house, &served, present, "--key payroll");
    let encrypt = checks.iter().find(|(_, check, _)| check == "Encrypt").unwrap();
    assert!(encrypt.2.contains("400 InvalidStateException"), "{encrypt:?}");
    xks(&house, "key unblock --store prod payroll");
    xks(&house, "store block prod");
    let (_, checks) = preflight(&house, &served, present, "");
    let health = checks.iter().find(|(_, check, _)| check == "GetHealthStatus").unwrap();
    assert!(health.2.contains("400 InvalidStateException"), "{health:?}");
    xks(&house, "store unblock prod");

    // What is bound keeps the key store; a key with another name can be taken out of it.
    let listed = xks(&house, "key list --store prod");
    assert_eq!(listed["items"][0]["key"], key["key"]);
    let tenant = format!("--tenant {ACCOUNT}");
    assert!(house.refused(&format!("xks store delete prod {tenant}")).contains("still has keys"));
    assert!(house.refused(&format!("xks key unbind --store prod payroll {tenant}")).contains("last name"));
    // The whole way out: the key's end is scheduled, its last name goes, and then the key store.
    let id = key["key"].as_str().unwrap();
    house.done(&format!("key schedule-deletion {id} --days 7 --yes"));
    assert!(house.refused(&format!("xks store delete prod {tenant}")).contains("schedule"));
    xks(&house, "key unbind --store prod payroll");
    xks(&house, "store delete prod");
    assert_eq!(xks(&house, "store list")["items"], serde_json::json!([]));
    let records = house.records("Encrypt");
    assert!(records.iter().any(|record| record.to_string().contains("requestMetadata")), "{records:?}");
    served.stop();
}

#[test]
fn the_root_above_the_proxys_certificate_is_held_against_awss_list_and_without_it_against_this_machines_roots() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    xks(&house, "store create prod --region us-east-1");
    let key = credential(&house);
    let judged = |more: &str| {
        let (ran, checks) = preflight(&house, &served, &key, more);
        let root = checks.iter().find(|(_, check, _)| check == "root").unwrap_or_else(|| panic!("{checks:?}"));
        (root.0.clone(), root.2.clone(), text(&ran.stdout))
    };
    let list = |name: &str, owner: &str| {
        let list = house.path(name);
        std::fs::write(&list, format!("Alias name: x\nOwner: {owner}\nIssuer: {owner}\n")).unwrap();
        format!("--trusted-authorities {}", list.display())
    };
    // The listener's certificate is its own root.
    let (verdict, found, _) = judged(&list("with", "CN=Rcgen self  signed cert"));
    assert_eq!((verdict.as_str(), found.as_str()), ("ok", "CN=rcgen self signed cert, which is on AWS's list"));
    let (verdict, found, said) = judged(&list("without", "CN=Somebody Else, C=US"));
    assert_eq!((verdict.as_str(), found.as_str()), ("fail", "CN=rcgen self signed cert, which is not on AWS's list"));
    assert!(said.contains("have a certificate from a public authority on AWS's list"), "{said}");
    // What is near to the list is not said to be it.
    let (verdict, found, said) = judged("");
    assert!(verdict != "ok" && (found.contains("its list alone tells") || found.contains("not judged")), "{found}");
    assert!(said.contains("TrustedCertificateAuthorities"), "{said}");
    let url = format!("https://{}/{ACCOUNT}/prod/kms/xks/v1", served.address.unwrap());
    let said =
        house.refused(&format!("xks preflight {url} --trusted-authorities {}", house.path("chain.pem").display()));
    assert!(said.contains("in a line that begins with Owner:"), "{said}");
    served.stop();
}

#[test]
fn what_policies_that_are_tried_out_would_have_refused_is_found_by_that_and_by_kmss_request_id() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    let policy = house.path("policy.json");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"NoEncrypting","Effect":"Deny","Action":"xks-proxy:Encrypt","Resource":"*"}]}"#;
    std::fs::write(&policy, document).unwrap();
    xks(&house, &format!("store create prod --region us-east-1 --dry-run --policy {}", policy.display()));
    xks(&house, "key create --store prod payroll");
    let key = credential(&house);
    let (_, checks) = preflight(&house, &served, &key, "--key payroll");
    assert_eq!(failed(&checks), Vec::<&str>::new(), "{checks:#?}");
    let shown = |line: &str| text(&house.admin(&format!("audit show {line}")).stdout);
    let table = shown("--outcome tried-out");
    let first = table.lines().nth(1).unwrap_or_default();
    assert!(first.contains("Encrypt") && first.contains("NoEncrypting"), "{table}");
    assert!(first.contains("tried out, not enforced: explicit deny") && !table.contains("Decrypt"), "{table}");
    let id = "00000000-0000-4000-8000-000000000000";
    let table = shown(&format!("--kms-request-id {id}"));
    assert!(
        table.contains(" Decrypt ") && table.contains(" Encrypt ") && !table.contains("GetHealthStatus"),
        "{table}"
    );
    assert_eq!(shown("--kms-request-id 11111111-0000-4000-8000-000000000000"), "none\n");
    served.stop();
}

#[test]
fn regions_that_no_listener_serves_and_names_of_no_external_key_are_refused_with_what_would_do() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    let tenant = format!("--tenant {ACCOUNT}");
    let refused = |line: &str| house.refused(&format!("{line} {tenant}"));
    for line in ["--region eu-narnia-1", "--region us-east-1 --aws-region eu-narnia-1"] {
        let said = refused(&format!("xks store create prod {line}"));
        assert!(said.contains("eu-narnia-1") && said.contains("served are us-east-1"), "{said}");
    }
    xks(&house, "store create prod --region us-east-1");
    assert!(refused("xks store set prod --aws-region eu-narnia-1").contains("served are us-east-1"));
    let said = refused("ekm store create prod --region westeurope");
    assert!(said.contains("AlreadyExists") && said.contains("whichever cloud they are for"), "{said}");
    let said = refused("xks key create --store prod pay/roll");
    assert!(said.contains("external_key_id must be 1 to 128 letters, digits and ._-"), "{said}");
    xks(&house, "key create --store prod payroll");
    let credential = credential(&house);
    // A policy with words that nothing here has is attached, with a warning; the roles have none.
    let policy = house.path("policy.json");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"xks-proxy:Frob","Resource":"*","Condition":{"StringEquals":{"xks-proxy:Nope":"1"}}}]}"#;
    std::fs::write(&policy, document).unwrap();
    let of = format!("{tenant} --principal service/prod");
    let told =
        house.done(&format!("policy attach {of} --name odd --file {}", policy.display()))["warnings"].to_string();
    assert!(told.contains("xks-proxy:Frob") && told.contains("xks-proxy:Nope"), "{told}");
    house.done(&format!("principal create --name alice {tenant}"));
    for role in ["tenant-administrator", "key-administrator", "key-user", "auditor"] {
        let told = house.done(&format!("policy attach {tenant} --principal alice --role {role}"));
        assert_eq!(told["warnings"], serde_json::json!([]), "{told}");
    }
    // Programs are told what was done, too.
    let deleted = xks(&house, &format!("credential delete --store prod {}", credential.id));
    assert_eq!(deleted, serde_json::json!({ "deleted": credential.id }));
    served.stop();
}
