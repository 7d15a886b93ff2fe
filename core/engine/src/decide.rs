//! Deciding a demand: gathers what may decide it and asks the policy room.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal};
use strongroom_model::name::Name;
use strongroom_policy::{
    Attributes, Combining, CompiledPolicy, ConditionKey, Constraints, Effect, Grant, Grantee, Missing, Outcome,
    PolicySet, Proved, Request, Source, StatementRef, Value, Verdict,
};

use crate::Engine;
use crate::call::{Call, Facts, UsageOf};
use crate::catalog::{KeyEntry, PrincipalEntry};
use crate::error::{Denial, EngineError, Noun};
use crate::grants::known_as;
use crate::operation::{Halt, KeyHandle};
use crate::rows::GrantRow;
use crate::workers::Ground;

/// What was decided, for the record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decided {
    pub(crate) allowed: bool,
    /// The statements that decided, e.g. `key-policy[0] EnableRoot`.
    pub(crate) statements: Vec<String>,
    pub(crate) missing: &'static str,
}

/// What would decide a request, and how each statement met it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Who would ask, as policies name them.
    pub principal: Box<str>,
    /// For what, as the front end names it.
    pub action: &'static str,
    /// On what, as the front end names it.
    pub resource: Arc<str>,
    /// What would be decided.
    pub outcome: Outcome,
    /// The statements, in the order in which they count.
    pub statements: Vec<ExplainedStatement>,
}

/// How one statement met a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStatement {
    /// The policy that it stands in, as records name it.
    pub place: String,
    /// Its position there, counted from 0.
    pub index: usize,
    /// Its `Sid`.
    pub sid: Option<String>,
    /// Whether it allows, as opposed to denies.
    pub allows: bool,
    /// Whether it matched.
    pub matched: bool,
    /// Whether it was among those that decided.
    pub decided: bool,
    /// Which part of it did not match; empty where it matched.
    pub because: String,
}

/// What a demand is about, once resolved.
pub(crate) struct Subject<'a> {
    pub(crate) action: Action,
    pub(crate) resource: &'a str,
    pub(crate) account: &'a str,
    pub(crate) key: Option<&'a KeyEntry>,
    /// The role of which a session is asked for.
    pub(crate) role: Option<&'a PrincipalEntry>,
    pub(crate) asked: Option<&'a Name>,
    pub(crate) keys: &'a [KeyHandle],
    /// What the request carries for this demand, where that is not what it carries as a whole.
    pub(crate) attributes: Option<&'a (dyn Attributes + Send + Sync)>,
    /// The grant that is to be given up; where none is told, one that speaks of nobody.
    pub(crate) retired: Option<&'a GrantRow>,
}

impl<'a> Subject<'a> {
    fn facts(&self, call: &'a Call, now: i64, usage: Option<UsageOf<'a>>) -> Facts<'a> {
        Facts { call, key: self.key, asked: self.asked, keys: self.keys, now, usage }
    }
}

impl Engine {
    /// Decides a demand. A denial is an error, told in `decided` too.
    pub(crate) fn decide(
        &self,
        call: &Call,
        subject: &Subject<'_>,
        now: i64,
        ground: Ground,
        decided: &mut Decided,
    ) -> Result<(), Halt> {
        let principal = self.principal_of(&call.caller, ground)?;
        let facts = Attached::new(call, subject, now, self.usage_of_subject(subject, ground)?);
        let request = request(call, subject, &facts);
        let session_policies = self.session_policies(&call.caller)?;
        let mut set = self.policy_set(call, subject, principal.as_deref(), &session_policies);
        let mut decision = strongroom_policy::evaluate(&request, &set);
        let grants;
        if let (Outcome::ImplicitDeny(_), Some(key)) = (decision.outcome, subject.key) {
            grants = self.grants_for(call, subject, key, ground)?;
            if !grants.is_empty() {
                set.grants = &grants;
                decision = strongroom_policy::evaluate(&request, &set);
            }
        }
        decided.allowed = decision.is_allowed();
        decided.statements.extend(
            decision.deciding().map(|statement| named(&statement, principal.as_deref(), subject.role.is_some())),
        );
        if decided.allowed {
            return Ok(());
        }
        decided.missing = missing(decision.outcome);
        Err(EngineError::Denied(Box::new(Denial {
            principal: Box::from(&*call.caller.policy_name),
            action: call.dialect.action(subject.action),
            resource: subject.resource.into(),
            outcome: decision.outcome,
            cross_account: decision.cross_account,
        }))
        .into())
    }

