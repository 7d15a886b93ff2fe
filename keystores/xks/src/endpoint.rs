//! Where a proxy is and who asks it, parsed from the parameters of a custom key store in the forms that AWS KMS takes.

use std::fmt;

use rustls::pki_types::DnsName;
use strongroom_sigv4::SecretBytes;

use crate::limits;

/// What every proxy's path ends with.
const API: &str = "/kms/xks/v1";

/// A parameter that does not have its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.says())]
pub enum Malformed {
    /// `XksProxyUriEndpoint`
    Endpoint,
    /// `XksProxyUriPath`
    Path,
    /// `XksKeyId`
    KeyId,
    /// `AccessKeyId` of `XksProxyAuthenticationCredential`
    AccessKeyId,
    /// `RawSecretAccessKey` of `XksProxyAuthenticationCredential`
    SecretAccessKey,
}

impl Malformed {
    /// The form that it must have.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Endpoint => {
                "an endpoint is https:// and a fully qualified domain name, without a port: https://xks.example.com"
            }
            Self::Path => {
                "a path is /kms/xks/v1, or a prefix and that: /example/kms/xks/v1; of a-z, A-Z, 0-9, /, _ and -, to 128"
            }
            Self::KeyId => "an external key's id is 1 to 128 of a-z, A-Z, 0-9, '.', _ and -, and more than dots",
            Self::AccessKeyId => "a proxy's access key id is 20 to 30 of A-Z and 2-7",
            Self::SecretAccessKey => "a proxy's secret access key is 43 to 64 of a-z, A-Z, 0-9, /, + and =",
        }
    }
}

/// A proxy's address: a fully qualified domain name, asked at port 443, and a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Box<str>,
    path: Box<str>,
}

impl Endpoint {
    /// Reads the two parts as AWS KMS splits them: `https://xks.example.com` and `/example/kms/xks/v1`.
    ///
    /// # Errors
    /// [`Malformed::Endpoint`], [`Malformed::Path`].
    pub fn new(uri_endpoint: &str, uri_path: &str) -> Result<Self, Malformed> {
        let host = uri_endpoint.strip_prefix("https://").filter(|host| is_host(host));
        let host = host.filter(|_| limits::ENDPOINT_CHARACTERS.contains(&uri_endpoint.len()));
        let host = host.ok_or(Malformed::Endpoint)?.to_ascii_lowercase().into();
        let prefix = uri_path.strip_suffix(API).filter(|_| uri_path.len() <= limits::PATH_CHARACTERS);
        match prefix.is_some_and(|prefix| prefix.is_empty() || is_path(prefix)) {
            true => Ok(Self { host, path: uri_path.into() }),
            false => Err(Malformed::Path),
        }
    }

    /// The domain name, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path, `/kms/xks/v1` included.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}{}", self.host, self.path)
    }
}

