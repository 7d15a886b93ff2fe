//! Key stores of Azure Managed HSMs from outside: keys inside a token, under mutual TLS; and that the command line keeps them
//! apart from key stores of AWS accounts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use strongroom_testkit::client::{Answer, Client};
use strongroom_testkit::server::Served;
use strongroom_testkit::softhsm::Token;

use crate::house::{ACCOUNT, House, Key};

const POOL: &str = "pool.managedhsm.example";

/// A server whose only TCP listener is for a pool's certificate, with a key store in a token.
struct Rig {
    house: House,
    served: Served,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        let mut house = House::new();
        let (certificate, key) = certify(&house);
        let tokens = house.path("softhsm");
        std::fs::create_dir(&tokens).unwrap();
        let token = Token::new(&tokens, "store");
        house.environment = vec![token.environment(), ("PIN".into(), Token::PIN.into())];
        house.configure_for_pool(&format!(
            "{}[[key_store]]\nname = \"hsm\"\nkind = \"pkcs11\"\nmodule = \"{}\"\ntokens = [{{ label = \"store\" }}]\n\
             pin = {{ environment = \"PIN\" }}\ndeadline_milliseconds = 10000\n",
            house.software_root("root"),
            Token::module().display(),
        ));
        house.init();
        let served = house.serve();
        Self { house, served, certificate, key }
    }

    fn ekm(&self, line: &str) -> Value {
        self.house.done(&format!("ekm {line} --tenant {ACCOUNT}"))
    }

    fn refused(&self, line: &str) -> String {
        self.house.refused(&format!("{line} --tenant {ACCOUNT}"))
    }

    fn connection(&self) -> Client {
        let nobody = Key { id: String::new(), secret: String::new() };
        Client::connect_as(&self.house.endpoint(&self.served, &nobody), &self.certificate, &self.key).unwrap()
    }
}

/// An authority for client certificates, in `client-ca.pem`; and the pool's, with its key.
fn certify(house: &House) -> (Vec<u8>, Vec<u8>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    let key = KeyPair::generate().unwrap();
    std::fs::write(house.path("client-ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, POOL);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, &issuer).unwrap().der().to_vec(), key.serialize_der())
}

/// What the pool says.
fn context() -> Value {
    json!({"correlation_id": "c-1", "pool_name": "payments", "request_id": "r-1"})
}

fn ask(client: &mut Client, call: &str, algorithm: &str, value: &[u8]) -> Answer {
    let body = json!({"request_context": context(), "alg": algorithm, "value": URL_SAFE_NO_PAD.encode(value)});
    client.post_json(&format!("/{ACCOUNT}/prod/{call}?api-version=0.1-preview"), &body.to_string()).unwrap()
}

fn value(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    URL_SAFE_NO_PAD.decode(answer.text("value")).unwrap()
}

#[test]
fn keys_in_a_token_wrap_and_unwrap_for_a_pool_and_what_the_token_lacks_is_refused_as_such() {
    let rig = Rig::new();
    rig.ekm("store create prod --region westeurope");
    rig.ekm(&format!("certificate create --store prod {POOL}"));
    let made = rig.ekm("key create --store prod aes --key-store hsm");
    assert_eq!(made["key_store"], "hsm");
    rig.ekm("key create --store prod rsa --spec Rsa2048 --key-store hsm");
    assert_eq!(rig.ekm("key create --store prod here")["key_store"], Value::Null);
    let mut pool = rig.connection();
    for (key, algorithm, plain) in [
        ("aes", "A256KW", &[7; 32][..]),
        ("aes", "A256KW", &[7; 16]),
        ("aes", "A256KWP", &[7; 32]),
        ("rsa", "RSA-OAEP", &[7; 32]),
    ] {
        let wrapped = value(&ask(&mut pool, &format!("{key}/wrapkey"), algorithm, plain));
        assert_ne!(wrapped, plain);
        let unwrapped = ask(&mut pool, &format!("{key}/unwrapkey"), algorithm, &wrapped);
        assert_eq!(value(&unwrapped), plain, "{key} {algorithm}");
        let mut damaged = wrapped.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let refused = ask(&mut pool, &format!("{key}/unwrapkey"), algorithm, &damaged);
        assert_eq!(refused.status, 400, "{}", refused.body);
        // Nor does any other key open it.
        let elsewhere = ask(&mut pool, "here/unwrapkey", "A256KW", &wrapped);
        assert_eq!(elsewhere.status, 400, "{}", elsewhere.body);
    }
    // SoftHSM2 has OAEP with SHA-1 alone: by another nothing is wrapped, either.
    for (call, value) in [("wrapkey", &[7; 32][..]), ("unwrapkey", &[7; 256])] {
        let lacking = ask(&mut pool, &format!("rsa/{call}"), "RSA-OAEP-256", value);
        assert_eq!((lacking.status, lacking.text("code").as_str()), (400, "UnsupportedAlgorithm"), "{}", lacking.body);
    }

    rig.ekm("key block --store prod aes");
    assert_eq!(ask(&mut pool, "aes/wrapkey", "A256KW", &[7; 32]).status, 403);
    rig.ekm("key unblock --store prod aes");
    value(&ask(&mut pool, "aes/wrapkey", "A256KW", &[7; 32]));
    drop(pool);
    rig.served.stop();
}

#[test]
fn the_commands_for_key_stores_of_one_cloud_find_none_of_the_other() {
    let rig = Rig::new();
    rig.ekm("store create azure --region westeurope");
    rig.house.done(&format!("xks store create aws --region us-east-1 --tenant {ACCOUNT}"));
    for (cloud, other) in [("xks", "azure"), ("ekm", "aws")] {
        for line in [
            format!("store show {other}"),
            format!("store block {other}"),
            format!("store unblock {other}"),
            format!("store set {other} --dry-run true"),
            format!("store delete {other}"),
            format!("key list --store {other}"),
            format!("key create --store {other} payroll"),
            format!("key block --store {other} payroll"),
        ] {
            let said = rig.refused(&format!("{cloud} {line}"));
            assert!(said.contains(&format!("service/{other}")), "{cloud} {line}: {said}");
        }
    }
    for line in
        ["xks credential create --store azure", "xks credential list --store azure", "ekm certificate list --store aws"]
    {
        let said = rig.refused(line);
        assert!(said.contains("service/"), "{line}: {said}");
    }
    let state = |line: &str| rig.house.done(&format!("{line} --tenant {ACCOUNT}"))["state"].clone();
    assert_eq!((state("ekm store show azure"), state("xks store show aws")), (json!("active"), json!("active")));
    assert_eq!(state("ekm store block azure"), "suspended");
    rig.served.stop();
}
