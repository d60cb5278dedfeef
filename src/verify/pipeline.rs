//! The order of the checks.
//!
//! For a password: name, abuse, mailbox and domain, app password, services,
//! source of the main password. What can be refused is refused early, and all
//! refusals look the same to the client.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{
    Attempt, CacheStatus, Cause, Decision, HeldBack, MAX_DELAY, Reason, Rejected, Settings,
    Subject, Trace, Verdict, Verified, VerifiedBy, app_password,
    auth_token::{self, Parts},
    cache::VerifiedCache,
    case::{Case, Stop},
    flight::Flights,
    penalty::{Guess, Penalty},
    pool::HashPool,
    sentence::sentence,
    trace::{Outcome, Recorder},
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, AppPasswordId, NameRules},
    password::{self, AppPasswordText, Stored},
    sasl::Credentials,
    secret::Secret,
    store::{self, Account, Mask, Store, UseKey},
};

/// Part of [`MAX_DELAY`] that is left to chance, so that the order of answers
/// says nothing about the order of their checks.
const JITTER: Duration = Duration::from_millis(250);

/// Why something other than a login did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A new password that cannot be taken.
    #[error(transparent)]
    Password(#[from] password::Error),
    /// Not now.
    #[error("the password cannot be hashed now: {}", .0.name())]
    Unavailable(Cause),
}

/// Decides about logins. One for the whole server.
pub struct Pipeline {
    store: Arc<dyn Store>,
    current: ArcSwap<Current>,
    pub(super) penalty: Penalty,
    guess_secret: [u8; 32],
    token_secret: [u8; 32],
}

/// What a reload replaces.
pub(super) struct Current {
    pub(super) settings: Settings,
    pub(super) cache: Arc<VerifiedCache>,
    pub(super) pool: Arc<HashPool>,
    pub(super) flights: Flights,
    names: Arc<NameRules>,
    /// What the password of an unknown name is checked against.
    decoy: Arc<str>,
}

impl Pipeline {
    /// Loads the keys and the counters.
    pub async fn open(settings: Settings, store: Arc<dyn Store>) -> Result<Self, Error> {
        let token_secret = store.secret("auth_token", random).await?;
        let guess_secret = store.secret("guesses", random).await?;
        let penalty = Penalty::default();
        penalty.restore(store.penalties().await?, Timestamp::now(), &settings.abuse);
        let current = ArcSwap::from_pointee(Current::new(settings, None));
        Ok(Self { store, current, penalty, guess_secret, token_secret })
    }

    /// Takes new settings over. Logins under way end with the old ones.
    pub fn reload(&self, settings: Settings) {
        let before = self.current.load_full();
        self.current.store(Arc::new(Current::new(settings, Some(&before))));
    }

    /// Decides about a login, counts it and records it.
    pub async fn decide(&self, attempt: Attempt) -> Decision {
        let current = self.current.load_full();
        let mut case = Case::new(&attempt, &current, Recorder::off());
        let outcome = self.judge(&mut case).await;
        self.record(&case, &outcome);
        let answer_after = self.answer_after(&case, &outcome);
        Decision { verdict: case.verdict(outcome), answer_after }
    }

    /// Goes the same way without any effect, and tells what each check found.
    pub async fn explain(&self, attempt: Attempt) -> (Decision, Trace) {
        let current = self.current.load_full();
        let mut case = Case::new(&attempt, &current, Recorder::on());
        let outcome = self.judge(&mut case).await;
        let answer_after = self.answer_after(&case, &outcome);
        let trace = std::mem::replace(&mut case.trace, Recorder::off());
        let decision = Decision { verdict: case.verdict(outcome), answer_after };
        let trace = trace.into_trace(sentence(&decision.verdict));
        (decision, trace)
    }

    /// A refusal that needed no look at anybody: a dialogue that broke its
    /// grammar. Not counted, as it guesses nothing.
    pub fn refuse(&self, reason: Reason) -> Decision {
        let delay = delay(self.current.load().settings.failure_delay, 0.0);
        let rejected = Rejected { user: None, reason, app_password: None };
        Decision { verdict: Verdict::Rejected(rejected), answer_after: delay }
    }

