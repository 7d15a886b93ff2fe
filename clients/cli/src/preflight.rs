//! `strongroom xks preflight`: an external key store's proxy, of any vendor, tried from outside as AWS KMS will call it.
//!
//! Every check says what it found, and one that failed what helps. Absent on purpose: anything that writes: the calls of the
//! API change nothing.

mod authorities;
mod fault;
mod report;
mod trial;
mod wire;
mod witness;

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use serde_json::json;
use strongroom_sigv4::SecretBytes;

use self::authorities::{Accepted, GET_THE_LIST};
use self::fault::Fault;
use self::report::{Done, Report, Verdict};
use self::trial::{Trial, skip_all};
use self::wire::{Attempt, Connection, Oddity, Proxy, SUITES, identity};
use self::witness::Seen;
use crate::arguments::PreflightOptions;
use crate::error::CliError;
use crate::output::Output;
use crate::{Environment, tls};

/// What KMS waits for an answer, and what AWS advises for the way there and back.
const KMS_PATIENCE: Duration = Duration::from_millis(250);
const ADVISED_ROUND_TRIP: Duration = Duration::from_millis(35);
/// What helps where anybody may connect.
const REQUIRE: &str = "if AWS KMS alone is to connect, have the proxy require its certificate: authority and name";

/// Tries a proxy and reports.
pub(crate) fn preflight(
    options: &PreflightOptions,
    environment: Environment<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut report = Report::new(output);
    let accepted = Accepted::read(options.trusted_authorities.as_deref())?;
    let Some(proxy) = locate(options, environment, &mut report)? else { return ended(&report) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(CliError::Output)?.block_on(async {
        match agree(&proxy, accepted.as_ref(), &mut report).await? {
            Ok(open) => Trial::new(&proxy, environment.now, &mut report, open).run(options).await,
            Err(why) => skip_all(&mut report, options.key.is_some(), why),
        }
    })?;
    ended(&report)
}

fn ended(report: &Report<'_, '_>) -> Done {
    match report.failed {
        0 => Ok(()),
        failed => Err(CliError::Preflight { failed }),
    }
}

/// The URL, and where it leads.
fn locate(
    options: &PreflightOptions,
    environment: Environment<'_>,
    report: &mut Report<'_, '_>,
) -> Result<Option<Proxy>, CliError> {
    let usage = |problem: &str| CliError::Usage(format!("{:?} {problem}", options.url));
    if options.url.contains('@') {
        // What stands before the @ may be a password, and is not repeated.
        let problem = "the URL names a user: AWS takes https://HOST/PREFIX/kms/xks/v1, and the credential comes by \
                       AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        return Err(CliError::Usage(problem.to_owned()));
    }
    if options.url.contains(['?', '#']) {
        return Err(usage("has a query or a fragment, which AWS takes none of: https://HOST/PREFIX/kms/xks/v1"));
    }
    let uri: Uri = options.url.parse().map_err(|_| usage("is no URL"))?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https"));
    let authority = authority.ok_or_else(|| usage("is not of the form https://HOST/PREFIX/kms/xks/v1"))?;
    let (host, base) = (authority.host().to_owned(), uri.path().trim_end_matches('/').to_owned());
    let named = host.parse::<IpAddr>().is_err() && host.contains('.') && (2..=120).contains(&host.len());
    let port = authority.port_u16().unwrap_or(443);
    let found = format!("{host} port {port}");
    report.advise(named && port == 443, "endpoint", found, "AWS takes a fully qualified name, on port 443 alone")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let formed = base.ends_with("/kms/xks/v1") && base.len() <= 128 && base.bytes().all(plain);
    let remedy = "the path ends in /kms/xks/v1 and has at most 128 letters, digits, /, _ and -";
    report.check(formed, "path", base.clone(), remedy)?;
    let addresses: Vec<_> = (host.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let address = addresses.iter().find(|address| address.is_ipv4()).copied();
    let told = address.map_or_else(|| format!("{} addresses, none of IPv4", addresses.len()), |a| a.to_string());
    report.check(address.is_some(), "name", told, "give the name an A record: AWS comes over IPv4")?;
    let Some(address) = address else {
        skip_all_of(report, options, "the name leads nowhere")?;
        return Ok(None);
    };
    let variable = |name: &'static str| environment.variable(name).ok_or(CliError::ProxyCredential(name));
    let identity = match (&options.client_certificate, &options.client_key) {
        (Some(chain), Some(key)) => Some(identity(chain, key)?),
        _ => None,
    };
    Ok(Some(Proxy {
        authority: authority.as_str().to_owned(),
        roots: Arc::new(tls::roots(options.authorities.as_deref(), environment)?),
        access_key_id: variable("AWS_ACCESS_KEY_ID")?,
        secret: SecretBytes::take(variable("AWS_SECRET_ACCESS_KEY")?.into_bytes()),
        region: options.region.clone(),
        host,
        address,
        base,
        identity,
    }))
}

/// Every check that needs a connection as not made.
fn skip_all_of(report: &mut Report<'_, '_>, options: &PreflightOptions, why: &str) -> Done {
    report.skip(&["certificate", "root", "suites"], why)?;
    skip_all(report, options.key.is_some(), why)
}

/// Certificate, versions and suites, client certificates; a connection where there can be one, or else why not.
async fn agree(
    proxy: &Proxy,
    accepted: Option<&Accepted>,
    report: &mut Report<'_, '_>,
) -> Result<Result<(Connection, Seen), &'static str>, CliError> {
    let Attempt { outcome, seen } = proxy.connect_as_aws().await;
    if seen.trusted {
        report.check(
            true,
            "certificate",
            format!("{} certificates, trusted, and of this name", seen.chain.len()),
            "",
        )?;
    }
    let connection = match outcome {
        Ok(connection) => Some(connection),
        Err(fault) => {
            let (check, found, remedy) = fault.told(&seen, proxy.identity.is_some());
            report.check(false, check, found, remedy)?;
            if matches!(fault, Fault::Tcp(_) | Fault::Late(_)) {
                report.skip(&["certificate", "root", "suites"], "there is no connection")?;
                return Ok(Err("there is no connection"));
            }
            None
        }
    };
    if seen.chain.is_empty() {
        report.skip(&["certificate", "root"], "the proxy showed none")?;
    } else {
        let unjudged = || (Verdict::Note, "not judged: this machine has no roots of its own".to_owned(), GET_THE_LIST);
        let (verdict, found, remedy) = accepted.map_or_else(unjudged, |accepted| accepted.judge(&seen.chain));
        report.tell(verdict, "root", found, remedy)?;
    }
    suites(proxy, report).await?;
    let Some(connection) = connection else { return Ok(Err("there is no connection")) };
    mutual(proxy, &seen, report).await?;
    Ok(Ok((connection, seen)))
}

/// The suites that are taken. A server shows its certificate once one is agreed on, whatever it wants of the client then.
async fn suites(proxy: &Proxy, report: &mut Report<'_, '_>) -> Done {
    let mut taken = Vec::new();
    for (name, suite) in SUITES {
        if !proxy.connect(&[suite], true).await.seen.chain.is_empty() {
            taken.push(name);
        }
    }
    let found = if taken.is_empty() { "none of those that AWS takes".to_owned() } else { taken.join(", ") };
    report.check(!taken.is_empty(), "suites", found, "enable TLS 1.3, or AES-256-GCM in TLS 1.2")
}

/// Whether a client without a certificate is refused, where there is one to show.
async fn mutual(proxy: &Proxy, seen: &Seen, report: &mut Report<'_, '_>) -> Done {
    if proxy.identity.is_none() {
        return Ok(());
    }
    if !seen.asked {
        let found = "the proxy asks for no client certificate".to_owned();
        return report.tell(Verdict::Note, "mutual TLS", found, REQUIRE);
    }
    // A server of TLS 1.3 says only after the handshake that it wanted a certificate.
    let answered = match proxy.connect(&SUITES.map(|(_, suite)| suite), false).await.outcome {
        Ok(mut anonymous) => proxy.ask(&mut anonymous, "health", &json!({}), 0, Oddity::Unsigned).await.map(drop),
        Err(fault) => Err(fault),
    };
    match answered {
        Ok(()) => report.tell(Verdict::Note, "mutual TLS", "a client needs no certificate".to_owned(), REQUIRE),
        Err(fault @ (Fault::Late(_) | Fault::Tcp(_))) => {
            report.tell(Verdict::Skip, "mutual TLS", format!("not tried without a certificate: {}", fault.found()), "")
        }
        Err(_) => report.check(true, "mutual TLS", "a client without a certificate is refused".to_owned(), ""),
    }
}
