//! Condition operators (IAM User Guide, "IAM JSON policy elements: Condition operators" and "Creating a condition with
//! multiple keys or values").
//!
//! A condition compares the values of one key in the request with the values in the policy. The policy's values are
//! alternatives; a negated operator is the negation of that, so none of them may match. Without a set operator one of
//! the request's values must match (none, when negated). A missing key fulfils negated operators, `IfExists` and
//! `ForAllValues`, and nothing else. A request's value that can't be read as what the operator compares matches nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::attributes::{ConditionKey, TextBuffer, Value};
use crate::evaluate::Request;
use crate::pattern::{self, MalformedVariable, Pattern, Syntax};
use crate::scalar::{self, Decimal, Instant, Network};

/// One operator with one key.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) operator: Box<str>,
    pub(crate) key: ConditionKey,
    set: SetOperator,
    if_exists: bool,
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetOperator {
    None,
    ForAllValues,
    ForAnyValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: Ord>(self, request: &T, policy: &T) -> bool {
        match self {
            Self::Equal => request == policy,
            Self::Less => request < policy,
            Self::LessOrEqual => request <= policy,
            Self::Greater => request > policy,
            Self::GreaterOrEqual => request >= policy,
        }
    }
}

/// What is compared, with the policy's values.
#[derive(Debug, Clone)]
enum Test {
    Text(pattern::Comparison, Box<[Pattern]>),
    Number(Order, Box<[Decimal]>),
    Date(Order, Box<[Instant]>),
    Bool(Box<[bool]>),
    /// Canonical base64, so that equal bytes are equal text.
    Binary(Box<[Box<str>]>),
    Address(Box<[Network]>),
    /// Whether the key must be absent.
    Null(Box<[bool]>),
}

/// A family of operators, before its values are read.
#[derive(Debug, Clone, Copy)]
enum Family {
    Text { comparison: pattern::Comparison, wildcards: bool },
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Null,
}

/// A condition operator as a policy writes it: set operator, name, `IfExists`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator {
    set: SetOperator,
    family: Family,
    negated: bool,
    if_exists: bool,
}

/// Why a value can't stand in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueFault {
    Variable,
    Expected(&'static str),
}

impl From<MalformedVariable> for ValueFault {
    fn from(_: MalformedVariable) -> Self {
        Self::Variable
    }
}

