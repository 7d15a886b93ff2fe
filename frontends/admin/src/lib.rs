//! The admin front end: tenants, principals, credentials, policies, keys, bindings, roots, audit, over our own API.
//!
//! Over a Unix socket the caller is whoever the kernel says is at its other end, an operator of the installation; over
//! HTTPS it is whoever signed the request (Signature Version 4, service `strongroom`, any region). Every act goes
//! through the engine, is decided by policy and recorded like any other; so is a request that no act could be made of.
//! Absent on purpose: any use of key material, and any way around policy.

mod access_keys;
mod assumable;
mod audit;
mod authenticate;
mod backups;
mod bindings;
mod context;
mod dialect;
mod ekm;
mod error;
mod explain;
mod imports;
mod installation;
mod keys;
mod making;
mod principals;
mod reply;
mod roots;
mod services;
mod tenants;
mod usage;
mod warnings;
mod xks;

use std::sync::Arc;

use http::Method;
use strongroom_admin_api::{Endpoint, routes};
use strongroom_authentication::{Authenticator, Origins, request_id};
use strongroom_engine::{Dialect, Engine, EngineError};
use strongroom_http::{Found, Peer, Request, Response, Route, Routes};
use strongroom_identity::Origin;
use strongroom_model::action::Action;

pub use dialect::AdminDialect;
pub use error::code;
pub use roots::ConfiguredRoots;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;

/// The service that requests over HTTPS are signed for.
pub const SIGNING_SERVICE: &str = "strongroom";

/// The admin front end of one engine.
pub struct Admin {
    engine: Arc<Engine>,
    partition: Box<str>,
    dialects: Vec<&'static dyn Dialect>,
    /// Always there: that the table is sound is under test.
    routes: Option<Routes<Endpoint>>,
    authenticator: Authenticator,
    origins: Origins,
    /// The roots of the configuration, where there is one.
    configured: Option<Arc<dyn ConfiguredRoots>>,
    /// The regions that the listeners serve together; empty where that is not known.
    regions: Vec<Arc<str>>,
    /// Where keys of token issuers may be fetched from, where that is known.
    issuers: Option<Vec<Origin>>,
}

impl Admin {
    /// The front end over an engine. `partition` is the word after `arn:` in the names of principals; `dialects` are the
    /// languages of the other front ends, in which `policy explain` can be asked.
    #[must_use]
    pub fn new(engine: Arc<Engine>, partition: &str, dialects: Vec<&'static dyn Dialect>) -> Self {
        Self {
            authenticator: Authenticator::new(Arc::clone(&engine)),
            origins: Origins::default(),
            routes: table().ok(),
            partition: partition.into(),
            engine,
            dialects,
            configured: None,
            regions: Vec::new(),
            issuers: None,
        }
    }

    /// With the origins from which the installation fetches keys of token issuers, so that it can be told of others.
    #[must_use]
    pub fn with_issuers(self, issuers: Vec<Origin>) -> Self {
        Self { issuers: Some(issuers), ..self }
    }

    /// Whether the keys of a token issuer may be fetched.
    pub(crate) fn may_fetch(&self, issuer: &str) -> bool {
        let Some(issuers) = &self.issuers else { return true };
        Origin::at(issuer).is_some_and(|origin| issuers.contains(&origin))
    }

    /// With the roots that a configuration names, so that they can be added and rotated.
    #[must_use]
    pub fn with_roots(self, configured: Arc<dyn ConfiguredRoots>) -> Self {
        Self { configured: Some(configured), ..self }
    }

    /// With the regions that the listeners serve together, so that nothing is made for a region that nobody can reach.
    #[must_use]
    pub fn with_regions(self, regions: Vec<Arc<str>>) -> Self {
        Self { regions, ..self }
    }

    /// Bytes that the body of a request may have; nothing where there is no such route. For a listener's
    /// [`strongroom_http::App::admit`].
    #[must_use]
    pub fn max_body_bytes(&self, head: &http::request::Parts) -> usize {
        match self.find(head) {
            Found::Route(route, _) => route.max_body_bytes,
            Found::OtherMethods(_) | Found::Nothing => 0,
        }
    }

