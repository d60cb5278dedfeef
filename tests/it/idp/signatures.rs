//! Signed tokens and the keys they are checked with.

use dovegate::{
    idp::{OutageCause, Refused, StepOutcome},
    mailbox::provider::Method,
};
use serde_json::{Value, json};

use super::{active, by, check, outage, provider, refused, sent, step};
use crate::support::provider::{
    Behaviour, FakeProvider, JWKS, USERINFO,
    keys::{SigningKey, signed_by_public_key, unsigned},
};

fn key_set(keys: &[Value]) -> Behaviour {
    Behaviour::json(&json!({ "keys": keys }))
}

#[tokio::test]
async fn every_kind_of_key() {
    for key in [SigningKey::rs256("k"), SigningKey::es256("k"), SigningKey::eddsa("k")] {
        let fake = FakeProvider::start();
        fake.rotate_to(key, false);
        active(&check(&by(&fake, Method::Jwt), &fake.token(json!({}))).await);
    }
}

#[tokio::test]
async fn algorithm_none() {
    let fake = FakeProvider::start();
    let claims = fake.claims(json!({}));
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let token = unsigned(none, &claims);
        for token in [token.clone(), token + "c2ln"] {
            refused(&check(&by(&fake, Method::Jwt), &token).await, Refused::Algorithm);
        }
    }
}

#[tokio::test]
async fn hs256_signed_with_the_public_key() {
    let fake = FakeProvider::start();
    let key = SigningKey::rs256("k");
    let token = signed_by_public_key(&key.jwk(), &fake.claims(json!({})));
    fake.rotate_to(key, false);
    refused(&check(&by(&fake, Method::Jwt), &token).await, Refused::Algorithm);
    assert_eq!(fake.count(JWKS), 0, "no key is even looked for");
    // Nor where the provider itself publishes a shared secret.
    fake.behave(
        JWKS,
        key_set(&[json!({ "kty": "oct", "kid": "k", "alg": "HS256", "k": "c2VjcmV0" })]),
    );
    refused(&check(&by(&fake, Method::Jwt), &token).await, Refused::Algorithm);
}

#[tokio::test]
async fn signed_by_another_key() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    active(&check(&provider, &fake.token(json!({}))).await);
    let claims = fake.claims(json!({}));
    // Of the same name: no reason to look for newer keys.
    let forged = SigningKey::es256("first").sign(json!({}), &claims);
    refused(&check(&provider, &forged).await, Refused::Signature);
    assert_eq!(fake.count(JWKS), 1);
    let forged = SigningKey::es256("unknown").sign(json!({}), &claims);
    refused(&check(&provider, &forged).await, Refused::Signature);
    assert_eq!(fake.count(JWKS), 2);
}

#[tokio::test]
async fn changed_after_signing() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let (ann, bob) = (fake.token(json!({})), fake.token(json!({ "email": "bob@example.org" })));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (ann, bob) = (parts(&ann), parts(&bob));
    for token in [
        format!("{}.{}.{}", ann[0], bob[1], ann[2]),
        format!("{}.{}.", ann[0], ann[1]),
        format!("{}.{}.AAAA", ann[0], ann[1]),
        format!("{}.{}.{}AAAA", ann[0], ann[1], ann[2]),
        format!("{}.{}.{}=", ann[0], ann[1], ann[2]),
    ] {
        refused(&check(&provider, &token).await, Refused::Signature);
    }
}

/// `keycloak-facts`: a realm has two keys, one of them for encryption alone.
#[tokio::test]
async fn two_keys_with_use_enc() {
    let fake = FakeProvider::start();
    let (signs, encrypts) = (SigningKey::es256("k"), SigningKey::es256("e"));
    let other_use = |key: &SigningKey, change: Value| {
        let mut jwk = key.jwk();
        crate::support::provider::merge(&mut jwk, change);
        jwk
    };
    let by_encryption_key = encrypts.sign(json!({}), &fake.claims(json!({})));
    let good = signs.sign(json!({}), &fake.claims(json!({})));
    for change in [
        json!({ "use": "enc" }),
        json!({ "use": null, "key_ops": ["encrypt"] }),
        json!({ "use": 7 }),
    ] {
        let same_name = other_use(&encrypts, json!({ "use": "enc", "kid": "k" }));
        fake.behave(JWKS, key_set(&[same_name, other_use(&encrypts, change), signs.jwk()]));
        active(&check(&by(&fake, Method::Jwt), &good).await);
        refused(&check(&by(&fake, Method::Jwt), &by_encryption_key).await, Refused::Signature);
    }
}

