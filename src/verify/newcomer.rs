//! People who have no mailbox yet, and get one by logging in: asked about at whoever
//! speaks for their domain, let in by the very proof that others need, and given a
//! mailbox by the rules of `provision` before they hear OK.
//!
//! Anybody can make up names, so these have a quarter of the questions and of the
//! hash pool, and a domain whose provider makes no mailboxes causes no question. A
//! name that the provider does not know is refused as if nobody had been asked.
//!
//! **Order.** The proof first: a stranger learns nothing of templates and limits. Then
//! all that can refuse, and last the mailbox: nobody has one by which he may not log
//! in. A mailbox is made by an answer of this moment, as it is bound by one.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    Cause, Pipeline, Reason,
    bearer::{self, PATIENCE},
    case::{Asking, Case, Stop},
    connected::Connected,
    judge::store_failed,
    local_password::Holder,
    mailpassword::{
        Checked, Shown, ask, checked_by, may_ask_again, may_be_mended, outage_of, shown_person,
        slow, too_many,
    },
    people::{Password, Person, SaidOf},
    rechecks::Asker,
    tokens,
    trace::Outcome,
    turns::Seeker,
};
use crate::{
    mailbox::{Address, Profile},
    provision::{
        Source,
        apply::Refusal,
        login::{Follower, NotMade, Plan, Why},
    },
    secret::Secret,
    store::Account,
};

/// What became of a newcomer.
pub(super) enum Arrived {
    /// He has this mailbox now, and the login its proof.
    Made(Account),
    /// There is a mailbox by now: the login goes the way of all others.
    There,
}

/// How a newcomer proves who he is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Proof {
    Password,
    Token,
    SignIn,
}

impl Proof {
    /// What is asked of the provider, for logs.
    fn verifier(self, provider: &Connected) -> &'static str {
        match self {
            Self::Password => provider.verifier(),
            Self::Token => "token",
            Self::SignIn => "sign_in",
        }
    }
}

