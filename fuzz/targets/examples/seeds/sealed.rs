//! What is sealed, shared out and brought in; the software root.

use strongroom_crypto::shares::split;
use strongroom_crypto::wrapped::Kind;
use strongroom_crypto::{EncryptionContext, KeyMaterial, SystemRandom, backup, ciphertext};
use strongroom_fuzz_targets::fixture;
use strongroom_model::root::RootOfTrust;
use strongroom_model::spec::KeySpec;
use strongroom_root_software::{Argon2Cost, SoftwareRoot, Unlocker};
use strongroom_secret::SecretBytes;

use super::{Seed, seed};

/// Specs whose secret encoding is small enough for a corpus.
const SPECS: [KeySpec; 10] = [
    KeySpec::Aes256,
    KeySpec::Rsa2048,
    KeySpec::EcP256,
    KeySpec::EcP384,
    KeySpec::EcP521,
    KeySpec::EcSecp256k1,
    KeySpec::Hmac224,
    KeySpec::Hmac256,
    KeySpec::Hmac384,
    KeySpec::Hmac512,
];

pub(crate) fn seeds() -> Vec<Seed> {
    [ciphertexts(), wrapped(), material(), shares(), backups(), roots()].concat()
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
        seed("ciphertext", "other-purpose", purpose),
        seed("ciphertext", "data-key", data_key),
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
