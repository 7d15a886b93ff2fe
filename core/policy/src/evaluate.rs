//! Deciding a request.

use crate::attributes::{Attributes, ConditionKey, Value};
use crate::condition_keys::{Supplier, Values};
use crate::document::{CompiledPolicy, Kind};
use crate::grant::Grant;
use crate::principal::{Naming, Principal, Proved};
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
    /// What else was proved.
    pub proved: Proved<'a>,
    /// The condition keys that the request carries.
    pub attributes: &'a dyn Attributes,
    /// Whether the constraints of grants apply to this action.
    pub grant_constraints_apply: bool,
    /// Whether a principal of another account than the resource's can be allowed it at all (KMS Developer Guide, "Allowing
    /// users in other accounts to use a KMS key").
    pub crosses_accounts: bool,
}

impl<'a> Request<'a> {
    /// The value of a condition key, from whoever answers it.
    pub(crate) fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'a>> {
        let Some(known) = key.known() else { return self.attributes.value(key, index) };
        if index > 0 && known.values == Values::One {
            return None;
        }
        match known.supplier {
            Supplier::Request | Supplier::Surroundings => self.attributes.value(key, index),
            Supplier::Nobody => None,
            Supplier::Proof if known.values == Values::ByQualifier => {
                let mut tags = self.proved.principal_tags.iter().filter(|(tag, _)| key.qualifies(tag));
                tags.nth(index).map(|(_, value)| Value::Text(value))
            }
            Supplier::Proof if index == 0 => self.proved(key.name()),
            Supplier::Proof => None,
        }
    }

    /// The value of a key of [`Supplier::Proof`] that has one.
    fn proved(&self, name: &str) -> Option<Value<'a>> {
        use Principal::{AssumedRole, Internal, Root, Service, User, WebIdentity};
        let proved = self.proved;
        let text = match (name, self.principal) {
            ("aws:principalarn", Root { arn, .. } | User { arn, .. } | AssumedRole { role_arn: arn, .. }) => Some(arn),
            ("aws:principalaccount" | "kms:calleraccount", principal) => principal.account(),
            ("aws:principaltype", Root { .. }) => Some("Account"),
            ("aws:principaltype", User { .. }) => Some("User"),
            ("aws:principaltype", AssumedRole { .. }) => Some("AssumedRole"),
            ("aws:principalisawsservice", principal) => {
                return Some(Value::Bool(matches!(principal, Service { .. } | Internal)));
            }
            ("aws:principalservicename" | "aws:principalservicenameslist", Service { name }) => Some(name),
            ("aws:userid", Root { account: id, .. } | User { id, .. } | AssumedRole { id, .. }) => Some(id),
            ("aws:username", User { name, .. }) => Some(name),
            ("aws:federatedprovider", WebIdentity { provider }) => Some(provider),
            ("aws:federatedprovider", _) => proved.federated_provider,
            ("aws:sourceidentity", _) => proved.source_identity,
            ("aws:tokenissuetime", _) => return proved.token_issued.map(Value::Time),
            ("aws:sourcearn", _) => proved.source_arn,
            ("aws:sourceaccount", _) => proved.source_account,
            ("aws:viaawsservice", _) => return Some(Value::Bool(proved.via_service.is_some())),
            ("kms:viaservice", _) => proved.via_service,
            ("kms:grantisforawsresource", _) => {
                let about_grants = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"];
                let asks = about_grants.iter().any(|action| action.eq_ignore_ascii_case(self.action));
                return asks.then_some(Value::Bool(proved.via_service.is_some()));
            }
            ("aws:resourceaccount", _) => Some(self.resource_account),
            _ => None,
        };
        text.map(Value::Text)
    }
}

/// How the parts of a [`PolicySet`] combine to an allowance. Denials hold in every way of combining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Combining {
    /// As AWS combines key policies, identity policies and grants.
    #[default]
    Aws,
    /// A grant must allow. Policies only deny, but that identity policies allow what a grant gives to an account (KMS
    /// Developer Guide, "Retiring and revoking grants").
    GrantsOnly,
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
    /// The key policy, or the trust policy of the role that is asked for; `None` for actions on no resource, or on one that
    /// has none.
    pub resource_policy: Option<&'a CompiledPolicy>,
    /// The policies of the principal: a session's are its role's.
    pub identity_policies: &'a [CompiledPolicy],
    /// What the principal's policies can allow at most.
    pub permissions_boundary: Option<&'a CompiledPolicy>,
    /// What the session was begun with, of which one must allow; empty where it was begun without.
    pub session_policies: &'a [CompiledPolicy],
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
    /// The key policy or the trust policy.
    ResourcePolicy,
    /// A policy of the principal, by position.
    IdentityPolicy(usize),
    /// The permissions boundary.
    PermissionsBoundary,
    /// A session policy, by position.
    SessionPolicy(usize),
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
    /// The trust policy of the role.
    TrustPolicy,
    /// A policy of the principal.
    IdentityPolicy,
    /// The permissions boundary.
    PermissionsBoundary,
    /// A session policy.
    SessionPolicy,
}

