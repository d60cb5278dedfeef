//! Passwords whose slow hash has run already: right ones, so that it need not
//! run again, and wrong ones, so that a phone with an old password costs
//! nothing.
//!
//! A key is a keyed digest over all that the answer depends on. The digest's
//! key is made at the start and never stored: what a memory dump shows is of no
//! use without it, and nothing survives a restart.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use moka::sync::Cache;
use serde::Serialize;

use crate::{mailbox::Address, store::Account};

/// A keyed digest of account, hash and password.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct CacheKey([u8; 32]);

impl CacheKey {
    /// The one function that makes a key. Everything is there that could make
    /// the answer another: whose mailbox (its stable id, as a successor may
    /// have the address), under which name, in which state of mailbox and
    /// domain, with which hash. Fields of variable length carry their length,
    /// so that no two sets of fields read the same.
    pub(super) fn new(secret: &[u8; 32], account: &Account, hash: &str, password: &[u8]) -> Self {
        let mut digest = blake3::Hasher::new_keyed(secret);
        digest.update(&account.mailbox.id.0.to_be_bytes());
        digest.update(&account.mailbox.generation.to_be_bytes());
        digest.update(&account.domain.generation.to_be_bytes());
        for field in [account.mailbox.address.as_str().as_bytes(), hash.as_bytes(), password] {
            digest.update(&(field.len() as u64).to_be_bytes());
            digest.update(field);
        }
        Self(*digest.finalize().as_bytes())
    }
}

/// What is known of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    Right,
    Wrong,
}

/// How full the cache is, and how it does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CacheStatus {
    /// Right passwords kept.
    pub verified: u64,
    /// Wrong passwords kept.
    pub wrong: u64,
    /// Most right passwords that are kept.
    pub capacity: u64,
    /// Slow hashes spared.
    pub hits: u64,
    /// Slow hashes needed.
    pub misses: u64,
    /// Good tokens kept.
    pub tokens: u64,
    /// Questions to providers spared.
    pub token_hits: u64,
    /// Questions to providers needed.
    pub token_misses: u64,
    /// People kept whose main password a provider keeps.
    pub people: u64,
    /// Questions about people spared.
    pub people_hits: u64,
    /// Questions about people needed.
    pub people_misses: u64,
}

/// The cache. Wrong passwords have a room of their own: no guesser can crowd
/// out the right ones.
pub(super) struct VerifiedCache {
    secret: [u8; 32],
    right: Cache<CacheKey, Address>,
    wrong: Cache<CacheKey, Address>,
    capacity: u64,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl VerifiedCache {
    pub(super) fn new(secret: [u8; 32], capacity: u64, time: Duration) -> Self {
        let room = |capacity| Cache::builder().max_capacity(capacity).time_to_live(time).build();
        Self {
            secret,
            right: room(capacity),
            wrong: room(capacity / 4),
            capacity,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn key(&self, account: &Account, hash: &str, password: &[u8]) -> CacheKey {
        CacheKey::new(&self.secret, account, hash, password)
    }

    pub(super) fn look_up(&self, key: &CacheKey) -> Option<Known> {
        let known = if self.right.get(key).is_some() {
            Some(Known::Right)
        } else {
            self.wrong.get(key).map(|_| Known::Wrong)
        };
        let counter = if known.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        known
    }

    pub(super) fn keep(&self, key: CacheKey, user: Address, known: Known) {
        match known {
            Known::Right => self.right.insert(key, user),
            Known::Wrong => self.wrong.insert(key, user),
        }
    }

    /// Forgets what belongs to users for whom `flushed` holds; returns how many
    /// right passwords that were.
    pub(super) fn flush(&self, flushed: impl Fn(&Address) -> bool) -> u64 {
        let forget = |room: &Cache<CacheKey, Address>| {
            let keys = room.iter().filter(|(_, user)| flushed(user)).map(|(key, _)| *key);
            keys.map(|key| room.invalidate(&key)).count() as u64
        };
        forget(&self.wrong);
        forget(&self.right)
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.right.run_pending_tasks();
        self.wrong.run_pending_tasks();
    }

    pub(super) fn status(&self) -> CacheStatus {
        self.tidy();
        CacheStatus {
            verified: self.right.entry_count(),
            wrong: self.wrong.entry_count(),
            capacity: self.capacity,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            ..CacheStatus::default()
        }
    }
}
