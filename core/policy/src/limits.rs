//! Every limit of this crate in one place.

/// Bytes of a policy document unless the caller says otherwise: the quota of a KMS key policy (KMS Developer Guide,
/// "Quotas").
pub const DOCUMENT_BYTES: usize = 32_768;

/// Bytes of a policy document at the very most: the length in the shape of `PutKeyPolicy`.
pub const DOCUMENT_BYTES_MAX: usize = 131_072;

/// Bytes of a role's trust policy: what IAM's quota can be raised to.
pub const TRUST_POLICY_BYTES: usize = 4_096;

/// Bytes of a session policy that comes with `AssumeRole`.
pub const SESSION_POLICY_BYTES: usize = 2_048;

/// Levels of arrays and objects in a document. The grammar needs seven.
pub const DOCUMENT_DEPTH: usize = 16;

/// Pairs in one grant constraint. AWS KMS bounds an encryption context by its size; this bounds the comparison.
pub const CONSTRAINT_PAIRS: usize = 64;

/// Operations that one grant may list.
pub const GRANT_OPERATIONS: usize = 64;
