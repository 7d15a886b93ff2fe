//! What the process and its child say to each other: owned plain data, CBOR (RFC 8949), one message a packet.
//!
//! Private to one build: both ends are the same program, so there is no version.

use std::time::{Duration, Instant};

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder};
use rustix::time::{ClockId, clock_gettime};
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, SigningAlgorithm};
use strongroom_model::id::{ObjectId, RootId};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

/// Which token, among those that the module shows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TokenSelector {
    /// The one with this label, without the padding.
    #[n(0)]
    Label(#[n(0)] String),
    /// The one with this serial number, without the padding.
    #[n(1)]
    Serial(#[n(0)] String),
}

impl std::fmt::Display for TokenSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Label(label) => write!(formatter, "label {label:?}"),
            Self::Serial(serial) => write!(formatter, "serial number {serial:?}"),
        }
    }
}

/// How a token wraps domain keys. Chosen when the root is provisioned, and kept by the wrapping key's permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Wrapping {
    /// `CKM_AES_GCM` with the context as additional data.
    #[n(1)]
    AesGcm,
    /// `CKM_AES_KEY_WRAP_PAD` (RFC 5649) over the key and the SHA-256 of the context.
    #[n(2)]
    KeyWrapPad,
}

/// The first message to a child; the sockets for its answers come along.
#[derive(Encode, Decode)]
pub(crate) struct Configure {
    #[n(0)]
    pub(crate) parent: u32,
    #[n(1)]
    pub(crate) module: ByteVec,
    #[n(2)]
    pub(crate) token: TokenSelector,
    /// The root whose keys are used; none for a key store.
    #[n(3)]
    pub(crate) root: Option<RootId>,
    #[n(4)]
    pub(crate) sessions: u32,
    #[n(5)]
    pub(crate) pin: SecretField,
}

/// Every further message to a child.
#[derive(Encode, Decode)]
pub(crate) struct Request<C = Call> {
    #[n(0)]
    pub(crate) id: u64,
    /// The number of the socket on which it is to be answered.
    #[n(1)]
    pub(crate) lane: u32,
    /// From when on nobody waits any more.
    #[n(2)]
    pub(crate) until: Moment,
    #[n(3)]
    pub(crate) call: C,
}

/// A moment on the clock that both processes share (`CLOCK_MONOTONIC`), in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Moment(#[n(0)] u64);

