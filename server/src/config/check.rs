//! What a configuration must be besides readable. Every mistake is found, each with its place in the file.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use strongroom_model::key_store::KeyStoreName;
use tracing_subscriber::EnvFilter;

use super::read::Found;
use super::read::Step::{self, Index, Key};
use super::{Config, FrontEnd, ListenerConfig, RootConfig, SecretSource, TlsVersion};

/// Longest node name, in bytes.
const NODE: usize = 128;
/// What a list of accounts that is malformed is told.
const ACCOUNTS: &str = "`accounts` names the accounts of the tenants that may make keys in it: 12 digits each";
/// Longest name of a listener or region, in bytes.
const NAME: usize = 64;
/// Longest path of a Unix socket, in bytes (`sun_path` of unix(7) without its end).
const SOCKET: usize = 107;
/// Longest deadline of a token's call: no client waits that long.
const DEADLINE_MOST: Duration = Duration::from_secs(120);
/// Longest window of a rate, in seconds.
const LONGEST_WINDOW: u32 = 24 * 60 * 60;
/// The name of the listener of `[metrics]`.
pub(crate) const METRICS: &str = "metrics";

/// Notes every mistake in `config`.
pub(super) fn check(config: &Config, found: &mut Found<'_>) {
    if config.data_directory.as_os_str().is_empty() {
        found.problem(&[Key("data_directory")], "`data_directory` is missing: say where store and audit log lie");
    }
    if config.node.is_empty()
        || config.node.len() > NODE
        || config.node.bytes().any(|byte| byte <= b' ' || byte == b'+')
    {
        found.problem(&[Key("node")], "`node` must be 1 to 128 bytes without spaces or `+`");
    }
    if !is_plain(&config.partition) {
        let problem = "`partition` must be 1 to 64 lower-case letters, digits and hyphens, such as \"aws\"";
        found.problem(&[Key("partition")], problem);
    }
    if config.root.is_empty() {
        found.problem(&[Key("root")], "no [[root]]: name at least one root of trust");
    }
    if config.listener.is_empty() {
        found.problem(&[Key("listener")], "no [[listener]]: nothing would be served");
    }
    if let Err(error) = EnvFilter::try_new(&config.log.level) {
        found.problem(&[Key("log"), Key("level")], format!("`level` cannot be read: {error}"));
    }
    let segments = strongroom_audit_log::limits::SHORTEST_SEGMENT..=strongroom_audit_log::limits::LONGEST_SEGMENT;
    if !segments.contains(&config.audit.segment_bytes) {
        let problem = format!("`segment_bytes` must lie between {} and {}", segments.start(), segments.end());
        found.problem(&[Key("audit"), Key("segment_bytes")], problem);
    }
    let most = strongroom_engine::limits::PAIRS_AHEAD;
    if config.key_pairs.rsa_ahead > most {
        found.problem(&[Key("key_pairs"), Key("rsa_ahead")], format!("`rsa_ahead` must be {most} at most"));
    }
    check_limits(config, found);
    check_roots(config, found);
    check_key_stores(config, found);
    check_external_key_managers(config, found);
    check_listeners(config, found);
}

fn check_limits(config: &Config, found: &mut Found<'_>) {
    let limits = &config.limits;
    for (name, rates) in [("tenant", &limits.tenant), ("principal", &limits.principal), ("key", &limits.key)] {
        if rates.len() > strongroom_engine::limits::RATE_WINDOWS {
            found.problem(&[Key("limits"), Key(name)], format!("`{name}` has more than 4 windows"));
        }
        if rates.iter().any(|rate| rate.seconds.get() > LONGEST_WINDOW) {
            found.problem(&[Key("limits"), Key(name)], "`seconds` must be at most 86400: a day");
        }
    }
    let most = strongroom_xks_client::limits::DEADLINE_MOST.as_millis();
    if limits.cloud_deadline_milliseconds.is_some_and(|asked| u128::from(asked.get()) > most) {
        let problem = format!("`cloud_deadline_milliseconds` must be {most} at most");
        found.problem(&[Key("limits"), Key("cloud_deadline_milliseconds")], problem);
    }
    let quotas = limits.quotas();
    for (name, asked, most) in [
        ("aliases_per_key", quotas.names_per_key, strongroom_engine::limits::NAMES_PER_KEY_MOST),
        ("grants_per_key", quotas.grants_per_key, strongroom_engine::limits::GRANTS_PER_KEY_MOST),
    ] {
        if asked > most {
            found.problem(&[Key("limits"), Key(name)], format!("`{name}` must be {most} at most"));
        }
    }
}

