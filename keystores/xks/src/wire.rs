//! Bodies of requests, written, and of answers, read with every rule that the specification has for them.

use std::borrow::Cow;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use strongroom_sigv4::SecretBytes;

use crate::client::{Health, HealthStatus, KeyMetadata, Node, Sealed};
use crate::error::{InvalidResponse, Refusal, XksError};
use crate::limits;
use crate::link::Answer;

/// What AWS KMS tells a proxy of the request that it works on (specification, requestMetadata). Taken as it is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMetadata<'a> {
    /// Who asked: an ARN, a service's name, or `AWS Internal`.
    #[serde(rename = "awsPrincipalArn")]
    pub principal_arn: &'a str,
    /// What was asked for, such as `Encrypt` or `CreateKey`.
    pub kms_operation: &'a str,
    /// By which the request is found in the records of both sides.
    pub kms_request_id: &'a str,
    /// Of which key; there is none yet while one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<&'a str>,
    /// The service that asked on the principal's behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_via_service: Option<&'a str>,
    /// The virtual network that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_source_vpc: Option<&'a str>,
    /// The endpoint of that network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_source_vpce: Option<&'a str>,
}

/// What a health request tells: it is made for nobody.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthMetadata<'a> {
    pub(crate) kms_operation: &'a str,
    pub(crate) kms_request_id: &'a str,
}

/// A request's body, erased when it was sent.
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// Begins a body with room for so many bytes in base64.
    pub(crate) fn new(metadata: &impl Serialize, bytes: usize) -> Self {
        // Strings in a structure can't fail to be written.
        let metadata = serde_json::to_string(metadata).unwrap_or_default();
        /// Names and marks of all members beside.
        const FRAME: usize = 512;
        let mut out = Vec::with_capacity(metadata.len() + bytes.div_ceil(3) * 4 + FRAME);
        out.extend_from_slice(b"{\"requestMetadata\":");
        out.extend_from_slice(metadata.as_bytes());
        Self(out)
    }

    /// A member whose value is a word that needs no escape.
    pub(crate) fn word(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
        self
    }

    /// A member in base64.
    pub(crate) fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.name(name);
        let start = self.0.len();
        self.0.resize(start + value.len().div_ceil(3) * 4, 0);
        if let Some(room) = self.0.get_mut(start..) {
            // The room is exactly what base64 takes.
            let _ = STANDARD.encode_slice(value, room);
        }
        self.0.push(b'"');
        self
    }

    /// The same, left out where there is nothing.
    pub(crate) fn some_bytes(self, name: &str, value: &[u8]) -> Self {
        if value.is_empty() { self } else { self.bytes(name, value) }
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":\"");
    }

    pub(crate) fn end(mut self) -> Bytes {
        self.0.push(b'}');
        Bytes::from_owner(Erased(SecretBytes::take(self.0)))
    }
}

struct Erased(SecretBytes);

impl AsRef<[u8]> for Erased {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorAnswer<'a> {
    #[serde(borrow)]
    error_name: Cow<'a, str>,
    error_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncryptAnswer<'a> {
    #[serde(borrow)]
    ciphertext: Cow<'a, str>,
    #[serde(borrow)]
    initialization_vector: Cow<'a, str>,
    #[serde(borrow)]
    authentication_tag: Cow<'a, str>,
    ciphertext_metadata: Option<String>,
    #[serde(borrow)]
    ciphertext_data_integrity_value: Cow<'a, str>,
}

