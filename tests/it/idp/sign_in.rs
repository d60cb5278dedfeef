//! Signing in with a browser: what is sent away, what may come back, and whom it shows.

use std::collections::HashMap;

use dovegate::{
    clock::Timestamp,
    idp::{Departure, NotSignedIn, Outage, OutageCause, Provider, Refused, Return, SignedIn},
    mailbox::provider::Method,
    secret::Secret,
};
use serde_json::{Value, json};
use url::Url;

use super::{impatient, provider};
use crate::support::provider::{
    Behaviour, CLIENT_ID, CLIENT_SECRET, DISCOVERY, FakeProvider, JWKS, USERINFO,
    browsers::{AUTHORIZE, CODE, END_SESSION},
    keys::{self, SigningKey},
    seconds,
};

fn ours() -> Url {
    Url::parse("https://auth.example.org/sign-in/corp/callback").unwrap()
}

/// Three secrets, which a test may know.
fn chance() -> dovegate::idp::Chance {
    [[1; 32], [2; 32], [3; 32]]
}

async fn sent_off(provider: &Provider) -> (Url, Departure) {
    provider.send_off(&ours(), Some("ann@example.org"), chance()).await.unwrap()
}

fn returned(back: &HashMap<String, String>) -> Return {
    let one = |name: &str| back.get(name).cloned();
    Return {
        code: one("code").map(|code| Secret::from(&*code)),
        issuer: one("iss"),
        error: one("error"),
        error_description: one("error_description"),
    }
}

/// The browser goes there, and comes back.
async fn welcomed(fake: &FakeProvider, provider: &Provider) -> Result<SignedIn, NotSignedIn> {
    let (url, departure) = sent_off(provider).await;
    let (_, back) = fake.visited(&url);
    welcome(provider, &departure, &returned(&back)).await
}

async fn welcome(
    provider: &Provider,
    departure: &Departure,
    returned: &Return,
) -> Result<SignedIn, NotSignedIn> {
    let welcome = provider.welcome(departure, returned, Timestamp::now()).await;
    let shown = format!("{welcome:?} {departure:?} {returned:?}");
    assert!(!shown.contains(CLIENT_SECRET) && !shown.contains("eyJ"), "{shown}");
    let code = returned.code.as_ref().map(|code| code.expose().to_vec()).unwrap_or_default();
    let code = String::from_utf8(code).unwrap();
    assert!(code.is_empty() || !shown.contains(&code), "the code shows: {shown}");
    welcome
}

#[track_caller]
fn refused(welcome: &Result<SignedIn, NotSignedIn>, why: Refused) -> &str {
    match welcome {
        Err(NotSignedIn::Refused(refusal)) if refusal.why == why => &refusal.detail,
        other => panic!("not refused as {why:?}: {other:?}"),
    }
}

#[track_caller]
fn outage(welcome: &Result<SignedIn, NotSignedIn>, expected: OutageCause) -> &str {
    match welcome {
        Err(NotSignedIn::Unavailable(Outage { cause, detail })) if *cause == expected => detail,
        other => panic!("no outage {expected:?}: {other:?}"),
    }
}

#[tokio::test]
async fn somebody_signs_in() {
    let fake = FakeProvider::start();
    fake.signs_in(json!({ "name": "Ann Archer", "groups": ["board"] }));
    let provider = provider(&fake, |_| {});
    let (url, departure) = sent_off(&provider).await;
    assert!(url.as_str().starts_with(&fake.at(AUTHORIZE)), "{url}");
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(asked["redirect_uri"], ours().as_str());
    assert_eq!(asked["scope"], "openid profile email");
    assert_eq!(asked["login_hint"], "ann@example.org");
    assert!(departure.state().ct_eq(asked["state"].as_bytes()));
    let secrets = [&asked["state"], &asked["nonce"], &asked["code_challenge"]];
    assert!(secrets.iter().all(|secret| secret.len() == 43), "256 bits each: {secrets:?}");

    let (_, back) = fake.visited(&url);
    let signed_in = welcome(&provider, &departure, &returned(&back)).await.unwrap();
    let person = &signed_in.person;
    assert_eq!(
        (person.subject.as_str(), person.user.as_deref()),
        ("a7feeb0e", Some("ann@example.org"))
    );
    assert!(person.user_is_verified && !signed_in.is_administrator);
    assert_eq!(person.session.as_deref(), Some("9"));
    assert_eq!(person.profile.name, "Ann Archer", "the access token alone says it");
    assert_eq!((fake.count(CODE), fake.count(USERINFO)), (1, 1));
    let seen = &fake.seen(CODE)[0];
    assert!(seen.headers.contains_key("authorization") && !seen.body.contains("secret"));
}

