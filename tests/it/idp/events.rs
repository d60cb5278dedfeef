//! What Keycloak recorded of its people: each change once, whoever misbehaves.

use std::time::Duration;

use dovegate::{
    clock::{Span, Timestamp},
    idp::{BreakerState, EventsState, Happened, Happening, OutageCause, Polled, Provider},
};
use serde_json::{Value, json};

use super::{
    impatient,
    keycloak::{at, gives_token, query},
};
use crate::support::provider::{
    Behaviour, CLIENT_SECRET, FakeProvider,
    feed::{ADMIN_EVENTS, EVENTS_CONFIG, USER_EVENTS},
};

/// One that records everything.
fn keycloak() -> FakeProvider {
    let fake = FakeProvider::start();
    gives_token(&fake, "first", 300);
    fake.records(true, true);
    fake
}

fn now() -> u64 {
    Timestamp::now().0
}

async fn poll(provider: &Provider) -> Polled {
    provider.poll_events().await.unwrap_or_else(|outage| panic!("{outage}"))
}

async fn cause(provider: &Provider) -> OutageCause {
    provider.poll_events().await.expect_err("nothing could be read").cause
}

fn happened(subject: &str, what: Happening) -> Happened {
    Happened { subject: subject.to_owned(), what }
}

fn nothing() -> Polled {
    Polled::default()
}

fn missed() -> Polled {
    Polled { missed: true, ..Polled::default() }
}

/// One whose first poll is over.
async fn watching(fake: &FakeProvider) -> Provider {
    let provider = at(fake, |_| {});
    assert_eq!(poll(&provider).await, missed(), "what was before the first poll is not known");
    assert_eq!(provider.status().events, EventsState::Watching);
    provider
}

#[tokio::test]
async fn each_change_is_told_once() {
    let fake = keycloak();
    fake.admin_event(now() - 3_600_000, "UPDATE", "USER", "users/old");
    let provider = watching(&fake).await;
    assert_eq!(poll(&provider).await, nothing());
    fake.admin_event(now(), "UPDATE", "USER", "users/ann");
    fake.admin_event(now(), "ACTION", "USER", "users/ann/reset-password");
    fake.admin_event(now(), "CREATE", "REALM", "users/ben");
    fake.admin_event(now(), "DELETE", "GROUP_MEMBERSHIP", "users/dan/groups/9");
    fake.admin_event(now(), "CREATE", "GROUP", "groups/9");
    fake.user_event(now(), "LOGOUT", "ann");
    fake.user_event(now(), "LOGIN", "eve");
    let polled = poll(&provider).await;
    let expected = [
        happened("ann", Happening::Changed),
        happened("ann", Happening::SignedOut),
        happened("ben", Happening::Created),
        happened("dan", Happening::Changed),
    ];
    assert_eq!(polled, Polled { happened: expected.into(), ..nothing() });
    for _ in 0..3 {
        assert_eq!(poll(&provider).await, nothing());
    }
    // Its transaction took long: it shows after others that are younger.
    fake.user_event(now() - 20_000, "DELETE_ACCOUNT", "una");
    let una = happened("una", Happening::Deleted);
    assert_eq!(poll(&provider).await.happened, [una]);
    assert_eq!(poll(&provider).await, nothing());
}

#[tokio::test]
async fn what_is_asked() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    fake.admin_event(now(), "UPDATE", "USER", "users/ann");
    poll(&provider).await;
    let before = now();
    poll(&provider).await;
    let asked = |path: &str| {
        let seen = fake.seen(path);
        let last = seen.last().expect("it was asked");
        assert_eq!(last.headers["authorization"], "Bearer first");
        query(last)
    };
    let admin = asked(ADMIN_EVENTS);
    let values = |query: &[(String, String)], name: &str| -> Vec<String> {
        query.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
    };
    for resource in ["USER", "GROUP_MEMBERSHIP", "REALM_ROLE_MAPPING"] {
        assert!(values(&admin, "resourceTypes").contains(&resource.to_owned()), "{admin:?}");
    }
    assert_eq!(values(&admin, "max"), ["500"]);
    let from: u64 = values(&admin, "dateFrom")[0].parse().unwrap();
    assert!((before - 31_000..=before - 29_000).contains(&from), "{from} of {before}");
    let user = asked(USER_EVENTS);
    for kind in ["LOGOUT", "UPDATE_EMAIL", "UPDATE_PROFILE", "DELETE_ACCOUNT"] {
        assert!(values(&user, "type").contains(&kind.to_owned()), "{user:?}");
    }
    assert_eq!(fake.count(EVENTS_CONFIG), 1, "once for a while");
    assert_eq!(fake.count("/protocol/openid-connect/token"), 1, "by the token of look-ups");
}

#[tokio::test]
async fn as_many_as_can_be_read() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    for number in 0..499 {
        fake.admin_event(now(), "UPDATE", "USER", &format!("users/{number}"));
    }
    let polled = poll(&provider).await;
    assert_eq!((polled.happened.len(), polled.missed), (499, false));
    assert_eq!(poll(&provider).await, nothing());
}