impl Pipeline {
    /// Somebody without a mailbox and his main password; nothing where nobody makes
    /// mailboxes at logins to his domain.
    pub(super) async fn newcomer<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        shown: Shown<'_>,
    ) -> Result<Option<(Arrived, Arc<Connected>)>, Stop> {
        let give_up = Instant::now() + PATIENCE;
        let Some(mut provider) = self.maker(case, user, Proof::Password).await? else {
            return Ok(None);
        };
        self.known_of_newcomer(case, user, &provider, shown).await?;
        for _ in 0..2 {
            // Nobody waits for one place while he holds the other.
            (case.gate, case.turn) = (None, None);
            let deadline = case.current.pool.deadline();
            case.turn = self.turn(case, Seeker::Stranger, &provider, deadline).await?;
            let give_up = case.or_from_now(give_up, PATIENCE);
            if self.is_there(case, user).await? {
                return Ok(Some((Arrived::There, provider)));
            }
            // Who had the turn before us may have asked the same.
            self.known_of_newcomer(case, user, &provider, shown).await?;
            let purges = provider.people.purges();
            let said = match &case.turn {
                Some(_) => ask(case, user, &provider, give_up).await,
                None => Some(too_many()),
            };
            let before = Arc::clone(&provider);
            let Some(by_now) = self.maker(case, user, Proof::Password).await? else {
                return Ok(None);
            };
            provider = by_now;
            let Some(said) = said.filter(|_| Arc::ptr_eq(&provider, &before)) else { continue };
            let person = self.weigh_newcomer(case, user, &provider, &said, shown).await?;
            let profile = completed(case, &provider, &person.profile, give_up).await?;
            // A slow hash takes its time, too.
            if provider.people.is_purged(purges, &said, user) {
                continue;
            }
            let arrived = self.arrive(case, user, &provider.source, &profile).await?;
            return Ok(Some((arrived, provider)));
        }
        Err(case.unavailable(Cause::Purged, "outdated twice while it was asked"))
    }

    /// The same with a token.
    pub(super) async fn newcomer_by_token(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        token: &Secret,
    ) -> Result<Option<(Arrived, Arc<Connected>)>, Stop> {
        let give_up = Instant::now() + PATIENCE;
        let Some(mut provider) = self.maker(case, user, Proof::Token).await? else {
            return Ok(None);
        };
        for _ in 0..2 {
            case.turn = None;
            if let Some(said) = bearer::known_refused(case, &provider, token) {
                bearer::weigh(case, said)?;
            }
            let deadline = case.current.pool.deadline();
            case.turn = self.turn(case, Seeker::Stranger, &provider, deadline).await?;
            let give_up = case.or_from_now(give_up, PATIENCE);
            if self.is_there(case, user).await? {
                return Ok(Some((Arrived::There, provider)));
            }
            let said = match &case.turn {
                Some(_) => bearer::ask(case, user, &provider, token, give_up).await,
                None => Some(bearer::too_many()),
            };
            let before = Arc::clone(&provider);
            let Some(by_now) = self.maker(case, user, Proof::Token).await? else {
                return Ok(None);
            };
            provider = by_now;
            let Some(said) = said.filter(|_| Arc::ptr_eq(&provider, &before)) else { continue };
            let good: Arc<tokens::Good> = bearer::weigh(case, said)?;
            self.token_user(case, user, &provider, &good).await?;
            // The user claim need not be an address, and it is this one.
            let profile = Profile { email: Some(user.to_string()), ..good.profile.clone() };
            let profile = completed(case, &provider, &profile, give_up).await?;
            let arrived = self.arrive(case, user, &provider.source, &profile).await?;
            return Ok(Some((arrived, provider)));
        }
        Err(case.unavailable(Cause::Purged, "outdated twice while it was asked"))
    }

    /// Somebody whom the provider signed in just now.
    pub(super) async fn newcomer_signed_in(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        provider: &Arc<Connected>,
        good: &tokens::Good,
    ) -> Result<Option<Arrived>, Stop> {
        let Some(by_now) = self.maker(case, user, Proof::SignIn).await? else { return Ok(None) };
        if !Arc::ptr_eq(&by_now, provider) {
            return Err(case.unavailable(Cause::Purged, "the provider changed meanwhile"));
        }
        let profile = Profile { email: Some(user.to_string()), ..good.profile.clone() };
        let profile = completed(case, provider, &profile, Instant::now() + PATIENCE).await?;
        self.arrive(case, user, &provider.source, &profile).await.map(Some)
    }

    /// Who makes a mailbox for whoever proves so that he is `user`.
    async fn maker(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        proof: Proof,
    ) -> Result<Option<Arc<Connected>>, Stop> {
        let domain = self.store.domain(&user.domain()).await;
        let domain = domain.map_err(|error| store_failed(case, &error))?;
        let Some(domain) = domain.filter(|domain| domain.active) else { return Ok(None) };
        let directory = match proof {
            Proof::Password => self.registry.directory_of(&domain),
            Proof::Token | Proof::SignIn => None,
        };
        let mut asked = directory.filter(|one| one.source.provisioning.makes_at_login());
        if let (None, Some(name)) = (&asked, &domain.provider) {
            match self.registry.find(name) {
                Ok(provider) => asked = makes(case, &provider, proof).then_some(provider),
                // Whether it would make one is not known.
                Err(obstacle) => {
                    let verifier = if proof == Proof::Password { "mailpassword" } else { "token" };
                    case.asked = Some(Asking::new(name.clone(), None, verifier));
                    return Err(case.unavailable(obstacle.cause(), obstacle.detail()));
                }
            }
        }
        let asked =
            asked.filter(|one| proof != Proof::Password || case.door.takes_password_of(one));
        let Some(provider) = asked else { return Ok(None) };
        case.trace.passes_over("mailbox");
        let verifier = proof.verifier(&provider);
        let name = provider.settings.name.clone();
        case.asked = Some(Asking::new(name, Some(Arc::clone(&provider)), verifier));
        Ok(Some(provider))
    }

    async fn is_there(&self, case: &mut Case<'_>, user: &Address) -> Result<bool, Stop> {
        let account = self.store.account(user).await;
        Ok(account.map_err(|error| store_failed(case, &error))?.is_some())
    }

    /// Ends the way by a fresh answer that does not let in. One that does makes no
    /// mailbox: it is asked for again, as what would bind one is.
    async fn known_of_newcomer<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        provider: &Arc<Connected>,
        shown: Shown<'_>,
    ) -> Result<(), Stop> {
        let key = provider.people.key(user.as_str().as_bytes());
        let now = case.attempt.arrived;
        let known = provider.people.fresh(&key, now).filter(|_| !case.trace.is_on());
        // A bind is a question of its own: it has its turn, and is asked once.
        let is_bound = |said: &SaidOf| matches!(said, SaidOf::Good(person) if matches!(person.password, Password::Bind(_)));
        let Some(known) = known.filter(|known| !is_bound(&known.said)) else { return Ok(()) };
        let tried = self.weigh_newcomer(case, user, provider, &known.said, shown).await;
        // Whoever is refused for want of a template, say, tries again all day.
        let Err(stop) = tried else {
            let stop = Stop::Unavailable(Cause::ProviderBusy);
            return may_ask_again(case, user, Asker::Others, provider, stop);
        };
        if known.is_of_just_now(now, &provider.settings) || !may_be_mended(stop) {
            case.cached = true;
            provider.people.count_hit(&known.said);
            return Err(stop);
        }
        may_ask_again(case, user, Asker::Others, provider, stop)
    }

    /// Whether an answer proves who he is.
    async fn weigh_newcomer<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        provider: &Arc<Connected>,
        said: &SaidOf,
        shown: Shown<'_>,
    ) -> Result<Arc<Person>, Stop> {
        let person = Arc::clone(shown_person(case, said, Reason::UnknownUser)?);
        let checked = checked_by(case, &person)?;
        let Shown::Password(password) = shown else { return Ok(person) };
        let right = match checked {
            Checked::Hash(hash) => {
                let holder = Holder::Newcomer { address: user, provider: &provider.settings.name };
                self.is_right(case, holder, hash, password).await?
            }
            Checked::Bind(dn) => {
                self.announce(case, user, password)?;
                let Some(directory) = provider.directory() else {
                    let why = "only a directory checks passwords by a bind";
                    return Err(case.unavailable(Cause::ProviderMalformed, why));
                };
                let right = timeout_at(Instant::now() + PATIENCE, directory.bind(dn, password));
                let right = right.await.map_err(|_| outage_of(case, &slow()))?;
                right.map_err(|outage| outage_of(case, &outage))?
            }
        };
        if right {
            return Ok(person);
        }
        Err(case.refused(Reason::WrongPassword, "the password is wrong"))
    }

    /// Gives `person` his mailbox, if nothing that can refuse this login does. To be
    /// explained, it says what it would be.
    pub(super) async fn arrive(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        source: &Arc<Source>,
        person: &Profile,
    ) -> Result<Arrived, Stop> {
        let now = case.attempt.arrived;
        for _ in 0..2 {
            let follower = self.follower(source, true).await;
            let follower = follower.map_err(|error| store_failed(case, &error))?;
            let plan = follower.plan(person, user, now).await;
            let made = match plan.map_err(|error| store_failed(case, &error))? {
                Err(not_made) => Err(not_made),
                Ok(plan) => {
                    would_do(case, source, &plan)?;
                    if case.trace.is_on() {
                        return Ok(Arrived::Made(plan.account));
                    }
                    let made = follower.carry_out(plan, now).await;
                    made.map_err(|error| store_failed(case, &error))?
                }
            };
            match made {
                Ok(account) => return self.made(case, source, person, account).map(Arrived::Made),
                // Somebody came first: another login of his, or an administrator.
                Err(_) if self.is_there(case, user).await? => return Ok(Arrived::There),
                Err(NotMade { why: Why::Meanwhile, .. }) => {}
                Err(not_made) => {
                    let stop = not_let_in(case, &not_made.why);
                    if !case.trace.is_on() {
                        follower.write_down(not_made, now).await;
                    }
                    return Err(stop);
                }
            }
        }
        Err(case.unavailable(Cause::Purged, "the person's mailboxes changed twice meanwhile"))
    }

    fn made(
        &self,
        case: &mut Case<'_>,
        source: &Source,
        person: &Profile,
        account: Account,
    ) -> Result<Account, Stop> {
        if let Ok(provider) = self.registry.find(&source.name) {
            provider.owners.has_one_more(&person.subject);
        }
        case.account = Some(account.clone());
        // A template may have changed since.
        case.state(&account)?;
        case.services(&account)?;
        Ok(account)
    }

    /// Follows the word of a source.
    pub(super) async fn follower(
        &self,
        source: &Arc<Source>,
        makes: bool,
    ) -> Result<Follower, crate::store::Error> {
        let (store, home) = (Arc::clone(&self.store), self.current().settings.home.clone());
        Follower::of(Arc::clone(source), store, &self.names(), home, makes).await
    }
}

