//! What a provider said of tokens, so that it need not be asked at every login,
//! and can be stopped for a while.
//!
//! A good answer is *fresh* for the provider's `token_cache`, and never past
//! the token's own end. After that it is kept for as long as it may count while
//! the provider cannot be asked: until the token's end, or ten minutes where
//! that is not known. A refusal ends it; and refusals have a room of their own,
//! so that made-up tokens crowd out nobody's.
//!
//! Each cache has a purge counter. It is read before a request is sent, and an
//! answer from before a purge is neither kept nor used after it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};

use super::{person::unfit_subject, random::random};
use crate::{
    clock::Timestamp,
    idp::{Outage, Refusal, Token},
    mailbox::{Address, ProviderName},
    secret::Secret,
};

/// How long a token without a known end counts while the provider is down.
const WITHOUT_END: Duration = Duration::from_secs(600);
/// Longest time that any good answer is kept.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// A keyed digest of provider and token.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct TokenKey([u8; 32]);

impl TokenKey {
    fn new(secret: &[u8; 32], provider: &ProviderName, token: &[u8]) -> Self {
        let provider = provider.as_str().as_bytes();
        let mut digest = blake3::Hasher::new_keyed(secret);
        digest.update(&(provider.len() as u64).to_be_bytes());
        digest.update(provider);
        digest.update(token);
        Self(*digest.finalize().as_bytes())
    }
}

/// Whom a good token speaks of, and when the provider said so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Good {
    /// The provider's own id of the person.
    pub(super) subject: String,
    /// The user claim in canonical form, or why it has none.
    pub(super) user: Result<Address, String>,
    /// Whether the provider has verified it.
    pub(super) user_is_verified: bool,
    /// End of the token, where that is known.
    pub(super) expires: Option<Timestamp>,
    /// When the provider was asked.
    pub(super) asked: Timestamp,
}

impl Good {
    /// From what the provider said, with the user claim as `canonical` has it.
    ///
    /// # Errors
    /// What the provider said of the person is no id.
    pub(super) fn new(
        token: Token,
        canonical: impl FnOnce(&str) -> Result<Address, String>,
        asked: Timestamp,
    ) -> Result<Self, &'static str> {
        let Token { subject, user, user_is_verified, expires, .. } = token;
        if let Some(why) = unfit_subject(&subject) {
            return Err(why);
        }
        let user =
            user.as_deref().map_or_else(|| Err("the token names no user".to_owned()), canonical);
        Ok(Self { subject, user, user_is_verified, expires, asked })
    }

    /// Whether it speaks of this user.
    pub(super) fn is_of(&self, user: &Address) -> bool {
        self.user.as_ref() == Ok(user)
    }

    /// A clock that was set back makes no answer last: the distance counts.
    fn is_fresh(&self, now: Timestamp, time: Duration) -> bool {
        is_younger(self.asked, now, time) && self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it counts while the provider cannot be asked.
    fn still_counts(&self, now: Timestamp) -> bool {
        match self.expires {
            Some(expires) => now < expires && is_younger(self.asked, now, LONGEST),
            None => is_younger(self.asked, now, WITHOUT_END),
        }
    }

    fn kept_for(&self) -> Duration {
        self.expires.map_or(WITHOUT_END, |expires| expires.since(self.asked).min(LONGEST))
    }
}

pub(super) fn is_younger(asked: Timestamp, now: Timestamp, time: Duration) -> bool {
    Duration::from_millis(asked.0.abs_diff(now.0)) < time
}

/// What a provider says of a token, with its words made safe to use.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// It vouches for it.
    Good(Arc<Good>),
    /// It refuses it.
    Refused(Arc<Refusal>),
    /// It cannot be asked.
    Unavailable(Arc<Outage>),
}

/// An answer, and whose it is: for purges by mask.
#[derive(Clone)]
struct Kept<T> {
    said: T,
    asked: Timestamp,
    about: Address,
}

