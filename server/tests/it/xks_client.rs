//! Two installations: what the first encrypted is encrypted once more under a key of the second, which is an XKS proxy
//! to our own client.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_secret::SecretBytes;
use strongroom_testkit::server::Served;
use strongroom_xks_client::{
    Client, Credential, Endpoint, ExternalKeyId, HealthStatus, Hosts, Network, Refusal, RequestMetadata, Route, Sealed,
    Target, XksError, limits,
};

use crate::house::{ACCOUNT, House, Key, PROXY};

/// Longer than a call takes on a busy machine; how fast it is shows elsewhere.
const PATIENT: Duration = Duration::from_secs(30);

struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "the other side's clock is the real one")]
    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// An installation with a key store `prod` and its key `payroll`.
pub(crate) struct Proxy {
    pub(crate) house: House,
    pub(crate) served: Served,
    pub(crate) credential: Key,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let house = House::new();
        house.configure(&house.software_root("root"));
        house.init();
        let served = house.serve();
        for line in [
            "store create prod --region us-east-1",
            "key create --store prod payroll",
            "key create --store prod pensions",
        ] {
            house.done(&format!("xks {line} --tenant {ACCOUNT}"));
        }
        let made = house.done(&format!("xks credential create --store prod --host {PROXY} --tenant {ACCOUNT}"));
        let told = |name: &str| made[name].as_str().unwrap().to_owned();
        let credential = Key { id: told("access_key_id"), secret: told("secret_access_key") };
        Self { house, served, credential }
    }

    fn client(&self, path: &str, secret: &str, region: &str) -> Client {
        let authorities = Some(std::fs::read(self.house.path("chain.pem")).unwrap());
        let route = Route { address: self.served.address, authorities, ..Route::new(PROXY.to_owned()) };
        let hosts = Hosts { routes: vec![route], ..Hosts::default() };
        let network = Network::start(hosts, std::sync::Arc::new(Now)).unwrap();
        let secret = SecretBytes::copy_from(secret.as_bytes());
        network.client(Target {
            endpoint: Endpoint::new(&format!("https://{PROXY}"), path).unwrap(),
            credential: Credential::new(&self.credential.id, secret).unwrap(),
            region: region.to_owned(),
            deadline: PATIENT,
        })
    }

    fn right_client(&self) -> Client {
        self.client(&path(), &self.credential.secret, "us-east-1")
    }

    pub(crate) fn switch(&self, line: &str) {
        self.house.done(&format!("xks {line} --tenant {ACCOUNT}"));
    }
}

pub(crate) fn path() -> String {
    format!("/{ACCOUNT}/prod/kms/xks/v1")
}

fn key(id: &str) -> ExternalKeyId {
    ExternalKeyId::new(id).unwrap()
}

