//! Signature Version 4 over a request, written as HTTP/1.1 writes it: a line with method and target, headers, an empty
//! line, the body.

use std::iter::Copied;
use std::slice::Iter;

use strongroom_sigv4::{
    Credentials, Expectation, ParsedAuthorization, Request, Scope, SigV4Error, SigningKey, limits, sign,
};

use crate::fixture;

type Header<'a> = (&'a str, &'a [u8]);

/// A request as it is verified: what it claims, then its signature under the key that the corpus was signed with.
pub fn sigv4_request(data: &[u8]) {
    let Some(message) = Message::read(data) else { return };
    let request = message.request();
    let parsed = match ParsedAuthorization::parse(&request) {
        Ok(parsed) => parsed,
        Err(error) => return is_fit_to_show(&error),
    };
    let Scope { region, service, .. } = parsed.scope();
    assert!((1..=limits::MAX_ACCESS_KEY_ID).contains(&parsed.access_key_id().len()));
    assert!([region, service].iter().all(|part| (1..=limits::MAX_SCOPE_PART).contains(&part.len())));
    let services = [service];
    let mut expectation = Expectation::new(&services, &|_| true);
    expectation.presigned_seconds = Some(limits::MAX_PRESIGNED_SECONDS);
    expectation.unsigned_payload = true;
    let key = SigningKey::derive(&fixture::secret_access_key(), &parsed.scope());
    let verify = |key, body| parsed.verify(key, &request, body, &expectation, parsed.signed_at());
    let verified = match verify(&key, message.body) {
        Ok(verified) => verified,
        Err(error) => return is_fit_to_show(&error),
    };
    let longer = [message.body, b"x"].concat();
    assert_eq!(verify(&key, &longer).is_err(), verified.payload_signed, "the body does not count");
    let stranger = SigningKey::derive(&strongroom_secret::SecretBytes::copy_from(b"other"), &parsed.scope());
    assert!(verify(&stranger, message.body).is_err(), "verifies under another key");
    let late = parsed.signed_at().offset(i64::from(limits::MAX_PRESIGNED_SECONDS) + 1);
    let expired = parsed.verify(&key, &request, message.body, &expectation, late);
    assert!(expired.is_err() || late.unix_seconds() <= parsed.signed_at().unix_seconds(), "never expires");
}

/// What our signer signs, our verifier takes.
pub fn sigv4_sign(data: &[u8]) {
    const OURS: [&str; 5] = ["authorization", "date", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
    let Some(mut message) = Message::read(data) else { return };
    message.headers.retain(|(name, _)| !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)));
    if message.query.contains("X-Amz-") {
        return;
    }
    let secret_access_key = fixture::secret_access_key();
    let credentials = Credentials {
        access_key_id: fixture::ACCESS_KEY_ID,
        secret_access_key: &secret_access_key,
        session_token: (data.len() % 2 == 1).then_some("token"),
    };
    let now = fixture::now();
    let signed = sign(&message.request(), message.body, &credentials, fixture::REGION, fixture::SERVICE, now);
    let added = match signed {
        Ok(added) => added,
        Err(error) => return is_fit_to_show(&error),
    };
    message.headers.extend(added.iter().map(|(name, value)| (name, value.as_bytes())));
    let request = message.request();
    let parsed = ParsedAuthorization::parse(&request).unwrap();
    let key = SigningKey::derive(&secret_access_key, &parsed.scope());
    let services = [fixture::SERVICE];
    let expectation = Expectation::new(&services, &|region| region == fixture::REGION);
    assert!(parsed.verify(&key, &request, message.body, &expectation, now).unwrap().payload_signed);
}

/// Errors repeat a client's text without its control characters, and not much of it.
fn is_fit_to_show(error: &SigV4Error) {
    let shown = error.to_string();
    assert!(!shown.chars().any(char::is_control) && shown.len() < 1024, "{shown:?}");
}

struct Message<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    authority: &'a str,
    headers: Vec<Header<'a>>,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let end = data.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = end.map_or((data, b"".as_slice()), |end| (&data[..end], &data[end + 2..]));
        let mut lines = head.split(|byte| *byte == b'\n');
        let (method, target) = str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: Vec<Header<'_>> = lines.filter_map(header).collect();
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let authority = host.and_then(|(_, value)| str::from_utf8(value).ok()).map_or("kms.example", str::trim);
        Some(Self { method, path, query, authority, headers, body })
    }

    fn request(&self) -> Request<'_, Copied<Iter<'_, Header<'_>>>> {
        let Self { method, path, query, authority, headers, .. } = self;
        Request { method, path, query, authority, headers: headers.iter().copied() }
    }
}

fn header(line: &[u8]) -> Option<Header<'_>> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
}