fn check_roots(config: &Config, found: &mut Found<'_>) {
    let (mut files, mut tokens) = (HashSet::new(), HashSet::new());
    for (index, root) in config.root.iter().enumerate() {
        let place = |field| [Key("root"), Index(index), Key(field)];
        match root {
            RootConfig::Software { file, unseal } => {
                if file.as_os_str().is_empty() {
                    found.problem(&place("file"), "a software root needs `file`");
                } else if !files.insert(file) {
                    found.problem(&place("file"), "another root has this file, too");
                }
                check_secret(unseal.as_ref(), &place("unseal"), found);
            }
            RootConfig::Pkcs11 { module, token_label, token_serial, pin, sessions, deadline } => {
                if module.as_os_str().is_empty() {
                    found.problem(&place("module"), "a PKCS#11 root needs `module`");
                }
                if token_label.is_some() == token_serial.is_some() {
                    let problem = "a PKCS#11 root needs either `token_label` or `token_serial`";
                    found.problem(&place("token_label"), problem);
                } else if !tokens.insert((module, token_label, token_serial)) {
                    found.problem(&place("token_label"), "another root is in this token, too");
                }
                let most = strongroom_root_pkcs11::limits::SESSIONS_MOST;
                if !(1..=most).contains(sessions) {
                    found.problem(&place("sessions"), format!("`sessions` must lie between 1 and {most}"));
                }
                if *deadline > DEADLINE_MOST {
                    let problem = format!("`deadline_milliseconds` must be {} at most", DEADLINE_MOST.as_millis());
                    found.problem(&place("deadline_milliseconds"), problem);
                }
                if matches!(pin, Some(SecretSource::KeyFile(_))) {
                    let problem = "a PIN is a text: `pin` takes `file`, `environment` or `credential`, not `key_file`";
                    found.problem(&place("pin"), problem);
                }
                check_secret(pin.as_ref(), &place("pin"), found);
            }
        }
    }
}

fn check_key_stores(config: &Config, found: &mut Found<'_>) {
    use strongroom_root_pkcs11::limits::{QUEUE_MOST, SESSIONS_MOST, TOKENS_MOST};
    let mut names = HashSet::new();
    if config.key_store.len() > strongroom_engine::limits::KEY_STORES {
        found.problem(&[Key("key_store")], "there are more than 64 key stores");
    }
    for (index, store) in config.key_store.iter().enumerate() {
        let place = |field| [Key("key_store"), Index(index), Key(field)];
        if KeyStoreName::new(&store.name).is_none() {
            found.problem(&place("name"), "`name` must be 1 to 64 lower-case letters, digits and hyphens");
        } else if !names.insert(&store.name) {
            found.problem(&place("name"), "another key store has this name, too");
        }
        if store.module.as_os_str().is_empty() {
            found.problem(&place("module"), "a key store of kind \"pkcs11\" needs `module`");
        }
        if !(1..=TOKENS_MOST).contains(&store.tokens.len()) {
            let problem = "`tokens` names 1 to 8 tokens, such as [{ label = \"hsm\" }]";
            found.problem(&place("tokens"), problem);
        }
        if repeats(store.tokens.iter()) {
            found.problem(&place("tokens"), "`tokens` names one twice");
        }
        if !store.accounts.iter().all(|account| is_account(account)) {
            found.problem(&place("accounts"), ACCOUNTS);
        } else if repeats(store.accounts.iter()) {
            found.problem(&place("accounts"), "`accounts` names one twice");
        }
        if store.sessions.is_some_and(|sessions| !(1..=SESSIONS_MOST).contains(&sessions)) {
            found.problem(&place("sessions"), format!("`sessions` must lie between 1 and {SESSIONS_MOST}"));
        }
        if store.queue.is_some_and(|queue| !(1..=QUEUE_MOST).contains(&queue)) {
            found.problem(&place("queue"), format!("`queue` must lie between 1 and {QUEUE_MOST}"));
        }
        if store.deadline_milliseconds.is_some_and(|deadline| u128::from(deadline.get()) > DEADLINE_MOST.as_millis()) {
            let problem = format!("`deadline_milliseconds` must be {} at most", DEADLINE_MOST.as_millis());
            found.problem(&place("deadline_milliseconds"), problem);
        }
        if matches!(store.pin, SecretSource::KeyFile(_)) {
            let problem = "a PIN is a text: `pin` takes `file`, `environment` or `credential`, not `key_file`";
            found.problem(&place("pin"), problem);
        }
        check_secret(Some(&store.pin), &place("pin"), found);
    }
    check_clusters(config, found);
}

