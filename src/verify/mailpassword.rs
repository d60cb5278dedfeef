//! The Mailpassword Flow: the main password of a mailbox whose provider keeps
//! its hash; and that of a mailbox whose people stand in a directory.
//!
//! What the provider said before decides as long as it is fresh and lets in.
//! What does not let in is asked for again: somebody may have mended it, or set
//! another password. While the provider cannot be asked, a right password
//! still lets in who was known; a wrong one is no refusal then, but is counted.
//! The order of the checks: person known, enabled, the one whose mailbox it is,
//! hash, password.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    Cause, Pipeline, Reason, Verified, VerifiedBy,
    answers::is_younger,
    app_password::known_since,
    bearer::{PATIENCE, cause},
    binds::bound_before,
    case::{Asking, Case, Stop},
    connected::Connected,
    people::{KnownPerson, NoPerson, Password, Person, SaidOf},
    person::{Claimed, unfit_subject},
    rechecks::Asker,
    trace::Outcome,
    turns::Seeker,
};
use crate::{
    directory::Dn,
    idp::{Outage, OutageCause},
    mailbox::{
        Address, AuthSource, OwnerState, PasswordHash, policy::WithdrawnWhy,
        provider::UnverifiedEmail,
    },
    secret::Secret,
    store::Account,
};

/// What somebody shows.
#[derive(Clone, Copy)]
pub(super) enum Shown<'s> {
    /// His main password.
    Password(&'s Secret),
    /// A token that was found good: his password is no matter.
    Token,
    /// Nothing: what would be in the way of a right password is to be found out.
    Nothing,
}

