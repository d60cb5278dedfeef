//! Equal questions that are asked at the same time share one run: a mail client
//! opens five connections at once, and one slow hash, or one request to a
//! provider, is enough.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{Shared, WeakShared},
};

type Run<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Running<K, T> = Mutex<HashMap<K, WeakShared<Run<T>>>>;

/// The runs that are under way.
pub(super) struct Flights<K: Eq + Hash, T: Clone>(Arc<Running<K, T>>);

impl<K: Eq + Hash, T: Clone> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    /// Joins the run for `key`, or starts one. It runs as long as anybody waits
    /// for it, and leaves nothing behind.
    pub(super) async fn share<F>(&self, key: K, start: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.join(key, start).await
    }

    /// Whether there is a run to join.
    pub(super) fn has(&self, key: &K) -> bool {
        lock(&self.0).get(key).is_some_and(|run| run.upgrade().is_some())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> Shared<Run<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = lock(&self.0);
        if let Some(run) = running.get(&key).and_then(WeakShared::upgrade) {
            return run;
        }
        let landing = Landing { running: Arc::clone(&self.0), key: key.clone() };
        let run = start();
        let run: Run<T> = Box::pin(async move {
            let _landing = landing;
            run.await
        });
        let run = run.shared();
        if let Some(weak) = run.downgrade() {
            running.insert(key, weak);
        }
        run
    }
}

/// Takes a run off the list at its end, and when everybody who waited has left.
struct Landing<K: Eq + Hash, T: Clone> {
    running: Arc<Running<K, T>>,
    key: K,
}

impl<K: Eq + Hash, T: Clone> Drop for Landing<K, T> {
    fn drop(&mut self) {
        // If the next run for this key has begun already, it stays alone: what
        // is lost is sharing, for a moment.
        lock(&self.running).remove(&self.key);
    }
}

fn lock<K, T: Clone>(running: &Running<K, T>) -> MutexGuard<'_, HashMap<K, WeakShared<Run<T>>>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
