//! Access keys.

use std::borrow::Cow;
use std::time::Duration;

use strongroom_admin_api::{AccessKey, AccessKeyQuery, CreateAccessKey, NewAccessKey, Page, State, Time, limits};
use strongroom_authentication::mint;
use strongroom_engine::operations::credential::{ChangeCredential, CreateCredential, Fate, ListCredentials};
use strongroom_engine::{CredentialRow, SecretBytes, service_reference};

use strongroom_model::clock::Timestamp;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;
use crate::tenants::Empty;

pub(crate) const SUSPEND: Fate = Fate::Suspended;
pub(crate) const RESUME: Fate = Fate::Resumed;
pub(crate) const DELETE: Fate = Fate::Deleted;

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let CreateAccessKey { principal, lifetime_seconds } = context.body()?;
    // AWS takes no shorter secret for a key store than that of a service is.
    let of_service = principal.as_ref().is_some_and(|name| name.starts_with(&service_reference("")));
    let engine = &context.admin.engine;
    let secret = if of_service { mint::service_secret(engine)? } else { mint::secret_access_key(engine)? };
    make(context, principal, lifetime_seconds, secret).await
}

/// Makes an access key with a secret that was drawn for it.
pub(crate) async fn make(
    context: &Context<'_>,
    principal: Option<String>,
    lifetime_seconds: Option<u64>,
    secret: SecretBytes,
) -> Result<Reply, AdminError> {
    let within = |seconds: &u64| (1..=limits::ACCESS_KEY_SECONDS).contains(seconds);
    if !lifetime_seconds.as_ref().is_none_or(within) {
        return Err(AdminError::Value { field: "lifetime_seconds", problem: "must be from 1 to ten years" });
    }
    let tenant = context.holder().await?;
    let engine = &context.admin.engine;
    let shown_half = mint::unique(engine, "AKIA")?;
    // The engine takes the secret for good; what is shown once is this copy.
    let shown_once = SecretBytes::copy_from(secret.expose());
    let mut detail = vec![("access_key_id", shown_half.clone())];
    detail.extend(principal.iter().map(|name| ("principal", name.clone())));
    let expires = lifetime_seconds.map(|seconds| engine.clock().now().after(Duration::from_secs(seconds)));
    let make = CreateCredential { tenant, principal: principal.clone(), shown: shown_half, secret, expires };
    let row = context.perform_telling(make, detail).await?;
    let access_key = shown(context, &row, None, principal);
    let secret_access_key = Cow::Borrowed(str::from_utf8(shown_once.expose()).map_err(|_| AdminError::Answer)?);
    Reply::created(&NewAccessKey { access_key, secret_access_key })
}

pub(crate) async fn list(context: &Context<'_>) -> Result<Reply, AdminError> {
    let AccessKeyQuery { principal } = context.query()?;
    let tenant = context.holder().await?;
    let rows = context.perform(ListCredentials { tenant, principal: principal.clone() }).await?;
    let items = rows.iter().map(|(row, used)| shown(context, row, *used, principal.clone())).collect();
    Reply::ok(&Page { items, next: None })
}

pub(crate) async fn change(context: &Context<'_>, fate: Fate) -> Result<Reply, AdminError> {
    let Empty {} = context.body()?;
    let tenant = context.holder().await?;
    let shown = context.segment("access_key_id").to_owned();
    context.perform(ChangeCredential { tenant, shown, fate }).await?;
    Ok(Reply::done())
}

pub(crate) fn shown(
    context: &Context<'_>,
    row: &CredentialRow,
    used: Option<Timestamp>,
    principal: Option<String>,
) -> AccessKey {
    let lapsed = row.expires.is_some_and(|expires| expires <= context.admin.engine.clock().now());
    AccessKey {
        access_key_id: row.shown.clone(),
        account: context.segment("account").to_owned(),
        principal,
        state: if lapsed { State::Expired } else { State::suspended(row.suspended) },
        created: row.created.into(),
        expires: row.expires.map(Time::from),
        last_used: used.map(Time::from),
    }
}
