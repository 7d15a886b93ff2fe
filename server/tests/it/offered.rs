//! Keys of an Azure Managed HSM inside a token: made by the command line and the admin API, used over mutual TLS. And whom a
//! key store of the configuration is offered to, whichever way leads to it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use strongroom_testkit::server::Served;
use strongroom_testkit::softhsm::Token;

use crate::house::{ACCOUNT, House, PROXY, text};

const POOL: &str = "pool.managedhsm.example";
/// Longest wait on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const UNSUPPORTED: (u16, &str) = (400, "UnsupportedAlgorithm");

/// An installation with a token as two key stores: `hsm`, which is offered to nobody, and `shared`, which is to the tenant.
struct Rig {
    house: House,
    client: Arc<ClientConfig>,
}

impl Rig {
    fn new() -> Self {
        let mut house = House::new();
        let place = house.path("softhsm");
        std::fs::create_dir(&place).unwrap();
        let token = Token::new(&place, "resident");
        house.environment = vec![token.environment(), ("PIN".into(), Token::PIN.into())];
        let store = |name: &str, more: &str| {
            let module = Token::module().display().to_string();
            format!(
                "[[key_store]]\nname = \"{name}\"\nkind = \"pkcs11\"\nmodule = \"{module}\"\n\
                 tokens = [{{ label = \"resident\" }}]\npin = {{ environment = \"PIN\" }}\n{more}\n"
            )
        };
        let stores = [store("hsm", ""), store("shared", &format!("accounts = [\"{ACCOUNT}\"]"))].concat();
        house.configure(&format!("{}{stores}", house.software_root("root")));
        let client = authority(&house);
        let at = |name: &str| house.path(name).display().to_string();
        let listener = format!(
            "[[listener]]\nname = \"ekm\"\naddress = \"127.0.0.1:0\"\nfront_ends = [\"azure-ekm\"]\n\
             tls = {{ certificate_chain = \"{}\", private_key = \"{}\", client_ca = \"{}\" }}\n",
            at("chain.pem"),
            at("key.pem"),
            at("pools.pem")
        );
        let file = house.path("strongroom.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}{listener}")).unwrap();
        house.init();
        Self { house, client }
    }

    fn ekm(&self, line: &str) -> Value {
        self.house.done(&format!("ekm {line} --tenant {ACCOUNT}"))
    }
}

/// Makes an authority for the certificates of pools, and what a pool with one of them shows.
fn authority(house: &House) -> Arc<ClientConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(house.path("pools.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let (issuer, own) = (Issuer::new(params, key), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, POOL);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&own, &issuer).unwrap().der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(house.path("chain.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let config = builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate], key).unwrap();
    Arc::new(config)
}

/// A Managed HSM's pool.
struct Pool<'a> {
    rig: &'a Rig,
    address: SocketAddr,
}

impl<'a> Pool<'a> {
    fn new(rig: &'a Rig, served: &Served) -> Self {
        let said = served.said();
        let told = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let serves = |told: &Value| told["message"] == "listening" && told["listener"] == "ekm";
        let told = told.into_iter().find(serves).unwrap_or_else(|| panic!("{said}"));
        let address = told["address"].as_str().unwrap();
        Self { rig, address: address.parse().unwrap() }
    }

