//! Roots of trust: listed, added, verified, replaced, removed.
//!
//! The configuration file is the truth about roots: no secret of one ever travels over the API. Adding one means that the
//! server reads its configuration again.

use std::sync::Arc;

use strongroom_admin_api::{FailingDomainKey, Page, Root, RootVerification};
use strongroom_engine::operations::listing::ListRoots;
use strongroom_engine::operations::root::{AddRoot, RemoveRoot, VerifyRoot};
use strongroom_engine::{Authorized, Demand, EngineError, Halt, Operation, Outcome, Target};
use strongroom_model::action::Action;
use strongroom_model::id::RootId;
use strongroom_model::purpose::Purpose;
use strongroom_model::root::RootOfTrust;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;
use crate::tenants::Empty;

/// The roots that a configuration names.
pub trait ConfiguredRoots: Send + Sync + 'static {
    /// Reads the configuration again, and opens every root in it that the installation does not know; makes those that
    /// do not exist. Blocks.
    ///
    /// # Errors
    /// Why there is none, for an operator to read.
    fn open_new(&self) -> Result<Vec<Arc<dyn RootOfTrust>>, String>;
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    Reply::ok(&Page { items: shown(context).await?, next: None })
}

pub(crate) async fn add(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let mut added = Vec::new();
    for root in open_new(context).await? {
        added.push(enter(context, root, None).await?);
    }
    let items = shown(context).await?.into_iter().filter(|root| added.contains(&root.id)).collect();
    Reply::created(&Page::<Root> { items, next: None })
}

pub(crate) async fn rotate(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let replaced = root_id(context)?;
    let mut new = open_new(context).await?;
    let problem = "must name exactly one root that the installation does not know; add several with root add";
    let Some(root) = new.pop().filter(|_| new.is_empty()) else {
        return Err(AdminError::Value { field: "the configuration", problem });
    };
    let id = enter(context, root, Some(replaced)).await?;
    let root = shown(context).await?.into_iter().find(|root| root.id == id);
    Reply::created(&root.ok_or(AdminError::Answer)?)
}

pub(crate) async fn verify(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let root = root_id(context)?;
    let found = context.perform(VerifyRoot { root }).await?;
    let failing = found.failing.iter().map(|(tenant, domain_key)| FailingDomainKey {
        tenant: tenant.to_string(),
        domain_key: domain_key.to_string(),
    });
    Reply::ok(&RootVerification {
        id: root.to_string(),
        opened: found.opened,
        lacking: found.lacking,
        failing: failing.collect(),
    })
}

pub(crate) async fn remove(context: &Context<'_>) -> Result<Reply, AdminError> {
    context.perform(RemoveRoot::new(root_id(context)?)).await?;
    Ok(Reply::done())
}

async fn shown(context: &Context<'_>) -> Result<Vec<Root>, AdminError> {
    let page = context.perform(ListRoots).await?;
    let swept = context.admin.engine.swept();
    let shown = page.items.into_iter().map(|root| Root {
        id: root.row.id.to_string(),
        kind: root.row.kind,
        location: root.row.location,
        added: root.row.added.into(),
        open: root.open,
        checkpoint_key: root.verifier.map(|key| key.to_string()).unwrap_or_default(),
        complete: root.open && swept,
        replaces: root.row.replaces.map(|replaced| replaced.to_string()),
    });
    Ok(shown.collect())
}

async fn enter(
    context: &Context<'_>,
    root: Arc<dyn RootOfTrust>,
    replaces: Option<RootId>,
) -> Result<String, AdminError> {
    let id = root.describe().id.to_string();
    context.perform_telling(AddRoot { root, replaces }, vec![("added", id.clone())]).await?;
    Ok(id)
}

async fn open_new(context: &Context<'_>) -> Result<Vec<Arc<dyn RootOfTrust>>, AdminError> {
    let configured = context.admin.configured.as_ref().ok_or(AdminError::NoConfiguration)?;
    context.perform(OpenRoots { configured: Arc::clone(configured) }).await?.map_err(AdminError::Roots)
}

/// Opens what the configuration names, for whoever may add it.
struct OpenRoots {
    configured: Arc<dyn ConfiguredRoots>,
}

impl Operation for OpenRoots {
    type Output = Result<Vec<Arc<dyn RootOfTrust>>, String>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::ManageRoots, Target::Installation);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, _: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        Ok(Outcome::Answer(self.configured.open_new()))
    }
}

fn root_id(context: &Context<'_>) -> Result<RootId, AdminError> {
    RootId::from_hex(context.segment("root")).ok_or(AdminError::RootId)
}
