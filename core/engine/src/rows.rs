//! What the store's rows hold: CBOR maps (RFC 8949, core deterministic encoding) behind a version byte.
//!
//! Fields are numbered and numbers are never used again, so an older program skips what it does not know and a newer
//! one finds what it needs. docs/formats/rows.md lists them.

mod books;
mod grant;
mod identity;
mod links;
mod meant;

use minicbor::{Decode, Encode};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{DomainKeyId, KeyId, LineageId, MaterialId, ObjectId, RootId, TenantId};
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::name::NameKind;
use strongroom_model::purpose::{KeyState, Purpose, VersionState};
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::Table;
use strongroom_model::usage::{ProfileError, UsageProfile};

use crate::error::{EngineError, InternalFault};

pub use self::books::UsageRow;
pub(crate) use self::books::{
    ClockRow, CredentialUsageRow, HeadRow, KeyUsageRow, LooseObjectRow, OutboxRow, PlannedRootRow, PositionRow,
    UseCounterRow,
};
pub use self::grant::GrantRow;
pub use self::identity::{
    CredentialRow, IdentityPolicyRow, PrincipalRow, RoleRow, ServiceRow, TokenIssuerRow, role_reference,
    service_reference,
};
pub(crate) use self::identity::{ROLES, SERVICES};
pub(crate) use self::links::ConnectingRow;
pub use self::links::{ExternalLinkRow, LinkFailure, LinkState, StoreLinkRow, StoreLinksRow};
pub use self::meant::Meant;

const VERSION: u8 = 1;

/// Writes a row's value.
pub(crate) fn encode<T: Encode<()>>(row: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // Writing to a vector cannot fail, and no row type refuses to be encoded.
    let _ = minicbor::encode(row, &mut bytes);
    bytes
}

/// Reads a row's value.
pub(crate) fn decode<'b, T: Decode<'b, ()>>(table: &'static str, bytes: &'b [u8]) -> Result<T, EngineError> {
    let fault = |cause: String| EngineError::Internal(InternalFault::Row { table, cause });
    match bytes.split_first() {
        Some((&VERSION, body)) => minicbor::decode(body).map_err(|error| fault(error.to_string())),
        Some((version, _)) => Err(fault(format!("version {version} is newer than this program"))),
        None => Err(fault("it is empty".to_owned())),
    }
}

/// Reads a row of any table, to find out whether this program can.
pub(crate) fn check(table: Table, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
    match table {
        Table::Installation if key == b"installation" => decode::<InstallationRow>("the installation", value).map(drop),
        Table::Installation if key == b"clock" => decode::<ClockRow>("the clock", value).map(drop),
        Table::Installation if key.starts_with(b"head/") => decode::<HeadRow>("the saved heads", value).map(drop),
        Table::Installation if key.starts_with(b"planned-root/") => {
            decode::<PlannedRootRow>("the planned roots", value).map(drop)
        }
        Table::Installation => decode::<PositionRow>("the positions", value).map(drop),
        Table::Root => decode::<RootRow>("roots", value).map(drop),
        Table::Tenant => decode::<TenantRow>("tenants", value).map(drop),
        Table::DomainKey => decode::<DomainKeyRow>("domain keys", value).map(drop),
        Table::Principal => decode::<PrincipalRow>("principals", value).map(drop),
        Table::Credential => decode::<CredentialRow>("credentials", value).map(drop),
        Table::IdentityPolicy => decode::<IdentityPolicyRow>("identity policies", value).map(drop),
        Table::Key => decode::<KeyRow>("keys", value).map(drop),
        Table::KeyVersion => decode::<VersionRow>("key versions", value).map(drop),
        Table::Binding | Table::BindingByKey => decode::<BindingRow>("bindings", value).map(drop),
        Table::Grant => decode::<GrantRow>("grants", value).map(drop),
        Table::LooseObject => decode::<LooseObjectRow>("loose objects", value).map(drop),
        Table::UseCounter => decode::<UseCounterRow>("the use counters", value).map(drop),
        Table::StoreLink => decode::<StoreLinksRow>("store links", value).map(drop),
        Table::ConnectingLink => decode::<ConnectingRow>("connecting links", value).map(drop),
        Table::TokenIssuer => decode::<TokenIssuerRow>("token issuers", value).map(drop),
        Table::Outbox => decode::<OutboxRow>("outbox", value).map(drop),
        Table::Usage if key.len() == 17 => decode::<CredentialUsageRow>("usage", value).map(drop),
        Table::Usage if key.len() == 16 => decode::<KeyUsageRow>("usage", value).map(drop),
        Table::Usage => decode::<UsageRow>("usage", value).map(drop),
        // Values of indexes are identities or nothing; guardrails have no rows yet.
        Table::TenantByAccount
        | Table::PrincipalByName
        | Table::VersionByMaterial
        | Table::GrantByRetiring
        | Table::Schedule
        | Table::Guardrail
        | Table::CredentialByPrincipal
        | Table::KeyByLineage
        | Table::KeyByStoreLink => Ok(()),
    }
}

