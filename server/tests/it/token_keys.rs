//! Keys that operators and tenants make inside a token for AWS KMS: made by the command line, used over AWS KMS's interface,
//! and what they sign verified by their public half alone.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, alg_id};
use serde_json::{Value, json};
use strongroom_pkcs11_shim::Faults;
use strongroom_testkit::client::Client;
use strongroom_testkit::server::Served;
use strongroom_testkit::softhsm::Token;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::external_keys::done;
use crate::house::{ACCOUNT, House, PLAINTEXT, text};

/// Digests a message.
type Digest = fn(&[u8]) -> Vec<u8>;

/// An installation with a token as two key stores: `hsm`, which is offered to nobody, and `shared`, which is to the tenant.
struct Rig {
    house: House,
    faults: Faults,
    served: Served,
    kms: Client,
}

impl Rig {
    fn new() -> Self {
        let mut house = House::new();
        let place = house.path("softhsm");
        std::fs::create_dir(&place).unwrap();
        let (token, faults) = (Token::new(&place, "keys"), Faults::new(&place));
        house.environment = vec![token.environment(), ("PIN".into(), Token::PIN.into())];
        house.environment.extend(faults.environment(&Token::module()));
        let module: PathBuf = strongroom_pkcs11_shim::library().unwrap();
        let store = |name: &str, more: &str| {
            format!(
                "[[key_store]]\nname = \"{name}\"\nkind = \"pkcs11\"\nmodule = \"{}\"\ntokens = [{{ label = \"keys\" }}]\n\
                 pin = {{ environment = \"PIN\" }}\ndeadline_milliseconds = 10000\n{more}\n",
                module.display()
            )
        };
        let stores = [store("hsm", ""), store("shared", &format!("accounts = [\"{ACCOUNT}\"]"))].concat();
        house.configure(&format!("{}{stores}", house.software_root("root")));
        house.init();
        let served = house.serve();
        let kms = house.client(&served, &house.root_key());
        Self { house, faults, served, kms }
    }

