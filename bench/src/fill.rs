//! Many keys at once, made by the engine over the data directory of a `strongroom dev` that is not running.
//!
//! Each key is made as a request would make it: decided, wrapped, committed and recorded. Hundreds of threads ask at
//! once, so that one transaction and one sync serve hundreds of keys; over the wire the workers of the server allow
//! for eight.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use strongroom_admin::AdminDialect;
use strongroom_audit_log::FileLog;
use strongroom_authentication::random_id;
use strongroom_aws_kms::{KEY_ID, KmsDialect, dialect};
use strongroom_crypto::SystemRandom;
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::{Call, Engine, Mode, Options, Parts, Quotas};
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::id::TenantId;
use strongroom_model::name::Name;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;
use strongroom_root_software::{Credential, SoftwareRoot};
use strongroom_secret::Secret;
use strongroom_store_embedded::EmbeddedStore;

use crate::Result;

/// Requests under way at a time: as many commits as wait for the store's writer.
const THREADS: usize = 200;
/// What `strongroom dev` calls its node and its account.
const NODE: &str = "strongroom-dev";
const ACCOUNT: &str = "111122223333";
const OPERATOR_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

static ADMIN: AdminDialect = AdminDialect;

struct MachineClock(Instant);

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the keys are made now")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn since_boot(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Makes `count` keys and returns their ids.
pub(crate) fn fill(data: &Path, region: &str, count: usize) -> Result<Vec<String>> {
    let engine = start(data)?;
    engine.limit_quotas(Quotas { keys: None, ..Quotas::default() });
    let dialect = dialect("aws");
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let tenant = runtime.block_on(engine.tenant_of_account(ACCOUNT)).map_err(|error| error.to_string())?;
    let (next, ids) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
    let (stop, stopped) = channel::<()>();
    let (engine, one) = (&engine, || make(&engine, dialect, tenant, region));
    thread::scope(|scope| {
        let makers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut made = Vec::new();
                    while next.fetch_add(1, Ordering::Relaxed) < count {
                        made.push(one()?);
                    }
                    ids.lock().map_err(|error| error.to_string())?.extend(made);
                    Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
                })
            })
            .collect();
        // What the scheduler of a server does meanwhile.
        let ticking = scope.spawn(move || {
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                // What could not be done stays due.
                let _ = engine.tick(&ADMIN);
            }
        });
        let made: Result<Vec<()>> =
            makers.into_iter().map(|maker| maker.join().map_err(|_| "a thread failed")?).collect();
        drop(stop);
        ticking.join().map_err(|_| "the ticking thread failed")?;
        made
    })?;
    Ok(ids.into_inner()?)
}

fn start(data: &Path) -> Result<Arc<Engine>> {
    let store = Arc::new(EmbeddedStore::open(&data.join("store"), strongroom_store_embedded::Options::default())?);
    let secret = Secret::<32>::copy_from(&std::fs::read(data.join("root.key"))?).ok_or("root.key has not 32 bytes")?;
    let root = SoftwareRoot::open(&data.join("root"))?.unseal(&Credential::KeyFile(&secret))?;
    let clock: Arc<dyn Clock> = Arc::new(MachineClock(Instant::now()));
    let saved = strongroom_engine::saved_head(&*store, NODE).map_err(|error| error.to_string())?;
    let options = strongroom_audit_log::Options::new(NODE.to_owned());
    let (log, _) = FileLog::open(&data.join("audit"), options, Arc::clone(&clock), saved.as_ref())?;
    let parts = Parts {
        store,
        log: Arc::new(log),
        roots: vec![Arc::new(root)],
        clock,
        random: Arc::new(SystemRandom),
        arena: None,
        key_stores: Vec::new(),
        external: None,
    };
    let options = Options { operator_policy: OPERATOR_POLICY.to_owned(), rsa_pairs: 0 };
    Ok(Engine::start(parts, &options).map_err(|error| error.to_string())?)
}

fn make(engine: &Arc<Engine>, dialect: &'static KmsDialect, tenant: TenantId, region: &str) -> Result<String> {
    let id = random_id(engine).map_err(|error| error.to_string())?;
    let create = CreateKey {
        tenant,
        name: Name { tenant, region: region.into(), kind: KEY_ID, text: id.as_str().into() },
        spec: KeySpec::Aes256,
        origin: Origin::Generated,
        usages: vec![Usage::DerivedAead],
        description: String::new(),
        policy: dialect.default_key_policy(ACCOUNT),
        bypass_lockout: true,
        tags: Vec::new(),
        multi_region: false,
    };
    let call = Call { region: region.into(), ..Call::internal("bench", "CreateKey", dialect) };
    engine.perform_blocking(call, create, Mode::Run).map_err(|error| error.to_string())?;
    Ok(id)
}