    /// Once a second, and at the end: forgets what is over, writes counters and
    /// uses to the store.
    pub async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.penalty.prune(now);
        self.current.load().cache.tidy();
        let dirty = self.penalty.take_dirty();
        if !dirty.is_empty() {
            let keys: Vec<_> = dirty.iter().map(|(key, _)| key.clone()).collect();
            if let Err(error) = self.store.save_penalties(dirty).await {
                self.penalty.still_dirty(keys.into_iter());
                return Err(error.into());
            }
        }
        Ok(self.store.flush_uses().await?)
    }

    /// Forgets the verified passwords of the users that match one of `masks`
    /// (`*` and `?`), or all; returns how many.
    pub fn flush_cache(&self, masks: &[String]) -> u64 {
        let cache = Arc::clone(&self.current.load().cache);
        let masks: Vec<Mask> = masks.iter().map(|mask| Mask::new(mask)).collect();
        let flushed = |user: &Address| masks.iter().any(|mask| mask.matches(user.as_str()));
        cache.flush(|user| masks.is_empty() || flushed(user))
    }

    /// How the cache of verified passwords does.
    pub fn cache_status(&self) -> CacheStatus {
        self.current.load().cache.status()
    }

    /// Everybody who is held back.
    pub fn held_back(&self, now: Timestamp) -> Vec<HeldBack> {
        self.penalty.held_back(now)
    }

    /// Ends a hold and forgets the guesses that led to it; false if nothing was
    /// counted there. Kept over a restart from the next [`Pipeline::maintain`] on.
    pub fn lift(&self, subject: &Subject) -> bool {
        self.penalty.lift(subject)
    }

    /// `{SCHEME}…` of a new password, by the default scheme.
    pub async fn hash_password(&self, password: &Secret) -> Result<String, Error> {
        let current = self.current.load_full();
        let scheme = current.settings.default_scheme;
        let password = password.clone();
        let mut salt = [0; 16];
        fill_random(&mut salt);
        let hash = current.pool.run(move || scheme.hash(password.expose(), salt)).await;
        Ok(hash.map_err(Error::Unavailable)??)
    }

    /// The token of a session, for `USER` replies (`auth_token=`).
    pub fn auth_token(
        &self,
        user: &Address,
        session_pid: &[u8],
        session: &[u8],
        service: &[u8],
    ) -> String {
        let user = user.as_str().as_bytes();
        auth_token::make(&self.token_secret, Parts { user, session_pid, session, service })
    }

    /// How names become addresses.
    pub fn names(&self) -> Arc<NameRules> {
        Arc::clone(&self.current.load().names)
    }

    #[cfg(test)]
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    async fn judge<'a>(&'a self, case: &mut Case<'a>) -> Result<Verified, Stop> {
        let attempt = case.attempt;
        match &attempt.credentials {
            Credentials::Password { authcid, authzid, password } => {
                let user = case.name(authcid, authzid.as_deref())?;
                self.password(case, &user, password).await
            }
            Credentials::Certificate { name, authzid } => {
                let user = case.name(name, authzid.as_deref())?;
                let account = self.account(case, &user).await?;
                case.services(&account)?;
                Ok(case.verified(account, VerifiedBy::Certificate))
            }
            Credentials::AuthToken { service, session_pid, user, session, token } => {
                let parts = Parts { user, session_pid, session, service };
                let name = case.name(user, None)?;
                case.auth_token(&auth_token::make(&self.token_secret, parts), token)?;
                let account = self.account(case, &name).await?;
                let service = String::from_utf8_lossy(service).into_owned();
                Ok(case.verified(account, VerifiedBy::AuthToken { service }))
            }
        }
    }

    async fn password<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        password: &Secret,
    ) -> Result<Verified, Stop> {
        if let Some(why) = password::unfit(password.expose()) {
            case.trace.note("password", Outcome::Refused, || why.to_owned());
            return Err(Stop::Rejected(Reason::BadPassword));
        }
        let typed = AppPasswordText::parse(password.expose());
        let main_held = self.held_back_now(case, user)?;
        if main_held && typed.is_none() {
            // Only for the history, so a failure changes nothing.
            case.account = self.store.account(user).await.ok().flatten();
            return Err(Stop::Rejected(Reason::HeldBack));
        }
        let account = match self.account(case, user).await {
            Err(Stop::Rejected(Reason::UnknownUser)) => {
                return Err(self.unknown_user(case, password).await);
            }
            found => found?,
        };
        if let Some(id) = self.app_password(case, &account, typed.as_ref()).await? {
            return Ok(case.verified(account, VerifiedBy::AppPassword(id)));
        }
        if main_held {
            return Err(Stop::Rejected(Reason::HeldBack));
        }
        case.services(&account)?;
        case.source(&account)?;
        self.local_password(case, &account, password).await?;
        Ok(case.verified(account, VerifiedBy::LocalPassword))
    }

    /// Whether the main password is held back; a held-back network ends it all.
    fn held_back_now(&self, case: &mut Case<'_>, user: &Address) -> Result<bool, Stop> {
        if case.attempt.no_penalty {
            case.trace.note("held back", Outcome::NotApplicable, || {
                "the mail server asks not to count".to_owned()
            });
            return Ok(false);
        }
        if !self.penalty.holds_anybody() && !case.trace.is_on() {
            return Ok(false);
        }
        let (now, abuse) = (case.attempt.arrived, &case.current.settings.abuse);
        case.held_back(self.penalty.standing(case.rip, user, now, abuse))
    }

    /// The mailbox, if it may log in at all.
    async fn account(&self, case: &mut Case<'_>, user: &Address) -> Result<Account, Stop> {
        let found = self.store.account(user).await.map_err(|error| store_failed(case, &error))?;
        if let Some(account) = found {
            case.domain_known = true;
            case.account = Some(account.clone());
            case.state(&account)?;
            return Ok(account);
        }
        let domain = self.store.domain(&user.domain()).await;
        case.domain_known = domain.map_err(|error| store_failed(case, &error))?.is_some();
        let (reason, missing) = if case.domain_known {
            (Reason::UnknownUser, "mailbox")
        } else {
            (Reason::UnknownDomain, "domain")
        };
        case.trace.note("mailbox", Outcome::Refused, || format!("no such {missing}"));
        Err(Stop::Rejected(reason))
    }

    /// Costs as much as a wrong password.
    async fn unknown_user(&self, case: &Case<'_>, password: &Secret) -> Stop {
        if case.trace.is_on() {
            return Stop::Rejected(Reason::UnknownUser);
        }
        let (decoy, caps) = (Arc::clone(&case.current.decoy), case.current.settings.caps);
        let password = password.clone();
        let work = move || {
            let stored = Stored::parse(&decoy)?;
            stored.matches(password.expose(), &caps)
        };
        match case.current.pool.run_for_stranger(work).await {
            Ok(()) => Stop::Rejected(Reason::UnknownUser),
            Err(why) => Stop::Unavailable(why),
        }
    }

    /// If the password names one of the mailbox's app passwords, that one alone
    /// decides.
    async fn app_password(
        &self,
        case: &mut Case<'_>,
        account: &Account,
        typed: Option<&AppPasswordText>,
    ) -> Result<Option<AppPasswordId>, Stop> {
        let mailbox = account.mailbox.id;
        let stored = match typed {
            None => None,
            Some(typed) => {
                let stored = self.store.app_password(mailbox, typed.id()).await;
                stored.map_err(|error| store_failed(case, &error))?.map(|stored| (typed, stored))
            }
        };
        let Some((typed, stored)) = stored else {
            let what = if typed.is_some() { "has the form of one, but no such id" } else { "no" };
            case.trace.note("app password", Outcome::NotApplicable, || what.to_owned());
            return Ok(None);
        };
        case.app_password = Some(stored.id);
        app_password::judge(case, mailbox, typed, &stored)?;
        Ok(Some(stored.id))
    }

    pub(super) fn guess(&self, name: &[u8], password: &Secret) -> Guess {
        Guess::new(&self.guess_secret, name, password.expose())
    }

    /// Writes the history of mailboxes that exist.
    fn record(&self, case: &Case<'_>, outcome: &Result<Verified, Stop>) {
        let outcome = match outcome {
            Ok(_) => "ok",
            Err(Stop::Rejected(reason)) => reason.name(),
            Err(Stop::Unavailable(_)) => return,
        };
        let Some(account) = &case.account else { return };
        let key = UseKey {
            mailbox: account.mailbox.id,
            protocol: case.attempt.protocol.clone(),
            rip: case.rip,
            app_password: case.app_password,
            outcome: outcome.to_owned(),
        };
        self.store.record_use(key, case.attempt.arrived);
    }

    /// When the answer may go out.
    fn answer_after(&self, case: &Case<'_>, outcome: &Result<Verified, Stop>) -> Duration {
        match outcome {
            Ok(_) | Err(Stop::Unavailable(_)) => Duration::ZERO,
            Err(Stop::Rejected(reason)) => {
                delay(case.current.settings.failure_delay, self.count(case, *reason))
            }
        }
    }

    /// Counts a refused password; returns how much of the longest delay it has
    /// earned. The reason hardly matters: if some refusals grew the delay and
    /// others did not, the delay would tell them apart.
    fn count(&self, case: &Case<'_>, reason: Reason) -> f64 {
        let Credentials::Password { authcid, password, .. } = &case.attempt.credentials else {
            return 0.0;
        };
        if case.attempt.no_penalty || case.trace.is_on() || !reason.is_guess() {
            return 0.0;
        }
        let user = case.user.as_ref();
        let name = user.map_or(authcid.as_slice(), |user| user.as_str().as_bytes());
        let guess = self.guess(name, password);
        // What was held back was not checked: it says nothing about the account.
        let held = reason == Reason::HeldBack;
        let counted = user.filter(|_| case.domain_known && !held);
        let counted = counted.map(|user| (user, case.account.is_some()));
        let abuse = &case.current.settings.abuse;
        let share = self.penalty.count(case.rip, counted, guess, case.attempt.arrived, abuse);
        if held { 1.0 } else { share }
    }
}

