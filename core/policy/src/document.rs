//! Reading a policy document (IAM User Guide, "Grammar of the IAM JSON policy language"), strictly: what is not
//! understood in full is refused when it is written, not guessed when it is used.

use std::sync::Arc;

use crate::attributes::ConditionKey;
use crate::condition::{Condition, Operator, ValueFault};
use crate::error::PolicyError;
use crate::json::{self, Node};
use crate::limits::{DOCUMENT_BYTES, DOCUMENT_BYTES_MAX};
use crate::members::{Members, Place, one_or_more, repeated, string, wrong_type};
use crate::pattern::{Pattern, Syntax};
use crate::principal::{Named, PrincipalName, Principals};
use crate::statement::{Effect, Selection, Statement};

/// What a document is attached to, which decides what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Attached to a resource, such as a key policy: each statement names its principals.
    Resource,
    /// Attached to a user or role, bounding one, or handed in for a session: no statement names a principal.
    Identity,
    /// Attached to a role: who may have a session of it. Each statement names its principals, none a resource.
    Trust,
    /// Set over keys or tenants: every statement denies, and one without principals means everyone.
    Guardrail,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, also when a document names none: `${...}` is plain text.
    V2008,
    /// `2012-10-17`: with policy variables.
    V2012,
}

/// A policy document that was read and found sound.
#[derive(Debug, Clone)]
pub struct Document {
    kind: Kind,
    version: Version,
    id: Option<Box<str>>,
    statements: Vec<Statement>,
}

/// A policy ready for evaluation. Clones share one allocation.
#[derive(Debug, Clone)]
pub struct CompiledPolicy {
    kind: Kind,
    pub(crate) statements: Arc<[Statement]>,
}

impl CompiledPolicy {
    /// What the policy is attached to.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl Document {
    /// Reads a document of at most [`DOCUMENT_BYTES`].
    ///
    /// # Errors
    /// The first thing in the document that is not as the policy language wants it.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        Self::parse_within(text, kind, DOCUMENT_BYTES)
    }

    /// Reads a document of at most `limit` bytes, and never more than [`DOCUMENT_BYTES_MAX`].
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_within(text: &str, kind: Kind, limit: usize) -> Result<Self, PolicyError> {
        let limit = limit.min(DOCUMENT_BYTES_MAX);
        if text.len() > limit {
            return Err(PolicyError::TooLarge { bytes: text.len(), limit });
        }
        let node = json::parse(text)?;
        let root = Place::Root;
        let members = Members::of(&node, &root)?.only("Version, Id, Statement")?;
        let version = match members.get("Version").map(|node| string(node, &root.name("Version"))).transpose()? {
            Some("2012-10-17") => Version::V2012,
            Some("2008-10-17") | None => Version::V2008,
            Some(found) => return Err(PolicyError::UnknownVersion { found: found.to_owned() }),
        };
        let id = members.get("Id").map(|node| string(node, &root.name("Id"))).transpose()?.map(Into::into);
        let place = root.name("Statement");
        let statement = members.get("Statement").ok_or_else(|| members.missing("Statement"))?;
        let reader = Reader { kind, version };
        let statements = one_or_more(statement, &place, |node, place| reader.statement(node, place))?;
        if kind == Kind::Identity
            && let Some(sid) = repeated(statements.iter().filter_map(|statement| statement.sid.as_deref()))
        {
            return Err(PolicyError::DuplicateSid { path: place.to_string(), sid: sid.to_owned() });
        }
        Ok(Self { kind, version, id, statements })
    }

    /// The same document, in which each ARN of a principal that `id_of` knows means the principal with that unique id and
    /// nobody who has the ARN later; the id of one session is its role's, a colon, and its name. An empty id is nobody's. Conditions
    /// on ARNs compare text as before.
    #[must_use]
    pub fn bound<'i>(mut self, id_of: impl Fn(&str) -> Option<&'i str>) -> Self {
        for statement in &mut self.statements {
            statement.principals.bind(&id_of);
        }
        self
    }

    /// The policy, ready for evaluation.
    #[must_use]
    pub fn compile(self) -> CompiledPolicy {
        CompiledPolicy { kind: self.kind, statements: self.statements.into() }
    }

    /// What the document is attached to.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The version of the language that it is written in.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Its `Id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whom the statements name, `NotPrincipal`'s too, for the caller to find out which of them do not exist. Everyone and
    /// canonical users are left out.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalName<'_>> {
        let entries = self.statements.iter().flat_map(|statement| statement.principals.entries());
        entries.filter_map(Named::name)
    }

    /// The `Sid` and effect of each statement, in order.
    pub fn statements(&self) -> impl ExactSizeIterator<Item = (Option<&str>, Effect)> {
        self.statements.iter().map(|statement| (statement.sid.as_deref(), statement.effect))
    }
}

