//! Grants: one grantee may use one key for listed operations, while its constraints hold (KMS Developer Guide, "Grants
//! in AWS KMS"). A grant only ever allows, and allows by itself, in any account. Absent: who may create, retire or
//! revoke one, and its lifetime; that is the engine's.

use crate::error::GrantError;
use crate::evaluate::Request;
use crate::limits::{CONSTRAINT_PAIRS, GRANT_OPERATIONS};
use crate::principal::{Named, Naming};

/// Who may use a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee<'a> {
    /// The ARN of a user, role, role session or account root, an account of twelve digits, or a unique id.
    Principal(&'a str),
    /// Whoever has this unique id: a user, a role, or behind a colon one session of it.
    Id(&'a str),
    /// The name of a service.
    Service(&'a str),
}

/// What must hold of a request for a grant to allow it. Without any, every request fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The request's encryption context is exactly these pairs (`EncryptionContextEquals`).
    pub context_equals: Option<Vec<(String, String)>>,
    /// The request's encryption context holds at least these pairs (`EncryptionContextSubset`).
    pub context_subset: Option<Vec<(String, String)>>,
    /// The request was proved to come for this resource ([`Proved::source_arn`](crate::Proved::source_arn)).
    pub source_arn: Option<String>,
}

/// A grant, ready for evaluation. Its key is the caller's to know: pass the grants of the request's key only.
#[derive(Debug, Clone)]
pub struct Grant {
    id: Box<str>,
    grantee: Named,
    operations: Box<[Box<str>]>,
    constraints: Constraints,
}

/// Why a grant does not allow a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantMismatch {
    /// It is another principal's.
    Grantee,
    /// It does not list the operation.
    Operation,
    /// Its constraint on the encryption context does not hold.
    EncryptionContext,
    /// Its constraint on the source does not hold.
    SourceArn,
}

impl Grant {
    /// Makes a grant of `operations`, actions as in [`Request::action`], compared ignoring case.
    ///
    /// # Errors
    /// A grantee that can't exist, no operation or too many, or a constraint with too many pairs.
    pub fn new<'o>(
        id: &str,
        grantee: Grantee<'_>,
        operations: impl IntoIterator<Item = &'o str>,
        constraints: Constraints,
    ) -> Result<Self, GrantError> {
        let (named, text) = match grantee {
            Grantee::Principal(text) => (Named::parse(text), text),
            Grantee::Id(id) => ((!id.is_empty()).then(|| Named::Id(id.into())), id),
            Grantee::Service(text) => (Named::parse_service(text), text),
        };
        let grantee = named.ok_or_else(|| GrantError::InvalidGrantee { found: text.to_owned() })?;
        let operations: Box<[Box<str>]> = operations.into_iter().map(Into::into).collect();
        if !(1..=GRANT_OPERATIONS).contains(&operations.len()) {
            return Err(GrantError::Operations { found: operations.len(), limit: GRANT_OPERATIONS });
        }
        for pairs in [&constraints.context_equals, &constraints.context_subset].into_iter().flatten() {
            if pairs.len() > CONSTRAINT_PAIRS {
                return Err(GrantError::ConstraintPairs { found: pairs.len(), limit: CONSTRAINT_PAIRS });
            }
        }
        Ok(Self { id: id.into(), grantee, operations, constraints })
    }

    /// The grant's id, as it stands in decisions.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the grant allows the request and, if not, what it lacks.
    pub(crate) fn examine(&self, request: &Request<'_>) -> Result<Naming, GrantMismatch> {
        let naming = self.grantee.names(&request.principal).ok_or(GrantMismatch::Grantee)?;
        if !self.operations.iter().any(|operation| operation.eq_ignore_ascii_case(request.action)) {
            return Err(GrantMismatch::Operation);
        }
        if !request.grant_constraints_apply {
            return Ok(naming);
        }
        if !self.context_fits(request) {
            return Err(GrantMismatch::EncryptionContext);
        }
        match self.source_fits(request) {
            true => Ok(naming),
            false => Err(GrantMismatch::SourceArn),
        }
    }

    fn context_fits(&self, request: &Request<'_>) -> bool {
        let pair = |index| request.attributes.context_pair(index);
        let holds = |wanted: &[(String, String)]| {
            wanted
                .iter()
                .all(|(name, value)| (0..).map_while(pair).any(|(key, content)| *name == *key && *value == *content))
        };
        let equal = |wanted: &Vec<(String, String)>| (0..).map_while(pair).count() == wanted.len() && holds(wanted);
        self.constraints.context_equals.as_ref().is_none_or(equal)
            && self.constraints.context_subset.as_ref().is_none_or(|wanted| holds(wanted))
    }

    fn source_fits(&self, request: &Request<'_>) -> bool {
        self.constraints.source_arn.as_deref().is_none_or(|wanted| request.proved.source_arn == Some(wanted))
    }
}