#[tokio::test]
async fn a_public_client_has_its_verifier_alone() {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let provider = provider(&fake, |provider| provider.client_secret = None);
    assert!(welcomed(&fake, &provider).await.is_ok());
    let seen = &fake.seen(CODE)[0];
    assert!(!seen.headers.contains_key("authorization"));
    assert!(seen.body.contains(&format!("client_id={CLIENT_ID}")), "{}", seen.body);
}

#[tokio::test]
async fn a_code_is_good_once() {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let provider = provider(&fake, |_| {});
    let (url, departure) = sent_off(&provider).await;
    let (_, back) = fake.visited(&url);
    assert!(welcome(&provider, &departure, &returned(&back)).await.is_ok());
    refused(&welcome(&provider, &departure, &returned(&back)).await, Refused::Code);
}

/// A thief's code is of no use without the verifier, nor one of another sign-in.
#[tokio::test]
async fn a_code_of_another_sign_in() {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let provider = provider(&fake, |_| {});
    let (first, _) = provider.send_off(&ours(), None, [[7; 32], [8; 32], [9; 32]]).await.unwrap();
    let (_, departure) = sent_off(&provider).await;
    let (_, back) = fake.visited(&first);
    refused(&welcome(&provider, &departure, &returned(&back)).await, Refused::Code);

    // Where the provider forgets to look at the verifier, the nonce is another's.
    let (_, own) = provider.send_off(&ours(), None, [[1; 32], [8; 32], [3; 32]]).await.unwrap();
    let (url, _) = sent_off(&provider).await;
    let (_, back) = fake.visited(&url);
    refused(&welcome(&provider, &own, &returned(&back)).await, Refused::Nonce);
}

#[tokio::test]
async fn an_answer_of_another_provider() {
    let (fake, other) = (FakeProvider::start(), FakeProvider::start());
    fake.signs_in(json!({}));
    let provider = provider(&fake, |_| {});
    let (url, departure) = sent_off(&provider).await;
    let (_, back) = fake.visited(&url);
    for issuer in [Some(other.url()), None, Some(String::new())] {
        let returned = Return { issuer, ..returned(&back) };
        refused(&welcome(&provider, &departure, &returned).await, Refused::Issuer);
    }
    assert_eq!(fake.count(CODE), 0, "no code is turned in at the wrong place");
    assert!(welcome(&provider, &departure, &returned(&back)).await.is_ok());
}

#[tokio::test]
async fn who_does_not_sign_in() {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let provider = provider(&fake, |_| {});
    let (_, departure) = sent_off(&provider).await;
    let said = |error: &str| Return {
        issuer: Some(fake.url()),
        error: Some(error.to_owned()),
        error_description: Some("the person\r\nwent away".to_owned()),
        code: Some(Secret::from("code-that-came-along")),
    };
    for error in ["access_denied", "login_required", "anything"] {
        let welcome = welcome(&provider, &departure, &said(error)).await;
        let detail = refused(&welcome, Refused::Declined);
        assert!(detail.contains(error) && !detail.contains('\n'), "{detail}");
    }
    for (error, cause) in [
        ("server_error", OutageCause::Status),
        ("temporarily_unavailable", OutageCause::Status),
        ("invalid_scope", OutageCause::Settings),
        ("unauthorized_client", OutageCause::Settings),
    ] {
        outage(&welcome(&provider, &departure, &said(error)).await, cause);
    }
    let nothing = Return { issuer: Some(fake.url()), ..Return::default() };
    for code in [None, Some(Secret::default()), Some(Secret::from(&*"a".repeat(4097)))] {
        let returned = Return { code, ..nothing.clone() };
        refused(&welcome(&provider, &departure, &returned).await, Refused::Code);
    }
    assert_eq!(fake.count(CODE), 0);
}

async fn id_token_refused(claims: Value, why: Refused) {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    fake.says_in_id_token(claims.clone());
    let welcome = welcomed(&fake, &provider(&fake, |_| {})).await;
    let detail = refused(&welcome, why);
    assert!(!detail.is_empty() && fake.count(USERINFO) == 0, "{claims}");
}