impl Moment {
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::try_from(now).unwrap_or_default();
        Self(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn of(instant: Instant) -> Self {
        let left = instant.saturating_duration_since(Instant::now()).as_nanos();
        Self(Self::now().0.saturating_add(u64::try_from(left).unwrap_or(u64::MAX)))
    }
}

/// Every message from a child; the first one has id 0 and answers [`Configure`], on the child's own socket.
#[derive(Encode, Decode)]
pub(crate) struct Response {
    #[n(0)]
    pub(crate) id: u64,
    #[n(1)]
    pub(crate) outcome: Result<Reply, Fault>,
}

/// What a child can be asked. `bound` is what a wrapped key is bound to: its header, then the caller's context.
#[derive(Encode, Decode)]
pub(crate) enum Call {
    /// Make the root's keys unless they are there; [`Reply::Provisioned`].
    #[n(0)]
    Provision(#[n(0)] Option<Wrapping>),
    /// Find the root's keys; [`Reply::Provisioned`].
    #[n(1)]
    Find,
    /// [`Reply::Wrapped`].
    #[n(2)]
    Wrap {
        #[n(0)]
        bound: ByteVec,
        #[n(1)]
        key: SecretField,
    },
    /// [`Reply::Secret`].
    #[n(3)]
    Unwrap {
        #[n(0)]
        bound: ByteVec,
        #[n(1)]
        iv: ByteVec,
        #[n(2)]
        text: ByteVec,
    },
    /// [`Reply::Public`].
    #[n(4)]
    CheckpointKey,
    /// [`Reply::Public`], 64 bytes.
    #[n(5)]
    Sign(#[n(0)] ByteVec),
    /// [`Reply::Secret`] of that many bytes.
    #[n(6)]
    Random(#[n(0)] u32),
    /// Encrypt and decrypt with the token's witness; [`Reply::Done`].
    #[n(7)]
    Probe,
    /// Do something with an object of a key store.
    #[n(8)]
    Object {
        #[n(0)]
        object: ObjectId,
        #[n(1)]
        act: Act,
    },
}

impl Call {
    /// Whether it needs what was made in the token before.
    pub(crate) const fn uses_what_there_is(&self) -> bool {
        match self {
            Self::Wrap { .. } | Self::Unwrap { .. } | Self::CheckpointKey | Self::Sign(_) => true,
            Self::Object { act, .. } => !matches!(act, Act::Generate { .. } | Act::Destroy | Act::Look),
            Self::Provision(_) | Self::Find | Self::Random(_) | Self::Probe => false,
        }
    }
}

/// What is done with an object of a key store.
#[derive(Encode, Decode)]
pub(crate) enum Act {
    /// Make it unless it is there; [`Reply::Public`], the public half or nothing.
    #[n(0)]
    Generate {
        #[n(0)]
        spec: KeySpec,
        #[n(1)]
        usage: Usage,
    },
    /// [`Reply::Done`], or [`Fault::NoObject`].
    #[n(1)]
    Look,
    /// [`Reply::Done`], whether or not it was there.
    #[n(2)]
    Destroy,
    /// [`Reply::Wrapped`], the tag behind the text.
    #[n(3)]
    Seal {
        #[n(0)]
        additional: ByteVec,
        #[n(1)]
        text: SecretField,
    },
    /// [`Reply::Secret`]; the tag stands behind the text.
    #[n(4)]
    Open {
        #[n(0)]
        additional: ByteVec,
        #[n(1)]
        iv: ByteVec,
        #[n(2)]
        text: ByteVec,
    },
    /// [`Reply::Public`].
    #[n(5)]
    WrapKey {
        #[n(0)]
        algorithm: KeyWrapAlgorithm,
        #[n(1)]
        key: SecretField,
    },
    /// [`Reply::Secret`].
    #[n(6)]
    UnwrapKey {
        #[n(0)]
        algorithm: KeyWrapAlgorithm,
        #[n(1)]
        text: ByteVec,
    },
    /// [`Reply::Secret`].
    #[n(7)]
    Decrypt {
        #[n(0)]
        algorithm: EncryptionAlgorithm,
        #[n(1)]
        text: ByteVec,
    },
    /// [`Reply::Public`]; ECDSA as `r || s`.
    #[n(8)]
    Sign {
        #[n(0)]
        algorithm: SigningAlgorithm,
        #[n(1)]
        digest: ByteVec,
    },
}

/// What a child answers.
#[derive(Encode, Decode)]
pub(crate) enum Reply {
    /// The token is found and logged in.
    #[n(0)]
    Ready {
        #[n(0)]
        label: String,
        #[n(1)]
        serial: String,
        /// Manufacturer, model and versions, as far as the token tells them.
        #[n(2)]
        product: String,
    },
    #[n(1)]
    Provisioned(#[n(0)] Wrapping),
    #[n(2)]
    Wrapped {
        #[n(0)]
        iv: ByteVec,
        #[n(1)]
        text: ByteVec,
    },
    #[n(3)]
    Secret(#[n(0)] SecretField),
    #[n(4)]
    Public(#[n(0)] ByteVec),
    #[n(5)]
    Done,
}

/// Why a child could not do what it was asked. Texts name functions and return codes only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Fault {
    /// The blob is not one of this root and context.
    #[n(0)]
    Refused,
    /// The token refused the PIN, now or earlier; it is not tried again, lest the token lock itself.
    #[n(1)]
    WrongPin,
    #[n(2)]
    Unsupported(#[n(0)] String),
    #[n(3)]
    NoToken,
    #[n(4)]
    SeveralTokens,
    #[n(5)]
    NotProvisioned,
    /// The keys found are not what a root needs.
    #[n(6)]
    Unfit(#[n(0)] String),
    /// A call failed; the next may succeed.
    #[n(7)]
    Failed(#[n(0)] String),
    /// The token is lost to this child; only a new one may help.
    #[n(8)]
    Lost(#[n(0)] String),
    /// Nobody waited any more when it was its turn.
    #[n(9)]
    Expired,
    /// There is no such object, or none that fits.
    #[n(10)]
    NoObject,
}

/// A secret inside a message.
pub(crate) struct SecretField(pub(crate) SecretBytes);

impl<C> Encode<C> for SecretField {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(self.0.expose())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SecretField {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(SecretBytes::copy_from(decoder.bytes()?)))
    }
}
