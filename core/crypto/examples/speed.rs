//! Nanoseconds of CPU that an operation takes: `cargo run --release -p strongroom-crypto --example speed`.
#![expect(clippy::print_stdout, reason = "a table is what this example is for")]

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use strongroom_crypto::ciphertext::{self, AcceptedFormats, Purpose, Subject};
use strongroom_crypto::wrapped::{Kind, WrappingKey};
use strongroom_crypto::{CryptoError, EncryptionContext, KeyMaterial, SystemRandom};
use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, ImportWrapping, KemAlgorithm, MacAlgorithm, MessageKind, SigningAlgorithm,
};
use strongroom_model::id::{LineageId, MaterialId};
use strongroom_model::spec::KeySpec;
use strongroom_secret::{Arena, Secret};

/// The best of ten runs: other work on the machine only ever adds.
fn time<T>(name: &str, rounds: u32, mut operation: impl FnMut() -> Result<T, CryptoError>) -> Result<(), CryptoError> {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = cpu_nanoseconds();
        for _ in 0..rounds / 10 {
            black_box(operation()?);
        }
        best = best.min((cpu_nanoseconds() - start) / f64::from(rounds / 10));
    }
    println!("{name:<32} {best:>9.0} ns");
    Ok(())
}

fn cpu_nanoseconds() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec as f64 * 1e9 + spent.tv_nsec as f64
}

fn main() -> Result<(), CryptoError> {
    let arena = Arena::new(64).ok();
    let make = |spec| KeyMaterial::generate(spec, &SystemRandom, arena.as_ref());
    let subject = Subject {
        purpose: Purpose::Data,
        lineage: LineageId::from_bytes([1; 16]),
        material: MaterialId::from_bytes([2; 16]),
    };
    let aes = make(KeySpec::Aes256)?;
    let accepted = AcceptedFormats::NEWEST;
    let none = EncryptionContext::default();
    let pairs = [("tenant", "blue"), ("app", "payroll")];
    for length in [32, 4096] {
        let plaintext = vec![7; length];
        let sealed = ciphertext::seal(&aes, &subject, &none, &plaintext, &SystemRandom)?;
        time(&format!("seal {length} B"), 200_000, || {
            ciphertext::seal(&aes, &subject, &none, &plaintext, &SystemRandom)
        })?;
        time(&format!("open {length} B"), 200_000, || ciphertext::open(&aes, &subject, accepted, &none, &sealed))?;
    }
    let sealed = ciphertext::seal(&aes, &subject, &EncryptionContext::new(pairs)?, &[7; 32], &SystemRandom)?;
    time("seal 32 B, context of two pairs", 200_000, || {
        ciphertext::seal(&aes, &subject, &EncryptionContext::new(pairs)?, &[7; 32], &SystemRandom)
    })?;
    time("open 32 B, context of two pairs", 200_000, || {
        ciphertext::open(&aes, &subject, accepted, &EncryptionContext::new(pairs)?, &sealed)
    })?;
    let domain = WrappingKey::new([3; 16], &Secret::init_with(|key| key.fill(4)), arena.as_ref());
    let cursor = domain.seal(Kind::PageCursor, b"tenant", &[7; 40], &SystemRandom)?;
    time("open a page cursor", 200_000, || domain.open(Kind::PageCursor, b"tenant", &cursor))?;

    let mac = make(KeySpec::Hmac256)?;
    time("HMAC-SHA256 over 64 B", 200_000, || mac.generate_mac(MacAlgorithm::HmacSha256, &[7; 64]))?;
    for (name, spec, algorithm, rounds) in [
        ("P-256", KeySpec::EcP256, SigningAlgorithm::EcdsaSha256, 20_000),
        ("P-384", KeySpec::EcP384, SigningAlgorithm::EcdsaSha384, 2_000),
        ("RSA-2048 PSS", KeySpec::Rsa2048, SigningAlgorithm::RsaPssSha256, 1_000),
        ("Ed25519", KeySpec::Ed25519, SigningAlgorithm::Ed25519, 20_000),
        ("Ed25519ph", KeySpec::Ed25519, SigningAlgorithm::Ed25519Ph, 20_000),
        ("ML-DSA-44", KeySpec::MlDsa44, SigningAlgorithm::MlDsa, 5_000),
        ("ML-DSA-65", KeySpec::MlDsa65, SigningAlgorithm::MlDsa, 5_000),
        ("ML-DSA-87", KeySpec::MlDsa87, SigningAlgorithm::MlDsa, 5_000),
    ] {
        let key = make(spec)?;
        let public = key.public_key()?;
        let signature = key.sign(algorithm, MessageKind::Raw, b"message")?;
        time(&format!("{name} sign"), rounds, || key.sign(algorithm, MessageKind::Raw, b"message"))?;
        time(&format!("{name} verify"), rounds, || public.verify(algorithm, MessageKind::Raw, b"message", &signature))?;
        let encoded = key.encode()?;
        time(&format!("{name} parse"), rounds / 10, || KeyMaterial::parse(spec, encoded.expose(), None))?;
        if !spec.is_rsa() {
            time(&format!("{name} generate"), rounds / 10, || make(spec))?;
        }
    }
    established()?;
    imported()
}

/// Secrets that two parties come to share.
fn established() -> Result<(), CryptoError> {
    let make = |spec| KeyMaterial::generate(spec, &SystemRandom, None);
    for (name, spec, rounds) in
        [("P-256", KeySpec::EcP256, 10_000), ("P-384", KeySpec::EcP384, 2_000), ("P-521", KeySpec::EcP521, 1_000)]
    {
        let (own, peer) = (make(spec)?, make(spec)?);
        time(&format!("{name} agree"), rounds, || own.agree(AgreementAlgorithm::Ecdh, peer.public_key()?))?;
    }
    for (name, spec) in
        [("ML-KEM-512", KeySpec::MlKem512), ("ML-KEM-768", KeySpec::MlKem768), ("ML-KEM-1024", KeySpec::MlKem1024)]
    {
        let key = make(spec)?;
        let made = key.public_key()?.encapsulate(KemAlgorithm::MlKem)?;
        let encoded = key.encode()?;
        time(&format!("{name} encapsulate"), 10_000, || key.public_key()?.encapsulate(KemAlgorithm::MlKem))?;
        time(&format!("{name} decapsulate"), 10_000, || key.decapsulate(KemAlgorithm::MlKem, &made.ciphertext))?;
        time(&format!("{name} parse"), 10_000, || KeyMaterial::parse(spec, encoded.expose(), None))?;
        time(&format!("{name} generate"), 10_000, || make(spec))?;
    }
    Ok(())
}

/// AES-256 taken in under RSAES-OAEP.
fn imported() -> Result<(), CryptoError> {
    for (name, spec) in [("RSA-2048", KeySpec::Rsa2048), ("RSA-4096", KeySpec::Rsa4096)] {
        let to = KeyMaterial::generate(spec, &SystemRandom, None)?;
        let wrapped = to.public_key()?.encrypt(EncryptionAlgorithm::RsaOaepSha256, &[7; 32])?;
        time(&format!("import AES-256 by {name} OAEP"), 500, || {
            to.import(ImportWrapping::RsaOaepSha256, &wrapped, KeySpec::Aes256, None)
        })?;
    }
    let key = KeyMaterial::generate(KeySpec::Aes256, &SystemRandom, None)?;
    time("digest of imported AES-256", 100_000, || key.digest(LineageId::from_bytes([1; 16])))
}
