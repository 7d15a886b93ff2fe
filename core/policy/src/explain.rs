//! Explaining a decision: every statement that was held against the request, and where each one parted from it.

use crate::document::CompiledPolicy;
use crate::evaluate::{Decision, PolicySet, Request, Source, StatementRef, evaluate, reference};
use crate::grant::GrantMismatch;
use crate::principal::Naming;
use crate::statement::{Effect, Mismatch};

/// A decision with every statement and grant that could have had a say in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// What [`evaluate`] decides.
    pub decision: Decision<'a>,
    /// Guardrails, key policy, identity policies, boundary, session policies and grants, in this order.
    pub statements: Vec<StatementReport<'a>>,
}

/// How one statement or grant met the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementReport<'a> {
    /// The statement.
    pub statement: StatementRef<'a>,
    /// What it does when it matches; a grant allows.
    pub effect: Effect,
    /// Whether it matched.
    pub verdict: Verdict<'a>,
}

/// Whether a statement matched and, if not, the first part of it that didn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It matched and decides by itself.
    Matched,
    /// It matched the principal's account: in a key policy an allowance then needs an identity policy's.
    MatchedAccount,
    /// `Action` or `NotAction` did not match.
    Action,
    /// `Principal` or `NotPrincipal` did not match.
    Principal,
    /// `Resource` or `NotResource` did not match.
    Resource,
    /// A condition did not hold.
    Condition {
        /// The operator as written, such as `ForAllValues:StringLike`.
        operator: &'a str,
        /// The condition key as written.
        key: &'a str,
    },
    /// The grant did not fit.
    Grant(GrantMismatch),
}

/// Decides a request and says how each statement met it. Allocates; for people, not for the hot path.
#[must_use]
pub fn explain<'a>(request: &Request<'_>, set: &PolicySet<'a>) -> Explanation<'a> {
    let numbered = |policies: &'a [CompiledPolicy], source: fn(usize) -> Source<'a>| {
        policies.iter().enumerate().map(move |(index, policy)| (source(index), policy))
    };
    let policies = numbered(set.key_guardrails, Source::KeyGuardrail)
        .chain(numbered(set.tenant_guardrails, Source::TenantGuardrail))
        .chain(set.resource_policy.map(|policy| (Source::ResourcePolicy, policy)))
        .chain(numbered(set.identity_policies, Source::IdentityPolicy))
        .chain(set.permissions_boundary.map(|policy| (Source::PermissionsBoundary, policy)))
        .chain(numbered(set.session_policies, Source::SessionPolicy));
    let mut statements = Vec::new();
    for (source, policy) in policies {
        statements.extend(policy.statements.iter().enumerate().map(|(index, statement)| StatementReport {
            statement: reference(source, index, statement),
            effect: statement.effect,
            verdict: match statement.examine(request) {
                Ok(Naming::Direct | Naming::Role) => Verdict::Matched,
                Ok(Naming::Account) => Verdict::MatchedAccount,
                Err(Mismatch::Action) => Verdict::Action,
                Err(Mismatch::Principal) => Verdict::Principal,
                Err(Mismatch::Resource) => Verdict::Resource,
                Err(Mismatch::Condition(condition)) => {
                    Verdict::Condition { operator: &condition.operator, key: condition.key.as_written() }
                }
            },
        }));
    }
    statements.extend(set.grants.iter().map(|grant| StatementReport {
        statement: StatementRef { source: Source::Grant(grant.id()), index: 0, sid: None },
        effect: Effect::Allow,
        verdict: match grant.examine(request) {
            Ok(Naming::Direct | Naming::Role) => Verdict::Matched,
            Ok(Naming::Account) => Verdict::MatchedAccount,
            Err(mismatch) => Verdict::Grant(mismatch),
        },
    }));
    Explanation { decision: evaluate(request, set), statements }
}
