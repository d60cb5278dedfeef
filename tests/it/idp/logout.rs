//! Logout tokens: every check of OpenID Connect Back-Channel Logout 1.0 §2.6.

use dovegate::{
    clock::Timestamp,
    idp::{Logout, LogoutRefused, OutageCause, Provider},
    secret::Secret,
};
use serde_json::{Value, json};

use super::{impatient, provider};
use crate::support::provider::{
    Behaviour, CLIENT_ID, FakeProvider, JWKS, keys::SigningKey, merge, seconds,
};

/// A logout token as Keycloak 26.2.5 makes it, with these changes.
fn token_with(fake: &FakeProvider, header: Value, changes: &Value) -> String {
    let now = seconds();
    let mut claims = json!({
        "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": "7", "sub": "ann", "sid": "9",
        "typ": "Logout", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        "azp": null, "scope": null, "email": null, "email_verified": null,
    });
    // Null goes on to the fake provider, which takes the claim away.
    for (name, value) in changes.as_object().expect("changes are an object") {
        claims[name] = value.clone();
    }
    let mut names = json!({ "typ": "logout+jwt" });
    merge(&mut names, header);
    fake.token_with(names, claims)
}

fn token(fake: &FakeProvider, changes: &Value) -> String {
    token_with(fake, json!({}), changes)
}

async fn check(provider: &Provider, token: &str) -> Result<Logout, LogoutRefused> {
    let checked = provider.check_logout_token(&Secret::from(token), Timestamp::now()).await;
    let shown = format!("{checked:?}");
    assert!(token.len() < 12 || !shown.contains(token), "the token shows: {shown}");
    checked
}

#[track_caller]
fn bad(checked: &Result<Logout, LogoutRefused>, name: &str) -> String {
    match checked {
        Err(LogoutRefused::Bad(what)) if what.len() <= 204 => what.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

#[track_caller]
fn unavailable(checked: &Result<Logout, LogoutRefused>, name: &str) -> OutageCause {
    match checked {
        Err(LogoutRefused::Unavailable(outage)) => outage.cause,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn good_ones() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |_| {});
    let logout = check(&provider, &token(&fake, &json!({}))).await.unwrap();
    assert_eq!(
        (logout.subject.as_deref(), logout.session.as_deref(), logout.id.as_str()),
        (Some("ann"), Some("9"), "7")
    );
    let until = logout.expires.seconds() - seconds();
    assert!((149..=150).contains(&until), "the end, and what clocks may differ: {until}");
    for changes in [
        json!({ "sid": null }),
        json!({ "aud": ["other", CLIENT_ID] }),
        json!({ "iat": seconds() - 290, "exp": seconds() + 120 }),
        json!({ "iat": seconds() + 20 }),
        json!({ "iat": seconds() - 60, "exp": seconds() - 20 }),
        json!({ "typ": null }),
        json!({ "events": {
            "http://schemas.openid.net/event/backchannel-logout": { "a": 1 }, "another": 7,
        } }),
    ] {
        let checked = check(&provider, &token(&fake, &changes)).await;
        assert!(checked.is_ok(), "{changes}: {checked:?}");
    }
    for word in ["JWT", "jwt", "Logout+JWT", "application/logout+jwt"] {
        let token = token_with(&fake, json!({ "typ": word }), &json!({}));
        assert!(check(&provider, &token).await.is_ok(), "{word}");
    }
}

/// Keycloak 26.2.5 sends one to each client of a session, and it
/// is for that client alone; ours has no sessions of people.
#[tokio::test]
async fn for_the_client_of_a_mail_program() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |provider| provider.clients = vec!["roundcube".to_owned()]);
    for (audience, expected) in [("roundcube", true), (CLIENT_ID, true), ("wiki", false)] {
        let checked = check(&provider, &token(&fake, &json!({ "aud": audience }))).await;
        assert_eq!(checked.is_ok(), expected, "{audience}: {checked:?}");
    }
}

/// Whoever remembers ids need not do so for ever: an old token is refused by its
/// age.
#[tokio::test]
async fn an_id_is_remembered_for_minutes() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |_| {});
    let for_ever = token(&fake, &json!({ "exp": 1e18 }));
    let until = check(&provider, &for_ever).await.unwrap().expires.seconds() - seconds();
    assert!(until <= 330, "{until}");
    let later = Timestamp::now().after(std::time::Duration::from_secs(331));
    let checked = provider.check_logout_token(&Secret::from(for_ever.as_str()), later).await;
    assert!(bad(&checked, "old").contains("too old"));
}