/// What was missing for an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No identity-based policy allows the action; the resource's side would have allowed it.
    IdentityPolicyAllow,
    /// No resource-based policy (and no grant) allows the action.
    ResourcePolicyAllow,
    /// The role's trust policy does not allow the action.
    TrustPolicyAllow,
    /// The permissions boundary does not allow the action; everything else would have.
    PermissionsBoundaryAllow,
    /// No session policy allows the action; everything else would have.
    SessionPolicyAllow,
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

impl Outcome {
    /// Why a request was denied, in AWS's words (IAM User Guide, "Troubleshoot access denied error messages"), as they stand
    /// behind `User: ARN is not authorized to perform: ACTION on resource: ARN`; empty for what was allowed.
    #[must_use]
    pub fn reason(self, action: &str) -> String {
        match self {
            Self::Allow => String::new(),
            Self::ExplicitDeny(by) => {
                let policy = match by {
                    DeniedBy::Guardrail => "a service control policy",
                    DeniedBy::ResourcePolicy => "a resource-based policy",
                    DeniedBy::TrustPolicy => "the role trust policy",
                    DeniedBy::IdentityPolicy => "an identity-based policy",
                    DeniedBy::PermissionsBoundary => "a permissions boundary",
                    DeniedBy::SessionPolicy => "a session policy",
                };
                format!("with an explicit deny in {policy}")
            }
            Self::ImplicitDeny(missing) => {
                let policy = match missing {
                    Missing::IdentityPolicyAllow => "identity-based policy",
                    Missing::ResourcePolicyAllow => "resource-based policy",
                    Missing::TrustPolicyAllow => "role trust policy",
                    Missing::PermissionsBoundaryAllow => "permissions boundary",
                    Missing::SessionPolicyAllow => "session policy",
                };
                format!("because no {policy} allows the {action} action")
            }
        }
    }
}

/// A decision with the statements that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The decision.
    pub outcome: Outcome,
    /// Whether the principal is of another account than the resource. AWS tells such a principal less about a denial.
    pub cross_account: bool,
    deciding: Deciding<'a>,
}

impl<'a> Decision<'a> {
    /// Whether the request may proceed.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allow)
    }

    /// The statements that decided: one for a denial; for an allowance the key policy's, the identity policy's or a grant,
    /// then those of boundary and session where they had a say; none where nothing matched.
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
        Err((outcome, statement)) => (outcome, [statement, None, None, None]),
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

type Deciding<'a> = [Option<StatementRef<'a>>; 4];
type Denial<'a> = (Outcome, Option<StatementRef<'a>>);

/// The matching statements of one source, by how they name the principal.
#[derive(Default)]
struct Allowed<'a> {
    direct: Option<StatementRef<'a>>,
    role: Option<StatementRef<'a>>,
    account: Option<StatementRef<'a>>,
}

impl<'a> Allowed<'a> {
    fn any(&self) -> Option<StatementRef<'a>> {
        self.direct.or(self.role).or(self.account)
    }
}

/// What allows on each side, once nothing denies. The limits are `None` where there is no such policy.
struct Sides<'a> {
    resource: Allowed<'a>,
    identity: Option<StatementRef<'a>>,
    boundary: Option<Option<StatementRef<'a>>>,
    session: Option<Option<StatementRef<'a>>>,
}

impl<'a> Sides<'a> {
    /// An allowance by `first` and `second` that boundary and session still limit.
    fn limited(&self, first: StatementRef<'a>, second: Option<StatementRef<'a>>) -> Result<Deciding<'a>, Denial<'a>> {
        let deny = |missing| Err((Outcome::ImplicitDeny(missing), None));
        match (self.boundary, self.session) {
            (Some(None), _) => deny(Missing::PermissionsBoundaryAllow),
            (_, Some(None)) => deny(Missing::SessionPolicyAllow),
            (boundary, session) => Ok([Some(first), second, boundary.flatten(), session.flatten()]),
        }
    }
}

