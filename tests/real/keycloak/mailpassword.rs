//! Main passwords whose hashes a Keycloak keeps, through a real Dovecot.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, corp};
use crate::support::{
    bearer::LogLine,
    client::{Dialogue, Outcome, imap_login, pop3_plain},
    keycloak::Keycloak,
    wait_for,
};

const FLOW: &str = "mailpassword_flow = true\n";
/// Short waits for a Keycloak that is away.
const SHORT: &str = "connect_timeout = \"1s\"\ntimeout = \"1s\"\n";
/// The interval within which the provider is not asked again about a refusal.
const RECHECK: Duration = Duration::from_secs(5);

/// A client with a service account that has these roles of `realm-management`,
/// made for one test; the keys that name it.
fn client(keycloak: &Keycloak, id: &str, roles: &[&str]) -> String {
    let secret = format!("secret-of-{id}");
    let client = json!({
        "clientId": id, "secret": secret, "publicClient": false, "serviceAccountsEnabled": true,
        "standardFlowEnabled": false, "defaultClientScopes": ["basic", "roles"],
    });
    keycloak.admin(Method::POST, "clients", &client).good();
    let number = |id: &str| {
        let found = get(keycloak, &format!("clients?clientId={id}"));
        found[0]["id"].as_str().expect("ids are text").to_owned()
    };
    let (own, management) = (number(id), number("realm-management"));
    let account = get(keycloak, &format!("clients/{own}/service-account-user"));
    let roles: Vec<Value> = roles
        .iter()
        .map(|role| get(keycloak, &format!("clients/{management}/roles/{role}")))
        .collect();
    let account = account["id"].as_str().expect("ids are text");
    let path = format!("users/{account}/role-mappings/clients/{management}");
    keycloak.admin(Method::POST, &path, &json!(roles)).good();
    format!("client_id = \"{id}\"\nclient_secret = \"{secret}\"\n")
}

fn get(keycloak: &Keycloak, path: &str) -> Value {
    keycloak.admin(Method::GET, path, &Value::Null).good()
}

/// Administrators alone write what the realm's profile does not name.
fn attributes_are_administrators(keycloak: &Keycloak) {
    let mut profile = get(keycloak, "users/profile");
    profile["unmanagedAttributePolicy"] = json!("ADMIN_EDIT");
    keycloak.admin(Method::PUT, "users/profile", &profile).good();
}

/// A person with this password for mail; gives the id.
fn person(keycloak: &Keycloak, name: &str, password: &str) -> String {
    let id = keycloak.add_person(name, &format!("{name}@example.org"), true);
    set(keycloak, &id, &json!([format!("{{PLAIN}}{password}")]));
    id
}

/// Sets the attribute of a person, as the console does: with all else she has.
fn set(keycloak: &Keycloak, id: &str, values: &Value) {
    change(keycloak, id, &json!({ "attributes": { "mailcow_password": values } }));
}

fn change(keycloak: &Keycloak, id: &str, changes: &Value) {
    let mut person = get(keycloak, &format!("users/{id}"));
    for (name, value) in changes.as_object().expect("an object") {
        person[name] = value.clone();
    }
    keycloak.change_person(id, &person);
}

fn house(keycloak: &Keycloak, keys: &[&str]) -> Option<House> {
    attributes_are_administrators(keycloak);
    House::start(&corp(keycloak, &[&[FLOW], keys].concat()))
}

fn log_in(house: &House, user: &str, password: &str) -> (Outcome, LogLine) {
    let outcome = imap_login(&mut Dialogue::tcp(house.rig.ports.imap), user, password);
    (outcome, house.logged())
}

fn admits(house: &House, user: &str, password: &str) -> LogLine {
    let (outcome, line) = log_in(house, user, password);
    assert_eq!(outcome, Outcome::In, "{line}");
    let said = [line.field("verifier"), line.field("provider"), line.field("user")];
    assert_eq!(said, ["mailpassword", "corp", user], "{line}");
    line
}

fn refuses(house: &House, user: &str, password: &str, reason: &str) {
    let (outcome, line) = log_in(house, user, password);
    assert_eq!((&outcome, line.field("reason")), (&Outcome::Wrong, reason), "{line}");
}

fn cannot_tell(house: &House, user: &str, password: &str, cause: &str) {
    let (outcome, line) = log_in(house, user, password);
    assert!(matches!(outcome, Outcome::Temporary(_)), "{outcome:?}: {line}");
    assert_eq!(line.field("reason"), cause, "{line}");
}

#[test]
fn a_password_that_keycloak_keeps_opens_the_mailbox() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let keys = client(keycloak, "mp-sees", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let house = house.people(&["mara", "joann", "jo+a"]);
    let mara = person(keycloak, "mara", "wonderland");
    person(keycloak, "joann", "joanns");
    person(keycloak, "jo+a", "plus");
    admits(&house, "mara@example.org", "wonderland");
    refuses(&house, "mara@example.org", "Wonderland", "wrong_password");
    // Not her password at Keycloak itself.
    refuses(&house, "mara@example.org", "password-of-mara", "wrong_password");
    let pop3 = &mut Dialogue::tls(house.rig.ports.pop3s);
    assert_eq!(pop3_plain(pop3, "mara@example.org", "wonderland"), Outcome::In);
    admits(&house, "jo+a@example.org", "plus");

    // Another one is set: the new one works, and then the old one no more.
    set(keycloak, &mara, &json!(["{PLAIN}looking glass"]));
    thread::sleep(RECHECK);
    admits(&house, "mara@example.org", "looking glass");
    refuses(&house, "mara@example.org", "wonderland", "wrong_password");
}

