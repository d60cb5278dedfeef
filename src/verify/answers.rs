//! What a provider said of something, so that it need not be asked at every
//! login, and can be stopped for a while. Tokens and people are each kept in one
//! of these.
//!
//! An answer that lets in is *fresh* for a while, and then kept for as long as it
//! may count while the provider cannot be asked. One that does not ends it; these
//! have a room of their own, so that what is made up crowds out nobody.
//!
//! An answer that was under way when a purge concerned it is neither kept nor used
//! after it. What is kept is found by the ids that it names, so that a purge of one
//! person costs nothing that grows with the others.

use std::{
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
}

impl<T> Kept<T> {
    fn is_younger(&self, now: Timestamp, time: Duration) -> bool {
        is_younger(self.asked, now, time)
    }
}

fn kept<T>(said: &Arc<T>, lasts: Lasts, about: &Address, question: Question) -> Kept<T> {
    let Question { number, asked, .. } = question;
    Kept { said: Arc::clone(said), asked, number, lasts, about: about.clone() }
}

/// A clock that was set back makes no answer last: the distance counts.
pub(super) fn is_younger(asked: Timestamp, now: Timestamp, time: Duration) -> bool {
    Duration::from_millis(asked.0.abs_diff(now.0)) < time
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
        Self {
            secret,
            provider,
            times,
            good: Room::new(good),
            refused: Room::new(refused),
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
        (!self.is_purged(question.purges, &said, about)).then_some(said)
    }

    /// How many purges there were: to be read before an answer is.
    pub(super) fn purges(&self) -> u64 {
        self.lock().count()
    }

    /// Whether a purge since there were `purges` concerned what was said `about` a
    /// user. For whoever took his time over an answer.
    pub(super) fn is_purged(&self, purges: u64, said: &Said<G, R>, about: &Address) -> bool {
        self.is_outdated(&self.lock(), said, about, purges)
    }

    /// Whether somebody is asking this at the moment.
    pub(super) fn is_asked(&self, key: Key) -> bool {
        self.flights.has(&(key, self.purges()))
    }

    fn question(&self, asked: Timestamp) -> Question {
        let purges = self.purges();
        Question { purges, number: self.numbers.fetch_add(1, Ordering::Relaxed), asked }
    }

    /// Keeps an answer, unless it is outdated or there is one to a later question.
    fn keep(&self, key: Key, said: &Said<G, R>, about: &Address, question: Question) {
        let purges = self.lock();
        let there = self.good.get(&key).map(|held| held.value.number);
        let there = there.max(self.refused.get(&key).map(|held| held.value.number));
        let is_older = there.is_some_and(|number| number > question.number);
        if is_older || self.is_outdated(&purges, said, about, question.purges) {
            return;
        }
        match said {
            Said::Good(good) => {
                let lasts = good.lasts(question.asked, &self.times);
                let lasts = Lasts { fresh: key.jittered(lasts.fresh), ..lasts };
                let about = good.about().unwrap_or(about);
                let marks = self.marks(&**good, about);
                let kept = kept(good, lasts, about, question);
                self.good.put(key, kept, &marks, good.bytes(), lasts.fresh.max(lasts.stale));
                self.refused.forget(&key);
            }
            Said::Refused(refused) => {
                let fresh = self.times.refused;
                let marks = self.marks(&**refused, about);
                let kept = kept(refused, Lasts { fresh, stale: fresh }, about, question);
                self.good.forget(&key);
                self.refused.put(key, kept, &marks, refused.bytes(), fresh);
            }
            Said::Unavailable(_) => {}
        }
    }

    fn is_outdated(&self, purges: &Purges, said: &Said<G, R>, about: &Address, since: u64) -> bool {
        if purges.count() == since {
            return false;
        }
        let (about, marks) = match said {
            Said::Good(good) => {
                let about = good.about().unwrap_or(about);
                (about, self.marks(&**good, about))
            }
            Said::Refused(refused) => (about, self.marks(&**refused, about)),
            Said::Unavailable(_) => (about, self.digests([Mark::User(about.as_str())])),
        };
        purges.outdate(since, about, &marks)
    }

    fn marks(&self, answer: &impl Answer, about: &Address) -> Vec<Key> {
        self.digests(answer.marks().into_iter().chain([Mark::User(about.as_str())]))
    }

    fn digests<'a>(&self, marks: impl IntoIterator<Item = Mark<'a>>) -> Vec<Key> {
        marks.into_iter().map(|mark| mark.digest(&self.secret)).collect()
    }

    /// Forgets what was said about these users; returns how many good answers that
    /// were.
    pub(super) fn purge_users(&self, whose: &Whose) -> u64 {
        if let Some(named) = whose.named() {
            let marks = self.digests(named);
            self.lock().of_marks(&marks);
            self.refused.forget_marked(&marks);
            return self.good.forget_marked(&marks);
        }
        self.lock().of_users(whose);
        self.refused.forget_where(|kept| whose.means(&kept.about));
        self.good.forget_where(|kept| whose.means(&kept.about))
    }

    /// Forgets every good answer with one of these marks; returns how many that
    /// were.
    pub(super) fn purge_marks<'a>(&self, marks: impl IntoIterator<Item = Mark<'a>>) -> u64 {
        let marks = self.digests(marks);
        self.lock().of_marks(&marks);
        self.good.forget_marked(&marks)
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

    /// Questions under way.
    #[cfg(test)]
    pub(super) fn asked_now(&self) -> usize {
        self.flights.len()
    }

    /// Checks that everything that is kept is found by its ids, and nothing else.
    #[cfg(test)]
    pub(super) fn check_index(&self) {
        self.good.check_index();
        self.refused.check_index();
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
