//! Health, found out by doing: a dedicated test key of the key store encrypts and decrypts on the way that every request
//! goes, and every root of trust opens a domain key. The product asks for itself, so no policy of the key store has a say.
//!
//! What was found is told again for half a minute. A root that fails while the test key serves leaves keys that are in use
//! usable for a while, and others not: that is degraded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use strongroom_engine::operations::detached::{OpenDetached, SealDetached};
use strongroom_engine::operations::service::{RootTried, TryRoots};
use strongroom_engine::{Call, Engine, EngineError, InternalFault, KeyReference, Mode, SecretBytes};
use strongroom_model::id::{KeyId, PrincipalId, TenantId};
use tokio::time::{Instant, timeout_at};

use crate::dialect::XksDialect;
use crate::path::Operation;
use crate::wire::Json;
use crate::{Xks, limits};

const PRODUCT: &str = "Strongroom";
const MODEL: &str = concat!("Strongroom ", env!("CARGO_PKG_VERSION"));

/// How one node of what holds the keys is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Active,
    Degraded,
    Unavailable,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Degraded => "DEGRADED",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// What was found out last of each key store.
#[derive(Default)]
pub(crate) struct Health(Mutex<HashMap<PrincipalId, Kept>>);

struct Kept {
    until: Instant,
    told: Bytes,
}

impl Health {
    /// The answer about a key store, found out now unless that was done lately.
    pub(crate) async fn tell(
        &self,
        xks: &Xks,
        store: PrincipalId,
        tenant: TenantId,
        test_key: KeyId,
        deadline: Instant,
    ) -> Bytes {
        let now = Instant::now();
        if let Some(kept) = self.0.lock().get(&store).filter(|kept| kept.until > now) {
            return kept.told.clone();
        }
        // What is left of the time goes to the answer and its record.
        let until = now + deadline.saturating_duration_since(now) / 4 * 3;
        let (roots, tested) = find_out(&xks.engine, xks.dialect, tenant, test_key, until).await;
        let told = answer(&statuses(&roots, tested));
        let keep = if tested.is_some() { limits::HEALTH_KEPT } else { limits::HEALTH_UNKNOWN_KEPT };
        let mut kept = self.0.lock();
        if kept.len() >= limits::HEALTH_STORES {
            kept.retain(|_, kept| kept.until > now);
        }
        if kept.len() < limits::HEALTH_STORES {
            kept.insert(store, Kept { until: Instant::now() + keep, told: told.clone() });
        }
        told
    }
}

/// How the roots are, and how long the test key took; nothing where either could not be found out.
async fn find_out(
    engine: &Arc<Engine>,
    dialect: &'static XksDialect,
    tenant: TenantId,
    test_key: KeyId,
    until: Instant,
) -> (Vec<RootTried>, Option<Duration>) {
    let began = Instant::now();
    let tested = match timeout_at(until, try_key(engine, dialect, test_key)).await {
        Ok(Ok(())) => Some(began.elapsed()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the test key of a key store does not serve");
            None
        }
        Err(_) => None,
    };
    let call = Call::internal("health", Operation::Health.name(), dialect);
    let roots = timeout_at(until, engine.perform(call, TryRoots { tenant }, Mode::Run)).await;
    (roots.ok().and_then(Result::ok).unwrap_or_default(), tested)
}

/// Encrypts and decrypts, as the key store would.
async fn try_key(engine: &Arc<Engine>, dialect: &'static XksDialect, test_key: KeyId) -> Result<(), EngineError> {
    let call = || Call::internal("health", Operation::Health.name(), dialect);
    let drawn = engine.identifier()?;
    let (key, plaintext) = (KeyReference::Id(test_key), SecretBytes::copy_from(&drawn));
    let seal = SealDetached { key: key.clone(), plaintext, associated: None, integrity: false };
    let sealed = engine.perform(call(), seal, Mode::Run).await?;
    let parts = sealed.parts.parts();
    let open = OpenDetached {
        key,
        ciphertext: parts.ciphertext.to_vec(),
        iv: parts.iv.to_vec(),
        tag: parts.tag.to_vec(),
        metadata: parts.metadata.to_vec(),
        associated: None,
        reads_hashed: false,
    };
    let opened = engine.perform(call(), open, Mode::Run).await?;
    match opened.plaintext.equals(&drawn) {
        true => Ok(()),
        false => Err(EngineError::Internal(InternalFault::Crypto("the test key opens to something else"))),
    }
}

/// Each root with how it is.
fn statuses(roots: &[RootTried], tested: Option<Duration>) -> Vec<(String, String, Status)> {
    let status = |serves: bool| match tested {
        None => Status::Unavailable,
        Some(took) if !serves || took > limits::HEALTH_SLOW => Status::Degraded,
        Some(_) => Status::Active,
    };
    if roots.is_empty() {
        // Not even the roots could be asked for.
        return vec![(PRODUCT.to_owned(), MODEL.to_owned(), status(false))];
    }
    let node = |root: &RootTried| (root.id.to_string(), root.kind.clone(), status(root.serves));
    roots.iter().take(limits::HEALTH_NODES).map(node).collect()
}

fn answer(nodes: &[(String, String, Status)]) -> Bytes {
    let mut json = Json::with_room(512);
    json.one("xksProxyFleetSize").text("xksProxyVendor", PRODUCT).text("xksProxyModel", MODEL);
    json.text("ekmVendor", PRODUCT).objects("ekmFleetDetails", nodes, |json, (id, model, status)| {
        json.text("id", id).text("model", model).text("healthStatus", status.word());
    });
    json.finish()
}

#[cfg(test)]
mod tests {
    use strongroom_model::id::RootId;

    use super::*;

    #[test]
    fn degraded_and_unavailable_are_told_apart() {
        let root = |serves| RootTried { id: RootId::from_bytes([1; 16]), kind: "pkcs11".to_owned(), serves };
        let told = |roots: &[RootTried], tested| {
            let statuses = statuses(roots, tested);
            statuses.iter().map(|(_, _, status)| status.word()).collect::<Vec<_>>()
        };
        let fast = Some(Duration::from_millis(1));
        assert_eq!(told(&[root(true), root(true)], fast), ["ACTIVE", "ACTIVE"]);
        assert_eq!(told(&[root(true), root(false)], fast), ["ACTIVE", "DEGRADED"]);
        assert_eq!(told(&[root(true)], Some(Duration::from_millis(101))), ["DEGRADED"]);
        assert_eq!(told(&[root(true), root(false)], None), ["UNAVAILABLE", "UNAVAILABLE"]);
        assert_eq!(told(&[], fast), ["DEGRADED"]);
        assert_eq!(told(&[], None), ["UNAVAILABLE"]);
    }
}
