//! A provider that can be asked about tokens and people, or a directory that can be
//! asked about people, and what it said of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use super::{
    answers::Tallies,
    binds::Binds,
    owners::Owners,
    people::{NoPerson, PeopleCache, Person, SaidOf},
    purges::{Mark, Whose},
    rechecks::Rechecks,
    terms::Terms,
    tokens::{Good, Said, TokenCache},
    turns::Turns,
    unbound::Unbound,
};
use crate::{
    clock::Timestamp,
    directory::{Directory, Found},
    idp::{self, Answer, Figures, Outage, OutageCause, Provider, Step},
    mailbox::{Address, Domain, NameRules, OwnerState, Profile, ProviderName},
    provision,
    secret::Secret,
};

/// What a directory is called as the one that checks a main password.
pub(super) const VERIFIER_DIRECTORY: &str = "directory";

/// One provider or directory with its caches. Other settings make another one.
pub(super) struct Connected {
    pub(super) settings: Terms,
    /// Whose mailboxes follow it, and how.
    pub(super) source: Arc<provision::Source>,
    pub(super) asked: Whom,
    pub(super) tokens: Arc<TokenCache>,
    pub(super) people: Arc<PeopleCache>,
    pub(super) owners: Owners,
    pub(super) unbound: Unbound,
    pub(super) turns: Turns,
    pub(super) rechecks: Rechecks,
    /// Passwords that a directory found right or wrong itself.
    pub(super) binds: Binds,
    /// A directory has changed, and no sync has begun since.
    pub(super) changed: AtomicBool,
}

/// Who is asked.
#[derive(Clone)]
pub(super) enum Whom {
    /// An identity provider: about tokens and people.
    Provider(Arc<Provider>),
    /// A directory: about people.
    Directory(Arc<Directory>),
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
    /// A provider.
    pub(super) fn to_provider(provider: Provider, counted: &Counted) -> Self {
        let settings = provider.settings();
        let tokens = TokenCache::of(settings, Arc::clone(&counted.tokens));
        let source = provision::Source::of_provider(settings);
        let terms = Terms::of_provider(settings);
        Self::new(terms, source, Whom::Provider(provider.into()), tokens, counted)
    }

    /// A directory. It knows no tokens.
    pub(super) fn to_directory(directory: Directory, counted: &Counted) -> Self {
        let settings = directory.settings();
        let tokens = TokenCache::of_none(&settings.name);
        let source = provision::Source::of_directory(settings);
        let terms = Terms::of_directory(settings);
        Self::new(terms, source, Whom::Directory(directory.into()), tokens, counted)
    }

    fn new(
        settings: Terms,
        source: provision::Source,
        asked: Whom,
        tokens: TokenCache,
        counted: &Counted,
    ) -> Self {
        let is_readable = match &asked {
            Whom::Provider(_) => false,
            Whom::Directory(directory) => {
                directory.is_polled() && directory.status().read.is_some()
            }
        };
        Self {
            tokens: tokens.into(),
            people: PeopleCache::of(&settings, Arc::clone(&counted.people)).into(),
            owners: Owners::new(&settings),
            unbound: Unbound::new(settings.account_check),
            turns: Turns::default(),
            rechecks: Rechecks::default(),
            binds: Binds::new(&settings),
            // At the start nobody knows what was changed before.
            changed: AtomicBool::new(is_readable),
            source: source.into(),
            asked,
            settings,
        }
    }

    /// The provider, if it is one.
    pub(super) fn provider(&self) -> Option<&Arc<Provider>> {
        match &self.asked {
            Whom::Provider(provider) => Some(provider),
            Whom::Directory(_) => None,
        }
    }

    /// The directory, if it is one.
    pub(super) fn directory(&self) -> Option<&Arc<Directory>> {
        match &self.asked {
            Whom::Provider(_) => None,
            Whom::Directory(directory) => Some(directory),
        }
    }

    /// Whether it is a directory that lies in memory, and is looked at for changes.
    pub(super) fn is_polled(&self) -> bool {
        self.directory().is_some_and(|directory| directory.is_polled())
    }

    /// Whether it speaks for the domain.
    pub(super) fn speaks_for(&self, domain: &Domain) -> bool {
        self.source.speaks_for(domain)
    }

    /// How it stands beside the mailboxes that follow it.
    pub(super) fn in_words(&self) -> String {
        let name = &self.settings.name;
        match &self.asked {
            Whom::Provider(_) => format!("provider {name}, Mailpassword Flow"),
            Whom::Directory(directory) => {
                format!("directory {name}, {}", directory.settings().kind_name())
            }
        }
    }

