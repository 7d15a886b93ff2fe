//! Points in time as the API writes them.

use std::fmt;
use std::str::FromStr;

use ::time::format_description::well_known::Rfc3339;
use ::time::{OffsetDateTime, UtcOffset};
use serde::{Deserialize, Serialize};
use strongroom_model::clock::Timestamp;

/// A point in time between 1970 and 9999, in JSON as RFC 3339 in UTC with milliseconds: `2026-01-31T09:30:00.000Z`. Any
/// offset and any fraction are read; what is finer than a millisecond is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Timestamp);

/// Not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time; write it as in RFC 3339, e.g. 2026-01-31T09:30:00Z")]
pub struct NotATime(String);

impl Time {
    /// So many milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Timestamp(millis))
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

/// 9999-12-31T23:59:59.999Z.
const LAST_MILLISECOND: u64 = 253_402_300_799_999;

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let fault = || NotATime(text.chars().take(64).collect());
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| fault())?;
        let millis = moment.unix_timestamp_nanos().div_euclid(1_000_000);
        // An offset can lead out of the calendar, where there is no way to write the time again.
        let millis = u64::try_from(millis).ok().filter(|millis| *millis <= LAST_MILLISECOND);
        millis.map(|millis| Self(Timestamp(millis))).ok_or_else(fault)
    }
}

impl TryFrom<String> for Time {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Self, NotATime> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0.0).saturating_mul(1_000_000);
        // Beyond the calendar there is only a number to show.
        let Ok(moment) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else { return write!(f, "{}ms", self.0.0) };
        let moment = moment.to_offset(UtcOffset::UTC);
        let (date, clock) = (moment.date(), moment.time());
        write!(f, "{:04}-{:02}-{:02}T", date.year(), u8::from(date.month()), date.day())?;
        write!(f, "{:02}:{:02}:{:02}.{:03}Z", clock.hour(), clock.minute(), clock.second(), clock.millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_what_it_prints() {
        let time = Time(Timestamp(1_769_851_800_123));
        assert_eq!(time.to_string(), "2026-01-31T09:30:00.123Z");
        assert_eq!(time.to_string().parse(), Ok(time));
    }

    #[test]
    fn offsets_and_whole_seconds_are_read_and_anything_else_is_refused() {
        let time: Time = "2026-01-31T10:30:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T09:30:00.000Z");
        for text in ["", "2026-01-31", "yesterday", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}
