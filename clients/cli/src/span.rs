//! Spans of time as people write them: `90d`, `12h`, `30m`, `45s`, `2w`.

use std::str::FromStr;
use std::time::Duration;

use strongroom_admin_api::Time;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A point in time: in RFC 3339, or a span before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A date and time.
    At(Time),
    /// So long ago.
    Ago(Span),
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("{text:?} is no span of time; write a number and s, m, h, d or w, e.g. 90d");
        let unit = text.chars().last().ok_or_else(fault)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return Err(fault()),
        };
        let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(fault)?;
        Ok(Self(Duration::from_secs(number.checked_mul(seconds).ok_or_else(fault)?)))
    }
}

impl Span {
    /// In seconds, as many as a number of 32 bits holds at most.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0.as_secs()).unwrap_or(u32::MAX)
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("{text:?} is no time; write e.g. 1h for an hour ago, or 2026-01-31T09:30:00Z");
        text.parse().map(Self::Ago).or_else(|_: String| text.parse().map(Self::At)).map_err(|_| fault())
    }
}

impl When {
    /// The point in time, if it is `now` milliseconds since 1970.
    pub(crate) fn time(self, now: u64) -> Time {
        match self {
            Self::At(time) => time,
            Self::Ago(Span(span)) => {
                let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                Time::from_millis(now.saturating_sub(span))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        let seconds = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!(seconds("90d"), Ok(90 * 86_400));
        assert_eq!(seconds("2w"), Ok(14 * 86_400));
        assert_eq!(seconds("45s"), Ok(45));
        for text in ["", "d", "90", "1.5h", "-1h", "1y", "h1", "99999999999999999999d", "9999999999999999999w"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_dates_or_spans_before_now() {
        let when = |text: &str| text.parse::<When>().map(|when| when.time(1_769_851_800_000).to_string());
        assert_eq!(when("1h"), Ok("2026-01-31T08:30:00.000Z".to_owned()));
        assert_eq!(when("2026-01-01T00:00:00Z"), Ok("2026-01-01T00:00:00.000Z".to_owned()));
        assert!(when("yesterday").is_err_and(|fault| fault.contains("an hour ago")));
    }
}