    fn find<'a>(&'a self, head: &'a http::request::Parts) -> Found<'a, 'a, Endpoint> {
        let routes = self.routes.as_ref();
        routes.map_or(Found::Nothing, |routes| routes.find(&head.method, head.uri.path()))
    }

    /// Answers a request.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request) -> Response {
        let request_id = request_id(&self.engine);
        match self.answer(peer, &request, &request_id).await {
            Ok(reply) => reply.response(&request_id),
            Err(AdminError::Engine(EngineError::DryRun)) => Reply::done().response(&request_id),
            Err(error) => {
                let operation = match self.find(&request.head) {
                    Found::Route(route, _) => route.handler.name(),
                    Found::OtherMethods(_) | Found::Nothing => "",
                };
                error.response(operation, &request_id)
            }
        }
    }

    async fn answer(&self, peer: &Arc<Peer>, request: &Request, request_id: &str) -> Result<Reply, AdminError> {
        let head = &request.head;
        let (route, captures) = match self.find(head) {
            Found::Route(route, captures) => (route, captures),
            Found::OtherMethods(allowed) => {
                let allowed = allowed.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
                return Err(AdminError::Method { allowed });
            }
            Found::Nothing => return Err(AdminError::UnknownPath),
        };
        if request.body.len() > route.max_body_bytes {
            return Err(AdminError::BodyTooLong { limit: route.max_body_bytes });
        }
        let caller = self.authenticate(peer, request, route.handler, request_id).await?;
        let context = Context::new(self, caller, peer, request, request_id, (route.handler, route.pattern, &captures));
        match self.dispatch(&context).await {
            Err(error) if error.is_of_the_request() => {
                let (code, message) = (error.code(), error.to_string());
                self.engine.record_refused(&context.call(), action(route.handler), code, &message).await?;
                Err(error)
            }
            answered => answered,
        }
    }

    async fn dispatch(&self, context: &Context<'_>) -> Result<Reply, AdminError> {
        context.check()?;
        match context.endpoint {
            Endpoint::GetHealth => installation::health(context).await,
            Endpoint::GetCallerIdentity => installation::who_am_i(context).await,
            Endpoint::ListRoots => roots::list(context).await,
            Endpoint::AddRoots => roots::add(context).await,
            Endpoint::VerifyRoot => roots::verify(context).await,
            Endpoint::RotateRoot => roots::rotate(context).await,
            Endpoint::RemoveRoot => roots::remove(context).await,
            Endpoint::RotateDomainKey => tenants::rotate_domain_key(context).await,
            Endpoint::MakeBackup => backups::make(context).await,
            Endpoint::ConfirmClock => installation::confirm_clock(context).await,
            Endpoint::SuspendInstallation => installation::suspend(context, true).await,
            Endpoint::ResumeInstallation => installation::suspend(context, false).await,
            Endpoint::CreateTenant => tenants::create(context).await,
            Endpoint::ListTenants => tenants::list(context).await,
            Endpoint::GetTenant => tenants::show(context).await,
            Endpoint::SuspendTenant => tenants::suspend(context, true).await,
            Endpoint::ResumeTenant => tenants::suspend(context, false).await,
            Endpoint::CreatePrincipal => principals::create(context).await,
            Endpoint::ListPrincipals => principals::list(context).await,
            Endpoint::GetPrincipal => principals::show(context).await,
            Endpoint::DeletePrincipal => principals::delete(context).await,
            Endpoint::SuspendPrincipal => principals::suspend(context, true).await,
            Endpoint::ResumePrincipal => principals::suspend(context, false).await,
            Endpoint::ListPolicies => principals::policies(context).await,
            Endpoint::PutPolicy => principals::put_policy(context).await,
            Endpoint::GetPolicy => principals::policy(context).await,
            Endpoint::DeletePolicy => principals::delete_policy(context).await,
            Endpoint::CreateRole => assumable::create(context).await,
            Endpoint::ListRoles => assumable::list(context).await,
            Endpoint::GetRole => assumable::show(context).await,
            Endpoint::UpdateRole => assumable::update(context).await,
            Endpoint::ListIssuers => assumable::list_issuers(context).await,
            Endpoint::PutIssuer => assumable::put_issuer(context).await,
            Endpoint::DeleteIssuer => assumable::delete_issuer(context).await,
            Endpoint::ExplainPolicy => explain::explain(context).await,
            Endpoint::CreateAccessKey => access_keys::create(context).await,
            Endpoint::ListAccessKeys => access_keys::list(context).await,
            Endpoint::SuspendAccessKey => access_keys::change(context, access_keys::SUSPEND).await,
            Endpoint::ResumeAccessKey => access_keys::change(context, access_keys::RESUME).await,
            Endpoint::DeleteAccessKey => access_keys::change(context, access_keys::DELETE).await,
            Endpoint::ListKeys => keys::list(context).await,
            Endpoint::CreateKey => making::create(context).await,
            Endpoint::GetKeyPolicy => making::policy(context).await,
            Endpoint::PutKeyPolicy => making::put_policy(context).await,
            Endpoint::GetKeyTags => making::tags(context).await,
            Endpoint::TagKey => making::tag(context).await,
            Endpoint::PutKeyDescription => making::describe(context).await,
            Endpoint::PutKeyRotation => making::rotation(context).await,
            Endpoint::ListBindings => bindings::list(context).await,
            Endpoint::CreateBinding => bindings::create(context).await,
            Endpoint::DeleteBinding => bindings::delete(context).await,
            Endpoint::CreateXksStore => xks::create(context).await,
            Endpoint::ListXksStores => xks::list(context).await,
            Endpoint::GetXksStore => xks::show(context).await,
            Endpoint::UpdateXksStore => xks::update(context).await,
            Endpoint::DeleteXksStore => xks::delete(context).await,
            Endpoint::BlockXksStore => xks::block(context, true).await,
            Endpoint::UnblockXksStore => xks::block(context, false).await,
            Endpoint::CreateXksCredential => xks::create_credential(context).await,
            Endpoint::ListXksCredentials => xks::credentials(context).await,
            Endpoint::DeleteXksCredential => xks::delete_credential(context).await,
            Endpoint::BindXksKey => xks::bind_key(context).await,
            Endpoint::ListXksKeys => xks::list_keys(context).await,
            Endpoint::UnbindXksKey => xks::unbind_key(context).await,
            Endpoint::BlockXksKey => xks::block_key(context, true).await,
            Endpoint::UnblockXksKey => xks::block_key(context, false).await,
            Endpoint::CreateEkmStore => ekm::create(context).await,
            Endpoint::ListEkmStores => ekm::list(context).await,
            Endpoint::GetEkmStore => ekm::show(context).await,
            Endpoint::UpdateEkmStore => ekm::update(context).await,
            Endpoint::DeleteEkmStore => ekm::delete(context).await,
            Endpoint::BlockEkmStore => ekm::block(context, true).await,
            Endpoint::UnblockEkmStore => ekm::block(context, false).await,
            Endpoint::CreateEkmCertificate => ekm::create_certificate(context).await,
            Endpoint::ListEkmCertificates => ekm::certificates(context).await,
            Endpoint::DeleteEkmCertificate => ekm::delete_certificate(context).await,
            Endpoint::BindEkmKey => ekm::bind_key(context).await,
            Endpoint::ListEkmKeys => ekm::list_keys(context).await,
            Endpoint::UnbindEkmKey => ekm::unbind_key(context).await,
            Endpoint::BlockEkmKey => ekm::block_key(context, true).await,
            Endpoint::UnblockEkmKey => ekm::block_key(context, false).await,
            Endpoint::ListKeyUsage => usage::of_tenant(context).await,
            Endpoint::GetInventory => usage::inventory(context).await,
            Endpoint::GetKey => keys::show(context).await,
            Endpoint::GetImportParameters => imports::parameters(context).await,
            Endpoint::ImportKeyMaterial => imports::bring(context).await,
            Endpoint::SuspendKey => keys::suspend(context, true).await,
            Endpoint::ResumeKey => keys::suspend(context, false).await,
            Endpoint::GetKeyUsage => usage::of_key(context).await,
            Endpoint::ScheduleKeyDeletion => usage::schedule_deletion(context).await,
            Endpoint::CancelKeyDeletion => usage::cancel_deletion(context).await,
            Endpoint::SuspendKeyVersion => keys::suspend_version(context, true).await,
            Endpoint::ResumeKeyVersion => keys::suspend_version(context, false).await,
            Endpoint::QueryAudit => audit::query(context).await,
        }
    }
}