    /// What checks a main password by it, for logs.
    pub(super) fn verifier(&self) -> &'static str {
        match &self.asked {
            Whom::Provider(_) => "mailpassword",
            Whom::Directory(_) => VERIFIER_DIRECTORY,
        }
    }

    /// Whether main passwords are checked by what it says.
    pub(super) fn checks_passwords(&self) -> bool {
        self.provider().is_none_or(|provider| provider.settings().password_attribute.is_some())
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
                    own.owners.learn(
                        &person.profile.subject,
                        state_of(&person.profile),
                        now,
                        number,
                    );
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
        let provider = match &self.asked {
            Whom::Provider(provider) => provider,
            Whom::Directory(directory) => return said_by(directory.find(address).await),
        };
        let names = names.completing_with(None);
        let is_it = |email: &str| names.canonical(email.as_bytes()).as_ref() == Ok(address);
        provider.look_up(address.as_str(), is_it).await.into()
    }

    /// The person of this id, if there is one.
    pub(super) async fn look_up_by_id(&self, subject: &str) -> Result<Option<Profile>, Outage> {
        match &self.asked {
            Whom::Provider(provider) => {
                Ok(provider.look_up_by_id(subject).await?.map(|person| person.profile))
            }
            Whom::Directory(directory) => directory.look_up(subject).await,
        }
    }

    /// Forgets what was said of these users; returns how many good answers that
    /// were.
    pub(super) fn purge(&self, whose: &Whose) -> u64 {
        self.binds.forget();
        self.tokens.purge_users(whose) + self.people.purge_users(whose)
    }

    /// Forgets what was said of these people, by the provider's own ids of them:
    /// of their tokens, too. And which addresses are nobody's: they may be theirs
    /// by now. Returns how many good answers that were.
    pub(super) fn purge_people(&self, subjects: &BTreeSet<String>) -> u64 {
        let people = || subjects.iter().map(|subject| Mark::Person(subject));
        self.binds.forget();
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
        self.binds.forget();
        self.tokens.purge_all() + self.people.purge_all()
    }

    /// Asks alone, and keeps nothing.
    pub(super) async fn try_out(&self, question: Question<'_>) -> Heard {
        self.hear(question.token, &question.names, question.now).await
    }

    async fn hear(&self, token: &Secret, names: &NameRules, now: Timestamp) -> Heard {
        let Some(provider) = self.provider() else {
            let detail = format!("{} is a directory and knows no tokens", self.settings.name);
            let outage = Outage { cause: OutageCause::Settings, detail };
            let said = Said::Unavailable(outage.into());
            return Heard { said, steps: Vec::new(), shows_enabled: false };
        };
        let checked = provider.check_token(token, now).await;
        let shows_enabled =
            matches!(&checked.answer, Answer::Active(token) if token.revocation_is_shown);
        let said = match checked.answer {
            Answer::Refused(refusal) => Said::Refused(refusal.into()),
            Answer::Unavailable(outage) => Said::Unavailable(outage.into()),
            Answer::Active(token) => {
                match Good::new(token, |claim| canonical(provider.settings(), claim, names)) {
                    Ok(good) => Said::Good(good.into()),
                    Err(why) => {
                        let (cause, detail) = (OutageCause::Malformed, why.to_owned());
                        Said::Unavailable(Outage { cause, detail }.into())
                    }
                }
            }
        };
        Heard { said, steps: checked.steps, shows_enabled }
    }
}

/// The address that a user claim means. What has no domain belongs into the
/// provider's own default domain: ours is for what clients leave out.
pub(super) fn canonical(
    settings: &idp::Settings,
    claim: &str,
    names: &NameRules,
) -> Result<Address, String> {
    let names = names.completing_with(settings.default_domain.clone());
    names.canonical(claim.as_bytes()).map_err(|error| {
        let name = &settings.user_claim;
        format!("the token's {name}, \"{}\", is no address: {error}", shown(claim))
    })
}

/// What a directory says of an address.
fn said_by(found: Result<Found, Outage>) -> SaidOf {
    match found {
        Ok(Found::Entry(entry)) => SaidOf::Good(Person::from(*entry).into()),
        Ok(Found::Nobody) => SaidOf::Refused(NoPerson::Nobody.into()),
        Ok(Found::Several) => SaidOf::Refused(NoPerson::Several.into()),
        Err(outage) => SaidOf::Unavailable(outage.into()),
    }
}

/// How a person stands who is there.
pub(super) fn state_of(person: &Profile) -> OwnerState {
    if person.enabled { OwnerState::Enabled } else { OwnerState::Disabled }
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