#[derive(Deserialize)]
struct DecryptAnswer<'a> {
    #[serde(borrow)]
    plaintext: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetadataAnswer {
    key_spec: String,
    key_usage: Vec<String>,
    key_status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthAnswer {
    xks_proxy_fleet_size: u32,
    xks_proxy_vendor: String,
    xks_proxy_model: String,
    ekm_vendor: String,
    ekm_fleet_details: Vec<NodeAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeAnswer {
    id: String,
    model: String,
    health_status: String,
}

/// The answer's body, or the refusal that it is.
fn body(answer: &Answer) -> Result<&[u8], XksError> {
    let bytes = answer.body.expose();
    if answer.status == StatusCode::OK {
        return Ok(bytes);
    }
    let status = answer.status.as_u16();
    let told: ErrorAnswer<'_> = parse(bytes, status)?;
    let refusal = Refusal::of_name(&told.error_name).ok_or(InvalidResponse::UnknownError { status })?;
    Err(XksError::Refused { refusal, message: told.error_message.as_deref().map(one_line) })
}

/// What a stranger wrote, for a line that others read.
fn one_line(text: &str) -> Box<str> {
    let mut line = String::new();
    for character in text.chars().take(limits::MESSAGE_CHARACTERS) {
        match character {
            ' '..='~' => line.push(character),
            other => line.extend(other.escape_default()),
        }
    }
    line.into()
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], status: u16) -> Result<T, InvalidResponse> {
    serde_json::from_slice(bytes).map_err(|error| match error.is_data() {
        true => InvalidResponse::Member,
        false => InvalidResponse::NotJson { status },
    })
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, XksError> {
    Ok(parse(body(answer)?, answer.status.as_u16())?)
}

fn decode(member: &'static str, text: &str) -> Result<Vec<u8>, InvalidResponse> {
    STANDARD.decode(text).map_err(|_| InvalidResponse::NotBase64 { member })
}

/// Reads the answer to Encrypt; it counts only where its integrity value is that of all that came.
pub(crate) fn sealed(answer: &Answer, plaintext_bytes: usize, associated_data: &[u8]) -> Result<Sealed, XksError> {
    let told: EncryptAnswer<'_> = read(answer)?;
    let ciphertext = decode("ciphertext", &told.ciphertext)?;
    if ciphertext.len() != plaintext_bytes {
        return Err(InvalidResponse::Length { member: "ciphertext", length: ciphertext.len() }.into());
    }
    let metadata = decode("ciphertextMetadata", told.ciphertext_metadata.as_deref().unwrap_or_default())?;
    let vector = decode("initializationVector", &told.initialization_vector)?;
    let tag = decode("authenticationTag", &told.authentication_tag)?;
    let sealed = Sealed::new(ciphertext, vector, &tag, metadata)?;
    let stated = decode("ciphertextDataIntegrityValue", &told.ciphertext_data_integrity_value)?;
    let computed = integrity(&sealed, associated_data);
    match constant_time::verify_slices_are_equal(computed.as_ref(), &stated) {
        Ok(()) => Ok(sealed),
        Err(_) => Err(InvalidResponse::Integrity.into()),
    }
}

/// SHA-256 over associated data, metadata, IV, ciphertext and tag (specification, Encrypt).
pub(crate) fn integrity(sealed: &Sealed, associated_data: &[u8]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    let parts = [associated_data, sealed.metadata(), sealed.initialization_vector(), sealed.ciphertext(), sealed.tag()];
    parts.into_iter().for_each(|part| context.update(part));
    context.finish()
}

/// Reads the answer to Decrypt.
pub(crate) fn opened(answer: &Answer, ciphertext_bytes: usize) -> Result<SecretBytes, XksError> {
    let told: DecryptAnswer<'_> = read(answer)?;
    let decoded = decode("plaintext", &told.plaintext).map(SecretBytes::take);
    if let Cow::Owned(text) = told.plaintext {
        drop(SecretBytes::take(text.into_bytes()));
    }
    let plaintext = decoded?;
    match plaintext.len() == ciphertext_bytes {
        true => Ok(plaintext),
        false => Err(InvalidResponse::Length { member: "plaintext", length: plaintext.len() }.into()),
    }
}

/// Reads the answer to GetKeyMetadata.
pub(crate) fn key_metadata(answer: &Answer) -> Result<KeyMetadata, XksError> {
    let told: MetadataAnswer = read(answer)?;
    if told.key_usage.len() > limits::USAGES {
        return Err(InvalidResponse::Length { member: "keyUsage", length: told.key_usage.len() }.into());
    }
    let enabled = match told.key_status.as_str() {
        "ENABLED" => true,
        "DISABLED" => false,
        _ => return Err(InvalidResponse::Value { member: "keyStatus" }.into()),
    };
    let has = |usage: &str| told.key_usage.iter().any(|told| told == usage);
    Ok(KeyMetadata { aes_256: told.key_spec == "AES_256", encrypts: has("ENCRYPT"), decrypts: has("DECRYPT"), enabled })
}

/// Reads the answer to GetHealthStatus.
pub(crate) fn health(answer: &Answer) -> Result<Health, XksError> {
    let told: HealthAnswer = read(answer)?;
    if told.xks_proxy_fleet_size == 0 {
        return Err(InvalidResponse::Value { member: "xksProxyFleetSize" }.into());
    }
    let nodes = told.ekm_fleet_details.len();
    if !(1..=limits::FLEET).contains(&nodes) {
        return Err(InvalidResponse::Length { member: "ekmFleetDetails", length: nodes }.into());
    }
    let node = |NodeAnswer { id, model, health_status }| {
        let status = match health_status.as_str() {
            "ACTIVE" => HealthStatus::Active,
            "DEGRADED" => HealthStatus::Degraded,
            "UNAVAILABLE" => HealthStatus::Unavailable,
            _ => return Err(InvalidResponse::Value { member: "healthStatus" }),
        };
        Ok(Node { id, model, status })
    };
    Ok(Health {
        proxies: told.xks_proxy_fleet_size,
        proxy_vendor: told.xks_proxy_vendor,
        proxy_model: told.xks_proxy_model,
        manager_vendor: told.ekm_vendor,
        nodes: told.ekm_fleet_details.into_iter().map(node).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    #[test]
    fn the_specifications_integrity_value_is_computed() {
        let (ciphertext, vector) = (hex("821c642b5b71783367deaf18"), hex("1ccae5470f39700254779031"));
        let tag = hex("bc1c4dda7707d6812447c5955e99b261");
        let sealed = Sealed::new(ciphertext, vector, &tag, b"key_version=1".to_vec()).unwrap();
        let computed = integrity(&sealed, b"project=nile,department=marketing");
        assert_eq!(STANDARD.encode(computed.as_ref()), "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc=");
    }

    #[test]
    fn what_a_caller_says_is_escaped_and_what_is_absent_is_left_out() {
        let metadata = RequestMetadata {
            principal_arn: "a\"b",
            kms_operation: "Encrypt",
            kms_request_id: "1",
            kms_key_arn: None,
            kms_via_service: Some("ebs"),
            aws_source_vpc: None,
            aws_source_vpce: None,
        };
        let body = Body::new(&metadata, 2).bytes("plaintext", b"ab").some_bytes("x", b"").word("w", "AES").end();
        assert_eq!(
            String::from_utf8(body.to_vec()).unwrap(),
            r#"{"requestMetadata":{"awsPrincipalArn":"a\"b","kmsOperation":"Encrypt","kmsRequestId":"1","kmsViaService":"ebs"},"plaintext":"YWI=","w":"AES"}"#
        );
    }
}
