//! Slow hashes: spared, shared, bounded.

use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use futures_util::{FutureExt as _, future::join_all};

use super::*;
use crate::verify::{current::Hashed, flight::Flights, pool::HashPool, room::Key};

fn cached(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Verified(verified) if verified.cached())
}

fn attempt() -> Attempt {
    password("ann@example.org", "wonderland")
}

#[tokio::test]
async fn a_hash_runs_once() {
    let rig = Rig::new().await;
    assert!(!cached(&rig.check(attempt(), "ok").await));
    assert!(cached(&rig.check(attempt(), "ok").await));
    rig.check(password("ann@example.org", "other"), "wrong_password").await;
    rig.check(password("ann@example.org", "other"), "wrong_password").await;
    for name in ["verified", "wrong"] {
        let cache = rig.cache(name);
        assert_eq!((cache.entries, cache.hits, cache.misses), (1, 1, 1), "{cache:?}");
    }
}

/// C-60.
#[tokio::test]
async fn a_new_password_works_at_once_and_the_old_one_no_more() {
    let rig = Rig::new().await;
    rig.check(attempt(), "ok").await;
    rig.check(password("ann@example.org", "looking glass"), "wrong_password").await;
    let local_hash = Some(Some(bcrypt("looking glass").into()));
    rig.change("ann@example.org", MailboxChange { local_hash, ..MailboxChange::default() }).await;
    rig.check(attempt(), "wrong_password").await;
    rig.check(password("ann@example.org", "looking glass"), "ok").await;
}

/// A successor has the address, and may even have the same counters.
#[tokio::test]
async fn a_mailbox_made_anew_knows_nothing_of_the_old_one() {
    let rig = Rig::new().await;
    rig.check(attempt(), "ok").await;
    rig.store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    rig.check(attempt(), "unknown_user").await;
    rig.add("ann@example.org", Some(bcrypt("successor"))).await;
    rig.check(attempt(), "wrong_password").await;
}

#[tokio::test]
async fn masks_limit_a_flush() {
    let rig = Rig::new().await;
    rig.add("bob@example.org", Some(bcrypt("wonderland"))).await;
    rig.check(attempt(), "ok").await;
    rig.check(password("bob@example.org", "wonderland"), "ok").await;
    assert_eq!(rig.pipeline.flush_cache(&["*@example.net".to_owned()]), 0);
    assert_eq!(rig.pipeline.flush_cache(&["A*@example.org".to_owned()]), 1);
    assert!(!cached(&rig.check(attempt(), "ok").await));
    assert!(cached(&rig.check(password("bob@example.org", "wonderland"), "ok").await));
    assert_eq!(rig.pipeline.flush_cache(&[]), 2);
}

/// The answer of a warm login is there at the first poll: the server writes it
/// without spawning anything.
#[tokio::test]
async fn warm_logins_and_app_passwords_answer_at_once() {
    let rig = Rig::new().await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    rig.check(attempt(), "ok").await;
    for attempt in [attempt(), password("ann@example.org", &phone)] {
        let decision = rig.pipeline.decide(attempt).now_or_never().expect("ready at once");
        assert_eq!(word(&decision.verdict), "ok");
    }
}

#[tokio::test]
async fn a_reload_keeps_what_verified() {
    let rig = Rig::new().await;
    rig.check(attempt(), "ok").await;
    rig.pipeline.reload(settings());
    assert!(cached(&rig.check(attempt(), "ok").await));
    rig.pipeline.reload(Settings { verified_cache_entries: 7, ..settings() });
    assert!(!cached(&rig.check(attempt(), "ok").await));
    let cache = rig.cache("verified");
    assert_eq!((cache.max_entries, cache.hits, cache.misses), (7, 1, 2), "what was counted stays");
}

#[tokio::test]
async fn equal_checks_in_flight_share_one_run() {
    let flights = Flights::<Key, Hashed>::default();
    let key = |byte| Key::new(&[byte; 32], &[]);
    let runs = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(tokio::sync::Notify::new());
    let start = || {
        let (runs, go) = (runs.clone(), go.clone());
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            Ok(Ok(true))
        }
    };
    let all = join_all((0..20).map(|_| flights.share(key(1), start)));
    let release = async {
        tokio::task::yield_now().await;
        go.notify_waiters();
    };
    let (results, ()) = tokio::join!(all, release);
    assert!(results.iter().all(|result| *result == Ok(Ok(true))));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    // Nothing is left behind, neither by a run that ended nor by one that
    // everybody left.
    let left = flights.share(key(2), start).now_or_never();
    assert!(left.is_none());
    assert_eq!(flights.len(), 0);
    go.notify_one();
    assert_eq!(flights.share(key(1), start).await, Ok(Ok(true)));
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