/// Whether an endpoint can have this host: a name with a domain. What ends in digits would be an address.
#[must_use]
pub fn is_host(host: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let domain = host.rsplit_once('.').is_some_and(|(_, last)| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    domain && host.bytes().all(sound) && DnsName::try_from(host).is_ok()
}

/// Whether a VPC endpoint service can have this name (AWS KMS, `XksProxyVpcEndpointServiceName`):
/// `com.amazonaws.vpce.` or `eu.amazonaws.vpce.`, a region, `.vpce-svc-` and small letters and digits; 20 to 64
/// characters.
#[must_use]
pub fn is_service(name: &str) -> bool {
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let region = |region: &str| !region.is_empty() && region.bytes().all(|byte| small(byte) || byte == b'-');
    let rest = ["com.amazonaws.vpce.", "eu.amazonaws.vpce."].into_iter().find_map(|start| name.strip_prefix(start));
    let parts = rest.and_then(|rest| rest.split_once(".vpce-svc-"));
    limits::SERVICE_CHARACTERS.contains(&name.len())
        && parts.is_some_and(|(place, id)| region(place) && !id.is_empty() && id.bytes().all(small))
}

/// No empty segments: a signature's canonical form and the path sent would differ.
fn is_path(prefix: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let segments = prefix.strip_prefix('/').map(|rest| rest.split('/'));
    segments.is_some_and(|mut all| all.all(|segment| !segment.is_empty() && segment.bytes().all(sound)))
}

/// The name of a key in its proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalKeyId(Box<str>);

impl ExternalKeyId {
    /// Reads an id. `.` and `..` are not taken, since a path that holds them means another.
    ///
    /// # Errors
    /// [`Malformed::KeyId`].
    pub fn new(id: &str) -> Result<Self, Malformed> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = limits::KEY_ID_CHARACTERS.contains(&id.len()) && id.bytes().all(sound);
        (fits && !matches!(id, "." | "..")).then(|| Self(id.into())).ok_or(Malformed::KeyId)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What requests are signed with: the proxy made it.
pub struct Credential {
    access_key_id: Box<str>,
    secret_access_key: SecretBytes,
}

impl Credential {
    /// Reads a credential.
    ///
    /// # Errors
    /// [`Malformed::AccessKeyId`], [`Malformed::SecretAccessKey`].
    pub fn new(access_key_id: &str, secret_access_key: SecretBytes) -> Result<Self, Malformed> {
        let sound = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
        if !limits::ACCESS_KEY_CHARACTERS.contains(&access_key_id.len()) || !access_key_id.bytes().all(sound) {
            return Err(Malformed::AccessKeyId);
        }
        let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=');
        let fits = limits::SECRET_CHARACTERS.contains(&secret_access_key.len());
        match fits && secret_access_key.expose().iter().all(sound) {
            true => Ok(Self { access_key_id: access_key_id.into(), secret_access_key }),
            false => Err(Malformed::SecretAccessKey),
        }
    }

    /// The id, which is no secret.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The secret, for the signer alone.
    pub(crate) fn secret_access_key(&self) -> &SecretBytes {
        &self.secret_access_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_domain_name_without_a_port_and_a_path_that_ends_with_the_api() {
        let endpoint = Endpoint::new("https://XKS.example.com", "/a/b_c-d/kms/xks/v1").unwrap();
        assert_eq!(endpoint.to_string(), "https://xks.example.com/a/b_c-d/kms/xks/v1");
        assert_eq!(Endpoint::new("https://xks.example.com", "/kms/xks/v1").unwrap().path(), "/kms/xks/v1");
    }

    #[test]
    fn what_is_no_domain_name_at_port_443_is_no_endpoint() {
        let long = format!("https://{}.example.com", "a".repeat(110));
        for endpoint in [
            "http://xks.example.com",
            "https://xks.example.com:8443",
            "https://xks.example.com/",
            "https://user@xks.example.com",
            "https://localhost",
            "https://127.0.0.1",
            "https://[::1]",
            "https://xks.example.com.",
            "https://xks..com",
            "https://xks_.example.com",
            "https://",
            &long,
        ] {
            assert_eq!(Endpoint::new(endpoint, "/kms/xks/v1"), Err(Malformed::Endpoint), "{endpoint}");
        }
    }

    #[test]
    fn a_path_of_another_form_is_refused() {
        let long = format!("/{}/kms/xks/v1", "a".repeat(120));
        for path in [
            "",
            "/",
            "/kms/xks/v2",
            "x/kms/xks/v1",
            "//kms/xks/v1",
            "/a//kms/xks/v1",
            "/a?/kms/xks/v1",
            "/../kms/xks/v1",
            &long,
        ] {
            assert_eq!(Endpoint::new("https://xks.example.com", path), Err(Malformed::Path), "{path}");
        }
    }

    #[test]
    fn a_service_has_the_form_that_aws_gives_it() {
        for name in [
            "com.amazonaws.vpce.us-east-1.vpce-svc-09a1b2c3d4e5f6071",
            "com.amazonaws.vpce.us-gov-west-1.vpce-svc-1",
            "eu.amazonaws.vpce.eusc-de-east-1.vpce-svc-09a1b2c3d4e5f6071",
        ] {
            assert!(is_service(name), "{name}");
        }
        for name in [
            "",
            "vpce-svc-09a1b2c3d4e5f6071",
            "org.amazonaws.vpce.us-east-1.vpce-svc-09a1b2c3d4e5f6071",
            "com.amazonaws.vpce.us-east-1.vpce-svc-",
            "com.amazonaws.vpce..vpce-svc-09a1b2c3",
            "com.amazonaws.vpce.us-east-1.vpce-svc-09A1",
            "com.amazonaws.vpce.us-east-1.vpce-svc-09a1.example.com",
            &format!("com.amazonaws.vpce.us-east-1.vpce-svc-{}", "a".repeat(30)),
        ] {
            assert!(!is_service(name), "{name}");
        }
    }

    #[test]
    fn ids_of_keys_that_would_change_the_path_are_refused() {
        for id in ["", ".", "..", "a/b", "a%2F", "a b", "\u{e4}", &"a".repeat(129)] {
            assert_eq!(ExternalKeyId::new(id), Err(Malformed::KeyId), "{id}");
        }
        assert_eq!(ExternalKeyId::new("payroll.2026_v-1").unwrap().as_str(), "payroll.2026_v-1");
    }

    #[test]
    fn credentials_of_another_form_are_refused() {
        let (id, secret) = ("A".repeat(20), "s".repeat(43));
        let made = |id: &str, secret: &str| Credential::new(id, SecretBytes::copy_from(secret.as_bytes())).err();
        assert_eq!(made(&id, &secret), None);
        assert_eq!(made(&"A".repeat(19), &secret), Some(Malformed::AccessKeyId));
        assert_eq!(made(&"A".repeat(31), &secret), Some(Malformed::AccessKeyId));
        assert_eq!(made(&"1".repeat(20), &secret), Some(Malformed::AccessKeyId));
        assert_eq!(made(&id, &"s".repeat(42)), Some(Malformed::SecretAccessKey));
        assert_eq!(made(&id, &"s".repeat(65)), Some(Malformed::SecretAccessKey));
        assert_eq!(made(&id, &"-".repeat(43)), Some(Malformed::SecretAccessKey));
    }
}
