//! A person by his id: is he still there, and enabled.

use dovegate::idp::{Mailpassword, Outage, OutageCause, Person, Provider};
use serde_json::{Value, json};

use super::{
    impatient,
    keycloak::{USERS, ann, at, gives_token, keycloak, query, who_ann_is},
};
use crate::support::provider::{Behaviour, FakeProvider, merge};

const ANN: &str = "/admin/realms/mail/users/a7feeb0e";

fn ann_with(changes: Value) -> Behaviour {
    let mut person = ann();
    merge(&mut person, changes);
    Behaviour::json(&person)
}

fn nobody() -> Behaviour {
    Behaviour::text(404, "application/json", r#"{"error":"User not found"}"#)
}

async fn cause(provider: &Provider, subject: &str) -> Outage {
    provider.look_up_by_id(subject).await.expect_err("nobody could say")
}

#[tokio::test]
async fn one_request_says_how_it_goes_with_a_person() {
    let fake = keycloak();
    fake.behave(ANN, ann_with(json!({})));
    let provider = at(&fake, |_| {});
    let expected = Person {
        profile: who_ann_is(),
        mailpassword: Mailpassword::Hash("{PLAIN}tea".to_owned().into()),
    };
    assert_eq!(provider.look_up_by_id("a7feeb0e").await, Ok(Some(expected)));
    assert_eq!((fake.count(ANN), fake.count_all()), (1, 2));
    assert_eq!(fake.seen(ANN)[0].headers["authorization"], "Bearer first");
}

/// Keycloak 26.2.5, asked by id, calls somebody disabled who is only locked out
/// for a while: guessing at a person's password must not stop his devices.
#[tokio::test]
async fn who_is_locked_out_for_a_while_is_not_disabled() {
    let fake = keycloak();
    fake.behave(ANN, ann_with(json!({ "enabled": false })));
    let provider = at(&fake, |_| {});
    for (found, expected) in [
        (json!([ann()]), true),
        (json!([{ "id": "other", "enabled": true }, ann()]), true),
        (json!([{ "id": "a7feeb0e", "enabled": false }]), false),
        (json!([{ "id": "other", "enabled": true }]), false),
        (json!([ann(), ann()]), false),
    ] {
        fake.behave(USERS, Behaviour::json(&found));
        let person = provider.look_up_by_id("a7feeb0e").await.unwrap().unwrap();
        assert_eq!(person.profile.enabled, expected, "{found}");
    }
    let asked = ("search".to_owned(), "id:a7feeb0e".to_owned());
    assert!(query(&fake.seen(USERS)[0]).contains(&asked));
    fake.behave(USERS, Behaviour::status(503));
    assert_eq!(cause(&provider, "a7feeb0e").await.cause, OutageCause::Status);
}

/// Who is gone loses his mailbox's devices, so it is believed of nobody but a
/// Keycloak that knows what was asked, and that shows people.
#[tokio::test]
async fn gone_only_by_the_word_of_who_sees_people() {
    let fake = keycloak();
    fake.behave(ANN, nobody());
    let provider = at(&fake, |_| {});
    assert_eq!(provider.look_up_by_id("a7feeb0e").await, Ok(None));
    fake.behave(USERS, Behaviour::json(&json!([])));
    assert_eq!(provider.look_up_by_id("a7feeb0e").await, Ok(None), "proved already");

    let blind = keycloak();
    blind.behave(ANN, nobody());
    blind.behave(USERS, Behaviour::json(&json!([])));
    let provider = at(&blind, |_| {});
    assert_eq!(cause(&provider, "a7feeb0e").await.cause, OutageCause::Rights);
}

#[tokio::test]
async fn whatever_else_comes_is_an_outage() {
    let json = |status: u16, text: &str| Behaviour::text(status, "application/json", text);
    let realm = r#"{"error":"Realm not found."}"#;
    let resource = r#"{"error":"Unable to find matching target resource method"}"#;
    for (name, behaviour, expected) in [
        ("a proxy's 404", Behaviour::text(404, "text/plain", "not found"), OutageCause::Settings),
        ("an empty 404", Behaviour::status(404), OutageCause::Settings),
        ("no such realm", json(404, realm), OutageCause::Settings),
        ("no such resource", json(404, resource), OutageCause::Settings),
        ("403", Behaviour::status(403), OutageCause::Rights),
        ("401", Behaviour::status(401), OutageCause::Credentials),
        ("410", Behaviour::status(410), OutageCause::Status),
        ("503", Behaviour::status(503), OutageCause::Status),
        ("redirect", Behaviour::status(302), OutageCause::Status),
        ("hang", Behaviour::Hang, OutageCause::Slow),
        ("huge", Behaviour::Huge, OutageCause::Malformed),
        ("a list", json(200, "[]"), OutageCause::Malformed),
        ("nothing", json(200, "{}"), OutageCause::Malformed),
        ("another person", ann_with(json!({ "id": "b" })), OutageCause::Malformed),
        ("id in capitals", ann_with(json!({ "id": "A7FEEB0E" })), OutageCause::Malformed),
        ("a number for an id", ann_with(json!({ "id": 7 })), OutageCause::Malformed),
        ("no word on enabled", ann_with(json!({ "enabled": null })), OutageCause::Malformed),
        ("enabled in words", ann_with(json!({ "enabled": "true" })), OutageCause::Malformed),
    ] {
        let fake = keycloak();
        fake.behave(ANN, behaviour);
        let outage = cause(&at(&fake, impatient), "a7feeb0e").await;
        assert_eq!(outage.cause, expected, "{name}: {outage}");
    }
}

/// An id is one segment of the path, whatever it holds.
#[tokio::test]
async fn ids_lead_nowhere_else() {
    let fake = FakeProvider::start();
    gives_token(&fake, "first", 300);
    let provider = at(&fake, |_| {});
    for subject in ["", ".", "..", &"a".repeat(513)] {
        assert_eq!(cause(&provider, subject).await.cause, OutageCause::Malformed, "{subject:.9}");
    }
    assert_eq!(fake.count_all(), 0, "nothing is asked");
    for (subject, path) in [
        ("../../master/users/1", "..%2F..%2Fmaster%2Fusers%2F1"),
        ("f:7:ann/b", "f:7:ann%2Fb"),
        ("a?b=c#d", "a%3Fb=c%23d"),
        ("%2e%2e", "%252e%252e"),
        ("...", "..."),
        ("ä b", "%C3%A4%20b"),
    ] {
        let path = format!("{USERS}/{path}");
        fake.behave(&path, Behaviour::json(&json!({ "id": subject, "enabled": true })));
        let person = provider.look_up_by_id(subject).await.unwrap().unwrap();
        assert_eq!((person.profile.subject.as_str(), fake.count(&path)), (subject, 1));
    }
}