/// A job that waits until it is told to go on.
pub(super) struct Blocker {
    pub(super) go: mpsc::Sender<()>,
    pub(super) begun: mpsc::Receiver<()>,
}

pub(super) fn blocker() -> (Blocker, impl FnOnce() + Send + 'static) {
    let (go, wait) = mpsc::channel();
    let (started, begun) = mpsc::channel();
    let job = move || {
        let _ = started.send(());
        let _ = wait.recv();
    };
    (Blocker { go, begun }, job)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_bounds_the_pool_says_so_in_time() {
    let pool = Arc::new(HashPool::new(1, 1, Duration::from_millis(50)));
    let (first, job) = blocker();
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(pool.deadline(), job).await }
    });
    first.begun.recv().unwrap();
    let begun = std::time::Instant::now();
    // One may wait, for a while; the next finds no place.
    let (waited, refused) =
        tokio::join!(pool.run(pool.deadline(), || ()), pool.run(pool.deadline(), || ()));
    assert_eq!((waited, refused), (Err(Cause::Overloaded), Err(Cause::Overloaded)));
    assert!(begun.elapsed() < Duration::from_secs(5));
    first.go.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
    assert_eq!(pool.run(pool.deadline(), || 7).await, Ok(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_a_quarter() {
    let pool = Arc::new(HashPool::new(4, 8, Duration::from_secs(30)));
    let (first, job) = blocker();
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run_for_stranger(job).await }
    });
    first.begun.recv().unwrap();
    // Two more wait for the one thread in their quarter, the others are let go
    // without a hash, and whoever exists still finds three threads.
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run_for_stranger(|| ()).await })
        })
        .collect();
    while pool.stranger_places_left() > 0 {
        tokio::task::yield_now().await;
    }
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let skipped = pool.run_for_stranger(move || count.fetch_add(1, Ordering::SeqCst)).await;
    assert_eq!((skipped, ran.load(Ordering::SeqCst)), (Ok(()), 0));
    let barrier = Arc::new(Barrier::new(3));
    let together = (0..3).map(|_| {
        let barrier = barrier.clone();
        pool.run(pool.deadline(), move || {
            barrier.wait();
        })
    });
    assert!(join_all(together).await.into_iter().all(|result| result.is_ok()));
    first.go.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
    for stranger in waiting {
        assert_eq!(stranger.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_panic_in_a_hash_is_contained() {
    let pool = HashPool::new(1, 1, Duration::from_secs(5));
    let hurt = pool.run(pool.deadline(), || panic!("a hash that no library expects")).await;
    assert_eq!(hurt, Err::<(), _>(Cause::Internal));
    assert_eq!(pool.run(pool.deadline(), || 7).await, Ok(7));
}

/// Nobody who needs no slow hash waits for those who do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_pool_leaves_cheap_logins_alone() {
    let tight = Settings { hash_threads: 1, hash_queue: 0, ..settings() };
    let rig = Rig::with(tight).await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    rig.add("plain@example.org", Some("{PLAIN}tea".to_owned())).await;
    rig.check(attempt(), "ok").await;
    let (first, job) = blocker();
    let pool = Arc::clone(&rig.pipeline.current().pool);
    let running = tokio::spawn(async move { pool.run(pool.deadline(), job).await });
    first.begun.recv().unwrap();
    rig.check(attempt(), "ok").await;
    rig.check(password("ann@example.org", &phone), "ok").await;
    rig.check(password("plain@example.org", "tea"), "ok").await;
    rig.check(password("ann@example.org", "cold"), "overloaded").await;
    rig.check(password("nobody@example.org", "cold"), "overloaded").await;
    first.go.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
    rig.check(password("ann@example.org", "cold"), "wrong_password").await;
}

#[tokio::test]
async fn new_passwords_are_hashed_by_the_default_scheme() {
    let rig = Rig::new().await;
    let hash = rig.pipeline.hash_password(&Secret::from("looking glass")).await.unwrap();
    assert!(hash.starts_with("{BLF-CRYPT}$2y$04$"), "{hash}");
    rig.add("bob@example.org", Some(hash)).await;
    rig.check(password("bob@example.org", "looking glass"), "ok").await;
    let error = rig.pipeline.hash_password(&Secret::from("looking\tglass")).await.unwrap_err();
    assert_eq!(error.to_string(), "the password has a byte that no password may have");
}
