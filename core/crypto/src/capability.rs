//! What this build can do, asked at run time. No cargo feature changes an algorithm or a default; in FIPS mode what rests on
//! the library beneath the validated module is absent, and refused where it is tried.

use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, ImportWrapping, KemAlgorithm, KeyWrapAlgorithm, MacAlgorithm,
    SigningAlgorithm,
};
use strongroom_model::spec::KeySpec;

use crate::ciphertext::Format;
use crate::lower;

/// One thing that this build can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Make and use material of this kind.
    Spec(KeySpec),
    /// Sign and verify.
    Signing(SigningAlgorithm),
    /// Encrypt and decrypt.
    Encryption(EncryptionAlgorithm),
    /// Compute and verify message authentication codes.
    Mac(MacAlgorithm),
    /// Agree on a secret.
    Agreement(AgreementAlgorithm),
    /// Encapsulate and decapsulate secrets.
    Kem(KemAlgorithm),
    /// Wrap and unwrap keys.
    KeyWrap(KeyWrapAlgorithm),
    /// Take in material wrapped in this way.
    Import(ImportWrapping),
    /// Open ciphertexts of this format.
    Ciphertext(Format),
}

impl Capability {
    /// Whether this build can do it.
    #[must_use]
    pub fn is_present(self) -> bool {
        !rests_on_lower(self) || lower::is_permitted()
    }
}

/// Everything that this build can do.
pub fn capabilities() -> impl Iterator<Item = Capability> {
    let specs = KeySpec::ALL.iter().copied().map(Capability::Spec);
    let signing = SigningAlgorithm::ALL.iter().copied().map(Capability::Signing);
    let encryption = EncryptionAlgorithm::ALL.iter().copied().map(Capability::Encryption);
    let macs = MacAlgorithm::ALL.iter().copied().map(Capability::Mac);
    let agreement = AgreementAlgorithm::ALL.iter().copied().map(Capability::Agreement);
    let kems = KemAlgorithm::ALL.iter().copied().map(Capability::Kem);
    let wraps = KeyWrapAlgorithm::ALL.iter().copied().map(Capability::KeyWrap);
    let imports = ImportWrapping::ALL.iter().copied().map(Capability::Import);
    let used =
        specs.chain(signing).chain(encryption).chain(macs).chain(agreement).chain(kems).chain(wraps).chain(imports);
    used.chain([Format::V1, Format::V2, Format::V3].map(Capability::Ciphertext))
        .filter(|capability| capability.is_present())
}

/// Whether the validated module has no part in it.
const fn rests_on_lower(capability: Capability) -> bool {
    match capability {
        Capability::Spec(spec) => spec.is_ml_dsa() || spec.is_ml_kem(),
        Capability::Signing(algorithm) => matches!(algorithm, SigningAlgorithm::Ed25519Ph | SigningAlgorithm::MlDsa),
        Capability::Kem(KemAlgorithm::MlKem) => true,
        _ => false,
    }
}

/// The cryptographic module in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Name and version, for people.
    pub version: &'static str,
    /// Whether it runs in FIPS 140 mode.
    pub fips: bool,
}

/// Which cryptographic module this process runs on.
#[must_use]
pub fn module() -> Module {
    Module { version: aws_lc_rs::awslc_version(), fips: aws_lc_rs::try_fips_mode().is_ok() }
}
