//! What a document or a grant can be refused for. Each refusal names the place in the document and the remedy.

use thiserror::Error;

/// Why a policy document was refused when it was written.
///
/// `path` is the place in the document, such as `Statement[1].Condition.StringLike.aws:SourceArn[0]`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The document is longer than its quota.
    #[error("the policy has {bytes} bytes and may have {limit}; shorten it or split it")]
    TooLarge {
        /// Bytes of the document.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The document is not JSON (RFC 8259).
    #[error("the policy is not valid JSON at line {line}, column {column}: {reason}")]
    Json {
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What the parser expected.
        reason: String,
    },
    /// Arrays and objects are nested deeper than any policy needs.
    #[error("the policy is nested deeper than {limit} levels; no element needs that")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// A name stands twice in one object, so its meaning would depend on the reader.
    #[error("{path}: '{name}' stands twice; keep one")]
    Duplicate {
        /// The object.
        path: String,
        /// The repeated name.
        name: String,
    },
    /// A name that is no element of the policy language at this place.
    #[error("{path}: '{name}' is not an element here; use one of {allowed}")]
    UnknownElement {
        /// The object.
        path: String,
        /// The name found.
        name: String,
        /// The names that may stand here.
        allowed: &'static str,
    },
    /// A required element is absent.
    #[error("{path}: {element} is missing; add it")]
    MissingElement {
        /// The object.
        path: String,
        /// The element, or the choice of elements.
        element: &'static str,
    },
    /// Two elements of which only one may stand in a statement.
    #[error("{path}: {first} and {second} exclude each other; keep one")]
    Exclusive {
        /// The statement.
        path: String,
        /// The element.
        first: &'static str,
        /// Its opposite.
        second: &'static str,
    },
    /// A value of the wrong JSON type.
    #[error("{path}: must be {expected}, not {found}")]
    WrongType {
        /// The value.
        path: String,
        /// The types that may stand here.
        expected: &'static str,
        /// The type found.
        found: &'static str,
    },
    /// A list or object without members, which would decide nothing or everything.
    #[error("{path}: is empty; name at least one member or remove it")]
    Empty {
        /// The list or object.
        path: String,
    },
    /// A version of the policy language that does not exist.
    #[error("Version '{found}' does not exist; use 2012-10-17")]
    UnknownVersion {
        /// The version found.
        found: String,
    },
    /// An effect other than the two.
    #[error("{path}: '{found}' is not an effect; use Allow or Deny")]
    UnknownEffect {
        /// The element.
        path: String,
        /// The effect found.
        found: String,
    },
    /// A guardrail that allows something.
    #[error("{path}: a guardrail may only deny; use Deny")]
    GuardrailAllows {
        /// The element.
        path: String,
    },
    /// A principal in an identity policy, which applies to whoever carries it.
    #[error("{path}: an identity policy names no principal; remove the element")]
    PrincipalForbidden {
        /// The element.
        path: String,
    },
    /// `NotPrincipal` with `Allow`, which would allow everyone who was not thought of.
    #[error("{path}: NotPrincipal may only deny; name who is allowed in Principal")]
    NotPrincipalAllows {
        /// The element.
        path: String,
    },
    /// A principal that can't exist.
    #[error(
        "{path}: '{found}' is not a principal; use an account, the full ARN of a user or role, a service name or \"*\" \
         (to match by pattern, put \"*\" here and a condition on aws:PrincipalArn)"
    )]
    InvalidPrincipal {
        /// The element.
        path: String,
        /// The text found.
        found: String,
    },
    /// A principal that does not exist.
    #[error("the principal '{found}' does not exist; create it first, or mend its name")]
    UnknownPrincipal {
        /// The principal as the policy names it.
        found: String,
        /// Whether it is a service.
        service: bool,
    },
    /// A trust policy about something else than sessions of its role.
    #[error("{path}: '{found}' does not assume a role; use an action of sts, such as sts:AssumeRole")]
    NotAnAssumeAction {
        /// The element.
        path: String,
        /// The text found.
        found: String,
    },
    /// A statement identifier with characters that its kind of policy doesn't allow.
    #[error("{path}: '{found}' is not a Sid of an identity policy; use letters and digits")]
    InvalidSid {
        /// The element.
        path: String,
        /// The text found.
        found: String,
    },
    /// Two statements of an identity policy with one identifier.
    #[error("{path}: two statements have the Sid '{sid}'; make each unique")]
    DuplicateSid {
        /// The element.
        path: String,
        /// The repeated identifier.
        sid: String,
    },
    /// An action that is not `service:Name`.
    #[error("{path}: '{found}' is not an action; use \"*\" or service:Name, with wildcards after the colon only")]
    InvalidAction {
        /// The element.
        path: String,
        /// The text found.
        found: String,
    },
    /// A resource that is neither `*` nor an ARN.
    #[error("{path}: '{found}' is not a resource; use \"*\" or arn:partition:service:region:account:resource")]
    InvalidResource {
        /// The element.
        path: String,
        /// The text found.
        found: String,
    },
    /// A policy variable that can't be read.
    #[error(
        "{path}: '{found}' holds a malformed policy variable; write ${{service:key}} or ${{service:key, 'default'}}"
    )]
    InvalidVariable {
        /// The element.
        path: String,
        /// The text found.
        found: String,
    },
    /// A condition operator that does not exist.
    #[error("{path}: '{found}' is not a condition operator; operators are case-sensitive, such as StringEquals")]
    UnknownOperator {
        /// The condition block.
        path: String,
        /// The operator found.
        found: String,
    },
    /// A condition key that is not `service:name`.
    #[error("{path}: '{found}' is not a condition key; use service:name")]
    InvalidConditionKey {
        /// The condition operator.
        path: String,
        /// The text found.
        found: String,
    },
    /// A condition value that its operator can't compare.
    #[error("{path}: '{found}' can't be compared by this operator; use {expected}")]
    InvalidConditionValue {
        /// The value.
        path: String,
        /// The text found.
        found: String,
        /// What the operator compares.
        expected: &'static str,
    },
}

/// Why a grant was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The grantee is no account, user, role, session or service.
    #[error("'{found}' is not a principal; use the full ARN of a user or role, an account or a service name")]
    InvalidGrantee {
        /// The text found.
        found: String,
    },
    /// The grant allows nothing or too much to list.
    #[error("a grant lists {found} operations; list 1 to {limit}")]
    Operations {
        /// Operations listed.
        found: usize,
        /// Operations allowed.
        limit: usize,
    },
    /// A constraint has too many pairs.
    #[error("a grant constraint has {found} pairs and may have {limit}")]
    ConstraintPairs {
        /// Pairs listed.
        found: usize,
        /// Pairs allowed.
        limit: usize,
    },
}
