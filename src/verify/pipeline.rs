//! The door of this room: what the server and administrators may ask.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    Attempt, CacheStatus, Cause, Decision, HeldBack, HeldCounts, PoolStatus, Reason, Rejected,
    Settings, Subject, Trace, Verdict,
    auth_token::{self, Parts},
    case::{Case, Door},
    current::Current,
    penalty::Penalty,
    providers::Registry,
    purges::Whose,
    random::random,
    sentence, settle,
    sign_out::SignOuts,
    trace::Recorder,
    upgrade::Upgrades,
    withdrawal::Withdrawals,
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, NameRules},
    password,
    sasl::Credentials,
    secret::Secret,
    store::{self, Store},
};

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
    /// The work was given up in the middle: the process ends.
    #[error("interrupted")]
    Interrupted,
}

/// Decides about logins. One for the whole server.
pub struct Pipeline {
    pub(super) store: Arc<dyn Store>,
    pub(super) penalty: Penalty,
    pub(super) guess_secret: [u8; 32],
    pub(super) token_secret: [u8; 32],
    pub(super) registry: Registry,
    pub(super) upgrades: Upgrades,
    pub(super) sign_outs: SignOuts,
    pub(super) withdrawals: Arc<Withdrawals>,
    current: ArcSwap<Current>,
}

impl Pipeline {
    /// Loads the keys, the counters and the providers.
    pub async fn open(settings: Settings, store: Arc<dyn Store>) -> Result<Self, Error> {
        let token_secret = store.secret("auth_token", random).await?;
        let guess_secret = store.secret("guesses", random).await?;
        let penalty = Penalty::default();
        penalty.restore(store.penalties().await?, Timestamp::now(), &settings.abuse);
        let current = ArcSwap::from_pointee(Current::new(settings));
        let registry = Registry::default();
        let pipeline = Self {
            store,
            penalty,
            guess_secret,
            token_secret,
            registry,
            upgrades: Upgrades::default(),
            sign_outs: SignOuts::default(),
            withdrawals: Arc::default(),
            current,
        };
        pipeline.load_providers().await?;
        Ok(pipeline)
    }

    /// Takes new settings over. Logins under way end with the old ones. Providers
    /// follow with [`Pipeline::load_providers`].
    pub fn reload(&self, settings: Settings) {
        let before = self.current.load_full();
        self.current.store(Arc::new(before.after(settings)));
    }

    /// Decides about a login, counts it and records it.
    pub async fn decide(&self, attempt: Attempt) -> Decision {
        let current = self.current.load_full();
        let case = Case::new(&attempt, &current, Recorder::off());
        self.decide_case(case).await
    }

    /// The same for the form by which people sign in to the pages: no app password opens
    /// them, and one that an identity provider keeps only with `provider_passwords`.
    pub async fn decide_form(&self, attempt: Attempt, provider_passwords: bool) -> Decision {
        let current = self.current.load_full();
        let case = Case::new(&attempt, &current, Recorder::off());
        self.decide_case(Case { door: Door::Form { provider_passwords }, ..case }).await
    }

