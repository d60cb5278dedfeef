//! What a provider said of the people to whom mailboxes belong: whether each is
//! enabled, disabled or gone. App passwords go by it.
//!
//! It is learnt from whatever is asked of the provider: a person looked up for
//! the Mailpassword Flow, a token that it vouches for, a look-up by id. A person
//! to whom something happened there is *doubted*: nothing that was said of him
//! counts, not even while the provider is down, until he is asked about again.
//! Where anything may have happened to anybody, everybody is asked about again,
//! but the last word still counts while the provider is down.
//!
//! **Races.** Questions and doubts are numbered. An answer to a question from
//! before a doubt is not kept, nor one that comes after the answer to a later
//! question.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::{
    Error, Pipeline,
    answers::is_younger,
    connected::{Connected, state_of},
    flight::Flights,
    person::unfit_subject,
    terms::Terms,
};
use crate::{
    clock::Timestamp,
    idp::Outage,
    mailbox::{Binding, Mailbox, Owner, OwnerState, Profile, ProviderName},
};

/// Most of what is kept of owners, in bytes: some hundred thousand of them. The
/// store has the others.
const MAX_BYTES: u64 = 24 * 1024 * 1024;
/// What one takes besides his id.
const OVERHEAD_BYTES: usize = 160;
/// Shortest time for which one is kept: so long, nobody hears twice that a person
/// is disabled.
const SHORTEST: Duration = Duration::from_secs(3600);
/// How often what is known of one is written where it costs nothing to ask.
const WRITTEN_EACH: Duration = Duration::from_secs(15 * 60);
/// Most people who wait for being asked about.
const MAX_WANTED: usize = 10_000;
/// Most people whose state waits for being acted upon, or written.
const MAX_WAITING: usize = 10_000;
/// Who reads the store at a time: after a crash they wait for its history.
const MAX_READERS: usize = 8;

/// The places of those who read the store.
pub(super) struct Readers(Semaphore);

impl Default for Readers {
    fn default() -> Self {
        Self(Semaphore::new(MAX_READERS))
    }
}

impl Readers {
    /// Waits for a place.
    pub(super) async fn place(&self) -> SemaphorePermit<'_> {
        self.0.acquire().await.expect("it is never closed")
    }
}

/// What is known of a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) state: OwnerState,
    /// When the provider was asked.
    pub(super) asked: Timestamp,
    /// Number of the question.
    by: u64,
    /// No answer to a question with a lower number counts.
    since: u64,
    /// Since when he is known to be disabled or gone, also if he has been doubted
    /// since.
    pub(super) off_since: Option<Timestamp>,
    /// What was written of him last: when the provider was asked then.
    written: Option<Timestamp>,
}

impl Known {
    /// Whether he is disabled or gone, as far as anybody knows.
    pub(super) fn is_off(&self) -> bool {
        match self.state {
            OwnerState::Disabled | OwnerState::Gone => true,
            OwnerState::Enabled => false,
            OwnerState::Unknown => self.off_since.is_some(),
        }
    }
}

/// What asking about a person by his id came to.
pub(super) type Looked = Result<Told, Arc<Outage>>;

/// What is told of a person who was asked for by his id.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) state: OwnerState,
    /// He himself, if he is there.
    pub(super) person: Option<Arc<Profile>>,
}

/// Why a person is to be asked about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Wanted {
    /// What is known of him ages. Who does not get his turn is asked about by the
    /// next login.
    Ages,
    /// He may get a mailbox: a sync would find him, too.
    New,
    /// Something happened to him: it has to be found out.
    Changed,
}

/// A person who is disabled or gone since now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fallen {
    pub(super) subject: String,
    pub(super) state: OwnerState,
}

/// The owners of one provider's mailboxes.
pub(super) struct Owners {
    provider: ProviderName,
    /// How long a word counts by itself; none where nobody goes by it.
    account_check: Option<Duration>,
    /// How long it counts that somebody is disabled: he may be enabled by now.
    recheck_interval: Duration,
    stale_limit: Duration,
    known: Cache<String, Known>,
    /// Number of the next question or doubt. Held while words come and go.
    next: Mutex<u64>,
    /// When everybody was doubted last.
    all_since: AtomicU64,
    pub(super) flights: Flights<(String, u64), Looked>,
    wanted: Mutex<Line>,
    pub(super) anybody_wanted: Notify,
    fallen: Mutex<VecDeque<Fallen>>,
    pub(super) anybody_fallen: Notify,
    unwritten: Mutex<BTreeSet<String>>,
}

