//! `strongroom dev`: everything on one machine, set up by itself, for developers.
//!
//! A data directory with a software root, a tenant, an administrator and a key with the name `alias/dev`; HTTPS with a
//! certificate of a development authority made there. Started again it keeps all of it. Not for production: the root's
//! key lies beside the root.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use strongroom_aws_kms::{ALIAS, KEY_ID, KmsDialect};
use strongroom_crypto::{SystemRandom, random};
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::{Call, Engine, KeyReference, Mode};
use strongroom_model::id::TenantId;
use strongroom_model::name::Name;
use strongroom_model::root::RootOfTrust;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_root_software::{SoftwareRoot, Unlocker};
use strongroom_secret::{Secret, SecretBytes};
use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};
use time::{Duration, OffsetDateTime};

use crate::administrator::{AccessKey, First};
use crate::config::{AuditConfig, FrontEnd, ListenerConfig, LogConfig, RootConfig, SecretSource, TlsConfig};
use crate::gateway::Shared;
use crate::metrics::Metrics;
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
    let tls = certificates(&data)?;
    let places = Places::in_directory(&data);
    let first = !places.store.exists();
    let store = match first {
        true => {
            EmbeddedStore::create(&places.store, strongroom_model::store::Revision::default(), StoreOptions::default())
        }
        false => EmbeddedStore::open(&places.store, StoreOptions::default()),
    };
    let store = Arc::new(store.map_err(WiringError::from)?);
    let root = open_root(&data, options, &store)?;
    let (log, _) = wiring::open_log(&*store, &places, NODE, &AuditConfig::default())?;
    let parts = wiring::parts(Arc::clone(&store), Arc::clone(&log), vec![root]);
    if strongroom_engine::installation(&*store).map_err(WiringError::from)?.is_none() {
        let (private, public) = strongroom_crypto::backup::generate(&SystemRandom).map_err(|_| Failure::Randomness)?;
        write_secret(&data.join("backup.key"), private.expose())?;
        strongroom_engine::initialise(&parts, public.0.to_vec(), (1, 1)).map_err(WiringError::from)?;
    }
    let engine = wiring::start(parts, false)?;
    let serving = run::serving(engine, log, PARTITION, None);
    let credential = administrator(&serving.engine, serving.kms.dialect(), &data, &options.region)?;
    let shared = Arc::new(Shared::new(Metrics::default(), Box::new(|_| Err("not sealed".to_owned()))));
    shared.begin(serving);
    let authority = tls.authority.clone();
    let listeners = [
        ListenerConfig {
            name: "dev".to_owned(),
            address: Some(options.listen),
            socket: None,
            front_ends: vec![FrontEnd::AwsKms, FrontEnd::AwsSts, FrontEnd::Admin],
            regions: vec![options.region.clone()],
            tls: Some(tls.listener),
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
    ];
    crate::runtime()?.block_on(async {
        let bound = Bound::open(&listeners, None, &shared).await?;
        let address = bound.address().unwrap_or(options.listen);
        introduce(address, &authority, &data, &credential, &options.region)?;
        Ok(bound.serve(&shared).await?)
    })
}

/// The root: a file with its key beside it, or a token.
fn open_root(data: &Path, options: &Dev, store: &EmbeddedStore) -> Result<Arc<dyn RootOfTrust>, Failure> {
    let known = strongroom_engine::roots(store).map_err(WiringError::from)?;
    if let Some(token) = &options.token {
        if known.is_empty() {
            return keeper::make(token, None, &crate::init::ask);
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

/// The administrator's credential: as kept, or made with the tenant.
fn administrator(
    engine: &Arc<Engine>,
    dialect: &'static KmsDialect,
    data: &Path,
    region: &str,
) -> Result<AccessKey, Failure> {
    let file = data.join("credential");
    if let Ok(kept) = fs::read_to_string(&file) {
        let mut lines = kept.lines();
        if let (Some(id), Some(secret)) = (lines.next(), lines.next()) {
            return Ok(AccessKey { id: id.to_owned(), secret: SecretBytes::copy_from(secret.as_bytes()) });
        }
    }
    let (tenant, credential) = First {
        service: "dev",
        partition: PARTITION,
        account: ACCOUNT,
        tenant: "dev",
        principal: "admin",
        policy: ("administrator", ADMINISTRATOR),
    }
    .make(engine)?;
    first_key(engine, dialect, tenant, region)?;
    let mut text = credential.id.clone().into_bytes();
    text.push(b'\n');
    text.extend_from_slice(credential.secret.expose());
    text.push(b'\n');
    write_secret(&file, SecretBytes::take(text).expose())?;
    Ok(credential)
}

/// A key to begin with, under the name `alias/dev`.
fn first_key(
    engine: &Arc<Engine>,
    dialect: &'static KmsDialect,
    tenant: TenantId,
    region: &str,
) -> Result<(), Failure> {
    let named = |kind, text: &str| Name { tenant, region: region.into(), kind, text: text.into() };
    let call = |operation| Call { region: region.into(), ..Call::internal("dev", operation, dialect) };
    let id = strongroom_authentication::random_id(engine).map_err(WiringError::from)?;
    let key = CreateKey {
        tenant,
        name: named(KEY_ID, &id),
        spec: KeySpec::Aes256,
        usages: vec![Usage::DerivedAead],
        description: "A key to begin with".to_owned(),
        policy: dialect.default_key_policy(ACCOUNT),
        bypass_lockout: true,
        tags: Vec::new(),
    };
    engine.perform_blocking(call("CreateKey"), key, Mode::Run).map_err(WiringError::from)?;
    let alias = CreateName { name: named(ALIAS, "alias/dev"), key: KeyReference::Name(named(KEY_ID, &id)) };
    engine.perform_blocking(call("CreateAlias"), alias, Mode::Run).map_err(WiringError::from)?;
    Ok(())
}

struct DevTls {
    authority: PathBuf,
    listener: TlsConfig,
}

/// A development authority, kept, and a fresh certificate of it for this start.
fn certificates(data: &Path) -> Result<DevTls, Failure> {
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
    let mut params = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(String::from))?;
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
    text.extend_from_slice(
        format!(
            "export AWS_ENDPOINT_URL=https://{address}\n\
             export AWS_CA_BUNDLE={}\n\
             export STRONGROOM_TENANT={ACCOUNT}\n\
             export STRONGROOM_SOCKET={}\n\n\
             # then, in another terminal (the aws command line: pip install awscli):\n\
             # aws kms encrypt --key-id alias/dev --plaintext fileb://<(printf hello) --query CiphertextBlob --output text\n\
             # development only: data, keys and this credential are kept in {}\n",
            authority.display(),
            data.join("admin.sock").display(),
            data.display(),
        )
        .as_bytes(),
    );
    let text = SecretBytes::take(text);
    let written = out.write_all(text.expose()).and_then(|()| out.flush());
    written.map_err(|error| failure("write to", Path::new("standard output"), error))
}

fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_file(path, content, 0o600)
}

fn write_public(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_file(path, content, 0o644)
}

fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(|error| failure("write", path, error))
}

fn failure(doing: &'static str, path: &Path, source: std::io::Error) -> Failure {
    Failure::File { doing, path: path.to_owned(), source }
}
