//! What a provider said of people, for the Mailpassword Flow: one request for a
//! cold login, none for a warm one, and logins go on while it is stopped.
//!
//! An answer is *fresh* for a minute. After that it is kept for twelve hours,
//! and counts only while the provider cannot be asked. Addresses that the
//! provider does not know have a room of their own, for ten seconds: they crowd
//! out nobody. As with tokens, an answer from before a purge is neither kept nor
//! used after it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use super::tokens::is_younger;
use crate::{
    clock::Timestamp,
    idp::{LookedUp, Mailpassword, Outage, Person},
    mailbox::{Address, ProviderName},
};

/// How long an answer counts by itself.
const FRESH: Duration = Duration::from_secs(60);
/// How long one counts while the provider cannot be asked.
pub(super) const STALE_LIMIT: Duration = Duration::from_secs(12 * 3600);
/// How long nobody is asked about an address that the provider does not know.
const UNKNOWN: Duration = Duration::from_secs(10);
/// How long what does not let in is believed before it is asked for again:
/// somebody may have mended it.
pub(super) const RECHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Most of what is kept of people, in bytes: some hundred thousand of them.
const MAX_BYTES: u64 = 48 * 1024 * 1024;
/// What one takes besides texts.
const OVERHEAD_BYTES: usize = 320;
/// Most addresses that are kept as unknown.
const MAX_UNKNOWN: u64 = 10_000;

/// Whom an answer is about, and whose it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct PersonKey {
    provider: ProviderName,
    address: Address,
}

/// What a provider says of an address.
#[derive(Clone, Debug)]
pub(super) enum SaidOf {
    /// This person has it.
    Person(Arc<Person>),
    /// Nobody has it.
    Nobody,
    /// More than one has it.
    Several,
    /// The provider cannot be asked.
    Unavailable(Arc<Outage>),
}

impl From<Result<LookedUp, Outage>> for SaidOf {
    fn from(found: Result<LookedUp, Outage>) -> Self {
        match found {
            Ok(LookedUp::Person(person)) => Self::Person(person.into()),
            Ok(LookedUp::Nobody) => Self::Nobody,
            Ok(LookedUp::Several) => Self::Several,
            Err(outage) => Self::Unavailable(outage.into()),
        }
    }
}

/// An answer that was kept.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) said: SaidOf,
    /// When the provider was asked.
    pub(super) asked: Timestamp,
}

impl Known {
    /// Whether it is so young that even a refusal need not be asked for again.
    pub(super) fn is_of_just_now(&self, now: Timestamp) -> bool {
        match self.said {
            SaidOf::Nobody | SaidOf::Several => is_younger(self.asked, now, UNKNOWN),
            _ => is_younger(self.asked, now, RECHECK_INTERVAL),
        }
    }
}

/// How full the cache is, and how it does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeopleFill {
    pub(super) people: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

