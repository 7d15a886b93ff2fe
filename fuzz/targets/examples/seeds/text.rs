//! Signed requests and policy documents.

use strongroom_fuzz_targets::fixture;
use strongroom_sigv4::{Credentials, Request, sign};

use super::{Seed, seed};

pub(crate) fn seeds() -> Vec<Seed> {
    [signed(), unsigned(), documents()].concat()
}

/// A request with the signature that its corpus is verified under.
fn signed_message(target: &str, headers: &[(&str, &str)], body: &str, session_token: Option<&str>) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let request = Request { method: "POST", path, query, authority: "kms.example", headers: pairs.iter().copied() };
    let secret_access_key = fixture::secret_access_key();
    let credentials =
        Credentials { access_key_id: fixture::ACCESS_KEY_ID, secret_access_key: &secret_access_key, session_token };
    let added =
        sign(&request, body.as_bytes(), &credentials, fixture::REGION, fixture::SERVICE, fixture::now()).unwrap();
    let added = added.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).chain(added).collect();
    format!("POST {target} HTTP/1.1\n{headers}\n{body}").replace(" HTTP/1.1", "")
}

fn signed() -> Vec<Seed> {
    let headers = [("Host", "kms.example"), ("X-Amz-Target", "TrentService.Encrypt"), ("Accept", "a  b")];
    let plain = signed_message("/", &headers, r#"{"KeyId":"alias/dev"}"#, None);
    let authorization = "authorization: ";
    vec![
        seed("sigv4_request", "with-query", signed_message("/a/../b%20c?b=2&a=%7e&a", &headers, "", None)),
        seed("sigv4_request", "with-token", signed_message("/", &headers, "", Some("token"))),
        seed("sigv4_request", "body-changed", format!("{plain} ")),
        seed("sigv4_request", "signed-twice", plain.replace(authorization, "authorization: x\nauthorization: ")),
        seed("sigv4_request", "token-not-signed", plain.replacen("\n\n", "\nx-amz-security-token: t\n\n", 1)),
        seed("sigv4_request", "other-hash", plain.replacen("\n\n", "\nx-amz-content-sha256: 00\n\n", 1)),
        seed("sigv4_request", "other-algorithm", plain.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")),
        seed(
            "sigv4_request",
            "unsorted-headers",
            plain.replace("SignedHeaders=accept;host", "SignedHeaders=host;accept"),
        ),
        seed("sigv4_request", "signature-cut", plain.split_at(plain.find("\n\n").unwrap() - 1).0),
        seed("sigv4_request", "bearer", "POST /\nauthorization: Bearer token\n\n"),
        seed(
            "sigv4_request",
            "presigned",
            "GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fkms%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000\nhost: kms.example\n\n",
        ),
        seed("sigv4_request", "plain", plain),
    ]
}

fn unsigned() -> Vec<Seed> {
    vec![
        seed("sigv4_sign", "plain", "POST /\nhost: kms.example\nx-amz-target: TrentService.Encrypt\n\n{}"),
        seed("sigv4_sign", "dots", "GET /../a/./b//c/..?z=1&a=+%2b&a\naccept:  a   b \naccept: c\n\n"),
        seed("sigv4_sign", "other-host", "GET / \nhost: a\nhost: b\n\n"),
        seed("sigv4_sign", "odd-bytes", b"PUT /\xc3\xa9%zz?\xc3\xa9=%e9\nx-a: \xff\x01\t\n\n\0".as_slice()),
        seed("sigv4_sign", "no-path", "GET ?\n"),
        seed("sigv4_sign", "relative", "GET a/b\n"),
    ]
}

const KEY_POLICY: &str = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",
"Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;
const CONDITIONS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["111122223333","*"],"Service":"backup.amazonaws.com"},
"NotAction":["kms:Delete*","kms:?"],"Resource":["arn:aws:kms:*:111122223333:key/${aws:username}","*"],"Condition":{
"StringEqualsIfExists":{"kms:EncryptionContext:department":["finance","${kms:ViaService, 'none'}"]},
"ForAllValues:StringLike":{"aws:TagKeys":"f*"},"ForAnyValue:StringNotEqualsIgnoreCase":{"kms:ViaService":"x"},
"NumericLessThan":{"x:number":7.5},"DateGreaterThan":{"aws:CurrentTime":"2026-01-31T09:30:00Z"},
"Bool":{"aws:SecureTransport":true},"IpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:db8::/32"]},
"BinaryEquals":{"x:b":"AAAA"},"ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"},"Null":{"kms:RecipientAttestation:ImageSha384":"true"}}}}"#;
const IDENTITY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"one","Effect":"Allow","Action":"kms:Encrypt","Resource":"*"},
{"Sid":"two","Effect":"Deny","Action":"*","NotResource":"arn:aws:kms:us-east-1:111122223333:alias/${aws:username}"}]}"#;
const GUARDRAIL: &str = r#"{"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"kms:Decrypt","Resource":"*"}]}"#;

fn documents() -> Vec<Seed> {
    vec![
        seed("policy", "key-policy", KEY_POLICY),
        seed("policy", "conditions", CONDITIONS),
        seed("policy", "identity", IDENTITY),
        seed("policy", "guardrail", GUARDRAIL),
        seed("policy", "empty", "{}"),
        seed("policy", "repeated-name", KEY_POLICY.replace("\"Id\"", "\"Version\"")),
        seed("policy", "other-version", KEY_POLICY.replace("2012", "2013")),
        seed("policy", "everyone", KEY_POLICY.replace(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, r#""*""#)),
        seed("policy", "stars", IDENTITY.replace("kms:Encrypt", &format!("kms:{}", "*?".repeat(64)))),
        seed("policy", "unclosed-variable", IDENTITY.replace("${aws:username}", "${aws:username")),
        seed("policy", "number-too-long", CONDITIONS.replace("7.5", &"9".repeat(400))),
        seed("policy", "nested", "[".repeat(200)),
    ]
}
