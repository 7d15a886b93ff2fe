//! `xks preflight` against proxies that misbehave.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};

use crate::house::{Ran, command};

/// The time of this machine, as far as the command line knows, in seconds since 1970: Sun, 06 Nov 1994 08:49:37 GMT.
const NOW: u64 = 784_111_777;

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// A request as a proxy sees it.
struct Asked {
    line: String,
    head: String,
    body: String,
}

/// What a proxy does with a request.
enum Act {
    Answer(u16, &'static str, Value),
    Html(u16, &'static str),
    Hang,
    Endless,
    Close,
}

type Acting = Box<dyn Fn(&Asked) -> Act + Send + Sync>;

/// What makes a proxy.
struct Plan {
    name: &'static str,
    versions: &'static [&'static SupportedProtocolVersion],
    /// Only clients with a certificate of the proxy's own authority.
    mutual: bool,
    /// The Date that it tells.
    date: &'static str,
    act: Acting,
}

impl Plan {
    fn new(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        Self { name: "localhost", versions: rustls::ALL_VERSIONS, mutual: false, date, act: Box::new(act) }
    }
}

struct Misbehaving {
    port: u16,
    directory: PathBuf,
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn key_der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

impl Misbehaving {
    fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let directory = std::env::temp_dir().join(format!("strongroom-preflight-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(directory.join("ca.pem"), ca.pem()).unwrap();
        let leaf = |name: &str, usage: ExtendedKeyUsagePurpose| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            (params.signed_by(&key, &ca).unwrap(), key)
        };
        let (client, client_key) = leaf("cks.kms.us-east-1.amazonaws.com", ExtendedKeyUsagePurpose::ClientAuth);
        std::fs::write(directory.join("client.pem"), client.pem()).unwrap();
        std::fs::write(directory.join("client-key.pem"), client_key.serialize_pem()).unwrap();
        let (stranger, stranger_key) = {
            let key = KeyPair::generate().unwrap();
            (CertificateParams::new(vec!["stranger".to_owned()]).unwrap().self_signed(&key).unwrap(), key)
        };
        std::fs::write(directory.join("stranger.pem"), stranger.pem()).unwrap();
        std::fs::write(directory.join("stranger-key.pem"), stranger_key.serialize_pem()).unwrap();

        let (own, own_key) = leaf(plan.name, ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(plan.versions).unwrap();
        let builder = if plan.mutual {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let chain: Vec<CertificateDer<'static>> = vec![own.der().clone()];
        let config = Arc::new(builder.with_single_cert(chain, key_der(&own_key)).unwrap());
        let (act, date) = (Arc::new(plan.act), plan.date);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, act) = (Arc::clone(&config), Arc::clone(&act));
                std::thread::spawn(move || serve(stream, config, &act, date));
            }
        });
        Self { port, directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn try_at(&self, url: &str, more: &str) -> Ran {
        let line = format!("xks preflight {url} --authorities {} --calls 3 {more}", self.path("ca.pem"));
        let variables = [("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        command(line.split_whitespace().map(str::to_owned).collect(), &HashMap::from(variables), NOW * 1000)
    }

    /// Tries it.
    fn tried(&self, more: &str) -> Ran {
        self.try_at(&format!("https://localhost:{}/prod/kms/xks/v1", self.port), more)
    }

    /// Tries it, and gives the checks by their names: verdict, what was found, remedy.
    fn checks(&self, more: &str) -> (Ran, HashMap<String, (String, String, String)>) {
        let ran = self.tried(&format!("{more} --output json"));
        let checks = ran.out.lines().map(|line| {
            let check: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            (text("check"), (text("verdict"), text("found"), text("remedy")))
        });
        let checks = checks.collect();
        (ran, checks)
    }

    fn certificate(&self, name: &str) -> String {
        let (certificate, key) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}-key.pem")));
        format!("--client-certificate {certificate} --client-key {key}")
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, act: &Acting, date: &str) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    while let Some(asked) = asked(&mut stream) {
        let mut answer = |status: u16, kind: &str, more: &str, body: &str| {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} Told\r\nDate: {date}\r\nContent-Type: {kind}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
            )
            .and_then(|()| stream.flush())
            .is_ok()
        };
        let goes_on = match act(&asked) {
            Act::Answer(status, more, body) => answer(status, "application/json", more, &body.to_string()),
            Act::Html(status, more) => answer(status, "text/html", more, "<html>Welcome</html>"),
            Act::Hang => {
                // Until the client leaves.
                let _ = stream.read(&mut [0; 1]);
                false
            }
            Act::Endless => {
                let begun = write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = format!("{:x}\r\n{}\r\n", 65536, " ".repeat(65536));
                if begun.is_ok() {
                    while stream.write_all(chunk.as_bytes()).is_ok() {}
                }
                false
            }
            Act::Close => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// The next request of a connection.
fn asked(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let line = head.lines().next().unwrap().to_owned();
    Some(Asked { line, head, body: String::from_utf8(body).unwrap() })
}

fn refuse(status: u16, name: &str) -> Act {
    Act::Answer(status, "", json!({ "errorName": name }))
}

/// Whether a request is signed, and for a time not more than five minutes from this one.
fn signed_about(asked: &Asked, now: u64) -> bool {
    let date = asked.head.lines().find_map(|line| line.to_lowercase().strip_prefix("x-amz-date: ").map(str::to_owned));
    let Some(date) = date else { return false };
    // All on one day: 19941106t084937z.
    assert!(date.starts_with("19941106t"), "{date}");
    let of = |from: usize| date.get(from..from + 2).unwrap().parse::<u64>().unwrap();
    let time = 784_080_000 + of(9) * 3600 + of(11) * 60 + of(13);
    time.abs_diff(now) <= 300
}

/// A proxy that is right as far as it goes, by the clock `now`: every key is the same, and encrypts nothing.
fn right(asked: &Asked, now: u64) -> Act {
    if asked.line.starts_with("GET") {
        return refuse(405, "");
    }
    if !signed_about(asked, now) {
        return refuse(401, "AuthenticationFailedException");
    }
    if asked.line.contains("/health") {
        if !asked.body.contains("requestMetadata") {
            return refuse(400, "ValidationException");
        }
        return Act::Answer(200, "", json!({"ekmFleetDetails": [{"healthStatus": "ACTIVE"}]}));
    }
    refuse(404, "KeyNotFoundException")
}

fn verdict<'c>(checks: &'c HashMap<String, (String, String, String)>, check: &str) -> &'c str {
    checks.get(check).map_or("absent", |(verdict, ..)| verdict)
}

#[test]
fn a_proxy_that_wants_a_client_certificate_fails_by_that_check_and_what_can_be_told_without_is_told() {
    let mut plan = Plan::new(|asked| right(asked, NOW));
    plan.mutual = true;
    let proxy = Misbehaving::start(plan);
    for (more, word) in [(String::new(), "none was named"), (proxy.certificate("stranger"), "does not take")] {
        let (ran, checks) = proxy.checks(&format!("--key payroll {more}"));
        assert_eq!(ran.exit, 1, "{ran:?}");
        let (verdict_of, found, remedy) = &checks["mutual TLS"];
        assert_eq!(verdict_of, "fail", "{checks:#?}");
        assert!(found.contains(word) && remedy.contains("--client-certificate"), "{found}: {remedy}");
        assert_eq!(verdict(&checks, "certificate"), "ok");
        assert!(checks["suites"].1.contains("TLS 1.2 ECDHE_ECDSA"), "{checks:#?}");
        for skipped in ["GetHealthStatus", "wrong secret refused", "GetKeyMetadata", "Decrypt", "time of Encrypt"] {
            assert_eq!(verdict(&checks, skipped), "skip", "{skipped}: {checks:#?}");
        }
        assert!(!ran.err.contains("--socket"), "{ran:?}");
    }
    let (_, checks) = proxy.checks(&proxy.certificate("client"));
    assert_eq!((verdict(&checks, "mutual TLS"), verdict(&checks, "GetHealthStatus")), ("ok", "ok"), "{checks:#?}");
}

#[test]
fn a_proxy_of_tls_1_2_alone_that_wants_a_client_certificate_is_told_so_too() {
    let mut plan = Plan::new(|asked| right(asked, NOW));
    (plan.mutual, plan.versions) = (true, TLS12);
    let proxy = Misbehaving::start(plan);
    let (_, checks) = proxy.checks("");
    assert_eq!((verdict(&checks, "mutual TLS"), verdict(&checks, "certificate")), ("fail", "ok"), "{checks:#?}");
    assert_eq!(checks["suites"].1, "TLS 1.2 ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    assert_eq!(verdict(&checks, "GetHealthStatus"), "skip");
}

#[test]
fn a_proxy_that_hangs_or_never_ends_or_hangs_up_fails_by_a_check_of_its_own() {
    for (act, check, word) in [
        ((|| Act::Hang) as fn() -> Act, "time", "no answer within 5s"),
        (|| Act::Endless, "answer", "more than 1048576 bytes"),
        (|| Act::Close, "connection", "the connection broke"),
    ] {
        let proxy = Misbehaving::start(Plan::new(move |_| act()));
        let (ran, checks) = proxy.checks("--key payroll");
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(verdict(&checks, check) == "fail" && checks[check].1.contains(word), "{check}: {checks:#?}");
        assert_eq!((verdict(&checks, "suites"), verdict(&checks, "Encrypt")), ("ok", "skip"), "{checks:#?}");
        assert!(ran.err.contains("1 check failed") || ran.err.contains("2 checks failed"), "{ran:?}");
    }
}

#[test]
fn a_listener_that_takes_connections_and_says_nothing_fails_in_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = Misbehaving::start(Plan::new(|asked| right(asked, NOW)));
    let ran = other.try_at(&format!("https://localhost:{port}/kms/xks/v1"), "");
    assert!(ran.exit == 1 && ran.out.contains("FAIL  TLS: no TLS within 5s"), "{ran:?}");
    assert!(ran.out.contains("skip  certificate") && ran.out.contains("skip  GetHealthStatus"), "{ran:?}");
    // Bound, so that nobody else listens there either.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = closed.local_addr().unwrap().port();
    let ran = other.try_at(&format!("https://localhost:{port}/kms/xks/v1"), "");
    assert!(ran.exit == 1 && ran.out.contains("FAIL  connection: "), "{ran:?}");
    assert!(ran.out.contains("try: let AWS reach the proxy"), "{ran:?}");
}

#[test]
fn a_certificate_of_another_name_is_told_with_what_is_needed_and_the_rest_of_tls_is_tried() {
    let mut plan = Plan::new(|asked| right(asked, NOW));
    plan.name = "other.example.com";
    let proxy = Misbehaving::start(plan);
    let (_, checks) = proxy.checks("");
    let (verdict_of, found, remedy) = &checks["certificate"];
    assert!(verdict_of == "fail" && found.contains("other.example.com"), "{found}");
    assert!(remedy.contains("issued for this name"), "{remedy}");
    assert!(checks["suites"].0 == "ok" && checks["GetHealthStatus"].0 == "skip", "{checks:#?}");
}

#[test]
fn a_client_key_of_another_certificate_is_told_by_the_files() {
    let proxy = Misbehaving::start(Plan::new(|asked| right(asked, NOW)));
    let (certificate, key) = (proxy.path("client.pem"), proxy.path("stranger-key.pem"));
    let ran = proxy.tried(&format!("--client-certificate {certificate} --client-key {key}"));
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(ran.err.contains(&format!("the private key in {key} (--client-key) is not that of")), "{ran:?}");
    assert!(ran.err.contains(&certificate), "{ran:?}");
    let ran = proxy.tried(&format!("--client-certificate /nonexistent.pem --client-key {key}"));
    assert_eq!(ran.err, "strongroom: /nonexistent.pem cannot be read: No such file or directory (os error 2)\n");
}

#[test]
fn a_key_that_is_not_there_is_said_once_and_what_needs_it_is_skipped() {
    let proxy = Misbehaving::start(Plan::new(|asked| right(asked, NOW)));
    let (ran, checks) = proxy.checks("--key nobody");
    assert_eq!(checks["GetKeyMetadata"].1, "404 KeyNotFoundException: no such external key");
    for skipped in ["Encrypt", "integrity value", "Decrypt", "other associated data refused", "time of Encrypt"] {
        assert_eq!(verdict(&checks, skipped), "skip", "{skipped}: {checks:#?}");
    }
    assert_eq!(verdict(&checks, "unknown key refused"), "ok");
    assert!(checks["time of Encrypt"].1.contains("not measured") && !ran.out.contains("null"), "{ran:?}");
}

#[test]
fn refusals_are_not_taken_for_quick_answers() {
    let proxy = Misbehaving::start(Plan::new(|asked| match asked.line.contains("/metadata") {
        true => Act::Answer(
            200,
            "",
            json!({"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}),
        ),
        false if asked.line.contains("/encrypt") => refuse(400, "AccessDeniedException"),
        false => right(asked, NOW),
    }));
    let (_, checks) = proxy.checks("--key payroll");
    assert_eq!(verdict(&checks, "GetKeyMetadata"), "ok", "{checks:#?}");
    assert_eq!((verdict(&checks, "Encrypt"), verdict(&checks, "Decrypt")), ("fail", "skip"), "{checks:#?}");
    let (verdict_of, found, _) = &checks["time of Encrypt"];
    assert_eq!(verdict_of, "skip");
    assert_eq!(found, "not measured: call 1 of 3 was refused: 400 AccessDeniedException");
}

#[test]
fn what_is_no_proxy_is_said_to_be_none() {
    for (act, word) in [
        (
            (|| Act::Html(302, "Location: https://login.example.com/\r\n")) as fn() -> Act,
            "302, which leads to https://login",
        ),
        (|| Act::Html(200, ""), "200 without a JSON object"),
        (|| Act::Html(502, ""), "502 without a JSON object"),
    ] {
        let proxy = Misbehaving::start(Plan::new(move |_| act()));
        let (_, checks) = proxy.checks("--key payroll");
        let (verdict_of, found, remedy) = &checks["GetHealthStatus"];
        assert!(verdict_of == "fail" && found.contains(word), "{found}");
        assert!(remedy.contains("no XKS proxy answers at this path") && !remedy.contains("HSM"), "{remedy}");
        assert_eq!((verdict(&checks, "wrong secret refused"), verdict(&checks, "Encrypt")), ("skip", "skip"));
    }
}

#[test]
fn a_clock_five_minutes_off_fails_and_one_minute_off_is_a_note() {
    for (date, expected) in [
        ("Sun, 06 Nov 1994 08:51:17 GMT", "note"),
        ("Sun, 06 Nov 1994 08:54:37 GMT", "fail"),
        ("Sun, 06 Nov 1994 08:39:37 GMT", "fail"),
        ("Sun, 06 Nov 1994 08:49:40 GMT", "ok"),
    ] {
        let mut plan = Plan::new(|asked| right(asked, NOW));
        plan.date = date;
        let (_, checks) = Misbehaving::start(plan).checks("");
        assert_eq!(verdict(&checks, "clock"), expected, "{date}: {checks:#?}");
    }
}

#[test]
fn a_right_proxy_whose_clock_differs_from_ours_refuses_what_is_too_far_from_its_own() {
    for (date, seconds) in [("Sun, 06 Nov 1994 08:49:55 GMT", 18_i64), ("Sun, 06 Nov 1994 08:49:19 GMT", -18)] {
        let theirs = NOW.saturating_add_signed(seconds);
        let mut plan = Plan::new(move |asked| right(asked, theirs));
        plan.date = date;
        let (_, checks) = Misbehaving::start(plan).checks("");
        for check in ["GetHealthStatus", "signature of 310 s ago refused", "signature 310 s ahead refused"] {
            assert_eq!(verdict(&checks, check), "ok", "{check}: {checks:#?}");
        }
    }
}

#[test]
fn a_refused_credential_is_the_one_failure_that_it_is() {
    let proxy = Misbehaving::start(Plan::new(|_| refuse(401, "AuthenticationFailedException")));
    let (ran, checks) = proxy.checks("--key payroll");
    assert!(checks["GetHealthStatus"].2.contains("the proxy's own credential"), "{checks:#?}");
    assert_eq!((verdict(&checks, "wrong secret refused"), verdict(&checks, "Encrypt")), ("skip", "skip"));
    assert!(!checks["time of Encrypt"].1.contains("within"), "{checks:#?}");
    assert!(ran.exit == 1, "{ran:?}");
}

#[test]
fn a_url_with_more_than_aws_takes_is_refused_and_a_password_in_it_is_not_repeated() {
    let proxy = Misbehaving::start(Plan::new(|asked| right(asked, NOW)));
    for url in
        ["https://localhost/kms/xks/v1?x=1", "https://localhost/kms/xks/v1#x", "https://u:pass@localhost/kms/xks/v1"]
    {
        let ran = proxy.try_at(url, "");
        assert!(ran.exit == 2 && ran.out.is_empty() && !ran.err.contains("pass"), "{url}: {ran:?}");
    }
}

#[test]
fn without_a_credential_the_remedy_is_one_of_the_proxy() {
    let line = "xks preflight https://localhost/kms/xks/v1 --authorities";
    let proxy = Misbehaving::start(Plan::new(|asked| right(asked, NOW)));
    let words = line.split(' ').map(str::to_owned).chain([proxy.path("ca.pem")]);
    let ran = command(words.collect(), &HashMap::new(), NOW * 1000);
    assert!(ran.exit == 2 && ran.err.contains("AWS_ACCESS_KEY_ID is not set"), "{ran:?}");
    assert!(ran.err.contains("that the proxy knows") && !ran.err.contains("socket"), "{ran:?}");
}
