//! What is sealed, shared out and brought in; the software root.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use strongroom_crypto::shares::split;
use strongroom_crypto::wrapped::Kind;
use strongroom_crypto::{EncryptionContext, KeyMaterial, SystemRandom, backup, ciphertext, detached};
use strongroom_fuzz_targets::fixture;
use strongroom_model::algorithm::{EncryptionAlgorithm, ImportWrapping};
use strongroom_model::root::RootOfTrust;
use strongroom_model::spec::KeySpec;
use strongroom_root_software::{Argon2Cost, SoftwareRoot, Unlocker};
use strongroom_secret::SecretBytes;

use super::{Seed, seed};

/// Specs whose secret encoding is small enough for a corpus.
const SPECS: [KeySpec; 17] = [
    KeySpec::Aes256,
    KeySpec::Rsa2048,
    KeySpec::EcP256,
    KeySpec::EcP384,
    KeySpec::EcP521,
    KeySpec::EcSecp256k1,
    KeySpec::Ed25519,
    KeySpec::Hmac224,
    KeySpec::Hmac256,
    KeySpec::Hmac384,
    KeySpec::Hmac512,
    KeySpec::MlDsa44,
    KeySpec::MlDsa65,
    KeySpec::MlDsa87,
    KeySpec::MlKem512,
    KeySpec::MlKem768,
    KeySpec::MlKem1024,
];

pub(crate) fn seeds() -> Vec<Seed> {
    [ciphertexts(), detached(), wrapped(), material(), imports(), shares(), backups(), roots()].concat()
}

fn ciphertexts() -> Vec<Seed> {
    let seal = |context: &EncryptionContext<'_>, plaintext: &[u8]| {
        ciphertext::seal(&fixture::material(), &fixture::subject(), context, plaintext, &SystemRandom).unwrap()
    };
    let data_key = seal(&fixture::context(), &[9; 32]);
    let (mut later, mut purpose) = (data_key.clone(), data_key.clone());
    later[3] = 2;
    purpose[5] = 2;
    vec![
        seed("ciphertext", "empty", seal(&fixture::context(), b"")),
        seed("ciphertext", "another-context", seal(&EncryptionContext::default(), b"text")),
        seed("ciphertext", "cut", &data_key[..ciphertext::OVERHEAD_BYTES - 1]),
        seed("ciphertext", "later-version", later),
        seed("ciphertext", "resident", include_bytes!("../../../../vectors/ciphertext/v2.bin").as_slice()),
        seed("ciphertext", "other-purpose", purpose),
        seed("ciphertext", "data-key", data_key),
    ]
}

fn detached() -> Vec<Seed> {
    let seal = |associated: &[u8], plaintext: &[u8]| {
        let (material, subject) = (fixture::material(), fixture::detached_subject());
        let made = detached::seal(&material, &subject, associated, plaintext, &SystemRandom).unwrap();
        let behind_length = |part: &[u8]| [&[u8::try_from(part.len()).unwrap()], part].concat();
        let front = [&made.metadata, made.iv.as_slice(), &made.tag, associated].map(behind_length).concat();
        [front, made.ciphertext].concat()
    };
    let whole = seal(b"project=nile", b"text");
    vec![
        seed("detached", "empty", seal(b"", b"")),
        seed("detached", "cut", &whole[..whole.len() - 1]),
        seed("detached", "metadata", &whole[1..21]),
        seed("detached", "resident-metadata", [2, 2, 2, 2, 2]),
        seed("detached", "whole", whole),
    ]
}

fn wrapped() -> Vec<Seed> {
    let key = fixture::wrapping_key();
    let kinds = [
        ("material-of-no-key", Kind::Material),
        ("credential", Kind::Credential),
        ("import-token", Kind::ImportToken),
        ("grant-token", Kind::GrantToken),
        ("page-cursor", Kind::PageCursor),
        ("material-digest", Kind::MaterialDigest),
    ];
    let mut seeds: Vec<Seed> = kinds
        .into_iter()
        .map(|(name, kind)| seed("wrapped", name, key.seal(kind, fixture::BOUND, b"plain", &SystemRandom).unwrap()))
        .collect();
    for spec in [KeySpec::Aes256, KeySpec::EcP256] {
        let material = KeyMaterial::generate(spec, &SystemRandom, None).unwrap();
        let wrapped = key.wrap(&fixture::binding(spec), &material, &SystemRandom).unwrap();
        seeds.push(seed("wrapped", &format!("cut-{spec:?}"), &wrapped[..60]));
        seeds.push(seed("wrapped", &format!("{spec:?}"), wrapped));
    }
    seeds
}

fn material() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for spec in SPECS {
        let material = KeyMaterial::generate(spec, &SystemRandom, None).unwrap();
        let behind = |encoded: &[u8]| [&[spec.code()], encoded].concat();
        let encoded = behind(material.encode().unwrap().expose());
        seeds.push(seed("key_material", &format!("{spec:?}-short"), &encoded[..encoded.len() - 1]));
        seeds.push(seed("key_material", &format!("{spec:?}"), encoded));
        if let Ok(public) = material.public_key() {
            seeds.push(seed("key_material", &format!("{spec:?}-public"), behind(public.der())));
        }
    }
    seeds
}

