//! Moving from AWS's sample proxy: keys out of its token, and what it encrypted decrypted here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_testkit::client::{Answer, Client};
use strongroom_testkit::server::Served;
use strongroom_testkit::softhsm::Token;

use crate::house::{ACCOUNT, House, Key, text};
use crate::token::{KEYS, PLAINTEXT, act};

const REFUSED: (u16, &str) = (400, "InvalidKeyUsageException");

/// An installation with a key store, and a sample proxy's token with its ciphertexts.
struct Move {
    house: House,
    served: Served,
    token: Token,
    key: Key,
}

impl Move {
    fn new() -> Self {
        let house = House::new();
        house.configure(&house.software_root("root"));
        house.init();
        let served = house.serve();
        let token = Token::new(house.root(), "sample proxy");
        act(&token, "sample", house.root());
        let mut moving = Self { house, served, token, key: Key { id: String::new(), secret: String::new() } };
        moving.xks("store create prod --region us-east-1");
        let made = moving.xks("credential create --store prod --host xks.example.com");
        let told = |name: &str| made[name].as_str().unwrap().to_owned();
        moving.key = Key { id: told("access_key_id"), secret: told("secret_access_key") };
        moving
    }

    fn xks(&self, line: &str) -> Value {
        self.house.done(&format!("xks {line} --tenant {ACCOUNT}"))
    }

    fn refused(&self, line: &str) -> String {
        self.house.refused(&format!("xks {line} --tenant {ACCOUNT}"))
    }

    /// A file of the sample proxy's, or for it.
    fn file(&self, name: &str) -> String {
        self.house.path(name).display().to_string()
    }

    /// Requests to decrypt what the sample proxy encrypted.
    fn ciphertexts(&self, key: &str) -> Vec<Value> {
        serde_json::from_slice(&std::fs::read(self.house.path(&format!("{key}.json"))).unwrap()).unwrap()
    }

