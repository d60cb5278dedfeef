//! Tokens that are good, and tokens that are not: each condition by each method
//! that can show it.

use dovegate::{
    clock::Timestamp,
    idp::{Answer, OutageCause, Refused, StepOutcome},
    mailbox::{
        Provider,
        provider::{Kind, Method},
    },
    secret::Secret,
};
use serde_json::{Value, json};

use super::{METHODS, active, by, check, outage, provider, refused, step};
use crate::support::provider::{
    Behaviour, CLIENT_SECRET, FakeProvider, INTROSPECTION, REALM, USERINFO, seconds,
};

/// Methods that show what a token is for.
const SHOWING: [Method; 2] = [Method::Introspection, Method::Jwt];

/// A token with `claims` is refused for this reason where `change` is configured,
/// and passes where it is not.
async fn refuses(change: impl Fn(&mut Provider), claims: Value, why: Refused) {
    for method in SHOWING {
        let fake = FakeProvider::start();
        let token = fake.token(claims.clone());
        active(&check(&by(&fake, method), &token).await);
        let strict = provider(&fake, |provider| {
            provider.methods = vec![method];
            change(provider);
        });
        refused(&check(&strict, &token).await, why);
    }
}

async fn takes(change: impl Fn(&mut Provider), claims: Value) {
    for method in SHOWING {
        let fake = FakeProvider::start();
        let provider = provider(&fake, |provider| {
            provider.methods = vec![method];
            change(provider);
        });
        active(&check(&provider, &fake.token(claims.clone())).await);
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn a_good_token_passes_by_every_method() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    for method in METHODS {
        let checked = check(&by(&fake, method), &token).await;
        let token = active(&checked);
        assert_eq!(
            (token.subject.as_str(), token.user.as_deref()),
            ("a7feeb0e", Some("ann@example.org"))
        );
        assert!(token.user_is_verified && token.expires.is_some());
        assert!(
            checked.steps.iter().all(|step| step.outcome == StepOutcome::Ok),
            "{:?}",
            checked.steps
        );
        assert_eq!(step(&checked, "user"), StepOutcome::Ok);
    }
    let requests = fake.seen(INTROSPECTION);
    assert_eq!(requests[0].method, "POST");
    assert!(requests[0].body.contains("token_type_hint=access_token"));
    assert!(!requests[0].body.contains(&CLIENT_SECRET[..6]), "by basic it is in the header alone");
}

#[tokio::test]
async fn client_credentials_by_post() {
    let fake = FakeProvider::start();
    let provider = provider(&fake, |provider| {
        provider.client_auth = dovegate::mailbox::provider::ClientAuth::Post;
    });
    active(&check(&provider, &fake.token(json!({}))).await);
    assert!(!fake.seen(INTROSPECTION)[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn for_another_audience() {
    let mail = |provider: &mut Provider| provider.audience = texts(&["mail", "imap"]);
    for audience in [
        json!("account"),
        json!(["account", "realm-management"]),
        json!([]),
        json!(null),
        json!("Mail"),
    ] {
        refuses(mail, json!({ "aud": audience }), Refused::Audience).await;
    }
    for audience in [json!("mail"), json!(["account", "imap"])] {
        takes(mail, json!({ "aud": audience })).await;
    }
}

/// `keycloak-facts`: any client's token passes userinfo and introspection, and
/// `aud` is `account`; the client stands in `azp`.
#[tokio::test]
async fn of_another_client() {
    let clients = |provider: &mut Provider| provider.clients = texts(&["roundcube", "thunderbird"]);
    for claims in [
        json!({ "azp": "some-web-shop" }),
        json!({ "azp": null, "aud": "roundcube" }),
        json!({ "azp": "Roundcube" }),
    ] {
        refuses(clients, claims, Refused::Client).await;
    }
    takes(clients, json!({ "azp": "thunderbird" })).await;

    // Two names of one thing; where they differ, it is not known which counts.
    let fake = FakeProvider::start();
    let provider = provider(&fake, |provider| {
        provider.methods = vec![Method::Jwt];
        clients(provider);
    });
    active(&check(&provider, &fake.token(json!({ "azp": null, "client_id": "roundcube" }))).await);
    let checked = check(&provider, &fake.token(json!({ "client_id": "some-web-shop" }))).await;
    refused(&checked, Refused::Client);
}

#[tokio::test]
async fn without_a_scope() {
    let scopes = |provider: &mut Provider| provider.scopes = texts(&["email", "mail"]);
    for scope in [
        json!("openid email"),
        json!("openid mail"),
        json!("mailemail"),
        json!(""),
        json!(["mail"]),
    ] {
        refuses(scopes, json!({ "scope": scope }), Refused::Scope).await;
    }
    for scope in [json!("mail openid email"), json!(["email", "mail", "openid"])] {
        takes(scopes, json!({ "scope": scope })).await;
    }
    takes(scopes, json!({ "scope": null, "scp": ["email", "mail"] })).await;
}

#[tokio::test]
async fn from_another_issuer() {
    let fake = FakeProvider::start();
    for method in SHOWING {
        let provider = by(&fake, method);
        for issuer in [
            "https://evil.example.org",
            "",
            "http://localhost",
            &format!("{}/realms/x", fake.url()),
        ] {
            let checked = check(&provider, &fake.token(json!({ "iss": issuer }))).await;
            refused(&checked, Refused::Issuer);
        }
        active(&check(&provider, &fake.token(json!({ "iss": fake.url() + "/" }))).await);
    }
    // A signature shows nothing else of where a token comes from; the provider
    // that was asked speaks for itself.
    let unnamed = fake.token(json!({ "iss": null }));
    refused(&check(&by(&fake, Method::Jwt), &unnamed).await, Refused::Issuer);
    active(&check(&by(&fake, Method::Introspection), &unnamed).await);
}

/// `keycloak-facts`: introspection calls refresh and ID tokens active, too.
#[tokio::test]
async fn refresh_and_id_tokens() {
    let fake = FakeProvider::start();
    fake.call_itself(&fake.at(REALM));
    for kind in [Kind::Keycloak, Kind::Oidc] {
        for method in METHODS {
            let provider = provider(&fake, |provider| {
                provider.kind = kind;
                provider.methods = vec![method];
                match kind {
                    Kind::Keycloak => provider.realm = Some("mail".to_owned()),
                    Kind::Oidc => provider.server_url = Some(fake.at(REALM)),
                }
            });
            for typ in ["Refresh", "ID", "Offline", "Logout", "DPoP"] {
                let token = fake.token(json!({ "typ": typ }));
                let checked = check(&provider, &token).await;
                assert!(refused(&checked, Refused::Type).contains(typ));
            }
            active(&check(&provider, &fake.token(json!({}))).await);
        }
    }
}

#[tokio::test]
async fn words_for_an_access_token() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    for (header, claims) in [
        (json!({ "typ": "at+jwt" }), json!({ "typ": null })),
        (json!({ "typ": "application/AT+JWT" }), json!({ "typ": null })),
        (json!({ "typ": null }), json!({ "typ": "bearer" })),
        (json!({}), json!({ "typ": null, "token_use": "access" })),
        (json!({ "typ": "at+jwt" }), json!({ "typ": null, "nonce": "x" })),
    ] {
        active(&check(&provider, &fake.token_with(header, claims)).await);
    }
    for (header, claims) in [
        (json!({}), json!({ "typ": null })),
        (json!({ "typ": null }), json!({ "typ": null })),
        (json!({ "typ": "JWS" }), json!({})),
        (json!({ "typ": "logout+jwt" }), json!({ "typ": null })),
        (json!({ "typ": "at+jwt" }), json!({ "typ": "ID" })),
        (json!({}), json!({ "typ": null, "token_use": "id" })),
        (json!({}), json!({ "cnf": { "jkt": "x" } })),
    ] {
        refused(&check(&provider, &fake.token_with(header, claims)).await, Refused::Type);
    }
}

#[tokio::test]
async fn a_signed_token_that_does_not_say_what_it_is() {
    let fake = FakeProvider::start();
    let lenient = provider(&fake, |provider| {
        provider.methods = vec![Method::Jwt];
        provider.untyped_tokens = true;
    });
    let untyped = fake.token(json!({ "typ": null }));
    let checked = check(&by(&fake, Method::Jwt), &untyped).await;
    assert!(refused(&checked, Refused::Type).contains("untyped_tokens"));
    active(&check(&lenient, &untyped).await);
    for mark in ["nonce", "at_hash", "c_hash"] {
        let id_token = fake.token(json!({ "typ": null, mark: "x" }));
        assert!(refused(&check(&lenient, &id_token).await, Refused::Type).contains(mark));
    }
}

/// What `active` alone does not say, userinfo does: it takes no refresh token.
#[tokio::test]
async fn an_active_token_that_does_not_say_what_it_is() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Introspection);
    let untyped = fake.token(json!({ "typ": null }));
    active(&check(&provider, &untyped).await);
    assert_eq!(fake.count(USERINFO), 1);
    fake.behave(USERINFO, Behaviour::status(401));
    refused(&check(&provider, &untyped).await, Refused::Inactive);
    fake.behave(USERINFO, Behaviour::status(502));
    outage(&check(&provider, &untyped).await, OutageCause::Status);
    let asked = fake.count(USERINFO);
    active(&check(&provider, &fake.token(json!({}))).await);
    let lenient = super::provider(&fake, |provider| provider.untyped_tokens = true);
    active(&check(&lenient, &untyped).await);
    assert_eq!(fake.count(USERINFO), asked, "nothing to ask about");

    fake.heal();
    fake.call_itself(&fake.at(REALM));
    let keycloak = super::provider(&fake, |provider| {
        provider.kind = Kind::Keycloak;
        provider.realm = Some("mail".to_owned());
    });
    refused(&check(&keycloak, &fake.token(json!({ "typ": null }))).await, Refused::Type);
}

#[tokio::test]
async fn times_of_a_signed_token() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Jwt);
    let now = seconds();
    for exp in [json!(now - 40), json!(0), json!(-1), json!(-1e300)] {
        refused(&check(&provider, &fake.token(json!({ "exp": exp }))).await, Refused::Expired);
    }
    for exp in
        [json!(now + 300), json!(now - 5), json!(1e300), json!(u64::MAX), json!(1_999_999_999.5)]
    {
        active(&check(&provider, &fake.token(json!({ "exp": exp }))).await);
    }
    // Signed by the provider, and not what it should be: that is its fault.
    for exp in [json!(null), json!((now + 300).to_string()), json!(true), json!([now])] {
        let checked = check(&provider, &fake.token(json!({ "exp": exp }))).await;
        outage(&checked, OutageCause::Malformed);
    }
}

