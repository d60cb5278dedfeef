//! The part of a feed of events that is read again at each poll.
//!
//! An event bears the time at which it happened and shows when its transaction
//! ends, so a later one may show first. Therefore each poll reads again what is
//! younger than [`OVERLAP`], and what was seen there is remembered.
//!
//! Times are the provider's. How far its clock has come is reckoned from the
//! newest event and the time since that came, so a quiet feed moves on as well,
//! and the two clocks need not agree.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::clock::Timestamp;

/// Longest transaction that nothing gets lost by, and how far the clocks of a
/// provider's servers may be apart.
const OVERLAP: Duration = Duration::from_secs(30);

/// Digest of an event, by which it is known again.
pub(super) type Key = [u8; 16];

/// Where reading goes on; nowhere before the first poll.
#[derive(Clone, Debug, Default)]
pub(super) struct Window(Option<Windowed>);

/// A window that was read.
#[derive(Clone, Debug)]
pub(super) struct Windowed {
    /// The provider's clock at `read`, at least.
    clock: Timestamp,
    /// When the last poll that came through was sent.
    read: Instant,
    /// What is older is not looked for.
    floor: Timestamp,
    /// All that the last poll found.
    seen: HashSet<Key>,
}

/// A poll under way.
pub(super) struct Reading<'a> {
    before: &'a Windowed,
    sent: Instant,
    our_clock: Timestamp,
    newest: Timestamp,
    seen: HashSet<Key>,
}

impl Window {
    /// Whether reading can go on after the last poll that came through.
    pub(super) fn is_open(&self, now: Instant, gap: Duration) -> bool {
        self.0.as_ref().is_some_and(|window| now.saturating_duration_since(window.read) < gap)
    }

    /// A poll that is sent now. `our_clock` bounds what events say of the time: one
    /// that lies in the future must not hide all others.
    ///
    /// # Panics
    /// The window is not open.
    pub(super) fn reading(&self, sent: Instant, our_clock: Timestamp) -> Reading<'_> {
        let before = self.0.as_ref().expect("only an open window is read on");
        Reading { before, sent, our_clock, newest: Timestamp(0), seen: HashSet::new() }
    }

    /// What came before the newest event is gone for good.
    pub(super) fn without_overlap(self) -> Self {
        Self(self.0.map(|window| Windowed { floor: window.clock, ..window }))
    }
}

impl Windowed {
    /// One that begins at the newest event, if there ever was one.
    pub(super) fn anchored(
        newest: Option<(Key, Timestamp)>,
        sent: Instant,
        our_clock: Timestamp,
    ) -> Window {
        let clock = newest.map_or(Timestamp(0), |(_, time)| time.min(our_clock));
        Window(Some(Self {
            clock,
            read: sent,
            floor: Timestamp(0),
            seen: newest.into_iter().map(|(key, _)| key).collect(),
        }))
    }
}

impl Reading<'_> {
    /// The time of the oldest event to read; none for all.
    pub(super) fn from(&self) -> Option<Timestamp> {
        let clock = self.before.clock.min(self.our_clock);
        let overlap = u64::try_from(OVERLAP.as_millis()).expect("it is short");
        let from = Timestamp(clock.0.saturating_sub(overlap)).max(self.before.floor);
        (from.0 > 0).then_some(from)
    }

    /// Takes an event in; whether nobody has seen it before.
    pub(super) fn is_new(&mut self, key: Key, time: Timestamp) -> bool {
        self.newest = self.newest.max(time);
        let is_first = self.seen.insert(key);
        is_first && !self.before.seen.contains(&key)
    }

    /// All of it was read.
    pub(super) fn whole(self) -> Window {
        let passed = self.sent.saturating_duration_since(self.before.read);
        // Where there was no event ever, nothing is known of the clock.
        let moved =
            if self.before.clock.0 == 0 { Timestamp(0) } else { self.before.clock.after(passed) };
        Window(Some(Windowed {
            clock: moved.max(self.newest).min(self.our_clock),
            read: self.sent,
            floor: self.before.floor,
            seen: self.seen,
        }))
    }
}

#[cfg(test)]
mod tests;