/// What a main password is checked by.
pub(super) enum Checked<'p> {
    Hash(&'p PasswordHash),
    Bind(&'p Dn),
}

impl Pipeline {
    /// The main password of `account`, which `provider` is to know.
    pub(super) async fn mailpassword<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: Account,
        provider: Arc<Connected>,
        password: &Secret,
    ) -> Result<Verified, Stop> {
        let by = by_password(&provider);
        let shown = Shown::Password(password);
        let account = self.mailpassword_way(case, account, provider, shown).await?;
        case.is_back(&account)?;
        Ok(case.verified(account, by))
    }

    /// The same way, as far as it goes with what is shown.
    pub(super) async fn mailpassword_way<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: Account,
        provider: Arc<Connected>,
        shown: Shown<'_>,
    ) -> Result<Account, Stop> {
        let give_up = Instant::now() + PATIENCE;
        let purges = provider.people.purges();
        if let Some(known) = known(case, &provider, &account) {
            let tried = self.weigh(case, &account, &provider, &known.said, shown).await;
            let user = &account.mailbox.address;
            let final_word = match &tried {
                // A slow hash takes its time, too.
                Ok(()) => !provider.people.is_purged(purges, &known.said, user),
                Err(stop) => {
                    let just_now = known.is_of_just_now(case.attempt.arrived, &provider.settings);
                    just_now || !may_be_mended(*stop)
                }
            };
            if final_word {
                case.cached = true;
                if !case.trace.is_on() {
                    provider.people.count_hit(&known.said);
                }
                return tried.map(|()| account);
            }
            let why = match tried {
                Ok(()) => "was forgotten while the password was checked",
                Err(stop) => {
                    let asker = Asker::Mailbox(account.mailbox.id);
                    may_ask_again(case, user, asker, &provider, stop)?;
                    "does not let in"
                }
            };
            case.trace.note("asked", Outcome::NotApplicable, || {
                format!("what was said before {why}, so the provider is asked again")
            });
        }
        self.by_asking(case, account, provider, shown, give_up).await
    }

    /// By a new answer, or while the provider cannot be asked by its last.
    pub(super) async fn by_asking<'a>(
        &'a self,
        case: &mut Case<'a>,
        mut account: Account,
        mut provider: Arc<Connected>,
        shown: Shown<'_>,
        give_up: Instant,
    ) -> Result<Account, Stop> {
        for _ in 0..2 {
            // Nobody waits for one place while he holds the other.
            (case.gate, case.turn) = (None, None);
            case.turn = self
                .turn(case, Seeker::Mailbox(&account), &provider, case.current.pool.deadline())
                .await?;
            let give_up = case.or_from_now(give_up, PATIENCE);
            account = self.once_more(case, account, &provider, Self::keeps_password).await?;
            // Who had the turn before us may have asked the same.
            let (now, purges) = (case.attempt.arrived, provider.people.purges());
            let just_said = known(case, &provider, &account).filter(|known| {
                !case.trace.is_on() && known.is_of_just_now(now, &provider.settings)
            });
            let is_new = just_said.is_none();
            let said = match (just_said, &case.turn) {
                (Some(known), _) => {
                    provider.people.count_hit(&known.said);
                    Some(known.said)
                }
                (None, Some(_)) => ask(case, &account.mailbox.address, &provider, give_up).await,
                (None, None) => Some(too_many()),
            };
            let Some(said) = said else {
                provider = self.keeps_password(case, &account)?;
                continue;
            };
            // Kept until the mailbox is bound, so that who comes next finds it so.
            if account.mailbox.bound.is_some() {
                case.turn = None;
            }
            account = self.once_more(case, account, &provider, Self::keeps_password).await?;
            let (said, is_new) = match said {
                SaidOf::Unavailable(outage) => {
                    (self.by_last(case, &account, &provider, &outage, shown).await?, false)
                }
                said => {
                    self.weigh(case, &account, &provider, &said, shown).await?;
                    (said, is_new)
                }
            };
            // A slow hash takes its time, too.
            if provider.people.is_purged(purges, &said, &account.mailbox.address) {
                provider = self.keeps_password(case, &account)?;
                continue;
            }
            let SaidOf::Good(person) = &said else { return Ok(account) };
            account = self.bound(case, account, claimed(&provider, person)).await?;
            // What lies in memory is new each time; its changes are a sync's to follow.
            let is_followed = provider.is_polled() && account.mailbox.policy.withdrawn.is_none();
            if !is_new || is_followed {
                return Ok(account);
            }
            return self.followed(case, account, &provider, &person.profile).await;
        }
        Err(case.unavailable(Cause::Purged, "outdated twice while it was asked"))
    }

    /// What an answer means for the login.
    async fn weigh<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        provider: &Arc<Connected>,
        said: &SaidOf,
        shown: Shown<'_>,
    ) -> Result<(), Stop> {
        let person = shown_person(case, said, Reason::UnknownAtProvider)?;
        if !person.profile.enabled {
            let known = provider.owners.known(&person.profile.subject);
            let withdrawn = account.mailbox.policy.withdrawn;
            let withdrawn = withdrawn.filter(|one| one.why == WithdrawnWhy::Disabled);
            let since = known.and_then(|known| known.off_since);
            let since = since.or(withdrawn.map(|withdrawn| withdrawn.since));
            let state = known_since(OwnerState::Disabled, &provider.settings.name, since);
            return Err(refused(case, Reason::DisabledAtProvider, &state));
        }
        let name = &provider.settings.name;
        case.trace.note("account", Outcome::Ok, || format!("enabled at {name}"));
        claimed(provider, person).may_have(case, account)?;
        if let Shown::Token = shown {
            return Ok(());
        }
        let checked = checked_by(case, person)?;
        let Shown::Password(password) = shown else { return Ok(()) };
        let right = match checked {
            Checked::Hash(hash) => self.is_right(case, account.into(), hash, password).await?,
            Checked::Bind(dn) => self.binds(case, account, provider, dn, password).await?,
        };
        if right {
            return Ok(());
        }
        Err(case.refused(Reason::WrongPassword, "the password is wrong"))
    }

    /// The last answer, where the provider cannot be asked and it lets in: for all
    /// else it is too old.
    async fn by_last<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        provider: &Connected,
        outage: &Outage,
        shown: Shown<'_>,
    ) -> Result<SaidOf, Stop> {
        let key = provider.people.key(account.mailbox.address.as_str().as_bytes());
        let last = provider.people.last(&key, case.attempt.arrived);
        let hers = |person: &Person| claimed(provider, person).is_bound_to(account);
        // That we ask enough already says nothing of the provider, and anybody can
        // bring it about: also he who was disabled a while ago.
        let limit = provider.settings.account_check.filter(|_| outage.cause == OutageCause::Busy);
        let counts =
            |asked| limit.is_none_or(|limit| is_younger(asked, case.attempt.arrived, limit));
        let last =
            last.filter(|(person, asked)| person.profile.enabled && hers(person) && counts(*asked));
        let Some((person, asked)) = last else {
            return Err(outage_of(case, outage));
        };
        case.trace.note("asked", Outcome::NotApplicable, || {
            format!("{outage}; what was said at {asked} still counts")
        });
        let last = SaidOf::Good(Arc::clone(&person));
        let Shown::Password(password) = shown else { return Ok(last) };
        let right = match &person.password {
            Password::Hash(hash) => self.is_right(case, account.into(), hash, password).await?,
            Password::Bind(dn) => {
                bound_before(case, account, provider, dn, password, outage)?;
                return Ok(last);
            }
            _ => return Err(outage_of(case, outage)),
        };
        if right {
            (case.stale, case.cached) = (true, true);
            if !case.trace.is_on() {
                provider.people.count_stale();
            }
            return Ok(last);
        }
        // It may be right by now; who tries many of them is guessing all the same.
        case.guessed = true;
        Err(case.unavailable(cause(outage.cause), outage.detail.clone()))
    }

    /// The provider that checks the main password, where one does.
    pub(super) fn keeps_password(
        &self,
        case: &mut Case<'_>,
        account: &Account,
    ) -> Result<Arc<Connected>, Stop> {
        let AuthSource::Provider(name) = &account.mailbox.auth_source else {
            return Err(case.unavailable(Cause::Purged, "the auth source changed meanwhile"));
        };
        let found = self.registry.find(name);
        let connected = found.as_ref().ok().map(Arc::clone);
        let verifier = connected.as_ref().map_or("mailpassword", |connected| connected.verifier());
        case.asked = Some(Asking::new(name.clone(), connected, verifier));
        let stop = match found {
            Err(obstacle) => case.unavailable(obstacle.cause(), obstacle.detail()),
            Ok(connected) if !connected.checks_passwords() => {
                case.refused(Reason::ProviderPassword, "it checks no passwords here")
            }
            Ok(connected) if !case.door.takes_password_of(&connected) => {
                case.refused(Reason::ProviderPassword, "[web] provider_passwords is off")
            }
            Ok(connected) if !connected.speaks_for(&account.domain) => {
                let detail = format!("it does not speak for {}", account.domain.name);
                case.refused(Reason::ProviderDomain, detail)
            }
            Ok(connected) => {
                case.trace.note("auth source", Outcome::Ok, || connected.in_words());
                return Ok(connected);
            }
        };
        let detail = case.asked.as_ref().and_then(|asked| asked.detail.clone());
        case.trace.note("auth source", Outcome::Refused, || {
            format!("provider {name}: {}", detail.unwrap_or_default())
        });
        Err(stop)
    }
}

