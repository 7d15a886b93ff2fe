//! Times as Signature Version 4 writes them: ISO 8601 basic format, UTC, whole seconds.

use std::str;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// 9999-12-31T23:59:59Z, the last second with a year of four digits.
const LAST_SECOND: i64 = 253_402_300_799;

/// A second between 1970 and 9999, UTC. Displays as `YYYYMMDD'T'HHMMSS'Z'`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SigningTime(i64);

impl SigningTime {
    /// The time that many seconds after 1970-01-01T00:00:00Z; what lies outside 1970 to 9999 becomes the nearest end.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.clamp(0, LAST_SECOND))
    }

    /// As [`SigningTime::from_unix_seconds`], from milliseconds; the fraction is dropped.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Self {
        Self::from_unix_seconds(millis.div_euclid(1000))
    }

    /// Seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0
    }

    /// The time `seconds` later (earlier when negative), within 1970 to 9999.
    #[must_use]
    pub fn offset(self, seconds: i64) -> Self {
        Self::from_unix_seconds(self.0.saturating_add(seconds))
    }

    /// Reads `YYYYMMDD'T'HHMMSS'Z'` and nothing else; `None` for another form or a time that the calendar lacks.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let &[y0, y1, y2, y3, m0, m1, d0, d1, b'T', h0, h1, n0, n1, s0, s1, b'Z'] = text else { return None };
        let year = u16::from(two_digits(y0, y1)?) * 100 + u16::from(two_digits(y2, y3)?);
        let month = Month::try_from(two_digits(m0, m1)?).ok()?;
        let date = Date::from_calendar_date(i32::from(year), month, two_digits(d0, d1)?).ok()?;
        let clock = Time::from_hms(two_digits(h0, h1)?, two_digits(n0, n1)?, two_digits(s0, s1)?).ok()?;
        let seconds = PrimitiveDateTime::new(date, clock).assume_utc().unix_timestamp();
        (seconds >= 0).then_some(Self(seconds))
    }

    /// `YYYYMMDD'T'HHMMSS'Z'`.
    #[must_use]
    pub fn iso_basic(self) -> [u8; 16] {
        // The constructors keep the number in the calendar's range.
        let moment = OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let year = moment.year();
        let [y0, y1] = digits(year / 100);
        let [y2, y3] = digits(year % 100);
        let [m0, m1] = digits(u8::from(moment.month()).into());
        let [d0, d1] = digits(moment.day().into());
        let [h0, h1] = digits(moment.hour().into());
        let [n0, n1] = digits(moment.minute().into());
        let [s0, s1] = digits(moment.second().into());
        [y0, y1, y2, y3, m0, m1, d0, d1, b'T', h0, h1, n0, n1, s0, s1, b'Z']
    }

    /// The day, as a credential scope names it.
    #[must_use]
    pub fn date(self) -> ScopeDate {
        let [y0, y1, y2, y3, m0, m1, d0, d1, ..] = self.iso_basic();
        ScopeDate([y0, y1, y2, y3, m0, m1, d0, d1])
    }
}

impl std::fmt::Display for SigningTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(str::from_utf8(&self.iso_basic()).unwrap_or_default())
    }
}

impl std::fmt::Debug for SigningTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

/// A day as a credential scope names it: eight digits, `YYYYMMDD`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeDate([u8; 8]);

impl ScopeDate {
    /// Reads eight digits; whether the calendar has that day shows when it is compared with the signature's time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 8] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_digit).then_some(Self(bytes))
    }

    /// The eight digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl std::fmt::Display for ScopeDate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl std::fmt::Debug for ScopeDate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// The two digits of a number below 100.
fn digits(number: i32) -> [u8; 2] {
    let digit = |value: i32| b'0' + u8::try_from(value.rem_euclid(10)).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        for text in ["19700101T000000Z", "20150830T123600Z", "20240229T235959Z", "99991231T235959Z"] {
            assert_eq!(SigningTime::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(SigningTime::parse(b"20150830T123600Z").unwrap().unix_seconds(), 1_440_938_160);
        assert_eq!(SigningTime::from_unix_millis(1_440_938_160_999).date().to_string(), "20150830");
    }

    #[test]
    fn other_forms_and_impossible_times_are_refused() {
        for text in [
            "",
            "20150830",
            "20150830T123600",
            "20150830t123600Z",
            "2015-08-30T12:36:00Z",
            "20150230T123600Z",
            "20151301T000000Z",
            "20150830T240000Z",
            "20150830T126000Z",
            "20150830T123660Z",
            "19691231T235959Z",
            "2015083OT123600Z",
            "+0150830T123600Z",
            "20150830T123600ZZ",
            "Sun, 30 Aug 2015 12:36:00 GMT",
        ] {
            assert_eq!(SigningTime::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_outside_four_digit_years_become_the_nearest_end() {
        assert_eq!(SigningTime::from_unix_seconds(-1).to_string(), "19700101T000000Z");
        assert_eq!(SigningTime::from_unix_seconds(i64::MAX).offset(i64::MAX).to_string(), "99991231T235959Z");
    }
}