impl Operator {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (set, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (SetOperator::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (SetOperator::ForAnyValue, rest),
            Some(_) => return None,
            None => (SetOperator::None, text),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (family, negated) = Self::family(name)?;
        if matches!(family, Family::Null) && (if_exists || set != SetOperator::None) {
            return None;
        }
        Some(Self { set, family, negated, if_exists })
    }

    fn family(name: &str) -> Option<(Family, bool)> {
        use pattern::Comparison::{Arn, Exact, IgnoreCase};
        let text = |comparison, wildcards| Family::Text { comparison, wildcards };
        Some(match name {
            "StringEquals" => (text(Exact, false), false),
            "StringNotEquals" => (text(Exact, false), true),
            "StringEqualsIgnoreCase" => (text(IgnoreCase, false), false),
            "StringNotEqualsIgnoreCase" => (text(IgnoreCase, false), true),
            "StringLike" => (text(Exact, true), false),
            "StringNotLike" => (text(Exact, true), true),
            "ArnEquals" | "ArnLike" => (text(Arn, true), false),
            "ArnNotEquals" | "ArnNotLike" => (text(Arn, true), true),
            "Bool" => (Family::Bool, false),
            "BinaryEquals" => (Family::Binary, false),
            "IpAddress" => (Family::Address, false),
            "NotIpAddress" => (Family::Address, true),
            "Null" => (Family::Null, false),
            _ => {
                let (order, negated) = match name.strip_prefix("Numeric").or_else(|| name.strip_prefix("Date"))? {
                    "Equals" => (Order::Equal, false),
                    "NotEquals" => (Order::Equal, true),
                    "LessThan" => (Order::Less, false),
                    "LessThanEquals" => (Order::LessOrEqual, false),
                    "GreaterThan" => (Order::Greater, false),
                    "GreaterThanEquals" => (Order::GreaterOrEqual, false),
                    _ => return None,
                };
                (if name.starts_with("Date") { Family::Date(order) } else { Family::Number(order) }, negated)
            }
        })
    }

    /// Reads the policy's values; on a fault, with the index of the value.
    pub(crate) fn condition(
        self,
        operator: &str,
        key: ConditionKey,
        values: &[&str],
        variables: bool,
    ) -> Result<Condition, (usize, ValueFault)> {
        let test = match self.family {
            Family::Text { comparison, wildcards } => Test::Text(
                comparison,
                read(values, |text| {
                    if comparison == pattern::Comparison::Arn && !is_arn_pattern(text) {
                        return Err(ValueFault::Expected("an ARN with or without wildcards"));
                    }
                    Ok(Pattern::parse(text, Syntax { wildcards, variables })?)
                })?,
            ),
            Family::Number(order) => Test::Number(order, read(values, wants("a decimal number", Decimal::parse))?),
            Family::Date(order) => {
                Test::Date(order, read(values, wants("an ISO 8601 date or seconds since 1970", Instant::parse))?)
            }
            Family::Bool => Test::Bool(read(values, wants("true or false", scalar::boolean))?),
            Family::Binary => Test::Binary(read(
                values,
                wants("base64 with padding", |text| STANDARD.decode(text).is_ok().then(|| text.into())),
            )?),
            Family::Address => {
                Test::Address(read(values, wants("an IP address or a network in CIDR notation", Network::parse))?)
            }
            Family::Null => Test::Null(read(values, wants("true or false", scalar::boolean))?),
        };
        let Self { set, negated, if_exists, .. } = self;
        Ok(Condition { operator: operator.into(), key, set, if_exists, negated, test })
    }
}

fn read<T>(values: &[&str], parse: impl Fn(&str) -> Result<T, ValueFault>) -> Result<Box<[T]>, (usize, ValueFault)> {
    values.iter().enumerate().map(|(index, text)| parse(text).map_err(|fault| (index, fault))).collect()
}

fn wants<T>(expected: &'static str, parse: impl Fn(&str) -> Option<T>) -> impl Fn(&str) -> Result<T, ValueFault> {
    move |text| parse(text).ok_or(ValueFault::Expected(expected))
}

/// A lone `*`, six components, or something that a variable completes.
fn is_arn_pattern(text: &str) -> bool {
    text == "*" || text.contains("${") || (text.starts_with("arn:") && text.matches(':').count() >= 5)
}

impl Condition {
    pub(crate) fn holds(&self, request: &Request<'_>) -> bool {
        let value = |index| request.value(&self.key, index);
        let first = value(0);
        if let Test::Null(absent) = &self.test {
            return absent.contains(&first.is_none());
        }
        if first.is_none() {
            return self.if_exists
                || match self.set {
                    SetOperator::None => self.negated,
                    SetOperator::ForAllValues => true,
                    SetOperator::ForAnyValue => false,
                };
        }
        let mut values = (0..).map_while(value);
        match self.set {
            SetOperator::None => values.any(|value| self.test.matches(value, request)) != self.negated,
            SetOperator::ForAnyValue => values.any(|value| self.test.matches(value, request) != self.negated),
            // Nothing but empty text counts as an empty set.
            SetOperator::ForAllValues => {
                values.all(|value| self.test.matches(value, request) != self.negated)
                    || (0..).map_while(value).all(Value::is_empty)
            }
        }
    }
}

impl Test {
    /// Whether one value of the request matches one of the policy's.
    fn matches(&self, value: Value<'_>, request: &Request<'_>) -> bool {
        match self {
            Self::Text(comparison, patterns) => {
                let mut buffer = TextBuffer::new();
                let text = value.text(&mut buffer);
                patterns.iter().any(|pattern| pattern.matches(text, *comparison, request) == Some(true))
            }
            Self::Number(order, policy) => {
                Decimal::of(value).is_some_and(|value| policy.iter().any(|policy| order.holds(&value, policy)))
            }
            Self::Date(order, policy) => {
                Instant::of(value).is_some_and(|value| policy.iter().any(|policy| order.holds(&value, policy)))
            }
            Self::Bool(policy) => match value {
                Value::Bool(value) => policy.contains(&value),
                Value::Text(text) => scalar::boolean(text).is_some_and(|value| policy.contains(&value)),
                Value::Number(_) | Value::Time(_) | Value::Address(_) => false,
            },
            Self::Binary(policy) => {
                matches!(value, Value::Text(text) if policy.iter().any(|policy| **policy == *text))
            }
            Self::Address(policy) => {
                scalar::address(value).is_some_and(|address| policy.iter().any(|network| network.contains(address)))
            }
            Self::Null(_) => false,
        }
    }
}