/// People in a line, each once.
#[derive(Default)]
struct Line {
    why: HashMap<String, Wanted>,
    /// To whom something happened: first, whoever else waits.
    changed: VecDeque<String>,
    /// Who was here as well is not in `why` any more, or found there as changed.
    aging: VecDeque<String>,
    new: VecDeque<String>,
}

impl Line {
    fn of(&mut self, why: Wanted) -> &mut VecDeque<String> {
        match why {
            Wanted::Changed => &mut self.changed,
            Wanted::Ages => &mut self.aging,
            Wanted::New => &mut self.new,
        }
    }
}

impl Owners {
    pub(super) fn new(settings: &Terms) -> Self {
        let account_check = settings.account_check;
        let kept = settings.stale_limit.max(account_check.unwrap_or_default()).max(SHORTEST);
        Self {
            provider: settings.name.clone(),
            account_check,
            recheck_interval: settings.recheck_interval,
            stale_limit: settings.stale_limit,
            known: Cache::builder()
                .weigher(|subject: &String, _: &Known| {
                    u32::try_from(OVERHEAD_BYTES + subject.len()).unwrap_or(u32::MAX)
                })
                .max_capacity(MAX_BYTES)
                .time_to_live(kept)
                .build(),
            // What comes from the store is of before all questions.
            next: Mutex::new(1),
            all_since: AtomicU64::new(0),
            flights: Flights::default(),
            wanted: Mutex::default(),
            anybody_wanted: Notify::new(),
            fallen: Mutex::default(),
            anybody_fallen: Notify::new(),
            unwritten: Mutex::default(),
        }
    }

    /// Whether app passwords go by what is known here.
    pub(super) fn are_checked(&self) -> bool {
        self.account_check.is_some()
    }

    /// What is known, however old.
    pub(super) fn known(&self, subject: &str) -> Option<Known> {
        self.known.get(subject)
    }

    /// A word that counts by itself.
    pub(super) fn fresh(&self, subject: &str, now: Timestamp) -> Option<Known> {
        let known = self.known.get(subject)?;
        (!self.counts_for(&known, now).is_zero()).then_some(known)
    }

    /// Whether a fresh word should be asked for again before it is old.
    pub(super) fn ages(&self, known: &Known, now: Timestamp) -> bool {
        let young = self.account_check.unwrap_or_default() * 2 / 3;
        known.state == OwnerState::Enabled && !is_younger(known.asked, now, young)
    }

    /// A word that counts while the provider cannot be asked. That we ask enough
    /// already says nothing of the provider, and anybody can bring it about: then
    /// none counts that is older than any should be.
    pub(super) fn last(&self, subject: &str, now: Timestamp, busy: bool) -> Option<Known> {
        let known = self.known.get(subject)?;
        let limit = if busy { self.account_check.unwrap_or_default() } else { self.stale_limit };
        let counts = known.state != OwnerState::Unknown && is_younger(known.asked, now, limit);
        counts.then_some(known)
    }

    /// How long this word still counts by itself.
    pub(super) fn counts_for(&self, known: &Known, now: Timestamp) -> Duration {
        let age = Duration::from_millis(known.asked.0.abs_diff(now.0));
        if self.is_doubted(known) { Duration::ZERO } else { self.limit(known).saturating_sub(age) }
    }

    fn is_doubted(&self, known: &Known) -> bool {
        known.state == OwnerState::Unknown || known.by < self.all_since.load(Ordering::Relaxed)
    }

    /// How old such a word may be.
    fn limit(&self, known: &Known) -> Duration {
        let limit = self.account_check.unwrap_or_default();
        match known.state {
            OwnerState::Enabled => limit,
            OwnerState::Disabled | OwnerState::Gone => limit.min(self.recheck_interval),
            OwnerState::Unknown => Duration::ZERO,
        }
    }

    /// The number of a question: to be read before it is sent.
    pub(super) fn question(&self) -> u64 {
        count(&mut self.next())
    }

    /// Since which number answers about this person count.
    pub(super) fn since(&self, subject: &str) -> u64 {
        let own = self.known.get(subject).map_or(0, |known| known.since);
        own.max(self.all_since.load(Ordering::Relaxed))
    }

    /// Keeps the answer to a question.
    pub(super) fn learn(&self, subject: &str, state: OwnerState, asked: Timestamp, question: u64) {
        let written_for = self.account_check.unwrap_or_default();
        let written_for = if written_for.is_zero() { WRITTEN_EACH } else { written_for };
        self.keep(subject, state, asked, question, written_for, true);
    }

