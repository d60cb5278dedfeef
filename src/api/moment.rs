//! Points in time as the API writes and reads them.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::clock::Timestamp;

/// A point in time in RFC 3339 with an offset; written in UTC with seconds.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
pub struct Moment(#[schemars(with = "String", extend("format" = "date-time"))] pub Timestamp);

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            D::Error::custom("expected a time such as 2027-11-22T17:00:00+01:00 (RFC 3339)")
        })?;
        let millis = u64::try_from(time.as_millisecond())
            .map_err(|_| D::Error::custom("the time lies before 1970"))?;
        Ok(Self(Timestamp(millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_any_offset_and_writes_utc() {
        let moment: Moment = serde_json::from_str(r#""2027-11-22T17:00:00+01:00""#).unwrap();
        assert_eq!(serde_json::to_string(&moment).unwrap(), r#""2027-11-22T16:00:00Z""#);
        for bad in [r#""2027-11-22T17:00:00""#, r#""tomorrow""#, "17", r#""1960-01-01T00:00:00Z""#]
        {
            assert!(serde_json::from_str::<Moment>(bad).is_err(), "{bad}");
        }
    }
}
