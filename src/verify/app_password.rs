//! App passwords: one look-up and one digest, however many a mailbox has; and
//! the person to whom the mailbox belongs, who has to be enabled at his provider.
//!
//! **Whose word counts.** Where the auth source is a provider with
//! `account_check`, and the mailbox is bound to a person there, what is known of
//! him decides if it is younger than that; else he is asked about. While the
//! provider cannot be asked, its last word counts for `stale_limit`, and without
//! one the login fails temporarily. All of this comes last, and only for the
//! right secret: what can be refused for nothing causes no question.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    Cause, Pipeline, Reason,
    answers::is_younger,
    bearer::{PATIENCE, cause},
    case::{Case, Door, Stop},
    connected::Connected,
    judge::store_failed,
    owners::{Known, Looked, Told, Wanted},
    providers::Obstacle,
    trace::Outcome,
    turns::Seeker,
    unbound::is_nobodys,
};
use crate::{
    clock::Timestamp,
    idp::{Outage, OutageCause},
    mailbox::{
        AppPassword, AuthSource, Binding, ImportedAppPassword, Mailbox, MailboxId, Owner,
        OwnerState, ProviderName,
    },
    password::AppPasswordText,
    store::{self, Account, Store},
};

/// How long the last word of a provider counts whose settings cannot be read:
/// the default of `stale_limit`.
const WITHOUT_SETTINGS: Duration = Duration::from_secs(12 * 3600);

/// Judges a password that has the form of an app password and the id of one of
/// the mailbox's: from here on nothing else is asked.
pub(super) fn judge(
    case: &mut Case<'_>,
    mailbox: MailboxId,
    typed: &AppPasswordText,
    stored: &AppPassword,
) -> Result<(), Stop> {
    let verdict = check(case, mailbox, typed, stored);
    let outcome = if verdict.is_ok() { Outcome::Ok } else { Outcome::Refused };
    let limit = verdict.err().and_then(|reason| limit(case, stored, reason));
    case.trace.note("app password", outcome, || {
        let found = match (verdict, &limit) {
            (Ok(()), _) => format!("right, opens {}", stored.services),
            (Err(_), Some(limit)) => format!("right, but {limit}"),
            (Err(_), None) => "wrong".to_owned(),
        };
        format!("{} \"{}\": {found}", stored.id, stored.name)
    });
    verdict.map_err(|reason| match limit {
        Some(limit) => {
            case.rests_on(reason, format!("app password {} \"{}\" {limit}", stored.id, stored.name))
        }
        None => Stop::Rejected(reason),
    })
}

/// What keeps a right one from being used here and now.
fn limit(case: &Case<'_>, stored: &AppPassword, reason: Reason) -> Option<String> {
    match reason {
        Reason::AppPasswordService if case.door != Door::Mail => {
            Some("signs nobody in to the pages".to_owned())
        }
        Reason::AppPasswordService => Some(format!("opens only {}", stored.services)),
        Reason::AppPasswordExpired => stored.expires.map(|at| format!("expired on {at}")),
        Reason::AppPasswordNetwork => {
            let networks: Vec<_> = stored.networks.iter().map(ToString::to_string).collect();
            let from =
                case.rip.map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string());
            Some(format!("is for {} alone, and not for {from}", networks.join(", ")))
        }
        _ => None,
    }
}

/// The secret first: who does not have it learns nothing of the rest.
fn check(
    case: &Case<'_>,
    mailbox: MailboxId,
    typed: &AppPasswordText,
    stored: &AppPassword,
) -> Result<(), Reason> {
    if !typed.matches(mailbox, &stored.digest) {
        return Err(Reason::AppPasswordWrong);
    }
    if stored.expires.is_some_and(|expires| expires <= case.attempt.arrived) {
        return Err(Reason::AppPasswordExpired);
    }
    // Without an address, a restriction to networks cannot be met.
    let within = |rip| stored.networks.iter().any(|network| network.contains(&rip));
    if !stored.networks.is_empty() && !case.rip.is_some_and(within) {
        return Err(Reason::AppPasswordNetwork);
    }
    if case.door != Door::Mail || !stored.services.allows_protocol(&case.attempt.protocol) {
        return Err(Reason::AppPasswordService);
    }
    Ok(())
}

