//! Whom a good token speaks of.

use dovegate::{
    idp::{OutageCause, Refused, StepOutcome},
    mailbox::{
        Provider,
        provider::{Method, UnverifiedEmail},
    },
};
use serde_json::{Value, json};

use super::{METHODS, active, by, check, outage, provider, refused, step};
use crate::support::provider::{Behaviour, FakeProvider, INTROSPECTION, USERINFO};

async fn is_verified(claims: Value, change: impl Fn(&mut Provider)) -> bool {
    let fake = FakeProvider::start();
    let token = fake.token(claims);
    let mut results = Vec::new();
    for method in METHODS {
        let provider = provider(&fake, |provider| {
            provider.methods = vec![method];
            change(provider);
        });
        results.push(active(&check(&provider, &token).await).user_is_verified);
    }
    assert!(results.iter().all(|result| *result == results[0]), "by every method: {results:?}");
    results[0]
}

/// `keycloak-facts`: people can write `email` themselves.
#[tokio::test]
async fn email_is_the_users_own_text() {
    for (claims, expected) in [
        (json!({}), true),
        (json!({ "email_verified": false }), false),
        (json!({ "email_verified": null }), false),
        (json!({ "email_verified": "false" }), false),
        (json!({ "email_verified": "true" }), true),
        (json!({ "email_verified": 1 }), false),
    ] {
        assert_eq!(is_verified(claims.clone(), |_| {}).await, expected, "{claims}");
    }
    let accept = |provider: &mut Provider| provider.unverified_email = UnverifiedEmail::Accept;
    assert!(is_verified(json!({ "email_verified": false }), accept).await);
}

#[tokio::test]
async fn a_claim_that_people_cannot_write() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({ "preferred_username": "ann", "email_verified": false }));
    for method in METHODS {
        let provider = provider(&fake, |provider| {
            provider.methods = vec![method];
            provider.user_claim = Some("preferred_username".to_owned());
            provider.user_claim_is_trusted = true;
        });
        let checked = check(&provider, &token).await;
        assert_eq!(active(&checked).user.as_deref(), Some("ann"));
        assert!(active(&checked).user_is_verified);
    }
}

/// A provider whose tokens say little: opaque, and introspection knows `sub`
/// alone; userinfo knows the rest.
#[tokio::test]
async fn user_taken_from_userinfo() {
    let fake = FakeProvider::start();
    fake.know("opaque-token", json!({}));
    fake.behave(INTROSPECTION, Behaviour::json(&json!({
        "active": true, "sub": "a7feeb0e", "client_id": "roundcube", "token_type": "Bearer", "scope": "openid email",
    })));
    let provider = by(&fake, Method::Introspection);
    let checked = check(&provider, "opaque-token").await;
    assert_eq!(active(&checked).user.as_deref(), Some("ann@example.org"));
    assert!(active(&checked).user_is_verified);
    assert_eq!(step(&checked, "userinfo"), StepOutcome::Ok);

    // Of another person: it is not known who is right.
    fake.behave(USERINFO, Behaviour::json(&json!({ "sub": "b", "email": "ann@example.org" })));
    outage(&check(&provider, "opaque-token").await, OutageCause::Malformed);
    fake.behave(USERINFO, Behaviour::json(&json!({ "email": "ann@example.org" })));
    outage(&check(&provider, "opaque-token").await, OutageCause::Malformed);
    fake.behave(USERINFO, Behaviour::status(503));
    outage(&check(&provider, "opaque-token").await, OutageCause::Status);
    // Nobody names a mailbox: that is for those to judge who look for one.
    fake.behave(USERINFO, Behaviour::json(&json!({ "sub": "a7feeb0e" })));
    assert_eq!(active(&check(&provider, "opaque-token").await).user, None);
}

/// `keycloak-facts`: a lightweight token lacks `sub` and `email`; introspection
/// and userinfo fill them in.
#[tokio::test]
async fn lightweight_tokens() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({ "sub": null, "email": null, "email_verified": null }));
    fake.know(&token, json!({}));
    for method in METHODS {
        let checked = check(&by(&fake, method), &token).await;
        let token = active(&checked);
        assert_eq!(
            (token.subject.as_str(), token.user.as_deref()),
            ("a7feeb0e", Some("ann@example.org"))
        );
        assert!(token.user_is_verified);
    }
    assert_eq!(fake.count(USERINFO), 2, "by userinfo, and for the signed token");
}

/// `keycloak-facts`: without scope `openid` userinfo says 403, and introspection
/// says active.
#[tokio::test]
async fn without_scope_openid() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({ "scope": "profile email" }));
    refused(&check(&by(&fake, Method::Userinfo), &token).await, Refused::Scope);
    active(&check(&by(&fake, Method::Introspection), &token).await);
    let nameless = fake.token(json!({ "scope": "profile email", "email": null }));
    refused(&check(&by(&fake, Method::Introspection), &nameless).await, Refused::Scope);
}

/// docker-mailserver's one line: a userinfo URL and nothing else.
#[tokio::test]
async fn a_userinfo_url_alone() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |provider| {
        provider.server_url = None;
        provider.client_id = None;
        provider.client_secret = None;
        provider.introspection_url = Some(fake.at(USERINFO));
    });
    let token = fake.token(json!({}));
    active(&check(&provider, &token).await);
    refused(&check(&provider, "unknown-token").await, Refused::Inactive);
    fake.know("opaque-token", json!({}));
    assert_eq!(active(&check(&provider, "opaque-token").await).expires, None, "nobody says it");
    let asked = fake.seen(USERINFO);
    assert_eq!((asked[0].method.as_str(), asked.len()), ("GET", 3));
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {token}"));
    assert_eq!(fake.count_all(), 3, "nothing but userinfo is asked");
    assert_eq!(provider.openid_configuration(), None);
}
