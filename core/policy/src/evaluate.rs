//! Deciding a request.

use crate::attributes::{Attributes, ConditionKey, Value};
use crate::document::CompiledPolicy;
use crate::grant::Grant;
use crate::principal::{Naming, Principal};
use crate::statement::{Effect, Statement};

/// A request to decide: one action on one resource.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `service:Name`, such as `kms:Encrypt`; compared ignoring case.
    pub action: &'a str,
    /// The ARN of the resource, or `*` for actions on none in particular.
    pub resource: &'a str,
    /// The account that owns the resource; for `*`, the account in which the action happens.
    pub resource_account: &'a str,
    /// Who asks.
    pub principal: Principal<'a>,
    /// The condition keys that the request carries.
    pub attributes: &'a dyn Attributes,
    /// Whether the constraints of grants apply to this action.
    pub grant_constraints_apply: bool,
}

impl<'a> Request<'a> {
    /// The value of a condition key; what follows from the proven principal is never asked of the attributes.
    pub(crate) fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'a>> {
        use Principal::{AssumedRole, Internal, Root, Service, User};
        let text = match (key.name(), self.principal) {
            ("aws:principalarn", Root { arn, .. } | User { arn, .. } | AssumedRole { role_arn: arn, .. }) => Some(arn),
            ("aws:principalaccount", principal) => principal.account(),
            ("aws:principaltype", Root { .. }) => Some("Account"),
            ("aws:principaltype", User { .. }) => Some("User"),
            ("aws:principaltype", AssumedRole { .. }) => Some("AssumedRole"),
            ("aws:principalisawsservice", Service { .. } | Internal) => Some("true"),
            ("aws:principalisawsservice", _) => Some("false"),
            ("aws:principalservicename", Service { name }) => Some(name),
            ("aws:userid", Root { account: id, .. } | User { id, .. } | AssumedRole { id, .. }) => Some(id),
            ("aws:username", User { name, .. }) => Some(name),
            ("aws:resourceaccount", _) => Some(self.resource_account),
            (
                "aws:principalarn" | "aws:principaltype" | "aws:principalservicename" | "aws:userid" | "aws:username",
                _,
            ) => None,
            _ => return self.attributes.value(key, index),
        };
        text.filter(|_| index == 0).map(Value::Text)
    }
}

/// How the parts of a [`PolicySet`] combine to an allowance. Denials hold in every way of combining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Combining {
    /// As AWS combines key policies, identity policies and grants.
    #[default]
    Aws,
    /// An identity policy must allow; resource policies and grants allow nothing. So nothing is allowed outside the
    /// principal's own account, which no identity policy speaks for.
    IdentityOnly,
}

/// Everything that may decide a request.
#[derive(Clone, Copy, Default)]
pub struct PolicySet<'a> {
    /// Guardrails of the key.
    pub key_guardrails: &'a [CompiledPolicy],
    /// Guardrails of the tenant.
    pub tenant_guardrails: &'a [CompiledPolicy],
    /// The key policy; `None` for actions on no resource, or on one that has none.
    pub resource_policy: Option<&'a CompiledPolicy>,
    /// The policies of the principal.
    pub identity_policies: &'a [CompiledPolicy],
    /// The live grants of the key; those of other grantees are passed over.
    pub grants: &'a [Grant],
    /// How these combine.
    pub combining: Combining,
}

/// Where a deciding statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// A guardrail of the key, by position.
    KeyGuardrail(usize),
    /// A guardrail of the tenant, by position.
    TenantGuardrail(usize),
    /// The key policy.
    ResourcePolicy,
    /// A policy of the principal, by position.
    IdentityPolicy(usize),
    /// A grant, by id.
    Grant(&'a str),
    /// No document: the root of an account needs no policy of its own account.
    AccountRoot,
    /// No document: the installation's own machinery.
    Internal,
}

/// A statement that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementRef<'a> {
    /// The policy.
    pub source: Source<'a>,
    /// The statement's position in it, counted from 0; 0 where there is no document.
    pub index: usize,
    /// The statement's `Sid`.
    pub sid: Option<&'a str>,
}

/// Which kind of policy denied explicitly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedBy {
    /// A guardrail of key or tenant, as AWS's service control policies.
    Guardrail,
    /// The key policy.
    ResourcePolicy,
    /// A policy of the principal.
    IdentityPolicy,
}

/// What was missing for an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No identity-based policy allows the action; the resource's side would have allowed it.
    IdentityPolicyAllow,
    /// No resource-based policy (and no grant) allows the action.
    ResourcePolicyAllow,
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed.
    Allow,
    /// Denied by a statement.
    ExplicitDeny(DeniedBy),
    /// Denied since nothing allows it.
    ImplicitDeny(Missing),
}

/// A decision with the statements that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The decision.
    pub outcome: Outcome,
    /// Whether the principal is of another account than the resource. AWS tells such a principal less about a denial.
    pub cross_account: bool,
    deciding: [Option<StatementRef<'a>>; 2],
}

impl<'a> Decision<'a> {
    /// Whether the request may proceed.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allow)
    }

    /// The statements that decided: one for a denial, one or two (key policy, then identity policy) for an allowance,
    /// none where nothing matched.
    pub fn deciding(&self) -> impl Iterator<Item = StatementRef<'a>> {
        self.deciding.into_iter().flatten()
    }
}