/// Whether the mailbox that would be made would let this login in.
fn would_do(case: &mut Case<'_>, source: &Source, plan: &Plan) -> Result<(), Stop> {
    let Plan { account, is_new, template, .. } = plan;
    let words = match template {
        Some(template) => format!("it would be made by template {template}"),
        None if *is_new => "it would be made, without a template".to_owned(),
        None => "the person's mailbox would get this address".to_owned(),
    };
    case.trace.note("provisioning", Outcome::Ok, || format!("{words}, by {}", source.name));
    case.arrival = Some(words);
    let judged = case.state(account).and_then(|()| case.services(account));
    let (Err(Stop::Rejected(reason)), Some(template)) = (judged, template) else {
        return judged;
    };
    let (reason, detail) = match reason {
        Reason::DomainDisabled => return judged,
        Reason::ServiceNotAllowed => {
            let services = account.mailbox.services;
            let detail = format!("template {template} opens {services} without an app password");
            (Reason::ProvisionService, detail)
        }
        _ => {
            let state = account.mailbox.state;
            (Reason::ProvisionState, format!("template {template} makes mailboxes {state}"))
        }
    };
    Err(case.refused(reason, detail))
}

/// Whether a provider makes mailboxes for whoever proves so who he is.
fn makes(case: &mut Case<'_>, provider: &Connected, proof: Proof) -> bool {
    let (name, rules) = (&provider.settings.name, &provider.source.provisioning);
    let why_not = if !rules.login_provisioning {
        "login_provisioning is off"
    } else if !rules.makes_at_login() {
        "it has neither attribute_mapping nor default_template"
    } else if proof == Proof::Password && !provider.checks_passwords() {
        "it checks no passwords here"
    } else {
        return true;
    };
    case.trace.note("provisioning", Outcome::NotApplicable, || {
        format!("{name} makes no mailbox by this login: {why_not}")
    });
    false
}