    /// Says what would be decided, and of every statement whether it matched, and why not. Reads the store.
    pub(crate) fn explain(&self, call: &Call, subject: &Subject<'_>, now: i64) -> Result<Explained, Halt> {
        let principal = self.principal_of(&call.caller, Ground::Worker)?;
        let facts = Attached::new(call, subject, now, self.usage_of_subject(subject, Ground::Worker)?);
        let request = request(call, subject, &facts);
        let session_policies = self.session_policies(&call.caller)?;
        let mut set = self.policy_set(call, subject, principal.as_deref(), &session_policies);
        let grants = match subject.key {
            Some(key) => self.grants_for(call, subject, key, Ground::Worker)?,
            None => Vec::new(),
        };
        set.grants = &grants;
        let explanation = strongroom_policy::explain(&request, &set);
        let decision = explanation.decision;
        let statements = explanation.statements.iter().map(|report| {
            let matched = matches!(report.verdict, Verdict::Matched | Verdict::MatchedAccount);
            ExplainedStatement {
                place: place(&report.statement, principal.as_deref(), subject.role.is_some()),
                index: report.statement.index,
                sid: report.statement.sid.map(str::to_owned),
                allows: report.effect == Effect::Allow,
                matched,
                // One grant may stand for several: who may give it up is one of three.
                decided: matched && decision.deciding().any(|deciding| deciding == report.statement),
                because: mismatch(&report.verdict),
            }
        });
        let mut statements: Vec<_> = statements.collect();
        let undocumented =
            decision.deciding().filter(|deciding| matches!(deciding.source, Source::AccountRoot | Source::Internal));
        statements.extend(undocumented.map(|deciding| ExplainedStatement {
            place: place(&deciding, principal.as_deref(), false),
            index: 0,
            sid: None,
            allows: true,
            matched: true,
            decided: true,
            because: String::new(),
        }));
        Ok(Explained {
            principal: Box::from(&*call.caller.policy_name),
            action: call.dialect.action(subject.action),
            resource: subject.resource.into(),
            outcome: decision.outcome,
            statements,
        })
    }

    /// Whether the caller could still replace the policy of `subject`'s key if it were `replacement`.
    pub(crate) fn could_still_govern(
        &self,
        call: &Call,
        subject: &Subject<'_>,
        replacement: &CompiledPolicy,
        now: i64,
    ) -> Result<bool, Halt> {
        let principal = self.principal_of(&call.caller, Ground::Worker)?;
        let facts = Attached::new(call, subject, now, None);
        let request = request(call, subject, &facts);
        let session_policies = self.session_policies(&call.caller)?;
        let set = self.policy_set(call, subject, principal.as_deref(), &session_policies);
        Ok(strongroom_policy::allows_future_put(replacement, &request, &set))
    }

    /// Where policies may ask for the use of a key that is to be taken out of use.
    fn usage_of_subject<'a>(&'a self, subject: &Subject<'a>, ground: Ground) -> Result<Option<UsageOf<'a>>, Halt> {
        match (subject.key, subject.action) {
            (Some(_), Action::DisableKey | Action::ScheduleKeyDestruction) if ground == Ground::Here => {
                Err(Halt::Move(Ground::Worker))
            }
            (Some(key), Action::DisableKey | Action::ScheduleKeyDestruction) => Ok(Some(UsageOf { engine: self, key })),
            _ => Ok(None),
        }
    }