    fn ask_once(&self, call: &str, body: &str) -> (u16, Value) {
        let name = ServerName::try_from(PROXY).unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.rig.client), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(self.address).unwrap());
        let head = format!(
            "POST /{ACCOUNT}/prod/{call}?api-version=0.1-preview HTTP/1.1\r\nhost: {PROXY}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    /// Asks, and again when it was too late: a busy machine is.
    fn ask(&self, call: &str, mut body: Value) -> (u16, Value) {
        body["request_context"] = json!({"request_id": "r-1", "correlation_id": "c-1", "pool_name": "payments"});
        let begun = Instant::now();
        loop {
            let answer = self.ask_once(call, &body.to_string());
            if !matches!(answer.0, 429 | 503) || begun.elapsed() > PATIENCE {
                return answer;
            }
        }
    }

    fn value(&self, call: &str, alg: &str, value: &[u8]) -> Vec<u8> {
        let (status, answer) = self.ask(call, json!({"alg": alg, "value": URL_SAFE_NO_PAD.encode(value)}));
        assert_eq!(status, 200, "{call} {alg}: {answer}");
        URL_SAFE_NO_PAD.decode(answer["value"].as_str().unwrap()).unwrap()
    }

    fn refused(&self, call: &str, alg: &str, value: &[u8], told: (u16, &str)) {
        let (status, answer) = self.ask(call, json!({"alg": alg, "value": URL_SAFE_NO_PAD.encode(value)}));
        assert_eq!((status, answer["code"].as_str().unwrap()), told, "{call} {alg}: {answer}");
    }
}

/// The whole way out: the end of every key is scheduled, its last name goes, and then the key store.
fn go(rig: &Rig, listed: &[Value]) {
    let tenant = format!("--tenant {ACCOUNT}");
    assert!(rig.house.refused(&format!("ekm store delete prod {tenant}")).contains("still has keys"));
    for key in listed {
        let (external, id) = (key["external_key_id"].as_str().unwrap(), key["key"].as_str().unwrap());
        let said = rig.house.refused(&format!("ekm key unbind --store prod {external} {tenant}"));
        assert!(said.contains("LastName") && said.contains("schedule-deletion"), "{said}");
        rig.house.done(&format!("key schedule-deletion {id} --days 7 --yes"));
        rig.ekm(&format!("key unbind --store prod {external}"));
    }
    // Until the days are over there is a way back, by the key's own id, once it has a name again.
    let id = listed[0]["key"].as_str().unwrap();
    assert!(rig.house.refused(&format!("key cancel-deletion {id}")).contains("NameNeeded"));
    rig.ekm(&format!("key bind --store prod back --key {id}"));
    rig.house.done(&format!("key cancel-deletion {id}"));
    assert!(rig.house.refused(&format!("ekm store delete prod {tenant}")).contains("still has keys"));
    rig.house.done(&format!("key schedule-deletion {id} --days 7 --yes"));
    rig.ekm("key unbind --store prod back");
    rig.ekm("store delete prod");
    assert_eq!(rig.ekm("store list")["items"], json!([]));
}