/// Decides a request. Allocates only where a policy variable is expanded. The order is that of the crate's documentation.
#[must_use]
pub fn evaluate<'a>(request: &Request<'_>, set: &PolicySet<'a>) -> Decision<'a> {
    let cross_account = request.principal.account().is_some_and(|account| account != request.resource_account);
    let (outcome, deciding) = match allowance(request, set, cross_account) {
        Ok(deciding) => (Outcome::Allow, deciding),
        Err((outcome, statement)) => (outcome, [statement, None]),
    };
    Decision { outcome, cross_account, deciding }
}

/// Whether a principal could still do `request` (in AWS, `PutKeyPolicy`) once `replacement` is the key policy. Grants
/// are left out: they end, and none of them may replace a policy.
#[must_use]
pub fn allows_future_put(replacement: &CompiledPolicy, request: &Request<'_>, set: &PolicySet<'_>) -> bool {
    let set = PolicySet { resource_policy: Some(replacement), grants: &[], ..*set };
    evaluate(request, &set).is_allowed()
}

type Deciding<'a> = [Option<StatementRef<'a>>; 2];
type Denial<'a> = (Outcome, Option<StatementRef<'a>>);

/// The matching statements of one source, by how they name the principal.
#[derive(Default)]
struct Allowed<'a> {
    direct: Option<StatementRef<'a>>,
    account: Option<StatementRef<'a>>,
}

fn allowance<'a>(request: &Request<'_>, set: &PolicySet<'a>, cross: bool) -> Result<Deciding<'a>, Denial<'a>> {
    for (index, policy) in set.key_guardrails.iter().enumerate() {
        scan(request, policy, Source::KeyGuardrail(index), DeniedBy::Guardrail, &mut Allowed::default())?;
    }
    for (index, policy) in set.tenant_guardrails.iter().enumerate() {
        scan(request, policy, Source::TenantGuardrail(index), DeniedBy::Guardrail, &mut Allowed::default())?;
    }
    if request.principal == Principal::Internal {
        return Ok([Some(without_document(Source::Internal)), None]);
    }
    let mut resource = Allowed::default();
    if let Some(policy) = set.resource_policy {
        scan(request, policy, Source::ResourcePolicy, DeniedBy::ResourcePolicy, &mut resource)?;
    }
    let mut identity = Allowed::default();
    for (index, policy) in set.identity_policies.iter().enumerate() {
        scan(request, policy, Source::IdentityPolicy(index), DeniedBy::IdentityPolicy, &mut identity)?;
    }
    let identity = match request.principal {
        Principal::Root { .. } => Some(without_document(Source::AccountRoot)),
        _ => identity.direct,
    };
    match set.combining {
        Combining::Aws => combine(request, set, &resource, identity, cross),
        Combining::IdentityOnly => match identity {
            Some(statement) if !cross => Ok([Some(statement), None]),
            Some(_) => Err((Outcome::ImplicitDeny(Missing::ResourcePolicyAllow), None)),
            None => Err((Outcome::ImplicitDeny(Missing::IdentityPolicyAllow), None)),
        },
    }
}

/// Combines as AWS does (IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Determining access").
fn combine<'a>(
    request: &Request<'_>,
    set: &PolicySet<'a>,
    resource: &Allowed<'a>,
    identity: Option<StatementRef<'a>>,
    cross_account: bool,
) -> Result<Deciding<'a>, Denial<'a>> {
    let in_account = request.principal.account().is_some();
    match (resource.direct, resource.account.or(resource.direct), identity) {
        (Some(direct), ..) if !cross_account => return Ok([Some(direct), None]),
        (_, Some(delegating), Some(identity)) => return Ok([Some(delegating), Some(identity)]),
        (.., Some(identity)) if set.resource_policy.is_none() && in_account && !cross_account => {
            return Ok([Some(identity), None]);
        }
        _ => {}
    }
    if let Some(grant) = set.grants.iter().find(|grant| grant.examine(request).is_ok()) {
        return Ok([Some(without_document(Source::Grant(grant.id()))), None]);
    }
    let resource_allows = resource.direct.or(resource.account).is_some();
    let identity_alone = set.resource_policy.is_none() && in_account && !cross_account;
    let missing = match resource_allows || identity_alone {
        true => Missing::IdentityPolicyAllow,
        false => Missing::ResourcePolicyAllow,
    };
    Err((Outcome::ImplicitDeny(missing), None))
}

/// Finds what allows in one policy, and stops at what denies.
fn scan<'a>(
    request: &Request<'_>,
    policy: &'a CompiledPolicy,
    source: Source<'a>,
    denied_by: DeniedBy,
    allowed: &mut Allowed<'a>,
) -> Result<(), Denial<'a>> {
    for (index, statement) in policy.statements.iter().enumerate() {
        // An allowance of the strongest kind needs no second; a denial is always looked for.
        if statement.effect == Effect::Allow && allowed.direct.is_some() {
            continue;
        }
        let Ok(naming) = statement.examine(request) else { continue };
        let found = Some(reference(source, index, statement));
        match (statement.effect, naming) {
            (Effect::Deny, _) => return Err((Outcome::ExplicitDeny(denied_by), found)),
            (Effect::Allow, Naming::Direct) => allowed.direct = found,
            (Effect::Allow, Naming::Account) => allowed.account = allowed.account.or(found),
        }
    }
    Ok(())
}

pub(crate) fn reference<'a>(source: Source<'a>, index: usize, statement: &'a Statement) -> StatementRef<'a> {
    StatementRef { source, index, sid: statement.sid.as_deref() }
}

fn without_document(source: Source<'_>) -> StatementRef<'_> {
    StatementRef { source, index: 0, sid: None }
}