/// The person whom an answer shows; `nobody` is why there is none.
pub(super) fn shown_person<'s>(
    case: &mut Case<'_>,
    said: &'s SaidOf,
    nobody: Reason,
) -> Result<&'s Arc<Person>, Stop> {
    let person = match said {
        SaidOf::Good(person) => person,
        SaidOf::Refused(why) => {
            let (reason, detail) = match **why {
                NoPerson::Nobody => (nobody, "nobody has this address"),
                NoPerson::Several => {
                    (Reason::AmbiguousAtProvider, "more than one person has this address")
                }
            };
            return Err(refused(case, reason, detail));
        }
        SaidOf::Unavailable(outage) => return Err(outage_of(case, outage)),
    };
    if let Some(why) = unfit_subject(&person.profile.subject) {
        case.trace.note("account", Outcome::Refused, || why.to_owned());
        return Err(case.unavailable(Cause::ProviderMalformed, why));
    }
    Ok(person)
}

/// What convinces us of a right password, where this is who knows it.
pub(super) fn by_password(provider: &Connected) -> VerifiedBy {
    let name = provider.settings.name.clone();
    match provider.directory() {
        Some(_) => VerifiedBy::Directory(name),
        None => VerifiedBy::Mailpassword(name),
    }
}

/// A fresh answer. Not one that would bind the mailbox: who is to be bound has
/// to be vouched for now. Nor one that would not say whether somebody is back.
fn known(case: &mut Case<'_>, provider: &Connected, account: &Account) -> Option<KnownPerson> {
    let now = case.attempt.arrived;
    let key = provider.people.key(account.mailbox.address.as_str().as_bytes());
    let known = provider.people.fresh(&key, now)?;
    if account.mailbox.policy.withdrawn.is_some() {
        return None;
    }
    if let SaidOf::Good(person) = &known.said
        && account.mailbox.bound.is_none()
        && claimed(provider, person).may_bind
    {
        return None;
    }
    case.trace.note("asked", Outcome::Ok, || {
        format!("answer {} s old, fresh", now.since(known.asked).as_secs())
    });
    Some(known)
}

