//! The members of requests that tell of an external key store: where its proxy is, how it is reached, who asks it.
//!
//! `XksProxyVpcEndpointServiceOwner` is kept and shown. Absent on purpose: any use of it, since a private service is one that
//! the operators know by its name, whoever owns it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use strongroom_engine::SecretBytes;
use strongroom_model::external::{ExternalAddress, ExternalCredential};

use super::super::requests;
use crate::check::Check;
use crate::context::Detail;
use crate::error::Fault;
use crate::limits;
use crate::wire::Text;
use crate::words::Words;

/// How a proxy is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connectivity {
    /// By its public name.
    Public,
    /// Through a private service.
    Private,
}

const CONNECTIVITIES: Words<Connectivity> =
    &[("PUBLIC_ENDPOINT", Some(Connectivity::Public)), ("VPC_ENDPOINT_SERVICE", Some(Connectivity::Private))];

/// The word for how a proxy is reached that has this private service, or none.
pub(super) const fn connectivity_word(service: Option<&str>) -> &'static str {
    match service {
        None => "PUBLIC_ENDPOINT",
        Some(_) => "VPC_ENDPOINT_SERVICE",
    }
}

const ENDPOINT_PATTERN: &str = "^https://[a-zA-Z0-9.-]+$";
const PATH_PATTERN: &str = "^(/[a-zA-Z0-9\\/_-]+/kms/xks/v\\d{1,2})$|^(/kms/xks/v\\d{1,2})$";
const SERVICE_PATTERN: &str = "^(com|eu)\\.amazonaws\\.vpce\\.([a-z]+-){2,3}\\d+\\.vpce-svc-[0-9a-z]+$";
const OWNER_PATTERN: &str = "[0-9]{12}";
const ACCESS_KEY_PATTERN: &str = "^[A-Z2-7]+$";
const SECRET_PATTERN: &str = "^[a-zA-Z0-9\\/+=]+$";

/// A proxy's secret access key: from the parser straight into its wrapper, and of its form only what was seen on the way.
pub(super) struct RawSecret {
    secret: SecretBytes,
    sound: bool,
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = RawSecret;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawSecret, E> {
                let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=');
                Ok(RawSecret { sound: text.bytes().all(sound), secret: SecretBytes::copy_from(text.as_bytes()) })
            }
        }
        deserializer.deserialize_str(Read)
    }
}

requests! {
    /// `XksProxyAuthenticationCredential`
    Credential { access_key_id: Text<'a>, raw_secret_access_key: RawSecret, }
}

impl Credential<'_> {
    /// The credential, or what is not of its form. Nothing of it is repeated.
    fn check(self, check: &mut Check) -> Option<ExternalCredential> {
        let path = "xksProxyAuthenticationCredential.accessKeyId";
        let shown = check.present(path, self.access_key_id);
        if let Some(shown) = &shown {
            check.sensitive(path, Some(shown), &limits::PROXY_ACCESS_KEY);
            let sound = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
            check.sensitive_pattern(path, shown.bytes().all(sound), ACCESS_KEY_PATTERN);
        }
        let path = "xksProxyAuthenticationCredential.rawSecretAccessKey";
        let RawSecret { secret, sound } = check.present(path, self.raw_secret_access_key)?;
        check.sensitive_length(path, secret.len(), &limits::PROXY_SECRET);
        check.sensitive_pattern(path, sound, SECRET_PATTERN);
        Some(ExternalCredential { shown: (*shown?).to_owned(), secret })
    }
}

/// What a request says, as it came.
pub(super) struct Given<'r, 'a> {
    pub(super) connectivity: Option<&'r Text<'a>>,
    pub(super) endpoint: Option<&'r Text<'a>>,
    pub(super) path: Option<&'r Text<'a>>,
    pub(super) service: Option<&'r Text<'a>>,
    pub(super) owner: Option<&'r Text<'a>>,
    pub(super) credential: Option<Credential<'a>>,
}

