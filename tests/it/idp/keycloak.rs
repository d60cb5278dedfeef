//! Keycloak's Admin REST API: who has an address, asked with a token of our own
//! client.

use std::time::{Duration, Instant};

use dovegate::{
    idp::{LookedUp, Mailpassword, Outage, OutageCause, Person},
    mailbox::{Profile, Provider, provider::Kind},
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{impatient, provider};
use crate::support::provider::{Behaviour, CLIENT_SECRET, FakeProvider, Seen};

pub(super) const TOKEN: &str = "/protocol/openid-connect/token";
pub(super) const USERS: &str = "/admin/realms/mail/users";
const ANN: &str = "ann@example.org";

/// One that gives our client a token and knows ann.
pub(super) fn keycloak() -> FakeProvider {
    let fake = FakeProvider::start();
    gives_token(&fake, "first", 300);
    fake.behave(USERS, Behaviour::json(&json!([ann()])));
    fake
}

pub(super) fn gives_token(fake: &FakeProvider, token: &str, seconds: u64) {
    let answer = json!({ "access_token": token, "expires_in": seconds, "token_type": "Bearer" });
    fake.behave(TOKEN, Behaviour::json(&answer));
}

pub(super) fn ann() -> Value {
    json!({
        "id": "a7feeb0e", "username": "ann", "email": ANN, "emailVerified": true, "enabled": true,
        "attributes": { "mailcow_password": ["{PLAIN}tea"], "mailcow_template": ["Default"] },
    })
}

pub(super) fn at(
    fake: &FakeProvider,
    change: impl FnOnce(&mut Provider),
) -> dovegate::idp::Provider {
    provider(fake, |provider| {
        provider.kind = Kind::Keycloak;
        provider.realm = Some("mail".to_owned());
        provider.mailpassword_flow = true;
        change(provider);
    })
}

async fn look_up(provider: &dovegate::idp::Provider) -> Result<LookedUp, Outage> {
    let found = provider.look_up(ANN, |email| email.eq_ignore_ascii_case(ANN)).await;
    let shown = format!("{found:?} {provider:?}");
    assert!(!shown.contains(CLIENT_SECRET) && !shown.contains("tea"), "a secret shows: {shown}");
    found
}

async fn outage(provider: &dovegate::idp::Provider) -> Outage {
    look_up(provider).await.expect_err("nobody could say")
}

pub(super) fn query(seen: &Seen) -> Vec<(String, String)> {
    let query = seen.path.split_once('?').expect("a query").1;
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn bearers(fake: &FakeProvider) -> Vec<String> {
    fake.seen(USERS).iter().map(|seen| seen.headers["authorization"].clone()).collect()
}

/// Ann, as [`keycloak`] tells of her.
pub(super) fn who_ann_is() -> Profile {
    Profile {
        further_emails: Vec::new(),
        subject: "a7feeb0e".to_owned(),
        enabled: true,
        email: Some(ANN.to_owned()),
        email_is_verified: true,
        name: String::new(),
        template_values: Some(vec!["Default".to_owned()]),
        groups: None,
        roles: None,
        own: None,
    }
}

#[tokio::test]
async fn one_request_says_who_has_an_address() {
    let fake = keycloak();
    let provider = at(&fake, |_| {});
    let expected = Person {
        profile: who_ann_is(),
        mailpassword: Mailpassword::Hash("{PLAIN}tea".to_owned().into()),
    };
    for _ in 0..3 {
        assert_eq!(look_up(&provider).await, Ok(LookedUp::Person(expected.clone().into())));
    }
    assert_eq!((fake.count(TOKEN), fake.count(USERS), fake.count_all()), (1, 3, 4));
    let seen = &fake.seen(USERS)[0];
    let text = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    let asked = [("email", ANN), ("exact", "true"), ("briefRepresentation", "false")];
    assert_eq!(query(seen), asked.map(text));
    assert_eq!(seen.headers["authorization"], "Bearer first");
    assert_eq!(fake.seen(TOKEN)[0].body, "grant_type=client_credentials");
}

#[tokio::test]
async fn whatever_stands_in_names_is_encoded() {
    let fake = keycloak();
    let users = "/admin/realms/a%2Fb%20c%3F/users";
    fake.behave("/realms/a%2Fb%20c%3F/protocol/openid-connect/token", {
        Behaviour::json(&json!({ "access_token": "first", "expires_in": 300 }))
    });
    fake.behave(users, Behaviour::json(&json!([])));
    let provider = at(&fake, |provider| provider.realm = Some("a/b c?".to_owned()));
    let address = "a+b&exact=false#%41@example.org";
    drop(provider.look_up(address, |_| false).await);
    assert_eq!(
        query(&fake.seen(users)[0])[..2],
        [("email".to_owned(), address.to_owned()), ("exact".to_owned(), "true".to_owned()),]
    );
}

#[tokio::test]
async fn the_prefix_of_old_releases() {
    let fake = FakeProvider::start();
    let token = json!({ "access_token": "first", "expires_in": 300 });
    fake.behave("/auth/realms/mail/protocol/openid-connect/token", Behaviour::json(&token));
    fake.behave("/auth/admin/realms/mail/users", Behaviour::json(&json!([ann()])));
    let provider = at(&fake, |provider| provider.server_url = Some(fake.at("/auth/")));
    assert!(matches!(look_up(&provider).await, Ok(LookedUp::Person(_))));
}

#[tokio::test]
async fn what_is_found_counts_only_with_the_address_that_was_asked_for() {
    let fake = keycloak();
    let provider = at(&fake, |_| {});
    let with = |changes: Value| {
        let mut person = ann();
        crate::support::provider::merge(&mut person, changes);
        person
    };
    for (people, expected) in [
        (json!([with(json!({ "email": "joann@example.org" }))]), "nobody"),
        (json!([with(json!({ "email": null }))]), "nobody"),
        (json!([with(json!({ "email": "joann@example.org" })), ann()]), "a7feeb0e"),
        (json!([ann(), with(json!({ "id": "2" }))]), "several"),
        (json!([with(json!({ "email": "Ann@Example.org" }))]), "a7feeb0e"),
    ] {
        fake.behave(USERS, Behaviour::json(&people));
        let found = match look_up(&provider).await.unwrap() {
            LookedUp::Person(person) => person.profile.subject,
            LookedUp::Nobody => "nobody".to_owned(),
            LookedUp::Several => "several".to_owned(),
        };
        assert_eq!(found, expected, "{people}");
    }
}

#[tokio::test]
async fn the_token_is_renewed_before_it_ends() {
    let fake = keycloak();
    gives_token(&fake, "first", 2);
    let provider = at(&fake, |_| {});
    look_up(&provider).await.unwrap();
    gives_token(&fake, "second", 300);
    look_up(&provider).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1700)).await;
    look_up(&provider).await.unwrap();
    assert_eq!(bearers(&fake), ["Bearer first", "Bearer first", "Bearer second"]);
}

