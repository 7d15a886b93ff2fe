//! The values that conditions compare beside text: decimals, instants, networks. Each is read from its text form once,
//! when the policy is compiled, and compared exactly.

use std::net::IpAddr;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use crate::attributes::Value;

/// A decimal number in units of 10^-9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

const DECIMAL_PLACES: u32 = 9;
const DECIMAL_UNIT: i128 = 10_i128.pow(DECIMAL_PLACES);

impl Decimal {
    /// Reads an optional sign, up to 18 digits and up to 9 decimal places. No exponents.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let read = |digits: &str, most: usize| {
            let plain = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<i128>().ok()).flatten()
        };
        let whole = read(whole, 18)?;
        let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= DECIMAL_PLACES)?;
        let fraction = read(fraction, 9)? * 10_i128.pow(DECIMAL_PLACES - places);
        Some(Self(sign * (whole * DECIMAL_UNIT + fraction)))
    }

    pub(crate) fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self(i128::from(number) * DECIMAL_UNIT)),
            Value::Time(milliseconds) => Some(Self(i128::from(milliseconds) * DECIMAL_UNIT / 1000)),
            Value::Text(text) => Self::parse(text),
            Value::Bool(_) | Value::Address(_) => None,
        }
    }
}

/// An instant in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i128);

impl Instant {
    /// Reads the W3C profile of ISO 8601 (from year and month up to a fraction of a second) or seconds since 1970.
    /// A lone year can't be told from seconds and is read as such.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(seconds) = Decimal::parse(text) {
            return Some(Self(seconds.0));
        }
        let (date, clock) = match text.split_once('T') {
            Some((date, clock)) => (date, Some(clock)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let month = Month::try_from(u8::try_from(number(parts.next()?, 2)?).ok()?).ok()?;
        let day = parts.next().map_or(Some(1), |day| number(day, 2))?;
        if parts.next().is_some() {
            return None;
        }
        let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
        let (time, offset) = clock.map_or(Some((Time::MIDNIGHT, UtcOffset::UTC)), clock_time)?;
        Some(Self(OffsetDateTime::new_in_offset(date, time, offset).unix_timestamp_nanos()))
    }

    pub(crate) fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Time(milliseconds) => Some(Self(i128::from(milliseconds) * 1_000_000)),
            Value::Number(seconds) => Some(Self(i128::from(seconds) * DECIMAL_UNIT)),
            Value::Text(text) => Self::parse(text),
            Value::Bool(_) | Value::Address(_) => None,
        }
    }
}

/// Reads `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction` with `Z` or an offset `+hh:mm`.
fn clock_time(text: &str) -> Option<(Time, UtcOffset)> {
    let (clock, offset) = match text.strip_suffix('Z') {
        Some(clock) => (clock, UtcOffset::UTC),
        None => {
            let (clock, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let (sign, zone) = match zone.strip_prefix('-') {
                Some(zone) => (-1, zone),
                None => (1, zone.strip_prefix('+')?),
            };
            let (hours, minutes) = zone.split_once(':')?;
            let part = |text| number(text, 2).and_then(|n| i8::try_from(n).ok());
            (clock, UtcOffset::from_hms(sign * part(hours)?, sign * part(minutes)?, 0).ok()?)
        }
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let nanoseconds = match parts.next() {
        // Two digits of seconds, then perhaps a fraction; a sign is no digit.
        Some(seconds) if number(seconds.split('.').next()?, 2).is_some() => Decimal::parse(seconds)?.0,
        Some(_) => return None,
        None => 0,
    };
    let (second, nanosecond) = (nanoseconds / DECIMAL_UNIT, nanoseconds % DECIMAL_UNIT);
    if parts.next().is_some() {
        return None;
    }
    let (hour, minute) = (u8::try_from(hour).ok()?, u8::try_from(minute).ok()?);
    let (second, nanosecond) = (u8::try_from(second).ok()?, u32::try_from(nanosecond).ok()?);
    Some((Time::from_hms_nano(hour, minute, second, nanosecond).ok()?, offset))
}

/// Exactly `length` decimal digits.
fn number(text: &str, length: usize) -> Option<u16> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// `true` or `false`, ignoring case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An IPv4 or IPv6 network in CIDR notation; a lone address is the network of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    base: IpAddr,
    prefix: u32,
}

impl Network {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= most)?
            }
            Some(_) => return None,
            None => most,
        };
        Some(Self { base, prefix })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        // A shift by the full width leaves nothing to compare: the network of all addresses.
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The address in a value.
pub(crate) fn address(value: Value<'_>) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(address),
        Value::Text(text) => text.parse().ok(),
        Value::Number(_) | Value::Bool(_) | Value::Time(_) => None,
    }
}