impl<'r> Given<'r, '_> {
    /// Marks what is not of its form, and takes what is.
    pub(super) fn check(self, check: &mut Check) -> Members<'r> {
        let endpoint = check.optional("xksProxyUriEndpoint", self.endpoint, &limits::PROXY_ENDPOINT);
        if let Some(endpoint) = endpoint {
            check.pattern("xksProxyUriEndpoint", endpoint, is_endpoint(endpoint), ENDPOINT_PATTERN);
        }
        let path = check.optional("xksProxyUriPath", self.path, &limits::PROXY_PATH);
        if let Some(path) = path {
            check.pattern("xksProxyUriPath", path, is_path(path), PATH_PATTERN);
        }
        let connectivity = check.choice("xksProxyConnectivity", self.connectivity, CONNECTIVITIES);
        // AWS's model forbids an empty name, and its documentation demands one where a store becomes public.
        let service = self.service.filter(|name| !(name.is_empty() && connectivity == Some(Connectivity::Public)));
        let service = check.optional("xksProxyVpcEndpointServiceName", service, &limits::PROXY_SERVICE);
        if let Some(name) = service {
            check.pattern("xksProxyVpcEndpointServiceName", name, is_service(name), SERVICE_PATTERN);
        }
        let owner = check.optional("xksProxyVpcEndpointServiceOwner", self.owner, &limits::ACCOUNT);
        if let Some(owner) = owner {
            let digits = owner.bytes().all(|byte| byte.is_ascii_digit());
            check.pattern("xksProxyVpcEndpointServiceOwner", owner, digits, OWNER_PATTERN);
        }
        let credential = self.credential.and_then(|credential| credential.check(check));
        Members { connectivity, endpoint, path, service, owner, credential }
    }
}

/// What a request says, each in its form.
pub(super) struct Members<'r> {
    pub(super) connectivity: Option<Connectivity>,
    pub(super) endpoint: Option<&'r str>,
    pub(super) path: Option<&'r str>,
    pub(super) service: Option<&'r str>,
    pub(super) owner: Option<&'r str>,
    pub(super) credential: Option<ExternalCredential>,
}

