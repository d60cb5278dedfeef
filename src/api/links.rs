//! One-time addresses by which somebody becomes an administrator of the pages. They live
//! in the server's memory, as digests, for a few minutes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{clock::Timestamp, secret::Secret};

/// How long one is good.
pub const LIFETIME: Duration = Duration::from_secs(600);
/// Most of them; beyond, the oldest goes.
const MAX_LINKS: usize = 100;

/// Those that nobody has used yet.
#[derive(Debug, Default)]
pub struct Links(Mutex<HashMap<[u8; 32], Link>>);

#[derive(Clone, Copy, Debug)]
struct Link {
    made_by: u32,
    made: Timestamp,
}

impl Links {
    /// Makes one for a user of this machine; returns its secret.
    pub(super) fn make(&self, made_by: u32, now: Timestamp) -> Result<Secret, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let secret = Secret::from(BASE64_URL_SAFE_NO_PAD.encode(bytes).as_str());
        let mut all = self.lock();
        all.retain(|_, link| link.is_good(now));
        if all.len() >= MAX_LINKS {
            let oldest = all.iter().min_by_key(|(_, link)| link.made).map(|(digest, _)| *digest);
            oldest.and_then(|digest| all.remove(&digest));
        }
        all.insert(digest(secret.expose()), Link { made_by, made: now });
        Ok(secret)
    }

    /// Uses one up: who had it made, if it is good.
    pub fn redeem(&self, secret: &[u8], now: Timestamp) -> Option<u32> {
        let link = self.lock().remove(&digest(secret))?;
        link.is_good(now).then_some(link.made_by)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Link>> {
        // Each change is one step: a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn is_good(&self, now: Timestamp) -> bool {
        now.since(self.made) < LIFETIME
    }
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn a_link_is_good_once_and_for_a_while() {
        let links = Links::default();
        let secret = links.make(7, NOW).unwrap();
        assert_eq!(links.redeem(b"made up", NOW), None);
        assert_eq!(links.redeem(secret.expose(), NOW), Some(7));
        assert_eq!(links.redeem(secret.expose(), NOW), None);
        let late = links.make(7, NOW).unwrap();
        assert_eq!(links.redeem(late.expose(), NOW.after(LIFETIME)), None);
        assert!(!format!("{links:?}").contains(std::str::from_utf8(late.expose()).unwrap()));
    }

    #[test]
    fn the_oldest_makes_room() {
        let links = Links::default();
        let first = links.make(7, NOW).unwrap();
        let later = NOW.after(Duration::from_secs(1));
        let second = links.make(7, later).unwrap();
        for _ in 0..MAX_LINKS - 1 {
            links.make(7, later.after(Duration::from_secs(1))).unwrap();
        }
        assert_eq!(links.redeem(first.expose(), later), None);
        assert_eq!(links.redeem(second.expose(), later), Some(7));
    }
}
