//! What goes wrong at a provider, by name. Each fault hits every method at the
//! endpoint that it asks, and discovery, and never comes out as a word on the
//! token.

use std::{net::TcpListener, time::Duration};

use dovegate::{
    clock::Span,
    idp::{self, Answer, BreakerState, Checked, OutageCause, Refused},
    mailbox::provider::Method,
};
use serde_json::json;

use super::{METHODS, active, by, check, impatient, outage, provider, refused};
use crate::support::provider::{
    Behaviour, DISCOVERY, FakeProvider, INTROSPECTION, JWKS, USERINFO, keys::SigningKey,
};

const ENDPOINTS: [(Method, &str); 3] =
    [(Method::Introspection, INTROSPECTION), (Method::Userinfo, USERINFO), (Method::Jwt, JWKS)];

/// With `behaviour` at its endpoint, no method says anything but `cause`; nor
/// with `behaviour` at discovery, nor for a token that the provider refuses.
async fn fault(behaviour: Behaviour, cause: OutageCause) {
    let all = ENDPOINTS.into_iter().flat_map(|(method, endpoint)| {
        [endpoint, DISCOVERY].map(|endpoint| fault_at(method, endpoint, &behaviour, cause))
    });
    futures_util::future::join_all(all).await;
}

async fn fault_at(method: Method, endpoint: &str, behaviour: &Behaviour, cause: OutageCause) {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let provider = provider(&fake, |provider| {
        provider.methods = vec![method];
        if cause == OutageCause::Slow {
            impatient(provider);
        }
    });
    fake.behave(endpoint, behaviour.clone());
    outage(&check(&provider, &token).await, cause);
    if method != Method::Jwt {
        outage(&check(&provider, "unknown-token").await, cause);
    }
    fake.heal();
    recovers(&provider, &token).await;
}

