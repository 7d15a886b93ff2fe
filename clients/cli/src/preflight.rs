//! `strongroom xks preflight`: an external key store's proxy, of any vendor, tried from outside as AWS KMS will call it.
//!
//! Every check says what it found, and one that failed what helps. Absent on purpose: anything that writes: the calls of the
//! API change nothing.

mod authorities;
mod wire;

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use serde::Serialize;
use serde_json::{Value, json};
use strongroom_audit::hash::Hash;
use strongroom_sigv4::SecretBytes;

use self::authorities::{Accepted, GET_THE_LIST};
use self::wire::{Answer, Connection, Oddity, Proxy, SUITES, identity};
use crate::arguments::{Format, PreflightOptions};
use crate::error::CliError;
use crate::output::Output;
use crate::{Environment, tls};

/// What KMS waits for an answer, and what AWS advises for the way there and back.
const KMS_PATIENCE: Duration = Duration::from_millis(250);
const ADVISED_ROUND_TRIP: Duration = Duration::from_millis(35);
/// How far the proxy's clock may be from ours before that is worth a word, in seconds: signatures hold for 300.
const SKEW: u64 = 60;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Note,
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    verdict: Verdict,
    check: &'static str,
    found: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    remedy: &'static str,
}

/// Checks, shown as they are made.
struct Report<'r, 'o> {
    output: &'r mut Output<'o>,
    failed: usize,
}

impl Report<'_, '_> {
    fn tell(&mut self, verdict: Verdict, check: &'static str, found: String, remedy: &'static str) -> Done {
        let remedy = if verdict == Verdict::Ok { "" } else { remedy };
        self.failed += usize::from(verdict == Verdict::Fail);
        let told = Check { verdict, check, found, remedy };
        if self.output.format() != Format::Table {
            return self.output.json(&told);
        }
        let word = match verdict {
            Verdict::Ok => "ok  ",
            Verdict::Note => "note",
            Verdict::Fail => "FAIL",
        };
        self.output.text(&format!("{word}  {}: {}", told.check, told.found))?;
        if !told.remedy.is_empty() {
            self.output.text(&format!("      try: {}", told.remedy))?;
        }
        self.output.flush()
    }

    /// A check that holds or fails.
    fn check(&mut self, holds: bool, check: &'static str, found: String, remedy: &'static str) -> Done {
        self.tell(if holds { Verdict::Ok } else { Verdict::Fail }, check, found, remedy)
    }

    /// A check that holds, or is worth a word.
    fn advise(&mut self, holds: bool, check: &'static str, found: String, remedy: &'static str) -> Done {
        self.tell(if holds { Verdict::Ok } else { Verdict::Note }, check, found, remedy)
    }
}

type Done = Result<(), CliError>;

