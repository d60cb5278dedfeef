//! A realm that records what happens, and a Dovegate that reads it: whatever is
//! changed at Keycloak counts within five seconds, through a real Dovecot, though
//! every answer would be kept for minutes.

use std::{
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{FLOW, House, corp_at};
use crate::support::{
    bearer::Mechanism,
    between::Between,
    client::{Dialogue, Outcome, imap_login},
    http,
    keycloak::Keycloak,
    realm::Realm,
    wait_for,
};

/// What an administrator is promised.
const SOON: Duration = Duration::from_secs(5);
/// Without events all of it would be known so long.
const LONG: &str = "mailpassword_cache = \"10m\"\ntoken_cache = \"10m\"\naccount_check = \"1h\"\n";

/// A realm that records its events, and a house whose client may read them.
fn house(realm: &Realm<'_>, url: &str) -> Option<House> {
    let keys = realm.service_account("reads", &["view-users", "view-events"]);
    let house = House::start(&corp_at(url, &realm.name, &[&keys, FLOW, LONG]))?;
    house.is_watching();
    Some(house)
}

fn realm<'k>(keycloak: &'k Keycloak, name: &str) -> Realm<'k> {
    let recorded = json!({ "eventsEnabled": true, "adminEventsEnabled": true });
    Realm::make(keycloak, name, &recorded)
}

/// Tries until it comes to `expected`, which it must do soon.
fn soon(what: &str, expected: &Outcome, login: impl Fn() -> Outcome) -> Duration {
    let began = Instant::now();
    loop {
        let outcome = login();
        let took = began.elapsed();
        assert!(took < SOON, "{what}: {outcome:?} after {took:?}");
        if outcome == *expected {
            eprintln!("{what}: after {took:?}");
            return took;
        }
    }
}

fn address(name: &str) -> String {
    format!("{name}@example.org")
}

impl House {
    fn outcome(&self, user: &str, password: &str) -> Outcome {
        imap_login(&mut Dialogue::tcp(self.rig.ports.imap), user, password)
    }

    /// An app password of hers, which works.
    fn phone(&self, user: &str) -> String {
        let phone = self.rig.dovegate.app_password(&self.rig.folder, user, &["--service", "imap"]);
        assert_eq!(self.outcome(user, &phone.text), Outcome::In, "{}", self.logged());
        phone.text
    }
}

#[test]
fn a_changed_password_counts_within_five_seconds() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = realm(keycloak, "events-changed");
    let Some(house) = house(&realm, &keycloak.url()) else { return };
    let house = house.people(&["mara"]);
    let mara = address("mara");
    let id = realm.person("mara", "old");
    house.opens(&mara, "old");
    for (old, new) in [("old", "new"), ("new", "newer")] {
        realm.set_password(&id, new);
        soon("the old one is refused", &Outcome::Wrong, || house.outcome(&mara, old));
        house.opens(&mara, new);
    }
}

#[test]
fn who_is_disabled_or_deleted_is_out_within_five_seconds() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = realm(keycloak, "events-out");
    let Some(house) = house(&realm, &keycloak.url()) else { return };
    let house = house.people(&["mara", "nina"]);
    let (mara, nina) = (address("mara"), address("nina"));
    let id = realm.person("mara", "tea");
    let nobody = realm.person("nina", "tea");
    for user in [&mara, &nina] {
        house.opens(user, "tea");
    }
    let (phone, her_phone) = (house.phone(&mara), house.phone(&nina));

    realm.change(&id, &json!({ "enabled": false }));
    soon("her password", &Outcome::Wrong, || house.outcome(&mara, "tea"));
    soon("her phone", &Outcome::Wrong, || house.outcome(&mara, &phone));
    assert_eq!(house.logged().field("reason"), "owner_disabled", "{}", house.logged());
    realm.change(&id, &json!({ "enabled": true }));
    soon("her phone again", &Outcome::In, || house.outcome(&mara, &phone));
    house.opens(&mara, "tea");

    // Nobody asks about her meanwhile.
    realm.admin(Method::DELETE, &format!("users/{nobody}"), &Value::Null).good();
    soon("the phone of who is gone", &Outcome::Wrong, || house.outcome(&nina, &her_phone));
    assert_eq!(house.logged().field("reason"), "owner_gone", "{}", house.logged());
    soon("the password of who is gone", &Outcome::Wrong, || house.outcome(&nina, "tea"));
    house.opens(&mara, "tea");
}

/// An administrator ends her sessions: her tokens are over, and nothing else.
#[test]
fn who_is_signed_out_needs_a_new_token_within_five_seconds() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = realm(keycloak, "events-signed-out");
    // Tokens name their issuer by the address at which it is asked.
    let Some(house) = house(&realm, &keycloak.url()) else { return };
    let house = house.people(&["mara", "nina"]);
    let mara = address("mara");
    let id = realm.person("mara", "tea");
    realm.person("nina", "tea");
    let token = realm.sign_in("mara").access;
    let others = realm.sign_in("nina").access;
    // What made them is history before anything is known of them.
    thread::sleep(SOON);
    house.admits(&mara, &token);
    house.admits(&address("nina"), &others);
    house.opens(&mara, "tea");
    let phone = house.phone(&mara);

    realm.admin(Method::POST, &format!("users/{id}/logout"), &json!({})).good();
    soon("her token", &Outcome::Wrong, || house.log_in(Mechanism::Xoauth2, &mara, &token).outcome);
    assert_eq!(house.logged().field("reason"), "token_inactive", "{}", house.logged());
    assert_eq!(house.outcome(&mara, "tea"), Outcome::In);
    assert_eq!(house.outcome(&mara, &phone), Outcome::In);
    house.admits(&mara, &realm.sign_in("mara").access);
    assert_eq!(house.admits(&address("nina"), &others).field("cached"), "true");

    // She does it herself.
    let tokens = realm.sign_in("mara");
    house.admits(&mara, &tokens.access);
    realm.sign_out(&tokens);
    soon("her own sign-out", &Outcome::Wrong, || {
        house.log_in(Mechanism::Xoauth2, &mara, &tokens.access).outcome
    });
}