    /// The user, the service, or the role of the session, that asks.
    pub(crate) fn principal_of(&self, caller: &Caller, ground: Ground) -> Result<Option<Arc<PrincipalEntry>>, Halt> {
        let id = match &caller.principal {
            Principal::User { id, .. } | Principal::Service { id, .. } => *id,
            Principal::Session(session) => session.role,
            Principal::TenantRoot
            | Principal::WebIdentity { .. }
            | Principal::Operator { .. }
            | Principal::Internal { .. } => return Ok(None),
        };
        let found = self.catalog.principal(caller.tenant, id, ground);
        Ok(Some(found.map_err(|halt| gone(caller, halt))?))
    }

    /// The policies that the caller's session was begun with, compiled.
    fn session_policies(&self, caller: &Caller) -> Result<Vec<CompiledPolicy>, Halt> {
        match &caller.principal {
            Principal::Session(session) => {
                let compiled = session.policies.iter().map(|policy| self.catalog.session_policy(policy));
                Ok(compiled.collect::<Result<_, _>>()?)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn policy_set<'a>(
        &'a self,
        call: &Call,
        subject: &Subject<'a>,
        principal: Option<&'a PrincipalEntry>,
        session_policies: &'a [CompiledPolicy],
    ) -> PolicySet<'a> {
        let identity_policies = match (&call.caller.principal, principal) {
            (Principal::Operator { .. }, _) => std::slice::from_ref(&self.operator_policy),
            (_, Some(entry)) => entry.policies.as_slice(),
            _ => &[],
        };
        // A tenant's key policy can't stop the operators' kill switch.
        let holds = !matches!(call.caller.principal, Principal::Operator { .. });
        PolicySet {
            resource_policy: match subject.role {
                Some(role) => role.trust.as_ref(),
                None => subject.key.filter(|_| holds).map(|key| &key.policy),
            },
            identity_policies,
            session_policies,
            combining: match (call.dialect.has_key_policies(), subject.action) {
                (false, _) => Combining::IdentityOnly,
                (true, Action::RetireGrant) => Combining::GrantsOnly,
                (true, _) => Combining::Aws,
            },
            ..PolicySet::default()
        }
    }

    /// The caller's grants on a key that name what is asked for.
    fn grants_for(
        &self,
        call: &Call,
        subject: &Subject<'_>,
        key: &KeyEntry,
        ground: Ground,
    ) -> Result<Vec<Grant>, Halt> {
        let action = subject.action;
        match action {
            _ if !call.dialect.has_key_policies() => return Ok(Vec::new()),
            // A grant that lets itself be given up says nothing about others.
            Action::RetireGrant => return Ok(retirements(call, subject)),
            _ => {}
        }
        let set = self.catalog.grants(key.row.id, ground)?;
        let rows = known_as(&call.caller).flat_map(|known| set.of_grantee(known));
        let rows = rows.filter(|row| row.actions.contains(&action.code()));
        Ok(rows.filter_map(|row| grant(call, action, row)).collect())
    }
}

/// A session whose role is gone is nobody's any more.
fn gone(caller: &Caller, halt: Halt) -> Halt {
    match (halt, &caller.principal, &caller.credential) {
        (Halt::Fail(EngineError::NotFound(Noun::Principal(_))), Principal::Session(_), Some(credential)) => {
            Halt::Fail(Noun::Credential(Box::from(&*credential.shown)).into())
        }
        (halt, ..) => halt,
    }
}

/// A statement as records name it: where it stands, its position there and its `Sid`.
fn named(statement: &StatementRef<'_>, principal: Option<&PrincipalEntry>, trust: bool) -> String {
    let mut name = place(statement, principal, trust);
    if !matches!(statement.source, Source::Grant(_) | Source::AccountRoot | Source::Internal) {
        name.push('[');
        name.push_str(&statement.index.to_string());
        name.push_str("] ");
        name.push_str(statement.sid.unwrap_or_default());
    }
    name
}

/// Where a statement stands. Joined by hand and with room for the rest, since every request has its statements named.
fn place(statement: &StatementRef<'_>, principal: Option<&PrincipalEntry>, trust: bool) -> String {
    let number;
    let (kind, name) = match statement.source {
        Source::ResourcePolicy if trust => ("trust-policy", ""),
        Source::ResourcePolicy => ("key-policy", ""),
        Source::IdentityPolicy(policy) => {
            let name = principal.and_then(|entry| entry.policy_names.get(policy));
            ("identity-policy ", name.map_or("built-in", String::as_str))
        }
        Source::PermissionsBoundary => ("permissions-boundary", ""),
        Source::SessionPolicy(policy) => {
            number = policy.to_string();
            ("session-policy ", number.as_str())
        }
        Source::Grant(id) => ("grant ", id),
        Source::KeyGuardrail(_) => ("key-guardrail", ""),
        Source::TenantGuardrail(_) => ("tenant-guardrail", ""),
        Source::AccountRoot => ("account-root", ""),
        Source::Internal => ("internal", ""),
    };
    let mut place = String::with_capacity(kind.len() + name.len() + 64);
    place.push_str(kind);
    place.push_str(name);
    place
}

/// Which part of a statement did not match.
fn mismatch(verdict: &Verdict<'_>) -> String {
    match verdict {
        Verdict::Matched | Verdict::MatchedAccount => String::new(),
        Verdict::Action => "the action differs".to_owned(),
        Verdict::Principal => "the principal differs".to_owned(),
        Verdict::Resource => "the resource differs".to_owned(),
        Verdict::Condition { operator, key } => format!("the condition {operator} on {key} does not hold"),
        Verdict::Grant(cause) => format!("the grant does not fit: {cause:?}"),
    }
}

/// A grant as the policy room takes it; one that it refuses allows nothing.
fn grant(call: &Call, action: Action, row: &GrantRow) -> Option<Grant> {
    let constraints = Constraints {
        context_equals: row.context_equals.clone(),
        context_subset: row.context_subset.clone(),
        source_arn: row.source_resource.clone(),
    };
    let grantee = grantee(&call.caller, &row.grantee, row.grantee_id());
    Grant::new(&row.id.to_string(), grantee, [call.dialect.action(action)], constraints).ok()
}

/// By what a grant may be given up: the retiring principal may, the grantee if that is among what the grant allows, and
/// the key's own account; of an account its root, and whom its identity policies allow it. Nothing is given by policies
/// alone, and whatever they deny is denied (KMS Developer Guide, "Retiring and revoking grants").
fn retirements(call: &Call, subject: &Subject<'_>) -> Vec<Grant> {
    let named = |name, id| grantee(&call.caller, name, id);
    let allows = |row: &&GrantRow| row.actions.contains(&Action::RetireGrant.code());
    let grantee = subject.retired.filter(allows).map(|row| named(&row.grantee, row.grantee_id()));
    let retiring =
        subject.retired.and_then(|row| row.retiring.as_deref().map(|retiring| named(retiring, row.retiring_id())));
    let account = Some(Grantee::Principal(subject.account));
    let id = subject.retired.map_or_else(|| "*".to_owned(), |row| row.id.to_string());
    let action = call.dialect.action(Action::RetireGrant);
    let may = [retiring, grantee, account].into_iter().flatten();
    may.filter_map(|grantee| Grant::new(&id, grantee, [action], Constraints::default()).ok()).collect()
}

/// Whom a name in a grant means, as the caller may be he.
fn grantee<'a>(caller: &Caller, name: &'a str, id: Option<&'a str>) -> Grantee<'a> {
    match (&caller.principal, id) {
        (Principal::Service { .. }, _) => Grantee::Service(name),
        (_, Some(id)) => Grantee::Id(id),
        (_, None) => Grantee::Principal(name),
    }
}

fn request<'a>(call: &'a Call, subject: &Subject<'a>, attributes: &'a dyn Attributes) -> Request<'a> {
    Request {
        action: call.dialect.action(subject.action),
        resource: subject.resource,
        resource_account: subject.account,
        principal: principal(&call.caller, subject.account),
        proved: proved(&call.caller),
        attributes,
        grant_constraints_apply: !matches!(subject.action, Action::DescribeKey | Action::RetireGrant),
        crosses_accounts: subject.action.crosses_tenants(),
    }
}

