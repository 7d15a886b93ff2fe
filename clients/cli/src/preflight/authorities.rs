//! Whether the root above a server's chain is one that AWS accepts, by its name.
//!
//! AWS publishes its list as text, `TrustedCertificateAuthorities`, as Java's keytool prints it: a line `Owner:` for each root.
//! Without the list the roots that this machine trusts stand in for it. Absent on purpose: the list itself, which is AWS's and
//! changes; any check of signatures, which TLS has made.

use std::collections::BTreeSet;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::report::Verdict;
use crate::error::CliError;
use crate::limits;
use crate::tls::system_bundle;

/// Where the list is, for who lacks it.
pub(super) const GET_THE_LIST: &str = "download TrustedCertificateAuthorities from github.com/aws/aws-kms-xksproxy-api-spec and give it as \
                                       --trusted-authorities";
/// What helps where a root is not on it.
pub(super) const CHANGE_THE_ROOT: &str = "have a certificate from a public authority on AWS's list, TrustedCertificateAuthorities of \
                                          github.com/aws/aws-kms-xksproxy-api-spec, and have the server send its whole chain";

/// The attributes of a distinguished name, in any order: programs print them from either end. Letters' case and runs of
/// spaces do not count (RFC 5280, section 7.1, says so of the strings that names are made of).
type Name = BTreeSet<(String, String)>;

/// The names of the roots that are accepted.
pub(super) struct Accepted {
    names: BTreeSet<Name>,
    /// What they are.
    source: Source,
}

enum Source {
    Aws,
    /// The roots of this machine, from this file.
    Machine(&'static Path),
}

impl Accepted {
    /// The roots of AWS's list, or else this machine's, if it has any.
    pub(super) fn read(list: Option<&Path>) -> Result<Option<Self>, CliError> {
        let Some(list) = list else {
            return Ok(system_bundle().map(|path| Self { names: names_in(path), source: Source::Machine(path) }));
        };
        let unreadable = |source| CliError::File { path: list.into(), source };
        let length = std::fs::metadata(list).map_err(unreadable)?.len();
        if length > limits::AUTHORITIES_BYTES {
            return Err(unreadable(std::io::Error::other("it is longer than any such list")));
        }
        let text = std::fs::read_to_string(list).map_err(unreadable)?;
        let names: BTreeSet<Name> = text.lines().filter_map(|line| listed(line.strip_prefix("Owner:")?)).collect();
        match names.is_empty() {
            true => Err(unreadable(std::io::Error::other(
                "it names no authority in a line that begins with Owner: as AWS's TrustedCertificateAuthorities does",
            ))),
            false => Ok(Some(Self { names, source: Source::Aws })),
        }
    }

