//! Counters of distinct guesses under keys of one kind, in bounded memory.
//!
//! When the table is full, what goes is an entry that is not held back, and of
//! those the one that would expire first; only a table full of held-back
//! entries gives up one of them. So nobody ends his own hold by filling the
//! table, unless he is ready to be held back as often as it has places.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How a table counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Distinct guesses within `window` that lead to a hold; 0 counts nothing.
    pub(super) limit: usize,
    /// How long a guess counts.
    pub(super) window: Duration,
    /// How long a hold lasts.
    pub(super) hold: Duration,
    /// Most entries.
    pub(super) max_entries: usize,
}

impl Rule {
    /// Whether a guess of that moment still counts. One that lies ahead by more
    /// than the window was made before the clock was set back.
    fn counts(self, at: Timestamp, now: Timestamp) -> bool {
        u128::from(at.0.abs_diff(now.0)) <= self.window.as_millis()
    }

    /// Whether a hold until then is on. One that lies ahead by more than a hold
    /// was begun before the clock was set back, or under another setting.
    fn holds(self, until: Timestamp, now: Timestamp) -> bool {
        until > now && until.since(now) <= self.hold
    }
}

/// Keyed digest of a guess. 32 bits: two guesses of one entry hardly ever
/// collide, and thousands of passwords would fit one that somebody steals.
pub(super) type GuessDigest = u32;

/// What is counted under one key.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Entry {
    guesses: Vec<Guess>,
    held_until: Option<Timestamp>,
    #[serde(skip)]
    rank: Rank,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Guess {
    digest: GuessDigest,
    at: Timestamp,
    /// Checks of this guess that are under way.
    #[serde(skip)]
    pending: u32,
    /// Whether it was found to be wrong.
    wrong: bool,
}

/// Order in which entries are given up.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    held: bool,
    until: Timestamp,
    sequence: u64,
}

/// How an entry stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::verify) struct Standing {
    /// Wrong guesses within the window.
    pub(in crate::verify) guesses: usize,
    /// End of the hold, if there is one.
    pub(in crate::verify) held_until: Option<Timestamp>,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Table<K> {
    entries: HashMap<K, Entry>,
    order: BTreeMap<Rank, K>,
    sequence: u64,
    /// Keys whose entry differs from what the store has.
    dirty: HashSet<K>,
    held: usize,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            sequence: 0,
            dirty: HashSet::new(),
            held: 0,
        }
    }
}

impl Entry {
    fn wrong(&self) -> impl Iterator<Item = &Guess> {
        self.guesses.iter().filter(|guess| guess.wrong)
    }

    fn is_empty(&self) -> bool {
        self.guesses.is_empty() && self.held_until.is_none()
    }

    /// What of it is worth keeping over a restart, summed up: announcements
    /// come and go with every login and are not.
    fn lasting(&self) -> (Option<Timestamp>, usize, Option<Timestamp>) {
        (self.held_until, self.wrong().count(), self.wrong().map(|guess| guess.at).max())
    }

    /// Forgets what is over.
    fn expire(&mut self, now: Timestamp, rule: Rule) {
        self.guesses.retain(|guess| guess.pending > 0 || rule.counts(guess.at, now));
        self.held_until = self.held_until.filter(|until| rule.holds(*until, now));
    }
}

