//! Roles that can be assumed, and token issuers. Everything else of a role is a principal's: it is the principal
//! `role/NAME`.

use strongroom_admin_api::{AssumableRole, CreateRole, Page, PageQuery, PutIssuer, TokenIssuer, UpdateRole};
use strongroom_authentication::mint;
use strongroom_engine::operations::alone::CheckAlone;
use strongroom_engine::operations::issuer::{DeleteTokenIssuer, ListTokenIssuers, PutTokenIssuer};
use strongroom_engine::operations::principal::{FindPrincipal, ListPrincipals, PrincipalKind};
use strongroom_engine::operations::role;
use strongroom_engine::{EngineError, Kind, Noun, PrincipalRow, RoleRow, TokenIssuerRow, role_reference};
use strongroom_identity::check_keys;
use strongroom_model::clock::Timestamp;

use crate::context::Context;
use crate::error::AdminError;
use crate::principals;
use crate::reply::Reply;

/// Seconds that a role's session may last, unless told otherwise.
const SESSION_SECONDS: u32 = 3600;

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateRole { name, trust_policy, session_seconds } = context.body()?;
    if context.is_alone() {
        return check_alone(context, Some(trust_policy)).await;
    }
    let tenant = context.tenant().await?;
    let detail = vec![("role", name.clone()), ("document", trust_policy.clone())];
    let policy_name = format!("arn:{}:iam::{}:role/{name}", context.admin.partition, context.segment("account"));
    let unique_id = mint::unique_id(&context.admin.engine, "AROA")?;
    let role = RoleRow::new(trust_policy, session_seconds.unwrap_or(SESSION_SECONDS));
    let made = role::CreateRole { tenant, name, policy_name, unique_id, role };
    Reply::created(&shown(context, &context.perform_telling(made, detail).await?)?)
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PageQuery { limit, after } = context.query()?;
    let tenant = context.tenant().await?;
    let page =
        context.perform(ListPrincipals { tenant, kind: PrincipalKind::Role, after, limit: limit.items() }).await?;
    let next = page.items.last().filter(|_| page.more).map(|row| row.name.clone());
    let items = page.items.iter().map(|row| shown(context, row)).collect::<Result<_, _>>()?;
    Reply::ok(&Page::<AssumableRole> { items, next })
}

pub(crate) async fn show(context: &Context<'_>) -> Result<Reply, AdminError> {
    let tenant = context.tenant().await?;
    let (row, _) = context.perform(FindPrincipal { tenant, name: role_reference(context.segment("role")) }).await?;
    Reply::ok(&shown(context, &row)?)
}

pub(crate) async fn update(context: &Context<'_>) -> Result<Reply, AdminError> {
    let UpdateRole { trust_policy, session_seconds } = context.body()?;
    if context.is_alone() {
        return check_alone(context, trust_policy).await;
    }
    let tenant = context.tenant().await?;
    let detail = trust_policy.iter().map(|document| ("document", document.clone())).collect();
    let update = role::UpdateRole { tenant, name: context.segment("role").to_owned(), trust_policy, session_seconds };
    Reply::ok(&shown(context, &context.perform_telling(update, detail).await?)?)
}

async fn check_alone(context: &Context<'_>, trust_policy: Option<String>) -> Result<Reply, AdminError> {
    let document = trust_policy.map(|trust| (trust, Kind::Trust));
    context.perform(CheckAlone { document, in_charge: None, tags: Vec::new() }).await?;
    Ok(Reply::done())
}

fn shown(context: &Context<'_>, row: &PrincipalRow) -> Result<AssumableRole, AdminError> {
    let missing = || EngineError::from(Noun::Principal(row.name.as_str().into()));
    let RoleRow { trust_policy, session_seconds, .. } = row.role.clone().ok_or_else(missing)?;
    Ok(AssumableRole { principal: principals::shown(context, row), session_seconds, trust_policy })
}

pub(crate) async fn put_issuer(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PutIssuer { audiences, keys, authorities } = context.body()?;
    if let Some(Err(error)) = keys.as_deref().map(check_keys) {
        return Err(AdminError::Keys(error));
    }
    let tenant = context.tenant().await?;
    let detail = keys.iter().map(|keys| ("keys", keys.clone()));
    let detail = detail.chain([("audiences", audiences.join(" "))]).collect();
    let issuer = context.segment("issuer").to_owned();
    let issuer = TokenIssuerRow { issuer, audiences, keys, authorities, created: Timestamp::default() };
    let row = context.perform_telling(PutTokenIssuer { tenant, issuer }, detail).await?;
    Reply::ok(&issuer_shown(context, row))
}

pub(crate) async fn list_issuers(context: &Context<'_>) -> Result<Reply, AdminError> {
    let tenant = context.tenant().await?;
    let rows = context.perform(ListTokenIssuers { tenant }).await?;
    let items = rows.into_iter().map(|row| issuer_shown(context, row)).collect();
    Reply::ok(&Page { items, next: None })
}

pub(crate) async fn delete_issuer(context: &Context<'_>) -> Result<Reply, AdminError> {
    let tenant = context.tenant().await?;
    context.perform(DeleteTokenIssuer { tenant, issuer: context.segment("issuer").to_owned() }).await?;
    Ok(Reply::done())
}

fn issuer_shown(context: &Context<'_>, row: TokenIssuerRow) -> TokenIssuer {
    let name = row.issuer.strip_prefix("https://").unwrap_or(&row.issuer);
    let (partition, account) = (&context.admin.partition, context.segment("account"));
    TokenIssuer {
        arn: format!("arn:{partition}:iam::{account}:oidc-provider/{name}"),
        audiences: row.audiences,
        fetched: row.keys.is_none(),
        out_of_reach: row.keys.is_none() && !context.admin.may_fetch(&row.issuer),
        created: row.created.into(),
        issuer: row.issuer,
    }
}