    /// The same of one of many, in the list of all: it is written more seldom, and
    /// who cannot have open sessions need not be thrown out.
    pub(super) fn learn_listed(
        &self,
        subject: &str,
        state: OwnerState,
        asked: Timestamp,
        question: u64,
        may_be_open: bool,
    ) {
        let written_for = self.stale_limit / 4;
        self.keep(subject, state, asked, question, written_for, may_be_open);
    }

    fn keep(
        &self,
        subject: &str,
        state: OwnerState,
        asked: Timestamp,
        question: u64,
        written_for: Duration,
        may_be_open: bool,
    ) {
        if unfit_subject(subject).is_some() {
            return;
        }
        let _next = self.next();
        let before = self.known.get(subject);
        if before.is_some_and(|before| question < before.since.max(before.by)) {
            return;
        }
        let was_off = before.is_some_and(|before| before.is_off());
        let off_since = match state {
            OwnerState::Disabled | OwnerState::Gone => {
                before.and_then(|before| before.off_since).or(Some(asked))
            }
            OwnerState::Enabled | OwnerState::Unknown => None,
        };
        let mut known = Known {
            state,
            asked,
            by: question,
            since: before.map_or(0, |before| before.since),
            off_since,
            written: before.and_then(|before| before.written),
        };
        let changed = before.is_none_or(|before| before.state != state);
        let is_old = |written| !is_younger(written, asked, written_for);
        if (changed || known.written.is_none_or(is_old)) && self.is_to_be_written(subject) {
            known.written = Some(asked);
        }
        let falls = known.is_off() && !was_off && may_be_open;
        self.known.insert(subject.to_owned(), known);
        if falls {
            self.falls(subject, state);
        }
    }

    /// Takes over what was written before the start, where nothing newer is known.
    pub(super) fn remember(&self, owner: &Owner) {
        let _next = self.next();
        let subject = &owner.person.subject;
        if owner.person.provider != self.provider || self.known.contains_key(subject) {
            return;
        }
        let known = Known {
            state: owner.state,
            asked: owner.asked,
            by: 0,
            since: 0,
            off_since: owner.off_since,
            written: Some(owner.asked),
        };
        self.known.insert(subject.clone(), known);
    }

    /// Nothing that was said of this person before counts any more.
    pub(super) fn doubt(&self, subject: &str, now: Timestamp) {
        if unfit_subject(subject).is_some() {
            return;
        }
        let mut next = self.next();
        let number = count(&mut next);
        let before = self.known.get(subject);
        let known = Known {
            state: OwnerState::Unknown,
            asked: now,
            by: number,
            since: number,
            off_since: before.filter(Known::is_off).and_then(|before| before.off_since),
            written: None,
        };
        self.known.insert(subject.to_owned(), known);
        self.is_to_be_written(subject);
    }

    /// To whom something happened, and nobody has been asked since.
    pub(super) fn doubted(&self) -> Vec<String> {
        let doubted = self.known.iter().filter(|(_, known)| known.state == OwnerState::Unknown);
        doubted.map(|(subject, _)| (*subject).clone()).collect()
    }

    /// Everybody is to be asked about again.
    pub(super) fn doubt_all(&self) {
        let number = count(&mut self.next());
        self.all_since.store(number, Ordering::Relaxed);
    }

    /// A mailbox became this person's: what is known of him is written for it, too.
    pub(super) fn has_one_more(&self, subject: &str) {
        if self.known.contains_key(subject) {
            self.is_to_be_written(subject);
        }
    }

    /// Puts a person into the line of those who are to be asked about. Who finds no
    /// room is asked about by the next login.
    pub(super) fn want(&self, subject: &str, why: Wanted) {
        let mut line = lock(&self.wanted);
        if line.why.get(subject).is_some_and(|known| *known >= why) {
            return;
        }
        if line.of(why).len() >= MAX_WANTED {
            return;
        }
        line.of(why).push_back(subject.to_owned());
        line.why.insert(subject.to_owned(), why);
        drop(line);
        self.anybody_wanted.notify_one();
    }

    /// The next in that line.
    pub(super) fn next_wanted(&self) -> Option<(String, Wanted)> {
        let mut line = lock(&self.wanted);
        for why in [Wanted::Changed, Wanted::Ages, Wanted::New] {
            while let Some(subject) = line.of(why).pop_front() {
                if line.why.get(&subject) == Some(&why) {
                    line.why.remove(&subject);
                    return Some((subject, why));
                }
            }
        }
        None
    }

    /// The next who is disabled or gone since now.
    pub(super) fn next_fallen(&self) -> Option<Fallen> {
        lock(&self.fallen).pop_front()
    }

