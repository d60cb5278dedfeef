//! Values as people write them on the command line.

use std::str::FromStr;

use jiff::{Span, Zoned, civil::Date};
use serde_json::Value;

use crate::{
    api::Moment,
    clock::Timestamp,
    mailbox::{Quota, Service, Services},
};

/// A value, or the word for "not set".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OrDefault<T> {
    /// `default`: takes the value away.
    Default,
    /// The value.
    Of(T),
}

impl<T: FromStr> FromStr for OrDefault<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "default" { Ok(Self::Default) } else { text.parse().map(Self::Of) }
    }
}

impl<T> OrDefault<T> {
    /// `None` for "not set".
    pub(super) fn into_option(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Of(value) => Some(value),
        }
    }
}

/// A name, or the word for nobody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum OrNone<T> {
    /// `none`.
    None,
    /// The name.
    Of(T),
}

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" { Ok(Self::None) } else { text.parse().map(Self::Of) }
    }
}

impl<T> OrNone<T> {
    /// `None` for nobody.
    pub(super) fn as_option(&self) -> Option<&T> {
        match self {
            Self::None => None,
            Self::Of(value) => Some(value),
        }
    }
}

/// A number, or `unlimited`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limit(pub(super) Option<u64>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let number = text.parse().map_err(|_| "expected a number or \"unlimited\"".to_owned())?;
        Ok(Self(Some(number)))
    }
}

/// `KEY=VALUE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct KeyValue(pub(super) String, pub(super) String);

impl FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self(key.to_owned(), value.to_owned())),
            _ => Err("expected KEY=VALUE".to_owned()),
        }
    }
}

/// Fields to set and keys to take away, as the API takes them.
pub(super) fn field_changes(set: Vec<KeyValue>, remove: Vec<String>) -> Option<Value> {
    if set.is_empty() && remove.is_empty() {
        return None;
    }
    let removed = remove.into_iter().map(|key| (key, Value::Null));
    let set = set.into_iter().map(|KeyValue(key, value)| (key, Value::String(value)));
    Some(Value::Object(removed.chain(set).collect()))
}

/// `--service …` and the two words for all and nothing.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ServiceArgs {
    /// Open only these services: imap, pop3, smtp, sieve, dav, eas, web (repeatable, or with commas)
    #[arg(long = "service", value_name = "SERVICE", value_delimiter = ',')]
    services: Vec<Service>,

    /// Open all services
    #[arg(long, conflicts_with = "services")]
    all_services: bool,

    /// Open no service: only app passwords log in
    #[arg(long, conflicts_with_all = ["services", "all_services"])]
    no_services: bool,
}

impl ServiceArgs {
    /// What was asked for; `None` if nothing was.
    pub(super) fn services(&self) -> Option<Services> {
        if self.all_services {
            Some(Services::ALL)
        } else if self.no_services {
            Some(Services::NONE)
        } else if self.services.is_empty() {
            None
        } else {
            Some(self.services.iter().copied().collect())
        }
    }
}

/// A moment to come: `90d`, `1y`, `2027-11-22` (its end, here), or RFC 3339.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Expiry(pub(super) Moment);

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        expiry(text, &now_here()?)
    }
}

/// Until when something is good, or for ever.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ExpiryOrNever(pub(super) Option<Moment>);

impl FromStr for ExpiryOrNever {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        expiry(text, &now_here()?).map(|Expiry(moment)| Self(Some(moment)))
    }
}

fn now_here() -> Result<Zoned, String> {
    let here = jiff::tz::TimeZone::system();
    let now = i64::try_from(Timestamp::now().0)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .ok_or("the clock of this machine is wrong")?;
    Ok(now.to_zoned(here))
}

/// When a span of the past begins: `2h` or `7d` (ago), `2026-11-22` (its
/// beginning, here), or RFC 3339.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Since(pub(super) Moment);

/// When it ends; of a day it is the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Until(pub(super) Moment);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        past(text, &now_here()?, false).map(Self)
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        past(text, &now_here()?, true).map(Self)
    }
}

