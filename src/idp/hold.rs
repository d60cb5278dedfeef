//! How long a provider wants to be left alone: status 429, and 503 with
//! `Retry-After` (RFC 6585 §4, RFC 9110 §10.2.3).
//!
//! Each endpoint's is its own: a limit on one says nothing of the others.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::{
    OutageCause,
    http::{Endpoint, Reply},
};

/// Where it does not say how long.
const UNSAID: Duration = Duration::from_secs(1);
/// Longest time that is believed: an outage of a minute must not become one of
/// an hour.
const LONGEST: Duration = Duration::from_secs(30);

/// Until when which endpoint is left alone.
#[derive(Debug, Default)]
pub(super) struct Holds([Mutex<Option<Hold>>; Endpoint::ALL.len()]);

/// An endpoint is not asked for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Hold {
    pub(super) until: Instant,
    /// What those hear who cannot wait so long.
    pub(super) cause: OutageCause,
}

impl Holds {
    /// The hold on `endpoint`, if there is one.
    pub(super) fn on(&self, endpoint: Endpoint, now: Instant) -> Option<Hold> {
        let mut held = self.lock(endpoint);
        *held = held.filter(|hold| now < hold.until);
        *held
    }

    /// Takes in what `endpoint` answered.
    pub(super) fn note(&self, endpoint: Endpoint, reply: &Reply, now: Instant) {
        let Some((time, cause)) = wanted(endpoint, reply) else { return };
        let until = now + time;
        let mut held = self.lock(endpoint);
        if held.is_none_or(|hold| hold.until < until) {
            *held = Some(Hold { until, cause });
        }
    }

    /// How long until all of them are over.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let holds = Endpoint::ALL.into_iter().filter_map(|endpoint| self.on(endpoint, now));
        holds.map(|hold| hold.until - now).max()
    }

    fn lock(&self, endpoint: Endpoint) -> MutexGuard<'_, Option<Hold>> {
        self.0[endpoint as usize].lock().expect("no holder panics")
    }
}

/// How long it wants to be left alone, if at all.
///
/// 503 with a time is what a server in maintenance says: an outage like any
/// other. 429 is about how much is asked, and whoever floods us can bring it
/// about.
fn wanted(endpoint: Endpoint, reply: &Reply) -> Option<(Duration, OutageCause)> {
    let said = reply.retry_after;
    let (time, cause) = match (reply.status, said) {
        (429, said) => (said.unwrap_or(UNSAID), OutageCause::Busy),
        (503, Some(said)) => (said, OutageCause::Down),
        _ => return None,
    };
    // Userinfo is asked with somebody's own token, and some limit each person
    // apart: whoever asks for himself too often must not stop all others.
    let longest = if endpoint == Endpoint::Userinfo { UNSAID } else { LONGEST };
    Some((time.min(longest), cause))
}

/// What `Retry-After` says: seconds, or a moment by the clock of who says it,
/// which is `Date` of the same answer.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(LONGEST, Duration::from_secs));
    }
    let moment = |text: &str| {
        let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
        Some(zoned.timestamp().as_second())
    };
    let seconds = moment(value)?.saturating_sub(moment(date?)?);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use OutageCause::{Busy, Down};

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn seconds_or_a_moment() {
        let seconds = |number: u64| Some(Duration::from_secs(number));
        for (value, expected) in [
            ("0", seconds(0)),
            ("7", seconds(7)),
            (" 120 ", seconds(120)),
            ("99999999999999999999999", Some(LONGEST)),
            ("Sun, 06 Nov 1994 08:49:49 GMT", seconds(12)),
            (DATE, seconds(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("Tue, 29 Oct 2030 16:56:32 GMT", seconds(1_135_411_615)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(retry_after(value, Some(DATE)), expected, "{value}");
        }
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:49 GMT", None), None);
        assert_eq!(retry_after("7", None), seconds(7));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:49 GMT", Some("today")), None);
    }

    #[test]
    fn who_wants_to_be_left_alone() {
        let said = |status: u16, seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            Reply { status, retry_after, ..Reply::default() }
        };
        let on = |endpoint: Endpoint, status: u16, seconds: Option<u64>| {
            let wanted = wanted(endpoint, &said(status, seconds));
            wanted.map(|(time, cause)| (time.as_secs(), cause))
        };
        assert_eq!(on(Endpoint::Users, 429, None), Some((1, Busy)));
        assert_eq!(on(Endpoint::Users, 429, Some(7)), Some((7, Busy)));
        assert_eq!(on(Endpoint::Users, 429, Some(3600)), Some((30, Busy)));
        assert_eq!(on(Endpoint::Users, 503, Some(7)), Some((7, Down)));
        assert_eq!(on(Endpoint::Users, 503, None), None);
        assert_eq!(on(Endpoint::Users, 200, Some(7)), None);
        assert_eq!(on(Endpoint::Userinfo, 429, Some(7)), Some((1, Busy)));

        let (holds, now) = (Holds::default(), Instant::now());
        holds.note(Endpoint::Users, &said(500, None), now);
        assert_eq!(holds.on(Endpoint::Users, now), None);
        holds.note(Endpoint::Users, &said(429, Some(7)), now);
        // The longer one holds.
        holds.note(Endpoint::Users, &said(429, Some(1)), now);
        let second = Duration::from_secs(1);
        assert_eq!(holds.on(Endpoint::Users, now + second * 6).map(|hold| hold.cause), Some(Busy));
        assert_eq!(holds.on(Endpoint::Introspection, now), None, "another one");
        assert_eq!(holds.left(now), Some(second * 7));
        assert_eq!(holds.on(Endpoint::Users, now + second * 7), None);
        assert_eq!(holds.left(now + second * 7), None);
    }
}