/// The answers of one provider.
pub(super) struct PeopleCache {
    provider: ProviderName,
    people: Cache<PersonKey, (Arc<Person>, Timestamp)>,
    unknown: Cache<PersonKey, Known>,
    /// Held while answers come and go, so that none from before a purge comes
    /// after it.
    purges: Mutex<u64>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl PeopleCache {
    pub(super) fn new(provider: ProviderName) -> Self {
        let people = Cache::builder()
            .weigher(|key: &PersonKey, (person, _): &(Arc<Person>, Timestamp)| weight(key, person))
            .max_capacity(MAX_BYTES)
            .time_to_live(STALE_LIMIT);
        Self {
            provider,
            people: people.build(),
            unknown: Cache::builder().max_capacity(MAX_UNKNOWN).time_to_live(UNKNOWN).build(),
            purges: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn key(&self, address: &Address) -> PersonKey {
        PersonKey { provider: self.provider.clone(), address: address.clone() }
    }

    /// An answer that counts by itself.
    pub(super) fn fresh(&self, key: &PersonKey, now: Timestamp) -> Option<Known> {
        let unknown = self.unknown.get(key).filter(|known| known.is_of_just_now(now));
        unknown.or_else(|| {
            let (person, asked) = self.people.get(key)?;
            let fresh = is_younger(asked, now, FRESH);
            fresh.then_some(Known { said: SaidOf::Person(person), asked })
        })
    }

    /// A person who counts while the provider cannot be asked, and since when.
    pub(super) fn last(&self, key: &PersonKey, now: Timestamp) -> Option<(Arc<Person>, Timestamp)> {
        self.people.get(key).filter(|(_, asked)| is_younger(*asked, now, STALE_LIMIT))
    }

    /// Counts a question that was spared.
    pub(super) fn count_hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a question that is asked.
    pub(super) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was purged: to be read before a request is sent.
    pub(super) fn purges(&self) -> u64 {
        *self.lock()
    }

    /// Keeps what was asked when the counter stood at `purges`, unless it has
    /// moved.
    pub(super) fn keep(&self, key: PersonKey, said: &SaidOf, asked: Timestamp, purges: u64) {
        let now = self.lock();
        if *now != purges {
            return;
        }
        match said {
            SaidOf::Person(person) => {
                self.unknown.invalidate(&key);
                self.people.insert(key, (Arc::clone(person), asked));
            }
            SaidOf::Nobody | SaidOf::Several => {
                self.people.invalidate(&key);
                self.unknown.insert(key, Known { said: said.clone(), asked });
            }
            SaidOf::Unavailable(_) => {}
        }
    }

    /// Forgets users for whom `whose` holds, and what is being asked now about
    /// anybody; returns how many people that were.
    pub(super) fn purge(&self, whose: impl Fn(&Address) -> bool) -> u64 {
        let mut purges = self.lock();
        *purges += 1;
        forget(&self.unknown, &whose);
        forget(&self.people, &whose)
    }

    /// Forgets people for whom `whose` holds, and which addresses nobody has: one
    /// of these may be theirs by now.
    pub(super) fn purge_of(&self, whose: impl Fn(&Person) -> bool) -> u64 {
        let mut purges = self.lock();
        *purges += 1;
        forget(&self.unknown, |_| true);
        let keys = self.people.iter().filter(|(_, (person, _))| whose(person)).map(|(key, _)| key);
        keys.map(|key| self.people.invalidate(&*key)).count() as u64
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.people.run_pending_tasks();
        self.unknown.run_pending_tasks();
    }

    pub(super) fn fill(&self) -> PeopleFill {
        self.tidy();
        PeopleFill {
            people: self.people.entry_count(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.purges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(key: &PersonKey, person: &Person) -> u32 {
    let hash = match &person.mailpassword {
        Mailpassword::Hash(hash) => hash.as_str().len(),
        _ => 0,
    };
    let texts = key.provider.as_str().len() + key.address.as_str().len() + person.subject.len();
    u32::try_from(OVERHEAD_BYTES + texts + hash).unwrap_or(u32::MAX)
}

fn forget<T: Clone + Send + Sync + 'static>(
    room: &Cache<PersonKey, T>,
    whose: impl Fn(&Address) -> bool,
) -> u64 {
    let keys = room.iter().filter(|(key, _)| whose(&key.address)).map(|(key, _)| key);
    keys.map(|key| room.invalidate(&*key)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn later(seconds: u64) -> Timestamp {
        NOW.after(Duration::from_secs(seconds))
    }

    fn address(name: &str) -> Address {
        Address::parse(&format!("{name}@example.org")).unwrap()
    }

    fn cache() -> PeopleCache {
        PeopleCache::new("corp".parse().unwrap())
    }

    fn person(subject: &str) -> SaidOf {
        let mailpassword = Mailpassword::Hash("{PLAIN}tea".to_owned().into());
        let subject = subject.to_owned();
        SaidOf::Person(
            Person { subject, enabled: true, email_is_verified: true, mailpassword }.into(),
        )
    }

    #[test]
    fn fresh_for_a_minute_and_kept_for_twelve_hours() {
        let cache = cache();
        let ann = cache.key(&address("ann"));
        cache.keep(ann.clone(), &person("1"), NOW, 0);
        assert!(cache.fresh(&ann, later(59)).is_some());
        assert!(cache.fresh(&ann, later(60)).is_none());
        assert!(cache.last(&ann, later(12 * 3600 - 1)).is_some());
        assert!(cache.last(&ann, later(12 * 3600)).is_none());
        // A clock that was set back makes no answer last.
        let before = Timestamp(NOW.0 - 60_000);
        assert!(cache.fresh(&ann, before).is_none());
    }

    #[test]
    fn unknown_names_are_kept_ten_seconds_and_crowd_out_nobody() {
        let cache = cache();
        let ann = cache.key(&address("ann"));
        cache.keep(ann.clone(), &person("1"), NOW, 0);
        for number in 0..20_000 {
            let key = cache.key(&address(&format!("n{number}")));
            cache.keep(key, &SaidOf::Nobody, NOW, 0);
        }
        cache.tidy();
        assert!(cache.fresh(&ann, NOW).is_some());
        assert!(cache.unknown.entry_count() <= MAX_UNKNOWN);
        let ben = cache.key(&address("ben"));
        cache.keep(ben.clone(), &SaidOf::Nobody, NOW, 0);
        assert!(cache.fresh(&ben, later(9)).is_some());
        assert!(cache.fresh(&ben, later(10)).is_none());
    }

    #[test]
    fn the_last_answer_ends_the_one_before() {
        let cache = cache();
        let ann = cache.key(&address("ann"));
        for said in [SaidOf::Nobody, SaidOf::Several] {
            cache.keep(ann.clone(), &person("1"), NOW, 0);
            cache.keep(ann.clone(), &said, NOW, 0);
            assert!(cache.last(&ann, NOW).is_none(), "who is gone does not ride on");
        }
        cache.keep(ann.clone(), &person("1"), NOW, 0);
        let said = cache.fresh(&ann, NOW).unwrap().said;
        assert!(matches!(said, SaidOf::Person(_)));
    }

    #[test]
    fn is_bounded_by_bytes() {
        let cache = cache();
        let ann = cache.key(&address("ann"));
        let SaidOf::Person(small) = person("1") else { panic!() };
        let mailpassword = Mailpassword::Hash("x".repeat(1000).into());
        let large = Person { mailpassword, ..(*small).clone() };
        assert!(weight(&ann, &large) >= weight(&ann, &small) + 990);
    }

    #[test]
    fn what_was_asked_before_a_purge_is_not_kept() {
        let cache = cache();
        let ann = cache.key(&address("ann"));
        let before = cache.purges();
        cache.keep(ann.clone(), &person("1"), NOW, before);
        assert_eq!(cache.purge(|_| true), 1);
        for said in [person("1"), SaidOf::Nobody] {
            cache.keep(ann.clone(), &said, NOW, before);
            assert!(cache.fresh(&ann, NOW).is_none());
        }
        cache.keep(ann.clone(), &person("1"), NOW, cache.purges());
        assert!(cache.fresh(&ann, NOW).is_some());
        assert_eq!(cache.purge(|user| *user == address("ben")), 0);
        assert!(cache.fresh(&ann, NOW).is_some());
    }

    proptest::proptest! {
        #[test]
        fn no_two_people_share_an_entry(
            one in "[a-c_+]{0,3}", other in "[a-c_+]{0,3}", a in "[a-c-]{0,2}", b in "[a-c-]{0,2}",
        ) {
            let key = |provider: &str, name: &str| {
                let address = Address::parse(&format!("x{name}x@example.org")).unwrap();
                PeopleCache::new(format!("p{provider}").parse().unwrap()).key(&address)
            };
            let same = (&a, &one) == (&b, &other);
            proptest::prop_assert_eq!(key(&a, &one) == key(&b, &other), same);
        }
    }
}