fn metadata(operation: &'static str) -> RequestMetadata<'static> {
    RequestMetadata {
        principal_arn: "arn:aws:iam::111122223333:user/alice",
        kms_operation: operation,
        kms_request_id: "4c9a3a3e-0001",
        kms_key_arn: Some("arn:aws:kms:us-east-1:111122223333:key/1"),
        kms_via_service: None,
        aws_source_vpc: None,
        aws_source_vpce: None,
    }
}

fn refusal<T>(outcome: Result<T, XksError>) -> Refusal {
    match outcome.err() {
        Some(XksError::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_one_installation_encrypted_another_encrypts_again_and_both_are_needed_to_read_it() {
    let ours = House::new();
    ours.configure(&ours.software_root("root"));
    ours.init();
    let serving = ours.serve();
    let owner = ours.root_key();
    let proxy = Proxy::start();
    let (client, payroll) = (proxy.right_client(), key("payroll"));
    assert!(client.metadata(&payroll, &metadata("CreateKey")).unwrap().serves());

    let (_, inner) = ours.encrypt(&serving, &owner);
    let inner = SecretBytes::take(STANDARD.decode(inner).unwrap());
    let sealed = client.encrypt(&payroll, &metadata("Encrypt"), &inner, b"department=payroll").unwrap();
    assert_ne!(sealed.ciphertext(), inner.expose());
    let opened = client.decrypt(&payroll, &metadata("Decrypt"), &sealed, b"department=payroll").ok().unwrap();
    ours.decrypts(&serving, &owner, &STANDARD.encode(opened.expose()));

    // The switch of the one who holds the outer key.
    proxy.switch("key block --store prod payroll");
    let outcome = client.decrypt(&payroll, &metadata("Decrypt"), &sealed, b"department=payroll");
    assert_eq!(refusal(outcome), Refusal::InvalidState);
    assert!(!client.metadata(&payroll, &metadata("CreateKey")).unwrap().enabled);
    proxy.switch("key unblock --store prod payroll");
    assert!(client.decrypt(&payroll, &metadata("Decrypt"), &sealed, b"department=payroll").is_ok());

    let records = proxy.house.records("Encrypt");
    assert!(records.iter().any(|record| record.to_string().contains("4c9a3a3e-0001")), "{records:?}");
    serving.stop();
    proxy.served.stop();
}

#[test]
fn our_proxy_answers_our_client_as_the_specification_says() {
    let proxy = Proxy::start();
    let (client, payroll) = (proxy.right_client(), key("payroll"));
    let health = client.health("KmsHealthCheck", "4c9a3a3e-0002").unwrap();
    // Where the machine is busy it is slow, and says so.
    assert!(health.serves() && health.nodes[0].status != HealthStatus::Unavailable, "{health:?}");

    // The longest that every proxy takes, and nothing to be associated.
    for (plaintext, associated) in
        [(vec![7; limits::PLAINTEXT_BYTES], vec![1; limits::ASSOCIATED_DATA_BYTES]), (vec![7], Vec::new())]
    {
        let plaintext = SecretBytes::take(plaintext);
        let sealed = client.encrypt(&payroll, &metadata("Encrypt"), &plaintext, &associated).unwrap();
        let opened = client.decrypt(&payroll, &metadata("Decrypt"), &sealed, &associated).ok().unwrap();
        assert!(opened.equals(plaintext.expose()));
    }

    // Every part is bound, and the key is.
    let plaintext = SecretBytes::copy_from(b"plaintext");
    let sealed = client.encrypt(&payroll, &metadata("Encrypt"), &plaintext, b"a").unwrap();
    let parts = [sealed.ciphertext(), sealed.initialization_vector(), sealed.tag(), sealed.metadata()];
    for part in 0..parts.len() {
        let mut changed = parts.map(<[u8]>::to_vec);
        changed[part][0] ^= 1;
        let [ciphertext, vector, tag, more] = changed;
        let changed = Sealed::new(ciphertext, vector, &tag, more).unwrap();
        let outcome = client.decrypt(&payroll, &metadata("Decrypt"), &changed, b"a");
        assert_eq!(refusal(outcome), Refusal::InvalidCiphertext, "part {part}");
    }
    let decrypt = |client: &Client, id: &str, associated: &[u8]| {
        refusal(client.decrypt(&key(id), &metadata("Decrypt"), &sealed, associated))
    };
    assert_eq!(decrypt(&client, "payroll", b"b"), Refusal::InvalidCiphertext);
    assert_eq!(decrypt(&client, "pensions", b"a"), Refusal::InvalidCiphertext);
    assert_eq!(decrypt(&client, "nothing", b"a"), Refusal::KeyNotFound);

    // Whoever is not this key store's.
    let secret = &proxy.credential.secret;
    let wrong = proxy.client(&path(), &"s".repeat(43), "us-east-1");
    assert_eq!(decrypt(&wrong, "payroll", b"a"), Refusal::AuthenticationFailed);
    let elsewhere = proxy.client(&path(), secret, "eu-central-1");
    assert_eq!(decrypt(&elsewhere, "payroll", b"a"), Refusal::AuthenticationFailed);
    let other = proxy.client(&format!("/{ACCOUNT}/other/kms/xks/v1"), secret, "us-east-1");
    assert_eq!(decrypt(&other, "payroll", b"a"), Refusal::InvalidUriPath);

    // The store's switch holds for all, health included.
    proxy.switch("store block prod");
    assert_eq!(refusal(client.health("KmsHealthCheck", "4c9a3a3e-0003")), Refusal::InvalidState);
    proxy.switch("store unblock prod");
    assert!(client.health("KmsHealthCheck", "4c9a3a3e-0004").unwrap().serves());
    proxy.served.stop();
}
