//! A provider that can be asked about tokens, and what it said of them.

use std::sync::Arc;

use super::{
    flight::Flights,
    tokens::{Good, Said, TokenCache, TokenKey},
    turns::Turns,
};
use crate::{
    clock::Timestamp,
    idp::{self, Answer, Outage, OutageCause, Provider, Step},
    mailbox::{Address, NameRules},
    secret::Secret,
};

/// Most good answers that are kept of one provider: some 50 MiB at the very
/// most.
const MAX_TOKENS: u64 = 100_000;

/// One provider with its cache. Other settings make another one.
pub(super) struct Connected {
    pub(super) settings: Arc<idp::Settings>,
    pub(super) provider: Arc<Provider>,
    pub(super) tokens: TokenCache,
    pub(super) turns: Turns,
    flights: Flights<(TokenKey, u64), Said>,
}

/// What is asked.
pub(super) struct Question<'q> {
    pub(super) token: &'q Secret,
    /// Who logs in by it.
    pub(super) user: &'q Address,
    /// How names become addresses.
    pub(super) names: Arc<NameRules>,
    pub(super) now: Timestamp,
}

/// What came back.
pub(super) struct Heard {
    pub(super) said: Said,
    pub(super) steps: Vec<Step>,
}

impl Connected {
    pub(super) fn new(settings: Arc<idp::Settings>, provider: Provider) -> Self {
        let tokens = TokenCache::new(settings.name.clone(), MAX_TOKENS, settings.token_cache);
        Self {
            settings,
            provider: Arc::new(provider),
            tokens,
            turns: Turns::default(),
            flights: Flights::default(),
        }
    }

    /// Asks, together with whoever asks the same, and keeps the answer; nothing
    /// if it was outdated when it came. Who comes after a purge does not join a
    /// request from before it.
    pub(super) async fn ask(self: &Arc<Self>, question: Question<'_>) -> Option<Said> {
        let purges = self.tokens.purges();
        let key = self.tokens.key(question.token);
        let run = || {
            let own = Arc::clone(self);
            let Question { token, user, names, now } = question;
            let (token, user) = (token.clone(), user.clone());
            async move {
                own.tokens.count_miss();
                let Heard { said, .. } = own.hear(&token, &names, now).await;
                own.tokens.keep(key, &said, &user, now, purges);
                said
            }
        };
        let said = self.flights.share((key, purges), run).await;
        (self.tokens.purges() == purges).then_some(said)
    }

    /// Asks alone, and keeps nothing.
    pub(super) async fn try_out(&self, question: Question<'_>) -> Heard {
        self.hear(question.token, &question.names, question.now).await
    }

    async fn hear(&self, token: &Secret, names: &NameRules, now: Timestamp) -> Heard {
        let checked = self.provider.check_token(token, now).await;
        let said = match checked.answer {
            Answer::Refused(refusal) => Said::Refused(refusal.into()),
            Answer::Unavailable(outage) => Said::Unavailable(outage.into()),
            Answer::Active(token) => {
                match Good::new(token, |claim| self.canonical(claim, names), now) {
                    Ok(good) => Said::Good(good.into()),
                    Err(why) => {
                        let (cause, detail) = (OutageCause::Malformed, why.to_owned());
                        Said::Unavailable(Outage { cause, detail }.into())
                    }
                }
            }
        };
        Heard { said, steps: checked.steps }
    }

    /// The address that a user claim means. What has no domain belongs into the
    /// provider's own default domain: ours is for what clients leave out.
    fn canonical(&self, claim: &str, names: &NameRules) -> Result<Address, String> {
        let names = NameRules {
            default_domain: self.settings.default_domain.clone(),
            further_local_bytes: names.further_local_bytes.clone(),
        };
        names.canonical(claim.as_bytes()).map_err(|error| {
            let name = &self.settings.user_claim;
            format!("the token's {name}, \"{}\", is no address: {error}", shown(claim))
        })
    }
}

/// The beginning of a foreign text, printable.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 64;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