    /// What is to be said of a chain, the server's own certificate first.
    pub(super) fn judge(&self, chain: &[CertificateDer<'_>]) -> (Verdict, String, &'static str) {
        let above = above(chain);
        let root = above.last().map_or_else(|| "none".to_owned(), |(_, shown)| shown.clone());
        let found = above.iter().find(|(name, _)| self.names.contains(name));
        match (found, &self.source) {
            (Some((_, shown)), Source::Aws) => (Verdict::Ok, format!("{shown}, which is on AWS's list"), ""),
            (None, Source::Aws) => (Verdict::Fail, format!("{root}, which is not on AWS's list"), CHANGE_THE_ROOT),
            (Some((_, shown)), Source::Machine(path)) => {
                let found = format!(
                    "{shown}, one that this machine trusts ({}); that is only near to what AWS accepts",
                    path.display()
                );
                (Verdict::Note, found, GET_THE_LIST)
            }
            (None, Source::Machine(path)) => {
                let found = format!(
                    "{root}, none that this machine trusts ({}), so hardly one that AWS accepts; its list alone tells",
                    path.display()
                );
                (Verdict::Fail, found, CHANGE_THE_ROOT)
            }
        }
    }
}

/// The names above a server's certificate, from its issuer to the root: as they are compared and as they are shown. A root that
/// has itself been certified by another is above it and may be accepted as well as that.
fn above(chain: &[CertificateDer<'_>]) -> Vec<(Name, String)> {
    let parsed = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    let parsed: Vec<X509Certificate<'_>> = parsed.map(|(_, certificate)| certificate).collect();
    let mut names = Vec::new();
    let mut next = parsed.first();
    while let Some(certificate) = next {
        let issuer = certificate.issuer();
        names.push((name(issuer), shown(issuer)));
        let issues = |other: &&X509Certificate<'_>| other.subject().as_raw() == issuer.as_raw();
        next = parsed.iter().find(issues).filter(|_| names.len() < parsed.len());
    }
    names
}

/// The subjects of a file of certificates.
fn names_in(bundle: &Path) -> BTreeSet<Name> {
    let certificates = CertificateDer::pem_file_iter(bundle).into_iter().flatten().filter_map(Result::ok);
    certificates.filter_map(|der| Some(name(X509Certificate::from_der(&der).ok()?.1.subject()))).collect()
}

fn name(name: &X509Name<'_>) -> Name {
    name.iter_attributes().map(|attribute| (kind(attribute), normal(&text(attribute)))).collect()
}

fn shown(name: &X509Name<'_>) -> String {
    let attributes: Vec<_> = name.iter_attributes().map(|of| format!("{}={}", kind(of), text(of))).collect();
    attributes.join(", ")
}

/// An attribute's kind as keytool writes it.
fn kind(attribute: &AttributeTypeAndValue<'_>) -> String {
    match attribute.attr_type().to_id_string().as_str() {
        "2.5.4.3" => "CN".to_owned(),
        "2.5.4.5" => "SERIALNUMBER".to_owned(),
        "2.5.4.6" => "C".to_owned(),
        "2.5.4.7" => "L".to_owned(),
        "2.5.4.8" => "ST".to_owned(),
        "2.5.4.10" => "O".to_owned(),
        "2.5.4.11" => "OU".to_owned(),
        "0.9.2342.19200300.100.1.25" => "DC".to_owned(),
        "1.2.840.113549.1.9.1" => "EMAILADDRESS".to_owned(),
        other => format!("OID.{other}"),
    }
}

/// An attribute's value; of the strings that are neither ASCII nor UTF-8, what can be read of them.
fn text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let raw = || String::from_utf8_lossy(attribute.attr_value().data).into_owned();
    attribute.as_str().map_or_else(|_| raw(), str::to_owned)
}

fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A name as keytool prints it: `KIND=value` between commas, a value in quotes where it has a comma itself.
fn listed(text: &str) -> Option<Name> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in text.trim().chars() {
        let part = parts.last_mut()?;
        match character {
            _ if escaped => {
                part.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            _ => part.push(character),
        }
    }
    let attribute = |part: &String| {
        let (kind, value) = part.trim().split_once('=')?;
        Some((kind.trim().to_uppercase(), normal(value)))
    };
    parts.iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    /// Names are listed from the other end, with other spaces and other letters than certificates have.
    const LIST: &str = "Alias name: one\nOwner: CN=Example  Root R1, O=\"Example, Inc.\", C=US\nIssuer: CN=Nobody, C=US\n\
                        Certificate fingerprints:\n\t SHA1: 00\n*****\nAlias name: two\n\
                        Owner: CN=E-Tuğra, OID.2.5.4.97=VATES-Q1, C=TR\n";

    fn file(text: &str) -> std::path::PathBuf {
        let mut named = std::env::temp_dir();
        let unique = format!("strongroom-authorities-{}-{:p}", std::process::id(), text);
        named.push(unique);
        std::fs::File::create(&named).unwrap().write_all(text.as_bytes()).unwrap();
        named
    }

    fn accepted(text: &str) -> Result<Option<Accepted>, CliError> {
        let path = file(text);
        let read = Accepted::read(Some(&path));
        std::fs::remove_file(path).unwrap();
        read
    }

    struct Authority(CertificateParams, KeyPair);

    fn authority(name: &[(DnType, &str)]) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        name.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
        Authority(params, KeyPair::generate().unwrap())
    }