/// Small material by every wrapping, and every pair by the one that has room for it. The passing key is all sevens.
fn imports() -> Vec<Seed> {
    const PASSING: [u8; 32] = [7; 32];
    let to = fixture::import_key().public_key().unwrap();
    let public = || PublicEncryptingKey::from_der(to.der()).unwrap();
    let sha256 = |bytes: &[u8]| to.encrypt(EncryptionAlgorithm::RsaOaepSha256, bytes).unwrap();
    let sha1 = |bytes: &[u8]| to.encrypt(EncryptionAlgorithm::RsaOaepSha1, bytes).unwrap();
    let key_wrap = |bytes: &[u8]| {
        let mut room = vec![0; bytes.len() + 15];
        AesKek::new(&AES_256, &PASSING).unwrap().wrap_with_padding(bytes, &mut room).unwrap().to_vec()
    };
    let pkcs1 = |bytes: &[u8]| {
        let mut room = [0; 256];
        Pkcs1PublicEncryptingKey::new(public()).unwrap().encrypt(bytes, &mut room).unwrap().to_vec()
    };
    let behind = |wrapping: ImportWrapping, spec: KeySpec, wrapped: Vec<u8>| {
        [vec![wrapping.code(), spec.code()], wrapped].concat()
    };
    let aes = KeySpec::Aes256;
    let mut seeds = vec![
        seed("import", "pkcs1-Aes256", behind(ImportWrapping::RsaPkcs1, aes, pkcs1(&[9; 32]))),
        seed("import", "oaep-sha1-Aes256", behind(ImportWrapping::RsaOaepSha1, aes, sha1(&[9; 32]))),
        seed("import", "oaep-Aes256", behind(ImportWrapping::RsaOaepSha256, aes, sha256(&[9; 32]))),
        seed("import", "oaep-short-Aes256", behind(ImportWrapping::RsaOaepSha256, aes, sha256(&[9; 31]))),
        seed("import", "oaep-no-pair", behind(ImportWrapping::RsaOaepSha256, KeySpec::EcP256, sha256(&[0x30, 0]))),
    ];
    let (old, new) = (sha1(&PASSING), sha256(&PASSING));
    let wrapped = [old, key_wrap(&[9; 32])].concat();
    seeds.push(seed("import", "rsa-aes-sha1-Aes256", behind(ImportWrapping::RsaAesSha1, aes, wrapped)));
    for spec in SPECS {
        let material = KeyMaterial::generate(spec, &SystemRandom, None).unwrap();
        let wrapped = [new.clone(), key_wrap(material.encode().unwrap().expose())].concat();
        seeds.push(seed("import", &format!("rsa-aes-{spec:?}"), behind(ImportWrapping::RsaAesSha256, spec, wrapped)));
    }
    seeds
}

fn shares() -> Vec<Seed> {
    let shares = split(&fixture::secret(7), 2, 3, &SystemRandom).unwrap();
    let texts: Vec<String> =
        shares.iter().map(|share| String::from_utf8(share.to_text().expose().to_vec()).unwrap()).collect();
    let mistyped = texts[0].replacen(|digit: char| digit != '0' && digit != '-', "0", 1);
    vec![
        seed("share_text", "one", texts[0].clone()),
        seed("share_text", "all", texts.join("\n")),
        seed("share_text", "two", texts[1..].join("\n")),
        seed("share_text", "twice", [texts[0].as_str(), &texts[0]].join("\n")),
        seed("share_text", "typed", format!("  {}\n", texts[2].to_uppercase().replace('-', "  "))),
        seed("share_text", "mistyped", mistyped),
    ]
}

fn backups() -> Vec<Seed> {
    let public = backup::public_of(&fixture::secret(7)).unwrap();
    let seal = |plain: &[u8]| {
        let mut sealed = Vec::new();
        backup::seal_stream(&public, &mut &*plain, &mut sealed, &SystemRandom).unwrap();
        sealed
    };
    let short = seal(b"a few bytes");
    let mut later = short.clone();
    later[3] = 2;
    vec![
        seed("backup_stream", "empty", seal(b"")),
        seed("backup_stream", "header-alone", &short[..37]),
        seed("backup_stream", "later-version", later),
        seed("backup_stream", "cut", &short[..short.len() - 1]),
        seed("backup_stream", "short", short),
    ]
}

fn roots() -> Vec<Seed> {
    let (key_file, recovered) = (fixture::secret(7), fixture::secret(9));
    let passphrase = SecretBytes::copy_from(b"correct horse");
    let cost = Argon2Cost::new(8 * 1024, 1, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, unlockers: &[Unlocker<'_>]| {
        let path = folder.path().join(name);
        let root = SoftwareRoot::create(&path, unlockers).unwrap();
        (root, std::fs::read(path).unwrap())
    };
    let recovery = || Unlocker::Recovery { secret: &recovered, threshold: 2, shares: 3 };
    let (root, file) = make("one", &[Unlocker::KeyFile(&key_file)]);
    let wrapped = root.wrap(fixture::ROOT_CONTEXT, &fixture::secret(1)).unwrap();
    let unlockers = [Unlocker::Passphrase(&passphrase, cost), Unlocker::KeyFile(&key_file), recovery()];
    let (_, three) = make("three", &unlockers);
    let mut later = file.clone();
    later[3] = 2;
    vec![
        seed("software_root", "cut", &file[..file.len() - 1]),
        seed("software_root", "later-version", later),
        seed("software_root", "key-file", file),
        seed("software_root", "three-slots", three),
        seed("software_root", "recovery", make("recovery", &[recovery()]).1),
        seed("software_wrapped", "cut", &wrapped[..wrapped.len() - 1]),
        seed("software_wrapped", "domain-key", wrapped),
    ]
}
