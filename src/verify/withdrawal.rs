//! Mailboxes that nobody may use any more: their owner was disabled at the
//! provider, or an administrator switched them off. Logins find that out by
//! themselves; sessions that are open already do not, so whoever can end them is
//! told.
//!
//! The line of those who wait is bounded, and has each address once: that
//! somebody is to be thrown out twice is thrown out once.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{Error, Pipeline};
use crate::{
    mailbox::{Address, Binding, DomainName, MailboxState, OwnerState, ProviderName},
    store::MailboxFilter,
};

/// Most mailboxes that wait.
const MAX_WAITING: usize = 1_000;
/// Most domains that wait.
const MAX_DOMAINS: usize = 1_000;
/// Mailboxes of a domain that are read at a time.
const PAGE: usize = 100;

/// Why a mailbox was withdrawn.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum WithdrawnFor {
    /// Its owner is disabled at the provider.
    OwnerDisabled,
    /// Its owner is not at the provider any more.
    OwnerGone,
    /// An administrator switched it off.
    MailboxDisabled,
    /// An administrator lets it receive only.
    ReceiveOnly,
    /// An administrator removed it.
    MailboxRemoved,
    /// An administrator switched its domain off.
    DomainDisabled,
}

impl WithdrawnFor {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnerDisabled => "owner_disabled",
            Self::OwnerGone => "owner_gone",
            Self::MailboxDisabled => "mailbox_disabled",
            Self::ReceiveOnly => "receive_only",
            Self::MailboxRemoved => "mailbox_removed",
            Self::DomainDisabled => "domain_disabled",
        }
    }

    /// What this state of a mailbox comes to, if it is withdrawn by it.
    pub fn by_state(state: MailboxState) -> Option<Self> {
        match state {
            MailboxState::Active => None,
            MailboxState::ReceiveOnly => Some(Self::ReceiveOnly),
            MailboxState::Disabled => Some(Self::MailboxDisabled),
        }
    }
}

/// A mailbox that nobody may use any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Withdrawal {
    /// Which.
    pub address: Address,
    /// Why.
    pub why: WithdrawnFor,
}

/// How it goes with withdrawals.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WithdrawalFigures {
    /// Mailboxes withdrawn since the start.
    pub withdrawn: u64,
    /// Those that wait for being followed up now.
    pub waiting: u64,
    /// Those that were followed up.
    pub done: u64,
    /// Those where that failed.
    pub failed: u64,
    /// Those that found no room in the line.
    pub dropped: u64,
}

/// Those who wait for being followed up.
#[derive(Default)]
pub struct Withdrawals {
    /// Whether anybody follows up.
    are_followed: AtomicBool,
    line: Mutex<Line>,
    /// Somebody joined the line.
    joined: Notify,
    /// Somebody left it.
    left: Notify,
    domains: Mutex<VecDeque<DomainName>>,
    domain_joined: Notify,
    withdrawn: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Line {
    order: VecDeque<Withdrawal>,
    addresses: HashSet<Address>,
}

impl Withdrawals {
    /// Says whether anybody follows up. While nobody does, nobody waits.
    pub fn follow(&self, are_followed: bool) {
        self.are_followed.store(are_followed, Ordering::Relaxed);
        if !are_followed {
            *self.line() = Line::default();
            self.left.notify_one();
        }
    }

    /// The next who waits, when there is one.
    pub async fn next(&self) -> Withdrawal {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.joined.notified().await;
        }
    }

    /// Counts one that was followed up.
    pub fn count(&self, well: bool) {
        let counter = if well { &self.done } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How it goes.
    pub fn figures(&self) -> WithdrawalFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WithdrawalFigures {
            withdrawn: read(&self.withdrawn),
            waiting: self.line().order.len() as u64,
            done: read(&self.done),
            failed: read(&self.failed),
            dropped: read(&self.dropped),
        }
    }

    fn take(&self) -> Option<Withdrawal> {
        let mut line = self.line();
        let next = line.order.pop_front()?;
        line.addresses.remove(&next.address);
        drop(line);
        self.left.notify_one();
        Some(next)
    }

    /// False if there is no room.
    fn put(&self, withdrawal: Withdrawal) -> bool {
        if !self.are_followed.load(Ordering::Relaxed) {
            return true;
        }
        let mut line = self.line();
        if line.addresses.contains(&withdrawal.address) {
            return true;
        }
        if line.order.len() >= MAX_WAITING {
            return false;
        }
        line.addresses.insert(withdrawal.address.clone());
        line.order.push_back(withdrawal);
        drop(line);
        self.joined.notify_one();
        true
    }