#[tokio::test]
async fn id_tokens_that_are_not_good() {
    let now = seconds();
    for (claims, why) in [
        (json!({ "iss": "https://other.example.org" }), Refused::Issuer),
        (json!({ "iss": null }), Refused::Issuer),
        (json!({ "aud": "another" }), Refused::Audience),
        (json!({ "aud": ["another"] }), Refused::Audience),
        (json!({ "aud": null }), Refused::Audience),
        (json!({ "azp": "another" }), Refused::Client),
        (json!({ "aud": [CLIENT_ID, "another"], "azp": null }), Refused::Client),
        (json!({ "exp": now - 60 }), Refused::Expired),
        (json!({ "nonce": null }), Refused::Nonce),
        (json!({ "nonce": "made up" }), Refused::Nonce),
        (json!({ "typ": "Bearer" }), Refused::Type),
        (json!({ "typ": "Refresh" }), Refused::Type),
        (json!({ "events": {} }), Refused::Type),
    ] {
        id_token_refused(claims, why).await;
    }
    for claims in [
        json!({ "typ": null }),
        json!({ "azp": null }),
        json!({ "aud": [CLIENT_ID, "another"] }),
        json!({ "exp": now - 20 }),
    ] {
        let fake = FakeProvider::start();
        fake.signs_in(json!({}));
        fake.says_in_id_token(claims.clone());
        let welcome = welcomed(&fake, &provider(&fake, |_| {})).await;
        assert!(welcome.is_ok(), "{claims}: {welcome:?}");
    }
}

/// What the provider answers a code with, and what is made of it.
async fn answered(
    tokens: impl Fn(&FakeProvider, &Value) -> Value,
) -> Result<SignedIn, NotSignedIn> {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let provider = provider(&fake, impatient);
    let (url, departure) = sent_off(&provider).await;
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let claims = fake.claims(json!({
        "typ": "ID", "aud": CLIENT_ID, "azp": CLIENT_ID, "nonce": asked["nonce"],
    }));
    fake.behave(CODE, Behaviour::json(&tokens(&fake, &claims)));
    let (_, back) = fake.visited(&url);
    welcome(&provider, &departure, &returned(&back)).await
}

#[tokio::test]
async fn signatures_that_prove_nothing() {
    let with = |id: String, fake: &FakeProvider| {
        json!({
            "access_token": fake.token(json!({})), "token_type": "bearer", "id_token": id,
        })
    };
    let own = answered(|fake, claims| with(fake.token_with(json!({}), claims.clone()), fake)).await;
    assert!(own.is_ok(), "{own:?}");
    let unsigned = answered(|fake, claims| with(keys::unsigned("none", claims), fake)).await;
    refused(&unsigned, Refused::Algorithm);
    let shared = answered(|fake, claims| {
        let jwk = SigningKey::es256("first").jwk();
        with(keys::signed_by_public_key(&jwk, claims), fake)
    });
    refused(&shared.await, Refused::Algorithm);
    let other = |fake: &FakeProvider, claims: &Value| {
        with(SigningKey::es256("first").sign(json!({}), claims), fake)
    };
    refused(&answered(other).await, Refused::Signature);
}

#[tokio::test]
async fn answers_that_are_no_tokens() {
    let good = |fake: &FakeProvider, claims: &Value| {
        json!({
            "access_token": fake.token(json!({})), "token_type": "Bearer",
            "id_token": fake.token_with(json!({}), claims.clone()),
        })
    };
    for (name, value) in [
        ("id_token", json!(null)),
        ("id_token", json!("no-jwt")),
        ("id_token", json!(["a"])),
        ("access_token", json!(null)),
        ("access_token", json!("two words")),
        ("token_type", json!("DPoP")),
        ("token_type", json!(null)),
    ] {
        let welcome = answered(|fake, claims| {
            let mut answer = good(fake, claims);
            answer[name] = value.clone();
            answer
        });
        outage(&welcome.await, OutageCause::Malformed);
    }
}

/// OpenID Connect Core §5.3.2: userinfo of another person must not be used.
#[tokio::test]
async fn userinfo_of_another_person() {
    let welcome = answered(|fake, claims| {
        json!({
            "access_token": fake.token(json!({ "sub": "eve" })), "token_type": "Bearer",
            "id_token": fake.token_with(json!({}), claims.clone()),
        })
    });
    assert!(outage(&welcome.await, OutageCause::Malformed).contains("another sub"));
}

