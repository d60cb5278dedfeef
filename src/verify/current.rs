//! What a reload replaces, and what it keeps.

use std::sync::Arc;

use super::{
    Cause, Settings, answers::Tallies, cache::VerifiedCache, flight::Flights, pool::HashPool,
    room::Key,
};
use crate::{mailbox::NameRules, password};

/// What a slow hash comes to.
pub(super) type Hashed = Result<Result<bool, password::Error>, Cause>;

/// Settings, and what was made by them.
pub(super) struct Current {
    pub(super) settings: Settings,
    pub(super) names: Arc<NameRules>,
    pub(super) cache: Arc<VerifiedCache>,
    pub(super) pool: Arc<HashPool>,
    pub(super) flights: Flights<Key, Hashed>,
    /// What the password of an unknown name is checked against.
    pub(super) decoy: Arc<str>,
}

impl Current {
    /// Everything new, for a start.
    pub(super) fn new(settings: Settings) -> Self {
        let cache = Arc::new(new_cache(&settings, Arc::default()));
        let pool = Arc::new(new_pool(&settings));
        Self::with(settings, cache, pool)
    }

    /// After a change of settings: cache and pool stay if nothing of theirs has
    /// changed.
    pub(super) fn after(&self, settings: Settings) -> Self {
        let cache = if cache_part(&settings) == cache_part(&self.settings) {
            Arc::clone(&self.cache)
        } else {
            Arc::new(new_cache(&settings, self.cache.tallies()))
        };
        let pool = if pool_part(&settings) == pool_part(&self.settings) {
            Arc::clone(&self.pool)
        } else {
            Arc::new(new_pool(&settings).in_place_of(&self.pool))
        };
        Self::with(settings, cache, pool)
    }

    fn with(settings: Settings, cache: Arc<VerifiedCache>, pool: Arc<HashPool>) -> Self {
        Self {
            names: Arc::new(settings.names.clone()),
            decoy: settings.default_scheme.decoy().into(),
            flights: Flights::default(),
            cache,
            pool,
            settings,
        }
    }
}

fn cache_part(settings: &Settings) -> impl PartialEq + use<> {
    (settings.verified_cache_entries, settings.verified_cache_time)
}

fn new_cache(settings: &Settings, tallies: Arc<Tallies>) -> VerifiedCache {
    let (entries, time) = (settings.verified_cache_entries, settings.verified_cache_time);
    VerifiedCache::new(entries, time, tallies)
}

fn pool_part(settings: &Settings) -> impl PartialEq + use<> {
    (settings.hash_threads, settings.hash_queue, settings.hash_wait)
}

fn new_pool(settings: &Settings) -> HashPool {
    HashPool::new(settings.hash_threads, settings.hash_queue, settings.hash_wait)
}