impl Members<'_> {
    /// Whether it says anything.
    pub(super) const fn any(&self) -> bool {
        self.connectivity.is_some()
            || self.endpoint.is_some()
            || self.path.is_some()
            || self.service.is_some()
            || self.owner.is_some()
            || self.credential.is_some()
    }

    /// Where the proxy of a new store is and who asks it, where all that such a store needs is there.
    pub(super) fn required(self) -> Result<(ExternalAddress, ExternalCredential), Fault> {
        self.check_service()?;
        let (Some(_), Some(endpoint), Some(path), Some(credential)) =
            (self.connectivity, self.endpoint, self.path, self.credential)
        else {
            let needed =
                "XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential";
            return Err(Fault::validation(format!("A custom key store of type EXTERNAL_KEY_STORE needs {needed}.")));
        };
        let (endpoint, path, service) = (endpoint.to_owned(), path.to_owned(), self.service.map(str::to_owned));
        Ok((ExternalAddress { endpoint, path, service }, credential))
    }

    /// The private service of a store that changes: a name, none, or what it was. A name by itself is for a store that is
    /// private already: beside a new endpoint, which a public store needs to become private, it is not enough, since
    /// nothing then says that this is meant.
    pub(super) fn changed_service(&self) -> Result<Option<Option<String>>, Fault> {
        self.check_service()?;
        if self.connectivity.is_none() && self.service.is_some() && self.endpoint.is_some() {
            return Err(Fault::validation(
                "XksProxyVpcEndpointServiceName beside XksProxyUriEndpoint needs XksProxyConnectivity \
                 VPC_ENDPOINT_SERVICE.",
            ));
        }
        let service = self.service.map(str::to_owned);
        Ok((self.connectivity.is_some() || service.is_some()).then_some(service))
    }

    /// That a private service is named where there is to be one, and nowhere else.
    fn check_service(&self) -> Result<(), Fault> {
        match (self.connectivity, self.service, self.owner) {
            (Some(Connectivity::Private), None, _) => Err(Fault::validation(
                "XksProxyConnectivity VPC_ENDPOINT_SERVICE needs an XksProxyVpcEndpointServiceName.",
            )),
            (Some(Connectivity::Public), Some(_), _) | (Some(Connectivity::Public), _, Some(_)) => {
                Err(Fault::validation(
                    "XksProxyVpcEndpointServiceName and XksProxyVpcEndpointServiceOwner are for XksProxyConnectivity \
                     VPC_ENDPOINT_SERVICE.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// What a record says of it: nothing of the credential.
    pub(super) fn detail(&self, detail: &mut Detail) {
        let connectivity = self.connectivity.map(|connectivity| match connectivity {
            Connectivity::Public => connectivity_word(None),
            Connectivity::Private => connectivity_word(Some("")),
        });
        let members = [
            ("xksProxyConnectivity", connectivity),
            ("xksProxyUriEndpoint", self.endpoint),
            ("xksProxyUriPath", self.path),
            ("xksProxyVpcEndpointServiceName", self.service),
            ("xksProxyVpcEndpointServiceOwner", self.owner),
        ];
        detail.extend(members.into_iter().filter_map(|(member, value)| Some((member, value?.to_owned()))));
    }
}

fn is_endpoint(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    text.strip_prefix("https://").is_some_and(|host| !host.is_empty() && host.bytes().all(sound))
}

fn is_path(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let Some((prefix, version)) = text.rsplit_once("/kms/xks/v") else { return false };
    let versioned = (1..=2).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit());
    versioned && (prefix.is_empty() || prefix.len() > 1 && prefix.starts_with('/') && prefix.bytes().all(sound))
}

fn is_service(text: &str) -> bool {
    let mut parts = text.split('.');
    let known = matches!(parts.next(), Some("com" | "eu"))
        && parts.next() == Some("amazonaws")
        && parts.next() == Some("vpce")
        && parts.next().is_some_and(is_region);
    let sound = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    let service = parts.next().and_then(|part| part.strip_prefix("vpce-svc-"));
    known && service.is_some_and(|id| !id.is_empty() && id.bytes().all(sound)) && parts.next().is_none()
}

/// Two or three words and a number.
fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    numbered && (2..=3).contains(&words.split('-').count()) && words.split('-').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_paths_and_private_services_have_aws_s_forms() {
        for text in ["https://xks.example.com", "https://a"] {
            assert!(is_endpoint(text), "{text}");
        }
        for text in ["", "https://", "http://xks.example.com", "https://xks.example.com:443", "https://a/", "a.b"] {
            assert!(!is_endpoint(text), "{text}");
        }
        for text in ["/kms/xks/v1", "/a/kms/xks/v1", "/a/b_c-d/kms/xks/v12", "/kms/xks/v1/kms/xks/v1"] {
            assert!(is_path(text), "{text}");
        }
        for text in [
            "",
            "kms/xks/v1",
            "/kms/xks/v",
            "/kms/xks/v123",
            "/kms/xks/v1/",
            "//kms/xks/v1",
            "a/kms/xks/v1",
            "/é/kms/xks/v1",
        ] {
            assert!(!is_path(text), "{text}");
        }
        for text in ["com.amazonaws.vpce.us-east-1.vpce-svc-0a", "eu.amazonaws.vpce.us-gov-east-12.vpce-svc-z9"] {
            assert!(is_service(text), "{text}");
        }
        for text in [
            "",
            "com.amazonaws.vpce.us-east.vpce-svc-0a",
            "com.amazonaws.vpce.useast-1.vpce-svc-0a",
            "com.amazonaws.vpce.a-b-c-d-1.vpce-svc-0a",
            "com.amazonaws.vpce.us-east-1.vpce-svc-",
            "com.amazonaws.vpce.us-east-1.vpce-svc-0A",
            "com.amazonaws.vpce.us-east-1.vpce-svc-0a.b",
            "org.amazonaws.vpce.us-east-1.vpce-svc-0a",
        ] {
            assert!(!is_service(text), "{text}");
        }
    }
}
