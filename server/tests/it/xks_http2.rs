//! Calls over HTTP/2, as a cloud's KMS may make them, and what a load balancer asks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use strongroom_audit::hash::Hash;
use strongroom_testkit::server::Served;
use tokio::runtime::Runtime;

use crate::house::{ACCOUNT, House, Key};

/// What the cloud calls the proxy; its own name needs no port on port 443.
const HOST: &str = "xks.example.com";
const SCOPE: &str = "us-east-1/kms-xks-proxy/aws4_request";

/// An open connection, over HTTP/2 alone.
struct Connection {
    runtime: Runtime,
    requests: SendRequest<Full<Bytes>>,
}

impl Connection {
    fn new(house: &House, served: &Served) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(house.path("chain.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let requests = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(served.address.unwrap()).await.unwrap();
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let stream = connector.connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
            let (requests, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            requests
        });
        Self { runtime, requests }
    }

    fn send(&mut self, request: http::Request<Full<Bytes>>) -> (u16, String) {
        self.runtime.block_on(async {
            let (head, body) = self.requests.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
        })
    }

    fn get(&mut self, path: &str) -> (u16, String) {
        self.send(http::Request::get(format!("https://{HOST}{path}")).body(Full::default()).unwrap())
    }

    /// A call with these headers signed, sent with `Host` as well where that is one of them.
    fn call(&mut self, key: &Key, call: &str, body: &Value, names: &[&str]) -> (u16, Value) {
        let (path, body) = (format!("/{ACCOUNT}/prod/kms/xks/v1/{call}"), body.to_string());
        let (date, authorization) = authorize(key, &path, &body, names);
        let mut request = http::Request::post(format!("https://{HOST}{path}"))
            .header("content-type", "application/json")
            .header("x-amz-date", date)
            .header("authorization", authorization);
        if names.contains(&"host") {
            request = request.header("host", HOST);
        }
        let (status, answer) = self.send(request.body(Full::new(body.into())).unwrap());
        (status, serde_json::from_str(&answer).unwrap())
    }
}

/// Signature Version 4 by hand, since our own signer knows the authority by its name in HTTP/1.1 alone.
#[expect(clippy::disallowed_methods, reason = "signatures carry the time of the request")]
fn authorize(key: &Key, path: &str, body: &str, names: &[&str]) -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap();
    let date = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second()
    );
    let value = |name: &str| match name {
        ":authority" | "host" => HOST.to_owned(),
        "content-type" => "application/json".to_owned(),
        "x-amz-date" => date.clone(),
        other => panic!("{other} is not sent"),
    };
    let lines: String = names.iter().map(|name| format!("{name}:{}\n", value(name))).collect();
    let list = names.join(";");
    let canonical = format!("POST\n{path}\n\n{lines}\n{list}\n{}", hex(Hash::of([body.as_bytes()]).as_bytes()));
    let (day, _) = date.split_once('T').unwrap();
    let scope = format!("{day}/{SCOPE}");
    let signed = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(Hash::of([canonical.as_bytes()]).as_bytes()));
    let first = format!("AWS4{}", key.secret).into_bytes();
    let signing = scope.split('/').fold(first, |key, part| hmac(&key, part.as_bytes()));
    let signature = hex(&hmac(&signing, signed.as_bytes()));
    let id = &key.id;
    (date, format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={list}, Signature={signature}"))
}

/// HMAC-SHA256 (RFC 2104); no key here is longer than a block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or_default() ^ with).collect() };
    let inner = Hash::of([padded(0x36).as_slice(), message]);
    Hash::of([padded(0x5c).as_slice(), inner.as_bytes().as_slice()]).as_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn metadata() -> Value {
    json!({
        "awsPrincipalArn": "AWS Internal", "kmsOperation": "Encrypt", "kmsRequestId": "over HTTP/2",
        "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    })
}

fn served() -> (House, Served) {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    (house, served)
}

#[test]
fn over_http_2_the_authority_is_signed_by_either_of_its_names() {
    let (house, served) = served();
    let xks = |line: &str| house.done(&format!("xks {line} --tenant {ACCOUNT}"));
    xks("store create prod --region us-east-1");
    xks("key create --store prod payroll");
    let made = xks("credential create --store prod --host xks.example.com");
    let told = |name: &str| made[name].as_str().unwrap().to_owned();
    let key = Key { id: told("access_key_id"), secret: told("secret_access_key") };
    let mut connection = Connection::new(&house, &served);
    let body = json!({
        "requestMetadata": metadata(), "plaintext": STANDARD.encode("hello"), "encryptionAlgorithm": "AES_GCM",
        "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
    });
    for names in [
        [":authority", "content-type", "x-amz-date"].as_slice(),
        &[":authority", "x-amz-date"],
        &["content-type", "host", "x-amz-date"],
        &["host", "x-amz-date"],
        &[":authority", "content-type", "host", "x-amz-date"],
    ] {
        let (status, sealed) = connection.call(&key, "keys/payroll/encrypt", &body, names);
        assert_eq!(status, 200, "{names:?}: {sealed}");
        let mut opened = json!({"requestMetadata": metadata(), "encryptionAlgorithm": "AES_GCM"});
        for member in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
            opened[member] = sealed[member].clone();
        }
        let (status, opened) = connection.call(&key, "keys/payroll/decrypt", &opened, names);
        assert_eq!((status, &opened["plaintext"]), (200, &STANDARD.encode("hello").into()), "{names:?}: {opened}");
    }
    // What is not signed may be anybody's.
    let refused = (401, "AuthenticationFailedException".to_owned());
    let error = |(status, body): (u16, Value)| (status, body["errorName"].as_str().unwrap_or_default().to_owned());
    for names in [["x-amz-date"].as_slice(), &[":authority"], &["content-type", "x-amz-date"]] {
        assert_eq!(error(connection.call(&key, "keys/payroll/encrypt", &body, names)), refused, "{names:?}");
    }
    let other = Key { secret: format!("{}A", key.secret), ..key };
    assert_eq!(error(connection.call(&other, "health", &body, &[":authority", "x-amz-date"])), refused);
    served.stop();
}

#[test]
fn a_load_balancer_is_answered_without_a_signature_and_learns_no_more_than_that() {
    let (house, served) = served();
    let mut connection = Connection::new(&house, &served);
    assert_eq!(connection.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(connection.get("/readyz"), (200, "ready\n".to_owned()));
    // The API's own paths are for POST, also where nobody has signed.
    for call in ["health", "keys/payroll/metadata", "keys/payroll/encrypt", "keys/payroll/decrypt"] {
        assert_eq!(connection.get(&format!("/{ACCOUNT}/prod/kms/xks/v1/{call}")), (405, String::new()), "{call}");
    }
    // And over HTTP/1.1.
    let key = Key { id: String::new(), secret: String::new() };
    let mut plain = house.client(&served, &key);
    let answer = plain.send(b"GET /readyz HTTP/1.1\r\nhost: 10.0.0.1\r\n\r\n").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    served.stop();
}
