//! Principals and the policies attached to them.

use strongroom_admin_api::{
    AttachedPolicy, CreatePrincipal, Page, PageQuery, Policy, Principal, PrincipalDetail, PutPolicy, State,
};
use strongroom_authentication::mint;
use strongroom_engine::operations::alone::CheckAlone;
use strongroom_engine::operations::principal::{
    self, DeletePrincipal, FindPrincipal, ListPrincipals, PrincipalKind, PutIdentityPolicy, SuspendPrincipal,
};
use strongroom_engine::{EngineError, IdentityPolicyRow, Kind, Noun, PrincipalRow};
use strongroom_model::id::TenantId;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;
use crate::tenants::Empty;
use crate::warnings;

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreatePrincipal { name } = context.body()?;
    let tenant = context.holder().await?;
    let detail = vec![("principal", name.clone())];
    let policy_name = match tenant {
        TenantId::INSTALLATION => name.clone(),
        _ => format!("arn:{}:iam::{}:user/{name}", context.admin.partition, context.segment("account")),
    };
    let unique_id = mint::unique_id(&context.admin.engine, "AIDA")?;
    let made = principal::CreatePrincipal { tenant, name, policy_name, unique_id };
    Reply::created(&shown(context, &context.perform_telling(made, detail).await?))
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.holder().await?;
    let page =
        context.perform(ListPrincipals { tenant, kind: PrincipalKind::User, after, limit: limit.items() }).await?;
    let items: Vec<Principal> = page.items.iter().map(|row| shown(context, row)).collect();
    let next = items.last().filter(|_| page.more).map(|principal| principal.name.clone());
    Reply::ok(&Page { items, next })
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (row, policies) = find(context).await?;
    let policies = policies.into_iter().map(|policy| policy.name).collect();
    Reply::ok(&PrincipalDetail { principal: shown(context, &row), policies })
}

pub(crate) async fn delete(context: &Context<'_>) -> Result<Reply, AdminError> {
    let tenant = context.holder().await?;
    context.perform(DeletePrincipal { tenant, name: name(context) }).await?;
    Ok(Reply::done())
}

pub(crate) async fn suspend(context: &Context<'_>, suspended: bool) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let tenant = context.holder().await?;
    let row = context.perform(SuspendPrincipal { tenant, name: name(context), suspended }).await?;
    Reply::ok(&shown(context, &row))
}

pub(crate) async fn policies(context: &Context<'_>) -> Result<Reply, AdminError> {
    let (_, policies) = find(context).await?;
    let items = policies.into_iter().map(|IdentityPolicyRow { name, document }| Policy { name, document });
    Reply::ok(&Page { items: items.collect(), next: None })
}

pub(crate) async fn policy(context: &Context<'_>) -> Result<Reply, AdminError> {
    let wanted = context.segment("policy");
    let (_, policies) = find(context).await?;
    let found = policies.into_iter().find(|policy| policy.name == wanted);
    let missing = || EngineError::from(Noun::Policy(wanted.into()));
    let IdentityPolicyRow { name, document } = found.ok_or_else(missing)?;
    Reply::ok(&Policy { name, document })
}

pub(crate) async fn put_policy(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PutPolicy { document } = context.body()?;
    put(context, Some(document.clone())).await?;
    // Only of what may be attached: looking for them costs something.
    Reply::ok(&AttachedPolicy { warnings: warnings::of(context, &document) })
}

pub(crate) async fn delete_policy(context: &Context<'_>) -> Result<Reply, AdminError> {
    put(context, None).await?;
    Ok(Reply::done())
}

async fn put(context: &Context<'_>, document: Option<String>) -> Result<(), AdminError> {
    if context.is_alone() {
        let document = document.map(|document| (document, Kind::Identity));
        return context.perform(CheckAlone { document, in_charge: None, tags: Vec::new() }).await;
    }
    let tenant = context.tenant().await?;
    // The record tells what was attached: one that is too long for it leaves its digest there.
    let detail = document.iter().map(|document| ("document", document.clone())).collect();
    let policy = context.segment("policy").to_owned();
    let put = PutIdentityPolicy { tenant, principal: name(context), name: policy, document };
    context.perform_telling(put, detail).await?;
    Ok(())
}

async fn find(context: &Context<'_>) -> Result<(PrincipalRow, Vec<IdentityPolicyRow>), AdminError> {
    let tenant = context.holder().await?;
    context.perform(FindPrincipal { tenant, name: name(context) }).await
}

fn name(context: &Context<'_>) -> String {
    context.segment("principal").to_owned()
}

pub(crate) fn shown(context: &Context<'_>, row: &PrincipalRow) -> Principal {
    Principal {
        account: context.segment("account").to_owned(),
        name: row.reference(),
        arn: row.policy_name.clone(),
        unique_id: row.unique_id.clone(),
        state: State::suspended(row.suspended),
        created: row.created.into(),
    }
}
