//! The installation as a whole: that it serves, who asks, its roots.

use strongroom_admin_api::{Health, Page, Root, WhoAmI};
use strongroom_engine::operations::inspect;
use strongroom_engine::operations::listing::ListRoots;
use strongroom_model::caller::Principal;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;

pub(crate) async fn health(context: &Context<'_>) -> Result<Reply, AdminError> {
    context.perform(inspect::WhoAmI).await?;
    let engine = &context.admin.engine;
    Reply::ok(&Health {
        status: "serving".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        installation: engine.installation().to_string(),
        time: engine.clock().now().into(),
    })
}

pub(crate) async fn who_am_i(context: &Context<'_>) -> Result<Reply, AdminError> {
    let caller = context.perform(inspect::WhoAmI).await?;
    let kind = match caller.principal {
        Principal::Operator { .. } => "operator",
        Principal::TenantRoot => "root",
        Principal::User { .. } => "user",
        Principal::Internal { .. } => "internal",
    };
    Reply::ok(&WhoAmI {
        arn: caller.policy_name.to_string(),
        kind: kind.to_owned(),
        account: (!caller.account.is_empty()).then(|| caller.account.to_string()),
        access_key_id: caller.credential.as_ref().map(|credential| credential.shown.to_string()),
    })
}

pub(crate) async fn roots(context: &Context<'_>) -> Result<Reply, AdminError> {
    let page = context.perform(ListRoots).await?;
    let items = page.items.into_iter().map(|root| Root {
        id: root.row.id.to_string(),
        kind: root.row.kind,
        location: root.row.location,
        added: root.row.added.into(),
        open: root.open,
        checkpoint_key: root.verifier.map(|key| key.to_string()).unwrap_or_default(),
    });
    Reply::ok(&Page { items: items.collect(), next: None })
}