#[test]
fn keys_made_in_a_token_wrap_and_unwrap_there_and_what_it_lacks_is_an_unsupported_algorithm() {
    let rig = Rig::new();
    let served = rig.house.serve();
    rig.ekm("store create prod --region us-east-1 --key-store hsm");
    rig.ekm(&format!("certificate create --store prod {POOL}"));
    assert_eq!(rig.ekm("key create --store prod aes --key-store hsm")["key_store"], "hsm");
    assert_eq!(rig.ekm("key create --store prod rsa --key-store hsm --spec Rsa2048")["spec"], "Rsa2048");
    // By the admin API just so.
    let path = format!("/v1/tenants/{ACCOUNT}/ekm-stores/prod/keys");
    let body = json!({"external_key_id": "second", "spec": "Rsa2048", "key_store": "hsm"}).to_string();
    let (status, made) = rig.house.raw("POST", &path, &body);
    assert_eq!(status, 201, "{made}");
    assert!(made.contains(r#""key_store":"hsm""#), "{made}");
    let listed = rig.ekm("key list --store prod")["items"].as_array().unwrap().clone();
    assert!(listed.len() == 3 && listed.iter().all(|key| key["key_store"] == "hsm"), "{listed:?}");

    let pool = Pool::new(&rig, &served);
    let (status, info) = pool.ask("info", json!({}));
    assert_eq!(status, 200, "{info}");
    assert!(info["ekm_product"].as_str().unwrap().contains(" over SoftHSM project SoftHSM v2, hardware 2."), "{info}");
    for (algorithm, plain) in [("A256KW", &[7; 32][..]), ("A256KW", &[7; 16]), ("A256KWP", &[7; 32])] {
        let wrapped = pool.value("aes/wrapkey", algorithm, plain);
        assert_ne!(wrapped, plain);
        assert_eq!(pool.value("aes/unwrapkey", algorithm, &wrapped), plain, "{algorithm}");
    }
    for key in ["rsa", "second"] {
        // Wrapped with the public half, which is outside; unwrapped inside.
        let wrapped = pool.value(&format!("{key}/wrapkey"), "RSA-OAEP", &[7; 32]);
        assert_eq!(pool.value(&format!("{key}/unwrapkey"), "RSA-OAEP", &wrapped), [7; 32]);
        let (status, told) = pool.ask(&format!("{key}/metadata"), json!({}));
        assert_eq!(
            (status, &told["key_type"], &told["key_ops"]),
            (200, &json!("RSA"), &json!(["wrapKey", "unwrapKey"]))
        );
    }
    // SoftHSM2 has no OAEP with SHA-256, and pads otherwise than RFC 5649.
    // What nobody could unwrap is not wrapped.
    pool.refused("rsa/wrapkey", "RSA-OAEP-256", &[7; 32], UNSUPPORTED);
    pool.refused("rsa/unwrapkey", "RSA-OAEP-256", &[7; 256], UNSUPPORTED);
    pool.refused("aes/wrapkey", "A256KWP", &[7; 17], UNSUPPORTED);

    // A key that there is stays where it is; kinds that Managed HSM has no use for are none.
    let refused = |body: Value, word: &str| {
        let (status, answer) = rig.house.raw("POST", &path, &body.to_string());
        assert!(status == 400 && answer.contains(word), "{status} {answer}");
    };
    let aes = listed.iter().find(|key| key["external_key_id"] == "aes").unwrap();
    refused(json!({"external_key_id": "again", "key": aes["key"], "key_store": "hsm"}), "key_store is for a new key");
    refused(json!({"external_key_id": "curve", "spec": "EcP256", "key_store": "hsm"}), "spec must be");
    refused(json!({"external_key_id": "odd", "key_store": "H S M"}), "key_store must be");

    go(&rig, &listed);
    served.stop();
}

#[test]
fn a_tenant_makes_keys_in_the_key_stores_that_are_offered_to_it_and_in_no_other_by_no_way() {
    let rig = Rig::new();
    let served = rig.house.serve();
    let key = rig.house.root_key();
    let tenant = format!("--tenant {ACCOUNT}");
    let refused = |line: &str, words: [&str; 2]| {
        let said = rig.house.refused_over_https(&served, &key, &format!("{line} {tenant}"));
        assert!(words.iter().all(|word| said.contains(word)), "{line}: {said}");
    };
    let done = |line: &str| {
        let ran = rig.house.over_https(&served, &key, &format!("{line} {tenant}"));
        assert!(ran.status.success(), "{line}: {}", text(&ran.stderr));
    };
    for kind in ["xks", "ekm"] {
        for (store, words) in [
            ("hsm", ["KeyStoreNotOffered", "key store hsm is not offered to tenant 111122223333"]),
            // Whether there is one at all is not told.
            ("nope", ["KeyStoreNotOffered", "key store nope is not offered to tenant 111122223333"]),
        ] {
            refused(&format!("{kind} store create {kind}-one --region us-east-1 --key-store {store}"), words);
        }
        done(&format!("{kind} store create {kind}-one --region us-east-1 --key-store shared"));
        refused(
            &format!("{kind} key create --store {kind}-one a --key-store hsm"),
            ["KeyStoreNotOffered", "accounts of its [[key_store]]"],
        );
        refused(
            &format!("{kind} key create --store {kind}-one a --key-store nope"),
            ["KeyStoreNotOffered", "key store nope is not offered"],
        );
        done(&format!("{kind} key create --store {kind}-one a --key-store shared"));
        // Operators may for every tenant.
        rig.house.done(&format!("{kind} key create --store {kind}-one b --key-store hsm {tenant}"));
    }
    served.stop();
}
