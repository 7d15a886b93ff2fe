//! Every limit of this crate in one place.

/// Characters in a policy document unless the caller says otherwise: the quota of a KMS key policy.
pub const DOCUMENT_CHARACTERS: usize = 32_768;

/// Characters in a policy document at the very most: the length in the shape of `PutKeyPolicy`.
pub const DOCUMENT_CHARACTERS_MAX: usize = 131_072;

/// Levels of arrays and objects in a document. The grammar needs seven.
pub const DOCUMENT_DEPTH: usize = 16;

/// Pairs in one grant constraint. AWS KMS bounds an encryption context by its size; this bounds the comparison.
pub const CONSTRAINT_PAIRS: usize = 64;

/// Operations that one grant may list.
pub const GRANT_OPERATIONS: usize = 64;
