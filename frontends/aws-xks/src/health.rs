//! Health, found out by doing: a dedicated test key of the key store encrypts and decrypts on the way that every request
//! goes, and every root of trust opens a domain key. The product asks for itself, so no policy of the key store has a say.
//!
//! What was found is told again for a while, unless a token's state changes. A root that fails while the test key
//! serves leaves keys that are in use usable for a while, and others not: that is degraded. Where the test key is inside
//! a token, it says how the tokens are, each of which is tried with it, and nothing of the roots.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use strongroom_engine::operations::detached::{OpenDetached, SealDetached};
use strongroom_engine::operations::service::{RootTried, TryRoots, TryTokens};
use strongroom_engine::{Call, Engine, EngineError, InternalFault, KeyReference, Mode, SecretBytes};
use strongroom_model::id::{KeyId, PrincipalId, TenantId};
use strongroom_model::key_store::{KeyStoreError, KeyStoreName, MemberHealth, MemberState};
use strongroom_services::{Named as _, printable};
use tokio::time::{Instant, timeout_at};

use crate::dialect::XksDialect;
use crate::path::Operation;
use crate::wire::Json;
use crate::{Xks, limits};

const PRODUCT: &str = "Strongroom";
const MODEL: &str = concat!("Strongroom ", env!("CARGO_PKG_VERSION"));
/// The model of a token that has not been reached yet.
const UNKNOWN_TOKEN: &str = "pkcs11";

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
    /// The key store that the test key is inside, and how its tokens were.
    inside: Option<(KeyStoreName, Vec<MemberState>)>,
}

/// What was found out now.
#[derive(Default)]
struct Found {
    /// Empty where that could not be found out.
    roots: Vec<RootTried>,
    /// How long the test key took; nothing where it did not serve.
    tested: Option<Duration>,
    /// The key store that the test key is inside, and its tokens.
    inside: Option<(KeyStoreName, Vec<MemberHealth>)>,
    /// How each of those tokens fared with the test key; empty where that could not be found out.
    each: Vec<Result<Duration, KeyStoreError>>,
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
        let holds = |kept: &&Kept| {
            let inside = kept.inside.as_ref();
            kept.until > now
                && inside.is_none_or(|(name, states)| member_states(&members(&xks.engine, name)) == *states)
        };
        if let Some(kept) = self.0.lock().get(&store).filter(holds) {
            return kept.told.clone();
        }
        // What is left of the time goes to the answer and its record.
        let until = now + deadline.saturating_duration_since(now) / 4 * 3;
        let found = find_out(&xks.engine, xks.dialect, tenant, test_key, until).await;
        let nodes = statuses(&found);
        let told = answer(&nodes);
        let well = nodes.iter().all(|(_, _, status)| *status == Status::Active);
        let keep = if well { limits::HEALTH_KEPT } else { limits::HEALTH_UNWELL_KEPT };
        let inside = found.inside.map(|(name, members)| (name, member_states(&members)));
        let mut kept = self.0.lock();
        if kept.len() >= limits::HEALTH_STORES {
            kept.retain(|_, kept| kept.until > now);
        }
        if kept.len() < limits::HEALTH_STORES {
            kept.insert(store, Kept { until: Instant::now() + keep, told: told.clone(), inside });
        }
        told
    }
}

/// The tokens of a key store, none where it is not configured.
fn members(engine: &Engine, name: &KeyStoreName) -> Vec<MemberHealth> {
    let store = engine.key_stores().iter().find(|store| store.describe().name == *name);
    store.map(|store| store.health()).unwrap_or_default()
}

fn member_states(members: &[MemberHealth]) -> Vec<MemberState> {
    members.iter().map(|member| member.state).collect()
}

