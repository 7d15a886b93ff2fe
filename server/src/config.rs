//! The configuration file: TOML, every field known, every mistake named with its line.
//!
//! Files bring configuration only; identities and policies live in the store. Secrets never stand here: a field says
//! where one is to be found (a file, an environment variable, a credential of the service manager).

mod check;
mod read;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use check::{METRICS, is_plain};
pub(crate) use read::{ConfigError, read};
use serde::Deserialize;
use strongroom_engine::{Quotas, Rate, RateLimits};
use strongroom_http::Network;
use strongroom_identity::Origin;

/// A configuration file, read and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the store and the audit log live.
    #[serde(default)]
    pub(crate) data_directory: PathBuf,
    /// The name of this node's audit log.
    #[serde(default = "default_node")]
    pub(crate) node: String,
    /// The first word after `arn:` in the names of this installation.
    #[serde(default = "default_partition")]
    pub(crate) partition: String,
    /// Roots of trust, in the order in which they are asked.
    #[serde(default)]
    pub(crate) root: Vec<RootConfig>,
    /// Key stores, in which keys are made that never leave them.
    #[serde(default)]
    pub(crate) key_store: Vec<KeyStoreConfig>,
    /// External key managers that there is more to say of than their tenants can.
    #[serde(default)]
    pub(crate) external_key_manager: Vec<ExternalKeyManagerConfig>,
    /// All external key managers.
    #[serde(default)]
    pub(crate) external_key_managers: ExternalKeyManagersConfig,
    /// Where requests come in.
    #[serde(default)]
    pub(crate) listener: Vec<ListenerConfig>,
    /// Where metrics and health are served; nowhere if absent.
    pub(crate) metrics: Option<MetricsConfig>,
    /// What is logged for operators.
    #[serde(default)]
    pub(crate) log: LogConfig,
    /// The audit log.
    #[serde(default)]
    pub(crate) audit: AuditConfig,
    /// How much may be asked for.
    #[serde(default)]
    pub(crate) limits: LimitsConfig,
    /// Key pairs.
    #[serde(default)]
    pub(crate) key_pairs: KeyPairsConfig,
    /// Issuers of tokens.
    #[serde(default)]
    pub(crate) identity: IdentityConfig,
}

/// How much may be asked for, and how much there may be. No rates hold unless they are given, and AWS's quotas.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Requests in work at once on each listener.
    pub(crate) requests_in_work: Option<NonZeroUsize>,
    /// How long a request of a cloud's key store may take, in milliseconds.
    pub(crate) cloud_deadline_milliseconds: Option<NonZeroU32>,
    /// For each tenant.
    #[serde(default)]
    pub(crate) tenant: Vec<RateConfig>,
    /// For each principal.
    #[serde(default)]
    pub(crate) principal: Vec<RateConfig>,
    /// For each key.
    #[serde(default)]
    pub(crate) key: Vec<RateConfig>,
    /// Keys of an account in each region.
    pub(crate) keys_per_account: Option<NonZeroUsize>,
    /// Aliases of a key.
    pub(crate) aliases_per_key: Option<NonZeroUsize>,
    /// Grants on a key.
    pub(crate) grants_per_key: Option<NonZeroUsize>,
}

/// A rate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateConfig {
    /// How many requests.
    pub(crate) requests: NonZeroU32,
    /// In how many seconds.
    pub(crate) seconds: NonZeroU32,
}

impl LimitsConfig {
    /// The rates as the engine takes them.
    pub(crate) fn rates(&self) -> RateLimits {
        let rate = |rate: &RateConfig| Rate {
            requests: rate.requests,
            window: Duration::from_secs(u64::from(rate.seconds.get())),
        };
        let rates = |rates: &[RateConfig]| rates.iter().map(rate).collect();
        RateLimits { tenant: rates(&self.tenant), principal: rates(&self.principal), key: rates(&self.key) }
    }

