//! A provider that can be asked about tokens and people, and what it said of
//! them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    answers::Tallies,
    owners::Owners,
    people::{PeopleCache, SaidOf},
    purges::{Mark, Whose},
    rechecks::Rechecks,
    tokens::{Good, Said, TokenCache},
    turns::Turns,
    unbound::Unbound,
};
use crate::{
    clock::Timestamp,
    idp::{self, Answer, Figures, Outage, OutageCause, Person, Provider, Step},
    mailbox::{Address, NameRules, OwnerState, ProviderName},
    secret::Secret,
};

/// One provider with its caches. Other settings make another one.
pub(super) struct Connected {
    pub(super) settings: Arc<idp::Settings>,
    pub(super) provider: Arc<Provider>,
    pub(super) tokens: Arc<TokenCache>,
    pub(super) people: Arc<PeopleCache>,
    pub(super) owners: Owners,
    pub(super) unbound: Unbound,
    pub(super) turns: Turns,
    pub(super) rechecks: Rechecks,
}

/// What is counted of providers: it goes on when another takes the place of one.
#[derive(Default)]
pub(super) struct Counted {
    /// How the caches of all of them do.
    pub(super) tokens: Arc<Tallies>,
    pub(super) people: Arc<Tallies>,
    /// Requests to each. A name stays when its provider goes: it may come back.
    requests: Mutex<BTreeMap<ProviderName, Arc<Figures>>>,
}

impl Counted {
    /// The counters of requests to this provider.
    pub(super) fn requests(&self, provider: &ProviderName) -> Arc<Figures> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(requests.entry(provider.clone()).or_default())
    }
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
    /// The person may log in at the provider: a token of one who may not would
    /// have been refused.
    pub(super) shows_enabled: bool,
}

impl Connected {
    pub(super) fn new(settings: Arc<idp::Settings>, provider: Provider, counted: &Counted) -> Self {
        Self {
            tokens: TokenCache::of(&settings, Arc::clone(&counted.tokens)).into(),
            people: PeopleCache::of(&settings, Arc::clone(&counted.people)).into(),
            owners: Owners::new(&settings),
            unbound: Unbound::new(settings.account_check),
            provider: Arc::new(provider),
            turns: Turns::default(),
            rechecks: Rechecks::default(),
            settings,
        }
    }

    /// Asks, together with whoever asks the same, and keeps the answer; nothing
    /// if it was outdated when it came.
    pub(super) async fn ask(self: &Arc<Self>, question: Question<'_>) -> Option<Said> {
        let Question { token, user, names, now } = question;
        let ask = || {
            let (own, token) = (Arc::clone(self), token.clone());
            async move {
                let number = own.owners.question();
                let Heard { said, shows_enabled, .. } = own.hear(&token, &names, now).await;
                if let Said::Good(good) = &said
                    && shows_enabled
                {
                    own.owners.learn(&good.subject, OwnerState::Enabled, now, number);
                }
                said
            }
        };
        self.tokens.ask(self.tokens.key(token.expose()), user, now, ask).await
    }

    /// Asks who has `address`, together with whoever asks the same, and keeps the
    /// answer; nothing if it was outdated when it came.
    pub(super) async fn ask_about(
        self: &Arc<Self>,
        address: &Address,
        names: Arc<NameRules>,
        now: Timestamp,
    ) -> Option<SaidOf> {
        let ask = || {
            let (own, address) = (Arc::clone(self), address.clone());
            async move {
                let number = own.owners.question();
                let said = own.look_up(&address, &names).await;
                if let SaidOf::Good(person) = &said {
                    own.owners.learn(&person.profile.subject, state_of(person), now, number);
                }
                said
            }
        };
        self.people.ask(self.people.key(address.as_str().as_bytes()), address, now, ask).await
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

    /// Forgets what was said of these users; returns how many good answers that
    /// were.
    pub(super) fn purge(&self, whose: &Whose) -> u64 {
        self.tokens.purge_users(whose) + self.people.purge_users(whose)
    }

    /// Forgets what was said of these people, by the provider's own ids of them:
    /// of their tokens, too. And which addresses are nobody's: they may be theirs
    /// by now. Returns how many good answers that were.
    pub(super) fn purge_people(&self, subjects: &BTreeSet<String>) -> u64 {
        let people = || subjects.iter().map(|subject| Mark::Person(subject));
        let tokens = self.tokens.purge_marks(people());
        let people = self.people.purge_marks(people().chain([Mark::NobodysAddress]));
        self.people.forget_refused();
        tokens + people
    }

    /// Forgets tokens of this person and of this session, nothing else; returns
    /// how many that were. All of the person's, since a token need not say of
    /// which session it is; and where nobody is named, all that do not say it.
    pub(super) fn purge_tokens(&self, subject: Option<&str>, session: Option<&str>) -> u64 {
        let person = subject.map(Mark::Person);
        let unnamed = (person.is_none() && session.is_some()).then_some(Mark::NoSession);
        let session = session.map(Mark::Session);
        self.tokens.purge_marks(person.into_iter().chain(session).chain(unnamed))
    }

    /// Forgets everything that was said; returns how many good answers that were.
    pub(super) fn purge_all(&self) -> u64 {
        self.tokens.purge_all() + self.people.purge_all()
    }

    /// Asks alone, and keeps nothing.
    pub(super) async fn try_out(&self, question: Question<'_>) -> Heard {
        self.hear(question.token, &question.names, question.now).await
    }

    async fn hear(&self, token: &Secret, names: &NameRules, now: Timestamp) -> Heard {
        let checked = self.provider.check_token(token, now).await;
        let shows_enabled =
            matches!(&checked.answer, Answer::Active(token) if token.revocation_is_shown);
        let said = match checked.answer {
            Answer::Refused(refusal) => Said::Refused(refusal.into()),
            Answer::Unavailable(outage) => Said::Unavailable(outage.into()),
            Answer::Active(token) => match Good::new(token, |claim| self.canonical(claim, names)) {
                Ok(good) => Said::Good(good.into()),
                Err(why) => {
                    let (cause, detail) = (OutageCause::Malformed, why.to_owned());
                    Said::Unavailable(Outage { cause, detail }.into())
                }
            },
        };
        Heard { said, steps: checked.steps, shows_enabled }
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

/// How a person stands who is there.
pub(super) fn state_of(person: &Person) -> OwnerState {
    if person.profile.enabled { OwnerState::Enabled } else { OwnerState::Disabled }
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
