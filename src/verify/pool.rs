//! Where slow hashes run: a bounded number at a time, on threads apart from
//! those that serve sockets; a bounded number waits, and none for long.

use std::{num::NonZero, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::{Instant, timeout_at},
};

use super::Cause;

/// The pool. Its threads are tokio's blocking ones, which start when they are
/// needed, end when idle and are joined with the runtime.
pub(super) struct HashPool {
    threads: Arc<Semaphore>,
    /// Those who run and those who wait.
    places: Semaphore,
    stranger_threads: Arc<Semaphore>,
    stranger_places: Semaphore,
    wait: Duration,
}

impl HashPool {
    /// `threads` 0 takes one for each core; `queue` may wait, each for `wait`
    /// at most.
    pub(super) fn new(threads: usize, queue: usize, wait: Duration) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if threads == 0 { cores() } else { threads };
        let quarter = (threads / 4).max(1);
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            places: Semaphore::new(threads + queue),
            stranger_threads: Arc::new(Semaphore::new(quarter)),
            stranger_places: Semaphore::new(quarter + queue / 4),
            wait,
        }
    }

    /// When a wait that begins now has to be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// Runs `work` when its turn comes.
    ///
    /// # Errors
    /// [`Cause::Overloaded`] if no place is free or the turn does not come by
    /// `deadline`; [`Cause::Internal`] if `work` panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cause> {
        let _place = self.places.try_acquire().map_err(|_| Cause::Overloaded)?;
        self.run_in_turn(deadline, None, work).await
    }

    /// Runs `work` for a name that does not exist, for the sake of its cost: in
    /// a quarter of the pool at most. When the quarter is taken, nothing is
    /// run: a flood of such names shall neither hold up real ones nor be told
    /// apart from them by another answer.
    ///
    /// # Errors
    /// Where a name that exists would get one, too.
    pub(super) async fn run_for_stranger<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(), Cause> {
        let _place = self.places.try_acquire().map_err(|_| Cause::Overloaded)?;
        let Ok(_place) = self.stranger_places.try_acquire() else { return Ok(()) };
        let deadline = self.deadline();
        let quarter = Arc::clone(&self.stranger_threads).acquire_owned();
        let Ok(quarter) = timeout_at(deadline, quarter).await else { return Ok(()) };
        let quarter = quarter.expect("the pool's semaphores are never closed");
        self.run_in_turn(deadline, Some(quarter), work).await.map(drop)
    }

    #[cfg(test)]
    pub(super) fn stranger_places_left(&self) -> usize {
        self.stranger_places.available_permits()
    }

    async fn run_in_turn<T: Send + 'static>(
        &self,
        deadline: Instant,
        quarter: Option<OwnedSemaphorePermit>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cause> {
        let turn = timeout_at(deadline, Arc::clone(&self.threads).acquire_owned()).await;
        let turn = turn.map_err(|_| Cause::Overloaded)?;
        // The turn goes along: when the caller leaves, the thread is still busy.
        let run = task::spawn_blocking(move || {
            let _turn = (turn.expect("the pool's semaphores are never closed"), quarter);
            work()
        });
        run.await.map_err(|error| if error.is_panic() { Cause::Internal } else { Cause::Stopping })
    }
}
