//! The calls of AWS-LC that its safe crate does not offer: ML-KEM and ML-DSA keys kept as seeds, ML-DSA over a message
//! representative, Ed25519ph, AES-GCM with long IVs (docs/adr/lower-layer.md). The only unsafe code of this crate.
//!
//! Every function here is a fixed sequence of calls over slices whose lengths were checked; nothing is computed here. The
//! library is the same one that the safe crate runs on, but not its validated module: in FIPS mode all of it is refused.
#![expect(unsafe_code, reason = "the C library's interface; each call says why it is sound")]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as sys;
use strongroom_model::algorithm::KemAlgorithm;
use strongroom_model::spec::KeySpec;
use strongroom_secret::{Secret, SecretBytes};
use zeroize::Zeroizing;

/// A call that did not succeed, or may not be made.
pub(crate) struct Failed;

/// Ample for every `SubjectPublicKeyInfo` here: the longest is ML-DSA-87's, 2614 bytes.
const PUBLIC_DER_BYTES: usize = 4096;

/// An object of the library, given back when it is dropped.
struct Owned<T> {
    object: NonNull<T>,
    release: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// Takes what a call returned: a fresh object that nobody else releases, or null.
    fn take(object: *mut T, release: unsafe extern "C" fn(*mut T)) -> Result<Self, Failed> {
        NonNull::new(object).map(|object| Self { object, release }).ok_or(Failed)
    }

    const fn as_ptr(&self) -> *mut T {
        self.object.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the object came from the library, is released here alone, and is not used afterwards.
        unsafe { (self.release)(self.object.as_ptr()) }
    }
}

/// A key over module lattices: the pair, or the public half alone.
pub(crate) struct LatticeKey {
    spec: KeySpec,
    key: Owned<sys::EVP_PKEY>,
}

// SAFETY: after its making the key is only read; the library documents that as safe from several threads, and counts
// references atomically.
unsafe impl Send for LatticeKey {}
// SAFETY: as above.
unsafe impl Sync for LatticeKey {}