#[tokio::test]
async fn a_provider_that_fails() {
    for (path, behaviour, cause) in [
        (CODE, Behaviour::Hang, OutageCause::Slow),
        (CODE, Behaviour::Reset, OutageCause::Unreachable),
        (CODE, Behaviour::Huge, OutageCause::Malformed),
        (CODE, Behaviour::status(500), OutageCause::Status),
        (CODE, Behaviour::status(302), OutageCause::Status),
        (CODE, Behaviour::status(404), OutageCause::Settings),
        (CODE, Behaviour::text(200, "text/html", "<h1>hello</h1>"), OutageCause::Malformed),
        (JWKS, Behaviour::status(503), OutageCause::Status),
        (USERINFO, Behaviour::status(500), OutageCause::Status),
    ] {
        let fake = FakeProvider::start();
        fake.signs_in(json!({}));
        let provider = provider(&fake, impatient);
        fake.behave(path, behaviour);
        outage(&welcomed(&fake, &provider).await, cause);
    }
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let wrong =
        provider(&fake, |provider| provider.client_secret = Some("wrong".to_owned().into()));
    outage(&welcomed(&fake, &wrong).await, OutageCause::Credentials);
}

#[tokio::test]
async fn where_nobody_can_be_sent() {
    let fake = FakeProvider::start();
    let plain = provider(&fake, |_| {});
    let sent = plain.send_off(&ours(), None, chance()).await.unwrap_err();
    assert!(sent.cause == OutageCause::Settings && sent.detail.contains("authorize_url"), "{sent}");
    let nobody =
        provider(&fake, |provider| (provider.client_id, provider.client_secret) = (None, None));
    let sent = nobody.send_off(&ours(), None, chance()).await.unwrap_err();
    assert!(sent.detail.contains("client_id"), "{sent}");
    // A page in clear, where the issuer is not.
    let mut document = json!({ "issuer": "https://login.example.org", "jwks_uri": fake.at(JWKS) });
    document["authorization_endpoint"] = json!("http://login.example.org/authorize");
    fake.behave(DISCOVERY, Behaviour::json(&document));
    let apart =
        provider(&fake, |provider| provider.issuer = Some("https://login.example.org".to_owned()));
    let sent = apart.send_off(&ours(), None, chance()).await.unwrap_err();
    assert!(sent.detail.contains("authorize_url"), "{sent}");
    // People's own address of the server stays as it is.
    document["authorization_endpoint"] = json!("https://login.example.org/authorize?a=b");
    fake.behave(DISCOVERY, Behaviour::json(&document));
    let apart =
        provider(&fake, |provider| provider.issuer = Some("https://login.example.org".to_owned()));
    let (url, _) = apart.send_off(&ours(), None, chance()).await.unwrap();
    assert!(
        url.as_str().starts_with("https://login.example.org/authorize?a=b&response_type="),
        "{url}"
    );
}

#[tokio::test]
async fn keys_say_where_and_what_for() {
    let fake = FakeProvider::start();
    fake.signs_in(json!({}));
    let elsewhere = "https://mail.example.org/auth/sign-in/corp/callback";
    let provider = provider(&fake, |provider| {
        provider.redirect_url = Some(elsewhere.to_owned());
        provider.sign_in_scopes = vec!["openid".to_owned(), "mail".to_owned()];
        provider.methods = vec![Method::Userinfo];
    });
    let (url, departure) = sent_off(&provider).await;
    let (redirect, back) = fake.visited(&url);
    assert_eq!(redirect, elsewhere);
    assert!(url.as_str().contains("scope=openid+mail&"), "{url}");
    assert!(welcome(&provider, &departure, &returned(&back)).await.is_ok());

    let (page, fields) = provider.way_out(&ours(), &Secret::from("a.b.c")).await.unwrap();
    assert_eq!(page.as_str(), fake.at(END_SESSION));
    let fields: HashMap<_, _> = fields.into_iter().collect();
    assert_eq!(fields["post_logout_redirect_uri"], elsewhere);
    assert_eq!(
        (fields["client_id"].as_str(), fields["id_token_hint"].as_str()),
        (CLIENT_ID, "a.b.c")
    );
}

#[tokio::test]
async fn who_administers() {
    for (who, role, expected) in [
        (json!({ "realm_access": { "roles": ["other", "chief"] } }), Some("chief"), true),
        (json!({ "realm_access": { "roles": ["chiefs"] } }), Some("chief"), false),
        (json!({ "realm_access": { "roles": "chief" } }), Some("chief"), true),
        (json!({ "roles": ["chief"] }), Some("chief"), false),
        (json!({}), Some("chief"), false),
        (json!({ "realm_access": { "roles": ["chief"] } }), None, false),
    ] {
        let fake = FakeProvider::start();
        fake.signs_in(who.clone());
        let provider = provider(&fake, |provider| {
            provider.administrator_role = role.map(str::to_owned);
        });
        let signed_in = welcomed(&fake, &provider).await.unwrap();
        assert_eq!(signed_in.is_administrator, expected, "{who}");
    }
}