/// What is told of a newcomer, with what the mapping goes by besides.
async fn completed(
    case: &mut Case<'_>,
    provider: &Connected,
    profile: &Profile,
    give_up: Instant,
) -> Result<Profile, Stop> {
    let asked = provider.provider().filter(|asked| asked.settings().asks_about_people());
    let Some(asked) = asked else { return Ok(profile.clone()) };
    let completed = timeout_at(give_up, asked.complete(profile.clone())).await;
    match completed {
        Ok(Ok(profile)) => Ok(profile),
        Ok(Err(outage)) => Err(outage_of(case, &outage)),
        Err(_) => Err(outage_of(case, &slow())),
    }
}

/// Why somebody with the right proof is not let in.
fn not_let_in(case: &mut Case<'_>, why: &Why) -> Stop {
    let (reason, detail) = match why {
        Why::Limit(limit) => (Reason::ProvisionLimit, limit.clone()),
        Why::HasAnother(other, why) => {
            let detail = format!("the person has the mailbox {other}; {why}");
            (Reason::ProvisionOtherMailbox, detail)
        }
        Why::Refused(refusal) => (reason_of(refusal), refusal.detail()),
        Why::Meanwhile => (Reason::UnknownUser, "something came in between".to_owned()),
    };
    case.trace.note("provisioning", Outcome::Refused, || detail.clone());
    case.refused(reason, detail)
}

fn reason_of(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::NoTemplate(_) => Reason::ProvisionNoTemplate,
        Refusal::TemplateMissing(_) => Reason::ProvisionTemplateMissing,
        Refusal::Unverified | Refusal::RenameUnverified(_) => Reason::UnverifiedEmail,
        Refusal::Disabled => Reason::DisabledAtProvider,
        Refusal::Reassigned => Reason::AddressReassigned,
        Refusal::DomainUnknown => Reason::UnknownDomain,
        Refusal::DomainInactive(_) => Reason::DomainDisabled,
        Refusal::DomainElsewhere => Reason::ProviderDomain,
        Refusal::NoAddress | Refusal::BadAddress(_) | Refusal::NotImported => Reason::UnknownUser,
        Refusal::SourceElsewhere
        | Refusal::Renamed(_)
        | Refusal::RenameElsewhere(_)
        | Refusal::RenameTaken(_) => Reason::ProvisionOtherMailbox,
    }
}