#[tokio::test]
async fn every_check() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |_| {});
    let now = seconds();
    let event = "http://schemas.openid.net/event/backchannel-logout";
    for (name, changes, word) in [
        ("another issuer", json!({ "iss": "https://evil.example.org" }), "issued by"),
        ("no issuer", json!({ "iss": null }), "issuer"),
        ("another audience", json!({ "aud": "other" }), "not for"),
        ("other audiences", json!({ "aud": ["a", "b"] }), "not for"),
        ("half of the audience", json!({ "aud": "mail" }), "not for"),
        ("no audience", json!({ "aud": null }), "not for"),
        ("an audience of numbers", json!({ "aud": [7] }), "aud"),
        ("no iat", json!({ "iat": null }), "iat"),
        ("an iat in words", json!({ "iat": "now" }), "iat"),
        ("old", json!({ "iat": now - 340, "exp": now + 9999 }), "too old"),
        ("to come", json!({ "iat": now + 60 }), "to come"),
        ("no end", json!({ "exp": null }), "exp"),
        ("over", json!({ "iat": now - 100, "exp": now - 40 }), "too old"),
        ("an end in words", json!({ "exp": "later" }), "exp"),
        ("nobody", json!({ "sub": null, "sid": null }), "neither"),
        ("a number of a person", json!({ "sub": 7 }), "sub"),
        ("an empty person", json!({ "sub": "" }), "sub"),
        ("an endless person", json!({ "sub": "a".repeat(600) }), "sub"),
        ("a person of two lines", json!({ "sub": "a\nb" }), "sub"),
        ("a list of sessions", json!({ "sid": ["9"] }), "sid"),
        ("no events", json!({ "events": null }), "events"),
        ("a list of events", json!({ "events": [event] }), "events"),
        ("an event in words", json!({ "events": event }), "events"),
        ("another event", json!({ "events": { "other": {} } }), "events"),
        ("an event that is true", json!({ "events": { event: true } }), "events"),
        ("an event that is null", json!({ "events": { event: null } }), "events"),
        ("a nonce", json!({ "nonce": "n" }), "nonce"),
        ("no id", json!({ "jti": null }), "jti"),
        ("an empty id", json!({ "jti": "" }), "jti"),
        ("a number of an id", json!({ "jti": 7 }), "jti"),
    ] {
        let what = bad(&check(&provider, &token(&fake, &changes)).await, name);
        assert!(what.contains(word), "{name}: {what}");
    }
    for (name, header) in [
        ("an access token's header", json!({ "typ": "at+jwt" })),
        ("a number for a type", json!({ "typ": 7 })),
        ("another kind of event", json!({ "typ": "secevent+jwt" })),
        ("critical members", json!({ "crit": ["exp"] })),
        ("no signature", json!({ "alg": "none" })),
        ("a shared secret", json!({ "alg": "HS256" })),
        ("an unknown algorithm", json!({ "alg": "ES512" })),
        ("an endless key id", json!({ "kid": "k".repeat(300) })),
        ("a key id that is none", json!({ "kid": 7 })),
    ] {
        bad(&check(&provider, &token_with(&fake, header, &json!({}))).await, name);
    }
}

#[tokio::test]
async fn other_tokens_are_none() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |_| {});
    for text in ["", "opaque", "a.b.c", "a b", "…"] {
        bad(&check(&provider, text).await, text);
    }
    assert_eq!(fake.count_all(), 0, "nothing is asked for these");
    // Neither an access token nor an ID token ends a session.
    bad(&check(&provider, &fake.token(json!({ "aud": CLIENT_ID }))).await, "access token");
    let id_token = json!({ "aud": CLIENT_ID, "typ": "ID", "nonce": "n", "sid": "9" });
    bad(&check(&provider, &fake.token(id_token)).await, "ID token");
    let good = token(&fake, &json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let changed = format!("{message}.{other}{}", &signature[1..]);
    bad(&check(&provider, &changed).await, "changed");
    bad(&check(&provider, &format!("{message}.")).await, "cut");
}

#[tokio::test]
async fn keys_of_others() {
    let (fake, evil) = (FakeProvider::start(), FakeProvider::start());
    let provider = provider(&fake, |_| {});
    evil.call_itself(&fake.url());
    bad(&check(&provider, &token(&evil, &json!({}))).await, "the same name of a key");
    evil.rotate_to(SigningKey::es256("second"), false);
    assert_eq!(evil.count_all(), 0);
    // A key that is not known may be new: that is no word on the token, and the
    // set is not read again for everybody who makes one up.
    let mut before = 0;
    for number in 0..5 {
        let checked = check(&provider, &token(&evil, &json!({ "jti": number.to_string() }))).await;
        assert!(checked.is_err());
        before = fake.count(JWKS);
    }
    assert!(before <= 2, "{before}");
    // Nor does anything lead to keys of the sender's own.
    let own = json!({ "jku": evil.at(JWKS), "x5u": evil.at(JWKS), "jwk": { "kty": "EC" } });
    assert!(check(&provider, &token_with(&evil, own, &json!({}))).await.is_err());
    assert_eq!(evil.count_all(), 0);
}

#[tokio::test]
async fn what_cannot_be_told() {
    for (name, behaviour, expected) in [
        ("503", Behaviour::status(503), OutageCause::Status),
        ("hang", Behaviour::Hang, OutageCause::Slow),
        ("html", Behaviour::text(200, "text/html", "keys"), OutageCause::Malformed),
    ] {
        let fake = FakeProvider::start();
        fake.behave(JWKS, behaviour);
        let checked = check(&provider(&fake, impatient), &token(&fake, &json!({}))).await;
        assert_eq!(unavailable(&checked, name), expected, "{name}");
    }
    let fake = FakeProvider::start();
    let anonymous = provider(&fake, |provider| {
        provider.client_id = None;
        provider.client_secret = None;
    });
    let checked = check(&anonymous, &token(&fake, &json!({}))).await;
    assert_eq!(unavailable(&checked, "no client_id"), OutageCause::Settings);
    assert_eq!(fake.count_all(), 0);
    // The secret is not needed.
    let public = provider(&fake, |provider| provider.client_secret = None);
    assert!(check(&public, &token(&fake, &json!({}))).await.is_ok());
}