/// Who asks, to the policy room. The installation's operators count as of the account that they act on: the
/// installation holds every tenant, and what they may do there is their own policy's to say.
fn principal<'a>(caller: &'a Caller, subject_account: &'a str) -> strongroom_policy::Principal<'a> {
    let (arn, account) = (&*caller.policy_name, &*caller.account);
    match &caller.principal {
        Principal::TenantRoot => strongroom_policy::Principal::Root { arn, account },
        Principal::User { unique_id, name, .. } => {
            strongroom_policy::Principal::User { arn, account, id: unique_id, name }
        }
        Principal::Session(session) => {
            let (role_arn, id) = (&*session.role_policy_name, &*session.unique_id);
            strongroom_policy::Principal::AssumedRole { arn, role_arn, account, id }
        }
        Principal::Operator { .. } => {
            strongroom_policy::Principal::User { arn, account: subject_account, id: arn, name: arn }
        }
        Principal::WebIdentity { .. } => strongroom_policy::Principal::WebIdentity { provider: arn },
        Principal::Service { .. } => strongroom_policy::Principal::Service { name: arn },
        Principal::Internal { .. } => strongroom_policy::Principal::Internal,
    }
}

/// What else was proved: of a session, what it was begun with; of a service, for which resource it asks.
fn proved(caller: &Caller) -> Proved<'_> {
    match &caller.principal {
        Principal::Session(session) => Proved {
            principal_tags: &session.tags,
            token_issued: i64::try_from(session.issued.0).ok(),
            federated_provider: session.federated_provider.as_deref(),
            source_identity: session.source_identity.as_deref(),
            ..Proved::default()
        },
        Principal::Service { on_behalf: Some(on_behalf), .. } => Proved {
            source_arn: Some(&on_behalf.resource),
            source_account: on_behalf.account.as_deref(),
            ..Proved::default()
        },
        _ => Proved::default(),
    }
}