    /// Waits until there is room for a page, or nobody follows up.
    pub(super) async fn room(&self) {
        loop {
            let left = self.left.notified();
            if self.line().order.len() + PAGE <= MAX_WAITING {
                return;
            }
            left.await;
        }
    }

    fn next_domain(&self) -> Option<DomainName> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipeline {
    /// Those who wait for being followed up.
    pub fn withdrawals(&self) -> Arc<Withdrawals> {
        Arc::clone(&self.withdrawals)
    }

    /// An administrator withdrew a mailbox.
    pub fn withdraw(&self, address: &Address, why: WithdrawnFor) {
        self.withdraw_from(address, None, why);
    }

    /// An administrator switched a domain off: all mailboxes of it are withdrawn,
    /// as there is room for them.
    pub fn withdraw_domain(&self, domain: &DomainName) {
        let why = WithdrawnFor::DomainDisabled.name();
        tracing::info!(%domain, why, "withdrawn");
        let withdrawals = &self.withdrawals;
        if !withdrawals.are_followed.load(Ordering::Relaxed) {
            return;
        }
        let mut domains = withdrawals.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.contains(domain) {
            return;
        }
        if domains.len() >= MAX_DOMAINS {
            tracing::warn!(%domain, "too many domains are withdrawn: its open sessions go on");
            return;
        }
        domains.push_back(domain.clone());
        drop(domains);
        withdrawals.domain_joined.notify_one();
    }

    /// A person may not log in any more: all that is his is withdrawn.
    pub(super) async fn withdraw_person(
        &self,
        person: &Binding,
        state: OwnerState,
    ) -> Result<(), Error> {
        let why = match state {
            OwnerState::Disabled => WithdrawnFor::OwnerDisabled,
            OwnerState::Gone => WithdrawnFor::OwnerGone,
            OwnerState::Enabled | OwnerState::Unknown => return Ok(()),
        };
        for address in self.store.mailboxes_of(person).await? {
            self.withdraw_from(&address, Some(&person.provider), why);
        }
        Ok(())
    }

    fn withdraw_from(&self, address: &Address, provider: Option<&ProviderName>, why: WithdrawnFor) {
        let provider = provider.map_or("-", ProviderName::as_str);
        tracing::info!(user = %address, provider, why = why.name(), "withdrawn");
        self.follow_up(address, why);
    }

    fn follow_up(&self, address: &Address, why: WithdrawnFor) {
        let withdrawals = &self.withdrawals;
        withdrawals.withdrawn.fetch_add(1, Ordering::Relaxed);
        if !withdrawals.put(Withdrawal { address: address.clone(), why }) {
            withdrawals.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(user = %address, "too many withdrawals wait: open sessions go on");
        }
    }

    /// Follows up the domains that were switched off, one after the other and a page
    /// at a time: a line of a thousand takes domains of any size. Ends never.
    pub(super) async fn withdraw_domains(&self) {
        loop {
            while let Some(domain) = self.withdrawals.next_domain() {
                if let Err(error) = self.withdraw_mailboxes_of(&domain).await {
                    tracing::error!(%domain, %error, "the domain's open sessions go on");
                }
            }
            self.withdrawals.domain_joined.notified().await;
        }
    }

    async fn withdraw_mailboxes_of(&self, domain: &DomainName) -> Result<(), Error> {
        let filter = MailboxFilter { domain: Some(domain.clone()), ..Default::default() };
        let mut after = None;
        loop {
            self.withdrawals.room().await;
            // It may be on again by now.
            if self.store.domain(domain).await?.is_none_or(|domain| domain.active) {
                return Ok(());
            }
            let page = self.store.mailboxes(&filter, after.as_ref(), PAGE).await?;
            for mailbox in page.iter().filter(|mailbox| mailbox.state == MailboxState::Active) {
                self.follow_up(&mailbox.address, WithdrawnFor::DomainDisabled);
            }
            if page.len() < PAGE || !self.withdrawals.are_followed.load(Ordering::Relaxed) {
                return Ok(());
            }
            after = page.last().map(|mailbox| mailbox.address.clone());
        }
    }
}