/// Somebody who signs in and out without end makes us forget nobody else.
#[tokio::test]
async fn many_sign_outs_are_read() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    for _ in 0..1200 {
        fake.user_event(now(), "LOGOUT", "eve");
    }
    let polled = poll(&provider).await;
    assert_eq!(
        (polled.happened, polled.missed),
        (vec![happened("eve", Happening::SignedOut)], false)
    );
}

/// Beyond five hundred changes anything may have changed, and the next poll goes on
/// after them. Nobody is asked meanwhile, or all would be forgotten every other
/// second for as long as an import takes.
#[tokio::test]
async fn more_than_can_be_read() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    for number in 0..501 {
        fake.admin_event(now(), "UPDATE", "USER", &format!("users/{number}"));
    }
    let polled = poll(&provider).await;
    assert!(polled.missed && polled.happened.len() <= 500, "{}", polled.happened.len());
    let before = fake.count_all();
    assert_eq!(poll(&provider).await, nothing());
    assert_eq!(fake.count_all(), before);
}

#[tokio::test]
async fn answers_that_are_too_large() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    fake.behave(ADMIN_EVENTS, Behaviour::Huge);
    fake.user_event(now(), "LOGOUT", "ann");
    // The other kind is heard all the same.
    assert_eq!(poll(&provider).await.happened, [happened("ann", Happening::SignedOut)]);
    assert_eq!(provider.status().events, EventsState::Failing);
    fake.behave(USER_EVENTS, Behaviour::Huge);
    assert_eq!(cause(&provider).await, OutageCause::Malformed);
    fake.heal();
    gives_token(&fake, "first", 300);
    fake.admin_event(now(), "UPDATE", "USER", "users/ann");
    assert_eq!(poll(&provider).await.happened, [happened("ann", Happening::Changed)]);
    assert_eq!(provider.status().events, EventsState::Watching);
}

/// Nothing that was read gets lost by a kind that cannot be.
#[tokio::test]
async fn one_kind_fails() {
    for (failing, other) in [(ADMIN_EVENTS, USER_EVENTS), (USER_EVENTS, ADMIN_EVENTS)] {
        let fake = keycloak();
        let provider = watching(&fake).await;
        fake.behave(failing, Behaviour::status(500));
        fake.user_event(now(), "LOGOUT", "ann");
        fake.admin_event(now(), "DELETE", "USER", "users/ben");
        let (first, second) =
            (happened("ann", Happening::SignedOut), happened("ben", Happening::Deleted));
        let (heard, later) = if other == USER_EVENTS { (first, second) } else { (second, first) };
        assert_eq!(poll(&provider).await.happened, [heard]);
        assert_eq!(cause(&provider).await, OutageCause::Status);
        fake.heal();
        gives_token(&fake, "first", 300);
        assert_eq!(poll(&provider).await.happened, [later]);
    }
}

/// Who stops waiting has read nothing.
#[tokio::test]
async fn a_poll_that_was_given_up() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    fake.admin_event(now(), "UPDATE", "USER", "users/ann");
    fake.behave(USER_EVENTS, Behaviour::Hang);
    let given_up = tokio::time::timeout(Duration::from_millis(300), provider.poll_events()).await;
    assert!(given_up.is_err());
    fake.heal();
    gives_token(&fake, "first", 300);
    assert_eq!(poll(&provider).await.happened, [happened("ann", Happening::Changed)]);
}

#[tokio::test]
async fn what_a_realm_does_not_record() {
    for (admin, user) in [(false, false), (true, false), (false, true)] {
        let fake = keycloak();
        fake.records(admin, user);
        let provider = at(&fake, |_| {});
        let polled = poll(&provider).await;
        assert_eq!(polled.missed, admin || user, "{polled:?}");
        let expected = EventsState::NotRecorded { admin: !admin, user: !user };
        assert_eq!(provider.status().events, expected);
        assert_eq!(fake.count(ADMIN_EVENTS) > 0, admin, "asked in vain");
        assert_eq!(fake.count(USER_EVENTS) > 0, user, "asked in vain");
        assert_eq!(poll(&provider).await, nothing());
    }
}

/// Somebody switches recording on or off.
#[tokio::test]
async fn a_realm_that_records_something_else() {
    let fake = keycloak();
    fake.records(true, false);
    let provider = at(&fake, |_| {});
    poll(&provider).await;
    fake.records(true, true);
    fake.admin_event(now(), "UPDATE", "REALM", "events/config");
    assert_eq!(poll(&provider).await, nothing());
    assert!(poll(&provider).await.missed, "what people did before was not recorded");
    assert_eq!(provider.status().events, EventsState::Watching);
}

