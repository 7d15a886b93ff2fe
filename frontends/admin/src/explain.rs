//! Why a request would be allowed or denied, in the language of any front end of this build.

use std::sync::Arc;

use strongroom_admin_api::{Condition, Explain, ExplainedStatement, Explanation};
use strongroom_engine::operations::explain::ExplainRequest;
use strongroom_engine::{Attributes, ConditionKey, DeniedBy, Dialect, KeyReference, Missing, PolicyOutcome, Value};
use strongroom_model::action::Action;
use strongroom_model::id::{GrantId, TenantId};
use strongroom_model::name::Name;

use crate::bindings::bounded;
use crate::context::{Context, key_id};
use crate::dialect::AdminDialect;
use crate::error::AdminError;
use crate::reply::Reply;

pub(crate) async fn explain(context: &Context<'_>) -> Result<Reply, AdminError> {
    let asked: Explain = context.body()?;
    let (dialect, action) = find(context, &asked.action).ok_or(AdminError::UnknownAction(asked.action))?;
    let tenant = context.tenant().await?;
    let key = match (asked.key.as_deref(), asked.name) {
        (Some(_), Some(_)) => return Err(AdminError::Value { field: "name", problem: "must not stand beside key" }),
        (Some(id), None) => Some(KeyReference::Id(key_id(id)?)),
        (None, Some(text)) => Some(KeyReference::Name(named(tenant, dialect, text, asked.region.as_deref())?)),
        (None, None) => None,
    };
    let grant = match asked.grant.as_deref() {
        Some(_) if action != Action::RetireGrant || key.is_none() => {
            return Err(AdminError::Value { field: "grant", problem: "must stand beside a key, and for retiring it" });
        }
        Some(id) => Some(GrantId::from_hex(id).ok_or(AdminError::Value {
            field: "grant",
            problem: "must be the id of a grant, as the key's grants are listed",
        })?),
        None => None,
    };
    let attributes = Stated { conditions: asked.conditions, context: asked.encryption_context };
    let explained = context
        .perform(ExplainRequest {
            tenant,
            principal: asked.principal,
            dialect,
            action,
            key,
            grant,
            on_principal: asked.on_principal,
            region: asked.region.map(Arc::from),
            attributes: Arc::new(attributes),
        })
        .await?;
    let statements = explained.statements.into_iter().map(|statement| ExplainedStatement {
        policy: statement.place,
        index: statement.index,
        sid: statement.sid,
        effect: if statement.allows { "Allow" } else { "Deny" }.to_owned(),
        matched: statement.matched,
        decided: statement.decided,
        because: statement.because,
    });
    Reply::ok(&Explanation {
        allowed: explained.outcome == PolicyOutcome::Allow,
        reason: reason(explained.outcome).to_owned(),
        principal: explained.principal.into(),
        action: explained.action.to_owned(),
        resource: explained.resource.to_string(),
        statements: statements.collect(),
    })
}

/// A key's name of the front end that the action is of.
fn named(
    tenant: TenantId,
    dialect: &'static dyn Dialect,
    text: String,
    region: Option<&str>,
) -> Result<Name, AdminError> {
    let kind = dialect.kinds().iter().find(|kind| (kind.is_name)(&text));
    let kind = kind.ok_or(AdminError::Value { field: "name", problem: "must be one of the action's front end" })?;
    let region = region.ok_or(AdminError::Value { field: "region", problem: "must be given with a name" })?;
    bounded(tenant, region.to_owned(), kind.kind, text)
}

/// The front end and the action that policies call by this name, in any case.
fn find(context: &Context<'_>, name: &str) -> Option<(&'static dyn Dialect, Action)> {
    let own: &'static dyn Dialect = &AdminDialect;
    context.admin.dialects.iter().copied().chain([own]).find_map(|dialect| {
        let named = Action::ALL.iter().find(|action| dialect.action(**action).eq_ignore_ascii_case(name));
        named.map(|action| (dialect, *action))
    })
}

const fn reason(outcome: PolicyOutcome) -> &'static str {
    match outcome {
        PolicyOutcome::Allow => "allowed",
        PolicyOutcome::ExplicitDeny(DeniedBy::Guardrail) => "denied by a statement of a guardrail",
        PolicyOutcome::ExplicitDeny(DeniedBy::ResourcePolicy) => "denied by a statement of the key policy",
        PolicyOutcome::ExplicitDeny(DeniedBy::IdentityPolicy) => "denied by a statement of an identity policy",
        PolicyOutcome::ExplicitDeny(DeniedBy::TrustPolicy) => "denied by a statement of the trust policy",
        PolicyOutcome::ExplicitDeny(DeniedBy::PermissionsBoundary) => {
            "denied by a statement of the permissions boundary"
        }
        PolicyOutcome::ExplicitDeny(DeniedBy::SessionPolicy) => "denied by a statement of a session policy",
        PolicyOutcome::ImplicitDeny(Missing::TrustPolicyAllow) => "denied: the trust policy does not allow it",
        PolicyOutcome::ImplicitDeny(Missing::PermissionsBoundaryAllow) => {
            "denied: the permissions boundary does not allow it"
        }
        PolicyOutcome::ImplicitDeny(Missing::SessionPolicyAllow) => "denied: no session policy allows it",
        PolicyOutcome::ImplicitDeny(Missing::IdentityPolicyAllow) => "denied: no identity policy allows it",
        PolicyOutcome::ImplicitDeny(Missing::ResourcePolicyAllow) => {
            "denied: neither the key policy nor a grant allows it, or the key is of another tenant"
        }
    }
}

/// What the request would carry, as the asker states it.
struct Stated {
    conditions: Vec<Condition>,
    context: Vec<Condition>,
}

impl Attributes for Stated {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let stated = self.conditions.iter().filter(|stated| stated.name.eq_ignore_ascii_case(key.as_written()));
        let pairs = self.context.iter().filter(|pair| match key.name() {
            "kms:encryptioncontext" => key.qualifies(&pair.name),
            _ => false,
        });
        let names = self.context.iter().filter(|_| key.name() == "kms:encryptioncontextkeys");
        let values = stated.chain(pairs).map(|stated| &stated.value).chain(names.map(|pair| &pair.name));
        values.map(|value| Value::Text(value)).nth(index)
    }

    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        self.context.get(index).map(|pair| (pair.name.as_str(), pair.value.as_str()))
    }
}
