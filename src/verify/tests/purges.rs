//! Purges: what they forget, and what becomes of answers that are under way.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    keycloak::{FakeKeycloak, hash_of},
    mailpassword::at_home,
    provider::{FakeProvider, bearer, later},
    slow::blocker,
    *,
};
use crate::verify::connected::Connected;

const ANN: &str = "ann@example.org";
const BEN: &str = "ben@example.org";

type Purge = fn(&Pipeline, &Connected) -> u64;

fn flush(pipeline: &Pipeline, masks: &[&str]) -> u64 {
    let masks: Vec<_> = masks.iter().map(|mask| (*mask).to_owned()).collect();
    pipeline.flush_cache(&masks)
}

fn people(corp: &Connected, subjects: &[&str]) -> u64 {
    corp.purge_people(&subjects.iter().map(|id| format!("id of {id}")).collect())
}

fn tokens(corp: &Connected, subject: Option<&str>, session: Option<&str>) -> u64 {
    let subject = subject.map(|id| format!("id of {id}"));
    corp.purge_tokens(subject.as_deref(), session)
}

type ById = fn(&Connected) -> u64;

/// Purges that concern ann, her person and everything that is said of her.
const OF_ANN: [Purge; 8] = [
    |pipeline, _| flush(pipeline, &[]),
    |pipeline, _| flush(pipeline, &[ANN]),
    |pipeline, _| flush(pipeline, &[BEN, "Ann@example.org"]),
    |pipeline, _| flush(pipeline, &["*@example.org"]),
    |pipeline, _| flush(pipeline, &["nobody@example.org", "a*"]),
    |_, corp| people(corp, &[ANN]),
    |_, corp| people(corp, &[BEN, ANN]),
    |_, corp| corp.purge_all(),
];

/// Purges that leave her alone.
const OF_OTHERS: [Purge; 5] = [
    |pipeline, _| flush(pipeline, &[BEN]),
    |pipeline, _| flush(pipeline, &["ben@*", "*@example.net"]),
    |_, corp| people(corp, &[BEN, "joann@example.org"]),
    |_, corp| people(corp, &[]),
    |_, corp| tokens(corp, Some(BEN), Some("other")),
];

fn start(rig: &Rig, attempt: Attempt) -> JoinHandle<Decision> {
    let pipeline = Arc::clone(&rig.pipeline);
    tokio::spawn(async move { pipeline.decide(attempt).await })
}

async fn word_of(login: JoinHandle<Decision>) -> &'static str {
    word(&login.await.unwrap().verdict)
}

/// A login by what was said before she got another password, which is purged while
/// it is said.
async fn person_case(purge: Purge, concerns: bool) {
    let (rig, corp) = at_home().await;
    corp.holds(true);
    let login = start(&rig, later(61, password(ANN, "wonderland")));
    corp.asked(2).await;
    // The answer that is under way still has the old hash.
    corp.has(ANN, hash_of("new"));
    purge(&rig.pipeline, &rig.connected("corp"));
    corp.holds(false);
    let (verdict, by_now, asked) =
        if concerns { ("wrong_password", "new", 3) } else { ("ok", "wonderland", 2) };
    assert_eq!(word_of(login).await, verdict);
    rig.check(later(61, password(ANN, by_now)), "ok").await;
    assert_eq!(corp.look_ups(), asked, "the last answer is kept");
}

async fn with_token() -> (Rig, FakeProvider) {
    let (rig, corp) = Rig::with_provider().await;
    corp.gives("anns", ANN, json!({ "sid": "session" }));
    rig.check(bearer(ANN, "anns"), "ok").await;
    (rig, corp)
}

/// The same with a token that is revoked.
async fn token_case(purge: Purge, concerns: bool) {
    let (rig, corp) = with_token().await;
    corp.holds(true);
    let login = start(&rig, later(61, bearer(ANN, "anns")));
    corp.asked(2).await;
    corp.revokes("anns");
    purge(&rig.pipeline, &rig.connected("corp"));
    corp.holds(false);
    let (verdict, asked) = if concerns { ("token_inactive", 3) } else { ("ok", 2) };
    assert_eq!(word_of(login).await, verdict);
    rig.check(later(61, bearer(ANN, "anns")), verdict).await;
    assert_eq!(corp.requests(), asked, "the last answer is kept");
}

