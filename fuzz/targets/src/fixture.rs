//! What the corpora were sealed and signed with. Never a secret: it stands here.

use std::sync::LazyLock;

use strongroom_audit::note::VerifierKey;
use strongroom_crypto::ciphertext::{Purpose, Subject};
use strongroom_crypto::detached::{self, Parts};
use strongroom_crypto::wrapped::{Binding, WrappingKey};
use strongroom_crypto::{CheckpointSigner, EncryptionContext, KeyMaterial};
use strongroom_model::id::{KeyId, LineageId, MaterialId, TenantId};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::{Usage, UsageProfile};
use strongroom_secret::{Secret, SecretBytes};
use strongroom_sigv4::SigningTime;

/// What stands under the audit log's name in its corpus.
pub const ORIGIN: &str = "kms.example/node-1";
/// The context that a domain key is wrapped for.
pub const ROOT_CONTEXT: &[u8] = b"tenant 1";
/// What is bound under wrapping keys.
pub const BOUND: &[u8] = b"bound";
/// The access key id that signs.
pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
/// The material of a key that was brought from AWS's sample proxy.
pub const SAMPLE_PROXY_MATERIAL: &[u8; 32] = &[0x11; 32];
/// The region that is signed for.
pub const REGION: &str = "us-east-1";
/// The service that is signed for.
pub const SERVICE: &str = "kms";

/// Thirty-two bytes of `byte`.
#[must_use]
pub fn secret(byte: u8) -> Secret<32> {
    Secret::init_with(|bytes| bytes.fill(byte))
}

/// The secret of [`ACCESS_KEY_ID`].
#[must_use]
pub fn secret_access_key() -> SecretBytes {
    SecretBytes::copy_from(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

/// When requests are signed: 2015-08-30T12:36:00Z.
#[must_use]
pub fn now() -> SigningTime {
    SigningTime::from_unix_seconds(1_440_938_160)
}

/// The material of a key for encryption.
#[must_use]
pub fn material() -> KeyMaterial {
    KeyMaterial::parse(KeySpec::Aes256, &[7; 32], None).unwrap()
}

/// What material from outside is wrapped to.
#[must_use]
pub fn import_key() -> &'static KeyMaterial {
    static KEY: LazyLock<KeyMaterial> = LazyLock::new(|| {
        let encoded = include_bytes!("../../../vectors/key-material/rsa-2048.p8");
        KeyMaterial::parse(KeySpec::Rsa2048, encoded, None).unwrap()
    });
    &KEY
}

/// What ciphertexts are sealed under.
#[must_use]
pub const fn subject() -> Subject {
    Subject {
        purpose: Purpose::Data,
        lineage: LineageId::from_bytes([1; 16]),
        material: MaterialId::from_bytes([2; 16]),
    }
}

/// What detached ciphertexts are sealed under.
#[must_use]
pub const fn detached_subject() -> detached::Subject {
    detached::Subject { lineage: LineageId::from_bytes([1; 16]), material: MaterialId::from_bytes([2; 16]) }
}

/// A detached ciphertext and its associated data: each part behind its length in one byte, the ciphertext last.
#[must_use]
pub fn detached_parts(data: &[u8]) -> Option<(Parts<'_>, &[u8])> {
    fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, behind) = rest.split_first()?;
        let (part, behind) = behind.split_at_checked(usize::from(*length))?;
        *rest = behind;
        Some(part)
    }
    let mut rest = data;
    let (metadata, iv) = (part(&mut rest)?, part(&mut rest)?);
    let (tag, associated) = (part(&mut rest)?, part(&mut rest)?);
    Some((Parts { ciphertext: rest, iv, tag, metadata }, associated))
}

/// The context of ciphertexts.
#[must_use]
pub fn context() -> EncryptionContext<'static> {
    EncryptionContext::new([("department", "finance")]).unwrap()
}

/// A domain key.
#[must_use]
pub fn wrapping_key() -> WrappingKey {
    WrappingKey::new([3; 16], &secret(7), None)
}

/// What wrapped material is bound to.
#[must_use]
pub fn binding(spec: KeySpec) -> Binding {
    let usage = match spec {
        KeySpec::Aes256 => Usage::DerivedAead,
        spec if spec.is_symmetric() => Usage::Mac,
        spec if spec.is_ml_kem() => Usage::Kem,
        _ => Usage::Sign,
    };
    Binding {
        key: KeyId::from_bytes([4; 16]),
        material: MaterialId::from_bytes([2; 16]),
        lineage: LineageId::from_bytes([1; 16]),
        tenant: TenantId::from_bytes([5; 16]),
        spec,
        usage: UsageProfile::new(&[usage], spec).unwrap(),
        exportable: false,
        origin: Origin::Generated,
    }
}

/// What signs the audit log.
#[must_use]
pub fn signer() -> CheckpointSigner {
    CheckpointSigner::from_seed(&secret(7)).unwrap()
}

/// What verifies the audit log.
#[must_use]
pub fn verifier_key() -> VerifierKey {
    VerifierKey::new(ORIGIN, signer().public()).unwrap()
}
