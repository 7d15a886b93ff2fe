//! `strongroom dev`: everything on one machine, set up by itself, for developers.
//!
//! A data directory with a software root, a tenant, an administrator and a key with the name `alias/dev`; HTTPS with a
//! certificate of a development authority made there. Started again it keeps all of it. Not for production: the root's
//! key lies beside the root.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustix::system::uname;
use strongroom_aws_kms::{ALIAS, KEY_ID, KmsDialect};
use strongroom_crypto::{SystemRandom, random};
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::operations::tenant::FindTenant;
use strongroom_engine::{Call, Engine, EngineError, KeyReference, Mode, Parts};
use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::name::Name;
use strongroom_model::root::RootOfTrust;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;
use strongroom_root_software::{SoftwareRoot, Unlocker};
use strongroom_secret::{Secret, SecretBytes};
use strongroom_store_embedded::EmbeddedStore;
use time::{Duration, OffsetDateTime};

use crate::administrator::{AccessKey, First};
use crate::config::{
    AuditConfig, ExternalKeyManagersConfig, FrontEnd, IdentityConfig, KeyPairsConfig, ListenerConfig, LogConfig,
    RootConfig, SecretSource, TlsConfig, TlsVersion,
};
use crate::gateway::Shared;
use crate::metrics::Metrics;
use crate::reload::Reloader;
use crate::run::{self, Bound};
use crate::wiring::{self, Places, WiringError};
use crate::{Failure, hardening, keeper, telemetry};

const ACCOUNT: &str = "111122223333";
const PARTITION: &str = "aws";
const NODE: &str = "strongroom-dev";
const ADMINISTRATOR: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Sid":"Everything","Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// What `strongroom dev` is told.
pub(crate) struct Dev {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) region: String,
    /// A token to use as the root in place of a file.
    pub(crate) token: Option<RootConfig>,
}

/// Sets up what is missing and serves.
pub(crate) fn dev(options: &Dev) -> Result<(), Failure> {
    telemetry::begin(&LogConfig { level: "warn".to_owned(), ..LogConfig::default() });
    hardening::forbid_dumps();
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&options.data);
    made.map_err(|error| failure("make the data directory", &options.data, error))?;
    let data = fs::canonicalize(&options.data).map_err(|error| failure("find", &options.data, error))?;
    let places = Places::in_directory(&data);
    // Its lock keeps a second server from what follows.
    let store = Arc::new(wiring::open_or_create(&places.store)?);
    let tls = certificates(&data, options.listen.ip())?;
    let root = open_root(&data, options, &store)?;
    let (log, _) = wiring::open_log(&*store, &places, NODE, &AuditConfig::default())?;
    let parts = wiring::parts(Arc::clone(&store), Arc::clone(&log), vec![root]);
    if strongroom_engine::installation(&*store).map_err(WiringError::from)?.is_none() {
        let (private, public) = strongroom_crypto::backup::generate(&SystemRandom).map_err(|_| Failure::Randomness)?;
        write_secret(&data.join("backup.key"), private.expose())?;
        strongroom_engine::initialise(&parts, public.0.to_vec(), (1, 1)).map_err(WiringError::from)?;
    }
    strongroom_engine::finish_initialisation(&*store).map_err(WiringError::from)?;
    let managers = wiring::external_key_managers(&[], &ExternalKeyManagersConfig::default())?;
    let parts = Parts { external: Some(Arc::new(managers)), ..parts };
    let engine = wiring::start(parts, false, KeyPairsConfig::default().rsa_ahead)?;
    let told = run::Told {
        partition: PARTITION,
        regions: vec![Arc::from(options.region.as_str())],
        identity: &IdentityConfig::default(),
        clusters: Vec::new(),
        cloud_deadline: None,
    };
    let serving = run::serving(engine, log, told, None);
    let credential = administrator(&serving.engine, serving.kms.dialect(), &data, &options.region)?;
    let shared =
        Arc::new(Shared::new(Metrics::default(), Arc::default(), Box::new(|_, _| Err("not sealed".to_owned()))));
    shared.begin(serving);
    let authority = tls.authority.clone();
    let listeners = listeners(options, &data, tls.listener);
    crate::runtime()?.block_on(async {
        let bound = Bound::open(&listeners, None, None, &shared).await?;
        let address = bound.address().unwrap_or(options.listen);
        introduce(address, &authority, &data, &credential, &options.region)?;
        let certificates = Reloader::of_certificates(bound.tls(), Arc::clone(&shared));
        Ok(bound.serve(&shared, certificates).await?)
    })
}

