//! Keys over their lives: names, use, inventory, end.

use std::time::Duration;

use serde_json::Value;
use strongroom_engine::KeyEntry;
use strongroom_engine::operations::mac::GenerateMac;
use strongroom_model::algorithm::MacAlgorithm;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{REGION, by_name};

use crate::house::House;

const TENANT: &str = "--tenant 111122223333";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn mac(house: &House, key: &KeyEntry) {
    let message = b"message".to_vec();
    let generate = GenerateMac { key: by_name(key), message, algorithm: MacAlgorithm::HmacSha256 };
    house.test.run(&house.test.root(), generate).map(|_| ()).unwrap();
}

fn mac_key(house: &House) -> std::sync::Arc<KeyEntry> {
    house.test.create(KeySpec::Hmac256, Usage::Mac)
}

#[test]
fn a_name_is_bound_listed_by_the_name_of_its_kind_and_removed() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    let of = format!("{TENANT} --kind test-alias --region {REGION}");
    let made = house.done(&format!("binding create alias/app {of} --key {key}"));
    assert!(made.contains("Kind:   test-alias\n"), "{made}");
    let listed = house.done(&format!("binding list {TENANT}"));
    assert!(listed.lines().any(|line| line.starts_with("alias/app") && line.contains("test-alias")), "{listed}");
    assert!(house.done(&format!("key show {key}")).contains("alias/app"));
    assert_eq!(house.done(&format!("binding delete alias/app {of}")), "removed alias/app; its key stays\n");
    let own = json(&house.done(&format!("binding list {TENANT} --output json")))["items"][0]["name"].clone();
    let of = format!("{TENANT} --kind test-key --region {REGION}");
    let ran = house.run(&format!("binding delete {} {of}", own.as_str().unwrap()));
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("LastName") && ran.err.contains("try: to end a key's use, suspend it"), "{ran:?}");
    let ran = house.run(&format!("binding create alias/app {TENANT} --kind 2 --region {REGION} --key {key}"));
    assert!(ran.err.contains("there are test-key, test-alias"), "{ran:?}");
}

#[test]
fn a_key_is_disabled_and_enabled_under_these_words_too() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    assert!(house.done(&format!("key disable {key}")).contains("Suspended"));
    assert!(house.done(&format!("key enable {key}")).contains("Active"));
}

#[test]
fn the_use_of_a_key_and_of_all_keys_is_shown_and_so_are_unused_ones() {
    let house = House::new();
    let (used, idle) = (mac_key(&house), house.test.create_key());
    house.test.clock.pass(DAY * 100);
    mac(&house, &used);
    mac(&house, &used);
    let (used, idle) = (used.row.id.to_string(), idle.row.id.to_string());
    let shown = house.done(&format!("keys usage {used}"));
    assert!(shown.starts_with("Uses:     2\n"), "{shown}");
    assert!(shown.lines().last().unwrap().contains("GenerateMac  hmac-sha-256  arn:aws:iam::111122223333:root  2"));
    let json_shown = json(&house.done(&format!("keys usage {used} --output json")));
    assert_eq!((&json_shown["uses"], json_shown["items"].as_array().unwrap().len()), (&Value::from(2), 1));
    let all = house.done(&format!("keys usage {TENANT}"));
    assert!(all.lines().count() == 3 && all.contains("never") && all.contains("GenerateMac"), "{all}");
    let unused = house.done(&format!("keys unused {TENANT} --days 90"));
    assert!(unused.contains(&idle) && !unused.contains(&used), "{unused}");
    let unused = json(&house.done(&format!("key unused {TENANT} --days 101 --output json")));
    assert_eq!(unused["items"], Value::Array(Vec::new()));
    assert_eq!(house.run(&format!("keys unused {TENANT} --days 0")).exit, 1);
}

