//! What is remembered of logins, and how Dovecot's own command has it forgotten.

use serde_json::Value;

use super::house::{FLOW, House, corp};
use crate::support::{
    client::{Dialogue, Outcome, imap_login},
    dovecot::{
        Extra,
        Version::{self, V23, V24},
        Way::OwnDaemon,
    },
    keycloak::Keycloak,
    realm::Realm,
};

/// Entries and misses of each cache that lets in.
fn caches(house: &House) -> [(u64, u64); 3] {
    let shown = house.rig.dovegate(&["cache", "status", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let caches = shown["caches"].as_array().expect("a list");
    ["verified", "people", "tokens"].map(|name| {
        let cache = caches.iter().find(|cache| cache["name"] == name).expect("it is there");
        let figure = |name: &str| cache[name].as_u64().expect("a number");
        (figure("entries"), figure("misses"))
    })
}

/// `doveadm auth cache flush` reaches all of them, for one user or for everybody.
fn doveadm_flushes(version: Version) {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::example(keycloak);
    realm.attributes_are_administrators();
    let id = format!("cache-{version:?}").to_lowercase();
    let keys = realm.service_account(&id, &["view-users"]);
    let tables = corp(keycloak, &[FLOW, &keys]);
    let extra = Extra { tables: &tables, ..Extra::default() };
    let Some(house) = House::start_as(version, OwnDaemon, extra) else { return };
    let (kate, name) = (format!("kate-{id}@example.org"), format!("kate-{id}"));
    let house = house.people(&[&name]);
    house.rig.mailbox("leo@example.org", "looking-glass", &[]);
    realm.person(&name, "tea");
    let token = realm.sign_in(&name).access;
    let all_log_in = || {
        house.opens(&kate, "tea");
        house.admits(&kate, &token);
        let leo = &mut Dialogue::tcp(house.rig.ports.imap);
        assert_eq!(imap_login(leo, "leo@example.org", "looking-glass"), Outcome::In);
    };
    let flushes = |users: &[&str], expected: &str| {
        let reply = house.rig.doveadm(&[&["auth", "cache", "flush"], users].concat());
        assert!(reply.text.contains(expected), "{users:?}: {}", reply.text);
    };
    for _ in 0..2 {
        all_log_in();
        assert_eq!(caches(&house), [(1, 1), (1, 1), (1, 1)], "the second time nobody is asked");
    }
    flushes(&["nobody@example.org"], "0 cache entries flushed");
    flushes(&[&kate], "2 cache entries flushed");
    assert_eq!(caches(&house), [(1, 1), (0, 1), (0, 1)]);
    all_log_in();
    assert_eq!(caches(&house), [(1, 1), (1, 2), (1, 2)], "what was said of her is asked again");
    flushes(&[], "3 cache entries flushed");
    assert_eq!(caches(&house), [(0, 1), (0, 2), (0, 2)]);
    all_log_in();
    assert_eq!(caches(&house), [(1, 2), (1, 3), (1, 3)]);
}

#[test]
fn doveadm_2_3_flushes_people_and_tokens() {
    doveadm_flushes(V23);
}

#[test]
fn doveadm_2_4_flushes_people_and_tokens() {
    doveadm_flushes(V24);
}