/// Requests to the Admin API so far.
fn requests(house: &House) -> u64 {
    let shown = house.rig.dovegate(&["provider", "show", "corp", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["status"]["requests"]["users"].as_u64().expect("a number")
}

#[test]
fn a_cold_login_is_one_request_and_a_warm_one_none() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let keys = client(keycloak, "mp-counts", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let house = house.people(&["cora"]);
    person(keycloak, "cora", "tea");
    for _ in 0..4 {
        admits(&house, "cora@example.org", "tea");
        assert_eq!(requests(&house), 1);
    }
    house.rig.dovegate(&["cache", "flush"]);
    let port = house.rig.ports.imap;
    let login = move || imap_login(&mut Dialogue::tcp(port), "cora@example.org", "tea");
    let crowd: Vec<_> = (0..50).map(|_| thread::spawn(login)).collect();
    for one in crowd {
        assert_eq!(one.join().unwrap(), Outcome::In);
    }
    assert_eq!(requests(&house), 2);
}

/// Each opens her own mailbox alone, whatever Keycloak returns.
#[test]
fn a_similar_address_opens_nothing() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let keys = client(keycloak, "mp-near", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let house = house.people(&["liese", "anneliese"]);
    person(keycloak, "anneliese", "long");
    refuses(&house, "liese@example.org", "long", "unknown_at_provider");
    admits(&house, "anneliese@example.org", "long");
    person(keycloak, "liese", "short");
    refuses(&house, "anneliese@example.org", "short", "wrong_password");
    thread::sleep(2 * RECHECK);
    refuses(&house, "liese@example.org", "long", "wrong_password");
    admits(&house, "liese@example.org", "short");
}

#[test]
fn each_state_at_keycloak_has_its_own_reason() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let keys = client(keycloak, "mp-states", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let cases = [
        ("mp-off", json!({ "enabled": false }), "disabled_at_provider"),
        ("mp-unverified", json!({ "emailVerified": false }), "unverified_email"),
        ("mp-without", json!({ "attributes": {} }), "no_mailpassword"),
    ];
    let house = house.people(&["mp-off", "mp-unverified", "mp-without", "mp-two", "mp-broken"]);
    for (name, changes, reason) in cases {
        let id = person(keycloak, name, "tea");
        change(keycloak, &id, &changes);
        refuses(&house, &format!("{name}@example.org"), "tea", reason);
    }
    let two = person(keycloak, "mp-two", "tea");
    set(keycloak, &two, &json!(["{PLAIN}tea", "{PLAIN}coffee"]));
    cannot_tell(&house, "mp-two@example.org", "tea", "several_mailpasswords");
    let broken = person(keycloak, "mp-broken", "tea");
    set(keycloak, &broken, &json!(["{BLF-CRYPT}$2y$05$no"]));
    cannot_tell(&house, "mp-broken@example.org", "tea", "corrupt_hash");
}

/// Without `view-users` Keycloak finds nobody: our mistake, and nobody's wrong
/// password.
#[test]
fn a_client_that_sees_nobody_refuses_nobody() {
    let Some(keycloak) = Keycloak::shared() else { return };
    for (id, roles) in [("mp-query", &["query-users"][..]), ("mp-nothing", &[][..])] {
        let keys = client(keycloak, id, roles);
        let Some(house) = house(keycloak, &[&keys]) else { return };
        let name = format!("vera-{id}");
        let house = house.people(&[&name]);
        person(keycloak, &name, "tea");
        cannot_tell(&house, &format!("{name}@example.org"), "tea", "provider_rights");
        let said = std::fs::read_to_string(house.rig.folder.outside("dovegate.log")).unwrap();
        assert!(said.contains("main passwords cannot be checked"), "{said}");
    }
}

/// An address that a person gives herself opens nobody's mailbox.
#[test]
fn own_address_opens_nobody_elses_mailbox() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let keys = client(keycloak, "mp-rename", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let house = house.people(&["rosa", "abuse"]);
    let rosa = person(keycloak, "rosa", "tea");
    admits(&house, "rosa@example.org", "tea");
    // What Keycloak makes of a change by herself.
    let renamed = json!({ "email": "abuse@example.org", "emailVerified": false });
    change(keycloak, &rosa, &renamed);
    refuses(&house, "abuse@example.org", "tea", "unverified_email");
    house.rig.dovegate(&["cache", "flush"]);
    refuses(&house, "rosa@example.org", "tea", "unknown_at_provider");
}

/// Who was known goes on logging in while Keycloak hangs; who was not hears of a
/// temporary failure.
#[test]
fn keycloak_hangs_and_goes_on() {
    let Some(keycloak) = Keycloak::own() else { return };
    let keys = client(&keycloak, "mp-hangs", &["view-users"]);
    let Some(house) = house(&keycloak, &[&keys, SHORT]) else { return };
    let house = house.people(&["mara", "nina"]);
    person(&keycloak, "mara", "wonderland");
    person(&keycloak, "nina", "tea");
    admits(&house, "mara@example.org", "wonderland");
    keycloak.signal(Signal::SIGSTOP);
    cannot_tell(&house, "nina@example.org", "tea", "provider_slow");
    // A minute later the answer is fresh no more.
    thread::sleep(Duration::from_secs(61));
    let line = admits(&house, "mara@example.org", "wonderland");
    assert_eq!(line.field("stale"), "true", "{line}");
    let (outcome, line) = log_in(&house, "mara@example.org", "Wonderland");
    assert!(matches!(outcome, Outcome::Temporary(_)), "{line}");
    keycloak.signal(Signal::SIGCONT);
    wait_for("logins", Duration::from_secs(30), || {
        (log_in(&house, "nina@example.org", "tea").0 == Outcome::In).then_some(())
    });
    let line = admits(&house, "mara@example.org", "wonderland");
    assert_eq!(line.field("stale"), "false", "{line}");
}
