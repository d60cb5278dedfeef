use serde_json::json;

use super::*;
use crate::idp::events::Happened;

fn noted(kind: Kind<'_>, event: &Value) -> Found {
    let mut found = Found::default();
    kind.note(event, &mut found);
    found
}

fn one(what: Happening) -> Vec<Happened> {
    vec![Happened { subject: "7".to_owned(), what }]
}

/// As recorded by Keycloak 26.2.5.
#[test]
fn what_administrators_do_to_people() {
    use Happening::{Changed, Created, Deleted, SignedOut};
    for (operation, resource, path, expected) in [
        ("CREATE", "USER", "users/7", Created),
        ("UPDATE", "USER", "users/7", Changed),
        ("DELETE", "USER", "users/7", Deleted),
        ("ACTION", "USER", "users/7/reset-password", Changed),
        ("ACTION", "USER", "users/7/logout", SignedOut),
        ("CREATE", "USER", "users/7/federated-identity/corp", Changed),
        ("CREATE", "GROUP_MEMBERSHIP", "users/7/groups/9", Changed),
        ("DELETE", "GROUP_MEMBERSHIP", "users/7/groups/9", Changed),
        ("CREATE", "REALM_ROLE_MAPPING", "users/7/role-mappings/realm", Changed),
        ("DELETE", "CLIENT_ROLE_MAPPING", "users/7/role-mappings/clients/9", Changed),
        ("CREATE", "REALM", "users/7", Created),
        ("SOMETHING_NEW", "USER", "users/7", Changed),
    ] {
        let event = json!({
            "operationType": operation, "resourceType": resource, "resourcePath": path,
        });
        let polled = noted(Kind::Admin, &event).polled();
        assert_eq!((polled.happened, polled.missed), (one(expected), false), "{event}");
        assert!(polled.sessions.is_empty() && !polled.everybody_signed_out);
    }
}

#[test]
fn what_is_of_no_person() {
    let note = |operation: &str, resource: &str, path: Value| {
        let event = json!({
            "operationType": operation, "resourceType": resource, "resourcePath": path,
        });
        let found = noted(Kind::Admin, &event);
        assert!(found.happened.is_empty(), "{event}");
        found
    };
    for path in [json!("groups/9/role-mappings/realm"), json!("roles/a"), json!("users"), json!("")]
    {
        let found = note("CREATE", "REALM_ROLE_MAPPING", path);
        assert!(!found.missed && !found.everybody_signed_out && !found.settings_changed);
    }
    assert_eq!(note("DELETE", "USER_SESSION", json!("sessions/9")).polled().sessions, ["9"]);
    assert!(note("ACTION", "REALM", json!("logout-all")).everybody_signed_out);
    assert!(note("ACTION", "REALM", json!("push-revocation")).everybody_signed_out);
    assert!(note("UPDATE", "REALM", json!(null)).everybody_signed_out);
    assert!(note("UPDATE", "REALM", json!("events/config")).settings_changed);
    assert!(note("UPDATE", "REALM", json!("users/7")).missed, "an import put another in his place");
}

#[test]
fn what_people_do_themselves() {
    for (name, expected) in TYPES.into_iter().chain([("SOMETHING_NEW", Happening::Changed)]) {
        let event = json!({ "type": name, "userId": "7", "sessionId": "9" });
        assert_eq!(noted(Kind::User(&[]), &event).polled().happened, one(expected), "{name}");
    }
}

/// Nobody makes us forget people by signing out as nobody.
#[test]
fn a_sign_out_of_nobody_is_about_tokens() {
    for user in [json!(null), json!(""), json!(7)] {
        let event = json!({ "type": "LOGOUT", "userId": user, "sessionId": "9" });
        let polled = noted(Kind::User(&[]), &event).polled();
        assert_eq!((polled.sessions, polled.missed), (vec!["9".to_owned()], false), "{event}");
        let event = json!({ "type": "REVOKE_GRANT", "userId": user });
        let polled = noted(Kind::User(&[]), &event).polled();
        assert_eq!((polled.everybody_signed_out, polled.missed), (true, false), "{event}");
    }
}

/// What cannot be read may be anything.
#[test]
fn hostile_events() {
    let long = format!("users/{}", "a".repeat(MAX_ID_BYTES + 1));
    let path = |path: Value| json!({ "operationType": "UPDATE", "resourceType": "USER", "resourcePath": path });
    for event in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "operationType": 7, "resourcePath": "users/7" }),
        path(json!(null)),
        path(json!(7)),
        path(json!("users/")),
        path(json!("users//7")),
        path(json!("users/a\nb")),
        path(json!(long)),
        path(json!("sessions/")),
    ] {
        let found = noted(Kind::Admin, &event);
        assert!(found.missed && found.happened.is_empty(), "{event}");
        assert_eq!(time(&event), Timestamp(0));
        let _ = key(&event);
    }
    for event in [
        json!(null),
        json!({ "type": "UPDATE_EMAIL" }),
        json!({ "type": "DELETE_ACCOUNT", "userId": null, "sessionId": "9" }),
        json!({ "type": "UPDATE_PROFILE", "userId": "" }),
        json!({ "type": ["LOGOUT"], "userId": "7" }),
        json!({ "userId": "7" }),
    ] {
        let found = noted(Kind::User(&[]), &event);
        assert!(found.missed && found.happened.is_empty(), "{event}");
    }
    for bad in [json!(-1), json!("1795377675299"), json!(1.5), json!(null), json!({})] {
        assert_eq!(time(&json!({ "time": bad })), Timestamp(0));
    }
}

#[test]
fn an_event_is_known_again() {
    let event = json!({ "id": "1", "time": 1, "resourcePath": "users/7" });
    assert_eq!(key(&event), key(&json!({ "time": 2, "id": "1" })));
    let nameless = json!({ "time": 1, "resourcePath": "users/7" });
    assert_eq!(key(&nameless), key(&nameless.clone()));
    assert_ne!(key(&nameless), key(&json!({ "time": 2, "resourcePath": "users/7" })));
}

#[test]
fn one_entry_for_each_person_and_kind() {
    let mut found = Found::default();
    for (subject, what) in
        [("7", "LOGOUT"), ("8", "LOGOUT"), ("7", "LOGOUT"), ("7", "UPDATE_EMAIL")]
    {
        Kind::User(&[]).note(&json!({ "type": what, "userId": subject }), &mut found);
    }
    assert_eq!(found.polled().happened.len(), 3);
}