/// Everything on TCP, and the admin API on a socket, too.
fn listeners(options: &Dev, data: &Path, tls: TlsConfig) -> [ListenerConfig; 2] {
    [
        ListenerConfig {
            name: "dev".to_owned(),
            address: Some(options.listen),
            socket: None,
            front_ends: vec![
                FrontEnd::AwsKms,
                FrontEnd::AwsSts,
                FrontEnd::AwsTagging,
                FrontEnd::AwsXks,
                FrontEnd::Admin,
            ],
            regions: vec![options.region.clone()],
            tls: Some(tls),
            proxy_protocol_from: None,
            trusted_proxies: Vec::new(),
            max_connections: None,
        },
        ListenerConfig {
            name: "admin".to_owned(),
            address: None,
            socket: Some(data.join("admin.sock")),
            front_ends: vec![FrontEnd::Admin],
            regions: Vec::new(),
            tls: None,
            proxy_protocol_from: None,
            trusted_proxies: Vec::new(),
            max_connections: None,
        },
    ]
}

/// The root: a file with its key beside it, or a token.
fn open_root(data: &Path, options: &Dev, store: &EmbeddedStore) -> Result<Arc<dyn RootOfTrust>, Failure> {
    let known = strongroom_engine::roots(store).map_err(WiringError::from)?;
    if let Some(token) = &options.token {
        if known.is_empty() {
            return keeper::make(token, None, store, &crate::init::ask);
        }
        let root = wiring::open_root(token, &known, None)?;
        return root.ok_or(Failure::Usage("the token needs a PIN: --pin-file or STRONGROOM_PIN".to_owned()));
    }
    let (file, key) = (data.join("root"), data.join("root.key"));
    if !file.exists() {
        let secret = Secret::<32>::try_init_with(|bytes| {
            *bytes = random::bytes(&SystemRandom)?;
            Ok::<(), strongroom_crypto::CryptoError>(())
        });
        let secret = secret.map_err(|_| Failure::Randomness)?;
        write_secret(&key, secret.expose())?;
        let made = SoftwareRoot::create(&file, &[Unlocker::KeyFile(&secret)]);
        made.map_err(|source| WiringError::SoftwareRoot { path: file.clone(), source })?;
    }
    let config = RootConfig::Software { file, unseal: Some(SecretSource::KeyFile(key)) };
    let root = wiring::open_root(&config, &known, None)?;
    root.ok_or(Failure::Usage("the root cannot be unsealed".to_owned()))
}

/// The administrator's credential: as kept, or made with the tenant. It is kept before anything knows it, under another
/// name until all is made, so that whoever is interrupted goes on where it was.
fn administrator(
    engine: &Arc<Engine>,
    dialect: &'static KmsDialect,
    data: &Path,
    region: &str,
) -> Result<AccessKey, Failure> {
    let (file, begun) = (data.join("credential"), data.join("credential.unfinished"));
    let kept = read_credential(&file);
    let (tenant, credential) = match kept {
        Some(credential) => {
            let find = FindTenant { account: ACCOUNT.to_owned() };
            let call = Call::internal("dev", "Setup", dialect);
            let tenant = engine.perform_blocking(call, find, Mode::Run).map_err(WiringError::from)?;
            (tenant.id, credential)
        }
        None => {
            let credential = match read_credential(&begun) {
                Some(credential) => credential,
                None => AccessKey::draw()?,
            };
            let mut text = credential.id.clone().into_bytes();
            text.push(b'\n');
            text.extend_from_slice(credential.secret.expose());
            text.push(b'\n');
            write_secret(&begun, SecretBytes::take(text).expose())?;
            let first = First {
                service: "dev",
                partition: PARTITION,
                account: ACCOUNT,
                tenant: "dev",
                principal: "admin",
                policy: ("administrator", ADMINISTRATOR),
            };
            first.make(engine, Some(credential))?
        }
    };
    first_key(engine, dialect, tenant, region)?;
    if begun.exists() {
        fs::rename(&begun, &file).map_err(|error| failure("move into place", &file, error))?;
    }
    Ok(credential)
}

fn read_credential(file: &Path) -> Option<AccessKey> {
    let kept = SecretBytes::take(fs::read(file).ok()?);
    let mut lines = str::from_utf8(kept.expose()).ok()?.lines();
    let (id, secret) = (lines.next()?, lines.next()?);
    Some(AccessKey { id: id.to_owned(), secret: SecretBytes::copy_from(secret.as_bytes()) })
}

/// A key to begin with, under the name `alias/dev`, in each region that the server was ever started for.
fn first_key(
    engine: &Arc<Engine>,
    dialect: &'static KmsDialect,
    tenant: TenantId,
    region: &str,
) -> Result<(), Failure> {
    let alias = Name { tenant, region: region.into(), kind: ALIAS, text: "alias/dev".into() };
    let inspect = InspectKey { key: KeyReference::Name(alias.clone()), action: Action::DescribeKey };
    let call = |operation| Call { region: region.into(), ..Call::internal("dev", operation, dialect) };
    match engine.perform_blocking(call("DescribeKey"), inspect, Mode::Run) {
        Err(EngineError::NotFound(_)) => {}
        found => return found.map(drop).map_err(|error| WiringError::from(error).into()),
    }
    let named = |kind, text: &str| Name { tenant, region: region.into(), kind, text: text.into() };
    let id = strongroom_authentication::random_id(engine).map_err(WiringError::from)?;
    let key = CreateKey {
        tenant,
        name: named(KEY_ID, &id),
        spec: KeySpec::Aes256,
        usages: vec![Usage::DerivedAead],
        origin: Origin::Generated,
        multi_region: false,
        description: "A key to begin with".to_owned(),
        policy: dialect.default_key_policy(ACCOUNT),
        bypass_lockout: true,
        tags: Vec::new(),
    };
    engine.perform_blocking(call("CreateKey"), key, Mode::Run).map_err(WiringError::from)?;
    let alias = CreateName { name: alias, key: KeyReference::Name(named(KEY_ID, &id)) };
    engine.perform_blocking(call("CreateAlias"), alias, Mode::Run).map_err(WiringError::from)?;
    Ok(())
}

fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

struct DevTls {
    authority: PathBuf,
    listener: TlsConfig,
}

/// A development authority, kept, and a fresh certificate of it for this start, which names where the server listens.
fn certificates(data: &Path, listen: IpAddr) -> Result<DevTls, Failure> {
    let directory = data.join("tls");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.map_err(|error| failure("make", &directory, error))?;
    let [authority, authority_key, chain, key] =
        ["ca.pem", "ca.key", "server.pem", "server.key"].map(|name| directory.join(name));
    let now = OffsetDateTime::from(std::time::UNIX_EPOCH)
        + Duration::milliseconds(i64::try_from(crate::now().0).unwrap_or(0));
    if !authority.exists() {
        let pair = KeyPair::generate()?;
        let certificate = authority_params(now).self_signed(&pair)?;
        write_secret(&authority_key, pair.serialize_pem().as_bytes())?;
        write_public(&authority, certificate.pem().as_bytes())?;
    }
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(|error| failure("read", path, error));
    let issuer = Issuer::new(authority_params(now), KeyPair::from_pem(&read(&authority_key)?)?);
    let pair = KeyPair::generate()?;
    let mut names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    names.extend((!listen.is_unspecified() && !listen.is_loopback()).then(|| listen.to_string()));
    names.extend(uname().nodename().to_str().ok().filter(|name| is_host(name)).map(str::to_owned));
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(365);
    let certificate = params.signed_by(&pair, &issuer)?;
    write_public(&chain, certificate.pem().as_bytes())?;
    write_secret(&key, pair.serialize_pem().as_bytes())?;
    let listener = TlsConfig {
        certificate_chain: chain,
        private_key: key,
        client_ca: None,
        client_optional: false,
        client_crls: Vec::new(),
        client_names: Vec::new(),
        minimum: TlsVersion::default(),
        authorities: None,
    };
    Ok(DevTls { authority, listener })
}

/// The development authority. Its name and its key are all that a certificate of it refers to.
fn authority_params(now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // `CertificateParams::default` names it after the library.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Strongroom development CA");
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(3650);
    params
}

/// What to paste.
fn introduce(
    address: SocketAddr,
    authority: &Path,
    data: &Path,
    credential: &AccessKey,
    region: &str,
) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut text = Vec::new();
    let secret = credential.secret.expose();
    let lines = [
        ("AWS_ACCESS_KEY_ID", credential.id.as_bytes()),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", region.as_bytes()),
        ("AWS_DEFAULT_REGION", region.as_bytes()),
    ];
    for (name, value) in lines {
        text.extend_from_slice(format!("export {name}=").as_bytes());
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    let reached = reached(address);
    text.extend_from_slice(
        format!(
            "export AWS_ENDPOINT_URL=https://{reached}\n\
             export AWS_CA_BUNDLE={}\n\
             export STRONGROOM_TENANT={ACCOUNT}\n\
             export STRONGROOM_SOCKET={}\n\n\
             # then, in another terminal (the aws command line: pip install awscli):\n\
             # aws kms encrypt --key-id alias/dev --plaintext fileb://<(printf hello) --query CiphertextBlob --output text\n\
             # development only: data, keys and this credential are kept in {}\n",
            quoted(authority),
            quoted(&data.join("admin.sock")),
            quoted(data),
        )
        .as_bytes(),
    );
    let text = SecretBytes::take(text);
    let written = out.write_all(text.expose()).and_then(|()| out.flush());
    written.map_err(|error| failure("write to", Path::new("standard output"), error))
}

/// Where a client on this machine reaches what listens at `address`.
fn reached(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(loopback, address.port())
}

/// A path as a POSIX shell takes it: in quotes where it needs them.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&byte);
    match text.bytes().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_file(path, content, 0o600)
}

fn write_public(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_file(path, content, 0o644)
}

fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    // Whole or not at all: what is half written would be taken for what it is not.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished);
    let written = file.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&unfinished, path)).map_err(|error| failure("write", path, error))
}

fn failure(doing: &'static str, path: &Path, source: std::io::Error) -> Failure {
    Failure::File { doing, path: path.to_owned(), source }
}
