//! Values as people read them.

use super::texts::Texts;
use crate::{
    api::Moment,
    clock::Timestamp,
    mailbox::{Quota, Service, limits},
};

/// A service, as people know it.
pub(super) fn service(t: &Texts, service: Service) -> String {
    match service {
        Service::Imap => t.s("service-imap"),
        Service::Pop3 => t.s("service-pop3"),
        Service::Smtp => t.s("service-smtp"),
        Service::Sieve => t.s("service-sieve"),
        Service::Dav => t.s("service-dav"),
        Service::Eas => t.s("service-eas"),
        Service::Web => t.s("service-web"),
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Beyond, the day says more than how many days there are between.
const FARTHEST: u64 = 60 * DAY;

/// A moment: how far away it is, and in full for whoever asks.
pub(super) struct When {
    /// "3 hours ago".
    pub(super) near: String,
    /// "2026-11-22 17:04 CET".
    pub(super) full: String,
    /// For programs: RFC 3339.
    pub(super) exact: String,
}

impl When {
    /// As it is read now.
    pub(super) fn new(moment: Moment) -> Self {
        Self::at(moment.0, Timestamp::now())
    }

    fn at(time: Timestamp, now: Timestamp) -> Self {
        let near = near(time, now).unwrap_or_else(|| local(time, "%Y-%m-%d"));
        Self { near, full: local(time, "%Y-%m-%d %H:%M:%S %Z"), exact: time.to_string() }
    }
}

/// How far away; `None` where that is so far that nobody reckons.
fn near(time: Timestamp, now: Timestamp) -> Option<String> {
    let t = Texts::english();
    let (ago, to_come) = (now.since(time).as_secs(), time.since(now).as_secs());
    Some(match (ago, to_come) {
        (0..MINUTE, 0..MINUTE) => t.s("when-now"),
        (FARTHEST.., _) | (_, FARTHEST..) => return None,
        (DAY.., _) => t.count("when-days-ago", ago / DAY),
        (HOUR.., _) => t.count("when-hours-ago", ago / HOUR),
        (MINUTE.., _) => t.count("when-minutes-ago", ago / MINUTE),
        (_, DAY..) => t.count("when-in-days", to_come / DAY),
        (_, HOUR..) => t.count("when-in-hours", to_come / HOUR),
        _ => t.count("when-in-minutes", to_come / MINUTE),
    })
}

/// A moment in the zone of this machine.
fn local(time: Timestamp, format: &str) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(moment) => moment.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string(),
        Err(_) => time.to_string(),
    }
}

/// The last second of a day, in the zone of this machine; `day` is what a date field
/// sends ("2027-11-22").
pub(super) fn end_of_day(day: &str) -> Option<Moment> {
    moment_of(day, 23, 59, 59)
}

/// The first second of a day.
pub(super) fn start_of_day(day: &str) -> Option<Moment> {
    moment_of(day, 0, 0, 0)
}

fn moment_of(day: &str, hour: i8, minute: i8, second: i8) -> Option<Moment> {
    let day: jiff::civil::Date = day.parse().ok()?;
    let moment = day.at(hour, minute, second, 0).to_zoned(jiff::tz::TimeZone::system()).ok()?;
    let millis = u64::try_from(moment.timestamp().as_millisecond()).ok()?;
    Some(Moment(Timestamp(millis)))
}

/// A limit, or that there is none.
pub(super) fn quota(quota: Quota) -> String {
    if quota.is_unlimited() {
        return Texts::english().s("no-limit");
    }
    limits::size(quota.bytes)
}

/// A limit as a field takes it; empty where there is none.
pub(super) fn quota_field(quota: Quota) -> String {
    if quota.is_unlimited() { String::new() } else { quota.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn how_far_away_a_moment_is() {
        let now = Timestamp(1_900_000_000_000);
        let ago = |seconds: u64| When::at(Timestamp(now.0 - seconds * 1000), now).near;
        let to_come = |seconds| When::at(now.after(Duration::from_secs(seconds)), now).near;
        assert_eq!((ago(0), to_come(59)), ("just now".to_owned(), "just now".to_owned()));
        assert_eq!(ago(60), "1 minute ago");
        assert_eq!(ago(3599), "59 minutes ago");
        assert_eq!(ago(3 * HOUR + 5), "3 hours ago");
        assert_eq!(ago(DAY), "1 day ago");
        assert_eq!(to_come(MINUTE), "in 1 minute");
        assert_eq!(to_come(5 * HOUR), "in 5 hours");
        assert_eq!(to_come(30 * DAY), "in 30 days");
        assert_eq!(ago(FARTHEST).len(), "2030-03-17".len());
    }

    #[test]
    fn days_of_a_field() {
        let (start, end) = (start_of_day("2027-11-22").unwrap(), end_of_day("2027-11-22").unwrap());
        assert_eq!(end.0.since(start.0), Duration::from_secs(DAY - 1));
        for bad in ["", "tomorrow", "2027-13-01", "0001-01-01"] {
            assert!(start_of_day(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_limit_of_a_field_can_be_sent_back() {
        assert_eq!(quota_field(Quota { bytes: 5 << 30 }), "5G");
        assert_eq!(quota_field(Quota::UNLIMITED), "");
        assert_eq!(quota(Quota { bytes: 5 << 30 }), "5.0 GiB");
    }
}
