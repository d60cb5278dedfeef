//! The order of the checks.
//!
//! For a password: name, abuse, mailbox and domain, app password, those that came
//! along from elsewhere, services, source of the main password; for a token see `bearer`. What can be refused is
//! refused early, and all refusals look the same to the client.

use std::sync::Arc;

use super::{
    Cause, Pipeline, Reason, Verified, VerifiedBy,
    app_password::{self, Presented},
    auth_token::{self, Parts},
    case::{Case, Stop},
    connected::Connected,
    imported::Tried,
    mailpassword::{Shown, by_password},
    newcomer::Arrived,
    trace::Outcome,
};
use crate::{
    mailbox::{Address, AppPasswordId, AuthSource, Mailbox, policy::Field},
    password::{self, AppPasswordText, Stored},
    sasl::Credentials,
    secret::Secret,
    store::{self, Account},
};

impl Pipeline {
    pub(super) async fn judge<'a>(&'a self, case: &mut Case<'a>) -> Result<Verified, Stop> {
        let attempt = case.attempt;
        match &attempt.credentials {
            Credentials::Password { authcid, authzid, password } => {
                let user = case.name(authcid, authzid.as_deref())?;
                self.password(case, &user, password).await
            }
            Credentials::Bearer { user, token } => {
                let user = case.name(user, None)?;
                self.bearer(case, &user, token).await
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
        let main_held = self.main_password_held(case, user, typed.is_some())?;
        if main_held && typed.is_none() {
            // Only for the history, so a failure changes nothing.
            case.account = self.store.account(user).await.ok().flatten();
            return Err(Stop::Rejected(Reason::HeldBack));
        }
        let account = match self.account_or_withdrawn(case, user).await {
            Err(Stop::Rejected(Reason::UnknownUser)) if main_held => {
                return Err(Stop::Rejected(Reason::HeldBack));
            }
            Err(Stop::Rejected(Reason::UnknownUser)) => {
                match self.newcomer(case, user, Shown::Password(password)).await {
                    Ok(None) | Err(Stop::Rejected(Reason::UnknownUser)) => {
                        return Err(self.unknown_user(case, password).await);
                    }
                    Ok(Some((Arrived::Made(account), provider))) => {
                        return Ok(case.verified(account, by_password(&provider)));
                    }
                    Ok(Some((Arrived::There, _))) => self.account(case, user).await?,
                    Err(stop) => return Err(stop),
                }
            }
            found => found?,
        };
        if let Some((account, id)) = self.app_password(case, &account, typed.as_ref()).await? {
            case.is_back(&account)?;
            return Ok(case.verified(account, VerifiedBy::AppPassword(id)));
        }
        if main_held {
            return Err(Stop::Rejected(Reason::HeldBack));
        }
        let unreadable = match self.imported_app_password(case, &account, password).await? {
            Tried::Right(account, id) => {
                case.is_back(&account)?;
                return Ok(case.verified(account, VerifiedBy::AppPassword(id)));
            }
            Tried::Unreadable(stop) => Some(stop),
            Tried::None => None,
        };
        let judged = self.main_password(case, account, password).await;
        match (judged, unreadable) {
            // It may be the one that cannot be checked; but it counts as a guess.
            (Err(Stop::Rejected(_)), Some(stop)) => {
                case.guessed = true;
                Err(stop)
            }
            (judged, _) => judged,
        }
    }

    async fn main_password<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: Account,
        password: &Secret,
    ) -> Result<Verified, Stop> {
        case.services(&account)?;
        if let Some(provider) = self.source(case, &account)? {
            return self.mailpassword(case, account, provider, password).await;
        }
        self.local_password(case, &account, password).await?;
        Ok(case.verified(account, VerifiedBy::LocalPassword))
    }

