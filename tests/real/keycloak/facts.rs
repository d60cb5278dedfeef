//! What this Keycloak does and another would not, one test for each: none of it
//! opens a mailbox to somebody else, and none of it locks somebody out.

use reqwest::Method;
use serde_json::json;

use super::{
    forged,
    house::{House, NO_CACHE, OUR_CLIENT, corp},
};
use crate::support::{
    keycloak::{BARE, DESKTOP, Keycloak, LIGHTWEIGHT, REALM, WIKI},
    realm::Realm,
};

const SCOPE: &str = "openid mail";

fn house(keycloak: &Keycloak, keys: &[&str]) -> Option<House> {
    let keys = [&[OUR_CLIENT, NO_CACHE], keys].concat();
    House::start(&corp(keycloak, &keys))
}

/// Who comes after somebody gets his address, and not his mail.
#[test]
fn successor_inherits_no_mail() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::example(keycloak);
    let Some(house) = house(keycloak, &[]) else { return };
    let house = house.people(&["info"]);
    let first = realm.add_person("info-1", "info@example.org", true);
    house.admits("info@example.org", &keycloak.token("info-1", DESKTOP, SCOPE));
    realm.change(&first, &json!({ "email": "info-1@example.org" }));
    realm.add_person("info-2", "info@example.org", true);
    let second = keycloak.token("info-2", DESKTOP, SCOPE);
    house.refuses("info@example.org", &second, "address_reassigned");
    house.rig.dovegate(&["mailbox", "set", "info@example.org", "--unbind"]);
    house.admits("info@example.org", &second);
    let first = keycloak.token("info-1", DESKTOP, SCOPE);
    house.refuses("info@example.org", &first, "token_user");
}

#[test]
fn unverified_address_binds_no_mailbox() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(strict) = house(keycloak, &[]) else { return };
    let strict = strict.people(&["una"]);
    let token = keycloak.token("una", DESKTOP, SCOPE);
    strict.refuses("una@example.org", &token, "unverified_email");
    let lax = house(keycloak, &["unverified_email = \"accept\"\n"]).expect("it ran above");
    lax.people(&["una"]).admits("una@example.org", &token);
}

/// A person who is switched off, or removed, is out at once.
#[test]
fn switched_off_is_out_until_switched_on() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::example(keycloak);
    for method in ["introspection", "userinfo"] {
        let Some(house) = house(keycloak, &[&format!("methods = [\"{method}\"]\n")]) else {
            return;
        };
        let name = format!("walter-{method}");
        let address = format!("{name}@example.org");
        let house = house.people(&[&name]);
        let id = realm.add_person(&name, &address, true);
        let token = keycloak.token(&name, DESKTOP, SCOPE);
        house.admits(&address, &token);
        realm.change(&id, &json!({ "enabled": false }));
        house.refuses(&address, &token, "token_inactive");
        realm.change(&id, &json!({ "enabled": true }));
        house.admits(&address, &token);
        realm.admin(Method::DELETE, &format!("users/{id}"), &json!({})).good();
        house.refuses(&address, &token, "token_inactive");
    }
}

/// Any client of the realm may have got the token, unless clients are named;
/// each start says so.
#[test]
fn tokens_of_every_client_until_clients_are_named() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(open) = house(keycloak, &[]) else { return };
    let token = keycloak.token("ann", WIKI, SCOPE);
    let warning = "tokens of every client of the provider are taken";
    assert!(log_of(&open).contains(warning));
    open.people(&["ann"]).admits("ann@example.org", &token);
    let named = house(keycloak, &["clients = [\"desktop\"]\n"]).expect("it ran above");
    assert!(!log_of(&named).contains(warning));
    named.people(&["ann"]).refuses("ann@example.org", &token, "token_client");
}

fn log_of(house: &House) -> String {
    std::fs::read_to_string(house.rig.folder.outside("dovegate.log")).unwrap()
}

