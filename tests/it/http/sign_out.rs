//! Back-channel logout: what a provider says over `[http]` about sessions that
//! ended.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{INTERNAL, PUBLIC, internal, public};
use crate::support::{
    b64,
    client::Client,
    http::{Answer, get, send},
    provider::{FakeProvider, INTROSPECTION, JWKS, keys::SigningKey},
    world::{ANN, World},
};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn world() -> World {
    World::with_providers(&[PUBLIC, INTERNAL, "provider.corp.token_cache = \"10m\""])
}

fn post(address: SocketAddr, path: &str, content_type: &str, body: &str) -> Answer {
    let length = body.len();
    send(
        address,
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\
             \r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn sign_out(address: SocketAddr, provider: &str, token: &str) -> Answer {
    let path = format!("/backchannel-logout/{provider}");
    post(address, &path, "application/x-www-form-urlencoded", &format!("logout_token={token}"))
}

/// A logout token of Ann's, with these changes.
fn logout_token(corp: &FakeProvider, id: &str, changes: Value) -> String {
    let mut claims = json!({
        "aud": "mailgate", "jti": id, "events": { EVENT: {} },
        "typ": null, "azp": null, "scope": null, "email": null, "email_verified": null,
    });
    let Value::Object(changes) = changes else { panic!("claims are an object") };
    claims.as_object_mut().expect("an object").extend(changes);
    corp.token_with(json!({ "typ": "logout+jwt" }), claims)
}

fn log_in(client: &mut Client, token: &str) {
    let message = b64(format!("n,a={ANN},\x01auth=Bearer {token}\x01\x01"));
    let id = client.auth("OAUTHBEARER", &format!("secured\tresp={message}"));
    client.reply(id).expect("OK");
}

#[test]
fn tokens_of_who_signed_out_are_asked_for_again_and_nothing_else_is() {
    let world = world();
    let corp = world.corp.as_ref().unwrap();
    let address = public(&world.daemon);
    let phone = corp.token(json!({ "sid": "phone" }));
    let browser = corp.token(json!({ "sid": "browser" }));
    let mut client = world.target.client("login", 2);
    let mut asked = |expected: usize, what: &str| {
        for token in [&phone, &browser] {
            log_in(&mut client, token);
        }
        assert_eq!(corp.count(INTROSPECTION), expected, "{what}");
    };
    asked(2, "new ones");
    asked(2, "known ones");
    let answer =
        sign_out(address, "corp", &logout_token(corp, "1", json!({ "sub": null, "sid": "phone" })));
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    asked(3, "one session");
    assert_eq!(sign_out(address, "corp", &logout_token(corp, "2", json!({}))).status, 200);
    asked(5, "all sessions");
    let other = json!({ "sub": "b0b" });
    assert_eq!(sign_out(address, "corp", &logout_token(corp, "3", other)).status, 200);
    asked(5, "somebody else");
    world.daemon.wait_for_log("what happened", |log| {
        log.contains("signed out provider=corp person=a7feeb0e one_session=false tokens=2")
    });
}

#[test]
fn what_is_no_logout_token_changes_nothing() {
    let world = world();
    let corp = world.corp.as_ref().unwrap();
    let address = public(&world.daemon);
    let token = corp.token(json!({}));
    let mut client = world.target.client("login", 2);
    log_in(&mut client, &token);
    let good = logout_token(corp, "1", json!({}));
    assert_eq!(sign_out(address, "corp", &good).status, 200);
    log_in(&mut client, &token);
    let asked = corp.count(INTROSPECTION);
    let claims = corp.claims(json!({ "aud": "mailgate", "jti": "2", "events": { EVENT: {} } }));
    let known = SigningKey::es256("made up").sign(json!({ "typ": "logout+jwt" }), &claims);
    for (why, token, said) in [
        ("seen before", good.as_str(), "seen before"),
        ("no JWT", "a.b", "no JWT"),
        ("an access token", &token, "is for account, not for mailgate"),
        ("of another client", &logout_token(corp, "4", json!({ "aud": "x" })), "not for mailgate"),
        ("an ID token", &logout_token(corp, "5", json!({ "nonce": "n" })), "nonce"),
        ("no event", &logout_token(corp, "6", json!({ "events": {} })), "events"),
        ("too old", &logout_token(corp, "7", json!({ "iat": 1_000, "exp": 2_000 })), "too old"),
    ] {
        let answer = sign_out(address, "corp", token);
        assert_eq!(answer.status, 400, "{why}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"], "invalid_request", "{why}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(said), "{why}: {description}");
        assert!(!answer.body.contains(token), "{why}");
    }
    let answer = sign_out(address, "corp", &known);
    assert!([400, 503].contains(&answer.status), "by a key that nobody knows: {answer:?}");
    log_in(&mut client, &token);
    assert_eq!(corp.count(INTROSPECTION), asked, "a good token is still known");
}

#[test]
fn requests_that_are_no_sign_out() {
    let world = world();
    let address = public(&world.daemon);
    let corp = "/backchannel-logout/corp";
    let form = "application/x-www-form-urlencoded";
    for (path, content_type, body, status) in [
        (corp, form, "", 400),
        (corp, form, "logout_token=a&logout_token=b", 400),
        (corp, "application/json", "{\"logout_token\":\"a.b.c\"}", 415),
        (corp, "text/plain", "logout_token=a", 415),
        ("/backchannel-logout/nobody", form, "logout_token=a", 404),
        ("/backchannel-logout/..%2Fcorp", form, "logout_token=a", 404),
        ("/backchannel-logout/%ff", form, "logout_token=a", 400),
        ("/backchannel-logout/", form, "logout_token=a", 404),
        ("/backchannel-logout/corp/", form, "logout_token=a", 404),
        ("/metrics", form, "", 404),
        ("/api/v1/status", form, "", 401),
    ] {
        let answer = post(address, path, content_type, body);
        assert_eq!(answer.status, status, "{path} {content_type} {body}: {}", answer.body);
    }
    let long = format!("logout_token={}", "a".repeat(17_000));
    assert_eq!(post(address, corp, form, &long).status, 413);
    assert_eq!(get(address, corp).status, 405);
    assert_eq!(get(address, "/live").status, 404);
    assert_eq!(get(internal(&world.daemon), corp).status, 404);
}

/// Anybody may send tokens that nobody made: the provider is not asked for each.
#[test]
fn made_up_tokens_are_no_questions_to_the_provider() {
    let world = world();
    let corp = world.corp.as_ref().unwrap();
    let address = public(&world.daemon);
    let claims = corp.claims(json!({ "aud": "mailgate", "jti": "1", "events": { EVENT: {} } }));
    for round in 0..30 {
        let key = SigningKey::es256(&format!("key-{round}"));
        let token = key.sign(json!({ "typ": "logout+jwt" }), &claims);
        assert!([400, 503].contains(&sign_out(address, "corp", &token).status));
    }
    assert!(corp.count(JWKS) <= 3, "{}", corp.count(JWKS));
    let said = world.daemon.log().matches("a logout token could not be checked").count();
    assert_eq!(said, 1, "once, however many come");
    assert_eq!(sign_out(address, "corp", &logout_token(corp, "2", json!({}))).status, 200);
}
