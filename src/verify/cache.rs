//! Passwords whose slow hash has run already: right ones, so that it need not
//! run again, and wrong ones, so that a phone with an old password costs
//! nothing.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    answers::Tallies,
    purges::{Mark, Whose},
    random::random,
    room::{Counts, Fill, Key, Limits, Room},
};
use crate::{
    mailbox::{Address, AuthSource, ProviderName},
    store::Account,
};

/// What an entry may take on average, in bytes.
const ENTRY_BYTES: u64 = 768;

/// What is known of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    Right,
    Wrong,
}

/// How full a cache is, and how it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct CacheStatus {
    /// Which: `verified` and `wrong` (passwords with a slow hash), `people` and
    /// `unknown` (of the Mailpassword Flow), `tokens` and `refused_tokens`.
    pub name: &'static str,
    /// What it holds.
    pub entries: u64,
    /// What that takes, in bytes; an estimate.
    pub bytes: u64,
    /// Most entries; of all providers together, where each has a cache of its own.
    pub max_entries: u64,
    /// Most bytes.
    pub max_bytes: u64,
    /// How often it answered.
    pub hits: u64,
    /// How often what it might have answered had to be had elsewhere.
    pub misses: u64,
    /// How often it let in with an answer that was not fresh any more, while a
    /// provider could not be asked.
    pub stale: u64,
}

impl CacheStatus {
    pub(super) fn new(
        name: &'static str,
        fills: impl IntoIterator<Item = Fill>,
        counts: Counts,
    ) -> Self {
        let Counts { hits, misses, stale } = counts;
        let empty =
            Self { name, entries: 0, bytes: 0, max_entries: 0, max_bytes: 0, hits, misses, stale };
        fills.into_iter().fold(empty, |sum, fill| Self {
            entries: sum.entries + fill.entries,
            bytes: sum.bytes + fill.bytes,
            max_entries: sum.max_entries + fill.limits.entries,
            max_bytes: sum.max_bytes + fill.limits.bytes,
            ..sum
        })
    }
}

/// The cache. Wrong passwords have a room of their own: no guesser can crowd
/// out the right ones.
pub(super) struct VerifiedCache {
    secret: [u8; 32],
    time: Duration,
    right: Room<Address>,
    wrong: Room<Address>,
    tallies: Arc<Tallies>,
}

impl VerifiedCache {
    pub(super) fn new(entries: u64, time: Duration, tallies: Arc<Tallies>) -> Self {
        let limits = Limits { entries, bytes: entries.saturating_mul(ENTRY_BYTES) };
        Self {
            secret: random(),
            time,
            right: Room::new(limits),
            wrong: Room::new(limits.quarter()),
            tallies,
        }
    }

    /// The key of a password for an account and its hash. Everything is there that
    /// could make the answer another: whose mailbox (its stable id, as a successor
    /// may have the address), under which name, in which state of mailbox and domain,
    /// who keeps the hash, and the hash: where a provider keeps it, another hash there
    /// is another generation. So what is known of a wrong password may stay as long
    /// as of a right one: it is known of this hash alone. Not the service: whether it
    /// is open to the main password is looked up at each login, known password or not.
    pub(super) fn key(&self, account: &Account, hash: &str, password: &[u8]) -> Key {
        let (mailbox, domain) = (&account.mailbox, &account.domain);
        let (source, provider): (&[u8], &[u8]) = match &mailbox.auth_source {
            AuthSource::Local => (b"local", b""),
            AuthSource::Provider(name) => (b"provider", name.as_str().as_bytes()),
        };
        let fields: [&[u8]; 8] = [
            &mailbox.id.0.to_be_bytes(),
            &mailbox.generation.to_be_bytes(),
            &domain.generation.to_be_bytes(),
            mailbox.address.as_str().as_bytes(),
            source,
            provider,
            hash.as_bytes(),
            password,
        ];
        Key::new(&self.secret, &fields)
    }

    /// The key of a password for somebody who has no mailbox yet, and the hash that
    /// this provider keeps of him.
    pub(super) fn key_of_newcomer(
        &self,
        address: &Address,
        provider: &ProviderName,
        hash: &str,
        password: &[u8],
    ) -> Key {
        let fields: [&[u8]; 5] = [
            b"newcomer",
            address.as_str().as_bytes(),
            provider.as_str().as_bytes(),
            hash.as_bytes(),
            password,
        ];
        Key::new(&self.secret, &fields)
    }

    /// What is known. One look where it is right.
    pub(super) fn look_up(&self, key: &Key) -> Option<Known> {
        if self.right.get(key).is_some() {
            return Some(Known::Right);
        }
        self.wrong.get(key).map(|_| Known::Wrong)
    }

    /// Counts a hash that was spared.
    pub(super) fn count_hit(&self, known: Known) {
        match known {
            Known::Right => self.tallies.good.hit(),
            Known::Wrong => self.tallies.refused.hit(),
        }
    }

    /// Keeps what a hash came to that had to run.
    pub(super) fn keep(&self, key: Key, user: Address, known: Known) {
        let (room, tally) = match known {
            Known::Right => (&self.right, &self.tallies.good),
            Known::Wrong => (&self.wrong, &self.tallies.refused),
        };
        tally.miss();
        let (mark, bytes) = (Mark::User(user.as_str()).digest(&self.secret), user.as_str().len());
        room.put(key, user, &[mark], bytes, key.jittered(self.time));
    }

    /// Forgets what belongs to these users; returns how many right passwords that
    /// were.
    pub(super) fn flush(&self, whose: &Whose) -> u64 {
        if let Some(named) = whose.named() {
            let marks: Vec<_> = named.iter().map(|mark| mark.digest(&self.secret)).collect();
            self.wrong.forget_marked(&marks);
            return self.right.forget_marked(&marks);
        }
        self.wrong.forget_where(|user| whose.means(user));
        self.right.forget_where(|user| whose.means(user))
    }

    /// What was counted: another cache goes on with it.
    pub(super) fn tallies(&self) -> Arc<Tallies> {
        Arc::clone(&self.tallies)
    }

    pub(super) fn tidy(&self) {
        self.right.tidy();
        self.wrong.tidy();
    }

    pub(super) fn status(&self) -> [CacheStatus; 2] {
        let Tallies { good, refused } = &*self.tallies;
        [
            CacheStatus::new("verified", [self.right.fill()], good.counts()),
            CacheStatus::new("wrong", [self.wrong.fill()], refused.counts()),
        ]
    }
}
