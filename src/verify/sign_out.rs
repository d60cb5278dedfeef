//! `OpenID` Connect Back-Channel Logout 1.0: a provider says that somebody signed
//! out, and what it said of his tokens counts no more. It touches neither what
//! it says of people nor any password: who signs out at the provider is still
//! who he is.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Pipeline, providers::Obstacle};
use crate::{
    clock::Timestamp,
    idp::{Logout, LogoutRefused, Outage},
    mailbox::ProviderName,
    secret::Secret,
};

/// Ids of logout tokens that are remembered of one provider. Only it can make
/// more: none is remembered that is not good.
const MAX_SEEN: usize = 10_000;

/// Why nobody was signed out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignOutRefused {
    /// There is no provider of this name.
    UnknownProvider,
    /// The logout token is not good, for the reason given. It holds nothing of
    /// the token but claims that the provider signed.
    Bad(String),
    /// It cannot be told: the provider's keys cannot be had, or our settings are
    /// not enough to check one.
    Unavailable(String),
}

/// Who was signed out: at least one of both is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedOut {
    /// The person, by the provider's own id.
    pub subject: Option<String>,
    /// His session there that ended; all of them where there is none.
    pub session: Option<String>,
}

/// Logout tokens of a provider since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SignOutCounts {
    /// Good ones.
    pub accepted: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those of which nothing could be told.
    pub unavailable: u64,
}

/// What is remembered of logout tokens, by provider. Other settings of a
/// provider change nothing in it.
#[derive(Default)]
pub(super) struct SignOuts(Mutex<BTreeMap<ProviderName, Memory>>);

#[derive(Default)]
struct Memory {
    /// Digests of ids, and until when their tokens would be taken again.
    seen: HashMap<[u8; 32], Timestamp>,
    counts: SignOutCounts,
}

impl SignOuts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProviderName, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this token is taken for the first time, which it is only once.
    fn is_new(&self, provider: &ProviderName, logout: &Logout, now: Timestamp) -> bool {
        let mut known = self.lock();
        known.entry(provider.clone()).or_default().remember(logout, now)
    }

    fn count(&self, provider: &ProviderName, outcome: &Result<SignedOut, SignOutRefused>) {
        let mut known = self.lock();
        let counts = &mut known.entry(provider.clone()).or_default().counts;
        match outcome {
            Ok(_) => counts.accepted += 1,
            Err(SignOutRefused::Bad(_)) => counts.refused += 1,
            Err(SignOutRefused::Unavailable(_) | SignOutRefused::UnknownProvider) => {
                counts.unavailable += 1;
            }
        }
    }
}

impl Memory {
    fn remember(&mut self, logout: &Logout, now: Timestamp) -> bool {
        let id = *blake3::hash(logout.id.as_bytes()).as_bytes();
        if self.seen.contains_key(&id) {
            return false;
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.retain(|_, until| *until > now);
        }
        if self.seen.len() >= MAX_SEEN
            && let Some(first) = self.seen.iter().min_by_key(|(_, until)| **until)
        {
            let first = *first.0;
            self.seen.remove(&first);
        }
        self.seen.insert(id, logout.expires);
        true
    }
}

impl Pipeline {
    /// Forgets what a provider said of the tokens that its logout token names; returns
    /// whose these were.
    pub async fn sign_out(
        &self,
        provider: &ProviderName,
        token: &Secret,
        now: Timestamp,
    ) -> Result<SignedOut, SignOutRefused> {
        let connected = self.registry.find(provider).map_err(|obstacle| match obstacle {
            Obstacle::NotConfigured => SignOutRefused::UnknownProvider,
            Obstacle::Settings(_) => SignOutRefused::Unavailable(obstacle.detail()),
        })?;
        let Some(asked) = connected.provider() else { return Err(SignOutRefused::UnknownProvider) };
        let outcome = match asked.check_logout_token(token, now).await {
            Ok(logout) if self.sign_outs.is_new(provider, &logout, now) => {
                let Logout { subject, session, .. } = logout;
                // Another may be in force by now, who was told of the token before it.
                let connected = self.registry.find(provider).unwrap_or(connected);
                let tokens = connected.purge_tokens(subject.as_deref(), session.as_deref());
                tracing::info!(
                    %provider,
                    person = subject.as_deref().unwrap_or("-"),
                    one_session = session.is_some(),
                    tokens,
                    "signed out"
                );
                Ok(SignedOut { subject, session })
            }
            Ok(_) => Err(SignOutRefused::Bad("its jti was seen before".to_owned())),
            Err(LogoutRefused::Bad(why)) => Err(SignOutRefused::Bad(why)),
            Err(LogoutRefused::Unavailable(Outage { detail, .. })) => {
                Err(SignOutRefused::Unavailable(detail))
            }
        };
        self.sign_outs.count(provider, &outcome);
        outcome
    }

    /// Whether there is a provider of this name, be its settings right or wrong.
    pub fn has_provider(&self, name: &ProviderName) -> bool {
        match self.registry.find(name) {
            Ok(connected) => connected.provider().is_some(),
            Err(obstacle) => !matches!(obstacle, Obstacle::NotConfigured),
        }
    }

    /// Logout tokens of each provider that has sent some.
    pub fn sign_outs(&self) -> BTreeMap<ProviderName, SignOutCounts> {
        let known = self.sign_outs.lock();
        known.iter().map(|(provider, memory)| (provider.clone(), memory.counts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logout(id: &str, expires: u64) -> Logout {
        Logout {
            subject: None,
            session: Some("s".to_owned()),
            id: id.to_owned(),
            expires: Timestamp(expires),
        }
    }

    #[test]
    fn an_id_is_taken_once_and_by_each_provider_apart() {
        let sign_outs = SignOuts::default();
        let (corp, other): (ProviderName, ProviderName) =
            ("corp".parse().unwrap(), "other".parse().unwrap());
        let now = Timestamp(0);
        assert!(sign_outs.is_new(&corp, &logout("a", 10), now));
        assert!(!sign_outs.is_new(&corp, &logout("a", 10), now));
        assert!(!sign_outs.is_new(&corp, &logout("a", 20), now), "whatever else it says");
        assert!(sign_outs.is_new(&other, &logout("a", 10), now));
        assert!(sign_outs.is_new(&corp, &logout("b", 10), now));
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_goes_first() {
        let mut memory = Memory::default();
        for id in 0..MAX_SEEN as u64 {
            assert!(memory.remember(&logout(&id.to_string(), 10 + id), Timestamp(0)));
        }
        assert!(memory.remember(&logout("one more", 1_000_000), Timestamp(0)));
        assert_eq!(memory.seen.len(), MAX_SEEN);
        assert!(!memory.remember(&logout("1", 11), Timestamp(0)), "the next to end is still there");
        assert!(memory.remember(&logout("later", 1_000_000), Timestamp(500_000)));
        assert_eq!(memory.seen.len(), 2);
    }
}
