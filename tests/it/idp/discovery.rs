//! What a provider says of itself, and how far it is believed.

use dovegate::{
    idp::OutageCause,
    mailbox::provider::{Kind, Method},
};
use serde_json::json;

use super::{METHODS, active, by, check, outage, provider, sent};
use crate::support::provider::{
    Behaviour, DISCOVERY, FakeProvider, INTROSPECTION, JWKS, REALM, USERINFO,
};

#[tokio::test]
async fn read_once_for_all() {
    let fake = FakeProvider::start();
    let provider = by(&fake, Method::Introspection);
    let token = fake.token(json!({}));
    for checked in futures_util::future::join_all((0..20).map(|_| check(&provider, &token))).await {
        active(&checked);
    }
    active(&check(&provider, &token).await);
    assert_eq!((fake.count(DISCOVERY), fake.count(INTROSPECTION)), (1, 21));
    let status = provider.status();
    assert_eq!((sent(&provider, "discovery"), sent(&provider, "introspection")), (1, 21));
    assert_eq!((status.failures, status.down), (0, None));
}

/// Who waits for the same document hears of the same failure, in the same time.
#[tokio::test]
async fn failures_are_shared_too() {
    let fake = FakeProvider::start();
    fake.behave(DISCOVERY, Behaviour::status(500));
    let provider = by(&fake, Method::Introspection);
    for checked in futures_util::future::join_all((0..20).map(|_| check(&provider, "token"))).await
    {
        outage(&checked, OutageCause::Status);
    }
    assert_eq!(fake.count(DISCOVERY), 1);
    outage(&check(&provider, "token").await, OutageCause::Status);
    assert_eq!(fake.count(DISCOVERY), 2, "asked again by who comes later");
}

#[tokio::test]
async fn keycloak_by_root_and_realm() {
    let fake = FakeProvider::start();
    fake.call_itself(&fake.at(REALM));
    for root in [fake.url(), fake.url() + "/"] {
        let provider = provider(&fake, |provider| {
            provider.kind = Kind::Keycloak;
            provider.server_url = Some(root);
            provider.realm = Some("mail".to_owned());
        });
        active(&check(&provider, &fake.token(json!({}))).await);
        assert_eq!(provider.openid_configuration(), Some((fake.at(REALM) + DISCOVERY).as_str()));
    }
}

#[tokio::test]
async fn of_another_issuer() {
    let fake = FakeProvider::start();
    fake.call_itself("https://login.example.org/realms/mail");
    let token = fake.token(json!({}));
    for method in METHODS {
        let checked = check(&by(&fake, method), &token).await;
        let detail = outage(&checked, OutageCause::Settings);
        assert!(detail.contains("https://login.example.org/realms/mail"), "{detail}");
        assert!(detail.contains(&fake.url()), "{detail}");
    }
    fake.behave(DISCOVERY, Behaviour::json(&json!({ "issuer": 7 })));
    outage(&check(&by(&fake, Method::Userinfo), "token").await, OutageCause::Malformed);
}

/// `keycloak-facts`: the issuer follows the Host header. Set apart, it is sent,
/// and endpoints at people's address are asked at ours.
#[tokio::test]
async fn issuer_set_apart() {
    let fake = FakeProvider::start();
    let theirs = "https://login.example.org:8443";
    fake.call_itself(theirs);
    for method in METHODS {
        let provider = provider(&fake, |provider| {
            provider.issuer = Some(theirs.to_owned());
            provider.methods = vec![method];
        });
        active(&check(&provider, &fake.token(json!({}))).await);
        let address = provider.openid_configuration();
        assert_eq!(address, Some(format!("{theirs}{DISCOVERY}").as_str()));
    }
    for path in [DISCOVERY, INTROSPECTION, USERINFO, JWKS] {
        let seen = fake.seen(path);
        assert!(!seen.is_empty(), "{path}");
        for request in seen {
            assert_eq!(request.headers["host"], "login.example.org:8443", "{path}");
        }
    }
}

/// Where nothing is set apart, the host's own name is sent.
#[tokio::test]
async fn host_of_its_own() {
    let fake = FakeProvider::start();
    active(&check(&by(&fake, Method::Userinfo), &fake.token(json!({}))).await);
    let host = fake.url().replace("http://", "");
    assert!(fake.seen(USERINFO).iter().all(|request| request.headers["host"] == host));
}

#[tokio::test]
async fn endpoints_that_are_none() {
    for url in [
        json!("ftp://localhost/introspect"),
        json!("http://user:password@localhost/introspect"),
        json!("file:///etc/passwd"),
        json!("/introspect"),
        json!("http://localhost/introspect#x"),
        json!(7),
        json!(""),
    ] {
        let fake = FakeProvider::start();
        let document = json!({ "issuer": fake.url(), "introspection_endpoint": url });
        fake.behave(DISCOVERY, Behaviour::json(&document));
        let checked = check(&by(&fake, Method::Introspection), "token").await;
        outage(&checked, OutageCause::Malformed);
    }
}

/// In clear, nothing goes to a host that nobody configured.
#[tokio::test]
async fn endpoints_on_another_host() {
    let (fake, other) = (FakeProvider::start(), FakeProvider::start());
    let elsewhere = other.at(INTROSPECTION).replace("localhost", "127.0.0.1");
    let document = json!({ "issuer": fake.url(), "introspection_endpoint": elsewhere });
    fake.behave(DISCOVERY, Behaviour::json(&document));
    let checked = check(&by(&fake, Method::Introspection), &other.token(json!({}))).await;
    assert!(outage(&checked, OutageCause::Settings).contains("clear"));
    assert_eq!(other.count_all(), 0);
    // Unless somebody did.
    let told = provider(&fake, |provider| {
        provider.introspection_url = Some(elsewhere);
        provider.issuer = Some(other.url());
    });
    active(&check(&told, &other.token(json!({}))).await);
}

#[tokio::test]
async fn configured_endpoints_need_no_discovery() {
    let fake = FakeProvider::start();
    let token = fake.token(json!({}));
    for method in METHODS {
        let provider = provider(&fake, |provider| {
            provider.methods = vec![method];
            provider.introspection_url = Some(fake.at(INTROSPECTION));
            provider.userinfo_url = Some(fake.at(USERINFO));
            provider.jwks_url = Some(fake.at(JWKS));
        });
        active(&check(&provider, &token).await);
    }
    assert_eq!(fake.count(DISCOVERY), 0);
}