/// Restarted, or the session of our client was ended.
#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let fake = keycloak();
    let provider = at(&fake, |_| {});
    look_up(&provider).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fake.behave(USERS, Behaviour::status(401));
    gives_token(&fake, "second", 300);
    let refused = outage(&provider).await;
    assert_eq!(refused.cause, OutageCause::Credentials, "{refused}");
    assert_eq!(bearers(&fake)[1..], ["Bearer first", "Bearer second"]);
    assert_eq!(fake.count(TOKEN), 2);
    // Nor does everybody who logs in now fetch another one.
    for _ in 0..5 {
        assert_eq!(outage(&provider).await.cause, OutageCause::Credentials);
    }
    assert_eq!(fake.count(TOKEN), 2);
    fake.behave(USERS, Behaviour::json(&json!([ann()])));
    look_up(&provider).await.unwrap();
    assert_eq!(bearers(&fake).last().unwrap(), "Bearer second");
}

/// `keycloak-facts`, trap 3.
#[tokio::test]
async fn an_empty_answer_is_believed_once_people_were_seen() {
    let fake = keycloak();
    let provider = at(&fake, |_| {});
    fake.behave(USERS, Behaviour::json(&json!([])));
    let blind = outage(&provider).await;
    assert_eq!(blind.cause, OutageCause::Rights);
    assert!(blind.detail.contains("view-users"), "{blind}");
    let proof = query(&fake.seen(USERS)[1]);
    assert!(proof.contains(&("max".to_owned(), "1".to_owned())), "{proof:?}");
    // Somebody else's answer proves it as well, for this token.
    fake.behave(USERS, Behaviour::json(&json!([ann()])));
    look_up(&provider).await.unwrap();
    let before = fake.count(USERS);
    fake.behave(USERS, Behaviour::json(&json!([])));
    for _ in 0..3 {
        assert_eq!(look_up(&provider).await, Ok(LookedUp::Nobody));
    }
    assert_eq!(fake.count(USERS), before + 3, "proved once for a token");
}