/// Tries a proxy and reports.
pub(crate) fn preflight(
    options: &PreflightOptions,
    environment: Environment<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut report = Report { output, failed: 0 };
    let accepted = Accepted::read(options.trusted_authorities.as_deref())?;
    let Some(proxy) = locate(options, environment, &mut report)? else { return ended(&report) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(CliError::Output)?.block_on(async {
        let Some(mut connection) = agree(&proxy, accepted.as_ref(), &mut report).await? else { return Ok(()) };
        let trial = Trial { proxy: &proxy, now: environment.now };
        trial.signatures(&mut connection, &mut report).await?;
        if let Some(key) = &options.key {
            trial.key(&mut connection, key, &mut report).await?;
            trial.latency(&mut connection, key, options.calls, &mut report).await?;
        } else {
            let found = "no external key was named: the calls on keys are not tried".to_owned();
            report.tell(Verdict::Note, "keys", found, "name one with --key")?;
        }
        Ok::<(), CliError>(())
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
    let Some(address) = address else { return Ok(None) };
    let variable = |name: &'static str| environment.variable(name).ok_or(CliError::Environment(name));
    let identity = match (&options.client_certificate, &options.client_key) {
        (Some(chain), Some(key)) => Some(identity(chain, key).map_err(CliError::Usage)?),
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

/// Certificate, versions and suites, client certificates; a connection where there can be one.
async fn agree(
    proxy: &Proxy,
    accepted: Option<&Accepted>,
    report: &mut Report<'_, '_>,
) -> Result<Option<Connection>, CliError> {
    let all: Vec<_> = SUITES.iter().map(|(_, suite)| *suite).collect();
    let connection = match proxy.connect(&all, true).await {
        Ok(connection) => connection,
        Err(cause) => {
            report.check(false, "TLS", cause.clone(), remedy_of(&cause))?;
            return Ok(None);
        }
    };
    let found = format!("{} certificates, trusted, and of this name", connection.chain.len());
    report.check(true, "certificate", found, "")?;
    let unjudged = || (Verdict::Note, "not judged: this machine has no roots of its own".to_owned(), GET_THE_LIST);
    let (verdict, found, remedy) = accepted.map_or_else(unjudged, |accepted| accepted.judge(&connection.chain));
    report.tell(verdict, "root", found, remedy)?;
    let mut taken = Vec::new();
    for (name, suite) in SUITES {
        if proxy.connect(&[suite], true).await.is_ok() {
            taken.push(name);
        }
    }
    report.check(!taken.is_empty(), "suites", taken.join(", "), "enable TLS 1.3, or AES-256-GCM in TLS 1.2")?;
    if proxy.identity.is_some() {
        // A server of TLS 1.3 says only after the handshake that it wanted a certificate.
        let refused = match proxy.connect(&all, false).await {
            Ok(mut anonymous) => {
                let health = json!({});
                proxy.ask(&mut anonymous, "health", &health, 0, Oddity::Unsigned).await.is_err()
            }
            Err(_) => true,
        };
        let found = if refused { "a client without a certificate is refused" } else { "a client needs no certificate" };
        let remedy = "if AWS KMS alone is to connect, have the proxy require its certificate: authority and name";
        report.advise(refused, "mutual TLS", found.to_owned(), remedy)?;
    }
    Ok(Some(connection))
}

fn remedy_of(cause: &str) -> &'static str {
    match cause {
        cause if cause.contains("UnknownIssuer") => {
            "have the server send its whole chain, its own certificate first; its root must be one that AWS accepts"
        }
        cause if cause.contains("NotValidForName") => "have a certificate issued for the name that AWS is told",
        cause if cause.contains("Expired") => "renew the server's certificate",
        cause if cause.contains("alert") => {
            "enable TLS 1.2 or 1.3 with AES-256-GCM; if the proxy wants a client certificate, name one"
        }
        _ => "let AWS reach the proxy: firewall, load balancer, listener",
    }
}

/// The calls.
struct Trial<'t> {
    proxy: &'t Proxy,
    now: &'t dyn Fn() -> u64,
}

impl Trial<'_> {
    async fn ask(
        &self,
        connection: &mut Connection,
        call: &str,
        body: &Value,
        oddity: Oddity,
    ) -> Result<Answer, CliError> {
        let asked = self.proxy.ask(connection, call, body, (self.now)(), oddity).await;
        let asked = match asked {
            Ok(answer) => Ok(answer),
            // A proxy may close a connection after a refusal.
            Err(_) => {
                let all: Vec<_> = SUITES.iter().map(|(_, suite)| *suite).collect();
                match self.proxy.connect(&all, true).await {
                    Ok(fresh) => {
                        *connection = fresh;
                        self.proxy.ask(connection, call, body, (self.now)(), oddity).await
                    }
                    Err(cause) => Err(cause),
                }
            }
        };
        asked.map_err(|cause| CliError::Unreachable { place: format!("the proxy at {}", self.proxy.authority), cause })
    }

    /// Health, and that nobody else gets an answer.
    async fn signatures(&self, connection: &mut Connection, report: &mut Report<'_, '_>) -> Done {
        let body = json!({"requestMetadata": {"kmsOperation": "KmsHealthCheck", "kmsRequestId": "preflight"}});
        let health = self.ask(connection, "health", &body, Oddity::None).await?;
        let nodes = health.body.get("ekmFleetDetails").and_then(Value::as_array);
        let words: Vec<&str> =
            nodes.into_iter().flatten().filter_map(|node| node.get("healthStatus")?.as_str()).collect();
        let active = health.status.is_success() && !words.is_empty() && words.iter().all(|word| *word == "ACTIVE");
        let found = format!("{} {}", health.told(), words.join(" "));
        let remedy = match health.error() {
            "AuthenticationFailedException" => "give the proxy's own credential and region, and compare clocks",
            "InvalidUriPathException" => "compare the path with the one that the proxy shows for this key store",
            "InvalidStateException" => "unblock the key store",
            _ => "look into the proxy's log, and at the HSM behind it",
        };
        report.check(active, "GetHealthStatus", found, remedy)?;
        self.clock(&health, report)?;
        for (check, oddity) in [
            ("unsigned request refused", Oddity::Unsigned),
            ("wrong secret refused", Oddity::WrongSecret),
            ("signature of 301 s ago refused", Oddity::Skew(-301)),
            ("signature 301 s ahead refused", Oddity::Skew(301)),
        ] {
            let answer = self.ask(connection, "health", &body, oddity).await?;
            let refused = answer.status.as_u16() == 401 && answer.error() == "AuthenticationFailedException";
            report.check(
                refused,
                check,
                answer.told(),
                "the proxy must verify signatures: 401 AuthenticationFailedException",
            )?;
        }
        let answer = self.ask(connection, "health", &json!({}), Oddity::Get).await?;
        report.check(answer.status.as_u16() == 405, "GET refused", answer.told(), "every call is POST alone: 405")?;
        let answer = self.ask(connection, "health", &json!({}), Oddity::None).await?;
        let refused = answer.error() == "ValidationException";
        report.advise(refused, "malformed request refused", answer.told(), "requestMetadata is required: 400")
    }

    fn clock(&self, health: &Answer, report: &mut Report<'_, '_>) -> Done {
        let ours = (self.now)() / 1000;
        let Some(theirs) = health.date.as_deref().and_then(http_date) else {
            return report.tell(Verdict::Note, "clock", "the proxy does not tell its time".to_owned(), "");
        };
        let apart = ours.abs_diff(theirs);
        let remedy = "set the proxy's clock by NTP: signatures hold for five minutes";
        report.advise(apart <= SKEW, "clock", format!("{apart} s from this machine's"), remedy)
    }

    /// The three calls on a key.
    async fn key(&self, connection: &mut Connection, key: &str, report: &mut Report<'_, '_>) -> Done {
        let body = json!({ "requestMetadata": metadata("CreateKey") });
        let answer = self.ask(connection, &format!("keys/{key}/metadata"), &body, Oddity::None).await?;
        let member = |name: &str| answer.body.get(name).cloned().unwrap_or(Value::Null);
        let has = |usage: &str| member("keyUsage").as_array().is_some_and(|usages| usages.contains(&json!(usage)));
        let fit =
            member("keySpec") == "AES_256" && has("ENCRYPT") && has("DECRYPT") && member("keyStatus") == "ENABLED";
        let found = format!("{} {} {} {}", answer.told(), member("keySpec"), member("keyUsage"), member("keyStatus"));
        report.check(fit, "GetKeyMetadata", found, "AWS takes an enabled AES-256 key that encrypts and decrypts")?;
        let answer = self.ask(connection, "keys/preflight-no-such-key/metadata", &body, Oddity::None).await?;
        let missing = answer.status.as_u16() == 404 && answer.error() == "KeyNotFoundException";
        report.check(missing, "unknown key refused", answer.told(), "404 KeyNotFoundException")?;

        let (plain, aad) = (STANDARD.encode([7; 4300]), STANDARD.encode([8; 8192]));
        let body = json!({
            "requestMetadata": metadata("Encrypt"), "encryptionAlgorithm": "AES_GCM", "plaintext": plain,
            "additionalAuthenticatedData": aad, "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
        });
        let sealed = self.ask(connection, &format!("keys/{key}/encrypt"), &body, Oddity::None).await?;
        let parts = ["ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag"];
        let parts = parts.map(|name| blob(&sealed.body, name));
        let lengths = parts.each_ref().map(Vec::len);
        let formed = matches!(lengths, [..=20, 12 | 16, 4300, 16]);
        let found = format!("{}, metadata, IV, ciphertext and tag of {lengths:?} bytes", sealed.told());
        let remedy = "4300 bytes with 8192 bytes of associated data must be taken";
        report.check(sealed.status.is_success() && formed, "Encrypt", found, remedy)?;
        let mut hashed = vec![[8; 8192].to_vec()];
        hashed.extend(parts);
        let value = Hash::of(hashed.iter().map(Vec::as_slice));
        let right = blob(&sealed.body, "ciphertextDataIntegrityValue") == value.as_bytes();
        report.check(
            right,
            "integrity value",
            if right { "right" } else { "wrong" }.to_owned(),
            "SHA-256 of all parts in order",
        )?;
        let mut body = json!({
            "requestMetadata": metadata("Decrypt"), "encryptionAlgorithm": "AES_GCM", "additionalAuthenticatedData": aad,
        });
        for name in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
            if let (Some(value), Some(body)) = (sealed.body.get(name), body.as_object_mut()) {
                body.insert(name.to_owned(), value.clone());
            }
        }
        let opened = self.ask(connection, &format!("keys/{key}/decrypt"), &body, Oddity::None).await?;
        let same = opened.body.get("plaintext") == Some(&json!(plain));
        report.check(same, "Decrypt", opened.told(), "what was encrypted must decrypt to the same")?;
        if let Some(body) = body.as_object_mut() {
            body.remove("additionalAuthenticatedData");
        }
        let answer = self.ask(connection, &format!("keys/{key}/decrypt"), &body, Oddity::None).await?;
        let refused = answer.error() == "InvalidCiphertextException";
        report.check(refused, "other associated data refused", answer.told(), "400 InvalidCiphertextException")
    }

    /// How long a call takes on an open connection, and a new connection.
    async fn latency(&self, connection: &mut Connection, key: &str, calls: u16, report: &mut Report<'_, '_>) -> Done {
        let body = json!({
            "requestMetadata": metadata("Encrypt"), "encryptionAlgorithm": "AES_GCM", "plaintext": STANDARD.encode([7; 32]),
        });
        let mut times = Vec::with_capacity(usize::from(calls));
        for _ in 0..calls {
            times.push(self.ask(connection, &format!("keys/{key}/encrypt"), &body, Oddity::None).await?.took);
        }
        times.sort_unstable();
        let at = |hundredths: usize| times.get((times.len() * hundredths / 100).min(times.len() - 1)).copied();
        let [half, most, last] = [at(50), at(99), times.last().copied()].map(Option::unwrap_or_default);
        let found = format!("half of {calls} calls within {half:.1?}, 99 % within {most:.1?}, all within {last:.1?}");
        report.check(
            most < KMS_PATIENCE,
            "time of Encrypt",
            found,
            "KMS gives up after 250 ms: bring proxy and HSM nearer",
        )?;
        let remedy = "AWS advises 35 ms at most for the way there and back; measure from the AWS region itself";
        report.advise(connection.tcp <= ADVISED_ROUND_TRIP, "round trip", format!("{:.1?}", connection.tcp), remedy)?;
        let new = connection.tcp + connection.tls;
        let found = format!("{new:.1?} for TCP and TLS");
        report.advise(new + half < KMS_PATIENCE, "new connection", found, "KMS counts it into its 250 ms")
    }
}

/// A request's metadata as KMS sends it.
fn metadata(operation: &str) -> Value {
    json!({
        "awsPrincipalArn": "arn:aws:iam::123456789012:user/preflight", "kmsOperation": operation,
        "kmsRequestId": "00000000-0000-4000-8000-000000000000",
        "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000",
    })
}

fn blob(body: &Value, name: &str) -> Vec<u8> {
    let text = body.get(name).and_then(Value::as_str).unwrap_or_default();
    STANDARD.decode(text).unwrap_or_default()
}

/// Seconds since 1970 of a time as HTTP writes it (RFC 9110 section 5.6.7, its one form that may be sent).
fn http_date(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = words.next()?;
    let month = u64::try_from(months.iter().position(|name| *name == month)?).ok()? + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    // Days from civil, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some(days.checked_sub(719_469)? * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_read_to_the_second() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        assert_eq!(http_date("yesterday"), None);
    }
}
