//! Main passwords whose hashes a Keycloak keeps, through a real Dovecot.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::house::{FLOW, House, corp};
use crate::support::{
    client::{Dialogue, Outcome, imap_login, pop3_plain},
    keycloak::Keycloak,
    realm::Realm,
};

/// The interval within which the provider is not asked again about a refusal.
const RECHECK: Duration = Duration::from_secs(5);

fn house(keycloak: &Keycloak, keys: &[&str]) -> Option<House> {
    Realm::example(keycloak).attributes_are_administrators();
    // A plus is a letter like any other here.
    let names = "[names]\nrecipient_delimiter = \"\"\n";
    House::start(&(corp(keycloak, &[&[FLOW], keys].concat()) + names))
}

#[test]
fn a_password_that_keycloak_keeps_opens_the_mailbox() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::example(keycloak);
    let keys = realm.service_account("mp-sees", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let house = house.people(&["mara", "joann", "jo+a"]);
    let mara = realm.person("mara", "wonderland");
    realm.person("joann", "joanns");
    realm.person("jo+a", "plus");
    house.opens("mara@example.org", "wonderland");
    house.keeps_out("mara@example.org", "Wonderland", "wrong_password");
    // Not her password at Keycloak itself.
    house.keeps_out("mara@example.org", "password-of-mara", "wrong_password");
    let pop3 = &mut Dialogue::tls(house.rig.ports.pop3s);
    assert_eq!(pop3_plain(pop3, "mara@example.org", "wonderland"), Outcome::In);
    house.opens("jo+a@example.org", "plus");

    // Another one is set: the new one works, and then the old one no more.
    realm.set_hashes(&mara, &["{PLAIN}looking glass"]);
    thread::sleep(RECHECK);
    house.opens("mara@example.org", "looking glass");
    house.keeps_out("mara@example.org", "wonderland", "wrong_password");
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
    let realm = Realm::example(keycloak);
    let keys = realm.service_account("mp-counts", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let house = house.people(&["cora"]);
    realm.person("cora", "tea");
    for _ in 0..4 {
        house.opens("cora@example.org", "tea");
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

#[test]
fn each_state_at_keycloak_has_its_own_reason() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::example(keycloak);
    let keys = realm.service_account("mp-states", &["view-users"]);
    let Some(house) = house(keycloak, &[&keys]) else { return };
    let cases = [
        ("mp-off", json!({ "enabled": false }), "disabled_at_provider"),
        ("mp-unverified", json!({ "emailVerified": false }), "unverified_email"),
        ("mp-without", json!({ "attributes": {} }), "no_mailpassword"),
    ];
    let house = house.people(&["mp-off", "mp-unverified", "mp-without", "mp-two", "mp-broken"]);
    for (name, changes, reason) in cases {
        let id = realm.person(name, "tea");
        realm.change(&id, &changes);
        house.keeps_out(&format!("{name}@example.org"), "tea", reason);
    }
    let two = realm.person("mp-two", "tea");
    realm.set_hashes(&two, &["{PLAIN}tea", "{PLAIN}coffee"]);
    house.puts_off("mp-two@example.org", "tea", "several_mailpasswords");
    let broken = realm.person("mp-broken", "tea");
    realm.set_hashes(&broken, &["{BLF-CRYPT}$2y$05$no"]);
    house.puts_off("mp-broken@example.org", "tea", "corrupt_hash");
}

/// Without `view-users` Keycloak finds nobody: our mistake, and nobody's wrong
/// password.
#[test]
fn a_client_that_sees_nobody_refuses_nobody() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::example(keycloak);
    for (id, roles) in [("mp-query", &["query-users"][..]), ("mp-nothing", &[][..])] {
        let keys = realm.service_account(id, roles);
        let Some(house) = house(keycloak, &[&keys]) else { return };
        let name = format!("vera-{id}");
        let house = house.people(&[&name]);
        realm.person(&name, "tea");
        house.puts_off(&format!("{name}@example.org"), "tea", "provider_rights");
        let said = std::fs::read_to_string(house.rig.folder.outside("dovegate.log")).unwrap();
        assert!(said.contains("main passwords cannot be checked"), "{said}");
    }
}