/// A tenant.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct TenantRow {
    /// Identity.
    #[n(0)]
    pub id: TenantId,
    /// Account number, 12 digits; empty for the installation's own row.
    #[n(1)]
    pub account: String,
    /// Name for people.
    #[n(2)]
    pub name: String,
    /// Whether the kill switch is thrown.
    #[n(3)]
    pub suspended: bool,
    /// When it was made.
    #[n(4)]
    pub created: Timestamp,
    /// The domain key version that wraps new material.
    #[n(5)]
    pub domain_key: DomainKeyId,
    /// The name that policies know the tenant's root by.
    #[n(6)]
    pub root_name: String,
}

/// One version of a tenant's domain key, wrapped by every root.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DomainKeyRow {
    /// Identity of this version.
    #[n(0)]
    pub id: DomainKeyId,
    /// Whose.
    #[n(1)]
    pub tenant: TenantId,
    /// When it was made.
    #[n(2)]
    pub created: Timestamp,
    /// The wrapped key, once for each root.
    #[n(3)]
    pub wraps: Vec<RootWrap>,
    /// The key sealed to the backup key (docs/formats/backup.md); empty where there is none.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub escrow: Vec<u8>,
}

/// A domain key as one root wrapped it.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RootWrap {
    /// Which root.
    #[n(0)]
    pub root: RootId,
    /// What it returned.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
}

/// A root of trust that wraps the domain keys.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RootRow {
    /// Identity.
    #[n(0)]
    pub id: RootId,
    /// `software` or `pkcs11`.
    #[n(1)]
    pub kind: String,
    /// Where it is, for people.
    #[n(2)]
    pub location: String,
    /// When it was added.
    #[n(3)]
    pub added: Timestamp,
    /// Checkpoint signatures: 0 Ed25519, 1 ECDSA P-256.
    #[n(4)]
    pub checkpoint_algorithm: u8,
    /// The public checkpoint key.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub checkpoint_public: Vec<u8>,
    /// The root that goes once every domain key is wrapped by this one.
    #[n(6)]
    pub replaces: Option<RootId>,
    /// Whether the checkpoint key is known to verifiers: from the start, or by a note in the log under another's signature.
    #[n(7)]
    pub introduced: bool,
}

impl RootRow {
    /// The public checkpoint key.
    #[must_use]
    pub fn checkpoint_key(&self) -> CheckpointKey {
        let algorithm = match self.checkpoint_algorithm {
            0 => CheckpointAlgorithm::Ed25519,
            _ => CheckpointAlgorithm::EcdsaP256,
        };
        CheckpointKey { algorithm, public: self.checkpoint_public.clone() }
    }
}

/// A key.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeyRow {
    /// Identity.
    #[n(0)]
    pub id: KeyId,
    /// Whose.
    #[n(1)]
    pub tenant: TenantId,
    /// What is the same key elsewhere.
    #[n(2)]
    pub lineage: LineageId,
    /// Kind of material.
    #[n(3)]
    pub spec: KeySpec,
    /// Bits of the usage profile.
    #[n(4)]
    pub profile: u32,
    /// Whether material may ever leave, wrapped.
    #[n(5)]
    pub exportable: bool,
    /// Where the material came from.
    #[n(6)]
    pub origin: Origin,
    /// State.
    #[n(7)]
    pub state: KeyState,
    /// When it was made.
    #[n(8)]
    pub created: Timestamp,
    /// Words for people.
    #[n(9)]
    pub description: String,
    /// The key policy as it came.
    #[n(10)]
    pub policy: String,
    /// Tags, by key.
    #[n(11)]
    pub tags: Vec<(String, String)>,
    /// Automatic rotation, while it is on.
    #[n(12)]
    pub rotation: Option<RotationRow>,
    /// Ordinal of the newest version, from 1; 0 while there is none.
    #[n(13)]
    pub current: u32,
    /// On-demand rotations so far.
    #[n(14)]
    pub on_demand_rotations: u32,
    /// The region in which it was made.
    #[n(15)]
    pub region: String,
    /// The ciphertext formats that it opens: bit `n` stands for version `n`.
    #[n(16)]
    pub accepted_formats: u32,
    /// Its part in a multi-Region key; absent for a key of one region.
    #[n(17)]
    pub multi_region: Option<MultiRegion>,
    /// The key store that its material is in; absent for material that is kept here, wrapped.
    #[n(18)]
    pub store: Option<KeyStoreName>,
    /// The link that it was made through, by its identity, in the key's region.
    #[n(19)]
    pub link: Option<String>,
    /// What the external key manager behind the link calls the key that doubles this one; absent for a key that none does.
    #[n(20)]
    pub external: Option<String>,
    /// Whom the names in its policy mean; absent where none has a unique id, and in a row that was written before there were
    /// these.
    #[n(21)]
    pub meant: Option<Meant>,
}