/// Tries the roots and then each token, and the test key as requests use it; the one does not wait for the other.
async fn find_out(
    engine: &Arc<Engine>,
    dialect: &'static XksDialect,
    tenant: TenantId,
    test_key: KeyId,
    until: Instant,
) -> Found {
    let began = Instant::now();
    let testing = async {
        match timeout_at(until, try_key(engine, dialect, test_key)).await {
            Ok(Ok(())) => Some(began.elapsed()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the test key of a key store does not serve");
                None
            }
            Err(_) => None,
        }
    };
    let trying = async {
        let call = || Call::internal("health", Operation::Health.name(), dialect);
        let tried = timeout_at(until, engine.perform(call(), TryRoots { tenant, key: test_key }, Mode::Run)).await;
        let (roots, name) = tried.ok().and_then(Result::ok).unwrap_or_default();
        if name.is_none() {
            return (roots, name, Vec::new());
        }
        // A token that hangs must not keep it from us how the others are.
        let within = until.saturating_duration_since(Instant::now()) / 4 * 3;
        let each = timeout_at(until, engine.perform(call(), TryTokens { key: test_key, within }, Mode::Run)).await;
        (roots, name, each.ok().and_then(Result::ok).unwrap_or_default())
    };
    let (tested, (roots, name, each)) = tokio::join!(testing, trying);
    let inside = name.map(|name| {
        let members = members(engine, &name);
        (name, members)
    });
    for (token, tried) in each.iter().enumerate() {
        if let Err(error) = tried {
            tracing::warn!(token, %error, "a token does not serve the test key of a key store");
        }
    }
    Found { roots, tested, inside, each }
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

/// Each root and token with how it is: id, model, status.
fn statuses(found: &Found) -> Vec<(String, String, Status)> {
    // How the test key fared, as far as something serves at all.
    let test = |serves: bool| match found.tested {
        None => Status::Unavailable,
        Some(took) if !serves || took > limits::HEALTH_SLOW => Status::Degraded,
        Some(_) => Status::Active,
    };
    if found.roots.is_empty() {
        // Not even the roots could be asked for.
        return vec![(PRODUCT.to_owned(), MODEL.to_owned(), test(false))];
    }
    let root = |root: &RootTried| {
        let status = match (&found.inside, root.serves) {
            (None, serves) => test(serves),
            (Some(_), true) => Status::Active,
            (Some(_), false) => Status::Degraded,
        };
        (root.id.to_string(), model_of_root(&root.kind), status)
    };
    let tokens = found.inside.iter().flat_map(|(name, members)| {
        let token = move |(index, member): (usize, &MemberHealth)| {
            let status = match (member.state, found.each.get(index)) {
                (MemberState::Down, _) => Status::Unavailable,
                // Nobody was asked: too much at once.
                (_, Some(Err(KeyStoreError::Busy))) => Status::Degraded,
                // Late once, while its calls succeed otherwise.
                (MemberState::Up, Some(Err(KeyStoreError::Timeout(_)))) if found.tested.is_some() => Status::Degraded,
                (_, Some(Err(_))) => Status::Unavailable,
                (MemberState::Up, Some(Ok(took))) if *took <= limits::HEALTH_SLOW => Status::Active,
                (_, Some(Ok(_))) => Status::Degraded,
                (MemberState::Up, None) => test(true),
                (MemberState::Degraded, None) => test(false),
            };
            let model = member.product.as_deref().unwrap_or(UNKNOWN_TOKEN);
            let model = printable(model, limits::MODEL_CHARACTERS);
            (format!("{name}-{index}"), model, status)
        };
        members.iter().enumerate().map(token)
    });
    let lost = found.inside.iter().filter(|(_, members)| members.is_empty());
    let lost = lost.map(|(name, _)| (name.to_string(), "not configured".to_owned(), Status::Unavailable));
    // What the test key is inside of first, since there is room for so many alone.
    tokens.chain(lost).chain(found.roots.iter().map(root)).take(limits::HEALTH_NODES).collect()
}

/// A root is told of by the product that it is, where that is known.
fn model_of_root(kind: &str) -> String {
    match kind {
        "software" => format!("{MODEL} software root"),
        other => other.to_owned(),
    }
}

fn answer(nodes: &[(String, String, Status)]) -> Bytes {
    let mut json = Json::with_room(512);
    json.number("xksProxyFleetSize", 1).text("xksProxyVendor", PRODUCT).text("xksProxyModel", MODEL);
    json.text("ekmVendor", PRODUCT).list("ekmFleetDetails", nodes, |list, (id, model, status)| {
        list.item(|node| _ = node.text("id", id).text("model", model).text("healthStatus", status.word()));
    });
    json.finish()
}

#[cfg(test)]
mod tests {
    use strongroom_model::id::{ObjectId, RootId};

    use super::*;

    #[test]
    fn degraded_and_unavailable_are_told_apart() {
        let root = |serves| RootTried { id: RootId::from_bytes([1; 16]), kind: "pkcs11".to_owned(), serves };
        let told = |roots: &[RootTried], tested| {
            let statuses = statuses(&Found { roots: roots.to_vec(), tested, ..Found::default() });
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

    #[test]
    fn tokens_are_as_they_are_and_as_the_test_key_inside_them_fared_and_roots_stand_for_themselves() {
        let roots = [true, false].map(|serves| RootTried {
            id: RootId::from_bytes([1; 16]),
            kind: "software".to_owned(),
            serves,
        });
        let told_of = |states: &[MemberState], tested, each: &[Result<Duration, KeyStoreError>]| {
            let member = |state: &MemberState| MemberHealth {
                location: String::new(),
                product: None,
                state: *state,
                lasting: Duration::ZERO,
                last_error: None,
            };
            let inside = Some((KeyStoreName::new("hsm").unwrap(), states.iter().map(member).collect()));
            let statuses = statuses(&Found { roots: roots.to_vec(), tested, inside, each: each.to_vec() });
            statuses
                .iter()
                .map(|(id, _, status)| (id.chars().take(5).collect::<String>(), status.word()))
                .collect::<Vec<_>>()
        };
        let told = |states: &[MemberState], tested| told_of(states, tested, &[]);
        let expected = |tokens: &[(&str, &'static str)]| {
            let roots = [("01010", "ACTIVE"), ("01010", "DEGRADED")];
            tokens.iter().chain(&roots).map(|(id, word)| ((*id).to_owned(), *word)).collect::<Vec<_>>()
        };
        let fast = Some(Duration::from_millis(1));
        let states = [MemberState::Up, MemberState::Degraded, MemberState::Down];
        let served = [("hsm-0", "ACTIVE"), ("hsm-1", "DEGRADED"), ("hsm-2", "UNAVAILABLE")];
        assert_eq!(told(&states, fast), expected(&served));
        let slow = told(&states[..1], Some(Duration::from_millis(101)));
        assert_eq!(slow, expected(&[("hsm-0", "DEGRADED")]));
        assert_eq!(told(&states[..2], None), expected(&[("hsm-0", "UNAVAILABLE"), ("hsm-1", "UNAVAILABLE")]));
        // Each by itself, whatever its calls have come to and whether or not another serves in its place.
        let (quick, tardy) = (Ok(Duration::from_millis(1)), Ok(Duration::from_millis(101)));
        let (lost, late) = (Err(KeyStoreError::NoObject(ObjectId::from_bytes([1; 16]))), Err(KeyStoreError::Busy));
        let states = [MemberState::Up, MemberState::Up, MemberState::Degraded, MemberState::Down, MemberState::Up];
        let words = ["UNAVAILABLE", "DEGRADED", "DEGRADED", "UNAVAILABLE", "ACTIVE"];
        let each = [lost, tardy, quick.clone(), quick.clone(), quick];
        let told: Vec<_> = told_of(&states, fast, &each).into_iter().map(|(_, word)| word).take(5).collect();
        assert_eq!(told, words);
        assert_eq!(told_of(&states[..1], None, &[late])[0].1, "DEGRADED");
        let tardy = || [Err(KeyStoreError::Timeout(Duration::from_millis(100)))];
        assert_eq!(told_of(&states[..1], fast, &tardy())[0].1, "DEGRADED");
        assert_eq!(told_of(&states[..1], None, &tardy())[0].1, "UNAVAILABLE");
        assert_eq!(told_of(&states[2..3], fast, &tardy())[0].1, "UNAVAILABLE");
        let gone = statuses(&Found {
            roots: roots.to_vec(),
            inside: Some((KeyStoreName::new("hsm").unwrap(), Vec::new())),
            ..Found::default()
        });
        assert_eq!((gone[0].0.as_str(), gone[0].2), ("hsm", Status::Unavailable));
    }
}
