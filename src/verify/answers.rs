//! What a provider said of something, so that it need not be asked at every
//! login, and can be stopped for a while. Tokens and people are each kept in one
//! of these.
//!
//! An answer that lets in is *fresh* for a while, and then kept for as long as it
//! may count while the provider cannot be asked. One that does not ends it; these
//! have a room of their own, so that what is made up crowds out nobody.
//!
//! An answer that was under way when a purge concerned it is neither kept nor used
//! after it. What is kept can be found by the ids that it names (an index, which
//! every entry leaves with the room), so that a purge of one person costs nothing
//! that grows with the others.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    flight::Flights,
    purges::{Mark, Purges, Whose},
    random::random,
    room::{Fill, Key, Limits, Room, Tally},
};
use crate::{
    clock::Timestamp,
    idp::Outage,
    mailbox::{Address, ProviderName},
};

/// What a provider may say.
pub(super) trait Answer: fmt::Debug + Send + Sync + 'static {
    /// By what a purge can name it.
    fn marks(&self) -> Vec<Mark<'_>>;

    /// What it takes, in bytes.
    fn bytes(&self) -> usize;
}

/// An answer that lets in.
pub(super) trait LetsIn: Answer {
    /// How long it lasts when it came at `asked`.
    fn lasts(&self, asked: Timestamp, times: &Times) -> Lasts;

    /// The user that it speaks of, where that is not who was asked about.
    fn about(&self) -> Option<&Address>;
}

/// How long the answers of a provider last, by its settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// One that lets in counts by itself.
    pub(super) fresh: Duration,
    /// One that does not.
    pub(super) refused: Duration,
    /// One that lets in counts while the provider cannot be asked.
    pub(super) stale: Duration,
}

/// How long one answer lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lasts {
    /// It counts by itself.
    pub(super) fresh: Duration,
    /// It counts while the provider cannot be asked.
    pub(super) stale: Duration,
}

/// What a provider says.
#[derive(Debug)]
pub(super) enum Said<G, R> {
    /// What may let in.
    Good(Arc<G>),
    /// What does not.
    Refused(Arc<R>),
    /// Nothing: it cannot be asked.
    Unavailable(Arc<Outage>),
}

impl<G, R> Clone for Said<G, R> {
    fn clone(&self) -> Self {
        match self {
            Self::Good(good) => Self::Good(Arc::clone(good)),
            Self::Refused(refused) => Self::Refused(Arc::clone(refused)),
            Self::Unavailable(outage) => Self::Unavailable(Arc::clone(outage)),
        }
    }
}

/// An answer that was kept.
pub(super) struct Known<G, R> {
    pub(super) said: Said<G, R>,
    /// When the provider was asked.
    pub(super) asked: Timestamp,
}

/// What stands in a room.
struct Kept<T> {
    said: Arc<T>,
    asked: Timestamp,
    /// Number of the question: the answer to an older one takes nobody's place.
    number: u64,
    lasts: Lasts,
    about: Address,
    /// Under which it stands in the index.
    marks: Box<[Key]>,
}

impl<T> Kept<T> {
    fn is_younger(&self, now: Timestamp, time: Duration) -> bool {
        is_younger(self.asked, now, time)
    }
}

/// A clock that was set back makes no answer last: the distance counts.
pub(super) fn is_younger(asked: Timestamp, now: Timestamp, time: Duration) -> bool {
    Duration::from_millis(asked.0.abs_diff(now.0)) < time
}

/// Which entries name whom. An entry stands here before it stands in the room, and
/// until it has left it: what is found here may be gone, but nothing is missing.
#[derive(Default)]
struct Index(Mutex<BTreeSet<(Key, Key, u64)>>);

impl Index {
    fn add(&self, marks: &[Key], key: Key, number: u64) {
        self.lock().extend(marks.iter().map(|mark| (*mark, key, number)));
    }

    fn remove(&self, marks: &[Key], key: Key, number: u64) {
        let mut entries = self.lock();
        for mark in marks {
            entries.remove(&(*mark, key, number));
        }
    }

    fn of(&self, mark: Key) -> Vec<Key> {
        let range = (mark, Key::FIRST, 0)..=(mark, Key::LAST, u64::MAX);
        self.lock().range(range).map(|(_, key, _)| *key).collect()
    }

    /// A leaf: whoever holds it takes no other lock and asks no room.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Key, Key, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the answers do, of all providers together.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) good: Tally,
    pub(super) refused: Tally,
}

