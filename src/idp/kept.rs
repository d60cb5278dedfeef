//! A document of the provider's that is asked for when it is needed, by one at a
//! time, and kept for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{sync::MutexGuard as Turn, time::timeout_at};

use super::{Outage, OutageCause};

/// How long it is not asked for again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long an old one serves while no new one is to be had: as long as whatever
/// else an outage is bridged with.
const STALE: Duration = Duration::from_secs(12 * 3600);
/// How long an old one serves before the next try, after one that failed, and
/// how often a newer one may be demanded.
const PAUSE: Duration = Duration::from_secs(10);

/// The document, and what became of asking for it.
#[derive(Debug)]
pub(super) struct Kept<T> {
    held: Mutex<Held<T>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Held<T> {
    value: Option<Fetched<T>>,
    /// The last try, where it failed.
    failed: Option<(Outage, Instant)>,
    /// When a newer one that somebody demanded last came, or failed to.
    demanded: Option<Instant>,
}

/// A document, and when it came.
#[derive(Debug)]
pub(super) struct Fetched<T> {
    pub(super) value: Arc<T>,
    pub(super) at: Instant,
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), at: self.at }
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        let held = Held { value: None, failed: None, demanded: None };
        Self { held: Mutex::new(held), turn: tokio::sync::Mutex::new(()) }
    }
}

impl<T> Kept<T> {
    /// The document: as kept, else by `fetch`, else an old one.
    pub(super) async fn get(
        &self,
        deadline: Instant,
        fetch: impl AsyncFnOnce() -> Result<T, Outage>,
    ) -> Result<Fetched<T>, Outage> {
        let began = Instant::now();
        if let Some(fresh) = self.lock().good(began) {
            return Ok(fresh);
        }
        let old = self.lock().old(began);
        let _turn = match (old, self.turn.try_lock()) {
            (_, Ok(turn)) => turn,
            // Another asks already, and the old one is good enough meanwhile.
            (Some(old), Err(_)) => return Ok(old),
            (None, Err(_)) => self.turn(deadline).await?,
        };
        if let Some(fresh) = self.lock().good(Instant::now()) {
            return Ok(fresh);
        }
        if let Some(outage) = self.lock().failed_since(began) {
            return Err(outage);
        }
        let fetched = fetch().await;
        self.lock().take(fetched)
    }

    /// One that came after `seen`, which lacked something. `None`: it was
    /// demanded just now already, and is not asked for again.
    pub(super) async fn newer(
        &self,
        seen: Instant,
        deadline: Instant,
        fetch: impl AsyncFnOnce() -> Result<T, Outage>,
    ) -> Result<Option<Fetched<T>>, Outage> {
        let began = Instant::now();
        let _turn = self.turn(deadline).await?;
        {
            let held = self.lock();
            if let Some(newer) = held.value.as_ref().filter(|value| value.at > seen) {
                return Ok(Some(newer.clone()));
            }
            if let Some(outage) = held.failed_since(began) {
                return Err(outage);
            }
            let now = Instant::now();
            if held.demanded.is_some_and(|last| now.duration_since(last) < PAUSE) {
                return Ok(None);
            }
        }
        let fetched = fetch().await;
        let mut held = self.lock();
        // Not before: whoever demands one and leaves would keep it from all others.
        held.demanded = Some(Instant::now());
        match fetched {
            Ok(value) => Ok(Some(held.put(value))),
            Err(outage) => {
                held.failed = Some((outage.clone(), Instant::now()));
                Err(outage)
            }
        }
    }

    async fn turn(&self, deadline: Instant) -> Result<Turn<'_, ()>, Outage> {
        timeout_at(deadline.into(), self.turn.lock()).await.map_err(|_| {
            let detail = "another waits for the same document of the provider, in vain";
            Outage::new(OutageCause::Slow, detail)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().expect("no holder panics")
    }
}

impl<T> Held<T> {
    /// One that needs no asking.
    fn good(&self, now: Instant) -> Option<Fetched<T>> {
        let value = self.value.as_ref()?;
        let failed_now =
            self.failed.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < PAUSE);
        let age = now.duration_since(value.at);
        (age < FRESH || (failed_now && age < STALE)).then(|| value.clone())
    }

    /// One that serves while no other can be had.
    fn old(&self, now: Instant) -> Option<Fetched<T>> {
        self.value.as_ref().filter(|value| now.duration_since(value.at) < STALE).cloned()
    }

