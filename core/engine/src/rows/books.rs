//! What the engine keeps for itself: where logs stood and were read to, what they still lack, the clock, the ledger.

use minicbor::{Decode, Encode};
use strongroom_audit::hash::Hash;
use strongroom_audit::port::{Head, Position};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{MaterialId, RecordId};
use strongroom_model::key_store::KeyStoreName;

/// Where a node's log stood.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct HeadRow {
    /// How many records it has had.
    #[n(0)]
    pub size: u64,
    /// The chain hash of its last frame.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub chain: [u8; 32],
    /// The root of the tree over all its records.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub root: [u8; 32],
}

impl HeadRow {
    pub(crate) fn of(head: &Head) -> Self {
        Self { size: head.size, chain: *head.chain.as_bytes(), root: *head.root.as_bytes() }
    }

    pub(crate) fn into_head(self, origin: &str) -> Head {
        let [chain, root] = [self.chain, self.root].map(Hash::from_bytes);
        Head { origin: origin.to_owned(), size: self.size, chain, root }
    }
}

/// A finished record that the log may lack.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OutboxRow {
    /// The record's bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) record: Vec<u8>,
    /// The log that it belongs to.
    #[n(1)]
    pub(crate) origin: String,
}

/// A position in a log, up to which something is so.
#[derive(Clone, Copy, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PositionRow {
    /// The first record of which it is not so yet.
    #[n(0)]
    pub(crate) position: Position,
}

/// A root that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PlannedRootRow {
    /// Where, in the words of whoever makes it.
    #[n(0)]
    pub(crate) location: String,
}

/// What the store has seen of the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ClockRow {
    /// The latest time that was seen.
    #[n(0)]
    pub(crate) latest: Timestamp,
    /// Whether the clock jumped and no operator has confirmed it since.
    #[n(1)]
    pub(crate) jumped: bool,
}

/// Uses of a key, all together.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct KeyUsageRow {
    /// How many.
    #[n(0)]
    pub(crate) count: u64,
    /// When the newest was.
    #[n(1)]
    pub(crate) last: Timestamp,
    /// What for.
    #[n(2)]
    pub(crate) action: Action,
    /// The material that served then.
    #[n(3)]
    pub(crate) material: MaterialId,
    /// That version's ordinal.
    #[n(4)]
    pub(crate) ordinal: u32,
    /// How many rows tell of its uses one by one.
    #[n(5)]
    pub(crate) rows: u32,
    /// The record of the newest.
    #[n(6)]
    pub(crate) record: RecordId,
    /// Its request, as its front end named it.
    #[n(7)]
    pub(crate) request_id: String,
}

/// When a credential last proved someone.
#[derive(Clone, Copy, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct CredentialUsageRow {
    /// When.
    #[n(0)]
    pub(crate) last: Timestamp,
}

/// Uses of one key version, for one action, by one algorithm, by one caller.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct UsageRow {
    /// The version's material.
    #[n(0)]
    pub material: MaterialId,
    /// The version's ordinal.
    #[n(1)]
    pub ordinal: u32,
    /// What for.
    #[n(2)]
    pub action: Action,
    /// The algorithm, as records name it; empty for none.
    #[n(3)]
    pub algorithm: String,
    /// The caller, as policies name it; absent where callers are counted together, because there are too many.
    #[n(4)]
    pub caller: Option<String>,
    /// How many.
    #[n(5)]
    pub count: u64,
    /// When the first was.
    #[n(6)]
    pub first: Timestamp,
    /// When the newest was.
    #[n(7)]
    pub last: Timestamp,
}

/// An object in a key store that no key owns.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LooseObjectRow {
    /// In which store.
    #[n(0)]
    pub(crate) store: KeyStoreName,
    /// When it was about to be made for a key; absent once it is to be destroyed.
    #[n(1)]
    pub(crate) since: Option<Timestamp>,
}

/// How often a resident key version may have encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct UseCounterRow {
    /// Uses reserved so far, whether or not they happened.
    #[n(0)]
    pub(crate) reserved: u64,
}
