//! Who asks: the operating system's word over a Unix socket, a signature over HTTPS.

use std::sync::Arc;

use strongroom_admin_api::Endpoint;
use strongroom_engine::{EngineError, FailedAuthentication};
use strongroom_http::{Peer, Remote, Request};
use strongroom_model::caller::{Caller, Principal};
use strongroom_model::id::TenantId;
use strongroom_sigv4::{Expectation, HeadersFrom, ParsedAuthorization, SigV4Error, SigningKey, SigningTime};

use crate::dialect::AdminDialect;
use crate::error::AdminError;
use crate::{Admin, SIGNING_SERVICE, context};

/// Why a caller was not proved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unproved {
    /// The signature.
    #[error("{0}")]
    Signature(#[from] SigV4Error),
    /// No such access key, or one that is suspended or has lapsed.
    #[error("the access key {0} is unknown, suspended or expired")]
    AccessKey(String),
    /// Temporary credentials.
    #[error("temporary credentials are not taken; sign with an access key of your own")]
    SessionToken,
}

impl Unproved {
    /// Its name in answers and records.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Signature(SigV4Error::MissingAuthorization) => "MissingSignature",
            Self::Signature(SigV4Error::Expired { .. } | SigV4Error::NotYetValid { .. }) => "SignatureExpired",
            Self::Signature(_) => "InvalidSignature",
            Self::AccessKey(_) => "UnknownAccessKey",
            Self::SessionToken => "UnsupportedCredential",
        }
    }
}

impl Admin {
    /// Proves who asks; a failure is recorded.
    pub(crate) async fn authenticate(
        &self,
        peer: &Peer,
        request: &Request,
        endpoint: Endpoint,
        request_id: &str,
    ) -> Result<Arc<Caller>, AdminError> {
        if let Remote::Unix { uid, .. } = peer.remote {
            return Ok(Arc::new(operator(uid)));
        }
        let mut shown = String::new();
        let failure = match self.signer(request, &mut shown).await {
            Err(AdminError::Unproved(failure)) => failure,
            settled => return settled,
        };
        let failed = FailedAuthentication {
            dialect: &AdminDialect,
            source: Arc::new(context::source(peer, request)),
            request_id: request_id.into(),
            user_agent: context::user_agent(request).into(),
            shown: shown.into(),
            operation: endpoint.name(),
            reason: failure.code(),
            message: failure.to_string().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        Err(AdminError::Unproved(failure))
    }

    /// Who signed the request; `shown` becomes the access key that it claims.
    async fn signer(&self, request: &Request, shown: &mut String) -> Result<Arc<Caller>, AdminError> {
        let head = &request.head;
        let host = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let signed = strongroom_sigv4::Request {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            authority: head.uri.authority().map_or(host.unwrap_or_default(), |authority| authority.as_str()),
            headers: HeadersFrom(|| head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
        };
        let parsed = ParsedAuthorization::parse(&signed).map_err(Unproved::from)?;
        parsed.access_key_id().clone_into(shown);
        if parsed.session_token().is_some() {
            return Err(Unproved::SessionToken.into());
        }
        let now =
            SigningTime::from_unix_seconds(i64::try_from(self.engine.clock().now().seconds()).unwrap_or(i64::MAX));
        let services = [SIGNING_SERVICE];
        let checked = parsed.check(&signed, &Expectation::new(&services, &|_| true), now).map_err(Unproved::from)?;
        let identified = match self.engine.identify(parsed.access_key_id()).await {
            Err(EngineError::NotFound(_)) => return Err(Unproved::AccessKey(shown.clone()).into()),
            found => found?,
        };
        let scope = parsed.scope();
        let key = match self.signing_keys.get(parsed.access_key_id(), &scope) {
            Some(key) => key,
            None => {
                let secret = self.engine.secret_of(&identified).await?;
                let key = SigningKey::derive(secret.secret(), &scope);
                self.signing_keys.insert(parsed.access_key_id(), &scope, key)
            }
        };
        checked.verify(&key, &request.body).map_err(Unproved::from)?;
        Ok(identified.caller())
    }
}

/// An operator of the installation: whoever may open the socket.
fn operator(uid: u32) -> Caller {
    Caller {
        tenant: TenantId::INSTALLATION,
        account: Arc::from(""),
        policy_name: format!("arn:aws:strongroom:::operator/{uid}").into(),
        principal: Principal::Operator { uid },
        credential: None,
    }
}