#[test]
fn a_key_in_use_is_scheduled_for_deletion_only_by_someone_who_says_yes() {
    let house = House::new();
    let key = mac_key(&house);
    mac(&house, &key);
    let key = key.row.id.to_string();
    let line = format!("key schedule-deletion {key} --days 7");
    let state = || json(&house.done(&format!("key show {key} --output json")))["state"].clone();

    let nobody = house.run(&line);
    assert_eq!((nobody.exit, nobody.out.as_str()), (1, ""));
    assert!(nobody.err.contains("is in use: it was last used at") && nobody.err.contains("--yes"), "{nobody:?}");
    let (declined, asked) = house.run_answering(&line, false);
    assert_eq!((declined.exit, asked.len()), (1, 1), "{declined:?}");
    assert!(asked[0].starts_with(&format!("{key} is in use")), "{asked:?}");
    assert_eq!(state(), "Active");

    let (done, asked) = house.run_answering(&line, true);
    assert_eq!((done.exit, asked.len()), (0, 1), "{done:?}");
    assert_eq!(state(), "DestructionScheduled");
    let event = house.done("audit show --action ScheduleKeyDeletion --outcome done --output cloudtrail");
    let event = json(event.lines().last().unwrap());
    let acknowledged = event["requestParameters"]["acknowledged_last_use"].as_str().unwrap();
    assert!(asked[0].contains(acknowledged), "{event}");

    assert!(house.done(&format!("key cancel-deletion {key}")).contains("Suspended"));
    house.done(&format!("key enable {key}"));
    assert!(house.done(&format!("{line} --yes")).contains("Destruction:"));
}

#[test]
fn a_key_that_is_not_in_use_is_scheduled_for_deletion_without_a_question() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    let (done, asked) = house.run_answering(&format!("key schedule-deletion {key}"), false);
    assert_eq!((done.exit, asked.len()), (0, 0), "{done:?}");
}

#[test]
fn the_inventory_is_a_table_json_csv_or_a_bill_of_materials() {
    let house = House::new();
    let (used, rsa) = (mac_key(&house), house.test.create(KeySpec::Rsa2048, Usage::RsaOaep));
    mac(&house, &used);
    let inventory = |more: &str| house.done(&format!("keys inventory {TENANT} {more}"));
    let table = inventory("");
    assert!(table.starts_with("KEY") && table.contains("HMAC-SHA-256") && table.contains("RSAES-OAEP-2048"), "{table}");
    assert_eq!(inventory("--format json"), inventory("--output json"));
    assert_eq!(json(&inventory("--format json"))["items"].as_array().unwrap().len(), 2);

    let csv = inventory("--format csv");
    let lines: Vec<Vec<&str>> = csv.split_terminator("\r\n").map(|line| line.split(',').collect()).collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.len() == 21), "{csv}");
    let of = |key: &KeyEntry| lines.iter().find(|line| line[0] == key.row.id.to_string()).unwrap();
    assert_eq!((of(&used)[6], of(&used)[8], of(&used)[15], of(&used)[17]), ("256", "5", "hmac-sha-256", "1"));
    assert_eq!((of(&rsa)[6], of(&rsa)[8], of(&rsa)[15], of(&rsa)[17]), ("2048", "0", "", "0"));

    let bill = json(&inventory("--format cyclonedx"));
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&Value::from("CycloneDX"), &Value::from("1.6")));
    let components = bill["components"].as_array().unwrap();
    let component = |reference: &str| components.iter().find(|asset| asset["bom-ref"] == reference).unwrap();
    let algorithm = &component("algorithm/HMAC-SHA-256")["cryptoProperties"]["algorithmProperties"];
    assert_eq!((&algorithm["primitive"], &algorithm["nistQuantumSecurityLevel"]), (&"mac".into(), &5.into()));
    let asset = component(&format!("key/{}/1", used.row.id));
    let material = &asset["cryptoProperties"]["relatedCryptoMaterialProperties"];
    assert_eq!(
        (&material["type"], &material["state"], &material["size"]),
        (&"secret-key".into(), &"active".into(), &256.into())
    );
    assert_eq!(material["algorithmRef"], "algorithm/HMAC-SHA-256");
    let counted = asset["properties"]
        .as_array()
        .unwrap()
        .iter()
        .find(|said| said["name"] == "strongroom:uses:hmac-sha-256:arn:aws:iam::111122223333:root");
    assert_eq!(counted.unwrap()["value"], "1");
    let private = component(&format!("key/{}/1", rsa.row.id));
    assert_eq!(private["cryptoProperties"]["relatedCryptoMaterialProperties"]["type"], "private-key");
    house.done(&format!("key schedule-deletion {}", rsa.row.id));
    let bill = json(&inventory("--format cyclonedx"));
    let private = bill["components"].as_array().unwrap().last().unwrap();
    assert!(bill.to_string().contains("deactivated") && bill.to_string().contains("expirationDate"), "{private}");
}

