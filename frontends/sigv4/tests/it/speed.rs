//! What one verification costs, printed: `cargo nextest run --release -p strongroom-sigv4 --run-ignored all speed`.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::{digest, hmac};
use strongroom_secret::SecretBytes;
use strongroom_sigv4::{ParsedAuthorization, SigningKey, SigningKeyCache, SigningTime};

use crate::sent::{NOON, SECRET, Sent, expectation};

const ROUNDS: u32 = 1_000;

/// Nanoseconds for each call, the best of many short runs, so that other work on the machine counts little.
fn nanoseconds(mut work: impl FnMut()) -> u128 {
    let run = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    };
    (0..500).map(|_| run(&mut work)).min().unwrap()
}

/// As boto3 sends an Encrypt: a body of 200 bytes, a canonical request of about 400.
fn request() -> Sent {
    let sent = Sent { body: vec![b'x'; 200], ..Sent::unsigned() };
    let signed = sent.with("x-amz-meta-padding", &"p".repeat(150)).sign(None);
    let unsigned = [
        ("Accept-Encoding", "identity"),
        ("User-Agent", "Boto3/1.43.0 md/Botocore#1.43.0 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.2"),
        ("Content-Length", "200"),
        ("amz-sdk-invocation-id", "5c1bb0a4-5f3a-4f1e-8a53-0a3a5b0cf9d5"),
        ("amz-sdk-request", "attempt=1"),
    ];
    unsigned.into_iter().fold(signed, |sent, (name, value)| sent.with(name, value))
}

#[test]
#[ignore = "a measurement, not a promise"]
fn print_the_cost_of_a_verification() {
    let sent = request();
    let request = sent.request();
    let parsed = ParsedAuthorization::parse(&request).unwrap();
    let (now, expectation) = (SigningTime::from_unix_seconds(NOON), expectation());
    let secret = SecretBytes::copy_from(SECRET.as_bytes());
    let cache = SigningKeyCache::new(1024);
    let key = cache.insert(parsed.access_key_id(), &parsed.scope(), SigningKey::derive(&secret, &parsed.scope()));
    let checked = parsed.check(&request, &expectation, now).unwrap();

    let parse = nanoseconds(|| drop(black_box(ParsedAuthorization::parse(black_box(&request)))));
    let check = nanoseconds(|| drop(black_box(parsed.check(black_box(&request), &expectation, now))));
    let lookup = nanoseconds(|| drop(black_box(cache.get(parsed.access_key_id(), &parsed.scope()))));
    let verify = nanoseconds(|| drop(black_box(checked.verify(&key, black_box(&sent.body)))));
    let derive = nanoseconds(|| drop(black_box(SigningKey::derive(&secret, &parsed.scope()))));
    let whole = nanoseconds(|| {
        let parsed = ParsedAuthorization::parse(black_box(&request)).unwrap();
        let checked = parsed.check(&request, &expectation, now).unwrap();
        let key = cache.get(parsed.access_key_id(), &parsed.scope()).unwrap();
        assert!(checked.verify(&key, &sent.body).is_ok());
    });
    let prepared = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let (canonical, to_sign) = (vec![b'c'; 400], vec![b's'; 140]);
    let floor = nanoseconds(|| {
        black_box(digest::digest(&digest::SHA256, black_box(&sent.body)));
        black_box(digest::digest(&digest::SHA256, black_box(&canonical)));
        black_box(hmac::sign(black_box(&prepared), &to_sign));
    });
    println!(
        "whole {whole} ns = parse {parse} + check {check} + key lookup {lookup} + verify {verify}; \
         cryptography alone {floor}; deriving a key {derive}"
    );
}
