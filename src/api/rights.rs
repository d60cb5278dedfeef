//! What a route needs, and whether its caller has it: compared before a handler
//! sees the request. A handler that lists, or is told by a body whom it is about,
//! narrows that itself to the [`Territory`]; a test goes over all routes.
//!
//! **What is not reached looks as if it were not there.** Nobody learns from an
//! answer whether somebody else's domain, mailbox or provider exists.

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use axum::{
    extract::{
        FromRequestParts, RawPathParams, Request, State as Shared,
        rejection::RawPathParamsRejection,
    },
    http::request::Parts,
    middleware::Next,
    response::Response,
};

use super::{
    Caller, Error, State,
    caller::{Reach, Scope, Who},
    error::Code,
    extract::domain,
    providers::name_of,
};
use crate::{
    mailbox::{Address, AuthSource, DomainName, MailboxId, MailboxState, OwnerState, ProviderName},
    store::Account,
};

/// What a route needs of its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Needs {
    /// What he must be allowed to do.
    pub scope: Scope,
    /// What he must reach.
    pub over: Over,
    /// Whether the owner of a mailbox may do it, too, with his own.
    pub owner_may: bool,
}

/// What a caller must reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// The whole server.
    Everything,
    /// The domain that `{name}` in the path is.
    Domain,
    /// The mailbox that `{address}` in the path is.
    Mailbox,
    /// The provider or directory that `{name}` in the path is.
    Provider,
    /// Something: the handler leaves out the rest.
    Something,
}

impl Needs {
    pub(super) const fn new(scope: Scope, over: Over) -> Self {
        Self { scope, over, owner_may: false }
    }

    /// Lets the owner of a mailbox do it, too, with his own.
    pub(super) const fn or_owner(self) -> Self {
        Self { owner_may: true, ..self }
    }
}

/// What a caller reaches as things stand.
#[derive(Clone, Debug)]
pub(super) enum Territory {
    /// The whole server.
    Everything,
    /// Some domains.
    Within(Arc<Within>),
    /// His own mailbox.
    Own(Account),
}

/// Some domains, and what else that comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Within {
    pub(super) domains: BTreeSet<DomainName>,
    /// Those that speak for no other domains.
    pub(super) providers: BTreeSet<ProviderName>,
}

impl Within {
    /// The domains behind `from`, or with it.
    pub(super) fn domains_from<'w>(
        &'w self,
        from: Option<&'w DomainName>,
        bound: fn(&'w DomainName) -> Bound<&'w DomainName>,
    ) -> impl Iterator<Item = &'w DomainName> {
        self.domains.range((from.map_or(Bound::Unbounded, bound), Bound::Unbounded))
    }
}

impl Territory {
    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    pub(super) fn has_domain(&self, name: &DomainName) -> bool {
        match self {
            Self::Everything => true,
            Self::Within(within) => within.domains.contains(name),
            Self::Own(_) => false,
        }
    }

    pub(super) fn has_mailbox(&self, address: &Address) -> bool {
        match self {
            Self::Own(account) => account.mailbox.address == *address,
            _ => self.has_domain(&address.domain()),
        }
    }

    pub(super) fn has_provider(&self, name: &ProviderName) -> bool {
        match self {
            Self::Everything => true,
            Self::Within(within) => within.providers.contains(name),
            Self::Own(_) => false,
        }
    }

    /// Refuses a domain that is not reached as one that is not there.
    pub(super) fn check_domain(&self, name: &DomainName) -> Result<(), Error> {
        let missing = || Error::not_found("domain", name.as_str());
        self.has_domain(name).then_some(()).ok_or_else(missing)
    }

    /// Refuses a mailbox that is not reached as one that is not there.
    pub(super) fn check_mailbox(&self, address: &Address) -> Result<(), Error> {
        let missing = || Error::not_found("mailbox", address.as_str());
        self.has_mailbox(address).then_some(()).ok_or_else(missing)
    }

    /// Refuses a provider that is not reached as one that is not there.
    pub(super) fn check_provider(&self, name: &ProviderName) -> Result<(), Error> {
        let missing = || Error::not_found("provider", name.as_str());
        self.has_provider(name).then_some(()).ok_or_else(missing)
    }
}