#[test]
fn a_key_is_called_by_its_id_its_own_name_an_alias_or_the_arn_of_either() {
    let house = House::new();
    let key = house.test.create_key().row.id.to_string();
    house.done(&format!("binding create alias/app {TENANT} --kind test-alias --region {REGION} --key {key}"));
    let shown = json(&house.done(&format!("key show {key} --output json")));
    let own =
        shown["bindings"].as_array().unwrap().iter().find(|name| name["kind"] == "test-key").unwrap()["name"].clone();
    let own = own.as_str().unwrap();
    for called in [
        format!("alias/app {TENANT}"),
        format!("alias/app {TENANT} --region {REGION}"),
        format!("{own} {TENANT}"),
        format!("arn:aws:kms:{REGION}:111122223333:alias/app"),
        format!("arn:aws:kms:{REGION}:111122223333:key/{own}"),
    ] {
        assert_eq!(json(&house.done(&format!("key show {called} --output json")))["id"], key.as_str(), "{called}");
        assert!(house.done(&format!("keys usage {called}")).starts_with("Uses:"), "{called}");
    }
    let arn = format!("arn:aws:kms:{REGION}:111122223333:alias/app");
    for (number, called) in [&key, "alias/app", own, &arn].into_iter().enumerate() {
        let create =
            format!("binding create alias/{number} {TENANT} --kind test-alias --region {REGION} --key {called}");
        assert_eq!(json(&house.done(&format!("{create} --output json")))["key"], key.as_str(), "{called}");
        let explain = format!("policy explain {TENANT} --action test:Encrypt --key {called} --output json");
        let explained = json(&house.done(&explain));
        assert_eq!(explained["allowed"], true, "{called}");
        assert!(explained["resource"].as_str().unwrap().ends_with(own), "{explained}");
    }
    let ran = house.run(&format!("policy explain {TENANT} --action test:Encrypt --key alias/nothing"));
    assert!(ran.exit == 1 && ran.err.contains("leads to no key"), "{ran:?}");
    assert!(house.done(&format!("key suspend alias/app {TENANT}")).contains("Suspended"));
    assert!(house.done(&format!("key resume alias/app {TENANT}")).contains("Active"));
    assert!(house.done(&format!("key schedule-deletion alias/app {TENANT}")).contains("DestructionScheduled"));
    assert!(house.done(&format!("key cancel-deletion alias/app {TENANT}")).contains("Suspended"));
    let ran = house.run(&format!("key show alias/nothing {TENANT}"));
    assert!(ran.exit == 1 && ran.err.contains("leads to no key") && ran.err.contains("binding list"), "{ran:?}");
    let ran = house.run("key show alias/app");
    assert!(ran.exit == 2 && ran.err.contains("--tenant ACCOUNT"), "{ran:?}");
}

#[test]
fn of_a_name_in_several_regions_none_is_chosen() {
    let house = House::new();
    let make = |region: &str| {
        let text = format!("[[key]]\nalias = 'alias/twin'\nkind = 'test-alias'\nregion = '{region}'\n");
        let path = house.test.directory.path().join("twin.toml");
        std::fs::write(&path, text).unwrap();
        house.done(&format!("apply -f {} {TENANT} --yes", path.display()));
    };
    make(REGION);
    make("here-1");
    let ran = house.run(&format!("key suspend alias/twin {TENANT}"));
    assert!(ran.exit == 2 && ran.err.contains("leads to several keys"), "{ran:?}");
    assert!(ran.err.contains(&format!("--region {REGION} (")) && ran.err.contains("--region here-1 ("), "{ran:?}");
    let shown = json(&house.done(&format!("key show alias/twin {TENANT} --region here-1 --output json")));
    assert_eq!((&shown["region"], &shown["state"]), (&Value::from("here-1"), &Value::from("Active")));
}
