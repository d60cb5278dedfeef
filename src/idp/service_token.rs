//! The token that our own client asks Keycloak with: kept, renewed before it
//! ends, and asked for by one at a time.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::header::HeaderValue;
use tokio::time::timeout_at;

use super::{Outage, OutageCause};

/// Where it is not said how long a token lives (RFC 6749 §5.1 lets it out).
const UNSAID: Duration = Duration::from_secs(60);
/// Longest use of one, whatever is said: the roles of our client are in it.
const LONGEST: Duration = Duration::from_secs(3600);
/// Before the next try, after one that failed while the old token still serves;
/// and for so long a new token that is refused is not asked for once more.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one that shows nobody is used. Roles are in the token: who has given
/// our client the right one shall not wait for the old token's end.
const BLIND: Duration = Duration::from_secs(10);

/// One token.
#[derive(Debug)]
pub(super) struct Ticket {
    /// As it is sent.
    pub(super) bearer: HeaderValue,
    came: Instant,
    renew: Instant,
    ends: Instant,
    /// Whether it was seen to show people: roles are in the token, so what one
    /// may do the next may not.
    sees_people: AtomicBool,
    /// Whether somebody has said already that it does not.
    complained: AtomicBool,
}

impl Ticket {
    /// One that was asked for at `asked` and lives for `lifetime`.
    pub(super) fn new(bearer: HeaderValue, asked: Instant, lifetime: Option<Duration>) -> Self {
        let lifetime = lifetime.unwrap_or(UNSAID).min(LONGEST);
        Self {
            bearer,
            came: asked,
            renew: asked + lifetime * 4 / 5,
            ends: asked + lifetime,
            sees_people: AtomicBool::new(false),
            complained: AtomicBool::new(false),
        }
    }

    pub(super) fn sees_people(&self) -> bool {
        self.sees_people.load(Ordering::Relaxed)
    }

    pub(super) fn has_seen_people(&self) {
        self.sees_people.store(true, Ordering::Relaxed);
    }

    /// Whether this is the first complaint about it.
    pub(super) fn complain(&self) -> bool {
        !self.complained.swap(true, Ordering::Relaxed)
    }
}

/// The token in use.
#[derive(Debug, Default)]
pub(super) struct ServiceToken {
    held: Mutex<Held>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    ticket: Option<Arc<Ticket>>,
    /// The last try, where it failed.
    failed: Option<(Outage, Instant)>,
}

impl ServiceToken {
    /// The token in use, else one by `fetch`. `refused` was sent in vain: it is
    /// not taken again.
    pub(super) async fn get(
        &self,
        refused: Option<&Arc<Ticket>>,
        deadline: Instant,
        fetch: impl AsyncFnOnce() -> Result<Ticket, Outage>,
    ) -> Result<Arc<Ticket>, Outage> {
        let began = Instant::now();
        let old = {
            let held = self.lock();
            if let Some(good) = held.good(refused, began) {
                return Ok(good);
            }
            held.living(refused, began)
        };
        let _turn = match (old, self.turn.try_lock()) {
            (_, Ok(turn)) => turn,
            // Another renews it, and this one serves meanwhile.
            (Some(old), Err(_)) => return Ok(old),
            (None, Err(_)) => {
                timeout_at(deadline.into(), self.turn.lock()).await.map_err(|_| {
                    let detail = "another waits for the token of our client, in vain";
                    Outage::new(OutageCause::Slow, detail)
                })?
            }
        };
        {
            let held = self.lock();
            if let Some(good) = held.good(refused, Instant::now()) {
                return Ok(good);
            }
            if let Some((outage, _)) = held.failed.as_ref().filter(|(_, at)| *at >= began) {
                return Err(outage.clone());
            }
        }
        if refused.is_some_and(|ticket| ticket.came.elapsed() < PAUSE) {
            let detail = "the provider refuses the token that it has just given to our client";
            return Err(Outage::new(OutageCause::Credentials, detail));
        }
        let fetched = fetch().await.map(Arc::new);
        self.lock().take(fetched, refused)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder panics")
    }
}