    /// The same way, as far as it goes without a password.
    pub(super) async fn way_to_main_password<'a>(
        &'a self,
        case: &mut Case<'a>,
        name: &[u8],
    ) -> Result<(), Stop> {
        let user = case.name(name, None)?;
        let main_held = self.main_password_held(case, &user, false)?;
        let account = match self.account_or_withdrawn(case, &user).await {
            Err(Stop::Rejected(Reason::UnknownUser)) if !main_held => {
                let arrived = self.newcomer(case, &user, Shown::Nothing).await?;
                return arrived.map(drop).ok_or(Stop::Rejected(Reason::UnknownUser));
            }
            found => found?,
        };
        self.app_password(case, &account, None).await?;
        if main_held {
            return Err(Stop::Rejected(Reason::HeldBack));
        }
        case.services(&account)?;
        if let Some(provider) = self.source(case, &account)? {
            let account = self.mailpassword_way(case, account, provider, Shown::Nothing).await?;
            case.is_back(&account)?;
        }
        Ok(())
    }

    /// The mailbox, if it may log in at all.
    pub(super) async fn account(
        &self,
        case: &mut Case<'_>,
        user: &Address,
    ) -> Result<Account, Stop> {
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

    /// The same, and also one that a provider's word has switched off, and nobody
    /// else: he may be back there. Whoever goes on has to ask it, and
    /// [`Case::is_back`] at the end.
    pub(super) async fn account_or_withdrawn(
        &self,
        case: &mut Case<'_>,
        user: &Address,
    ) -> Result<Account, Stop> {
        match (self.account(case, user).await, &case.account) {
            (Err(Stop::Rejected(Reason::ReceiveOnly)), Some(account))
                if may_be_back(&account.mailbox) =>
            {
                case.trace.passes_over("mailbox");
                Ok(account.clone())
            }
            (found, _) => found,
        }
    }

    /// Who checks the main password: a provider, or nobody but the store.
    fn source(
        &self,
        case: &mut Case<'_>,
        account: &Account,
    ) -> Result<Option<Arc<Connected>>, Stop> {
        if let AuthSource::Local = &account.mailbox.auth_source {
            case.trace.note("auth source", Outcome::Ok, || "local".to_owned());
            return Ok(None);
        }
        self.keeps_password(case, account).map(Some)
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
    /// decides, with what is known of its owner.
    async fn app_password<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        typed: Option<&AppPasswordText>,
    ) -> Result<Option<(Account, AppPasswordId)>, Stop> {
        let mailbox = account.mailbox.id;
        let stored = match typed {
            None => None,
            Some(typed) => {
                let stored = self.store.app_password(mailbox, typed.id()).await;
                stored.map_err(|error| store_failed(case, &error))?.map(|stored| (typed, stored))
            }
        };
        let Some((typed, stored)) = stored else {
            if let Some(typed) = typed {
                let id = typed.id();
                let fact = format!(
                    "it looks like an app password, and the mailbox has none with the id {id}: \
                     revoked, or another mailbox's"
                );
                case.fact = Some((Reason::WrongPassword, fact));
            }
            self.note_no_app_password(case, account).await;
            return Ok(None);
        };
        case.app_password = Some(stored.id);
        app_password::judge(case, mailbox, typed, &stored)?;
        let account = self.owner_may(case, account.clone(), Presented::Own(&stored)).await?;
        Ok(Some((account, stored.id)))
    }

    async fn note_no_app_password(&self, case: &mut Case<'_>, account: &Account) {
        if case.trace.is_on() {
            let number = self.store.app_passwords(account.mailbox.id).await;
            let number = number.map_or(0, |all| all.len());
            case.trace.note("app password", Outcome::NotApplicable, || match number {
                0 => "the mailbox has none".to_owned(),
                1 => "it is not the one that the mailbox has".to_owned(),
                _ => format!("it is none of the {number} that the mailbox has"),
            });
            if number > 0 {
                self.note_owner(case, account).await;
            }
        }
    }
}

/// Whether a provider's word alone keeps somebody out of the mailbox.
fn may_be_back(mailbox: &Mailbox) -> bool {
    mailbox.policy.withdrawn.is_some()
        && mailbox.auth_source != AuthSource::Local
        && !mailbox.is_overridden(Field::State)
}

pub(super) fn store_failed(case: &mut Case<'_>, error: &store::Error) -> Stop {
    case.trace.note("mailbox", Outcome::Refused, || error.to_string());
    if !case.trace.is_on() {
        tracing::error!(%error, "a login could not be checked");
    }
    Stop::Unavailable(Cause::Store)
}