impl FromRequestParts<State> for Territory {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

/// Nobody said whose request it is.
pub(super) fn unknown() -> Error {
    Error::new(Code::Forbidden, "it is not known who sent this request")
}

/// Lets a request pass whose caller has what its route needs.
pub(super) async fn admit(
    Shared((state, needs)): Shared<(State, Needs)>,
    names: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let names = names.map_err(|rejection| Error::bad_request(rejection.body_text()))?;
    let caller = request.extensions().get::<Caller>().ok_or_else(unknown)?;
    check_kind(caller, needs)?;
    state.is_still_administrator(caller)?;
    let territory = state.territory(&caller.rights().reach).await?;
    let in_path = |wanted| {
        let mut found = names.iter().filter(|(name, _)| *name == wanted);
        found.next().map(|(_, value)| value).expect("a route whose path has this name")
    };
    match needs.over {
        Over::Everything | Over::Something => {}
        Over::Domain => territory.check_domain(&domain(in_path("name"))?)?,
        Over::Mailbox => territory.check_mailbox(&state.address(in_path("address"))?)?,
        Over::Provider => territory.check_provider(&name_of(in_path("name"))?)?,
    }
    request.extensions_mut().insert(territory);
    Ok(next.run(request).await)
}

/// Refuses who could not do it with anything.
fn check_kind(caller: &Caller, needs: Needs) -> Result<(), Error> {
    let rights = caller.rights();
    let is_owner = matches!(rights.reach, Reach::Own { .. });
    if is_owner && !needs.owner_may {
        return Err(Error::new(Code::Forbidden, "only administrators may do this"));
    }
    if !rights.scopes.contains(&needs.scope) {
        let why =
            format!("this needs the scope {}, which {} does not have", needs.scope, caller.who());
        return Err(Error::new(Code::Forbidden, why));
    }
    if needs.over == Over::Everything && rights.reach != Reach::Everything {
        let why = "only who administers the whole server may do this, not some domains of it";
        return Err(Error::new(Code::Forbidden, why));
    }
    Ok(())
}

impl State {
    /// Refuses whom a provider called an administrator, if its settings give that word no
    /// weight any more.
    fn is_still_administrator(&self, caller: &Caller) -> Result<(), Error> {
        let Who::Administrator { provider, person, .. } = caller.who() else { return Ok(()) };
        let report = self.pipeline.providers().into_iter().find(|one| one.name == *provider);
        let weight = report.and_then(|one| one.settings.ok()).is_some_and(|settings| {
            let written = &settings.written;
            let everything = caller.rights().reach == Reach::Everything;
            let is_his = person.as_ref().is_none_or(|person| {
                settings.issuer.as_ref() == Some(&person.issuer)
                    && !self.pipeline.is_off(provider, &person.subject)
            });
            let weight = written.administrator_role.is_some();
            weight && (written.administrators || !everything) && is_his
        });
        let why = || {
            let why = format!("administrators of {provider} have other rights now: sign in again");
            Error::new(Code::Unauthorized, why)
        };
        weight.then_some(()).ok_or_else(why)
    }

    /// What this reach comes to now.
    async fn territory(&self, reach: &Reach) -> Result<Territory, Error> {
        let within = match reach {
            Reach::Everything => return Ok(Territory::Everything),
            Reach::Own { address, mailbox, generation } => {
                let account = self.own_account(address, *mailbox, *generation).await?;
                return Ok(Territory::Own(account));
            }
            Reach::Domains(domains) => {
                let spoken_for = self.domains_by_provider().await?.into_iter();
                let ours = spoken_for
                    .filter(|(_, spoken_for)| spoken_for.iter().all(|one| domains.contains(one)));
                Within { domains: domains.clone(), providers: ours.map(|(name, _)| name).collect() }
            }
            Reach::Provider(provider) => {
                let domains = self.domains_by_provider().await?.remove(provider);
                let domains = domains.unwrap_or_default().into_iter().collect();
                Within { domains, providers: [provider.clone()].into() }
            }
        };
        Ok(Territory::Within(Arc::new(within)))
    }

    /// The mailbox of who signed in, if it is still his and may still log in.
    async fn own_account(
        &self,
        address: &Address,
        id: MailboxId,
        generation: Option<u64>,
    ) -> Result<Account, Error> {
        let signed_out = || {
            let why = format!("{address} may not log in any more, so its web session has ended");
            Error::new(Code::Unauthorized, why)
        };
        let account = self.store.account(address).await?.ok_or_else(signed_out)?;
        let mailbox = &account.mailbox;
        let is_open =
            mailbox.id == id && mailbox.state == MailboxState::Active && account.domain.active;
        let is_as_it_was = generation.is_none_or(|generation| generation == mailbox.generation);
        if !is_open || !is_as_it_was || self.is_switched_off(&account).await? {
            return Err(signed_out());
        }
        Ok(account)
    }

    /// Whether the provider that checks the mailbox's password said that its person
    /// may not log in there.
    async fn is_switched_off(&self, account: &Account) -> Result<bool, Error> {
        let mailbox = &account.mailbox;
        let (AuthSource::Provider(source), Some(person)) = (&mailbox.auth_source, &mailbox.bound)
        else {
            return Ok(false);
        };
        if person.provider != *source {
            return Ok(false);
        }
        let owner = self.pipeline.owner(mailbox).await?;
        let off = [OwnerState::Disabled, OwnerState::Gone];
        Ok(owner.is_some_and(|owner| off.contains(&owner.state)))
    }
}
