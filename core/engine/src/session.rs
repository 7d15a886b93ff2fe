//! Sessions of roles: their tokens, sealed and opened again, and the callers that they prove.
//!
//! A token holds the whole session, the secret included, sealed under its tenant's domain key and bound to the access key
//! id (docs/formats/session-token.md). Nothing of it is stored; what was opened is kept for a while, without the secret.
//! Absent on purpose: an end to one session by itself. Suspending or deleting the role ends all of its sessions.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use strongroom_audit::hash::Hash;
use strongroom_crypto::Random;
use strongroom_crypto::wrapped::{self, Kind, WrappingKey};
use strongroom_model::caller::{Caller, CredentialRef, Principal, Session};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, PrincipalId, TenantId};
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;

use crate::Engine;
use crate::catalog::PrincipalEntry;
use crate::error::{self, EngineError};
use crate::identity::{Identified, settle, unknown};
use crate::operation::Halt;
use crate::workers::{Ground, Pool};
use crate::{keys, limits, rows};

/// Bytes of the tenant's id behind what is sealed.
const TENANT_BYTES: usize = 16;
/// Bytes of the secret's length before it.
const LENGTH_BYTES: usize = 2;

/// What a token holds, beside the secret.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SessionRow {
    /// Identity of these credentials.
    #[n(0)]
    pub(crate) credential: CredentialId,
    /// The role.
    #[n(1)]
    pub(crate) role: PrincipalId,
    /// The session's name.
    #[n(2)]
    pub(crate) name: String,
    /// The name that policies know the session by.
    #[n(3)]
    pub(crate) policy_name: String,
    /// When it began.
    #[n(4)]
    pub(crate) issued: Timestamp,
    /// When it ends.
    #[n(5)]
    pub(crate) expires: Timestamp,
    /// Its tags, by key.
    #[n(6)]
    pub(crate) tags: Vec<(String, String)>,
    /// Keys of those tags that sessions begun from this one keep.
    #[n(7)]
    pub(crate) transitive_tag_keys: Vec<String>,
    /// The identity provider that it was begun with, as policies name it.
    #[n(8)]
    pub(crate) federated_provider: Option<String>,
    /// The source identity that it was begun with.
    #[n(9)]
    pub(crate) source_identity: Option<String>,
    /// The policies that it was begun with.
    #[n(10)]
    pub(crate) policies: Vec<String>,
}

/// A session whose token was opened, without its secret.
pub(crate) struct SessionEntry {
    tenant: TenantId,
    shown: Box<str>,
    token: Box<[u8]>,
    pub(crate) id: CredentialId,
    pub(crate) caller: Arc<Caller>,
    role: PrincipalId,
    expires: Timestamp,
}

/// Sessions whose tokens were opened, by the hash of the token.
pub(crate) struct Sessions(Cache<Hash, Arc<SessionEntry>, Bytes>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<SessionEntry>> for Bytes {
    fn weight(&self, _: &Hash, entry: &Arc<SessionEntry>) -> u64 {
        // What was opened is about as large as the token.
        2 * entry.token.len() as u64
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self(Cache::with_weighter(limits::CACHED_SESSIONS, limits::CACHED_SESSION_BYTES, Bytes))
    }
}

/// Seals a session and its secret into a token.
pub(crate) fn seal(
    domain_key: &WrappingKey,
    tenant: TenantId,
    shown: &str,
    session: &SessionRow,
    secret: &SecretBytes,
    random: &dyn Random,
) -> Result<Vec<u8>, EngineError> {
    let row = rows::encode(session);
    let length = u16::try_from(secret.len()).unwrap_or(u16::MAX).to_be_bytes();
    let plain = SecretBytes::take([&length, secret.expose(), row.as_slice()].concat());
    let sealed = domain_key.seal(Kind::SessionToken, &bound(tenant, shown), plain.expose(), random);
    Ok([sealed.map_err(error::crypto)?.as_slice(), tenant.as_bytes()].concat())
}

/// The session and the secret that a token's plaintext holds.
fn parse(plain: &SecretBytes) -> Option<(SessionRow, SecretBytes)> {
    let (length, rest) = plain.expose().split_first_chunk::<LENGTH_BYTES>()?;
    let (secret, row) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let row = rows::decode("session tokens", row).ok()?;
    Some((row, SecretBytes::copy_from(secret)))
}

fn bound(tenant: TenantId, shown: &str) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), shown.as_bytes()].concat()
}