#[tokio::test]
async fn purge_while_lookup_in_flight_is_not_undone() {
    for purge in OF_ANN {
        person_case(purge, true).await;
        token_case(purge, true).await;
    }
    for purge in OF_OTHERS {
        person_case(purge, false).await;
        token_case(purge, false).await;
    }
    let sessions: [(Purge, bool); 5] = [
        (|_, corp| tokens(corp, Some(ANN), None), true),
        (|_, corp| tokens(corp, Some(ANN), Some("other")), true),
        (|_, corp| tokens(corp, None, Some("session")), true),
        (|_, corp| tokens(corp, None, Some("other")), false),
        (|_, corp| tokens(corp, None, None), false),
    ];
    for (purge, concerns) in sessions {
        token_case(purge, concerns).await;
        // They are none of the people's.
        person_case(purge, false).await;
    }
}

/// The hash takes its time after the answer came, and what happens meanwhile counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_while_the_password_is_checked_is_not_overtaken() {
    for (purge, concerns) in
        OF_ANN.map(|purge| (purge, true)).into_iter().chain(OF_OTHERS.map(|purge| (purge, false)))
    {
        // By an answer that is there, and by one that comes.
        for cold in [false, true] {
            let (rig, corp) = at_home().await;
            // No password is known to be right any more.
            let settings = Settings { hash_threads: 1, verified_cache_entries: 7, ..settings() };
            rig.pipeline.reload(settings);
            let pool = Arc::clone(&rig.pipeline.current().pool);
            let (hash, job) = blocker();
            let running = tokio::spawn({
                let pool = Arc::clone(&pool);
                async move { pool.run(pool.deadline(), job).await }
            });
            hash.begun.recv().unwrap();
            flush(&rig.pipeline, if cold { &[] } else { &[BEN] });
            let login = start(&rig, password(ANN, "wonderland"));
            while pool.status().queued == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            corp.has(ANN, hash_of("new"));
            purge(&rig.pipeline, &rig.connected("corp"));
            hash.go.send(()).unwrap();
            running.await.unwrap().unwrap();
            assert_eq!(word_of(login).await, if concerns { "wrong_password" } else { "ok" });
            assert_eq!(corp.look_ups(), 1 + usize::from(cold) + usize::from(concerns));
        }
    }
}

/// That nobody has an address may be over with any change of anybody.
#[tokio::test]
async fn purge_of_people_outdates_that_an_address_is_nobodys() {
    let (rig, corp) = at_home().await;
    rig.add(BEN, None).await;
    rig.belongs(BEN, "corp").await;
    let bens = || password(BEN, "wonderland");
    rig.check(bens(), "unknown_at_provider").await;
    corp.has(BEN, hash_of("wonderland"));
    rig.check(bens(), "unknown_at_provider").await;
    people(&rig.connected("corp"), &[]);
    rig.check(bens(), "ok").await;
    // And while it is being asked.
    corp.loses(BEN);
    corp.holds(true);
    let login = start(&rig, later(61, bens()));
    corp.asked(4).await;
    corp.has(BEN, hash_of("wonderland"));
    people(&rig.connected("corp"), &["somebody else"]);
    corp.holds(false);
    assert_eq!(word_of(login).await, "ok");
    assert_eq!(corp.look_ups(), 5);
}