/// Clocks apart: refused by nobody's word, taken on nobody's doubt.
#[tokio::test]
async fn clock_skew() {
    let fake = FakeProvider::start();
    let now = seconds();
    for method in SHOWING {
        let provider = by(&fake, method);
        for claims in [
            json!({ "iat": now + 3600, "exp": now + 3900 }),
            json!({ "nbf": now + 3600 }),
            json!({ "iat": 1e300 }),
        ] {
            let checked = check(&provider, &fake.token(claims)).await;
            assert!(outage(&checked, OutageCause::Malformed).contains("clock"));
        }
        active(&check(&provider, &fake.token(json!({ "iat": now + 10, "nbf": now + 10 }))).await);
    }
    let over = fake.token(json!({ "exp": now - 3600 }));
    let checked = check(&by(&fake, Method::Introspection), &over).await;
    assert!(outage(&checked, OutageCause::Malformed).contains("clock"));
    refused(&check(&by(&fake, Method::Jwt), &over).await, Refused::Expired);
    let checked = check(&by(&fake, Method::Userinfo), &over).await;
    assert!(active(&checked).expires.unwrap() >= Timestamp(now * 1000), "good now, by its word");
}

#[tokio::test]
async fn revoked() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    fake.revoke(&token);
    refused(&check(&by(&fake, Method::Introspection), &token).await, Refused::Inactive);
    refused(&check(&by(&fake, Method::Userinfo), &token).await, Refused::Inactive);
    // Why this method is never a default: a signature shows no revocation.
    active(&check(&by(&fake, Method::Jwt), &token).await);
}