const fn missing(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "",
        Outcome::ExplicitDeny(_) => "explicit deny",
        Outcome::ImplicitDeny(Missing::IdentityPolicyAllow) => "no identity-based policy allows it",
        Outcome::ImplicitDeny(Missing::ResourcePolicyAllow) => "no resource-based policy allows it",
        Outcome::ImplicitDeny(Missing::TrustPolicyAllow) => "no role trust policy allows it",
        Outcome::ImplicitDeny(Missing::PermissionsBoundaryAllow) => "no permissions boundary allows it",
        Outcome::ImplicitDeny(Missing::SessionPolicyAllow) => "no session policy allows it",
    }
}

/// The request's own attributes first, then what its dialect draws from key and caller.
struct Attached<'a> {
    carried: &'a (dyn Attributes + Send + Sync),
    facts: Facts<'a>,
}

impl<'a> Attached<'a> {
    fn new(call: &'a Call, subject: &Subject<'a>, now: i64, usage: Option<UsageOf<'a>>) -> Self {
        Self { carried: subject.attributes.unwrap_or(&*call.attributes), facts: subject.facts(call, now, usage) }
    }
}

impl Attributes for Attached<'_> {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        self.carried.value(key, index).or_else(|| self.facts.call.dialect.attribute(key, index, &self.facts))
    }

    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        self.carried.context_pair(index)
    }
}