/// A key's part in a multi-Region key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MultiRegion {
    /// The one that is rotated and replicated.
    #[n(0)]
    Primary,
    /// One that follows it.
    #[n(1)]
    Replica,
}

impl KeyRow {
    /// The usage profile.
    ///
    /// # Errors
    /// When the bits don't form one, which a sound row never has.
    pub fn usage_profile(&self) -> Result<UsageProfile, ProfileError> {
        UsageProfile::from_bits(self.profile, self.spec)
    }
}

/// Automatic rotation of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RotationRow {
    /// Days between rotations.
    #[n(0)]
    pub period_days: u32,
    /// When the next one is due.
    #[n(1)]
    pub next: Timestamp,
}

/// A key version.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct VersionRow {
    /// Of which key.
    #[n(0)]
    pub key: KeyId,
    /// For people: 1, 2, 3.
    #[n(1)]
    pub ordinal: u32,
    /// Identity of the material.
    #[n(2)]
    pub material: MaterialId,
    /// The identity as front ends publish it: SHA-256 of a label and the material id.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub published: [u8; 32],
    /// State.
    #[n(4)]
    pub state: VersionState,
    /// When it was made.
    #[n(5)]
    pub created: Timestamp,
    /// The wrapped material; empty once destroyed, and while it is absent.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
    /// SubjectPublicKeyInfo of a key pair (RFC 5280); empty for symmetric material.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub public: Vec<u8>,
    /// How it came about.
    #[n(8)]
    pub cause: RotationCause,
    /// What is told of imported material only.
    #[n(9)]
    pub imported: Option<ImportRow>,
    /// The object in the key's store that is its material; absent once destroyed, and where there is wrapped material.
    #[n(10)]
    pub object: Option<ObjectId>,
}

impl VersionRow {
    /// Whether its material was taken away and may be brought again. A version that is suspended stays so meanwhile.
    #[must_use]
    pub const fn lacks_material(&self) -> bool {
        self.wrapped.is_empty() && self.object.is_none() && !matches!(self.state, VersionState::Destroyed)
    }
}

/// What is told of imported material.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ImportRow {
    /// A digest of the material, sealed under the tenant's domain key, so that no other material is taken for it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub digest: Vec<u8>,
    /// When it is deleted.
    #[n(1)]
    pub expires: Option<Timestamp>,
    /// Words for people.
    #[n(2)]
    pub description: String,
    /// When a rotation made it current; absent for a key's first material and for what waits for a rotation.
    #[n(3)]
    pub rotated: Option<Timestamp>,
}

/// How a key version came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RotationCause {
    /// With the key.
    #[n(0)]
    Creation,
    /// By the scheduler.
    #[n(1)]
    Automatic,
    /// By a caller.
    #[n(2)]
    OnDemand,
}

/// A name's target.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BindingRow {
    /// The key.
    #[n(0)]
    pub key: KeyId,
    /// Kind of name.
    #[n(1)]
    pub kind: NameKind,
    /// Region.
    #[n(2)]
    pub region: String,
    /// The name.
    #[n(3)]
    pub text: String,
    /// When it was bound first.
    #[n(4)]
    pub created: Timestamp,
    /// When it was bound to its present target.
    #[n(5)]
    pub updated: Timestamp,
    /// What the name leads to the key for, if not for everything.
    #[n(6)]
    pub serves: Option<Serves>,
}

/// What a name leads to its key for, where that is not everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Serves {
    /// Metadata alone.
    #[n(0)]
    Nothing,
    /// To apply protection: encrypt.
    #[n(1)]
    Applying,
    /// To process what is protected: decrypt.
    #[n(2)]
    Processing,
}

impl Serves {
    /// Whether a key may be used for a purpose under a name that serves so much of it.
    #[must_use]
    pub fn permits(serves: Option<Self>, purpose: Purpose) -> bool {
        !matches!(
            (serves, purpose),
            (Some(Self::Nothing | Self::Processing), Purpose::ApplyProtection)
                | (Some(Self::Nothing | Self::Applying), Purpose::ProcessProtected)
        )
    }
}

/// Something due. The numbers stand in the keys of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Due {
    /// Rotate the key.
    #[n(1)]
    Rotation = 1,
    /// Destroy the key's material.
    #[n(2)]
    Destruction = 2,
    /// Take away imported material whose time is up.
    #[n(3)]
    Expiry = 3,
}

/// The installation.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct InstallationRow {
    /// Identity.
    #[n(0)]
    pub id: strongroom_model::id::InstallationId,
    /// When it was made.
    #[n(1)]
    pub created: Timestamp,
    /// The public half of the backup key (HPKE, X25519).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub backup_public: Vec<u8>,
    /// How many recovery shares are needed, of how many.
    #[n(3)]
    pub shares: (u8, u8),
}

#[cfg(test)]
pub(crate) mod tests;