#[tokio::test]
async fn a_purge_forgets_people_and_tokens_by_the_providers_ids() {
    let (rig, corp) = with_token().await;
    rig.add(BEN, None).await;
    rig.belongs(BEN, "corp").await;
    corp.gives("bens", BEN, json!({}));
    corp.gives("anns-other", ANN, json!({ "sid": "other" }));
    let attempts = [bearer(ANN, "anns"), bearer(ANN, "anns-other"), bearer(BEN, "bens")];
    let connected = rig.connected("corp");
    let purges: [(ById, u64); 7] = [
        (|corp| tokens(corp, None, None), 0),
        (|corp| tokens(corp, Some("joann@example.org"), None), 0),
        (|corp| tokens(corp, Some(ANN), None), 2),
        // Ben's does not say of which session it is.
        (|corp| tokens(corp, None, Some("other")), 2),
        (|corp| tokens(corp, None, Some("no such")), 1),
        (|corp| people(corp, &[ANN, BEN]), 3),
        (Connected::purge_all, 3),
    ];
    for (purge, expected) in purges {
        for attempt in &attempts {
            let Credentials::Bearer { user, token } = &attempt.credentials else { panic!() };
            let (user, token) = (user.clone(), token.clone());
            let credentials = Credentials::Bearer { user, token };
            rig.check(Attempt { credentials, ..bearer("", "") }, "ok").await;
        }
        assert_eq!(connected.tokens.fills().good.entries, 3);
        assert_eq!(purge(&connected), expected);
        assert_eq!(connected.tokens.fills().good.entries, 3 - expected);
    }
}

/// A busy realm, and programs that flush user by user.
#[tokio::test]
async fn thousands_of_purges_neither_leak_nor_starve_logins() {
    let (rig, corp) = Rig::with_keycloak().await;
    let users: Vec<_> = (0..20).map(|number| format!("user{number}@example.org")).collect();
    for user in &users {
        rig.add(user, None).await;
        rig.belongs(user, "corp").await;
        corp.has(user, hash_of("wonderland"));
    }
    corp.holds(true);
    let from_all_over = |(number, user): (usize, &String)| {
        start(&rig, from(&format!("203.0.113.{number}"), password(user, "wonderland")))
    };
    let logins: Vec<_> = users.iter().enumerate().map(from_all_over).collect();
    corp.asked(users.len()).await;
    let connected = rig.connected("corp");
    for number in 0..5000 {
        let subject = format!("another person {number}");
        connected.purge_people(&BTreeSet::from([subject.clone()]));
        connected.purge_tokens(Some(&subject), Some("of another session"));
        flush(&rig.pipeline, &[&format!("another{number}@example.org")]);
        if number % 20 == 0 {
            flush(&rig.pipeline, &["another*"]);
        }
    }
    corp.holds(false);
    for login in logins {
        assert_eq!(word_of(login).await, "ok");
    }
    assert_eq!(corp.look_ups(), users.len(), "nobody was asked about twice");
    // All are warm, and nothing is left of the rest.
    for user in &users {
        rig.check(password(user, "wonderland"), "ok").await;
    }
    assert_eq!(corp.look_ups(), users.len());
    connected.people.check_index();
    connected.tokens.check_index();
    assert_eq!(rig.cache("people").entries, users.len() as u64);
    assert_eq!(connected.people.asked_now() + connected.tokens.asked_now(), 0);
}

/// While people log in, they are purged all the time: what they hear is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_their_own_people_are_purged() {
    let (rig, corp) = at_home().await;
    let connected = rig.connected("corp");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let purger = {
        let (stop, connected) = (Arc::clone(&stop), Arc::clone(&connected));
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                people(&connected, &[ANN]);
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while corp.look_ups() < 20 {
        assert!(std::time::Instant::now() < until, "nothing is purged");
        let logins = (0..10).map(|_| start(&rig, password(ANN, "wonderland")));
        for login in join_all(logins.collect::<Vec<_>>()).await {
            let verdict = word(&login.unwrap().verdict);
            assert!(["ok", "purged"].contains(&verdict), "{verdict}");
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    purger.join().unwrap();
    rig.check(password(ANN, "wonderland"), "ok").await;
    connected.people.check_index();
    assert_eq!(connected.people.asked_now(), 0);
}

/// Who is not at the provider any more does not come back by an answer from before.
#[tokio::test]
async fn a_person_who_is_purged_does_not_ride_on() {
    let (rig, corp): (Rig, FakeKeycloak) = at_home().await;
    people(&rig.connected("corp"), &[ANN]);
    corp.says(Some(503));
    rig.check(password(ANN, "wonderland"), "provider_status").await;
}
