//! Calls of clouds on keys that they do not hold.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use strongroom_fuzz_targets::fixture;

use super::{Seed, seed};

fn metadata() -> Value {
    json!({
        "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice", "kmsOperation": "Encrypt", "kmsRequestId": "r-1",
        "kmsKeyArn": "arn:aws:kms:us-east-2:123456789012:key/1", "kmsViaService": "ebs", "awsSourceVpc": "vpc-1",
        "awsSourceVpce": "vpce-1", "unknown": [1, null],
    })
}

/// What AWS's sample proxy makes (docs/protocols/aws-xks.md): no associated data, and the metadata of its configuration.
fn of_the_sample_proxy() -> Value {
    let mut text = b"salary".to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, fixture::SAMPLE_PROXY_MATERIAL).unwrap());
    let nonce = Nonce::assume_unique_for_key([5; 12]);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(b"\0\0\x05vader"), &mut text).unwrap();
    json!({
        "requestMetadata": metadata(), "encryptionAlgorithm": "AES_GCM", "ciphertext": STANDARD.encode(text),
        "initializationVector": STANDARD.encode([5; 12]), "authenticationTag": STANDARD.encode(tag.as_ref()),
        "ciphertextMetadata": STANDARD.encode("vader"),
    })
}

/// (name, path behind `/kms/xks/v1/`, body)
fn xks() -> Vec<(&'static str, &'static str, String)> {
    let encrypt = |plaintext: &[u8]| {
        json!({
            "requestMetadata": metadata(), "encryptionAlgorithm": "AES_GCM", "plaintext": STANDARD.encode(plaintext),
            "additionalAuthenticatedData": STANDARD.encode("project=nile"),
            "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
        })
    };
    let decrypt = |iv: usize, tag: usize, metadata_bytes: usize| {
        json!({
            "requestMetadata": metadata(), "encryptionAlgorithm": "AES_GCM", "ciphertext": STANDARD.encode("salary"),
            "initializationVector": STANDARD.encode(vec![1; iv]), "authenticationTag": STANDARD.encode(vec![2; tag]),
            "ciphertextMetadata": STANDARD.encode(vec![1; metadata_bytes]),
        })
    };
    let about = json!({ "requestMetadata": metadata() });
    vec![
        ("encrypt", "keys/dev/encrypt", encrypt(b"hello").to_string()),
        ("encrypt-nothing", "keys/dev/encrypt", encrypt(b"").to_string()),
        ("encrypt-long", "keys/dev/encrypt", encrypt(&[7; 1024]).to_string()),
        ("encrypt-other-key", "keys/none/encrypt", encrypt(b"hello").to_string()),
        ("encrypt-for-reading-only", "keys/moved/encrypt", encrypt(b"hello").to_string()),
        ("decrypt", "keys/dev/decrypt", decrypt(12, 16, 20).to_string()),
        ("decrypt-long-iv", "keys/dev/decrypt", decrypt(16, 16, 5).to_string()),
        ("decrypt-short", "keys/dev/decrypt", decrypt(13, 15, 0).to_string()),
        ("decrypt-metadata", "keys/dev/decrypt", decrypt(12, 16, 21).to_string()),
        ("decrypt-sample-proxy", "keys/moved/decrypt", of_the_sample_proxy().to_string()),
        ("metadata", "keys/dev/metadata", about.to_string()),
        (
            "health",
            "health",
            json!({"requestMetadata": {"kmsOperation": "KmsHealthCheck", "kmsRequestId": "r"}}).to_string(),
        ),
        ("no-metadata", "health", "{}".to_owned()),
        ("null", "keys/dev/encrypt", r#"{"requestMetadata":null,"plaintext":null}"#.to_owned()),
        ("repeated", "keys/dev/encrypt", r#"{"plaintext":"YQ==","plaintext":"Yg=="}"#.to_owned()),
        ("bad-base64", "keys/dev/encrypt", encrypt(b"hello").to_string().replace("aGVsbG8=", "aGVsbG8")),
        ("lone-surrogate", "keys/dev/encrypt", encrypt(b"hello").to_string().replace("Alice", r"\ud800")),
        ("escaped", "keys/dev/encrypt", encrypt(b"hello").to_string().replace("AES_GCM", r"\u0041ES_GCM")),
        ("nested", "keys/dev/encrypt", "[".repeat(500)),
        ("query", "health?a=b", about.to_string()),
        ("dots", "keys/../keys/dev/encrypt", encrypt(b"hello").to_string()),
    ]
}

/// (name, path behind the prefix, body)
fn ekm() -> Vec<(&'static str, &'static str, String)> {
    let context = json!({"request_id": "r", "correlation_id": "c", "pool_name": "p", "unknown": {"a": []}});
    let body = |algorithm: &str, value: &[u8]| {
        json!({"request_context": context, "alg": algorithm, "value": URL_SAFE_NO_PAD.encode(value)}).to_string()
    };
    let about = json!({ "request_context": context }).to_string();
    vec![
        ("wrap", "aes/wrapkey", body("A256KW", &[7; 32])),
        ("wrap-odd", "aes/wrapkey", body("A256KW", &[7; 33])),
        ("wrap-padded", "aes/wrapkey", body("A256KWP", &[7; 33])),
        ("wrap-nothing", "aes/wrapkey", body("A256KWP", &[])),
        ("wrap-rsa", "rsa/wrapkey", body("RSA-OAEP-256", &[7; 32])),
        ("wrap-rsa-sha1", "rsa/wrapkey", body("RSA-OAEP", &[7; 32])),
        ("wrap-rsa-too-long", "rsa/wrapkey", body("RSA-OAEP", &[7; 300])),
        ("wrap-unfit", "rsa/wrapkey", body("A256KW", &[7; 32])),
        ("wrap-unknown", "aes/wrapkey", body("A128KW", &[7; 32])),
        ("unwrap", "aes/unwrapkey", body("A256KW", &[7; 40])),
        ("unwrap-rsa", "rsa/unwrapkey", body("RSA-OAEP", &[7; 256])),
        ("metadata", "aes/metadata", about.clone()),
        ("metadata-rsa", "rsa/metadata", about.clone()),
        ("metadata-none", "none/metadata", about.clone()),
        ("info", "info", about.clone()),
        ("no-context", "info", "{}".to_owned()),
        ("padding", "aes/wrapkey", body("A256KW", &[7; 16]).replace("Bw\"", "Bw==\"")),
        ("repeated", "aes/wrapkey", r#"{"value":"YQ","value":"Yg"}"#.to_owned()),
        ("nested", "aes/wrapkey", "[".repeat(500)),
        ("query", "info?api-version=7.0&x", about),
    ]
}

pub(crate) fn seeds() -> Vec<Seed> {
    let line = |path: &str, body: &str| format!("{path}\n{body}");
    let xks = xks().into_iter().map(|(name, path, body)| seed("aws_xks_request", name, line(path, &body)));
    let ekm = ekm().into_iter().map(|(name, path, body)| seed("azure_ekm_request", name, line(path, &body)));
    xks.chain(ekm).collect()
}