impl Engine {
    /// Finds a live session by its access key id and its token.
    ///
    /// # Errors
    /// [`Noun::Credential`](crate::error::Noun::Credential) when the token is not one that was given out with this id, or its role is gone: a stranger
    /// learns no more; [`EngineError::SessionExpired`] when its time is over;
    /// [`Unavailable::Busy`](crate::Unavailable::Busy) when too many lookups wait already.
    pub async fn identify_session(self: &Arc<Self>, shown: &str, token: &[u8]) -> Result<Identified, EngineError> {
        let place = Hash::of([token]);
        if let Some(entry) = self.sessions.0.get(&place) {
            match self.check_session(entry, shown, Ground::Here) {
                Err(Halt::Move(_) | Halt::Ask(_) | Halt::Again) => {}
                answered => return settle(answered),
            }
        } else if tenant_of(token).is_none() {
            return Err(unknown(shown));
        }
        let (engine, shown, token) = (Arc::clone(self), shown.to_owned(), Box::from(token));
        let job = move || {
            let entry = match engine.sessions.0.get(&place) {
                Some(entry) => entry,
                None => {
                    let entry = Arc::new(engine.open_session(&shown, token)?);
                    engine.sessions.0.insert(place, Arc::clone(&entry));
                    entry
                }
            };
            engine.check_session(entry, &shown, Ground::Worker)
        };
        settle(self.workers.run(Pool::Lookup, job).await?)
    }

    /// That a session is the one of this access key id, and live.
    fn check_session(&self, entry: Arc<SessionEntry>, shown: &str, ground: Ground) -> Result<Identified, Halt> {
        if *entry.shown != *shown {
            return Err(unknown(shown).into());
        }
        if self.has_lapsed(Some(entry.expires)) {
            return Err(EngineError::SessionExpired.into());
        }
        self.role_of_session(entry.tenant, entry.role, shown, ground)?;
        Ok(Identified::session(entry))
    }

    /// The role of a session, if it is still there.
    pub(crate) fn role_of_session(
        &self,
        tenant: TenantId,
        role: PrincipalId,
        shown: &str,
        ground: Ground,
    ) -> Result<Arc<PrincipalEntry>, Halt> {
        match self.catalog.principal(tenant, role, ground) {
            Err(Halt::Fail(EngineError::NotFound(_))) => Err(unknown(shown).into()),
            Ok(entry) if entry.row.role.is_none() => Err(unknown(shown).into()),
            found => found,
        }
    }

    fn open_session(&self, shown: &str, token: Box<[u8]>) -> Result<SessionEntry, Halt> {
        let (tenant, row, _) = self.open_token(shown, &token)?;
        let role = self.role_of_session(tenant, row.role, shown, Ground::Worker)?;
        let account = self.catalog.tenant(tenant, Ground::Worker)?.account.as_str().into();
        let unique_id = format!("{}:{}", role.row.unique_id, row.name);
        let session = Session {
            role: row.role,
            role_name: role.row.name.as_str().into(),
            role_policy_name: role.row.policy_name.as_str().into(),
            unique_id: unique_id.into(),
            issued: row.issued,
            tags: row.tags,
            transitive_tag_keys: row.transitive_tag_keys,
            federated_provider: row.federated_provider.map(Arc::from),
            source_identity: row.source_identity.map(Arc::from),
            policies: row.policies.into_iter().map(Arc::from).collect(),
        };
        let caller = Caller {
            tenant,
            account,
            policy_name: row.policy_name.into(),
            principal: Principal::Session(Box::new(session)),
            credential: Some(CredentialRef { id: row.credential, shown: shown.into(), expires: Some(row.expires) }),
        };
        Ok(SessionEntry {
            tenant,
            shown: shown.into(),
            token,
            id: row.credential,
            caller: Arc::new(caller),
            role: row.role,
            expires: row.expires,
        })
    }

    /// The secret of a session that was identified.
    pub(crate) fn session_secret(&self, entry: &SessionEntry) -> Result<SecretBytes, Halt> {
        self.open_token(&entry.shown, &entry.token).map(|(_, _, secret)| secret)
    }

    /// Opens a token that was given out with this access key id.
    fn open_token(&self, shown: &str, token: &[u8]) -> Result<(TenantId, SessionRow, SecretBytes), Halt> {
        let refused = || Halt::from(unknown(shown));
        let (sealed, tenant) = tenant_of(token).ok_or_else(refused)?;
        let id = wrapped::domain_key_id(Kind::SessionToken, sealed).ok_or_else(refused)?;
        // Nobody has vouched for these yet: that they name nothing is no fault of the store.
        if self.catalog.snapshot()?.get(Table::DomainKey, &keys::domain_key(tenant, id))?.is_none() {
            return Err(refused());
        }
        let domain_key = self.vault.domain_key(tenant, id, Ground::Worker)?;
        let plain = domain_key.open(Kind::SessionToken, &bound(tenant, shown), sealed).map_err(|_| refused())?;
        let (row, secret) = parse(&plain).ok_or_else(refused)?;
        Ok((tenant, row, secret))
    }
}

/// What is sealed in a token, and whose it says it is; nothing for what is no token.
fn tenant_of(token: &[u8]) -> Option<(&[u8], TenantId)> {
    let (sealed, tenant) = token.split_at_checked(token.len().checked_sub(TENANT_BYTES)?)?;
    wrapped::domain_key_id(Kind::SessionToken, sealed)?;
    Some((sealed, TenantId::from_slice(tenant)?))
}