/// Reads statements of one document.
#[derive(Clone, Copy)]
struct Reader {
    kind: Kind,
    version: Version,
}

const STATEMENT: &str = "Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition";
const TRUST_STATEMENT: &str = "Sid, Effect, Principal, NotPrincipal, Action, NotAction, Condition";

impl Reader {
    fn statement(self, node: &Node, place: &Place<'_>) -> Result<Statement, PolicyError> {
        let elements = if self.kind == Kind::Trust { TRUST_STATEMENT } else { STATEMENT };
        let members = Members::of(node, place)?.only(elements)?;
        let sid = members.get("Sid").map(|node| self.sid(node, &place.name("Sid"))).transpose()?.flatten();
        let effect = members.get("Effect").ok_or_else(|| members.missing("Effect"))?;
        let effect = self.effect(effect, &place.name("Effect"))?;
        let principals = self.principals(&members, effect)?;
        let actions = self.selection(&members, "Action", "NotAction", "Action or NotAction", Self::action)?;
        let resources = match self.kind {
            Kind::Trust => Selection { complement: false, patterns: [Pattern::Any].into() },
            _ => self.selection(&members, "Resource", "NotResource", "Resource or NotResource", Self::resource)?,
        };
        let conditions = match members.get("Condition") {
            Some(node) => self.conditions(node, &place.name("Condition"))?,
            None => Box::default(),
        };
        Ok(Statement { sid, effect, principals, actions, resources, conditions })
    }

