//! Key material on its way from a file to a server: what the command line cannot do, since it knows no cryptography.

use strongroom_crypto::PublicKey;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_secret::SecretBytes;

/// Wraps material by RSAES-OAEP with SHA-256 (RFC 8017) for a public key of this kind, as `SubjectPublicKeyInfo` in DER.
pub(crate) fn wrap(spec: &str, public: &[u8], material: &SecretBytes) -> Option<Vec<u8>> {
    let spec = strongroom_admin_api::spec(spec).ok()?;
    let public = PublicKey::parse(spec, public).ok()?;
    public.encrypt(EncryptionAlgorithm::RsaOaepSha256, material.expose()).ok()
}