/// A question that is about to be asked.
#[derive(Clone, Copy)]
struct Question {
    /// How many purges there were before it.
    purges: u64,
    number: u64,
    asked: Timestamp,
}

/// How full the rooms of the answers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fills {
    pub(super) good: Fill,
    pub(super) refused: Fill,
}

/// The answers of one provider to one kind of question.
pub(super) struct Answers<G, R> {
    secret: [u8; 32],
    provider: ProviderName,
    times: Times,
    good: Room<Kept<G>>,
    refused: Room<Kept<R>>,
    index: Arc<Index>,
    /// Held while an answer is kept and while a purge is noted, so that none from
    /// before a purge comes after it.
    purges: Mutex<Purges>,
    numbers: AtomicU64,
    flights: Flights<(Key, u64), Said<G, R>>,
    tallies: Arc<Tallies>,
}

impl<G: LetsIn, R: Answer> Answers<G, R> {
    pub(super) fn new(
        provider: ProviderName,
        times: Times,
        limits: [Limits; 2],
        tallies: Arc<Tallies>,
    ) -> Self {
        Self { tallies, ..Self::with_secret(random(), provider, times, limits) }
    }

    pub(super) fn with_secret(
        secret: [u8; 32],
        provider: ProviderName,
        times: Times,
        [good, refused]: [Limits; 2],
    ) -> Self {
        let index = Arc::new(Index::default());
        let gone = {
            let index = Arc::clone(&index);
            move |key, kept: &Kept<G>| index.remove(&kept.marks, key, kept.number)
        };
        Self {
            secret,
            provider,
            times,
            good: Room::with(good, gone),
            refused: Room::new(refused),
            index,
            purges: Mutex::default(),
            numbers: AtomicU64::new(0),
            flights: Flights::default(),
            tallies: Arc::default(),
        }
    }

    /// The key of what is asked about.
    pub(super) fn key(&self, about: &[u8]) -> Key {
        Key::new(&self.secret, &[self.provider.as_str().as_bytes(), about])
    }

    /// An answer that counts by itself. One look where it lets in: a refusal stands
    /// only where no good answer does.
    pub(super) fn fresh(&self, key: &Key, now: Timestamp) -> Option<Known<G, R>> {
        if let Some(held) = self.good.get(key) {
            let kept = &held.value;
            let known = || Known { said: Said::Good(Arc::clone(&kept.said)), asked: kept.asked };
            return kept.is_younger(now, kept.lasts.fresh).then(known);
        }
        let held = self.refused.get(key)?;
        let kept = &held.value;
        let known = || Known { said: Said::Refused(Arc::clone(&kept.said)), asked: kept.asked };
        kept.is_younger(now, kept.lasts.fresh).then(known)
    }

    /// A good answer that counts while the provider cannot be asked, and since when.
    pub(super) fn last(&self, key: &Key, now: Timestamp) -> Option<(Arc<G>, Timestamp)> {
        let held = self.good.get(key)?;
        let kept = &held.value;
        let last = || (Arc::clone(&kept.said), kept.asked);
        kept.is_younger(now, kept.lasts.stale).then(last)
    }

    /// Counts a question that was spared by this answer.
    pub(super) fn count_hit(&self, said: &Said<G, R>) {
        self.tally(said).hit();
    }

    /// Counts a login that rode on an answer that is not fresh any more.
    pub(super) fn count_stale(&self) {
        self.tallies.good.stale();
    }

