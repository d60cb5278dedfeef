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

/// Questions about people who have no mailbox, at a time: anybody can make up names.
const MAX_OF_STRANGERS: usize = MAX_OF_ALL / 4;

/// Those of one network.
const MAX_OF_ONES_STRANGERS: usize = MAX_OF_STRANGERS / 4;

/// The gates before one provider.
pub(super) struct Turns {
    networks: Gates<IpNet>,
    mailboxes: Gates<MailboxId>,
    /// The networks of those who have no mailbox.
    strange_networks: Gates<IpNet>,
    strangers: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// Whose turn it is to be.
#[derive(Clone, Copy)]
pub(super) enum Seeker<'a> {
    /// A mailbox's.
    Mailbox(&'a Account),
    /// A name's that has no mailbox.
    Stranger,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            networks: Gates::default(),
            mailboxes: Gates::default(),
            strange_networks: Gates::default(),
            strangers: Arc::new(Semaphore::new(MAX_OF_STRANGERS)),
            all: Arc::new(Semaphore::new(MAX_OF_ALL)),
        }
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
        self.strange_networks.prune();
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
        seeker: Seeker<'_>,
        provider: &Connected,
        deadline: Instant,
    ) -> Result<Option<MyTurn>, Stop> {
        if case.trace.is_on() {
            return Ok(Some(MyTurn { _places: [None, None, None] }));
        }
        let abuse = &case.current.settings.abuse;
        let rip = case.rip.filter(|_| !case.attempt.no_penalty);
        let network = rip.and_then(|rip| abuse.network_of(rip));
        let network = network.filter(|_| abuse.network_limit > 0);
        let turns = &provider.turns;
        // A network comes before all strangers, so that one flood holds up no others.
        let (gates, all_by) = match seeker {
            Seeker::Mailbox(account) => {
                let mailbox = turns.mailboxes.of(account.mailbox.id, MAX_OF_ONE);
                let width = MAX_OF_ONE.min(abuse.network_limit);
                let network = network.map(|network| turns.networks.of(network, width));
                ([Some(mailbox), network], case.or_from_now(deadline, PATIENCE))
            }
            Seeker::Stranger => {
                let width = MAX_OF_ONES_STRANGERS;
                let network = network.map(|network| turns.strange_networks.of(network, width));
                ([network, Some(Arc::clone(&turns.strangers))], deadline)
            }
        };
        let places = async {
            let mut places = [None, None];
            for (place, gate) in places.iter_mut().zip(gates) {
                if let Some(gate) = gate {
                    *place = Some(gate.acquire_owned().await.expect("gates are never closed"));
                }
            }
            places
        };
        let Ok([first, second]) = timeout_at(deadline, places).await else { return Ok(None) };
        let all = Arc::clone(&provider.turns.all).acquire_owned();
        let Ok(all) = timeout_at(all_by, all).await else { return Ok(None) };
        let all = all.expect("gates are never closed");
        let turn = MyTurn { _places: [first, second, Some(all)] };
        if !case.attempt.no_penalty
            && self.penalty.holds_anybody()
            && let Some(user) = &case.user
        {
            let standing = self.penalty.standing(case.rip, user, case.attempt.arrived, abuse);
            if standing.network.held_until.is_some() {
                return Err(Stop::Rejected(Reason::HeldBack));
            }
        }
        Ok(Some(turn))
    }
}