/// The role is missing: asked for once in five minutes, and not at every poll.
#[tokio::test]
async fn our_client_may_not_read_them() {
    let fake = keycloak();
    fake.behave(EVENTS_CONFIG, Behaviour::status(403));
    let provider = at(&fake, |_| {});
    let outage = provider.poll_events().await.unwrap_err();
    assert_eq!(outage.cause, OutageCause::Rights);
    assert!(outage.detail.contains("view-events"), "{outage}");
    assert_eq!(provider.status().events, EventsState::Forbidden);
    let before = fake.count_all();
    assert_eq!(poll(&provider).await, nothing());
    assert_eq!(fake.count_all(), before);
}

#[tokio::test]
async fn whatever_else_comes_is_an_outage() {
    let json = |text: &str| Behaviour::text(200, "application/json", text);
    for (name, path, behaviour, expected) in [
        ("no such realm", EVENTS_CONFIG, Behaviour::status(404), OutageCause::Settings),
        (
            "config in words",
            EVENTS_CONFIG,
            json(r#"{"eventsEnabled":"yes"}"#),
            OutageCause::Malformed,
        ),
        ("a list", EVENTS_CONFIG, json("[]"), OutageCause::Malformed),
        (
            "types in words",
            EVENTS_CONFIG,
            json(r#"{"enabledEventTypes":"LOGOUT"}"#),
            OutageCause::Malformed,
        ),
        ("503", ADMIN_EVENTS, Behaviour::status(503), OutageCause::Status),
        ("hang", ADMIN_EVENTS, Behaviour::Hang, OutageCause::Slow),
        ("html", ADMIN_EVENTS, Behaviour::text(200, "text/html", "[]"), OutageCause::Malformed),
        ("object", ADMIN_EVENTS, json("{}"), OutageCause::Malformed),
        ("401", ADMIN_EVENTS, Behaviour::status(401), OutageCause::Credentials),
    ] {
        let fake = keycloak();
        fake.behave(path, behaviour.clone());
        if path == ADMIN_EVENTS {
            fake.behave(USER_EVENTS, behaviour);
        }
        let provider = at(&fake, impatient);
        let outage = provider.poll_events().await.expect_err(name);
        assert_eq!(outage.cause, expected, "{name}: {outage}");
        assert_eq!(provider.status().events, EventsState::Failing, "{name}");
        assert!(!format!("{outage:?} {provider:?}").contains(CLIENT_SECRET), "{name}");
    }
}

/// A realm whose events are slow still has its people asked about.
#[tokio::test]
async fn events_that_fail_stop_no_login() {
    let fake = keycloak();
    let provider = at(&fake, |provider| {
        provider.timeout = Some(Span(Duration::from_millis(200)));
    });
    for behaviour in [Behaviour::status(504), Behaviour::Hang] {
        fake.behave(EVENTS_CONFIG, behaviour);
        for _ in 0..6 {
            provider.poll_events().await.expect_err("nothing could be read");
        }
        assert_eq!(provider.status().breaker, BreakerState::Closed);
    }
    assert_eq!(fake.count(EVENTS_CONFIG), 12);
}

/// Whatever stands in a list, the rest of it counts, and the next poll goes on.
#[tokio::test]
async fn hostile_lists() {
    let fake = keycloak();
    let provider = watching(&fake).await;
    let ann = |id: Value| {
        json!({ "id": id, "time": now(), "operationType": "UPDATE", "resourceType": "USER",
            "resourcePath": "users/ann", "realmId": "another" })
    };
    for odd in [
        json!(null),
        json!(7),
        json!({}),
        json!({ "id": "x", "time": u64::MAX, "operationType": "UPDATE", "resourcePath": "users/" }),
        json!({ "id": ["x"], "time": -1, "operationType": {}, "resourcePath": [] }),
        json!({ "id": "y".repeat(100_000), "resourcePath": "z".repeat(100_000) }),
    ] {
        let id = json!(format!("of {}", odd.to_string().len()));
        fake.behave(ADMIN_EVENTS, Behaviour::json(&json!([odd, ann(id.clone()), ann(id)])));
        let polled = poll(&provider).await;
        assert_eq!(polled.happened, [happened("ann", Happening::Changed)], "{odd:.40}");
        assert!(polled.missed, "it may have said anything");
        assert_eq!(poll(&provider).await, nothing(), "known again");
    }
    // More than was asked for is read as far as it was asked for.
    let many: Vec<Value> = (0..5000).map(|number| json!({
        "id": number.to_string(), "time": now(), "operationType": "UPDATE", "resourcePath": format!("users/{number}"),
    })).collect();
    fake.behave(ADMIN_EVENTS, Behaviour::json(&json!(many)));
    let outage = provider.poll_events().await;
    assert!(
        outage.as_ref().is_err_and(|outage| outage.cause == OutageCause::Malformed)
            || outage.as_ref().is_ok_and(|polled| polled.missed && polled.happened.len() <= 500),
        "{outage:?}"
    );
    fake.heal();
    gives_token(&fake, "first", 300);
}

/// Without an administrator's API nothing is asked.
#[tokio::test]
async fn not_at_other_providers() {
    let fake = FakeProvider::start();
    let provider = super::provider(&fake, |_| {});
    assert_eq!(cause(&provider).await, OutageCause::Settings);
    assert_eq!(fake.count_all(), 0);
}