fn past(text: &str, now: &Zoned, end_of_day: bool) -> Result<Moment, String> {
    let bad = || {
        "expected a time such as 2h or 7d (ago), 2026-11-22 or 2026-11-22T17:00:00+01:00".to_owned()
    };
    let moment = if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        moment
    } else if let Ok(day) = text.parse::<Date>() {
        let day = if end_of_day { day.tomorrow().map_err(|_| bad())? } else { day };
        day.to_zoned(now.time_zone().clone()).map_err(|_| bad())?.timestamp()
    } else {
        let span: Span = text.parse().map_err(|_| bad())?;
        if span.is_negative() {
            return Err(bad());
        }
        now.checked_sub(span).map_err(|_| bad())?.timestamp()
    };
    let millis = u64::try_from(moment.as_millisecond()).map_err(|_| bad())?;
    Ok(Moment(Timestamp(millis)))
}

fn expiry(text: &str, now: &Zoned) -> Result<Expiry, String> {
    let bad = || {
        "expected a time to come such as 90d, 1y, 2027-11-22 or 2027-11-22T17:00:00+01:00"
            .to_owned()
    };
    let moment = if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        moment
    } else if let Ok(day) = text.parse::<Date>() {
        // Its last second: a listing shows the day that was asked for.
        let end = day.at(23, 59, 59, 0);
        end.to_zoned(now.time_zone().clone()).map_err(|_| bad())?.timestamp()
    } else {
        let span: Span = text.parse().map_err(|_| bad())?;
        now.checked_add(span).map_err(|_| bad())?.timestamp()
    };
    if moment <= now.timestamp() {
        return Err(bad());
    }
    let millis = u64::try_from(moment.as_millisecond()).map_err(|_| bad())?;
    Ok(Expiry(Moment(Timestamp(millis))))
}

/// A quota for people, where `None` is the domain's.
pub(super) fn quota(quota: Option<Quota>) -> String {
    quota.map_or_else(|| "default".to_owned(), |quota| quota.to_string())
}

/// An object of what is there: absent values leave alone.
pub(super) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let now: Zoned = "2026-11-22T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let got = expiry(text, &now).ok().map(|expiry| expiry.0.0.to_string());
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn expiries() {
        check("90d", Some("2027-02-20T11:00:00Z"));
        check("1y", Some("2027-11-22T11:00:00Z"));
        check("12h", Some("2026-11-22T23:00:00Z"));
        check("1w", Some("2026-11-29T11:00:00Z"));
        // To the end of that day, here.
        check("2027-07-01", Some("2027-07-01T21:59:59Z"));
        check("2027-11-22T17:00:00+01:00", Some("2027-11-22T16:00:00Z"));
        for bad in ["", "soon", "90", "-1d", "0d", "2026-11-21", "2020-01-01T00:00:00Z", "9999999y"]
        {
            check(bad, None);
        }
    }

    fn check_past(text: &str, end_of_day: bool, expected: Option<&str>) {
        let now: Zoned = "2026-11-22T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let got = past(text, &now, end_of_day).ok().map(|moment| moment.0.to_string());
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn times_of_the_past() {
        check_past("2h", false, Some("2026-11-22T09:00:00Z"));
        check_past("7d", true, Some("2026-11-15T11:00:00Z"));
        check_past("2026-11-20", false, Some("2026-11-19T23:00:00Z"));
        check_past("2026-11-20", true, Some("2026-11-20T23:00:00Z"));
        check_past("2026-11-20T17:00:00+01:00", true, Some("2026-11-20T16:00:00Z"));
        for bad in ["", "yesterday", "90", "-1d", "1960-01-01", "9999999y"] {
            check_past(bad, false, None);
        }
    }

    #[test]
    fn words_for_nothing() {
        assert_eq!("default".parse(), Ok(OrDefault::<Quota>::Default));
        assert_eq!("1K".parse(), Ok(OrDefault::Of(Quota { bytes: 1024 })));
        assert_eq!("unlimited".parse(), Ok(Limit(None)));
        assert_eq!("7".parse(), Ok(Limit(Some(7))));
        assert!("-7".parse::<Limit>().is_err());
        assert_eq!("a=b=c".parse(), Ok(KeyValue("a".into(), "b=c".into())));
        assert!("=b".parse::<KeyValue>().is_err());
    }
}
