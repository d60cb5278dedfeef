//! Addresses that are nearly another's, and people who call themselves by
//! another's: each opens her own mailbox and no other, whatever Keycloak finds.

use std::{thread, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    forged,
    house::{FLOW, House, NO_CACHE, corp_at},
};
use crate::support::{
    bearer::Mechanism,
    client::{Dialogue, Outcome, imap_login},
    http,
    keycloak::Keycloak,
    realm::Realm,
};

/// The interval within which the provider is not asked again about a refusal.
const RECHECK: Duration = Duration::from_secs(5);

/// A house whose provider is a realm of its own, where administrators alone write
/// hashes.
fn house(realm: &Realm<'_>, further_characters: &str) -> Option<House> {
    let keys = realm.service_account("sees", &["view-users"]);
    let corp = corp_at(&realm.keycloak.url(), &realm.name, &[&keys, FLOW, NO_CACHE]);
    // A plus is a letter like any other here.
    let names = format!(
        "[names]\nrecipient_delimiter = \"\"\nfurther_local_characters = \"{further_characters}\"\n"
    );
    House::start(&(corp + &names))
}

/// Ann's address is in joann's, and in those of five others.
#[test]
fn each_opens_her_own_mailbox_alone() {
    const NAMES: [&str; 9] =
        ["ann", "joann", "anna", "ann+mail", "ann.x", "a_n", "an&n", "an#n", "an=n'"];
    let Some(keycloak) = Keycloak::shared() else { return };
    for duplicates in [false, true] {
        let name = if duplicates { "near-doubles" } else { "near" };
        let changes = json!({
            "duplicateEmailsAllowed": duplicates, "loginWithEmailAllowed": !duplicates,
        });
        let realm = Realm::make(keycloak, name, &changes);
        let Some(house) = house(&realm, "&#='") else { return };
        let house = house.people(&NAMES);
        let address = |name: &str| format!("{name}@example.org");
        // The first has nobody at Keycloak yet, so that only the others are found.
        for (number, name) in NAMES.iter().enumerate().skip(1) {
            let id = realm.add_person(&format!("person-{number}"), &address(name), true);
            realm.set_password(&id, &format!("password {number}"));
        }
        // What an address is when it is decoded once too often.
        let id = realm.add_person("decoded", "%61nn@example.org", true);
        realm.set_password(&id, "password 0");
        let (port, passwords) = (house.rig.ports.imap, NAMES.len());
        assert_eq!(opened(port, &NAMES[..1], passwords), []);
        house.keeps_out("ann@example.org", "password 1", "unknown_at_provider");
        let id = realm.add_person("person-0", "Ann@EXAMPLE.org", true);
        realm.set_password(&id, "password nought");
        house.rig.dovegate(&["cache", "flush"]);
        let own: Vec<_> = NAMES.iter().copied().zip(0..).skip(1).collect();
        assert_eq!(opened(port, &NAMES, passwords), own);
        house.keeps_out("ann@example.org", "password 1", "wrong_password");
        house.opens("ann@example.org", "password nought");
        let (outcome, _) = house.password("%61nn@example.org", "password 0");
        assert_eq!(outcome, Outcome::Wrong);
        let (outcome, line) = house.password("ANN@Example.ORG", "password nought");
        assert_eq!((outcome, line.field("user")), (Outcome::In, "ann@example.org"));
    }
}

/// Each of these people tries each password: who got in, and with which.
fn opened<'n>(port: u16, names: &[&'n str], passwords: usize) -> Vec<(&'n str, usize)> {
    let pairs = names.iter().flat_map(|name| (0..passwords).map(move |number| (*name, number)));
    thread::scope(|scope| {
        let tries: Vec<_> = pairs
            .map(|(name, number)| {
                scope.spawn(move || {
                    let (user, password) =
                        (format!("{name}@example.org"), format!("password {number}"));
                    let outcome = imap_login(&mut Dialogue::tcp(port), &user, &password);
                    assert!(matches!(outcome, Outcome::In | Outcome::Wrong), "{name}: {outcome:?}");
                    (outcome == Outcome::In).then_some((name, number))
                })
            })
            .collect();
        tries.into_iter().filter_map(|one| one.join().unwrap()).collect()
    })
}