    /// One's certificate from the other.
    fn signed(subject: &Authority, issuer: &Authority) -> CertificateDer<'static> {
        let issuer = Issuer::from_params(&issuer.0, &issuer.1);
        subject.0.signed_by(&subject.1, &issuer).unwrap().der().clone()
    }

    fn listed_root() -> Authority {
        authority(&[
            (DnType::CountryName, "US"),
            (DnType::OrganizationName, "Example, Inc."),
            (DnType::CommonName, "EXAMPLE Root R1"),
        ])
    }

    #[test]
    fn a_chain_under_a_listed_root_is_accepted_whether_or_not_the_root_is_sent() {
        let (root, between, leaf) = (listed_root(), authority(&[(DnType::CommonName, "R10")]), authority(&[]));
        let chain = [signed(&leaf, &between), signed(&between, &root), signed(&root, &root)];
        let accepted = accepted(LIST).unwrap().unwrap();
        for chain in [&chain[..], &chain[..2]] {
            let (verdict, found, _) = accepted.judge(chain);
            assert_eq!(verdict, Verdict::Ok, "{found}");
            assert_eq!(found, "C=US, O=Example, Inc., CN=EXAMPLE Root R1, which is on AWS's list");
        }
        // Without what is between, nothing leads to the root.
        assert_eq!(accepted.judge(&chain[..1]).0, Verdict::Fail);
    }

    #[test]
    fn a_root_that_an_unlisted_one_has_certified_is_accepted_still() {
        let (old, root, leaf) = (authority(&[(DnType::CommonName, "Old Root")]), listed_root(), authority(&[]));
        let chain = [signed(&leaf, &root), signed(&root, &old)];
        assert_eq!(accepted(LIST).unwrap().unwrap().judge(&chain).0, Verdict::Ok);
    }

    #[test]
    fn other_roots_are_not_nor_those_that_are_named_as_issuers_only_or_have_more_to_their_name() {
        let more = listed_root();
        let mut more = Authority(more.0, more.1);
        more.0.distinguished_name.push(DnType::OrganizationalUnitName, "Other");
        let named = authority(&[(DnType::CountryName, "US"), (DnType::CommonName, "Nobody")]);
        for root in [more, named, authority(&[])] {
            let (verdict, found, remedy) = accepted(LIST).unwrap().unwrap().judge(&[signed(&authority(&[]), &root)]);
            assert_eq!((verdict, remedy), (Verdict::Fail, CHANGE_THE_ROOT), "{found}");
        }
    }

    #[test]
    fn a_chain_that_leads_in_a_circle_ends() {
        let (one, other) = (authority(&[(DnType::CommonName, "one")]), authority(&[(DnType::CommonName, "other")]));
        let chain = [signed(&one, &other), signed(&other, &one)];
        assert_eq!(accepted(LIST).unwrap().unwrap().judge(&chain).0, Verdict::Fail);
    }

    #[test]
    fn this_machines_roots_are_said_to_be_only_near_to_awss() {
        let root = listed_root();
        let chain = [signed(&authority(&[]), &root)];
        let names = BTreeSet::from([listed("CN=example root r1, O=\"Example, Inc.\", C=us").unwrap()]);
        let machine = Accepted { names, source: Source::Machine(Path::new("/roots.pem")) };
        let (verdict, found, remedy) = machine.judge(&chain);
        assert_eq!((verdict, remedy), (Verdict::Note, GET_THE_LIST));
        assert!(found.contains("(/roots.pem); that is only near to what AWS accepts"), "{found}");
        let (verdict, found, remedy) = machine.judge(&[signed(&authority(&[]), &authority(&[]))]);
        assert_eq!((verdict, remedy), (Verdict::Fail, CHANGE_THE_ROOT));
        assert!(found.contains("none that this machine trusts"), "{found}");
    }

    #[test]
    fn a_file_without_owners_is_no_such_list() {
        let refused = accepted("-----BEGIN CERTIFICATE-----\n").err().unwrap();
        assert!(refused.to_string().contains("in a line that begins with Owner:"), "{refused}");
        assert!(Accepted::read(Some(Path::new("/nowhere/list"))).is_err());
    }
}
