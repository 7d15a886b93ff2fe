//! Credentials: from what a request shows to a proved caller.
//!
//! A front end looks a credential up, verifies the request with it, and uses the caller only then. Secrets are sealed
//! at rest and opened here; front ends keep what they derive from them for the day, never the secrets. Whatever is done
//! before a caller is proved has threads of its own, and is refused early when these have too much to do.

use std::sync::Arc;

use strongroom_model::caller::{Caller, CredentialRef, Principal};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, TenantId};
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;

use crate::catalog::{CredentialEntry, PrincipalEntry};
use crate::error::{EngineError, InternalFault, Noun};
use crate::operation::Halt;
use crate::rows::{self, CredentialRow, TokenIssuerRow};
use crate::session::SessionEntry;
use crate::workers::{Ground, Pool};
use crate::{Engine, keys};

/// A credential that is known, live, and not yet proved to be held by whoever shows it.
#[derive(Clone)]
pub struct Identified(Held);

/// Where a credential is held: in the store, or by its bearer.
#[derive(Clone)]
pub(crate) enum Held {
    Stored(Arc<CredentialEntry>),
    Token(Arc<SessionEntry>),
}

impl Identified {
    pub(crate) const fn session(entry: Arc<SessionEntry>) -> Self {
        Self(Held::Token(entry))
    }

    /// Who the request is from, once its signature has been verified.
    #[must_use]
    pub fn caller(&self) -> Arc<Caller> {
        match &self.0 {
            Held::Stored(entry) => Arc::clone(&entry.caller),
            Held::Token(entry) => Arc::clone(&entry.caller),
        }
    }

    /// The credential's identity.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        match &self.0 {
            Held::Stored(entry) => entry.row.id,
            Held::Token(entry) => entry.id,
        }
    }
}

/// What the public halves of credentials begin with that are certificates: a signature never proves one.
const CERTIFICATE: &str = "x509:";

/// The public half of the credential that is a certificate's name, of the service at a prefix. In each service a name is
/// its own; neither prefixes nor names hold a colon. Its secret half is drawn and given to nobody.
#[must_use]
pub fn certificate_credential(prefix: &str, name: &str) -> String {
    format!("{CERTIFICATE}{prefix}:{}", name.to_ascii_lowercase())
}

/// Whether a certificate's name can be a credential: 1 to 253 letters, digits, dots, hyphens, underscores and spaces.
#[must_use]
pub fn is_certificate_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b' ');
    (1..=253).contains(&name.len()) && name.bytes().all(fits)
}

/// The name in a credential that is a certificate's.
#[must_use]
pub fn certificate_name(shown: &str) -> Option<&str> {
    shown.strip_prefix(CERTIFICATE)?.split_once(':').map(|(_, name)| name)
}

/// The secret half of a credential.
pub struct SecretAccessKey(SecretBytes);

impl SecretAccessKey {
    /// The bytes, to derive signing keys from.
    #[must_use]
    pub const fn secret(&self) -> &SecretBytes {
        &self.0
    }
}

impl Engine {
    /// Finds a live credential by its public half.
    ///
    /// # Errors
    /// [`Noun::Credential`] when there is none, or when it has lapsed or is suspended: a stranger learns no more;
    /// [`Unavailable::Busy`](crate::Unavailable::Busy) when too many lookups wait already.
    pub async fn identify(self: &Arc<Self>, shown: &str) -> Result<Identified, EngineError> {
        match shown.starts_with(CERTIFICATE) {
            true => Err(unknown(shown)),
            false => self.find_live(shown).await,
        }
    }

    /// The caller that a certificate of this name proves to the service at a prefix. Whoever asks has verified the
    /// certificate, and that the peer holds its key.
    ///
    /// # Errors
    /// As for [`Engine::identify`].
    pub async fn identify_certificate(self: &Arc<Self>, prefix: &str, name: &str) -> Result<Arc<Caller>, EngineError> {
        Ok(self.find_live(&certificate_credential(prefix, name)).await?.caller())
    }

    async fn find_live(self: &Arc<Self>, shown: &str) -> Result<Identified, EngineError> {
        let entry = match self.catalog.credential(shown, Ground::Here) {
            Ok(entry) => entry,
            Err(_) if self.catalog.unknown.holds(shown, self.clock.since_boot()) => return Err(unknown(shown)),
            Err(_) => {
                let (engine, shown) = (Arc::clone(self), shown.to_owned());
                settle(self.workers.run(Pool::Lookup, move || engine.look_up(&shown)).await?)?
            }
        };
        match entry.row.suspended || self.has_lapsed(entry.row.expires) {
            true => Err(unknown(shown)),
            false => Ok(Identified(Held::Stored(entry))),
        }
    }

    fn look_up(&self, shown: &str) -> Result<Arc<CredentialEntry>, Halt> {
        let began = self.catalog.unknown.begin();
        let found = self.catalog.credential(shown, Ground::Worker);
        if let Err(Halt::Fail(EngineError::NotFound(Noun::Credential(_)))) = &found {
            self.catalog.unknown.remember(shown, began, self.clock.since_boot());
        }
        found
    }

