//! Mailboxes that follow a new answer of their provider: at a login that brought it,
//! and when something happened to their person. The rules are `provision`'s.
//!
//! A right login stays one, whatever becomes of the change, unless what changed is its
//! own right: a state or a service.

use std::sync::Arc;

use super::{
    Pipeline,
    case::{Case, Stop},
    connected::Connected,
    trace::Outcome,
};
use crate::{
    clock::Timestamp,
    mailbox::Profile,
    store::{self, Account},
};

impl Pipeline {
    /// The account as it is when its mailbox has followed what was said just now. To
    /// be explained, it is as it would be.
    pub(super) async fn followed(
        &self,
        case: &mut Case<'_>,
        account: Account,
        provider: &Connected,
        person: &Profile,
    ) -> Result<Account, Stop> {
        if !provider.source.is_followed_by(&account.mailbox) {
            return Ok(account);
        }
        let by_now = if case.trace.is_on() {
            self.foreseen(case, &account, provider, person).await
        } else {
            self.by_now(case, &account, provider, person).await
        };
        match by_now {
            Ok(Some(by_now)) if by_now.mailbox != account.mailbox => {
                case.account = Some(by_now.clone());
                if by_now.mailbox.state != account.mailbox.state {
                    case.state(&by_now)?;
                }
                if by_now.mailbox.services != account.mailbox.services {
                    case.services(&by_now)?;
                }
                Ok(by_now)
            }
            Ok(_) => Ok(account),
            Err(error) => {
                let user = &account.mailbox.address;
                tracing::error!(%user, %error, "the mailbox cannot follow its provider");
                Ok(account)
            }
        }
    }

    async fn by_now(
        &self,
        case: &Case<'_>,
        account: &Account,
        provider: &Connected,
        person: &Profile,
    ) -> Result<Option<Account>, store::Error> {
        let follower = self.follower(&provider.source, false).await?;
        if !follower.follow(person, case.attempt.arrived).await? {
            return Ok(None);
        }
        self.store.account(&account.mailbox.address).await
    }

    async fn foreseen(
        &self,
        case: &mut Case<'_>,
        account: &Account,
        provider: &Connected,
        person: &Profile,
    ) -> Result<Option<Account>, store::Error> {
        let follower = self.follower(&provider.source, false).await?;
        let address = &account.mailbox.address;
        let foreseen = follower.foresee(person, address, case.attempt.arrived).await?;
        Ok(foreseen.map(|(account, detail)| {
            case.trace.note("provisioning", Outcome::Ok, || {
                format!("the mailbox would follow the provider: {detail}")
            });
            account
        }))
    }

    /// Lets the mailboxes of somebody to whom something happened follow. Where people
    /// are imported, he gets one if he has none.
    pub(super) async fn follow_person(&self, provider: &Arc<Connected>, person: Profile) {
        let person = match provider.provider() {
            Some(asked) => match asked.complete(person).await {
                Ok(person) => person,
                // The next sync knows.
                Err(outage) => {
                    let provider = &provider.settings.name;
                    tracing::warn!(%provider, %outage, "a mailbox follows later");
                    return;
                }
            },
            None => person,
        };
        let makes = provider.source.provisioning.import_users;
        let done = async {
            let follower = self.follower(&provider.source, makes).await?;
            follower.follow(&person, Timestamp::now()).await
        };
        match done.await {
            Ok(true) => provider.owners.has_one_more(&person.subject),
            Ok(false) => {}
            Err(error) => {
                let provider = &provider.settings.name;
                tracing::error!(%provider, %error, "a mailbox cannot follow its provider");
            }
        }
    }
}
