//! Who asks: the operating system's word over a Unix socket, a signature over HTTPS.

use std::sync::Arc;

use strongroom_admin_api::Endpoint;
use strongroom_authentication::{Reason, Refused, user_agent};
use strongroom_engine::FailedAuthentication;
use strongroom_http::{Peer, Remote, Request};
use strongroom_model::caller::{Caller, Principal};
use strongroom_model::id::TenantId;
use strongroom_sigv4::{HeadersFrom, ParsedAuthorization, SigV4Error};

use crate::dialect::AdminDialect;
use crate::error::AdminError;
use crate::{Admin, SIGNING_SERVICE};

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
        let regions = [claimed_region(request)];
        let Refused { reason, shown } =
            match self.authenticator.authenticate(request, &[SIGNING_SERVICE], &regions).await {
                Ok(proved) => return Ok(proved.caller),
                Err(refused) => refused,
            };
        let fields = &request.head.headers;
        let failed = FailedAuthentication {
            dialect: &AdminDialect,
            source: self.origins.source(peer, fields),
            request_id: request_id.into(),
            user_agent: user_agent(fields).into(),
            shown,
            operation: endpoint.name(),
            reason: code(&reason),
            message: reason.to_string().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        match reason {
            Reason::Engine(error) => Err(error.into()),
            reason => Err(AdminError::Unproved(reason)),
        }
    }
}

/// A refusal's name in answers and records.
pub(crate) const fn code(reason: &Reason) -> &'static str {
    match reason {
        Reason::Signature(SigV4Error::MissingAuthorization) => "MissingSignature",
        Reason::Signature(SigV4Error::Expired { .. } | SigV4Error::NotYetValid { .. }) => "SignatureExpired",
        Reason::Signature(_) => "InvalidSignature",
        Reason::UnknownCredential => "UnknownAccessKey",
        Reason::Expired => "ExpiredToken",
        Reason::Engine(error) => crate::error::code(error),
    }
}

/// The region that the request says it was signed for: administration is of no region, so any will do.
fn claimed_region(request: &Request) -> Arc<str> {
    let head = &request.head;
    let parsed = ParsedAuthorization::parse(&strongroom_sigv4::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        authority: "",
        headers: HeadersFrom(|| head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
    });
    parsed.map_or_else(|_| Arc::from(""), |parsed| Arc::from(parsed.region()))
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
