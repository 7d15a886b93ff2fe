//! Reading a record. What is taken is exactly what writing makes: it is written again and compared.

use std::net::{IpAddr, SocketAddr};

use minicbor::Decoder;
use minicbor::data::Type;
use strongroom_model::clock::Timestamp;
use strongroom_model::store::Revision;

use super::{
    Credential, Decision, Demand, Detail, LeftOut, List, Mode, Outcome, Principal, Record, Request, Source, Text,
    TextDigest,
};
use crate::hash::Hash;
use crate::limits;

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than any record.
    #[error("a record has at most {limit} bytes, not {0}", limit = limits::RECORD_BYTES)]
    TooLong(usize),
    /// Made by a newer program.
    #[error("the record has version {0}; this program reads version {version}", version = super::VERSION)]
    Version(u64),
    /// A field that has no meaning in this version.
    #[error("the record has an unknown field {0}")]
    UnknownField(u64),
    /// A field that every record has.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// A number that has no meaning in this version.
    #[error("the record has an unknown {what} {code}")]
    UnknownCode {
        /// What it should be.
        what: &'static str,
        /// The number found.
        code: u64,
    },
    /// Not well-formed, or a value of the wrong kind.
    #[error("the record is malformed near byte {at}")]
    Malformed {
        /// Where reading stopped.
        at: usize,
    },
    /// Well-formed, but not in the one form that records have.
    #[error("the record is not in its canonical form")]
    NotCanonical,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Record<'a> {
    /// Reads a record, borrowing its texts from `bytes`.
    ///
    /// # Errors
    /// When the bytes are not exactly one canonical record of a version known here.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let record = Self::read(bytes)?;
        let mut again = Vec::with_capacity(bytes.len());
        record.encode_into(&mut again);
        match again == bytes {
            true => Ok(record),
            false => Err(DecodeError::NotCanonical),
        }
    }

    /// Reads a record whose form is known to be the canonical one.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() > limits::RECORD_BYTES {
            return Err(DecodeError::TooLong(bytes.len()));
        }
        Reader(Decoder::new(bytes)).record()
    }
}

struct Reader<'a>(Decoder<'a>);

