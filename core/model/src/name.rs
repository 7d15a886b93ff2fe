//! Names are bindings: (tenant, region, kind, name) to a key. Each kind belongs to one front end.

use crate::id::TenantId;

/// What kind of name a binding carries. Front ends own their kinds; the registry is docs/formats/registry.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct NameKind(#[n(0)] pub u8);

impl NameKind {
    /// A key's internal identity, 32 hexadecimal digits: how the product's own front end names keys. Never bound.
    pub const INTERNAL: Self = Self(0);
}

/// A name as a front end looks it up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Whose name it is.
    pub tenant: TenantId,
    /// Region within the installation, at most [`crate::limits::REGION_BYTES`] bytes, e.g. `us-east-1`.
    pub region: Box<str>,
    /// What kind of name.
    pub kind: NameKind,
    /// The name itself, at most [`crate::limits::NAME_BYTES`] bytes.
    pub text: Box<str>,
}