    /// Notes who is disabled or gone since now.
    pub(super) fn falls(&self, subject: &str, state: OwnerState) {
        let mut fallen = lock(&self.fallen);
        if fallen.len() < MAX_WAITING {
            fallen.push_back(Fallen { subject: subject.to_owned(), state });
            drop(fallen);
            self.anybody_fallen.notify_one();
        } else {
            tracing::warn!(provider = %self.provider, "more people withdrawn than can be followed");
        }
    }

    /// False if there is no room for him.
    fn is_to_be_written(&self, subject: &str) -> bool {
        let mut unwritten = lock(&self.unwritten);
        let has_room = self.are_checked() && unwritten.len() < MAX_WAITING;
        if has_room {
            unwritten.insert(subject.to_owned());
        }
        has_room
    }

    /// What is to be written by now.
    pub(super) fn take_unwritten(&self) -> Vec<Owner> {
        let subjects = std::mem::take(&mut *lock(&self.unwritten));
        let owner = |subject: String| {
            let Known { state, asked, off_since, .. } = self.known.get(&subject)?;
            let person = Binding { provider: self.provider.clone(), subject };
            Some(Owner { person, state, asked, off_since })
        };
        subjects.into_iter().filter_map(owner).collect()
    }

    /// What could not be written is to be written later.
    pub(super) fn still_unwritten(&self, subject: &str) {
        self.is_to_be_written(subject);
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.known.run_pending_tasks();
    }

    fn next(&self) -> MutexGuard<'_, u64> {
        lock(&self.next)
    }
}

fn count(next: &mut u64) -> u64 {
    let number = *next;
    *next += 1;
    number
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connected {
    /// Asks about the person with this id, together with whoever asks the same,
    /// and keeps the answer; nothing if it was outdated when it came.
    pub(super) async fn ask_owner(
        self: &Arc<Self>,
        subject: &str,
        now: Timestamp,
    ) -> Option<Looked> {
        let since = self.owners.since(subject);
        let run = || {
            let (own, subject) = (Arc::clone(self), subject.to_owned());
            async move {
                let question = own.owners.question();
                let looked = own.look_up_owner(&subject).await;
                if let Ok(told) = &looked {
                    own.owners.learn(&subject, told.state, now, question);
                }
                looked
            }
        };
        let looked = self.owners.flights.share((subject.to_owned(), since), run).await;
        (self.owners.since(subject) == since).then_some(looked)
    }

    /// Asks alone, and keeps nothing.
    pub(super) async fn look_up_owner(&self, subject: &str) -> Looked {
        match self.look_up_by_id(subject).await {
            Ok(None) => Ok(Told { state: OwnerState::Gone, person: None }),
            Ok(Some(person)) => Ok(Told { state: state_of(&person), person: Some(person.into()) }),
            Err(outage) => Err(outage.into()),
        }
    }
}

impl Pipeline {
    /// What is known of the person to whom a mailbox belongs, however old.
    ///
    /// # Errors
    /// The store failed.
    pub async fn owner(&self, mailbox: &Mailbox) -> Result<Option<Owner>, Error> {
        let Some(person) = &mailbox.bound else { return Ok(None) };
        let provider = self.registry.find(&person.provider).ok();
        let known = provider.and_then(|provider| provider.owners.known(&person.subject));
        if let Some(Known { state, asked, off_since, .. }) = known {
            return Ok(Some(Owner { person: person.clone(), state, asked, off_since }));
        }
        let written = self.store.owner(mailbox.id).await?;
        Ok(written.filter(|owner| owner.person == *person))
    }

    /// Whether the last that a provider said of one of its people, with a mailbox or
    /// without, is that he may not log in there.
    pub fn is_off(&self, provider: &ProviderName, subject: &str) -> bool {
        let known = self.registry.find(provider).ok().and_then(|one| one.owners.known(subject));
        let off = [OwnerState::Disabled, OwnerState::Gone];
        known.is_some_and(|known| off.contains(&known.state))
    }

    /// Writes what was learnt of owners.
    pub(super) async fn save_owners(&self) -> Result<(), Error> {
        let mut owners = Vec::new();
        for provider in self.registry.connected() {
            owners.extend(provider.owners.take_unwritten());
        }
        if owners.is_empty() {
            return Ok(());
        }
        let people: Vec<_> = owners.iter().map(|owner| owner.person.clone()).collect();
        let saved = self.store.save_owners(owners).await;
        if saved.is_err() {
            for person in people {
                if let Ok(provider) = self.registry.find(&person.provider) {
                    provider.owners.still_unwritten(&person.subject);
                }
            }
        }
        Ok(saved?)
    }
}
