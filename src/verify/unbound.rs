//! Mailboxes that are used by app passwords alone and belong to nobody yet: a
//! person is bound by a main password or a token, and some have neither in their
//! mail programs. Whose they are is found out beside the logins, by the address,
//! so that app passwords follow their owner from then on.
//!
//! Each is asked about once in `account_check`, whatever came of it: an address
//! that the provider does not know (a scanner's, a list's) costs no more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tokio::sync::Notify;

use super::{
    Error, Pipeline,
    connected::{Connected, state_of},
    mailpassword::claimed,
    people::SaidOf,
    person::unfit_subject,
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, AuthSource, MailboxId, OwnerState},
    store::{self, Account},
};

/// Most mailboxes that are remembered as asked about, and most that wait for it.
const MOST: u64 = 10_000;

/// The mailboxes of one provider that belong to nobody.
pub(super) struct Unbound {
    asked: Cache<MailboxId, ()>,
    line: Mutex<VecDeque<Address>>,
    joined: Notify,
}

impl Unbound {
    pub(super) fn new(account_check: Option<Duration>) -> Self {
        let time = account_check.unwrap_or_default();
        Self {
            asked: Cache::builder().max_capacity(MOST).time_to_live(time).build(),
            line: Mutex::default(),
            joined: Notify::new(),
        }
    }

    /// Puts a mailbox into the line, unless it was there lately.
    pub(super) fn want(&self, mailbox: MailboxId, address: &Address) {
        if self.asked.contains_key(&mailbox) {
            return;
        }
        let mut line = self.line();
        if line.len() as u64 >= MOST {
            return;
        }
        self.asked.insert(mailbox, ());
        line.push_back(address.clone());
        drop(line);
        self.joined.notify_one();
    }

    fn next(&self) -> Option<Address> {
        self.line().pop_front()
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Address>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipeline {
    /// Finds out whose the mailboxes in the line are. Ends never.
    pub(super) async fn bind_unbound(&self, provider: &Arc<Connected>) {
        loop {
            while let Some(address) = provider.unbound.next() {
                if let Err(error) = self.bind_to_who_has(&address, provider).await {
                    tracing::error!(user = %address, %error, "the mailbox cannot be bound");
                }
            }
            provider.unbound.joined.notified().await;
        }
    }

    /// Binds a mailbox to the person who has its address at the provider, by the
    /// rules of a login.
    async fn bind_to_who_has(
        &self,
        address: &Address,
        provider: &Arc<Connected>,
    ) -> Result<(), Error> {
        let now = Timestamp::now();
        if self.nobodys(address, provider).await?.is_none() {
            return Ok(());
        }
        let said = provider.ask_about(address, self.names(), now).await;
        let Some(SaidOf::Good(person)) = said else { return Ok(()) };
        let claimed = claimed(provider, &person);
        if !claimed.may_bind || unfit_subject(&person.profile.subject).is_some() {
            return Ok(());
        }
        // It took its time.
        let Some(account) = self.nobodys(address, provider).await? else { return Ok(()) };
        let person_there = claimed.person();
        match self.bind(&account, person_there.clone(), now).await {
            Ok(_) => {}
            Err(store::Error::Conflict(_) | store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // That he is disabled was learnt before there was a mailbox of his.
        match state_of(&person.profile) {
            OwnerState::Enabled => Ok(()),
            state => self.withdraw_person(&person_there, state).await,
        }
    }

    /// The mailbox, if it is of this provider and nobody's.
    async fn nobodys(
        &self,
        address: &Address,
        provider: &Connected,
    ) -> Result<Option<Account>, store::Error> {
        let account = self.store.account(address).await?;
        Ok(account.filter(|account| is_nobodys(account, provider)))
    }
}

/// Whether the provider can say whose it is.
pub(super) fn is_nobodys(account: &Account, provider: &Connected) -> bool {
    let (mailbox, name) = (&account.mailbox, &provider.settings.name);
    mailbox.bound.is_none()
        && matches!(&mailbox.auth_source, AuthSource::Provider(source) if source == name)
        && provider.speaks_for(&account.domain)
}