impl<'a> Reader<'a> {
    fn record(&mut self) -> Result<Record<'a>> {
        let fields = self.map()?;
        // The version comes first, so that what a newer program wrote is told from what is damaged.
        match (fields > 0).then(|| self.unsigned()).transpose()? {
            Some(0) => {}
            _ => return Err(DecodeError::Missing("version")),
        }
        match self.unsigned()? {
            super::VERSION => {}
            version => return Err(DecodeError::Version(version)),
        }
        let (mut id, mut started, mut duration, mut action) = (None, None, None, None);
        // The placeholders are replaced below, or the record is refused.
        let mut record = Record::new(
            strongroom_model::id::RecordId::from_bytes([0; 16]),
            Timestamp::default(),
            strongroom_model::action::Action::Authenticate,
        );
        for _ in 1..fields {
            match self.unsigned()? {
                1 => id = Some(self.id()?),
                2 => started = Some(Timestamp(self.unsigned()?)),
                3 => duration = Some(self.unsigned()?),
                4 => record.tenant = Some(self.id()?),
                5 => record.account = self.text()?,
                6 => record.policy_name = self.text()?,
                7 => record.principal = self.principal()?,
                8 => record.credential = self.credential()?,
                9 => record.source = self.source()?,
                10 => record.request = self.request()?,
                11 => action = Some(self.action()?),
                12 => record.mode = self.mode()?,
                13 => record.demands = self.list(Self::demand)?,
                14 => record.decision = Some(self.decision()?),
                15 => record.outcome = self.outcome()?,
                16 => record.algorithm = self.text()?,
                17 => record.details = self.list(Self::detail)?,
                18 => record.results = self.list(Self::detail)?,
                19 => record.changes = self.list(Self::text)?,
                20 => record.revision = Some(Revision(self.unsigned()?)),
                21 => record.count = self.unsigned()?,
                22 => record.left_out = Some(self.left_out()?),
                key => return Err(DecodeError::UnknownField(key)),
            }
        }
        record.id = id.ok_or(DecodeError::Missing("id"))?;
        record.started = started.ok_or(DecodeError::Missing("start"))?;
        record.duration_micros = duration.ok_or(DecodeError::Missing("duration"))?;
        record.action = action.ok_or(DecodeError::Missing("action"))?;
        Ok(record)
    }

    fn principal(&mut self) -> Result<Principal<'a>> {
        let items = self.array()?;
        match (self.unsigned()?, items) {
            (1, 1) => Ok(Principal::TenantRoot),
            (2, 4) => Ok(Principal::User { id: self.id()?, unique_id: self.text()?, name: self.text()? }),
            (3, 2) => {
                let uid = self.unsigned()?;
                let uid = u32::try_from(uid).map_err(|_| DecodeError::UnknownCode { what: "user id", code: uid })?;
                Ok(Principal::Operator { uid })
            }
            (4, 2) => Ok(Principal::Internal { service: self.text()? }),
            (5, 2) => Ok(Principal::WebIdentity { subject: self.text()? }),
            (code, _) => Err(DecodeError::UnknownCode { what: "principal", code }),
        }
    }

    fn credential(&mut self) -> Result<Credential<'a>> {
        let mut credential = Credential::default();
        for _ in 0..self.map()? {
            match self.unsigned()? {
                0 => credential.id = Some(self.id()?),
                1 => credential.shown = self.text()?,
                key => return Err(DecodeError::UnknownField(key)),
            }
        }
        Ok(credential)
    }

    fn source(&mut self) -> Result<Source<'a>> {
        let mut source = Source::default();
        let (mut ip, mut port) = (None, None);
        for _ in 0..self.map()? {
            match self.unsigned()? {
                0 => ip = Some(self.ip()?),
                1 => port = Some(u16::try_from(self.unsigned()?).map_err(|_| self.malformed())?),
                2 => source.listener = self.text()?,
                3 => source.tls = self.text()?,
                4 => source.user_agent = self.text()?,
                key => return Err(DecodeError::UnknownField(key)),
            }
        }
        source.address = ip.zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
        Ok(source)
    }

    fn ip(&mut self) -> Result<IpAddr> {
        let bytes = self.bytes()?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).map_err(|_| self.malformed())
    }

    fn request(&mut self) -> Result<Request<'a>> {
        let mut request = Request::default();
        for _ in 0..self.map()? {
            let field = match self.unsigned()? {
                0 => &mut request.id,
                1 => &mut request.front_end,
                2 => &mut request.event_source,
                3 => &mut request.operation,
                4 => &mut request.region,
                key => return Err(DecodeError::UnknownField(key)),
            };
            *field = self.text()?;
        }
        Ok(request)
    }

    fn mode(&mut self) -> Result<Mode> {
        match self.unsigned()? {
            1 => Ok(Mode::DryRun),
            2 => Ok(Mode::Internal),
            code => Err(DecodeError::UnknownCode { what: "mode", code }),
        }
    }

    fn demand(&mut self) -> Result<Demand<'a>> {
        let fields = self.map()?;
        let mut action = None;
        let (mut resource, mut key, mut material, mut ordinal, mut purpose) = (Text::default(), None, None, None, None);
        for _ in 0..fields {
            match self.unsigned()? {
                0 => action = Some(self.action()?),
                1 => resource = self.text()?,
                2 => key = Some(self.id()?),
                3 => material = Some(self.id()?),
                4 => ordinal = Some(self.unsigned()?),
                5 => purpose = Some(self.code("purpose", super::purpose_from_code)?),
                unknown => return Err(DecodeError::UnknownField(unknown)),
            }
        }
        let action = action.ok_or(DecodeError::Missing("demanded action"))?;
        Ok(Demand { action, resource, key, material, ordinal, purpose })
    }

    fn decision(&mut self) -> Result<Decision<'a>> {
        let fields = self.map()?;
        let (mut allowed, mut statements, mut missing) = (None, List::default(), Text::default());
        for _ in 0..fields {
            match self.unsigned()? {
                0 => allowed = Some(self.0.bool().map_err(|_| self.malformed())?),
                1 => statements = self.list(Self::text)?,
                2 => missing = self.text()?,
                key => return Err(DecodeError::UnknownField(key)),
            }
        }
        Ok(Decision { allowed: allowed.ok_or(DecodeError::Missing("decision"))?, statements, missing })
    }

    fn outcome(&mut self) -> Result<Outcome<'a>> {
        let items = self.array()?;
        match (self.unsigned()?, items) {
            (1, 4) => {
                let (code, message) = (self.text()?, self.text()?);
                let engine = u16::try_from(self.unsigned()?).map_err(|_| self.malformed())?;
                Ok(Outcome::Failed { code, message, engine })
            }
            (2, 1) => Ok(Outcome::Abandoned),
            (code, _) => Err(DecodeError::UnknownCode { what: "outcome", code }),
        }
    }

    fn detail(&mut self) -> Result<Detail<'a>> {
        match self.array()? {
            2 => Ok(Detail { group: Text::default(), name: self.text()?, value: self.text()? }),
            3 => Ok(Detail { group: self.text()?, name: self.text()?, value: self.text()? }),
            _ => Err(self.malformed()),
        }
    }

    fn left_out(&mut self) -> Result<LeftOut> {
        match self.array()? {
            2 => Ok(LeftOut { items: self.unsigned()?, sha256: self.hash()? }),
            _ => Err(self.malformed()),
        }
    }

    fn text(&mut self) -> Result<Text<'a>> {
        match self.0.datatype() {
            Ok(Type::String) => self.0.str().map(Text::from).map_err(|_| self.malformed()),
            Ok(Type::Array) => match self.array()? {
                2 => Ok(Text::Digest(TextDigest { bytes: self.unsigned()?, sha256: self.hash()? })),
                _ => Err(self.malformed()),
            },
            _ => Err(self.malformed()),
        }
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<List<'a, T>> {
        // Nothing is set aside for the announced count: each item has at least one byte to be read first.
        (0..self.array()?).map(|_| read(self)).collect::<Result<Vec<T>>>().map(List::Owned)
    }

    fn action(&mut self) -> Result<strongroom_model::action::Action> {
        self.code("action", strongroom_model::action::Action::from_code)
    }

    fn code<T>(&mut self, what: &'static str, from_code: impl Fn(u8) -> Option<T>) -> Result<T> {
        let code = self.unsigned()?;
        u8::try_from(code).ok().and_then(from_code).ok_or(DecodeError::UnknownCode { what, code })
    }

    fn id<T: minicbor::Decode<'a, ()>>(&mut self) -> Result<T> {
        self.0.decode().map_err(|_| self.malformed())
    }

    fn hash(&mut self) -> Result<Hash> {
        <[u8; 32]>::try_from(self.bytes()?).map(Hash::from_bytes).map_err(|_| self.malformed())
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        self.0.bytes().map_err(|_| self.malformed())
    }

    fn unsigned(&mut self) -> Result<u64> {
        self.0.u64().map_err(|_| self.malformed())
    }

    fn array(&mut self) -> Result<u64> {
        self.0.array().ok().flatten().ok_or_else(|| self.malformed())
    }

    fn map(&mut self) -> Result<u64> {
        self.0.map().ok().flatten().ok_or_else(|| self.malformed())
    }

    fn malformed(&self) -> DecodeError {
        DecodeError::Malformed { at: self.0.position() }
    }
}
