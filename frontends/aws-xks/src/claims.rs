//! What a request claims of its origin (`requestMetadata`), for policies and for the record.

use strongroom_engine::{Attributes, ConditionKey, Value};

use crate::error::{Fault, Kind};
use crate::limits;
use crate::path::Operation;
use crate::wire::{RequestMetadata, Text};

/// A request's metadata, within its bounds. An ARN need be none: AWS itself asks as `AWS Internal`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    principal_arn: Option<String>,
    operation: Option<String>,
    request_id: Option<String>,
    key_arn: Option<String>,
    via_service: Option<String>,
    source_vpc: Option<String>,
    source_vpce: Option<String>,
}

impl Claims {
    /// Reads a request's metadata; what the specification requires of this call must be there. Values that are not known
    /// are no fault.
    pub(crate) fn read(metadata: Option<&RequestMetadata<'_>>, call: Operation) -> Result<Self, Fault> {
        let Some(metadata) = metadata else { return Err(missing("requestMetadata")) };
        let of_key = call != Operation::Health;
        let of_use = matches!(call, Operation::Encrypt | Operation::Decrypt);
        let claim = |name, text: &Option<Text<'_>>, longest, required| match text {
            None if required => Err(missing(name)),
            None => Ok(None),
            Some(text) if text.is_empty() || text.len() > longest => {
                Err(Fault::new(Kind::Validation, format!("{name} must have 1 to {longest} bytes")))
            }
            Some(text) => Ok(Some(String::from(&**text))),
        };
        let (arn, short) = (limits::ARN_BYTES, limits::CLAIM_BYTES);
        Ok(Self {
            principal_arn: claim("awsPrincipalArn", &metadata.aws_principal_arn, arn, of_key)?,
            operation: claim("kmsOperation", &metadata.kms_operation, short, true)?,
            request_id: claim("kmsRequestId", &metadata.kms_request_id, short, true)?,
            key_arn: claim("kmsKeyArn", &metadata.kms_key_arn, arn, of_use)?,
            via_service: claim("kmsViaService", &metadata.kms_via_service, short, false)?,
            source_vpc: claim("awsSourceVpc", &metadata.aws_source_vpc, short, false)?,
            source_vpce: claim("awsSourceVpce", &metadata.aws_source_vpce, short, false)?,
        })
    }

    /// What the record says of the request: all of it, the KMS request id above all, by which it is found in CloudTrail.
    pub(crate) fn detail(&self) -> Vec<(&'static str, String)> {
        let claims = [
            ("requestMetadata/awsPrincipalArn", &self.principal_arn),
            ("requestMetadata/kmsOperation", &self.operation),
            ("requestMetadata/kmsRequestId", &self.request_id),
            ("requestMetadata/kmsKeyArn", &self.key_arn),
            ("requestMetadata/kmsViaService", &self.via_service),
            ("requestMetadata/awsSourceVpc", &self.source_vpc),
            ("requestMetadata/awsSourceVpce", &self.source_vpce),
        ];
        claims.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    /// The account in the principal's ARN, where it is one with an account.
    fn account(&self) -> Option<&str> {
        let account = self.principal_arn.as_deref()?.strip_prefix("arn:")?.split(':').nth(3)?;
        (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
    }
}

impl Attributes for Claims {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let value = match key.name() {
            "xks-proxy:awsprincipalarn" => self.principal_arn.as_deref(),
            "xks-proxy:awsprincipalaccount" => self.account(),
            "xks-proxy:kmsoperation" => self.operation.as_deref(),
            "xks-proxy:kmskeyarn" => self.key_arn.as_deref(),
            "xks-proxy:kmsviaservice" => self.via_service.as_deref(),
            "xks-proxy:awssourcevpc" => self.source_vpc.as_deref(),
            "xks-proxy:awssourcevpce" => self.source_vpce.as_deref(),
            _ => None,
        };
        value.filter(|_| index == 0).map(Value::Text)
    }
}

pub(crate) fn missing(name: &str) -> Fault {
    Fault::new(Kind::Validation, format!("{name} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, call: Operation) -> Result<Claims, Fault> {
        Claims::read(Some(&serde_json::from_str(json).unwrap()), call)
    }

    #[test]
    fn each_call_requires_what_the_specification_says() {
        let all = [
            ("awsPrincipalArn", "arn:aws:iam::123456789012:user/Alice"),
            ("kmsOperation", "Encrypt"),
            ("kmsRequestId", "not a uuid"),
            ("kmsKeyArn", "arn:aws:kms:us-east-2:123456789012:key/1"),
        ];
        for (call, required) in
            [(Operation::Health, &all[1..3]), (Operation::Metadata, &all[..3]), (Operation::Encrypt, &all[..])]
        {
            for left_out in 0..=all.len() {
                let given = all.iter().enumerate().filter(|(index, _)| *index != left_out);
                let pairs: Vec<String> = given.map(|(_, (name, value))| format!("\"{name}\":\"{value}\"")).collect();
                let needed = all.get(left_out).is_some_and(|pair| required.contains(pair));
                let read = read(&format!("{{{}}}", pairs.join(",")), call);
                assert_eq!(read.is_err(), needed, "{call:?} without {:?}", all.get(left_out));
            }
        }
    }

    #[test]
    fn arns_of_2048_characters_are_taken_and_longer_ones_are_not() {
        for (length, taken) in [(2048, true), (2049, false)] {
            let arn = format!("arn:aws:iam::123456789012:role/{}", "r".repeat(length - 31));
            let json = format!(r#"{{"awsPrincipalArn":"{arn}","kmsOperation":"o","kmsRequestId":"r"}}"#);
            assert_eq!(read(&json, Operation::Metadata).is_ok(), taken, "{length}");
        }
    }

    #[test]
    fn the_account_is_the_arns_own_and_aws_itself_has_none() {
        for (arn, account) in [
            ("arn:aws:iam::123456789012:user/Alice", Some("123456789012")),
            ("arn:aws-us-gov:sts::123456789012:assumed-role/a/b", Some("123456789012")),
            ("AWS Internal", None),
            ("ebs.amazonaws.com", None),
            ("arn:aws:iam::aws:policy/x", None),
        ] {
            let claims = Claims { principal_arn: Some(arn.to_owned()), ..Claims::default() };
            assert_eq!(claims.account(), account, "{arn}");
        }
    }
}