/// Whether the provider may be asked again on account of what did not let in by a
/// fresh answer. Where a network does that more often than it may, the password may
/// still be right by now: that is no refusal, but it counts as a guess.
/// `asker` is who counts where the network says nothing.
pub(super) fn may_ask_again(
    case: &mut Case<'_>,
    user: &Address,
    asker: Asker,
    provider: &Connected,
    stop: Stop,
) -> Result<(), Stop> {
    let key = provider.people.key(user.as_str().as_bytes());
    if case.trace.is_on() || provider.people.is_asked(key) {
        return Ok(());
    }
    let rip = case.rip.filter(|_| !case.attempt.no_penalty);
    let network = rip.and_then(|rip| case.current.settings.abuse.network_of(rip));
    let asker = network.map_or(asker, Asker::Network);
    if provider.rechecks.take(asker, case.attempt.arrived) {
        return Ok(());
    }
    case.guessed = stop == Stop::Rejected(Reason::WrongPassword);
    let detail = "the network has made it be asked again too often";
    Err(case.unavailable(Cause::ProviderBusy, detail))
}

/// A new answer; none if it was outdated when it came. To be explained, it is
/// asked for by itself and not kept.
pub(super) async fn ask(
    case: &mut Case<'_>,
    address: &Address,
    provider: &Arc<Connected>,
    give_up: Instant,
) -> Option<SaidOf> {
    let names = Arc::clone(&case.current.names);
    let name = &provider.settings.name;
    let asked = async {
        if case.trace.is_on() {
            return Some(provider.look_up(address, &names).await);
        }
        provider.ask_about(address, names, case.attempt.arrived).await
    };
    let said = timeout_at(give_up, asked).await.unwrap_or_else(|_| Some(too_slow()));
    if matches!(said, Some(SaidOf::Good(_) | SaidOf::Refused(_))) {
        case.trace.note("asked", Outcome::Ok, || format!("{name} answered now"));
    }
    said
}

/// Who has the mailbox by what the provider says.
pub(super) fn claimed<'p>(provider: &'p Connected, person: &'p Person) -> Claimed<'p> {
    let settings = &provider.settings;
    Claimed {
        provider: &settings.name,
        subject: &person.profile.subject,
        may_bind: person.profile.email_is_verified
            || settings.unverified_email == UnverifiedEmail::Accept,
        by: "the answer",
    }
}

pub(super) fn checked_by<'p>(case: &mut Case<'_>, person: &'p Person) -> Result<Checked<'p>, Stop> {
    let (stop, detail) = match &person.password {
        Password::Hash(hash) => return Ok(Checked::Hash(hash)),
        Password::Bind(dn) => return Ok(Checked::Bind(dn)),
        Password::Missing => {
            (Stop::Rejected(Reason::NoMailpassword), "there is no hash of a main password")
        }
        Password::Several => (
            Stop::Unavailable(Cause::SeveralMailpasswords),
            "the attribute with the hash has more than one value",
        ),
        Password::TooLong => {
            (Stop::Unavailable(Cause::CorruptHash), "the hash is longer than any scheme's")
        }
    };
    case.trace.note("password", Outcome::Refused, || detail.to_owned());
    Err(match stop {
        Stop::Rejected(reason) => case.refused(reason, detail),
        Stop::Unavailable(obstacle) => case.unavailable(obstacle, detail),
    })
}

/// Whether a refusal rests on what can have changed at the provider.
pub(super) fn may_be_mended(stop: Stop) -> bool {
    match stop {
        Stop::Rejected(reason) => matches!(
            reason,
            Reason::WrongPassword
                | Reason::UnknownUser
                | Reason::UnknownAtProvider
                | Reason::AmbiguousAtProvider
                | Reason::DisabledAtProvider
                | Reason::NoMailpassword
                | Reason::UnverifiedEmail
                | Reason::AddressReassigned
        ),
        Stop::Unavailable(cause) => matches!(
            cause,
            Cause::CorruptHash
                | Cause::UnknownScheme
                | Cause::WeakScheme
                | Cause::CostAboveCap
                | Cause::SeveralMailpasswords
                | Cause::ProviderMalformed
        ),
    }
}

pub(super) fn refused(case: &mut Case<'_>, reason: Reason, detail: &str) -> Stop {
    case.trace.note("account", Outcome::Refused, || detail.to_owned());
    case.refused(reason, detail)
}

pub(super) fn outage_of(case: &mut Case<'_>, outage: &Outage) -> Stop {
    case.trace.note("asked", Outcome::Refused, || outage.detail.clone());
    case.unavailable(cause(outage.cause), outage.detail.clone())
}

fn too_slow() -> SaidOf {
    SaidOf::Unavailable(slow().into())
}

pub(super) fn slow() -> Outage {
    let detail = format!("no answer within {} s", PATIENCE.as_secs());
    Outage { cause: OutageCause::Slow, detail }
}

pub(super) fn too_many() -> SaidOf {
    let detail = "too many questions about this mailbox or network are under way".to_owned();
    SaidOf::Unavailable(Outage { cause: OutageCause::Busy, detail }.into())
}