/// Sooner or later the token passes again, and is never refused until then.
async fn recovers(provider: &idp::Provider, token: &str) {
    for _ in 0..500 {
        let checked = check(provider, token).await;
        if !matches!(checked.answer, Answer::Unavailable(_)) {
            active(&checked);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not recover");
}

#[tokio::test]
async fn refused_connection() {
    for method in METHODS {
        let mut fake = FakeProvider::start();
        let token = fake.token(json!({}));
        let provider = by(&fake, method);
        fake.stop();
        let checked = check(&provider, &token).await;
        let detail = outage(&checked, OutageCause::Unreachable);
        assert!(detail.contains("refused"), "{detail}");
        assert!(provider.status().down.is_some_and(|down| down.contains("refused")));
        fake.restart();
        active(&check(&provider, &token).await);
        assert_eq!(provider.status().down, None);
    }
}

#[tokio::test]
async fn unreachable() {
    let fake = FakeProvider::start();
    for method in METHODS {
        let provider = provider(&fake, |provider| {
            // Nobody has this address.
            provider.server_url = Some("http://255.255.255.255:9".to_owned());
            provider.methods = vec![method];
            impatient(provider);
        });
        let checked = check(&provider, &fake.token(json!({}))).await;
        outage(&checked, OutageCause::Unreachable);
    }
}

#[tokio::test]
async fn hanging() {
    fault(Behaviour::Hang, OutageCause::Slow).await;
}

#[tokio::test]
async fn slow_drop_by_drop() {
    fault(Behaviour::Drip, OutageCause::Slow).await;
}

#[tokio::test]
async fn hanging_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let fake = FakeProvider::start();
    let provider = provider(&fake, |provider| {
        provider.server_url = Some(format!("https://127.0.0.1:{port}"));
        impatient(provider);
    });
    outage(&check(&provider, "token").await, OutageCause::Slow);
}

#[tokio::test]
async fn reset_before_an_answer() {
    fault(Behaviour::Reset, OutageCause::Unreachable).await;
}

#[tokio::test]
async fn reset_in_the_middle() {
    fault(Behaviour::ResetInTheMiddle, OutageCause::Unreachable).await;
}

#[tokio::test]
async fn too_many_requests() {
    fault(Behaviour::status(429), OutageCause::Busy).await;
}

#[tokio::test]
async fn server_errors() {
    for status in [500, 502, 503, 504] {
        fault(Behaviour::status(status), OutageCause::Status).await;
    }
}

#[tokio::test]
async fn statuses_that_nobody_says_here() {
    for status in [204, 206, 402, 408, 418, 421, 431, 451] {
        fault(Behaviour::status(status), OutageCause::Status).await;
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = FakeProvider::start();
    let token = other.token(json!({}));
    for status in [301, 302, 303, 307, 308] {
        for (method, endpoint) in ENDPOINTS {
            let fake = FakeProvider::start();
            fake.behave(endpoint, Behaviour::status(status).with("Location", &other.at(endpoint)));
            outage(&check(&by(&fake, method), &token).await, OutageCause::Status);
        }
    }
    assert_eq!(other.count_all(), 0);
}

#[tokio::test]
async fn wrong_content_type() {
    let good = r#"{"active":true,"sub":"x","keys":[]}"#;
    for media_type in ["text/html", "text/plain", "application/xml", "application/jsonp", ""] {
        fault(Behaviour::text(200, media_type, good), OutageCause::Malformed).await;
    }
    let untyped = Behaviour::Answer { status: 200, headers: Vec::new(), body: good.into() };
    fault(untyped, OutageCause::Malformed).await;
}

#[tokio::test]
async fn garbage() {
    let deep = format!("{{\"active\":true,\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "true",
        "\"active\"",
        "<html>login</html>",
        r#"{"active":true}{"active":true}"#,
        r#"{"active":false,"active":true,"sub":"x","sub":"y","keys":[],"keys":[]}"#,
        deep.as_str(),
        "{\"active\":true,\"sub\":\"\u{0}\"}",
    ];
    for body in bodies {
        fault(Behaviour::text(200, "application/json", body), OutageCause::Malformed).await;
    }
    let bytes = b"{\"active\":true,\"sub\":\"\xff\xfe\"}".to_vec();
    fault(Behaviour::text(200, "application/json", bytes), OutageCause::Malformed).await;
}

#[tokio::test]
async fn huge_answers() {
    fault(Behaviour::Huge, OutageCause::Malformed).await;
}

#[tokio::test]
async fn members_of_the_wrong_kind() {
    let all = [
        (
            Method::Introspection,
            INTROSPECTION,
            vec![
                json!({}),
                json!({ "active": "true", "sub": "x", "token_type": "Bearer" }),
                json!({ "active": 1, "sub": "x" }),
                json!({ "active": null, "sub": "x" }),
                json!({ "active": true, "sub": 7, "token_type": "Bearer" }),
                json!({ "active": true, "sub": "", "token_type": "Bearer" }),
                json!({ "active": true, "sub": "x", "token_type": ["Bearer"] }),
                json!({ "active": true, "sub": "x", "token_type": "Bearer", "exp": "1795347723" }),
                json!({ "active": true, "sub": "x", "token_type": "Bearer", "iss": ["a"] }),
                json!({ "active": true, "sub": "x", "token_type": "Bearer", "aud": 7 }),
                json!({ "active": true, "sub": "x", "token_type": "Bearer", "scope": { "a": 1 } }),
                json!({ "active": true, "sub": "x", "token_type": "Bearer", "azp": 7 }),
                json!({ "active": true, "sub": "x", "token_type": "Bearer", "email": ["a@example.org"] }),
            ],
        ),
        (
            Method::Userinfo,
            USERINFO,
            vec![
                json!({}),
                json!({ "email": "ann@example.org" }),
                json!({ "sub": null }),
                json!({ "sub": 7 }),
                json!({ "sub": "" }),
                json!({ "sub": "a\nb" }),
                json!({ "sub": "x".repeat(1000) }),
                json!({ "sub": "x", "email": 7 }),
                json!({ "sub": "x", "email": "" }),
            ],
        ),
        (Method::Jwt, JWKS, vec![json!({}), json!({ "keys": {} }), json!({ "keys": "none" })]),
    ];
    for (method, endpoint, answers) in all {
        for answer in answers {
            let fake = FakeProvider::start();
            fake.behave(endpoint, Behaviour::json(&answer));
            let checked = check(&by(&fake, method), &fake.token(json!({}))).await;
            outage(&checked, OutageCause::Malformed);
        }
    }
}

#[tokio::test]
async fn endpoints_that_are_not_there() {
    for (method, endpoint) in ENDPOINTS {
        for status in [404, 405] {
            let fake = FakeProvider::start();
            let token = fake.token(json!({}));
            fake.behave(endpoint, Behaviour::status(status));
            let cause =
                if method == Method::Jwt { OutageCause::Status } else { OutageCause::Settings };
            outage(&check(&by(&fake, method), &token).await, cause);
            fake.behave(DISCOVERY, Behaviour::status(status));
            outage(&check(&by(&fake, method), &token).await, OutageCause::Settings);
        }
        let fake = FakeProvider::start();
        fake.behave(DISCOVERY, Behaviour::json(&json!({ "issuer": fake.url() })));
        let checked = check(&by(&fake, method), &fake.token(json!({}))).await;
        assert!(outage(&checked, OutageCause::Settings).contains("_url"));
    }
}

/// Of 401 and 403 only some speak of the token.
#[tokio::test]
async fn userinfo_401_and_403() {
    let bearer = |error: &str| format!("Bearer realm=\"mail\", error=\"{error}\"");
    let refusals = [
        (401, Some(bearer("invalid_token")), Refused::Inactive),
        (401, Some("Bearer realm=\"mail\"".to_owned()), Refused::Inactive),
        (401, None, Refused::Inactive),
        (
            401,
            Some("Basic realm=\"x\", Bearer error=\"invalid_token\"".to_owned()),
            Refused::Inactive,
        ),
        (401, Some("DPoP algs=\"ES256\"".to_owned()), Refused::Inactive),
        (403, Some(bearer("insufficient_scope")), Refused::Scope),
        (403, Some(bearer("invalid_token")), Refused::Inactive),
    ];
    let outages = [
        (401, Some("Basic realm=\"proxy\"".to_owned())),
        (401, Some("Negotiate, Basic realm=\"proxy\", Digest realm=\"x\"".to_owned())),
        (403, None),
        (403, Some("Bearer realm=\"mail\"".to_owned())),
        (403, Some("Basic error=\"invalid_token\"".to_owned())),
        (403, Some(bearer("forbidden"))),
    ];
    let answer = |status, header: &Option<String>| match header {
        Some(header) => Behaviour::status(status).with("WWW-Authenticate", header),
        None => Behaviour::status(status),
    };
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Userinfo);
    let token = fake.token(json!({}));
    for (status, header, why) in refusals {
        fake.behave(USERINFO, answer(status, &header));
        refused(&check(&provider, &token).await, why);
    }
    for (status, header) in outages {
        fake.behave(USERINFO, answer(status, &header));
        outage(&check(&provider, &token).await, OutageCause::Status);
    }
    let body = r#"{"error":"insufficient_scope","error_description":"no openid"}"#;
    fake.behave(USERINFO, Behaviour::text(403, "application/json", body));
    let checked = check(&provider, &token).await;
    assert!(refused(&checked, Refused::Scope).contains("no openid"));
    fake.behave(USERINFO, Behaviour::text(403, "application/json", r#"{"error":"WAF says no"}"#));
    outage(&check(&provider, &token).await, OutageCause::Status);
}

/// `keycloak-facts`: a 401 of introspection is about our client.
#[tokio::test]
async fn introspection_401_is_our_outage() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let wrong = provider(&fake, |provider| {
        provider.client_secret = Some("some other secret".to_owned().into());
    });
    let checked = check(&wrong, &token).await;
    let detail = outage(&checked, OutageCause::Credentials);
    assert!(
        detail.contains("client_secret") && detail.contains("Authentication failed."),
        "{detail}"
    );
    let provider = by(&fake, Method::Introspection);
    for (status, body, cause) in [
        (401, "", OutageCause::Credentials),
        (
            403,
            r#"{"error":"invalid_request","error_description":"Client not allowed."}"#,
            OutageCause::Credentials,
        ),
        (400, r#"{"error":"invalid_client"}"#, OutageCause::Credentials),
        (400, r#"{"error":"invalid_request"}"#, OutageCause::Settings),
        (400, "", OutageCause::Settings),
    ] {
        fake.behave(INTROSPECTION, Behaviour::text(status, "application/json", body));
        outage(&check(&provider, &token).await, cause);
    }
}

/// What a provider says of a token must not carry the token into our log.
#[tokio::test]
async fn an_answer_that_repeats_the_token() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let said = format!("Bearer error=\"invalid_token\", error_description=\"no {token} here\"");
    fake.behave(USERINFO, Behaviour::status(401).with("WWW-Authenticate", &said));
    let checked = check(&by(&fake, Method::Userinfo), &token).await;
    let payload = token.split('.').nth(1).unwrap();
    assert!(!format!("{checked:?}").contains(&payload[..40]));

    let said = json!({ "error": "invalid_client", "error_description": token });
    fake.behave(INTROSPECTION, Behaviour::text(401, "application/json", said.to_string()));
    let checked = check(&by(&fake, Method::Introspection), &token).await;
    assert!(!format!("{checked:?}").contains(&payload[..40]));
}

#[tokio::test]
async fn a_line_end_in_an_answer_stays_out_of_the_log() {
    let fake = FakeProvider::start();
    let said = json!({ "error": "invalid_client\nlogin verdict=verified", "error_description": "x".repeat(9000) });
    fake.behave(INTROSPECTION, Behaviour::text(401, "application/json", said.to_string()));
    let checked = check(&by(&fake, Method::Introspection), "token").await;
    let detail = outage(&checked, OutageCause::Credentials);
    assert!(!detail.contains('\n') && detail.len() < 210, "{detail}");
}

/// The breaker: a provider that fails again and again is left alone, and found
/// again when it is back.
#[tokio::test]
async fn left_alone_while_it_is_down() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let provider = provider(&fake, |provider| {
        provider.introspection_url = Some(fake.at(INTROSPECTION));
        // And as long is the pause.
        provider.timeout = Some(Span::seconds(1));
    });
    fake.behave(INTROSPECTION, Behaviour::status(503));
    for _ in 0..5 {
        outage(&check(&provider, &token).await, OutageCause::Status);
    }
    let detail = check(&provider, &token).await;
    assert!(outage(&detail, OutageCause::Down).contains("503"));
    assert_eq!(fake.count(INTROSPECTION), 5);
    fake.heal();
    recovers(&provider, &token).await;
    assert_eq!(fake.count(INTROSPECTION), 6, "asked once, and it was back");
}

/// Whatever a token can bring about closes the provider for nobody else.
#[tokio::test]
async fn hostile_tokens_do_not_open_the_breaker() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let provider = by(&fake, Method::Userinfo);
    for status in [400, 401, 413, 429, 431, 500] {
        fake.behave(USERINFO, Behaviour::status(status));
        for _ in 0..6 {
            check(&provider, &token).await;
        }
    }
    fake.heal();
    active(&check(&provider, &token).await);
}

/// 32 requests at most at a time.
#[tokio::test]
async fn concurrency_is_bounded() {
    let fake = FakeProvider::start();
    fake.behave(INTROSPECTION, Behaviour::Hang);
    let provider = provider(&fake, |provider| {
        provider.introspection_url = Some(fake.at(INTROSPECTION));
    });
    let all = futures_util::future::join_all((0..48).map(|_| check(&provider, "token")));
    let full = async {
        while fake.count(INTROSPECTION) < 32 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::select! {
        _ = all => panic!("it hangs"),
        () = full => assert_eq!(fake.count(INTROSPECTION), 32),
    }
}

/// What finds no place hears so in time.
#[tokio::test]
async fn too_many_at_once() {
    let fake = FakeProvider::start();
    fake.behave(INTROSPECTION, Behaviour::Hang);
    let provider = provider(&fake, |provider| {
        provider.introspection_url = Some(fake.at(INTROSPECTION));
        impatient(provider);
    });
    let all = futures_util::future::join_all((0..100).map(|_| check(&provider, "token"))).await;
    let turned_away = |checked: &&Checked| match &checked.answer {
        Answer::Unavailable(outage) if outage.cause == OutageCause::Slow => false,
        Answer::Unavailable(outage) => {
            matches!(outage.cause, OutageCause::Busy | OutageCause::Down)
        }
        other => panic!("{other:?}"),
    };
    assert!(all.iter().filter(turned_away).count() > 50);
}

/// Who waited for a place has as much time for the answer as anybody, and waits for
/// one longer than for an answer.
#[tokio::test]
async fn a_crowd_does_not_close_a_provider_that_answers() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let late = Duration::from_millis(500);
    fake.behave(INTROSPECTION, Behaviour::Late(late));
    let provider = provider(&fake, |provider| {
        provider.introspection_url = Some(fake.at(INTROSPECTION));
        provider.timeout = Some(dovegate::clock::Span(late + Duration::from_millis(400)));
    });
    let all = futures_util::future::join_all((0..80).map(|_| check(&provider, &token))).await;
    for checked in all {
        active(&checked);
    }
    assert_eq!(provider.status().breaker, BreakerState::Closed);
}

#[tokio::test]
async fn a_hanging_provider_does_not_slow_another() {
    let (hanging, healthy) = (FakeProvider::start(), FakeProvider::start());
    hanging.behave(INTROSPECTION, Behaviour::Hang);
    let waiting = by(&hanging, Method::Introspection);
    let other = by(&healthy, Method::Introspection);
    let token = healthy.token(json!({}));
    let stuck = futures_util::future::join_all((0..40).map(|_| check(&waiting, "token")));
    tokio::select! {
        biased;
        _ = stuck => panic!("the hanging one answered first"),
        () = async { for _ in 0..40 { active(&check(&other, &token).await); } } => {}
    }
}

/// A check that nobody waits for any more leaves no place taken.
#[tokio::test]
async fn given_up_checks_leave_nothing_behind() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let provider = by(&fake, Method::Introspection);
    active(&check(&provider, &token).await);
    fake.behave(INTROSPECTION, Behaviour::Hang);
    for _ in 0..3 {
        let stuck = futures_util::future::join_all((0..40).map(|_| check(&provider, "token")));
        let given_up = tokio::time::timeout(Duration::from_millis(50), stuck).await;
        assert!(given_up.is_err());
    }
    fake.heal();
    active(&check(&provider, &token).await);
}