    fn done(&mut self, operation: &str, body: &Value) -> Value {
        let answer = done(&mut self.kms, operation, body).body;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    fn refused(&mut self, operation: &str, body: &Value, status: u16, error: &str) {
        let answer = self.kms.kms(operation, &body.to_string()).unwrap();
        assert!(answer.status == status && answer.text("__type").ends_with(error), "{operation}: {}", answer.body);
    }

    /// Makes a key by the command line, as an operator.
    fn create(&self, line: &str) -> Value {
        self.house.done(&format!("key create --tenant {ACCOUNT} {line}"))
    }

    /// Signs a message and its digest, and has each signature verified by the public half, here and over there.
    fn signs(&mut self, key: &str, algorithm: &str, digest: Option<Digest>, id: AlgorithmIdentifier) {
        let told = self.done("GetPublicKey", &json!({"KeyId": key}));
        let public = STANDARD.decode(told["PublicKey"].as_str().unwrap()).unwrap();
        let message = b"a release of ours".to_vec();
        let digested = digest.map(|digest| ("DIGEST", digest(&message)));
        for (kind, given) in [("RAW", message.clone())].into_iter().chain(digested) {
            let mut body = json!({
                "KeyId": key, "Message": STANDARD.encode(&given), "MessageType": kind, "SigningAlgorithm": algorithm,
            });
            let signed = self.done("Sign", &body);
            let signature = STANDARD.decode(signed["Signature"].as_str().unwrap()).unwrap();
            verify_offline(&public, id, &message, &signature).unwrap();
            verify_offline(&public, id, b"another release", &signature).unwrap_err();
            body["Signature"] = signed["Signature"].clone();
            assert_eq!(self.done("Verify", &body)["SignatureValid"], true, "{algorithm} {kind}");
            let mut wrong = given;
            wrong[0] ^= 1;
            body["Message"] = STANDARD.encode(&wrong).into();
            self.refused("Verify", &body, 400, "KMSInvalidSignatureException");
        }
    }
}

/// Verifies a signature with nothing but a public key in DER: by another library than the server's.
fn verify_offline(
    public: &[u8],
    id: AlgorithmIdentifier,
    message: &[u8],
    signature: &[u8],
) -> Result<(), InvalidSignature> {
    let (_, info) = SubjectPublicKeyInfo::from_der(public).unwrap();
    let mut known = default_provider().signature_verification_algorithms.all.iter().filter(|one| {
        let curve = info.algorithm.parameters.as_ref().map_or(&[][..], |curve| curve.data);
        one.signature_alg_id() == id && (one.public_key_alg_id().ends_with(curve))
    });
    let algorithm = known.next().unwrap();
    algorithm.verify_signature(&info.subject_public_key.data, message, signature)
}

fn sha256(message: &[u8]) -> Vec<u8> {
    digest(message, "sha256")
}

fn sha384(message: &[u8]) -> Vec<u8> {
    digest(message, "sha384")
}

/// A digest by the system's own tools.
fn digest(message: &[u8], which: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut tool = std::process::Command::new(format!("{which}{}", "sum"));
    tool.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = tool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    let said = text(&child.wait_with_output().unwrap().stdout);
    let hex = said.split(' ').next().unwrap().as_bytes().chunks(2);
    hex.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_key_made_in_a_token_signs_over_aws_kms_and_is_governed_like_any_other() {
    let mut rig = Rig::new();
    let made = rig.create(
        "--key-store shared --spec ECC_NIST_P256 --usage SIGN_VERIFY --alias alias/release --description releases \
         --tag team=build --region us-east-1",
    );
    assert_eq!((&made["key_store"], &made["origin"]), (&json!("shared"), &json!("Resident")), "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let told = rig.done("DescribeKey", &json!({"KeyId": "alias/release"}))["KeyMetadata"].clone();
    assert_eq!(
        (&told["Origin"], &told["KeySpec"], &told["KeyUsage"], &told["SigningAlgorithms"], &told["Description"]),
        (
            &json!("AWS_CLOUDHSM"),
            &json!("ECC_NIST_P256"),
            &json!("SIGN_VERIFY"),
            &json!(["ECDSA_SHA_256"]),
            &json!("releases")
        )
    );
    // It is in no custom key store, so none is told.
    assert!(told.get("CustomKeyStoreId").is_none() && told.get("CloudHsmClusterId").is_none(), "{told}");
    rig.signs("alias/release", "ECDSA_SHA_256", Some(sha256), alg_id::ECDSA_SHA256);

    let key = told["KeyId"].as_str().unwrap().to_owned();
    assert_eq!(rig.done("ListResourceTags", &json!({"KeyId": key}))["Tags"][0]["TagValue"], "build");
    let sign = |key: &str| json!({"KeyId": key, "Message": PLAINTEXT, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256"});
    // A user without policies signs by a grant, and no longer than it is there.
    rig.house.done(&format!("principal create --tenant {ACCOUNT} --name alice"));
    let alice = rig.house.done(&format!("access-key create --tenant {ACCOUNT} --principal alice"));
    let word = |name: &str| alice[name].as_str().unwrap().to_owned();
    let alice = crate::house::Key { id: word("access_key_id"), secret: word("secret_access_key") };
    let mut alice = rig.house.client(&rig.served, &alice);
    let asked = |alice: &mut Client| alice.kms("Sign", &sign(&key).to_string()).unwrap();
    assert!(asked(&mut alice).text("__type").ends_with("AccessDeniedException"));
    let grantee = format!("arn:aws:iam::{ACCOUNT}:user/alice");
    let grant = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Sign"]});
    let grant = rig.done("CreateGrant", &grant)["GrantId"].clone();
    assert_eq!(asked(&mut alice).status, 200);
    rig.done("RevokeGrant", &json!({"KeyId": key, "GrantId": grant}));
    assert!(asked(&mut alice).text("__type").ends_with("AccessDeniedException"));

    rig.done("DisableKey", &json!({"KeyId": key}));
    rig.refused("Sign", &sign(&key), 400, "DisabledException");
    rig.house.done(&format!("key resume {id}"));
    rig.done("Sign", &sign(&key));
    let listed = rig.house.done(&format!("key list --tenant {ACCOUNT}"));
    let listed = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == *id).unwrap();
    assert_eq!(listed["key_store"], "shared");
    let inventory = rig.house.done(&format!("keys inventory --tenant {ACCOUNT} --format json"));
    let item = inventory["items"].as_array().unwrap().iter().find(|item| item["id"] == *id).unwrap();
    assert_eq!(
        (&item["key_store"], &item["algorithms"][0]["curve"]),
        (&json!("shared"), &json!("nist/P-256")),
        "{item}"
    );
    assert!(item["uses"].as_u64().unwrap() >= 4, "{item}");
    let inventory =
        |form: &str| text(&rig.house.admin(&format!("keys inventory --tenant {ACCOUNT} --format {form}")).stdout);
    assert!(inventory("csv").lines().any(|line| line.starts_with(&id) && line.ends_with(",shared")));
    assert!(inventory("cyclonedx").contains(r#""name":"strongroom:key-store","value":"shared""#));
    rig.done("ScheduleKeyDeletion", &json!({"KeyId": key, "PendingWindowInDays": 7}));
    rig.refused("Sign", &sign(&key), 400, "KMSInvalidStateException");
    assert!(text(&rig.house.admin(&format!("key show {id}")).stdout).contains("DestructionScheduled"));
    rig.served.stop();
}

#[test]
fn every_kind_of_key_that_a_token_has_is_made_and_used_in_it() {
    let mut rig = Rig::new();
    for (spec, algorithm, digest, id) in [
        ("ECC_NIST_P384", "ECDSA_SHA_384", Some(sha384 as Digest), alg_id::ECDSA_SHA384),
        ("ECC_NIST_P521", "ECDSA_SHA_512", None, alg_id::ECDSA_SHA512),
        ("RSA_2048", "RSASSA_PSS_SHA_256", Some(sha256), alg_id::RSA_PSS_SHA256),
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_384", Some(sha384), alg_id::RSA_PKCS1_SHA384),
        ("RSA_3072", "RSASSA_PKCS1_V1_5_SHA_512", None, alg_id::RSA_PKCS1_SHA512),
    ] {
        let alias = format!("alias/{}-{}", spec.to_lowercase(), algorithm.to_lowercase());
        rig.create(&format!("--key-store hsm --spec {spec} --usage SIGN_VERIFY --alias {alias}"));
        rig.signs(&alias, algorithm, digest, id);
    }
    rig.create("--key-store hsm --spec RSA_2048 --usage ENCRYPT_DECRYPT --alias alias/envelopes");
    let mut body = json!({"KeyId": "alias/envelopes", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"});
    body["Plaintext"] = PLAINTEXT.into();
    body["CiphertextBlob"] = rig.done("Encrypt", &body)["CiphertextBlob"].clone();
    body.as_object_mut().unwrap().remove("Plaintext");
    assert_eq!(rig.done("Decrypt", &body)["Plaintext"], PLAINTEXT);
    // SoftHSM2 has no OAEP with SHA-256: what nobody could decrypt is not encrypted.
    let lost = json!({"KeyId": "alias/envelopes", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256", "Plaintext": PLAINTEXT});
    rig.refused("Encrypt", &lost, 400, "UnsupportedOperationException");
    rig.refused("Encrypt", &lost, 400, "UnsupportedOperationException");
    // Without a spec it is a symmetric key, and without a region that of the server.
    assert_eq!(rig.create("--key-store hsm --alias alias/data")["region"], "us-east-1");
    let made = rig.done("GenerateDataKey", &json!({"KeyId": "alias/data", "KeySpec": "AES_256"}));
    let opened = rig.done("Decrypt", &json!({"CiphertextBlob": made["CiphertextBlob"]}));
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    let told = rig.done("DescribeKey", &json!({"KeyId": "alias/data"}))["KeyMetadata"].clone();
    assert!(told["Origin"] == "AWS_CLOUDHSM" && told.get("CurrentKeyMaterialId").is_none(), "{told}");
    rig.served.stop();
}

#[test]
fn without_a_key_store_a_key_is_wrapped_and_of_every_spec_that_aws_has() {
    let mut rig = Rig::new();
    let made = rig.create("--spec ML_DSA_44 --alias alias/one --alias alias/two");
    assert_eq!((&made["origin"], made.get("key_store")), (&json!("Generated"), None), "{made}");
    for alias in ["alias/one", "alias/two"] {
        let told = rig.done("DescribeKey", &json!({"KeyId": alias}))["KeyMetadata"].clone();
        assert_eq!((&told["Origin"], &told["KeySpec"]), (&json!("AWS_KMS"), &json!("ML_DSA_44")));
    }
    rig.create("--spec ECC_SECG_P256K1 --usage SIGN_VERIFY --alias alias/k1");
    rig.done("GetPublicKey", &json!({"KeyId": "alias/k1"}));
    rig.served.stop();
}

#[test]
fn a_policy_that_nobody_could_change_again_is_taken_where_that_is_meant() {
    let rig = Rig::new();
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:Encrypt", "Resource": "*",
    }]});
    let file = rig.house.path("locked.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let create = format!("key create --tenant {ACCOUNT} --policy {}", file.display());
    let said = rig.house.refused(&create);
    assert!(said.contains("Lockout") && said.contains("--bypass-lockout"), "{said}");
    rig.house.done(&format!("{create} --bypass-lockout"));
}

#[test]
fn a_key_is_tried_first_made_once_under_its_alias_and_found_in_its_token_and_in_the_log() {
    let rig = Rig::new();
    let create = format!("key create --tenant {ACCOUNT} --key-store hsm --spec ECC_NIST_P256 --alias alias/release");
    let dry = rig.house.admin(&format!("{create} --dry-run"));
    let said = "nothing was made; the key would be, if the hardware of hsm can have it\n";
    assert_eq!(text(&dry.stdout), said, "{}", text(&dry.stderr));
    let keys = || rig.house.done(&format!("key list --tenant {ACCOUNT}"))["items"].as_array().unwrap().len();
    assert_eq!(keys(), 0);
    assert!(rig.house.refused(&format!("{create} --region mars-1 --dry-run")).contains("UnknownRegion"));

    // Such keys in a key store are for one thing.
    let made = rig.house.done(&create);
    assert_eq!(made["usages"], json!(["Sign"]));
    let object = made["versions"][0]["object"].as_str().unwrap();
    assert!(object.len() == 32 && object.bytes().all(|digit| digit.is_ascii_hexdigit()), "{made}");
    let id = made["id"].as_str().unwrap();
    let shown = rig.house.admin(&format!("key show {id}"));
    assert!(text(&shown.stdout).contains(&format!("Object in it: {object}\n")), "{}", text(&shown.stdout));

    for again in [create.clone(), format!("{create} --dry-run")] {
        let said = rig.house.refused(&again);
        assert!(said.contains(&format!("alias/release leads to the key {id} already, made at ")), "{said}");
    }
    assert_eq!(keys(), 1);

    let told = text(&rig.house.admin(&format!("audit show --key {id} --output json")).stdout);
    let done = told.lines().filter(|line| line.contains("\"CreateKey\"") && line.contains(id));
    assert_eq!(done.count(), 1, "{told}");
    let key = rig.house.root_key();
    let tenant = format!("key create --tenant {ACCOUNT} --key-store hsm");
    rig.house.refused_over_https(&rig.served, &key, &tenant);
    let table = rig.house.admin("audit show --outcome failed");
    let offered = format!("key store hsm is not offered to tenant {ACCOUNT}");
    assert!(text(&table.stdout).contains(&offered), "{}", text(&table.stdout));
}

#[test]
fn what_is_no_key_for_a_token_or_a_tenant_is_refused_with_what_helps_and_leaves_no_name_behind() {
    let mut rig = Rig::new();
    let tenant = format!("key create --tenant {ACCOUNT} --alias alias/none");
    let refused = |line: &str, words: &[&str]| {
        let said = rig.house.refused(&format!("{tenant} {line}"));
        assert!(words.iter().all(|word| said.contains(word)), "{line}: {said}");
    };
    refused("--key-store nope", &["NotFound", "key store nope does not exist", "strongroom key-store list"]);
    refused(
        "--key-store hsm --spec ML_DSA_65",
        &["Unsupported", "key store hsm does not support MlDsa65 keys for Sign"],
    );
    refused("--key-store hsm --spec HMAC_256", &["Unsupported", "Hmac256 keys for Mac"]);
    refused("--key-store hsm --spec ECC_NIST_EDWARDS25519", &["Unsupported", "Ed25519", "in no key store"]);
    refused(
        "--key-store hsm --spec ECC_NIST_P256 --usage KEY_AGREEMENT",
        &["Unsupported", "EcP256 keys for KeyAgreement"],
    );
    refused("--spec ECC_NIST_P256", &["may be for several things", "--usage SIGN_VERIFY or KEY_AGREEMENT"]);
    refused("--key-store hsm --spec RSA_2048", &["--usage ENCRYPT_DECRYPT or SIGN_VERIFY"]);
    refused("--spec SYMMETRIC_DEFAULT --usage SIGN_VERIFY", &["are not for SIGN_VERIFY", "--usage ENCRYPT_DECRYPT"]);
    refused("--region mars-1", &["UnknownRegion", "us-east-1"]);
    refused("--tag team", &["NAME=VALUE"]);
    let path = format!("/v1/tenants/{ACCOUNT}/keys");
    let wrong = |more: Value, word: &str| {
        let mut body =
            json!({"kind": "aws-kms-alias", "spec": "Aes256", "usages": ["DerivedAead"], "key_store": "hsm"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, said) = rig.house.raw("POST", &path, &body.to_string());
        assert!(status == 400 && said.contains(word), "{status} {said}");
    };
    wrong(json!({"usages": ["Sign"]}), "Sign");
    wrong(json!({"key_store": "H S M"}), "key_store must be");
    wrong(json!({"rotation_period_days": 90}), "rotation_period_days is not for a key in a key store");

    // A tenant is kept to the key stores that it is offered.
    let key = rig.house.root_key();
    let said = rig.house.refused_over_https(&rig.served, &key, &format!("{tenant} --key-store hsm"));
    assert!(said.contains("KeyStoreNotOffered") && said.contains("accounts of its [[key_store]]"), "{said}");
    let ran = rig.house.over_https(
        &rig.served,
        &key,
        &format!("{tenant} --key-store shared --spec ECC_NIST_P256 --usage SIGN_VERIFY"),
    );
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    refused(
        "--key-store shared",
        &["AlreadyExists", "alias/none leads to the key", "strongroom key show", "request: "],
    );
    let items = rig.house.done(&format!("key list --tenant {ACCOUNT}"))["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items}");

    // What AWS refuses to do with such keys is refused.
    let one = json!({"KeyId": rig.done("DescribeKey", &json!({"KeyId": "alias/none"}))["KeyMetadata"]["KeyId"]});
    rig.create("--key-store shared --alias alias/data");
    let data = json!({"KeyId": rig.done("DescribeKey", &json!({"KeyId": "alias/data"}))["KeyMetadata"]["KeyId"]});
    for key in [one, data] {
        for operation in ["EnableKeyRotation", "RotateKeyOnDemand"] {
            rig.refused(operation, &key, 400, "UnsupportedOperationException");
        }
        let mut asked = key.clone();
        asked["WrappingAlgorithm"] = "RSAES_OAEP_SHA_256".into();
        asked["WrappingKeySpec"] = "RSA_2048".into();
        rig.refused("GetParametersForImport", &asked, 400, "UnsupportedOperationException");
        let mut asked = key.clone();
        asked["ReplicaRegion"] = "eu-west-1".into();
        let answer = rig.kms.kms("ReplicateKey", &asked.to_string()).unwrap();
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let asked = json!({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-0123456789abcdef0", "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    rig.refused("CreateKey", &asked, 400, "UnsupportedOperationException");
    rig.served.stop();
}

#[test]
fn while_a_token_is_gone_its_keys_verify_and_do_not_sign() {
    let mut rig = Rig::new();
    rig.create("--key-store shared --spec ECC_NIST_P256 --usage SIGN_VERIFY --alias alias/release");
    let body = json!({
        "KeyId": "alias/release", "Message": PLAINTEXT, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256",
    });
    let mut verify = body.clone();
    verify["Signature"] = rig.done("Sign", &body)["Signature"].clone();
    rig.faults.set("* * return 0x30").unwrap();
    rig.refused("Sign", &body, 500, "KeyUnavailableException");
    assert_eq!(rig.done("Verify", &verify)["SignatureValid"], true);
    rig.done("GetPublicKey", &json!({"KeyId": "alias/release"}));
    let said = rig.house.refused(&format!("key create --tenant {ACCOUNT} --key-store shared --alias alias/more"));
    assert!(
        said.contains("Unavailable")
            && said.contains("key store shared cannot serve")
            && said.contains("strongroom key-store list"),
        "{said}"
    );
    rig.faults.set("").unwrap();
    let begun = std::time::Instant::now();
    while rig.kms.kms("Sign", &body.to_string()).unwrap().status != 200 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{}", rig.served.said());
    }
    rig.served.stop();
}
