//! What an administrator can set about logins.

use std::{sync::Arc, time::Duration};

use super::penalty;
use crate::{
    directory, idp,
    mailbox::NameRules,
    password::{Caps, NewScheme},
};

/// Longest delay of a refusal: some mail clients give up after 5 s, Postfix
/// after 10 s.
pub const MAX_DELAY: Duration = Duration::from_secs(4);

/// Settings of this room.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How names become addresses.
    pub names: NameRules,
    /// Pattern of the home of a mailbox that is made.
    pub home: String,
    /// Earliest answer to a refusal, counted from its arrival; at most
    /// [`MAX_DELAY`].
    pub failure_delay: Duration,
    /// How new passwords are hashed, and what an unknown name costs.
    pub default_scheme: NewScheme,
    /// The dearest hashes that are run.
    pub caps: Caps,
    /// Whether a right password whose hash is quick to guess is hashed anew.
    pub upgrade_hashes: bool,
    /// Threads that hash; 0 takes one for each core.
    pub hash_threads: usize,
    /// Hashes that may wait for a thread; what comes on top is `Unavailable`.
    pub hash_queue: usize,
    /// How long a hash may wait for a thread.
    pub hash_wait: Duration,
    /// Passwords that verified, kept so that their slow hash need not run again.
    pub verified_cache_entries: u64,
    /// How long they are kept.
    pub verified_cache_time: Duration,
    /// Counters of guesses.
    pub abuse: penalty::Settings,
    /// Providers declared in the file: they win over the store's of the same name.
    pub providers: Vec<Arc<idp::Settings>>,
    /// Directories, all of them declared in the file.
    pub directories: Vec<Arc<directory::Settings>>,
}

impl Default for Settings {
    /// The delay is Dovecot's `auth_failure_delay`, the cache's time that of
    /// its `auth_cache_ttl`. A hash that waited [`MAX_DELAY`] would come too
    /// late for the client.
    fn default() -> Self {
        Self {
            names: NameRules::default(),
            home: "/var/vmail/%d/%n".to_owned(),
            failure_delay: Duration::from_secs(2),
            default_scheme: NewScheme::default(),
            caps: Caps::default(),
            upgrade_hashes: false,
            hash_threads: 0,
            hash_queue: 1024,
            hash_wait: MAX_DELAY,
            verified_cache_entries: 100_000,
            verified_cache_time: Duration::from_secs(3600),
            abuse: penalty::Settings::default(),
            providers: Vec::new(),
            directories: Vec::new(),
        }
    }
}