/// How full a token cache is, and how it does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fill {
    pub(super) tokens: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

/// Keeps a good answer no longer than it can be of use.
struct WhileOfUse;

impl Expiry<TokenKey, Kept<Arc<Good>>> for WhileOfUse {
    fn expire_after_create(
        &self,
        _key: &TokenKey,
        kept: &Kept<Arc<Good>>,
        _created: Instant,
    ) -> Option<Duration> {
        Some(kept.said.kept_for())
    }

    fn expire_after_update(
        &self,
        _key: &TokenKey,
        kept: &Kept<Arc<Good>>,
        _updated: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.said.kept_for())
    }
}

/// The answers of one provider.
pub(super) struct TokenCache {
    secret: [u8; 32],
    provider: ProviderName,
    /// How long an answer is fresh.
    time: Duration,
    good: Cache<TokenKey, Kept<Arc<Good>>>,
    refused: Cache<TokenKey, Kept<Arc<Refusal>>>,
    /// Held while answers come and go, so that none from before a purge comes
    /// after it.
    purges: Mutex<u64>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl TokenCache {
    pub(super) fn new(provider: ProviderName, capacity: u64, time: Duration) -> Self {
        Self {
            secret: random(),
            provider,
            time,
            good: Cache::builder().max_capacity(capacity).expire_after(WhileOfUse).build(),
            refused: Cache::builder().max_capacity(capacity / 4).time_to_live(time).build(),
            purges: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn key(&self, token: &Secret) -> TokenKey {
        TokenKey::new(&self.secret, &self.provider, token.expose())
    }

    /// A fresh answer.
    pub(super) fn fresh(&self, key: &TokenKey, now: Timestamp) -> Option<Said> {
        self.fresh_refusal(key, now).or_else(|| {
            let good = self.good.get(key)?.said;
            good.is_fresh(now, self.time).then_some(Said::Good(good))
        })
    }

    /// Counts a question that was spared.
    pub(super) fn count_hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a question that is asked.
    pub(super) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    fn fresh_refusal(&self, key: &TokenKey, now: Timestamp) -> Option<Said> {
        let kept = self.refused.get(key)?;
        is_younger(kept.asked, now, self.time).then_some(Said::Refused(kept.said))
    }

    /// A good answer that counts while the provider cannot be asked.
    pub(super) fn last_good(&self, key: &TokenKey, now: Timestamp) -> Option<Arc<Good>> {
        Some(self.good.get(key)?.said).filter(|good| good.still_counts(now))
    }

    /// How often it was purged: to be read before a request is sent.
    pub(super) fn purges(&self) -> u64 {
        *self.lock()
    }

    /// Keeps what was asked when the counter stood at `purges`, unless it has
    /// moved. `user` is who logs in by it.
    pub(super) fn keep(
        &self,
        key: TokenKey,
        said: &Said,
        user: &Address,
        asked: Timestamp,
        purges: u64,
    ) {
        let now = self.lock();
        if *now != purges {
            return;
        }
        match said {
            Said::Good(good) => {
                self.refused.invalidate(&key);
                let about = good.user.as_ref().unwrap_or(user).clone();
                self.good.insert(key, Kept { said: Arc::clone(good), asked, about });
            }
            Said::Refused(refusal) => {
                self.good.invalidate(&key);
                let (said, about) = (Arc::clone(refusal), user.clone());
                self.refused.insert(key, Kept { said, asked, about });
            }
            Said::Unavailable(_) => {}
        }
    }

    /// Forgets what is said about users for whom `whose` holds, and what is
    /// being asked now about anybody; returns how many good answers that were.
    pub(super) fn purge(&self, whose: impl Fn(&Address) -> bool) -> u64 {
        let mut purges = self.lock();
        *purges += 1;
        forget(&self.refused, &whose);
        forget(&self.good, &whose)
    }

    /// Forgets good answers for which `whose` holds.
    pub(super) fn purge_of(&self, whose: impl Fn(&Good) -> bool) -> u64 {
        let mut purges = self.lock();
        *purges += 1;
        let keys = self.good.iter().filter(|(_, kept)| whose(&kept.said)).map(|(key, _)| *key);
        keys.map(|key| self.good.invalidate(&key)).count() as u64
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.good.run_pending_tasks();
        self.refused.run_pending_tasks();
    }

    pub(super) fn fill(&self) -> Fill {
        self.tidy();
        Fill {
            tokens: self.good.entry_count(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.purges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget<T: Clone + Send + Sync + 'static>(
    room: &Cache<TokenKey, Kept<T>>,
    whose: impl Fn(&Address) -> bool,
) -> u64 {
    let keys = room.iter().filter(|(_, kept)| whose(&kept.about)).map(|(key, _)| *key);
    keys.map(|key| room.invalidate(&key)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idp::Refused;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn name(name: &str) -> ProviderName {
        name.parse().unwrap()
    }

    fn ann() -> Address {
        Address::parse("ann@example.org").unwrap()
    }

    fn good() -> Said {
        let token = Token {
            subject: "1".to_owned(),
            user: Some("ann@example.org".to_owned()),
            user_is_verified: true,
            expires: None,
            session: None,
            revocation_is_shown: true,
        };
        Said::Good(Good::new(token, |_| Ok(ann()), NOW).unwrap().into())
    }

    fn refused() -> Said {
        let detail = "over".to_owned();
        Said::Refused(Refusal { why: Refused::Expired, detail }.into())
    }

    fn cache(capacity: u64) -> TokenCache {
        TokenCache::new(name("corp"), capacity, Duration::from_secs(60))
    }

    #[test]
    fn keys_carry_the_provider() {
        let key = |provider: &str, token: &[u8]| TokenKey::new(&[1; 32], &name(provider), token);
        assert!(key("corp", b"token") == key("corp", b"token"));
        assert!(key("corp", b"token") != key("other", b"token"));
        assert!(key("corp", b"token") != key("corpt", b"oken"));
    }

    #[test]
    fn refusals_crowd_out_no_good_answer() {
        let cache = cache(8);
        let key = |number: u32| cache.key(&Secret::new(number.to_be_bytes()));
        cache.keep(key(0), &good(), &ann(), NOW, 0);
        for number in 1..1000 {
            cache.keep(key(number), &refused(), &ann(), NOW, 0);
        }
        cache.tidy();
        assert!(matches!(cache.fresh(&key(0), NOW), Some(Said::Good(_))));
        assert!(cache.refused.entry_count() <= 2);
    }

    #[test]
    fn the_last_answer_ends_the_one_before() {
        let cache = cache(8);
        let key = cache.key(&Secret::from("token"));
        cache.keep(key, &good(), &ann(), NOW, 0);
        cache.keep(key, &refused(), &ann(), NOW, 0);
        assert!(matches!(cache.fresh(&key, NOW), Some(Said::Refused(_))));
        assert!(cache.last_good(&key, NOW).is_none());
        cache.keep(key, &good(), &ann(), NOW, 0);
        assert!(matches!(cache.fresh(&key, NOW), Some(Said::Good(_))));
    }

    #[test]
    fn what_was_asked_before_a_purge_is_not_kept() {
        let cache = cache(8);
        let key = cache.key(&Secret::from("token"));
        let before = cache.purges();
        cache.keep(key, &good(), &ann(), NOW, before);
        assert_eq!(cache.purge(|_| true), 1);
        for said in [good(), refused()] {
            cache.keep(key, &said, &ann(), NOW, before);
            assert!(cache.fresh(&key, NOW).is_none());
        }
        cache.keep(key, &good(), &ann(), NOW, cache.purges());
        assert!(cache.fresh(&key, NOW).is_some());
    }
}
