//! A server of the admin API on a socket and over TLS, and the command line as the binary embeds it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde_json::Value;
use strongroom_admin::Admin;
use strongroom_cli::{AdminCommand, Environment, GlobalOptions};
use strongroom_engine::{Engine, Options};
use strongroom_http::{App, Listener, ListenerConfig, Peer, Request, Response, ShutdownTrigger, TlsProfile, shutdown};
use strongroom_testkit::engine::{REGION, TestDialect, TestEngine};
use tokio::runtime::Runtime;

const OPERATORS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["strongroom:*","test:*"],"Resource":"*"}]}"#;

struct Gate(Admin);

impl App for Gate {
    async fn call(&self, peer: &Arc<Peer>, request: Request) -> Response {
        self.0.handle(peer, request).await
    }
}

#[derive(Parser)]
#[command(name = "strongroom")]
struct Line {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: AdminCommand,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) struct House {
    pub(crate) test: TestEngine,
    pub(crate) engine: Arc<Engine>,
    pub(crate) port: u16,
    pub(crate) socket: PathBuf,
    pub(crate) authority: PathBuf,
    _stop: Vec<ShutdownTrigger>,
    _runtime: Runtime,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(false)
    }

    /// Whose certificate is its authority's own, as a plain self-signed one is.
    pub(crate) fn showing_its_authority() -> Self {
        Self::with(true)
    }

    fn with(shows_authority: bool) -> Self {
        let test = TestEngine::new();
        let options = Options { operator_policy: OPERATORS.to_owned(), rsa_pairs: 0 };
        let engine = Engine::start(test.parts(), &options).unwrap();
        let admin = Admin::new(Arc::clone(&engine), "aws", vec![&TestDialect]);
        let admin = admin.with_regions(vec![REGION.into(), "here-1".into()]);
        let admin = admin.with_issuers(vec!["https://allowed.example".parse().unwrap()]);
        let gate = Arc::new(Gate(admin));
        let at = |name: &str| test.directory.path().join(name);
        let (socket, authority) = (at("admin.sock"), at("ca.pem"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut https = ListenerConfig::tcp("https", "127.0.0.1:0".parse().unwrap());
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        if shows_authority {
            ca.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
            ca.key_usages.push(KeyUsagePurpose::DigitalSignature);
        }
        let own = ca.self_signed(&ca_key).unwrap().pem();
        std::fs::write(&authority, &own).unwrap();
        let own_key = ca_key.serialize_pem();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let (chain, key) = match shows_authority {
            true => (own, own_key),
            false => (certificate.pem(), key.serialize_pem()),
        };
        std::fs::write(at("chain.pem"), chain).unwrap();
        std::fs::write(at("key.pem"), key).unwrap();
        https.tls = Some(TlsProfile::new(at("chain.pem"), at("key.pem")));
        let mut stop = Vec::new();
        let mut port = 0;
        for config in [ListenerConfig::unix("admin", &socket), https] {
            let listener = runtime.block_on(Listener::bind(config)).unwrap();
            port = listener.local_address().map_or(port, |address| address.port());
            let (trigger, signal) = shutdown();
            stop.push(trigger);
            runtime.spawn(listener.serve(Arc::clone(&gate), signal));
        }
        Self { test, engine, port, socket, authority, _stop: stop, _runtime: runtime }
    }

    /// A command over the socket.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let words = line.split_whitespace().map(str::to_owned);
        let socket = ["--socket".to_owned(), self.socket.display().to_string()];
        self.command(words.chain(socket).collect(), &HashMap::new())
    }

    /// A command over the socket at a terminal, where somebody answers a question so.
    pub(crate) fn run_answering(&self, line: &str, answer: bool) -> (Ran, Vec<String>) {
        let words = line.split_whitespace().map(str::to_owned);
        let socket = ["--socket".to_owned(), self.socket.display().to_string()];
        let asked = std::cell::RefCell::new(Vec::new());
        let confirm = |question: &str| {
            asked.borrow_mut().push(question.to_owned());
            Some(answer)
        };
        let ran = command_asking(words.chain(socket).collect(), &HashMap::new(), self.engine.clock().now().0, &confirm);
        (ran, asked.into_inner())
    }

    /// A command over the socket at a terminal, where somebody says yes after something else happened.
    pub(crate) fn run_meanwhile(&self, line: &str, meanwhile: &dyn Fn()) -> Ran {
        let words = line.split_whitespace().map(str::to_owned);
        let socket = ["--socket".to_owned(), self.socket.display().to_string()];
        let confirm = |_: &str| {
            meanwhile();
            Some(true)
        };
        command_asking(words.chain(socket).collect(), &HashMap::new(), self.engine.clock().now().0, &confirm)
    }

    /// A command over the socket that succeeds; what it prints.
    pub(crate) fn done(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.exit, 0, "{line}: {ran:?}");
        ran.out
    }

    /// A command over HTTPS, with these variables set.
    pub(crate) fn run_over_https(&self, line: &str, variables: &[(&str, &str)]) -> Ran {
        let words = line.split_whitespace().map(str::to_owned);
        let endpoint = ["--endpoint".to_owned(), format!("https://localhost:{}", self.port)];
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.command(words.chain(endpoint).collect(), &variables)
    }

    /// Runs one over HTTPS with a new access key; `of` names the tenant, and the principal or its root.
    pub(crate) fn run_as(&self, of: &str, line: &str) -> Ran {
        let made: Value = serde_json::from_str(&self.done(&format!("access-key create {of} --output json"))).unwrap();
        let told = |name: &str| made[name].as_str().unwrap();
        let (id, secret) = (told("access_key_id"), told("secret_access_key"));
        let authority = self.authority.to_str().unwrap();
        let variables = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_CA_BUNDLE", authority)];
        self.run_over_https(line, &variables)
    }

    fn command(&self, words: Vec<String>, variables: &HashMap<String, String>) -> Ran {
        let now = self.engine.clock().now().0;
        command(words, variables, now)
    }
}

/// A command, as the binary would run it where nobody can be asked.
pub(crate) fn command(words: Vec<String>, variables: &HashMap<String, String>, now: u64) -> Ran {
    command_asking(words, variables, now, &|_| None)
}

fn command_asking(
    words: Vec<String>,
    variables: &HashMap<String, String>,
    now: u64,
    confirm: &dyn Fn(&str) -> Option<bool>,
) -> Ran {
    let words = std::iter::once("strongroom".to_owned()).chain(words);
    let line = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let variable = |name: &str| variables.get(name).cloned();
    let environment = Environment { variable: &variable, now: &|| now, confirm, wrap: &|_, _, _| None };
    let exit = strongroom_cli::run_in(line.command, &line.global, environment, &mut out, &mut err);
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}