fn allowance<'a>(request: &Request<'_>, set: &PolicySet<'a>, cross: bool) -> Result<Deciding<'a>, Denial<'a>> {
    let mut none = Allowed::default();
    for (index, policy) in set.key_guardrails.iter().enumerate() {
        scan(request, policy, Source::KeyGuardrail(index), DeniedBy::Guardrail, &mut none)?;
    }
    for (index, policy) in set.tenant_guardrails.iter().enumerate() {
        scan(request, policy, Source::TenantGuardrail(index), DeniedBy::Guardrail, &mut none)?;
    }
    if request.principal == Principal::Internal {
        return Ok([Some(without_document(Source::Internal)), None, None, None]);
    }
    let sides = sides(request, set)?;
    if cross && !request.crosses_accounts {
        return Err((Outcome::ImplicitDeny(Missing::ResourcePolicyAllow), None));
    }
    match set.combining {
        Combining::Aws => combine(request, set, &sides, cross),
        Combining::GrantsOnly => by_grant(request, set, &sides, cross)
            .unwrap_or(Err((Outcome::ImplicitDeny(Missing::ResourcePolicyAllow), None))),
        Combining::IdentityOnly => match sides.identity {
            Some(statement) if !cross => sides.limited(statement, None),
            Some(_) => Err((Outcome::ImplicitDeny(Missing::ResourcePolicyAllow), None)),
            None => Err((Outcome::ImplicitDeny(Missing::IdentityPolicyAllow), None)),
        },
    }
}

/// Finds what allows on each side, and stops at what denies on any.
fn sides<'a>(request: &Request<'_>, set: &PolicySet<'a>) -> Result<Sides<'a>, Denial<'a>> {
    let mut resource = Allowed::default();
    if let Some(policy) = set.resource_policy {
        let denied_by = match policy.kind() {
            Kind::Trust => DeniedBy::TrustPolicy,
            _ => DeniedBy::ResourcePolicy,
        };
        scan(request, policy, Source::ResourcePolicy, denied_by, &mut resource)?;
    }
    let mut identity = Allowed::default();
    for (index, policy) in set.identity_policies.iter().enumerate() {
        scan(request, policy, Source::IdentityPolicy(index), DeniedBy::IdentityPolicy, &mut identity)?;
    }
    let mut boundary = Allowed::default();
    if let Some(policy) = set.permissions_boundary {
        scan(request, policy, Source::PermissionsBoundary, DeniedBy::PermissionsBoundary, &mut boundary)?;
    }
    let mut session = Allowed::default();
    for (index, policy) in set.session_policies.iter().enumerate() {
        scan(request, policy, Source::SessionPolicy(index), DeniedBy::SessionPolicy, &mut session)?;
    }
    Ok(Sides {
        resource,
        identity: match request.principal {
            Principal::Root { .. } => Some(without_document(Source::AccountRoot)),
            _ => identity.direct,
        },
        boundary: set.permissions_boundary.map(|_| boundary.direct),
        session: (!set.session_policies.is_empty()).then_some(session.direct),
    })
}

/// Combines as AWS does (IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Determining access").
fn combine<'a>(
    request: &Request<'_>,
    set: &PolicySet<'a>,
    sides: &Sides<'a>,
    cross_account: bool,
) -> Result<Deciding<'a>, Denial<'a>> {
    let resource = &sides.resource;
    let in_account = request.principal.account().is_some();
    let identity_alone = set.resource_policy.is_none() && in_account && !cross_account;
    let by_policy = match (resource.direct, resource.role, resource.any(), sides.identity) {
        (Some(direct), ..) if !cross_account => Some(Ok([Some(direct), None, None, None])),
        (_, Some(role), ..) if !cross_account => Some(sides.limited(role, None)),
        (.., Some(resource), Some(identity)) => Some(sides.limited(resource, Some(identity))),
        (.., Some(identity)) if identity_alone => Some(sides.limited(identity, None)),
        _ => None,
    };
    if let Some(Ok(allowed)) = by_policy {
        return Ok(allowed);
    }
    if let Some(decided) = by_grant(request, set, sides, cross_account) {
        return decided;
    }
    let missing = match set.resource_policy.map(CompiledPolicy::kind) {
        _ if identity_alone || (in_account && resource.any().is_some()) => Missing::IdentityPolicyAllow,
        Some(Kind::Trust) => Missing::TrustPolicyAllow,
        _ => Missing::ResourcePolicyAllow,
    };
    by_policy.unwrap_or(Err((Outcome::ImplicitDeny(missing), None)))
}

/// What the grant that names the principal most closely comes to; `None` where none fits.
fn by_grant<'a>(
    request: &Request<'_>,
    set: &PolicySet<'a>,
    sides: &Sides<'a>,
    cross_account: bool,
) -> Option<Result<Deciding<'a>, Denial<'a>>> {
    let grants = set.grants.iter().filter_map(|grant| Some((grant.examine(request).ok()?, grant)));
    let (naming, grant) = grants.max_by_key(|(naming, _)| *naming)?;
    let grant = without_document(Source::Grant(grant.id()));
    Some(match (naming, sides.identity) {
        (Naming::Direct, _) if !cross_account => Ok([Some(grant), None, None, None]),
        (Naming::Direct | Naming::Role, _) => sides.limited(grant, None),
        (Naming::Account, Some(identity)) => sides.limited(grant, Some(identity)),
        (Naming::Account, None) => Err((Outcome::ImplicitDeny(Missing::IdentityPolicyAllow), None)),
    })
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
            (Effect::Allow, Naming::Role) => allowed.role = allowed.role.or(found),
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
