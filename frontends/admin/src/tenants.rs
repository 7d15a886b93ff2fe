//! Tenants.

use strongroom_admin_api::{CreateTenant, Page, PageQuery, RotatedDomainKey, State, Tenant};
use strongroom_engine::TenantRow;
use strongroom_engine::operations::domain_key::RotateDomainKey;
use strongroom_engine::operations::listing::ReadTenant;
use strongroom_engine::operations::tenant::{self, ListTenants, SuspendTenant};

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateTenant { account, name } = context.body()?;
    let detail = vec![("account", account.clone()), ("name", name.clone())];
    let root_name = format!("arn:{}:iam::{account}:root", context.admin.partition);
    let row = context.perform_telling(tenant::CreateTenant { account, name, root_name }, detail).await?;
    Reply::created(&shown(&row))
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let page = context.perform(ListTenants { after, limit: limit.items() }).await?;
    let items: Vec<Tenant> = page.items.iter().map(shown).collect();
    let next = items.last().filter(|_| page.more).map(|tenant| tenant.account.clone());
    Reply::ok(&Page { items, next })
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let tenant = context.tenant().await?;
    Reply::ok(&shown(&context.perform(ReadTenant { tenant }).await?))
}

pub(crate) async fn suspend(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let tenant = context.tenant().await?;
    Reply::ok(&shown(&context.perform(SuspendTenant { tenant, suspended }).await?))
}

pub(crate) async fn rotate_domain_key(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let tenant = context.tenant().await?;
    let domain_key = context.perform(RotateDomainKey { tenant }).await?.to_string();
    Reply::created(&RotatedDomainKey { domain_key })
}

/// A request that says nothing beyond its path.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {}

fn shown(row: &TenantRow) -> Tenant {
    Tenant {
        account: row.account.clone(),
        name: row.name.clone(),
        arn: row.root_name.clone(),
        id: row.id.to_string(),
        state: State::suspended(row.suspended),
        created: row.created.into(),
    }
}