#[tokio::test]
async fn kid_missing() {
    let fake = FakeProvider::start();
    fake.rotate_to(SigningKey::eddsa("second"), true);
    fake.rotate_to(SigningKey::es256("third"), true);
    let token = fake.token_with(json!({ "kid": null }), json!({}));
    active(&check(&by(&fake, Method::Jwt), &token).await);
    let stranger = SigningKey::es256("x").sign(json!({ "kid": null }), &fake.claims(json!({})));
    refused(&check(&by(&fake, Method::Jwt), &stranger).await, Refused::Signature);
}

#[tokio::test]
async fn kid_of_hostile_form() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let claims = fake.claims(json!({}));
    let key = SigningKey::es256("x");
    for kid in [json!("k".repeat(5000)), json!(7), json!({ "a": 1 }), json!(["first"])] {
        refused(
            &check(&provider, &key.sign(json!({ "kid": kid }), &claims)).await,
            Refused::Signature,
        );
    }
    assert_eq!(fake.count_all(), 0);
    let checked =
        check(&provider, &key.sign(json!({ "kid": "../../etc\n\u{1b}[0m" }), &claims)).await;
    let detail = refused(&checked, Refused::Signature);
    assert!(!detail.contains(['\n', '\u{1b}']), "{detail}");
}

/// A token's own word on where its key is counts nothing.
#[tokio::test]
async fn keys_that_a_token_brings_along() {
    let (fake, evil) = (FakeProvider::start(), FakeProvider::start());
    let key = SigningKey::es256("first");
    let claims = fake.claims(json!({}));
    evil.rotate_to(SigningKey::es256("first"), false);
    for header in [
        json!({ "jwk": key.jwk() }),
        json!({ "jku": evil.at(JWKS) }),
        json!({ "x5u": evil.at("/x") }),
    ] {
        let token = key.sign(header, &claims);
        refused(&check(&by(&fake, Method::Jwt), &token).await, Refused::Signature);
    }
    assert_eq!(evil.count_all(), 0);
    // RFC 7515 §4.1.11.
    let token = fake.token_with(json!({ "crit": ["b64"], "b64": false }), json!({}));
    refused(&check(&by(&fake, Method::Jwt), &token).await, Refused::Signature);
}

#[tokio::test]
async fn hundreds_of_keys() {
    let fake = FakeProvider::start();
    let mut keys: Vec<Value> = (0..400)
        .map(|number| {
            let mut jwk = SigningKey::es256("x").jwk();
            jwk["kid"] = json!(format!("key-{number}"));
            jwk
        })
        .collect();
    let last = SigningKey::es256("last");
    keys.push(last.jwk());
    // Keys of a kind that is not known, broken ones and no keys at all.
    for odd in [
        json!({}),
        json!(7),
        json!({ "kty": "EC", "crv": "P-256", "kid": "last", "x": "AA", "y": "AA" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
    ] {
        keys.insert(0, odd);
    }
    fake.behave(JWKS, key_set(&keys));
    active(&check(&by(&fake, Method::Jwt), &last.sign(json!({}), &fake.claims(json!({})))).await);
}

#[tokio::test]
async fn key_rotation_in_the_middle() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let old = fake.token(json!({}));
    active(&check(&provider, &old).await);
    fake.rotate_to(SigningKey::es256("second"), true);
    active(&check(&provider, &fake.token(json!({}))).await);
    active(&check(&provider, &old).await);
    assert_eq!(fake.count(JWKS), 2, "read again once");
    // Once more at once: not known for a moment, and so no refusal.
    fake.rotate_to(SigningKey::es256("third"), true);
    outage(&check(&provider, &fake.token(json!({}))).await, OutageCause::Busy);
    active(&check(&provider, &old).await);
}

/// Anybody can make up names of keys; the provider is not asked for each.
#[tokio::test]
async fn unknown_keys_are_looked_for_at_a_bounded_rate() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let claims = fake.claims(json!({}));
    let (first, stranger) = (fake.token(json!({})), SigningKey::es256("x"));
    active(&check(&provider, &first).await);
    for number in 0..50 {
        let token = stranger.sign(json!({ "kid": format!("made-up-{number}") }), &claims);
        let checked = check(&provider, &token).await;
        assert_eq!(step(&checked, "signature"), StepOutcome::Failed);
    }
    assert_eq!(fake.count(JWKS), 2);
    active(&check(&provider, &first).await);
}