fn check_clusters(config: &Config, found: &mut Found<'_>) {
    let mut ids = HashSet::new();
    for (index, store) in config.key_store.iter().enumerate() {
        let Some(known) = &store.aws_kms else { continue };
        let place = |field| [Key("key_store"), Index(index), Key("aws_kms"), Key(field)];
        if !strongroom_aws_kms::is_cluster_id(&known.cluster) {
            let problem = "`cluster` must be \"cluster-\" and 11 to 16 letters or digits from 2 to 7";
            found.problem(&place("cluster"), problem);
        } else if !ids.insert(&known.cluster) {
            found.problem(&place("cluster"), "another key store has this cluster id, too");
        }
        if known.accounts.as_ref().unwrap_or(&store.accounts).is_empty() {
            let problem = "`aws_kms` needs `accounts`, its own or the key store's: 12 digits each";
            found.problem(&place("cluster"), problem);
        }
        if !known.accounts.iter().flatten().all(|account| is_account(account)) {
            found.problem(&place("accounts"), ACCOUNTS);
        }
    }
}

fn check_external_key_managers(config: &Config, found: &mut Found<'_>) {
    use strongroom_xks_client::limits::{DEADLINE_MOST, ROUTES};
    let mut ways = HashSet::new();
    if config.external_key_manager.len() > ROUTES {
        let problem = format!("there are more than {ROUTES} external key managers");
        found.problem(&[Key("external_key_manager")], problem);
    }
    for (index, manager) in config.external_key_manager.iter().enumerate() {
        let mut mistake = |field: &str, problem: &str| {
            found.problem(&[Key("external_key_manager"), Index(index), Key(field)], problem);
        };
        if !strongroom_xks_client::is_host(&manager.host) {
            mistake("host", "`host` must be a fully qualified domain name, such as \"xks.example.com\"");
        } else if !ways.insert((manager.host.to_ascii_lowercase(), &manager.service)) {
            mistake("host", "another external key manager has this host and service, too");
        }
        if manager.service.as_ref().is_some_and(|service| !strongroom_xks_client::is_service(service)) {
            let problem =
                "`service` must be as AWS names one: \"com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0\"";
            mistake("service", problem);
        }
        if manager.service.is_some() && manager.address.is_none() {
            mistake("address", "`service` needs `address`: where it leads");
        }
        if manager.client_certificate.is_some() != manager.client_key.is_some() {
            mistake("client_certificate", "`client_certificate` and `client_key` go together");
        }
        let files = [
            ("authorities", &manager.authorities),
            ("client_certificate", &manager.client_certificate),
            ("client_key", &manager.client_key),
        ];
        for (field, _) in files.iter().filter(|(_, file)| file.as_ref().is_some_and(|file| file.as_os_str().is_empty()))
        {
            mistake(field, &format!("`{field}` names no file"));
        }
        if manager.deadline_milliseconds.is_some_and(|asked| u128::from(asked.get()) > DEADLINE_MOST.as_millis()) {
            let problem = format!("`deadline_milliseconds` must be {} at most", DEADLINE_MOST.as_millis());
            mistake("deadline_milliseconds", &problem);
        }
    }
}

