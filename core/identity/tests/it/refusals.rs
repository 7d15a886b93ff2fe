//! What proves nothing, and why.

use serde_json::{Value, json};
use strongroom_identity::{Origin, TokenError, check_keys, issuer_of};

use crate::issuer::{NOW, Signer, at, claims, given, offline};

const URL: &str = "https://cluster.example";

async fn verify(signer: &Signer, claims: &Value) -> Result<(), TokenError> {
    offline().verify(&signer.sign(claims), &given(URL, signer), &at(1)).await.map(drop)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims(URL);
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_good_token_is_told_with_its_claims_as_texts() {
    let signer = Signer::new("one");
    let token = signer.sign(&claims(URL));
    assert_eq!(issuer_of(&token).unwrap(), URL);
    let claims = offline().verify(&token, &given(URL, &signer), &at(1)).await.unwrap();
    assert_eq!(claims.audiences, ["sts.amazonaws.com"]);
    assert_eq!(claims.others["azp"], ["cluster"]);
    assert_eq!(claims.others["groups"], ["a", "b"]);
    assert!(!claims.others.contains_key("kubernetes.io"), "objects are no texts");
    assert_eq!(claims.objects["kubernetes.io"], json!({ "namespace": "payroll" }));
}

#[tokio::test]
async fn time_issuer_and_audience_are_compared_with_a_minute_of_skew() {
    let signer = Signer::new("one");
    assert_eq!(verify(&signer, &with("exp", json!(NOW - 59))).await, Ok(()));
    assert_eq!(verify(&signer, &with("exp", json!(NOW - 60))).await, Err(TokenError::Expired));
    assert_eq!(verify(&signer, &with("nbf", json!(NOW + 60))).await, Ok(()));
    assert_eq!(verify(&signer, &with("nbf", json!(NOW + 61))).await, Err(TokenError::NotYet));
    assert_eq!(verify(&signer, &with("iat", json!(NOW + 61))).await, Err(TokenError::NotYet));
    assert_eq!(verify(&signer, &with("aud", json!("another"))).await, Err(TokenError::Audience));
    assert_eq!(verify(&signer, &with("iss", json!("https://other.example"))).await, Err(TokenError::Issuer));
}

#[tokio::test]
async fn a_token_without_what_it_must_say_is_refused() {
    let signer = Signer::new("one");
    for name in ["iss", "sub", "aud", "exp"] {
        for value in [Value::Null, json!({}), json!("")] {
            let verified = verify(&signer, &with(name, value.clone())).await;
            let is_refused = matches!(verified, Err(TokenError::Malformed(_) | TokenError::Audience));
            assert!(is_refused, "{name} = {value}: {verified:?}");
        }
    }
}

#[tokio::test]
async fn a_token_of_another_key_or_without_a_signature_proves_nothing() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let token = other.sign(&claims(URL));
    let refused = offline().verify(&token, &given(URL, &signer), &at(1)).await;
    assert_eq!(refused, Err(TokenError::Signature));
    let (signed, _) = token.rsplit_once('.').unwrap();
    for broken in [format!("{signed}."), signed.to_owned(), String::new(), "a.b.c".to_owned(), "x".repeat(20_001)] {
        assert!(offline().verify(&broken, &given(URL, &other), &at(1)).await.is_err(), "{broken}");
    }
}

#[tokio::test]
async fn the_header_cannot_choose_an_algorithm_that_is_not_the_keys() {
    let signer = Signer::new("one");
    let token = signer.sign(&claims(URL));
    let rest = token.split_once('.').unwrap().1;
    // {"alg":"none"}, {"alg":"HS256","kid":"one"}, {"alg":"RS256","kid":"one"}
    for header in
        ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiIsImtpZCI6Im9uZSJ9", "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9"]
    {
        let refused = offline().verify(&format!("{header}.{rest}"), &given(URL, &signer), &at(1)).await;
        assert!(matches!(refused, Err(TokenError::Signature | TokenError::Malformed(_))), "{refused:?}");
    }
}

#[test]
fn sets_without_a_key_that_verifies_are_refused_when_they_are_given() {
    let signer = Signer::new("one");
    check_keys(&signer.set()).unwrap();
    let secret = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }] }).to_string();
    let mut encrypting = signer.public();
    encrypting["use"] = json!("enc");
    let encrypting = json!({ "keys": [encrypting] }).to_string();
    let many = json!({ "keys": vec![signer.public(); 65] }).to_string();
    for refused in ["", "{}", r#"{"keys":[]}"#, &secret, &encrypting, &many, &" ".repeat(65 * 1024)] {
        assert!(matches!(check_keys(refused), Err(TokenError::Keys(_))), "{refused}");
    }
}

#[test]
fn an_origin_is_https_a_host_and_a_port() {
    let origin: Origin = "https://Issuer.Example".parse().unwrap();
    assert_eq!(origin.to_string(), "https://issuer.example:443");
    assert_eq!("https://[::1]:8443".parse::<Origin>().unwrap().to_string(), "https://[::1]:8443");
    for refused in
        ["http://a", "a.example", "https://a/", "https://a/path", "https://u@a", "https://", "", "https://a?q"]
    {
        assert!(refused.parse::<Origin>().is_err(), "{refused}");
    }
}