/// Groups and roles may decide who has mail: who gets or loses one is asked about
/// again.
#[test]
fn groups_roles_and_profiles_are_asked_about_again() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = realm(keycloak, "events-groups");
    let between = Between::before(keycloak.port());
    let Some(house) = house(&realm, &between.url()) else { return };
    let house = house.people(&["mara", "nina"]);
    let (mara, nina) = (address("mara"), address("nina"));
    let id = realm.person("mara", "tea");
    realm.person("nina", "tea");
    let group = realm.post("groups", &json!({ "name": "mail" }));
    realm.admin(Method::POST, "roles", &json!({ "name": "mail" })).good();
    let role = realm.get("roles/mail");
    let token = realm.sign_in("mara").access;
    // What made all this is history before anything is counted.
    thread::sleep(SOON);
    house.opens(&nina, "tea");
    let in_group = format!("users/{id}/groups/{group}");
    let has_role = format!("users/{id}/role-mappings/realm");
    let changes: [(&str, &dyn Fn()); 5] = [
        ("joins a group", &|| drop(realm.admin(Method::PUT, &in_group, &json!({})).good())),
        ("leaves it", &|| drop(realm.admin(Method::DELETE, &in_group, &json!({})).good())),
        ("gets a role", &|| drop(realm.admin(Method::POST, &has_role, &json!([role])).good())),
        ("loses it", &|| drop(realm.admin(Method::DELETE, &has_role, &json!([role])).good())),
        ("writes her own name", &|| call_herself(&realm, &token, "Mara the Second")),
    ];
    let asked = || between.count(&format!("/admin/realms/{}/users?email=mara", realm.name));
    for (what, change) in changes {
        house.opens(&mara, "tea");
        let before = asked();
        house.opens(&mara, "tea");
        assert_eq!(asked(), before, "{what}: warm");
        change();
        let began = Instant::now();
        while asked() == before {
            assert!(began.elapsed() < SOON, "{what}");
            house.opens(&mara, "tea");
        }
        eprintln!("{what}: after {:?}", began.elapsed());
    }
    // It concerns nobody else.
    let before = between.count(&format!("/admin/realms/{}/users?email=nina", realm.name));
    house.opens(&nina, "tea");
    let after = between.count(&format!("/admin/realms/{}/users?email=nina", realm.name));
    assert_eq!(after, before);
}

/// As the account console does it.
fn call_herself(realm: &Realm<'_>, token: &str, name: &str) {
    let account = format!("{}/account", realm.keycloak.issuer(&realm.name));
    let mut about = http::get(&account, token).good();
    about["lastName"] = json!(name);
    about.as_object_mut().expect("an account").remove("userProfileMetadata");
    http::send_json(Method::POST, &account, token, &about).good();
}

/// Where nothing is recorded or we may not read it, the times of the settings are
/// the bound, and `provider test` says so.
#[test]
fn without_events_the_settings_are_the_bound() {
    let Some(keycloak) = Keycloak::shared() else { return };
    for (name, recorded, roles) in [
        ("events-off", false, &["view-users", "view-events"][..]),
        ("events-secret", true, &["view-users"][..]),
    ] {
        let changes = json!({ "eventsEnabled": recorded, "adminEventsEnabled": recorded });
        let realm = Realm::make(keycloak, name, &changes);
        let keys = realm.service_account("reads", roles);
        let short = "mailpassword_cache = \"8s\"\n";
        let corp = corp_at(&keycloak.url(), &realm.name, &[&keys, FLOW, short]);
        let Some(house) = House::start(&corp) else { return };
        let house = house.people(&["mara"]);
        let mara = address("mara");
        let id = realm.person("mara", "old");
        house.opens(&mara, "old");
        let known_at = Instant::now();
        realm.set_password(&id, "new");
        // An entry lives at most so long, and a tenth less by chance.
        while known_at.elapsed() < Duration::from_secs(5) {
            assert_eq!(house.outcome(&mara, "old"), Outcome::In, "{name}");
        }
        wait_for("the end of what was known", Duration::from_secs(8), || {
            (house.outcome(&mara, "old") == Outcome::Wrong).then_some(())
        });
        house.opens(&mara, "new");
        let said = tested(&house);
        eprintln!("{name}: {said}");
        let lacks = if recorded { "view-events" } else { "the realm does not record events" };
        assert!(said["detail"].as_str().is_some_and(|detail| detail.contains("8s")), "{said}");
        assert!(said.to_string().contains(lacks), "{name}: {said}");
        assert_eq!(said["outcome"], "warning", "{said}");
    }
}

/// What `provider test` says of the events.
fn tested(house: &House) -> Value {
    let test = ["provider", "test", "corp", "--json"];
    let output = house.rig.dovegate.run(&house.rig.folder, &test, "");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = report["steps"].as_array().unwrap_or_else(|| panic!("{report}"));
    let events = steps.iter().find(|step| step["name"] == "events");
    events.unwrap_or_else(|| panic!("{report:#}")).clone()
}
