//! The calls of the API, asked as KMS asks them and as nobody may.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_audit::hash::Hash;

use super::fault::Fault;
use super::report::{Done, Report, Verdict};
use super::wire::{Answer, Attempt, Connection, Oddity, Proxy};
use super::witness::Seen;
use super::{ADVISED_ROUND_TRIP, KMS_PATIENCE};
use crate::PreflightOptions;
use crate::error::CliError;

/// How far the proxy's clock may be from ours before that is worth a word, in seconds, and from when on signatures are refused.
const SKEW: u64 = 60;
const SKEW_REFUSED: u64 = 300;
/// How far from the proxy's own time a signature is made that is to be refused, in seconds: ten more than five minutes, since
/// times are told in whole seconds and a request takes a while.
const TOO_FAR: i64 = 310;

/// Checks by what they need: a proxy's answer, a credential that it takes, a key, and a key that has encrypted.
const HEALTH: [&str; 2] = ["GetHealthStatus", "clock"];
const SIGNED: [&str; 6] = [
    "unsigned request refused",
    "wrong secret refused",
    "signature of 310 s ago refused",
    "signature 310 s ahead refused",
    "GET refused",
    "malformed request refused",
];
const KEY: [&str; 2] = ["GetKeyMetadata", "unknown key refused"];
const ENCRYPTING: [&str; 1] = ["Encrypt"];
const ENCRYPTED: [&str; 3] = ["integrity value", "Decrypt", "other associated data refused"];
const TIMES: [&str; 3] = ["time of Encrypt", "round trip", "new connection"];

const NO_PROXY: &str = "no XKS proxy answers at this path: compare host and path with the proxy's, and see what else, such as a \
                        load balancer or a web server, answers in its place";
const VERIFY: &str = "the proxy must verify signatures: 401 AuthenticationFailedException";
const CREDENTIAL: &str = "give the proxy's own credential and region, and compare clocks";
const LOOK: &str = "look into the proxy's log, and at the HSM behind it";

/// A proxy that is being tried over a connection, which is made anew where the proxy has closed it.
pub(super) struct Trial<'t, 'r, 'o> {
    proxy: &'t Proxy,
    now: &'t dyn Fn() -> u64,
    report: &'t mut Report<'r, 'o>,
    connection: Option<Connection>,
    /// What the server showed when it was connected to last.
    seen: Seen,
    /// Its clock less ours, in seconds, as far as it tells.
    clock: i64,
}

/// Every check of this part as not made.
pub(super) fn skip_all(report: &mut Report<'_, '_>, with_key: bool, why: &str) -> Done {
    report.skip(&HEALTH, why)?;
    skip_calls(report, with_key, why)
}

fn skip_calls(report: &mut Report<'_, '_>, with_key: bool, why: &str) -> Done {
    report.skip(&SIGNED, why)?;
    if with_key {
        for checks in [&KEY[..], &ENCRYPTING, &ENCRYPTED, &TIMES] {
            report.skip(checks, why)?;
        }
    }
    Ok(())
}

impl<'t, 'r, 'o> Trial<'t, 'r, 'o> {
    pub(super) fn new(
        proxy: &'t Proxy,
        now: &'t dyn Fn() -> u64,
        report: &'t mut Report<'r, 'o>,
        (connection, seen): (Connection, Seen),
    ) -> Self {
        Self { proxy, now, report, connection: Some(connection), seen, clock: 0 }
    }

    /// Makes every check that can be made.
    pub(super) async fn run(mut self, options: &PreflightOptions) -> Done {
        let (tcp, tls) = self.connection.as_ref().map(|open| (open.tcp, open.tls)).unwrap_or_default();
        if let Err(why) = self.health().await? {
            return skip_calls(self.report, options.key.is_some(), why);
        }
        self.signatures().await?;
        let Some(key) = &options.key else {
            let found = "no external key was named: the calls on keys are not tried".to_owned();
            return self.report.tell(Verdict::Note, "keys", found, "name one with --key");
        };
        let known = self.metadata(key).await?;
        self.unknown_key().await?;
        if known {
            self.encrypt(key).await?;
            self.latency(key, options.calls).await?;
        } else {
            let why = "there is no such external key";
            self.report.skip(&ENCRYPTING, why)?;
            self.report.skip(&ENCRYPTED, why)?;
            self.report.tell(Verdict::Skip, "time of Encrypt", format!("not measured: {why}"), "")?;
        }
        let remedy = "AWS advises 35 ms at most for the way there and back; measure from the AWS region itself";
        self.report.advise(tcp <= ADVISED_ROUND_TRIP, "round trip", format!("{tcp:.1?}"), remedy)?;
        let found = format!("{:.1?} for TCP and TLS", tcp + tls);
        self.report.advise(tcp + tls < KMS_PATIENCE, "new connection", found, "KMS counts it into its 250 ms")
    }