    fn failed_since(&self, began: Instant) -> Option<Outage> {
        self.failed.as_ref().filter(|(_, at)| *at >= began).map(|(outage, _)| outage.clone())
    }

    fn put(&mut self, value: T) -> Fetched<T> {
        self.failed = None;
        let fetched = Fetched { value: Arc::new(value), at: Instant::now() };
        self.value.insert(fetched).clone()
    }

    fn take(&mut self, fetched: Result<T, Outage>) -> Result<Fetched<T>, Outage> {
        match fetched {
            Ok(value) => Ok(self.put(value)),
            Err(outage) => {
                let now = Instant::now();
                self.failed = Some((outage.clone(), now));
                self.old(now).ok_or(outage)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn who_demands_a_newer_one_and_leaves_keeps_it_from_nobody() {
        let kept = Kept::default();
        let first = kept.get(soon(), async || Ok(1)).await.unwrap();
        let leaves = kept.newer(first.at, soon(), async || pending().await);
        assert!(tokio::time::timeout(Duration::from_millis(10), leaves).await.is_err());
        let newer = kept.newer(first.at, soon(), async || Ok(2)).await.unwrap();
        let newer = newer.expect("nobody has got one yet");
        assert_eq!(*newer.value, 2);
        let again = kept.newer(newer.at, soon(), async || Ok(3)).await.unwrap();
        assert!(again.is_none(), "at a bounded rate");
    }

    fn down() -> Outage {
        Outage::new(OutageCause::Unreachable, "down")
    }

    fn held(at: Instant) -> Held<u8> {
        let value = Some(Fetched { value: Arc::new(1), at });
        Held { value, failed: None, demanded: None }
    }

    #[test]
    fn kept_for_an_hour() {
        let now = Instant::now();
        let held = held(now);
        assert!(held.good(now + FRESH / 2).is_some());
        assert!(held.good(now + FRESH).is_none());
    }

    #[test]
    fn an_old_one_serves_while_there_is_no_new_one() {
        let now = Instant::now();
        let (later, much_later) = (now + FRESH, now + STALE);
        let mut held = held(now);
        held.failed = Some((down(), later));
        assert!(held.good(later + PAUSE / 2).is_some(), "just tried in vain");
        assert!(held.good(later + PAUSE).is_none(), "to be tried again");
        assert!(held.old(later + PAUSE).is_some());
        held.failed = Some((down(), much_later));
        assert!(held.good(much_later).is_none() && held.old(much_later).is_none(), "too old");
    }

    #[test]
    fn what_comes_in_replaces_failures() {
        let mut held = Held { value: None, failed: None, demanded: None };
        let began = Instant::now();
        assert_eq!(held.take(Err(down())).unwrap_err(), down());
        assert_eq!(held.failed_since(began), Some(down()));
        assert_eq!(held.failed_since(Instant::now() + PAUSE), None);
        assert_eq!(*held.take(Ok(2)).unwrap().value, 2);
        assert_eq!(held.failed_since(began), None);
        assert_eq!(*held.take(Err(down())).unwrap().value, 2, "the old one");
    }

    #[tokio::test]
    async fn one_asks_for_all_and_a_newer_one_now_and_then() {
        let kept = Kept::default();
        let deadline = Instant::now() + FRESH;
        let first = kept.get(deadline, async || Ok(1)).await.unwrap();
        let again = kept.get(deadline, async || -> Result<u8, Outage> { panic!("asked") }).await;
        assert_eq!((*first.value, again.unwrap().at), (1, first.at));
        let newer = kept.newer(first.at, deadline, async || Ok(2)).await.unwrap().unwrap();
        assert_eq!(*newer.value, 2);
        let seen = kept.newer(first.at, deadline, async || Ok(3)).await.unwrap().unwrap();
        assert_eq!(*seen.value, 2, "it came meanwhile");
        let refused = kept.newer(newer.at, deadline, async || Ok(3)).await.unwrap();
        assert!(refused.is_none(), "asked just now");
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_turn_to_the_next() {
        let kept = Kept::default();
        let deadline = Instant::now() + FRESH;
        let stuck = kept.get(deadline, async || std::future::pending::<Result<u8, _>>().await);
        assert!(tokio::time::timeout(Duration::from_millis(10), stuck).await.is_err());
        assert_eq!(*kept.get(deadline, async || Ok(1)).await.unwrap().value, 1);
    }
}