fn check_secret(source: Option<&SecretSource>, place: &[Step<'_>], found: &mut Found<'_>) {
    let problem = match source {
        Some(SecretSource::KeyFile(path) | SecretSource::File(path)) if path.as_os_str().is_empty() => {
            "no file is named"
        }
        Some(SecretSource::Environment(name)) if name.is_empty() || name.contains(['=', '\0']) => {
            "this is not the name of an environment variable"
        }
        Some(SecretSource::Credential(name)) if name.is_empty() || name.contains('/') => {
            "a credential is a name, as LoadCredential= has it, not a path"
        }
        _ => return,
    };
    found.problem(place, problem);
}

fn check_listeners(config: &Config, found: &mut Found<'_>) {
    let (mut names, mut sockets, mut addresses) = (HashSet::new(), HashSet::new(), Vec::new());
    if let Some(metrics) = &config.metrics {
        names.insert(METRICS);
        addresses.push(metrics.address);
    }
    for (index, listener) in config.listener.iter().enumerate() {
        let mut mistake = |field: &str, problem: &str| {
            let named = format!("listener {:?}: {problem}", listener.name);
            found.problem(&[Key("listener"), Index(index), Key(field)], named);
        };
        if !is_name(&listener.name) {
            mistake("name", "`name` must be 1 to 64 letters, digits, hyphens, dots and underscores");
        } else if !names.insert(&listener.name) {
            mistake("name", "another listener has this name, too");
        }
        if listener.address.is_some_and(|address| addresses.iter().any(|taken| overlap(*taken, address))) {
            mistake("address", "another listener has this address, too");
        }
        addresses.extend(listener.address);
        if listener.socket.as_ref().is_some_and(|socket| !sockets.insert(socket)) {
            mistake("socket", "another listener has this socket, too");
        }
        check_place(listener, &mut mistake);
        check_front_ends(listener, &mut mistake);
        check_tls(listener, &mut mistake);
        check_ekm(listener, &mut mistake);
    }
}

fn check_place(listener: &ListenerConfig, mistake: &mut impl FnMut(&str, &str)) {
    match (&listener.address, &listener.socket, &listener.tls) {
        (Some(_), None, None) => mistake("tls", "TCP needs `tls`: nothing is served in the clear"),
        (None, Some(_), Some(_)) => mistake("tls", "a Unix socket takes no `tls`"),
        (Some(_), None, Some(_)) | (None, Some(_), None) => {}
        (Some(_), Some(_), _) => mistake("socket", "needs either `address` or `socket`, not both"),
        (None, None, _) => mistake("address", "needs either `address` or `socket`"),
    }
    if let Some(socket) = &listener.socket {
        let length = socket.as_os_str().len();
        if length == 0 || length > SOCKET {
            mistake("socket", "the path of a Unix socket has 1 to 107 bytes");
        }
        if listener.proxy_protocol_from.is_some() {
            mistake("proxy_protocol_from", "a Unix socket takes no `proxy_protocol_from`");
        }
    }
    if listener.proxy_protocol_from.as_ref().is_some_and(Vec::is_empty) {
        mistake("proxy_protocol_from", "`proxy_protocol_from` names no network: every connection would be refused");
    }
}

fn check_front_ends(listener: &ListenerConfig, mistake: &mut impl FnMut(&str, &str)) {
    if listener.front_ends.is_empty() {
        mistake("front_ends", "`front_ends` is empty: nothing would be served");
    }
    if repeats(listener.front_ends.iter()) {
        mistake("front_ends", "`front_ends` names one twice");
    }
    let signs = |front_end: &FrontEnd| !matches!(front_end, FrontEnd::Admin | FrontEnd::AzureEkm);
    let signed = listener.front_ends.iter().any(signs);
    if signed && listener.regions.is_empty() {
        mistake("regions", "`regions` is empty: no AWS request could be signed for it");
    }
    if !listener.regions.iter().all(|region| is_plain(region)) {
        mistake("regions", "a region is 1 to 64 lower-case letters, digits and hyphens");
    }
    if repeats(listener.regions.iter()) {
        mistake("regions", "`regions` names one twice");
    }
}

fn check_tls(listener: &ListenerConfig, mistake: &mut impl FnMut(&str, &str)) {
    let Some(tls) = &listener.tls else { return };
    let empty = |path: &Path| path.as_os_str().is_empty();
    if empty(&tls.certificate_chain) {
        mistake("tls", "`tls` needs `certificate_chain`");
    }
    if empty(&tls.private_key) {
        mistake("tls", "`tls` needs `private_key`");
    }
    if tls.client_ca.is_none() && !tls.client_crls.is_empty() {
        mistake("tls", "`client_crls` without `client_ca`: clients are not asked for certificates");
    }
    if tls.client_ca.is_none() && !tls.client_names.is_empty() {
        mistake("tls", "`client_names` without `client_ca`: clients are not asked for certificates");
    }
    if tls.client_ca.is_none() && tls.client_optional {
        mistake("tls", "`client_optional` without `client_ca`: clients are not asked for certificates");
    }
}

/// The external key proxy knows its callers by their certificates alone.
fn check_ekm(listener: &ListenerConfig, mistake: &mut impl FnMut(&str, &str)) {
    if !listener.front_ends.contains(&FrontEnd::AzureEkm) {
        return;
    }
    let Some(tls) = &listener.tls else {
        return mistake(
            "front_ends",
            "`azure-ekm` needs `tls` with `client_ca`: its callers are known by certificates",
        );
    };
    if tls.client_ca.is_none() {
        mistake("tls", "`azure-ekm` needs `client_ca`: its callers are known by their certificates");
    }
    if tls.client_optional {
        mistake("tls", "`azure-ekm` takes no `client_optional`: its callers are known by their certificates");
    }
    if tls.minimum != TlsVersion::Tls13 {
        mistake("tls", "`azure-ekm` takes no `minimum` but 1.3");
    }
}

/// Whether a second listener at `other` could not be bound beside the first.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same = one.ip() == other.ip() || (everywhere && one.is_ipv4() == other.is_ipv4());
    same && one.port() == other.port() && one.port() != 0
}

fn repeats<T: Eq + Hash>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.any(|item| !seen.insert(item))
}

/// Whether a text can be a tenant's account number.
fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=NAME).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether a text is of the form of a name or region: 1 to 64 lower-case letters, digits and hyphens.
pub(crate) fn is_plain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