    /// Whether the credential that proved a caller is still good. That it has lapsed shows at any time; that it was
    /// suspended, removed or made to end sooner can only be where a use was `taken` from someone since.
    pub(crate) fn still_proved(&self, caller: &Caller, taken: bool, ground: Ground) -> Result<(), Halt> {
        let Some(credential) = &caller.credential else { return Ok(()) };
        let mut good = !self.has_lapsed(credential.expires);
        if let Principal::Session(session) = &caller.principal {
            if !good {
                return Err(EngineError::SessionExpired.into());
            }
            if taken {
                self.role_of_session(caller.tenant, session.role, &credential.shown, ground)?;
            }
            return Ok(());
        }
        if good && taken {
            let row = &self.catalog.credential(&credential.shown, ground)?.row;
            good = row.id == credential.id && !row.suspended && !self.has_lapsed(row.expires);
        }
        if good { Ok(()) } else { Err(unknown(&credential.shown).into()) }
    }

    pub(crate) fn has_lapsed(&self, expires: Option<Timestamp>) -> bool {
        expires.is_some_and(|expires| expires <= self.clock.now())
    }

    /// The service that a caller is; nothing for any other caller.
    ///
    /// # Errors
    /// When the store can't be read, or the service is gone; [`Unavailable::Busy`](crate::Unavailable::Busy) when too many
    /// lookups wait already.
    pub async fn service_of(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
    ) -> Result<Option<Arc<PrincipalEntry>>, EngineError> {
        let found = match self.principal_of(caller, Ground::Here) {
            Ok(found) => found,
            Err(_) => {
                let (engine, caller) = (Arc::clone(self), Arc::clone(caller));
                settle(self.workers.run(Pool::Lookup, move || engine.principal_of(&caller, Ground::Worker)).await?)?
            }
        };
        Ok(found.filter(|principal| principal.row.service.is_some()))
    }

    /// Opens the secret half of a credential.
    ///
    /// # Errors
    /// When no root can serve, or the row is damaged; [`Unavailable::Busy`](crate::Unavailable::Busy) when too many
    /// secrets wait to be opened already.
    pub async fn secret_of(self: &Arc<Self>, identified: &Identified) -> Result<SecretAccessKey, EngineError> {
        let (engine, held) = (Arc::clone(self), identified.0.clone());
        let opened = self.workers.run(Pool::Opening, move || match held {
            Held::Stored(entry) => engine.open_secret(&entry.row),
            Held::Token(entry) => engine.session_secret(&entry).map(SecretAccessKey),
        });
        settle(opened.await?)
    }

    /// The tenant that has an account number.
    ///
    /// # Errors
    /// [`Noun::Tenant`] when there is none.
    pub async fn tenant_of_account(self: &Arc<Self>, account: &str) -> Result<TenantId, EngineError> {
        let (engine, account) = (Arc::clone(self), account.to_owned());
        let find = move || -> Result<TenantId, EngineError> {
            let row = engine.catalog.snapshot()?.get(Table::TenantByAccount, account.as_bytes())?;
            let id = row.and_then(|row| TenantId::from_slice(&row.value));
            id.ok_or_else(|| Noun::Tenant(account.as_str().into()).into())
        };
        self.workers.run(Pool::Ordinary, find).await?
    }

    /// A token issuer that the tenant of an account trusts, with the tenant; nothing where there is none, or no tenant.
    ///
    /// # Errors
    /// When the store can't be read; [`Unavailable::Busy`](crate::Unavailable::Busy) when too many lookups wait already.
    pub async fn token_issuer(
        self: &Arc<Self>,
        account: &str,
        issuer: &str,
    ) -> Result<Option<(TenantId, TokenIssuerRow)>, EngineError> {
        let (engine, account, issuer) = (Arc::clone(self), account.to_owned(), issuer.to_owned());
        let find = move || {
            let snapshot = engine.catalog.snapshot()?;
            let tenant = snapshot.get(Table::TenantByAccount, account.as_bytes())?;
            let Some(tenant) = tenant.and_then(|row| TenantId::from_slice(&row.value)) else { return Ok(None) };
            let row = snapshot.get(Table::TokenIssuer, &keys::token_issuer(tenant, &issuer))?;
            let row = row.map(|row| rows::decode("token issuers", &row.value)).transpose()?;
            Ok(row.map(|row| (tenant, row)))
        };
        self.workers.run(Pool::Lookup, find).await?
    }

    fn open_secret(&self, row: &CredentialRow) -> Result<SecretAccessKey, Halt> {
        Ok(SecretAccessKey(self.vault.open_credential(row.tenant, row.id, &row.shown, &row.sealed)?))
    }
}

/// The caller that a credential proves.
pub(crate) fn caller_of(
    row: &CredentialRow,
    tenant: &rows::TenantRow,
    principal: Option<&rows::PrincipalRow>,
) -> Caller {
    let (policy_name, proved) = match principal {
        Some(service) if tenant.id == TenantId::INSTALLATION => {
            (service.policy_name.as_str(), Principal::Service { id: service.id, on_behalf: None })
        }
        Some(user) => (
            user.policy_name.as_str(),
            Principal::User { id: user.id, unique_id: user.unique_id.as_str().into(), name: user.name.as_str().into() },
        ),
        None => (tenant.root_name.as_str(), Principal::TenantRoot),
    };
    Caller {
        tenant: tenant.id,
        account: tenant.account.as_str().into(),
        policy_name: policy_name.into(),
        principal: proved,
        credential: Some(CredentialRef { id: row.id, shown: row.shown.as_str().into(), expires: row.expires }),
    }
}

pub(crate) fn unknown(shown: &str) -> EngineError {
    Noun::Credential(shown.into()).into()
}

pub(crate) fn settle<T>(attempt: Result<T, Halt>) -> Result<T, EngineError> {
    attempt.map_err(|halt| match halt {
        Halt::Fail(error) => error,
        Halt::Move(_) | Halt::Ask(_) | Halt::Again => EngineError::Internal(InternalFault::WorkerLost),
    })
}