/// Where the provider only says "no", the log says what the token says of itself.
#[tokio::test]
async fn refused_without_a_reason() {
    let fake = FakeProvider::start();
    let now = seconds();
    for (claims, why) in [
        (json!({ "exp": now - 600 }), Refused::Expired),
        (json!({ "typ": "ID" }), Refused::Type),
        (json!({ "iss": "https://other.example.org" }), Refused::Issuer),
        (json!({}), Refused::Inactive),
        (json!({ "exp": "soon" }), Refused::Inactive),
    ] {
        let token = fake.token(claims);
        fake.revoke(&token);
        for method in [Method::Introspection, Method::Userinfo] {
            refused(&check(&by(&fake, method), &token).await, why);
        }
    }
}

/// What is no token by its form is not even asked about.
#[tokio::test]
async fn no_token_at_all() {
    let fake = FakeProvider::start();
    for method in METHODS {
        let provider = by(&fake, method);
        let long = "a".repeat(20_000);
        for token in ["", "=", "a b", "a\r\nX-Admin: 1", "a,b", "token\0", "tök", &long] {
            refused(&check(&provider, token).await, Refused::Malformed);
        }
        let checked = provider.check_token(&Secret::new(vec![0xff; 20]), Timestamp::now()).await;
        assert!(matches!(checked.answer, Answer::Refused(_)));
    }
    assert_eq!(fake.count_all(), 0);
}

/// Provider A's token is nobody's at provider B.
#[tokio::test]
async fn of_another_provider() {
    let (ours, theirs) = (FakeProvider::start(), FakeProvider::start());
    let token = theirs.token(json!({}));
    let same_claims = theirs.token(json!({ "iss": ours.url() }));
    for method in [Method::Introspection, Method::Userinfo] {
        refused(&check(&by(&ours, method), &token).await, Refused::Issuer);
        refused(&check(&by(&ours, method), &same_claims).await, Refused::Inactive);
    }
    refused(&check(&by(&ours, Method::Jwt), &token).await, Refused::Signature);
    refused(&check(&by(&ours, Method::Jwt), &same_claims).await, Refused::Signature);
    assert_eq!(theirs.count_all(), 0);
}
