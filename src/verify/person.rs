//! Whose a mailbox is: the person's who is bound to it, by his id at the
//! provider and never by the address alone.

use super::{
    Pipeline, Reason,
    case::{Case, Stop},
    connected::shown,
    judge::store_failed,
    trace::Outcome,
};
pub(super) use crate::mailbox::profile::unfit_subject;
use crate::{
    clock::Timestamp,
    mailbox::{Binding, ProviderName},
    store::{self, Account},
};

/// Who claims a mailbox by what a provider says.
pub(super) struct Claimed<'p> {
    pub(super) provider: &'p ProviderName,
    /// The provider's own id of the person.
    pub(super) subject: &'p str,
    /// The provider is believed far enough to make the mailbox hers.
    pub(super) may_bind: bool,
    /// What names her: "the token".
    pub(super) by: &'static str,
}

impl Claimed<'_> {
    /// Whether the mailbox is this person's by now.
    pub(super) fn is_bound_to(&self, account: &Account) -> bool {
        let bound = account.mailbox.bound.as_ref();
        bound.is_some_and(|Binding { provider, subject }| {
            provider == self.provider && subject == self.subject
        })
    }

    /// Whether the address is believed, where nothing else says whose the mailbox is.
    pub(super) fn is_vouched_for(&self, case: &mut Case<'_>) -> Result<(), Stop> {
        if self.may_bind {
            return Ok(());
        }
        let detail = format!("{} has not verified the address", self.provider);
        case.trace.note("person", Outcome::Refused, || {
            format!("nothing else says whose the mailbox is, and {detail}")
        });
        Err(case.refused(Reason::UnverifiedEmail, detail))
    }

    pub(super) fn person(&self) -> Binding {
        Binding { provider: self.provider.clone(), subject: self.subject.to_owned() }
    }

    /// Whether the mailbox is this person's, or may become so.
    pub(super) fn may_have(&self, case: &mut Case<'_>, account: &Account) -> Result<(), Stop> {
        if let Some(bound) = &account.mailbox.bound {
            if self.is_bound_to(account) {
                case.trace.note("person", Outcome::Ok, || {
                    format!("the mailbox is bound to {}", id_of(bound))
                });
                return Ok(());
            }
            let (by, person) = (self.by, self.person());
            let detail = format!("bound to {}, {by} is of {}", id_of(bound), id_of(&person));
            return Err(reassigned(case, detail));
        }
        self.is_vouched_for(case)?;
        case.trace.note("person", Outcome::Ok, || {
            format!("the mailbox is nobody's yet; the login binds it to {}", id_of(&self.person()))
        });
        Ok(())
    }
}

impl Pipeline {
    /// The account, bound to the person who [may have](Claimed::may_have) it. To
    /// be explained, it stays as it is.
    pub(super) async fn bound(
        &self,
        case: &mut Case<'_>,
        account: Account,
        claimed: Claimed<'_>,
    ) -> Result<Account, Stop> {
        if account.mailbox.bound.is_some() || case.trace.is_on() {
            return Ok(account);
        }
        match self.bind(&account, claimed.person(), case.attempt.arrived).await {
            Ok(account) => Ok(account),
            Err(store::Error::Conflict(why)) => Err(reassigned(case, why)),
            Err(store::Error::NotFound { .. }) => Err(Stop::Rejected(Reason::UnknownUser)),
            Err(error) => Err(store_failed(case, &error)),
        }
    }

    /// Makes a mailbox that is nobody's this person's.
    pub(super) async fn bind(
        &self,
        account: &Account,
        person: Binding,
        now: Timestamp,
    ) -> Result<Account, store::Error> {
        let (address, id) = (&account.mailbox.address, account.mailbox.id);
        let bound = self.store.bind_mailbox(address, id, person.clone(), now).await?;
        tracing::info!(user = %address, person = id_of(&person), "mailbox bound");
        if let Ok(provider) = self.registry.find(&person.provider) {
            provider.owners.has_one_more(&person.subject);
        }
        Ok(bound)
    }
}

fn reassigned(case: &mut Case<'_>, detail: String) -> Stop {
    case.trace.note("person", Outcome::Refused, || detail.clone());
    case.refused(Reason::AddressReassigned, detail)
}

/// A person's id as logs show it.
fn id_of(person: &Binding) -> String {
    format!("{}/{}", person.provider, shown(&person.subject))
}