fn table() -> Result<Routes<Endpoint>, strongroom_http::Error> {
    Routes::new(routes::ROUTES.iter().map(|spec| Route {
        method: method(spec.method),
        pattern: spec.pattern,
        max_body_bytes: spec.max_body_bytes,
        handler: spec.endpoint,
    }))
}

const fn method(method: strongroom_admin_api::Method) -> Method {
    match method {
        strongroom_admin_api::Method::Get => Method::GET,
        strongroom_admin_api::Method::Post => Method::POST,
        strongroom_admin_api::Method::Put => Method::PUT,
        strongroom_admin_api::Method::Delete => Method::DELETE,
    }
}

/// What the record of a request says was asked, where no operation came of it.
const fn action(endpoint: Endpoint) -> Action {
    use Endpoint as E;
    match endpoint {
        E::GetHealth | E::GetCallerIdentity => Action::GetCallerIdentity,
        E::CreateTenant => Action::ManageTenants,
        E::ListTenants | E::GetTenant => Action::ReadTenants,
        E::SuspendInstallation
        | E::ResumeInstallation
        | E::SuspendTenant
        | E::ResumeTenant
        | E::SuspendKeyVersion
        | E::ResumeKeyVersion => Action::Suspend,
        E::CreatePrincipal
        | E::DeletePrincipal
        | E::SuspendPrincipal
        | E::ResumePrincipal
        | E::PutPolicy
        | E::DeletePolicy
        | E::CreateRole
        | E::UpdateRole
        | E::PutIssuer
        | E::DeleteIssuer
        | E::CreateXksStore
        | E::UpdateXksStore
        | E::DeleteXksStore
        | E::BlockXksStore
        | E::UnblockXksStore
        | E::CreateEkmStore
        | E::UpdateEkmStore
        | E::DeleteEkmStore
        | E::BlockEkmStore
        | E::UnblockEkmStore => Action::ManagePrincipals,
        E::ListPrincipals
        | E::GetPrincipal
        | E::ListPolicies
        | E::GetPolicy
        | E::ListRoles
        | E::GetRole
        | E::ListIssuers
        | E::ListXksStores
        | E::GetXksStore
        | E::ListEkmStores
        | E::GetEkmStore
        | E::ExplainPolicy => Action::ReadPrincipals,
        E::CreateAccessKey
        | E::SuspendAccessKey
        | E::ResumeAccessKey
        | E::DeleteAccessKey
        | E::CreateXksCredential
        | E::DeleteXksCredential
        | E::CreateEkmCertificate
        | E::DeleteEkmCertificate => Action::ManageCredentials,
        E::ListAccessKeys | E::ListXksCredentials | E::ListEkmCertificates => Action::ReadCredentials,
        E::ListKeys | E::ListKeyUsage | E::GetInventory => Action::ListKeys,
        E::CreateKey => Action::CreateKey,
        E::GetKeyPolicy => Action::GetKeyPolicy,
        E::PutKeyPolicy => Action::PutKeyPolicy,
        E::GetKeyTags => Action::ListKeyTags,
        E::TagKey => Action::TagKey,
        E::PutKeyDescription => Action::UpdateKeyDescription,
        E::PutKeyRotation => Action::EnableKeyRotation,
        E::ListBindings | E::ListXksKeys | E::ListEkmKeys => Action::ReadBindings,
        E::CreateBinding | E::DeleteBinding | E::BindXksKey | E::UnbindXksKey | E::BindEkmKey | E::UnbindEkmKey => {
            Action::ManageBindings
        }
        E::GetKeyUsage => Action::GetKeyLastUsage,
        E::ScheduleKeyDeletion => Action::ScheduleKeyDestruction,
        E::CancelKeyDeletion => Action::CancelKeyDestruction,
        E::GetKey => Action::DescribeKey,
        E::GetImportParameters => Action::GetParametersForImport,
        E::ImportKeyMaterial => Action::ImportKeyMaterial,
        E::SuspendKey | E::BlockXksKey | E::BlockEkmKey => Action::DisableKey,
        E::ResumeKey | E::UnblockXksKey | E::UnblockEkmKey => Action::EnableKey,
        E::ListRoots | E::VerifyRoot => Action::ReadRoots,
        E::AddRoots | E::RotateRoot | E::RemoveRoot => Action::ManageRoots,
        E::RotateDomainKey => Action::RotateDomainKey,
        E::MakeBackup => Action::ManageBackups,
        E::ConfirmClock => Action::Installation,
        E::QueryAudit => Action::ReadAudit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_routes_is_sound_and_leads_every_endpoint_to_itself() {
        let routes = table().unwrap();
        for spec in routes::ROUTES {
            let path = spec.endpoint.path(&["1", "2", "3", "4"]);
            let Found::Route(route, _) = routes.find(&method(spec.method), &path) else { panic!("{path}") };
            assert_eq!(route.handler, spec.endpoint, "{path}");
        }
    }
}
