//! Ten thousand people of a Keycloak become mailboxes, change and leave.

use std::{thread, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{FLOW, House, corp_at};
use crate::support::{keycloak::Keycloak, realm::Realm};

const PEOPLE: usize = 10_000;
/// Keycloak's own bound for one transaction is far above it.
const AT_A_TIME: usize = 250;
const TEMPLATES: usize = 5;
/// How long our client's tokens live: roles are in the token.
const LIFESPAN: u64 = 30;

fn name(number: usize) -> String {
    format!("p{number:05}")
}

fn address(number: usize) -> String {
    format!("{}@example.org", name(number))
}

fn person(number: usize) -> Value {
    json!({
        "username": name(number), "email": address(number), "emailVerified": true,
        "enabled": true, "firstName": "Somebody", "lastName": name(number),
        "attributes": {
            "mailcow_template": [format!("t{}", number % TEMPLATES)],
            "mailcow_password": [format!("{{PLAIN}}mail-of-{}", name(number))],
        },
    })
}

/// The ids of everybody, by number.
fn fill(realm: &Realm<'_>) -> Vec<String> {
    let mut ids = vec![String::new(); PEOPLE];
    for first in (0..PEOPLE).step_by(AT_A_TIME) {
        let users: Vec<Value> = (first..first + AT_A_TIME).map(person).collect();
        let import = json!({ "ifResourceExists": "FAIL", "users": users });
        let said = realm.admin(Method::POST, "partialImport", &import).good();
        for made in said["results"].as_array().expect("a list of results") {
            let name = made["resourceName"].as_str().expect("names are text");
            let number: usize = name[1..].parse().expect("one of ours");
            made["id"].as_str().expect("ids are text").clone_into(&mut ids[number]);
        }
    }
    ids
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

/// A run that is complete: what it did, without what it left alone.
fn synced(house: &House, more: &[&str]) -> Value {
    let said = house.rig.dovegate(&[&["sync", "run", "corp", "--json"], more].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["outcome"], "complete", "{said}");
    eprintln!("{} to {}: {}", said["started"], said["ended"], said["done"]);
    said
}

fn check(house: &House, done: &Value, unchanged: usize) {
    let said = synced(house, &[]);
    assert_eq!((&said["done"], &said["unchanged"]), (done, &json!(unchanged)), "{said}");
}

/// A run that stops, with this exit code and these words.
fn stops(house: &House, code: i32, words: &str) {
    let output = house.rig.dovegate.run(&house.rig.folder, &["sync", "run", "corp"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{said}");
}

fn state(house: &House, number: usize) -> String {
    let shown = house.rig.dovegate(&["mailbox", "show", &address(number), "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["state"].as_str().expect("a word").to_owned()
}

fn everything(house: &House) -> String {
    house.rig.dovegate(&["mailbox", "list", "--json"])
}

fn delete(realm: &Realm<'_>, ids: &[String]) {
    thread::scope(|scope| {
        for part in ids.chunks(ids.len().div_ceil(4)) {
            scope.spawn(move || {
                for id in part {
                    realm.admin(Method::DELETE, &format!("users/{id}"), &Value::Null);
                }
            });
        }
    });
}

#[test]
fn ten_thousand_people_come_change_and_leave() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "syncing", &json!({ "accessTokenLifespan": LIFESPAN }));
    let keys = realm.service_account("syncs", &["view-users"]);
    let ids = fill(&realm);
    let Some(house) = house(&realm, &keys) else { return };
    let plan = house.rig.dovegate(&["sync", "run", "corp", "--dry-run"]);
    assert!(plan.contains("would be created        10,000"), "{plan}");
    check(&house, &json!({ "created": PEOPLE }), 0);
    let before = everything(&house);
    check(&house, &json!({}), PEOPLE);
    assert_eq!(everything(&house), before, "nothing was written");

    // They log in, through Dovecot.
    house.opens(&address(7), "mail-of-p00007");
    house.rig.dovegate(&["mailbox", "set", &address(9_000), "--state", "disabled"]);
    for (number, id) in ids.iter().enumerate().take(100) {
        let next = format!("t{}", (number + 1) % TEMPLATES);
        let mut attributes = person(number)["attributes"].clone();
        attributes["mailcow_template"] = json!([next]);
        realm.change(id, &json!({ "attributes": attributes }));
    }
    for id in &ids[100..150] {
        realm.change(id, &json!({ "enabled": false }));
    }
    delete(&realm, &ids[150..200]);
    let changed = json!({ "updated": 100, "withdrawn": 50, "missing": 50 });
    check(&house, &changed, PEOPLE - 200);
    check(&house, &json!({ "withdrawn": 50 }), PEOPLE - 50);
    check(&house, &json!({}), PEOPLE - 50);
    let states = [99, 100, 149, 150, 199, 200, 9_000].map(|number| state(&house, number));
    let off = "receive_only";
    assert_eq!(states, ["active", off, off, off, off, "active", "disabled"]);
    house.keeps_out(&address(120), "mail-of-p00120", "receive_only");
    for id in &ids[100..150] {
        realm.change(id, &json!({ "enabled": true }));
    }
    check(&house, &json!({ "restored": 50 }), PEOPLE - 100);
    house.opens(&address(120), "mail-of-p00120");

    // Too many at once: nobody is switched off.
    let before = everything(&house);
    delete(&realm, &ids[200..1_400]);
    stops(&house, 1, "withdraw_limit is 10 %");
    assert_eq!(everything(&house), before);

    // Nobody is seen any more: everybody stays.
    let (own, management) = (realm.client("syncs"), realm.client("realm-management"));
    let account = realm.get(&format!("clients/{own}/service-account-user"));
    let path = format!(
        "users/{}/role-mappings/clients/{management}",
        account["id"].as_str().expect("ids are text")
    );
    let roles = realm.get(&path);
    realm.admin(Method::DELETE, &path, &roles);
    realm.grant("syncs", &["query-users"]);
    thread::sleep(Duration::from_secs(LIFESPAN + 5));
    stops(&house, 75, "view-users");
    assert_eq!(everything(&house), before);
}