impl Current {
    /// Keeps cache and pool where their settings are the same.
    fn new(settings: Settings, before: Option<&Self>) -> Self {
        let cache = before.filter(|before| {
            let of = |settings: &Settings| {
                (settings.verified_cache_entries, settings.verified_cache_time)
            };
            of(&before.settings) == of(&settings)
        });
        let cache = cache.map_or_else(
            || {
                let (entries, time) =
                    (settings.verified_cache_entries, settings.verified_cache_time);
                Arc::new(VerifiedCache::new(random(), entries, time))
            },
            |before| Arc::clone(&before.cache),
        );
        let pool = before.filter(|before| {
            let of = |settings: &Settings| {
                (settings.hash_threads, settings.hash_queue, settings.hash_wait)
            };
            of(&before.settings) == of(&settings)
        });
        let pool = pool.map_or_else(
            || {
                let (threads, queue) = (settings.hash_threads, settings.hash_queue);
                Arc::new(HashPool::new(threads, queue, settings.hash_wait))
            },
            |before| Arc::clone(&before.pool),
        );
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

/// From the failure delay for a first wrong password up to [`MAX_DELAY`], plus
/// a little chance.
fn delay(failure_delay: Duration, share: f64) -> Duration {
    let base = failure_delay.min(MAX_DELAY);
    let grown = base + MAX_DELAY.saturating_sub(JITTER + base).mul_f64(share);
    let mut chance = [0; 1];
    fill_random(&mut chance);
    let jitter = JITTER.min(MAX_DELAY.saturating_sub(grown)).mul_f64(f64::from(chance[0]) / 255.0);
    grown + jitter
}

fn store_failed(case: &mut Case<'_>, error: &store::Error) -> Stop {
    case.trace.note("mailbox", Outcome::Refused, || error.to_string());
    if !case.trace.is_on() {
        tracing::error!(%error, "a login could not be checked");
    }
    Stop::Unavailable(Cause::Store)
}

fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel gives random bytes");
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    fill_random(&mut bytes);
    bytes
}
