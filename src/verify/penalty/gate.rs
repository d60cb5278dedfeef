//! How many slow checks of one network are under way at a time: as many as lead
//! to a hold. Whoever sends a thousand guesses at once has them checked in
//! turns, and is held back before the second is over. An office whose hundred
//! programs all come back after a restart waits a little, and nobody else does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ipnet::IpNet;
use tokio::sync::Semaphore;

#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<IpNet, Weak<Semaphore>>>);

impl Gates {
    /// The gate of a network, with `width` places if nobody is in it.
    pub(super) fn of(&self, network: IpNet, width: usize) -> Arc<Semaphore> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&network).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::new(Semaphore::new(width));
        gates.insert(network, Arc::downgrade(&gate));
        gate
    }

    /// Forgets the gates that nobody is in.
    pub(super) fn prune(&self) {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|_, gate| gate.strong_count() > 0);
    }
}
