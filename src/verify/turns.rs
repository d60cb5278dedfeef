//! In whose turn a provider is asked. It is asked 32 questions at a time; one
//! network, or one mailbox whose name somebody knows, takes a quarter of these,
//! so that a flood of made-up tokens leaves the others their places. A provider
//! that hangs holds up no other and no password: the turns are its own.
//!
//! When everybody comes back after a restart, most wait longer than a provider
//! takes over one answer. They wait here, and not among its requests, so that
//! nobody calls it slow or busy on their account.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    Pipeline, Reason,
    case::{Case, Stop},
    connected::Connected,
    gate::Gates,
};
use crate::{mailbox::MailboxId, store::Account};

/// Questions about one network's or one mailbox's tokens at a time.
const MAX_OF_ONE: usize = 8;

/// Questions at a time altogether: as many as a provider is sent.
const MAX_OF_ALL: usize = 32;

/// The gates before one provider.
pub(super) struct Turns {
    networks: Gates<IpNet>,
    mailboxes: Gates<MailboxId>,
    all: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let all = Arc::new(Semaphore::new(MAX_OF_ALL));
        Self { networks: Gates::default(), mailboxes: Gates::default(), all }
    }
}

/// The right to ask, until it is dropped.
pub(super) struct MyTurn {
    _places: [Option<OwnedSemaphorePermit>; 3],
}

impl Turns {
    /// Takes the turns of all.
    #[cfg(test)]
    pub(super) async fn crowd(&self) -> OwnedSemaphorePermit {
        let all = u32::try_from(MAX_OF_ALL).expect("it is small");
        Arc::clone(&self.all).acquire_many_owned(all).await.expect("gates are never closed")
    }

    /// Forgets who has nothing to ask.
    pub(super) fn prune(&self) {
        self.networks.prune();
        self.mailboxes.prune();
    }
}

/// How long people wait for their turn among all: their mail programs wait for a
/// minute, and who is sent away is soon back.
const PATIENCE: Duration = Duration::from_secs(45);

impl Case<'_> {
    /// `deadline`, or so long from now for whom nobody cuts short: Postfix and
    /// Exim, who alone say `smtp`, give up after ten seconds altogether.
    pub(super) fn or_from_now(&self, deadline: Instant, wait: Duration) -> Instant {
        if self.attempt.protocol == "smtp" { deadline } else { Instant::now() + wait }
    }
}

impl Pipeline {
    /// Waits for the turn to ask `provider`; none if it does not come by
    /// `deadline`. The network may be held back by then.
    pub(super) async fn turn(
        &self,
        case: &Case<'_>,
        account: &Account,
        provider: &Connected,
        deadline: Instant,
    ) -> Result<Option<MyTurn>, Stop> {
        if case.trace.is_on() {
            return Ok(Some(MyTurn { _places: [None, None, None] }));
        }
        let abuse = &case.current.settings.abuse;
        let rip = case.rip.filter(|_| !case.attempt.no_penalty);
        let network = rip.and_then(|rip| abuse.network_of(rip));
        let mailbox = provider.turns.mailboxes.of(account.mailbox.id, MAX_OF_ONE);
        let network = network.filter(|_| abuse.network_limit > 0).map(|network| {
            provider.turns.networks.of(network, MAX_OF_ONE.min(abuse.network_limit))
        });
        let places = async {
            let mailbox = mailbox.acquire_owned().await.expect("gates are never closed");
            let network = match network {
                None => None,
                Some(network) => Some(network.acquire_owned().await.expect("as above")),
            };
            [Some(mailbox), network]
        };
        let all_by = case.or_from_now(deadline, PATIENCE);
        let Ok([mailbox, network]) = timeout_at(deadline, places).await else { return Ok(None) };
        let all = Arc::clone(&provider.turns.all).acquire_owned();
        let Ok(all) = timeout_at(all_by, all).await else { return Ok(None) };
        let all = all.expect("as above");
        let turn = MyTurn { _places: [mailbox, network, Some(all)] };
        if !case.attempt.no_penalty && self.penalty.holds_anybody() {
            let user = &account.mailbox.address;
            let standing = self.penalty.standing(case.rip, user, case.attempt.arrived, abuse);
            if standing.network.held_until.is_some() {
                return Err(Stop::Rejected(Reason::HeldBack));
            }
        }
        Ok(Some(turn))
    }
}
