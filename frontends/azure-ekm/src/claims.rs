//! What a request says of itself (`request_context`), for policies and for the record.

use strongroom_engine::{Attributes, ConditionKey, Value};

use crate::error::{Fault, Kind};
use crate::limits;
use crate::wire::{RequestContext, Text};

/// A request's context, within its bounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    request_id: Option<String>,
    correlation_id: Option<String>,
    pool_name: Option<String>,
}

impl Claims {
    /// Reads a request's context.
    pub(crate) fn read(context: Option<&RequestContext<'_>>) -> Result<Self, Fault> {
        let Some(context) = context else { return Err(missing("request_context")) };
        let claim = |name, text: &Option<Text<'_>>, required| match text {
            None if required => Err(missing(name)),
            None => Ok(None),
            Some(text) if text.is_empty() || text.len() > limits::CLAIM_BYTES => {
                let problem = format!("{name} must have 1 to {} bytes", limits::CLAIM_BYTES);
                Err(Fault::new(Kind::InvalidRequest, problem))
            }
            Some(text) => Ok(Some(String::from(&**text))),
        };
        Ok(Self {
            request_id: claim("request_id", &context.request_id, false)?,
            correlation_id: claim("correlation_id", &context.correlation_id, true)?,
            pool_name: claim("pool_name", &context.pool_name, true)?,
        })
    }

    /// What the record says of the request: all of it, so that it is found in Managed HSM's log.
    pub(crate) fn detail(&self) -> Vec<(&'static str, String)> {
        let claims = [
            ("request_context/request_id", &self.request_id),
            ("request_context/correlation_id", &self.correlation_id),
            ("request_context/pool_name", &self.pool_name),
        ];
        claims.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

impl Attributes for Claims {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let value = match key.name() {
            "ekm-proxy:poolname" => self.pool_name.as_deref(),
            _ => None,
        };
        value.filter(|_| index == 0).map(Value::Text)
    }
}

pub(crate) fn missing(name: &str) -> Fault {
    Fault::new(Kind::InvalidRequest, format!("{name} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Claims, Fault> {
        Claims::read(Some(&serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn what_a_request_must_say_of_itself_is_asked_for_and_bounded() {
        assert!(read(r#"{"correlation_id":"c","pool_name":"p"}"#).is_ok());
        let long = "x".repeat(257);
        for (json, told) in [
            (r#"{"pool_name":"p"}"#.to_owned(), "correlation_id is missing"),
            (r#"{"correlation_id":"c"}"#.to_owned(), "pool_name is missing"),
            (format!(r#"{{"correlation_id":"{long}","pool_name":"p"}}"#), "correlation_id must have 1 to 256 bytes"),
            (r#"{"correlation_id":"c","pool_name":""}"#.to_owned(), "pool_name must have 1 to 256 bytes"),
        ] {
            assert_eq!(read(&json).unwrap_err(), Fault::new(Kind::InvalidRequest, told));
        }
        assert_eq!(Claims::read(None).unwrap_err().message, "request_context is missing");
    }
}