    async fn ask(&mut self, call: &str, body: &Value, oddity: Oddity) -> Result<Answer, Fault> {
        loop {
            let (mut connection, fresh) = match self.connection.take() {
                Some(open) => (open, false),
                None => {
                    let Attempt { outcome, seen } = self.proxy.connect_as_aws().await;
                    self.seen = seen;
                    (outcome?, true)
                }
            };
            match self.proxy.ask(&mut connection, call, body, (self.now)(), oddity).await {
                Ok(answer) => {
                    self.connection = Some(connection);
                    return Ok(answer);
                }
                // A proxy may close a connection after an answer.
                Err(Fault::Broken(_) | Fault::Tls(_)) if !fresh => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Asks for what is to be refused.
    async fn refusal(
        &mut self,
        (check, remedy): (&'static str, &'static str),
        call: &str,
        body: &Value,
        oddity: Oddity,
        right: impl Fn(&Answer) -> bool,
    ) -> Done {
        let (holds, found) = match self.ask(call, body, oddity).await {
            Ok(answer) => (right(&answer), answer.told()),
            Err(fault) => (false, fault.found()),
        };
        self.report.check(holds, check, found, remedy)
    }

    /// Health and clock; or why nothing else can be tried.
    async fn health(&mut self) -> Result<Result<(), &'static str>, CliError> {
        let health = match self.ask("health", &health_check(), Oddity::None).await {
            Ok(health) => health,
            Err(fault) => {
                let (check, found, remedy) = fault.told(&self.seen, self.proxy.identity.is_some());
                self.report.check(false, check, found, remedy)?;
                let why = "the proxy did not answer";
                self.report.skip(&HEALTH, why)?;
                return Ok(Err(why));
            }
        };
        if self.seen.asked && self.proxy.identity.is_none() {
            let found = "a client certificate is asked for, and none is needed".to_owned();
            self.report.tell(Verdict::Note, "mutual TLS", found, super::REQUIRE)?;
        }
        let nodes = health.body.get("ekmFleetDetails").and_then(Value::as_array);
        let words: Vec<&str> =
            nodes.into_iter().flatten().filter_map(|node| node.get("healthStatus")?.as_str()).collect();
        let active = health.status.is_success() && !words.is_empty() && words.iter().all(|word| *word == "ACTIVE");
        let (remedy, end) = match health.error() {
            _ if !health.of_a_proxy() => (NO_PROXY, Some("no XKS proxy answers at this path")),
            "AuthenticationFailedException" => (CREDENTIAL, Some("the proxy does not take the credential")),
            "InvalidUriPathException" => (
                "compare the path with the one that the proxy shows for this key store",
                Some("the proxy has no key store at this path"),
            ),
            "InvalidStateException" => ("unblock the key store", None),
            _ => (LOOK, None),
        };
        let found = [vec![health.told()], words.iter().map(|word| (*word).to_owned()).collect()].concat().join(" ");
        self.report.check(active, "GetHealthStatus", found, remedy)?;
        self.measure_clock(&health)?;
        Ok(end.map_or(Ok(()), Err))
    }

    fn measure_clock(&mut self, health: &Answer) -> Done {
        let ours = (self.now)() / 1000;
        let Some(theirs) = health.date.as_deref().and_then(http_date) else {
            return self.report.tell(Verdict::Note, "clock", "the proxy does not tell its time".to_owned(), "");
        };
        let apart = ours.abs_diff(theirs);
        let signed = i64::try_from(apart).unwrap_or(i64::MAX);
        self.clock = if theirs < ours { -signed } else { signed };
        let verdict = match apart {
            0..=SKEW => Verdict::Ok,
            SKEW_REFUSED.. => Verdict::Fail,
            _ => Verdict::Note,
        };
        let remedy = "set the proxy's clock by NTP, and this machine's: signatures hold for five minutes";
        self.report.tell(verdict, "clock", format!("{apart} s from this machine's"), remedy)
    }

    /// That nobody else gets an answer.
    async fn signatures(&mut self) -> Done {
        let body = health_check();
        let [unsigned, wrong, before, ahead, get, malformed] = SIGNED;
        for (check, oddity) in [
            (unsigned, Oddity::Unsigned),
            (wrong, Oddity::WrongSecret),
            (before, Oddity::Skew(self.clock.saturating_sub(TOO_FAR))),
            (ahead, Oddity::Skew(self.clock.saturating_add(TOO_FAR))),
        ] {
            let right =
                |answer: &Answer| answer.status.as_u16() == 401 && answer.error() == "AuthenticationFailedException";
            self.refusal((check, VERIFY), "health", &body, oddity, right).await?;
        }
        let right = |answer: &Answer| answer.status.as_u16() == 405;
        self.refusal((get, "every call is POST alone: 405"), "health", &json!({}), Oddity::Get, right).await?;
        let (holds, found) = match self.ask("health", &json!({}), Oddity::None).await {
            Ok(answer) => (answer.error() == "ValidationException", answer.told()),
            Err(fault) => (false, fault.found()),
        };
        self.report.advise(holds, malformed, found, "requestMetadata is required: 400")
    }

    /// What the key is; whether there is one.
    async fn metadata(&mut self, key: &str) -> Result<bool, CliError> {
        let [check, _] = KEY;
        let body = json!({ "requestMetadata": metadata("CreateKey") });
        let answer = match self.ask(&format!("keys/{key}/metadata"), &body, Oddity::None).await {
            Ok(answer) => answer,
            Err(fault) => {
                self.report.check(false, check, fault.found(), LOOK)?;
                return Ok(true);
            }
        };
        if answer.error() == "KeyNotFoundException" {
            let found = format!("{}: no such external key", answer.told());
            self.report.check(
                false,
                check,
                found,
                "name with --key what the proxy calls one of this key store's keys",
            )?;
            return Ok(false);
        }
        if !answer.status.is_success() {
            self.report.check(false, check, answer.told(), LOOK)?;
            return Ok(true);
        }
        let member = |name: &str| answer.body.get(name).cloned().unwrap_or(Value::Null);
        let has = |usage: &str| member("keyUsage").as_array().is_some_and(|usages| usages.contains(&json!(usage)));
        let fit =
            member("keySpec") == "AES_256" && has("ENCRYPT") && has("DECRYPT") && member("keyStatus") == "ENABLED";
        let found = format!("{} {} {} {}", answer.told(), member("keySpec"), member("keyUsage"), member("keyStatus"));
        self.report.check(fit, check, found, "AWS takes an enabled AES-256 key that encrypts and decrypts")?;
        Ok(true)
    }

    async fn unknown_key(&mut self) -> Done {
        let [_, check] = KEY;
        let body = json!({ "requestMetadata": metadata("CreateKey") });
        let right = |answer: &Answer| answer.status.as_u16() == 404 && answer.error() == "KeyNotFoundException";
        let call = "keys/preflight-no-such-key/metadata";
        self.refusal((check, "404 KeyNotFoundException"), call, &body, Oddity::None, right).await
    }

    /// That the longest that must be taken is encrypted.
    async fn encrypt(&mut self, key: &str) -> Done {
        let [check] = ENCRYPTING;
        let (plain, aad) = (STANDARD.encode([7; 4300]), STANDARD.encode([8; 8192]));
        let body = json!({
            "requestMetadata": metadata("Encrypt"), "encryptionAlgorithm": "AES_GCM", "plaintext": plain,
            "additionalAuthenticatedData": aad, "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
        });
        let remedy = "4300 bytes with 8192 bytes of associated data must be taken";
        let (why, found) = match self.ask(&format!("keys/{key}/encrypt"), &body, Oddity::None).await {
            Ok(sealed) if sealed.status.is_success() => {
                let parts = ["ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag"];
                let parts = parts.map(|name| blob(&sealed.body, name));
                let lengths = parts.each_ref().map(Vec::len);
                let formed = matches!(lengths, [..=20, 12 | 16, 4300, 16]);
                let found = format!("{}, metadata, IV, ciphertext and tag of {lengths:?} bytes", sealed.told());
                self.report.check(formed, check, found, remedy)?;
                return self.decrypt(key, &sealed.body, &parts, (&plain, &aad)).await;
            }
            Ok(refused) => ("Encrypt was refused", refused.told()),
            Err(fault) => ("Encrypt was not answered", fault.found()),
        };
        self.report.check(false, check, found, remedy)?;
        self.report.skip(&ENCRYPTED, why)
    }

    /// That it is decrypted, and nothing else.
    async fn decrypt(&mut self, key: &str, sealed: &Value, parts: &[Vec<u8>], (plain, aad): (&str, &str)) -> Done {
        let [integrity, decrypt, other] = ENCRYPTED;
        let mut hashed = vec![[8; 8192].to_vec()];
        hashed.extend_from_slice(parts);
        let value = Hash::of(hashed.iter().map(Vec::as_slice));
        let right = blob(sealed, "ciphertextDataIntegrityValue") == value.as_bytes();
        let found = if right { "right" } else { "wrong" }.to_owned();
        self.report.check(right, integrity, found, "SHA-256 of all parts in order")?;
        let mut body = json!({
            "requestMetadata": metadata("Decrypt"), "encryptionAlgorithm": "AES_GCM", "additionalAuthenticatedData": aad,
        });
        for name in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
            if let (Some(value), Some(body)) = (sealed.get(name), body.as_object_mut()) {
                body.insert(name.to_owned(), value.clone());
            }
        }
        let call = format!("keys/{key}/decrypt");
        let (same, found) = match self.ask(&call, &body, Oddity::None).await {
            Ok(opened) => (opened.body.get("plaintext") == Some(&json!(plain)), opened.told()),
            Err(fault) => (false, fault.found()),
        };
        self.report.check(same, decrypt, found, "what was encrypted must decrypt to the same")?;
        if let Some(body) = body.as_object_mut() {
            body.remove("additionalAuthenticatedData");
        }
        let right = |answer: &Answer| answer.error() == "InvalidCiphertextException";
        self.refusal((other, "400 InvalidCiphertextException"), &call, &body, Oddity::None, right).await
    }

    /// How long a call takes on an open connection. Refusals are quick and say nothing of that.
    async fn latency(&mut self, key: &str, calls: u16) -> Done {
        let [check, ..] = TIMES;
        let body = json!({
            "requestMetadata": metadata("Encrypt"), "encryptionAlgorithm": "AES_GCM", "plaintext": STANDARD.encode([7; 32]),
        });
        let late = "KMS gives up after 250 ms: bring proxy and HSM nearer";
        let mut times = Vec::with_capacity(usize::from(calls));
        for call in 1..=calls {
            match self.ask(&format!("keys/{key}/encrypt"), &body, Oddity::None).await {
                Ok(answer) if answer.status.is_success() => times.push(answer.took),
                Ok(answer) => {
                    let found = format!("not measured: call {call} of {calls} was refused: {}", answer.told());
                    return self.report.tell(Verdict::Skip, check, found, "");
                }
                Err(fault) => {
                    let found = format!("call {call} of {calls}: {}", fault.found());
                    return self.report.check(false, check, found, late);
                }
            }
        }
        times.sort_unstable();
        let at = |hundredths: usize| times.get((times.len() * hundredths / 100).min(times.len() - 1)).copied();
        let [half, most, last] = [at(50), at(99), times.last().copied()].map(Option::unwrap_or_default);
        let found = format!("half of {calls} calls within {half:.1?}, 99 % within {most:.1?}, all within {last:.1?}");
        self.report.check(most < KMS_PATIENCE, check, found, late)
    }
}

fn health_check() -> Value {
    json!({"requestMetadata": {"kmsOperation": "KmsHealthCheck", "kmsRequestId": "preflight"}})
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