    /// Asks, together with whoever asks the same, and keeps the answer; nothing if
    /// it was outdated when it came. Who comes after a purge does not join a request
    /// from before it.
    pub(super) async fn ask<F>(
        self: &Arc<Self>,
        key: Key,
        about: &Address,
        asked: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Option<Said<G, R>>
    where
        F: Future<Output = Said<G, R>> + Send + 'static,
    {
        let question = self.question(asked);
        let run = || {
            let (own, about, answer) = (Arc::clone(self), about.clone(), ask());
            async move {
                let said = answer.await;
                own.tally(&said).miss();
                own.keep(key, &said, &about, question);
                said
            }
        };
        let said = self.flights.share((key, question.purges), run).await;
        let outdated = self.is_outdated(&self.lock(), &said, about, question);
        (!outdated).then_some(said)
    }

    /// Whether somebody is asking this at the moment.
    pub(super) fn is_asked(&self, key: Key) -> bool {
        let purges = self.lock().count();
        self.flights.has(&(key, purges))
    }

    fn question(&self, asked: Timestamp) -> Question {
        let purges = self.lock().count();
        Question { purges, number: self.numbers.fetch_add(1, Ordering::Relaxed), asked }
    }

    /// Keeps an answer, unless it is outdated or there is one to a later question.
    fn keep(&self, key: Key, said: &Said<G, R>, about: &Address, question: Question) {
        let purges = self.lock();
        let there = self.good.get(&key).map(|held| held.value.number);
        let there = there.max(self.refused.get(&key).map(|held| held.value.number));
        let is_older = there.is_some_and(|number| number > question.number);
        if is_older || self.is_outdated(&purges, said, about, question) {
            return;
        }
        match said {
            Said::Good(good) => {
                let lasts = good.lasts(question.asked, &self.times);
                let lasts = Lasts { fresh: key.jittered(lasts.fresh), ..lasts };
                let about = good.about().unwrap_or(about);
                self.refused.forget(&key);
                let time = lasts.fresh.max(lasts.stale);
                if time.is_zero() {
                    self.good.forget(&key);
                    return;
                }
                let kept = self.kept(good, lasts, about, question);
                // Each mark stands in the index, and in the entry.
                let bytes = good.bytes() + kept.marks.len() * 2 * size_of::<(Key, Key, u64)>();
                self.index.add(&kept.marks, key, kept.number);
                self.good.put(key, kept, bytes, time);
            }
            Said::Refused(refused) => {
                let fresh = self.times.refused;
                let kept = self.kept(refused, Lasts { fresh, stale: fresh }, about, question);
                self.good.forget(&key);
                self.refused.put(key, kept, refused.bytes(), fresh);
            }
            Said::Unavailable(_) => {}
        }
    }

    fn kept<T: Answer>(
        &self,
        said: &Arc<T>,
        lasts: Lasts,
        about: &Address,
        question: Question,
    ) -> Kept<T> {
        Kept {
            said: Arc::clone(said),
            asked: question.asked,
            number: question.number,
            lasts,
            about: about.clone(),
            marks: self.digests(&said.marks()),
        }
    }

    fn is_outdated(
        &self,
        purges: &Purges,
        said: &Said<G, R>,
        about: &Address,
        question: Question,
    ) -> bool {
        if purges.count() == question.purges {
            return false;
        }
        let (about, marks) = match said {
            Said::Good(good) => (good.about().unwrap_or(about), self.digests(&good.marks())),
            Said::Refused(refused) => (about, self.digests(&refused.marks())),
            Said::Unavailable(_) => (about, Box::default()),
        };
        purges.outdate(question.purges, about, &marks)
    }

    fn digests(&self, marks: &[Mark<'_>]) -> Box<[Key]> {
        marks.iter().map(|mark| mark.digest(&self.secret)).collect()
    }

    /// Forgets what was said about these users; returns how many good answers that
    /// were.
    pub(super) fn purge_users(&self, whose: &Whose) -> u64 {
        self.lock().of_users(whose);
        self.refused.forget_where(|kept| whose.means(&kept.about));
        self.good.forget_where(|kept| whose.means(&kept.about))
    }

    /// Forgets every good answer with one of these marks; returns how many that
    /// were.
    pub(super) fn purge_marks<'a>(&self, marks: impl Iterator<Item = Mark<'a>>) -> u64 {
        let marks: Vec<Key> = marks.map(|mark| mark.digest(&self.secret)).collect();
        self.lock().of_marks(&marks);
        let keys: BTreeSet<Key> = marks.iter().flat_map(|mark| self.index.of(*mark)).collect();
        keys.iter().filter(|key| self.good.forget(key)).count() as u64
    }

    /// Forgets every refusal that is kept; those under way if they have a mark that
    /// is purged.
    pub(super) fn forget_refused(&self) {
        self.refused.clear();
    }

    /// Forgets everything; returns how many good answers that were.
    pub(super) fn purge_all(&self) -> u64 {
        self.lock().of_everything();
        self.refused.clear();
        self.good.forget_where(|_| true)
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.good.tidy();
        self.refused.tidy();
    }

    pub(super) fn fills(&self) -> Fills {
        Fills { good: self.good.fill(), refused: self.refused.fill() }
    }

    fn tally(&self, said: &Said<G, R>) -> &Tally {
        match said {
            Said::Refused(_) => &self.tallies.refused,
            Said::Good(_) | Said::Unavailable(_) => &self.tallies.good,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Purges> {
        self.purges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