/// Roles are in the token: what one was allowed proves nothing for the next.
#[tokio::test]
async fn the_next_token_has_to_prove_it_again() {
    let fake = keycloak();
    gives_token(&fake, "first", 1);
    let provider = at(&fake, |_| {});
    look_up(&provider).await.unwrap();
    fake.behave(USERS, Behaviour::json(&json!([])));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(outage(&provider).await.cause, OutageCause::Rights);
}

/// Whatever goes wrong is an outage of its own kind, never "nobody".
#[tokio::test]
async fn faults_of_the_look_up() {
    let json = |text: &str| Behaviour::text(200, "application/json", text);
    let cases = [
        ("403", Behaviour::status(403), OutageCause::Rights),
        ("404", Behaviour::status(404), OutageCause::Settings),
        ("redirect", Behaviour::status(302), OutageCause::Status),
        ("429", Behaviour::status(429), OutageCause::Busy),
        ("500", Behaviour::status(500), OutageCause::Status),
        ("503", Behaviour::status(503), OutageCause::Status),
        ("hang", Behaviour::Hang, OutageCause::Slow),
        ("drip", Behaviour::Drip, OutageCause::Slow),
        ("reset", Behaviour::Reset, OutageCause::Unreachable),
        ("huge", Behaviour::Huge, OutageCause::Malformed),
        ("html", Behaviour::text(200, "text/html", "[]"), OutageCause::Malformed),
        ("object", json("{}"), OutageCause::Malformed),
        ("half", json("[{"), OutageCause::Malformed),
        ("numbers", json("[1]"), OutageCause::Malformed),
        ("email twice", json(r#"[{"email":"a","email":"b"}]"#), OutageCause::Malformed),
        ("email a list", json(r#"[{"email":["ann@example.org"]}]"#), OutageCause::Malformed),
        (
            "attributes a list",
            json(r#"[{"id":"1","enabled":true,"email":"ann@example.org","attributes":[]}]"#),
            OutageCause::Malformed,
        ),
        (
            "hash a text",
            json(
                r#"[{"id":"1","enabled":true,"email":"ann@example.org",
                     "attributes":{"mailcow_password":"{PLAIN}tea"}}]"#,
            ),
            OutageCause::Malformed,
        ),
    ];
    for (name, behaviour, expected) in cases {
        let fake = keycloak();
        fake.behave(USERS, behaviour);
        let provider = at(&fake, impatient);
        let began = Instant::now();
        let outage = outage(&provider).await;
        assert_eq!(outage.cause, expected, "{name}: {outage}");
        assert!(outage.detail.len() <= 204, "{name}: {outage}");
        assert!(!outage.detail.contains("ann@"), "{name}: {outage}");
        assert!(began.elapsed() < Duration::from_secs(3), "{name}");
    }
}

#[tokio::test]
async fn faults_of_our_own_token() {
    let json = |status: u16, text: &str| Behaviour::text(status, "application/json", text);
    let refused = r#"{"error":"unauthorized_client","error_description":"Invalid client secret"}"#;
    let cases = [
        ("wrong secret", json(401, refused), OutageCause::Credentials),
        ("no service account", json(400, refused), OutageCause::Credentials),
        ("403", Behaviour::status(403), OutageCause::Credentials),
        ("404", Behaviour::status(404), OutageCause::Settings),
        ("503", Behaviour::status(503), OutageCause::Status),
        ("hang", Behaviour::Hang, OutageCause::Slow),
        ("no token", json(200, "{}"), OutageCause::Malformed),
        ("a token that is none", json(200, r#"{"access_token":"a\r\nb"}"#), OutageCause::Malformed),
    ];
    for (name, behaviour, expected) in cases {
        let fake = keycloak();
        fake.behave(TOKEN, behaviour);
        let outage = outage(&at(&fake, impatient)).await;
        assert_eq!(outage.cause, expected, "{name}: {outage}");
        assert_eq!(fake.count(USERS), 0, "{name}");
    }
}
