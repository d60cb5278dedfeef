//! What a provider said of tokens, so that it need not be asked at every login,
//! and can be stopped for a while. How answers are kept, see `answers`.
//!
//! A good answer is fresh for the provider's `token_cache`, and never past the
//! token's own end. After that it is kept for as long as it may count while the
//! provider cannot be asked: until the token's end, or ten minutes where that is
//! not known, and never longer than `stale_limit`.

use std::{sync::Arc, time::Duration};

use super::{
    answers::{Answer, Answers, Lasts, LetsIn, Said as Answered, Tallies, Times},
    person::unfit_subject,
    purges::Mark,
    room::Limits,
};
use crate::{
    clock::Timestamp,
    idp::{self, Refusal, Token},
    mailbox::{Address, Profile, ProviderName},
};

/// How long a token without a known end counts while the provider is down.
const WITHOUT_END: Duration = Duration::from_secs(600);
/// Longest time that any good answer is kept.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// Most good answers that are kept of one provider.
const TOKENS: Limits = Limits { entries: 100_000, bytes: 96 * 1024 * 1024 };

/// The answers of one provider about tokens.
pub(super) type TokenCache = Answers<Good, Refusal>;
/// What a provider says of a token, with its words made safe to use.
pub(super) type Said = Answered<Good, Refusal>;

/// Whom a good token speaks of, and when the provider said so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Good {
    /// The provider's own id of the person.
    pub(super) subject: String,
    /// The user claim in canonical form, or why it has none.
    pub(super) user: Result<Address, String>,
    /// Whether the provider has verified it.
    pub(super) user_is_verified: bool,
    /// What it tells of the person, as far as his mailbox follows it.
    pub(super) profile: Profile,
    /// End of the token, where that is known.
    pub(super) expires: Option<Timestamp>,
    /// The session that it belongs to at the provider, where that is known.
    pub(super) session: Option<String>,
    /// What was revoked would have been refused.
    pub(super) revocation_is_shown: bool,
}

impl Good {
    /// From what the provider said, with the user claim as `canonical` has it.
    ///
    /// # Errors
    /// What the provider said of the person is no id.
    pub(super) fn new(
        token: Token,
        canonical: impl FnOnce(&str) -> Result<Address, String>,
    ) -> Result<Self, &'static str> {
        let Token { revocation_is_shown, expires, session, .. } = token;
        let Token { subject, user, user_is_verified, profile, .. } = token;
        if let Some(why) = unfit_subject(&subject) {
            return Err(why);
        }
        let user =
            user.as_deref().map_or_else(|| Err("the token names no user".to_owned()), canonical);
        Ok(Self {
            subject,
            user,
            user_is_verified,
            profile: *profile,
            expires,
            session,
            revocation_is_shown,
        })
    }

    /// Whether it speaks of this user.
    pub(super) fn is_of(&self, user: &Address) -> bool {
        self.user.as_ref() == Ok(user)
    }
}

impl Answer for Good {
    fn marks(&self) -> Vec<Mark<'_>> {
        let session = self.session.as_deref().map_or(Mark::NoSession, Mark::Session);
        vec![Mark::Person(&self.subject), session]
    }

    fn bytes(&self) -> usize {
        let user = match &self.user {
            Ok(address) => address.as_str().len(),
            Err(why) => why.len(),
        };
        let session = self.session.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.subject.len() + session + user + self.profile.bytes()
    }
}

impl LetsIn for Good {
    fn lasts(&self, asked: Timestamp, times: &Times) -> Lasts {
        let left = self.expires.map(|expires| expires.since(asked));
        let longest = LONGEST.min(times.stale);
        Lasts {
            fresh: left.unwrap_or(times.fresh).min(times.fresh),
            stale: left.unwrap_or(WITHOUT_END).min(longest),
        }
    }

    fn about(&self) -> Option<&Address> {
        self.user.as_ref().ok()
    }
}

impl Answer for Refusal {
    fn marks(&self) -> Vec<Mark<'_>> {
        Vec::new()
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.detail.len()
    }
}

impl TokenCache {
    pub(super) fn of(settings: &idp::Settings, tallies: Arc<Tallies>) -> Self {
        let times = Times {
            fresh: settings.token_cache,
            refused: settings.token_cache,
            stale: settings.stale_limit,
        };
        Self::new(settings.name.clone(), times, [TOKENS, TOKENS.quarter()], tallies)
    }

    /// Of who knows no tokens.
    pub(super) fn of_none(name: &ProviderName) -> Self {
        let times = Times { fresh: Duration::ZERO, refused: Duration::ZERO, stale: Duration::ZERO };
        let nothing = Limits { entries: 0, bytes: 0 };
        Self::new(name.clone(), times, [nothing, nothing], Arc::default())
    }
}