    /// The quotas as the engine takes them.
    pub(crate) fn quotas(&self) -> Quotas {
        let usual = Quotas::default();
        Quotas {
            keys: self.keys_per_account.map(NonZeroUsize::get).or(usual.keys),
            names_per_key: self.aliases_per_key.map_or(usual.names_per_key, NonZeroUsize::get),
            grants_per_key: self.grants_per_key.map_or(usual.grants_per_key, NonZeroUsize::get),
        }
    }
}

/// A root of trust.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        sessions: usize,
        /// Time until a call is given up.
        deadline: Duration,
    },
}

/// A key store: a token behind a PKCS#11 module, or a group of them with the same keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyStoreConfig {
    /// Its name, which stands in the rows of its keys.
    #[serde(default)]
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: KeyStoreKind,
    /// The module's library.
    #[serde(default)]
    pub(crate) module: PathBuf,
    /// The tokens, in the order in which they are asked.
    #[serde(default)]
    pub(crate) tokens: Vec<TokenName>,
    /// The PIN of all of them.
    pub(crate) pin: SecretSource,
    /// Sessions used at the same time, in each token.
    pub(crate) sessions: Option<usize>,
    /// Calls under way at the same time, in each token.
    pub(crate) queue: Option<usize>,
    /// Time until a use of a key is given up.
    pub(crate) deadline_milliseconds: Option<NonZeroU32>,
    /// The accounts of the tenants that may make keys in it, through whichever front end.
    #[serde(default)]
    pub(crate) accounts: Vec<String>,
    /// How AWS's clients find it, if they do.
    pub(crate) aws_kms: Option<ClusterConfig>,
}

impl KeyStoreConfig {
    /// All accounts that may make keys in it: whoever may by AWS's way could fill it, so there is one list for all ways.
    pub(crate) fn offered_to(&self) -> Vec<String> {
        let named = self.aws_kms.iter().flat_map(|known| known.accounts.iter().flatten());
        self.accounts.iter().chain(named).cloned().collect()
    }
}

/// A key store as custom key stores of AWS's kind are made on it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    /// The id that clients know it by.
    pub(crate) cluster: String,
    /// The accounts that may have a custom key store on it; those of the key store if absent.
    pub(crate) accounts: Option<Vec<String>>,
}

/// What a key store is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyStoreKind {
    /// Tokens behind a PKCS#11 module.
    Pkcs11,
}

/// A token among those of a module.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum TokenName {
    /// By its label.
    Label(String),
    /// By its serial number.
    Serial(String),
}

/// An external key manager: tenants say which one they ask, and this is how it is reached.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalKeyManagerConfig {
    /// The domain name that tenants name.
    #[serde(default)]
    pub(crate) host: String,
    /// Where it is; port 443 of the name's public addresses if absent.
    pub(crate) address: Option<SocketAddr>,
    /// PEM: its certificate authorities, and then no others; the common ones if absent.
    pub(crate) authorities: Option<PathBuf>,
    /// The VPC endpoint service that tenants must name to be led here; those who name none are, if absent.
    pub(crate) service: Option<String>,
    /// PEM: a certificate that it is shown, and its chain.
    pub(crate) client_certificate: Option<PathBuf>,
    /// PEM, mode 0600: that certificate's key.
    pub(crate) client_key: Option<PathBuf>,
    /// Time until a call is given up.
    pub(crate) deadline_milliseconds: Option<NonZeroU32>,
}

/// All external key managers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExternalKeyManagersConfig {
    /// Whether only those may be asked that are listed.
    pub(crate) only_listed: bool,
    /// PEM: the certificate authorities of those that have none of their own.
    pub(crate) certificate_authorities: PathBuf,
}