impl LatticeKey {
    /// Makes a key pair, keeping its seed.
    pub(crate) fn generate(spec: KeySpec) -> Result<Self, Failed> {
        let (family, set) = identify(spec)?;
        let mut key = ptr::null_mut();
        // SAFETY: a context of the family, used in the order that the library asks for; null engines mean none.
        unsafe {
            let context = Owned::take(sys::EVP_PKEY_CTX_new_id(family, ptr::null_mut()), sys::EVP_PKEY_CTX_free)?;
            succeeded(sys::EVP_PKEY_keygen_init(context.as_ptr()))?;
            succeeded(match family {
                sys::EVP_PKEY_KEM => sys::EVP_PKEY_CTX_kem_set_params(context.as_ptr(), set),
                _ => sys::EVP_PKEY_CTX_pqdsa_set_params(context.as_ptr(), set),
            })?;
            succeeded(sys::EVP_PKEY_keygen(context.as_ptr(), &raw mut key))?;
        }
        Self::checked(spec, key)
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` that holds the seed (RFC 9881 and 9935, section 6), to its last byte.
    pub(crate) fn parse_private(spec: KeySpec, der: &[u8]) -> Result<Self, Failed> {
        let key = Self::checked(spec, parsed(der, sys::EVP_parse_private_key)?)?;
        // A key that knows no seed has no encoding of the seed's length.
        key.private_der().map(|_| key)
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 9881 and 9935, section 4), to its last byte.
    pub(crate) fn parse_public(spec: KeySpec, der: &[u8]) -> Result<Self, Failed> {
        Self::checked(spec, parsed(der, sys::EVP_parse_public_key)?)
    }

    /// Takes a key that a call returned, if it is one of `spec`.
    fn checked(spec: KeySpec, key: *mut sys::EVP_PKEY) -> Result<Self, Failed> {
        let key = Owned::take(key, sys::EVP_PKEY_free)?;
        let (family, set) = identify(spec)?;
        // SAFETY: a live key; the second question is asked of keys of its family alone.
        let same = unsafe {
            sys::EVP_PKEY_id(key.as_ptr()) == family
                && set
                    == match family {
                        sys::EVP_PKEY_KEM => sys::EVP_PKEY_kem_get_type(key.as_ptr()),
                        _ => sys::EVP_PKEY_pqdsa_get_type(key.as_ptr()),
                    }
        };
        if same { Ok(Self { spec, key }) } else { Err(Failed) }
    }

    /// The pair as PKCS#8 version 1, holding the seed alone.
    pub(crate) fn private_der(&self) -> Result<SecretBytes, Failed> {
        // The seed, its tag and length, and the 20 bytes of what surrounds it.
        let seed = if self.spec.is_ml_kem() { 64 } else { 32 };
        let mut der = Zeroizing::new(vec![0; seed + 22]);
        let written = self.marshal(&mut der, sys::EVP_marshal_private_key)?;
        if written == der.len() { Ok(SecretBytes::take(std::mem::take(&mut *der))) } else { Err(Failed) }
    }

    /// The public half as `SubjectPublicKeyInfo`.
    pub(crate) fn public_der(&self) -> Result<Vec<u8>, Failed> {
        let mut der = vec![0; PUBLIC_DER_BYTES];
        let written = self.marshal(&mut der, sys::EVP_marshal_public_key)?;
        der.truncate(written);
        Ok(der)
    }

    fn marshal(
        &self,
        room: &mut [u8],
        write: unsafe extern "C" fn(*mut sys::CBB, *const sys::EVP_PKEY) -> c_int,
    ) -> Result<usize, Failed> {
        let mut builder = std::mem::MaybeUninit::<sys::CBB>::zeroed();
        // SAFETY: a fixed builder writes into `room` alone and holds nothing that must be released; its length is asked
        // after a success.
        unsafe {
            succeeded(sys::CBB_init_fixed(builder.as_mut_ptr(), room.as_mut_ptr(), room.len()))?;
            succeeded(write(builder.as_mut_ptr(), self.key.as_ptr()))?;
            succeeded(sys::CBB_flush(builder.as_mut_ptr()))?;
            Ok(sys::CBB_len(builder.as_ptr()))
        }
    }

    /// Signs a message with ML-DSA, hedged, with an empty context (FIPS 204, algorithm 2).
    pub(crate) fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut signature = vec![0; signature_bytes(self.spec)?];
        let mut length = signature.len();
        // SAFETY: a fresh context initialised with a live key; the lengths are those of the slices.
        unsafe {
            let context = Owned::take(sys::EVP_MD_CTX_new(), sys::EVP_MD_CTX_free)?;
            let (at, key) = (context.as_ptr(), self.key.as_ptr());
            succeeded(sys::EVP_DigestSignInit(at, ptr::null_mut(), ptr::null(), ptr::null_mut(), key))?;
            let (out, length) = (signature.as_mut_ptr(), &raw mut length);
            succeeded(sys::EVP_DigestSign(at, out, length, message.as_ptr(), message.len()))?;
        }
        if length == signature.len() { Ok(signature) } else { Err(Failed) }
    }

    /// Verifies an ML-DSA signature over a message with an empty context (FIPS 204, algorithm 3).
    pub(crate) fn verify_message(&self, message: &[u8], signature: &[u8]) -> Result<(), Failed> {
        // SAFETY: as in `sign_message`.
        unsafe {
            let context = Owned::take(sys::EVP_MD_CTX_new(), sys::EVP_MD_CTX_free)?;
            let (at, key) = (context.as_ptr(), self.key.as_ptr());
            succeeded(sys::EVP_DigestVerifyInit(at, ptr::null_mut(), ptr::null(), ptr::null_mut(), key))?;
            let (given, length) = (signature.as_ptr(), signature.len());
            succeeded(sys::EVP_DigestVerify(at, given, length, message.as_ptr(), message.len()))
        }
    }

    /// Signs a message representative with ML-DSA (FIPS 204, algorithm 7 from line 7 on).
    pub(crate) fn sign_representative(&self, representative: &[u8; 64]) -> Result<Vec<u8>, Failed> {
        let mut signature = vec![0; signature_bytes(self.spec)?];
        let mut length = signature.len();
        let context = self.context()?;
        // SAFETY: a live context of this key; the lengths are those of the slices.
        unsafe {
            succeeded(sys::EVP_PKEY_sign_init(context.as_ptr()))?;
            let (out, length) = (signature.as_mut_ptr(), &raw mut length);
            let (mu, bytes) = (representative.as_ptr(), representative.len());
            succeeded(sys::EVP_PKEY_sign(context.as_ptr(), out, length, mu, bytes))?;
        }
        if length == signature.len() { Ok(signature) } else { Err(Failed) }
    }

    /// Verifies an ML-DSA signature over a message representative (FIPS 204, algorithm 8).
    pub(crate) fn verify_representative(&self, representative: &[u8; 64], signature: &[u8]) -> Result<(), Failed> {
        let context = self.context()?;
        // SAFETY: as in `sign_representative`.
        unsafe {
            succeeded(sys::EVP_PKEY_verify_init(context.as_ptr()))?;
            let (given, length) = (signature.as_ptr(), signature.len());
            let (mu, bytes) = (representative.as_ptr(), representative.len());
            succeeded(sys::EVP_PKEY_verify(context.as_ptr(), given, length, mu, bytes))
        }
    }

    /// Draws a secret and encapsulates it with ML-KEM (FIPS 203, algorithm 20).
    pub(crate) fn encapsulate(&self) -> Result<(Secret<32>, Vec<u8>), Failed> {
        let mut ciphertext = vec![0; KemAlgorithm::MlKem.ciphertext_bytes(self.spec).ok_or(Failed)?];
        let mut length = ciphertext.len();
        let context = self.context()?;
        let secret = Secret::try_init_with(|secret: &mut [u8; 32]| {
            let mut bytes = secret.len();
            // SAFETY: a live context of this key; the lengths are those of the slices.
            succeeded(unsafe {
                let (out, length) = (ciphertext.as_mut_ptr(), &raw mut length);
                sys::EVP_PKEY_encapsulate(context.as_ptr(), out, length, secret.as_mut_ptr(), &raw mut bytes)
            })?;
            if bytes == secret.len() { Ok(()) } else { Err(Failed) }
        })?;
        if length == ciphertext.len() { Ok((secret, ciphertext)) } else { Err(Failed) }
    }

    /// Decapsulates with ML-KEM (FIPS 203, algorithm 21): a ciphertext of the right length always yields a secret.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8]) -> Result<Secret<32>, Failed> {
        if Some(ciphertext.len()) != KemAlgorithm::MlKem.ciphertext_bytes(self.spec) {
            return Err(Failed);
        }
        let context = self.context()?;
        Secret::try_init_with(|secret: &mut [u8; 32]| {
            let mut bytes = secret.len();
            // SAFETY: a live context of this key; the lengths are those of the slices.
            succeeded(unsafe {
                let (out, length) = (secret.as_mut_ptr(), &raw mut bytes);
                sys::EVP_PKEY_decapsulate(context.as_ptr(), out, length, ciphertext.as_ptr(), ciphertext.len())
            })?;
            if bytes == secret.len() { Ok(()) } else { Err(Failed) }
        })
    }

    fn context(&self) -> Result<Owned<sys::EVP_PKEY_CTX>, Failed> {
        // SAFETY: a live key, whose reference the context counts; a null engine means none.
        Owned::take(unsafe { sys::EVP_PKEY_CTX_new(self.key.as_ptr(), ptr::null_mut()) }, sys::EVP_PKEY_CTX_free)
    }
}

/// Signs the SHA-512 of a message with Ed25519ph and an empty context (RFC 8032, section 5.1). `private` is the seed and
/// the public key.
pub(crate) fn ed25519ph_sign(private: &Secret<64>, digest: &[u8; 64]) -> Result<[u8; 64], Failed> {
    permitted()?;
    let mut signature = [0; 64];
    // SAFETY: the arrays have the lengths that the call fixes; an empty context may be null.
    succeeded(unsafe {
        let (out, key) = (signature.as_mut_ptr(), private.expose().as_ptr());
        sys::ED25519ph_sign_digest(out, digest.as_ptr(), key, ptr::null(), 0)
    })?;
    Ok(signature)
}

/// Verifies an Ed25519ph signature over the SHA-512 of a message.
pub(crate) fn ed25519ph_verify(public: &[u8; 32], digest: &[u8; 64], signature: &[u8; 64]) -> Result<(), Failed> {
    permitted()?;
    // SAFETY: as in `ed25519ph_sign`.
    succeeded(unsafe {
        sys::ED25519ph_verify_digest(digest.as_ptr(), signature.as_ptr(), public.as_ptr(), ptr::null(), 0)
    })
}

/// AES-256-GCM with a 128-bit IV and a 128-bit tag. `plaintext` is as long as `ciphertext`.
pub(crate) fn gcm_open(
    key: &[u8],
    iv: &[u8; 16],
    additional: &[u8],
    ciphertext: &[u8],
    tag: &[u8; 16],
    plaintext: &mut [u8],
) -> Result<(), Failed> {
    permitted()?;
    if key.len() != 32 || plaintext.len() != ciphertext.len() {
        return Err(Failed);
    }
    // SAFETY: the lengths are those of the slices, and there is as much room as there is ciphertext.
    unsafe {
        let cipher = sys::EVP_AEAD_CTX_new(sys::EVP_aead_aes_256_gcm(), key.as_ptr(), key.len(), tag.len());
        let cipher = Owned::take(cipher, sys::EVP_AEAD_CTX_free)?;
        succeeded(sys::EVP_AEAD_CTX_open_gather(
            cipher.as_ptr(),
            plaintext.as_mut_ptr(),
            iv.as_ptr(),
            iv.len(),
            ciphertext.as_ptr(),
            ciphertext.len(),
            tag.as_ptr(),
            tag.len(),
            additional.as_ptr(),
            additional.len(),
        ))
    }
}

/// Whether the calls of this file may be made: not where only the validated module may compute.
pub(crate) fn is_permitted() -> bool {
    aws_lc_rs::try_fips_mode().is_err()
}

fn permitted() -> Result<(), Failed> {
    if is_permitted() { Ok(()) } else { Err(Failed) }
}

/// The library's numbers for a key's family and parameter set.
fn identify(spec: KeySpec) -> Result<(c_int, c_int), Failed> {
    permitted()?;
    match spec {
        KeySpec::MlDsa44 => Ok((sys::EVP_PKEY_PQDSA, sys::NID_MLDSA44)),
        KeySpec::MlDsa65 => Ok((sys::EVP_PKEY_PQDSA, sys::NID_MLDSA65)),
        KeySpec::MlDsa87 => Ok((sys::EVP_PKEY_PQDSA, sys::NID_MLDSA87)),
        KeySpec::MlKem512 => Ok((sys::EVP_PKEY_KEM, sys::NID_MLKEM512)),
        KeySpec::MlKem768 => Ok((sys::EVP_PKEY_KEM, sys::NID_MLKEM768)),
        KeySpec::MlKem1024 => Ok((sys::EVP_PKEY_KEM, sys::NID_MLKEM1024)),
        _ => Err(Failed),
    }
}

/// Bytes of an ML-DSA signature (FIPS 204, table 2).
const fn signature_bytes(spec: KeySpec) -> Result<usize, Failed> {
    match spec {
        KeySpec::MlDsa44 => Ok(2420),
        KeySpec::MlDsa65 => Ok(3309),
        KeySpec::MlDsa87 => Ok(4627),
        _ => Err(Failed),
    }
}

/// Reads a key from the whole of `der`.
fn parsed(
    der: &[u8],
    read: unsafe extern "C" fn(*mut sys::CBS) -> *mut sys::EVP_PKEY,
) -> Result<*mut sys::EVP_PKEY, Failed> {
    let mut reader = std::mem::MaybeUninit::<sys::CBS>::zeroed();
    // SAFETY: the reader looks at `der` alone, which outlives it; what was read before a fault is released.
    unsafe {
        sys::CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len());
        let key = read(reader.as_mut_ptr());
        if sys::CBS_len(reader.as_ptr()) == 0 {
            return Ok(key);
        }
        sys::EVP_PKEY_free(key);
    }
    Err(Failed)
}

const fn succeeded(code: c_int) -> Result<(), Failed> {
    if code == 1 { Ok(()) } else { Err(Failed) }
}
