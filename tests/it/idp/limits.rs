//! A provider that wants to be asked less, and a crowd that waits for its places.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dovegate::{
    clock::Timestamp,
    idp::{self, Answer, BreakerState, LookedUp, OutageCause},
    mailbox::provider::Method,
    secret::Secret,
};
use serde_json::json;

use super::{
    by, check,
    keycloak::{USERS, ann, at, keycloak},
    outage,
};
use crate::support::provider::{Behaviour, FakeProvider, INTROSPECTION, REALM, USERINFO};

fn limited(status: u16, seconds: &str) -> Behaviour {
    Behaviour::status(status).with("Retry-After", seconds)
}

async fn look_up(provider: &idp::Provider) -> Result<LookedUp, OutageCause> {
    let found = provider.look_up("ann@example.org", |_| true).await;
    found.map_err(|outage| outage.cause)
}

/// Who asks too much asks again when he may, and nobody notices but by waiting.
#[tokio::test]
async fn asks_again_when_it_may() {
    let fake = Arc::new(keycloak());
    fake.behave(USERS, limited(429, "1"));
    let provider = at(&fake, |_| {});
    let healed = {
        let fake = Arc::clone(&fake);
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            fake.behave(USERS, Behaviour::json(&json!([ann()])));
        }
    };
    let began = Instant::now();
    let (found, ()) = tokio::join!(look_up(&provider), healed);
    assert!(matches!(found, Ok(LookedUp::Person(_))), "{found:?}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(fake.count(USERS), 2);
    let times = provider.status().requests["users"].clone();
    assert_eq!((times["limited"].count, times["answered"].count), (1, 1));
}

#[tokio::test]
async fn is_left_alone_as_long_as_it_says() {
    let fake = keycloak();
    fake.behave(USERS, limited(429, "20"));
    let provider = at(&fake, |_| {});
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(look_up(&provider).await, Err(OutageCause::Busy));
    }
    assert_eq!(fake.count(USERS), 1, "nobody else asks");
    assert!(began.elapsed() < Duration::from_secs(1), "nor waits in vain");
    let status = provider.status();
    assert!(status.held.is_some_and(|left| left > Duration::from_secs(15)), "{status:?}");
    assert_eq!((status.unsent, status.breaker), (19, BreakerState::Closed));
    // What else it is asked is its own.
    assert!(provider.look_up_by_id("a7feeb0e").await.is_err());
    assert_eq!(fake.count(&format!("{USERS}/a7feeb0e")), 0, "of the same kind");
    fake.call_itself(&fake.at(REALM));
    let token = fake.token(json!({}));
    assert!(matches!(check(&provider, &token).await.answer, Answer::Active(_)));
}

/// Maintenance is an outage like any other: what was known serves at once.
#[tokio::test]
async fn maintenance_is_an_outage() {
    let fake = keycloak();
    fake.behave(USERS, limited(503, "20"));
    let provider = at(&fake, |_| {});
    assert_eq!(look_up(&provider).await, Err(OutageCause::Status));
    for _ in 0..5 {
        assert_eq!(look_up(&provider).await, Err(OutageCause::Down));
    }
    assert_eq!(fake.count(USERS), 1);
}

/// Some limit each person apart: who asks for himself too often stops nobody.
#[tokio::test]
async fn one_persons_limit_stops_no_other() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    fake.behave(USERINFO, limited(429, "3600"));
    let provider = by(&fake, Method::Userinfo);
    outage(&check(&provider, &token).await, OutageCause::Busy);
    fake.heal();
    let began = Instant::now();
    assert!(matches!(check(&provider, &token).await.answer, Answer::Active(_)));
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// Two thousand people come at once, and each waits longer than one answer may
/// take: nobody hears an error, and the provider never has more than 32 to do.
#[tokio::test]
async fn a_crowd_waits_for_its_places() {
    let fake = FakeProvider::start();
    fake.behave(INTROSPECTION, Behaviour::Late(Duration::from_millis(100)));
    let provider = super::provider(&fake, |provider| {
        provider.timeout = Some(dovegate::clock::Span(Duration::from_millis(500)));
    });
    let tokens: Vec<Secret> = (0..500)
        .map(|number| Secret::from(fake.token(json!({ "jti": number })).as_str()))
        .collect();
    let began = Instant::now();
    let checks = tokens.iter().map(|token| async {
        let checked = provider.check_token(token, Timestamp::now()).await;
        let under_way = provider.status().in_flight;
        assert!(under_way <= 32, "{under_way}");
        checked
    });
    let checked = futures_util::future::join_all(checks).await;
    assert!(checked.iter().all(|checked| matches!(checked.answer, Answer::Active(_))));
    assert!(began.elapsed() > Duration::from_secs(1), "they had to wait");
    let status = provider.status();
    let answered = status.requests["introspection"]["answered"];
    assert_eq!((answered.count, status.waiting, status.in_flight), (500, 0, 0));
    assert!(answered.sum >= Duration::from_secs(50), "{answered:?}");
    assert_eq!(answered.buckets[..4], [0; 4], "each took more than 50 ms: {answered:?}");
}