    fn ask(&self, client: &mut Client, call: &str, body: &Value) -> Answer {
        let mut body = body.clone();
        body["requestMetadata"] = json!({
            "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice", "kmsOperation": "Decrypt",
            "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
            "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        });
        client.xks(&format!("/{ACCOUNT}/prod/kms/xks/v1/keys/{call}"), &body.to_string()).unwrap()
    }

    fn client(&self) -> Client {
        self.house.client(&self.served, &self.key)
    }

    /// Whether all that the sample proxy encrypted under one of its keys is decrypted under one of ours.
    fn decrypts(&self, external: &str, key: &str) {
        let mut client = self.client();
        for body in self.ciphertexts(key) {
            let opened = self.ask(&mut client, &format!("{external}/decrypt"), &body);
            assert_eq!(opened.status, 200, "{body}: {}", opened.body);
            assert_eq!(opened.text("plaintext"), STANDARD.encode(PLAINTEXT));
        }
    }
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["errorName"].as_str().unwrap_or_default().to_owned())
}

fn is(answer: &Answer, (status, name): (u16, &str)) {
    assert_eq!(error(answer), (status, name.to_owned()), "{}", answer.body);
}

#[test]
fn a_key_leaves_the_sample_proxys_token_wrapped_and_decrypts_here_what_it_encrypted_there() {
    let moving = Move::new();
    let parameters = moving.file("parameters");
    let step = format!("key import --store prod legacy --parameters {parameters}");
    assert!(moving.refused(&format!("{step} --wrapped {parameters}")).contains("cannot be read"));
    let first = moving.xks(&format!("{step} --wrapping rsa-oaep-sha1 --wrapping-key 2048"));
    assert_eq!((&first["state"], &first["only"]), (&"PreActivation".into(), &"decrypt".into()), "{first}");
    assert_eq!((&first["wrapping"], &first["wrapping_spec"]), (&"RsaOaepSha1".into(), &"Rsa2048".into()));
    let pem = std::fs::read_to_string(moving.house.path("parameters/public-key.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\nMIIB"), "{pem}");
    // Nothing is overwritten that something may have been wrapped by already.
    assert!(moving.refused(&step).contains("is there already"));

    let mut client = moving.client();
    let bodies = moving.ciphertexts(KEYS[0]);
    let told = moving.ask(&mut client, "legacy/metadata", &json!({}));
    assert_eq!(told.json()["keyStatus"], "DISABLED", "its material has not come");

    act(&moving.token, "wrap", moving.house.root());
    let wrapped = moving.file("wrapped");
    let mut damaged = std::fs::read(&wrapped).unwrap();
    damaged[9] ^= 1;
    std::fs::write(moving.house.path("damaged"), damaged).unwrap();
    let said = moving.refused(&format!("{step} --wrapped {}", moving.file("damaged")));
    assert!(said.contains("InvalidCiphertext") && said.contains("wrap the material anew"), "{said}");
    let said = moving.refused(&format!("key import --store prod other --parameters {parameters} --wrapped {wrapped}"));
    assert!(said.contains("prod has no key other"), "{said}");
    for _ in 0..2 {
        let brought = moving.xks(&format!("{step} --wrapped {wrapped}"));
        assert_eq!((&brought["state"], &brought["key"]), (&"Active".into(), &first["key"]), "{brought}");
    }

    // The key store says whether it reads them.
    is(&moving.ask(&mut client, "legacy/decrypt", &bodies[0]), REFUSED);
    moving.xks("store set prod --reads-sample-proxy true");
    moving.decrypts("legacy", KEYS[0]);
    let mut changed = bodies[2].clone();
    changed["additionalAuthenticatedData"] = STANDARD.encode("project=rhine").into();
    is(&moving.ask(&mut client, "legacy/decrypt", &changed), (400, "InvalidCiphertextException"));
    is(
        &moving.ask(&mut client, "legacy/decrypt", &moving.ciphertexts(KEYS[1])[0]),
        (400, "InvalidCiphertextException"),
    );
    // For decrypting alone.
    let told = moving.ask(&mut client, "legacy/metadata", &json!({})).json();
    assert_eq!(told, json!({"keySpec": "AES_256", "keyUsage": ["DECRYPT"], "keyStatus": "ENABLED"}));
    let encrypt = json!({"plaintext": STANDARD.encode(PLAINTEXT), "encryptionAlgorithm": "AES_GCM"});
    is(&moving.ask(&mut client, "legacy/encrypt", &encrypt), REFUSED);

    // It is blocked like any other key, and what was done with it is recorded.
    moving.xks("key block --store prod legacy");
    is(&moving.ask(&mut client, "legacy/decrypt", &bodies[0]), (400, "InvalidStateException"));
    moving.xks("key unblock --store prod legacy");
    for operation in ["GetImportParameters", "ImportKeyMaterial"] {
        assert!(!moving.house.records(operation).is_empty(), "{operation}");
    }
    moving.served.stop();
}

#[test]
fn material_that_a_software_token_gave_out_is_brought_in_one_step_and_other_material_is_for_another_key() {
    let moving = Move::new();
    let material = moving.file("open.material");
    let one_step = |id: &str, file: &str| format!("key import --store prod {id} --material {file} --wrapping-key 2048");
    moving.xks("store set prod --reads-sample-proxy true");
    let brought = moving.xks(&one_step("open", &material));
    assert_eq!((&brought["state"], &brought["only"]), (&"Active".into(), &"decrypt".into()), "{brought}");
    moving.decrypts("open", KEYS[1]);
    // The same again changes nothing.
    assert_eq!(moving.xks(&one_step("open", &material)), brought);

    let mut other = std::fs::read(&material).unwrap();
    other[0] ^= 1;
    std::fs::write(moving.house.path("other"), &other).unwrap();
    let said = moving.refused(&one_step("open", &moving.file("other")));
    assert!(said.contains("IncorrectMaterial") && said.contains("other material is for another key"), "{said}");
    std::fs::write(moving.house.path("short"), &other[1..]).unwrap();
    let said = moving.refused(&one_step("another", &moving.file("short")));
    assert!(said.contains("has 31 bytes; the material of an AES-256 key has 32"), "{said}");
    // A key that was made here takes no material.
    moving.xks("key create --store prod made");
    let said = moving.refused(&one_step("made", &material));
    assert!(said.contains("OriginForbids") && said.contains("xks key import"), "{said}");
    // People are told what comes next.
    let line = format!("xks {} --tenant {ACCOUNT}", one_step("third", &material));
    let said = text(&moving.house.admin(&line).stdout);
    assert!(said.contains("State:") && !said.contains("\\n"), "{said}");
    assert!(
        said.contains(&format!("\n  strongroom xks store set --tenant {ACCOUNT} prod --reads-sample-proxy true")),
        "{said}"
    );
    assert!(
        !text(&moving.house.admin("audit show --limit 1000 --output json").stdout).contains(&STANDARD.encode(&other))
    );
    moving.served.stop();
}

#[test]
fn a_tenant_administrator_imports_over_https_and_whoever_may_not_bring_material_leaves_no_key_behind() {
    let moving = Move::new();
    let house = &moving.house;
    let material = moving.file("open.material");
    let step = |id: &str| {
        format!("xks key import --store prod {id} --material {material} --wrapping-key 2048 --tenant {ACCOUNT}")
    };
    let access = |name: &str| {
        let made = house.done(&format!("access-key create --tenant {ACCOUNT} --principal {name}"));
        let told = |name: &str| made[name].as_str().unwrap().to_owned();
        Key { id: told("access_key_id"), secret: told("secret_access_key") }
    };
    house.done(&format!("principal create --tenant {ACCOUNT} --name chief --role tenant-administrator"));
    let ran = house.over_https(&moving.served, &access("chief"), &step("open"));
    assert!(ran.status.success(), "{}", text(&ran.stderr));

    house.done(&format!("principal create --tenant {ACCOUNT} --name maker"));
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
        "strongroom:CreateKey", "strongroom:ManageBindings", "strongroom:ReadBindings", "strongroom:ReadPrincipals",
    ]}]});
    std::fs::write(house.path("maker.json"), policy.to_string()).unwrap();
    let file = moving.file("maker.json");
    house.done(&format!("policy attach --tenant {ACCOUNT} --principal maker --name maker --file {file}"));
    let said = house.refused_over_https(&moving.served, &access("maker"), &step("other"));
    assert!(said.contains("AccessDenied") && said.contains("GetParametersForImport"), "{said}");
    let listed = moving.xks("key list --store prod")["items"].to_string();
    assert!(listed.contains("open") && !listed.contains("other"), "{listed}");
    moving.served.stop();
}
