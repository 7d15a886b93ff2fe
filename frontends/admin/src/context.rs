//! One authenticated request: what its handler needs, and the way from it into the engine.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use strongroom_admin_api::query::QueryError;
use strongroom_admin_api::{DryRun, DryRunQuery, Endpoint, Method, query};
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
    /// Whether only what would come of it is asked.
    dry_run: Result<Option<DryRun>, QueryError>,
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
        let query = request.head.uri.query().unwrap_or_default();
        Self {
            admin,
            endpoint,
            dry_run: dry_run(endpoint, query),
            caller,
            source: admin.origins.source(peer, &request.head.headers),
            request_id,
            user_agent: user_agent(&request.head.headers),
            segments,
            well_encoded,
            query,
            body: &request.body,
        }
    }

    /// That every segment of the path could be decoded, and that a dry run is asked where there is one.
    pub(crate) fn check(&self) -> Result<(), AdminError> {
        match (self.well_encoded, &self.dry_run) {
            (false, _) => Err(AdminError::Path),
            (true, Err(error)) => Err(AdminError::Query(error.clone())),
            (true, Ok(_)) => Ok(()),
        }
    }

    /// Whether the request is to be looked at by itself: nothing that it builds on may be taken to be there.
    pub(crate) fn is_alone(&self) -> bool {
        self.dry_run == Ok(Some(DryRun::Alone))
    }

    fn mode(&self) -> Mode {
        match self.dry_run {
            Ok(None) => Mode::Run,
            _ => Mode::DryRun,
        }
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
        Ok(self.admin.engine.perform(self.call(), operation, self.mode()).await?)
    }

    /// Reads for the caller what the request builds on, be it a dry run or not.
    pub(crate) async fn read<O: Operation>(&self, operation: O) -> Result<O::Output, AdminError> {
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
        Ok(self.admin.engine.perform(call, operation, self.mode()).await?)
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
        Ok(self.read(FindTenant { account: account.to_owned() }).await?.id)
    }

    /// The key that the path names.
    pub(crate) fn key(&self) -> Result<KeyId, AdminError> {
        key_id(self.segment("key"))
    }
}

/// What the query string of a request that changes something says.
fn dry_run(endpoint: Endpoint, text: &str) -> Result<Option<DryRun>, QueryError> {
    if endpoint.route().method == Method::Get {
        return Ok(None);
    }
    let DryRunQuery { dry_run } = query::read(text)?;
    let has = match dry_run {
        None => true,
        Some(DryRun::Whole) => endpoint.has_dry_run(),
        Some(DryRun::Alone) => endpoint.has_dry_run_alone(),
    };
    match has {
        true => Ok(dry_run),
        false => Err(QueryError::Form(format!("{} has no such dry run", endpoint.name()))),
    }
}

/// A key's identity, as the API writes it.
pub(crate) fn key_id(text: &str) -> Result<KeyId, AdminError> {
    KeyId::from_hex(text).ok_or(AdminError::KeyId)
}
