//! The installation as a whole: that it serves, who asks, whether its clock is right.

use strongroom_admin_api::{Health, KeyStoreHealth, TokenHealth, WhoAmI};
use strongroom_engine::Engine;
use strongroom_engine::operations::clock::ConfirmClock;
use strongroom_engine::operations::inspect;
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_model::caller::Principal;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::TenantId;
use strongroom_model::key_store::{MemberHealth, MemberState};

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;
use crate::tenants::Empty;

pub(crate) async fn health(context: &Context<'_>) -> Result<Reply, AdminError> {
    let suspended = context.perform(inspect::IsSuspended).await?;
    told(context, suspended)
}

/// The kill switch of the whole installation.
pub(crate) async fn suspend(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let changed = context.perform(SuspendTenant { tenant: TenantId::INSTALLATION, suspended }).await?;
    told(context, changed.suspended)
}

fn told(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let engine = &context.admin.engine;
    Reply::ok(&Health {
        status: if suspended { "suspended" } else { "serving" }.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        installation: engine.installation().to_string(),
        time: engine.clock().now().into(),
        key_stores: matches!(context.caller.principal, Principal::Operator { .. }).then(|| key_stores(engine)),
    })
}

fn key_stores(engine: &Engine) -> Vec<KeyStoreHealth> {
    let now = engine.clock().now();
    let token = |member: MemberHealth| TokenHealth {
        token: member.location,
        state: member.state.to_string(),
        since: Timestamp(now.0.saturating_sub(u64::try_from(member.lasting.as_millis()).unwrap_or(u64::MAX))).into(),
        last_error: member.last_error,
    };
    let told = engine.key_stores().iter().map(|store| {
        let (description, members) = (store.describe(), store.health());
        KeyStoreHealth {
            name: description.name.to_string(),
            kind: description.kind.to_owned(),
            serves: members.iter().any(|member| member.state == MemberState::Up),
            tokens: members.into_iter().map(token).collect(),
        }
    });
    told.collect()
}

pub(crate) async fn who_am_i(context: &Context<'_>) -> Result<Reply, AdminError> {
    let caller = context.perform(inspect::WhoAmI).await?;
    let kind = match caller.principal {
        Principal::Operator { .. } => "operator",
        Principal::TenantRoot => "root",
        Principal::User { .. } => "user",
        Principal::Session(_) => "session",
        Principal::WebIdentity { .. } => "web identity",
        Principal::Service { .. } => "service",
        Principal::Internal { .. } => "internal",
    };
    Reply::ok(&WhoAmI {
        arn: caller.policy_name.to_string(),
        kind: kind.to_owned(),
        account: (!caller.account.is_empty()).then(|| caller.account.to_string()),
        access_key_id: caller.credential.as_ref().map(|credential| credential.shown.to_string()),
    })
}

/// An operator's word that the clock is right.
pub(crate) async fn confirm_clock(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    context.perform(ConfirmClock).await?;
    Ok(Reply::done())
}
