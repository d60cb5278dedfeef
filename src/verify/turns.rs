//! In whose turn a provider is asked. It is asked 32 questions at a time; one
//! network, or one mailbox whose name somebody knows, takes a quarter of these,
//! so that a flood of made-up tokens leaves the others their places. A provider
//! that hangs holds up no other and no password: the turns are its own.

use ipnet::IpNet;
use tokio::{
    sync::OwnedSemaphorePermit,
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

/// The gates before one provider.
#[derive(Default)]
pub(super) struct Turns {
    networks: Gates<IpNet>,
    mailboxes: Gates<MailboxId>,
}

/// The right to ask, until it is dropped.
pub(super) struct MyTurn {
    _places: [Option<OwnedSemaphorePermit>; 2],
}

impl Turns {
    /// Forgets who has nothing to ask.
    pub(super) fn prune(&self) {
        self.networks.prune();
        self.mailboxes.prune();
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
            return Ok(Some(MyTurn { _places: [None, None] }));
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
            MyTurn { _places: [Some(mailbox), network] }
        };
        let Ok(turn) = timeout_at(deadline, places).await else { return Ok(None) };
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
