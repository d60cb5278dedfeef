//! How many requests ended how, and how long they took: counters that cost a
//! request two additions.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::http::Endpoint;

/// Upper bounds of [`Times::buckets`], in milliseconds.
pub const BUCKETS_MILLIS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// How long requests took that ended alike.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// How many there were.
    pub count: u64,
    /// All their times together.
    pub sum: Duration,
    /// How many took no longer than the bound of the same place and longer than
    /// the one before. Those beyond the last bound are counted in `count` alone.
    pub buckets: [u64; BUCKETS_MILLIS.len()],
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// Status 2xx.
    Answered,
    /// Another status below 500, but for the next: no to what was asked.
    Refused,
    /// 429, or 503 with the time to wait.
    Limited,
    /// Status 5xx.
    Failed,
    /// No connection, or it broke.
    Unreachable,
    /// No TLS.
    Tls,
    /// Not in time.
    Slow,
    /// Nobody waits for it any more.
    GivenUp,
}

impl Ended {
    const ALL: [Self; 8] = [
        Self::Answered,
        Self::Refused,
        Self::Limited,
        Self::Failed,
        Self::Unreachable,
        Self::Tls,
        Self::Slow,
        Self::GivenUp,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Slow => "slow",
            Self::GivenUp => "given_up",
        }
    }
}

/// The counters of one provider. They go on where another one takes its place
/// under the same name, since counters never go back.
#[derive(Debug, Default)]
pub struct Figures {
    cells: [[Cell; Ended::ALL.len()]; Endpoint::ALL.len()],
    /// Requests that were not sent.
    pub(super) unsent: AtomicU64,
    /// Requests that came to no usable answer.
    pub(super) failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Cell {
    micros: AtomicU64,
    /// The last one is for what took longer than any bound.
    buckets: [AtomicU64; BUCKETS_MILLIS.len() + 1],
}

impl Figures {
    /// A request ended.
    pub(super) fn note(&self, endpoint: Endpoint, ended: Ended, took: Duration) {
        let cell = &self.cells[endpoint as usize][ended as usize];
        let fits = |bound: &u64| took <= Duration::from_millis(*bound);
        let bucket = BUCKETS_MILLIS.iter().position(fits).unwrap_or(BUCKETS_MILLIS.len());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        cell.micros.fetch_add(micros, Ordering::Relaxed);
        cell.buckets[bucket].fetch_add(1, Ordering::Relaxed);
    }

    /// By endpoint and by how they ended, as far as any did.
    pub(super) fn requests(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, Times>> {
        let of = |endpoint: Endpoint| {
            let cells = Ended::ALL.into_iter().zip(&self.cells[endpoint as usize]);
            let times = cells.map(|(ended, cell)| (ended.name(), cell.times()));
            (endpoint.name(), times.filter(|(_, times)| times.count > 0).collect())
        };
        Endpoint::ALL.map(of).into()
    }
}

impl Cell {
    fn times(&self) -> Times {
        let mut times = Times {
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            ..Times::default()
        };
        for (place, bucket) in self.buckets.iter().enumerate() {
            let number = bucket.load(Ordering::Relaxed);
            times.count += number;
            if let Some(known) = times.buckets.get_mut(place) {
                *known = number;
            }
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_stands_in_its_place() {
        let figures = Figures::default();
        for millis in [0, 5, 6, 10_000, 10_001, 60_000] {
            figures.note(Endpoint::Users, Ended::Answered, Duration::from_millis(millis));
        }
        figures.note(Endpoint::Users, Ended::Slow, Duration::from_secs(5));
        let requests = figures.requests();
        assert_eq!(requests.len(), Endpoint::ALL.len());
        assert!(requests["token"].is_empty());
        let users = &requests["users"];
        assert_eq!(users.keys().collect::<Vec<_>>(), [&"answered", &"slow"]);
        let answered = users["answered"];
        assert_eq!((answered.count, answered.sum), (6, Duration::from_millis(80_012)));
        assert_eq!(answered.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(users["slow"].buckets[9], 1);
    }

    #[test]
    fn places_are_those_of_the_lists() {
        for (place, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint as usize, place, "{}", endpoint.name());
        }
        for (place, ended) in Ended::ALL.into_iter().enumerate() {
            assert_eq!(ended as usize, place, "{}", ended.name());
        }
    }
}
