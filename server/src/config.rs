//! The configuration file: TOML, every field known, every mistake named with its line.
//!
//! Files bring configuration only; identities and policies live in the store. Secrets never stand here: a field says
//! where one is to be found (a file, an environment variable, a credential of the service manager).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

/// A configuration file, read and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the store and the audit log live.
    pub(crate) data_directory: PathBuf,
    /// The name of this node's audit log.
    #[serde(default = "default_node")]
    pub(crate) node: Spanned<String>,
    /// The first word after `arn:` in the names of this installation.
    #[serde(default = "default_partition")]
    pub(crate) partition: String,
    /// Roots of trust, in the order in which they are asked.
    #[serde(default)]
    pub(crate) root: Vec<Spanned<RootConfig>>,
    /// Where requests come in.
    #[serde(default)]
    pub(crate) listener: Vec<Spanned<ListenerConfig>>,
    /// Where metrics and health are served; nowhere if absent.
    pub(crate) metrics: Option<MetricsConfig>,
    /// What is logged for operators.
    #[serde(default)]
    pub(crate) log: LogConfig,
    /// The audit log.
    #[serde(default)]
    pub(crate) audit: AuditConfig,
}

/// A root of trust.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum RootConfig {
    /// A sealed file.
    Software {
        /// The file.
        file: PathBuf,
        /// How it is unsealed without an operator; if absent, by `strongroom unseal`.
        unseal: Option<SecretSource>,
    },
    /// A token behind a PKCS#11 module.
    Pkcs11 {
        /// The module's library.
        module: PathBuf,
        /// The token's label.
        token_label: Option<String>,
        /// The token's serial number.
        token_serial: Option<String>,
        /// The PIN; if absent, by `strongroom unseal`.
        pin: Option<SecretSource>,
        /// Sessions used at the same time.
        #[serde(default = "default_sessions")]
        sessions: usize,
        /// Milliseconds until a call is given up.
        #[serde(default = "default_deadline")]
        deadline_milliseconds: u64,
    },
}

/// Where a secret is to be found.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SecretSource {
    /// A file with 32 raw bytes, mode 0600 (software roots).
    KeyFile(PathBuf),
    /// A file with a passphrase or PIN on its first line, mode 0600.
    File(PathBuf),
    /// An environment variable with a passphrase or PIN.
    Environment(String),
    /// A credential that the service manager passes (`$CREDENTIALS_DIRECTORY/NAME`) with a passphrase or PIN.
    Credential(String),
}

/// A listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerConfig {
    /// Its name, in records and metrics.
    pub(crate) name: String,
    /// A TCP address.
    pub(crate) address: Option<SocketAddr>,
    /// A Unix socket.
    pub(crate) socket: Option<PathBuf>,
    /// What is served there.
    pub(crate) front_ends: Vec<FrontEnd>,
    /// The regions that requests may be signed for.
    #[serde(default)]
    pub(crate) regions: Vec<String>,
    /// TLS 1.3; required on TCP.
    pub(crate) tls: Option<TlsConfig>,
    /// Networks whose connections begin with a PROXY protocol version 2 header.
    pub(crate) proxy_protocol_from: Option<Vec<String>>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<String>,
    /// Connections at the same time.
    pub(crate) max_connections: Option<usize>,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FrontEnd {
    /// The AWS KMS JSON API.
    AwsKms,
    /// AWS STS, as far as it is served.
    AwsSts,
    /// Our own admin API.
    Admin,
}

/// TLS of a listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// PEM, the server's certificate first.
    pub(crate) certificate_chain: PathBuf,
    /// PEM, mode 0600.
    pub(crate) private_key: PathBuf,
    /// PEM; clients must show a certificate of one of these authorities, or may, if `client_optional`.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether a client may come without a certificate.
    #[serde(default)]
    pub(crate) client_optional: bool,
    /// PEM or DER revocation lists, which must not have expired.
    #[serde(default)]
    pub(crate) client_crls: Vec<PathBuf>,
}

/// Metrics and health.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// A TCP address; loopback unless you mean to show them.
    pub(crate) address: SocketAddr,
}

/// The log for operators.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// `json` or `text`.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,strongroom_http=debug`.
    pub(crate) level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditConfig {
    /// Bytes of a segment.
    pub(crate) segment_bytes: u64,
    /// Days that whole segments are kept; for ever if absent.
    pub(crate) retention_days: Option<u32>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { segment_bytes: 64 * 1024 * 1024, retention_days: None }
    }
}

fn default_node() -> Spanned<String> {
    Spanned::new(0..0, "strongroom".to_owned())
}

fn default_partition() -> String {
    "aws".to_owned()
}

const fn default_sessions() -> usize {
    4
}