/// The next method is asked only where one does not apply or cannot be asked.
#[tokio::test]
async fn methods_combine() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    let both = |methods: &[Method]| provider(&fake, |provider| provider.methods = methods.to_vec());
    // An outage of the first: the second decides.
    fake.behave(INTROSPECTION, Behaviour::status(500));
    active(&check(&both(&[Method::Introspection, Method::Userinfo]), &token).await);
    let checked = check(&both(&[Method::Introspection, Method::Userinfo]), "unknown").await;
    refused(&checked, Refused::Inactive);
    active(&check(&both(&[Method::Introspection, Method::Jwt]), &token).await);
    // An outage of all: the first is told.
    fake.behave(USERINFO, Behaviour::status(204));
    let checked = check(&both(&[Method::Introspection, Method::Userinfo]), &token).await;
    assert!(outage(&checked, OutageCause::Status).contains("introspection"));
    fake.heal();
    // A refusal is final.
    let asked = fake.count(USERINFO);
    let checked = check(&both(&[Method::Introspection, Method::Userinfo]), "unknown").await;
    refused(&checked, Refused::Inactive);
    let stranger = SigningKey::es256("first").sign(json!({}), &fake.claims(json!({})));
    fake.know(&stranger, json!({}));
    refused(&check(&both(&[Method::Jwt, Method::Userinfo]), &stranger).await, Refused::Signature);
    assert_eq!(fake.count(USERINFO), asked);
    // No JWT: the signature has nothing to say.
    fake.know("opaque-token", json!({}));
    active(&check(&both(&[Method::Jwt, Method::Userinfo]), "opaque-token").await);
    refused(&check(&both(&[Method::Jwt]), "opaque-token").await, Refused::Malformed);
    fake.behave(USERINFO, Behaviour::status(503));
    let checked = check(&both(&[Method::Jwt, Method::Userinfo]), "opaque-token").await;
    outage(&checked, OutageCause::Status);
}
