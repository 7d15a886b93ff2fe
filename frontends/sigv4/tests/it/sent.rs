//! A request that owns its parts, so that tests can change them.

use strongroom_secret::SecretBytes;
use strongroom_sigv4::{
    Credentials, Expectation, Headers, ParsedAuthorization, Request, SigV4Error, SigningKey, SigningTime, sign,
};

pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const SERVICE: &str = "service";
/// 2015-08-30T12:36:00Z, the time of AWS's suite.
pub(crate) const NOON: i64 = 1_440_938_160;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authority: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// An Encrypt request as SDKs send it, unsigned.
    pub(crate) fn unsigned() -> Self {
        let headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "TrentService.Encrypt")];
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            authority: "kms.us-east-1.amazonaws.com".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into(),
            body: br#"{"KeyId":"alias/dev","Plaintext":"aGVsbG8="}"#.to_vec(),
        }
    }

    /// The same, signed at [`NOON`].
    pub(crate) fn signed() -> Self {
        Self::unsigned().sign(None)
    }

    pub(crate) fn sign(self, session_token: Option<&str>) -> Self {
        self.sign_at(SigningTime::from_unix_seconds(NOON), session_token)
    }

    pub(crate) fn sign_at(mut self, now: SigningTime, session_token: Option<&str>) -> Self {
        let secret_access_key = &SecretBytes::copy_from(SECRET.as_bytes());
        let credentials = Credentials { access_key_id: ACCESS_KEY_ID, secret_access_key, session_token };
        let added = sign(&self.request(), &self.body, &credentials, REGION, SERVICE, now).unwrap();
        self.headers.extend(added.iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        self
    }

    pub(crate) fn request(&self) -> Request<'_, impl Headers<'_>> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            authority: &self.authority,
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).unwrap();
        std::str::from_utf8(&found.1).unwrap()
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(of, _)| !of.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces text in one header.
    pub(crate) fn edit(mut self, name: &str, from: &str, to: &str) -> Self {
        let value = self.header(name);
        assert!(value.contains(from), "{value}");
        let value = value.replace(from, to).into_bytes();
        for (of, old) in &mut self.headers {
            if of.eq_ignore_ascii_case(name) {
                old.clone_from(&value);
            }
        }
        self
    }

    /// Verifies under the strict expectation at [`NOON`].
    pub(crate) fn verify(&self) -> Result<[u8; 32], SigV4Error> {
        self.verify_with(&expectation(), NOON)
    }

    pub(crate) fn verify_with(&self, expectation: &Expectation<'_>, now: i64) -> Result<[u8; 32], SigV4Error> {
        let request = self.request();
        let parsed = ParsedAuthorization::parse(&request)?;
        let checked = parsed.check(&request, expectation, SigningTime::from_unix_seconds(now))?;
        assert_eq!(parsed.access_key_id(), ACCESS_KEY_ID);
        let key = SigningKey::derive(&SecretBytes::copy_from(SECRET.as_bytes()), &parsed.scope());
        checked.verify(&key, &self.body).map(|verified| verified.body_sha256)
    }
}

pub(crate) fn expectation() -> Expectation<'static> {
    Expectation::new(&[SERVICE], &|region| region == REGION)
}

/// The strict expectation, presigned requests of up to an hour allowed.
pub(crate) fn presigned_expectation() -> Expectation<'static> {
    Expectation { presigned_seconds: Some(3600), ..expectation() }
}