#[tokio::test]
async fn keys_are_read_once_for_all() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let token = fake.token(json!({}));
    for checked in futures_util::future::join_all((0..20).map(|_| check(&provider, &token))).await {
        active(&checked);
    }
    assert_eq!(fake.count_all(), 2, "discovery and keys");
    assert_eq!(sent(&provider, "jwks"), 1);
}

/// With its keys at hand, a signature needs no provider; what is unknown does.
#[tokio::test]
async fn keys_outlive_the_provider() {
    let mut fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let (token, stranger) = (fake.token(json!({})), SigningKey::es256("x"));
    active(&check(&provider, &token).await);
    fake.stop();
    active(&check(&provider, &token).await);
    let other = stranger.sign(json!({}), &fake.claims(json!({})));
    outage(&check(&provider, &other).await, OutageCause::Unreachable);
}

#[tokio::test]
async fn claims_that_cannot_be_read() {
    let fake = FakeProvider::start();
    let key = SigningKey::es256("k");
    fake.behave(JWKS, key_set(&[key.jwk()]));
    let claims = fake.claims(json!({})).to_string();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(300), "]".repeat(300));
    let twice = claims.replacen('{', "{\"sub\":\"b\",", 1);
    for claims in ["", "[]", "7", "{", &deep, &twice] {
        let token = key.sign_text(json!({}), claims);
        let checked = check(&by(&fake, Method::Jwt), &token).await;
        outage(&checked, OutageCause::Malformed);
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_known_here() {
    let fake = FakeProvider::start();
    let token = fake.token_with(json!({ "alg": "ES512" }), json!({}));
    let checked = check(&by(&fake, Method::Jwt), &token).await;
    assert!(outage(&checked, OutageCause::Settings).contains("ES512"));
}

/// `keycloak-facts`: userinfo can be a signed JWT.
#[tokio::test]
async fn userinfo_as_a_signed_jwt() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let provider = provider(&fake, |provider| provider.methods = vec![Method::Userinfo]);
    let jwt = |text: String| Behaviour::text(200, "application/jwt", text);
    fake.behave(USERINFO, jwt(fake.token(json!({ "sub": "signed", "typ": null }))));
    assert_eq!(active(&check(&provider, &token).await).subject, "signed");
    let claims = fake.claims(json!({}));
    for forged in [
        SigningKey::es256("first").sign(json!({}), &claims),
        unsigned("none", &claims),
        fake.token(json!({ "iss": "https://other.example.org" })),
        "garbage".to_owned(),
        claims.to_string(),
    ] {
        fake.behave(USERINFO, jwt(forged));
        outage(&check(&provider, &token).await, OutageCause::Malformed);
    }
}

/// What another issuer's token is signed by is not looked for here.
#[tokio::test]
async fn no_key_is_looked_for_in_vain() {
    let (fake, other) = (FakeProvider::start(), FakeProvider::start());
    other.rotate_to(SigningKey::es256("theirs"), false);
    let provider = by(&fake, Method::Jwt);
    active(&check(&provider, &fake.token(json!({}))).await);
    refused(&check(&provider, &other.token(json!({}))).await, Refused::Issuer);
    assert_eq!(fake.count(JWKS), 1);
}

/// Keycloak 26.2.5 fails over a token that nobody signed; it is not asked.
#[tokio::test]
async fn unsigned_tokens_are_refused_unasked() {
    let fake = FakeProvider::start();
    let token = unsigned("none", &fake.claims(json!({})));
    for method in super::METHODS {
        refused(&check(&by(&fake, method), &token).await, Refused::Algorithm);
    }
    assert_eq!(fake.count_all(), 0);
}