/// An app password that was found right.
#[derive(Clone, Copy)]
pub(super) enum Presented<'s> {
    /// One of ours.
    Own(&'s AppPassword),
    /// One that came along.
    Imported(&'s ImportedAppPassword),
}

impl Presented<'_> {
    /// Whether it is still there, as it was.
    async fn is_in(self, store: &dyn Store, mailbox: MailboxId) -> Result<bool, store::Error> {
        Ok(match self {
            Self::Own(own) => store.app_password(mailbox, own.id).await?.as_deref() == Some(own),
            Self::Imported(one) => store.imported_app_passwords(mailbox).await?.contains(one),
        })
    }
}

/// What is known of an owner, and how one knows.
struct Word {
    state: OwnerState,
    asked: Timestamp,
    /// Since when he is known to be disabled or gone.
    off_since: Option<Timestamp>,
    /// How long it counts by itself.
    lasts: Duration,
    /// The provider could not be asked, so this is its last word.
    instead: Option<Arc<Outage>>,
}

impl Pipeline {
    /// The account, once more, if its owner may log in at his provider.
    pub(super) async fn owner_may<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: Account,
        stored: Presented<'_>,
    ) -> Result<Account, Stop> {
        let mailbox = Arc::clone(&account.mailbox);
        let Some(owner) = owner_of(case, &mailbox) else {
            self.want_owner(case, &account);
            return Ok(account);
        };
        let provider = match self.registry.find(&owner.provider) {
            Ok(provider) if provider.owners.are_checked() => provider,
            Ok(_) => {
                case.trace.note("owner", Outcome::NotApplicable, || {
                    format!("not asked about: {} has no account_check", owner.provider)
                });
                return Ok(account);
            }
            Err(obstacle) => {
                self.without_provider(case, &account, owner, &obstacle).await?;
                return Ok(account);
            }
        };
        let now = case.attempt.arrived;
        if let Some(known) = provider.owners.fresh(&owner.subject, now) {
            if provider.owners.ages(&known, now) && !case.trace.is_on() {
                provider.owners.want(&owner.subject, Wanted::Ages);
            }
            case.cached = true;
            let word = word_of(&provider, &known, now);
            self.go_by(case, owner, &word)?;
            return Ok(account);
        }
        let word = self.word_on_owner(case, &account, &provider, owner).await?;
        let account = self.still_right(case, account, stored, &provider).await?;
        self.go_by(case, owner, &word)?;
        Ok(account)
    }

    /// Whose a mailbox is that is nobody's yet is found out beside the logins.
    fn want_owner(&self, case: &Case<'_>, account: &Account) {
        let AuthSource::Provider(name) = &account.mailbox.auth_source else { return };
        let Ok(provider) = self.registry.find(name) else { return };
        if !case.trace.is_on() && provider.owners.are_checked() && is_nobodys(account, &provider) {
            provider.unbound.want(account.mailbox.id, &account.mailbox.address);
        }
    }

    /// What is known of the owner after waiting for it.
    async fn word_on_owner<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        provider: &Arc<Connected>,
        owner: &Binding,
    ) -> Result<Word, Stop> {
        let give_up = Instant::now() + PATIENCE;
        let (now, subject) = (case.attempt.arrived, owner.subject.as_str());
        self.remember_owner(provider, &account.mailbox, subject, give_up).await;
        let fresh = || {
            let known = provider.owners.fresh(subject, now)?;
            Some(word_of(provider, &known, now))
        };
        if let Some(word) = fresh() {
            case.cached = true;
            return Ok(word);
        }
        let turn = self
            .turn(case, Seeker::Mailbox(account), provider, case.current.pool.deadline())
            .await?;
        let give_up = case.or_from_now(give_up, PATIENCE);
        for _ in 0..2 {
            // Who had the turn before us may have asked the same.
            if let Some(word) = fresh() {
                case.cached = true;
                return Ok(word);
            }
            let asked = async {
                match &turn {
                    None => Some(Err(too_many())),
                    Some(_) if case.trace.is_on() => Some(provider.look_up_owner(subject).await),
                    Some(_) => provider.ask_owner(subject, now).await,
                }
            };
            let looked = timeout_at(give_up, asked).await.unwrap_or_else(|_| Some(Err(too_slow())));
            let Some(looked) = looked else { continue };
            return self.heard_of_owner(case, provider, owner, looked);
        }
        Err(self.cannot_tell(case, owner, Cause::Purged, "outdated twice while it was asked"))
    }

    /// An answer, or in its place the last word.
    fn heard_of_owner(
        &self,
        case: &mut Case<'_>,
        provider: &Connected,
        owner: &Binding,
        looked: Looked,
    ) -> Result<Word, Stop> {
        let now = case.attempt.arrived;
        let outage = match looked {
            Ok(Told { state, .. }) => {
                let known = provider.owners.known(&owner.subject);
                let off_since = known.and_then(|known| known.off_since);
                let off_since = off_since.filter(|_| state != OwnerState::Enabled);
                let lasts = Duration::ZERO;
                return Ok(Word { state, asked: now, off_since, lasts, instead: None });
            }
            Err(outage) => outage,
        };
        let busy = outage.cause == OutageCause::Busy;
        match provider.owners.last(&owner.subject, now, busy) {
            Some(known) => {
                (case.stale, case.cached) = (true, true);
                Ok(Word { instead: Some(outage), ..word_of(provider, &known, now) })
            }
            None => Err(self.cannot_tell(case, owner, cause(outage.cause), &outage.detail)),
        }
    }

    /// What a word means for the login.
    fn go_by(&self, case: &mut Case<'_>, owner: &Binding, word: &Word) -> Result<(), Stop> {
        let refusal = match word.state {
            OwnerState::Enabled => None,
            OwnerState::Disabled => Some(Reason::OwnerDisabled),
            OwnerState::Gone => Some(Reason::OwnerGone),
            OwnerState::Unknown => {
                let detail = "it is not known whether the owner is enabled";
                return Err(self.cannot_tell(case, owner, Cause::ProviderDown, detail));
            }
        };
        let outcome = if refusal.is_none() { Outcome::Ok } else { Outcome::Refused };
        let now = case.attempt.arrived;
        case.trace.note("owner", outcome, || {
            let said = said(word.state, &owner.provider, word.asked, now);
            let said = match word.off_since {
                Some(since) => format!("{said}, known since {since}"),
                None => said,
            };
            match &word.instead {
                Some(outage) => format!("{outage}; what was said before still counts: {said}"),
                None if word.lasts.is_zero() => said,
                None => format!("{said}, to be asked again in {} s", word.lasts.as_secs()),
            }
        });
        let Some(reason) = refusal else { return Ok(()) };
        case.asked = Some(self.asking(owner.provider.clone(), "app_password"));
        let state = known_since(word.state, &owner.provider, word.off_since);
        Err(case.refused(reason, format!("the owner is {state}")))
    }

    /// The account after waiting: the app password is still there, and the mailbox
    /// still the same person's, who was asked about where one asks now.
    async fn still_right(
        &self,
        case: &mut Case<'_>,
        before: Account,
        stored: Presented<'_>,
        provider: &Arc<Connected>,
    ) -> Result<Account, Stop> {
        let account = self.account(case, &before.mailbox.address).await?;
        let whose = |account: &Account| {
            let mailbox = &account.mailbox;
            (mailbox.id, mailbox.bound.clone(), mailbox.auth_source.clone())
        };
        let in_force = self.registry.find(&provider.settings.name);
        let still_asked = in_force.is_ok_and(|by_now| Arc::ptr_eq(&by_now, provider));
        if whose(&account) != whose(&before) || !still_asked {
            return Err(Stop::Unavailable(Cause::Purged));
        }
        let present = stored.is_in(&*self.store, account.mailbox.id).await;
        if !present.map_err(|error| store_failed(case, &error))? {
            return Err(Stop::Rejected(Reason::AppPasswordWrong));
        }
        Ok(account)
    }

    /// Nobody can be asked, since the provider is not configured, or wrongly. Who
    /// was disabled or gone stays so; who was never asked about is nobody's matter.
    async fn without_provider(
        &self,
        case: &mut Case<'_>,
        account: &Account,
        owner: &Binding,
        obstacle: &Obstacle,
    ) -> Result<(), Stop> {
        let written = {
            let _place = self.registry.readers.place().await;
            self.store.owner(account.mailbox.id).await
        };
        let written = written.map_err(|error| store_failed(case, &error))?;
        let Some(Owner { state, asked, off_since, .. }) =
            written.filter(|said| said.person == *owner)
        else {
            case.trace.note("owner", Outcome::NotApplicable, || {
                format!("{} was never asked: {}", owner.provider, obstacle.detail())
            });
            return Ok(());
        };
        let counts = match (state, obstacle) {
            (OwnerState::Disabled | OwnerState::Gone, _)
            | (OwnerState::Enabled, Obstacle::NotConfigured) => true,
            (OwnerState::Enabled, Obstacle::Settings(_)) => {
                is_younger(asked, case.attempt.arrived, WITHOUT_SETTINGS)
            }
            (OwnerState::Unknown, _) => false,
        };
        if !counts {
            return Err(self.cannot_tell(case, owner, obstacle.cause(), &obstacle.detail()));
        }
        (case.stale, case.cached) = (true, true);
        let outage = Outage { cause: OutageCause::Settings, detail: obstacle.detail() };
        let instead = Some(outage.into());
        let word = Word { state, asked, off_since, lasts: Duration::ZERO, instead };
        self.go_by(case, owner, &word)
    }

    /// Takes over what was written before the start, if nothing newer is known. A
    /// store that cannot be read is no reason to refuse: the provider is asked.
    pub(super) async fn remember_owner(
        &self,
        provider: &Connected,
        mailbox: &Mailbox,
        subject: &str,
        give_up: Instant,
    ) {
        if provider.owners.known(subject).is_some() {
            return;
        }
        let read = async {
            let _place = self.registry.readers.place().await;
            self.store.owner(mailbox.id).await
        };
        match timeout_at(give_up, read).await {
            Ok(Ok(Some(owner))) if owner.person.subject == subject => {
                provider.owners.remember(&owner);
            }
            Ok(Err(error)) => tracing::debug!(%error, "what is known of an owner cannot be read"),
            _ => {}
        }
    }

    /// For `explain` without a password: what the app passwords of this mailbox
    /// would go by.
    pub(super) async fn note_owner(&self, case: &mut Case<'_>, account: &Account) {
        let Some(owner) = owner_of(case, &account.mailbox) else { return };
        let known = self.owner(&account.mailbox).await.ok().flatten();
        let now = case.attempt.arrived;
        let provider = self.registry.find(&owner.provider).ok();
        let fresh = provider.and_then(|provider| {
            let known = provider.owners.fresh(&owner.subject, now)?;
            Some(provider.owners.counts_for(&known, now))
        });
        case.trace.note("owner", Outcome::NotApplicable, || {
            let said = match known {
                Some(Owner { state, asked, .. }) if state != OwnerState::Unknown => {
                    said(state, &owner.provider, asked, now)
                }
                _ => "not known".to_owned(),
            };
            let next = match fresh {
                Some(lasts) => format!("to be asked again in {} s", lasts.as_secs()),
                None => format!("{} is asked at the next login", owner.provider),
            };
            format!("app passwords go by it: {said}, {next}")
        });
    }

    fn cannot_tell(&self, case: &mut Case<'_>, owner: &Binding, why: Cause, detail: &str) -> Stop {
        case.trace.note("owner", Outcome::Refused, || detail.to_owned());
        case.asked = Some(self.asking(owner.provider.clone(), "app_password"));
        case.unavailable(why, detail)
    }
}

