//! Where slow hashes run: a bounded number at a time, on threads apart from
//! those that serve sockets; a bounded number waits, and none for long.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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
    limits: Limits,
    /// Goes on where another pool takes the place of this one.
    refused: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
struct Limits {
    threads: usize,
    queue: usize,
}

/// How the pool for slow hashes does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolStatus {
    /// Hashes that may run at a time.
    pub threads: usize,
    /// Those that run.
    pub running: usize,
    /// Checks that may wait for a thread.
    pub queue: usize,
    /// Those that wait.
    pub queued: usize,
    /// Checks that found no place or had no turn in time, since the start.
    pub refused: u64,
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
            limits: Limits { threads, queue },
            refused: Arc::default(),
        }
    }

    /// One that takes the place of `before`, and counts on where that one stands.
    pub(super) fn in_place_of(self, before: &Self) -> Self {
        Self { refused: Arc::clone(&before.refused), ..self }
    }

    /// How it does.
    pub(super) fn status(&self) -> PoolStatus {
        let Limits { threads, queue } = self.limits;
        let running = threads - self.threads.available_permits().min(threads);
        let inside = (threads + queue) - self.places.available_permits().min(threads + queue);
        PoolStatus {
            threads,
            running,
            queue,
            // One whose caller has left still runs, and has no place any more.
            queued: inside.saturating_sub(running),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn overloaded(&self) -> Cause {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Cause::Overloaded
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
        let _place = self.places.try_acquire().map_err(|_| self.overloaded())?;
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
        let _place = self.places.try_acquire().map_err(|_| self.overloaded())?;
        let Ok(_place) = self.stranger_places.try_acquire() else { return Ok(()) };
        let deadline = self.deadline();
        let quarter = Arc::clone(&self.stranger_threads).acquire_owned();
        let Ok(quarter) = timeout_at(deadline, quarter).await else { return Ok(()) };
        let quarter = quarter.expect("the pool's semaphores are never closed");
        self.run_in_turn(deadline, Some(quarter), work).await.map(drop)
    }

    /// Runs `work` for somebody who has no mailbox and may get one by it: in the
    /// same quarter, where a name that nobody has is worth as much.
    ///
    /// # Errors
    /// As [`HashPool::run`]; the quarter may be taken while the pool is not.
    pub(super) async fn run_as_stranger<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cause> {
        let _place = self.places.try_acquire().map_err(|_| self.overloaded())?;
        let _place = self.stranger_places.try_acquire().map_err(|_| self.overloaded())?;
        let quarter = Arc::clone(&self.stranger_threads).acquire_owned();
        let quarter = timeout_at(deadline, quarter).await.map_err(|_| self.overloaded())?;
        let quarter = quarter.expect("the pool's semaphores are never closed");
        self.run_in_turn(deadline, Some(quarter), work).await
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
        let turn = turn.map_err(|_| self.overloaded())?;
        // The turn goes along: when the caller leaves, the thread is still busy.
        let run = task::spawn_blocking(move || {
            let _turn = (turn.expect("the pool's semaphores are never closed"), quarter);
            work()
        });
        run.await.map_err(|error| if error.is_panic() { Cause::Internal } else { Cause::Stopping })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_status_shows_who_runs_waits_and_is_refused() {
        let before = HashPool::new(2, 2, Duration::ZERO);
        before.refused.store(7, Ordering::Relaxed);
        let pool = HashPool::new(1, 1, Duration::from_millis(200)).in_place_of(&before);
        let pool = Arc::new(pool);
        let idle = PoolStatus { threads: 1, running: 0, queue: 1, queued: 0, refused: 7 };
        assert_eq!(pool.status(), idle);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let run = |work: Box<dyn FnOnce() + Send>| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run(pool.deadline(), work).await })
        };
        let first = run(Box::new(move || wait.recv().unwrap_or_default()));
        while pool.status().running < 1 {
            tokio::task::yield_now().await;
        }
        let second = run(Box::new(|| {}));
        while pool.status().queued < 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(pool.deadline(), || {}).await, Err(Cause::Overloaded), "no place");
        assert_eq!(pool.status(), PoolStatus { running: 1, queued: 1, refused: 8, ..idle });
        assert_eq!(second.await.unwrap(), Err(Cause::Overloaded), "no turn in time");
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        while pool.status().running > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.status(), PoolStatus { refused: 9, ..idle });
    }
}