    async fn decide_case<'a>(&'a self, mut case: Case<'a>) -> Decision {
        let outcome = self.judge(&mut case).await;
        self.record(&case, &outcome);
        if let Ok(verified) = &outcome {
            self.plan_upgrade(&case, verified);
        }
        let (answer_after, guess) = self.answer_after(&case, &outcome);
        Decision { verdict: case.verdict(outcome), answer_after, guess }
    }

    /// Goes the same way without any effect, and tells what each check found.
    pub async fn explain(&self, attempt: Attempt) -> (Decision, Trace) {
        let current = self.current.load_full();
        let mut case = Case::new(&attempt, &current, Recorder::on());
        let outcome = self.judge(&mut case).await;
        let (answer_after, guess) = self.answer_after(&case, &outcome);
        let trace = std::mem::replace(&mut case.trace, Recorder::off());
        let arrival = case.arrival.take();
        let decision = Decision { verdict: case.verdict(outcome), answer_after, guess };
        let sentence = match &decision.verdict {
            Verdict::Verified(_) => {
                sentence::with(sentence::of_verdict(&decision.verdict), arrival)
            }
            verdict => sentence::of_verdict(verdict),
        };
        let trace = trace.into_trace(sentence);
        (decision, trace)
    }

    /// [`Pipeline::explain`] for somebody who does not know the password: what
    /// would be in the way of a right main password. No verdict if nothing would.
    pub async fn explain_without_password(
        &self,
        name: &[u8],
        protocol: &str,
        rip: Option<IpAddr>,
        now: Timestamp,
    ) -> (Option<Verdict>, Trace) {
        let credentials = Credentials::Password {
            authcid: name.to_vec(),
            authzid: None,
            password: Secret::default(),
        };
        let attempt = Attempt {
            credentials,
            mechanism: "PLAIN",
            protocol: protocol.to_owned(),
            rip,
            session: None,
            no_penalty: false,
            arrived: now,
        };
        let current = self.current.load_full();
        let mut case = Case::new(&attempt, &current, Recorder::on());
        let outcome = self.way_to_main_password(&mut case, name).await;
        let trace = std::mem::replace(&mut case.trace, Recorder::off());
        let arrival = case.arrival.take();
        let verdict = outcome.err().map(|stop| case.verdict(Err(stop)));
        let sentence = match &verdict {
            None => sentence::with(sentence::OPEN_TO_A_RIGHT_PASSWORD.to_owned(), arrival),
            Some(verdict) => sentence::of_verdict(verdict),
        };
        (verdict, trace.into_trace(sentence))
    }

    /// A refusal that needed no look at anybody: a dialogue that broke its
    /// grammar. Not counted, as it guesses nothing.
    pub fn refuse(&self, reason: Reason) -> Decision {
        let answer_after = settle::delay(self.current.load().settings.failure_delay, 0.0);
        let rejected = Rejected { user: None, reason, app_password: None, asked: None, fact: None };
        Decision { verdict: Verdict::Rejected(rejected), answer_after, guess: false }
    }

    /// Once a second, and at the end: forgets what is over, writes counters and
    /// uses to the store.
    pub async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.penalty.prune(now);
        self.current.load().cache.tidy();
        self.registry.tidy();
        let counters = self.save_counters().await;
        let owners = self.save_owners().await;
        self.store.flush_uses().await?;
        self.upgrade_hashes(now).await;
        counters.and(owners)
    }

    async fn save_counters(&self) -> Result<(), Error> {
        let dirty = self.penalty.take_dirty();
        if dirty.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = dirty.iter().map(|(key, _)| key.clone()).collect();
        let saved = self.store.save_penalties(dirty).await;
        if saved.is_err() {
            self.penalty.still_dirty(keys.into_iter());
        }
        Ok(saved?)
    }

    /// Forgets the verified passwords, people and tokens of the users that match one of
    /// `masks` (`*` and `?`), or all; returns how many. What providers are being
    /// asked about them at the moment is asked again.
    pub fn flush_cache(&self, masks: &[String]) -> u64 {
        let cache = Arc::clone(&self.current.load().cache);
        let whose = Whose::new(masks);
        cache.flush(&whose) + self.registry.purge(&whose)
    }

    /// How each cache does.
    pub fn cache_status(&self) -> Vec<CacheStatus> {
        let passwords = self.current.load().cache.status();
        passwords.into_iter().chain(self.registry.cache_status()).collect()
    }

    /// How the pool for slow hashes does.
    pub fn pool_status(&self) -> PoolStatus {
        self.current.load().pool.status()
    }

    /// Everybody who is held back.
    pub fn held_back(&self, now: Timestamp) -> Vec<HeldBack> {
        self.penalty.held_back(now)
    }

    /// How many are held back: at no cost, however many there are.
    pub fn held_counts(&self) -> HeldCounts {
        self.penalty.held()
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
        let salt = random();
        let pool = &current.pool;
        let work = move || scheme.hash(password.expose(), salt);
        let hash = pool.run(pool.deadline(), work).await;
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

    pub(super) fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }
}
