//! The wall clock, read here and nowhere else (`clippy.toml` bans it elsewhere),
//! so that every room that decides by time is handed the time.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now() -> Self {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whole seconds since the epoch.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved on by `duration`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with seconds: the form of logs and `--json`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.seconds()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "@{seconds}"),
        }
    }
}

/// A duration as written: `2s`, `500ms`, `10m`, `1h`, `90d`.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq)]
pub struct Span(
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))] pub Duration,
);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// Milliseconds of each unit; `ms` stands before `s`, which it ends with.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A moment that much later can still be reckoned with everywhere.
const LONGEST_SPAN_MILLIS: u64 = 36_500 * 86_400_000;

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("\"{text}\" is not a duration: expected a number with ms, s, m, h or d");
        let (number, millis) = UNITS
            .iter()
            .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, *millis)))
            .ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        let millis = number.checked_mul(millis).filter(|millis| *millis <= LONGEST_SPAN_MILLIS);
        let too_long = || format!("\"{text}\" is longer than a hundred years");
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or_else(too_long)
    }
}

impl fmt::Display for Span {
    /// In the largest unit that divides evenly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let even = UNITS.iter().rev().find(|(_, unit)| millis.is_multiple_of(*unit));
        let (unit, size) = even.filter(|_| millis > 0).unwrap_or(&UNITS[1]);
        write!(f, "{}{unit}", millis / size)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, millis) in [
            ("2s", 2000),
            ("500ms", 500),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("90d", 7_776_000_000),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_millis(millis), "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!(Span::seconds(0).to_string(), "0s");
        assert_eq!("120s".parse::<Span>().unwrap().to_string(), "2m");
        for text in ["", "s", "2", "-2s", "2 s", "1.5s", "2w", "99999999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
