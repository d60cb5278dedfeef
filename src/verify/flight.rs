//! Equal slow checks that are asked for at the same time share one run: a mail
//! client opens five connections at once, and one hash is enough.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{Shared, WeakShared},
};

use super::{Cause, cache::CacheKey};
use crate::password;

/// What a run comes to.
pub(super) type Outcome = Result<Result<bool, password::Error>, Cause>;
type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Running = Mutex<HashMap<CacheKey, WeakShared<Run>>>;

/// The runs that are under way.
#[derive(Default)]
pub(super) struct Flights(Arc<Running>);

impl Flights {
    /// Joins the run for `key`, or starts one. It runs as long as anybody waits
    /// for it, and leaves nothing behind.
    pub(super) async fn share<F>(&self, key: CacheKey, start: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.join(key, start).await
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn join<F>(&self, key: CacheKey, start: impl FnOnce() -> F) -> Shared<Run>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut running = lock(&self.0);
        if let Some(run) = running.get(&key).and_then(WeakShared::upgrade) {
            return run;
        }
        let landing = Landing { running: Arc::clone(&self.0), key };
        let run = start();
        let run: Run = Box::pin(async move {
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
struct Landing {
    running: Arc<Running>,
    key: CacheKey,
}

impl Drop for Landing {
    fn drop(&mut self) {
        // If the next run for this key has begun already, it stays alone: what
        // is lost is sharing, for a moment.
        lock(&self.running).remove(&self.key);
    }
}

fn lock(running: &Running) -> MutexGuard<'_, HashMap<CacheKey, WeakShared<Run>>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
