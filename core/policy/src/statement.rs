//! One compiled statement, and how a request is held against it.

use crate::condition::Condition;
use crate::evaluate::Request;
use crate::pattern::{Comparison, Pattern};
use crate::principal::{Naming, Principals};

/// What a statement does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allows the request.
    Allow,
    /// Refuses the request whatever else allows it.
    Deny,
}

/// A list of patterns, or its complement (`NotAction`, `NotResource`).
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) complement: bool,
    pub(crate) patterns: Box<[Pattern]>,
}

/// A statement, ready to be matched.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) sid: Option<Box<str>>,
    pub(crate) effect: Effect,
    pub(crate) principals: Principals,
    pub(crate) actions: Selection,
    pub(crate) resources: Selection,
    pub(crate) conditions: Box<[Condition]>,
}

/// The first part of a statement that a request does not meet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mismatch<'a> {
    Action,
    Principal,
    Resource,
    Condition(&'a Condition),
}

impl Statement {
    /// How the statement names the principal, if everything in it matches. Cheap parts come first.
    pub(crate) fn examine(&self, request: &Request<'_>) -> Result<Naming, Mismatch<'_>> {
        if !self.acts_on(request.action) {
            return Err(Mismatch::Action);
        }
        let naming = self.principals.names(&request.principal).ok_or(Mismatch::Principal)?;
        if !self.covers(request) {
            return Err(Mismatch::Resource);
        }
        match self.conditions.iter().find(|condition| !condition.holds(request)) {
            Some(condition) => Err(Mismatch::Condition(condition)),
            None => Ok(naming),
        }
    }

    fn acts_on(&self, action: &str) -> bool {
        let listed =
            self.actions.patterns.iter().any(|pattern| pattern.matches_literally(action, Comparison::IgnoreCase));
        listed != self.actions.complement
    }

    /// A variable without a value matches no resource. In `NotResource` that would widen the statement, so there it
    /// makes an `Allow` void and leaves a `Deny` in force.
    fn covers(&self, request: &Request<'_>) -> bool {
        let mut void = false;
        for pattern in &self.resources.patterns {
            match pattern.matches(request.resource, Comparison::Arn, request) {
                Some(true) => return !self.resources.complement,
                Some(false) => {}
                None => void = true,
            }
        }
        self.resources.complement && !(void && self.effect == Effect::Allow)
    }
}
