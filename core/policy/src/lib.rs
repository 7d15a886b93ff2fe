//! Deciding requests by IAM policies: pure, without IO, clock or randomness.
//!
//! A policy text is read with [`Document::parse`], strictly and when it is written, then compiled once with
//! [`Document::compile`] and kept. [`evaluate`] holds a [`Request`] against a [`PolicySet`] and returns a [`Decision`] with
//! the statements that made it, and for a denial AWS's words ([`Outcome::reason`]); [`explain`] reports on every statement. ARNs
//! and actions are strings here: which of them exist is the front ends' to know. Condition keys are listed in
//! [`CONDITION_KEYS`] with who answers each: what follows from a proof is answered here, the rest by the caller's
//! [`Attributes`] when a condition asks.
//!
//! # The order of evaluation
//!
//! 1. **Guardrails** of key and tenant: a matching statement denies, whoever asks. They only ever deny.
//!    [`Principal::Internal`], the installation's own machinery, is held by nothing else and is allowed here.
//! 2. **Explicit denials** in any policy win over every allowance (IAM User Guide, "Determining whether a request is allowed or
//!    denied within an account").
//! 3. **Key policy.** A statement that names the principal itself, or everyone, allows alone within the key's account. One that
//!    names the account (its root's ARN or its twelve digits) allows the account's root, and delegates to identity
//!    policies for its users and roles (KMS Developer Guide, "Default key policy"). Without such a statement identity
//!    policies can't allow anything on the key, though their denials hold.
//! 4. **Identity policies** allow what the key policy delegates. For a principal of another account both sides must allow, however
//!    the key policy names it (KMS Developer Guide, "Allowing users in other accounts to use a KMS key"). The root of an
//!    account needs no identity policy. What is not for other accounts ([`Request::crosses_accounts`]) no policy gives to
//!    them. Where there is no key policy (`CreateKey`, `ListKeys`, an alias) they
//!    decide alone, within their account.
//! 5. **Grants** of the key allow by themselves, in any account; one to an account allows its root, and what identity policies
//!    allow of it to its users and roles. Their constraints hold where the request says that they apply.
//! 6. **Permissions boundary and session policies** limit what 3 to 5 allow: each must allow too, of several session policies
//!    one. Within the key's account they don't limit what a key policy or a grant gives to the user itself, to the
//!    very session or to everyone; what it gives to a session's role they do (IAM User Guide, "Policy evaluation for requests
//!    within a single account": "Permissions boundaries and session policies" by kind of principal).
//! 7. What nothing allows is denied, and [`Missing`] says which side lacked the allowance.
//!
//! A role's **trust policy** ([`Kind::Trust`]) is the resource policy of a request for a session of it; [`AssumeRole`]
//! answers its condition keys. A [`Principal::WebIdentity`] is allowed by a statement that names its provider, never by
//! `*`.
//!
//! Organisations, resource control policies and VPC endpoint policies are absent: guardrails stand in their place.
//!
//! # Where AWS leaves room
//!
//! - A value that a variable brings into a pattern is plain text: its wildcards are characters.
//! - A variable without a value in `NotResource` makes an `Allow` void and leaves a `Deny` in force.
//! - Several values under an operator without a set operator: one that matches is enough (none may, when negated).
//! - `IgnoreCase` operators ignore the case of ASCII letters.
//! - `NotPrincipal` with `Allow`, patterns in principals and repeated JSON names are refused.

pub mod limits;

mod attributes;
mod condition;
mod condition_keys;
mod document;
mod error;
mod evaluate;
mod explain;
mod grant;
mod json;
mod members;
mod pattern;
mod principal;
mod scalar;
mod shown;
mod statement;
mod trust;
mod words;

pub use attributes::{Attributes, ConditionKey, NoAttributes, Value};
pub use condition_keys::{CONDITION_KEYS, Holds, KnownKey, Supplier, Values};
pub use document::{CompiledPolicy, Document, Kind, Version};
pub use error::{GrantError, PolicyError};
pub use evaluate::{
    Combining, Decision, DeniedBy, Missing, Outcome, PolicySet, Request, Source, StatementRef, allows_future_put,
    evaluate,
};
pub use explain::{Explanation, StatementReport, Verdict, explain};
pub use grant::{Constraints, Grant, GrantMismatch, Grantee};
pub use principal::{Principal, PrincipalName, Proved};
pub use shown::shown;
pub use statement::Effect;
pub use trust::{AssumeRole, TokenClaims};