/// Where a realm lets two people have one address, it opens to neither.
#[test]
fn an_address_of_two_opens_nothing() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let changes = json!({ "duplicateEmailsAllowed": true, "loginWithEmailAllowed": false });
    let realm = Realm::make(keycloak, "twins", &changes);
    let Some(house) = house(&realm, "") else { return };
    let house = house.people(&["twin"]);
    realm.person("twin", "first");
    house.opens("twin@example.org", "first");
    let second = realm.add_person("other-twin", "TWIN@example.org", true);
    realm.set_password(&second, "second");
    house.rig.dovegate(&["cache", "flush"]);
    for password in ["first", "second"] {
        house.keeps_out("twin@example.org", password, "ambiguous_at_provider");
    }
    // A token names its person.
    let token = realm.sign_in("other-twin").access;
    house.refuses("twin@example.org", &token, "address_reassigned");
    house.admits("twin@example.org", &realm.sign_in("twin").access);
}

/// A person may write her address herself, and writes the postmaster's.
#[test]
fn who_calls_herself_postmaster_opens_nothing() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "renamed", &json!({}));
    let Some(house) = house(&realm, "") else { return };
    let house = house.people(&["mallory", "postmaster", "abuse"]);
    let abuse = realm.person("abuse", "report it");
    realm.person("mallory", "mine");
    house.opens("abuse@example.org", "report it");
    house.opens("mallory@example.org", "mine");
    let token = realm.sign_in("mallory").access;
    house.admits("mallory@example.org", &token);

    // The mailbox of nobody at Keycloak.
    call_herself(&realm, &token, "postmaster@example.org");
    let nothing_opens = |reason: &str| {
        house.rig.dovegate(&["cache", "flush"]);
        let hers = ["mallory@example.org", "postmaster@example.org", "abuse@example.org"];
        for user in hers {
            for token in [&token, &realm.sign_in("mallory").access] {
                let login = house.log_in(Mechanism::Xoauth2, user, token);
                assert_eq!(login.outcome, Outcome::Wrong, "{}", house.logged());
            }
            let (outcome, line) = house.password(user, "mine");
            assert_eq!(outcome, Outcome::Wrong, "{line}");
        }
        house.keeps_out("mallory@example.org", "mine", "unknown_at_provider");
        let claimed = person(&realm, &token)["email"].as_str().expect("she has one").to_owned();
        house.refuses(&claimed, &token, reason);
        house.keeps_out(&claimed, "mine", reason);
    };
    nothing_opens("unverified_email");
    // And somebody's who has left it.
    realm.change(&abuse, &json!({ "email": "gone@example.org" }));
    call_herself(&realm, &token, "abuse@example.org");
    nothing_opens("address_reassigned");
    // An administrator takes it for verified, and still it is another's.
    let id = person(&realm, &token)["id"].as_str().expect("ids are text").to_owned();
    realm.change(&id, &json!({ "emailVerified": true }));
    nothing_opens("address_reassigned");
    // With her own name she is herself again.
    realm.change(&id, &json!({ "email": "mallory@example.org" }));
    thread::sleep(2 * RECHECK);
    house.opens("mallory@example.org", "mine");
    house.admits("mallory@example.org", &token);
}

/// As the account console does it.
fn call_herself(realm: &Realm<'_>, token: &str, address: &str) {
    let account = format!("{}/account", realm.keycloak.issuer(&realm.name));
    let mut about = http::get(&account, token).good();
    about["email"] = json!(address);
    about.as_object_mut().expect("an account").remove("userProfileMetadata");
    http::send_json(Method::POST, &account, token, &about).good();
}

/// Whom a token speaks of, as Keycloak has her now.
fn person(realm: &Realm<'_>, token: &str) -> Value {
    let claims = forged::claims(token);
    realm.get(&format!("users/{}", claims["sub"].as_str().expect("Keycloak's ids are text")))
}