/// A 401 for our own client is our fault, and no mail program throws its token
/// away.
#[test]
fn our_own_wrong_secret_is_an_outage() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ann", DESKTOP, SCOPE);
    for client in [
        "client_id = \"dovegate\"\nclient_secret = \"wrong\"\n",
        "client_id = \"nobody\"\nclient_secret = \"wrong\"\n",
        // May not ask: 403.
        "client_id = \"desktop\"\nclient_secret = \"wrong\"\nclient_auth = \"post\"\n",
    ] {
        let Some(house) = House::start(&corp(keycloak, &[client])) else { return };
        house.people(&["ann"]).cannot_tell("ann@example.org", &token, "provider_credentials");
    }
}

/// By either way of proving who we are.
#[test]
fn our_client_proves_itself_by_basic_and_post() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ann", DESKTOP, SCOPE);
    for way in ["client_auth = \"basic\"\n", "client_auth = \"post\"\n"] {
        let Some(house) = house(keycloak, &[way]) else { return };
        house.people(&["ann"]).admits("ann@example.org", &token);
    }
}

/// Tokens name the address by which a person asked for them. Where Dovegate asks
/// at another one, `issuer` says so, and what it asks carries that name.
#[test]
fn the_issuer_follows_the_host() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ann", DESKTOP, SCOPE);
    let port = keycloak.port();
    let here = format!("server_url = \"{}\"", keycloak.url());
    let there = format!("server_url = \"http://localhost:{port}\"");
    let elsewhere = |keys: &[&str]| corp(keycloak, keys).replace(&here, &there);
    let issuer = format!("issuer = \"{}\"\n", keycloak.issuer(REALM));
    for method in ["introspection", "userinfo", "jwt"] {
        let method = format!("methods = [\"{method}\"]\n");
        let keys = [OUR_CLIENT, &method];
        let Some(house) = House::start(&elsewhere(&keys)) else { return };
        house.people(&["ann"]).refuses("ann@example.org", &token, "token_issuer");
        let house = House::start(&elsewhere(&[OUR_CLIENT, &method, &issuer]));
        let house = house.expect("it ran above");
        house.people(&["ann"]).admits("ann@example.org", &token);
    }
}

/// No `sub`, no `email`, no `aud` in them: Keycloak knows, and is asked.
#[test]
fn lightweight_tokens() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ann", LIGHTWEIGHT, SCOPE);
    assert_eq!(forged::claims(&token).get("email"), None);
    for method in ["introspection", "userinfo", "jwt"] {
        let Some(house) = house(keycloak, &[&format!("methods = [\"{method}\"]\n")]) else {
            return;
        };
        let house = house.people(&["ann", "ben"]);
        house.admits("ann@example.org", &token);
        house.refuses("ben@example.org", &token, "token_user");
    }
}

/// A token that names nobody's address opens nobody's mailbox.
#[test]
fn tokens_without_an_address() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ann", BARE, "openid");
    for method in ["introspection", "userinfo", "jwt"] {
        let Some(house) = house(keycloak, &[&format!("methods = [\"{method}\"]\n")]) else {
            return;
        };
        house.people(&["ann"]).refuses("ann@example.org", &token, "token_user");
    }
}

/// A valid token of somebody who has no mailbox here.
#[test]
fn no_mailbox_no_entry() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, &[]) else { return };
    let token = keycloak.token("ann", DESKTOP, SCOPE);
    house.refuses("ann@example.org", &token, "unknown_user");
    house.mailbox("ann@example.org", "local");
    house.refuses("ann@example.org", &token, "token_source");
    house.rig.dovegate(&["mailbox", "set", "ann@example.org", "--auth-source", "corp"]);
    house.admits("ann@example.org", &token);
    house.rig.dovegate(&["domain", "set", "example.org", "--provider", "none"]);
    house.refuses("ann@example.org", &token, "no_provider");
}