    fn sid(self, node: &Node, place: &Place<'_>) -> Result<Option<Box<str>>, PolicyError> {
        let sid = string(node, place)?;
        if self.kind == Kind::Identity && !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(PolicyError::InvalidSid { path: place.to_string(), found: sid.to_owned() });
        }
        Ok((!sid.is_empty()).then(|| sid.into()))
    }

    fn effect(self, node: &Node, place: &Place<'_>) -> Result<Effect, PolicyError> {
        match string(node, place)? {
            "Allow" if self.kind == Kind::Guardrail => Err(PolicyError::GuardrailAllows { path: place.to_string() }),
            "Allow" => Ok(Effect::Allow),
            "Deny" => Ok(Effect::Deny),
            found => Err(PolicyError::UnknownEffect { path: place.to_string(), found: found.to_owned() }),
        }
    }

    fn principals(self, members: &Members<'_>, effect: Effect) -> Result<Principals, PolicyError> {
        let Some((name, node)) = members.either("Principal", "NotPrincipal")? else {
            return match self.kind {
                Kind::Resource | Kind::Trust => Err(members.missing("Principal or NotPrincipal")),
                Kind::Identity | Kind::Guardrail => Ok(Principals::Unstated),
            };
        };
        let place = members.place.name(name);
        if self.kind == Kind::Identity {
            return Err(PolicyError::PrincipalForbidden { path: place.to_string() });
        }
        let entries = principal_entries(node, &place)?;
        match (name, effect) {
            ("NotPrincipal", Effect::Allow) => Err(PolicyError::NotPrincipalAllows { path: place.to_string() }),
            ("NotPrincipal", Effect::Deny) => Ok(Principals::Excepted(entries)),
            _ => Ok(Principals::Named(entries)),
        }
    }

    fn selection(
        self,
        members: &Members<'_>,
        plain: &'static str,
        complement: &'static str,
        either: &'static str,
        read: fn(Self, &str, &Place<'_>) -> Result<Pattern, PolicyError>,
    ) -> Result<Selection, PolicyError> {
        let (name, node) = members.either(plain, complement)?.ok_or_else(|| members.missing(either))?;
        let place = members.place.name(name);
        let patterns = one_or_more(node, &place, |node, place| read(self, string(node, place)?, place))?;
        Ok(Selection { complement: name == complement, patterns: patterns.into() })
    }

    fn action(self, text: &str, place: &Place<'_>) -> Result<Pattern, PolicyError> {
        let invalid = || PolicyError::InvalidAction { path: place.to_string(), found: text.to_owned() };
        let sound = |service: &str, name: &str| {
            !service.is_empty()
                && service.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | '?' | '-' | '_'))
        };
        if text != "*" && !text.split_once(':').is_some_and(|(service, name)| sound(service, name)) {
            return Err(invalid());
        }
        let assumes = text.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sts:"));
        if self.kind == Kind::Trust && !assumes {
            return Err(PolicyError::NotAnAssumeAction { path: place.to_string(), found: text.to_owned() });
        }
        Pattern::parse(text, Syntax { wildcards: true, variables: false }).map_err(|_| invalid())
    }

    fn resource(self, text: &str, place: &Place<'_>) -> Result<Pattern, PolicyError> {
        let pattern = self
            .pattern(text)
            .map_err(|()| PolicyError::InvalidVariable { path: place.to_string(), found: text.to_owned() })?;
        // A variable may hold colons; what it becomes is compared component by component.
        let mut parts = text.splitn(6, ':');
        let (arn, _, service) = (parts.next(), parts.next(), parts.next());
        let complete = parts.nth(2).is_some_and(|resource| !resource.is_empty());
        let sound = arn == Some("arn") && complete && service.is_some_and(|service| !service.contains(['*', '?', '$']));
        match sound || text == "*" {
            true => Ok(pattern),
            false => Err(PolicyError::InvalidResource { path: place.to_string(), found: text.to_owned() }),
        }
    }

    fn pattern(self, text: &str) -> Result<Pattern, ()> {
        Pattern::parse(text, Syntax { wildcards: true, variables: self.version == Version::V2012 }).map_err(|_| ())
    }

    fn conditions(self, node: &Node, place: &Place<'_>) -> Result<Box<[Condition]>, PolicyError> {
        let operators = Members::of(node, place)?;
        let mut conditions = Vec::new();
        for (name, node) in operators.list {
            let operator = Operator::parse(name)
                .ok_or_else(|| PolicyError::UnknownOperator { path: place.to_string(), found: name.clone() })?;
            let place = place.name(name);
            let keys = Members::of(node, &place)?;
            if keys.list.is_empty() {
                return Err(PolicyError::Empty { path: place.to_string() });
            }
            // Names of condition keys ignore case, so two spellings are one key.
            let lower: Vec<_> = keys.list.iter().map(|(key, _)| key.to_ascii_lowercase()).collect();
            if let Some(name) = repeated(lower.iter().map(String::as_str)) {
                return Err(PolicyError::Duplicate { path: place.to_string(), name: name.to_owned() });
            }
            for (key, node) in keys.list {
                conditions.push(self.condition(name, operator, key, node, &place)?);
            }
        }
        Ok(conditions.into())
    }

    fn condition(
        self,
        name: &str,
        operator: Operator,
        key: &str,
        node: &Node,
        place: &Place<'_>,
    ) -> Result<Condition, PolicyError> {
        let parsed = ConditionKey::parse(key)
            .ok_or_else(|| PolicyError::InvalidConditionKey { path: place.to_string(), found: key.to_owned() })?;
        let place = place.name(key);
        let values = one_or_more(node, &place, |node, place| match node {
            Node::Text(text) | Node::Scalar(text) => Ok(text.as_str()),
            node => Err(wrong_type(node, place, "a string, number or boolean")),
        })?;
        operator.condition(name, parsed, &values, self.version == Version::V2012).map_err(|(index, fault)| {
            let path = place.index(index).to_string();
            let found = values.get(index).copied().unwrap_or_default().to_owned();
            match fault {
                ValueFault::Variable => PolicyError::InvalidVariable { path, found },
                ValueFault::Expected(expected) => PolicyError::InvalidConditionValue { path, found, expected },
            }
        })
    }
}

fn principal_entries(node: &Node, place: &Place<'_>) -> Result<Box<[Named]>, PolicyError> {
    if matches!(node, Node::Text(text) if text == "*") {
        return Ok([Named::Everyone].into());
    }
    if let Node::Text(found) = node {
        return Err(PolicyError::InvalidPrincipal { path: place.to_string(), found: found.clone() });
    }
    let members = Members::of(node, place)?.only("AWS, Service, Federated, CanonicalUser")?;
    if members.list.is_empty() {
        return Err(PolicyError::Empty { path: place.to_string() });
    }
    let mut entries = Vec::new();
    for (kind, node) in members.list {
        entries.extend(one_or_more(node, &place.name(kind), |node, place| {
            let text = string(node, place)?;
            let named = match kind.as_str() {
                "AWS" if text == "*" => Some(Named::Everyone),
                "AWS" => Named::parse(text),
                "Service" => Named::parse_service(text),
                "Federated" => Named::parse_federated(text),
                _ => (!text.is_empty() && !text.contains(['*', '?'])).then_some(Named::Nobody),
            };
            named.ok_or_else(|| PolicyError::InvalidPrincipal { path: place.to_string(), found: text.to_owned() })
        })?);
    }
    Ok(entries.into())
}
