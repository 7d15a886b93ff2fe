//! Bounds of what this crate takes in.

/// Longest plaintext that one ciphertext holds, in bytes. Front ends set lower bounds of their own.
pub const PLAINTEXT_BYTES: usize = 64 * 1024;
/// Longest IV of an external key manager, in bytes.
pub const EXTERNAL_IV_BYTES: usize = 16;
/// Longest metadata that an external key manager adds to a ciphertext, in bytes.
pub const EXTERNAL_METADATA_BYTES: usize = 20;
/// Longest associated data of a detached ciphertext, in bytes: what a length of two bytes can say.
pub const ASSOCIATED_BYTES: usize = 65_535;
/// Longest key that is wrapped by AES key wrap, in bytes: ample for the PKCS#8 encoding of RSA-4096.
pub const KEY_WRAP_BYTES: usize = 8 * 1024;
/// Most pairs in an encryption context.
pub const CONTEXT_PAIRS: usize = 1024;
/// Most bytes of an encryption context, keys and values together.
pub const CONTEXT_BYTES: usize = 8192;
/// Longest plaintext sealed under a wrapping key, in bytes: ample for the PKCS#8 encoding of any key.
pub const WRAPPED_PLAINTEXT_BYTES: usize = 64 * 1024;
/// Longest wrapped material that is taken in, in bytes: ample for RSA-4096 under RSA AES key wrap.
pub const IMPORT_BYTES: usize = 8 * 1024;
/// Plaintext bytes in a chunk of a backup.
pub const BACKUP_CHUNK_BYTES: usize = 256 * 1024;
/// Longest text of a recovery share that is read, in bytes, separators included.
pub const SHARE_TEXT_BYTES: usize = 512;
