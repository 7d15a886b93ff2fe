//! One authenticated request: what its handler needs, and the way from it into the engine.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use strongroom_admin_api::{Endpoint, query};
use strongroom_authentication::user_agent;
use strongroom_engine::operations::tenant::FindTenant;
use strongroom_engine::{Call, EngineError, Mode, NoAttributes, Noun, Operation};
use strongroom_http::{Peer, Request};
use strongroom_model::caller::{Caller, Principal, Source};
use strongroom_model::id::{KeyId, TenantId};

use crate::Admin;
use crate::dialect::AdminDialect;
use crate::error::AdminError;

/// What stands for an account number where the principals are services.
pub(crate) const SERVICES: &str = "services";

/// A request that leads to an endpoint, by a proved caller.
pub(crate) struct Context<'a> {
    pub(crate) admin: &'a Admin,
    pub(crate) endpoint: Endpoint,
    pub(crate) caller: Arc<Caller>,
    source: Arc<Source>,
    request_id: &'a str,
    user_agent: &'a str,
    /// What stands in the places of the pattern's captures, in order, with their names.
    segments: Vec<(&'static str, String)>,
    /// Whether every segment could be decoded; one that could not stands as it came, for the record.
    well_encoded: bool,
    query: &'a str,
    body: &'a [u8],
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        admin: &'a Admin,
        caller: Arc<Caller>,
        peer: &Peer,
        request: &'a Request,
        request_id: &'a str,
        (endpoint, pattern, captures): (Endpoint, &'static str, &[&str]),
    ) -> Self {
        let names = pattern.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut well_encoded = true;
        let mut decode = |capture: &str| {
            query::decode(capture).unwrap_or_else(|| {
                well_encoded = false;
                capture.to_owned()
            })
        };
        let segments = names.zip(captures).map(|(name, capture)| (name, decode(capture))).collect();
        Self {
            admin,
            endpoint,
            caller,
            source: admin.origins.source(peer, &request.head.headers),
            request_id,
            user_agent: user_agent(&request.head.headers),
            segments,
            well_encoded,
            query: request.head.uri.query().unwrap_or_default(),
            body: &request.body,
        }
    }

    /// That every segment of the path could be decoded.
    pub(crate) const fn check_path(&self) -> Result<(), AdminError> {
        if self.well_encoded { Ok(()) } else { Err(AdminError::Path) }
    }

    /// The request as the engine and its record see it.
    pub(crate) fn call(&self) -> Call {
        Call {
            caller: Arc::clone(&self.caller),
            dialect: &AdminDialect,
            source: Arc::clone(&self.source),
            request_id: self.request_id.into(),
            region: Arc::from(""),
            operation: self.endpoint.name(),
            user_agent: self.user_agent.into(),
            detail: self.segments.clone(),
            attributes: Arc::new(NoAttributes),
            grant_tokens: Vec::new(),
        }
    }

    /// Does an operation for the caller.
    pub(crate) async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, AdminError> {
        Ok(self.admin.engine.perform(self.call(), operation, Mode::Run).await?)
    }

    /// Does an operation for the caller, its record saying something besides the path.
    pub(crate) async fn perform_telling<O: Operation>(
        &self,
        operation: O,
        detail: Vec<(&'static str, String)>,
    ) -> Result<O::Output, AdminError> {
        let mut call = self.call();
        call.detail.extend(detail);
        Ok(self.admin.engine.perform(call, operation, Mode::Run).await?)
    }

    /// What stands in the place of a capture of the path.
    pub(crate) fn segment(&self, name: &str) -> &str {
        self.segments.iter().find(|(of, _)| *of == name).map_or("", |(_, text)| text)
    }

    /// The body; an empty one counts as `{}`.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        let body = if self.body.is_empty() { b"{}" } else { self.body };
        serde_json::from_slice(body).map_err(|error| AdminError::Body(error.to_string()))
    }

    /// The query string.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        query::read(self.query).map_err(AdminError::Query)
    }

    /// The tenant that the path names.
    pub(crate) async fn tenant(&self) -> Result<TenantId, AdminError> {
        self.tenant_of(self.segment("account")).await
    }

    /// Whose principals the path names: a tenant's, or for operators the installation's own, which are services.
    pub(crate) async fn holder(&self) -> Result<TenantId, AdminError> {
        match (self.segment("account"), &self.caller.principal) {
            (SERVICES, Principal::Operator { .. }) => Ok(TenantId::INSTALLATION),
            (account, _) => self.tenant_of(account).await,
        }
    }

    /// The tenant that has an account number. Whoever is no operator learns nothing of other tenants, not even whether
    /// there are any: asking for one is refused, and recorded, as reading it would be.
    pub(crate) async fn tenant_of(&self, account: &str) -> Result<TenantId, AdminError> {
        if !account.is_empty() && *self.caller.account == *account {
            return Ok(self.caller.tenant);
        }
        if matches!(self.caller.principal, Principal::Operator { .. }) {
            match self.admin.engine.tenant_of_account(account).await {
                Err(EngineError::NotFound(Noun::Tenant(_))) => {}
                found => return Ok(found?),
            }
        }
        Ok(self.perform(FindTenant { account: account.to_owned() }).await?.id)
    }

    /// The key that the path names.
    pub(crate) fn key(&self) -> Result<KeyId, AdminError> {
        key_id(self.segment("key"))
    }
}

/// A key's identity, as the API writes it.
pub(crate) fn key_id(text: &str) -> Result<KeyId, AdminError> {
    KeyId::from_hex(text).ok_or(AdminError::KeyId)
}
