//! Browsers that were sent to a provider and are not back yet.
//!
//! Each is found by its state and belongs to the browser that was sent: whoever is lured
//! to an address of the way back, with a code that is not his own, has begun nothing. It
//! is good once, and for ten minutes.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{clock::Timestamp, idp::Departure, mailbox::ProviderName, secret::Secret};

/// How long somebody has to sign in at the provider.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// Most of all; beyond, the one goes that began longest ago.
const MAX: usize = 10_000;
/// Most of one network: whoever begins without end pushes out his own.
const MAX_OF_NETWORK: usize = 200;

/// One that was begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// Where the browser was sent.
    pub(super) provider: ProviderName,
    /// What it was sent away with.
    pub(super) departure: Departure,
    /// Where its person wants to go afterwards.
    pub(super) next: String,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Pending(Arc<Mutex<HashMap<[u8; 32], Kept>>>);

#[derive(Debug)]
struct Kept {
    begun: Begun,
    browser: [u8; 32],
    network: IpAddr,
    at: Timestamp,
}

impl Kept {
    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.at) >= LIFETIME
    }
}

impl Pending {
    /// Keeps one for the browser with this secret.
    pub(super) fn keep(&self, begun: Begun, browser: &[u8], network: IpAddr, now: Timestamp) {
        let mut all = self.lock();
        all.retain(|_, kept| !kept.is_over(now));
        if all.values().filter(|kept| kept.network == network).count() >= MAX_OF_NETWORK {
            remove_oldest(&mut all, |kept| kept.network == network);
        }
        if all.len() >= MAX {
            remove_oldest(&mut all, |_| true);
        }
        let state = digest(begun.departure.state().expose());
        all.insert(state, Kept { begun, browser: digest(browser), network, at: now });
    }

    /// The one with this state, if this browser began it.
    pub(super) fn take(&self, state: &Secret, browser: &[u8], now: Timestamp) -> Option<Begun> {
        let mut all = self.lock();
        let state = digest(state.expose());
        // Digests: how far two of them are equal tells nobody anything.
        all.get(&state).filter(|kept| kept.browser == digest(browser))?;
        all.remove(&state).filter(|kept| !kept.is_over(now)).map(|kept| kept.begun)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Kept>> {
        // Each change is one step: a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_oldest(all: &mut HashMap<[u8; 32], Kept>, is_meant: impl Fn(&Kept) -> bool) {
    let meant = all.iter().filter(|(_, kept)| is_meant(kept));
    if let Some(oldest) = meant.min_by_key(|(_, kept)| kept.at).map(|(state, _)| *state) {
        all.remove(&oldest);
    }
}

fn digest(secret: &[u8]) -> [u8; 32] {
    *blake3::hash(secret).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn begun(number: u64) -> Begun {
        let [state, nonce, verifier] =
            ["state", "nonce", "verifier"].map(|what| Secret::from(&*format!("{what}-{number}")));
        let redirect = "https://auth.example.org/sign-in/corp/callback".parse().unwrap();
        Begun {
            provider: "corp".parse().unwrap(),
            departure: Departure::new(state, nonce, verifier, redirect),
            next: "/".to_owned(),
        }
    }

    fn takes(pending: &Pending, number: u64, browser: &str, now: Timestamp) -> bool {
        let state = Secret::from(&*format!("state-{number}"));
        pending.take(&state, browser.as_bytes(), now).is_some()
    }

    fn network(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    #[test]
    fn good_once_and_for_the_browser_that_began() {
        let pending = Pending::default();
        pending.keep(begun(1), b"own", network(1), NOW);
        assert!(!takes(&pending, 1, "another", NOW));
        assert!(!takes(&pending, 2, "own", NOW));
        assert!(takes(&pending, 1, "own", NOW));
        assert!(!takes(&pending, 1, "own", NOW));
        pending.keep(begun(2), b"own", network(1), NOW);
        assert!(!takes(&pending, 2, "own", NOW.after(LIFETIME)));
    }

    #[test]
    fn who_begins_without_end_pushes_out_his_own() {
        let pending = Pending::default();
        pending.keep(begun(0), b"own", network(1), NOW);
        for number in 1..=MAX_OF_NETWORK as u64 + 1 {
            pending.keep(begun(number), b"a", network(2), NOW.after(Duration::from_millis(number)));
        }
        assert!(!takes(&pending, 1, "a", NOW));
        assert!(takes(&pending, 2, "a", NOW) && takes(&pending, 0, "own", NOW));
    }

    #[test]
    fn bounded() {
        let pending = Pending::default();
        for number in 0..=MAX as u64 {
            let network = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            pending.keep(begun(number), b"a", network, NOW.after(Duration::from_millis(number)));
        }
        assert_eq!(pending.lock().len(), MAX);
        assert!(!takes(&pending, 0, "a", NOW) && takes(&pending, 1, "a", NOW));
        pending.keep(begun(1), b"a", network(1), NOW.after(LIFETIME * 2));
        assert_eq!(pending.lock().len(), 1);
    }
}
