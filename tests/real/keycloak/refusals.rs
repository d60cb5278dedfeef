//! Tokens that open nothing, each with its reason in the log.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    forged,
    house::{House, NO_CACHE, OUR_CLIENT, corp},
};
use crate::support::{
    bearer::Mechanism::{Oauthbearer, Xoauth2},
    http,
    keycloak::{BRIEF, DESKTOP, ELSEWHERE, Keycloak, REALM, WIKI},
};

const INTROSPECTION: &str = "methods = [\"introspection\"]\n";
const USERINFO: &str = "methods = [\"userinfo\"]\n";
const JWT: &str = "methods = [\"jwt\"]\n";
const CLIENTS: &str = "clients = [\"desktop\", \"brief\"]\n";
const AUDIENCE: &str = "audience = [\"mail\"]\n";
const SCOPES: &str = "scopes = [\"openid\", \"mail\"]\n";

/// The provider of example.net: the other realm.
fn other(keycloak: &Keycloak, keys: &str) -> String {
    corp(keycloak, &[OUR_CLIENT, NO_CACHE, keys])
        .replace("provider.corp", "provider.other")
        .replace(&format!("realm = \"{REALM}\""), &format!("realm = \"{ELSEWHERE}\""))
}

fn house(keycloak: &Keycloak, keys: &[&str]) -> Option<House> {
    let corp = corp(keycloak, &[&[OUR_CLIENT, NO_CACHE], keys].concat());
    let method = keys.iter().find(|key| key.starts_with("methods")).expect("each test names it");
    let house = House::start(&(corp + &other(keycloak, method)))?.people(&["ann", "ben"]);
    house.rig.dovegate(&["domain", "add", "example.net", "--provider", "other"]);
    house.mailbox("olga@example.net", "other");
    Some(house)
}

/// How a method says what every method refuses: introspection and userinfo are
/// told so by Keycloak, a signature is checked by us.
struct Words {
    other_key: &'static str,
    garbage: &'static str,
    /// Keycloak signs its refresh tokens by HS512.
    refresh: &'static str,
    /// How long an expired token is taken, since clocks differ.
    leeway: Duration,
}

const TOLD: Words = Words {
    other_key: "token_inactive",
    garbage: "token_inactive",
    refresh: "token_type",
    leeway: Duration::ZERO,
};
const CHECKED: Words = Words {
    other_key: "token_signature",
    garbage: "token_malformed",
    refresh: "token_algorithm",
    leeway: Duration::from_secs(30),
};

fn refused_by_every_method(keycloak: &Keycloak, house: &House, words: &Words) {
    let ann = "ann@example.org";
    let good = keycloak.tokens(REALM, "ann", DESKTOP, "openid mail");
    let brief = keycloak.token("ann", BRIEF, "openid mail");
    let since = Instant::now();
    house.admits(ann, &good.access);

    let ben = keycloak.token("ben", DESKTOP, "openid mail");
    house.refuses(ann, &ben, "token_user");
    house.refuses(ann, &forged::by_another_key(&good.access), words.other_key);
    house.refuses(ann, &forged::by_nobody(&good.access), "token_algorithm");
    let public_key = http::get(&keycloak.issuer(REALM), "").text("public_key").unwrap();
    let hs256 = forged::by_the_public_key(&good.access, &public_key);
    house.refuses(ann, &hs256, "token_algorithm");
    house.refuses(ann, good.id.as_deref().unwrap(), "token_type");
    house.refuses(ann, good.refresh.as_deref().unwrap(), words.refresh);
    house.refuses(ann, "garbage", words.garbage);

    // Each provider speaks for its own domains, whatever it says of an address.
    let namesake = keycloak.tokens(ELSEWHERE, "ann", DESKTOP, "openid mail");
    house.refuses(ann, &namesake.access, "token_issuer");
    let olga = keycloak.tokens(ELSEWHERE, "olga", DESKTOP, "openid mail");
    house.admits("olga@example.net", &olga.access);
    house.refuses("olga@example.net", &good.access, "token_issuer");

    let over = Duration::from_secs(4) + words.leeway;
    thread::sleep(over.saturating_sub(since.elapsed()));
    house.refuses(ann, &brief, "token_expired");
}

/// At once, though it was good a moment ago.
fn refused_after_signing_out(keycloak: &Keycloak, house: &House) {
    let tokens = keycloak.tokens(REALM, "ben", DESKTOP, "openid mail");
    house.admits("ben@example.org", &tokens.access);
    keycloak.sign_out(&tokens);
    house.refuses("ben@example.org", &tokens.access, "token_inactive");
}

fn refused_for_want_of_a_condition(keycloak: &Keycloak, method: &str) {
    let Some(house) = house(keycloak, &[method, CLIENTS, AUDIENCE]) else { return };
    let ann = "ann@example.org";
    house.admits(ann, &keycloak.token("ann", DESKTOP, "openid mail"));
    house.refuses(ann, &keycloak.token("ann", WIKI, "openid mail"), "token_client");
    house.refuses(ann, &keycloak.token("ann", DESKTOP, "openid"), "token_audience");
    house.refuses(ann, &keycloak.token("ann", DESKTOP, "openid calendar"), "token_audience");

    let Some(house) = self::house(keycloak, &[method, SCOPES]) else { return };
    house.admits(ann, &keycloak.token("ann", DESKTOP, "openid mail"));
    house.refuses(ann, &keycloak.token("ann", DESKTOP, "openid"), "token_scope");
    house.refuses(ann, &keycloak.token("ann", DESKTOP, "mail"), "token_scope");
}

#[test]
fn by_introspection() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, &[INTROSPECTION]) else { return };
    refused_by_every_method(keycloak, &house, &TOLD);
    refused_after_signing_out(keycloak, &house);
}

#[test]
fn by_userinfo() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, &[USERINFO]) else { return };
    refused_by_every_method(keycloak, &house, &TOLD);
    refused_after_signing_out(keycloak, &house);
    // Keycloak's 403, whose reason stands in WWW-Authenticate alone.
    let without = keycloak.token("ann", DESKTOP, "mail");
    house.refuses("ann@example.org", &without, "token_scope");
}

#[test]
fn by_signature() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, &[JWT]) else { return };
    refused_by_every_method(keycloak, &house, &CHECKED);
}

#[test]
fn conditions_by_introspection() {
    let Some(keycloak) = Keycloak::shared() else { return };
    refused_for_want_of_a_condition(keycloak, INTROSPECTION);
}

#[test]
fn conditions_by_signature() {
    let Some(keycloak) = Keycloak::shared() else { return };
    refused_for_want_of_a_condition(keycloak, JWT);
}

/// The challenge says how to get a token that would do.
#[test]
fn the_challenge_shows_the_way() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, &[INTROSPECTION, SCOPES]) else { return };
    let token = keycloak.token("ann", DESKTOP, "openid");
    let way = format!("{}/.well-known/openid-configuration", keycloak.issuer(REALM));
    let told = house.log_in(Oauthbearer, "ann@example.org", &token).challenge;
    let expected = json!({
        "status": "insufficient_scope", "scope": "openid mail", "openid-configuration": way,
    });
    assert_eq!(told, expected);
    let told = house.log_in(Xoauth2, "ann@example.org", &token).challenge;
    let expected = json!({
        "status": "403", "schemes": "bearer", "scope": "openid mail", "openid-configuration": way,
    });
    assert_eq!(told, expected);
}
