//! Whose a mailbox is: the person's who is bound to it, by his id at the
//! provider and never by the address alone.

use super::{
    Pipeline, Reason,
    case::{Case, Stop},
    connected::shown,
    judge::store_failed,
    trace::Outcome,
};
use crate::{
    mailbox::Binding,
    store::{self, Account},
};

/// Longest id of a person, in bytes (OpenID Connect Core §2, `sub`).
const MAX_SUBJECT_BYTES: usize = 255;

/// What is wrong with a person's id, if anything is.
pub(super) fn unfit_subject(subject: &str) -> Option<&'static str> {
    if subject.is_empty() {
        return Some("the person's id is empty");
    }
    if subject.len() > MAX_SUBJECT_BYTES {
        return Some("the person's id is longer than 255 bytes");
    }
    let control = subject.chars().any(char::is_control);
    control.then_some("the person's id has a control character")
}

/// Who claims a mailbox by what a provider says.
pub(super) struct Claimed {
    pub(super) person: Binding,
    /// The provider is believed far enough to make the mailbox hers.
    pub(super) may_bind: bool,
    /// What names her: "the token".
    pub(super) by: &'static str,
}

impl Claimed {
    /// Whether the mailbox is this person's, or may become so.
    pub(super) fn may_have(&self, case: &mut Case<'_>, account: &Account) -> Result<(), Stop> {
        let Self { person, may_bind, by } = self;
        if let Some(bound) = &account.mailbox.bound {
            if bound == person {
                case.trace.note("person", Outcome::Ok, || {
                    format!("the mailbox is bound to {}", id_of(bound))
                });
                return Ok(());
            }
            let detail = format!("bound to {}, {by} is of {}", id_of(bound), id_of(person));
            return Err(reassigned(case, detail));
        }
        if !may_bind {
            let detail = format!("{} has not verified the address", person.provider);
            case.trace.note("person", Outcome::Refused, || {
                format!("the mailbox is nobody's yet, and {detail}")
            });
            return Err(case.refused(Reason::UnverifiedEmail, detail));
        }
        case.trace.note("person", Outcome::Ok, || {
            format!("the mailbox is nobody's yet; the login binds it to {}", id_of(person))
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
        claimed: Claimed,
    ) -> Result<Account, Stop> {
        if account.mailbox.bound.is_some() || case.trace.is_on() {
            return Ok(account);
        }
        let (address, id) = (&account.mailbox.address, account.mailbox.id);
        let person = claimed.person;
        let bound =
            self.store.bind_mailbox(address, id, person.clone(), case.attempt.arrived).await;
        match bound {
            Ok(account) => {
                tracing::info!(user = %address, person = id_of(&person), "mailbox bound");
                if let Ok(provider) = self.registry.find(&person.provider) {
                    provider.owners.has_one_more(&person.subject);
                }
                Ok(account)
            }
            Err(store::Error::Conflict(why)) => Err(reassigned(case, why)),
            Err(store::Error::NotFound { .. }) => Err(Stop::Rejected(Reason::UnknownUser)),
            Err(error) => Err(store_failed(case, &error)),
        }
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