impl Held {
    /// One that needs no asking.
    fn good(&self, refused: Option<&Arc<Ticket>>, now: Instant) -> Option<Arc<Ticket>> {
        let just_failed =
            self.failed.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < PAUSE);
        let due = |ticket: &Ticket| {
            let age = now.saturating_duration_since(ticket.came);
            now >= ticket.renew || (ticket.complained.load(Ordering::Relaxed) && age >= BLIND)
        };
        self.living(refused, now).filter(|ticket| !due(ticket) || just_failed)
    }

    /// One that has not ended.
    fn living(&self, refused: Option<&Arc<Ticket>>, now: Instant) -> Option<Arc<Ticket>> {
        let ticket = self.ticket.as_ref().filter(|ticket| now < ticket.ends)?;
        let in_vain = refused.is_some_and(|refused| Arc::ptr_eq(refused, ticket));
        (!in_vain).then(|| Arc::clone(ticket))
    }

    fn take(
        &mut self,
        fetched: Result<Arc<Ticket>, Outage>,
        refused: Option<&Arc<Ticket>>,
    ) -> Result<Arc<Ticket>, Outage> {
        let now = Instant::now();
        match fetched {
            Ok(ticket) => {
                self.failed = None;
                self.ticket = Some(Arc::clone(&ticket));
                Ok(ticket)
            }
            Err(outage) => {
                self.failed = Some((outage.clone(), now));
                self.living(refused, now).ok_or(outage)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    /// One that was asked for so many seconds ago and lives for 300 s.
    fn ticket(age: u64) -> Ticket {
        let asked = Instant::now().checked_sub(Duration::from_secs(age)).unwrap();
        let bearer = HeaderValue::from_static("Bearer a");
        Ticket::new(bearer, asked, Some(Duration::from_secs(300)))
    }

    fn down() -> Outage {
        Outage::new(OutageCause::Unreachable, "down")
    }

    #[tokio::test]
    async fn is_kept_renewed_early_and_never_used_past_its_end() {
        let token = ServiceToken::default();
        let first = token.get(None, soon(), async || Ok(ticket(200))).await.unwrap();
        let kept = token.get(None, soon(), async || panic!("it is good")).await.unwrap();
        assert!(Arc::ptr_eq(&first, &kept));
        token.lock().ticket = Some(Arc::new(ticket(250)));
        let renewed = token.get(None, soon(), async || Ok(ticket(0))).await.unwrap();
        assert!(renewed.renew > Instant::now());
        token.lock().ticket = Some(Arc::new(ticket(301)));
        assert_eq!(token.get(None, soon(), async || Err(down())).await.unwrap_err(), down());
    }

    /// Who gives our client the right role is not told to wait.
    #[tokio::test]
    async fn one_that_shows_nobody_is_soon_replaced() {
        let token = ServiceToken::default();
        let blind = token.get(None, soon(), async || Ok(ticket(9))).await.unwrap();
        assert!(blind.complain() && !blind.complain(), "once is enough");
        let kept = token.get(None, soon(), async || panic!("not so soon")).await.unwrap();
        assert!(Arc::ptr_eq(&blind, &kept));
        token.lock().ticket = Some(Arc::new(ticket(10)));
        let sighted = token.get(None, soon(), async || panic!("it is good")).await.unwrap();
        sighted.complain();
        let newer = token.get(None, soon(), async || Ok(ticket(0))).await.unwrap();
        assert!(!Arc::ptr_eq(&sighted, &newer));
    }

    #[tokio::test]
    async fn one_that_cannot_be_renewed_serves_to_its_end() {
        let token = ServiceToken::default();
        token.lock().ticket = Some(Arc::new(ticket(250)));
        let old = token.get(None, soon(), async || Err(down())).await.unwrap();
        let again = token.get(None, soon(), async || panic!("not so soon")).await.unwrap();
        assert!(Arc::ptr_eq(&old, &again));
    }

    #[tokio::test]
    async fn is_asked_for_by_one_at_a_time() {
        let (token, asked) = (ServiceToken::default(), AtomicUsize::new(0));
        let fetch = async || {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(ticket(0))
        };
        let all = join_all((0..20).map(|_| token.get(None, soon(), fetch))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let token = ServiceToken::default();
        let fetch = async || {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(down())
        };
        let all = join_all((0..20).map(|_| token.get(None, soon(), fetch))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "who waited in vain does not ask again");
    }

    #[tokio::test]
    async fn one_that_was_refused_is_not_taken_again() {
        let token = ServiceToken::default();
        let refused = token.get(None, soon(), async || Ok(ticket(100))).await.unwrap();
        let newer = token.get(Some(&refused), soon(), async || Ok(ticket(0))).await.unwrap();
        assert!(!Arc::ptr_eq(&refused, &newer));
        let in_use = token.get(Some(&refused), soon(), async || panic!("there is one")).await;
        assert!(Arc::ptr_eq(&newer, &in_use.unwrap()));
        let outage = token.get(Some(&newer), soon(), async || panic!("not so soon")).await;
        assert_eq!(outage.unwrap_err().cause, OutageCause::Credentials);
    }
}
