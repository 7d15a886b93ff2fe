//! The members of requests that tell of a CloudHSM key store: which cluster, which trust anchor, which password.

use strongroom_model::key_store::KeyStoreName;

use crate::check::Check;
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::wire::{self, Text};

/// A key store as AWS's clients find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, of the form that [`is_cluster_id`] knows.
    pub id: String,
    /// The key store.
    pub store: KeyStoreName,
    /// The accounts that may have a custom key store on it.
    pub accounts: Vec<String>,
}

/// Whether a text is a cluster's id: `cluster-` and 11 to 16 letters and digits from 2 to 7.
#[must_use]
pub fn is_cluster_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7');
    text.strip_prefix("cluster-").is_some_and(|rest| (11..=16).contains(&rest.len()) && rest.bytes().all(fits))
}

/// How AWS writes [`is_cluster_id`].
const CLUSTER_PATTERN: &str = "cluster-[2-7a-zA-Z]{11,16}";

/// What a request says.
pub(super) struct Members<'r, 'a> {
    pub(super) cluster: Option<&'r Text<'a>>,
    pub(super) certificate: Option<&'r Text<'a>>,
    pub(super) password: Option<&'r Text<'a>>,
}

impl<'r> Members<'r, '_> {
    /// Marks what is not of its form.
    pub(super) fn check(&self, check: &mut Check) {
        if let Some(cluster) = check.optional("cloudHsmClusterId", self.cluster, &limits::CLUSTER_ID) {
            check.pattern("cloudHsmClusterId", cluster, is_cluster_id(cluster), CLUSTER_PATTERN);
        }
        check.optional("trustAnchorCertificate", self.certificate, &limits::TRUST_ANCHOR);
        check.sensitive("keyStorePassword", self.password.map(|password| &**password), &limits::STORE_PASSWORD);
    }

    /// Whether it says anything.
    pub(super) fn any(&self) -> bool {
        self.cluster.is_some() || self.certificate.is_some() || self.password.is_some()
    }

    /// The cluster and the trust anchor, where all that a new store needs is there.
    pub(super) fn required(&self) -> Result<(&'r str, &'r str), Fault> {
        let (Some(cluster), Some(certificate), Some(_)) = (self.cluster, self.certificate, self.password) else {
            let needed = "CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate";
            return Err(Fault::validation(format!("A custom key store of type AWS_CLOUDHSM needs {needed}.")));
        };
        match is_certificate(certificate) {
            true => Ok((cluster, certificate)),
            false => {
                let problem = "The trust anchor certificate is not a certificate in PEM form.";
                Err(Fault::own("IncorrectTrustAnchorException", problem))
            }
        }
    }
}

/// The key store of a cluster that the caller's account may have.
pub(super) fn store_of(context: &Context<'_>, cluster: &str) -> Option<KeyStoreName> {
    let may = |known: &&Cluster| known.id == cluster && known.accounts.iter().any(|it| **it == *context.caller.account);
    context.clusters.iter().find(may).map(|known| known.store.clone())
}

/// Whether a text is a certificate, as far as its form tells: PEM (RFC 7468) around a DER sequence.
fn is_certificate(text: &str) -> bool {
    let within = text.trim().strip_prefix("-----BEGIN CERTIFICATE-----");
    let within = within.and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"));
    let within: Option<String> = within.map(|within| within.split_ascii_whitespace().collect());
    within.and_then(|within| wire::decode(&within)).is_some_and(|der| der.first() == Some(&0x30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clusters_are_those_of_aws_s_form() {
        for id in ["cluster-abcdefghijk", "cluster-ABCdefghijk22777"] {
            assert!(is_cluster_id(id), "{id}");
        }
        for id in
            ["", "cluster-", "cluster-abcdefghij", "cluster-abcdefghijklmnopq", "cluster-abcdefghij1", "abcdefghijk"]
        {
            assert!(!is_cluster_id(id), "{id}");
        }
    }

    #[test]
    fn a_trust_anchor_is_taken_in_pem_form_only() {
        let pem = |inside: &str| format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
        assert!(is_certificate(&pem("MIIB\nAAAA")));
        for text in ["", "MIIB", &pem(""), &pem("?"), &pem("AAAA")] {
            assert!(!is_certificate(text), "{text}");
        }
    }
}
