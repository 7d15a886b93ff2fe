//! Keys that are fetched: when, from where, and what holds while they can't be.

use strongroom_identity::{Fetcher, TokenError, Tokens};

use crate::issuer::{Server, Signer, at, claims};

fn verifier(server: &Server) -> Tokens {
    Tokens::new(Fetcher::new([server.origin()], b""))
}

#[tokio::test]
async fn keys_are_fetched_once_and_held() {
    let signer = Signer::new("one");
    let server = Server::start(signer.set()).await;
    let (tokens, issuer) = (verifier(&server), server.issuer());
    let token = signer.sign(&claims(&server.url));
    for _ in 0..3 {
        let claims = tokens.verify(&token, &issuer, &at(100)).await.unwrap();
        assert_eq!(claims.subject, "system:serviceaccount:payroll:writer");
    }
    assert_eq!(server.times_asked(), 1);
    tokens.verify(&token, &issuer, &at(100 + 3601)).await.unwrap();
    assert_eq!(server.times_asked(), 2, "after an hour they are fetched again");
}

#[tokio::test]
async fn a_key_that_the_issuer_began_to_use_is_found_and_unknown_keys_do_not_make_us_ask_again_and_again() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let server = Server::start(old.set()).await;
    let (tokens, issuer) = (verifier(&server), server.issuer());
    tokens.verify(&old.sign(&claims(&server.url)), &issuer, &at(100)).await.unwrap();
    let token = new.sign(&claims(&server.url));
    for _ in 0..5 {
        assert_eq!(tokens.verify(&token, &issuer, &at(110)).await, Err(TokenError::Signature));
    }
    assert_eq!(server.times_asked(), 1);
    *server.published.lock() = new.set();
    tokens.verify(&token, &issuer, &at(140)).await.unwrap();
    assert_eq!(server.times_asked(), 2);
}

#[tokio::test]
async fn while_an_issuer_fails_its_last_keys_hold_for_a_day() {
    let signer = Signer::new("one");
    let server = Server::start(signer.set()).await;
    let (tokens, issuer) = (verifier(&server), server.issuer());
    let token = signer.sign(&claims(&server.url));
    tokens.verify(&token, &issuer, &at(100)).await.unwrap();
    *server.published.lock() = "nonsense".to_owned();
    tokens.verify(&token, &issuer, &at(100 + 7200)).await.unwrap();
    let late = tokens.verify(&token, &issuer, &at(100 + 24 * 3600)).await;
    assert!(matches!(late, Err(TokenError::Keys(_))), "{late:?}");
    let asked = server.times_asked();
    let again = tokens.verify(&token, &issuer, &at(101 + 24 * 3600)).await;
    assert!(matches!(again, Err(TokenError::Keys(_))), "{again:?}");
    assert_eq!(server.times_asked(), asked, "a failure is remembered for a while");
}

#[tokio::test]
async fn an_issuer_that_no_operator_has_allowed_is_not_asked() {
    let signer = Signer::new("one");
    let server = Server::start(signer.set()).await;
    let tokens = Tokens::new(Fetcher::new(["https://elsewhere.example".parse().unwrap()], b""));
    let refused = tokens.verify(&signer.sign(&claims(&server.url)), &server.issuer(), &at(100)).await;
    assert!(matches!(refused, Err(TokenError::NotAllowed { .. })), "{refused:?}");
    assert_eq!(server.times_asked(), 0);
}

#[tokio::test]
async fn a_server_whose_certificate_hangs_from_nothing_trusted_is_not_believed() {
    let signer = Signer::new("one");
    let server = Server::start(signer.set()).await;
    let mut issuer = server.issuer();
    issuer.source = strongroom_identity::KeySource::Fetched { authorities: None };
    let refused = verifier(&server).verify(&signer.sign(&claims(&server.url)), &issuer, &at(100)).await;
    assert!(matches!(refused, Err(TokenError::Unreachable { .. })), "{refused:?}");
}