impl<K: Clone + Eq + Hash + Ord> Table<K> {
    /// Number of entries held back, some of which may be over by now.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn standing(&self, key: &K, now: Timestamp, rule: Rule) -> Standing {
        let Some(entry) = self.entries.get(key) else { return Standing::default() };
        Standing {
            guesses: entry.wrong().filter(|guess| rule.counts(guess.at, now)).count(),
            held_until: entry.held_until.filter(|until| rule.holds(*until, now)),
        }
    }

    /// Announces a guess that is about to be checked. False if there is no room
    /// for it: the entry is held back, or as many others are wrong or under way
    /// as lead to a hold. Otherwise a thousand guesses sent at once would all be
    /// checked before the first of them counts.
    pub(super) fn announce(
        &mut self,
        key: &K,
        digest: GuessDigest,
        now: Timestamp,
        rule: Rule,
    ) -> bool {
        if rule.limit == 0 {
            return true;
        }
        self.change(key, now, rule, |entry| {
            if entry.held_until.is_some() {
                return false;
            }
            let full = entry.guesses.len() >= rule.limit;
            match entry.guesses.iter_mut().find(|guess| guess.digest == digest) {
                Some(guess) => guess.pending += 1,
                None if full => return false,
                None => {
                    entry.guesses.push(Guess { digest, at: now, pending: 1, wrong: false });
                }
            }
            true
        })
    }

    /// Ends an announced check that did not find the guess wrong.
    pub(super) fn withdraw(&mut self, key: &K, digest: GuessDigest, now: Timestamp, rule: Rule) {
        if rule.limit == 0 {
            return;
        }
        self.change(key, now, rule, |entry| {
            for guess in entry.guesses.iter_mut().filter(|guess| guess.digest == digest) {
                guess.pending = guess.pending.saturating_sub(1);
            }
            entry.guesses.retain(|guess| guess.wrong || guess.pending > 0);
        });
    }

    /// Counts a wrong guess, unless it was counted within the window; whether it
    /// was not comes second. (An announcement of it is withdrawn apart.)
    pub(super) fn count(
        &mut self,
        key: &K,
        digest: GuessDigest,
        now: Timestamp,
        rule: Rule,
    ) -> (Standing, bool) {
        if rule.limit == 0 {
            return (Standing::default(), true);
        }
        let is_new = self.change(key, now, rule, |entry| {
            if entry.held_until.is_some() {
                return false;
            }
            let seen = entry.guesses.iter_mut().find(|guess| guess.digest == digest);
            let is_new = if let Some(guess) = seen {
                !std::mem::replace(&mut guess.wrong, true)
            } else {
                entry.guesses.push(Guess { digest, at: now, pending: 0, wrong: true });
                true
            };
            if entry.wrong().count() >= rule.limit {
                entry.held_until = Some(now.after(rule.hold));
                entry.guesses.clear();
            }
            is_new
        });
        (self.standing(key, now, rule), is_new)
    }

    /// Forgets an entry; false if there was none.
    pub(super) fn lift(&mut self, key: &K) -> bool {
        self.remove(key).is_some()
    }

    /// Entries held back at `now`.
    pub(super) fn held_back(&self, now: Timestamp) -> impl Iterator<Item = (&K, Timestamp)> {
        let held = self.order.values().rev().map_while(|key| {
            let until = self.entries.get(key)?.held_until?;
            Some((key, until))
        });
        held.filter(move |(_, until)| *until > now)
    }

    /// Gives up what means nothing any more.
    pub(super) fn prune(&mut self, now: Timestamp) {
        for held in [false, true] {
            let from = Rank { held, ..Rank::default() };
            while let Some((rank, key)) = self.order.range(from..).next() {
                if rank.held != held || rank.until > now {
                    break;
                }
                let key = key.clone();
                self.remove(&key);
            }
        }
    }

    /// What the store has to learn: the entries as bytes, `None` where one is
    /// gone.
    pub(super) fn take_dirty(&mut self) -> Vec<(K, Option<Entry>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty
            .into_iter()
            .map(|key| {
                let entry = self.entries.get(&key).cloned();
                (key, entry)
            })
            .collect()
    }

    /// The store did not learn it: to be said again. Of entries that are gone it
    /// is enough that they expire by themselves, so nothing piles up here.
    pub(super) fn still_dirty(&mut self, key: K) {
        if self.entries.contains_key(&key) {
            self.dirty.insert(key);
        }
    }

    /// Takes over an entry from the store, as far as it still means something.
    pub(super) fn restore(&mut self, key: &K, entry: Entry, now: Timestamp, rule: Rule) {
        self.change(key, now, rule, |place| {
            // A clock that was ahead must not hold anybody for longer than a
            // hold, nor keep a guess for ever.
            let latest = now.after(rule.hold);
            place.held_until = entry.held_until.map(|until| until.min(latest));
            place.guesses = entry.guesses;
            place.guesses.retain(|guess| guess.wrong);
            place.guesses.iter_mut().for_each(|guess| guess.at = guess.at.min(now));
            place.guesses.truncate(rule.limit);
            place.expire(now, rule);
        });
        // What came from the store need not go back there, unless it is over.
        if self.entries.contains_key(key) {
            self.dirty.remove(key);
        }
    }

    /// The one place that touches an entry: keeps order, bound and marks true.
    fn change<T>(
        &mut self,
        key: &K,
        now: Timestamp,
        rule: Rule,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> T {
        let mut entry = self.unlink(key).unwrap_or_default();
        let before = entry.lasting();
        entry.expire(now, rule);
        let result = change(&mut entry);
        if entry.lasting() != before {
            self.dirty.insert(key.clone());
        }
        if !entry.is_empty() {
            self.make_room(rule.max_entries);
            self.link(key.clone(), entry, now, rule.window);
        }
        result
    }

    fn make_room(&mut self, max_entries: usize) {
        while self.entries.len() >= max_entries.max(1) {
            let Some(key) = self.order.values().next().cloned() else { return };
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &K) -> Option<Entry> {
        let entry = self.unlink(key)?;
        self.dirty.insert(key.clone());
        Some(entry)
    }

    fn unlink(&mut self, key: &K) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.rank);
        self.held -= usize::from(entry.rank.held);
        Some(entry)
    }

    fn link(&mut self, key: K, mut entry: Entry, now: Timestamp, window: Duration) {
        self.sequence += 1;
        let last = entry.guesses.iter().map(|guess| guess.at).max().unwrap_or(now);
        entry.rank = Rank {
            held: entry.held_until.is_some(),
            until: entry.held_until.unwrap_or_else(|| last.after(window)),
            sequence: self.sequence,
        };
        self.held += usize::from(entry.rank.held);
        self.order.insert(entry.rank, key.clone());
        self.entries.insert(key, entry);
    }
}

#[cfg(test)]
mod tests;
