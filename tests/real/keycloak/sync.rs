//! Ten thousand people of a Keycloak become mailboxes, change and leave.

use std::{thread, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{FLOW, House, corp_at};
use crate::support::{keycloak::Keycloak, realm::Realm};

const PEOPLE: usize = 10_000;
const TEMPLATES: usize = 5;
/// How long our client's tokens live: roles are in the token.
const LIFESPAN: u64 = 10;

fn name(number: usize) -> String {
    format!("c{number:05}")
}

fn address(number: usize) -> String {
    format!("{}@example.org", name(number))
}

fn password(number: usize) -> String {
    format!("mail-of-{}", name(number))
}

/// Her id at Keycloak.
fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn house(realm: &Realm<'_>, keys: &str) -> Option<House> {
    let mapping: Vec<String> = (0..TEMPLATES)
        .map(|number| format!("{{ value = \"t{number}\", template = \"T{number}\" }}"))
        .collect();
    let mapping = format!("attribute_mapping = [{}]\n", mapping.join(", "));
    let keys = [keys, FLOW, "import_users = true\n", &mapping];
    let house = House::start(&corp_at(&realm.keycloak.url(), &realm.name, &keys))?;
    for number in 0..TEMPLATES {
        let (name, quota) = (format!("T{number}"), format!("{}G", number + 1));
        let tag = format!("tag{number}");
        house.rig.dovegate(&["template", "add", &name, "--quota", &quota, "--tag", &tag]);
    }
    Some(house)
}

fn check(house: &House, done: &Value, unchanged: usize) {
    let said = house.sync();
    assert_eq!((&said["done"], &said["unchanged"]), (done, &json!(unchanged)), "{said}");
}

fn state(house: &House, number: usize) -> String {
    let shown = house.json(&["mailbox", "show", &address(number)]);
    shown["state"].as_str().expect("a word").to_owned()
}

fn addresses(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(address).collect()
}

fn change(realm: &Realm<'_>, number: usize, changes: &Value) {
    realm.change(&id(number), changes);
}

/// Gives somebody the next template.
fn move_on(realm: &Realm<'_>, number: usize) {
    let mut attributes = realm.get(&format!("users/{}", id(number)))["attributes"].clone();
    attributes["mailcow_template"] = json!([format!("t{}", (number + 1) % TEMPLATES)]);
    change(realm, number, &json!({ "attributes": attributes }));
}

#[test]
fn ten_thousand_people_come_change_and_leave() {
    let Some(keycloak) = Keycloak::own_crowd() else { return };
    let realm = Realm::crowd(&keycloak);
    let keys = realm.service_account("syncs", &["view-users"]);
    let client = format!("clients/{}", realm.client("syncs"));
    let lifespan = json!({ "access.token.lifespan": LIFESPAN.to_string() });
    realm.put(&client, &json!({ "attributes": lifespan }));
    let Some(house) = house(&realm, &keys) else { return };
    they_come(&house);
    they_change(&house, &realm);
    half_of_them_leave(&house, &keycloak);
    nobody_is_seen(&house, &realm);
}

fn they_come(house: &House) {
    let plan = house.rig.dovegate(&["sync", "run", "corp", "--dry-run"]);
    assert!(plan.contains("would be created        10,000"), "{plan}");
    check(house, &json!({ "created": PEOPLE }), 0);
    let mailboxes = house.mailboxes_by_template();
    assert_eq!(mailboxes.len(), PEOPLE);
    for (number, mailbox) in mailboxes.iter().enumerate() {
        assert_eq!(mailbox["address"], address(number));
        assert_eq!(mailbox["bound"]["subject"], id(number));
        assert_eq!(mailbox["template"], format!("T{}", number % TEMPLATES));
    }
    let before = house.stored();
    check(house, &json!({}), PEOPLE);
    house.stored().nothing_but_a_record_since(&before);
    // They log in, through Dovecot.
    house.opens(&address(7), &password(7));
}

/// A hundred change, fifty are disabled, fifty are deleted; and one whom an
/// administrator has switched off gets another template, and no more.
fn they_change(house: &House, realm: &Realm<'_>) {
    house.rig.dovegate(&["mailbox", "set", &address(9_000), "--state", "disabled"]);
    for number in (0..100).chain([9_000]) {
        move_on(realm, number);
    }
    for number in 100..150 {
        change(realm, number, &json!({ "enabled": false }));
    }
    for number in 150..200 {
        realm.admin(Method::DELETE, &format!("users/{}", id(number)), &Value::Null).good();
    }
    let before = house.stored();
    check(house, &json!({ "updated": 101, "withdrawn": 50, "missing": 50 }), PEOPLE - 201);
    let changed = house.stored();
    assert_eq!(changed.changed_since(&before), addresses((0..200).chain([9_000])));
    let lines = house.lines(&house.runs()[0]);
    assert_eq!(lines["updated"], addresses((0..100).chain([9_000])));
    assert_eq!(lines["withdrawn"], addresses(100..150));
    assert_eq!(lines["missing"], addresses(150..200));
    assert_eq!(lines.len(), 3);
    check(house, &json!({ "withdrawn": 50 }), PEOPLE - 50);
    let withdrawn = house.stored();
    assert_eq!(withdrawn.changed_since(&changed), addresses(150..200));
    check(house, &json!({}), PEOPLE - 50);
    house.stored().nothing_but_a_record_since(&withdrawn);

    let states = [99, 100, 149, 150, 199, 200, 9_000].map(|number| state(house, number));
    let off = "receive_only";
    assert_eq!(states, ["active", off, off, off, off, "active", "disabled"]);
    assert_eq!(house.json(&["mailbox", "show", &address(9_000)])["template"], "T1");
    house.keeps_out(&address(120), &password(120), "disabled_at_provider");
    for number in 100..150 {
        change(realm, number, &json!({ "enabled": true }));
    }
    check(house, &json!({ "restored": 50 }), PEOPLE - 100);
    house.opens(&address(120), &password(120));
}

/// Too many at once: nobody is switched off.
fn half_of_them_leave(house: &House, keycloak: &Keycloak) {
    keycloak.stop();
    delete(keycloak, 200, PEOPLE / 2);
    keycloak.run();
    let before = house.stored();
    house.sync_stops(1, "withdraw_limit is 10 %");
    assert_eq!(house.runs()[0]["outcome"], "braked");
    assert_eq!(house.stored().changed_since(&before), addresses([]));
}

/// So many people, the first of them of this number.
fn delete(keycloak: &Keycloak, first: usize, count: usize) {
    let these = format!("BETWEEN '{}' AND '{}'", id(first), id(first + count - 1));
    let theirs = ["USER_ATTRIBUTE", "USER_ROLE_MAPPING", "CREDENTIAL", "USER_REQUIRED_ACTION"];
    let theirs = theirs.map(|table| format!("DELETE FROM {table} WHERE USER_ID {these};"));
    let said =
        keycloak.sql(&format!("{} DELETE FROM USER_ENTITY WHERE ID {these}", theirs.concat()));
    assert!(said.contains(&format!("Update count: {count}")), "{said}");
}

/// Our client may not see people any more: everybody stays.
fn nobody_is_seen(house: &House, realm: &Realm<'_>) {
    let (own, management) = (realm.client("syncs"), realm.client("realm-management"));
    let account = realm.get(&format!("clients/{own}/service-account-user"));
    let path = format!(
        "users/{}/role-mappings/clients/{management}",
        account["id"].as_str().expect("ids are text")
    );
    let roles = realm.get(&path);
    realm.admin(Method::DELETE, &path, &roles).good();
    realm.grant("syncs", &["query-users"]);
    thread::sleep(Duration::from_secs(LIFESPAN + 2));
    let before = house.stored();
    house.sync_stops(75, "view-users");
    assert_eq!(house.runs()[0]["outcome"], "failed");
    assert_eq!(house.stored().changed_since(&before), addresses([]));
}