/// The person by whom app passwords go, if there is one: bound, at the provider
/// that says who may log in.
fn owner_of<'m>(case: &mut Case<'_>, mailbox: &'m Mailbox) -> Option<&'m Binding> {
    let AuthSource::Provider(name) = &mailbox.auth_source else { return None };
    let owner = mailbox.bound.as_ref().filter(|bound| bound.provider == *name);
    if owner.is_none() {
        case.trace.note("owner", Outcome::NotApplicable, || {
            format!("the mailbox is nobody's at {name} yet, so nobody is asked about")
        });
    }
    owner
}

fn word_of(provider: &Connected, known: &Known, now: Timestamp) -> Word {
    let lasts = provider.owners.counts_for(known, now);
    let Known { state, asked, off_since, .. } = *known;
    Word { state, asked, off_since, lasts, instead: None }
}

fn said(state: OwnerState, provider: &ProviderName, asked: Timestamp, now: Timestamp) -> String {
    format!("{state} at {provider}, asked {} s ago", now.since(asked).as_secs())
}

fn too_many() -> Arc<Outage> {
    let detail = "too many questions about this mailbox or network are under way".to_owned();
    Outage { cause: OutageCause::Busy, detail }.into()
}

fn too_slow() -> Arc<Outage> {
    let detail = format!("no answer within {} s", PATIENCE.as_secs());
    Outage { cause: OutageCause::Slow, detail }.into()
}

/// How somebody stands, and since when that is known.
pub(super) fn known_since(
    state: OwnerState,
    provider: &ProviderName,
    since: Option<Timestamp>,
) -> String {
    match since {
        Some(since) => format!("{state} at {provider}, known since {since}"),
        None => format!("{state} at {provider}"),
    }
}