const fn default_deadline() -> u64 {
    5_000
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not TOML, or has a field that is unknown or of the wrong type.
    #[error("{}: {error}", .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What and where.
        error: Box<toml::de::Error>,
    },
    /// Values that can't be right.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// One value that can't be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    path: PathBuf,
    line: usize,
    problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}: {}", self.path.display(), self.line, self.problem)
    }
}

/// Reads and checks a configuration file.
pub(crate) fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let config: Config =
        toml::from_str(text).map_err(|error| ConfigError::Syntax { path: path.to_owned(), error: Box::new(error) })?;
    let mut mistakes = Vec::new();
    let mut mistake = |offset: usize, problem: String| {
        let line = 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        mistakes.push(Mistake { path: path.to_owned(), line, problem });
    };
    if config.root.is_empty() {
        mistake(text.len(), "no [[root]]: name at least one root of trust".to_owned());
    }
    if config.listener.is_empty() {
        mistake(text.len(), "no [[listener]]: nothing would be served".to_owned());
    }
    let node = config.node.get_ref();
    if node.is_empty() || node.len() > 128 || node.bytes().any(|byte| byte <= b' ' || byte == b'+') {
        mistake(config.node.span().start, "`node` must be 1 to 128 characters without spaces or `+`".to_owned());
    }
    for root in &config.root {
        if let RootConfig::Pkcs11 { token_label, token_serial, sessions, .. } = root.get_ref() {
            if token_label.is_some() == token_serial.is_some() {
                mistake(root.span().start, "a PKCS#11 root needs either `token_label` or `token_serial`".to_owned());
            }
            if !(1..=64).contains(sessions) {
                mistake(root.span().start, "`sessions` must lie between 1 and 64".to_owned());
            }
        }
    }
    for spanned in &config.listener {
        let (listener, at) = (spanned.get_ref(), spanned.span().start);
        for problem in listener.problems() {
            mistake(at, format!("listener {:?}: {problem}", listener.name));
        }
    }
    match mistakes.is_empty() {
        true => Ok(config),
        false => Err(ConfigError::Mistakes(mistakes)),
    }
}

impl ListenerConfig {
    fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        match (&self.address, &self.socket, &self.tls) {
            (Some(_), None, None) => problems.push("TCP needs `tls`: nothing is served in the clear"),
            (None, Some(_), Some(_)) => problems.push("a Unix socket takes no `tls`"),
            (Some(_), None, Some(_)) | (None, Some(_), None) => {}
            _ => problems.push("needs either `address` or `socket`"),
        }
        if self.front_ends.is_empty() {
            problems.push("`front_ends` is empty: nothing would be served");
        }
        let signed = self.front_ends.iter().any(|front_end| *front_end != FrontEnd::Admin);
        if signed && self.regions.is_empty() {
            problems.push("`regions` is empty: no AWS request could be signed for it");
        }
        let plain = |region: &String| {
            (1..=64).contains(&region.len())
                && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !self.regions.iter().all(plain) {
            problems.push("a region is 1 to 64 lower-case letters, digits and hyphens");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
data_directory = "/var/lib/strongroom"
[[root]]
kind = "software"
file = "/var/lib/strongroom/root"
unseal = { credential = "root" }
[[listener]]
name = "kms"
address = "127.0.0.1:8443"
front_ends = ["aws-kms", "aws-sts"]
regions = ["us-east-1"]
tls = { certificate_chain = "chain.pem", private_key = "key.pem" }
"#;

    fn problem(text: &str) -> String {
        parse(Path::new("strongroom.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_configuration_is_taken_with_its_defaults() {
        let config = parse(Path::new("strongroom.toml"), GOOD).unwrap();
        assert_eq!(config.partition, "aws");
        assert_eq!(config.audit.segment_bytes, 64 * 1024 * 1024);
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        let text = problem(&GOOD.replace("name = \"kms\"", "name = \"kms\"\ncolour = \"red\""));
        assert!(text.contains("colour") && text.contains("line 9"), "{text}");
    }

    #[test]
    fn a_server_without_a_root_is_refused() {
        let text = problem(&GOOD.replace("[[root]]", "[[listener]]\nname = \"x\"\nfront_ends = []\n[ignored]"));
        assert!(!text.is_empty());
        let none = problem("data_directory = \"/x\"");
        assert!(none.contains("no [[root]]") && none.contains("no [[listener]]"), "{none}");
    }

    #[test]
    fn plain_http_over_tcp_is_refused_with_its_line() {
        let text = problem(&GOOD.replace("tls =", "# tls ="));
        assert!(text.contains("strongroom.toml:7:") && text.contains("in the clear"), "{text}");
    }

    #[test]
    fn a_token_must_be_chosen_in_one_way() {
        let text = problem(&format!("{GOOD}[[root]]\nkind = \"pkcs11\"\nmodule = \"m.so\"\n"));
        assert!(text.contains("token_label"), "{text}");
    }
}
