//! How many costly checks of one kind are under way at a time: those of one
//! network, say. Whoever sends a thousand has them checked in turns; an office
//! whose hundred programs all come back after a restart waits a little, and
//! nobody else does.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

#[derive(Debug)]
pub(super) struct Gates<K>(Mutex<HashMap<K, Weak<Semaphore>>>);

impl<K> Default for Gates<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Gates<K> {
    /// The gate of `whose`, with `width` places if nobody is in it.
    pub(super) fn of(&self, whose: K, width: usize) -> Arc<Semaphore> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&whose).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::new(Semaphore::new(width));
        gates.insert(whose, Arc::downgrade(&gate));
        gate
    }

    /// Forgets the gates that nobody is in.
    pub(super) fn prune(&self) {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|_, gate| gate.strong_count() > 0);
    }
}
