//! A provider that can be asked about tokens and people, and what it said of
//! them.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    flight::Flights,
    people::{PeopleCache, PersonKey, SaidOf},
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
    pub(super) people: PeopleCache,
    pub(super) turns: Turns,
    flights: Flights<(TokenKey, u64), Said>,
    look_ups: Flights<(PersonKey, u64), SaidOf>,
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
            people: PeopleCache::new(settings.name.clone()),
            settings,
            provider: Arc::new(provider),
            tokens,
            turns: Turns::default(),
            flights: Flights::default(),
            look_ups: Flights::default(),
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

    /// Asks who has `address`, together with whoever asks the same, and keeps the
    /// answer; nothing if it was outdated when it came.
    pub(super) async fn ask_about(
        self: &Arc<Self>,
        address: &Address,
        names: Arc<NameRules>,
        now: Timestamp,
    ) -> Option<SaidOf> {
        let purges = self.people.purges();
        let key = self.people.key(address);
        let run = || {
            let (own, key, address) = (Arc::clone(self), key.clone(), address.clone());
            async move {
                own.people.count_miss();
                let said = own.look_up(&address, &names).await;
                own.people.keep(key, &said, now, purges);
                said
            }
        };
        let said = self.look_ups.share((key.clone(), purges), run).await;
        (self.people.purges() == purges).then_some(said)
    }

    /// Asks alone who has `address`, and keeps nothing. What the provider finds
    /// is compared by our own rules, without any default domain: an address
    /// there is a whole one.
    pub(super) async fn look_up(&self, address: &Address, names: &NameRules) -> SaidOf {
        let names = NameRules {
            default_domain: None,
            further_local_bytes: names.further_local_bytes.clone(),
        };
        let is_it = |email: &str| names.canonical(email.as_bytes()).as_ref() == Ok(address);
        self.provider.look_up(address.as_str(), is_it).await.into()
    }

    /// Forgets what was said of users for whom `whose` holds; returns how many
    /// good answers that were.
    pub(super) fn purge(&self, whose: impl Fn(&Address) -> bool) -> u64 {
        self.tokens.purge(&whose) + self.people.purge(&whose)
    }

    /// Forgets what was said of these people, by the provider's own ids of them:
    /// of their tokens, too, and which addresses nobody has. Returns how many good
    /// answers that were.
    #[allow(dead_code, reason = "called by who hears of changes at the provider")]
    pub(super) fn purge_people(&self, subjects: &BTreeSet<String>) -> u64 {
        self.tokens.purge_of(|good| subjects.contains(&good.subject))
            + self.people.purge_of(|person| subjects.contains(&person.subject))
    }

    /// Forgets tokens of this person and of this session, nothing else; returns
    /// how many that were. A token that does not say of which session it is may
    /// be of any of its person's.
    #[allow(dead_code, reason = "called by who hears of changes at the provider")]
    pub(super) fn purge_tokens(&self, subject: Option<&str>, session: Option<&str>) -> u64 {
        self.tokens.purge_of(|good| match (subject, session) {
            (Some(subject), _) => good.subject == subject,
            (None, Some(_)) => true,
            (None, None) => false,
        })
    }

    /// Forgets everything that was said; returns how many good answers that were.
    pub(super) fn purge_all(&self) -> u64 {
        self.purge(|_| true)
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