impl Default for ExternalKeyManagersConfig {
    fn default() -> Self {
        Self { only_listed: false, certificate_authorities: CERTIFICATE_AUTHORITIES.into() }
    }
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
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerConfig {
    /// Its name, in records and metrics.
    #[serde(default)]
    pub(crate) name: String,
    /// A TCP address.
    pub(crate) address: Option<SocketAddr>,
    /// A Unix socket.
    pub(crate) socket: Option<PathBuf>,
    /// What is served there.
    #[serde(default)]
    pub(crate) front_ends: Vec<FrontEnd>,
    /// The regions that requests may be signed for.
    #[serde(default)]
    pub(crate) regions: Vec<String>,
    /// TLS; required on TCP.
    pub(crate) tls: Option<TlsConfig>,
    /// Networks whose connections begin with a PROXY protocol version 2 header.
    #[serde(default, deserialize_with = "read::some_networks")]
    pub(crate) proxy_protocol_from: Option<Vec<Network>>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default, deserialize_with = "read::networks")]
    pub(crate) trusted_proxies: Vec<Network>,
    /// Connections at the same time.
    pub(crate) max_connections: Option<NonZeroUsize>,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FrontEnd {
    /// The AWS KMS JSON API.
    AwsKms,
    /// AWS STS, as far as it is served.
    AwsSts,
    /// AWS's tagging API, as far as keys are tagged.
    AwsTagging,
    /// The XKS proxy API.
    AwsXks,
    /// The external key proxy API of Azure's Managed HSM.
    AzureEkm,
    /// Our own admin API.
    Admin,
}

/// TLS of a listener.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// PEM, the server's certificate first.
    #[serde(default)]
    pub(crate) certificate_chain: PathBuf,
    /// PEM, mode 0600.
    #[serde(default)]
    pub(crate) private_key: PathBuf,
    /// PEM; clients must show a certificate of one of these authorities, or may, if `client_optional`.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether a client may come without a certificate.
    #[serde(default)]
    pub(crate) client_optional: bool,
    /// PEM or DER revocation lists, which must not have expired.
    #[serde(default)]
    pub(crate) client_crls: Vec<PathBuf>,
    /// Names one of which a client's certificate must have; any if empty.
    #[serde(default)]
    pub(crate) client_names: Vec<String>,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub(crate) minimum: TlsVersion,
    /// PEM; the certificate chain must lead to one of these authorities without a gap. Not checked if absent.
    pub(crate) authorities: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    /// With ephemeral elliptic curves and AES-256-GCM only.
    #[serde(rename = "1.2")]
    Tls12,
    /// The usual one.
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

/// Metrics and health.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// A TCP address; loopback unless you mean to show them.
    pub(crate) address: SocketAddr,
}

/// The log for operators.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
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
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditConfig {
    /// Bytes of a segment.
    pub(crate) segment_bytes: u64,
    /// Days that whole segments are kept; for ever if absent.
    pub(crate) retention_days: Option<NonZeroU32>,
}

/// Key pairs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeyPairsConfig {
    /// RSA key pairs of 2048 bits that are made ahead of the requests that want them.
    pub(crate) rsa_ahead: usize,
}

impl Default for KeyPairsConfig {
    fn default() -> Self {
        Self { rsa_ahead: 2 }
    }
}

/// Issuers of tokens: which of those that tenants trust may be asked for their keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentityConfig {
    /// The origins, such as `https://issuer.example:8443`; none unless you name them.
    #[serde(deserialize_with = "read::origins")]
    pub(crate) issuers: Vec<Origin>,
    /// PEM: the certificate authorities of issuers that have none of their own.
    pub(crate) certificate_authorities: PathBuf,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self { issuers: Vec::new(), certificate_authorities: CERTIFICATE_AUTHORITIES.into() }
    }
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

fn default_node() -> String {
    "strongroom".to_owned()
}

fn default_partition() -> String {
    "aws".to_owned()
}

/// Where the machine keeps the certificate authorities that it trusts, unless told otherwise.
const CERTIFICATE_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Sessions with a token, unless told otherwise.
pub(crate) const SESSIONS: usize = 4;
/// Time until a token's call is given up, unless told otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
